package xmppd

import (
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// maxShown bounds of how many addresses of one other domain it is kept to whom they have shown themselves, and to how many
// of ours each.
const maxShown = 4096

// tellRemote sends presence to an address of another domain, if the rules let it; by is the session whose presence it is,
// nil for what the server says. Nothing is returned to anybody: what does not arrive is told when there is a stream again.
// s.mu is held.
func (s *Server) tellRemote(by *session, st stanza.Stanza) {
	if !s.permits(st.From.Bare(), st.To.Bare()) {
		return
	}
	p, refusal := s.peer(st.To.Domain())
	if refusal != nil {
		return
	}
	var share *xmpp.Share
	limit := 0
	if by != nil && !by.gone.Load() {
		share, limit = &p.correspondent(by.account).share, by.account.may.Load().share
	}
	p.tell(&st)
	var err error
	if s.tags, err = p.push(s.tags[:0], share, limit, &st); by != nil && full(err) {
		flooded(by, p, s.note)
	}
}

// tell notes whose presence the other domain has, so that it is told anew where it may have missed something.
func (p *peer) tell(st *stanza.Stanza) {
	if !st.From.IsFull() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch st.Type {
	case stanza.Available:
		p.told[st.From] = struct{}{}
	case stanza.Unavailable:
		delete(p.told, st.From)
	}
}

// tellAway sends presence of an account's sessions to an address of another domain: that they are available, or that they
// are no longer. s.mu is held.
func (s *Server) tellAway(of *account, to jid.JID, available bool) {
	for _, ses := range of.sessions {
		if !ses.available {
			continue
		}
		st := ses.presence
		if !available {
			st = stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: ses.jid}
		}
		st.To = to
		s.tellRemote(ses, st)
	}
}

// probe asks the server of another domain for the presence of one there whom a session sees. s.mu is held.
//
// RFC 6121, Section 4.3.1.
func (s *Server) probe(ses *session, contact jid.JID) {
	s.tellRemote(ses, stanza.Stanza{Kind: stanza.Presence, Type: stanza.Probe, From: ses.jid, To: contact})
}

// presence takes presence that comes from another domain.
//
// RFC 6121, Sections 3, 4 and 8.5.
func (in *incoming) presence(st stanza.Stanza) {
	s := in.server
	if len(st.Payload) > maxPresence {
		refuse(in, st, errPresenceSize)
		return
	}
	s.mu.Lock()
	defer s.unlock()
	switch st.Type {
	case stanza.Available, stanza.Unavailable:
		if in.peer.noteShown(&st) {
			s.receivePresence(in, st)
		} else if in.reported.CompareAndSwap(false, true) {
			s.note(in.event(audit.StreamFlood, "shows more presence than is kept: thrown away"))
		}
	case stanza.Probe:
		s.answerRemoteProbe(st)
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubscribed:
		st.From, st.To = st.From.Bare(), st.To.Bare()
		s.receiveSubscription(st)
	case stanza.TypeError:
		if to := s.lookup(st.To); to != nil {
			s.passRemote(in, to, st)
		}
	}
}

// receivePresence gives presence of another domain to whom it is for: the session of a full JID, or the available sessions
// of a bare one. s.mu is held.
func (s *Server) receivePresence(in *incoming, st stanza.Stanza) {
	if st.To.IsFull() {
		if to := s.lookup(st.To); to != nil {
			s.passRemote(in, to, st)
		}
		return
	}
	if acc := s.accounts[st.To]; acc != nil {
		for _, to := range acc.sessions {
			if to.available {
				s.passRemote(in, to, st)
			}
		}
	}
}

// passRemote queues presence of another domain for a session. It counts for that domain's share of the queue. s.mu is held.
func (s *Server) passRemote(in *incoming, to *session, st stanza.Stanza) {
	share := &to.correspondent(in.account).share
	if s.queue(to, share, in.account.may.Load().share, st) == xmpp.ErrShareFull {
		flooded(in, to, s.note)
	}
}

// noteShown keeps to which accounts here an address of the other domain has shown itself: they are told when that domain's server is
// lost. It reports whether there was room. Server.mu is held.
func (p *peer) noteShown(st *stanza.Stanza) bool {
	to, account := p.shown[st.From], st.To.Bare()
	if st.Type == stanza.Unavailable {
		if delete(to, account); len(to) == 0 {
			delete(p.shown, st.From)
		}
		p.setShowing(len(p.shown))
		return true
	}
	if to == nil {
		if len(p.shown) >= maxShown {
			return false
		}
		to = map[jid.JID]struct{}{}
		p.shown[st.From] = to
		p.setShowing(len(p.shown))
	}
	if _, known := to[account]; !known && len(to) >= maxShown {
		return false
	}
	to[account] = struct{}{}
	return true
}

func (p *peer) setShowing(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.showing = n
}

// answerRemoteProbe answers a probe of another domain in an account's name. s.mu is held.
//
// RFC 6121, Section 4.3.2.
func (s *Server) answerRemoteProbe(st stanza.Stanza) {
	bare := st.To.Bare()
	answer := stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unsubscribed, From: bare, To: st.From.Bare()}
	if !s.seen(st.From.Bare(), bare) {
		s.tellRemote(nil, answer)
		return
	}
	answered := false
	if acc := s.accounts[bare]; acc != nil {
		for _, ses := range acc.sessions {
			if ses.available && (st.To.IsBare() || ses.jid == st.To) {
				answer, answered = ses.presence, true
				answer.To = st.From
				s.tellRemote(nil, answer)
			}
		}
	}
	if !answered {
		answer.Type, answer.From, answer.To = stanza.Unavailable, st.To, st.From
		s.tellRemote(nil, answer)
	}
}

// lose says that stanzas from another domain, or to it, may have been lost: whoever there was available is so no longer for
// all whom it has shown itself to, until that domain says so again; what was asked there is not answered any more; and it
// will be told and asked for presence anew.
func (s *Server) lose(p *peer, why error) {
	s.mu.Lock()
	for from, to := range p.shown {
		gone := stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: from}
		for gone.To = range to {
			s.informHere(gone)
		}
	}
	clear(p.shown)
	s.unlock()

	p.mu.Lock()
	p.stale = p.stale || p.showing > 0 || len(p.told) > 0
	p.showing = 0
	unanswered := p.asked.drop()
	p.again()
	p.mu.Unlock()
	for i := range unanswered {
		p.giveBack(unanswered[i], unreachable(p.jid, why))
	}
	e := p.event(audit.DomainLost, why.Error())
	e.Time = time.Now()
	s.cfg.Audit.Record(e)
}

// informHere gives a stanza of the server's own making to the session of a full JID, or the available sessions of a bare one.
// s.mu is held.
func (s *Server) informHere(st stanza.Stanza) {
	if st.To.IsFull() {
		if to := s.lookup(st.To); to != nil {
			s.inform(to, st)
		}
	} else if acc := s.accounts[st.To]; acc != nil {
		for _, to := range acc.sessions {
			if to.available {
				s.inform(to, st)
			}
		}
	}
}

// renew tells another domain anew who is available here, of those whom somebody there sees, and asks who is available there.
func (s *Server) renew(p *peer) {
	s.mu.Lock()
	defer s.unlock()
	domain := p.jid.Domain()
	for _, acc := range s.order {
		if !acc.available() {
			continue
		}
		for to := range s.watchers(acc.jid) {
			if to.Domain() == domain {
				s.tellAway(acc, to, true)
			}
		}
		for _, ses := range acc.sessions {
			for to := range ses.directed {
				if ses.available && to.Domain() == domain {
					st := ses.presence
					st.To = to
					s.tellRemote(ses, st)
				}
			}
		}
		for to := range s.watched(acc.jid) {
			if to.Domain() == domain {
				s.probeAll(acc, to)
			}
		}
	}
}

// probeAll asks for the presence of a contact in another domain on behalf of all sessions of an account that would be told of
// it. s.mu is held.
func (s *Server) probeAll(a *account, contact jid.JID) {
	for _, ses := range a.sessions {
		if ses.available {
			s.probe(ses, contact)
		}
	}
}

// regroupRemote tells contacts in other domains, and those here who see them, what has changed with the groups. s.mu is held.
func (s *Server) regroupRemote(last, next *settings) {
	shows := func(by *settings, of *account, to jid.JID) bool {
		return s.seenIn(by.groups, to, of.jid) && decide(by.Rules, of.jid, to)
	}
	for _, acc := range s.order {
		if !acc.available() {
			continue
		}
		for _, c := range next.groups[acc.jid] {
			if s.elsewhere(c.jid) && shows(next, acc, c.jid) && !shows(last, acc, c.jid) {
				s.tellAway(acc, c.jid, true)
				s.probeAll(acc, c.jid)
			}
		}
		for _, c := range last.groups[acc.jid] {
			if s.elsewhere(c.jid) && shows(last, acc, c.jid) && !shows(next, acc, c.jid) {
				s.forget(acc, c.jid, decide(last.Rules, acc.jid, c.jid))
			}
		}
	}
}

// forget ends that an account and a contact in another domain see each other. s.mu is held.
func (s *Server) forget(a *account, contact jid.JID, tell bool) {
	p, refusal := s.peer(contact.Domain())
	if refusal != nil {
		return
	}
	for from, to := range p.shown {
		if from.Bare() != contact {
			continue
		}
		if _, seen := to[a.jid]; seen {
			delete(to, a.jid)
			s.informHere(stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: from, To: a.jid})
		}
	}
	if !tell {
		return
	}
	for _, ses := range a.sessions { // past the rules, which do not let it any more
		if ses.available {
			st := stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: ses.jid, To: contact}
			p.push(nil, nil, 0, &st)
		}
	}
}

// elsewhere reports whether an address is of another domain.
func (s *Server) elsewhere(j jid.JID) bool { return j.Domain() != s.cfg.Domain }
