package xmpp

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Session is a client's end of a stream. It dies once; who wants another dials
// again. All methods are for any goroutine.
//
// When the connection breaks, the session takes up its stream over another one, if the
// server has agreed to keep it: requests, replies and the order of stanzas go on as if
// nothing had happened, but later. What is sent meanwhile is queued. If that does not
// succeed within Config.Resume, the session ends; what was sent last may have arrived
// or not.
//
// XEP-0198.
type Session struct {
	cfg     Config
	conn    atomic.Pointer[Conn] // the newest
	handler func(stanza.Stanza)
	prefix  string // of ids: unpredictable
	done    chan struct{}
	caps    *capabilities   // nil where nothing is said of them
	open    context.Context // until Close
	shut    context.CancelFunc

	mu      sync.Mutex
	cause   error // why the stream was not taken up again, once that is so
	nextID  uint64
	replies *replies
	pingID  string // of the last ping
	roster  []RosterItem
	forged  throttle // of the reading goroutine, as are passed and heads
	passed  throttle
	heads   stanza.Heads
}

func newSession(c *Conn, cfg Config) *Session {
	s := &Session{cfg: cfg, handler: cfg.Handler, prefix: rand.Text()[:13] + "-", done: make(chan struct{}), replies: newReplies(c.JID())}
	s.open, s.shut = context.WithCancel(context.Background())
	if cfg.Features != nil {
		s.caps = newCapabilities(cfg.Features)
	}
	s.adopt(c)
	return s
}

// adopt makes c the connection of the session.
func (s *Session) adopt(c *Conn) {
	c.ping, c.pass = s.ping, s.passOver
	s.conn.Store(c)
}

func (s *Session) current() *Conn { return s.conn.Load() }

// JID returns the address that the server has bound.
func (s *Session) JID() jid.JID { return s.current().JID() }

// Info describes the stream.
func (s *Session) Info() Info { return s.current().Info() }

// Done is closed when the session has ended, after the last call of a handler.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns nil while the session lives, and then why it ends, as Conn.Err.
func (s *Session) Err() error {
	c := s.current()
	if !c.lives() {
		return c.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Close ends the stream in the regular way, and returns after the last goroutine
// has ended. It must not be called from a handler.
func (s *Session) Close() error {
	s.shut()
	s.current().End(nil)
	<-s.done
	return nil
}

// Send queues a stanza; stanzas leave in the order of the calls. While the queue
// is full it waits, until ctx ends. The server says whom it is from: From is not
// sent. Err is returned after the end, ErrTooLarge for what the server does not take.
func (s *Session) Send(ctx context.Context, st stanza.Stanza) error {
	st.From = jid.JID{}
	if s.current().trace.Sent != nil {
		s.current().trace.Sent(st)
	}
	if len(st.Payload) == 0 {
		return s.push(ctx, st.Append(nil))
	}
	head := st.AppendStart(make([]byte, 0, 256))
	return s.push(ctx, head, st.Payload, st.AppendEnd(head[len(head):]))
}

// push queues one stanza, the concatenation of parts.
func (s *Session) push(ctx context.Context, parts ...[]byte) error {
	c := s.current()
	if err := c.fits(parts); err != nil {
		return err
	}
	err := c.w.send(ctx, parts)
	if err == errEnded {
		return s.Err()
	}
	return err
}

// SendIQ sends an iq of type get or set, with an id of its own if iq has none.
// onReply is called with the result or the error that the addressee sends, on
// the reading goroutine and in order with Handler; it must not block. A reply
// from anybody else is ignored. It is not called once the session has ended. SendIQ
// returns the iq's id, by which Abandon knows it: at most 4,096 may be outstanding.
//
// RFC 6120, Section 8.2.3.
func (s *Session) SendIQ(ctx context.Context, iq stanza.Stanza, onReply func(reply stanza.Stanza)) (id string, err error) {
	if iq.Kind != stanza.IQ || iq.Type != stanza.Get && iq.Type != stanza.Set {
		return "", errors.New("xmpp: only an iq of type get or set has a reply")
	}
	if err := s.Err(); err != nil {
		return "", err
	}
	s.mu.Lock()
	if iq.ID == "" {
		iq.ID = s.newID()
	}
	err = s.replies.add(iq.To, iq.ID, onReply)
	s.mu.Unlock()
	if err != nil {
		return "", err
	}
	if err := s.Send(ctx, iq); err != nil {
		s.mu.Lock()
		s.replies.remove(iq.To, iq.ID)
		s.mu.Unlock()
		return "", err
	}
	return iq.ID, nil
}

// Abandon gives up waiting for the reply to an iq that SendIQ has sent to that
// address. Its onReply may be running, and is not called from then on. A reply
// that has come already, or comes yet, does no harm.
func (s *Session) Abandon(to jid.JID, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies.abandon(to, id)
}

// NewID makes an id for an iq, for who has to know it before SendIQ returns.
func (s *Session) NewID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newID()
}

// newID makes an id. s.mu is held.
func (s *Session) newID() string {
	s.nextID++
	return s.prefix + strconv.FormatUint(s.nextID, 36)
}

// Request sends an iq of type get or set and waits for the result. A reply of
// type error is returned as a *stanza.Error.
func (s *Session) Request(ctx context.Context, iq stanza.Stanza) (stanza.Stanza, error) {
	replied := make(chan stanza.Stanza, 1)
	id, err := s.SendIQ(ctx, iq, func(reply stanza.Stanza) { replied <- reply })
	if err != nil {
		return stanza.Stanza{}, err
	}
	reply, err := await(ctx, s, replied)
	if ctx.Err() != nil {
		s.Abandon(iq.To, id)
	}
	if err != nil {
		return stanza.Stanza{}, err
	}
	return s.result(reply)
}

// await waits for what onReply sends, until ctx or the session ends.
func await[T any](ctx context.Context, s *Session, replied <-chan T) (v T, err error) {
	select {
	case v = <-replied:
		return v, nil
	case <-ctx.Done():
		return v, ctx.Err()
	case <-s.done:
	}
	select { // it may have been the last that was read
	case v = <-replied:
		return v, nil
	default:
		return v, s.Err()
	}
}

func (s *Session) result(reply stanza.Stanza) (stanza.Stanza, error) {
	if reply.Type != stanza.TypeError {
		return reply, nil
	}
	e, err := stanza.ParseError(reply.Payload)
	if err != nil {
		s.current().logger.Warn("xmpp: odd stanza error", "from", reply.From, "err", err)
	}
	return reply, e
}

// read takes stanzas until the end.
func (s *Session) read() {
	defer close(s.done)
	defer s.shut()
	for c := s.current(); c != nil; c = s.resume(c) {
		s.take(c)
		<-c.done
	}
}

// take takes stanzas from c until its end.
func (s *Session) take(c *Conn) {
	defer s.age(c)()
	for {
		t, err := c.Next()
		if err != nil {
			return
		}
		st, bad := s.heads.Parse(t)
		tags := tagOctets(c.sc.RawStart(), st.Kind)
		taken, octets, err := s.payload(&st)
		if err != nil {
			return
		}
		if c.trace.Received != nil {
			c.trace.Received(st, tags+octets)
		}
		switch {
		case bad != nil:
			s.refuse(st, bad)
		case !taken:
			s.tooMuch(st)
		default:
			s.dispatch(st)
		}
	}
}

// tagOctets counts the octets of a stanza's tags, of which start is the first.
func tagOctets(start []byte, k stanza.Kind) int {
	if bytes.HasSuffix(start, []byte("/>")) {
		return len(start)
	}
	return len(start) + len("</>") + len(k.String())
}

// payload reads the payload of st, or finds that it exceeds our limits, and counts
// its octets on the stream. An error has ended the stream.
func (s *Session) payload(st *stanza.Stanza) (taken bool, octets int, err error) {
	raw, err := s.current().sc.Inner()
	if err != nil {
		if err = s.passOver(err); err != nil {
			return false, 0, s.current().stop(readError(err))
		}
		s.current().whole = true
		return false, 0, nil
	}
	s.current().whole = true
	octets = len(raw.Octets)
	if raw.SelfContained && raw.Default == stanza.Namespace {
		st.Payload = bytes.Clone(raw.Octets)
		return true, octets, nil
	}
	st.Payload, err = raw.AppendSelfContained(nil, stanza.Namespace)
	if err != nil {
		s.passedOver(err)
		return false, octets, nil
	}
	return true, octets, nil
}

// passOver gets over a stanza that exceeds our limits, which err says. Whoever may
// write to us can have the server send one: if it ended the stream, as at the
// server it ends the one of its sender, one stanza would take us off line.
func (s *Session) passOver(err error) error {
	if err := s.current().sc.Skip(); err != nil {
		return err
	}
	s.passedOver(err)
	return nil
}

func (s *Session) passedOver(err error) {
	if ok, missed := s.passed.allow(time.Now()); ok {
		s.current().record(eventFor(err), "a stanza was passed over: "+err.Error()+unreported(missed), nil)
	}
}

// tooMuch deals with a stanza whose payload exceeds our limits. A request gets an
// answer; one of ours fails; anything else is dropped.
func (s *Session) tooMuch(st stanza.Stanza) {
	e := stanza.NewError(stanza.PolicyViolation, "the stanza exceeds what this end takes")
	if st.Kind == stanza.IQ && (st.Type == stanza.Result || st.Type == stanza.TypeError) {
		st.Type, st.Payload = stanza.TypeError, stanza.AppendError(nil, e)
		s.reply(st)
		return
	}
	s.refuse(st, e)
}

// refuse deals with a stanza whose head is wrong. A request gets an answer,
// anything else is dropped.
//
// RFC 6120, Sections 8.1.2.1 and 8.2.3.
func (s *Session) refuse(st stanza.Stanza, bad error) {
	s.current().logger.Warn("xmpp: stanza dropped", "kind", st.Kind, "from", st.From, "err", bad)
	var e *stanza.Error
	if errors.As(bad, &e) && st.Kind == stanza.IQ && st.ID != "" && (st.Type == stanza.Get || st.Type == stanza.Set) {
		s.answer(st.ErrorReply(e))
	}
}

// dispatch hands a stanza to whom it is for.
func (s *Session) dispatch(st stanza.Stanza) {
	if st.Kind != stanza.IQ {
		s.handle(st)
		return
	}
	if st.Type == stanza.Result || st.Type == stanza.TypeError {
		s.reply(st)
		return
	}
	switch {
	case st.Type == stanza.Get && holds(st, nsPing, "ping"):
		s.answer(st.Reply(nil))
	case st.Type == stanza.Set && holds(st, nsRoster, "query"):
		s.rosterPush(st)
	case s.caps != nil && st.Type == stanza.Get && holds(st, nsDiscoInfo, "query"):
		s.answer(s.caps.answer(st))
	case s.handler == nil:
		s.answer(st.ErrorReply(stanza.NewError(stanza.ServiceUnavailable, "")))
	default:
		s.handle(st)
	}
}

// holds reports whether the payload is an element of that name. Most are not,
// which a look at the first tag tells.
func holds(st stanza.Stanza, space, local string) bool {
	tag, _, _ := bytes.Cut(st.Payload, []byte(">"))
	if !bytes.Contains(tag, []byte(local)) { // short: the conversion allocates nothing
		return false
	}
	gotSpace, gotLocal, _ := st.Child()
	return gotSpace == space && gotLocal == local
}

func (s *Session) handle(st stanza.Stanza) {
	if s.handler != nil {
		s.handler(st)
	}
}

// reply gives a reply to the one who waits for it. One that nobody has asked
// for, or that comes from somebody else than was asked, is ignored.
func (s *Session) reply(st stanza.Stanza) {
	s.mu.Lock()
	onReply, expected := s.replies.take(st)
	s.mu.Unlock()
	switch {
	case !expected:
		s.spoofed("unexpected iq "+string(st.Type), st.From)
	case onReply != nil:
		onReply(st)
	}
}

// spoofed reports what claims to be something that it cannot be.
func (s *Session) spoofed(what string, from jid.JID) {
	ok, missed := s.forged.allow(time.Now())
	if !ok {
		return
	}
	text := what + " from " + printable([]string{from.String()}) + unreported(missed)
	s.current().record(audit.ReplySpoofed, text, nil)
}

func unreported(missed int) string {
	if missed == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d more before were not reported)", missed)
}

// A throttle lets through what a peer can cause as often as it likes, up to 32
// times a minute.
type throttle struct {
	since  time.Time // when the minute began
	n      int       // let through in it
	missed int       // not let through since the last that was
}

// allow says whether the next one is let through, and how many before were not.
func (t *throttle) allow(now time.Time) (ok bool, missed int) {
	if now.Sub(t.since) >= time.Minute {
		t.since, t.n = now, 0
	}
	if t.n++; t.n > 32 {
		t.missed++
		return false, 0
	}
	missed, t.missed = t.missed, 0
	return true, missed
}

// answer queues an answer of the session's own. Without room it is dropped: others
// can ask for more answers than the server takes from us at the moment, and must
// not end the session by that. A server that takes nothing meets the time limit.
func (s *Session) answer(st stanza.Stanza) {
	st.From = jid.JID{}
	if s.current().trace.Sent != nil {
		s.current().trace.Sent(st)
	}
	if err := s.current().w.pushUrgent(st.Append(nil)); err == ErrQueueFull {
		s.current().logger.Debug("xmpp: answer dropped: the send queue is full", "to", st.To)
	}
}

// ping asks the server for a sign of life. Any will do, so nobody waits for the
// reply itself.
//
// XEP-0199, Section 4.2.
func (s *Session) ping() {
	server := domainOf(s.JID())
	s.mu.Lock()
	s.replies.abandon(server, s.pingID)
	s.pingID = s.newID()
	err := s.replies.add(server, s.pingID, nil)
	id := s.pingID
	s.mu.Unlock()
	if err != nil { // as many requests as may be are waiting: they ask for signs of life, too
		return
	}
	s.answer(pingRequest(server, id))
}
