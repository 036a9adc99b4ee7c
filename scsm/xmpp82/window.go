package xmpp82

import (
	"context"
	"slices"
	"sync"
)

// windowSize is how many octets of requests may be under way to one account, of all associations with it. A server
// refuses a request that finds the queue of its addressee full, and a request that comes back ends its association.
const windowSize = 256 << 10

// window bounds the octets of requests without an answer. Those that wait for room go on in the order in which they
// came; a single request always has room.
type window struct {
	mu    sync.Mutex
	used  int
	queue []*entry
	users int // associations; under Endpoint.mu
}

type entry struct {
	octets int
	ready  chan struct{}
}

func (w *window) fits(octets int) bool { return w.used == 0 || w.used+octets <= windowSize }

// enter waits for room until ctx ends, or the association that over is of.
func (w *window) enter(ctx, over context.Context, octets int) error {
	w.mu.Lock()
	if len(w.queue) == 0 && w.fits(octets) {
		w.used += octets
		w.mu.Unlock()
		return nil
	}
	e := &entry{octets, make(chan struct{})}
	w.queue = append(w.queue, e)
	w.mu.Unlock()
	var err error
	select {
	case <-e.ready:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-over.Done():
		err = context.Cause(over)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.queue, e); i >= 0 {
		w.queue = slices.Delete(w.queue, i, i+1)
	} else {
		w.used -= octets
	}
	w.admit()
	return err
}

// overdraw takes room that may not be there.
func (w *window) overdraw(octets int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used += octets
}

// leave gives room back.
func (w *window) leave(octets int) {
	if octets == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used -= octets
	w.admit()
}

// admit lets those in for whom there is room. w.mu is held.
func (w *window) admit() {
	for len(w.queue) > 0 && w.fits(w.queue[0].octets) {
		w.used += w.queue[0].octets
		close(w.queue[0].ready)
		w.queue[0] = nil
		w.queue = w.queue[1:]
	}
}
