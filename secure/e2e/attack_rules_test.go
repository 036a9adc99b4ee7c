package e2e

import (
	"testing"
	"time"

	"busbar.example/secure/audit"
)

// TestE5: association ids that collide, come again, or are another's.
func TestE5(t *testing.T) { eachAlgorithm(t, testE5) }

func testE5(t *testing.T, newWorld func(testing.TB) *world) {
	t.Run("the id of a live association", func(t *testing.T) {
		w := newWorld(t)
		w.associate()
		w.now = w.now.Add(maxSkew)
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", req)
		if r := w.refusal(err, audit.E2EAssociationID); r.Told != "" {
			t.Errorf("told %q", r.Told)
		}
		wantEvent(t, w.seen, audit.E2EAssociationID)
	})
	t.Run("the id of an association that has ended", func(t *testing.T) {
		w := newWorld(t)
		_, server := w.associate()
		w.now = w.now.Add(idLife)
		server.Close(w.now, "test")
		w.now = w.now.Add(idLife - time.Millisecond)
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", req)
		w.refusal(err, audit.E2EAssociationID)
		w.now = w.now.Add(time.Millisecond)
		w.associate()
	})
	t.Run("the id of a handshake that came to nothing", func(t *testing.T) {
		w := newWorld(t)
		w.offer("17")
		w.now = w.now.Add(idLife - time.Millisecond)
		_, req := w.request("17")
		_, err := w.responder.Open(w.now, clientFull, "17", req)
		w.refusal(err, audit.E2EAssociationID)
	})
	t.Run("the same id of another resource", func(t *testing.T) {
		w := newWorld(t)
		w.associate()
		_, req := w.request("17")
		if _, err := w.responder.Open(w.now, clientJID+"/IEC-2", "17", req); err != nil {
			t.Error(err)
		}
	})
	t.Run("data with another id in the context", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		_, err := server.Open(w.now, clientFull, "17:935", w.seal(client, appData))
		w.refusal(err, audit.E2EAssociationID)
		wantEvent(t, w.seen, audit.E2EAssociationID)
		w.wantEnded(server)
	})
	t.Run("data of another association", func(t *testing.T) {
		w := newWorld(t)
		_, server := w.associate()
		i, acc, _ := w.accept("18", "935")
		client, _, err := i.Answer(w.now, serverFull, "18:935", acc)
		if err != nil {
			t.Fatal(err)
		}
		w.refusedBy(server, w.seal(client, appData), audit.E2EAssociationID)
	})
	t.Run("abort of another association", func(t *testing.T) {
		w := newWorld(t)
		_, server := w.associate()
		i, acc, _ := w.accept("18", "935")
		client, _, err := i.Answer(w.now, serverFull, "18:935", acc)
		if err != nil {
			t.Fatal(err)
		}
		octets, err := client.Abort(w.now, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.refusedBy(server, octets, audit.E2EAssociationID)
	})
}

// TestE6: clocks that differ, and time that goes back.
func TestE6(t *testing.T) { eachAlgorithm(t, testE6) }

func testE6(t *testing.T, newWorld func(testing.TB) *world) {
	for _, tt := range []struct {
		name string
		skew time.Duration
		ok   bool
	}{
		{"9:59 behind", -(maxSkew - time.Second), true},
		{"9:59 ahead", maxSkew - time.Second, true},
		{"10:01 behind", -(maxSkew + time.Second), false},
		{"10:01 ahead", maxSkew + time.Second, false},
	} {
		t.Run("handshake "+tt.name, func(t *testing.T) {
			w := newWorld(t)
			now := w.now
			_, req := w.request("17")
			_, err := w.responder.Open(now.Add(tt.skew), clientFull, "17", req)
			if !tt.ok {
				r := w.refusal(err, audit.E2ETime)
				wantEvent(t, w.seen, audit.E2ETime)
				if r.Told != "invalid-time-value" {
					t.Errorf("told %q", r.Told)
				}
			} else if err != nil {
				t.Error(err)
			}
		})
		t.Run("acceptance "+tt.name, func(t *testing.T) {
			w := newWorld(t)
			i, acc, _ := w.accept("17", "934")
			_, _, err := i.Answer(w.now.Add(tt.skew), serverFull, "17:934", acc)
			if !tt.ok {
				w.refusal(err, audit.E2ETime)
				wantEvent(t, w.heard, audit.E2ETime)
			} else if err != nil {
				t.Error(err)
			}
		})
		t.Run("data "+tt.name, func(t *testing.T) {
			w := newWorld(t)
			client, server := w.associate()
			octets := w.seal(client, appData)
			w.now = w.now.Add(tt.skew)
			if !tt.ok {
				w.refusedBy(server, octets, audit.E2ETime)
			} else {
				w.deliver(server, octets, appData)
			}
		})
	}
	t.Run("the sender's time goes back", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		client.sent = clock{} // forgets that time must not go back
		w.now = w.now.Add(-time.Second)
		w.refusedBy(server, w.seal(client, appData), w.ids().replay)
	})
	t.Run("an abort is older than the last data", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		client.sent = clock{}
		w.now = w.now.Add(-time.Second)
		octets, err := client.Abort(w.now, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.refusedBy(server, octets, audit.E2EReplay)
	})
}

// TestE7: gaps, drops, repetitions, wraps and reordering.
func TestE7(t *testing.T) { eachAlgorithm(t, testE7) }

func testE7(t *testing.T, newWorld func(testing.TB) *world) {
	t.Run("a PDU is dropped", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		w.seal(client, appData)
		w.refusedBy(server, w.seal(client, appData), audit.E2ESequence)
	})
	t.Run("a PDU is dropped and time goes on", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		w.seal(client, appData)
		w.now = w.now.Add(time.Second)
		w.refusedBy(server, w.seal(client, appData), audit.E2ESequence)
	})
	t.Run("two PDUs are reordered", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		w.seal(server, appData)
		w.refusedBy(client, w.seal(server, appData), audit.E2ESequence)
		w.wantEnded(client)
	})
	t.Run("the first PDU of all is dropped", func(t *testing.T) {
		w := newWorld(t)
		i, acc, server := w.accept("17", "934")
		client, _, err := i.Answer(w.now, serverFull, "17:934", acc)
		if err != nil {
			t.Fatal(err)
		}
		w.seal(client, appData)
		w.refusedBy(server, w.seal(client, appData), audit.E2ESequence)
		if server.confirmed {
			t.Error("it is confirmed")
		}
	})
	for _, tt := range []struct {
		name string
		edit func(*clock)
	}{
		{"a sequence number is left out", func(c *clock) { c.seq++ }},
		{"the sequence number wraps", func(c *clock) { c.seq = 1<<32 - 2 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			client, server := w.associate()
			tt.edit(&client.sent)
			r := w.refusedBy(server, w.seal(client, appData), audit.E2ESequence)
			if r.Told != "invalid-sequence-number" {
				t.Errorf("told %q", r.Told)
			}
		})
	}
	t.Run("a sequence number comes again", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		client.sent.seq--
		w.refusedBy(server, w.seal(client, appData), w.ids().replay)
	})
	t.Run("a new time does not begin with 0", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		w.now = w.now.Add(time.Second)
		client.sent = clock{last: w.now.Truncate(time.Millisecond), data: w.now.Truncate(time.Millisecond)}
		w.refusedBy(server, w.seal(client, appData), audit.E2ESequence)
	})
	t.Run("the counter runs out", func(t *testing.T) {
		w := newWorld(t)
		client, server := w.associate()
		client.send.counter, server.recv.counter = maxPDUsPerKey-1, maxPDUsPerKey-1
		w.send(client, server, appData)
		if octets, err := client.Seal(nil, w.now, []byte(appData)); err == nil {
			t.Errorf("a key seals more than it may: %s", octets)
		}
		w.wantEnded(client)
	})
}
