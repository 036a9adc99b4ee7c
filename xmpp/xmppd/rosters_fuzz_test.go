package xmppd

import (
	"testing"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// FuzzSubscriptions lets three accounts say whatever they like of each other, in any order. What the one's roster says of
// the other fits what the other's says of the one: nobody sees whom it should not, and no request is forgotten.
func FuzzSubscriptions(f *testing.F) {
	f.Add([]byte{0, 9, 1, 2, 20, 33, 4, 5})
	f.Add([]byte{6, 7, 8, 12, 13, 14, 18, 19, 20, 24, 25, 26, 30, 31, 32})
	who := []jid.JID{jid.MustParse("a@dso.example"), jid.MustParse("b@dso.example"), jid.MustParse("c@dso.example")}
	types := []stanza.Type{stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubscribed}
	f.Fuzz(func(t *testing.T, said []byte) {
		s := &Server{
			cfg:      Config{Domain: "dso.example", Rosters: &Rosters{Items: 10}},
			accounts: map[jid.JID]*account{}, groups: map[jid.JID][]contact{}, books: map[jid.JID]*book{},
		}
		s.set.Store(new(settings))
		for _, j := range who {
			s.accounts[j] = s.newAccount(j)
		}
		for i, b := range said[:min(len(said), 100)] {
			from, to := who[b%3], who[(b%3+1+b/3%2)%3]
			switch what := b / 6 % 6; what {
			case 4:
				s.removeItem(from, to)
			case 5:
				s.writeItem(from, contact{jid: to, name: "n"})
			default:
				s.sendSubscription(stanza.Stanza{Kind: stanza.Presence, Type: types[what], From: from, To: to})
			}
			for _, a := range who {
				for _, b := range who {
					s.checkPair(t, said[:i+1], a, b)
				}
			}
		}
	})
}

// checkPair fails the test where two rosters do not fit each other.
func (s *Server) checkPair(t *testing.T, said []byte, a, b jid.JID) {
	t.Helper()
	mine, other := s.entry(a, b), s.entry(b, a)
	switch {
	case mine.sub.has(sees) != other.sub.has(shownTo):
		t.Fatalf("%v: %s has %v of %s, which has %v", said, a, mine.sub, b, other.sub)
	case mine.sub.has(asked) != other.sub.has(asking):
		t.Fatalf("%v: %s has asked %s: %v, which knows of it: %v", said, a, b, mine.sub.has(asked), other.sub.has(asking))
	case mine.sub.has(sees | asked), mine.sub.has(shownTo | asking):
		t.Fatalf("%v: %s has two states at once with %s: %b", said, a, b, mine.sub)
	case mine.sub.has(asking) != !mine.request.From.IsZero():
		t.Fatalf("%v: %s keeps %v of %s, in state %b", said, a, mine.request, b, mine.sub)
	case mine.sub&^asking != 0 && !mine.listed:
		t.Fatalf("%v: %s stands in state %b to %s, which is not in its roster", said, a, mine.sub, b)
	}
}

// FuzzRosterSet reads changes to a roster. Whatever they are, what is taken is bounded.
func FuzzRosterSet(f *testing.F) {
	for _, s := range []string{
		"<query xmlns='jabber:iq:roster'><item jid='a@dso.example' name='A'><group>x</group><group>y</group></item></query>",
		"<query xmlns='jabber:iq:roster'><item jid='a@dso.example/r' subscription='remove'/></query>",
		"<query xmlns='jabber:iq:roster'><item jid='@'/><item/></query>",
		"<query xmlns='jabber:iq:roster' ver='1'><item xmlns='' jid='a'/><p:item xmlns:p='jabber:iq:roster' jid='b'><p:group>&lt;</p:group></p:item></query>",
		"<query xmlns='jabber:iq:roster'><item jid='a'><group>x<group>y</group></group></item></query>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		rosterVersionOf(payload)
		fieldsOf(payload)
		c, refusal := parseRosterSet(payload)
		if refusal != nil {
			return
		}
		if !c.jid.IsBare() || len(c.name) > maxName || len(c.groups) > maxGroups || c.sub != 0 && c.sub != gone {
			t.Fatalf("%q is taken for %+v", payload, c)
		}
		for _, g := range c.groups {
			if g == "" || len(g) > maxName {
				t.Fatalf("%q has the group %q", payload, g)
			}
		}
		again, refusal := parseRosterSet(rosterQuery([]contact{c}, ""))
		if refusal != nil || again.jid != c.jid || again.name != c.name || c.sub != gone && len(again.groups) != len(c.groups) {
			t.Fatalf("%q is taken for %+v, which is pushed and read as %+v, %v", payload, c, again, refusal)
		}
	})
}
