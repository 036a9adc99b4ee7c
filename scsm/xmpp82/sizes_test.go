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

// A PDU that is over what the server carries is refused alone, in each direction, and the association goes on.
// IEC 61850-8-2; XEP-0478.
func TestPDUsThatTheServerDoesNotCarry(t *testing.T) {
	const stanza = 30000
	long := strings.Repeat("X", stanza)
	handler := func(_ context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		if itemOf(r) == "long" {
			return answer(long), nil
		}
		return answer("short"), nil
	}
	for _, m := range testbed.Modes82 {
		t.Run(m.String(), func(t *testing.T) {
			bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener(), Stream: xmpp.Limits{Authenticated: stanza}})
			c := pair(t, bed, assoc.Config{}, assoc.Config{Handler: handler})
			if got := c.client.Parameters().MaxPDU; got != c.server.Parameters().MaxPDU || got > stanza {
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
