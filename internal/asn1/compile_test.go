package asn1

import (
	"fmt"
	"strings"
	"testing"
)

type shape interface{ shape() }
type circle struct {
	Radius uint8 `asn:"radius [0]"`
}
type label string
type group struct {
	Members []shape `asn:"members [0]"`
	Note    string  `asn:"note VisibleString OPTIONAL"`
}
type wrapped struct {
	Shape shape `asn:"TRANSPARENT"`
}
type colour int32

func (*circle) shape() {}
func (label) shape()   {}
func (group) shape()   {}
func (wrapped) shape() {}

var colours = Names{"red", "", "blue"}

func shapes() *Module {
	return NewModule(
		Choice[shape]("Shape",
			Alt[*circle]("circle [0]"),
			Alt[label]("label [1] Identifier"),
			Alt[group]("group [2]"),
			Alt[wrapped]("wrapped [40]"),
		),
		Numbers[colour]("Colour", colours),
	)
}

func TestCompileMakesThePlanOfARecursiveChoice(t *testing.T) {
	plan := Compile[shape](shapes())
	var got strings.Builder
	for _, u := range plan.Fields {
		fmt.Fprintf(&got, "%s %x explicit=%t pointer=%t inner=%d kind=%d\n", u.Name, u.ID, u.Explicit, u.Pointer, u.Inner, u.Type.Kind)
	}
	want := `circle a0 explicit=false pointer=true inner=0 kind=8
label 81 explicit=false pointer=false inner=0 kind=5
group a2 explicit=false pointer=false inner=0 kind=8
wrapped bf28 explicit=true pointer=false inner=1 kind=10
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	members := plan.Fields[2].Type.Fields[0]
	if members.Type.Item.Type != plan || members.Type.Item.Name != "Shape" {
		t.Errorf("items of members: got %q, want the CHOICE itself, called Shape", members.Type.Item.Name)
	}
}

func TestCompileRefusesWrongDeclarations(t *testing.T) {
	type ambiguousTag struct {
		A *bool `asn:"a [0] OPTIONAL"`
		B bool  `asn:"b [0]"`
	}
	type ambiguousName struct {
		A *bool `asn:"a [0] ALIAS b OPTIONAL"`
		B bool  `asn:"b [1]"`
	}
	type ambiguousAlias struct {
		A *bool `asn:"a [0] OPTIONAL ALIAS b"`
		B bool  `asn:"b [1]"`
	}
	type sameUniversalTag struct {
		A string `asn:"a VisibleString OPTIONAL"`
		B string `asn:"b Identifier"`
	}
	type untagged struct{ A bool }
	type hidden struct {
		a bool `asn:"a"`
	}
	type untypedString struct {
		A string `asn:"a"`
	}
	type optionalNumber struct {
		A int8 `asn:"a OPTIONAL"`
	}
	type twoDefaults struct {
		A bool `asn:"a [0] DEFAULT TRUE"`
		B bool `asn:"b [1] DEFAULT TRUE"`
	}
	type unknownDefault struct {
		A colour `asn:"a [0] DEFAULT green"`
	}
	type defaultString struct {
		A string `asn:"a [0] VisibleString DEFAULT x"`
	}
	type anInt struct {
		A int `asn:"a"`
	}
	type aMap struct {
		A map[string]int `asn:"a"`
	}
	type namelessItems struct {
		A [][]byte `asn:"a"`
	}
	type openNotLast struct {
		A Open `asn:"a OPTIONAL"`
		B bool `asn:"b"`
	}
	type base64Number struct {
		A int8 `asn:"a BASE64"`
	}
	type xerField struct {
		A int8 `asn:"a XER"`
	}
	type transparentOfTwo struct {
		A int8 `asn:"TRANSPARENT"`
		B int8 `asn:"b"`
	}
	type badNumber struct {
		A int8 `asn:"a [x]"`
	}
	type badClass struct {
		A int8 `asn:"a [PRIVATE 1]"`
	}
	type extensibleWithTwoAlike struct {
		A bool     `asn:"a [0]"`
		B int8     `asn:"b [1]"`
		C bool     `asn:"c [0]"`
		_ struct{} `asn:"..."`
	}
	type markedField struct {
		A int8 `asn:"..."`
	}
	type setOfTwoAlike struct {
		A bool `asn:"a"`
		B bool `asn:"b"`
	}
	_ = hidden{}.a
	cases := map[string]struct {
		compile func()
		want    string
	}{
		"two tags alike after OPTIONAL":  {func() { Compile[ambiguousTag](NewModule()) }, "tag [0] is ambiguous"},
		"words in the wrong order":       {func() { Compile[ambiguousName](NewModule()) }, "not understood"},
		"alias of a name in reach":       {func() { Compile[ambiguousAlias](NewModule()) }, `name "b" is ambiguous`},
		"one universal tag for two":      {func() { Compile[sameUniversalTag](NewModule()) }, "tag [26] is ambiguous"},
		"no tag":                         {func() { Compile[untagged](NewModule()) }, "has no asn tag"},
		"field not exported":             {func() { Compile[hidden](NewModule()) }, "not exported"},
		"string of no type":              {func() { Compile[untypedString](NewModule()) }, "which string type"},
		"OPTIONAL number":                {func() { Compile[optionalNumber](NewModule()) }, "must be a pointer"},
		"two attributes":                 {func() { Compile[twoDefaults](NewModule()) }, "more than one component with DEFAULT"},
		"DEFAULT without such a number":  {func() { Compile[unknownDefault](shapes()) }, "DEFAULT green"},
		"DEFAULT of a string":            {func() { Compile[defaultString](NewModule()) }, "DEFAULT is for BOOLEAN and INTEGER"},
		"int":                            {func() { Compile[anInt](NewModule()) }, "no ASN.1 type"},
		"map":                            {func() { Compile[aMap](NewModule()) }, "no ASN.1 type"},
		"items without name":             {func() { Compile[namelessItems](NewModule()) }, "items have no name"},
		"open type amidst":               {func() { Compile[openNotLast](NewModule()) }, "ambiguous here"},
		"BASE64 of a number":             {func() { Compile[base64Number](NewModule()) }, "BASE64 is for OCTET STRING"},
		"XER of a component":             {func() { Compile[xerField](NewModule()) }, "XER is for alternatives"},
		"TRANSPARENT beside another":     {func() { Compile[transparentOfTwo](NewModule()) }, "has no other"},
		"TRANSPARENT at the top":         {func() { Compile[wrapped](shapes()) }, "no plan of its own"},
		"class that is not known":        {func() { Compile[badClass](NewModule()) }, "tag number"},
		"tag twice, components skipped":  {func() { Compile[extensibleWithTwoAlike](NewModule()) }, "tag [0] is ambiguous"},
		"extension mark on a component":  {func() { Compile[markedField](NewModule()) }, "..."},
		"tag twice in a SET":             {func() { Compile[setOfTwoAlike](NewModule(Set[setOfTwoAlike]("S"))) }, "tag [1] is ambiguous"},
		"tag that is no number":          {func() { Compile[badNumber](NewModule()) }, "tag number"},
		"CHOICE not declared":            {func() { Compile[shape](NewModule()) }, "no ASN.1 type"},
		"CHOICE that is no interface":    {func() { Compile[int8](NewModule(Choice[int8]("X"))) }, "a CHOICE is an interface"},
		"alternative not of the CHOICE":  {func() { Compile[shape](NewModule(Choice[shape]("X", Alt[int8]("a")))) }, "does not implement"},
		"bits that are not unsigned":     {func() { Compile[int8](NewModule(NamedBits[int8]("X", 1, nil))) }, "named bits are"},
		"the same type declared twice":   {func() { NewModule(Data[int8]("X"), Data[int8]("Y")) }, "declared twice"},
		"alternatives with the same tag": {func() { Compile[shape](NewModule(Choice[shape]("X", Alt[*circle]("a [0]"), Alt[group]("b [0]")))) }, "ambiguous"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, c.want) {
					t.Errorf("panic %q, want one that says %q", got, c.want)
				}
			}()
			c.compile()
		})
	}
}

func TestTagAppendWritesIdentifierOctets(t *testing.T) {
	cases := map[Tag]string{
		2:                             "02",
		16 | Constructed:              "30",
		Context | 30:                  "9e",
		Context | 31:                  "9f1f",
		Context | Constructed | 72:    "bf48",
		Context | Constructed | 16384: "bf818000",
		Application | Constructed | 1: "61",
		8 | Constructed:               "28",
	}
	for tag, want := range cases {
		if got := fmt.Sprintf("%x", tag.Append(nil)); got != want {
			t.Errorf("tag %#x: got %s, want %s", uint32(tag), got, want)
		}
	}
}

func TestValidKnowsTheCharacterSets(t *testing.T) {
	cases := []struct {
		name string
		set  Charset
		text string
		want bool
	}{
		{"printable", Printable, "PV1LD0/MMXU1$MX", true},
		{"printable empty", Printable, "", true},
		{"printable NUL", Printable, "a\x00", false},
		{"printable DEL", Printable, "a\x7f", false},
		{"printable Latin-1", Printable, "\xe4", false},
		{"name empty", Name, "", false},
		{"text UTF-8", Text, "häuser 屋 🏠\t\n", true},
		{"text carriage return", Text, "a\r", false},
		{"text control", Text, "a\x01", false},
		{"text overlong", Text, "\xc0\xaf", false},
		{"text surrogate", Text, "\xed\xa0\x80", false},
		{"text noncharacter", Text, "\uffff", false},
		{"text cut short", Text, "\xe5\xb1", false},
		{"text replacement character", Text, "\ufffd", true},
		{"time", Time, "20260102030405,678Z", true},
		{"time with letters", Time, "2026T", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := Valid(c.set, c.text); got != c.want {
				t.Errorf("Valid(%d, %q): got %t, want %t", c.set, c.text, got, c.want)
			}
			if got := Valid(c.set, []byte(c.text)); got != c.want {
				t.Errorf("Valid of octets (%d, %q): got %t, want %t", c.set, c.text, got, c.want)
			}
		})
	}
}

func TestErrorsTellPlaceAndPath(t *testing.T) {
	var err error = &SyntaxError{Offset: 7, Msg: "an empty INTEGER"}
	err = In(InItem(In(err, "domainId"), "SEQUENCE", 2), "read")
	if got, want := err.Error(), "syntax error at octet 7 in read/SEQUENCE[2]/domainId: an empty INTEGER"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err = In(&ValueError{Msg: "no alternative"}, "read")
	if got, want := err.Error(), "cannot encode read: no alternative"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
