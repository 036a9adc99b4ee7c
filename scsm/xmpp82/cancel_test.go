package xmpp82_test

import (
	"testing"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/xmpp/stanza"
)

// A cancel is answered in the reply to its own iq, in every number, and the calls beside it go on.
// IEC 61850-8-2, Table "Mapping of MMS PDUs to XMPP stanzas".
func TestCancelHasItsAnswer(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	links := establish(t, served(bed))
	r := associateRogue(t, bed, "mallory")
	link := <-links
	read := r.post(stanza.Get, r.seal(encode(t, readRequest(1))))
	cancels := []<-chan string{
		r.post(stanza.Get, r.seal(encode(t, &mms.CancelRequest{OriginalInvokeID: 1}))),
		r.post(stanza.Get, r.seal(encode(t, &mms.CancelRequest{OriginalInvokeID: 2}))),
	}
	for range 3 {
		pdu, err := link.Recv(timeout(t))
		if err != nil {
			t.Fatal(err)
		}
		c, ok := pdu.(*mms.CancelRequest)
		if !ok {
			continue
		}
		answer := &mms.CancelError{OriginalInvokeID: c.OriginalInvokeID, ServiceError: mms.ServiceError{ErrorClass: mms.CancelCancelNotPossible}}
		if err := link.Send(timeout(t), answer); err != nil {
			t.Fatal(err)
		}
	}
	answer := &mms.ConfirmedError{InvokeID: 1, ServiceError: mms.ServiceError{ErrorClass: mms.AccessObjectNonExistent}}
	if err := link.Send(timeout(t), answer); err != nil {
		t.Fatal(err)
	}
	for i, call := range append(cancels, read) {
		if got := r.outcome(call); got != "result" {
			t.Errorf("iq %d is answered with %s", i, got)
		}
	}
	link.Close()
}
