package xmppd

import (
	"bytes"
	"strconv"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

var (
	errPresenceSize = stanza.NewError(stanza.PolicyViolation, "this presence is too large")
	errRosterFull   = stanza.NewError(stanza.ResourceConstraint, "this roster has as many contacts as it may have")
)

// routePresence broadcasts a session's presence or sends it to whom it is directed, and settles who sees whom. Where
// accounts keep no rosters, and between those of a group, that is configuration: a request is answered by it, who cancels
// a subscription is told that it stands, and subscribed, which nobody can be waiting for, is passed over.
//
// RFC 6121, Sections 3 and 4.
func (s *Server) routePresence(ses *session, st stanza.Stanza) {
	if len(st.Payload) > maxPresence {
		refuse(ses, st, errPresenceSize)
		return
	}
	s.mu.Lock()
	defer s.unlock()
	if ses.gone.Load() {
		return
	}
	switch st.Type {
	case stanza.Available, stanza.Unavailable:
		switch {
		case !st.To.IsZero():
			s.direct(ses, st)
		case st.Type == stanza.Available:
			s.show(ses, st)
		default:
			s.withdraw(ses, st)
		}
	case stanza.Probe:
		s.answerProbe(ses, st)
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubscribed:
		s.subscribe(ses, st)
	case stanza.TypeError:
		if s.elsewhere(st.To) {
			s.tellRemote(ses, st)
		} else if to := s.lookup(st.To); to != nil {
			s.pass(ses, to, st)
		}
	}
}

// subscribe does what a session's presence of a subscription type asks for. s.mu is held.
//
// RFC 6121, Section 3.
func (s *Server) subscribe(ses *session, st stanza.Stanza) {
	me, to := ses.account.jid, st.To.Bare()
	if to == me || to.Local() == "" && to.Domain() == s.cfg.Domain {
		return
	}
	st.From, st.To = me, to
	if s.cfg.Rosters != nil && !s.grouped(me, to) {
		if !s.sendSubscription(st) {
			s.inform(ses, stanza.Stanza{Kind: stanza.Presence, Type: st.Type, ID: st.ID, From: ses.jid, To: to}.ErrorReply(errRosterFull))
		}
		return
	}
	if answer, ok := s.configured(st); ok {
		s.inform(ses, answer)
	} else if st.Type == stanza.Unsubscribe || st.Type == stanza.Unsubscribed {
		s.restate(me, to)
	}
}

// show broadcasts that a session is available; if it was not before, it hears who else is. s.mu is held.
//
// RFC 6121, Sections 4.2.2 and 4.4.2.
func (s *Server) show(ses *session, st stanza.Stanza) {
	first := !ses.available
	ses.available, ses.priority = true, priority(st.Payload)
	ses.presence = st
	ses.presence.Payload = bytes.Clone(st.Payload)
	s.broadcast(ses, st)
	if !first {
		return
	}
	for j := range s.watched(ses.account.jid) {
		if s.elsewhere(j) {
			s.probe(ses, j)
		} else if acc := s.accounts[j]; acc != nil {
			s.tellPresence(ses, acc)
		}
	}
	s.tellRequests(ses)
	for _, own := range ses.account.sessions {
		if own != ses && own.available {
			s.informOf(ses, own)
		}
	}
}

// withdraw tells everybody who knows of a session that it is no longer available, in the words of st. s.mu is held.
//
// RFC 6121, Sections 4.5.2 and 4.6.3.
func (s *Server) withdraw(ses *session, st stanza.Stanza) {
	if ses.available {
		s.broadcast(ses, st)
	}
	for to := range ses.directed {
		st.To = to
		s.sendTo(ses, st)
	}
	ses.available, ses.priority, ses.presence, ses.directed = false, 0, stanza.Stanza{}, nil
}

// broadcast sends a session's presence to the available sessions of its contacts and of its own account, itself among
// them if it is still there. s.mu is held.
func (s *Server) broadcast(ses *session, st stanza.Stanza) {
	for j := range s.watchers(ses.account.jid) {
		st.To = j
		s.sendTo(ses, st)
	}
	st.To = ses.account.jid
	s.sendTo(ses, st)
}

// direct sends presence to one address, and remembers whom to tell of the end. s.mu is held.
//
// RFC 6121, Section 4.6.
func (s *Server) direct(ses *session, st stanza.Stanza) {
	if st.Type == stanza.Unavailable {
		delete(ses.directed, st.To)
	} else if _, known := ses.directed[st.To]; !known && !(ses.available && s.seen(st.To.Bare(), ses.account.jid)) {
		if len(ses.directed) >= maxDirected {
			s.inform(ses, st.ErrorReply(errQueueFull))
			return
		}
		if ses.directed == nil {
			ses.directed = map[jid.JID]struct{}{}
		}
		ses.directed[st.To] = struct{}{}
	}
	s.sendTo(ses, st)
}

// sendTo delivers a session's presence to the session of a full JID, or to the available sessions of a bare one. Where there is
// none it is dropped. s.mu is held.
//
// RFC 6121, Sections 8.5.2.1.2 and 8.5.3.
func (s *Server) sendTo(ses *session, st stanza.Stanza) {
	if s.elsewhere(st.To) {
		s.tellRemote(ses, st)
		return
	}
	if st.To.IsFull() {
		if to := s.lookup(st.To); to != nil {
			s.pass(ses, to, st)
		}
		return
	}
	if acc := s.accounts[st.To]; acc != nil {
		for _, to := range acc.sessions {
			if to.available {
				s.pass(ses, to, st)
			}
		}
	}
}

// answerProbe answers a client's own probe; the server makes none that travel. Who may not see the account, or probes one
// that is not there, hears the same. s.mu is held.
//
// RFC 6121, Sections 4.3.2 and 8.5.1.
func (s *Server) answerProbe(ses *session, st stanza.Stanza) {
	bare := st.To.Bare()
	if s.elsewhere(bare) {
		s.tellRemote(ses, st)
		return
	}
	if bare.Local() == "" {
		return
	}
	if bare != ses.account.jid && !s.seen(ses.account.jid, bare) {
		s.inform(ses, stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unsubscribed, From: bare, To: ses.account.jid})
		return
	}
	answered := false
	if acc := s.accounts[bare]; acc != nil {
		for _, other := range acc.sessions {
			if other.available && (st.To.IsBare() || other.jid == st.To) && s.informOf(ses, other) {
				answered = true
			}
		}
	}
	if !answered {
		s.inform(ses, stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: st.To, To: ses.account.jid})
	}
}

// configured returns the answer to a request for a subscription where configuration alone decides. One to nobody gets
// none. s.mu is held.
//
// RFC 6121, Sections 3.1.3 and 8.5.1.
func (s *Server) configured(st stanza.Stanza) (answer stanza.Stanza, ok bool) {
	answer = stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unsubscribed, ID: st.ID, From: st.To, To: st.From}
	if s.seen(st.From, st.To) {
		answer.Type = stanza.Subscribed
	}
	return answer, st.Type == stanza.Subscribe && s.exists(st.To)
}

// tellPresence tells a session of all available sessions of an account. s.mu is held.
func (s *Server) tellPresence(ses *session, acc *account) {
	for _, other := range acc.sessions {
		if other.available {
			s.informOf(ses, other)
		}
	}
}

// informOf tells a session of another's presence, and reports whether the rules let it. s.mu is held.
func (s *Server) informOf(ses, other *session) bool {
	if !s.permits(other.account.jid, ses.account.jid) {
		return false
	}
	st := other.presence
	st.To = ses.account.jid
	s.inform(ses, st)
	return true
}

// pass queues a session's own presence for another, if the rules let it. It counts for the share that its account has of that queue, unless it
// is what the server says of a stream that has ended. s.mu is held.
func (s *Server) pass(ses, to *session, st stanza.Stanza) {
	if !s.permits(ses.account.jid, to.account.jid) {
		return
	}
	var share *xmpp.Share
	if !ses.gone.Load() {
		share = &to.correspondent(ses.account).share
	}
	if s.queue(to, share, ses.account.may.Load().share, st) == xmpp.ErrShareFull {
		flooded(ses, to, s.note)
	}
}

// inform queues something of the server's own for a session. s.mu is held.
func (s *Server) inform(to *session, st stanza.Stanza) {
	s.queue(to, nil, 0, st) // where the stream has ended there is nobody to be told
}

// queue queues a stanza that cannot be refused. s.mu is held.
func (s *Server) queue(to *session, share *xmpp.Share, limit int, st stanza.Stanza) (err error) {
	s.tags, err = to.push(s.tags[:0], share, limit, &st)
	switch {
	case err != xmpp.ErrQueueFull:
	case share == nil:
		to.slow(s.note)
	default:
		to.overrun(s.note)
	}
	return err
}

// note keeps an event for unlock. s.mu is held.
func (s *Server) note(e audit.Event) { s.events = append(s.events, e) }

// priority returns the priority that a presence states, 0 for none or one that is no number from -128 to 127.
//
// RFC 6121, Section 4.7.2.3.
func priority(payload []byte) int8 {
	sc := xmltok.NewBytesScanner(payload, xmltok.Limits{})
	sc.SetDefaultNamespace(stanza.Namespace)
	in := false
	for {
		t, err := sc.Next()
		if err != nil {
			return 0
		}
		switch {
		case t.Kind == xmltok.Start:
			in = sc.Depth() == 1 && t.Name == xmltok.Name{Space: stanza.Namespace, Local: "priority"}
		case t.Kind == xmltok.Text && in:
			n, err := strconv.ParseInt(string(bytes.TrimSpace(t.Data)), 10, 8)
			if err != nil {
				return 0
			}
			return int8(n)
		default:
			in = false
		}
	}
}
