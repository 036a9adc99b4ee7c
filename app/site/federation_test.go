package site

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/xmpp/jid"
)

// line is a TCP connection between two brokers that can be cut.
type line struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	down     bool
	open     []net.Conn
	work     sync.WaitGroup
}

// newLine listens, and connects who comes with what listens at to.
func newLine(t *testing.T, to net.Addr) *line {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &line{listener: l, to: to.String()}
	p.work.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			p.join(near)
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.set(true)
		p.work.Wait()
	})
	return p
}

func (p *line) join(near net.Conn) {
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		near.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		near.Close()
		far.Close()
		return
	}
	p.open = append(p.open, near, far)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		p.work.Go(func() {
			io.Copy(way[1], way[0])
			near.Close()
			far.Close()
		})
	}
}

// set cuts what is connected, and lets nothing be connected as long as down.
func (p *line) set(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	for _, nc := range p.open {
		nc.Close()
	}
	p.open = nil
}

// introduce gives a site what another hands out, and opens it anew with that in its busbar.yaml.
func (s *Site) introduce(t *testing.T, other *Site, at net.Addr, roles, more string) *Site {
	t.Helper()
	folder := filepath.Join("pki", other.Domain)
	if err := os.Mkdir(s.Path(folder), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"e2m/root.crt", "e2e/root.crt"} {
		text, err := os.ReadFile(other.Path("pki", file))
		if err == nil {
			err = os.WriteFile(s.Path(folder, strings.ReplaceAll(file, "/", "-")), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("domain: %s\ndomains:\n  %s:\n    connect: [%v]\n    e2m: {roots: [%[4]s/e2m-root.crt]}\n    e2e: {roots: [%[4]s/e2e-root.crt], roles: [%s]}\n%s",
		s.Domain, other.Domain, at, folder, roles, more)
	if err := os.WriteFile(s.Path(FileName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.Dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, HintFor(err))
	}
	return s
}

// Associations across domains live and die with the streams between the two brokers, at both ends, and can be had again.
func TestAssociationsAcrossDomains(t *testing.T) {
	const utility = "utility.example"
	dso := newSite(t)
	other, err := Init(filepath.Join(t.TempDir(), "site"), utility)
	if err != nil {
		t.Fatal(err)
	}
	dso.mustIssue(t, "pv1")
	other.mustIssue(t, "ems", "OPERATOR")
	var listeners [2]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	toDSO, toUtility := newLine(t, listeners[0].Addr()), newLine(t, listeners[1].Addr())
	rules := fmt.Sprintf("broker: {rules: [{allow: {between: [ems@%s, \"*@%s\"]}}]}\n", utility, domain)
	dso = dso.introduce(t, other, toUtility.listener.Addr(), "OPERATOR", rules)
	other = other.introduce(t, dso, toDSO.listener.Addr(), "", rules)
	p := &plant{t: t, site: dso}
	for i, s := range []*Site{dso, other} {
		p.run(func(ctx context.Context, ready func()) error {
			return s.RunBroker(ctx, BrokerOptions{Listen: "127.0.0.1:0", PeersListener: listeners[i], Ready: func(net.Addr) { ready() }})
		})
	}
	p.run(func(ctx context.Context, ready func()) error {
		return dso.RunIED(ctx, IEDOptions{Party: Party{JID: jid.MustParse("pv1@" + domain + "/" + Resource)}, SCL: "../demo/scl/pv.cid",
			Ready: func(*RunningIED) { ready() }})
	})
	if noted, err := os.ReadFile(dso.brokerPeersFile()); err != nil || strings.TrimSpace(string(noted)) != listeners[0].Addr().String() {
		t.Errorf("the note of where the broker listens for others: %q, %v", noted, err)
	}

	dial := func() *Client {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		c, err := other.Dial(ctx, Party{JID: jid.MustParse("ems@" + utility)}, "pv1@"+domain)
		if err != nil {
			t.Fatalf("%v\n%s", err, HintFor(err))
		}
		t.Cleanup(func() { c.Endpoint.Close() })
		return c
	}
	read := func(c *Client) error {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		got, err := c.GetDataValues(ctx, []acsi.Ref{watts})
		if err == nil && got[0].Err != nil {
			err = got[0].Err
		}
		return err
	}
	c := dial()
	if err := read(c); err != nil {
		t.Fatalf("read across domains: %v", err)
	}

	toDSO.set(true)
	toUtility.set(true)
	began := time.Now()
	if err := read(c); err == nil || time.Since(began) > time.Minute {
		t.Errorf("read while the domains are apart: %v after %v, want an error soon", err, time.Since(began))
	}
	if err := read(c); err == nil {
		t.Error("the association outlives the loss of what was asked over it")
	}
	toDSO.set(false)
	toUtility.set(false)
	if err := read(dial()); err != nil {
		t.Errorf("read once they are together again: %v", err)
	}

	// Who has no role that counts here is refused by the IED, who has no rule by the broker.
	other.mustIssue(t, "guest", "OPERATOR")
	_, err = other.Dial(t.Context(), Party{JID: jid.MustParse("guest@" + utility)}, "pv1@"+domain)
	if err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("without a rule: %v, want forbidden", err)
	}
}

func TestWhatIsSaidOfOtherBrokersIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		"broker: {s2s: {listen: [127.0.0.1:5269, host]}}": "broker: s2s: listen: number 2",
		"broker: {s2s: {queue: 1}}":                       "broker: s2s: queue: 1 is not 65536",
		"broker: {s2s: {wait: 1h}}":                       "broker: s2s: wait: 1h0m0s is not 1s to 5m0s",
		"broker: {s2s: {idle: 1s}}":                       "broker: s2s: idle: 1s is not 10s",
		"broker: {s2s: {port: 5269}}":                     "port",
	} {
		if _, err := openWith(t, text); err == nil || !strings.Contains(err.Error(), want) || HintFor(err) == "" {
			t.Errorf("%s: %v, want an error with %q and a hint", text, err, want)
		}
	}
	s, err := openWith(t, "broker: {s2s: {listen: 127.0.0.1:5269, queue: 65536, wait: 20s, idle: 1m}}")
	if err != nil || len(s.broker.s2s.Listen) != 1 || s.broker.s2s.Wait != 20*time.Second {
		t.Errorf("%+v, %v", s.broker.s2s, err)
	}
	s, err = openWith(t, "domains: {utility.example: {e2m: {roots: [nowhere.crt]}}}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CheckBroker(); err == nil || !strings.Contains(err.Error(), "nowhere.crt") || HintFor(err) == "" {
		t.Errorf("a root that is not there: %v", err)
	}
}
