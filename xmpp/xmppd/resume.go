package xmppd

import (
	"context"
	"errors"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// A session whose connection has broken is kept for a while: to everybody else it is there as before, and what is sent to
// it is queued within the bound of its queue. Its client takes it up over another connection, or it ends.
//
//	attached ──connection broken──▶ detached ──resumed──▶ attached
//	                                   │ ResumeTime, another of the same address, credentials withdrawn, queue full
//	                                   ▼
//	                                  gone

var errTaken = errors.New("it has ended, or is being resumed already")

var errUndelivered = stanza.NewError(stanza.RecipientUnavailable, "")

// keeper is how one connection asks for sessions to resume.
type keeper struct {
	server *Server
	ses    **session // of the connection, once it has one
	found  *session
}

// Keep is part of xmpp.Resumption.
func (k *keeper) Keep(_ *xmpp.Conn, id string) time.Duration {
	s, ses := k.server, *k.ses
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.ResumeTime < 0 || ses.gone.Load() {
		return 0
	}
	ses.id = id
	s.resumable[id] = ses
	return s.cfg.ResumeTime
}

// Find is part of xmpp.Resumption.
func (k *keeper) Find(id string) *xmpp.Conn {
	k.server.mu.RLock()
	defer k.server.mu.RUnlock()
	if k.found = k.server.resumable[id]; k.found == nil {
		return nil
	}
	return k.found.stream()
}

// Claim is part of xmpp.Resumption.
func (k *keeper) Claim(ctx context.Context, old *xmpp.Conn) error {
	s, ses := k.server, k.found
	s.mu.RLock()
	unread, taken := ses.unread, ses.claimed || ses.stream() != old
	s.mu.RUnlock()
	if taken {
		return errTaken
	}
	select {
	case <-unread:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ses.gone.Load() || !ses.detached || ses.stream() != old {
		return errTaken
	}
	s.keep(ses, false)
	ses.claimed = true
	ses.unread = make(chan struct{})
	*k.ses = ses
	return nil
}

// stream returns the connection of a session, or the last one that it had.
func (ses *session) stream() *xmpp.Conn { return ses.newest.Load() }

// Resumed is part of xmpp.Resumption.
func (k *keeper) Resumed(c *xmpp.Conn) {
	s, ses := k.server, *k.ses
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.conn, ses.since = c, time.Now()
	ses.newest.Store(c)
	ses.claimed = false
	s.resumed.Add(1)
	if ses.gone.Load() {
		c.End(errReplaced)
	}
}

// release is called when nobody reads from a session's connection any more: the session is kept, or ends.
func (s *Server) release(ses *session) {
	s.mu.Lock()
	defer s.unlock()
	close(ses.unread)
	ses.claimed = false
	c := ses.stream()
	d := c.Resumable()
	if d > 0 && !ses.gone.Load() && s.open.Err() == nil && s.detached < s.set.Load().Limits.Connections {
		s.keep(ses, true)
		unread := ses.unread
		ses.expiry.Store(time.AfterFunc(d, func() { s.expire(ses, unread) }))
		return
	}
	c.Discard()
	if !ses.gone.Load() {
		s.remove(ses)
	}
}

// keep notes whether a session is without a connection. s.mu is held.
func (s *Server) keep(ses *session, detached bool) {
	ses.detached = detached
	if detached {
		s.detached++
		return
	}
	s.detached--
	if t := ses.expiry.Swap(nil); t != nil {
		t.Stop()
	}
}

// expire ends a session that was not resumed in time, or may not be any more. unread is that of the connection that it has
// lost.
func (s *Server) expire(ses *session, unread chan struct{}) {
	s.mu.Lock()
	defer s.unlock()
	if ses.detached && ses.unread == unread {
		s.remove(ses)
	}
}

// end ends a session for a cause that its client is told, if it is there.
func (s *Server) end(ses *session, cause error) {
	ses.stream().End(cause)
	s.mu.Lock()
	defer s.unlock()
	if ses.detached {
		s.remove(ses)
	}
}

// hurry ends a session without a connection soon. Server.mu may be held.
func (ses *session) hurry() {
	if t := ses.expiry.Load(); t != nil {
		t.Reset(0)
	}
}

// abandon ends all sessions without a connection; nobody is told. s.mu is held.
func (s *Server) abandon() {
	for _, ses := range s.resumable {
		if ses.detached {
			s.keep(ses, false)
			ses.stream().Discard()
		}
	}
}

// sendBack tells the senders of what a session, which has ended, was sent and has not acknowledged. A request that has been
// answered needs no other answer.
//
// XEP-0198, Section 4; RFC 6121, Section 8.5.3.2.
func (s *Server) sendBack(ses *session) {
	for _, st := range ses.stream().Undelivered() {
		if st.Kind == stanza.Presence || st.Type == stanza.Headline || !answerable(st) || !st.From.IsFull() {
			continue
		}
		s.bounce(ses.account, st)
	}
}

// bounce answers one stanza to an account with an error, if its sender is still there.
func (s *Server) bounce(owner *account, st stanza.Stanza) {
	from := s.session(st.From)
	if from == nil || st.Kind == stanza.IQ && !from.correspondent(owner).take() {
		return
	}
	owner.tally.refuse(errUndelivered.Condition)
	from.replyFrom(st.ErrorReply(errUndelivered))
}

// replyFrom queues an answer of the server's for another goroutine than that which reads from the session.
func (ses *session) replyFrom(st stanza.Stanza) {
	if _, err := ses.push(nil, nil, 0, &st); errors.Is(err, xmpp.ErrQueueFull) {
		ses.slow(ses.server.cfg.Audit.Record)
	}
}

// bound is ServerConfig.Bind for one connection.
func (k *keeper) bound(_ context.Context, c *xmpp.Conn, resource string) (jid.JID, error) {
	ses, err := k.server.bind(c, resource)
	if err != nil {
		return jid.JID{}, err
	}
	*k.ses = ses
	return ses.jid, nil
}
