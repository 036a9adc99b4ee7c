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
	mostHeld  = 32        // PDUs that wait for others to go with them: the peer has work while this end goes on
	heldTime  = time.Millisecond
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
	pdus     int    // in buf
	held     bool   // see hold
	watched  bool   // what is held goes out before long
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

// flush unlocks w and sees to it that buf, to which a PDU has been appended, is written: at once; or, where more is to be
// expected, with what comes until the reader has given all that it has, or until those that can run have had their turn. Of
// what fails to be written the peer may have all: that is told to failed, not to the sender.
func (w *writer) flush(more bool) {
	w.pdus++
	switch {
	case w.writing || w.pdus >= mostHeld:
		w.writeAll()
	case w.held:
		w.watch()
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
		w.writeAll()
	}
}

// write writes until nothing is left, and unlocks w. The caller has locked it and set writing.
func (w *writer) write() {
	var failure error
	for len(w.buf) > 0 && w.err == nil {
		b := w.buf
		w.pdus = 0
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

// hold has what is sent wait until release: the reader has more PDUs, and what they lead to can go out together.
func (w *writer) hold() {
	w.mu.Lock()
	w.held = true
	w.mu.Unlock()
}

// release ends hold, and has what is there written, by another goroutine: whoever reads must not wait for the peer to read.
func (w *writer) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held = false; w.writing || len(w.buf) == 0 {
		return
	}
	w.writing = true
	go func() {
		w.mu.Lock()
		w.write()
	}()
}

// writeAll writes what is there, unless somebody does, and unlocks w.
func (w *writer) writeAll() {
	if w.writing || len(w.buf) == 0 {
		w.mu.Unlock()
		return
	}
	w.writing = true
	w.write()
}

// watch sees to it that what is held does not wait for long, should the reader be kept. The caller has locked w.
func (w *writer) watch() {
	if w.watched {
		return
	}
	w.watched = true
	time.AfterFunc(heldTime, func() {
		w.mu.Lock()
		w.watched = false
		w.writeAll()
	})
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
