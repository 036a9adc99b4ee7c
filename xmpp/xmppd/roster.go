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

// contact is an account in the roster of another.
type contact struct {
	jid    jid.JID
	groups []string // that have both, in the order of the configuration
}

// roster makes each account's contacts of the configured groups, ordered by address; nil of nil.
func roster(groups []Group, domain string) (map[jid.JID][]contact, error) {
	if groups == nil {
		return nil, nil
	}
	all := map[jid.JID][]contact{}
	for _, g := range groups {
		for _, a := range g.Members {
			if !a.IsBare() || a.Local() == "" || a.Domain() != domain {
				return nil, fmt.Errorf("xmppd: group %q: %q is not an account of %s", g.Name, a, domain)
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
		contacts = append(contacts, contact{jid: j})
	}
	c := &contacts[i]
	if group != "" && !slices.Contains(c.groups, group) {
		c.groups = append(c.groups, group)
	}
	return contacts
}

// exists reports whether there is such an account: it is in a group or has logged in. s.mu is held.
func (s *Server) exists(bare jid.JID) bool {
	return s.accounts[bare] != nil || s.groups[bare] != nil
}

// seen reports whether two accounts see each other's presence. s.mu is held.
func (s *Server) seen(who, other jid.JID) bool { return s.seenIn(s.groups, who, other) }

// seenIn is seen by certain groups. s.mu is held.
func (s *Server) seenIn(groups map[jid.JID][]contact, who, other jid.JID) bool {
	if groups == nil {
		return who != other && s.accounts[who] != nil && s.accounts[other] != nil
	}
	return slices.ContainsFunc(groups[who], func(c contact) bool { return c.jid == other })
}

// contacts yields the accounts with a session, now or earlier, that see a. s.mu is held.
func (s *Server) contacts(a *account) iter.Seq[*account] {
	return func(yield func(*account) bool) {
		if s.groups == nil {
			for _, other := range s.order {
				if other != a && !yield(other) {
					return
				}
			}
			return
		}
		for _, c := range s.groups[a.jid] {
			if other := s.accounts[c.jid]; other != nil && !yield(other) {
				return
			}
		}
	}
}

// items returns the roster of an account. s.mu is held.
func (s *Server) items(a *account) []contact {
	if s.groups != nil {
		return s.groups[a.jid]
	}
	var items []contact
	for other := range s.contacts(a) {
		items = append(items, contact{jid: other.jid})
	}
	slices.SortFunc(items, func(a, b contact) int { return strings.Compare(a.jid.String(), b.jid.String()) })
	return items
}

// sendRoster answers a request for the roster. From then on the session hears of changes.
//
// RFC 6121, Section 2.2.
func (s *Server) sendRoster(ses *session, request stanza.Stanza) {
	s.mu.Lock()
	defer s.unlock()
	ses.interested = true
	s.inform(ses, request.Reply(rosterQuery(s.items(ses.account))))
}

// announceAccount pushes an account that logged in for the first time to the rosters of all others, where the accounts
// that have logged in are the roster. s.mu is held.
//
// RFC 6121, Section 2.1.6.
func (s *Server) announceAccount(a *account) {
	if s.groups != nil {
		return
	}
	for other := range s.contacts(a) {
		s.pushItem(other, contact{jid: a.jid})
	}
}

// restate pushes a contact to the roster of an account that has cancelled its subscription, or the contact's: it has not
// changed. s.mu is held.
//
// RFC 6121, Sections 3.2 and 3.3.
func (s *Server) restate(a *account, bare jid.JID) {
	for _, c := range s.items(a) {
		if c.jid == bare {
			s.pushItem(a, c)
		}
	}
}

// pushItem pushes an item to those sessions of an account that have asked for the roster. s.mu is held.
func (s *Server) pushItem(a *account, c contact) { s.pushRoster(a, rosterQuery([]contact{c})) }

// pushRemoval pushes that a contact is gone. s.mu is held.
//
// RFC 6121, Section 2.5.
func (s *Server) pushRemoval(a *account, gone jid.JID) {
	b := xmltok.AppendEscaped([]byte("<query xmlns='"+nsRoster+"'><item jid='"), gone.String())
	s.pushRoster(a, append(b, "' subscription='remove'/></query>"...))
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

func rosterQuery(items []contact) []byte {
	if len(items) == 0 {
		return []byte("<query xmlns='" + nsRoster + "'/>")
	}
	b := []byte("<query xmlns='" + nsRoster + "'>")
	for _, c := range items {
		b = appendItem(b, c)
	}
	return append(b, "</query>"...)
}

func appendItem(dst []byte, c contact) []byte {
	dst = append(dst, "<item jid='"...)
	dst = xmltok.AppendEscaped(dst, c.jid.String())
	dst = append(dst, "' subscription='both'"...)
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
