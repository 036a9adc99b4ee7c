package xmppd

import (
	"io"
	"slices"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// setRoster writes an item of the roster of the one who asks, or takes it out.
//
// RFC 6121, Sections 2.3 to 2.5.
func setRoster(s *Server, from sender, r request) {
	change, refusal := parseRosterSet(r.Payload)
	if refusal == nil && change.jid == r.From.Bare() {
		refusal = stanza.NewError(stanza.NotAllowed, "nobody is a contact of their own")
	}
	if refusal == nil {
		s.mu.Lock()
		if change.sub == gone {
			refusal = s.removeItem(r.From.Bare(), change.jid)
		} else {
			refusal = s.writeItem(r.From.Bare(), change)
		}
		s.unlock()
	}
	if refusal != nil {
		refuse(from, r.Stanza, refusal)
		return
	}
	from.reply(r.Reply(nil))
}

// writeItem notes name and groups of a contact. s.mu is held.
//
// RFC 6121, Sections 2.3.2 and 2.4.2.
func (s *Server) writeItem(of jid.JID, c contact) *stanza.Error {
	e := s.entry(of, c.jid)
	e.name, e.groups, e.listed = c.name, c.groups, true
	if !s.setEntry(of, c.jid, e) {
		return errRosterFull
	}
	return nil
}

// removeItem takes a contact out of a roster, with what there is between the two. s.mu is held.
//
// RFC 6121, Section 2.5.2.
func (s *Server) removeItem(of, left jid.JID) *stanza.Error {
	e := s.entry(of, left)
	if !e.listed {
		if s.grouped(of, left) {
			return stanza.NewError(stanza.NotAllowed, "this contact is configured at the server")
		}
		return errNoNode
	}
	s.part(of, left, e.sub)
	s.setEntry(of, left, entry{})
	return nil
}

// part ends what there is between an account and a contact, in the account's name. s.mu is held.
func (s *Server) part(of, from jid.JID, sub subscription) {
	st := stanza.Stanza{Kind: stanza.Presence, From: of, To: from}
	if sub&(sees|asked) != 0 {
		st.Type = stanza.Unsubscribe
		s.toContact(st)
	}
	if sub&(shownTo|asking) != 0 {
		st.Type = stanza.Unsubscribed
		s.toContact(st)
	}
	s.shownChanged(of, from, sub, 0)
}

// rosterVersionOf returns the version of the roster that a request for it names.
func rosterVersionOf(payload []byte) (ver string, ok bool) {
	t, err := xmltok.NewBytesScanner(payload, xmltok.Limits{}).Next()
	if err != nil || t.Kind != xmltok.Start {
		return "", false
	}
	v, ok := t.Attr("", "ver")
	return string(v), ok
}

// parseRosterSet reads the one item of a change to a roster: its sub is gone where it is to be taken out, and says nothing
// else.
//
// RFC 6121, Section 2.3.3.
func parseRosterSet(payload []byte) (c contact, refusal *stanza.Error) {
	sc := xmltok.NewBytesScanner(payload, xmltok.Limits{})
	sc.SetDefaultNamespace(stanza.Namespace)
	items, inGroup := 0, false
	group := ""
	for {
		t, err := sc.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, stanza.NewError(stanza.BadRequest, "")
		}
		switch {
		case t.Kind == xmltok.Start && sc.Depth() == 2 && t.Name == xmltok.Name{Space: nsRoster, Local: "item"}:
			if items++; items > 1 {
				return c, stanza.NewError(stanza.BadRequest, "one item at a time")
			}
			if refusal := c.read(&t); refusal != nil {
				return c, refusal
			}
		case t.Kind == xmltok.Start && sc.Depth() == 3 && t.Name == xmltok.Name{Space: nsRoster, Local: "group"}:
			inGroup, group = true, ""
		case t.Kind == xmltok.Text && inGroup:
			if group += string(t.Data); len(group) > maxName {
				return c, stanza.NewError(stanza.NotAcceptable, "the name of a group is too long")
			}
		case t.Kind == xmltok.End && inGroup:
			inGroup = false
			if refusal := c.join(group); refusal != nil {
				return c, refusal
			}
		}
	}
	if items == 0 {
		return c, stanza.NewError(stanza.BadRequest, "an item is missing")
	}
	return c, nil
}

// read reads the start tag of an item.
func (c *contact) read(t *xmltok.Token) *stanza.Error {
	v, _ := t.Attr("", "jid")
	j, err := jid.Parse(string(v))
	if err != nil {
		return stanza.NewError(stanza.JIDMalformed, "the item has no valid address")
	}
	c.jid = j.Bare()
	name, _ := t.Attr("", "name")
	if len(name) > maxName {
		return stanza.NewError(stanza.NotAcceptable, "the name is too long")
	}
	c.name = string(name)
	if v, _ := t.Attr("", "subscription"); string(v) == "remove" {
		c.sub = gone
	}
	return nil
}

// join adds a group.
func (c *contact) join(group string) *stanza.Error {
	switch {
	case group == "":
		return stanza.NewError(stanza.NotAcceptable, "a group without a name")
	case slices.Contains(c.groups, group):
		return stanza.NewError(stanza.BadRequest, "the same group twice")
	case len(c.groups) >= maxGroups:
		return stanza.NewError(stanza.NotAcceptable, "too many groups")
	}
	c.groups = append(c.groups, group)
	return nil
}
