package assoc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"busbar.example/mms"
)

// patience is how long nobody may read, because the reader serves a request or because the last call has been answered, before
// another goroutine does. It is reached after twice that time at the latest.
const patience = time.Millisecond

// seat is that of the one that reads. A caller that waits for its answer takes it where it is free, and so does without
// another goroutine that would have to wake it; who serves a request keeps it, for nothing may come until the answer.
// A timer sees to it that both do not keep others waiting.
type seat struct {
	holder uint64 // 0: nobody reads
	last   uint64 // that has held it
	busy   bool   // the holder serves a request
	used   uint64 // counts how often it was left, or became busy
	seen   uint64 // the count when the timer was set
	armed  bool
	timer  *time.Timer
}

// take has the next holder read, whom it names. a.mu is held.
func (s *seat) take() uint64 {
	s.last++
	s.holder, s.busy = s.last, false
	return s.last
}

// watch sees to it that somebody reads before long. a.mu is held.
func (s *seat) watch() {
	s.used++
	if !s.armed {
		s.set()
	}
}

func (s *seat) set() {
	s.armed, s.seen = true, s.used
	s.timer.Reset(patience)
}

// relieve has another goroutine read where nobody does for too long.
func (a *Association) relieve() {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.seat
	s.armed = false
	switch {
	case a.over || s.holder != 0 && !s.busy:
	case s.used != s.seen:
		s.set()
	default:
		a.startReading(nil)
	}
}

// startReading has a goroutine take the seat, and read; before that, it does what a step asks for. a.mu is held.
func (a *Association) startReading(st *step) {
	holder := a.seat.take()
	a.start(func() {
		if st == nil || a.follow(*st) && (st.request == nil || a.serveOrQueue(st.request, holder)) {
			a.read(holder)
		}
	})
}

// ensureReading has a goroutine read where nobody does.
func (a *Association) ensureReading() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seat.holder == 0 {
		a.startReading(nil)
	}
}

// leave gives up the seat. Who has an answer to come has another goroutine read at once. a.mu is held.
func (a *Association) leave() {
	a.seat.holder, a.seat.busy = 0, false
	if len(a.machine.calls) > 0 {
		a.startReading(nil)
		return
	}
	a.seat.watch()
}

// read moves the peer's PDUs into the machine until the association ends, or holder has lost the seat. It leaves the seat to
// callers once all calls have been answered.
func (a *Association) read(holder uint64) {
	for {
		pdu, err := a.link.Recv(context.Background())
		if err != nil {
			a.cancel(a.lost(err))
			return
		}
		a.mu.Lock()
		st := a.machine.input(pdu)
		switch {
		case st.request != nil:
			r := received{st.request, a.link.Sealed()}
			here := a.admit(r)
			a.mu.Unlock()
			if here && !a.serve(r, holder) {
				return
			}
		case st.answer != nil:
			deliver(*st.answer)
			last := len(a.machine.calls) == 0
			if last {
				a.leave()
			}
			a.mu.Unlock()
			if last {
				return
			}
		default:
			a.mu.Unlock()
			if !a.follow(st) {
				return
			}
		}
	}
}

// follow does what a step asks for that is no answer nor request. It reports whether the association goes on.
func (a *Association) follow(st step) bool {
	if st.send != nil {
		if err := a.link.Send(a.ctx, st.send); err != nil {
			a.cancel(err)
			return false
		}
	}
	if st.report != nil && a.cfg.Notified != nil {
		a.cfg.Notified(st.report)
	}
	if st.ended != nil {
		a.cancel(st.ended)
		return false
	}
	return true
}

// await waits for the answer to a call. Where nobody reads, it does so itself.
func (a *Association) await(ctx context.Context, c *call) (mms.ConfirmedServiceResponse, error) {
	if c.alone { // else somebody reads, who leaves the seat to nobody while there are calls
		a.mu.Lock()
		lead := a.seat.holder == 0 && len(c.answered) == 0 && !a.over
		if lead {
			a.seat.take()
		}
		a.mu.Unlock()
		if lead {
			a.lead(ctx, c)
		}
	}
	select {
	case got := <-c.answered:
		return a.end(c, got)
	default:
	}
	var got answer
	if ctx.Done() == nil {
		got = <-c.answered // which is sooner there than by select
	} else {
		select {
		case got = <-c.answered:
		case <-ctx.Done():
			select {
			case got = <-c.answered: // it came at the same time
			default:
				return nil, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
			}
		}
	}
	return a.end(c, got)
}

// end gives the answer to a call, of which nothing is needed any more.
func (a *Association) end(c *call, got answer) (mms.ConfirmedServiceResponse, error) {
	a.mu.Lock()
	a.idle = append(a.idle, c)
	a.mu.Unlock()
	return got.response, got.err
}

// lead reads until the answer to a call of its own is there. What would keep it, it leaves to another goroutine; it leaves
// altogether where ctx or the association ends.
func (a *Association) lead(ctx context.Context, c *call) {
	for {
		pdu, err := a.link.Recv(ctx)
		if err != nil {
			a.stopLeading(ctx, err)
			return
		}
		a.mu.Lock()
		st := a.machine.input(pdu)
		switch {
		case st.answer != nil:
			deliver(*st.answer)
			mine := st.answer.call == c
			if mine {
				a.leave()
			}
			a.mu.Unlock()
			if mine {
				return
			}
		case st.report != nil:
			a.mu.Unlock()
			if a.cfg.Notified != nil {
				a.cfg.Notified(st.report)
			}
		default:
			rest := st // which escapes, as st must not
			a.startReading(&rest)
			a.mu.Unlock()
			return
		}
	}
}

// stopLeading leaves the seat because of an error of Recv.
func (a *Association) stopLeading(ctx context.Context, err error) {
	if gone := ctx.Err(); gone == nil || !errors.Is(err, gone) {
		a.cancel(a.lost(err))
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leave()
}

// lost is why the association ends when the Link has.
func (a *Association) lost(err error) error {
	if err == io.EOF {
		err = fmt.Errorf("the peer ended the link without a conclude: %w", net.ErrClosed)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.machine.state == concluding && a.cfg.Lenient.SilentConclude {
		return errConcluded
	}
	return err
}

// deliver completes a call. The slot is free only now, whether or not the caller still waits: the peer
// counts a call as open until it has answered.
func deliver(got answer) {
	slot := got.call.slot // which is another call's as soon as the answer is there
	got.call.answered <- got
	<-slot
}
