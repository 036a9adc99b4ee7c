package acsi

import (
	"errors"
	"math"
	"strings"
	"testing"

	"busbar.example/value"
)

func TestCheckKnowsKindsSizesAndRanges(t *testing.T) {
	enum := &Enum{ID: "E", Values: []EnumValue{{Ord: 1, Name: "one"}}}
	leaf := func(k value.Kind, size int) *Node { return &Node{Name: "x", FC: SP, Type: Type{Kind: k, Size: size}} }
	pair := &Node{Name: "p", Children: []*Node{leaf(value.Boolean, 0), leaf(value.Integer, 8)}}
	array := leaf(value.Integer, 8)
	array.Count = 2
	pairs := *pair
	pairs.Count = 2
	named := leaf(value.Integer, 8)
	named.Enum = enum
	b, i := value.Bool(true), value.Int(1)
	for _, tc := range []struct {
		name string
		n    *Node
		v    value.Value
		want string
	}{
		{"boolean", leaf(value.Boolean, 0), b, ""},
		{"another kind", leaf(value.Boolean, 0), i, "type-inconsistent"},
		{"no value", leaf(value.Invalid, 0), value.Value{}, "type-inconsistent"},
		{"lowest", leaf(value.Integer, 16), value.Int(-32768), ""},
		{"too low", leaf(value.Integer, 16), value.Int(-32769), "type-inconsistent"},
		{"too high", leaf(value.Integer, 16), value.Int(32768), "type-inconsistent"},
		{"64 bits", leaf(value.Integer, 64), value.Int(math.MinInt64), ""},
		{"a size of none", leaf(value.Integer, 0), i, "type-inconsistent"},
		{"unsigned", leaf(value.Unsigned, 24), value.Uint(1<<24 - 1), ""},
		{"unsigned too high", leaf(value.Unsigned, 24), value.Uint(1 << 24), "type-inconsistent"},
		{"unsigned of 64 bits", leaf(value.Unsigned, 64), value.Uint(math.MaxUint64), ""},
		{"name of an enumeration", named, i, ""},
		{"none of its numbers", named, value.Int(2), "object-value-invalid"},
		{"exactly as many bits", leaf(value.BitString, -2), value.Bits(2, nil), ""},
		{"fewer bits", leaf(value.BitString, -2), value.Bits(1, nil), "type-inconsistent"},
		{"quality", leaf(value.BitString, -QualityBits), value.Bits(13, nil), ""},
		{"quality of 16 bits", leaf(value.BitString, -QualityBits), value.Bits(16, nil), ""},
		{"quality of 14 bits", leaf(value.BitString, -QualityBits), value.Bits(14, nil), "type-inconsistent"},
		{"16 bits for others", leaf(value.BitString, -6), value.Bits(16, nil), "type-inconsistent"},
		{"at most as many octets", leaf(value.OctetString, 4), value.Octets([]byte("abc")), ""},
		{"more octets", leaf(value.OctetString, 4), value.Octets([]byte("abcde")), "type-inconsistent"},
		{"visible", leaf(value.VisibleString, 4), value.Visible("a~ !"), ""},
		{"visible, too long", leaf(value.VisibleString, 4), value.Visible("abcde"), "type-inconsistent"},
		{"visible, not visible", leaf(value.VisibleString, 4), value.Visible("a\n"), "object-value-invalid"},
		{"visible, beyond ASCII", leaf(value.VisibleString, 4), value.Visible("ü"), "object-value-invalid"},
		{"text", leaf(value.MMSString, 4), value.Text("üß\t\n"), ""},
		{"text, replacement character itself", leaf(value.MMSString, 4), value.Text("\ufffd"), ""},
		{"text, too long", leaf(value.MMSString, 4), value.Text("üßüßü"), "type-inconsistent"},
		{"text, carriage return", leaf(value.MMSString, 4), value.Text("a\r"), "object-value-invalid"},
		{"text, NUL", leaf(value.MMSString, 4), value.Text("\x00"), "object-value-invalid"},
		{"text, not UTF-8", leaf(value.MMSString, 4), value.Text("\xff"), "object-value-invalid"},
		{"text, noncharacter", leaf(value.MMSString, 4), value.Text("\uffff"), "object-value-invalid"},
		{"entry time", leaf(value.BinaryTime, 6), value.BinTime(0, 0), ""},
		{"time of day", leaf(value.BinaryTime, 6), value.BinTimeOfDay(0), "type-inconsistent"},
		{"time", leaf(value.UTCTime, 0), value.UTC(0), ""},
		{"structure", pair, value.StructureOf(b, i), ""},
		{"structure, short", pair, value.StructureOf(b), "type-inconsistent"},
		{"structure, wrong inside", pair, value.StructureOf(b, b), "type-inconsistent"},
		{"structure for an array", array, value.StructureOf(i, i), "type-inconsistent"},
		{"array", array, value.ArrayOf(i, i), ""},
		{"array, short", array, value.ArrayOf(i), "type-inconsistent"},
		{"array, wrong inside", array, value.ArrayOf(i, b), "type-inconsistent"},
		{"array of structures", &pairs, value.ArrayOf(value.StructureOf(b, i), value.StructureOf(b, i)), ""},
		{"array of structures, wrong inside", &pairs, value.ArrayOf(value.StructureOf(b, i), i), "type-inconsistent"},
	} {
		err := tc.n.Check(tc.v)
		got := ""
		if refused := (*Error)(nil); errors.As(err, &refused) {
			got = refused.Code.String()
		}
		if got != tc.want {
			t.Errorf("%s: Check(%v): got %v, want %q", tc.name, tc.v, err, tc.want)
		}
	}
	long := leaf(value.VisibleString, 255)
	if err := long.Check(value.Visible(strings.Repeat("x", 256))); err == nil {
		t.Error("256 characters fit 255")
	}
}
