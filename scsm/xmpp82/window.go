package xmpp82

import (
	"context"
	"slices"
	"sync"
)

// windowSize is how many octets of requests and reports may be under way to one account, of all associations with it. A
// server refuses what finds the queue of its addressee full, and what comes back ends its association.
const windowSize = 256 << 10

// probeEvery is how many octets of reports go out before the peer is asked whether they have come.
const probeEvery = windowSize / 4

// window bounds the octets of requests without an answer, and of reports of which it is not known that they have come: they
// have when the peer has answered a probe that was sent after them. Those that wait for room go on in the order in which
// they came; a single one always has room.
type window struct {
	mu      sync.Mutex
	used    int
	queue   []*entry
	told    int  // octets of reports since the last probe
	probing bool // a probe is without an answer
	users   int  // associations; under Endpoint.mu
}

type entry struct {
	octets int
	ready  chan struct{}
}

func (w *window) fits(octets int) bool { return w.used == 0 || w.used+octets <= windowSize }

// enter waits for room until ctx ends, or the association that over is of. It calls probe, if that is due, with the octets of
// reports that its answer is about.
func (w *window) enter(ctx, over context.Context, octets int, probe func(int)) error {
	w.mu.Lock()
	if len(w.queue) == 0 && w.fits(octets) {
		w.used += octets
		w.mu.Unlock()
		return nil
	}
	e := &entry{octets, make(chan struct{})}
	w.queue = append(w.queue, e)
	due := w.due()
	w.mu.Unlock()
	if due > 0 {
		probe(due)
	}
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

// tell notes that a report of so many octets, for which there is room, has been sent. It gives how many octets of reports a
// probe is due for.
func (w *window) tell(octets int) (due int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told += octets
	return w.due()
}

// due begins a probe where one is needed. w.mu is held.
func (w *window) due() (octets int) {
	if w.probing || w.told < probeEvery && len(w.queue) == 0 {
		return 0
	}
	octets, w.told = w.told, 0
	w.probing = octets > 0
	return octets
}

// probed ends a probe: reports of so many octets have come, or nobody will know. It gives what due does.
func (w *window) probed(octets int) (due int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probing = false
	w.used -= octets
	w.admit()
	return w.due()
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
