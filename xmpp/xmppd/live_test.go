package xmppd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"
)

// reload is a server whose settings change.
type reload struct {
	*site
	live xmppd.Live
}

func newReload(t *testing.T, live xmppd.Live) *reload {
	r := &reload{live: live}
	r.site = newSite(t, func(c *xmppd.Config) {
		r.live.Identity = c.Identity
		c.Live = r.live
	})
	return r
}

// change changes the settings.
func (r *reload) change(change func(*xmppd.Live)) {
	r.t.Helper()
	change(&r.live)
	if err := r.server.Reload(r.live); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// available logs in and shows itself.
func (r *reload) available(local string) *rawClient {
	r.t.Helper()
	c := r.connect(local+"@"+domain, "1")
	c.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
	synctest.Wait()
	return c
}

// took returns what a client has got, without the ids of pushes.
func took(c *rawClient) []string {
	var got []string
	for _, el := range c.take() {
		if before, after, ok := strings.Cut(el, " id='roster-"); ok {
			_, after, _ = strings.Cut(after, "'")
			el = before + after
		}
		got = append(got, el)
	}
	slices.Sort(got)
	return got
}

// TestReloadTellsWhoComesAndGoes changes groups and rules under the eyes of three accounts.
func TestReloadTellsWhoComesAndGoes(t *testing.T) {
	push := func(to, item string) string {
		return "<iq type='set' to='" + to + "@dso.example/1'><query xmlns='jabber:iq:roster'>" + item + "</query></iq>"
	}
	presence := func(typ, from, to string) string {
		if typ != "" {
			typ = " type='" + typ + "'"
		}
		return fmt.Sprintf("<presence%s from='%s@dso.example/1' to='%s@dso.example'/>", typ, from, to)
	}
	synctest.Test(t, func(t *testing.T) {
		r := newReload(t, xmppd.Live{Groups: groups("a: hmi pv1; b: ems")})
		defer r.close()
		all := map[string]*rawClient{}
		for _, name := range []string{"hmi", "pv1", "ems"} {
			all[name] = r.available(name)
		}
		for _, c := range all {
			c.take()
		}
		check := func(what string, want map[string][]string) {
			t.Helper()
			for name, c := range all {
				if diff := cmp.Diff(want[name], took(c)); diff != "" {
					t.Errorf("%s: %s hears (-want +got)\n%s", what, name, diff)
				}
			}
		}
		r.change(func(*xmppd.Live) {})
		check("nothing has changed", nil)
		r.change(func(l *xmppd.Live) { l.Groups = groups("a: pv1; b: ems hmi") })
		check("hmi goes to another group", map[string][]string{
			"pv1": {push("pv1", "<item jid='hmi@dso.example' subscription='remove'/>"), presence("unavailable", "hmi", "pv1")},
			"ems": {push("ems", "<item jid='hmi@dso.example' subscription='both'><group>b</group></item>"), presence("", "hmi", "ems")},
			"hmi": {
				push("hmi", "<item jid='ems@dso.example' subscription='both'><group>b</group></item>"),
				push("hmi", "<item jid='pv1@dso.example' subscription='remove'/>"),
				presence("", "ems", "hmi"), presence("unavailable", "pv1", "hmi"),
			},
		})
		r.change(func(l *xmppd.Live) { l.Rules = ruleList(t, "deny hmi@dso.example ems@dso.example") })
		check("hmi may not send to ems", map[string][]string{"ems": {presence("unavailable", "hmi", "ems")}})
		all["hmi"].send("<message id='1' to='ems@dso.example/1'/>")
		synctest.Wait()
		if got := strings.Join(took(all["hmi"]), ""); !strings.Contains(got, "<forbidden ") {
			t.Errorf("a message that is denied now was answered %q", got)
		}
		r.change(func(l *xmppd.Live) { l.Rules = nil })
		check("it may again", map[string][]string{"ems": {presence("", "hmi", "ems")}})
		all["hmi"].send("<message id='1' to='ems@dso.example/1'/>")
		synctest.Wait()
		if got := strings.Join(took(all["ems"]), ""); !strings.HasPrefix(got, "<message ") {
			t.Errorf("a message that is allowed again arrived as %q", got)
		}
		r.change(func(l *xmppd.Live) { l.Groups = nil })
		if got := took(all["pv1"]); len(got) != 4 || !strings.Contains(got[0], "<item jid='ems@dso.example' subscription='both'/>") {
			t.Errorf("pv1 hears %q, want that everybody sees everybody", got)
		}
	})
}

// TestReloadIsAllOrNothing tries settings of which a part is wrong.
func TestReloadIsAllOrNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReload(t, xmppd.Live{})
		defer r.close()
		hmi, ems := r.connect("hmi@dso.example", "1"), r.connect("ems@dso.example", "1")
		for name, change := range map[string]func(*xmppd.Live){
			"no identity":   func(l *xmppd.Live) { l.Identity = nil },
			"a wrong group": func(l *xmppd.Live) { l.Groups = []xmppd.Group{{Members: make([]jid.JID, 1)}} },
		} {
			next := r.live
			next.Rules = ruleList(t, "deny * *")
			next.Allowed = func(jid.JID) bool { return false }
			change(&next)
			if err := r.server.Reload(next); err == nil {
				t.Errorf("%s: Reload took it", name)
			}
			hmi.send("<message to='ems@dso.example/1'/>")
			synctest.Wait()
			if got := ems.take(); len(got) != 1 || !strings.HasPrefix(got[0], "<message ") {
				t.Errorf("%s: a message arrived as %q", name, got)
			}
		}
		if got := r.eventIDs(); len(got) != 0 {
			t.Errorf("events %v, want none", got)
		}
	})
}

// TestReloadEndsWhoIsNoLongerAllowed leaves the streams of all others alone.
func TestReloadEndsWhoIsNoLongerAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReload(t, xmppd.Live{})
		defer r.close()
		hmi, ems := r.connect("hmi@dso.example", "1"), r.connect("ems@dso.example", "1")
		synctest.Wait()
		r.change(func(l *xmppd.Live) { l.Allowed = func(j jid.JID) bool { return j.Local() != "hmi" } })
		<-hmi.done
		if got := strings.Join(hmi.take(), ""); !strings.HasPrefix(got, "<stream:error><not-authorized ") {
			t.Errorf("who is no longer allowed heard %q", got)
		}
		if got := ems.take(); len(got) != 0 {
			t.Errorf("who still is heard %q", got)
		}
		if diff := cmp.Diff([]audit.ID{audit.CredentialWithdrawn}, r.eventIDs()); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
		nc, err := r.net.dial("192.0.2.2:1")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c, _, err := r.open(nc, r.clientIdentity("hmi@dso.example"))
		if err != nil {
			t.Fatal(err)
		}
		if full, err := c.login("", "1"); err == nil || !strings.Contains(err.Error(), "<not-authorized/>") {
			t.Errorf("it logged in again as %q, %v", full, err)
		}
	})
}

// TestReloadOfTheCertificate shows the next client another certificate, and leaves the streams that are there.
func TestReloadOfTheCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReload(t, xmppd.Live{})
		defer r.close()
		old := r.connect("hmi@dso.example", "1")
		next := r.serverIdentity()
		r.change(func(l *xmppd.Live) { l.Identity = next })
		c := r.connect("ems@dso.example", "1")
		if got, want := c.info.PeerCertificates[0], next.Chain[0]; !got.Equal(want) {
			t.Errorf("the server showed certificate %v, want %v", got.SerialNumber, want.SerialNumber)
		}
		old.send("<message to='ems@dso.example/1'/>")
		synctest.Wait()
		if got := c.take(); len(got) != 1 {
			t.Errorf("a message of a stream with the old certificate arrived as %q", got)
		}
	})
}

// TestReloadOfLimits changes what one account and one address may have.
func TestReloadOfLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReload(t, xmppd.Live{Limits: xmppd.Limits{ResourcesPerAccount: 1}})
		defer r.close()
		bind := func(bare, resource string) error {
			nc, err := r.net.dial("192.0.2.2:1")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			c, _, err := r.open(nc, r.clientIdentity(bare))
			if err == nil {
				_, err = c.login("", resource)
			}
			if err == nil {
				c.listen()
			}
			return err
		}
		bound := func(what, bare, resource string, want bool) {
			t.Helper()
			if err := bind(bare, resource); (err == nil) != want {
				t.Errorf("%s: binding %s/%s: %v, want success %t", what, bare, resource, err, want)
			}
		}
		bound("one resource", "hmi@dso.example", "1", true)
		bound("one resource", "hmi@dso.example", "2", false)
		r.change(func(l *xmppd.Live) {
			l.Limits.Accounts = []xmppd.AccountLimits{{Accounts: pattern(t, "h*@dso.example"), Resources: 2}, {Accounts: pattern(t, "*"), Resources: 9}}
		})
		bound("two of this account", "hmi@dso.example", "2", true)
		bound("two of this account", "hmi@dso.example", "3", false)
		bound("nine of another", "ems@dso.example", "1", true)
		bound("nine of another", "ems@dso.example", "2", true)
		r.change(func(l *xmppd.Live) { l.Limits.ConnectionsPerAddress = 4 })
		if _, err := r.net.dial("192.0.2.2:9"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.eventIDs(); !slices.Contains(got, audit.StreamFlood) {
			t.Errorf("events %v, want one of the limit of an address", got)
		}
	})
}

// TestStanzaRate sends stanzas faster than an account may.
func TestStanzaRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReload(t, xmppd.Live{Limits: xmppd.Limits{Rate: -1, Stanzas: 100}})
		defer r.close()
		hmi, ems := r.connect("hmi@dso.example", "1"), r.connect("ems@dso.example", "1")
		began := time.Now()
		go hmi.send(strings.Repeat("<message to='ems@dso.example/1'/>", 525))
		time.Sleep(5*time.Second + time.Millisecond)
		synctest.Wait()
		if got := len(ems.take()); got < 500 || got > 526 {
			t.Errorf("%d stanzas arrived within %v at 100 a second and 25 ahead", got, time.Since(began))
		}
	})
}

// TestMaxAge lets streams grow old.
func TestMaxAge(t *testing.T) {
	for _, tt := range []struct {
		set, longest time.Duration
	}{{0, 12 * time.Hour}, {time.Hour, time.Hour}, {100 * time.Hour, 24 * time.Hour}, {-1, -1}} {
		t.Run(fmt.Sprint(tt.set), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(c *xmppd.Config) {
					c.MaxAge = tt.set
					c.KeepAlive.Idle, c.KeepAlive.Loss = -1, -1
				})
				defer s.close()
				hmi := s.connect("hmi@dso.example", "1")
				began := time.Now()
				if tt.longest < 0 {
					time.Sleep(100 * time.Hour)
					synctest.Wait()
					if got := s.eventIDs(); len(got) != 0 {
						t.Errorf("events %v without a bound", got)
					}
					return
				}
				<-hmi.done
				if d := time.Since(began); d < tt.longest*9/10 || d > tt.longest+2*time.Minute {
					t.Errorf("the stream became %v old, want 90 to 100 %% of %v", d, tt.longest)
				}
				if got := strings.Join(hmi.take(), ""); !strings.HasPrefix(got, "<stream:error><reset ") {
					t.Errorf("it ended with %q, want reset", got)
				}
				if diff := cmp.Diff([]audit.ID{audit.StreamRetired}, s.eventIDs()); diff != "" {
					t.Errorf("events (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestDropForSlowReaders throws away what a client does not read instead of ending its stream, unless it has asked for it.
func TestDropForSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) {
			c.QueueSize, c.SlowReaders = 16<<10, xmppd.DropForSlowReaders
			c.WriteTimeout, c.KeepAlive.Idle, c.KeepAlive.Loss = time.Hour, -1, -1
			c.Limits.QueueShare = 1 << 20
		})
		defer s.close()
		hmi := s.connect("hmi@dso.example", "1")
		pv1 := s.silent("pv1@dso.example", "IEC")
		defer pv1.raw.Close()
		pv1.send("<presence/><iq type='get' id='asked' to='hmi@dso.example/1'><q xmlns='u:x'/></iq>")
		hmi.send("<presence/>")
		synctest.Wait()
		hmi.take()
		fill(t, hmi)
		ems := s.connect("ems@dso.example", "1")
		for range 20 {
			ems.send("<presence><status>" + body + "</status></presence><message type='error' to='pv1@dso.example/IEC'>" + body + "</message>")
			synctest.Wait()
		}
		synctest.Wait()
		if got := len(s.server.Sessions()); got != 3 {
			t.Errorf("%d sessions, want all 3", got)
		}
		if diff := cmp.Diff([]audit.ID{audit.StreamSlow}, s.eventIDs()); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
		hmi.send("<iq type='result' id='asked' to='pv1@dso.example/IEC'>" + body + "</iq>")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := len(s.server.Sessions()); got != 2 {
			t.Errorf("%d sessions, want 2: one has not read what it has asked for", got)
		}
	})
}
