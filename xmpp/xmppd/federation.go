package xmppd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Federation says how a server deals with the servers of other domains. Trust is needed; every other field's zero value is
// its default. Between two domains there are two streams, one each way, and both ends show their certificates.
type Federation struct {
	// Trust returns the anchors for the certificate of another domain's server, those alone that may vouch for that domain.
	// Nil: nothing goes to that domain and nothing comes from it. It may be called by several goroutines.
	Trust func(domain string) *pki.Trust
	// Resolver returns what finds the server of a domain, for each attempt. Nil, or a nil result: the DNS is asked.
	Resolver func(domain string) *xmpp.Resolver
	// Dialer replaces the TCP connection to a place of a server.
	Dialer func(ctx context.Context, t xmpp.Target) (net.Conn, error)

	QueueSize int           // octets that may wait for one domain; default 4 MiB
	Wait      time.Duration // how long a stanza waits for a stream before it is returned; default 10 s
	Retry     time.Duration // longest pause between two attempts, which begin at half a second; default 30 s
	Idle      time.Duration // after which a stream that nobody uses is closed; default 10 min
	Streams   int           // from one domain, at once; default 8
	Domains   int           // with which there may be dealings while the server runs; default 1,024
}

func (f Federation) withDefaults() Federation {
	setDefault(&f.QueueSize, 4<<20)
	setDefault(&f.Wait, 10*time.Second)
	setDefault(&f.Retry, 30*time.Second)
	setDefault(&f.Idle, 10*time.Minute)
	setDefault(&f.Streams, 8)
	setDefault(&f.Domains, 1024)
	return f
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// federation is what a server knows of other domains.
type federation struct {
	Federation
	over context.Context // no more is sent to other domains
	stop context.CancelFunc
	work sync.WaitGroup // a goroutine for each peer

	mu     sync.Mutex // held for a moment only, and no other lock taken under it
	closed bool
	peers  map[string]*peer
}

func newFederation(f *Federation, live context.Context) (*federation, error) {
	if f == nil {
		return nil, nil
	}
	if f.Trust == nil {
		return nil, errors.New("xmppd: a Federation needs trust anchors")
	}
	fed := &federation{Federation: f.withDefaults(), peers: map[string]*peer{}}
	fed.over, fed.stop = context.WithCancel(live)
	return fed, nil
}

var (
	errTooManyDomains = stanza.NewError(stanza.ResourceConstraint, "there are dealings with as many domains as there may be")
	errTooLarge       = stanza.NewError(stanza.PolicyViolation, "this is larger than the other domain's server takes")
)

// peer returns the dealings with another domain, which are begun if there are none yet; or what to say to who wants them.
func (s *Server) peer(domain string) (*peer, *stanza.Error) {
	f := s.fed
	if f == nil {
		return nil, errNoSuchServer
	}
	f.mu.Lock()
	p := f.peers[domain]
	f.mu.Unlock()
	if p != nil {
		return p, nil
	}
	if f.Trust(domain) == nil {
		return nil, errNoSuchServer
	}
	j, err := jid.New("", domain, "")
	if err != nil {
		return nil, errNoSuchServer
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch p := f.peers[domain]; {
	case p != nil:
		return p, nil
	case f.closed:
		return nil, errNoSuchServer
	case len(f.peers) >= f.Domains:
		return nil, errTooManyDomains
	}
	p = newPeer(s, j)
	f.peers[domain] = p
	f.work.Add(1)
	go p.run()
	return p, nil
}

// all returns the dealings with all other domains.
func (f *federation) all() []*peer {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*peer
	for _, p := range f.peers {
		all = append(all, p)
	}
	return all
}

// close ends the dealings with all domains, once what waits in the queues of their streams is sent. It does not wait for that.
func (f *federation) close() {
	if f == nil {
		return
	}
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stop()
	for _, p := range f.all() {
		p.endIncoming(&xmpp.StreamError{Condition: xmpp.SystemShutdown})
	}
}

// wait waits until close has come to its end.
func (f *federation) wait() {
	if f != nil {
		f.work.Wait()
	}
}

// leave lets a session's stanza go to another domain.
func (s *Server) leave(ses *session, st stanza.Stanza) {
	if st.Kind != stanza.Presence {
		s.sendRemote(ses, st)
		return
	}
	if _, refusal := s.peer(st.To.Domain()); refusal != nil {
		refuse(ses, st, refusal)
		return
	}
	if !s.maySend(ses, &st) {
		s.deny(ses, st)
		return
	}
	s.routePresence(ses, st)
}

// sendRemote sends an iq or a message to another domain.
//
// RFC 6120, Section 10.4.
func (s *Server) sendRemote(from sender, st stanza.Stanza) {
	p, _ := from.way().last.to.(*peer)
	if p == nil || p.jid.Domain() != st.To.Domain() {
		var refusal *stanza.Error
		if p, refusal = s.peer(st.To.Domain()); refusal != nil {
			refuse(from, st, refusal)
			return
		}
	}
	if !s.maySend(from, &st) {
		s.deny(from, st)
		return
	}
	switch err := s.deliver(from, p, &st); {
	case err == nil:
	case full(err) && !answerable(st):
		flooded(from, p, s.cfg.Audit.Record)
	default:
		refuse(from, st, refusalOf(err))
	}
}

// refusalOf returns what the sender of a stanza hears that could not be sent to another domain because of err.
func refusalOf(err error) *stanza.Error {
	refusal, said := errors.AsType[*stanza.Error](err)
	switch {
	case said:
		return refusal
	case errors.Is(err, xmpp.ErrTooLarge):
		return errTooLarge
	}
	return errQueueFull
}

// unreachable returns what the sender of a stanza hears that has waited in vain for a stream, which could not be had
// because of err.
//
// RFC 6120, Sections 8.3.3.16 and 8.3.3.17.
func unreachable(domain jid.JID, err error) *stanza.Error {
	if unfindable(err) {
		return stanza.NewError(stanza.RemoteServerNotFound, fmt.Sprintf("no server of %s is to be found", domain))
	}
	return stanza.NewError(stanza.RemoteServerTimeout, fmt.Sprintf("the server of %s cannot be reached", domain))
}

// unfindable reports whether err says that there is no server, rather than that it cannot be reached.
func unfindable(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return errors.Is(err, errNotFederated) || errors.Is(err, xmpp.ErrNotOffered) || ok && dns.IsNotFound
}

// errNotFederated says that there are to be no dealings with a domain any more.
var errNotFederated = errors.New("xmppd: no dealings with this domain")
