package iso81

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	keptOut   = 4096      // octets of memory that an idle connection keeps for writing
	queuedOut = 256 << 10 // octets beyond which senders wait for the peer
	lastWord  = time.Second
)

// writer writes what several goroutines have to send, in one write what is there at the same time. It has no goroutine of its
// own: who sends writes, and with it what others have sent meanwhile.
type writer struct {
	conn    net.Conn
	timeout time.Duration
	failed  func(error) // hears why a write has failed

	mu       sync.Mutex
	buf      []byte // packets to be written
	spare    []byte // memory of those that have been written
	writing  bool
	drained  chan struct{} // closed when something has been written; nil where nobody waits
	deadline time.Time
	err      error // no more is written
}

// room locks w once there is room for more, and nothing has failed. The caller appends to buf, and calls flush or leave.
func (w *writer) room(ctx context.Context) error {
	for {
		w.mu.Lock()
		if w.err != nil {
			defer w.mu.Unlock()
			return w.err
		}
		if len(w.buf) < queuedOut {
			return nil
		}
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
}

// wait unlocks w, and waits until something has been written.
func (w *writer) wait(ctx context.Context) error {
	if w.drained == nil {
		w.drained = make(chan struct{})
	}
	drained := w.drained
	w.mu.Unlock()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush unlocks w and sees to it that buf is written: at once; or, where more is to be expected, as soon as those that
// can run have had their turn. Of what fails to be written the peer may have all: that is told to failed, not to the sender.
func (w *writer) flush(more bool) {
	switch {
	case w.writing || len(w.buf) == 0:
		w.mu.Unlock()
	case more:
		w.writing = true
		w.mu.Unlock()
		go func() {
			runtime.Gosched()
			w.mu.Lock()
			w.write()
		}()
	default:
		w.writing = true
		w.write()
	}
}

// write writes until nothing is left, and unlocks w. The caller has locked it and set writing.
func (w *writer) write() {
	var failure error
	for len(w.buf) > 0 && w.err == nil {
		b := w.buf
		w.buf, w.spare = w.spare[:0], nil
		w.arm(w.timeout)
		w.mu.Unlock()
		_, err := w.conn.Write(b)
		w.mu.Lock()
		if err != nil && w.err == nil {
			failure = &endedError{"nothing can be sent to the peer", err}
			w.err = failure
		}
		if cap(b) <= keptOut {
			w.spare = b
		}
		w.wake()
	}
	if cap(w.buf) > keptOut {
		w.buf = nil
	}
	w.writing = false
	w.wake()
	w.mu.Unlock()
	if failure != nil {
		w.failed(failure)
	}
}

func (w *writer) wake() {
	if w.drained != nil {
		close(w.drained)
		w.drained = nil
	}
}

// arm makes sure that a write takes no longer than timeout, nor less than half of it.
func (w *writer) arm(timeout time.Duration) {
	now := time.Now()
	if left := w.deadline.Sub(now); left < timeout/2 || left > timeout {
		w.deadline = now.Add(timeout)
		w.conn.SetWriteDeadline(w.deadline)
	}
}

// finish writes last behind what is there, within a second, and nothing after it: later calls get cause.
func (w *writer) finish(last []byte, cause error) {
	w.mu.Lock()
	if w.err != nil {
		w.mu.Unlock()
		return
	}
	w.buf = append(w.buf, last...)
	w.arm(lastWord)
	ctx, cancel := context.WithTimeout(context.Background(), 2*lastWord)
	defer cancel()
	for w.writing {
		if w.wait(ctx) != nil {
			w.mu.Lock()
			break
		}
		w.mu.Lock()
	}
	if !w.writing {
		w.writing = true
		w.write()
		w.mu.Lock()
	}
	if w.err == nil {
		w.err = cause
	}
	w.mu.Unlock()
}

// stop ends a write that is under way, and returns once it has.
func (w *writer) stop() {
	w.mu.Lock()
	w.conn.SetWriteDeadline(past)
	for w.writing {
		w.wait(context.Background())
		w.mu.Lock()
	}
	w.mu.Unlock()
}
