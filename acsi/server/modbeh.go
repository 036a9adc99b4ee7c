package server

import (
	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/value"
)

// behaviours are how the logical nodes of an engine work, and how well they are.
type behaviours struct {
	lns     []behaviour
	healths []health
	of      map[int]int          // the logical node of a quality that its behaviour shows in
	raw     map[int]acsi.Quality // by leaf: such a quality as it would be without, of logical nodes that are not on
}

// behaviour is how one logical node works. Leaves are -1 where there are none.
//
// IEC 61850-7-4, Annex A.
type behaviour struct {
	mod, device     int // Mod.stVal of its own and of its LLN0
	beh, behQ, behT int
	qualities       []int
	now             control.Behaviour
}

// health is one that shows the worst of others, too.
type health struct {
	leaf, q, t int
	own, shown int64 // what the process says of it alone, and what it was made to show last
	others     []int // leaves, those that depend on others after these
}

// makeBehaviour finds out who depends on whom.
func (e *Engine) makeBehaviour() error {
	e.modes = behaviours{of: map[int]int{}, raw: map[int]acsi.Quality{}}
	for _, ld := range e.cfg.Model.LDs {
		e.makeDevice(ld)
	}
	e.statusOfSelf()
	return nil
}

func (e *Engine) makeDevice(ld *acsi.LogicalDevice) {
	device, total := -1, -1
	if ref, err := acsi.NewRef(ld.Name, "LLN0", 0); err == nil {
		device, total = e.layout.leafOf(ref, "Mod.stVal"), e.layout.leafOf(ref, "Health.stVal")
	}
	var healths, physical []int
	for _, ln := range ld.LNs {
		ref, err := acsi.NewRef(ld.Name, ln.Node.Name, 0)
		if err != nil {
			continue
		}
		if leaf := e.layout.leafOf(ref, "Health.stVal"); leaf >= 0 && leaf != total {
			healths = append(healths, leaf)
		}
		if leaf := e.layout.leafOf(ref, "PhyHealth.stVal"); leaf >= 0 {
			physical = append(physical, leaf)
			e.modes.healths = append(e.modes.healths, e.newHealth(ref, "PhyHealth", leaf, nil))
		}
		b := behaviour{mod: e.layout.leafOf(ref, "Mod.stVal"), device: device, beh: e.layout.leafOf(ref, "Beh.stVal"),
			behQ: e.layout.leafOf(ref, "Beh.q"), behT: e.layout.leafOf(ref, "Beh.t"), now: control.On}
		if b.mod < 0 && b.device < 0 {
			continue
		}
		for _, fc := range []acsi.FC{acsi.ST, acsi.MX} {
			if p, ok := e.layout.points[ref.WithFC(fc)]; ok {
				b.qualities = qualitiesIn(b.qualities, p.shape, p.first)
			}
		}
		for _, leaf := range b.qualities {
			e.modes.of[leaf] = len(e.modes.lns)
		}
		e.modes.lns = append(e.modes.lns, b)
	}
	if total < 0 {
		return
	}
	ref, _ := acsi.NewRef(ld.Name, "LLN0", 0)
	first := len(e.modes.healths) - len(physical)
	for i := range physical {
		e.modes.healths[first+i].others = []int{total}
	}
	whole := e.newHealth(ref, "Health", total, healths)
	e.modes.healths = append(e.modes.healths[:first:first], append([]health{whole}, e.modes.healths[first:]...)...)
}

// leafOf is the leaf of a status below a logical node, or -1.
func (l *layout) leafOf(ln acsi.Ref, path string) int {
	if p, ok := l.below(ln, path, acsi.ST); ok && p.shape.cells == 0 {
		return p.first
	}
	return -1
}

func (e *Engine) newHealth(ln acsi.Ref, do string, leaf int, others []int) health {
	own, _ := e.values[leaf].Int()
	return health{leaf: leaf, q: e.layout.leafOf(ln, do+".q"), t: e.layout.leafOf(ln, do+".t"), own: own, shown: own, others: others}
}

// makesSelf reports whether a data object is one that a behaviour or a health comes from.
func makesSelf(do string) bool { return do == "Mod" || do == "Health" || do == "PhyHealth" }

// qualitiesIn adds the leaves below sh that are the quality of something that the behaviour of a logical node bears on.
func qualitiesIn(leaves []int, sh *shape, first int) []int {
	switch {
	case sh.elem != nil:
		for i := range sh.count {
			leaves = qualitiesIn(leaves, sh.elem, first+i*sh.elem.leafs)
		}
	case sh.parts != nil:
		if sh.node.Kind == acsi.DataObjectNode && isOwnStatus(sh.node.Name) {
			return leaves
		}
		for _, part := range sh.parts {
			leaves = qualitiesIn(leaves, part, first)
			first += part.leafs
		}
	case sh.node.Name == "q" && sh.node.Type.Kind == value.BitString && sh.node.Type.Size == -acsi.QualityBits:
		leaves = append(leaves, first)
	}
	return leaves
}

// statusOfSelf brings behaviours and healths up to date after one of the things that they come from may have changed.
func (e *Engine) statusOfSelf() {
	e.applyModes()
	for i := range e.modes.healths {
		e.applyHealth(&e.modes.healths[i])
	}
}

// applyModes makes every behaviour what the modes ask for.
func (e *Engine) applyModes() {
	for i := range e.modes.lns {
		b := &e.modes.lns[i]
		want := combined(e.modeAt(b.mod), e.modeAt(b.device))
		e.showSelf(b.beh, b.behQ, b.behT, int64(want))
		if want == b.now {
			continue
		}
		b.now = want
		for _, leaf := range b.qualities {
			q, kept := e.modes.raw[leaf]
			if !kept {
				q, _ = acsi.QualityOf(e.values[leaf])
			}
			if want == control.On {
				delete(e.modes.raw, leaf)
			} else {
				e.modes.raw[leaf] = q
			}
			e.store(leaf, qualityUnder(want, q).Value())
		}
	}
}

func (e *Engine) modeAt(leaf int) control.Behaviour {
	if leaf < 0 {
		return control.On
	}
	n, _ := e.values[leaf].Int()
	if n < int64(control.On) || n > int64(control.Off) {
		return control.On
	}
	return control.Behaviour(n)
}

// combined is the behaviour that two modes, of a logical node and of its device, come to: off above all, and blocked and test
// together where they are both asked for.
//
// IEC 61850-7-4, Annex A, Beh by LLN0.Mod and Mod.
func combined(a, b control.Behaviour) control.Behaviour {
	if a == control.Off || b == control.Off {
		return control.Off
	}
	blocked := a == control.Blocked || b == control.Blocked || a == control.TestBlocked || b == control.TestBlocked
	test := a == control.Test || b == control.Test || a == control.TestBlocked || b == control.TestBlocked
	switch {
	case blocked && test:
		return control.TestBlocked
	case blocked:
		return control.Blocked
	case test:
		return control.Test
	}
	return control.On
}

// qualityUnder is what a quality shows in a behaviour.
func qualityUnder(b control.Behaviour, q acsi.Quality) acsi.Quality {
	switch b {
	case control.Blocked:
		return q | acsi.QualityOperatorBlocked
	case control.Test:
		return q | acsi.QualityTest
	case control.TestBlocked:
		return q | acsi.QualityTest | acsi.QualityOperatorBlocked
	case control.Off:
		return q&^acsi.QualityQuestionable | acsi.QualityInvalid
	}
	return q
}

// qualityInMode is what the quality q at leaf becomes by the behaviour of its logical node.
func (e *Engine) qualityInMode(leaf int, q acsi.Quality) acsi.Quality {
	if len(e.modes.raw) == 0 {
		return q
	}
	if _, bears := e.modes.raw[leaf]; !bears {
		return q
	}
	e.modes.raw[leaf] = q
	return qualityUnder(e.modes.lns[e.modes.of[leaf]].now, q)
}

// applyHealth makes h the worst of what it depends on and what the process says of it alone.
//
// IEC 61850-7-4: Health of LLN0, PhyHealth.
func (e *Engine) applyHealth(h *health) {
	if now, _ := e.values[h.leaf].Int(); now != h.shown {
		h.own = now // the process has said so
	}
	worst := h.own
	for _, other := range h.others {
		n, _ := e.values[other].Int()
		worst = max(worst, n)
	}
	h.shown = worst
	e.showSelf(h.leaf, h.q, h.t, worst)
}

// showSelf stores a status that the IED itself makes, where it differs.
func (e *Engine) showSelf(leaf, q, t int, n int64) {
	if leaf < 0 {
		return
	}
	v := value.Int(n)
	if e.values[leaf].Equal(v) {
		return
	}
	e.store(leaf, v)
	if q >= 0 {
		e.store(q, acsi.QualityGood.Value())
	}
	if t >= 0 {
		e.store(t, e.now().Value())
	}
}
