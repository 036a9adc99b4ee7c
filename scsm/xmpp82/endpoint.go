package xmpp82

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"busbar.example/mms"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Protocol is what the end-to-end handshake calls this mapping.
const Protocol = "IEC 61850-8-2"

// Config says how an Endpoint takes part. XMPP and E2E are needed; every other field's zero value is
// its default. It is copied on entry.
type Config struct {
	XMPP xmpp.Config // Handler is the Endpoint's own
	E2E  e2e.Config  // Protocol is the Endpoint's own

	Serve           bool // take associations that peers ask for; otherwise they are refused
	MaxAssociations int  // open at once, asked for by peers; default 256
	MaxPDU          int  // octets of a PDU, before protection; default what the XMPP stanza limit leaves

	Now func() time.Time // default time.Now
}

const (
	defaultAssociations = 256
	acceptQueue         = 64 // handshakes that wait for Accept, of all peers
	acceptPerPeer       = 4  // and of one
	releaseTime         = 10 * time.Second
	defaultStanza       = 256 << 10 // where the server announces no limit
	stanzaOverhead      = 2 << 10   // stanza head, association element, token, tag and tags around them
)

// Endpoint is one XMPP session with its associations. It is safe for concurrent use.
type Endpoint struct {
	cfg       Config
	audit     audit.Sink
	log       *slog.Logger
	session   *xmpp.Session
	attached  chan struct{} // closed once Dial is through
	responder *e2e.Responder
	opener    *opener // the reader's
	maxPDU    int
	offers    chan offer

	mu       sync.Mutex
	closed   bool
	links    map[linkKey]*Association
	ids      idPool
	inbound  int             // associations that peers asked for
	awaiting map[jid.JID]int // handshakes in offers, by peer
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
		links:    make(map[linkKey]*Association),
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
	e.cfg.E2E.Protocol = Protocol
	if e.cfg.E2E.Audit == nil {
		e.cfg.E2E.Audit = e.audit
	}
	var err error
	if e.responder, err = e2e.NewResponder(e.cfg.E2E); err != nil {
		return nil, err
	}
	e.cfg.XMPP.Handler = e.handle
	defer close(e.attached)
	if e.session, err = xmpp.Dial(ctx, e.cfg.XMPP); err != nil {
		return nil, err
	}
	e.maxPDU = e.carrierLimit(e.session.Info().MaxStanza)
	go e.watch()
	return e, nil
}

// carrierLimit is the longest PDU that fits into one stanza. Protection writes the octets as base64,
// which makes four of three.
func (e *Endpoint) carrierLimit(maxStanza int) int {
	if maxStanza <= 0 {
		maxStanza = defaultStanza
	}
	limit := (maxStanza - stanzaOverhead) / 4 * 3
	if e.cfg.MaxPDU > 0 {
		limit = min(limit, e.cfg.MaxPDU)
	}
	return limit
}

// watch ends every association when the session ends: the link to all peers is lost.
func (e *Endpoint) watch() {
	<-e.session.Done()
	e.mu.Lock()
	e.closed = true
	links := make([]*Association, 0, len(e.links))
	for _, a := range e.links {
		links = append(links, a)
	}
	e.mu.Unlock()
	cause := e.session.Err()
	if cause == nil {
		cause = net.ErrClosed
	}
	for _, a := range links {
		a.end(fmt.Errorf("XMPP session lost: %w", cause))
	}
}

// Session is the XMPP session.
func (e *Endpoint) Session() *xmpp.Session { return e.session }

// Announce tells the peers that this end is ready to associate. IEC 61850-8-2, presence.
func (e *Endpoint) Announce(ctx context.Context) error {
	return e.session.Send(ctx, stanza.Stanza{Kind: stanza.Presence})
}

// Close ends every association and then the session.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	links := make([]*Association, 0, len(e.links))
	for _, a := range e.links {
		links = append(links, a)
	}
	e.mu.Unlock()
	for _, a := range links {
		a.Close()
	}
	return e.session.Close()
}

// Associate makes the Link of a new association that this end asks the peer for. Nothing is sent until
// the first PDU is.
func (e *Endpoint) Associate(peer jid.JID) (*Association, error) {
	if !peer.IsFull() {
		return nil, fmt.Errorf("associate with %v: an association needs a full JID, such as %v/IEC", peer, peer)
	}
	initiator, err := e2e.NewInitiator(e.cfg.E2E, peer.Bare().String())
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("associate with %v: %w", peer, net.ErrClosed)
	}
	half, err := e.ids.take(peer, e.cfg.Now(), func(half string) bool {
		_, taken := e.links[linkKey{peer, half}]
		return !taken
	})
	if err != nil {
		return nil, fmt.Errorf("associate with %v: %w", peer, err)
	}
	a := e.newAssociation(peer)
	a.half, a.initiator = half, initiator
	e.links[linkKey{peer, half}] = a
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
	e.mu.Lock()
	if e.awaiting[peer]--; e.awaiting[peer] <= 0 {
		delete(e.awaiting, peer)
	}
	e.mu.Unlock()
	hs, err := e.responder.Open(e.cfg.Now(), peer.String(), o.env.id, o.env.secPDU)
	if err != nil {
		e.log.Warn("handshake refused", "peer", peer.String(), "err", err)
		e.refuse(ctx, o, err)
		return nil
	}
	first, err := mms.DecodeXER(hs.ApplData(), mms.Limits{MaxSize: e.maxPDU})
	if _, initiate := first.(*mms.InitiateRequest); err != nil || !initiate {
		e.log.Warn("handshake without an initiate request", "peer", peer.String(), "err", err)
		e.reply(ctx, o.iq, stanza.BadRequest)
		return nil
	}
	a := e.newAssociation(peer)
	a.inbound, a.offer, a.awaited, a.first = true, hs, o.iq, first
	if condition := e.admit(a, o.env.id); condition != "" {
		e.reply(ctx, o.iq, condition)
		return nil
	}
	return a
}

// refuse answers a handshake that security does not accept with what security wants said.
func (e *Endpoint) refuse(ctx context.Context, o offer, err error) {
	var refusal *e2e.Refusal
	if !errors.As(err, &refusal) || len(refusal.SecPDU) == 0 {
		e.reply(ctx, o.iq, stanza.UndefinedCondition)
		return
	}
	e.send(ctx, o.iq.Reply(appendEnvelope(nil, stanza.IQ, o.env.id, refusal.SecPDU)))
}

// admit enters an association whose handshake security has accepted under the client's half of the id and
// one of ours. Where there is no room for it, it says so with a condition.
func (e *Endpoint) admit(a *Association, client string) stanza.Condition {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return stanza.ServiceUnavailable
	}
	if e.inbound >= e.cfg.MaxAssociations {
		e.log.Warn("no room for another association", "peer", a.peer.String(), "open", e.inbound)
		return stanza.ResourceConstraint
	}
	half, err := e.ids.take(a.peer, e.cfg.Now(), func(half string) bool {
		_, taken := e.links[linkKey{a.peer, client + ":" + half}]
		return !taken
	})
	if err != nil {
		e.log.Warn("no association id left", "peer", a.peer.String())
		return stanza.ResourceConstraint
	}
	a.half, a.id = half, client+":"+half
	e.links[linkKey{a.peer, a.id}] = a
	e.inbound++
	return ""
}

// forget takes an association that has ended out of the tables.
func (e *Endpoint) forget(a *Association) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range [...]string{a.half, a.id} {
		if key := (linkKey{a.peer, id}); e.links[key] == a {
			delete(e.links, key)
		}
	}
	e.ids.release(a.peer, a.half, e.cfg.Now())
	if a.inbound {
		e.inbound--
	}
}

// rename registers a client's association under both halves once the server has named its own.
func (e *Endpoint) rename(a *Association, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := linkKey{a.peer, id}
	if other := e.links[key]; other != nil {
		return fmt.Errorf("the peer names an association id, %s, that is in use", id)
	}
	delete(e.links, linkKey{a.peer, a.half})
	a.id = id
	e.links[key] = a
	return nil
}

// handle sorts a stanza that is not a reply into the inbox of its association. It runs on the session's
// reader.
func (e *Endpoint) handle(st stanza.Stanza) {
	<-e.attached
	if e.session == nil {
		return // Dial has failed
	}
	if st.Kind == stanza.Presence {
		if st.Type == stanza.Unavailable {
			e.unavailable(st.From)
		}
		return
	}
	if st.Type == stanza.TypeError {
		e.bounced(st)
		return
	}
	env, err := e.opener.open(st)
	if err != nil {
		e.unusable(st, err)
		return
	}
	if _, both := clientHalf(env.id); !both {
		e.handshake(st, env)
		return
	}
	a := e.find(st.From, env.id)
	if a == nil {
		// Nothing is signed for an association that does not exist: the peer may have lost it, or never had it.
		if st.Kind == stanza.IQ {
			e.reply(context.Background(), st, stanza.ItemNotFound)
		}
		return
	}
	a.deliver(inbound{stanza: st, env: env})
}

func (e *Endpoint) find(peer jid.JID, id string) *Association {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.links[linkKey{peer, id}]; a != nil {
		return a
	}
	// The server may send before we have read its answer to the handshake.
	half, _ := clientHalf(id)
	return e.links[linkKey{peer, half}]
}

// handshake queues a HandshakeReq for Accept. A peer has at most a few waiting, so that one cannot keep
// the others out.
func (e *Endpoint) handshake(st stanza.Stanza, env envelope) {
	ctx := context.Background()
	if (carriage{st.Kind, st.Type}) != iqSet {
		e.record(audit.E2EStanzaType, st, fmt.Sprintf("%s in %v type %q", env.name, st.Kind, st.Type))
		if st.Kind == stanza.IQ {
			e.reply(ctx, st, stanza.BadRequest)
		}
		return
	}
	if !e.cfg.Serve {
		e.reply(ctx, st, stanza.ServiceUnavailable)
		return
	}
	e.mu.Lock()
	room := e.awaiting[st.From] < acceptPerPeer
	if room {
		select {
		case e.offers <- offer{st, env}:
			e.awaiting[st.From]++
		default:
			room = false
		}
	}
	e.mu.Unlock()
	if !room {
		e.record(audit.E2EHandshakeFlood, st, "too many handshakes wait")
		e.reply(ctx, st, stanza.ResourceConstraint)
	}
}

// unusable deals with a stanza that carries nothing for an association.
func (e *Endpoint) unusable(st stanza.Stanza, err error) {
	var fault *envelopeError
	if errors.As(err, &fault) {
		e.record(fault.event, st, fault.text)
	}
	if st.Kind != stanza.IQ || st.Type == stanza.Result {
		return
	}
	condition := stanza.ServiceUnavailable
	if fault != nil {
		condition = stanza.BadRequest
	}
	e.reply(context.Background(), st, condition)
}

// unavailable ends the associations of a peer that has left. A server says this unsigned, so it ends
// associations and does nothing else.
func (e *Endpoint) unavailable(peer jid.JID) {
	for _, a := range e.with(peer) {
		a.end(fmt.Errorf("%v is no longer available: %w", peer, net.ErrClosed))
	}
}

// bounced ends the associations with a peer that a message of ours did not reach: what the channel has
// counted as sent is lost.
func (e *Endpoint) bounced(st stanza.Stanza) {
	for _, a := range e.with(st.From) {
		a.end(fmt.Errorf("a message to %v came back: %w", st.From, stanzaError(st)))
	}
}

func (e *Endpoint) with(peer jid.JID) []*Association {
	e.mu.Lock()
	defer e.mu.Unlock()
	var links []*Association
	for key, a := range e.links {
		if key.peer == peer {
			links = append(links, a)
		}
	}
	return links
}

// reply answers an iq of the peer with a stanza error.
func (e *Endpoint) reply(ctx context.Context, iq stanza.Stanza, condition stanza.Condition) {
	e.send(ctx, iq.ErrorReply(stanza.NewError(condition, "")))
}

// send queues a stanza for which nobody waits. It runs on the reader too, so it must not wait for the
// peer: a session whose queue stays full is about to end.
func (e *Endpoint) send(ctx context.Context, st stanza.Stanza) {
	if err := e.session.Send(ctx, st); err != nil {
		e.log.Debug("answer not sent", "to", st.To.String(), "err", err)
	}
}

func (e *Endpoint) record(id audit.ID, st stanza.Stanza, text string) {
	e.audit.Record(audit.Event{ID: id, Time: e.cfg.Now(), Peer: st.From.String(), Subject: st.From.Bare().String(), Text: text})
}
