//go:build interop

package interop_test

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"busbar.example/internal/foreign"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// foreignServers start the servers of other makes, by make.
var foreignServers = map[string]func(foreign.Options) (*foreign.Server, error){
	"prosody": foreign.StartProsody, "ejabberd": foreign.StartEjabberd,
}

// started is the server that has started, which ends with the test.
func started(t testing.TB, s *foreign.Server, err error) *foreign.Server {
	t.Helper()
	if absent, ok := errors.AsType[*foreign.MissingError](err); ok {
		missing(t, absent.Package)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", s.Make, s.Log())
		}
		s.Stop()
	})
	return s
}

// eachForeign runs a test against each make.
func eachForeign(t *testing.T, passwords map[string]string, test func(t *testing.T, a *authority, s *foreign.Server)) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, t.TempDir())
			s, err := start(foreign.Options{Domain: domain, Identity: a.server(), Roots: []*x509.Certificate{a.root}, Passwords: passwords})
			test(t, a, started(t, s, err))
		})
	}
}

// TestForeignServersTakeOurClients: who logs in by certificate or by password, and what passes between two of them.
func TestForeignServersTakeOurClients(t *testing.T) {
	eachForeign(t, map[string]string{"scada": "correct horse"}, func(t *testing.T, a *authority, s *foreign.Server) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := make(chan stanza.Stanza, 16)
		var answering *xmpp.Session
		ied := dialForeign(t, ctx, s, xmpp.Config{JID: jid.MustParse("pv1@" + domain + "/IEC"), Identity: a.client("pv1@" + domain), Trust: a.trust,
			Handler: func(st stanza.Stanza) { got <- st }})
		answering = ied
		client := dialForeign(t, ctx, s, xmpp.Config{JID: jid.MustParse("scada@" + domain + "/IEC-1"), Trust: a.trust, AllowUnbound: true,
			Password: func() (string, error) { return "correct horse", nil }})
		if m := ied.Info().Mechanism; m != "EXTERNAL" {
			t.Errorf("who has a certificate logs in by %s", m)
		}
		go func() {
			for st := range got {
				if st.Kind == stanza.IQ {
					answering.Send(ctx, st.Reply([]byte("<r xmlns='urn:r'>done</r>")))
				}
			}
		}()
		reply, err := client.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: ied.JID(), Payload: []byte("<r xmlns='urn:r'/>")})
		if err != nil || reply.From != ied.JID() {
			t.Errorf("the answer is %v, %v", reply, err)
		}
	})
}

func dialForeign(t *testing.T, ctx context.Context, s *foreign.Server, cfg xmpp.Config) *xmpp.Session {
	t.Helper()
	cfg.Address = s.Clients
	session, err := xmpp.Dial(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

// TestEjabberdCluster: a client at one node reaches a client at the other.
func TestEjabberdCluster(t *testing.T) {
	a := newAuthority(t, t.TempDir())
	nodes, err := foreign.StartEjabberdCluster(foreign.Options{Domain: domain, Identity: a.server(), Roots: []*x509.Certificate{a.root}})
	if err != nil {
		started(t, nil, err)
	}
	for _, n := range nodes {
		started(t, n, nil)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	one := dialForeign(t, ctx, nodes[0], xmpp.Config{JID: jid.MustParse("ems@" + domain + "/IEC-1"), Identity: a.client("ems@" + domain), Trust: a.trust})
	two := dialForeign(t, ctx, nodes[1], xmpp.Config{JID: jid.MustParse("pv1@" + domain + "/IEC"), Identity: a.client("pv1@" + domain), Trust: a.trust})
	for { // the table of sessions is copied a moment later
		_, err := one.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: two.JID(), Payload: []byte("<ping xmlns='urn:xmpp:ping'/>")})
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
