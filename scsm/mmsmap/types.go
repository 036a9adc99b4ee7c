package mmsmap

import (
	"fmt"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// specOf is the MMS type of a node of the model. That of a logical node has a component for each
// functional constraint in use, unless ref names one.
//
// IEC 61850-8-1, 7.3 and Table "Mapping of basic data types".
func specOf(n *acsi.Node, ref acsi.Ref) (mms.TypeSpecification, error) {
	if n.Kind != acsi.LogicalNodeNode || ref.FC() != 0 {
		return spec(n)
	}
	var components []mms.TypeComponent
	for _, fc := range n.FCs() {
		part, err := spec(n.Under(fc))
		if err != nil {
			return nil, err
		}
		components = append(components, mms.TypeComponent{ComponentName: fc.String(), ComponentType: part})
	}
	return &mms.StructureType{Components: components}, nil
}

// spec is the type of an attribute, or of a data object of which one functional constraint is left.
func spec(n *acsi.Node) (mms.TypeSpecification, error) {
	var element mms.TypeSpecification
	if len(n.Children) == 0 {
		var err error
		if element, err = simpleSpec(n); err != nil {
			return nil, err
		}
	} else {
		structure := &mms.StructureType{Components: make([]mms.TypeComponent, len(n.Children))}
		for i, c := range n.Children {
			part, err := spec(c)
			if err != nil {
				return nil, err
			}
			structure.Components[i] = mms.TypeComponent{ComponentName: c.Name, ComponentType: part}
		}
		element = structure
	}
	if n.Count > 0 {
		return &mms.ArrayType{NumberOfElements: uint32(n.Count), ElementType: element}, nil
	}
	return element, nil
}

// simpleSpec is the type of a leaf. The model gives a fixed size as a negative number, MMS the largest one.
func simpleSpec(n *acsi.Node) (mms.TypeSpecification, error) {
	size := int32(n.Type.Size)
	switch n.Type.Kind {
	case value.Boolean:
		return mms.BooleanType{}, nil
	case value.BitString:
		return mms.BitStringType(-size), nil
	case value.Integer:
		return mms.IntegerType(size), nil
	case value.Unsigned:
		return mms.UnsignedType(size), nil
	case value.Float32:
		return mms.FloatingPointType{FormatWidth: 32, ExponentWidth: 8}, nil
	case value.Float64:
		return mms.FloatingPointType{FormatWidth: 64, ExponentWidth: 11}, nil
	case value.OctetString:
		return mms.OctetStringType(-size), nil
	case value.VisibleString:
		return mms.VisibleStringType(-size), nil
	case value.MMSString:
		return mms.MMSStringType(-size), nil
	case value.BinaryTime:
		return mms.BinaryTimeType(size == 6), nil
	case value.UTCTime:
		return mms.UTCTimeType{}, nil
	}
	return nil, fmt.Errorf("%s has a type without a form in MMS: %v", n.Name, n.Type.Kind)
}

// leafType is the reverse of simpleSpec.
func leafType(spec mms.TypeSpecification) (acsi.Type, bool) {
	switch t := spec.(type) {
	case mms.BooleanType:
		return acsi.Type{Kind: value.Boolean}, true
	case mms.BitStringType:
		return acsi.Type{Kind: value.BitString, Size: -int(t)}, true
	case mms.IntegerType:
		return acsi.Type{Kind: value.Integer, Size: int(t)}, true
	case mms.UnsignedType:
		return acsi.Type{Kind: value.Unsigned, Size: int(t)}, true
	case mms.FloatingPointType:
		if t.FormatWidth == 64 {
			return acsi.Type{Kind: value.Float64, Size: 64}, true
		}
		return acsi.Type{Kind: value.Float32, Size: 32}, true
	case mms.OctetStringType:
		return acsi.Type{Kind: value.OctetString, Size: -int(t)}, true
	case mms.VisibleStringType:
		return acsi.Type{Kind: value.VisibleString, Size: -int(t)}, true
	case mms.MMSStringType:
		return acsi.Type{Kind: value.MMSString, Size: -int(t)}, true
	case mms.BinaryTimeType:
		if t {
			return acsi.Type{Kind: value.BinaryTime, Size: 6}, true
		}
		return acsi.Type{Kind: value.BinaryTime, Size: 4}, true
	case mms.UTCTimeType:
		return acsi.Type{Kind: value.UTCTime}, true
	}
	return acsi.Type{}, false
}

// constrained is a part of a data object under one functional constraint.
type constrained struct {
	fc   acsi.FC
	spec mms.TypeSpecification
}

// logicalNode makes a node of the type of a logical node, whose components are functional constraints.
func logicalNode(name string, spec mms.TypeSpecification) (*acsi.Node, error) {
	whole, ok := spec.(*mms.StructureType)
	if !ok {
		return nil, fmt.Errorf("the peer describes the logical node %s as %T", name, spec)
	}
	var order []string
	objects := make(map[string][]constrained)
	for _, component := range whole.Components {
		fc, err := acsi.ParseFC(component.ComponentName)
		part, ok := component.ComponentType.(*mms.StructureType)
		if err != nil || !ok {
			return nil, fmt.Errorf("the peer describes %s$%s as %T", name, component.ComponentName, component.ComponentType)
		}
		order = gather(order, objects, fc, part)
	}
	n := &acsi.Node{Name: name, Kind: acsi.LogicalNodeNode, Class: classOf(name)}
	for _, object := range order {
		child, err := dataObject(object, acsi.DataObjectNode, objects[object])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		n.Children = append(n.Children, child)
	}
	return n, nil
}

// gather sorts the components of a structure under fc by name, in the order of first appearance.
func gather(order []string, parts map[string][]constrained, fc acsi.FC, s *mms.StructureType) []string {
	for _, c := range s.Components {
		if _, seen := parts[c.ComponentName]; !seen {
			order = append(order, c.ComponentName)
		}
		parts[c.ComponentName] = append(parts[c.ComponentName], constrained{fc, c.ComponentType})
	}
	return order
}

// dataObject puts together what the functional constraints say of one data object.
func dataObject(name string, kind acsi.NodeKind, parts []constrained) (*acsi.Node, error) {
	n := &acsi.Node{Name: name, Kind: kind}
	var order []string
	inside := make(map[string][]constrained)
	for _, p := range parts {
		element, count := elementOf(p.spec)
		structure, ok := element.(*mms.StructureType)
		if !ok {
			return nil, fmt.Errorf("the peer describes the data object %s[%v] as %T", name, p.fc, p.spec)
		}
		n.Count = max(n.Count, count)
		order = gather(order, inside, p.fc, structure)
	}
	for _, child := range order {
		if isDataObject(inside[child]) {
			sub, err := dataObject(child, acsi.SubDataObjectNode, inside[child])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			n.Children = append(n.Children, sub)
			continue
		}
		for _, p := range inside[child] {
			a, err := attribute(child, acsi.DataAttributeNode, p)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			n.Children = append(n.Children, a)
		}
	}
	return n, nil
}

// isDataObject tells a sub data object from an attribute, which MMS does not: it has parts under
// several functional constraints, or quality and time of its own. (A setting is one attribute under both
// SG and SE.)
func isDataObject(parts []constrained) bool {
	constraints := make(map[acsi.FC]bool)
	for _, p := range parts {
		element, _ := elementOf(p.spec)
		structure, ok := element.(*mms.StructureType)
		if !ok {
			return false
		}
		if hasComponent(structure, "q") && hasComponent(structure, "t") {
			return true
		}
		constraints[p.fc] = true
	}
	return len(constraints) > 1 && !(len(constraints) == 2 && constraints[acsi.SG] && constraints[acsi.SE])
}

func hasComponent(s *mms.StructureType, name string) bool {
	for _, c := range s.Components {
		if c.ComponentName == name {
			return true
		}
	}
	return false
}

func elementOf(spec mms.TypeSpecification) (element mms.TypeSpecification, count int) {
	if array, ok := spec.(*mms.ArrayType); ok {
		return array.ElementType, int(array.NumberOfElements)
	}
	return spec, 0
}

func attribute(name string, kind acsi.NodeKind, p constrained) (*acsi.Node, error) {
	element, count := elementOf(p.spec)
	n := &acsi.Node{Name: name, Kind: kind, FC: p.fc, Count: count}
	structure, ok := element.(*mms.StructureType)
	if !ok {
		if n.Type, ok = leafType(element); !ok {
			return nil, fmt.Errorf("the peer describes the attribute %s[%v] as %T", name, p.fc, element)
		}
		return n, nil
	}
	for _, c := range structure.Components {
		child, err := attribute(c.ComponentName, acsi.BasicDataAttributeNode, constrained{p.fc, c.ComponentType})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		n.Children = append(n.Children, child)
	}
	return n, nil
}

// classOf is the logical node class in the name of a logical node: prefix, four capital letters, number.
func classOf(name string) string {
	name = strings.TrimRight(name, "0123456789")
	if len(name) < 4 {
		return ""
	}
	class := name[len(name)-4:]
	if strings.ToUpper(class) != class {
		return ""
	}
	return class
}
