package xmppd

import (
	"sync/atomic"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/stanza"
)

// A correspondent is an account as one session of another sees it.
type correspondent struct {
	share xmpp.Share   // what the account has waiting in the session's queue
	asked atomic.Int64 // requests of the session to the account that may still be answered
}

// correspondent returns the account as this session sees it.
func (ses *session) correspondent(a *account) *correspondent {
	ses.mu.Lock()
	defer ses.mu.Unlock()
	c := ses.known[a]
	if c == nil {
		if ses.known == nil {
			ses.known = map[*account]*correspondent{}
		}
		c = new(correspondent)
		ses.known[a] = c
	}
	return c
}

// A lane is what the goroutine that routes for a sender keeps from one stanza to the next.
type lane struct {
	account  *account    // whom what it sends counts for
	last     pair        // whom it sent something to last
	verdicts verdicts    // whom it may send to
	tags     []byte      // buffer for start and end tags
	reported atomic.Bool // that something it sent was thrown away
}

func (l *lane) way() *lane { return l }

// pair is a session that a sender sends to, and how they see each other's account.
type pair struct {
	to        *session
	here, far *correspondent // the session's account as the sender sees it, the sender's as the session does
}

// between returns what there is between a sender and a session. The last one is remembered: whoever sends much sends much
// to the same. Only the sender's goroutine calls it.
func between(from sender, to *session) pair {
	l := from.way()
	if l.last.to != to {
		l.last = pair{to, from.correspondent(to.account), to.correspondent(l.account)}
	}
	return l.last
}

// take reports whether one of the requests that may still be answered is answered now.
func (c *correspondent) take() bool {
	for {
		n := c.asked.Load()
		if n == 0 {
			return false
		}
		if c.asked.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// deliver queues a sender's stanza for a session. What that one has asked for needs room in its queue, everything else room
// in the share that the sender's account has of it. The error is xmpp.ErrQueueFull, xmpp.ErrShareFull, or says that the
// stream has ended. Only the sender's goroutine calls it.
func (s *Server) deliver(from sender, to *session, st *stanza.Stanza) error {
	l, p := from.way(), between(from, to)
	if st.Kind == stanza.IQ {
		switch st.Type {
		case stanza.Get, stanza.Set:
			p.here.asked.Add(1)
			err := l.pushTo(to, &p.far.share, st)
			if err != nil {
				p.here.take()
			}
			return err
		default:
			if p.far.take() {
				err := l.pushTo(to, nil, st)
				if err == xmpp.ErrQueueFull {
					to.slow(s.cfg.Audit.Record)
				}
				return err
			}
		}
	}
	return l.pushTo(to, &p.far.share, st)
}

// pushTo is push with this lane's buffer.
func (l *lane) pushTo(to *session, share *xmpp.Share, st *stanza.Stanza) (err error) {
	l.tags, err = to.push(l.tags[:0], share, l.account.may.Load().share, st)
	return err
}

// flooded notes that something a sender sent was thrown away, because its account's share of a queue was full and it
// could not be refused. It is recorded once for each stream.
func flooded(from sender, to *session, record func(audit.Event)) {
	from.way().account.tally.dropped.Add(1)
	if from.way().reported.CompareAndSwap(false, true) {
		record(from.event(audit.StreamFlood, "more for "+to.jid.String()+" than its share of that queue: thrown away"))
	}
}
