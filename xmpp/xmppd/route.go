package xmppd

import (
	"errors"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// A sender is whose stanzas are routed, one after the other by one goroutine: a session, or a stream of another domain.
// Each stanza says who it is from, which was checked or stamped.
type sender interface {
	way() *lane
	// correspondent returns an account as this sender sees it.
	correspondent(a *account) *correspondent
	// reply queues a stanza of the server's own that answers one of this sender's.
	reply(st stanza.Stanza)
}

// route does with a stanza of a session what its address and kind ask for. Its payload is valid for this call only.
//
// RFC 6120, Section 10; RFC 6121, Section 8.
func (ses *session) route(st stanza.Stanza) {
	s := ses.server
	switch {
	case !st.To.IsZero() && st.To.Domain() != s.cfg.Domain:
		s.leave(ses, st)
	case !s.maySend(ses, &st):
		s.deny(ses, st)
	case st.Kind == stanza.IQ:
		s.routeIQ(ses, st)
	case st.Kind == stanza.Message:
		s.routeMessage(ses, st)
	default:
		s.routePresence(ses, st)
	}
}

var (
	errNoSuchServer = stanza.NewError(stanza.RemoteServerNotFound, "")
	errUnavailable  = stanza.NewError(stanza.ServiceUnavailable, "")
	errQueueFull    = stanza.NewError(stanza.ResourceConstraint, "")
)

// maySend reports whether the rules let a stanza pass. What the server answers itself they do not concern.
func (s *Server) maySend(from sender, st *stanza.Stanza) bool {
	if st.To.IsZero() || st.To == s.domain {
		return true
	}
	return from.way().verdicts.permit(s, st.From.Bare(), st.To.Bare(), st)
}

// deny refuses what the rules do not let pass. Presence is dropped: its sender learns nothing of whom it may not reach.
func (s *Server) deny(from sender, st stanza.Stanza) {
	from.way().account.tally.denied.Add(1)
	if e, due := from.way().account.denied.deny(st.From, st.To, time.Now()); due {
		s.cfg.Audit.Record(e)
	}
	if st.Kind != stanza.Presence {
		refuse(from, st, errDenied)
	}
}

// routeIQ sends an iq to the full JID it is for, or answers it in the server's or the account's name. For a full JID it
// does not ask whether the two share presence: an IED answers whom its roles allow.
//
// RFC 6121, Sections 8.5.1 to 8.5.3.
func (s *Server) routeIQ(from sender, st stanza.Stanza) {
	switch {
	case st.To.IsZero(), st.To == st.From.Bare():
		s.serve(from, st, ownAccount)
	case st.To == s.domain:
		s.serve(from, st, theServer)
	case st.To.IsFull():
		s.forward(from, st)
	case s.sees(st.From.Bare(), st.To):
		s.serve(from, st, contactSeen)
	default:
		s.serve(from, st, stranger)
	}
}

// routeMessage sends a message to the full JID it is for, or to whom a bare JID stands for at the moment. Nothing is
// kept for later.
//
// RFC 6121, Sections 8.5.1 to 8.5.3; RFC 6120, Section 10.3.1.
func (s *Server) routeMessage(from sender, st stanza.Stanza) {
	if st.To.IsZero() {
		st.To = st.From.Bare()
	}
	if st.To.IsFull() && (st.Type != stanza.Chat || s.session(st.To) != nil) {
		s.forward(from, st)
		return
	}
	var to []*session
	if st.Type != stanza.Groupchat && st.Type != stanza.TypeError {
		to = s.messageTargets(st.To.Bare(), st.Type == stanza.Headline)
	}
	var reached, noRoom bool
	for _, other := range to {
		err := s.deliver(from, other, &st)
		reached = reached || err == nil
		noRoom = noRoom || full(err)
	}
	switch {
	case reached:
	case noRoom:
		refuse(from, st, errQueueFull)
	case st.Type != stanza.Headline:
		refuse(from, st, errUnavailable)
	}
}

// forward sends an iq or a message to the full JID that it is for.
func (s *Server) forward(from sender, st stanza.Stanza) {
	to, _ := from.way().last.to.(*session)
	if to == nil || to.jid != st.To || to.gone.Load() {
		if to = s.session(st.To); to == nil {
			refuse(from, st, errUnavailable)
			return
		}
	}
	switch err := s.deliver(from, to, &st); {
	case err == nil:
	case !full(err):
		refuse(from, st, errUnavailable)
	case answerable(st):
		refuse(from, st, errQueueFull)
	case errors.Is(err, xmpp.ErrShareFull):
		flooded(from, to, s.cfg.Audit.Record)
	default:
		to.overrun(s.cfg.Audit.Record)
	}
}

// full reports whether there was no room for a stanza.
func full(err error) bool {
	return errors.Is(err, xmpp.ErrQueueFull) || errors.Is(err, xmpp.ErrShareFull)
}

// refuse answers a stanza with an error, where errors may be answered.
func refuse(from sender, st stanza.Stanza, e *stanza.Error) {
	if answerable(st) {
		from.way().account.tally.refuse(e.Condition)
		from.reply(st.ErrorReply(e))
	}
}

// answerable reports whether a stanza may be answered with an error: an error, a result and what tells of the end of
// something may not.
//
// RFC 6120, Section 8.3.1.
func answerable(st stanza.Stanza) bool {
	switch st.Type {
	case stanza.TypeError, stanza.Result, stanza.Unavailable, stanza.Unsubscribed:
		return false
	}
	return true
}

// reply queues a stanza of the server's own for the session itself.
func (ses *session) reply(st stanza.Stanza) {
	if err := ses.pushTo(ses, nil, &st); errors.Is(err, xmpp.ErrQueueFull) {
		ses.slow(ses.server.cfg.Audit.Record)
	}
}

// push queues a stanza: see receiver.
func (ses *session) push(buf []byte, share *xmpp.Share, limit int, st *stanza.Stanza) ([]byte, error) {
	return pushOn(ses.stream(), &ses.account.tally, buf, share, limit, st)
}

// pushOn queues a stanza on a stream, and counts it: see receiver.push.
func pushOn(c *xmpp.Conn, t *tally, buf []byte, share *xmpp.Share, limit int, st *stanza.Stanza) ([]byte, error) {
	buf = st.AppendStart(buf)
	n := len(buf)
	if len(st.Payload) == 0 {
		buf = append(buf[:n-1], '/', '>')
		n = len(buf)
	} else {
		buf = st.AppendEnd(buf)
	}
	var err error
	if share == nil {
		err = c.Push(buf[:n], st.Payload, buf[n:])
	} else {
		err = c.PushShare(share, limit, buf[:n], st.Payload, buf[n:])
	}
	if err == nil {
		t.delivered[st.Kind].Add(1)
		t.octetsOut.Add(uint64(len(buf) + len(st.Payload)))
	}
	return buf, err
}

// slow ends the stream of a client that does not read what it should not miss, and passes the event to record.
func (ses *session) slow(record func(audit.Event)) {
	if ses.ended.CompareAndSwap(false, true) {
		ses.account.tally.cut.Add(1)
		record(ses.event(audit.StreamSlow, "reads too slowly: its queue is full"))
		ses.stream().End(&xmpp.StreamError{Condition: xmpp.PolicyViolation, Text: "you read too slowly"})
		ses.hurry()
	}
}

// overrun does what is configured to a client that does not read what others send it unasked, and passes the event to record.
func (ses *session) overrun(record func(audit.Event)) {
	if ses.server.set.Load().SlowReaders == CutSlowReaders {
		ses.slow(record)
		return
	}
	ses.account.tally.dropped.Add(1)
	if !ses.ended.Load() && ses.lossy.CompareAndSwap(false, true) {
		record(ses.event(audit.StreamSlow, "reads too slowly: what others send it is thrown away while its queue is full"))
	}
}

// session returns the session of a full JID, or nil.
func (s *Server) session(full jid.JID) *session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.lookup(full)
}

// sees is seen for who does not hold s.mu.
func (s *Server) sees(who, other jid.JID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seen(who, other)
}

// messageTargets returns who gets a message for a bare JID: the sessions with the highest priority, or all. Sessions that
// are not available or have a negative priority get none.
func (s *Server) messageTargets(bare jid.JID, all bool) []*session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.accounts[bare]
	if a == nil {
		return nil
	}
	var to []*session
	best := int8(0)
	for _, ses := range a.sessions {
		if !ses.available || ses.priority < 0 {
			continue
		}
		if !all && ses.priority > best {
			to, best = to[:0], ses.priority
		}
		if all || ses.priority == best {
			to = append(to, ses)
		}
	}
	return to
}

// lookup is session for who holds s.mu.
func (s *Server) lookup(full jid.JID) *session {
	if a := s.accounts[full.Bare()]; a != nil {
		return a.session(full)
	}
	return nil
}
