package server

import (
	"fmt"

	"busbar.example/acsi"
	"busbar.example/value"
)

// shape is the plan of one node as it travels under one functional constraint: how many leaves it has, and
// how to put their values together. Leaves lie side by side in the order of the model, so that a node is a range of
// them. Shapes are shared as the nodes are.
type shape struct {
	node     *acsi.Node // without what is under another functional constraint
	elem     *shape     // of an array: its element
	count    int        // of an array
	parts    []*shape
	leafs    int  // values in the store
	cells    int  // values below this one in a structure or array, counted out
	readOnly bool // no service writes it, or a part of it
}

// shaper makes one shape of each node and functional constraint.
type shaper map[shapeKey]*shape

type shapeKey struct {
	node *acsi.Node
	fc   acsi.FC
}

// under is the shape of n under fc, or nil where n holds nothing there.
func (s shaper) under(n *acsi.Node, fc acsi.FC) *shape {
	key := shapeKey{n, fc}
	sh, ok := s[key]
	if !ok {
		sh = s.make(n, fc)
		s[key] = sh
	}
	return sh
}

func (s shaper) make(n *acsi.Node, fc acsi.FC) *shape {
	if n.Count > 0 {
		one := *n
		one.Count = 0
		elem := s.make(&one, fc)
		if elem == nil {
			return nil
		}
		all := *elem.node
		all.Count = n.Count
		return &shape{node: &all, elem: elem, count: n.Count, leafs: n.Count * elem.leafs, cells: n.Count * (1 + elem.cells),
			readOnly: elem.readOnly}
	}
	if n.FC != 0 && n.FC != fc {
		return nil
	}
	if n.IsLeaf() {
		return &shape{node: n, leafs: 1, readOnly: n.ReadOnly}
	}
	sh := &shape{readOnly: n.ReadOnly}
	filtered := *n
	filtered.Children = nil
	for _, c := range n.Children {
		if part := s.under(c, fc); part != nil {
			filtered.Children = append(filtered.Children, part.node)
			sh.parts = append(sh.parts, part)
			sh.leafs += part.leafs
			sh.cells += 1 + part.cells
			sh.readOnly = sh.readOnly || part.readOnly
		}
	}
	if sh.parts == nil {
		return nil
	}
	sh.node = &filtered
	return sh
}

// read puts the value of sh together from its leaves. cells has room for what is below.
func (sh *shape) read(leaves []value.Value, cells []value.Value) value.Value {
	switch {
	case sh.elem != nil:
		elems, rest := cells[:sh.count:sh.count], cells[sh.count:]
		for i := range elems {
			n := sh.elem.leafs
			elems[i] = sh.elem.read(leaves[i*n:(i+1)*n], rest)
			rest = rest[sh.elem.cells:]
		}
		return value.ArrayOf(elems...)
	case sh.parts != nil:
		elems, rest := cells[:len(sh.parts):len(sh.parts)], cells[len(sh.parts):]
		for i, part := range sh.parts {
			elems[i] = part.read(leaves[:part.leafs], rest)
			leaves, rest = leaves[part.leafs:], rest[part.cells:]
		}
		return value.StructureOf(elems...)
	}
	return leaves[0]
}

// split takes v, which was checked, apart into the leaves from first on.
func (sh *shape) split(first int, v value.Value, put func(leaf int, v value.Value)) {
	switch {
	case sh.elem != nil:
		for i := range sh.count {
			sh.elem.split(first+i*sh.elem.leafs, v.At(i), put)
		}
	case sh.parts != nil:
		for i, part := range sh.parts {
			part.split(first, v.At(i), put)
			first += part.leafs
		}
	default:
		if sh.node.Type.Size == -acsi.QualityBits && v.BitLen() != acsi.QualityBits {
			q, _ := acsi.QualityOf(v) // it was checked
			v = q.Value()
		}
		put(first, v)
	}
}

// point is one object that a reference names.
type point struct {
	shape *shape
	first int // its first leaf in the store
}

// maxPoints bounds the values of one engine.
const maxPoints = 2_000_000

// layout is the index of a model, built once: what every reference means.
type layout struct {
	points map[acsi.Ref]point      // every object under each of its functional constraints
	nodes  map[acsi.Ref]*acsi.Node // every object without one; logical nodes too
	lds    map[string]*acsi.LogicalDevice
	leafs  int
	shapes shaper

	triggers []acsi.TrgOps // of each leaf: what its changes are
}

func newLayout(m *acsi.Model) (*layout, error) {
	l := &layout{points: map[acsi.Ref]point{}, nodes: map[acsi.Ref]*acsi.Node{}, lds: map[string]*acsi.LogicalDevice{}, shapes: shaper{}}
	for _, ld := range m.LDs {
		if l.lds[ld.Name] != nil {
			return nil, fmt.Errorf("acsi/server: two logical devices are called %q", ld.Name)
		}
		l.lds[ld.Name] = ld
		for _, ln := range ld.LNs {
			ref, err := acsi.NewRef(ld.Name, ln.Node.Name, 0)
			if err != nil {
				return nil, fmt.Errorf("acsi/server: %w", err)
			}
			if l.nodes[ref] != nil {
				return nil, fmt.Errorf("acsi/server: two logical nodes are called %s", ref)
			}
			if err := l.addLN(ref, ln.Node); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

// addLN indexes the logical node n.
func (l *layout) addLN(ref acsi.Ref, n *acsi.Node) error {
	leafs := l.leafs
	for _, fc := range n.FCs() { // before anything is counted out
		sh := l.shapes.under(n, fc)
		if leafs += sh.leafs; sh.leafs > maxPoints || leafs > maxPoints {
			return fmt.Errorf("acsi/server: the model has more than %d values", maxPoints)
		}
		if err := l.addPoint(ref.WithFC(fc), sh); err != nil {
			return err
		}
	}
	return l.addNode(ref, n)
}

// addNode indexes n and what is below it. The first of two attributes of one name, of an active and an edited
// setting, stands for both: they have one type.
func (l *layout) addNode(ref acsi.Ref, n *acsi.Node) error {
	if l.nodes[ref] != nil {
		return nil
	}
	l.nodes[ref] = n
	if n.Count > 0 {
		one := *n
		one.Count = 0
		for i := range n.Count {
			elem, err := ref.Element(i)
			if err != nil {
				return fmt.Errorf("acsi/server: %w", err)
			}
			if err := l.addNode(elem, &one); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range n.Children {
		child, err := ref.Child(c.Name)
		if err != nil {
			return fmt.Errorf("acsi/server: %w", err)
		}
		if err := l.addNode(child, c); err != nil {
			return err
		}
	}
	return nil
}

// addPoint indexes what sh plans, and gives it its leaves.
func (l *layout) addPoint(ref acsi.Ref, sh *shape) error {
	l.points[ref] = point{shape: sh, first: l.leafs}
	if sh.elem != nil {
		for i := range sh.count {
			elem, err := ref.Element(i)
			if err != nil {
				return fmt.Errorf("acsi/server: %w", err)
			}
			if err := l.addPoint(elem, sh.elem); err != nil {
				return err
			}
		}
		return nil
	}
	for _, part := range sh.parts {
		child, err := ref.Child(part.node.Name)
		if err != nil {
			return fmt.Errorf("acsi/server: %w", err)
		}
		if err := l.addPoint(child, part); err != nil {
			return err
		}
	}
	if sh.parts == nil {
		l.leafs++
		l.triggers = append(l.triggers, sh.node.Triggers)
	}
	return nil
}
