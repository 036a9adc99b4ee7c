package mmsmap

import (
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// specOf is the MMS type of a node of the model, which ref names. That of a logical node has a component for each
// functional constraint in use, unless ref has one. It is nil where the node holds nothing.
//
// IEC 61850-8-1, 7.3 and Table "Mapping of basic data types".
func specOf(n *acsi.Node, ref acsi.Ref) (mms.TypeSpecification, error) {
	if ref.FC() != 0 {
		return spec(n, ref.FC())
	}
	whole := &mms.StructureType{}
	for _, fc := range n.FCs() {
		part, err := spec(n, fc)
		if err != nil {
			return nil, err
		}
		whole.Components = append(whole.Components, mms.TypeComponent{ComponentName: fc.String(), ComponentType: part})
	}
	return whole, nil
}

// spec is the type of what n holds under fc, or nil.
func spec(n *acsi.Node, fc acsi.FC) (mms.TypeSpecification, error) {
	var element mms.TypeSpecification
	var err error
	if n.IsLeaf() {
		element, err = simpleSpec(n)
	} else {
		element, err = structureSpec(n, fc)
	}
	if err == nil && element != nil && n.Count > 0 {
		element = &mms.ArrayType{NumberOfElements: uint32(n.Count), ElementType: element}
	}
	return element, err
}

func structureSpec(n *acsi.Node, fc acsi.FC) (mms.TypeSpecification, error) {
	structure := &mms.StructureType{Components: make([]mms.TypeComponent, 0, len(n.Children))}
	for _, c := range n.Children {
		if c.FC != 0 && c.FC != fc {
			continue
		}
		part, err := spec(c, fc)
		if err != nil {
			return nil, err
		}
		if part != nil {
			structure.Components = append(structure.Components, mms.TypeComponent{ComponentName: c.Name, ComponentType: part})
		}
	}
	if len(structure.Components) == 0 {
		return nil, nil
	}
	return structure, nil
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
		return float32Type, nil
	case value.Float64:
		return float64Type, nil
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

var (
	float32Type = mms.FloatingPointType{FormatWidth: 32, ExponentWidth: 8}
	float64Type = mms.FloatingPointType{FormatWidth: 64, ExponentWidth: 11}
)

// leafType is the reverse of simpleSpec.
func leafType(spec mms.TypeSpecification) (t acsi.Type, ok bool) {
	switch s := spec.(type) {
	case mms.BooleanType:
		return acsi.Type{Kind: value.Boolean}, true
	case mms.BitStringType:
		return acsi.Type{Kind: value.BitString, Size: -int(s)}, true
	case mms.IntegerType:
		return acsi.Type{Kind: value.Integer, Size: int(s)}, s > 0
	case mms.UnsignedType:
		return acsi.Type{Kind: value.Unsigned, Size: int(s)}, s > 0
	case mms.FloatingPointType:
		if s == float64Type {
			return acsi.Type{Kind: value.Float64, Size: 64}, true
		}
		return acsi.Type{Kind: value.Float32, Size: 32}, s == float32Type
	case mms.OctetStringType:
		return acsi.Type{Kind: value.OctetString, Size: -int(s)}, true
	case mms.VisibleStringType:
		return acsi.Type{Kind: value.VisibleString, Size: -int(s)}, true
	case mms.MMSStringType:
		return acsi.Type{Kind: value.MMSString, Size: -int(s)}, true
	case mms.BinaryTimeType:
		if s {
			return acsi.Type{Kind: value.BinaryTime, Size: 6}, true
		}
		return acsi.Type{Kind: value.BinaryTime, Size: 4}, true
	case mms.UTCTimeType:
		return acsi.Type{Kind: value.UTCTime}, true
	}
	return acsi.Type{}, false
}

// otherType is the type of a leaf of which IEC 61850 has none.
func otherType(spec mms.TypeSpecification) (t acsi.Type, ok bool) {
	switch s := spec.(type) {
	case mms.IntegerType, mms.UnsignedType: // of a size that is not told
		if _, signed := s.(mms.IntegerType); signed {
			return acsi.Type{Kind: value.Integer, Size: 32}, true
		}
		return acsi.Type{Kind: value.Unsigned, Size: 32}, true
	case mms.FloatingPointType: // of another width of the exponent
		if s.FormatWidth == 64 {
			return acsi.Type{Kind: value.Float64, Size: 64}, true
		}
		return acsi.Type{Kind: value.Float32, Size: 32}, s.FormatWidth == 32
	case mms.BCDType:
		return acsi.Type{Kind: value.BCD, Size: int(s)}, true
	case mms.BooleanArrayType:
		return acsi.Type{Kind: value.BooleanArray, Size: -int(s)}, true
	case mms.GeneralizedTimeType:
		return acsi.Type{Kind: value.GeneralizedTime}, true
	case mms.ObjIDType:
		return acsi.Type{Kind: value.ObjectID}, true
	}
	return acsi.Type{}, false
}
