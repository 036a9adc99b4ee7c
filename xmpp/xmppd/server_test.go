package xmppd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"

	"github.com/google/go-cmp/cmp"
)

func TestNewRefuses(t *testing.T) {
	s := newCA(t)
	good := xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{Identity: s.serverIdentity()}}
	for name, change := range map[string]func(*xmppd.Config){
		"no domain":              func(c *xmppd.Config) { c.Domain = "" },
		"an account as domain":   func(c *xmppd.Config) { c.Domain = "hmi@dso.example" },
		"no identity":            func(c *xmppd.Config) { c.Identity = nil },
		"no trust":               func(c *xmppd.Config) { c.Trust = nil },
		"group of a full JID":    func(c *xmppd.Config) { c.Groups = groups("hmi pv1/x") },
		"group of another place": func(c *xmppd.Config) { c.Groups = []xmppd.Group{{Members: []jid.JID{jid.MustParse("a@b")}}} },
		"federation, no trust":   func(c *xmppd.Config) { c.Federation = new(xmppd.Federation) },
		"group of no address":    func(c *xmppd.Config) { c.Groups = []xmppd.Group{{Members: make([]jid.JID, 1)}} },
	} {
		cfg := good
		change(&cfg)
		if _, err := xmppd.New(cfg); err == nil {
			t.Errorf("%s: New made a server of it", name)
		}
	}
	if _, err := xmppd.New(good); err != nil {
		t.Errorf("New of a good configuration: %v", err)
	}
}

func TestShutdownDoesNotWaitForeverForAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		stuck := s.silent("pv1@dso.example", "IEC")
		defer stuck.raw.Close()
		hmi := s.connect("hmi@dso.example", "1")
		hmi.send("<message to='pv1@dso.example/IEC'/>")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		if err := s.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v, want the error of its context", err)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("Shutdown took %v, want 1 s", d)
		}
		if err := <-s.served; err != xmppd.ErrServerClosed || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve returned %v, want %v", err, xmppd.ErrServerClosed)
		}
	})
}

func TestShutdownEndsNegotiations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		nc, err := s.net.dial("192.0.2.4:1")
		if err != nil {
			t.Fatal(err)
		}
		c := &rawClient{raw: nc, conn: nc}
		if _, err := c.header(); err != nil {
			t.Fatal(err)
		}
		c.listen()
		began := time.Now()
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("Shutdown took %v, which is as long as the client dawdles", d)
		}
		synctest.Wait()
		if got := c.take(); len(got) != 2 || !strings.HasPrefix(got[0], "<stream:error><system-shutdown ") {
			t.Errorf("the client was told %q, want system-shutdown", got)
		}
		<-s.served
	})
}

func TestServeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		other := newMemNet()
		served := make(chan error, 1)
		go func() { served <- s.server.Serve(ctx, other) }()
		hmi := s.connect("hmi@dso.example", "1")
		cancel()
		if err := <-served; err != context.Canceled {
			t.Errorf("Serve returned %v, want %v", err, context.Canceled)
		}
		<-hmi.done
		s.close()
		if err := s.server.Serve(context.Background(), newMemNet()); err != xmppd.ErrServerClosed {
			t.Errorf("Serve of a closed server returned %v, want %v", err, xmppd.ErrServerClosed)
		}
		if err := s.server.Close(); err != nil {
			t.Errorf("closing once more: %v", err)
		}
		if err := s.server.Shutdown(context.Background()); err != nil {
			t.Errorf("shutting down what is closed: %v", err)
		}
	})
}

// flaky is a listener that has run out of file descriptors for a while, and fails for good in the end.
type flaky struct {
	*memNet
	errs []error
}

func (f *flaky) Accept() (net.Conn, error) {
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, err
	}
	return f.memNet.Accept()
}

func TestAcceptGoesOnWhenResourcesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCA(t)
		server, err := xmppd.New(xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{Identity: s.serverIdentity()}})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		full := &net.OpError{Op: "accept", Err: syscall.EMFILE}
		broken := errors.New("broken")
		if err := server.Serve(context.Background(), &flaky{newMemNet(), []error{full, full, full, broken}}); err != broken {
			t.Errorf("Serve returned %v, want %v", err, broken)
		}
	})
}

// TestM7Recheck withdraws certificates and accounts while their streams are open.
func TestM7Recheck(t *testing.T) {
	tests := []struct {
		name      string
		withdraw  func(s *site, trust *pki.Trust, pv1 *pki.Identity, blocked *atomic.Bool)
		condition string
		events    []audit.ID
	}{
		{"revoked", func(s *site, trust *pki.Trust, pv1 *pki.Identity, _ *atomic.Bool) {
			if err := s.ca.WriteCRL(s.crl, pv1.Chain[0].SerialNumber); err != nil {
				s.t.Fatal(err)
			}
			if err := trust.Refresh(); err != nil {
				s.t.Fatal(err)
			}
			s.server.Recheck()
		}, "reset", []audit.ID{audit.CertificateRevoked, audit.TLSClosedByRevocation}},
		{"expired", func(*site, *pki.Trust, *pki.Identity, *atomic.Bool) {
			time.Sleep(3*time.Hour - time.Minute)
		}, "reset", []audit.ID{audit.CertificateExpired, audit.CredentialWithdrawn}},
		{"no longer allowed", func(s *site, _ *pki.Trust, _ *pki.Identity, blocked *atomic.Bool) {
			blocked.Store(true)
			s.server.Recheck()
		}, "not-authorized", []audit.ID{audit.CredentialWithdrawn}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var blocked atomic.Bool
				var trust *pki.Trust
				s := newSite(t, func(c *xmppd.Config) {
					c.Allowed = func(j jid.JID) bool { return j.Local() != "pv1" || !blocked.Load() }
					c.KeepAlive = xmpp.KeepAlive{Idle: -1, Loss: -1}
					trust = c.Trust
				})
				defer s.close()
				hmi := s.connect("hmi@dso.example", "1")
				s.ca.Validity = 2*time.Hour + time.Minute
				id := s.clientIdentity("pv1@dso.example")
				pv1 := s.connectAs(id, "192.0.2.2:40000", "IEC")
				hmi.send("<presence/>")
				pv1.send("<presence/>")
				synctest.Wait()
				hmi.take()
				pv1.take()
				tt.withdraw(s, trust, id, &blocked)
				<-pv1.done
				synctest.Wait()
				got := pv1.take()
				if len(got) != 2 || !strings.HasPrefix(got[0], "<stream:error><"+tt.condition+" ") {
					t.Errorf("the client was told %q, want %s", got, tt.condition)
				}
				want := []string{"<presence type='unavailable' from='pv1@dso.example/IEC' to='hmi@dso.example'/>"}
				if diff := cmp.Diff(want, hmi.take()); diff != "" {
					t.Errorf("its contact was told (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(tt.events, s.eventIDs()); diff != "" {
					t.Errorf("events (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestTapSeesWhatArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		s := newSite(t, func(c *xmppd.Config) {
			c.Tap = func(from jid.JID, start, payload []byte) {
				mu.Lock()
				defer mu.Unlock()
				log = append(log, from.String()+" "+string(start)+string(payload))
			}
		})
		defer s.close()
		c := s.connect("hmi@dso.example", "1")
		c.send(`<message  xmlns:p="urn:p" to='nobody@dso.example/x'><p:a>1</p:a></message>` + "\n" + `<presence/>`)
		synctest.Wait()
		want := []string{
			`hmi@dso.example/1 <message  xmlns:p="urn:p" to='nobody@dso.example/x'><p:a>1</p:a>`,
			`hmi@dso.example/1 <presence/>`,
		}
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("tapped (-want +got)\n%s", diff)
		}
	})
}

func TestLargePresenceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		defer s.close()
		c := s.connect("mallory@dso.example", "1")
		c.send("<presence id='1'><status>" + strings.Repeat("x", 17_000) + "</status></presence>")
		synctest.Wait()
		if got := c.take(); len(got) != 1 || !strings.Contains(got[0], "<policy-violation ") {
			t.Errorf("a presence of 17 kB was answered %.200q", got)
		}
		if got := s.server.Sessions(); len(got) != 1 || got[0].Available {
			t.Errorf("sessions %v, want one that is not available", got)
		}
	})
}

func TestTooManyDirectedPresencesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		defer s.close()
		c := s.connect("mallory@dso.example", "1")
		var b bytes.Buffer
		for i := range 300 {
			fmt.Fprintf(&b, "<presence id='%d' to='a%d@dso.example/x'/>", i, i)
		}
		c.send(b.String())
		synctest.Wait()
		got := c.take()
		if len(got) != 300-256 || !strings.Contains(got[0], "<resource-constraint ") || !strings.Contains(got[0], "id='256'") {
			t.Errorf("300 directed presences were answered with %d errors, the first %.200q; want 44", len(got), got[:min(1, len(got))])
		}
	})
}

// TestRestart closes a server on a real port and serves the same port again, for clients that use the client's side of
// package xmpp.
func TestRestart(t *testing.T) {
	s := newCA(t)
	cfg := xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{Identity: s.serverIdentity()}}
	addr := "127.0.0.1:0"
	client := s.clientIdentity("hmi@dso.example")
	trust := s.trust()
	for round := range 3 {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		addr = l.Addr().String()
		server, err := xmppd.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(t.Context(), l) }()
		session, err := xmpp.Dial(t.Context(), xmpp.Config{JID: jid.MustParse("hmi@dso.example/IEC"), Address: addr, Identity: client, Trust: trust})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := server.Shutdown(t.Context()); err != nil {
			t.Errorf("round %d: Shutdown: %v", round, err)
		}
		<-session.Done()
		if err := session.Err(); !errors.Is(err, &xmpp.StreamError{Condition: xmpp.SystemShutdown, Remote: true}) {
			t.Errorf("round %d: the client's stream ended with %v, want system-shutdown", round, err)
		}
		session.Close()
		if err := <-served; err != xmppd.ErrServerClosed {
			t.Errorf("round %d: Serve returned %v", round, err)
		}
	}
}
