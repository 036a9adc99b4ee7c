package site

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// brokerRun is a broker of a site that runs in this process.
type brokerRun struct {
	*Site
	t       *testing.T
	address string
	events  audit.Memory
	hup     chan os.Signal
	end     func()
}

// runBroker runs the broker of a site until the test ends.
func runBroker(t *testing.T, s *Site) *brokerRun {
	t.Helper()
	b := &brokerRun{Site: s, t: t, hup: make(chan os.Signal, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	b.end = func() {
		cancel()
		running.Wait()
	}
	ready := make(chan string, 1)
	running.Go(func() {
		err := s.RunBroker(ctx, BrokerOptions{Listen: "127.0.0.1:0", Reload: b.hup, Audit: &b.events, Refresh: 20 * time.Millisecond,
			Ready: func(a net.Addr) { ready <- a.String() }})
		if err != nil {
			t.Errorf("broker: %v", err)
		}
		close(ready)
	})
	t.Cleanup(b.end)
	if b.address = <-ready; b.address == "" {
		t.FailNow()
	}
	return b
}

// write replaces busbar.yaml.
func (b *brokerRun) write(text string) {
	b.t.Helper()
	if err := replaceFile(b.Path(FileName), []byte("domain: "+domain+"\n"+text)); err != nil {
		b.t.Fatal(err)
	}
}

// await waits until so many events of a kind have been recorded, and returns the text of the last.
func (b *brokerRun) await(id audit.ID, n int) string {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var text string
		count := 0
		for _, e := range b.events.Events() {
			if e.ID == id {
				count++
				text = e.Text
			}
		}
		if count >= n {
			return text
		}
	}
	b.t.Fatalf("fewer than %d events %s within a minute: %v", n, id, b.events.Events())
	return ""
}

// login opens a session of a party that has been issued here.
func (b *brokerRun) login(name string) *xmpp.Session {
	b.t.Helper()
	s, err := b.tryLogin(name)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { s.Close() })
	return s
}

func (b *brokerRun) tryLogin(name string) (*xmpp.Session, error) {
	b.t.Helper()
	j := jid.MustParse(name + "@" + domain)
	id, err := b.identity(j, "tls")
	if err != nil {
		b.t.Fatal(err)
	}
	trust, err := b.trust(pki.E2M)
	if err != nil {
		b.t.Fatal(err)
	}
	return xmpp.Dial(b.t.Context(), xmpp.Config{JID: j, Address: b.address, Identity: id, Trust: trust})
}

// ping asks another session for something that it does not know, and returns the condition of the error that comes back.
func ping(t *testing.T, from, to *xmpp.Session) stanza.Condition {
	t.Helper()
	answer := make(chan stanza.Condition, 1)
	_, err := from.SendIQ(t.Context(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: to.JID(), Payload: []byte("<q xmlns='u:x'/>")},
		func(reply stanza.Stanza) {
			e, err := stanza.ParseError(reply.Payload)
			if err != nil {
				t.Errorf("%v: %s", err, reply.Payload)
				e = new(stanza.Error)
			}
			answer <- e.Condition
		})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-answer:
		return c
	case <-time.After(time.Minute):
		t.Fatal("no answer within a minute")
		return ""
	}
}

// What changes in busbar.yaml counts while the broker runs, without an end to a stream that may go on.
func TestBrokerActsOnItsConfiguration(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"ems", "guest", "pv1"} {
		s.mustIssue(t, name, "VIEWER")
	}
	b := runBroker(t, s)
	if text := b.await(audit.BrokerStarted, 1); !strings.Contains(text, b.address) {
		t.Errorf("the broker has started: %s", text)
	}
	ems, guest, pv1 := b.login("ems"), b.login("guest"), b.login("pv1")
	check := func(what string, want stanza.Condition) {
		t.Helper()
		if got := ping(t, guest, pv1); got != want {
			t.Errorf("%s: the guest is answered %s, want %s", what, got, want)
		}
		if got := ping(t, ems, pv1); got != stanza.ServiceUnavailable {
			t.Errorf("%s: another is answered %s", what, got)
		}
	}
	check("at first", stanza.ServiceUnavailable)
	b.write("broker:\n  rules:\n    - deny: {from: guest, to: '*'}\n")
	b.await(audit.BrokerReloaded, 1)
	check("a rule has come", stanza.Forbidden)
	b.write("broker:\n  rules:\n    - deny: {from: ems, to: '*'}\n  prot: 1\n")
	if text := b.await(audit.BrokerReloadRefused, 1); !strings.Contains(text, "line 5: there is no field prot") {
		t.Errorf("what is refused: %s", text)
	}
	check("with a mistake in the file", stanza.Forbidden)
	b.write("broker:\n  listen: 127.0.0.1:1\n  metrics: {listen: '127.0.0.1:0'}\n")
	if text := b.await(audit.BrokerReloaded, 2); !strings.Contains(text, "from the next start on count: listen, metrics") {
		t.Errorf("what counts later: %s", text)
	}
	check("the rule has gone", stanza.ServiceUnavailable)
	b.write("broker: {accounts: ['pv*', ems]}\n")
	<-guest.Done()
	if err := guest.Err(); !strings.Contains(err.Error(), string(xmpp.NotAuthorized)) {
		t.Errorf("who may not log in any more has ended with %v", err)
	}
	if _, err := b.tryLogin("guest"); err == nil {
		t.Error("and logs in again")
	}
	if got := ping(t, ems, pv1); got != stanza.ServiceUnavailable {
		t.Errorf("the others are disturbed: %s", got)
	}
	b.hup <- syscall.SIGHUP
	if text := b.await(audit.BrokerReloaded, 4); !strings.Contains(text, "it was asked to") {
		t.Errorf("what was asked for: %s", text)
	}
	if err := os.Remove(b.Path(FileName)); err != nil {
		t.Fatal(err)
	}
	b.await(audit.BrokerReloadRefused, 2)
	b.end()
	if text := b.await(audit.BrokerDrained, 1); !strings.Contains(text, "2 clients") {
		t.Errorf("the broker has ended: %s", text)
	}
}

// A domain is what a broker is: it does not change while it runs.
func TestBrokerKeepsItsDomain(t *testing.T) {
	b := runBroker(t, newSite(t))
	if err := replaceFile(b.Path(FileName), []byte("domain: other.example\n")); err != nil {
		t.Fatal(err)
	}
	if text := b.await(audit.BrokerReloadRefused, 1); !strings.Contains(text, "domain: it was "+domain) {
		t.Errorf("refused: %s", text)
	}
}

// A renewed key and certificate count at once for whom comes; a pair that does not fit, or is nobody's, for nobody.
func TestBrokerActsOnItsCertificate(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "ems", "VIEWER")
	b := runBroker(t, s)
	shown := func() string {
		c := b.login("ems")
		defer c.Close()
		return c.Info().Peer.Leaf().SerialNumber.String()
	}
	old := b.login("ems")
	first := shown()
	ca, err := s.loadCA(pki.E2M, "issuing")
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := ca.IssueServer(domain)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path("pki", "broker", "tls.crt"), []byte("-----BEGIN CERTIF"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.await(audit.BrokerReloadRefused, 1)
	if got := shown(); got != first {
		t.Errorf("with half a file the certificate is %s, want %s", got, first)
	}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Remove(s.Path("pki", "broker", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.save(renewed, "broker", "tls"); err != nil {
		t.Fatal(err)
	}
	b.await(audit.BrokerReloaded, 1)
	if got, want := shown(), renewed.Chain[0].SerialNumber.String(); got != want {
		t.Errorf("the certificate is %s, want the renewed %s", got, want)
	}
	if err := old.Err(); err != nil {
		t.Errorf("the stream of before has ended: %v", err)
	}
	events := b.events.Events()
	if i := slices.IndexFunc(events, func(e audit.Event) bool { return e.ID == audit.BrokerReloadRefused }); events[i].Severity() != audit.Error {
		t.Errorf("a refusal has severity %v, want %v", events[i].Severity(), audit.Error)
	}
}
