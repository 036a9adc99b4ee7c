package xmpp82

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Protocol is what the end-to-end handshake calls this mapping.
const Protocol = "IEC 61850-8-2"

// Config says how an Endpoint takes part. XMPP is needed, and E2E or Unprotected; every other field's zero
// value is its default. It is copied on entry.
type Config struct {
	XMPP xmpp.Config // Handler is the Endpoint's own

	// E2E is how associations are secured end to end; Protocol is the Endpoint's own. Where Unprotected is
	// not nil, end-to-end security is off, and E2E is not looked at. Both ends must have the same mode: what
	// a peer says or does changes it at neither.
	E2E         e2e.Config
	Unprotected *Unprotected

	Serve           bool // take associations that peers ask for; otherwise they are refused
	MaxAssociations int  // open at once, asked for by peers; default 256
	MaxPDU          int  // octets of a PDU, before protection, at least 8192; default what the XMPP stanza limit leaves

	Now   func() time.Time // default time.Now
	Trace *Trace           // optional hooks
}

const (
	defaultAssociations = 256
	acceptQueue         = 64 // handshakes that wait for Accept, of all peers
	acceptPerPeer       = 4  // and of one account
	outboxSize          = 256
	releaseTime         = 10 * time.Second
	closeTime           = 2 * time.Second // for the server to take what is left to say
	defaultStanza       = 256 << 10       // where the server announces no limit
	maxProtected        = 512 << 10       // octets of a PDU that a channel seals
	halfOpenPerPeer     = 4               // associations that an account has not confirmed
	maxRetries          = 3               // of a handshake whose id the peer has seen
	maxWaits            = 5               // of a handshake whose peer is not there, each twice as long as the one before
	firstWait           = 50 * time.Millisecond
	stanzaOverhead      = 2 << 10 // stanza head, association element, token, tag and tags around them
)

// Endpoint is one XMPP session with its associations. It is safe for concurrent use.
type Endpoint struct {
	cfg      Config
	audit    audit.Sink
	log      *slog.Logger
	session  *xmpp.Session
	attached chan struct{}        // closed once session is set
	ends     atomic.Pointer[ends] // nil: end-to-end security is off
	opener   *opener              // the reader's
	faults   audit.Throttle
	maxPDU   int
	offers   chan offer
	outbox   chan stanza.Stanza // what the reader has to say
	stop     chan struct{}      // closed to have the outbox emptied
	done     chan struct{}      // closed when run has returned
	closing  sync.Once

	mu       sync.Mutex
	early    []stanza.Stanza // iqs that came before session was set
	closed   bool
	links    map[linkKey]*Association
	windows  map[jid.JID]*window // by the peer's bare JID
	ids      idPool
	standing int             // associations that peers asked for and have confirmed
	halfOpen int             // those that they have not confirmed yet
	awaiting map[jid.JID]int // handshakes in offers, by the peer's bare JID
}

// linkKey names an association among those of an Endpoint: the id is the client's half until the
// server has answered, both halves afterwards.
type linkKey struct {
	peer jid.JID
	id   string
}

// offer is a handshake that waits for Accept.
type offer struct {
	iq  stanza.Stanza
	env envelope
}

// Dial opens an XMPP session and makes an Endpoint of it. The Endpoint is not announced yet: who
// serves calls Announce once it is ready to take associations.
func Dial(ctx context.Context, cfg Config) (*Endpoint, error) {
	e := &Endpoint{
		cfg:      cfg,
		audit:    cfg.XMPP.Audit,
		log:      cfg.XMPP.Logger,
		attached: make(chan struct{}),
		opener:   newOpener(),
		offers:   make(chan offer, acceptQueue),
		outbox:   make(chan stanza.Stanza, outboxSize),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		links:    make(map[linkKey]*Association),
		windows:  make(map[jid.JID]*window),
		awaiting: make(map[jid.JID]int),
	}
	if e.audit == nil {
		e.audit = audit.Discard
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.cfg.Now == nil {
		e.cfg.Now = time.Now
	}
	if e.cfg.MaxAssociations == 0 {
		e.cfg.MaxAssociations = defaultAssociations
	}
	if e.cfg.MaxPDU != 0 && e.cfg.MaxPDU < assoc.MinPDU {
		return nil, fmt.Errorf("MaxPDU is %d octets, an association needs at least %d", e.cfg.MaxPDU, assoc.MinPDU)
	}
	if err := e.secure(); err != nil {
		return nil, err
	}
	e.cfg.XMPP.Handler = e.handle
	e.cfg.XMPP.Features = []string{envNamespace, mms.Namespace}
	if e.cfg.Unprotected == nil {
		e.cfg.XMPP.Features = append(e.cfg.XMPP.Features, e2e.Namespace)
	}
	session, err := xmpp.Dial(ctx, e.cfg.XMPP)
	if err != nil {
		return nil, err
	}
	if limit := e.carrierLimit(session.Info().MaxStanza); limit < assoc.MinPDU {
		session.Close()
		return nil, fmt.Errorf("the XMPP server takes stanzas of %d octets, which leaves %d for a PDU: associations need %d, so raise the server's limit",
			session.Info().MaxStanza, limit, assoc.MinPDU)
	}
	e.attach(session)
	go e.run()
	return e, nil
}

// secure readies what end-to-end security needs, unless it is off.
func (e *Endpoint) secure() (err error) {
	if !e.protects() {
		return nil
	}
	e.cfg.E2E.Protocol = Protocol
	if e.cfg.E2E.Replay == nil {
		e.cfg.E2E.Replay = new(e2e.ReplayCache) // what we ask for and what we are asked share one memory
	}
	if e.cfg.E2E.Audit == nil {
		e.cfg.E2E.Audit = e.audit
	}
	responder, err := e2e.NewResponder(e.cfg.E2E)
	e.ends.Store(&ends{e.cfg.E2E, responder})
	return err
}

// ends are both ends of end-to-end security. They are replaced as a whole.
type ends struct {
	cfg       e2e.Config // of an initiator
	responder *e2e.Responder
}

// Renew has associations that begin from now on secured with another identity of the same account. Those that there are
// keep the one that they began with, until it expires.
func (e *Endpoint) Renew(id *pki.Identity) error {
	last := e.ends.Load()
	if last == nil {
		return errors.New("end-to-end security is off: there is no identity to renew")
	}
	cfg := last.cfg
	cfg.Identity = id
	responder, err := e2e.NewResponder(cfg)
	if err != nil {
		return err
	}
	e.ends.Store(&ends{cfg, responder})
	return nil
}

// attach takes the session into use. What was asked before is answered: this end was not ready for it.
func (e *Endpoint) attach(session *xmpp.Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.session = session
	e.maxPDU = e.carrierLimit(session.Info().MaxStanza)
	close(e.attached)
	for _, iq := range e.early {
		e.reply(iq, stanza.ServiceUnavailable)
	}
	e.early = nil
}

// carrierLimit is the longest PDU that fits into one stanza and one SecPDU. Encryption writes the octets as
// base64, which makes four of three.
func (e *Endpoint) carrierLimit(maxStanza int) int {
	if maxStanza <= 0 {
		maxStanza = defaultStanza
	}
	limit := maxStanza - stanzaOverhead
	if e.protects() {
		limit = min(limit/4*3, maxProtected)
	}
	if e.cfg.MaxPDU > 0 {
		limit = min(limit, e.cfg.MaxPDU)
	}
	return limit
}

// run sends what the reader has to say, and ends every association when the session ends: the link to all
// peers is lost.
func (e *Endpoint) run() {
	defer close(e.done)
	stop := e.stop
	for {
		select {
		case st := <-e.outbox:
			e.send(context.Background(), st)
		case <-stop:
			stop = nil
			for len(e.outbox) > 0 {
				e.send(context.Background(), <-e.outbox)
			}
			e.session.Close()
		case <-e.session.Done():
			cause := e.session.Err()
			if cause == nil {
				cause = net.ErrClosed
			}
			for _, a := range e.close() {
				a.deliver(inbound{lost: &endedError{"XMPP session lost", cause}})
			}
			return
		}
	}
}

// close lets no further association begin, and gives those that there are.
func (e *Endpoint) close() []*Association {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	links := make([]*Association, 0, len(e.links))
	for _, a := range e.links {
		links = append(links, a)
	}
	return links
}

// Session is the XMPP session.
func (e *Endpoint) Session() *xmpp.Session { return e.session }

// Announce tells the peers that this end is ready to associate. IEC 61850-8-2, presence.
func (e *Endpoint) Announce(ctx context.Context) error {
	return e.session.InitialPresence(ctx)
}

// Close ends every association and then the session.
func (e *Endpoint) Close() error {
	e.closing.Do(func() {
		var ending sync.WaitGroup
		for _, a := range e.close() {
			ending.Go(func() { a.Close() })
		}
		ending.Wait()
		e.turnAway()
		close(e.stop)
	})
	select {
	case <-e.done:
	case <-time.After(closeTime):
		e.session.Close() // the server takes nothing
		<-e.done
	}
	return nil
}

// turnAway answers the handshakes that nobody will accept any more.
func (e *Endpoint) turnAway() {
	for {
		select {
		case o := <-e.offers:
			e.reply(o.iq, stanza.ServiceUnavailable)
		default:
			return
		}
	}
}

// Recheck ends the associations whose peer's end-to-end certificate is no longer good: it has expired, or
// a revocation list that was read since names it; and all of them, with the session, if the XMPP server's is not.
// IEC 62351-3, revocation during a session.
func (e *Endpoint) Recheck() {
	e.session.Recheck()
	e.mu.Lock()
	links := make([]*Association, 0, len(e.links))
	for _, a := range e.links {
		links = append(links, a)
	}
	e.mu.Unlock()
	for _, a := range links {
		channel, ok := a.security().(*e2e.Channel)
		if !ok {
			continue // not established, or without a certificate
		}
		if err := channel.Recheck(e.cfg.Now()); err != nil {
			a.end(fmt.Errorf("the certificate of %v: %w", a.peer, err))
		}
	}
}

// Associate makes the Link of a new association that this end asks the peer for. Nothing is sent until
// the first PDU is.
func (e *Endpoint) Associate(peer jid.JID) (*Association, error) {
	if !peer.IsFull() {
		return nil, fmt.Errorf("associate with %v: an association needs a full JID, such as %v/IEC", peer, peer)
	}
	if peer == e.session.JID() {
		return nil, fmt.Errorf("associate with %v: that is this end itself", peer)
	}
	initiator, err := e.ask(peer)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("associate with %v: %w", peer, net.ErrClosed)
	}
	a := e.newAssociation(peer)
	a.initiator = initiator
	if err := e.enter(a); err != nil {
		return nil, fmt.Errorf("associate with %v: %w", peer, err)
	}
	e.joinWindow(a)
	return a, nil
}

// Accept waits for a peer that asks for an association and proves who it is. The first PDU of the Link
// that it returns is the peer's initiate request. Handshakes that fail are answered and do not end the wait.
func (e *Endpoint) Accept(ctx context.Context) (*Association, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-e.session.Done():
			return nil, fmt.Errorf("accept: XMPP session ended: %w", net.ErrClosed)
		case o := <-e.offers:
			if a := e.accept(ctx, o); a != nil {
				return a, nil
			}
		}
	}
}

func (e *Endpoint) accept(ctx context.Context, o offer) *Association {
	peer := o.iq.From
	if !e.takeOffer(peer) {
		e.log.Warn("no room for another association", "peer", peer.String())
		e.send(ctx, errorReply(o.iq, stanza.ResourceConstraint))
		return nil
	}
	hs, err := e.open(o)
	if err != nil {
		e.traceReceived(inbound{stanza: o.iq, env: o.env}, nil, nil, err)
		e.log.Warn("handshake refused", "peer", peer.String(), "err", err)
		e.refuse(ctx, o, err)
		return nil
	}
	first, err := mms.DecodeXER(hs.ApplData(), mms.Limits{MaxSize: e.maxPDU})
	e.traceReceived(inbound{stanza: o.iq, env: o.env}, first, hs.ApplData(), err)
	if _, initiate := first.(*mms.InitiateRequest); err != nil || !initiate {
		e.log.Warn("handshake without an initiate request", "peer", peer.String(), "err", err)
		e.send(ctx, errorReply(o.iq, stanza.BadRequest))
		return nil
	}
	a := e.newAssociation(peer)
	a.inbound, a.offer, a.ledger.awaited, a.first = true, hs, o.iq, first
	if condition := e.admit(a, o.env.id); condition != "" {
		e.send(ctx, errorReply(o.iq, condition))
		return nil
	}
	return a
}

// refuse answers a handshake that security does not accept with what security wants said. That the peer's
// half of the id has been used is told by a condition: the peer, which may have started anew, takes another.
func (e *Endpoint) refuse(ctx context.Context, o offer, err error) {
	var refusal *e2e.Refusal
	if !errors.As(err, &refusal) || len(refusal.SecPDU) == 0 {
		e.send(ctx, errorReply(o.iq, stanza.UndefinedCondition))
		return
	}
	if refusal.Event == audit.E2EAssociationID {
		e.send(ctx, errorReply(o.iq, stanza.Conflict))
		return
	}
	reply := o.iq.Reply(appendEnvelope(nil, stanza.IQ, o.env.id, refusal.SecPDU))
	e.traceSent(reply, o.env.id, nil, refusal.SecPDU)
	e.send(ctx, reply)
}
