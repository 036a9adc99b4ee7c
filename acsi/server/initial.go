package server

import (
	"fmt"

	"busbar.example/acsi"
	"busbar.example/value"
)

// initial makes the store as it is at the start.
func (l *layout) initial(now acsi.Timestamp) ([]value.Value, error) {
	values := make([]value.Value, l.leafs)
	for ref, p := range l.points {
		if p.shape.cells > 0 {
			continue
		}
		if values[p.first] = zero(p.shape.node); !values[p.first].IsValid() {
			return nil, fmt.Errorf("acsi/server: %s has no type", ref)
		}
	}
	given := map[acsi.Ref]bool{}
	for _, ld := range l.lds {
		for _, ln := range ld.LNs {
			for _, initial := range inOrder(ln.Values, max(1, ld.ActiveGroup)) {
				p, ok := l.points[initial.Ref]
				if !ok {
					return nil, fmt.Errorf("acsi/server: initial value of %s: the model has no such object", initial.Ref)
				}
				if err := p.shape.node.Check(initial.Value); err != nil {
					return nil, fmt.Errorf("acsi/server: initial value of %s: %w", initial.Ref, err)
				}
				p.shape.split(p.first, initial.Value, func(leaf int, v value.Value) { values[leaf] = v })
				for at := initial.Ref; at.Depth() >= 3; at = at.Parent() {
					given[at] = true // it, or something in it
				}
			}
		}
	}
	l.stamp(values, given, now)
	return values, nil
}

// inOrder are the values that hold in a setting group: those of the group after those of all groups, which they replace.
func inOrder(values []acsi.InitialValue, group int) []acsi.InitialValue {
	ordered := make([]acsi.InitialValue, 0, len(values))
	for _, of := range []int{0, group} {
		for _, v := range values {
			if v.Group == of {
				ordered = append(ordered, v)
			}
		}
	}
	return ordered
}

// stamp gives the timestamps and qualities that the file left open their first values.
func (l *layout) stamp(values []value.Value, given map[acsi.Ref]bool, now acsi.Timestamp) {
	t, invalid := now.Value(), acsi.QualityInvalid.Value()
	for ref, p := range l.points {
		fc := ref.FC()
		if fc != acsi.ST && fc != acsi.MX || given[ref] {
			continue
		}
		switch name := ref.Name(); {
		case name == "t" && p.shape.node.Type.Kind == value.UTCTime:
			values[p.first] = t
		case name == "q" && p.shape.node.Type.Kind == value.BitString && p.shape.node.Type.Size == -acsi.QualityBits:
			if !given[ref.Parent()] && !isOwnStatus(dataObject(ref).Name()) {
				values[p.first] = invalid
			}
		}
	}
}

// isOwnStatus reports whether the data object of that name is about the IED itself, so that its value needs no process to be good.
func isOwnStatus(do string) bool {
	switch do {
	case "Beh", "Mod", "Health", "PhyHealth", "Proxy", "NamPlt", "PhyNam":
		return true
	}
	return false
}

// dataObject is the data object that ref stands in, under ref's functional constraint.
func dataObject(ref acsi.Ref) acsi.Ref {
	for ref.Depth() > 3 {
		ref = ref.Parent()
	}
	return ref
}

// leaf is the place in the store of the leaf called name below at, or -1.
func (l *layout) leaf(at acsi.Ref, name string, kind value.Kind) int {
	ref, err := at.Child(name)
	if err != nil {
		return -1
	}
	p, ok := l.points[ref]
	if !ok || p.shape.cells > 0 || p.shape.node.Type.Kind != kind {
		return -1
	}
	return p.first
}
