package xmpp82

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/xmpp/stanza"
)

// Reports have their room in the window back when the peer has answered a probe that was sent after them; requests share it.
func TestWindowOfReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const report = windowSize / 16
		w := new(window)
		var probes []int
		probe := func(octets int) { probes = append(probes, octets) }
		enter := func(ctx context.Context, octets int) error { return w.enter(ctx, context.Background(), octets, probe) }
		tell := func() {
			t.Helper()
			if err := enter(t.Context(), report); err != nil {
				t.Fatal(err)
			}
			if due := w.tell(report); due > 0 {
				probe(due)
			}
		}
		for range 16 {
			tell()
		}
		if want := []int{4 * report}; !slices.Equal(probes, want) {
			t.Fatalf("probed for %v, want %v: a second waits for the answer to the first", probes, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := enter(ctx, report); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("beyond the window: %v, want a deadline", err)
		}
		admitted := make(chan error, 1)
		go func() { admitted <- enter(t.Context(), 8*report) }() // a request that needs more than the first probe gives back
		synctest.Wait()
		due := w.probed(probes[0])
		if due != 12*report {
			t.Errorf("the next probe is for %d, want %d: a request waits", due, 12*report)
		}
		if w.probed(due) != 0 {
			t.Error("a probe is due though nothing was told since the last")
		}
		if err := <-admitted; err != nil || w.used != 8*report {
			t.Errorf("admitted with %v, %d octets are used, want %d", err, w.used, 8*report)
		}
		w.leave(8 * report)
		tell()
		if len(probes) != 1 || w.used != report {
			t.Errorf("one report more: probed for %v, %d octets are used", probes, w.used)
		}
	})
}

// A message that finds the inbox full waits until half of it has been read, and not for ever.
func TestMessagesWaitForRoom(t *testing.T) {
	message := inbound{stanza: stanza.Stanza{Kind: stanza.Message}}
	for _, tc := range []struct {
		name          string
		meanwhile     func(*ledger)
		queued, ended bool
		took          time.Duration
	}{
		{"half is read", func(l *ledger) {
			for range inboxSize / 2 {
				time.Sleep(time.Millisecond)
				l.take()
			}
		}, true, false, inboxSize / 2 * time.Millisecond},
		{"little is read", func(l *ledger) { l.take() }, true, false, inboxPatience},
		{"nothing is read", func(*ledger) {}, false, false, inboxPatience},
		{"it ends", func(l *ledger) { l.end() }, false, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger()
				for range inboxSize {
					if queued, _ := l.put(message); !queued {
						t.Fatal("no room in an empty inbox")
					}
				}
				begin := time.Now()
				go func() {
					synctest.Wait()
					tc.meanwhile(&l)
				}()
				queued, ended := l.putLater(message, inboxPatience)
				if took := time.Since(begin); queued != tc.queued || ended != tc.ended || took != tc.took {
					t.Errorf("queued %t, ended %t after %v, want %t, %t after %v", queued, ended, took, tc.queued, tc.ended, tc.took)
				}
			})
		})
	}
}
