package xmppd

import (
	"sync"
	"time"

	"busbar.example/xmpp/jid"
)

// Limits bound what connections and accounts cost. A field that is not positive takes its default, but for Rate.
type Limits struct {
	Connections               int // at once; default 4,096
	ConnectionsPerAddress     int // at once from one IPv4 address or IPv6 /64; default 1,024
	UnauthenticatedPerAddress int // of these, that have not bound a resource yet; default 128
	ResourcesPerAccount       int // default 16

	// Rate is how many octets a second an account may send, all of its streams together and a quarter of a second ahead;
	// a stanza counts for 256 more. Who sends more is read more slowly. Default 32 MiB; negative: no bound.
	Rate int
	// Stanzas is how many stanzas a second an account may send, in the same way. Default: no bound but Rate.
	Stanzas int
	// QueueShare is how many octets of another's queue an account may have for what nobody has asked it for. Default: half
	// of Live.QueueSize.
	QueueShare int

	// Accounts are limits of certain accounts in place of those above: the first that stands for an account counts.
	Accounts []AccountLimits
}

// AccountLimits are limits for the accounts that a pattern stands for. A field that is 0 leaves what Limits says; of Rate and
// Stanzas, a negative one is no bound.
type AccountLimits struct {
	Accounts                             Pattern
	Resources, Rate, Stanzas, QueueShare int
}

func (l Limits) withDefaults() Limits {
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	or(&l.Connections, 4096)
	or(&l.ConnectionsPerAddress, 1024)
	or(&l.UnauthenticatedPerAddress, 128)
	or(&l.ResourcesPerAccount, 16)
	if l.Rate == 0 {
		l.Rate = 32 << 20
	}
	return l
}

// allowance is what one account may cost. It is never changed, only replaced as a whole.
type allowance struct {
	resources, share int
	rate, stanzas    int // a second; not positive: no bound
}

// allowance returns what an account may cost. l has its defaults.
func (l *Limits) allowance(bare jid.JID) *allowance {
	a := &allowance{l.ResourcesPerAccount, l.QueueShare, l.Rate, l.Stanzas}
	for _, o := range l.Accounts {
		if !o.Accounts.Matches(bare) {
			continue
		}
		or := func(v *int, of int) {
			if of != 0 {
				*v = of
			}
		}
		or(&a.resources, o.Resources)
		or(&a.rate, o.Rate)
		or(&a.stanzas, o.Stanzas)
		or(&a.share, o.QueueShare)
		break
	}
	return a
}

// A bucket bounds how much an account sends, over all of its streams.
type bucket struct {
	mu   sync.Mutex
	paid time.Time // until when what was sent is paid for
}

const (
	burst    = 250 * time.Millisecond // what may be sent at once, by the time that it takes at the bounded rate
	instal   = 64 << 10               // octets that a stream pays for at once, or half a burst of a low rate
	overhead = 256                    // octets that a stanza counts for besides its own
)

// pay takes n octets out of the bucket and returns how long to wait before anything more is read.
func (b *bucket) pay(n, rate int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if earliest := now.Add(-burst); b.paid.Before(earliest) {
		b.paid = earliest
	}
	b.paid = b.paid.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	return b.paid.Sub(now)
}

// pace holds this stream up after that many octets have come, if its account sends more than it may.
func (l *lane) pace(octets int) {
	l.account.tally.octetsIn.Add(uint64(octets))
	may := l.account.may.Load()
	if may.rate <= 0 {
		return
	}
	l.credit -= octets
	if l.credit >= 0 {
		return
	}
	n := max(min(instal, may.rate/8), -l.credit)
	l.credit += n
	l.hold(l.account.sent.pay(n, may.rate, time.Now()))
}

// count counts one more stanza of this stream, and holds it up if its account sends more of them than it may.
func (l *lane) count() {
	l.credit -= overhead
	if may := l.account.may.Load(); may.stanzas > 0 {
		l.hold(l.account.stanzas.pay(1, may.stanzas, time.Now()))
	}
}

// hold waits, at most until the stream or the server ends.
func (l *lane) hold(wait time.Duration) {
	if wait <= 0 {
		return
	}
	l.account.tally.held.Add(int64(wait))
	held := time.NewTimer(wait)
	defer held.Stop()
	select {
	case <-held.C:
	case <-l.conn.Ending():
	case <-l.server.live.Done():
	}
}
