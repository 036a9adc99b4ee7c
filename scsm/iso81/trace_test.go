package iso81_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"testing"

	"busbar.example/acsi"
	"busbar.example/scsm/iso81"
	"busbar.example/secure/rbac"
)

// notes writes what hooks are told in one line each.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(&n.text, format+"\n", args...)
}

func (n *notes) trace() *iso81.Trace {
	return &iso81.Trace{
		Connected: func(_, _ string) { n.add("connected") },
		TLS:       func(cs tls.ConnectionState) { n.add("TLS %s", tls.VersionName(cs.Version)) },
		Transport: func(i iso81.TransportInfo) {
			n.add("transport %d of %d, %x to %x", i.Agreed, i.Proposed, i.Calling, i.Called)
		},
		Session: func(i iso81.SessionInfo) {
			n.add("session version %d, %04x, %x to %x", i.Version, i.Units, i.Calling, i.Called)
		},
		Presentation: func(i iso81.PresentationInfo) {
			n.add("presentation %v, %x", i.Contexts, i.Called)
		},
		ACSE: func(i iso81.ACSEInfo) {
			n.add("ACSE %s, %s %s to %s %s, %q %q", i.ApplicationContext, i.CallingAPTitle, i.CallingAEQualifier, i.CalledAPTitle, i.CalledAEQualifier, i.Mechanism, i.Result)
		},
		Established: func(peer rbac.Subject) { n.add("established, unauthenticated: %t", peer.Unauthenticated) },
		Carried: func(c iso81.Carried) {
			way := "<"
			if c.Sent {
				way = ">"
			}
			size := fmt.Sprintf("%d octets with %d of MMS", c.TSDU, len(c.BER))
			if c.SPDU != "DATA TRANSFER" { // in which sizes do not change with what MMS can do
				size = ""
			}
			n.add("%s %s %T %s in %d packets, %v", way, c.SPDU, c.PDU, size, c.Packets, c.Err)
		},
		Ended: func(cause error) { n.add("ended: %v", cause) },
	}
}

// Hooks are told each layer as it is set up, and each TSDU, on both ends.
func TestTraceShowsEachLayer(t *testing.T) {
	var client, server notes
	s := start(t, mode{tls: true}, func(s *site) {
		s.client.Trace, s.server.Trace = client.trace(), server.trace()
		s.client.Auth = &iso81.Auth{Password: []byte("secret")}
		s.client.MaxTPDU = 128
	})
	c := s.associate()
	if _, err := c.GetDataValues(timeout(t), []acsi.Ref{setting}); err != nil {
		t.Fatal(err)
	}
	must(t, c.Release(timeout(t)))
	must(t, <-s.ended)
	const contexts = "[{1 2.2.1.0.1 true} {3 1.0.9506.2.1 true}]"
	checkNotes(t, "client", &client, `connected
TLS TLS 1.3
transport 128 of 128, 0001 to 0001
> CONNECT *mms.InitiateRequest  in 2 packets, <nil>
session version 2, 0002,  to 0001
presentation `+contexts+`, 00000001
ACSE 1.0.9506.2.3,   to  , "" "accepted"
< ACCEPT *mms.InitiateResponse  in 2 packets, <nil>
established, unauthenticated: false
> DATA TRANSFER *mms.ConfirmedRequest 62 octets with 49 of MMS in 1 packets, <nil>
< DATA TRANSFER *mms.ConfirmedResponse 29 octets with 16 of MMS in 1 packets, <nil>
> DATA TRANSFER *mms.ConcludeRequest 15 octets with 2 of MMS in 1 packets, <nil>
< DATA TRANSFER *mms.ConcludeResponse 15 octets with 2 of MMS in 1 packets, <nil>
> FINISH <nil>  in 1 packets, <nil>
< DISCONNECT <nil>  in 1 packets, EOF
ended: EOF
`)
	checkNotes(t, "server", &server, `connected
TLS TLS 1.3
transport 128 of 128, 0001 to 0001
session version 2, 0002, 0001 to 0001
presentation `+contexts+`, 00000001
ACSE 1.0.9506.2.3, 1.1.1.999 12 to 1.1.1.999.1 12, "2.2.3.1" ""
< CONNECT *mms.InitiateRequest  in 2 packets, <nil>
established, unauthenticated: false
> ACCEPT *mms.InitiateResponse  in 2 packets, <nil>
< DATA TRANSFER *mms.ConfirmedRequest 62 octets with 49 of MMS in 1 packets, <nil>
> DATA TRANSFER *mms.ConfirmedResponse 29 octets with 16 of MMS in 1 packets, <nil>
< DATA TRANSFER *mms.ConcludeRequest 15 octets with 2 of MMS in 1 packets, <nil>
> DATA TRANSFER *mms.ConcludeResponse 15 octets with 2 of MMS in 1 packets, <nil>
< FINISH <nil>  in 1 packets, <nil>
> DISCONNECT <nil>  in 1 packets, <nil>
ended: EOF
`)
	if strings.Contains(client.text.String()+server.text.String(), "secret") {
		t.Error("the hooks are shown the password")
	}
}

func checkNotes(t *testing.T, who string, n *notes, want string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := n.text.String(); got != want {
		t.Errorf("%s: got\n%swant\n%s", who, got, want)
	}
}

// What one read costs both ends in pieces of memory.
func TestAllocationsOfARead(t *testing.T) {
	c := start(t, mode{}).associate()
	ctx, refs := t.Context(), []acsi.Ref{setting}
	const most = 20
	if got := testing.AllocsPerRun(500, func() {
		if _, err := c.GetDataValues(ctx, refs); err != nil {
			t.Fatal(err)
		}
	}); got > most {
		t.Errorf("a read takes %.1f allocations at both ends together, at most %d are allowed", got, most)
	}
}
