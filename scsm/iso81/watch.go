package iso81

import (
	"context"
	"net"
	"sync"
	"time"
)

// watch lets a context end a read. The context of one call after the other is mostly the same: it is watched once.
type watch struct {
	conn net.Conn

	mu      sync.Mutex
	done    <-chan struct{} // of the context that is watched
	base    time.Time       // the deadline beside it, zero: none
	started bool
	ended   bool
	cancel  func() bool
}

// over makes reads end with ctx, and at the deadline, if it is not zero.
func (w *watch) over(ctx context.Context, deadline time.Time) {
	if w.started && w.done == ctx.Done() && w.base.Equal(deadline) {
		return // only who reads changes these
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	if w.cancel != nil {
		w.cancel()
		w.cancel = nil
	}
	w.started, w.done, w.base = true, ctx.Done(), deadline
	w.conn.SetReadDeadline(deadline)
	if done := ctx.Done(); done != nil {
		w.cancel = context.AfterFunc(ctx, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.done == done {
				w.conn.SetReadDeadline(past)
			}
		})
	}
}

// interrupt ends all reads for good.
func (w *watch) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.conn.SetReadDeadline(past)
}

// stop forgets the context.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended, w.done = true, nil
	if w.cancel != nil {
		w.cancel()
	}
}
