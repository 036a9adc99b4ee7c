package xmppd

import (
	"slices"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// pushAllChanges pushes to everybody who has asked for a roster what is another in it by the next groups than by the last.
// s.mu is held.
func (s *Server) pushAllChanges(last, next *settings) {
	for _, acc := range s.order {
		if !slices.ContainsFunc(acc.sessions, func(ses *session) bool { return ses.interested }) {
			continue
		}
		s.groups = last.groups
		before := s.items(acc.jid)
		s.groups = next.groups
		s.pushChanges(acc, before)
	}
}

// pushChanges pushes to an account what is in its roster now that was not, or not so, in it before, and what is no longer.
// s.mu is held.
//
// RFC 6121, Sections 2.1.6 and 2.5.
func (s *Server) pushChanges(a *account, before []contact) {
	had := map[jid.JID]contact{}
	for _, c := range before {
		had[c.jid] = c
	}
	has := map[jid.JID]bool{}
	for _, c := range s.items(a.jid) {
		has[c.jid] = true
		if was, known := had[c.jid]; !known || !slices.Equal(was.groups, c.groups) || was.name != c.name || was.sub != c.sub {
			s.pushItem(a, c)
		}
	}
	for _, c := range before {
		if !has[c.jid] {
			s.pushRemoval(a.jid, c.jid)
		}
	}
}

// regroup tells everybody whose presence is to be seen by the next settings and was not by the last, and whose is no longer.
// s.mu is held: with thousands of accounts a pair of them must cost next to nothing.
func (s *Server) regroup(last, next *settings) {
	var here []*account // whose presence there is to be told
	for _, acc := range s.order {
		if acc.available() {
			here = append(here, acc)
		}
	}
	was, is := newSight(last, here), newSight(next, here)
	for i, of := range here {
		lastMates, nextMates := mates(last.groups, of.jid), mates(next.groups, of.jid)
		for k, to := range here {
			if i == k {
				continue
			}
			saw, sees := lastMates == nil || lastMates[to.jid], nextMates == nil || nextMates[to.jid]
			if s.cfg.Rosters != nil && !(saw && sees) && s.entry(of.jid, to.jid).sub.has(shownTo) {
				saw, sees = true, true
			}
			if saw, sees = saw && was.permits(i, k), sees && is.permits(i, k); saw != sees {
				s.reveal(of, to, sees)
			}
		}
	}
}

// mates are the accounts in the groups of one; nil where everybody sees everybody.
func mates(groups map[jid.JID][]contact, of jid.JID) map[jid.JID]bool {
	if groups == nil {
		return nil
	}
	all := make(map[jid.JID]bool, len(groups[of]))
	for _, c := range groups[of] {
		all[c.jid] = true
	}
	return all
}

// sight is decide for many accounts of the own domain, each with each other.
type sight struct {
	rules []Rule
	from  [][]int    // by account: the rules that it matches as sender, in their order
	to    [][]uint64 // by account: the set of rules that it matches as addressee
}

func newSight(by *settings, accounts []*account) sight {
	v := sight{by.Rules, make([][]int, len(accounts)), make([][]uint64, len(accounts))}
	for i, a := range accounts {
		v.to[i] = make([]uint64, (len(by.Rules)+63)/64)
		for r := range by.Rules {
			if by.Rules[r].From.Matches(a.jid) {
				v.from[i] = append(v.from[i], r)
			}
			if by.Rules[r].To.Matches(a.jid) {
				v.to[i][r/64] |= 1 << (r % 64)
			}
		}
	}
	return v
}

// permits is what decide says of two accounts, by their places.
func (v *sight) permits(from, to int) bool {
	for _, r := range v.from[from] {
		if v.to[to][r/64]&(1<<(r%64)) != 0 {
			return v.rules[r].Allow
		}
	}
	return true
}

// reveal tells the available sessions of an account that another is available, or that it is no longer. s.mu is held.
func (s *Server) reveal(of, to *account, available bool) {
	for _, ses := range to.sessions {
		if !ses.available {
			continue
		}
		for _, other := range of.sessions {
			if !other.available {
				continue
			}
			st := other.presence
			if !available {
				st = stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: other.jid}
			}
			st.To = to.jid
			s.inform(ses, st)
		}
	}
}

// available reports whether a session of the account is. Server.mu is held.
func (a *account) available() bool {
	return slices.ContainsFunc(a.sessions, func(ses *session) bool { return ses.available })
}
