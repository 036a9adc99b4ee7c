package xmpp

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// One port serves who begins with TLS and who asks for it. XEP-0368.
func TestDirectTLS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		direct bool
		alpn   string
	}{{"from the first octet", true, "xmpp-client"}, {"asked for", false, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var features [][]string
			p.client.Dialer = nil
			p.client.Trace = &Trace{Features: func(names []string) { features = append(features, names) }}
			p.client.Resolver = &Resolver{Static: map[string][]Target{domain: {{Address: l.Addr().String(), Direct: tt.direct}}}}
			done := make(chan error, 1)
			go func() {
				nc, err := l.Accept()
				if err != nil {
					done <- err
					return
				}
				p.serverEnd = nc
				done <- <-p.serve(context.Background(), echo)
			}()
			s, err := Dial(t.Context(), p.client)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Request(t.Context(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse("pv1@" + domain + "/IEC"), Payload: []byte("<q xmlns='x'/>")}); err != nil {
				t.Error(err)
			}
			if state := s.Info().TLS; state.NegotiatedProtocol != tt.alpn || state.ServerName != domain {
				t.Errorf("protocol %q, server name %q, want %q, %q", state.NegotiatedProtocol, state.ServerName, tt.alpn, domain)
			}
			if asked := strings.Contains(strings.Join(features[0], " "), "starttls"); asked == tt.direct {
				t.Errorf("the first features are %v", features[0])
			}
			s.Close()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// What is meant for another protocol is not taken for XMPP, and who does not say is. RFC 7301, Section 3.2.
func TestDirectTLSOfAnotherProtocol(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offered []string
		refused bool
	}{
		{"a browser", []string{"h2", "http/1.1"}, true},
		{"a server", []string{"xmpp-server"}, true},
		{"a client among others", []string{"h2", "xmpp-client"}, false},
		{"nothing said", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			var handshake error
			p.acceptRaw(t, func(r *raw) {
				cfg := clientTLS(p.site.client)
				cfg.NextProtos = tt.offered
				c := tls.Client(r.conn, cfg)
				if handshake = c.Handshake(); handshake == nil {
					r.conn, r.seen = c, ""
					r.send(clientHeader)
					r.until("</stream:features>")
				}
				r.conn.Close()
			})
			if refused := handshake != nil; refused != tt.refused {
				t.Errorf("offered %v: %v, want refused: %v", tt.offered, handshake, tt.refused)
			}
		})
	}
}

// A client that begins with TLS where the server waits for a stream is told what to change.
func TestDirectTLSWhereThereIsNone(t *testing.T) {
	p := newPair(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p.client.Dialer = nil
	p.client.Resolver = &Resolver{Static: map[string][]Target{domain: {{Address: l.Addr().String(), Direct: true}}}}
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		nc.Write([]byte("<?xml version='1.0'?><stream:stream "))
		nc.Read(make([]byte, 1<<10))
		nc.Close()
	}()
	_, err = Dial(t.Context(), p.client)
	ne, ok := err.(*NegotiationError)
	if !ok || ne.Step != StepTLS || !strings.Contains(ne.Hint, "tls://") {
		t.Errorf("got %#v, want a hint at tls://", err)
	}
}
