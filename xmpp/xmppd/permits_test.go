package xmppd_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"
)

func pattern(t testing.TB, text string) xmppd.Pattern {
	t.Helper()
	p, err := xmppd.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ruleList reads rules from lines such as "allow hmi@dso.example pv*@dso.example".
func ruleList(t testing.TB, lines ...string) []xmppd.Rule {
	t.Helper()
	var rules []xmppd.Rule
	for _, line := range lines {
		f := strings.Fields(line)
		rules = append(rules, xmppd.Rule{Allow: f[0] == "allow", From: pattern(t, f[1]), To: pattern(t, f[2])})
	}
	return rules
}

func TestPatternMatches(t *testing.T) {
	tests := []struct {
		pattern  string
		yes, not []string
	}{
		{"*", []string{"pv1@dso.example", "dso.example", "a@b/c"}, nil},
		{"pv1@dso.example", []string{"pv1@dso.example", "pv1@dso.example/IEC", "PV1@DSO.example", "pv1@dso.example."},
			[]string{"pv11@dso.example", "v1@dso.example", "dso.example", "pv1@adso.example", "pv1@dso.example.evil.example", "pv1@x.dso.example",
				"evil@evil.example/pv1@dso.example", "dso.example/pv1@dso.example"}},
		{"PV1@DSO.example.", []string{"pv1@dso.example"}, []string{"pv2@dso.example"}},
		{"ｐｖ１@dso.example", []string{"pv1@dso.example"}, nil},
		{"pv1@dso.example", nil, []string{"рv1@dso.example" /* Cyrillic */, "pvl@dso.example", "pv1@dsо.example"}},
		{"*@dso.example", []string{"pv1@dso.example", "ems@dso.example/1"},
			[]string{"dso.example", "pv1@evildso.example", "pv1@a.dso.example", "pv1@dso.example.evil", "dso.example/pv1@dso.example", "a@evil.example/@dso.example"}},
		{"pv*@dso.example", []string{"pv@dso.example", "pv1@dso.example", "pvx@dso.example/r"}, []string{"apv@dso.example", "p@dso.example", "pv@evil.example"}},
		{"*@*.dso.example", []string{"a@x.dso.example", "a@x.y.dso.example"},
			[]string{"a@dso.example", "x.dso.example", "a@xdso.example", "a@x.dso.example.evil", "a@x.evil/y.dso.example"}},
		{"ems@*", []string{"ems@dso.example", "ems@evil.example/1"}, []string{"ems.example", "emss@dso.example", "dso.example/ems"}},
		{"*@*", []string{"a@b"}, []string{"b", "b/a@b"}},
		{"dso.example", []string{"dso.example", "dso.example/1"}, []string{"a@dso.example", "x.dso.example"}},
		{"*.dso.example", []string{"x.dso.example"}, []string{"dso.example", "a@x.dso.example", "xdso.example"}},
		{"a@bücher.example", []string{"a@xn--bcher-kva.example", "a@BÜCHER.example"}, []string{"a@bucher.example"}},
		{"*@192.0.2.1", []string{"a@192.0.2.1"}, []string{"a@192.0.2.11"}},
	}
	for _, tt := range tests {
		p := pattern(t, tt.pattern)
		for _, j := range tt.yes {
			if !p.Matches(jid.MustParse(j)) {
				t.Errorf("%q does not match %q", tt.pattern, j)
			}
		}
		for _, j := range tt.not {
			if p.Matches(jid.MustParse(j)) {
				t.Errorf("%q matches %q", tt.pattern, j)
			}
		}
		if p.Matches(jid.JID{}) {
			t.Errorf("%q matches no address at all", tt.pattern)
		}
	}
	if (xmppd.Pattern{}).Matches(jid.MustParse("a@b")) {
		t.Error("the zero pattern matches an address")
	}
}

func TestPatternRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "domainpart",
		"pv1@dso.example/IEC": "leave out what follows the slash",
		"*/IEC":               "leave out what follows the slash",
		"@dso.example":        "no name before the @",
		"**@dso.example":      "a star stands",
		"*1@dso.example":      "a star stands",
		"p*1@dso.example":     "a star stands",
		"a@dso.*":             "a star stands",
		"a@*dso.example":      "a star stands",
		"a@x.*.example":       "a star stands",
		"a@**":                "a star stands",
		"a@":                  "domainpart",
		"a@*.":                "domainpart",
		"a@b@c":               "domainpart",
		"a b@c":               "localpart",
		"\"a\"@c":             "localpart",
		"a@*.192.0.2.1.":      "",
		"a@*.[2001:db8::1]":   "nothing is below an IP address",
		"\u200ba@dso.example": "localpart",
		"a@dso..example":      "domainpart",
		strings.Repeat("a", 2000) + "@dso.example": "localpart",
	} {
		p, err := xmppd.ParsePattern(text)
		if want == "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePattern(%.40q) = %v, %v, want an error with %q", text, p, err, want)
		}
	}
}

// TestRulesDecide sends between accounts by every kind of stanza, while rules are in force.
func TestRulesDecide(t *testing.T) {
	rules := []string{
		"deny  guest@dso.example pv2@dso.example",
		"allow guest@dso.example pv*@dso.example",
		"deny  guest@dso.example *",
		"deny  pv*@dso.example guest@dso.example",
	}
	forbidden := func(kind, to string) string {
		return "<" + kind + " type='error' id='1' from='" + to + "' to='guest@dso.example/1'><error type='auth'><forbidden "
	}
	tests := []struct {
		name, from, stanza string
		arrives, answered  string
		at                 string
		denied             int
	}{
		{name: "an iq that is allowed", from: "guest", stanza: "<iq type='get' id='1' to='pv1@dso.example/1'><q xmlns='u:x'/></iq>", at: "pv1", arrives: "<iq type='get'"},
		{name: "what the last rule denies may still answer", from: "pv1", stanza: "<iq type='result' id='1' to='guest@dso.example/1'/>", at: "guest", arrives: "<iq type='result'"},
		{name: "and may refuse", from: "pv1", stanza: "<message type='error' id='1' to='guest@dso.example/1'/>", at: "guest", arrives: "<message type='error'"},
		{name: "but not begin", from: "pv1", stanza: "<message id='1' to='guest@dso.example/1'/>", at: "guest", answered: "<message type='error'", denied: 1},
		{name: "the first rule decides", from: "guest", stanza: "<iq type='get' id='1' to='pv2@dso.example/1'><q xmlns='u:x'/></iq>", at: "pv2", answered: forbidden("iq", "pv2@dso.example/1"), denied: 1},
		{name: "message to a full JID", from: "guest", stanza: "<message id='1' to='ems@dso.example/1'/>", at: "ems", answered: forbidden("message", "ems@dso.example/1"), denied: 1},
		{name: "message to a bare JID", from: "guest", stanza: "<message id='1' to='ems@dso.example'/>", at: "ems", answered: forbidden("message", "ems@dso.example"), denied: 1},
		{name: "iq to a bare JID", from: "guest", stanza: "<iq type='get' id='1' to='ems@dso.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", at: "ems", answered: forbidden("iq", "ems@dso.example"), denied: 1},
		{name: "nobody is refused like somebody", from: "guest", stanza: "<iq type='get' id='1' to='nobody@dso.example/1'><q xmlns='u:x'/></iq>", at: "ems", answered: forbidden("iq", "nobody@dso.example/1"), denied: 1},
		{name: "in other letters", from: "guest", stanza: "<message id='1' to='EMS@DSO.Example/1'/>", at: "ems", answered: "<message type='error' id='1'", denied: 1},
		{name: "directed presence is dropped", from: "guest", stanza: "<presence to='ems@dso.example/1'/>", at: "ems", denied: 1},
		{name: "a probe is dropped", from: "guest", stanza: "<presence type='probe' to='ems@dso.example'/>", at: "ems", denied: 1},
		{name: "an unasked answer is dropped", from: "guest", stanza: "<iq type='result' id='1' to='pv2@dso.example/1'/>", at: "pv2", denied: 1},
		{name: "the other way nothing is said", from: "ems", stanza: "<message id='1' to='guest@dso.example/1'/>", at: "guest", arrives: "<message id='1'"},
		{name: "the own account", from: "guest", stanza: "<message id='1' to='guest@dso.example/1'/>", at: "guest", arrives: "<message id='1'"},
		{name: "the server", from: "guest", stanza: "<iq type='get' id='1' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>", at: "ems", answered: "<iq type='result'"},
		{name: "another domain", from: "ems", stanza: "<message id='1' to='ems@evil.example'/>", at: "guest", answered: "<message type='error'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(c *xmppd.Config) { c.Rules = ruleList(t, rules...) })
				defer s.close()
				all := map[string]*rawClient{}
				for _, name := range []string{"guest", "pv1", "pv2", "ems"} {
					all[name] = s.connect(name+"@"+domain, "1")
					synctest.Wait()
				}
				for range 2 { // the second is decided from memory
					all[tt.from].send(tt.stanza)
					synctest.Wait()
					check := func(who, want string) {
						got := strings.Join(all[who].take(), "")
						if want == "" && got != "" || !strings.HasPrefix(got, want) {
							t.Errorf("%s from %s made %q arrive at %s, want %q", tt.stanza, tt.from, got, who, want)
						}
					}
					if tt.at != tt.from {
						check(tt.from, tt.answered)
					}
					check(tt.at, tt.arrives)
				}
				var denied int
				for _, id := range s.eventIDs() {
					if id == audit.RuleDenied {
						denied++
					}
				}
				if denied != tt.denied {
					t.Errorf("%d events %s, want %d", denied, audit.RuleDenied, tt.denied)
				}
			})
		})
	}
}

// TestRulesHidePresence shows presence to those only that its owner may send to.
func TestRulesHidePresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) { c.Rules = ruleList(t, "deny pv1@dso.example guest@dso.example") })
		defer s.close()
		guest, ems := s.connect("guest@dso.example", "1"), s.connect("ems@dso.example", "1")
		guest.send("<presence/>")
		ems.send("<presence/>")
		synctest.Wait()
		guest.take()
		ems.take()
		pv1 := s.connect("pv1@dso.example", "1")
		pv1.send("<presence/>")
		synctest.Wait()
		got := [][]string{guest.take(), ems.take(), pv1.take()}
		want := [][]string{nil, {"<presence from='pv1@dso.example/1' to='ems@dso.example'/>"}, {
			"<presence from='pv1@dso.example/1' to='pv1@dso.example'/>",
			"<presence from='guest@dso.example/1' to='pv1@dso.example'/>",
			"<presence from='ems@dso.example/1' to='pv1@dso.example'/>"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("presence (-want +got)\n%s", diff)
		}
		guest.send("<presence type='probe' to='pv1@dso.example'/>")
		pv1.send("</stream:stream>")
		synctest.Wait()
		if diff := cmp.Diff([]string{"<presence type='unavailable' from='pv1@dso.example' to='guest@dso.example'/>"}, guest.take()); diff != "" {
			t.Errorf("the guest's probe (-want +got)\n%s", diff)
		}
	})
}

// TestDeniedEventsAreFew sends what the rules refuse, again and again.
func TestDeniedEventsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) { c.Rules = ruleList(t, "deny guest@dso.example *") })
		defer s.close()
		for range 3 { // over several streams, which one that is silent for so long does not survive
			guest := s.connect("guest@dso.example", "1")
			guest.send(strings.Repeat("<message to='ems@dso.example'/>", 1000))
			synctest.Wait()
			time.Sleep(time.Minute)
		}
		var got []string
		for _, e := range s.events.Events() {
			if e.ID == audit.RuleDenied {
				got = append(got, fmt.Sprint(e.Peer, " ", e.Text))
			}
		}
		want := []string{
			"guest@dso.example/1 may not send to ems@dso.example",
			"guest@dso.example/1 may not send to ems@dso.example; 999 more since the last event",
			"guest@dso.example/1 may not send to ems@dso.example; 999 more since the last event",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
	})
}
