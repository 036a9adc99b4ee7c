package server

import (
	"math"

	"busbar.example/acsi"
	"busbar.example/value"
)

// measurand is one number of a measured value with what its configuration makes of what the process says: the instantaneous value follows the
// process; the dead-banded value, whose changes are reported, follows when the difference is more than the dead band; the range says
// between which limits the process is. Every place in the store is -1 where the model has no such attribute.
//
// IEC 61850-7-3, 7.4.2 and 7.4.3, MV and CMV; 7.8, attributes db, zeroDb, rangeC.
type measurand struct {
	inst, dead      int // what the process says, and what is reported
	db, dbRef       int
	zero, zeroRef   int
	rng, hysteresis int
	limits          [6]int // hhLim, hLim, lLim, llLim, min, max
	angle           bool
}

var limitNames = [6]string{"hhLim", "hLim", "lLim", "llLim", "min", "max"}

// The places of limits in limitNames.
const (
	limHH = iota
	limH
	limL
	limLL
	limMin
	limMax
)

// perMille is what db, zeroDb and limDb count: thousandths of a percent.
const perMille = 100_000

// makeMeasurands finds what is configured to be more than a plain value.
func (e *Engine) makeMeasurands() error {
	e.measurands = map[int]*measurand{}
	for ref := range e.layout.points {
		if name := ref.Name(); ref.FC() == acsi.MX && (name == "mag" || name == "cVal") {
			do := ref.Parent().WithFC(0)
			if n := e.layout.nodes[do]; n.Kind == acsi.DataObjectNode || n.Kind == acsi.SubDataObjectNode {
				e.addMeasurand(do, name)
			}
		}
	}
	return nil
}

// addMeasurand adds the numbers of the data object do whose value is called mag or cVal.
func (e *Engine) addMeasurand(do acsi.Ref, name string) {
	inst := map[string]string{"mag": "instMag", "cVal": "instCVal"}[name]
	magnitude, angle := "", ".ang"
	if name == "cVal" {
		magnitude = ".mag"
	}
	for _, number := range []string{".f", ".i"} {
		e.addPart(do, name+magnitude+number, inst+magnitude+number, "", number)
		if name == "cVal" {
			e.addPart(do, name+angle+number, inst+angle+number, "Ang", number)
		}
	}
}

// addPart adds a number whose configuration is called db, rangeC and so on, with Ang in it for that of an angle.
func (e *Engine) addPart(do acsi.Ref, dead, inst, ang, number string) {
	leaf := func(path string, fc acsi.FC) int {
		if p, ok := e.layout.below(do, path, fc); ok && p.shape.cells == 0 {
			return p.first
		}
		return -1
	}
	m := &measurand{dead: leaf(dead, acsi.MX), inst: leaf(inst, acsi.MX), db: leaf("db"+ang, acsi.CF), dbRef: leaf("db"+ang+"Ref", acsi.CF),
		zero: -1, zeroRef: -1, rng: leaf("range"+ang, acsi.MX), hysteresis: leaf("range"+ang+"C.limDb", acsi.CF), angle: ang != ""}
	if m.dead < 0 {
		return
	}
	if !m.angle {
		m.zero, m.zeroRef = leaf("zeroDb", acsi.CF), leaf("zeroDbRef", acsi.CF)
	}
	for i, limit := range limitNames {
		m.limits[i] = leaf("range"+ang+"C."+limit+number, acsi.CF)
	}
	if m.inst < 0 && m.db < 0 && m.zero < 0 && m.limits == [6]int{-1, -1, -1, -1, -1, -1} {
		return // a plain value
	}
	e.measurands[m.dead] = m
	if m.inst >= 0 {
		e.measurands[m.inst] = m
	}
}

// measure takes in what the process says of a leaf.
func (e *Engine) measure(leaf int, v value.Value) {
	m := e.measurands[leaf]
	if m == nil {
		e.leafFromProcess(leaf, v)
		return
	}
	now, ok := number(v)
	if !ok {
		return // a floating-point number or an integer: it was checked
	}
	if m.inst >= 0 {
		e.leafFromProcess(m.inst, v)
	}
	if last, _ := number(e.processValue(m.dead)); m.passes(e, last, now) {
		shown := v
		if m.isZero(e, now) {
			shown = likeZero(v)
		}
		e.leafFromProcess(m.dead, shown)
	}
	if m.rng >= 0 {
		was, _ := e.processValue(m.rng).Int()
		e.leafFromProcess(m.rng, value.Int(m.rangeOf(e, was, now)))
	}
}

// measuredQuality is the quality q of the process, with what the limits say: what is beyond the ends of the scale is out of range.
func (e *Engine) measuredQuality(h Handle, q acsi.Quality) acsi.Quality {
	for leaf := h.first; leaf < h.first+h.shape.leafs; leaf++ {
		m := e.measurands[leaf]
		if m == nil || m.limits[limMin] < 0 || m.limits[limMax] < 0 {
			continue
		}
		from := m.dead
		if m.inst >= 0 {
			from = m.inst
		}
		now, _ := number(e.processValue(from))
		if low, high := m.limit(e, limMin), m.limit(e, limMax); low < high && (now < low || now > high) {
			q |= acsi.QualityOutOfRange
			if q.Validity() == "good" {
				q |= acsi.QualityQuestionable
			}
		}
	}
	return q
}

// processValue is what the process has said of a leaf, though something else may stand in for it.
func (e *Engine) processValue(leaf int) value.Value {
	if v, held := e.subs.held[leaf]; held {
		return v
	}
	return e.values[leaf]
}

// number is v as a number.
func number(v value.Value) (float64, bool) {
	if f, ok := v.Float(); ok {
		return f, true
	}
	i, ok := v.Int()
	return float64(i), ok
}

// likeZero is 0 as v is a number.
func likeZero(v value.Value) value.Value {
	switch v.Kind() {
	case value.Float32:
		return value.Float(0)
	case value.Float64:
		return value.Double(0)
	}
	return value.Int(0)
}

// setting is the number at a leaf, or 0.
func (e *Engine) setting(leaf int) float64 {
	if leaf < 0 {
		return 0
	}
	f, _ := number(e.values[leaf])
	return f
}

func (m *measurand) limit(e *Engine, i int) float64 { return e.setting(m.limits[i]) }

// scale is how far apart the ends of the scale are, or 0 where the configuration does not tell.
func (m *measurand) scale(e *Engine) float64 {
	if m.limits[limMin] >= 0 && m.limits[limMax] >= 0 {
		if scale := m.limit(e, limMax) - m.limit(e, limMin); scale > 0 {
			return scale
		}
	}
	if m.angle {
		return 360
	}
	return 0
}

// passes reports whether now is so far from last that it is shown.
func (m *measurand) passes(e *Engine, last, now float64) bool {
	if math.IsNaN(now) || math.IsNaN(last) {
		return true
	}
	if m.isZero(e, now) {
		return last != 0
	}
	band := e.setting(m.db)
	switch {
	case band == 0:
		return true
	case m.dbRef < 0:
		band *= m.scale(e)
	case e.setting(m.dbRef) != 0:
		band *= math.Abs(e.setting(m.dbRef))
	default:
		band *= math.Abs(last)
	}
	distance := math.Abs(now - last)
	if m.angle {
		distance = math.Mod(distance, 360)
		distance = min(distance, 360-distance)
	}
	return distance > band/perMille || band == 0
}

// isZero reports whether now is so small that 0 is shown.
func (m *measurand) isZero(e *Engine, now float64) bool {
	band := e.setting(m.zero)
	if band == 0 {
		return false
	}
	if ref := math.Abs(e.setting(m.zeroRef)); ref != 0 {
		return math.Abs(now) < band*ref/perMille
	}
	return math.Abs(now) < band*m.scale(e)/perMille
}

// The ranges. IEC 61850-7-3, range.
const (
	rangeNormal = iota
	rangeHigh
	rangeLow
	rangeHighHigh
	rangeLowLow
)

// rangeOf is between which limits now is, when it was in the range was: a limit is left by more than the hysteresis.
func (m *measurand) rangeOf(e *Engine, was int64, now float64) int64 {
	back := e.setting(m.hysteresis) * m.scale(e) / perMille
	above := func(limit float64, held bool) bool { return now > limit || held && now > limit-back }
	below := func(limit float64, held bool) bool { return now < limit || held && now < limit+back }
	high, low := m.pair(e, limH, limL, math.Inf(-1), math.Inf(1))
	highest, lowest := m.pair(e, limHH, limLL, high, low)
	switch {
	case above(highest, was == rangeHighHigh):
		return rangeHighHigh
	case above(high, was == rangeHighHigh || was == rangeHigh):
		return rangeHigh
	case below(lowest, was == rangeLowLow):
		return rangeLowLow
	case below(low, was == rangeLowLow || was == rangeLow):
		return rangeLow
	}
	return rangeNormal
}

// pair is an upper limit and a lower one. What is not configured is infinitely far: what the model does not have, both where they
// are not in their order, and what is within the limits inside of it.
func (m *measurand) pair(e *Engine, upper, lower int, least, most float64) (up, down float64) {
	up, down = m.limit(e, upper), m.limit(e, lower)
	unordered := m.limits[upper] >= 0 && m.limits[lower] >= 0 && up <= down
	if m.limits[upper] < 0 || unordered || !math.IsInf(least, 0) && up < least {
		up = math.Inf(1)
	}
	if m.limits[lower] < 0 || unordered || !math.IsInf(most, 0) && down > most {
		down = math.Inf(-1)
	}
	return up, down
}
