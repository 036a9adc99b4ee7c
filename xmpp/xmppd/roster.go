package xmppd

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

const nsRoster = "jabber:iq:roster"

// contact is an item of a roster.
type contact struct {
	jid    jid.JID
	name   string
	groups []string // those that have both, in the order of the configuration, and then the account's own
	sub    subscription
}

// roster makes each address's contacts of the configured groups, ordered by address; nil of nil. Others of a group may be of
// other domains.
func roster(groups []Group, domain string) (map[jid.JID][]contact, error) {
	if groups == nil {
		return nil, nil
	}
	all := map[jid.JID][]contact{}
	for _, g := range groups {
		if len(g.Members) > 0 && !slices.ContainsFunc(g.Members, func(a jid.JID) bool { return a.Domain() == domain }) {
			return nil, fmt.Errorf("xmppd: group %q: nobody in it is of %s", g.Name, domain)
		}
		for _, a := range g.Members {
			if !a.IsBare() || a.Local() == "" {
				return nil, fmt.Errorf("xmppd: group %q: %q is not an account", g.Name, a)
			}
			if all[a] == nil {
				all[a] = []contact{}
			}
			for _, b := range g.Members {
				if a != b {
					all[a] = addContact(all[a], b, g.Name)
				}
			}
		}
	}
	for _, contacts := range all {
		slices.SortFunc(contacts, func(a, b contact) int { return strings.Compare(a.jid.String(), b.jid.String()) })
	}
	return all, nil
}

func addContact(contacts []contact, j jid.JID, group string) []contact {
	i := slices.IndexFunc(contacts, func(c contact) bool { return c.jid == j })
	if i < 0 {
		i = len(contacts)
		contacts = append(contacts, contact{jid: j, sub: sees | shownTo})
	}
	c := &contacts[i]
	if group != "" && !slices.Contains(c.groups, group) {
		c.groups = append(c.groups, group)
	}
	return contacts
}

// exists reports whether there is such an account: it is in a group, has a password or has logged in. s.mu is held.
func (s *Server) exists(bare jid.JID) bool {
	return s.accounts[bare] != nil || s.groups[bare] != nil || s.cfg.Passwords != nil && s.cfg.Passwords.Has(bare)
}

// seenIn reports whether two accounts see each other's presence by certain groups. s.mu is held.
func (s *Server) seenIn(groups map[jid.JID][]contact, who, other jid.JID) bool {
	if groups == nil {
		return who != other && s.accounts[who] != nil && s.accounts[other] != nil
	}
	return slices.ContainsFunc(groups[who], func(c contact) bool { return c.jid == other })
}

// groupmates yields who sees an account, and is seen by it, by configuration. s.mu is held.
func (s *Server) groupmates(of jid.JID) iter.Seq[jid.JID] {
	return func(yield func(jid.JID) bool) {
		if s.groups == nil {
			for _, other := range s.order {
				if other.jid != of && !yield(other.jid) {
					return
				}
			}
			return
		}
		for _, c := range s.groups[of] {
			if !yield(c.jid) {
				return
			}
		}
	}
}

// sendRoster answers a request for the roster. From then on the session hears of changes. Where the client says which
// version it has, and has the last, it hears of changes only.
//
// RFC 6121, Sections 2.2 and 2.6.
func (s *Server) sendRoster(ses *session, request stanza.Stanza, ver string, versioned bool) {
	s.mu.Lock()
	defer s.unlock()
	ses.interested = true
	now := s.rosterVersion(ses.account.jid)
	if versioned && now != "" && ver == now {
		s.inform(ses, request.Reply(nil))
		return
	}
	s.inform(ses, request.Reply(rosterQuery(s.items(ses.account.jid), now)))
}

// rosterVersion says which version of its roster an account has: "" where that is not kept. s.mu is held.
//
// RFC 6121, Section 2.6.
func (s *Server) rosterVersion(of jid.JID) string {
	if !s.keepsVersions() {
		return ""
	}
	n := uint64(0)
	if b := s.books[of]; b != nil {
		n = b.version
	}
	return s.era + "." + strconv.FormatUint(n, 10)
}

// keepsVersions reports whether rosters have versions: they do where accounts keep them, and others' logging in
// for the first time does not change them. s.mu is held.
func (s *Server) keepsVersions() bool { return s.cfg.Rosters != nil && s.groups != nil }

// announceAccount pushes an account that logged in for the first time to the rosters of all others, where the accounts
// that have logged in are the roster. s.mu is held.
//
// RFC 6121, Section 2.1.6.
func (s *Server) announceAccount(a *account) {
	if s.groups != nil {
		return
	}
	for other := range s.groupmates(a.jid) {
		s.restate(other, a.jid)
	}
}

// features says in the stream features what the server is, and what rosters can do.
//
// RFC 6121, Sections 2.6.1 and 3.4.1; XEP-0115, Section 6.3.
func (s *Server) features() []byte {
	b := []byte("<c xmlns='" + nsCaps + "' hash='sha-1' node='" + capsNode + "' ver='" + s.caps + "'/>")
	if s.cfg.Rosters == nil {
		return b
	}
	b = append(b, "<sub xmlns='urn:xmpp:features:pre-approval'/>"...)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.keepsVersions() {
		b = append(b, "<ver xmlns='urn:xmpp:features:rosterver'/>"...)
	}
	return b
}

// restate pushes a contact to the roster of an account as it stands there. s.mu is held.
//
// RFC 6121, Sections 2.1.6, 3.2 and 3.3.
func (s *Server) restate(of, bare jid.JID) {
	a := s.accounts[of]
	if a == nil || !slices.ContainsFunc(a.sessions, func(ses *session) bool { return ses.interested }) {
		return
	}
	for _, c := range s.items(of) {
		if c.jid == bare {
			s.pushItem(a, c)
		}
	}
}

// pushItem pushes an item to those sessions of an account that have asked for the roster. s.mu is held.
func (s *Server) pushItem(a *account, c contact) {
	s.pushRoster(a, rosterQuery([]contact{c}, s.rosterVersion(a.jid)))
}

// pushRemoval pushes that a contact has left an account's roster. s.mu is held.
//
// RFC 6121, Section 2.5.
func (s *Server) pushRemoval(of, left jid.JID) {
	if a := s.accounts[of]; a != nil {
		s.pushItem(a, contact{jid: left, sub: gone})
	}
}

// pushRoster pushes a change to those sessions of an account that have asked for the roster. s.mu is held.
func (s *Server) pushRoster(a *account, payload []byte) {
	for _, ses := range a.sessions {
		if ses.interested {
			s.pushes++
			s.inform(ses, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Set, ID: "roster-" + strconv.FormatUint(s.pushes, 10),
				To: ses.jid, Payload: payload})
		}
	}
}

// rosterQuery returns the payload of an answer or a push. ver is "" where rosters have no versions.
func rosterQuery(items []contact, ver string) []byte {
	b := []byte("<query xmlns='" + nsRoster + "'")
	if ver != "" {
		b = append(xmltok.AppendEscaped(append(b, " ver='"...), ver), '\'')
	}
	if len(items) == 0 {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	for _, c := range items {
		b = appendItem(b, c)
	}
	return append(b, "</query>"...)
}

// appendItem appends an item; one that is no longer there has the subscription gone.
//
// RFC 6121, Section 2.1.2.
func appendItem(dst []byte, c contact) []byte {
	attr := func(name, value string) {
		dst = append(append(append(dst, ' '), name...), "='"...)
		dst = append(xmltok.AppendEscaped(dst, value), '\'')
	}
	dst = append(dst, "<item"...)
	attr("jid", c.jid.String())
	if c.name != "" {
		attr("name", c.name)
	}
	if c.sub == gone {
		attr("subscription", "remove")
		return append(dst, "/>"...)
	}
	attr("subscription", c.sub.String())
	if c.sub.has(asked) {
		attr("ask", "subscribe")
	}
	if c.sub.has(approved) {
		attr("approved", "true")
	}
	if len(c.groups) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for _, g := range c.groups {
		dst = append(dst, "<group>"...)
		dst = xmltok.AppendEscaped(dst, g)
		dst = append(dst, "</group>"...)
	}
	return append(dst, "</item>"...)
}
