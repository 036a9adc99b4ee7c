package xmpp82_test

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// carried keeps what the hooks of an Endpoint are told.
type carried struct {
	mu    sync.Mutex
	lines []string
}

func (c *carried) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, fmt.Sprintf(format, args...))
}

func (c *carried) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines
}

// hooks that hold what they are told against itself.
func (c *carried) hooks(t *testing.T) *xmpp82.Trace {
	return &xmpp82.Trace{
		Carried: func(x xmpp82.Carried) {
			what, pdu := "received", "nothing"
			if x.Sent {
				what = "sent"
				if !bytes.Contains(x.Stanza.Payload, []byte("<"+x.Element+" ")) {
					t.Errorf("%s is not in the stanza %s", x.Element, x.Stanza.Payload)
				}
			}
			if x.Stanza.ID == "" || x.Octets < len(x.XER) || x.ID == "" {
				t.Errorf("id %q, association %q, %d octets of PDU in %d: %+v", x.Stanza.ID, x.ID, len(x.XER), x.Octets, x)
			}
			if x.PDU != nil {
				pdu = fmt.Sprintf("%T", x.PDU)
				if octets, err := mms.AppendXER(nil, x.PDU); err != nil || !bytes.Equal(octets, x.XER) {
					t.Errorf("the PDU is not what its octets say: %v\n%s\n%s", err, octets, x.XER)
				}
			}
			c.add("%s %v %v %s with %s", what, x.Stanza.Kind, x.Stanza.Type, x.Element, pdu)
			if x.Err != nil {
				c.add("refused: %v", x.Err)
			}
		},
		Established: func(e xmpp82.Established) {
			c.add("established with %s, protected %t", e.Peer.Name, e.Protected)
			if e.Protected != (e.E2E.Peer != nil) || e.ID == "" {
				t.Errorf("established: %+v", e)
			}
		},
		Ended: func(peer jid.JID, id string, cause error) { c.add("ended with %v: %v", peer, cause) },
	}
}

func TestTraceShowsEachPDUInItsStanza(t *testing.T) {
	testbed.EachMode82(t, func(t *testing.T, o testbed.Options) {
		b := testbed.Start(t, o)
		b.IED("pv1", pv(t))
		var seen carried
		cfg := b.Config("ems", rbac.Engineer)
		cfg.Trace = seen.hooks(t)
		link, err := b.Dial(cfg).Associate(testbed.JID("pv1"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := mmsmap.Associate(timeout(t), link, assoc.Config{})
		if err != nil {
			t.Fatal(err)
		}
		read(t, c, power)
		if err := c.Release(timeout(t)); err != nil {
			t.Fatal(err)
		}
		request, accept, transfer, protected := "HandshakeReq", "HandshakeAcc", "EncrTransfer", true
		named := func(name string) string { return transfer }
		switch o.Mode {
		case testbed.Off:
			request, accept, protected = "initiate-RequestPDU", "initiate-ResponsePDU", false
			named = func(name string) string { return name }
		case testbed.Clear:
			transfer = "ClearTransfer"
		}
		want := []string{
			"sent iq set " + request + " with *mms.InitiateRequest",
			"received iq result " + accept + " with *mms.InitiateResponse",
			fmt.Sprintf("established with pv1@test.example, protected %t", protected),
			"sent iq get " + named("confirmed-RequestPDU") + " with *mms.ConfirmedRequest",
			"received iq result " + named("confirmed-ResponsePDU") + " with *mms.ConfirmedResponse",
			"sent iq set " + named("conclude-RequestPDU") + " with *mms.ConcludeRequest",
			"received iq result " + named("conclude-ResponsePDU") + " with *mms.ConcludeResponse",
		}
		if protected {
			want = append(want, "sent iq set ReleaseReq with nothing", "received iq result ReleaseRsp with nothing")
		}
		want = append(want, "ended with pv1@test.example/IEC: "+io.EOF.Error())
		if d := cmp.Diff(want, seen.all()); d != "" {
			t.Errorf("the client's trace (-want +got):\n%s", d)
		}
	})
}

func TestTraceShowsWhatIsRefused(t *testing.T) {
	b := testbed.Start(t, testbed.Options{Listener: testbed.NewListener()})
	b.IED("pv1", pv(t))
	var seen carried
	cfg := b.ConfigIn(testbed.Clear, "ems", rbac.Engineer)
	cfg.Trace = seen.hooks(t)
	link, err := b.Dial(cfg).Associate(testbed.JID("pv1"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = mmsmap.Associate(timeout(t), link, assoc.Config{})
	if err == nil {
		t.Fatal("an association in clear with an IED that encrypts")
	}
	want := []string{
		"sent iq set HandshakeReq with *mms.InitiateRequest",
		"received iq result HandshakeSecReject with nothing",
		"refused: " + err.Error(),
		"ended with pv1@test.example/IEC: " + err.Error(),
	}
	if d := cmp.Diff(want, seen.all()); d != "" {
		t.Errorf("the client's trace (-want +got):\n%s", d)
	}
}
