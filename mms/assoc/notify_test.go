package assoc_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

func report(text string) *mms.InformationReport {
	return &mms.InformationReport{VariableAccessSpecification: mms.ListOfVariable{{VariableSpecification: mms.VariableName{Name: mms.VMDSpecific("RPT")}}},
		ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Visible(text)}}}
}

func reported(r *mms.InformationReport) string {
	return r.ListOfAccessResult[0].(*mms.Success).Value.Text()
}

// What a handler says of its request comes before the answer, what it has begun is heard of after it: an error of a command
// and its termination. IEC 61850-8-1, LastApplError, CommandTermination.
func TestReportsStandInOrderWithAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := make(chan string, 16)
		var server *assoc.Association
		handle := func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			go func() {
				if err := server.NotifyInTurn(context.Background(), report("termination")); err != nil {
					t.Error(err)
				}
			}()
			time.Sleep(time.Minute)
			if err := server.Notify(ctx, report("error")); err != nil {
				t.Error(err)
			}
			return echo(ctx, r)
		}
		client, s := pair(t, assoc.Config{Notified: func(r *mms.InformationReport) { heard <- reported(r) }}, assoc.Config{}, handle)
		server = s
		if _, err := client.Call(t.Context(), read("x")); err != nil {
			t.Fatal(err)
		}
		if got := len(heard); got == 0 {
			t.Error("the answer is there, and nothing was heard of the error before it")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		close(heard)
		var got []string
		for text := range heard {
			got = append(got, text)
		}
		if want := []string{"error", "termination"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// Reports of both ends cross calls of both ends; those that nobody wants to hear of are no fault.
func TestReportsBothWays(t *testing.T) {
	heard := make(chan string, 100)
	client, server := pair(t, assoc.Config{}, assoc.Config{Notified: func(r *mms.InformationReport) { heard <- reported(r) }}, echo)
	for i := range 100 {
		if err := client.Notify(t.Context(), report("up")); err != nil {
			t.Fatal(err)
		}
		if err := server.Notify(t.Context(), report("down")); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if _, err := client.Call(t.Context(), read("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		if got := <-heard; got != "up" {
			t.Fatalf("heard %q", got)
		}
	}
}

// A report that does not fit, or has no encoding, is an error for its sender and for nobody else.
func TestReportThatCannotBeSent(t *testing.T) {
	a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	client, server := pairOn(t, a, b, assoc.Config{}, assoc.Config{}, echo)
	b.Limit = assoc.MinPDU
	var size *assoc.SizeError
	long := report("")
	long.ListOfAccessResult[0] = &mms.Success{Value: value.Octets(make([]byte, assoc.MinPDU))}
	if err := server.Notify(t.Context(), long); !errors.As(err, &size) {
		t.Errorf("too long: got %v, want a SizeError", err)
	}
	var encoding *mms.ValueError
	if err := server.NotifyInTurn(t.Context(), report("é")); !errors.As(err, &encoding) {
		t.Errorf("no visible string: got %v, want a ValueError", err)
	}
	if _, err := client.Call(t.Context(), read("x")); err != nil {
		t.Errorf("the association did not go on: %v", err)
	}
	server.Abort()
	for name, notify := range map[string]func(context.Context, *mms.InformationReport) error{"Notify": server.Notify, "NotifyInTurn": server.NotifyInTurn} {
		if err := notify(t.Context(), report("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after the end: got %v, want closed", name, err)
		}
	}
}

// A report that waits for its turn can be given up.
func TestReportInTurnIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		client, server := pair(t, assoc.Config{}, assoc.Config{}, func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			<-release
			return echo(ctx, r)
		})
		go client.Call(t.Context(), read("x"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := server.NotifyInTurn(ctx, report("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
		close(release)
	})
}

// sealedLink says when PDUs were protected.
type sealedLink struct {
	assoc.Link
	at time.Time
}

func (l *sealedLink) Sealed() time.Time { return l.at }

// A handler learns when its request was protected, where that is known: what was held back on the way can be refused.
// IEC 62351-4, token2.
func TestHandlerLearnsWhenARequestWasSealed(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, want := range map[string]time.Time{"protected": at, "not protected": {}} {
		t.Run(name, func(t *testing.T) {
			a, b := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
			client, _ := pairOn(t, a, &sealedLink{b, want}, assoc.Config{}, assoc.Config{}, func(ctx context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				within, cancel := context.WithCancel(ctx)
				defer cancel()
				if got, ok := assoc.Sealed(within); !got.Equal(want) || ok == want.IsZero() {
					t.Errorf("sealed at %v, %t, want %v", got, ok, want)
				}
				return echo(ctx, r)
			})
			if _, err := client.Call(t.Context(), read("x")); err != nil {
				t.Fatal(err)
			}
		})
	}
	if _, ok := assoc.Sealed(t.Context()); ok {
		t.Error("a context of no handler has a time")
	}
}
