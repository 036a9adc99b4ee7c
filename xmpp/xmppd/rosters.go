package xmppd

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Rosters lets accounts keep rosters of their own and agree on presence with each other, beside what Groups give them.
// They are in memory, and gone when the server ends. A field that is not positive takes its default.
//
// RFC 6121, Sections 2 and 3.
type Rosters struct {
	Items int // contacts of one account, with those who wait for an answer; default 1,024
}

const (
	maxName    = 1 << 10 // octets of a contact's name, and of a group's
	maxGroups  = 64      // that a contact is in
	maxRequest = 2 << 10 // octets of what is kept with a request for a subscription
)

// book is the roster that an account keeps itself.
type book struct {
	entries map[jid.JID]*entry // by bare address
	version uint64             // of what is listed
}

// entry is a contact in a book.
type entry struct {
	name   string
	groups []string
	sub    subscription
	listed bool // in the roster; else it is only somebody who has asked

	request stanza.Stanza // what the contact has asked with, while sub has asking
}

// entry returns what an account's book says of a contact; the zero entry where it says nothing. s.mu is held.
func (s *Server) entry(of, contact jid.JID) entry {
	if b := s.books[of]; b != nil {
		if e := b.entries[contact]; e != nil {
			return *e
		}
	}
	return entry{}
}

// setEntry writes what an account's book says of a contact from now on, and pushes what of it is in the roster. It reports
// whether there was room. s.mu is held.
//
// RFC 6121, Section 2.1.6.
func (s *Server) setEntry(of, contact jid.JID, e entry) bool {
	b := s.books[of]
	if b == nil {
		b = &book{entries: map[jid.JID]*entry{}}
	}
	was := b.entries[contact]
	switch {
	case !e.listed && e.sub == 0:
		delete(b.entries, contact)
	case was == nil && len(b.entries) >= s.cfg.Rosters.Items:
		return false
	default:
		b.entries[contact] = &e
	}
	if len(b.entries) > 0 {
		s.books[of] = b
	} else if b.version == 0 {
		delete(s.books, of)
	}
	switch {
	case e.listed && (was == nil || e.changes(was)):
		b.version++
		s.restate(of, contact)
	case !e.listed && was != nil && was.listed:
		b.version++
		if s.grouped(of, contact) {
			s.restate(of, contact)
		} else {
			s.pushRemoval(of, contact)
		}
	}
	return true
}

// changes reports whether the roster shows e otherwise than was.
func (e *entry) changes(was *entry) bool {
	return e.listed != was.listed || e.name != was.name || !slices.Equal(e.groups, was.groups) || (e.sub^was.sub)&^asking != 0
}

// grouped reports whether configuration lets two accounts see each other. s.mu is held.
func (s *Server) grouped(a, b jid.JID) bool { return s.seenIn(s.groups, a, b) }

// seen reports whether one address has another's presence: by configuration, or as the other has agreed, which for an
// address of another domain is what the roster here says of it. s.mu is held.
func (s *Server) seen(who, other jid.JID) bool {
	if s.grouped(who, other) {
		return true
	}
	if other.Domain() != s.cfg.Domain {
		return s.entry(who, other).sub.has(sees)
	}
	return s.entry(other, who).sub.has(shownTo)
}

// watchers yields who has an account's presence. s.mu is held.
func (s *Server) watchers(of jid.JID) iter.Seq[jid.JID] { return s.related(of, shownTo) }

// watched yields whose presence an account has. s.mu is held.
func (s *Server) watched(by jid.JID) iter.Seq[jid.JID] { return s.related(by, sees) }

// related yields those to whom an account stands in a certain way, which those of its groups do in any. s.mu is held.
func (s *Server) related(a jid.JID, how subscription) iter.Seq[jid.JID] {
	return func(yield func(jid.JID) bool) {
		for j := range s.groupmates(a) {
			if !yield(j) {
				return
			}
		}
		if b := s.books[a]; b != nil {
			for j, e := range b.entries {
				if e.sub.has(how) && !s.grouped(a, j) && !yield(j) {
					return
				}
			}
		}
	}
}

// items returns the roster of an account, by address: those of its groups, and those it has put there itself. s.mu is held.
func (s *Server) items(of jid.JID) []contact {
	b := s.books[of]
	if s.groups != nil && b == nil {
		return s.groups[of]
	}
	var items []contact
	if s.groups != nil {
		items = slices.Clone(s.groups[of])
	} else {
		for other := range s.groupmates(of) {
			items = append(items, contact{jid: other, sub: sees | shownTo})
		}
	}
	if b != nil {
		for i := range items {
			if e := b.entries[items[i].jid]; e != nil && e.listed {
				items[i].adopt(e)
			}
		}
		for j, e := range b.entries {
			if e.listed && !s.grouped(of, j) {
				items = append(items, contact{j, e.name, e.groups, e.sub})
			}
		}
	}
	slices.SortFunc(items, func(a, b contact) int { return strings.Compare(a.jid.String(), b.jid.String()) })
	return items
}

// adopt adds to a contact that is configured what the account has noted of it.
func (c *contact) adopt(e *entry) {
	c.name, c.groups = e.name, slices.Clone(c.groups)
	for _, g := range e.groups {
		if !slices.Contains(c.groups, g) {
			c.groups = append(c.groups, g)
		}
	}
}

// sendSubscription does what an account's presence of a subscription type asks for, and passes it on to the contact if it
// says something new there. It reports whether there was room in the rosters. s.mu is held.
//
// RFC 6121, Sections 3.1.2, 3.1.5, 3.2.2, 3.3.2 and 3.4.
func (s *Server) sendSubscription(st stanza.Stanza) bool {
	me, to := st.From, st.To
	e := s.entry(me, to)
	before := e.sub
	next, route := before.send(st.Type)
	e.sub = next
	if st.Type == stanza.Subscribe || st.Type == stanza.Subscribed {
		e.listed = e.listed || next != 0
	}
	if !next.has(asking) {
		e.request = stanza.Stanza{}
	}
	if next != before || e.listed {
		if !s.setEntry(me, to, e) {
			return false
		}
	}
	if route {
		s.toContact(st)
	}
	s.shownChanged(me, to, before, next)
	return true
}

// receiveSubscription does what a contact's presence of a subscription type comes to for an account of this domain. s.mu
// is held.
//
// RFC 6121, Sections 3.1.3, 3.1.6, 3.2.3, 3.3.3 and 3.4.
func (s *Server) receiveSubscription(st stanza.Stanza) {
	me, from := st.To, st.From
	if !s.exists(me) {
		return
	}
	if s.grouped(me, from) || s.cfg.Rosters == nil {
		if answer, ok := s.configured(st); ok {
			s.toContact(answer)
		}
		return
	}
	e := s.entry(me, from)
	before := e.sub
	next, deliver, answer := before.receive(st.Type)
	e.sub = next
	switch {
	case next.has(asking) && !before.has(asking):
		e.request = st
		e.request.Payload = bytes.Clone(st.Payload)
		if len(st.Payload) > maxRequest {
			e.request.Payload = nil
		}
	case !next.has(asking):
		e.request = stanza.Stanza{}
	}
	e.listed = e.listed || next.has(shownTo)
	if deliver {
		s.deliverSubscription(st)
	}
	if next != before && !s.setEntry(me, from, e) {
		return // a request that finds no room waits for nobody: it comes again when its sender asks again
	}
	if answer != "" {
		s.toContact(stanza.Stanza{Kind: stanza.Presence, Type: answer, ID: st.ID, From: me, To: from})
	}
	s.shownChanged(me, from, before, next)
}

// deliverSubscription gives a contact's presence to those clients of an account who are to know of it: a request to those
// who are available, the rest to those who have asked for the roster. s.mu is held.
func (s *Server) deliverSubscription(st stanza.Stanza) {
	acc := s.accounts[st.To]
	if acc == nil {
		return
	}
	for _, ses := range acc.sessions {
		if st.Type == stanza.Subscribe && ses.available || st.Type != stanza.Subscribe && ses.interested {
			s.inform(ses, st)
		}
	}
}

// toContact passes what an account says of a subscription to the contact. s.mu is held.
func (s *Server) toContact(st stanza.Stanza) {
	if s.elsewhere(st.To) {
		s.tellRemote(nil, st)
	} else {
		s.receiveSubscription(st)
	}
}

// shownChanged tells a contact that it sees the account from now on, or no longer. s.mu is held.
//
// RFC 6121, Sections 3.1.5, 3.2.2 and 3.3.3.
func (s *Server) shownChanged(of, to jid.JID, before, next subscription) {
	if (before^next)&shownTo == 0 || s.grouped(of, to) || !s.permits(of, to) {
		return
	}
	if a, b := s.accounts[of], s.accounts[to]; a != nil && s.elsewhere(to) {
		s.tellAway(a, to, next.has(shownTo))
	} else if a != nil && b != nil {
		s.reveal(a, b, next.has(shownTo))
	}
}

// tellRequests tells a session that has become available who waits for an answer of its account. s.mu is held.
//
// RFC 6121, Section 3.1.3.
func (s *Server) tellRequests(ses *session) {
	b := s.books[ses.account.jid]
	if b == nil {
		return
	}
	var waiting []stanza.Stanza
	for _, e := range b.entries {
		if e.sub.has(asking) {
			waiting = append(waiting, e.request)
		}
	}
	slices.SortFunc(waiting, func(a, b stanza.Stanza) int { return strings.Compare(a.From.String(), b.From.String()) })
	for _, st := range waiting {
		s.inform(ses, st)
	}
}
