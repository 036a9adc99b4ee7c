package xmpp82_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/xmpp82"
	"busbar.example/xmpp"
)

// A PDU that is over the size which both ends agreed on, or over what the server carries, is refused alone, in each
// direction, and the association goes on. ISO 9506-2, Initiate; IEC 61850-8-2; XEP-0478.
func TestPDUsThatAreTooLong(t *testing.T) {
	long := strings.Repeat("X", 30000)
	handler := func(_ context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		if itemOf(r) == "long" {
			return answer(long), nil
		}
		return answer("short"), nil
	}
	for _, tc := range []struct {
		name       string
		ask, serve int // MaxPDU of the associations
		stanza     int // the server's limit
		want       int // agreed; 0 where it depends on the mode
	}{
		{"the client's MMS", assoc.MinPDU, 0, 0, assoc.MinPDU},
		{"the server's MMS", 0, assoc.MinPDU, 0, assoc.MinPDU},
		{"the XMPP server", 0, 0, 30000, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, m := range testbed.Modes82 {
				t.Run(m.String(), func(t *testing.T) {
					bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener(), Stream: xmpp.Limits{Authenticated: tc.stanza}})
					c := pair(t, bed, assoc.Config{MaxPDU: tc.ask}, assoc.Config{MaxPDU: tc.serve, Handler: handler})
					if got := c.client.Parameters().MaxPDU; tc.want != 0 && got != tc.want || got != c.server.Parameters().MaxPDU || got > 30000 {
						t.Errorf("agreed on %d octets and %d", got, c.server.Parameters().MaxPDU)
					}
					var size *assoc.SizeError
					if _, err := c.client.Call(timeout(t), readItem(long)); !errors.As(err, &size) || size.Limit != c.client.Parameters().MaxPDU {
						t.Errorf("a request that is too long: %v", err)
					}
					if _, err := c.client.Call(timeout(t), readItem("long")); !errors.Is(err, &assoc.ServiceError{Class: mms.ServicePDUSize}) {
						t.Errorf("an answer that is too long: %v", err)
					}
					if got, err := c.client.Call(timeout(t), readItem("x")); err != nil || textOf(got) != "short" {
						t.Errorf("afterwards: %v %v", got, err)
					}
				})
			}
		})
	}
}

// The longest PDU that was agreed on passes, both ways, whatever protection makes of it.
func TestPDUsOfTheLengthAgreedOn(t *testing.T) {
	for _, m := range testbed.Modes82 {
		t.Run(m.String(), func(t *testing.T) {
			bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener()})
			c := pair(t, bed, assoc.Config{MaxPDU: 1 << 30}, assoc.Config{MaxPDU: 1 << 30, Handler: echoItem})
			limit := c.client.Parameters().MaxPDU
			over := len(encode(t, &mms.ConfirmedRequest{InvokeID: 1, Service: readItem("X")})) - 1
			item := strings.Repeat("X", limit-over)
			got, err := c.client.Call(timeout(t), readItem(item))
			if err != nil || textOf(got) != item {
				t.Errorf("a PDU of %d octets: %v", limit, err)
			}
		})
	}
}

// What a peer sends over the agreed size is rejected as no PDU of the association.
// ISO 9506-2, RejectPDU, pdu-error.
func TestPeerThatSendsTooLongAPDU(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	links := establish(t, served(bed))
	r := associateRogue(t, bed, "mallory")
	link := <-links
	go link.Recv(timeout(t))
	long := encode(t, &mms.ConfirmedRequest{InvokeID: 1, Service: readItem(strings.Repeat("X", 70000))})
	if got := r.outcome(r.post("get", r.seal(long))); got != "bad-request" {
		t.Errorf("answered with %s, want bad-request", got)
	}
	m := associationContent.FindSubmatch((<-r.got).Payload[:])
	if m == nil {
		t.Fatal("no rejectPDU came")
	}
	link.Close()
}

func TestLimitsThatLeaveNoRoomForAnAssociation(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{Listener: testbed.NewListener(), Stream: xmpp.Limits{Authenticated: 12000}})
	if _, err := xmpp82.Dial(timeout(t), bed.Config("ems")); err == nil || !strings.Contains(err.Error(), "stanzas of 12000 octets") {
		t.Errorf("a server of short stanzas: %v", err)
	}
	cfg := bed.Config("ems")
	cfg.MaxPDU = assoc.MinPDU - 1
	if _, err := xmpp82.Dial(timeout(t), cfg); err == nil || !strings.Contains(err.Error(), "at least 8192") {
		t.Errorf("MaxPDU of 8191: %v", err)
	}
}
