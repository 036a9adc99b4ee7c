package xmpp

import (
	"testing"
	"time"
)

// What a sender has waiting is what it may still be resent, where stanzas are acknowledged: a batch that was written is not gone.
func TestShareCountsWhatIsNotAcknowledged(t *testing.T) {
	const limit = 1000
	w := newWriter(nil, time.Second, 1<<20)
	w.managed = &management{}
	var share Share
	stanza := [][]byte{make([]byte, 400)}
	push := func(want error) {
		t.Helper()
		if err := w.pushShare(&share, limit, stanza); err != want {
			t.Fatalf("a push gives %v, want %v", err, want)
		}
	}
	push(nil)
	push(nil)
	push(ErrShareFull)
	w.take().free() // written
	push(ErrShareFull)
	for _, tt := range []struct {
		h    uint32 // acknowledged
		room int    // stanzas that then go in
	}{{1, 0}, {2, 2}, {2, 0}, {3, 0}, {4, 2}} {
		if !w.managed.acknowledge(tt.h) {
			t.Fatalf("%d stanzas cannot be acknowledged", tt.h)
		}
		for range tt.room {
			push(nil)
		}
		push(ErrShareFull)
	}
}

// A batch that is written has left the queue, where nothing is acknowledged.
func TestShareCountsWhatIsQueued(t *testing.T) {
	w := newWriter(nil, time.Second, 1<<20)
	var share Share
	for range 3 {
		for _, want := range []error{nil, nil, ErrShareFull} {
			if err := w.pushShare(&share, 1000, [][]byte{make([]byte, 400)}); err != want {
				t.Fatalf("a push gives %v, want %v", err, want)
			}
		}
		w.take().free()
	}
}
