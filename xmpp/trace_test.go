package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// notes are what hooks were told, in order.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lines
}

func TestTraceShowsEachStanzaWithItsOctets(t *testing.T) {
	p := newPair(t)
	var out, in notes // the order between the two is open
	var sent, received int
	p.client.Trace = &Trace{
		Sent: func(st stanza.Stanza) { out.add("%v %v to %v: %s", st.Kind, st.Type, st.To, st.Payload) },
		Received: func(st stanza.Stanza, octets int) {
			in.add("%v %v from %v: %s, %d", st.Kind, st.Type, st.From, st.Payload, octets)
		},
		Octets: func(outward bool, n int) {
			if outward {
				sent += n
			} else {
				received += n
			}
		},
	}
	const (
		message = "<message from='a@b/c'  ><x xmlns='urn:x'/></message>"
		empty   = "<presence from='a@b/c' />"
	)
	served := p.serve(t.Context(), func(c *Conn) {
		c.Push([]byte(message))
		c.Push([]byte(empty))
		echo(c)
	})
	s, err := Dial(t.Context(), p.client)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.InitialPresence(t.Context()); err != nil {
		t.Fatal(err)
	}
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: s.NewID(), Payload: []byte("<q xmlns='urn:q'/>")}
	if _, err := s.Request(t.Context(), iq); err != nil {
		t.Fatal(err)
	}
	s.Close()
	<-served
	reply := iq.Reply(iq.Payload)
	roster := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Result, ID: s.prefix + "1", Payload: []byte("<query xmlns='jabber:iq:roster'/>")}
	if d := cmp.Diff([]string{
		"iq get to : <query xmlns='jabber:iq:roster'/>",
		"presence  to : ",
		"iq get to : <q xmlns='urn:q'/>",
	}, out.all()); d != "" {
		t.Errorf("stanzas sent, in the trace (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{
		fmt.Sprintf("message normal from a@b/c: <x xmlns='urn:x'/>, %d", len(message)),
		fmt.Sprintf("presence  from a@b/c: , %d", len(empty)),
		fmt.Sprintf("iq result from : <query xmlns='jabber:iq:roster'/>, %d", len(roster.Append(nil))),
		fmt.Sprintf("iq result from : <q xmlns='urn:q'/>, %d", len(reply.Append(nil))),
	}, in.all()); d != "" {
		t.Errorf("stanzas received, in the trace (-want +got):\n%s", d)
	}
	if sent < 2000 || received < 2000 {
		t.Errorf("%d octets were sent over the connection and %d received, want thousands", sent, received)
	}
}

func TestTraceShowsWhereTheSetUpFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		fn   func(*pair)
		want []string
	}{
		{"no connection", func(p *pair) {
			p.client.Dialer = func(context.Context) (net.Conn, error) { return nil, errors.New("refused") }
		}, []string{"connecting to site.example:5222", "failed at connect: refused"}},
		{"certificate of somebody else", func(p *pair) {
			p.client.JID = jid.MustParse("ied1@other.example/IEC")
		}, []string{"failed at sasl: the certificate is not for ied1@other.example: it names \"ied1@site.example\""}},
		{"server of an unknown authority", func(p *pair) {
			p.client.Trust = nil
		}, []string{"connecting to site.example:5222", "features [limits starttls]", "insecure TLS 1.3, shown 2 certificates", "failed at tls"}},
		{"account unknown", func(p *pair) {
			p.server.Allowed = func(jid.JID) bool { return false }
		}, []string{"connecting to site.example:5222", "features [limits starttls]", "features [limits mechanisms]", "mechanisms [EXTERNAL]", "failed at sasl"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			var seen notes
			p.client.Trace = &Trace{
				Connecting: func(address string) { seen.add("connecting to %s", address) },
				Features:   func(names []string) { seen.add("features %v", names) },
				Mechanisms: func(names []string) { seen.add("mechanisms %v", names) },
				Insecure: func(state tls.ConnectionState, err error) {
					seen.add("insecure %s, shown %d certificates", tls.VersionName(state.Version), len(state.PeerCertificates))
				},
				Failed: func(err *NegotiationError) {
					if err.Step == StepTLS || len(seen.all()) > 2 {
						seen.add("failed at %s", err.Step)
						return
					}
					seen.add("failed at %s: %v", err.Step, err.Err)
				},
			}
			tt.fn(p)
			served := p.serve(t.Context(), echo)
			if s, err := Dial(t.Context(), p.client); err == nil {
				s.Close()
				t.Error("the stream was set up")
			}
			p.clientEnd.Close()
			<-served
			if d := cmp.Diff(tt.want, seen.all()); d != "" {
				t.Errorf("the client's trace (-want +got):\n%s", d)
			}
		})
	}
}
