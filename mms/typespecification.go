package mms

import "busbar.example/internal/asn1"

// TypeSpecification is the type of a variable: TypeName, *ArrayType, *StructureType, or one of the simple types
// BooleanType, BitStringType, IntegerType, UnsignedType, FloatingPointType, OctetStringType, VisibleStringType,
// GeneralizedTimeType, BinaryTimeType, BCDType, BooleanArrayType, ObjIDType, MMSStringType and UTCTimeType.
//
// ISO 9506-2, TypeSpecification and TypeDescription; IEC 61850-8-1, utc-time. real is not among them: value has none.
type TypeSpecification interface{ typeSpecification() }

// TypeName names a type that the server knows.
type TypeName struct {
	Name ObjectName `asn:"TRANSPARENT"`
}

// ArrayType is elements of one type.
type ArrayType struct {
	Packed           bool              `asn:"packed [0] DEFAULT FALSE"`
	NumberOfElements uint32            `asn:"numberOfElements [1]"`
	ElementType      TypeSpecification `asn:"elementType [2]"`
}

// StructureType is components, each of its own type.
type StructureType struct {
	Packed     bool            `asn:"packed [0] DEFAULT FALSE"`
	Components []TypeComponent `asn:"components [1] SEQUENCE OF SEQUENCE"`
}

// TypeComponent is a component of a StructureType.
type TypeComponent struct {
	ComponentName string            `asn:"componentName [0] Identifier OPTIONAL"` // "": none
	ComponentType TypeSpecification `asn:"componentType [1]"`
}

// FloatingPointType is the width of a floating-point number and of its exponent, in bits: 32 and 8, or 64 and 11.
type FloatingPointType struct {
	FormatWidth   uint8 `asn:"format-width"`
	ExponentWidth uint8 `asn:"exponent-width"`
}

// The simple types whose size is a number: the length that all values have or, where it is negative, the negated
// length that no value exceeds.
type (
	BitStringType     int32 // bits
	OctetStringType   int32 // octets
	VisibleStringType int32 // characters
	MMSStringType     int32 // characters
	BooleanArrayType  int32 // bits
	IntegerType       uint8 // bits
	UnsignedType      uint8 // bits
	BCDType           uint8 // digits
)

// BinaryTimeType tells whether values have a date, in 6 octets, or only a time of day, in 4.
type BinaryTimeType bool

// The simple types of which there is only one.
type (
	BooleanType         struct{}
	GeneralizedTimeType struct{}
	ObjIDType           struct{}
	UTCTimeType         struct{}
)

func (TypeName) typeSpecification()            {}
func (*ArrayType) typeSpecification()          {}
func (*StructureType) typeSpecification()      {}
func (BooleanType) typeSpecification()         {}
func (BitStringType) typeSpecification()       {}
func (IntegerType) typeSpecification()         {}
func (UnsignedType) typeSpecification()        {}
func (FloatingPointType) typeSpecification()   {}
func (OctetStringType) typeSpecification()     {}
func (VisibleStringType) typeSpecification()   {}
func (GeneralizedTimeType) typeSpecification() {}
func (BinaryTimeType) typeSpecification()      {}
func (BCDType) typeSpecification()             {}
func (BooleanArrayType) typeSpecification()    {}
func (ObjIDType) typeSpecification()           {}
func (MMSStringType) typeSpecification()       {}
func (UTCTimeType) typeSpecification()         {}

var typeSpecificationDecl = asn1.Choice[TypeSpecification]("TypeSpecification",
	asn1.Alt[TypeName]("typeName [0]"),
	asn1.Alt[*ArrayType]("array [1]"),
	asn1.Alt[*StructureType]("structure [2]"),
	asn1.Alt[BooleanType]("boolean [3]"),
	asn1.Alt[BitStringType]("bit-string [4]"),
	asn1.Alt[IntegerType]("integer [5]"),
	asn1.Alt[UnsignedType]("unsigned [6]"),
	asn1.Alt[FloatingPointType]("floating-point [7]"),
	asn1.Alt[OctetStringType]("octet-string [9]"),
	asn1.Alt[VisibleStringType]("visible-string [10]"),
	asn1.Alt[GeneralizedTimeType]("generalized-time [11]"),
	asn1.Alt[BinaryTimeType]("binary-time [12]"),
	asn1.Alt[BCDType]("bcd [13]"),
	asn1.Alt[BooleanArrayType]("booleanArray [14]"),
	asn1.Alt[ObjIDType]("objId [15]"),
	asn1.Alt[MMSStringType]("mMSString [16]"),
	asn1.Alt[UTCTimeType]("utc-time [17]"),
)
