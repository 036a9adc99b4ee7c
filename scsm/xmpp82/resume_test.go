package xmpp82_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
)

// breakable is a connection that can be cut; another comes up by the next dial.
type breakable struct {
	mu   sync.Mutex
	conn net.Conn
}

func (b *breakable) wrap(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.conn = conn
		return conn, err
	}
}

func (b *breakable) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conn.Close()
}

// TestE7AssociationSurvivesACutConnection cuts the connections of both ends in the middle of reports and reads: the streams
// are resumed, what is sent again is known to the receiver by its count, and E2E sees each PDU once and in order, or it would
// end the association. XEP-0198, Section 5.
func TestE7AssociationSurvivesACutConnection(t *testing.T) {
	for _, m := range testbed.Modes82 {
		t.Run(m.String(), func(t *testing.T) {
			bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener()})
			var cables [2]breakable
			cfg := bed.Config("pv1")
			cfg.Serve = true
			cfg.XMPP.Dialer, cfg.XMPP.Resume = cables[0].wrap(cfg.XMPP.Dialer), 0
			server := bed.Dial(cfg)
			cfg = bed.Config("ems")
			cfg.XMPP.Dialer, cfg.XMPP.Resume = cables[1].wrap(cfg.XMPP.Dialer), 0
			client := bed.Dial(cfg)

			const reads, reports = 120, 300
			got := make(chan string, reports)
			echoes := func(_ context.Context, r mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				return answer(itemOf(r)), nil
			}
			a, b := join(t, client, server, assoc.Config{Notified: func(r *mms.InformationReport) { got <- reported(r) }}, assoc.Config{Handler: echoes})
			var work sync.WaitGroup
			work.Go(func() {
				for i := range reports {
					if err := b.Notify(timeout(t), report(fmt.Sprint(i))); err != nil {
						t.Errorf("report %d: %v", i, err)
						return
					}
					if i%60 == 30 {
						cables[i/60%2].cut()
					}
				}
			})
			work.Go(func() {
				for i := range reads {
					want := fmt.Sprint("item", i)
					r, err := a.Call(timeout(t), readItem(want))
					if err != nil {
						t.Errorf("read %d: %v", i, err)
						return
					}
					if got := textOf(r); got != want {
						t.Errorf("read %d: got %s, want %s", i, got, want)
					}
					if i%40 == 20 {
						cables[i/40%2].cut()
					}
				}
			})
			work.Wait()
			for i := range reports {
				select {
				case r := <-got:
					if r != fmt.Sprint(i) {
						t.Fatalf("report %s comes where %d should", r, i)
					}
				case <-time.After(time.Minute):
					t.Fatalf("report %d does not come", i)
				}
			}
			if err := a.Err(); err != nil {
				t.Errorf("the association ended: %v", err)
			}
			resumed := 0
			for _, e := range bed.Audit.Events() {
				if e.ID == audit.StreamResumed {
					resumed++
				}
			}
			if resumed == 0 {
				t.Error("no stream was resumed")
			}
		})
	}
}
