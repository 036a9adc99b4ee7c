package server

import (
	"context"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/value"
)

// controlObject is one data object that is controlled: its machine, and where in the store it finds and shows what.
type controlObject struct {
	e       *Engine
	ref     acsi.Ref // LD/LN.DO
	cdc     string
	machine *control.Machine
	stop    context.CancelFunc
	models  []int64 // that it has attributes for
	pulsed  bool    // the value is that of the output, which runs its pulses

	oper   acsi.Ref // the zero Ref: there is none
	target Handle   // stVal, mxVal or valWTr.posVal, as the command moves it; its shape is nil where there is none

	// leaves, or -1
	ctlModel, sboTimeout, operTimeout, sboClass int
	cmdQual, onDur, offDur, numPls              int
	minVal, maxVal, stepSize                    int
	stSeld, opRcvd, opOk, tOpOk                 int
	orCat, orIdent, ctlNum                      int
	behaviour, health, multiLevel               int
	local, station                              []int // all that say so
}

func (e *Engine) newControlObject(ref acsi.Ref) *controlObject {
	o := &controlObject{e: e, ref: ref, cdc: e.layout.nodes[ref].CDC}
	o.machine = control.New(control.Settings{}, o.conditions)
	leaf := func(path string, kind value.Kind, fcs ...acsi.FC) int {
		for _, fc := range fcs {
			if p, ok := e.layout.below(ref, path, fc); ok && p.shape.cells == 0 && p.shape.node.Type.Kind == kind {
				return p.first
			}
		}
		return -1
	}
	const i, u, b = value.Integer, value.Unsigned, value.Boolean
	o.ctlModel, o.sboClass = leaf("ctlModel", i, acsi.CF), leaf("sboClass", i, acsi.CF)
	o.sboTimeout, o.operTimeout = leaf("sboTimeout", u, acsi.CF), leaf("operTimeout", u, acsi.CF)
	o.cmdQual, o.numPls = leaf("pulseConfig.cmdQual", i, acsi.CF), leaf("pulseConfig.numPls", u, acsi.CF)
	o.onDur, o.offDur = leaf("pulseConfig.onDur", u, acsi.CF), leaf("pulseConfig.offDur", u, acsi.CF)
	o.minVal, o.maxVal, o.stepSize = o.limit("minVal"), o.limit("maxVal"), o.limit("stepSize")
	o.stSeld, o.opRcvd = leaf("stSeld", b, acsi.ST), leaf("opRcvd", b, acsi.OR, acsi.ST)
	o.opOk, o.tOpOk = leaf("opOk", b, acsi.OR, acsi.ST), leaf("tOpOk", value.UTCTime, acsi.OR, acsi.ST)
	o.ctlNum = leaf("ctlNum", u, acsi.ST, acsi.MX)
	o.orCat, o.orIdent = leaf("origin.orCat", i, acsi.ST, acsi.MX), leaf("origin.orIdent", value.OctetString, acsi.ST, acsi.MX)
	o.findServices()
	o.findTarget()
	o.findConditions()
	return o
}

// below finds what path names below ref under fc.
func (l *layout) below(ref acsi.Ref, path string, fc acsi.FC) (point, bool) {
	at, err := acsi.NewRef(ref.LD(), ref.Item()+"."+path, fc)
	if err != nil {
		return point{}, false
	}
	p, ok := l.points[at]
	return p, ok
}

// limit finds a limit of the value, a number or an analogue value.
func (o *controlObject) limit(name string) int {
	for _, path := range []string{name, name + ".f", name + ".i"} {
		if p, ok := o.e.layout.below(o.ref, path, acsi.CF); ok && p.shape.cells == 0 {
			return p.first
		}
	}
	return -1
}

// findServices finds out what the object can be asked for.
func (o *controlObject) findServices() {
	o.models = []int64{int64(control.StatusOnly)}
	has := func(name string) bool { _, ok := o.e.layout.below(o.ref, name, acsi.CO); return ok }
	if !has("Oper") {
		return
	}
	o.oper, _ = acsi.NewRef(o.ref.LD(), o.ref.Item()+".Oper", acsi.CO)
	o.models = append(o.models, int64(control.DirectNormal), int64(control.DirectEnhanced))
	if has("SBO") {
		o.models = append(o.models, int64(control.SBONormal))
	}
	if has("SBOw") {
		o.models = append(o.models, int64(control.SBOEnhanced))
	}
}

// findTarget finds what a command moves.
func (o *controlObject) findTarget() {
	for _, at := range []struct {
		path string
		fc   acsi.FC
	}{{"stVal", acsi.ST}, {"valWTr.posVal", acsi.ST}, {"mxVal", acsi.MX}} {
		if _, ok := o.e.layout.below(o.ref, at.path, at.fc); ok {
			ref, _ := acsi.NewRef(o.ref.LD(), o.ref.Item()+"."+at.path, at.fc)
			o.target, _ = o.e.Handle(ref)
			return
		}
	}
}

// findConditions finds what a command is judged by in its logical node and, for the whole logical device, in LLN0.
func (o *controlObject) findConditions() {
	ln, lln0 := o.ref.Parent(), acsi.Ref{}
	if ref, err := acsi.NewRef(o.ref.LD(), "LLN0", 0); err == nil {
		lln0 = ref
	}
	find := func(at acsi.Ref, path string, fc acsi.FC) int {
		if p, ok := o.e.layout.below(at, path, fc); ok && p.shape.cells == 0 {
			return p.first
		}
		return -1
	}
	o.behaviour, o.health, o.multiLevel = find(ln, "Beh.stVal", acsi.ST), -1, -1
	if ln.Name() != "LLN0" {
		o.health = find(ln, "Health.stVal", acsi.ST) // that of LLN0 is of all others
	}
	if o.ref.Name() == "Mod" || o.ref.Name() == "LocSta" {
		return // they are what authority is made of
	}
	for _, at := range []acsi.Ref{ln, lln0} {
		for _, name := range []string{"Loc", "LocKey"} {
			if leaf := find(at, name+".stVal", acsi.ST); leaf >= 0 && !slices.Contains(o.local, leaf) {
				o.local = append(o.local, leaf)
			}
		}
		if leaf := find(at, "LocSta.stVal", acsi.ST); leaf >= 0 && !slices.Contains(o.station, leaf) {
			o.station = append(o.station, leaf)
		}
		if leaf := find(at, "MltLev.setVal", acsi.SP); leaf >= 0 && o.multiLevel < 0 {
			o.multiLevel = leaf
		}
	}
}

// settings are how the object is configured now.
func (o *controlObject) settings() control.Settings {
	s := control.Settings{Model: control.DirectNormal, Many: o.number(o.sboClass) == 1,
		SBOTimeout: o.milliseconds(o.sboTimeout), OperTimeout: o.milliseconds(o.operTimeout)}
	if o.ctlModel >= 0 {
		s.Model = control.Model(o.number(o.ctlModel))
	}
	if !slices.Contains(o.models, int64(s.Model)) {
		s.Model = control.StatusOnly
	}
	if o.numPls >= 0 && o.number(o.cmdQual) == 0 { // a pulse
		s.Pulse = Pulse{On: o.milliseconds(o.onDur), Off: o.milliseconds(o.offDur), Count: uint32(o.number(o.numPls))}
	}
	return s
}

// number is what the leaf holds; 0 where there is none.
func (o *controlObject) number(leaf int) int64 {
	if leaf < 0 {
		return 0
	}
	n, _ := o.e.values[leaf].Int()
	return n
}

func (o *controlObject) milliseconds(leaf int) time.Duration {
	return time.Duration(o.number(leaf)) * time.Millisecond
}

// modelIn is the control model that a writes.
func (o *controlObject) modelIn(a acsi.Assignment) (int64, bool) {
	if o.ctlModel < 0 {
		return 0, false
	}
	p, model, found := o.e.layout.points[a.Ref], int64(0), false
	p.shape.split(p.first, a.Value, func(leaf int, v value.Value) {
		if leaf == o.ctlModel {
			model, _ = v.Int()
			found = true
		}
	})
	return model, found
}

// conditions are what a command, or with nil a selection, is judged by now.
func (o *controlObject) conditions(r *control.Request) control.Conditions {
	c := control.Conditions{Behaviour: control.Behaviour(o.number(o.behaviour)), IsMode: o.ref.Name() == "Mod", Alarm: o.number(o.health) == 3}
	for _, leaf := range o.local {
		c.Authority.HasLocal = true
		c.Authority.Local = c.Authority.Local || o.e.values[leaf].Bool()
	}
	for _, leaf := range o.station {
		c.Authority.HasStation = true
		c.Authority.Station = c.Authority.Station || o.e.values[leaf].Bool()
	}
	c.Authority.MultiLevel = o.multiLevel >= 0 && o.e.values[o.multiLevel].Bool()
	if r != nil {
		o.judge(r.Value, &c)
	}
	return c
}

// judge compares a command with where the process is, and with its limits.
func (o *controlObject) judge(v value.Value, c *control.Conditions) {
	lo, hi, limited := o.limits()
	step, isStep := stepOf(v)
	if isStep {
		if now, ok := o.position(); ok && limited {
			c.AtLimit = step > 0 && now >= hi || step < 0 && now <= lo
		}
		return
	}
	if f, ok := magnitude(v); ok && limited && (f < lo || f > hi) {
		c.Outside = true
	}
	if o.target.shape == nil || o.settings().Pulse != (Pulse{}) {
		return
	}
	now := o.e.read(o.target.point)
	switch {
	case v.Kind() == value.Boolean && now.Kind() == value.BitString: // DPC
		c.Reached = now.Equal(positionOf(v.Bool()))
	case v.Kind() == value.Boolean: // SPC
		c.Reached = now.Equal(v)
	case o.target.ref.Name() == "posVal": // ISC
		c.Reached = now.Equal(v)
	}
}

// limits are the least and the greatest value, where both are given and make sense.
func (o *controlObject) limits() (lo, hi float64, ok bool) {
	if o.minVal < 0 || o.maxVal < 0 {
		return 0, 0, false
	}
	lo, _ = magnitude(o.e.values[o.minVal])
	hi, _ = magnitude(o.e.values[o.maxVal])
	return lo, hi, lo < hi
}

// position is where the process is, as a number.
func (o *controlObject) position() (float64, bool) {
	if o.target.shape == nil {
		return 0, false
	}
	return magnitude(o.e.read(o.target.point))
}

// magnitude is the number that v is, or, of an analogue value, has.
func magnitude(v value.Value) (float64, bool) {
	if v.Kind() == value.Structure && v.Len() > 0 {
		return magnitude(v.At(v.Len() - 1)) // f behind i, where there are both
	}
	if f, ok := v.Float(); ok {
		return f, true
	}
	i, ok := v.Int()
	return float64(i), ok
}

// stepOf is the way that a step command goes: 1, -1, or 0 for stop.
//
// IEC 61850-7-2, 6.1.2.10, Tcmd.
func stepOf(v value.Value) (step int, ok bool) {
	if v.Kind() != value.BitString || v.BitLen() != 2 {
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

// positionOf is a double point position: on or off.
func positionOf(on bool) value.Value {
	if on {
		return value.Bits(2, []byte{0x80})
	}
	return value.Bits(2, []byte{0x40})
}

// requestOf reads an Oper, SBOw or Cancel, v, which was checked. What it does not have is as if it were not asked for.
//
// IEC 61850-8-1, 20: the attributes of the control services.
func requestOf(n *acsi.Node, v value.Value) control.Request {
	r := control.Request{Whole: v, NoOperTm: true}
	for i, part := range n.Children {
		x := v.At(i)
		switch part.Name {
		case "ctlVal":
			r.Value = x
		case "operTm":
			r.NoOperTm = false
			if x.UTC()>>8 != 0 {
				r.OperTm, _ = x.Time()
			}
		case "origin":
			r.Origin = originOf(part, x)
		case "ctlNum":
			num, _ := x.Uint()
			r.CtlNum = uint8(num)
		case "T":
			if t, ok := x.Time(); ok && t.Unix() > 0 {
				r.T = t
			}
		case "Test":
			r.Test = x.Bool()
		case "Check":
			r.Synchro, r.Interlock = x.Bit(0), x.Bit(1)
		}
	}
	return r
}

func originOf(n *acsi.Node, v value.Value) (o acsi.Origin) {
	for i, part := range n.Children {
		switch part.Name {
		case "orCat":
			cat, _ := v.At(i).Uint()
			o.Cat = acsi.OrCat(min(cat, 255))
		case "orIdent":
			o.Ident = v.At(i).Text()
		}
	}
	return o
}
