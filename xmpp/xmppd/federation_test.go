package xmppd_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

func TestRequestsBetweenDomains(t *testing.T) {
	w := newWorld(t, nil, domain, utility)
	defer w.close()
	ied := w.realms[domain].login("pv1@dso.example/IEC", echoes)
	ems := w.realms[utility].login("ems@utility.example/IEC", echoes)
	defer ied.Close()
	defer ems.Close()
	const payload = "<p:read xmlns:p='urn:p' p:a='1'><x xmlns='urn:x'/>&lt;</p:read>"
	for range 3 {
		if got, err := ask(ems, "pv1@dso.example/IEC", payload); got != payload {
			t.Fatalf("from %s: %q, %v; want %q", utility, got, err, payload)
		}
		if got, err := ask(ied, "ems@utility.example/IEC", payload); got != payload {
			t.Fatalf("from %s: %q, %v; want %q", domain, got, err, payload)
		}
	}
	if n := w.dials.Load(); n != 2 {
		t.Errorf("%d connections between the servers, want one each way", n)
	}
}

func TestBouncesAcrossDomains(t *testing.T) {
	w := newWorld(t, nil, domain, utility)
	defer w.close()
	ems := w.realms[utility].login("ems@utility.example/IEC", nil)
	defer ems.Close()
	for _, tt := range []struct {
		to   string
		want stanza.Condition
	}{
		{"nobody@dso.example/IEC", stanza.ServiceUnavailable},
		{"nobody@dso.example", stanza.ServiceUnavailable},
		{"pv1@third.example/IEC", stanza.RemoteServerNotFound},
	} {
		if _, err := ask(ems, tt.to, "<q xmlns='urn:x'/>"); !errors.Is(err, &stanza.Error{Condition: tt.want}) {
			t.Errorf("asking %s: %v, want %s", tt.to, err, tt.want)
		}
	}
	if got, err := ask(ems, "dso.example", "<ping xmlns='urn:xmpp:ping'/>"); err != nil || got != "" {
		t.Errorf("the other server answers a ping with %q, %v", got, err)
	}
}

// inbox keeps the presence that a client hears, one line each.
type inbox struct {
	mu   sync.Mutex
	seen []string
	news chan struct{}
}

func newInbox() *inbox { return &inbox{news: make(chan struct{}, 1)} }

func (b *inbox) take(_ *xmpp.Session, st stanza.Stanza) {
	if st.Kind != stanza.Presence {
		return
	}
	what := string(st.Type)
	if what == "" {
		what = "available"
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, strings.TrimSpace(st.From.String()+" "+what+" "+string(st.Payload)))
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// wait waits until the last thing heard of an address is that.
func (b *inbox) wait(t *testing.T, from, want string) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		b.mu.Lock()
		last := ""
		for _, s := range b.seen {
			if rest, ok := strings.CutPrefix(s, from+" "); ok {
				last = rest
			}
		}
		all := slices.Clone(b.seen)
		b.mu.Unlock()
		if last == want {
			return
		}
		select {
		case <-b.news:
		case <-limit:
			t.Fatalf("the last of %s is %q, want %q; heard:\n%s", from, last, want, strings.Join(all, "\n"))
		}
	}
}

// grouped puts an account of each domain into one group, at both servers.
func grouped(members ...string) func(string, *xmppd.Config) {
	g := xmppd.Group{Name: "g"}
	for _, m := range members {
		g.Members = append(g.Members, jid.MustParse(m))
	}
	return func(_ string, cfg *xmppd.Config) { cfg.Groups = []xmppd.Group{g} }
}

func available(t *testing.T, s *xmpp.Session, payload string) {
	t.Helper()
	if err := s.Send(t.Context(), stanza.Stanza{Kind: stanza.Presence, Payload: []byte(payload)}); err != nil {
		t.Fatal(err)
	}
}

func TestPresenceBetweenDomains(t *testing.T) {
	w := newWorld(t, grouped("pv1@dso.example", "ems@utility.example"), domain, utility)
	defer w.close()
	iedHears, emsHears := newInbox(), newInbox()
	ied := w.realms[domain].login("pv1@dso.example/IEC", iedHears.take)
	defer ied.Close()
	if got := fmt.Sprint(ied.Roster()); !strings.Contains(got, "ems@utility.example") {
		t.Errorf("roster %v, want ems@utility.example in it", got)
	}
	available(t, ied, "<status>1</status>")
	iedHears.wait(t, "pv1@dso.example/IEC", "available <status>1</status>")
	ems := w.realms[utility].login("ems@utility.example/IEC", emsHears.take)
	available(t, ems, "")
	emsHears.wait(t, "pv1@dso.example/IEC", "available <status>1</status>")
	iedHears.wait(t, "ems@utility.example/IEC", "available")
	available(t, ied, "<status>2</status>")
	emsHears.wait(t, "pv1@dso.example/IEC", "available <status>2</status>")
	ems.Close()
	iedHears.wait(t, "ems@utility.example/IEC", "unavailable")
}

// When the other server is lost, whoever was there is gone; when it is back, everybody hears so without doing anything.
func TestPresenceWhenTheOtherServerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, grouped("pv1@dso.example", "ems@utility.example"), domain, utility)
		defer w.close()
		time.Sleep(time.Hour) // certificates
		iedHears, emsHears := newInbox(), newInbox()
		ied := w.realms[domain].login("pv1@dso.example/IEC", iedHears.take)
		ems := w.realms[utility].login("ems@utility.example/IEC", emsHears.take)
		defer ied.Close()
		defer ems.Close()
		available(t, ied, "")
		available(t, ems, "")
		emsHears.wait(t, "pv1@dso.example/IEC", "available")
		iedHears.wait(t, "ems@utility.example/IEC", "available")

		w.cut(true)
		emsHears.wait(t, "pv1@dso.example/IEC", "unavailable")
		iedHears.wait(t, "ems@utility.example/IEC", "unavailable")
		time.Sleep(5 * time.Minute)
		w.broken.Store(false)
		emsHears.wait(t, "pv1@dso.example/IEC", "available")
		iedHears.wait(t, "ems@utility.example/IEC", "available")
		for _, r := range w.realms {
			lost := slices.ContainsFunc(r.events.Events(), func(e audit.Event) bool { return e.ID == audit.DomainLost })
			if !lost {
				t.Errorf("%s has not recorded that the other domain was lost", r.domain)
			}
		}
	})
}

// Who comes into a group with somebody of another domain hears of him, and who leaves it no longer.
func TestReloadOfGroupsAcrossDomains(t *testing.T) {
	together := grouped("pv1@dso.example", "ems@utility.example")
	lives := map[string]xmppd.Live{}
	w := newWorld(t, func(d string, cfg *xmppd.Config) {
		together(d, cfg)
		lives[d] = cfg.Live
		if d == domain {
			cfg.Groups = []xmppd.Group{}
		}
	}, domain, utility)
	defer w.close()
	iedHears, emsHears := newInbox(), newInbox()
	ied := w.realms[domain].login("pv1@dso.example/IEC", iedHears.take)
	ems := w.realms[utility].login("ems@utility.example/IEC", emsHears.take)
	defer ied.Close()
	defer ems.Close()
	available(t, ied, "")
	iedHears.wait(t, "pv1@dso.example/IEC", "available")
	available(t, ems, "")
	iedHears.wait(t, "ems@utility.example/IEC", "available") // which its own broker shows it
	reload := func(groups []xmppd.Group) {
		t.Helper()
		live := lives[domain]
		live.Groups = groups
		if err := w.realms[domain].server.Reload(live); err != nil {
			t.Fatal(err)
		}
	}
	reload(lives[domain].Groups)
	emsHears.wait(t, "pv1@dso.example/IEC", "available")
	waitFor(t, func() bool { // what was asked for its sake is answered
		iedHears.mu.Lock()
		defer iedHears.mu.Unlock()
		return len(iedHears.seen) >= 3
	})
	reload([]xmppd.Group{})
	emsHears.wait(t, "pv1@dso.example/IEC", "unavailable")
	iedHears.wait(t, "ems@utility.example/IEC", "unavailable")
}
