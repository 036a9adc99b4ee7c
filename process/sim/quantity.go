package sim

import (
	"fmt"
	"math"
	"strings"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// writer is one step's way into the engine. Its first error stays.
type writer struct {
	tx  *server.Tx
	at  acsi.Timestamp
	err error
}

func (w *writer) set(h server.Handle, v value.Value) {
	if err := w.tx.SetStamped(h, v, acsi.QualityGood, w.at); err != nil && w.err == nil {
		w.err = fmt.Errorf("process/sim: %w", err)
	}
}

// quantity is a measured or set value somewhere in a logical node, in its unit. One that the model does not have is
// nil, and can be used: it takes what is set and gives nothing.
type quantity struct {
	values     []server.Handle // floating-point leaves that show the same
	multiplier *server.Handle  // of the unit, where there is one
}

// find resolves the leaves ln.do.path under fc for each path, and the unit of the data object that they are in.
func find(e *server.Engine, ln acsi.Ref, do string, fc acsi.FC, paths ...string) *quantity {
	q := &quantity{}
	for _, path := range paths {
		if h, ok := handle(e, ln, do+"."+path, fc); ok && isFloat(h) {
			q.values = append(q.values, h)
		}
	}
	if q.values == nil {
		return nil
	}
	if h, ok := handle(e, ln, do+".units.multiplier", acsi.CF); ok {
		q.multiplier = &h
	}
	return q
}

func handle(e *server.Engine, ln acsi.Ref, path string, fc acsi.FC) (server.Handle, bool) {
	ref, err := acsi.NewRef(ln.LD(), ln.Item()+"."+path, fc)
	if err != nil {
		return server.Handle{}, false
	}
	h, err := e.Handle(ref)
	return h, err == nil && h.Node().IsLeaf() && h.Node().Count == 0
}

func isFloat(h server.Handle) bool {
	k := h.Node().Type.Kind
	return k == value.Float32 || k == value.Float64
}

// measured is a MV or the magnitude of a CMV: both its dead-banded and its instantaneous value.
func measured(e *server.Engine, ln acsi.Ref, do string) *quantity {
	return find(e, ln, do, acsi.MX, "mag.f", "instMag.f", "cVal.mag.f", "instCVal.mag.f")
}

// angle is that of a CMV.
func angle(e *server.Engine, ln acsi.Ref, do string) *quantity {
	q := find(e, ln, do, acsi.MX, "cVal.ang.f", "instCVal.ang.f")
	if q != nil {
		q.multiplier = nil // degrees
	}
	return q
}

// setting is an ASG, or an APC as it stands.
func setting(e *server.Engine, ln acsi.Ref, do string) *quantity {
	for _, fc := range []acsi.FC{acsi.SP, acsi.SG} {
		if q := find(e, ln, do, fc, "setMag.f"); q != nil {
			return q
		}
	}
	return find(e, ln, do, acsi.MX, "mxVal.f")
}

func (q *quantity) factor(tx *server.Tx) float64 {
	if q.multiplier == nil {
		return 1
	}
	exponent, _ := tx.Value(*q.multiplier).Int()
	return math.Pow10(int(max(-24, min(24, exponent))))
}

// set shows x, which is in the unit without its prefix.
func (q *quantity) set(w *writer, x float64) {
	if q == nil {
		return
	}
	x /= q.factor(w.tx)
	for _, h := range q.values {
		if h.Node().Type.Kind == value.Float64 {
			w.set(h, value.Double(x))
		} else {
			w.set(h, value.Float(float32(x)))
		}
	}
}

// get is the value in the unit without its prefix; ok is false where there is none.
func (q *quantity) get(tx *server.Tx) (x float64, ok bool) {
	if q == nil {
		return 0, false
	}
	x, ok = tx.Value(q.values[0]).Float()
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, false
	}
	return x * q.factor(tx), ok
}

// orElse is get, or other where there is nothing or nothing above zero: a rating that nobody has filled in.
func (q *quantity) orElse(tx *server.Tx, other float64) float64 {
	if x, ok := q.get(tx); ok && x > 0 {
		return x
	}
	return other
}

// state is a status value: a truth, a whole number or a name in an enumeration.
type state struct {
	h  server.Handle
	ok bool
}

func status(e *server.Engine, ln acsi.Ref, do string) state {
	h, ok := handle(e, ln, do+".stVal", acsi.ST)
	return state{h, ok}
}

// setBool changes a truth that differs.
func (s state) setBool(w *writer, b bool) {
	if s.ok && s.h.Node().Type.Kind == value.Boolean {
		w.set(s.h, value.Bool(b))
	}
}

// setName changes to the value of the enumeration that is called name, where there is one.
func (s state) setName(w *writer, name string) {
	if !s.ok || s.h.Node().Type.Kind != value.Integer {
		return
	}
	e := s.h.Node().Enum
	if e == nil {
		_, do, _ := strings.Cut(s.h.Ref().Item(), ".")
		do, _, _ = strings.Cut(do, ".")
		if e = acsi.StandardEnum(do, "stVal"); e == nil {
			return
		}
	}
	if v, ok := e.ByName(name); ok {
		w.set(s.h, value.Int(int64(v.Ord)))
	}
}

// isOn reports whether a mode is on. One that does not exist is.
func (s state) isOn(tx *server.Tx) bool {
	if !s.ok {
		return true
	}
	i, isInt := tx.Value(s.h).Int()
	return !isInt || i == 1
}

// counter adds up energy in the pulses of a BCR, or as a measured value.
type counter struct {
	pulses     *server.Handle
	perPulse   *server.Handle // in the unit
	multiplier *server.Handle
	shown      *quantity
	total      float64 // Wh since the start of the simulation, with what was there before
	started    bool
}

func newCounter(e *server.Engine, ln acsi.Ref, do string) *counter {
	c := &counter{shown: measured(e, ln, do)}
	if h, ok := handle(e, ln, do+".actVal", acsi.ST); ok && (h.Node().Type.Kind == value.Integer || h.Node().Type.Kind == value.Unsigned) {
		c.pulses = &h
	}
	if h, ok := handle(e, ln, do+".pulsQty", acsi.CF); ok && isFloat(h) {
		c.perPulse = &h
	}
	if h, ok := handle(e, ln, do+".units.multiplier", acsi.CF); ok {
		c.multiplier = &h
	}
	if c.pulses == nil && c.shown == nil {
		return nil
	}
	return c
}

// pulse is what one pulse stands for, in Wh.
func (c *counter) pulse(tx *server.Tx) float64 {
	size := (&quantity{multiplier: c.multiplier}).factor(tx)
	if c.perPulse != nil {
		if f, ok := tx.Value(*c.perPulse).Float(); ok && f > 0 && !math.IsInf(f, 0) {
			size *= f
		}
	}
	return size
}

// add counts wh, which is not negative.
func (c *counter) add(w *writer, wh float64) {
	if c == nil {
		return
	}
	if !c.started {
		c.started = true
		if c.pulses != nil {
			i, _ := w.tx.Value(*c.pulses).Int()
			c.total = float64(i) * c.pulse(w.tx)
		} else if x, ok := c.shown.get(w.tx); ok {
			c.total = x
		}
	}
	c.total += wh
	c.shown.set(w, c.total)
	if c.pulses == nil {
		return
	}
	size := c.pulses.Node().Type.Size
	if c.pulses.Node().Type.Kind == value.Integer {
		size--
	}
	n := uint64(math.Mod(c.total/c.pulse(w.tx), math.Ldexp(1, min(size, 63)))) // a counter rolls over
	if c.pulses.Node().Type.Kind == value.Unsigned {
		w.set(*c.pulses, value.Uint(n))
	} else {
		w.set(*c.pulses, value.Int(int64(n)))
	}
}

// idle is the quality of something that nothing moves: the simulated process knows it all the same.
type idle struct {
	q server.Handle
}

func newIdle(e *server.Engine) []idle {
	var list []idle
	for _, ld := range e.Model().LDs {
		for _, ln := range ld.LNs {
			ref, err := acsi.NewRef(ld.Name, ln.Node.Name, 0)
			if err != nil {
				continue
			}
			list = appendIdle(list, e, ref, ln.Node)
		}
	}
	return list
}

func appendIdle(list []idle, e *server.Engine, at acsi.Ref, n *acsi.Node) []idle {
	for _, c := range n.Children {
		ref, err := at.Child(c.Name)
		if err != nil || c.Count > 0 {
			continue
		}
		if c.FC == 0 {
			list = appendIdle(list, e, ref, c)
			continue
		}
		if c.Name == "q" && (c.FC == acsi.ST || c.FC == acsi.MX) {
			if h, err := e.Handle(ref.WithFC(c.FC)); err == nil {
				list = append(list, idle{h})
			}
		}
	}
	return list
}

// settle makes an invalid quality good.
func (i idle) settle(w *writer) {
	if q, ok := acsi.QualityOf(w.tx.Value(i.q)); !ok || q != acsi.QualityInvalid {
		return
	}
	w.set(i.q, acsi.QualityGood.Value())
}
