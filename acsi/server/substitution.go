package server

import (
	"slices"

	"busbar.example/acsi"
	"busbar.example/value"
)

// substitutions are what stands in for values of the process.
type substitutions struct {
	units []*substitution
	held  map[int]value.Value // by leaf: what the process says of it, while something else is shown
}

// substitution is one data object, or a part of one, whose value can be replaced or blocked.
//
// IEC 61850-7-3: subEna, subVal, subMag, subCVal, subQ, subID; blkEna.
type substitution struct {
	ena, subQ, id, blk int // leaves, or -1
	from               point
	to                 []point // that show the value: the first decides whether from fits
	q, t               int     // leaves, or -1
	by                 *session
	replaced           bool
	held               bool // replaced or blocked: what the process says does not show
}

// stands lists what stands in for what.
var stands = []struct {
	from string
	to   []string
}{
	{"subVal", []string{"stVal", "mxVal", "valWTr"}},
	{"subMag", []string{"mag", "instMag", "mxVal"}},
	{"subCVal", []string{"cVal", "instCVal"}},
}

// makeSubstitution finds what can be replaced.
func (e *Engine) makeSubstitution() error {
	e.subs = substitutions{held: map[int]value.Value{}}
	for ref := range e.layout.points {
		if fc := ref.FC(); fc == acsi.SV && ref.Name() == "subEna" ||
			fc == acsi.BL && ref.Name() == "blkEna" && !e.layout.has(ref.Parent(), "subEna", acsi.SV) {
			e.addSubstitution(ref.Parent().WithFC(0))
		}
	}
	return nil
}

func (l *layout) has(ref acsi.Ref, path string, fc acsi.FC) bool {
	_, ok := l.below(ref, path, fc)
	return ok
}

func (e *Engine) addSubstitution(ref acsi.Ref) {
	leaf := func(name string, fc acsi.FC) int {
		if p, ok := e.layout.below(ref, name, fc); ok && p.shape.cells == 0 {
			return p.first
		}
		return -1
	}
	u := &substitution{ena: leaf("subEna", acsi.SV), subQ: leaf("subQ", acsi.SV), id: leaf("subID", acsi.SV), blk: leaf("blkEna", acsi.BL), q: -1, t: -1}
	for _, s := range stands {
		from, given := e.layout.below(ref, s.from, acsi.SV)
		for _, name := range s.to {
			for _, fc := range []acsi.FC{acsi.ST, acsi.MX} {
				to, ok := e.layout.below(ref, name, fc)
				if !ok || given && !alike(from.shape, to.shape) {
					continue
				}
				if given {
					u.from = from
				}
				u.to = append(u.to, to)
				u.q, u.t = leaf("q", fc), leaf("t", fc)
			}
		}
		if given {
			break
		}
	}
	e.subs.units = append(e.subs.units, u)
}

// alike reports whether a value of a is one of b.
func alike(a, b *shape) bool {
	if a.leafs != b.leafs || len(a.parts) != len(b.parts) || a.count != b.count {
		return false
	}
	for i, part := range a.parts {
		if !alike(part, b.parts[i]) {
			return false
		}
	}
	return a.cells > 0 || a.node.Type == b.node.Type
}

// setSubstitution carries out a write under SV or BL at p.
//
// IEC 61850-7-2, 14: substitution.
func (c *call) setSubstitution(a acsi.Assignment, p point) error {
	e := c.e
	var units []*substitution
	for _, u := range e.subs.units {
		if u.within(p) {
			units = append(units, u)
		}
	}
	if units == nil || slices.ContainsFunc(units, func(u *substitution) bool { return u.to == nil }) {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "%s has no value that could be replaced", a.Ref.Parent())
	}
	e.put(p, a.Value)
	c.written = append(c.written, a)
	for _, u := range units {
		u.by = c.session
		e.substitute(u)
	}
	return nil
}

// within reports whether a write to p changes what u does.
func (u *substitution) within(p point) bool {
	in := func(leaf int) bool { return leaf >= p.first && leaf < p.first+p.shape.leafs }
	if in(u.ena) || in(u.subQ) || in(u.id) || in(u.blk) {
		return true
	}
	return u.from.shape != nil && p.first < u.from.first+u.from.shape.leafs && u.from.first < p.first+p.shape.leafs
}

// substitute shows what u asks for now.
func (e *Engine) substitute(u *substitution) {
	replace := u.ena >= 0 && u.from.shape != nil && e.values[u.ena].Bool()
	block := u.blk >= 0 && e.values[u.blk].Bool()
	if (replace || block) && !u.held {
		e.hold(u)
	}
	was := u.replaced
	u.replaced = replace
	switch {
	case replace:
		v := e.read(u.from)
		for _, to := range u.to {
			to.shape.split(to.first, v, e.store)
		}
		q := acsi.QualityGood
		if u.subQ >= 0 {
			q, _ = acsi.QualityOf(e.values[u.subQ])
		}
		e.stamp(u, q|acsi.QualitySubstituted)
	case block:
		if was { // what the process says by now, and that stays
			e.showHeld(u)
		}
		if u.q >= 0 {
			q, _ := acsi.QualityOf(e.subs.held[u.q])
			e.stamp(u, frozen(q))
		}
	case u.held:
		e.showHeld(u)
		u.eachLeaf(func(leaf int) { delete(e.subs.held, leaf) })
	}
	u.held = replace || block
}

// frozen is the quality of a value that is no longer brought up to date.
//
// IEC 61850-7-3, operatorBlocked.
func frozen(q acsi.Quality) acsi.Quality {
	if q.Validity() == "good" {
		q |= acsi.QualityQuestionable
	}
	return q | acsi.QualityOldData | acsi.QualityOperatorBlocked
}

// hold keeps what the process has said.
func (e *Engine) hold(u *substitution) {
	u.eachLeaf(func(leaf int) { e.subs.held[leaf] = e.values[leaf] })
	if u.q >= 0 {
		if q, bears := e.modes.raw[u.q]; bears {
			e.subs.held[u.q] = q.Value()
		}
	}
}

// showHeld shows what the process says.
func (e *Engine) showHeld(u *substitution) {
	u.eachLeaf(func(leaf int) {
		if v := e.subs.held[leaf]; leaf != u.q {
			e.store(leaf, v)
		} else if q, ok := acsi.QualityOf(v); ok {
			e.store(leaf, e.qualityInMode(leaf, q).Value())
		}
	})
}

// eachLeaf calls f with every leaf that shows the value, and those of its quality and time.
func (u *substitution) eachLeaf(f func(leaf int)) {
	for _, to := range u.to {
		for leaf := to.first; leaf < to.first+to.shape.leafs; leaf++ {
			f(leaf)
		}
	}
	for _, leaf := range []int{u.q, u.t} {
		if leaf >= 0 {
			f(leaf)
		}
	}
}

// stamp gives what u shows its quality, and the time.
func (e *Engine) stamp(u *substitution, q acsi.Quality) {
	if u.q >= 0 {
		e.store(u.q, e.qualityInMode(u.q, q).Value())
	}
	if u.t >= 0 {
		e.store(u.t, e.now().Value())
	}
}

// fromProcess stores what the process says of p, but where something else stands in for it, and with what the behaviour of the
// logical node adds.
func (e *Engine) fromProcess(p point, v value.Value) {
	if len(e.subs.held) == 0 && len(e.modes.raw) == 0 {
		e.put(p, v)
		return
	}
	p.shape.split(p.first, v, e.leafFromProcess)
}

func (e *Engine) leafFromProcess(leaf int, v value.Value) {
	if len(e.subs.held) == 0 && len(e.modes.raw) == 0 {
		e.store(leaf, v)
		return
	}
	if _, held := e.subs.held[leaf]; held {
		e.subs.held[leaf] = v
		return
	}
	if _, bears := e.modes.raw[leaf]; bears {
		if q, ok := acsi.QualityOf(v); ok {
			v = e.qualityInMode(leaf, q).Value()
		}
	}
	e.store(leaf, v)
}

// closeSubstitution ends what the association has replaced, where that is how the IED is configured.
func (s *session) closeSubstitution() {
	if !s.e.cfg.SubstitutionEnds {
		return
	}
	for _, u := range s.e.subs.units {
		if u.by == s && u.replaced {
			s.e.store(u.ena, value.Bool(false))
			s.e.substitute(u)
		}
	}
}
