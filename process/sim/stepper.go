package sim

import (
	"context"
	"sync"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// A tap changer takes this long for a step, and goes on by itself for so long where its output is persistent.
const (
	stepTravel = time.Second
	stepsUntil = time.Minute
)

// stepper is a tap changer: a BSC or an ISC.
type stepper struct {
	engine           *server.Engine
	position, moving state
	lo, hi           state
	persistent       state

	mu    sync.Mutex
	way   int       // in which it goes on by itself: 1, -1, or 0
	until time.Time // and for how long
}

// newSteppers finds the tap changers of a logical device.
func newSteppers(e *server.Engine, ld *acsi.LogicalDevice, steppers map[acsi.Ref]*stepper) {
	for _, ln := range ld.LNs {
		for _, do := range ln.Node.Children {
			if do.CDC != "BSC" && do.CDC != "ISC" {
				continue
			}
			at := lnRef(ld, ln)
			find := func(path string, fc acsi.FC) state {
				h, ok := handle(e, at, do.Name+"."+path, fc)
				return state{h, ok}
			}
			ref, err := at.Child(do.Name)
			if err != nil {
				continue
			}
			s := &stepper{engine: e, position: find("valWTr.posVal", acsi.ST), moving: find("valWTr.transInd", acsi.ST),
				lo: find("minVal", acsi.CF), hi: find("maxVal", acsi.CF), persistent: find("persistent", acsi.CF)}
			if s.position.ok {
				steppers[ref] = s
			}
		}
	}
}

// operate moves to a position, or one step on; where the output is persistent it lets Step go on with it.
func (s *stepper) operate(ctx context.Context, c server.Command) acsi.AddCause {
	if way, isStep := wayOf(c.Value); isStep {
		s.keep(0)
		switch {
		case way == 0:
			return acsi.Done
		case s.goesOn():
			s.keep(way)
			return acsi.Done
		}
		return s.step(ctx, way)
	}
	target, _ := c.Value.Int()
	for {
		n, lo, hi := s.where()
		switch {
		case n == target:
			return acsi.Done
		case target < lo || target > hi:
			return acsi.StepLimit
		}
		way := 1
		if target < n {
			way = -1
		}
		if cause := s.step(ctx, way); cause != acsi.Done {
			return cause
		}
	}
}

// wayOf is the way of a step command; ok is false for a position.
func wayOf(v value.Value) (way int, ok bool) {
	if v.Kind() != value.BitString {
		return 0, false
	}
	switch v.BitText() {
	case "01":
		return -1, true
	case "10":
		return 1, true
	}
	return 0, true
}

func (s *stepper) keep(way int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.way, s.until = way, time.Time{}
}

func (s *stepper) goesOn() (on bool) {
	s.engine.Update(func(tx *server.Tx) { on = s.persistent.is(tx) })
	return on
}

// where is the position, and its limits.
func (s *stepper) where() (n, lo, hi int64) {
	s.engine.Update(func(tx *server.Tx) { n, lo, hi = s.whereIn(tx) })
	return n, lo, hi
}

func (s *stepper) whereIn(tx *server.Tx) (n, lo, hi int64) {
	n, _ = tx.Value(s.position.h).Int()
	lo, hi = -64, 63 // what a position can be
	if s.lo.ok && s.hi.ok {
		l, _ := tx.Value(s.lo.h).Int()
		if h, _ := tx.Value(s.hi.h).Int(); l < h {
			lo, hi = max(lo, l), min(hi, h)
		}
	}
	return n, lo, hi
}

// step takes the time of a step. What ctx cuts off stays where it was.
func (s *stepper) step(ctx context.Context, way int) acsi.AddCause {
	n, lo, hi := s.where()
	next := n + int64(way)
	if next < lo || next > hi {
		return acsi.StepLimit
	}
	s.show(n, true)
	if !pause(ctx, stepTravel) {
		s.show(n, false)
		return acsi.TimeLimitOver
	}
	s.show(next, false)
	return acsi.Done
}

func (s *stepper) show(n int64, moving bool) {
	s.engine.Update(func(tx *server.Tx) { s.showIn(&writer{tx: tx, at: tx.Now()}, n, moving) })
}

func (s *stepper) showIn(w *writer, n int64, moving bool) {
	s.moving.setBool(w, moving)
	w.set(s.position.h, value.Int(n))
}

// follow takes the next step of a persistent output, if its time is not over.
func (s *stepper) follow(w *writer, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.way == 0 {
		return
	}
	if s.until.IsZero() {
		s.until = now.Add(stepsUntil)
	}
	n, lo, hi := s.whereIn(w.tx)
	next := n + int64(s.way)
	if next < lo || next > hi || now.After(s.until) {
		s.way = 0
		s.showIn(w, n, false)
		return
	}
	s.showIn(w, next, true)
}
