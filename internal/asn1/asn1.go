// Package asn1 turns Go types into plans, which packages ber and xer interpret.
//
// Every ASN.1 type is declared once, as a Go type. What Go cannot say stands in struct tags and in the declarations of
// a Module. Compile turns both into a *Type, once, at program start; a declaration that makes no sense panics there.
//
// # Go types
//
//	BOOLEAN                  bool
//	INTEGER                  a Go integer type, whose range is the constraint; named numbers: Numbers
//	ENUMERATED               a Go integer type of its own: Enumerated
//	BIT STRING               with named bits: an unsigned type, or an array of uint64, of its own: NamedBits
//	OCTET STRING             []byte; of some sizes only: Octets
//	OBJECT IDENTIFIER        string, dotted decimal
//	the character strings    string
//	NULL                     struct{}
//	SEQUENCE                 a struct; every field is exported and tagged, in the order of the components
//	SET                      the same: Set
//	SEQUENCE OF, SET OF      a slice
//	CHOICE                   an interface type: Choice
//	Data of MMS              the one type that the encodings know by hand: Data
//	open type                Open
//
// A component that is OPTIONAL is a pointer, a slice or an interface, nil when absent; or a string, empty when absent
// (it is then refused if it is present and empty). The alternatives of a CHOICE are Go types, or pointers to them.
//
// # Tags
//
// The tag of a field, `asn:"…"`, is the ASN.1 line of the component (vet allows no spaces under the key asn1). The line of an alternative has the same grammar.
//
//	line  = [ identifier ] [ "[" [ "APPLICATION" | "UNIVERSAL" ] number "]" ] [ "IMPLICIT" | "EXPLICIT" ] [ type ] [ "BASE64" ] [ "XER" ] [ "OPTIONAL" | "DEFAULT" value ]
//	        { "ALIAS" identifier } | "TRANSPARENT" | "..."
//	type  = "OBJECT IDENTIFIER" | "VisibleString" | "Identifier" | "GraphicString" | "UTF8String" | "GeneralizedTime"
//	      | ( "SEQUENCE OF" | "SET OF" ) ( type | "OCTET STRING" | Name )
//	value = "TRUE" | "FALSE" | number | identifier of a named number
//
// Identifiers begin with a lower-case letter, all other words with an upper-case one. The tag is IMPLICIT unless
// EXPLICIT is said or the type is a CHOICE, Data or an open type. A type must be said for a string, and for a slice of
// strings; else Go tells it, and "SEQUENCE OF Name" names the items. BASE64 is for OCTET STRINGs (of a SEQUENCE OF, too)
// that are base64 in XML, not hex. XER is for an alternative that has no form in BER. ALIAS is another edition's spelling, read in XML and never written. TRANSPARENT is
// for the one field of a struct that is no SEQUENCE: the struct is the field's type under a Go name of its own. The line of a
// blank field, "...", says that components which are not declared are passed over, wherever they stand (BER).
//
// # XML
//
// These rules make the XML of a plan (IEC 61850-8-2; the numbers are those of the mapping's own description):
//
//   - R1: the outermost element is named by the alternative, where the outermost type is a CHOICE, else by the type.
//   - R2: a component without identifier is named by its type. The name of a type is the one that its declaration in
//     the Module gives, else its Go name.
//   - R4: the items of a SEQUENCE OF are named by their type, or as "SEQUENCE OF Name" says: SEQUENCE and CHOICE for
//     types without name, OCTET_STRING for octet strings.
//   - R5: a component or item that is a CHOICE has the alternative's element inside its own.
//   - R6: a BOOLEAN or INTEGER with DEFAULT is an attribute, always written; as an element it is read, too. One at most
//     in a SEQUENCE.
//   - R7: a number that has a name, and a NULL, is an empty element; a number without name is decimal.
//   - R8: named bits are empty elements in the order of their numbers; where a set bit has no name, binary digits.
package asn1

import (
	"fmt"
	"reflect"
	"slices"
)

// Kind tells how a Type is encoded.
type Kind uint8

// The kinds of types.
const (
	Boolean     Kind = iota + 1
	Integer          // INTEGER and ENUMERATED
	BitString        // named bits
	OctetString      // also base64 in XML
	String           // the character strings
	ObjectID         // OBJECT IDENTIFIER
	Null
	Sequence
	SequenceOf
	ChoiceOf
	DataValue // Data of MMS
	OpenType  // an element that is encoded already
)

// Open holds exactly one element that is encoded already: in BER one TLV, in XML one element that declares its own
// namespace. Who encodes an Open vouches for it; decoding checks it.
type Open []byte

// Type is the plan of one type. It is immutable after Compile and safe for concurrent use.
type Type struct {
	Kind Kind
	Name string       // of the ASN.1 type
	Go   reflect.Type // never a pointer
	Tag  Tag          // its own, universal; 0 for ChoiceOf, DataValue and OpenType

	Names   Names   // Integer, BitString: names of numbers and bits
	Closed  bool    // Integer: a number without name is an error (ENUMERATED)
	MinBits int     // BitString: bits that are always encoded
	Charset Charset // String
	Base64  bool    // OctetString: base64 in XML
	Sizes   []int   // OctetString: the numbers of octets that it may have; nil: any

	Fields     []Use // Sequence: components; ChoiceOf: alternatives
	Set        bool  // Sequence: a SET, whose components come in any order (BER)
	Extensible bool  // Sequence: components that are not declared are passed over (BER)
	Item       *Use  // SequenceOf

	Attribute *Use // Sequence: the component that is an XML attribute, if there is one
	Outer     *Use // the outermost place; nil for ChoiceOf, where the alternative is that

	data   []Tag                              // DataValue: the tags of the alternatives
	choose func(choice, chosen reflect.Value) // ChoiceOf: what Choose does
}

// Use is a type in its place: a component, an alternative or an item.
type Use struct {
	Type     *Type
	Name     string   // the XML element or attribute
	Aliases  []string // names that are read, too
	Tag      Tag      // the outermost; 0 where the tags of a CHOICE, of Data or of an open type show
	Explicit bool     // Tag is round the type's own encoding, else in place of its tag
	Optional bool
	Pointer  bool // the Go value is a pointer
	XER      bool // alternative: it has no form in BER
	Inner    int  // how many TRANSPARENT structs are round the value of type Type.Go

	HasDefault bool
	Default    int64 // of a BOOLEAN: 0 or 1
	Attribute  bool  // R6; reading, it may be an element

	Index int          // component: number of the field in the struct
	Go    reflect.Type // alternative: the type in the interface, with its pointer

	ID                string // BER: identifier octets of Tag
	Open, Close, Void string // XML: <name>, </name>, <name/>
	Attr              string // XML: ` name='`, where Attribute
}

// Is reports whether name is the XML name of u, or an alias.
func (u *Use) Is(name string) bool {
	if u.Name == name {
		return true
	}
	for _, a := range u.Aliases {
		if a == name {
			return true
		}
	}
	return false
}

// Absent reports whether u may be absent and v, the Go value in the place, says that it is.
func (u *Use) Absent(v reflect.Value) bool {
	switch {
	case !u.Optional:
		return false
	case v.Kind() == reflect.String:
		return v.Len() == 0
	}
	return v.IsNil()
}

// Value leads from the Go value in the place to the one of type u.Type.Go. A pointer must not be nil.
func (u *Use) Value(v reflect.Value) reflect.Value {
	if u.Pointer {
		v = v.Elem()
	}
	return u.Unwrap(v)
}

// Unwrap is Value from behind the pointer, if there is one.
func (u *Use) Unwrap(v reflect.Value) reflect.Value {
	for range u.Inner {
		v = v.Field(0)
	}
	return v
}

// NewAlternative makes a pointer to a new value for the alternative u of a CHOICE: to the alternative's Go type or, where
// that is a pointer, to what it points to.
func (u *Use) NewAlternative() reflect.Value {
	if u.Pointer {
		return reflect.New(u.Go.Elem())
	}
	return reflect.New(u.Go)
}

// Alternatives makes what NewAlternative makes for who decodes a list of the same alternative: several share an allocation, which
// lives as long as one of them. So one that is kept may hold maxShared in memory, and of what is allocated, about half at most is
// never used. The zero Alternatives is ready.
type Alternatives struct {
	of   *Use          // the alternative made last
	free reflect.Value // slice
	used int           // elements of free
	next int           // length of the next free
}

// maxShared is the largest number of alternatives that share an allocation.
const maxShared = 32

// New makes a pointer to a new value, as u.NewAlternative does.
func (a *Alternatives) New(u *Use) reflect.Value {
	if a.of != u || !u.Pointer {
		*a = Alternatives{of: u, next: 2}
		return u.NewAlternative()
	}
	if !a.free.IsValid() || a.used == a.free.Len() {
		a.free, a.used = reflect.MakeSlice(reflect.SliceOf(u.Go.Elem()), a.next, a.next), 0
		a.next = min(2*a.next, maxShared)
	}
	a.used++
	return a.free.Index(a.used - 1).Addr()
}

// Starts reports whether an encoding of u may begin with tag.
func (u *Use) Starts(tag Tag) bool {
	switch {
	case u.XER:
		return false
	case u.Tag != 0:
		return u.Tag == tag
	}
	return u.Type.Starts(tag)
}

// Starts reports whether an encoding of t, with its own tag, may begin with tag.
func (t *Type) Starts(tag Tag) bool {
	switch t.Kind {
	case OpenType:
		return true
	case ChoiceOf:
		for i := range t.Fields {
			if t.Fields[i].Starts(tag) {
				return true
			}
		}
		return false
	case DataValue:
		for _, d := range t.data {
			if d == tag {
				return true
			}
		}
		return false
	}
	return t.Tag == tag
}

// Component finds the component of a SEQUENCE or SET that an encoding with tag may be, nil if there is none.
func (t *Type) Component(tag Tag) *Use {
	for i := range t.Fields {
		if t.Fields[i].Starts(tag) {
			return &t.Fields[i]
		}
	}
	return nil
}

// CheckSize tells, "" where b may be a value of the OctetString type t, why not.
func (t *Type) CheckSize(b []byte) string {
	if t.Sizes == nil || slices.Contains(t.Sizes, len(b)) {
		return ""
	}
	return fmt.Sprintf("a %s of %d octets, not %v", t.Name, len(b), t.Sizes)
}

// Alternative finds the alternative of a CHOICE that holds values of type g, nil if there is none.
func (t *Type) Alternative(g reflect.Type) *Use {
	for i := range t.Fields {
		if t.Fields[i].Go == g {
			return &t.Fields[i]
		}
	}
	return nil
}

// Chosen finds the alternative of a CHOICE that v, an interface value, holds, and what it holds. The error is a *ValueError.
func (t *Type) Chosen(v reflect.Value) (*Use, reflect.Value, error) {
	if v.IsNil() {
		return nil, v, &ValueError{Msg: "no alternative of " + t.Name}
	}
	v = v.Elem()
	u := t.Alternative(v.Type())
	if u == nil {
		return nil, v, &ValueError{Msg: fmt.Sprintf("%v is no alternative of %s", v.Type(), t.Name)}
	}
	return u, v, nil
}

// Choose makes v, an addressable interface value of the CHOICE t, hold x, which NewAlternative made for u.
func (t *Type) Choose(v reflect.Value, u *Use, x reflect.Value) {
	if !u.Pointer {
		x = x.Elem()
	}
	t.choose(v, x) // as v.Set(x), which asks anew each time whether x has the methods
}

// Tag is an identifier: class, primitive or constructed, and number.
//
// ITU-T X.690, 8.1.2.
type Tag uint32

// The parts of a Tag beside its number.
const (
	Application Tag = 1 << 30
	Context     Tag = 2 << 30
	Constructed Tag = 1 << 29
	Number      Tag = Constructed - 1
)

// Append appends the identifier octets of t.
func (t Tag) Append(dst []byte) []byte {
	lead := byte(t>>30)<<6 | byte(t>>29&1)<<5
	n := t & Number
	if n < 31 {
		return append(dst, lead|byte(n))
	}
	dst = append(dst, lead|31)
	for shift := 28; shift > 0; shift -= 7 {
		if n>>shift != 0 {
			dst = append(dst, byte(n>>shift)|0x80)
		}
	}
	return append(dst, byte(n&0x7f))
}
