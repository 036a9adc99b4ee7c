package assoc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// While a handler runs, what else the peer sends is read before long: its next requests, which wait, and its end.
func TestLongHandlerDoesNotKeepTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
		began, over := make(chan string, 16), make(chan error, 1)
		heard := make(chan string, 1)
		client, _ := pairOn(t, a, b, assoc.Config{}, assoc.Config{Notified: func(r *mms.InformationReport) { heard <- reported(r) }},
			func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				began <- nameOf(r)
				<-ctx.Done()
				over <- context.Cause(ctx)
				return nil, ctx.Err()
			})
		for i := range 3 {
			go client.Call(context.Background(), read(fmt.Sprint(i)))
			synctest.Wait()
		}
		if err := client.Notify(t.Context(), report("meanwhile")); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != "meanwhile" {
			t.Errorf("heard %q", got)
		}
		client.Abort()
		if err := <-over; err == nil {
			t.Error("the handler does not learn of the end")
		}
		synctest.Wait()
		if close(began); len(began) != 1 {
			t.Errorf("%d handlers ran, want the first alone", len(began))
		}
	})
}

// Reports are heard that come when no call is open, or the last has just been answered.
func TestReportsAreHeardBetweenCalls(t *testing.T) {
	heard := make(chan string, 1)
	client, server := pair(t, assoc.Config{Notified: func(r *mms.InformationReport) { heard <- reported(r) }}, assoc.Config{}, echo)
	for i := range 20 {
		for range i % 3 {
			if _, err := client.Call(t.Context(), read("x")); err != nil {
				t.Fatal(err)
			}
		}
		want := fmt.Sprint(i)
		if err := server.Notify(t.Context(), report(want)); err != nil {
			t.Fatal(err)
		}
		if got := <-heard; got != want {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
}

// A caller that reads for others, too, may give up: those go on.
func TestCallerThatReadsGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		client, _ := pair(t, assoc.Config{}, assoc.Config{}, func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			if nameOf(r) == "slow" {
				<-release
			}
			return echo(ctx, r)
		})
		if _, err := client.Call(t.Context(), read("x")); err != nil { // from now on, callers read
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var calls sync.WaitGroup
		calls.Go(func() {
			if _, err := client.Call(ctx, read("slow")); !errors.Is(err, assoc.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the first ends with %v, want that its time is over", err)
			}
		})
		synctest.Wait()
		for i := range 5 {
			calls.Go(func() {
				if got, err := client.Call(t.Context(), read(fmt.Sprint(i))); err != nil || text(got) != fmt.Sprint(i) {
					t.Errorf("call %d is answered with %v %v", i, got, err)
				}
			})
		}
		time.Sleep(2 * time.Second)
		close(release)
		calls.Wait()
	})
}

// A caller that reads meets what is for somebody else: the peer's requests, and its end.
func TestCallerThatReadsMeetsRequests(t *testing.T) {
	var client *assoc.Association
	client, server := pair(t, assoc.Config{Handler: echo}, assoc.Config{}, func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return echo(ctx, r)
	})
	var calls sync.WaitGroup
	for _, from := range []*assoc.Association{client, server} {
		calls.Go(func() {
			for i := range 2000 {
				if got, err := from.Call(t.Context(), read(fmt.Sprint(i))); err != nil || text(got) != fmt.Sprint(i) {
					t.Errorf("call %d is answered with %v %v", i, got, err)
					return
				}
			}
		})
	}
	calls.Wait()
	if err := server.Conclude(t.Context()); err != nil {
		t.Error(err)
	}
	<-client.Done()
	if _, err := client.Call(t.Context(), read("x")); err == nil {
		t.Error("a call is answered after the end")
	}
}

// Callers that come, go and give up at random moments each have their own answer or none, and the association goes on.
func TestCallersAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := pair(t, assoc.Config{Outstanding: 8}, assoc.Config{Outstanding: 8}, echo)
		var callers sync.WaitGroup
		for n := range 12 {
			callers.Go(func() {
				for i := range 300 {
					ctx, cancel := context.WithCancel(t.Context())
					if rand.IntN(3) == 0 {
						time.AfterFunc(time.Duration(rand.IntN(200))*time.Microsecond, cancel)
					}
					name := fmt.Sprintf("%d.%d", n, i)
					got, err := client.Call(ctx, read(name))
					if err == nil && text(got) != name {
						t.Errorf("%s is answered with %s", name, text(got))
					}
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("%s: %v", name, err)
					}
					cancel()
					if rand.IntN(50) == 0 {
						time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond)
					}
				}
			})
		}
		callers.Wait()
		if _, err := client.Call(t.Context(), read("x")); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}
