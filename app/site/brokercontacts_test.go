package site

import (
	"fmt"
	"testing"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Accounts see those of their groups, and may agree with others where busbar.yaml lets them.
func TestBrokerContacts(t *testing.T) {
	for _, tt := range []struct{ text, pv1, ems string }{
		{"groups: [{name: g, members: [ems, guest]}]", "[]", "[{guest@plant.example  both}]"},
		{"groups: [{name: g, members: [ems, guest]}]\n  contacts: 5", "[{ems@plant.example  to}]", "[{guest@plant.example  both} {pv1@plant.example  from}]"},
	} {
		s := newSite(t)
		for _, name := range []string{"ems", "guest", "pv1"} {
			s.mustIssue(t, name, "VIEWER")
		}
		if err := replaceFile(s.Path(FileName), []byte("domain: "+domain+"\nbroker:\n  "+tt.text+"\n")); err != nil {
			t.Fatal(err)
		}
		s, err := Open(s.Dir)
		if err != nil {
			t.Fatal(err)
		}
		b := runBroker(t, s)
		ems, pv1 := b.login("ems"), b.login("pv1")
		// One agrees before the other asks.
		for _, st := range []struct {
			by  *xmpp.Session
			typ stanza.Type
			to  string
		}{{ems, stanza.Subscribed, "pv1"}, {pv1, stanza.Subscribe, "ems"}} {
			if err := st.by.Send(t.Context(), stanza.Stanza{Kind: stanza.Presence, Type: st.typ, To: jid.MustParse(st.to + "@" + domain)}); err != nil {
				t.Fatal(err)
			}
			if got := ping(t, st.by, st.by); got != stanza.ServiceUnavailable { // until it has been dealt with
				t.Errorf("a request to itself is answered %s", got)
			}
		}
		wantRoster(t, pv1, tt.pv1)
		wantRoster(t, ems, tt.ems)
		b.end()
	}
}

func wantRoster(t *testing.T, s *xmpp.Session, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		got := fmt.Sprint(s.Roster())
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%s: the roster is %s, want %s", s.JID(), got, want)
			return
		}
	}
}
