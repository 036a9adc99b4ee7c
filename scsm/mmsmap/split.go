package mmsmap

import (
	"context"
	"slices"
	"strings"
	"sync"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// splits are the logical nodes whose definitions came in parts, and the structures in them whose order nobody knows,
// since their own types are too large for a PDU. Such a structure is read part by part, in the order that the definition
// gives it, and not written as a whole. The variables of other objects are remembered, for a client reads the same ones again.
// The zero splits has none. It is safe for concurrent use.
type splits struct {
	mu    sync.Mutex
	whole map[acsi.Ref]mms.Variable         // of objects that are not split, up to maxReferences
	nodes map[mms.DomainSpecific]*acsi.Node // by LN
	parts map[mms.DomainSpecific][]string   // by LN$FC, LN$FC$DO and so on: the names of the parts
}

// node is the definition of the logical node ln, or nil where it is not split.
func (s *splits) node(ln mms.DomainSpecific) *acsi.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[ln]
}

// variable is how ref is read as a whole, where that is remembered.
func (s *splits) variable(ref acsi.Ref) (v mms.Variable, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, known = s.whole[ref]
	return v, known
}

// of gives the parts of item, or nil where it is not split.
func (s *splits) of(item mms.DomainSpecific) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[item]
}

// keep remembers that ref is read as v, unless item, which it is, has come to be split.
func (s *splits) keep(item mms.DomainSpecific, ref acsi.Ref, v mms.Variable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts[item] != nil {
		return
	}
	if s.whole == nil || len(s.whole) >= maxReferences {
		s.whole = make(map[acsi.Ref]mms.Variable)
	}
	s.whole[ref] = v
}

// remember keeps the definition of ln, unless there is one, and gives the one that is kept.
func (s *splits) remember(ln mms.DomainSpecific, n *acsi.Node, items []string) *acsi.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.nodes[ln]; kept != nil {
		return kept
	}
	if s.nodes == nil {
		s.nodes, s.parts = make(map[mms.DomainSpecific]*acsi.Node), make(map[mms.DomainSpecific][]string)
	}
	s.nodes[ln], s.whole = n, nil
	for _, item := range items {
		if parts := partsUnder(n, item); parts != nil {
			s.parts[mms.DomainSpecific{DomainID: ln.DomainID, ItemID: item}] = parts
		}
	}
	return n
}

// partsUnder are the names of the parts of LN$FC, LN$FC$DO and so on in the logical node n; nil for LN.
func partsUnder(n *acsi.Node, item string) []string {
	path := strings.Split(item, "$")
	if len(path) < 2 {
		return nil
	}
	fc, err := acsi.ParseFC(path[1])
	if err != nil {
		return nil
	}
	n = n.Under(fc)
	for _, name := range path[2:] {
		if n == nil {
			return nil
		}
		n = n.Child(name)
	}
	if n == nil {
		return nil
	}
	var names []string
	for _, child := range n.Children {
		names = append(names, child.Name)
	}
	return names
}

// logicalNodeInParts puts the definition of ln together of the types of its parts.
func (c *Client) logicalNodeInParts(ctx context.Context, ln mms.DomainSpecific) (*acsi.Node, error) {
	names, err := c.nameList(ctx, mms.ClassNamedVariable, mms.ScopeDomain(ln.DomainID), ln.ItemID)
	if err != nil {
		return nil, err
	}
	p := partwise{client: c, left: maxParts, madeUp: c.lenient.typing()}
	spec, err := p.typeOfParts(ctx, ln, names)
	if err != nil {
		return nil, answerError(err)
	}
	n, err := p.madeUp.logicalNode(ln.ItemID, spec)
	if err != nil {
		return nil, undescribed(ln, err)
	}
	return c.split.remember(ln, n, p.items), nil
}

// partwise is one definition that is being put together.
type partwise struct {
	client *Client
	left   int      // parts that it may still have
	madeUp typing   // the structures that were put together,
	items  []string // and their names
}

// typeOfParts puts the type of item together of the types of those of the names that are directly below it.
func (p *partwise) typeOfParts(ctx context.Context, item mms.DomainSpecific, names []string) (mms.TypeSpecification, error) {
	whole := &mms.StructureType{}
	names = within(names, item.ItemID)
	for _, name := range names {
		part := name[len(item.ItemID)+1:]
		if strings.IndexByte(part, '$') >= 0 {
			continue
		}
		if _, err := acsi.NewRef(part, "", 0); err != nil {
			return nil, undescribed(item, err)
		}
		below := mms.DomainSpecific{DomainID: item.DomainID, ItemID: name}
		spec, err := p.client.typeOf(ctx, below, &p.left)
		if err != nil && p.client.lenient.tooLarge(err) {
			spec, err = p.typeOfParts(ctx, below, names)
		}
		if err != nil {
			return nil, err
		}
		whole.Components = append(whole.Components, mms.TypeComponent{ComponentName: part, ComponentType: spec})
	}
	if len(whole.Components) == 0 {
		return nil, acsi.Errorf(acsi.ObjectAccessUnsupported, "the type of %s is longer than the %d octets of a PDU that are agreed with the peer",
			item.ItemID, p.client.association.Parameters().MaxPDU)
	}
	p.madeUp.loose[whole] = true
	p.items = append(p.items, item.ItemID)
	return whole, nil
}

// within is those of the sorted names that are below item.
func within(names []string, item string) []string {
	from, _ := slices.BinarySearch(names, item+"$")
	to, _ := slices.BinarySearch(names, item+"%") // % is the octet that follows $
	return names[from:to]
}
