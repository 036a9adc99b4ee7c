package xmppd_test

import (
	"strings"
	"testing"
	"testing/synctest"

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
