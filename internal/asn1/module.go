package asn1

import (
	"fmt"
	"reflect"
)

// Module holds what a set of Go types cannot say in struct tags: the alternatives of CHOICEs, names of numbers and bits.
type Module struct {
	decls map[reflect.Type]Decl
	types map[key]*Type
}

// key names a plan: one Go type has several where a tag says more, such as strings of different kinds.
type key struct {
	g    reflect.Type
	line string // what the line says of strings and lists
}

// Decl is one declaration of a Module, made by Choice, Numbers, Enumerated, NamedBits, Octets, Data, Set or Tagged.
type Decl struct {
	g       reflect.Type
	kind    Kind
	name    string
	names   Names
	closed  bool
	minBits int
	sizes   []int
	alts    []Alternative
	choose  func(choice, chosen reflect.Value)
	data    []Tag
	tag     Tag
	set     bool
}

// Alternative is one line of a CHOICE.
type Alternative struct {
	g    reflect.Type
	line string
}

// NewModule makes a Module of declarations.
func NewModule(decls ...Decl) *Module {
	m := &Module{decls: make(map[reflect.Type]Decl), types: make(map[key]*Type)}
	for _, d := range decls {
		if _, twice := m.decls[d.g]; twice {
			panic(fmt.Sprintf("asn1: %v is declared twice", d.g))
		}
		m.decls[d.g] = d
	}
	return m
}

// Choice declares the interface type T as a CHOICE of alternatives. name is "CHOICE" where the ASN.1 type has no name.
func Choice[T any](name string, alts ...Alternative) Decl {
	choose := func(choice, chosen reflect.Value) { *choice.Addr().Interface().(*T) = chosen.Interface().(T) }
	return Decl{g: reflect.TypeFor[T](), kind: ChoiceOf, name: name, alts: alts, choose: choose}
}

// Alt is the alternative of a CHOICE whose Go type is T: a type that implements the interface, or a pointer that does.
func Alt[T any](line string) Alternative { return Alternative{g: reflect.TypeFor[T](), line: line} }

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// Numbers declares T as an INTEGER with named numbers; other numbers are allowed.
func Numbers[T integer](name string, names Names) Decl {
	return Decl{g: reflect.TypeFor[T](), kind: Integer, name: name, names: names}
}

// Enumerated declares T as an ENUMERATED; no other numbers are allowed.
func Enumerated[T integer](name string, names Names) Decl {
	return Decl{g: reflect.TypeFor[T](), kind: Integer, name: name, names: names, closed: true}
}

// NamedBits declares T, an unsigned type or an array of uint64, as a BIT STRING with named bits: bit i of the string is
// the bit of value 1<<i (i%64 of element i/64). At least size bits are encoded, in BER.
func NamedBits[T any](name string, size int, names Names) Decl {
	return Decl{g: reflect.TypeFor[T](), kind: BitString, name: name, names: names, minBits: size}
}

// Octets declares T as an OCTET STRING of one of the sizes.
func Octets[T ~[]byte](name string, sizes ...int) Decl {
	return Decl{g: reflect.TypeFor[T](), kind: OctetString, name: name, sizes: sizes}
}

// Data declares T as the Data of MMS, whose alternatives have the context tags given. The encodings know T by hand.
func Data[T any](name string, tags ...Tag) Decl {
	return Decl{g: reflect.TypeFor[T](), kind: DataValue, name: name, data: tags}
}

// Set declares the struct T as a SET.
func Set[T any](name string) Decl {
	return Decl{g: reflect.TypeFor[T](), kind: Sequence, name: name, tag: 17, set: true}
}

// Tagged declares the struct T as a SEQUENCE whose own tag is another than that of a SEQUENCE, as EXTERNAL is.
func Tagged[T any](name string, tag Tag) Decl {
	return Decl{g: reflect.TypeFor[T](), kind: Sequence, name: name, tag: tag}
}

// Compile makes the plan of T. It panics where T is not declared as the package comment says.
func Compile[T any](m *Module) *Type {
	g := reflect.TypeFor[T]()
	if transparent(g) {
		wrong(g, "a TRANSPARENT struct has no plan of its own")
	}
	t := m.compile(g, line{})
	if t.Kind != ChoiceOf {
		t.Outer = new(Use)
		t.Outer.settle(m, g, line{})
	}
	m.check()
	return t
}
