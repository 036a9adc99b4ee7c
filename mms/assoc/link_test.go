package assoc_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// interposed is a Link on which something happens while a request is being sent.
type interposed struct {
	assoc.Link
	during func(*mms.ConfirmedRequest) error
}

func (l *interposed) Send(ctx context.Context, pdu mms.PDU) error {
	if request, ok := pdu.(*mms.ConfirmedRequest); ok {
		return l.during(request)
	}
	return l.Link.Send(ctx, pdu)
}

// scripted associates over an interposed Link with a peer whose every PDU the test sends itself.
func scripted(t *testing.T) (*interposed, *assoc.Association, func(mms.PDU)) {
	t.Helper()
	a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	link := &interposed{Link: a}
	accepted := make(chan error, 1)
	go func() {
		_, err := b.Recv(t.Context())
		if err == nil {
			detail, nesting := int32(assoc.MinPDU), int8(5)
			err = b.Send(t.Context(), &mms.InitiateResponse{LocalDetailCalled: &detail, NegotiatedMaxServOutstandingCalling: 1,
				NegotiatedMaxServOutstandingCalled: 1, NegotiatedDataStructureNestingLevel: &nesting,
				InitResponseDetail: mms.InitResponseDetail{NegotiatedVersionNumber: 1}})
		}
		accepted <- err
	}()
	client, err := assoc.Initiate(t.Context(), link, assoc.Config{Outstanding: 1})
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Abort)
	// heard sends a PDU and returns once the association has dealt with it: a request behind it is answered.
	heard := func(pdu mms.PDU) {
		err := b.Send(t.Context(), pdu)
		if err == nil {
			err = b.Send(t.Context(), &mms.ConfirmedRequest{InvokeID: 1, Service: read("x")})
		}
		if err == nil {
			_, err = b.Recv(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	}
	return link, client, heard
}

// A peer that answers a call before it is sent, by guessing its invokeID, must not have its slot freed twice.
func TestAnswerToACallThatIsNotSent(t *testing.T) {
	link, client, heard := scripted(t)
	link.during = func(request *mms.ConfirmedRequest) error {
		heard(&mms.Reject{OriginalInvokeID: &request.InvokeID, RejectReason: mms.RejectOther})
		return &assoc.SizeError{Size: 2, Limit: 1}
	}
	for range 3 {
		called := make(chan error, 1)
		go func() {
			_, err := client.Call(t.Context(), read("y"))
			called <- err
		}()
		var size *assoc.SizeError
		select {
		case err := <-called:
			if !errors.As(err, &size) {
				t.Fatalf("got %v, want a SizeError", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("the call hangs")
		}
	}
}

// A call that has been answered is not of unknown outcome, though its context has ended meanwhile.
func TestAnswerBeatsTheEndOfTheContext(t *testing.T) {
	link, client, heard := scripted(t)
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		link.during = func(request *mms.ConfirmedRequest) error {
			heard(&mms.ConfirmedResponse{InvokeID: request.InvokeID, Service: answer(value.Visible("z"))})
			cancel()
			return nil
		}
		if _, err := client.Call(ctx, read("y")); err != nil {
			t.Fatalf("got %v, want the answer", err)
		}
	}
}

// Many a server closes the connection where it should answer a conclude.
func TestConcludeThatTheEndAnswers(t *testing.T) {
	for _, lenient := range []bool{false, true} {
		near, far := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
		server := make(chan error, 1)
		go func() {
			_, err := far.Recv(t.Context())
			detail := int32(assoc.MinPDU)
			err = errors.Join(err, far.Send(t.Context(), &mms.InitiateResponse{LocalDetailCalled: &detail, NegotiatedMaxServOutstandingCalling: 1,
				InitResponseDetail: mms.InitResponseDetail{NegotiatedVersionNumber: 1}}))
			pdu, received := far.Recv(t.Context())
			if _, ok := pdu.(*mms.ConcludeRequest); !ok {
				err = errors.Join(err, received, errors.New("no conclude came"))
			}
			server <- errors.Join(err, far.Close())
		}()
		a, err := assoc.Initiate(t.Context(), near, assoc.Config{Lenient: assoc.Lenient{SilentConclude: lenient}})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Conclude(t.Context()); (err == nil) != lenient {
			t.Errorf("lenient %t: conclude gives %v", lenient, err)
		}
		if err := <-server; err != nil {
			t.Error(err)
		}
		if _, err := a.Call(t.Context(), read("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a call afterwards: %v", err)
		}
	}
}
