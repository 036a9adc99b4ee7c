//go:build interop

package interop_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
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
//
// RFC 6120, Sections 6 to 8; RFC 6121, Section 4.6; RFC 7677; XEP-0178
func TestForeignServersTakeOurClients(t *testing.T) {
	eachForeign(t, map[string]string{"scada": "correct horse"}, func(t *testing.T, a *authority, s *foreign.Server) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var arrived [2]chan stanza.Stanza
		for i := range arrived {
			arrived[i] = make(chan stanza.Stanza, 100)
		}
		byCertificate := xmpp.Config{JID: jid.MustParse("pv1@" + domain + "/IEC"), Identity: a.client("pv1@" + domain), Trust: a.trust, Address: s.Clients,
			Handler: func(st stanza.Stanza) { arrived[0] <- st }}
		byPassword := xmpp.Config{JID: jid.MustParse("scada@" + domain + "/IEC-1"), Trust: a.trust, Address: s.Clients, AllowUnbound: true,
			Password: func() (string, error) { return "correct horse", nil }, Handler: func(st stanza.Stanza) { arrived[1] <- st }}
		ied, client := dialForeign(t, ctx, s, byCertificate), dialForeign(t, ctx, s, byPassword)
		for _, login := range []struct {
			session *xmpp.Session
			want    string
		}{{ied, "EXTERNAL"}, {client, "SCRAM-SHA-256"}} {
			if info := login.session.Info(); info.Mechanism != login.want || info.TLS.Version != tls.VersionTLS13 {
				t.Errorf("%v has logged in by %s over %s, want %s over TLS 1.3", login.session.JID(), info.Mechanism, tls.VersionName(info.TLS.Version), login.want)
			}
		}

		const payload = "<p:read xmlns:p='urn:p' p:name='a &amp; b'><value xmlns='urn:x'>1 &lt; 2</value></p:read>"
		for i, way := range [][2]*xmpp.Session{{client, ied}, {ied, client}} {
			from, to := way[0], way[1]
			replied := make(chan error, 1)
			go func() {
				reply, err := from.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: to.JID(), Payload: []byte(payload)})
				if err == nil && (reply.From != to.JID() || !strings.Contains(string(reply.Payload), "1 &lt; 2")) {
					err = fmt.Errorf("%s from %v", reply.Payload, reply.From)
				}
				replied <- err
			}()
			request := awaitStanza(t, ctx, arrived[i], stanza.IQ)
			if err := to.Send(ctx, request.Reply(request.Payload)); err != nil {
				t.Fatal(err)
			}
			if err := <-replied; err != nil {
				t.Errorf("the answer to %v: %v", from.JID(), err)
			}
			for _, st := range []stanza.Stanza{
				{Kind: stanza.Message, Type: stanza.Normal, ID: "m", To: to.JID(), Payload: []byte("<body>x</body>")},
				{Kind: stanza.Presence, To: to.JID(), Payload: []byte("<priority>-1</priority>")},
				{Kind: stanza.Presence, Type: stanza.Unavailable, To: to.JID()},
			} {
				if err := from.Send(ctx, st); err != nil {
					t.Fatal(err)
				}
				if got := awaitStanza(t, ctx, arrived[i], st.Kind); got.From != from.JID() || got.Type != st.Type {
					t.Errorf("got %s, want it from %v, with the type %q", got.Append(nil), from.JID(), st.Type)
				}
			}
		}

		// Who logs in with the same address takes it from the one before.
		again := dialForeign(t, ctx, s, byCertificate)
		select {
		case <-ied.Done():
			if err := ied.Err(); !errors.Is(err, &xmpp.StreamError{Condition: xmpp.Conflict, Remote: true}) {
				t.Errorf("the session before has ended with %v, want conflict", err)
			}
		case <-ctx.Done():
			t.Error("the session before goes on")
		}
		if _, err := again.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse(domain), Payload: []byte("<ping xmlns='urn:xmpp:ping'/>")}); err != nil {
			t.Errorf("the session after: %v", err)
		}
	})
}

// Who is somebody else, or knows no password, or is to log in without channel binding and does not want to, does not log in.
func TestForeignServersRefuse(t *testing.T) {
	eachForeign(t, map[string]string{"scada": "correct horse"}, func(t *testing.T, a *authority, s *foreign.Server) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		stranger := newAuthority(t, t.TempDir())
		password := func() (string, error) { return "correct horse", nil }
		for _, tt := range []struct {
			name string
			cfg  xmpp.Config
		}{
			{"certificate of another account", xmpp.Config{JID: jid.MustParse("pv1@" + domain), Identity: a.client("pv2@" + domain), Trust: a.trust}},
			{"certificate of another authority", xmpp.Config{JID: jid.MustParse("pv1@" + domain), Identity: stranger.client("pv1@" + domain), Trust: a.trust}},
			{"server of another authority", xmpp.Config{JID: jid.MustParse("pv1@" + domain), Identity: a.client("pv1@" + domain), Trust: stranger.trust}},
			{"wrong password", xmpp.Config{JID: jid.MustParse("scada@" + domain), Trust: a.trust, AllowUnbound: true, Password: func() (string, error) { return "wrong", nil }}},
			{"no account", xmpp.Config{JID: jid.MustParse("nobody@" + domain), Trust: a.trust, AllowUnbound: true, Password: password}},
			{"unbound", xmpp.Config{JID: jid.MustParse("scada@" + domain), Trust: a.trust, Password: password}},
		} {
			tt.cfg.Address = s.Clients
			if session, err := xmpp.Dial(ctx, tt.cfg); err == nil {
				session.Close()
				t.Errorf("%s: has logged in", tt.name)
			} else if _, ok := errors.AsType[*xmpp.NegotiationError](err); !ok {
				t.Errorf("%s: %v, want a NegotiationError", tt.name, err)
			}
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
