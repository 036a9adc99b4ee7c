//go:build interop

package interop_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/internal/foreign"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// utility is the domain of the servers of other makes where ours serves domain.
const utility = "utility.example"

// neighbours are our broker, and a server of another make that serves another domain under a CA of its own. They find each
// other by SRV.
type neighbours struct {
	ours    *authority
	address string // of our broker, for clients
	broker  *xmppd.Server
	events  *audit.Memory

	root   *pki.CA
	trust  *pki.Trust
	theirs *foreign.Server
}

// eachNeighbour runs a test with each make as the other server.
func eachNeighbour(t *testing.T, test func(t *testing.T, n *neighbours)) {
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			root, err := pki.NewRoot(pki.E2M, utility)
			if err != nil {
				t.Fatal(err)
			}
			n := &neighbours{ours: newAuthority(t, t.TempDir()), root: root, events: new(audit.Memory)}
			if n.trust, err = pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil); err != nil {
				t.Fatal(err)
			}
			id, err := root.IssueServer(utility)
			if err != nil {
				t.Fatal(err)
			}
			names, err := foreign.NewNames()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { names.Close() })
			s, err := start(foreign.Options{Domain: utility, Identity: id, Roots: []*x509.Certificate{root.Certificate(), n.ours.root}, DNS: names.Address()})
			n.theirs = started(t, s, err)
			peers, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(names.Set(utility, n.theirs.Peers), names.Set(domain, peers.Addr().String())); err != nil {
				t.Fatal(err)
			}
			n.serve(peers, &xmpp.Resolver{DNS: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, names.Address())
			}}})
			test(t, n)
		})
	}
}

// serve starts our broker, which lets everything pass between the domains.
func (n *neighbours) serve(peers net.Listener, resolver *xmpp.Resolver) {
	t := n.ours.t
	everybody, err := xmppd.ParsePattern("*")
	if err != nil {
		t.Fatal(err)
	}
	n.address, n.broker = n.ours.broker(xmppd.Config{
		Audit: n.events,
		Live: xmppd.Live{
			Rules:  []xmppd.Rule{{From: everybody, To: everybody, Allow: true}},
			Groups: []xmppd.Group{{Name: "plant", Members: []jid.JID{jid.MustParse("pv1@" + domain), jid.MustParse("ems@" + utility)}}},
		},
		Federation: &xmppd.Federation{
			Trust: func(domain string) *pki.Trust {
				if domain != utility {
					return nil
				}
				return n.trust
			},
			Resolver: func(string) *xmpp.Resolver { return resolver },
		},
	})
	served := make(chan error, 1)
	go func() { served <- n.broker.ServePeers(context.Background(), peers) }()
	t.Cleanup(func() {
		n.broker.Close()
		<-served
	})
}

// login logs a client of the other domain in at its server.
func (n *neighbours) login(t *testing.T, ctx context.Context, full string, handler func(stanza.Stanza)) *xmpp.Session {
	t.Helper()
	j := jid.MustParse(full)
	id, err := n.root.IssueClientTLS(j.Bare().String())
	if err != nil {
		t.Fatal(err)
	}
	return dialForeign(t, ctx, n.theirs, xmpp.Config{JID: j, Identity: id, Trust: n.trust, Handler: handler})
}

// TestStreamsToAndFromForeignServers: what passes between our broker and a server of another make, both ways.
func TestStreamsToAndFromForeignServers(t *testing.T) {
	eachNeighbour(t, func(t *testing.T, n *neighbours) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		atEMS := make(chan stanza.Stanza, 100)
		ied, atIED := n.ours.dial(ctx, n.address, jid.MustParse("pv1@"+domain+"/IEC"))
		ems := n.login(t, ctx, "ems@"+utility+"/IEC", func(st stanza.Stanza) { atEMS <- st })
		for _, way := range []struct {
			from, to *xmpp.Session
			arrived  <-chan stanza.Stanza
		}{{ems, ied, atIED}, {ied, ems, atEMS}} {
			const payload = "<p:read xmlns:p='urn:p' p:name='a &amp; b'><value xmlns='urn:x'>1 &lt; 2</value></p:read>"
			replied := make(chan error, 1)
			go func() {
				reply, err := way.from.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: way.to.JID(), Payload: []byte(payload)})
				if err == nil && (reply.From != way.to.JID() || !strings.Contains(string(reply.Payload), "1 &lt; 2")) {
					err = errors.New("the answer is from " + reply.From.String() + ": " + string(reply.Payload))
				}
				replied <- err
			}()
			request := awaitStanza(t, ctx, way.arrived, stanza.IQ)
			if space, local, ok := request.Child(); request.From != way.from.JID() || !ok || space != "urn:p" || local != "read" {
				t.Errorf("to %s: %s from %s", way.to.JID(), request.Payload, request.From)
			}
			if err := way.to.Send(ctx, request.Reply(request.Payload)); err != nil {
				t.Fatal(err)
			}
			if err := <-replied; err != nil {
				t.Errorf("from %s: %v", way.from.JID(), err)
			}
			if err := way.from.Send(ctx, stanza.Stanza{Kind: stanza.Message, ID: "m", To: way.to.JID(), Payload: []byte("<body>x</body>")}); err != nil {
				t.Fatal(err)
			}
			if m := awaitStanza(t, ctx, way.arrived, stanza.Message); m.From != way.from.JID() || !strings.Contains(string(m.Payload), "<body>x</body>") {
				t.Errorf("message %s from %s", m.Payload, m.From)
			}
			// To nobody.
			_, err := way.from.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse("nobody@" + way.to.JID().Domain() + "/x"), Payload: []byte(payload)})
			if !errors.Is(err, &stanza.Error{Condition: stanza.ServiceUnavailable}) {
				t.Errorf("from %s to nobody: %v, want service-unavailable", way.from.JID(), err)
			}
		}
		for _, p := range n.broker.Peers() {
			if p.State != "connected" || len(p.Incoming) == 0 || p.Stream.TLS.Version < 0x0304 {
				t.Errorf("peer %+v", p)
			}
		}
		refused := slices.DeleteFunc(n.events.Events(), func(e audit.Event) bool {
			return e.ID == audit.StreamOpened || e.ID == audit.TLSEstablished || e.ID == audit.CRLMissing
		})
		if len(refused) > 0 {
			t.Errorf("events %v", refused)
		}
	})
}

// awaitStanza returns the next stanza of a kind.
func awaitStanza(t *testing.T, ctx context.Context, arrived <-chan stanza.Stanza, kind stanza.Kind) stanza.Stanza {
	t.Helper()
	for {
		select {
		case st := <-arrived:
			if st.Kind == kind {
				return st
			}
		case <-ctx.Done():
			t.Fatalf("no %v has come", kind)
		}
	}
}
