package assoc_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(item string) *mms.ReadRequest {
	return &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{
		{VariableSpecification: mms.VariableName{Name: mms.DomainSpecific{DomainID: "LD", ItemID: item}}}}}
}

func answer(v value.Value) *mms.ReadResponse {
	return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: v}}}
}

// pair associates two ends over a pipe; handle serves the asking side's requests.
func pair(t *testing.T, ask, serve assoc.Config, handle assoc.Handler) (client, server *assoc.Association) {
	t.Helper()
	a, b := testbed.Pipe(rbac.Subject{Name: "client"}, rbac.Subject{Name: "server"})
	return pairOn(t, a, b, ask, serve, handle)
}

func pairOn(t *testing.T, a, b assoc.Link, ask, serve assoc.Config, handle assoc.Handler) (client, server *assoc.Association) {
	t.Helper()
	accepted := make(chan error, 1)
	go func() {
		var err error
		server, err = assoc.Accept(t.Context(), b, serve, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
			return handle, mms.Services(mms.ServiceRead), nil
		})
		accepted <- err
	}()
	client, err := assoc.Initiate(t.Context(), a, ask)
	if err != nil {
		t.Fatalf("initiate: %v", err)
	}
	if err := <-accepted; err != nil {
		t.Fatalf("accept: %v", err)
	}
	t.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

func echo(_ context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	item := r.(*mms.ReadRequest).VariableAccessSpecification.(mms.ListOfVariable)[0].VariableSpecification.(mms.VariableName).Name.(mms.DomainSpecific).ItemID
	return answer(value.Visible(item)), nil
}

// ISO 9506-2, Initiate: each number is the smaller of both ends'.
func TestInitiateAgreesOnTheSmaller(t *testing.T) {
	client, server := pair(t, assoc.Config{MaxPDU: 20000, Outstanding: 5}, assoc.Config{MaxPDU: 30000, Outstanding: 3, Nesting: 7}, echo)
	for name, p := range map[string]assoc.Parameters{"client": client.Parameters(), "server": server.Parameters()} {
		if p.MaxPDU != 20000 || p.Ours != 3 || p.Theirs != 3 || p.Nesting != 7 {
			t.Errorf("%s agreed on %+v, want 20000 octets, 3 calls each way, nesting 7", name, p)
		}
	}
	if !client.Parameters().Services.Has(mms.ServiceRead) {
		t.Error("the client does not know that the server reads")
	}
	if client.Peer().Name != "server" || server.Peer().Name != "client" {
		t.Errorf("peers are %v and %v", client.Peer(), server.Peer())
	}
}

func TestCallsAreAnsweredByInvokeID(t *testing.T) {
	client, _ := pair(t, assoc.Config{}, assoc.Config{}, echo)
	var calls sync.WaitGroup
	for i := range 200 {
		calls.Go(func() {
			item := string(rune('A'+i%26)) + "x"
			got, err := client.Call(t.Context(), read(item))
			if err != nil {
				t.Errorf("call %d: %v", i, err)
				return
			}
			if v := got.(*mms.ReadResponse).ListOfAccessResult[0].(*mms.Success).Value.Text(); v != item {
				t.Errorf("call for %s is answered with %s", item, v)
			}
		})
	}
	calls.Wait()
}

// The side that was asked for the association calls the one that asked, from within a handler: SetFile works so.
func TestHandlerCallsBack(t *testing.T) {
	a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	accepted := make(chan error, 1)
	go func() {
		s, err := assoc.Accept(t.Context(), b, assoc.Config{}, func(s *assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
			return func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				return s.Call(ctx, read("back"))
			}, mms.ServiceSupportOptions{}, nil
		})
		accepted <- err
		<-s.Done()
	}()
	client, err := assoc.Initiate(t.Context(), a, assoc.Config{Handler: echo})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	got, err := client.Call(t.Context(), read("x"))
	if err != nil || got.(*mms.ReadResponse).ListOfAccessResult[0].(*mms.Success).Value.Text() != "back" {
		t.Errorf("got %v %v", got, err)
	}
	client.Abort()
}

func TestFailuresReachTheCaller(t *testing.T) {
	var faults []error
	for _, tc := range []struct {
		name string
		err  error
		want error
	}{
		{"service error", &assoc.ServiceError{Class: mms.AccessObjectNonExistent}, &assoc.ServiceError{Class: mms.AccessObjectNonExistent}},
		{"not served", assoc.ErrUnrecognizedService, nil},
		{"a fault of ours tells nothing", errors.New("disk path /secret"), &assoc.ServiceError{Class: mms.OthersOther}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults = nil
			client, server := pair(t, assoc.Config{}, assoc.Config{Fault: func(err error) { faults = append(faults, err) }},
				func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
					return nil, tc.err
				})
			_, err := client.Call(t.Context(), read("x"))
			if tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			var reject *assoc.RejectError
			if tc.want == nil && (!errors.As(err, &reject) || reject.Reason != mms.RejectUnrecognizedService) {
				t.Errorf("got %v, want reject unrecognized-service", err)
			}
			if client.Err() != nil {
				t.Errorf("the association ended: %v", client.Err())
			}
			server.Abort()
			if told := tc.name == "a fault of ours tells nothing"; told != (len(faults) == 1) {
				t.Errorf("faults heard: %v", faults)
			}
		})
	}
}

func TestAnswerTooLargeBecomesAnError(t *testing.T) {
	a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	b.Limit = assoc.MinPDU
	fault := func(err error) { t.Errorf("what the peer is told is no fault: %v", err) }
	client, _ := pairOn(t, a, b, assoc.Config{}, assoc.Config{Fault: fault}, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return answer(value.Octets(make([]byte, assoc.MinPDU))), nil
	})
	_, err := client.Call(t.Context(), read("x"))
	if !errors.Is(err, &assoc.ServiceError{Class: mms.ServicePDUSize}) {
		t.Errorf("got %v, want pdu-size", err)
	}
	if _, err := client.Call(t.Context(), read("y")); !errors.Is(err, &assoc.ServiceError{Class: mms.ServicePDUSize}) {
		t.Errorf("the association did not go on: %v", err)
	}
}

func TestRequestTooLargeIsNotSent(t *testing.T) {
	a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	client, _ := pairOn(t, a, b, assoc.Config{Outstanding: 1}, assoc.Config{}, echo)
	a.Limit = 100
	var size *assoc.SizeError
	for range 3 { // more often than there are slots: a refused call must give its slot back
		if _, err := client.Call(t.Context(), read("x")); !errors.As(err, &size) || size.Limit != 100 {
			t.Fatalf("got %v, want a SizeError", err)
		}
	}
}

// A value that has no encoding fails its own call and no other.
func TestPDUWithoutEncodingIsNotSent(t *testing.T) {
	faults := make(chan error, 1)
	client, _ := pair(t, assoc.Config{Outstanding: 1}, assoc.Config{Fault: func(err error) { faults <- err }}, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return answer(value.Visible("é")), nil
	})
	for range 3 {
		if _, err := client.Call(t.Context(), read("x")); !errors.Is(err, &assoc.ServiceError{Class: mms.OthersOther}) {
			t.Fatalf("the server's fault: got %v, want others: other", err)
		}
		var value *mms.ValueError
		if err := <-faults; !errors.As(err, &value) {
			t.Errorf("fault: got %v, want a ValueError", err)
		}
		if _, err := client.Call(t.Context(), read("\x00")); !errors.As(err, &value) {
			t.Fatalf("the client's fault: got %v, want a ValueError", err)
		}
	}
}

func TestOutstandingCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		open := make(chan struct{}, 10)
		client, _ := pair(t, assoc.Config{Outstanding: 2}, assoc.Config{}, func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			open <- struct{}{}
			<-release
			return echo(ctx, r)
		})
		for range 2 {
			go client.Call(t.Context(), read("x"))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Call(ctx, read("third")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, assoc.ErrNoAnswer) {
			t.Errorf("third call: %v, want a deadline before anything was sent", err)
		}
		close(release)
		synctest.Wait()
		if _, err := client.Call(t.Context(), read("x")); err != nil {
			t.Errorf("after the answers: %v", err)
		}
	})
}

// A caller that gives up does not free its slot: the peer still counts the call.
func TestCancelledCallHasNoKnownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		client, _ := pair(t, assoc.Config{Outstanding: 1}, assoc.Config{}, func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			<-release
			return echo(ctx, r)
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Call(ctx, read("x")); !errors.Is(err, assoc.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want no answer", err)
		}
		close(release)
		got, err := client.Call(t.Context(), read("y"))
		if err != nil || got.(*mms.ReadResponse).ListOfAccessResult[0].(*mms.Success).Value.Text() != "y" {
			t.Errorf("the late answer spoils the next call: %v %v", got, err)
		}
	})
}

func TestConcludeEndsBothInOrder(t *testing.T) {
	client, server := pair(t, assoc.Config{}, assoc.Config{}, echo)
	if err := client.Conclude(t.Context()); err != nil {
		t.Errorf("conclude: %v", err)
	}
	<-server.Done()
	if client.Err() != nil || server.Err() != nil {
		t.Errorf("ended with %v and %v, want nil", client.Err(), server.Err())
	}
	if _, err := client.Call(t.Context(), read("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("call after conclude: %v, want closed", err)
	}
}

func TestAbortLeavesCallsWithoutAnswer(t *testing.T) {
	entered := make(chan struct{})
	client, server := pair(t, assoc.Config{}, assoc.Config{}, func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	go func() {
		<-entered
		server.Abort()
	}()
	if _, err := client.Call(t.Context(), read("x")); !errors.Is(err, assoc.ErrNoAnswer) {
		t.Errorf("got %v, want no answer", err)
	}
	<-client.Done()
	if client.Err() == nil {
		t.Error("the client's end has no reason")
	}
}

func TestServerRefusesPeer(t *testing.T) {
	a, b := testbed.Pipe(rbac.Subject{Name: "nobody"}, rbac.Subject{})
	refused := errors.New("not you")
	got := make(chan error, 1)
	go func() {
		_, err := assoc.Accept(t.Context(), b, assoc.Config{}, func(a *assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
			return nil, mms.ServiceSupportOptions{}, refused
		})
		got <- err
	}()
	_, err := assoc.Initiate(t.Context(), a, assoc.Config{})
	var initiate *assoc.InitiateError
	if !errors.As(err, &initiate) || !initiate.Remote || initiate.Class != mms.AccessObjectAccessDenied {
		t.Errorf("client: %v, want object-access-denied", err)
	}
	if err := <-got; !errors.Is(err, refused) {
		t.Errorf("server: %v", err)
	}
}
