package asn1

import (
	"fmt"
	"reflect"
	"strconv"
)

var openType = reflect.TypeFor[Open]()

// compile makes the plan of g, or finds it. l says what Go cannot tell.
func (m *Module) compile(g reflect.Type, l line) *Type {
	k := key{g: g}
	switch {
	case g.Kind() == reflect.String:
		k.line = l.typeName
	case g.Kind() == reflect.Slice && g != openType:
		k.line = fmt.Sprint(l.typeName, " ", l.itemName, " ", l.base64, " ", l.set)
	}
	if t := m.types[k]; t != nil {
		return t
	}
	t := &Type{Name: g.Name(), Go: g}
	m.types[k] = t // before its parts, which may lead back to it
	if d, ok := m.decls[g]; ok {
		m.declared(t, d)
		return t
	}
	switch g.Kind() {
	case reflect.Bool:
		t.Kind, t.Tag = Boolean, 1
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		t.Kind, t.Tag = Integer, 2
	case reflect.String:
		s, ok := stringTypes[l.typeName]
		if !ok {
			wrong(g, "the tag must say which string type it is")
		}
		t.Kind, t.Tag, t.Charset = s.Kind, s.Tag, s.Charset
	case reflect.Slice:
		m.slice(t, l)
	case reflect.Struct:
		m.structure(t)
	default:
		wrong(g, "no ASN.1 type is declared as this")
	}
	return t
}

func (m *Module) declared(t *Type, d Decl) {
	t.Kind, t.Name, t.Names, t.Closed, t.MinBits, t.Sizes = d.kind, d.name, d.names, d.closed, d.minBits, d.sizes
	switch d.kind {
	case Integer:
		t.Tag = 2
		if d.closed {
			t.Tag = 10
		}
	case BitString:
		t.Tag = 3
		words := t.Go.Kind() == reflect.Array && t.Go.Elem().Kind() == reflect.Uint64
		if k := t.Go.Kind(); !words && (k < reflect.Uint8 || k > reflect.Uint64) {
			wrong(t.Go, "named bits are an unsigned type or an array of uint64")
		}
	case OctetString:
		t.Tag = 4
	case DataValue:
		t.data = d.data
	case Sequence:
		m.structure(t)
		t.Tag, t.Set = d.tag|Constructed, d.set
	case ChoiceOf:
		if t.Go.Kind() != reflect.Interface {
			wrong(t.Go, "a CHOICE is an interface")
		}
		t.choose = d.choose
		for _, a := range d.alts {
			if !a.g.Implements(t.Go) {
				wrong(a.g, "does not implement "+t.Go.String())
			}
			u := m.use(a.g, a.line, t.Go)
			u.Go = a.g
			t.Fields = append(t.Fields, u)
		}
	}
}

func (m *Module) slice(t *Type, l line) {
	switch {
	case t.Go == openType:
		t.Kind = OpenType
		return
	case t.Go.Elem().Kind() == reflect.Uint8:
		t.Kind, t.Tag, t.Base64 = OctetString, 4, l.base64
		return
	}
	t.Kind, t.Tag = SequenceOf, 16|Constructed
	if l.set {
		t.Tag = 17 | Constructed
	}
	t.Item = &Use{Name: l.itemName}
	t.Item.settle(m, t.Go.Elem(), line{typeName: l.typeName, base64: l.base64})
}

func (m *Module) structure(t *Type) {
	g := t.Go
	if g.NumField() == 0 {
		t.Kind, t.Tag = Null, 5
		return
	}
	t.Kind, t.Tag = Sequence, 16|Constructed
	for i := range g.NumField() {
		f := g.Field(i)
		text, ok := f.Tag.Lookup("asn")
		if f.Name == "_" && text == "..." {
			t.Extensible = true
			continue
		}
		if !ok || !f.IsExported() {
			wrong(g, "field "+f.Name+" has no asn tag, or is not exported")
		}
		u := m.use(f.Type, text, g)
		u.Index = i
		t.Fields = append(t.Fields, u)
	}
}

// use compiles a component or an alternative: g in its place with its line, inside the type owner.
func (m *Module) use(g reflect.Type, text string, owner reflect.Type) Use {
	l, err := parseLine(text)
	if err != nil || l.transparent || l.extensible {
		wrong(owner, fmt.Sprintf("%q: %v", text, err))
	}
	u := Use{Name: l.identifier, Aliases: l.aliases, Optional: l.optional, XER: l.xer}
	u.settle(m, g, l)
	if l.base64 && (u.Type.Kind != OctetString && u.Type.Kind != SequenceOf) {
		wrong(owner, u.Name+": BASE64 is for OCTET STRING")
	}
	if l.xer && owner.Kind() != reflect.Interface {
		wrong(owner, u.Name+": XER is for alternatives")
	}
	if u.Optional && !u.Pointer {
		switch u.Type.Go.Kind() {
		case reflect.String, reflect.Slice, reflect.Interface:
		default:
			wrong(owner, u.Name+": an OPTIONAL component of this type must be a pointer")
		}
	}
	if l.defaultText != "" {
		u.setDefault(l.defaultText, owner)
	}
	if u.Attribute {
		u.Attr = " " + u.Name + "='"
	}
	return u
}

// settle gives u its type, which is that of a Go value of type g, and what follows from it.
func (u *Use) settle(m *Module, g reflect.Type, l line) {
	if g.Kind() == reflect.Pointer {
		u.Pointer, g = true, g.Elem()
	}
	for transparent(g) {
		u.Inner++
		g = g.Field(0).Type
	}
	u.Type = m.compile(g, l)
	if u.Name == "" {
		u.Name = u.Type.Name
	}
	u.tag(l)
	if u.Tag != 0 {
		u.ID = string(u.Tag.Append(nil))
	}
	u.Open, u.Close, u.Void = "<"+u.Name+">", "</"+u.Name+">", "<"+u.Name+"/>"
}

func transparent(g reflect.Type) bool {
	if g.Kind() != reflect.Struct || g.NumField() == 0 || g.Field(0).Tag.Get("asn") != "TRANSPARENT" {
		return false
	}
	if g.NumField() > 1 {
		wrong(g, "a struct with a TRANSPARENT field has no other")
	}
	return true
}

// tag settles the outermost tag of u: one that is said replaces the type's own, but goes round what has none of its own.
func (u *Use) tag(l line) {
	if !l.tagged {
		u.Tag = u.Type.Tag
		return
	}
	u.Explicit = l.explicit
	switch u.Type.Kind {
	case ChoiceOf, DataValue, OpenType:
		u.Explicit = true
	}
	u.Tag = l.number
	if u.Explicit || u.Type.Tag&Constructed != 0 {
		u.Tag |= Constructed
	}
}

func (u *Use) setDefault(text string, owner reflect.Type) {
	u.HasDefault, u.Attribute = true, true
	n, named := u.Type.Names.Number(text)
	switch {
	case u.Pointer:
		wrong(owner, u.Name+": a component with DEFAULT is no pointer")
	case u.Type.Kind == Boolean && (text == "TRUE" || text == "FALSE"):
		if text == "TRUE" {
			u.Default = 1
		}
	case u.Type.Kind == Integer && named:
		u.Default = n
	case u.Type.Kind == Integer:
		d, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			wrong(owner, u.Name+": DEFAULT "+text)
		}
		u.Default = d
	default:
		wrong(owner, u.Name+": DEFAULT is for BOOLEAN and INTEGER")
	}
}

func wrong(g reflect.Type, msg string) {
	panic(fmt.Sprintf("asn1: %v: %s", g, msg))
}
