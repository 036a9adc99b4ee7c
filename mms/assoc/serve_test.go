package assoc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

func nameOf(r mms.ConfirmedServiceRequest) string {
	return r.(*mms.ReadRequest).VariableAccessSpecification.(mms.ListOfVariable)[0].VariableSpecification.(mms.VariableName).Name.(mms.DomainSpecific).ItemID
}

// both associates two ends that serve each other.
func both(t *testing.T, cfg assoc.Config, handle func(self func() *assoc.Association) assoc.Handler) (a, b *assoc.Association) {
	t.Helper()
	ready := make(chan struct{})
	gated := func(self func() *assoc.Association) assoc.Handler {
		h := handle(self)
		return func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			<-ready
			return h(ctx, r)
		}
	}
	ask := cfg
	ask.Handler = gated(func() *assoc.Association { return a })
	a, b = pair(t, ask, cfg, gated(func() *assoc.Association { return b }))
	close(ready)
	return a, b
}

// Both ends have all calls open that were agreed on, and each handler calls back: none waits for another for ever,
// and still one handler runs at a time.
func TestHandlersOfBothEndsCallBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running [2]atomic.Int32
		n := 0
		a, b := both(t, assoc.Config{}, func(self func() *assoc.Association) assoc.Handler {
			mine := &running[n]
			n++
			return func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				if mine.Add(1) != 1 {
					t.Error("two handlers run at once")
				}
				defer mine.Add(-1)
				if nameOf(r)[0] == 'b' {
					return echo(ctx, r)
				}
				mine.Add(-1)
				response, err := self().Call(ctx, read("b"+nameOf(r)))
				mine.Add(1)
				return response, err
			}
		})
		var calls sync.WaitGroup
		for _, from := range []*assoc.Association{a, b} {
			for i := range 16 {
				calls.Go(func() {
					for j := range 20 {
						name := fmt.Sprintf("a%d.%d", i, j)
						got, err := from.Call(t.Context(), read(name))
						if err != nil || text(got) != "b"+name {
							t.Errorf("%s is answered with %v %v", name, got, err)
						}
					}
				})
			}
		}
		calls.Wait()
	})
}

// What a handler starts and leaves behind may go on calling, and holds nothing up.
func TestCallsThatOutliveTheirHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		left := make(chan error, 1)
		a, _ := both(t, assoc.Config{}, func(self func() *assoc.Association) assoc.Handler {
			return func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				switch nameOf(r) {
				case "leave":
					entered := make(chan struct{})
					go func() {
						close(entered)
						_, err := self().Call(ctx, read("slow"))
						left <- err
					}()
					<-entered
				case "slow":
					<-release
				}
				return echo(ctx, r)
			}
		})
		for range 3 {
			if _, err := a.Call(t.Context(), read("leave")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if _, err := a.Call(t.Context(), read("x")); err != nil {
				t.Fatal(err)
			}
			release <- struct{}{}
			if err := <-left; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A side that may have no call open says so at once.
func TestCallWhereNoneWereAgreedOn(t *testing.T) {
	a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	server := make(chan *assoc.Association, 1)
	go func() {
		s, err := assoc.Accept(t.Context(), b, assoc.Config{}, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
			return echo, mms.Services(mms.ServiceRead), nil
		})
		if err != nil {
			t.Error(err)
		}
		server <- s
	}()
	detail, nesting := int32(assoc.MinPDU), int8(5)
	err := a.Send(t.Context(), &mms.InitiateRequest{LocalDetailCalling: &detail, ProposedMaxServOutstandingCalling: 1, ProposedDataStructureNestingLevel: &nesting,
		InitRequestDetail: mms.InitRequestDetail{ProposedVersionNumber: 1,
			ProposedParameterCBB: mms.ParamSTR1 | mms.ParamSTR2 | mms.ParamVNAM | mms.ParamVALT | mms.ParamVLIS}})
	if err != nil {
		t.Fatal(err)
	}
	s := <-server
	defer s.Abort()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.Call(ctx, read("x")); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that no calls were agreed on", err)
	}
}

// Ten thousand calls wait on one association. No more are open than was agreed on, and those that wait go on in the
// order in which they came. ISO 9506-2, Initiate, max-serv-outstanding.
func TestTenThousandCalls(t *testing.T) {
	for _, outstanding := range []int{16, 1000} {
		t.Run(fmt.Sprint(outstanding), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 10000
				begin := make(chan struct{})
				var served []string
				client, _ := pair(t, assoc.Config{Outstanding: outstanding}, assoc.Config{Outstanding: outstanding},
					func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
						<-begin
						served = append(served, nameOf(r))
						return echo(ctx, r)
					})
				var calls sync.WaitGroup
				call := func(i int) {
					calls.Go(func() {
						name := fmt.Sprintf("n%d", i)
						if got, err := client.Call(t.Context(), read(name)); err != nil || text(got) != name {
							t.Errorf("%s is answered with %v %v", name, got, err)
						}
					})
				}
				for i := range outstanding {
					call(i)
				}
				synctest.Wait() // all that may be open are
				for i := outstanding; i < outstanding+100; i++ {
					call(i)
					synctest.Wait()
				}
				for i := outstanding + 100; i < n; i++ {
					call(i)
				}
				for range outstanding + 100 { // one after the other, so that each who waits gets the place that is freed
					begin <- struct{}{}
					synctest.Wait()
				}
				close(begin)
				calls.Wait()
				if len(served) != n {
					t.Fatalf("%d calls were served, want %d", len(served), n)
				}
				for i, name := range served[outstanding : outstanding+100] {
					if want := fmt.Sprintf("n%d", outstanding+i); name != want {
						t.Errorf("call %s was served where %s had waited longer", name, want)
					}
				}
			})
		})
	}
}

func text(r mms.ConfirmedServiceResponse) string {
	return r.(*mms.ReadResponse).ListOfAccessResult[0].(*mms.Success).Value.Text()
}
