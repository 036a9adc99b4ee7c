package value

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func samples() []Value {
	return []Value{
		Bool(false), Bool(true), Int(0), Int(-1), Int(math.MinInt64), Int(math.MaxInt64), Uint(0), Uint(math.MaxUint64), Decimal(42),
		Float(1.5), FloatBits(0x7fc00001), Double(-2.25), DoubleBits(1), Octets(nil), Octets([]byte{0, 255}), Visible(""), Visible("abc"),
		Text("é"), Generalized("20260101"), OID("1.0.9506.2.3"), UTC(0), UTCOf(time.Unix(1e9, 5e8), 10), BinTime(86399999, 65535),
		BinTimeOfDay(1), Bits(0, nil), Bits(13, []byte{0x60, 0x08}), Booleans(9, []byte{0xff, 0x80}), ArrayOf(), StructureOf(),
		StructureOf(ArrayOf(Int(1), Int(2)), StructureOf(Text("x"), Bits(2, []byte{0x40}))),
	}
}

func TestBinaryFormKeepsValues(t *testing.T) {
	var all []byte
	for _, v := range samples() {
		var err error
		if all, err = v.AppendBinary(all); err != nil {
			t.Fatal(err)
		}
	}
	rest := all
	for _, want := range samples() {
		var got Value
		var err error
		if got, rest, err = DecodeBinary(rest); err != nil || !got.Equal(want) {
			t.Fatalf("got %v %v, want %v", got, err, want)
		}
	}
	if len(rest) != 0 {
		t.Errorf("%d octets are left", len(rest))
	}
}

func TestBinaryFormThatIsNone(t *testing.T) {
	deep := bytes.Repeat([]byte{byte(Structure), 1}, maxBinaryDepth)
	for name, b := range map[string][]byte{
		"nothing":                  {},
		"a kind alone":             {byte(Boolean)},
		"no kind":                  {0, 0},
		"unknown kind":             {99, 0},
		"boolean of two":           {byte(Boolean), 2},
		"text that is cut":         {byte(VisibleString), 3, 'a', 'b'},
		"bits that are cut":        {byte(BitString), 9, 0xff},
		"bits without end":         append([]byte{byte(BitString)}, bytes.Repeat([]byte{0xff}, 9)...),
		"endless number":           append([]byte{byte(Unsigned)}, bytes.Repeat([]byte{0xff}, 12)...),
		"float that is cut":        {byte(Float32), 1, 2, 3},
		"double that is cut":       {byte(Float64), 1, 2, 3, 4, 5, 6, 7},
		"time of five octets":      {byte(BinaryTime), 5, 0},
		"time of day too large":    {byte(BinaryTime), 4, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"more elements than could": {byte(Array), 200, 1, byte(Boolean), 1},
		"an element is missing":    {byte(Array), 2, byte(Boolean), 1, byte(Float64), 1},
		"too deep":                 append(deep, byte(Boolean), 1),
	} {
		if v, _, err := DecodeBinary(b); err == nil {
			t.Errorf("%s: got %v", name, v)
		}
	}
}

// What is accepted is a value, and is kept.
func FuzzDecodeBinary(f *testing.F) {
	for _, v := range samples() {
		f.Add(v.appendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := DecodeBinary(b)
		if err != nil {
			return
		}
		if len(rest) > len(b)-2 {
			t.Fatalf("a value of %d octets", len(b)-len(rest))
		}
		w, _, err := DecodeBinary(v.appendTo(nil))
		if err != nil || !w.Equal(v) {
			t.Fatalf("got %v %v, want %v", w, err, v)
		}
	})
}
