package server

import (
	"maps"
	"slices"

	"busbar.example/acsi"
	"busbar.example/value"
)

// writtenValues are the settings, configurations and descriptions, under SP, CF and DC, that services have changed: they outlive the
// process. The record of each is what the model gave it, and what it is now: where the model gives something else than it did, it was
// engineered anew, and that counts.
type writtenValues struct {
	e       *Engine
	of      map[int]writtenValue // by leaf
	changed map[int]struct{}     // leaves that State has yet to hear of
	asked   map[int]struct{}     // those of which unsaved has told
}

type writtenValue struct {
	ref        acsi.Ref
	engineered value.Value
}

func (e *Engine) newWrittenValues() *writtenValues {
	return &writtenValues{e: e, of: map[int]writtenValue{}, changed: map[int]struct{}{}}
}

// written has State keep what a service has written to ref, which p is. It is called with the lock held.
func (k *writtenValues) written(ref acsi.Ref, p point) {
	if k.e.saving.state == nil {
		return
	}
	eachLeaf(ref, p, func(ref acsi.Ref, leaf int, sh *shape) {
		if _, known := k.of[leaf]; !known {
			k.of[leaf] = writtenValue{ref, k.e.engineered(ref, leaf, sh)}
		}
		k.changed[leaf] = struct{}{}
	})
	k.e.save(k)
}

// set notes that the process has set what p is: where a service has written there before, it is not that any more.
func (k *writtenValues) set(p point) {
	if len(k.of) == 0 {
		return
	}
	for leaf := p.first; leaf < p.first+p.shape.leafs; leaf++ {
		if _, known := k.of[leaf]; known {
			k.changed[leaf] = struct{}{}
			k.e.saveLater(k)
		}
	}
}

// eachLeaf calls f with each leaf of p, which is what ref names.
func eachLeaf(ref acsi.Ref, p point, f func(ref acsi.Ref, leaf int, sh *shape)) {
	switch {
	case p.shape.elem != nil:
		for i := range p.shape.count {
			if elem, err := ref.Element(i); err == nil { // the layout has it
				eachLeaf(elem, point{p.shape.elem, p.first + i*p.shape.elem.leafs}, f)
			}
		}
	case p.shape.parts != nil:
		first := p.first
		for _, part := range p.shape.parts {
			if child, err := ref.Child(part.node.Name); err == nil {
				eachLeaf(child, point{part, first}, f)
			}
			first += part.leafs
		}
	default:
		f(ref, p.first, p.shape)
	}
}

// engineered is what the model gives a leaf at the start.
func (e *Engine) engineered(ref acsi.Ref, leaf int, sh *shape) value.Value {
	given := zero(sh.node)
	ld := e.layout.lds[ref.LD()]
	for _, initial := range inOrder(ld.LN(ref.LN()).Values, max(1, ld.ActiveGroup)) {
		p := e.layout.points[initial.Ref]
		if p.first <= leaf && leaf < p.first+p.shape.leafs {
			p.shape.split(p.first, initial.Value, func(at int, v value.Value) {
				if at == leaf {
					given = v
				}
			})
		}
	}
	return given
}

// unsaved is a saver's. What is again as it was engineered need not be kept.
func (k *writtenValues) unsaved(changes []Change) []Change {
	k.asked, k.changed = k.changed, map[int]struct{}{}
	for _, leaf := range slices.Sorted(maps.Keys(k.asked)) {
		w, now := k.of[leaf], k.e.values[leaf]
		c := Change{Op: DeleteThrough, Record: Record{Table: tableValues, Name: w.ref.String()}}
		if !now.Equal(w.engineered) {
			c.Op = Put
			c.Data, _ = w.engineered.AppendBinary(nil)
			c.Data, _ = now.AppendBinary(c.Data)
		}
		changes = append(changes, c)
	}
	return changes
}

// saved is a saver's.
func (k *writtenValues) saved(kept bool) {
	if !kept {
		maps.Copy(k.changed, k.asked)
	}
	k.asked = nil
}

// loadValue takes in a value that a service has written in an earlier run. What does not fit the model any more is forgotten.
func (e *Engine) loadValue(r Record) error {
	if !e.restoreValue(r) {
		e.forget(r.Table, r.Name)
	}
	return nil
}

func (e *Engine) restoreValue(r Record) bool {
	ref, err := acsi.ParseRef(r.Name)
	p, ok := e.layout.points[ref]
	if err != nil || !ok || p.shape.cells > 0 || !outlives(ref.FC()) || p.shape.readOnly {
		return false
	}
	was, rest, err := value.DecodeBinary(r.Data)
	if err != nil || !was.Equal(e.engineered(ref, p.first, p.shape)) {
		return false
	}
	v, rest, err := value.DecodeBinary(rest)
	if err != nil || len(rest) > 0 || p.shape.node.Check(v) != nil {
		return false
	}
	e.kept.of[p.first] = writtenValue{ref, was}
	e.put(p, v)
	return true
}

// outlives reports whether what a service writes under fc outlives the process.
func outlives(fc acsi.FC) bool { return fc == acsi.SP || fc == acsi.CF || fc == acsi.DC }
