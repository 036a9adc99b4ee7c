package mms

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"busbar.example/internal/asn1"
)

// A modulePrinter writes what the plan says as an ASN.1 module, for compilers of other people.
type modulePrinter struct {
	strings.Builder
	named []*asn1.Type // in the order in which they are met; each is written once
}

// printModule writes a module that defines t and all that it needs.
//
// A component without identifier, which XML names by its type, gets its first alias: ASN.1 has no such components any more.
func printModule(t *asn1.Type) string {
	p := &modulePrinter{}
	p.WriteString("Busbar-MMS DEFINITIONS ::= BEGIN\n\nIdentifier ::= VisibleString (SIZE (1..MAX))\nGraphic ::= [UNIVERSAL 25] IMPLICIT VisibleString\n")
	p.reference(t)
	for i := 0; i < len(p.named); i++ {
		fmt.Fprintf(p, "\n%s ::= %s\n", p.named[i].Name, p.definition(p.named[i]))
	}
	p.WriteString("\nEND\n")
	return p.String()
}

// reference is how t stands in a place.
func (p *modulePrinter) reference(t *asn1.Type) string {
	switch {
	case t.Name == "", t.Name == "CHOICE", t.Name == "INTEGER", t.Kind < asn1.Sequence && t.Names == nil:
		return p.definition(t)
	}
	if !slices.Contains(p.named, t) {
		p.named = append(p.named, t)
	}
	return t.Name
}

func (p *modulePrinter) definition(t *asn1.Type) string {
	switch t.Kind {
	case asn1.Boolean:
		return "BOOLEAN"
	case asn1.Integer:
		return integerDefinition(t)
	case asn1.BitString:
		return "BIT STRING" + named(t.Names)
	case asn1.OctetString:
		if t.Sizes != nil {
			return strings.NewReplacer("[", "OCTET STRING (SIZE (", " ", " | ", "]", "))").Replace(fmt.Sprint(t.Sizes))
		}
		return "OCTET STRING"
	case asn1.String:
		if t.Tag == 25 { // asn1c writes a GraphicString in hex
			return "Graphic"
		}
		return map[asn1.Charset]string{asn1.Printable: "VisibleString", asn1.Name: "Identifier", asn1.Text: "UTF8String",
			asn1.Time: generalizedTime}[t.Charset]
	case asn1.ObjectID:
		return "OBJECT IDENTIFIER"
	case asn1.Null:
		return "NULL"
	case asn1.Sequence:
		return "SEQUENCE" + p.uses(t.Fields)
	case asn1.ChoiceOf:
		return "CHOICE" + p.uses(t.Fields)
	case asn1.SequenceOf:
		if t.Item.Name == "SEQUENCE" { // which XML shows, where there is a reference
			return "SEQUENCE OF " + p.definition(t.Item.Type)
		}
		return "SEQUENCE OF " + p.reference(t.Item.Type)
	case asn1.DataValue:
		return dataDefinition
	}
	panic(fmt.Sprintf("no ASN.1 for %v, %s", t.Kind, t.Name))
}

// integerDefinition says the range of the Go type, up to what ASN.1 compilers can count.
func integerDefinition(t *asn1.Type) string {
	if t.Closed {
		return "ENUMERATED" + named(t.Names)
	}
	width, low, high := t.Go.Bits(), "MIN", "MAX"
	signed := reflect.Zero(t.Go).CanInt()
	switch {
	case !signed:
		low = "0"
		if width < 64 {
			high = fmt.Sprint(uint64(1)<<width - 1)
		}
	case width < 64:
		low, high = fmt.Sprint(math.MinInt64>>(64-width)), fmt.Sprint(math.MaxInt64>>(64-width))
	}
	return fmt.Sprintf("INTEGER%s (%s..%s)", named(t.Names), low, high)
}

// named lists named numbers or bits.
func named(names asn1.Names) string {
	var list []string
	for i, n := range names {
		if n != "" {
			list = append(list, fmt.Sprintf("%s(%d)", n, i))
		}
	}
	if list == nil {
		return ""
	}
	return " { " + strings.Join(list, ", ") + " }"
}

// uses lists components or alternatives.
func (p *modulePrinter) uses(uses []asn1.Use) string {
	var lines []string
	for i := range uses {
		if !uses[i].XER {
			lines = append(lines, p.use(&uses[i]))
		}
	}
	return " {\n\t" + strings.ReplaceAll(strings.Join(lines, ",\n"), "\n", "\n\t") + "\n}"
}

func (p *modulePrinter) use(u *asn1.Use) string {
	name := u.Name
	if unicode.IsUpper(rune(name[0])) {
		name = u.Aliases[0]
	}
	if u.Tag&^asn1.Number&^asn1.Constructed == asn1.Context {
		name += fmt.Sprintf(" [%d] ", u.Tag&asn1.Number)
		if u.Explicit {
			name += "EXPLICIT"
		} else {
			name += "IMPLICIT"
		}
	}
	switch {
	case u.Explicit && u.Type.Tag != 0: // the same octets: asn1c 0.9.28 knows only one of the lengths of an explicit tag
		name = strings.TrimSuffix(name, "EXPLICIT") + "IMPLICIT SEQUENCE { explicit " + p.reference(u.Type) + " }"
	case u.HasDefault && u.Type.Kind == asn1.Integer: // whose default value asn1c 0.9.28 does not know where numbers have names
		name += " INTEGER"
	default:
		name += " " + p.reference(u.Type)
	}
	switch {
	case u.Optional:
		name += " OPTIONAL"
	case u.HasDefault && u.Type.Kind == asn1.Boolean:
		name += " DEFAULT " + strings.ToUpper(fmt.Sprint(u.Default != 0))
	case u.HasDefault:
		name += fmt.Sprint(" DEFAULT ", u.Default)
	}
	return name
}

// generalizedTime is how a GeneralizedTime stands in the module, always with a tag of its own: asn1c would also check the
// time that it tells.
const generalizedTime = "VisibleString"

// dataDefinition is the type that the encodings know by hand.
//
// ISO 9506-2, Data; IEC 61850-8-1, utc-time.
const dataDefinition = `CHOICE {
	array            [1] IMPLICIT SEQUENCE OF Data,
	structure        [2] IMPLICIT SEQUENCE OF Data,
	boolean          [3] IMPLICIT BOOLEAN,
	bit-string       [4] IMPLICIT BIT STRING (SIZE (1..MAX)),
	integer          [5] IMPLICIT INTEGER,
	unsigned         [6] IMPLICIT INTEGER (0..MAX),
	floating-point   [7] IMPLICIT OCTET STRING,
	octet-string     [9] IMPLICIT OCTET STRING,
	visible-string   [10] IMPLICIT VisibleString,
	generalized-time [11] IMPLICIT ` + generalizedTime + `,
	binary-time      [12] IMPLICIT OCTET STRING (SIZE (4 | 6)),
	bcd              [13] IMPLICIT INTEGER (0..MAX),
	booleanArray     [14] IMPLICIT BIT STRING (SIZE (1..MAX)),
	objId            [15] IMPLICIT OBJECT IDENTIFIER,
	mMSString        [16] IMPLICIT UTF8String,
	utc-time         [17] IMPLICIT OCTET STRING (SIZE (8))
}`
