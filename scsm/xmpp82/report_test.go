package xmpp82_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"busbar.example/xmpp/stanza"
)

func report(text string) *mms.InformationReport {
	return &mms.InformationReport{VariableAccessSpecification: mms.VariableListName{Name: mms.VMDSpecific("RPT")},
		ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Visible(text)}}}
}

func reported(r *mms.InformationReport) string {
	return r.ListOfAccessResult[0].(*mms.Success).Value.Text()
}

// notified collects reports.
type notified struct {
	mu    sync.Mutex
	texts []string
}

func (n *notified) hear(r *mms.InformationReport) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.texts = append(n.texts, reported(r))
}

func (n *notified) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.texts)
}

// serveRaw has ied take one association whose every request handle answers.
func serveRaw(t *testing.T, bed *testbed.Bed, cfg assoc.Config, handle func(*assoc.Association) assoc.Handler) {
	t.Helper()
	e := served(bed)
	ctx := timeout(t)
	go func() {
		link, err := e.Accept(ctx)
		if err == nil {
			_, err = assoc.Accept(ctx, link, cfg, func(a *assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
				return handle(a), mms.Services(mms.ServiceRead), nil
			})
		}
		if err != nil {
			t.Error(err)
		}
	}()
}

// Reports travel both ways in messages of type normal, and in order with the answers that travel in iqs.
// IEC 61850-8-2, Table "Mapping of MMS PDUs to XMPP stanzas".
func TestReportsAndAnswersComeInOrder(t *testing.T) {
	testbed.EachMode82(t, func(t *testing.T, o testbed.Options) {
		var mu sync.Mutex
		carried := make(map[string]int)
		bed := testbed.Start(t, o)
		var up, down notified
		const n = 20
		serveRaw(t, bed, assoc.Config{Notified: up.hear}, func(a *assoc.Association) assoc.Handler {
			count := 0
			return func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				count++
				for _, when := range []string{"a", "b"} {
					if err := a.Notify(ctx, report(fmt.Sprint(count, when))); err != nil {
						t.Error(err)
					}
				}
				return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Int(1)}}}, nil
			}
		})
		cfg := bed.Config("ems", rbac.Viewer)
		cfg.Trace = &xmpp82.Trace{Carried: func(c xmpp82.Carried) {
			if _, ok := c.PDU.(*mms.Unconfirmed); ok {
				mu.Lock()
				defer mu.Unlock()
				carried[fmt.Sprintf("%t %v %v", c.Sent, c.Stanza.Kind, c.Stanza.Type)]++
			}
		}}
		link, err := bed.Dial(cfg).Associate(testbed.JID("pv1"))
		if err != nil {
			t.Fatal(err)
		}
		client, err := assoc.Initiate(timeout(t), link, assoc.Config{Notified: down.hear})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Abort()
		var want, sent []string
		for i := range n {
			text := fmt.Sprint("up", i)
			if err := client.Notify(timeout(t), report(text)); err != nil {
				t.Fatal(err)
			}
			if _, err := client.Call(timeout(t), readOne()); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, text)
			want = append(want, fmt.Sprint(i+1, "a"), fmt.Sprint(i+1, "b"))
			if got := down.all(); !slices.Equal(got, want) {
				t.Fatalf("after answer %d: heard %q, want %q", i+1, got, want)
			}
			if got := up.all(); !slices.Equal(got, sent) {
				t.Fatalf("after answer %d: the other end heard %q, want %q", i+1, got, sent)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		message := fmt.Sprintf("%v %v", stanza.Message, stanza.Normal)
		if carried["true "+message] != n || carried["false "+message] != 2*n || len(carried) != 2 {
			t.Errorf("reports were carried by %v, want messages of type normal", carried)
		}
	})
}

func readOne() *mms.ReadRequest {
	return &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{
		{VariableSpecification: mms.VariableName{Name: mms.DomainSpecific{DomainID: "LD", ItemID: "x"}}}}}
}

// A request tells its handler when it was sealed, whatever a server did with it on the way; without end-to-end security
// there is nobody to believe. IEC 62351-4, token2.
func TestRequestHeldBackOnTheWay(t *testing.T) {
	for _, m := range testbed.Modes82 {
		t.Run(m.String(), func(t *testing.T) {
			bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener()})
			times := make(chan time.Time, 1)
			serveRaw(t, bed, assoc.Config{}, func(*assoc.Association) assoc.Handler {
				return func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
					at, _ := assoc.Sealed(ctx)
					times <- at
					return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Int(1)}}}, nil
				}
			})
			cfg := bed.Config("ems", rbac.Viewer)
			cfg.Now = func() time.Time { return time.Now().Add(-time.Minute) }
			link, err := bed.Dial(cfg).Associate(testbed.JID("pv1"))
			if err != nil {
				t.Fatal(err)
			}
			client, err := assoc.Initiate(timeout(t), link, assoc.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Abort()
			if _, err := client.Call(timeout(t), readOne()); err != nil {
				t.Fatal(err)
			}
			age := time.Since(<-times)
			if m == testbed.Off && age < 24*time.Hour || m != testbed.Off && (age < 50*time.Second || age > 90*time.Second) {
				t.Errorf("the request is said to be %v old, want a minute, or never", age)
			}
		})
	}
}

// More reports than any queue on the way has room for come all, and in order, also where the client reads slowly.
func TestManyReportsAtOnce(t *testing.T) {
	const n, size = 400, 1000
	const full = 160 // reports fill the inbox, and some of the window behind it, also where the probes that went out are not answered
	for _, m := range testbed.Modes82 {
		t.Run(m.String(), func(t *testing.T) {
			bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener()})
			filling, slow := strings.Repeat("x", size), make(chan struct{})
			serveRaw(t, bed, assoc.Config{}, func(a *assoc.Association) assoc.Handler {
				return func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
					go func() {
						for i := range n {
							if err := a.Notify(timeout(t), report(fmt.Sprintf("%d %s", i, filling))); err != nil {
								t.Errorf("report %d: %v", i, err)
								return
							}
							if i == full {
								close(slow)
							}
						}
					}()
					return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Int(1)}}}, nil
				}
			})
			link, err := bed.Dial(bed.Config("ems", rbac.Viewer)).Associate(testbed.JID("pv1"))
			if err != nil {
				t.Fatal(err)
			}
			all, next := make(chan struct{}), 0
			client, err := assoc.Initiate(timeout(t), link, assoc.Config{Notified: func(r *mms.InformationReport) {
				if next == 0 {
					select {
					case <-slow:
					case <-timeout(t).Done():
					}
				}
				if got, _, _ := strings.Cut(reported(r), " "); got != fmt.Sprint(next) {
					t.Errorf("report %s comes where %d should", got, next)
				}
				if next++; next == n {
					close(all)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Abort()
			if _, err := client.Call(timeout(t), readOne()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-all:
			case <-client.Done():
				t.Errorf("the association ended: %v", client.Err())
			}
		})
	}
}
