package xmpp

import (
	"context"
	"errors"
	"io"
	"slices"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// RosterItem is a contact of the account.
//
// RFC 6121, Section 2.1.2.
type RosterItem struct {
	JID          jid.JID // bare
	Name         string
	Subscription string // none, to, from, both
}

// Roster returns the account's contacts as the server has told them so far.
func (s *Session) Roster() []RosterItem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.roster)
}

// InitialPresence says that the session is there: contacts learn of it, and it
// learns of theirs.
//
// RFC 6121, Section 4.2.
func (s *Session) InitialPresence(ctx context.Context) error {
	st := stanza.Stanza{Kind: stanza.Presence}
	if s.caps != nil {
		st.Payload = s.caps.presence()
	}
	return s.Send(ctx, st)
}

// getRoster asks for the contacts. A server without rosters is none the worse
// for it.
//
// RFC 6121, Section 2.2.
func (s *Session) getRoster(ctx context.Context) error {
	done := make(chan error, 1)
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, Payload: []byte("<query xmlns='" + nsRoster + "'/>")}
	// The reply is taken on the reading goroutine, before the pushes behind it.
	_, err := s.SendIQ(ctx, iq, func(reply stanza.Stanza) { done <- s.setRoster(reply) })
	if err != nil {
		return err
	}
	bad, err := await(ctx, s, done)
	return errors.Join(bad, err)
}

func (s *Session) setRoster(reply stanza.Stanza) error {
	if reply.Type == stanza.TypeError {
		_, err := s.result(reply)
		s.current().logger.Debug("xmpp: no roster", "err", err)
		return nil
	}
	items, err := parseRoster(reply.Payload)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roster = items
	return nil
}

// rosterPush takes a change of the roster, from our own account and nobody else.
//
// RFC 6121, Section 2.1.6.
func (s *Session) rosterPush(st stanza.Stanza) {
	if !st.From.IsZero() && st.From != s.JID().Bare() {
		s.spoofed("roster push", st.From)
		s.answer(st.ErrorReply(stanza.NewError(stanza.ServiceUnavailable, "")))
		return
	}
	items, err := parseRoster(st.Payload)
	if err != nil || len(items) != 1 {
		s.answer(st.ErrorReply(stanza.NewError(stanza.BadRequest, "")))
		return
	}
	s.mu.Lock()
	item := items[0]
	s.roster = slices.DeleteFunc(s.roster, func(i RosterItem) bool { return i.JID == item.JID })
	if item.Subscription != "remove" {
		s.roster = append(s.roster, item)
	}
	s.mu.Unlock()
	s.answer(st.Reply(nil))
}

// parseRoster reads the items of a roster query. One without a valid JID is
// skipped.
func parseRoster(payload []byte) ([]RosterItem, error) {
	sc := xmltok.NewBytesScanner(payload, xmltok.Limits{MaxDocument: int64(len(payload)) + 1})
	sc.SetDefaultNamespace(stanza.Namespace)
	var items []RosterItem
	for {
		t, err := sc.Next()
		if err == io.EOF {
			return items, nil
		}
		if err != nil {
			return nil, err
		}
		if t.Kind != xmltok.Start || sc.Depth() != 2 || t.Name != (xmltok.Name{Space: nsRoster, Local: "item"}) {
			continue
		}
		address, _ := t.Attr("", "jid")
		name, _ := t.Attr("", "name")
		subscription, _ := t.Attr("", "subscription")
		if j, err := jid.Parse(string(address)); err == nil {
			items = append(items, RosterItem{j, string(name), string(subscription)})
		}
	}
}
