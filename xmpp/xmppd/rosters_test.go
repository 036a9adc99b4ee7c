package xmppd_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// TestRosterVersions is that a client which has the last version of its roster is told nothing, and all of it otherwise;
// also after what is configured has changed.
//
// RFC 6121, Section 2.6.
func TestRosterVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var live xmppd.Live
		s := newSite(t, func(c *xmppd.Config) {
			c.Groups, c.Rosters = groups("hmi ems"), new(xmppd.Rosters)
			live = c.Live
		})
		defer s.close()
		c := s.connect("hmi@dso.example", "1")
		ask := func(ver string) string {
			t.Helper()
			c.send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'" + ver + "/></iq>")
			synctest.Wait()
			got := c.take()
			if len(got) != 1 {
				t.Fatalf("a request for the roster was answered %q", got)
			}
			return got[0]
		}
		version := func(answer string) string {
			t.Helper()
			_, rest, ok := strings.Cut(answer, " ver='")
			ver, _, _ := strings.Cut(rest, "'")
			if !ok || !strings.Contains(answer, "<item jid='ems@dso.example'") {
				t.Fatalf("no version, or no item, in %s", answer)
			}
			return " ver='" + ver + "'"
		}
		const unchanged = "<iq type='result' id='1' to='hmi@dso.example/1'/>"
		first := version(ask(" ver=''"))
		if got := ask(first); got != unchanged {
			t.Errorf("with the last version: %s, want %s", got, unchanged)
		}
		c.send("<iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='ems@dso.example' name='E'/></query></iq>")
		synctest.Wait()
		pushed := strings.Join(c.take(), "")
		second := version(ask(first))
		if !strings.Contains(pushed, second) {
			t.Errorf("the push %s has not the version that the roster has,%s", pushed, second)
		}
		if got := ask(second); got != unchanged {
			t.Errorf("with the last version: %s, want %s", got, unchanged)
		}
		live.Groups = groups("hmi ems pv1")
		if err := s.server.Reload(live); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.take()
		if third := version(ask(second)); third == second {
			t.Errorf("after a change of the configuration the version is still%s", third)
		}
	})
}

// TestSubscriptionsBetweenDomains is that accounts of two domains agree to see each other, and end it, by no more than what
// their servers tell each other.
//
// RFC 6121, Section 3.
func TestSubscriptionsBetweenDomains(t *testing.T) {
	w := newWorld(t, func(_ string, c *xmppd.Config) {
		c.Groups, c.Rosters = []xmppd.Group{}, new(xmppd.Rosters)
	}, domain, utility)
	defer w.close()
	iedHears, emsHears := newInbox(), newInbox()
	ied := w.realms[domain].login("pv1@dso.example/IEC", iedHears.take)
	defer ied.Close()
	ems := w.realms[utility].login("ems@utility.example/IEC", emsHears.take)
	defer ems.Close()
	available(t, ied, "<status>here</status>")
	iedHears.wait(t, "pv1@dso.example/IEC", "available <status>here</status>")
	available(t, ems, "")
	say := func(s *xmpp.Session, typ stanza.Type, to string) {
		t.Helper()
		if err := s.Send(t.Context(), stanza.Stanza{Kind: stanza.Presence, Type: typ, To: jid.MustParse(to)}); err != nil {
			t.Fatal(err)
		}
	}
	roster := func(s *xmpp.Session, want string) {
		t.Helper()
		deadline := time.Now().Add(time.Minute)
		for fmt.Sprint(s.Roster()) != want {
			if time.Now().After(deadline) {
				t.Fatalf("the roster is %v, want %s", s.Roster(), want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	say(ems, stanza.Subscribe, "pv1@dso.example")
	iedHears.wait(t, "ems@utility.example", "subscribe")
	say(ied, stanza.Subscribed, "ems@utility.example")
	emsHears.wait(t, "pv1@dso.example", "subscribed")
	emsHears.wait(t, "pv1@dso.example/IEC", "available <status>here</status>")
	roster(ems, "[{pv1@dso.example  to}]")
	roster(ied, "[{ems@utility.example  from}]")
	// What changes is told.
	available(t, ied, "<status>busy</status>")
	emsHears.wait(t, "pv1@dso.example/IEC", "available <status>busy</status>")
	// The other direction too.
	say(ied, stanza.Subscribe, "ems@utility.example")
	emsHears.wait(t, "pv1@dso.example", "subscribe")
	say(ems, stanza.Subscribed, "pv1@dso.example")
	iedHears.wait(t, "ems@utility.example/IEC", "available")
	roster(ied, "[{ems@utility.example  both}]")
	// Each ends its half.
	say(ied, stanza.Unsubscribed, "ems@utility.example")
	emsHears.wait(t, "pv1@dso.example", "unsubscribed")
	emsHears.wait(t, "pv1@dso.example/IEC", "unavailable")
	say(ied, stanza.Unsubscribe, "ems@utility.example")
	emsHears.wait(t, "pv1@dso.example", "unsubscribe")
	iedHears.wait(t, "ems@utility.example/IEC", "unavailable")
	roster(ied, "[{ems@utility.example  none}]")
	roster(ems, "[{pv1@dso.example  none}]")
}
