// Package value is the one value type of MMS Data and of the ACSI basic types.
//
// A Value is immutable: it may be copied, compared with Equal, kept and shared between goroutines freely.
package value

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Kind tells which alternative of MMS Data a Value is.
//
// ISO 9506-2, Data.
type Kind uint8

// The kinds, in the order of their tags in MMS Data. Floating-point is split by width.
const (
	Invalid         Kind = iota // the zero Value: no value at all
	Array                       // elements of one type
	Structure                   // components, at least one
	Boolean                     // true or false
	BitString                   // 0 or more bits; bit 0 is the leftmost
	Integer                     // signed, 64 bits
	Unsigned                    // 0 … 2⁶⁴-1
	Float32                     // IEEE 754 binary32, bits kept as they are
	Float64                     // IEEE 754 binary64, bits kept as they are
	OctetString                 // any octets
	VisibleString               // ISO 646 text
	GeneralizedTime             // ISO 8824 GeneralizedTime text
	BinaryTime                  // TimeOfDay: 4 or 6 octets
	BCD                         // a non-negative integer
	BooleanArray                // bits, as BitString
	ObjectID                    // dotted decimal arcs
	MMSString                   // UTF-8 text
	UTCTime                     // 8 octets: seconds, fraction, TimeQuality
)

var kindNames = [...]string{"invalid", "array", "structure", "boolean", "bit-string", "integer", "unsigned",
	"float32", "float64", "octet-string", "visible-string", "generalized-time", "binary-time", "bcd",
	"booleanArray", "objId", "mMSString", "utc-time"}

// String gives the standard's word for k.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Value is one MMS Data value. The zero Value is Invalid.
type Value struct {
	kind  Kind
	width uint8  // BinaryTime: 4 or 6
	n     uint64 // scalars; number of bits of a BitString
	s     string // text, octets, and the packed bits of a BitString
	elems []Value
}

// Bool makes a Boolean.
func Bool(b bool) Value {
	if b {
		return Value{kind: Boolean, n: 1}
	}
	return Value{kind: Boolean}
}

// Int makes an Integer.
func Int(i int64) Value { return Value{kind: Integer, n: uint64(i)} }

// Uint makes an Unsigned.
func Uint(u uint64) Value { return Value{kind: Unsigned, n: u} }

// Float makes a Float32.
func Float(f float32) Value { return Value{kind: Float32, n: uint64(math.Float32bits(f))} }

// FloatBits makes a Float32 of its IEEE 754 bits, which keeps the payload of a NaN.
func FloatBits(b uint32) Value { return Value{kind: Float32, n: uint64(b)} }

// Double makes a Float64.
func Double(f float64) Value { return Value{kind: Float64, n: math.Float64bits(f)} }

// DoubleBits makes a Float64 of its IEEE 754 bits.
func DoubleBits(b uint64) Value { return Value{kind: Float64, n: b} }

// Octets makes an OctetString of a copy of b.
func Octets(b []byte) Value { return Value{kind: OctetString, s: string(b)} }

// Visible makes a VisibleString.
func Visible(s string) Value { return Value{kind: VisibleString, s: s} }

// Text makes an MMSString.
func Text(s string) Value { return Value{kind: MMSString, s: s} }

// Generalized makes a GeneralizedTime of its text.
func Generalized(s string) Value { return Value{kind: GeneralizedTime, s: s} }

// Decimal makes a BCD.
func Decimal(u uint64) Value { return Value{kind: BCD, n: u} }

// OID makes an ObjectID of dotted decimal text such as "1.0.9506.2.3". It does not check the text.
func OID(dotted string) Value { return Value{kind: ObjectID, s: dotted} }

// UTC makes a UTCTime of its 8 octets read as one big-endian number: seconds since 1970 in the
// upper 32 bits, the fraction of a second in units of 2⁻²⁴, and TimeQuality in the lowest octet.
func UTC(octets uint64) Value { return Value{kind: UTCTime, n: octets} }

// UTCOf makes a UTCTime of t, rounded down to 2⁻²⁴ s, with the given TimeQuality octet.
// A time outside 1970–2106 is clamped to that range.
func UTCOf(t time.Time, quality uint8) Value {
	sec := t.Unix()
	switch {
	case sec < 0:
		return UTC(uint64(quality))
	case sec > math.MaxUint32:
		return UTC(math.MaxUint64&^0xff | uint64(quality))
	}
	frac := uint64(t.Nanosecond()) << 24 / 1_000_000_000
	return UTC(uint64(sec)<<32 | frac<<8 | uint64(quality))
}

// BinTime makes a BinaryTime of ms milliseconds since midnight and days days since 1984-01-01
// (6 octets). ISO 9506-2, TimeOfDay.
func BinTime(ms uint32, days uint16) Value {
	return Value{kind: BinaryTime, width: 6, n: uint64(ms)<<16 | uint64(days)}
}

// BinTimeOf makes a BinaryTime of t, to a millisecond: the first instant of 1984 where t is earlier, the last that fits where
// t is later. It does not allocate.
func BinTimeOf(t time.Time) Value {
	const day, first = 24 * 60 * 60 * 1000, 441763200000 // in milliseconds; 1984-01-01
	since := min(max(t.UnixMilli()-first, 0), day<<16-1)
	return BinTime(uint32(since%day), uint16(since/day))
}

// BinTimeOfDay makes a BinaryTime of ms milliseconds since midnight (4 octets).
func BinTimeOfDay(ms uint32) Value { return Value{kind: BinaryTime, width: 4, n: uint64(ms)} }

// Bits makes a BitString of the first n bits of packed, most significant bit of the first octet
// first. Missing octets count as zero bits, surplus bits are dropped.
func Bits(n int, packed []byte) Value { return bits(BitString, n, packed) }

// Booleans makes a BooleanArray like Bits.
func Booleans(n int, packed []byte) Value { return bits(BooleanArray, n, packed) }

func bits(k Kind, n int, packed []byte) Value {
	if n < 0 {
		n = 0
	}
	var short [32]byte // on the stack: nearly all bit strings fit
	b := short[:]
	size := (n + 7) / 8
	if size > len(b) {
		b = make([]byte, size)
	}
	b = b[:size]
	copy(b, packed)
	if r := n % 8; r != 0 {
		b[len(b)-1] &= 0xff << (8 - r)
	}
	v := Value{kind: k, n: uint64(n)}
	if v.s = zeros[:min(size, len(zeros))]; v.s != string(b) { // good quality is all zero
		v.s = string(b)
	}
	return v
}

// zeros is the octets of all bit strings that fit in it and have no bit set.
const zeros = "\x00\x00\x00\x00\x00\x00\x00\x00"

// ParseBits makes a BitString of text that holds only the digits 0 and 1, leftmost digit bit 0.
func ParseBits(text string) (Value, error) {
	b := make([]byte, (len(text)+7)/8)
	for i := range len(text) {
		switch text[i] {
		case '1':
			b[i/8] |= 0x80 >> (i % 8)
		case '0':
		default:
			return Value{}, fmt.Errorf("bit string %q: %q at %d is neither 0 nor 1", clip(text), text[i], i)
		}
	}
	return Bits(len(text), b), nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// ArrayOf makes an Array. It keeps elems: the caller must not change them afterwards.
func ArrayOf(elems ...Value) Value { return Value{kind: Array, elems: elems} }

// StructureOf makes a Structure. It keeps elems: the caller must not change them afterwards.
func StructureOf(elems ...Value) Value { return Value{kind: Structure, elems: elems} }

// Kind tells what v is.
func (v Value) Kind() Kind { return v.kind }

// IsValid reports whether v is a value at all.
func (v Value) IsValid() bool { return v.kind != Invalid }

// Bool is the Boolean's value; false for other kinds.
func (v Value) Bool() bool { return v.kind == Boolean && v.n != 0 }

// Int is the number of an Integer, Unsigned or BCD, and whether it is one and fits.
func (v Value) Int() (int64, bool) {
	switch v.kind {
	case Integer:
		return int64(v.n), true
	case Unsigned, BCD:
		return int64(v.n), v.n <= math.MaxInt64
	}
	return 0, false
}

// Uint is the number of an Unsigned, BCD or Integer, and whether it is one and not negative.
func (v Value) Uint() (uint64, bool) {
	switch v.kind {
	case Unsigned, BCD:
		return v.n, true
	case Integer:
		return v.n, int64(v.n) >= 0
	}
	return 0, false
}

// Float is the number of a Float32 or Float64, and whether it is one.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case Float32:
		return float64(math.Float32frombits(uint32(v.n))), true
	case Float64:
		return math.Float64frombits(v.n), true
	}
	return 0, false
}

// FloatBits is the IEEE 754 pattern of a Float32 (in the low 32 bits) or Float64; 0 for other kinds.
func (v Value) FloatBits() uint64 {
	if v.kind == Float32 || v.kind == Float64 {
		return v.n
	}
	return 0
}

// Text is the text of a VisibleString, MMSString, GeneralizedTime or ObjectID, or the octets of an
// OctetString; "" for other kinds.
func (v Value) Text() string {
	switch v.kind {
	case VisibleString, MMSString, GeneralizedTime, ObjectID, OctetString:
		return v.s
	}
	return ""
}

// Packed is the octets of a BitString or BooleanArray, most significant bit first, padding zero.
func (v Value) Packed() string {
	if v.kind == BitString || v.kind == BooleanArray {
		return v.s
	}
	return ""
}

// BitLen is the number of bits of a BitString or BooleanArray; 0 for other kinds.
func (v Value) BitLen() int {
	if v.kind == BitString || v.kind == BooleanArray {
		return int(v.n)
	}
	return 0
}

// Bit is bit i, counted from the left from 0; false beyond the end.
func (v Value) Bit(i int) bool {
	return i >= 0 && i < v.BitLen() && v.s[i/8]&(0x80>>(i%8)) != 0
}

// UTC is the 8 octets of a UTCTime as one big-endian number; 0 for other kinds.
func (v Value) UTC() uint64 {
	if v.kind == UTCTime {
		return v.n
	}
	return 0
}

// Time is the instant of a UTCTime or of a 6-octet BinaryTime, and whether v is one.
func (v Value) Time() (time.Time, bool) {
	switch {
	case v.kind == UTCTime:
		ns := (v.n >> 8 & 0xffffff * 1_000_000_000) >> 24
		return time.Unix(int64(v.n>>32), int64(ns)).UTC(), true
	case v.kind == BinaryTime && v.width == 6:
		day := time.Date(1984, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(v.n&0xffff))
		return day.Add(time.Duration(v.n>>16) * time.Millisecond), true
	}
	return time.Time{}, false
}

// BinTime is the parts of a BinaryTime and its width in octets: 6, 4 (days is 0), or 0 for other kinds.
func (v Value) BinTime() (ms uint32, days uint16, width int) {
	switch {
	case v.kind != BinaryTime:
		return 0, 0, 0
	case v.width == 6:
		return uint32(v.n >> 16), uint16(v.n), 6
	}
	return uint32(v.n), 0, 4
}

// Len is the number of elements of an Array or Structure; 0 for other kinds.
func (v Value) Len() int { return len(v.elems) }

// At is element i of an Array or Structure. It panics where i is out of range, as a slice does.
func (v Value) At(i int) Value { return v.elems[i] }

// Equal reports whether v and w are the same kind with the same content. Floats compare by their
// bits, so that a NaN equals itself and -0 differs from 0: "has this value changed" is the question.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.width != w.width || v.n != w.n || v.s != w.s || len(v.elems) != len(w.elems) {
		return false
	}
	for i := range v.elems {
		if !v.elems[i].Equal(w.elems[i]) {
			return false
		}
	}
	return true
}

// String renders v for people and for golden files, for example {float32 12.5, bit-string 0000000000000}.
func (v Value) String() string {
	var b strings.Builder
	v.format(&b)
	return b.String()
}

func (v Value) format(b *strings.Builder) {
	switch v.kind {
	case Invalid:
		b.WriteString("invalid")
	case Array, Structure:
		open, end := "{", "}"
		if v.kind == Array {
			open, end = "[", "]"
		}
		b.WriteString(open)
		for i, e := range v.elems {
			if i > 0 {
				b.WriteString(", ")
			}
			e.format(b)
		}
		b.WriteString(end)
	case Boolean:
		fmt.Fprintf(b, "%t", v.n != 0)
	case BitString, BooleanArray:
		fmt.Fprintf(b, "%s %s", v.kind, v.BitText())
	case Integer:
		fmt.Fprintf(b, "integer %d", int64(v.n))
	case Unsigned, BCD:
		fmt.Fprintf(b, "%s %d", v.kind, v.n)
	case Float32:
		fmt.Fprintf(b, "float32 %v", math.Float32frombits(uint32(v.n)))
	case Float64:
		fmt.Fprintf(b, "float64 %v", math.Float64frombits(v.n))
	case OctetString:
		fmt.Fprintf(b, "octet-string %x", v.s)
	case UTCTime:
		t, _ := v.Time()
		fmt.Fprintf(b, "utc-time %s q=%02x", t.Format("2006-01-02T15:04:05.000000000Z"), byte(v.n))
	case BinaryTime:
		ms, days, width := v.BinTime()
		fmt.Fprintf(b, "binary-time/%d %dd+%dms", width, days, ms)
	default:
		fmt.Fprintf(b, "%s %q", v.kind, v.s)
	}
}

// BitText is the bits of a BitString or BooleanArray as digits, bit 0 first.
func (v Value) BitText() string {
	d := make([]byte, v.BitLen())
	for i := range d {
		d[i] = '0'
		if v.Bit(i) {
			d[i] = '1'
		}
	}
	return string(d)
}
