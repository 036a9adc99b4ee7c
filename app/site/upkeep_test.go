package site

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

// iedRun is an IED of a site that runs in this process.
type iedRun struct {
	events audit.Memory
	bell   Bell
}

// runIED runs the IED pv1 of a site until the test ends.
func runIED(t *testing.T, s *Site) *iedRun {
	t.Helper()
	d := new(iedRun)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	ready := make(chan bool, 1)
	running.Go(func() {
		err := s.RunIED(ctx, IEDOptions{Party: Party{JID: jid.MustParse("pv1@" + domain + "/IEC"), Audit: &d.events, Bell: &d.bell},
			SCL: "../demo/scl/pv.cid", State: NoState, Refresh: 20 * time.Millisecond, Ready: func(*RunningIED) { ready <- true }})
		if err != nil {
			t.Errorf("IED: %v", err)
		}
		close(ready)
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	if !<-ready {
		t.FailNow()
	}
	return d
}

// client associates ems with pv1, by the broker at an address, or the one that runs in the folder.
func client(t *testing.T, s *Site, broker string, events audit.Sink) *Client {
	t.Helper()
	c, err := s.Dial(t.Context(), Party{JID: jid.MustParse("ems@" + domain + "/IEC-1"), Connect: broker, Audit: events, refresh: 20 * time.Millisecond}, "pv1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Endpoint.Close() })
	return c
}

// awaitEvent waits until an event has been recorded.
func awaitEvent(t *testing.T, m *audit.Memory, id audit.ID, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, e := range m.Events() {
			if e.ID == id && strings.Contains(e.Text, text) {
				return
			}
		}
	}
	t.Fatalf("no event %s with %q within a minute: %v", id, text, m.Events())
}

// A client that stays holds the IED, and the broker, to what is revoked by now.
func TestM7ClientJudgesAgain(t *testing.T) {
	revoke := func(t *testing.T, s *Site, h pki.Hierarchy, file string) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := Certificate(text)
		if err != nil {
			t.Fatal(err)
		}
		ca, err := s.loadCA(h, "issuing")
		if err != nil {
			t.Fatal(err)
		}
		if err := ca.WriteCRL(s.crlFile(h, "issuing"), cert.SerialNumber); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		hierarchy pki.Hierarchy
		file      string
		event     audit.ID
		session   bool // ends too
	}{
		"the IED":    {pki.E2E, "pki/pv1@" + domain + "/e2e.crt", audit.CredentialWithdrawn, false},
		"the broker": {pki.E2M, "pki/broker/tls.crt", audit.TLSClosedByRevocation, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.mustIssue(t, "pv1")
			s.mustIssue(t, "ems", "ENGINEER")
			// The client has a folder of its own, so that nobody else hears of what is revoked.
			away := filepath.Join(t.TempDir(), "away")
			if err := os.CopyFS(away, os.DirFS(s.Dir)); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"tls.key", "e2e.key"} {
				if err := os.Chmod(filepath.Join(away, "pki", "ems@"+domain, key), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			own, err := Open(away)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range []string{"e2m", "e2e"} {
				os.Chmod(filepath.Join(away, "pki", h, "issuing.key"), 0o600)
			}
			b := runBroker(t, s)
			runIED(t, s)
			var events audit.Memory
			ems := client(t, own, b.address, &events)
			revoke(t, own, c.hierarchy, own.Path(c.file))
			select {
			case <-ems.Done():
			case <-time.After(time.Minute):
				t.Fatal("the association goes on")
			}
			if c.session {
				<-ems.Endpoint.Session().Done()
			} else if err := ems.Endpoint.Session().Err(); err != nil {
				t.Errorf("the session has ended: %v", err)
			}
			awaitEvent(t, &events, c.event, "")
		})
	}
}

// An IED takes up what is issued anew for it: at once for who associates next; and refuses what does not fit together.
func TestPartyActsOnNewKeys(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	s.mustIssue(t, "ems", "ENGINEER")
	runBroker(t, s)
	ied := runIED(t, s)
	first := client(t, s, "", audit.Discard)
	before, _ := first.Link.Info()
	pv1 := jid.MustParse("pv1@" + domain)
	if err := s.Issue(pv1, nil, "", true); err != nil {
		t.Fatal(err)
	}
	awaitEvent(t, &ied.events, audit.PartyReloaded, "")
	again, err := first.Associate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.GetServerDirectory(t.Context()); err != nil {
		t.Error(err)
	}
	now, _ := client2(t, s).Link.Info()
	if bytes.Equal(before.Peer.Raw, now.Peer.Raw) {
		t.Error("the IED shows the certificate of before")
	}
	if _, err := first.GetServerDirectory(t.Context()); err != nil {
		t.Errorf("the association of before: %v", err)
	}
	if err := os.WriteFile(s.partyFile(pv1, "e2e", "crt"), []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	ied.bell.Ring()
	awaitEvent(t, &ied.events, audit.PartyReloadRefused, "e2e.crt")
	if _, err := first.GetServerDirectory(t.Context()); err != nil {
		t.Errorf("after a file that is nothing: %v", err)
	}
}

// client2 is another session of the same client.
func client2(t *testing.T, s *Site) *Client {
	t.Helper()
	c, err := s.Dial(t.Context(), Party{JID: jid.MustParse("ems@" + domain + "/IEC-2")}, "pv1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Endpoint.Close() })
	return c
}

// M8: a broker whose lists come over the network goes on when their server is away, and says so; it refuses who comes only where
// busbar.yaml says so.
func TestM8BrokerWithoutItsLists(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	var away atomic.Bool
	lists := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if away.Load() {
			out.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		http.ServeFile(out, in, s.Path("pki", filepath.Base(in.URL.Path)))
	}))
	defer lists.Close()
	trust := "trust:\n  refresh: 1ms\n  e2m: {roots: [pki/e2m/root.crt], crls: [\"" + lists.URL + "/e2m-root.crl\", \"" + lists.URL + "/e2m-issuing.crl\"]}\n"
	write := func(more string) {
		if err := replaceFile(s.Path(FileName), []byte("domain: "+domain+"\n"+trust+more)); err != nil {
			t.Fatal(err)
		}
	}
	write("  fail_closed: true\n")
	again, err := Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	b := runBroker(t, again)
	stays := b.login("pv1")
	away.Store(true)
	b.await(audit.RevocationUnknown, 1)
	if err := stays.Err(); err != nil {
		t.Errorf("who was there is gone: %v", err)
	}
	if _, err := b.tryLogin("pv1"); err == nil {
		t.Error("this end trusts lists that it cannot fetch, with fail_closed")
	}
	write("  fail_closed: false\n")
	b.await(audit.BrokerReloaded, 1)
	open, err := Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	b.Site = open
	b.login("pv1")
}

// Whom a white list names is trusted, and nobody else, whoever has signed for them.
func TestWhiteList(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	s.mustIssue(t, "ems", "ENGINEER")
	text := "domain: " + domain + "\ntrust:\n  e2m: {white_list: [pki/broker/tls.crt, pki/pv1@" + domain + "/tls.crt]}\n"
	if err := replaceFile(s.Path(FileName), []byte(text)); err != nil {
		t.Fatal(err)
	}
	listed, err := Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	b := runBroker(t, listed)
	b.login("pv1")
	if _, err := b.tryLogin("ems"); err == nil {
		t.Error("who is not listed logs in")
	}
	awaitEvent(t, &b.events, audit.CertificateUnknownCA, "")
}

func TestTrustInBusbarYAML(t *testing.T) {
	for text, c := range map[string]struct{ says, hint string }{
		"{refresh: 48h}":                       {"refresh: 48h0m0s", "1h"},
		"{wait: 2m}":                           {"wait: 2m0s", "2s"},
		"{e2m: {roots: [a], white_list: [b]}}": {"white_list", "leave one"},
		"{e2e: {ocsp: host}}":                  {"ocsp: \"host\"", "responder"},
		"{e2m: {anchors: [a]}}":                {"there is no field anchors", "white_list"},
	} {
		s := newSite(t)
		if err := replaceFile(s.Path(FileName), []byte("domain: "+domain+"\ntrust: "+text+"\n")); err != nil {
			t.Fatal(err)
		}
		_, err := Open(s.Dir)
		wantError(t, err, c.says, c.hint)
	}
}

// What ends soon is said once of each stage, in the log and as an event.
func TestTermsAreWarnedOf(t *testing.T) {
	now := time.Now()
	var events audit.Memory
	term := pki.Term{What: "certificate of pv1", From: now.Add(-300 * 24 * time.Hour), To: now.Add(65 * 24 * time.Hour)}
	u := upkeep{log: silent, events: &events, terms: func() []pki.Term { return []pki.Term{term} }, told: map[string]pki.Stage{}}
	for _, days := range []int{0, 1, 40, 41, 60, 64, 66, 70} {
		u.tellTerms(now.Add(time.Duration(days) * 24 * time.Hour))
	}
	var got []string
	for _, e := range events.Events() {
		if e.ID != audit.TermEnding {
			t.Errorf("event %v", e)
		}
		got = append(got, strings.Split(e.Text, ",")[0])
	}
	want := []string{"renewal is due", "ends within 30 days", "ends within 7 days", "ends within a day", "has ended"}
	for i := range want {
		want[i] = "certificate of pv1: " + want[i]
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExpiries(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	now := time.Now()
	found, err := s.Expiries(now)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 8 || !strings.HasSuffix(found[0].File, ".crl") || found[0].Due {
		t.Errorf("first of %d is %+v, want a list, which is good", len(found), found[0])
	}
	late, err := s.Expiries(now.Add(29 * 24 * time.Hour))
	if err != nil || !late[0].Due || late[0].Days != 0 && late[0].Days != 1 {
		t.Errorf("29 days later: %+v %v", late[0], err)
	}
	files, err := s.RenewCRLs()
	if err != nil || len(files) != 4 {
		t.Errorf("written: %v %v", files, err)
	}
	if err := os.WriteFile(s.Path("pki", "odd.crt"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Expiries(now); err == nil || len(found) < 8 {
		t.Errorf("with a file that is nothing: %d, %v", len(found), err)
	}
}
