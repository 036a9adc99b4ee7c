package xmpp

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

func TestShareBoundsOneSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		w := newWriter(ours, time.Second, 100)
		stanza := func(n int) [][]byte { return [][]byte{make([]byte, n-n/2), make([]byte, n/2)} }
		var a, b Share
		for i, step := range []struct {
			share *Share
			n     int
			want  error
		}{
			{&a, 30, nil},
			{&a, 20, nil},
			{&a, 1, ErrShareFull},
			{&b, 50, nil},
			{&b, 1, ErrShareFull},
		} {
			if err := w.pushShare(step.share, 50, stanza(step.n)); err != step.want {
				t.Errorf("step %d: %d octets: %v, want %v", i, step.n, err, step.want)
			}
		}
		if err := w.push(stanza(1)); err != ErrQueueFull {
			t.Errorf("the queue is full, but it took an octet more: %v", err)
		}

		go w.run()
		synctest.Wait() // a write is under way, which holds the octets so far
		if err := w.pushShare(&a, 50, stanza(70)); err != nil {
			t.Errorf("one stanza beyond the share, with nothing waiting: %v", err)
		}
		if err := w.pushShare(&a, 50, stanza(1)); err != ErrShareFull {
			t.Errorf("one octet more: %v, want %v", err, ErrShareFull)
		}
		if err := w.pushShare(&b, 50, stanza(31)); err != ErrQueueFull {
			t.Errorf("another sender, without room in the queue: %v, want %v", err, ErrQueueFull)
		}
		if err := w.pushShare(&b, 50, stanza(30)); err != nil {
			t.Errorf("another sender: %v", err)
		}
		w.finish(nil, time.Now())
		if err := w.pushShare(&a, 50, stanza(1)); err != errEnded {
			t.Errorf("after the end: %v, want %v", err, errEnded)
		}
		theirs.Close()
	})
}
