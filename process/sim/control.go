package sim

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// How long things take to move.
const (
	breakerTravel = 60 * time.Millisecond
	switchTravel  = 2 * time.Second // of a disconnector
	resetPulse    = 200 * time.Millisecond
)

// Control obeys commands as a plant would; it is a server.ControlHandler for the engine of the simulation, and may be called concurrently.
//
// Switches travel, and do not where they are blocked, where their interlocking or synchrocheck does not release them, or where they are
// operated at the drive. Tap changers move step by step. What remains takes its value at once, and Step lets the plant follow it.
func (s *Simulation) Control(ctx context.Context, c server.Command) acsi.AddCause {
	gear, stepper := s.gears[c.Ref], s.steppers[c.Ref]
	switch c.Phase {
	case server.Deselected:
		return acsi.Done
	case server.Executing:
		switch {
		case gear != nil:
			return gear.operate(ctx, s.engine, c)
		case stepper != nil:
			return stepper.operate(ctx, c)
		case isReset(c):
			return s.reset(ctx, c)
		}
		return s.engine.Obey(c)
	}
	if gear != nil && c.Value.IsValid() {
		return gear.judge(s.engine, c)
	}
	return reasonable(c.Value)
}

// reasonable refuses what is no number.
func reasonable(v value.Value) acsi.AddCause {
	if v.Kind() == value.Structure && v.Len() > 0 {
		v = v.At(v.Len() - 1)
	}
	if f, ok := v.Float(); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return acsi.InconsistentParameters
	}
	return acsi.Done
}

// isReset reports whether c resets something, and is over when that is done.
func isReset(c server.Command) bool {
	name := c.Ref.Name()
	return c.Value.Kind() == value.Boolean && c.Value.Bool() && c.Pulse == (server.Pulse{}) && (strings.HasSuffix(name, "Rs") || name == "BatTest")
}

// reset is a push on a button.
func (s *Simulation) reset(ctx context.Context, c server.Command) acsi.AddCause {
	if cause := s.engine.Obey(c); cause != acsi.Done {
		return cause
	}
	cause := acsi.Done
	if !pause(ctx, resetPulse) {
		cause = acsi.TimeLimitOver
	}
	c.Value = value.Bool(false)
	s.engine.Obey(c)
	return cause
}

// pause waits; it is false where ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// gear is a switch and what belongs to it, in the control of the bay (CSWI) and at the drive (XCBR, XSWI).
type gear struct {
	travel               time.Duration
	positions            []server.Handle // that show where it is: the drive's and the control's
	count                state           // OpCnt
	opening, closing     state           // OpOpn, OpCls
	blocked, released    [2]state        // to open, to close: BlkOpn, BlkCls; CILO's EnaOpn, EnaCls
	synchronous, atDrive state           // RSYN's Rel; Loc of the drive
}

// newGears finds the switches of a logical device, by the data objects that command them.
func newGears(e *server.Engine, ld *acsi.LogicalDevice, gears map[acsi.Ref]*gear) {
	for _, ln := range ld.LNs {
		if class := ln.Node.Class; class == "XCBR" || class == "XSWI" {
			newGear(e, ld, ln, gears)
		}
	}
}

// newGear makes the gear of a drive. What belongs to it has its instance number, or is the only one of its class.
func newGear(e *server.Engine, ld *acsi.LogicalDevice, drive *acsi.LogicalNode, gears map[acsi.Ref]*gear) {
	of := func(class string) acsi.Ref {
		var found []*acsi.LogicalNode
		for _, ln := range ld.LNs {
			if ln.Node.Class == class {
				found = append(found, ln)
			}
		}
		same := slices.IndexFunc(found, func(ln *acsi.LogicalNode) bool { return instance(ln) == instance(drive) })
		switch {
		case same >= 0:
			return lnRef(ld, found[same])
		case len(found) == 1:
			return lnRef(ld, found[0])
		}
		return acsi.Ref{}
	}
	at, cswi, cilo, rsyn := lnRef(ld, drive), of("CSWI"), of("CILO"), of("RSYN")
	g := &gear{travel: switchTravel, count: status(e, at, "OpCnt"), atDrive: status(e, at, "Loc"), synchronous: status(e, rsyn, "Rel"),
		blocked:  [2]state{status(e, at, "BlkOpn"), status(e, at, "BlkCls")},
		released: [2]state{status(e, cilo, "EnaOpn"), status(e, cilo, "EnaCls")}}
	if drive.Node.Class == "XCBR" {
		g.travel = breakerTravel
	}
	g.opening.h, g.opening.ok = handle(e, cswi, "OpOpn.general", acsi.ST)
	g.closing.h, g.closing.ok = handle(e, cswi, "OpCls.general", acsi.ST)
	for _, ln := range []acsi.Ref{at, cswi} {
		h, ok := handle(e, ln, "Pos.stVal", acsi.ST)
		if !ok {
			continue
		}
		g.positions = append(g.positions, h)
		if ref, err := ln.Child("Pos"); err == nil {
			gears[ref] = g
		}
	}
}

func lnRef(ld *acsi.LogicalDevice, ln *acsi.LogicalNode) acsi.Ref {
	ref, _ := acsi.NewRef(ld.Name, ln.Node.Name, 0) // the engine has it
	return ref
}

// instance is the number of a logical node, and its prefix.
func instance(ln *acsi.LogicalNode) string {
	prefix, number, _ := strings.Cut(ln.Node.Name, ln.Node.Class)
	return prefix + " " + number
}

// is reports whether s exists and is true.
func (s state) is(tx *server.Tx) bool { return s.ok && tx.Value(s.h).Bool() }

// judge says why the switch may not move.
func (g *gear) judge(e *server.Engine, c server.Command) acsi.AddCause {
	to := 0
	if c.Value.Bool() {
		to = 1
	}
	cause := acsi.Done
	e.Update(func(tx *server.Tx) {
		switch {
		case g.atDrive.is(tx):
			cause = acsi.BlockedBySwitchingHierarchy
		case g.blocked[to].is(tx):
			cause = acsi.BlockedByProcess
		case c.Interlock && g.released[to].ok && !g.released[to].is(tx):
			cause = acsi.BlockedByInterlocking
		case c.Synchro && to == 1 && g.synchronous.ok && !g.synchronous.is(tx):
			cause = acsi.BlockedBySynchrocheck
		}
	})
	return cause
}

// operate moves the switch. Once it moves, nothing stops it: where ctx ends first, it arrives later than it should.
func (g *gear) operate(ctx context.Context, e *server.Engine, c server.Command) acsi.AddCause {
	order := g.opening
	if c.Value.Bool() {
		order = g.closing
	}
	g.show(e, func(w *writer) {
		g.move(w, value.Bits(2, nil))
		order.setBool(w, true)
	})
	cause := acsi.Done
	if !pause(ctx, g.travel) {
		cause = acsi.TimeLimitOver
	}
	g.show(e, func(w *writer) {
		order.setBool(w, false)
		if c.Value.Bool() {
			g.move(w, value.Bits(2, []byte{0x80}))
		} else {
			g.move(w, value.Bits(2, []byte{0x40}))
		}
		g.released[0].setBool(w, c.Value.Bool())
		g.released[1].setBool(w, !c.Value.Bool())
		if g.count.ok {
			n, _ := w.tx.Value(g.count.h).Int()
			w.set(g.count.h, value.Int(n+1))
		}
	})
	return cause
}

func (g *gear) show(e *server.Engine, f func(w *writer)) {
	e.Update(func(tx *server.Tx) { f(&writer{tx: tx, at: tx.Now()}) })
}

func (g *gear) move(w *writer, position value.Value) {
	for _, h := range g.positions {
		w.set(h, position)
	}
}
