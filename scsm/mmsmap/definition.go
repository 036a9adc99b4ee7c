package mmsmap

import (
	"fmt"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// maxParts bounds the parts of a definition, each element of an array counted.
const maxParts = 1 << 18

// checkType refuses a type of the peer that nobody could work with: with a name that no reference has or that comes
// twice, with an array of no elements, or with more parts than left, from which it takes them. times is how often
// the type is there.
func checkType(spec mms.TypeSpecification, times int, left *int) error {
	if *left -= times; *left < 0 {
		return fmt.Errorf("it has more than %d parts", maxParts)
	}
	switch t := spec.(type) {
	case *mms.ArrayType:
		if t.NumberOfElements < 1 || int64(t.NumberOfElements) > int64(maxParts/times) {
			return fmt.Errorf("an array of %d elements", t.NumberOfElements)
		}
		return checkType(t.ElementType, times*int(t.NumberOfElements), left)
	case *mms.StructureType:
		names := make(map[string]bool, len(t.Components))
		for _, c := range t.Components {
			if _, err := acsi.NewRef(c.ComponentName, "", 0); err != nil || names[c.ComponentName] {
				return fmt.Errorf("%.64q is no name, or one that comes twice", c.ComponentName)
			}
			names[c.ComponentName] = true
			if err := checkType(c.ComponentType, times, left); err != nil {
				return fmt.Errorf("%s: %w", c.ComponentName, err)
			}
		}
	}
	return nil
}

// strand is the parts of an object under one functional constraint.
type strand struct {
	fc    acsi.FC
	parts []mms.TypeComponent
	loose bool // the parts are sorted by name, and not in the peer's order, which nobody knows
}

// take gives the type of name: of a loose strand wherever it is, else only if it comes next.
func (s *strand) take(name string) (spec mms.TypeSpecification, ok bool) {
	at := 0
	if s.loose {
		at, _ = slices.BinarySearchFunc(s.parts, name, func(c mms.TypeComponent, name string) int { return strings.Compare(c.ComponentName, name) })
	}
	if at >= len(s.parts) || s.parts[at].ComponentName != name || s.parts[at].ComponentType == nil {
		return nil, false
	}
	spec = s.parts[at].ComponentType
	if s.loose {
		s.parts[at].ComponentType = nil
	} else {
		s.parts = s.parts[1:]
	}
	return spec, true
}

// constrained is a type under one functional constraint.
type constrained struct {
	fc   acsi.FC
	spec mms.TypeSpecification
}

// braid joins strands into one sequence of parts that keeps the order of each strand that has one, so that a structure
// of values under one functional constraint can be told from it. emit is given each name once, with its types under
// all functional constraints; where strands contradict each other it is given the name several times.
func braid(strands []strand, emit func(name string, under []constrained) error) error {
	waiting := make(map[string]int) // in how many strands with an order a name is still to come
	for _, s := range strands {
		for _, part := range s.parts {
			if !s.loose {
				waiting[part.ComponentName]++
			}
		}
	}
	for {
		name, found := nextOf(strands, waiting)
		if !found {
			return nil
		}
		var under []constrained
		for i := range strands {
			if spec, ok := strands[i].take(name); ok {
				under = append(under, constrained{strands[i].fc, spec})
				if !strands[i].loose {
					waiting[name]--
				}
			}
		}
		if err := emit(name, under); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// nextOf is the first name that heads every ordered strand in which it is still to come, or else the first there is;
// once the ordered ones are used up, the first that is left in a loose one.
func nextOf(strands []strand, waiting map[string]int) (name string, found bool) {
	for _, s := range strands {
		if s.loose || len(s.parts) == 0 {
			continue
		}
		head, heads := s.parts[0].ComponentName, 0
		for _, other := range strands {
			if !other.loose && len(other.parts) > 0 && other.parts[0].ComponentName == head {
				heads++
			}
		}
		if heads == waiting[head] {
			return head, true
		}
		if !found {
			name, found = head, true
		}
	}
	for i := range strands {
		s := &strands[i]
		for s.loose && !found && len(s.parts) > 0 {
			if s.parts[0].ComponentType != nil {
				return s.parts[0].ComponentName, true
			}
			s.parts = s.parts[1:]
		}
	}
	return name, found
}

// typing makes nodes of types.
type typing struct {
	lenient Lenient
	loose   map[*mms.StructureType]bool // those that were put together of the types of their parts, and so are sorted by name
}

func (l Lenient) typing() typing { return typing{l, make(map[*mms.StructureType]bool)} }

// logicalNode makes a node of the type of a logical node, which has been checked. Its components are functional
// constraints.
func (t typing) logicalNode(name string, spec mms.TypeSpecification) (*acsi.Node, error) {
	whole, ok := spec.(*mms.StructureType)
	if !ok {
		return nil, fmt.Errorf("%s is no structure of functional constraints", name)
	}
	var strands []strand
	for _, component := range whole.Components {
		fc, err := acsi.ParseFC(component.ComponentName)
		if err != nil && t.lenient.OtherTypes {
			continue
		}
		if err != nil {
			return nil, err
		}
		part, ok := component.ComponentType.(*mms.StructureType)
		if !ok {
			return nil, fmt.Errorf("%s$%v is no structure of data objects", name, fc)
		}
		strands = append(strands, strand{fc, part.Components, t.loose[part]})
	}
	slices.SortFunc(strands, func(a, b strand) int { return int(a.fc) - int(b.fc) })
	n := &acsi.Node{Name: name, Kind: acsi.LogicalNodeNode, Class: classOf(name)}
	err := braid(strands, func(object string, under []constrained) error {
		blocks, data := apart(object, under)
		for _, u := range blocks {
			child, err := t.dataObject(object, acsi.ControlBlockNode, []constrained{u})
			if err != nil {
				return err
			}
			child.CDC = controlBlockClass(object, u.fc)
			n.Children = append(n.Children, child)
		}
		if data == nil {
			return nil
		}
		child, err := t.dataObject(object, acsi.DataObjectNode, data)
		n.Children = append(n.Children, child)
		return err
	})
	return n, err
}

// apart tells the control blocks called name, of which there is one under each functional constraint, from the data object.
func apart(name string, under []constrained) (blocks, data []constrained) {
	for _, u := range under {
		if controlBlockClass(name, u.fc) != "" {
			blocks = append(blocks, u)
		} else {
			data = append(data, u)
		}
	}
	return blocks, data
}

// controlBlockClass is the class of the control block called name under fc; "" where that is no control block.
//
// IEC 61850-8-1, 7.3.
func controlBlockClass(name string, fc acsi.FC) string {
	switch fc {
	case acsi.BR:
		return acsi.BRCB
	case acsi.RP:
		return acsi.URCB
	case acsi.LG:
		return acsi.LCB
	case acsi.GO:
		return acsi.GoCB
	case acsi.MS:
		return acsi.MSVCB
	case acsi.US:
		return acsi.USVCB
	case acsi.SP:
		if name == acsi.SGCB {
			return acsi.SGCB
		}
	}
	return ""
}

// dataObject puts together what the functional constraints say of one data object.
func (t typing) dataObject(name string, kind acsi.NodeKind, under []constrained) (*acsi.Node, error) {
	n := &acsi.Node{Name: name, Kind: kind}
	strands := make([]strand, 0, len(under))
	for i, u := range under {
		element, count := elementOf(u.spec)
		structure, ok := element.(*mms.StructureType)
		if !ok || len(structure.Components) == 0 {
			return nil, fmt.Errorf("a data object that is no structure under %v", u.fc)
		}
		if i > 0 && count != n.Count {
			return nil, fmt.Errorf("%d elements under %v, and %d under %v", n.Count, under[0].fc, count, u.fc)
		}
		n.Count = count
		strands = append(strands, strand{u.fc, structure.Components, t.loose[structure]})
	}
	err := braid(strands, func(part string, under []constrained) error {
		if isDataObject(under) {
			child, err := t.dataObject(part, acsi.SubDataObjectNode, under)
			n.Children = append(n.Children, child)
			return err
		}
		for _, u := range under {
			child, err := t.attribute(part, acsi.DataAttributeNode, u)
			if err != nil {
				return err
			}
			n.Children = append(n.Children, child)
		}
		return nil
	})
	return n, err
}

// isDataObject tells a sub data object from an attribute, which MMS does not: it has parts under several functional
// constraints, or a quality or time of its own. (A setting is one attribute under both SG and SE.)
func isDataObject(under []constrained) bool {
	setting := true
	for _, u := range under {
		element, _ := elementOf(u.spec)
		structure, ok := element.(*mms.StructureType)
		if !ok {
			return false
		}
		for _, c := range structure.Components {
			if c.ComponentName == "q" || c.ComponentName == "t" {
				return true
			}
		}
		setting = setting && (u.fc == acsi.SG || u.fc == acsi.SE)
	}
	return len(under) > 1 && !setting
}

func elementOf(spec mms.TypeSpecification) (element mms.TypeSpecification, count int) {
	if array, ok := spec.(*mms.ArrayType); ok {
		return array.ElementType, int(array.NumberOfElements)
	}
	return spec, 0
}

func (t typing) attribute(name string, kind acsi.NodeKind, u constrained) (*acsi.Node, error) {
	element, count := elementOf(u.spec)
	n := &acsi.Node{Name: name, Kind: kind, FC: u.fc, Count: count}
	structure, ok := element.(*mms.StructureType)
	if !ok {
		if n.Type, ok = leafType(element); !ok && t.lenient.OtherTypes {
			n.Type, ok = otherType(element)
		}
		if !ok {
			return nil, fmt.Errorf("an attribute under %v of a type that IEC 61850 does not use", u.fc)
		}
		return n, nil
	}
	if len(structure.Components) == 0 {
		return nil, fmt.Errorf("an attribute under %v without parts", u.fc)
	}
	for _, c := range structure.Components {
		child, err := t.attribute(c.ComponentName, acsi.BasicDataAttributeNode, constrained{u.fc, c.ComponentType})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.ComponentName, err)
		}
		n.Children = append(n.Children, child)
	}
	return n, nil
}

// classOf is the logical node class in the name of a logical node, prefix, four capital letters and number, or "".
func classOf(name string) string {
	if name == "LLN0" {
		return name
	}
	name = strings.TrimRight(name, "0123456789")
	if len(name) < 4 {
		return ""
	}
	class := name[len(name)-4:]
	for i := range len(class) {
		if class[i] < 'A' || class[i] > 'Z' {
			return ""
		}
	}
	return class
}
