package doctor_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"busbar.example/app/doctor"
	"busbar.example/app/site"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domain = "dso.example"

// plant is a site with a broker.
type plant struct {
	*site.Site
	t       *testing.T
	running sync.WaitGroup
}

// newPlant makes a site with the parties ems, a client, and pv1, an IED.
func newPlant(t *testing.T) *plant {
	t.Helper()
	s, err := site.Init(t.TempDir(), domain)
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{Site: s, t: t}
	for account, roles := range map[string][]string{"ems": {"OPERATOR"}, "pv1": nil} {
		p.must(s.Issue(p.account(account), roles, "", false))
	}
	t.Cleanup(p.running.Wait)
	return p
}

func (p *plant) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) account(name string) jid.JID {
	j, err := p.Account(name)
	p.must(err)
	return j
}

// run runs a party until the test ends, once it is ready.
func (p *plant) run(party func(ctx context.Context, ready func()) error) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p.t.Cleanup(cancel)
	ready := make(chan struct{})
	failed := make(chan error, 1)
	p.running.Go(func() { failed <- party(ctx, func() { close(ready) }) })
	select {
	case <-ready:
	case err := <-failed:
		p.t.Fatal(err)
	case <-time.After(time.Minute):
		p.t.Fatal("not ready after a minute")
	}
}

func (p *plant) broker() {
	p.t.Helper()
	p.run(func(ctx context.Context, ready func()) error {
		return p.RunBroker(ctx, site.BrokerOptions{Listen: "127.0.0.1:0", Ready: func(net.Addr) { ready() }})
	})
}

func (p *plant) ied(name string) {
	p.t.Helper()
	j, err := site.IED(p.account(name))
	p.must(err)
	p.run(func(ctx context.Context, ready func()) error {
		return p.RunIED(ctx, site.IEDOptions{Party: site.Party{JID: j}, SCL: "../demo/scl/pv.cid", State: site.NoState, Ready: func(*site.RunningIED) { ready() }})
	})
}

// listen has somebody answer each connection, and returns where.
func (p *plant) listen(answer func(net.Conn)) string {
	p.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	p.t.Cleanup(func() { l.Close() })
	p.running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			answer(nc)
			nc.Close()
		}
	})
	return l.Addr().String()
}

// foreign is a broker that is not the site's: with the certificate that it is given.
func (p *plant) foreign(id *pki.Identity) string {
	p.t.Helper()
	trust, err := pki.LoadTrust([]string{p.Path("pki", "e2m", "root.crt")}, nil)
	p.must(err)
	server, err := xmppd.New(xmppd.Config{Domain: domain, Trust: trust, Audit: audit.Discard, Live: xmppd.Live{Identity: id}})
	p.must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	p.must(err)
	p.running.Go(func() { server.Serve(context.Background(), l) })
	p.t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// walk has the doctor walk from ems.
func (p *plant) walk(o doctor.Options) ([]doctor.Check, bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	o.Party.JID, err = site.ClientAddress(p.account("ems"))
	p.must(err)
	var checks []doctor.Check
	well := doctor.Run(ctx, p.Site, o, func(c doctor.Check) { checks = append(checks, c) })
	return checks, well
}

func TestWholeWay(t *testing.T) {
	p := newPlant(t)
	p.broker()
	p.ied("pv1")
	checks, well := p.walk(doctor.Options{To: "pv1"})
	var steps []doctor.Step
	for _, c := range checks {
		steps = append(steps, c.Step)
		if c.Outcome != doctor.OK && c.Step != doctor.Presence { // which may come late
			t.Errorf("%v", c)
		}
	}
	if !well || !slices.Equal(steps, doctor.Steps) {
		t.Errorf("well: %v, the steps are %v, want %v", well, steps, doctor.Steps)
	}
}

func TestToTheBrokerOnly(t *testing.T) {
	p := newPlant(t)
	p.broker()
	checks, well := p.walk(doctor.Options{})
	if last := checks[len(checks)-1]; !well || last.Step != doctor.Bind {
		t.Errorf("well: %v, the last step is %v", well, last)
	}
}

func TestFirstFault(t *testing.T) {
	for _, tt := range []struct {
		name string
		walk func(p *plant) doctor.Options // sets up what is wrong
		step doctor.Step
		text string // in what is said
		hint string
	}{
		{"no trust anchor", func(p *plant) doctor.Options {
			p.must(os.Remove(p.Path("pki", "e2e", "root.crt")))
			return doctor.Options{To: "pv1"}
		}, doctor.Folder, "root.crt", "copy of the site"},
		{"IED of a domain that is not known", func(p *plant) doctor.Options {
			return doctor.Options{To: "pv1@elsewhere.example"}
		}, doctor.Folder, "elsewhere.example", domain},
		{"no key", func(p *plant) doctor.Options {
			p.must(os.Remove(p.Path("pki", "ems@"+domain, "e2e.key")))
			return doctor.Options{To: "pv1"}
		}, doctor.Keys, "E2E", "issue"},
		{"key that others may read", func(p *plant) doctor.Options {
			p.must(os.Chmod(p.Path("pki", "ems@"+domain, "tls.key"), 0o644))
			return doctor.Options{To: "pv1"}
		}, doctor.Keys, "tls.key", "readable"},
		{"certificate of another", func(p *plant) doctor.Options {
			for _, ext := range []string{"crt", "key"} {
				text, err := os.ReadFile(p.Path("pki", "pv1@"+domain, "tls."+ext))
				p.must(err)
				p.must(os.WriteFile(p.Path("pki", "ems@"+domain, "tls."+ext), text, 0o600))
			}
			return doctor.Options{To: "pv1"}
		}, doctor.Keys, "pv1@" + domain, "put back"},
		{"no broker", func(p *plant) doctor.Options {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			p.must(err)
			l.Close()
			return doctor.Options{Party: site.Party{Connect: l.Addr().String()}}
		}, doctor.Connection, "refused", "nothing listens"},
		{"no broker anywhere", func(p *plant) doctor.Options {
			return doctor.Options{To: "pv1"}
		}, doctor.Address, "", "busbar broker"},
		{"host that does not exist", func(p *plant) doctor.Options {
			return doctor.Options{Party: site.Party{Connect: "broker.invalid:5222"}}
		}, doctor.Address, "broker.invalid", "name"},
		{"no XMPP server", func(p *plant) doctor.Options {
			return doctor.Options{Party: site.Party{Connect: p.listen(func(nc net.Conn) { io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n") })}}
		}, doctor.Stream, "", "something else than an XMPP server"},
		{"server without TLS", func(p *plant) doctor.Options {
			return doctor.Options{Party: site.Party{Connect: p.listen(func(nc net.Conn) {
				io.WriteString(nc, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='"+domain+"' id='1' version='1.0'><stream:features/>")
				io.Copy(io.Discard, nc)
			})}}
		}, doctor.StartTLS, "", ""},
		{"broker of another authority", func(p *plant) doctor.Options {
			other := newPlant(p.t)
			id, err := pki.LoadIdentity(other.Path("pki", "broker", "tls.crt"), other.Path("pki", "broker", "tls.key"))
			p.must(err)
			return doctor.Options{Party: site.Party{Connect: p.foreign(id)}}
		}, doctor.Chain, "trust anchors", "another site"},
		{"broker with the certificate of another domain", func(p *plant) doctor.Options {
			ca, err := pki.LoadCA(p.Path("pki", "e2m", "issuing.crt"), p.Path("pki", "e2m", "issuing.key"))
			p.must(err)
			id, err := ca.IssueServer("other.example")
			p.must(err)
			return doctor.Options{Party: site.Party{Connect: p.foreign(id)}}
		}, doctor.Names, domain, ""},
		{"account that is revoked at the broker only", func(p *plant) doctor.Options {
			there := filepath.Join(p.t.TempDir(), "broker")
			p.must(os.CopyFS(there, os.DirFS(p.Dir)))
			p.must(chmodKeys(there))
			broker, err := site.Open(there)
			p.must(err)
			p.must(broker.Revoke(p.account("ems")))
			p.run(func(ctx context.Context, ready func()) error {
				return broker.RunBroker(ctx, site.BrokerOptions{Listen: "127.0.0.1:0", Ready: func(net.Addr) { ready() }})
			})
			address, err := os.ReadFile(broker.Path("run", "broker"))
			p.must(err)
			return doctor.Options{Party: site.Party{Connect: strings.TrimSpace(string(address))}, To: "pv1"}
		}, doctor.SASL, "not-authorized", "unrevoked"},
		{"IED that is not there", func(p *plant) doctor.Options {
			p.broker()
			return doctor.Options{To: "pv1"}
		}, doctor.Presence, "not logged in", "busbar ied --jid pv1@" + domain},
		{"ends of different modes", func(p *plant) doctor.Options {
			p.broker()
			p.ied("pv1")
			mode, err := site.ParseE2E("clear", nil)
			p.must(err)
			return doctor.Options{Party: site.Party{E2E: mode}, To: "pv1"}
		}, doctor.E2E, "clear here", "--e2e encr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlant(t)
			checks, well := p.walk(tt.walk(p))
			if well || len(checks) == 0 {
				t.Fatalf("no fault was found: %v", checks)
			}
			last := checks[len(checks)-1]
			if last.Outcome != doctor.Fault || last.Step != tt.step || !strings.Contains(last.String(), tt.text) || !strings.Contains(last.Hint, tt.hint) {
				t.Errorf("the last step is\n%v\nwant a fault at %s with %q, and a hint with %q", last, tt.step, tt.text, tt.hint)
			}
			for _, c := range checks[:len(checks)-1] {
				if c.Outcome == doctor.Fault {
					t.Errorf("a fault before the last step: %v", c)
				}
			}
		})
	}
}

// chmodKeys makes the keys below dir readable to this user only, as they were where they were copied from.
func chmodKeys(dir string) error {
	return filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".key") {
			err = os.Chmod(name, 0o600)
		}
		return err
	})
}
