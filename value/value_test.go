package value

import (
	"math"
	"testing"
	"time"
)

func TestEqualComparesByContent(t *testing.T) {
	nan := FloatBits(0x7fc00001)
	for _, tc := range []struct {
		name string
		a, b Value
		want bool
	}{
		{"same integers", Int(-3), Int(-3), true},
		{"integer is not unsigned", Int(3), Uint(3), false},
		{"a NaN equals itself", nan, nan, true},
		{"minus zero differs", Float(0), Float(float32(math.Copysign(0, -1))), false},
		{"bit strings by length", Bits(3, []byte{0}), Bits(4, []byte{0}), false},
		{"padding does not count", Bits(3, []byte{0xff}), Bits(3, []byte{0xe0}), true},
		{"binary times by width", BinTimeOfDay(5 << 16), BinTime(5, 0), false},
		{"nested", StructureOf(ArrayOf(Int(1)), Text("x")), StructureOf(ArrayOf(Int(1)), Text("x")), true},
		{"nested difference", StructureOf(ArrayOf(Int(1))), StructureOf(ArrayOf(Int(2))), false},
		{"array is not structure", ArrayOf(Int(1)), StructureOf(Int(1)), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.a.Equal(tc.b); got != tc.want {
				t.Errorf("%v Equal %v: got %t, want %t", tc.a, tc.b, got, tc.want)
			}
		})
	}
}

func TestUTCTimeRoundsDownAndClamps(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   time.Time
		want uint64
	}{
		{"half a second", time.Unix(1, 500_000_000), 1<<32 | 0x800000<<8 | 0x0a},
		{"last nanosecond stays in its second", time.Unix(7, 999_999_999), 7<<32 | 0xffffff<<8 | 0x0a},
		{"before 1970", time.Unix(-1, 0), 0x0a},
		{"after 2106", time.Unix(1<<33, 0), 0xffffffff_ffffff00 | 0x0a},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := UTCOf(tc.in, 0x0a).UTC(); got != tc.want {
				t.Errorf("got %#x, want %#x", got, tc.want)
			}
		})
	}
	in := time.Date(2026, 11, 22, 10, 0, 0, 123_000_000, time.UTC)
	got, ok := UTCOf(in, 0).Time()
	if !ok || in.Sub(got) < 0 || in.Sub(got) > time.Second>>24 {
		t.Errorf("round trip of %v: got %v", in, got)
	}
}

func TestBinaryTimeCountsFrom1984(t *testing.T) {
	got, ok := BinTime(1500, 366).Time()
	if want := time.Date(1985, 1, 1, 0, 0, 1, 500_000_000, time.UTC); !ok || !got.Equal(want) {
		t.Errorf("got %v %t, want %v", got, ok, want)
	}
	if _, ok := BinTimeOfDay(5).Time(); ok {
		t.Error("a time of day without a date is no instant")
	}
}

func TestBitsCountFromTheLeft(t *testing.T) {
	v, err := ParseBits("1010000000001")
	if err != nil {
		t.Fatal(err)
	}
	if v.BitLen() != 13 || !v.Bit(0) || v.Bit(1) || !v.Bit(12) || v.Bit(13) || v.Packed() != "\xa0\x08" {
		t.Errorf("got %v packed %x", v, v.Packed())
	}
	if got := v.BitText(); got != "1010000000001" {
		t.Errorf("got %s", got)
	}
	if _, err := ParseBits("10x"); err == nil {
		t.Error("10x is accepted")
	}
	if got := Bits(16, []byte{0xff}).BitText(); got != "1111111100000000" {
		t.Errorf("missing octets: got %s", got)
	}
}

func TestBitsAllocateOnce(t *testing.T) {
	packed := []byte{0xa0, 0x08}
	if got := testing.AllocsPerRun(100, func() { Bits(13, packed) }); got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
	if got := Bits(300, []byte{0xff}); got.BitLen() != 300 || !got.Bit(7) || got.Bit(8) || len(got.Packed()) != 38 {
		t.Errorf("a long bit string: %d bits, %x", got.BitLen(), got.Packed())
	}
}

func TestNumbersSayWhetherTheyFit(t *testing.T) {
	if _, ok := Uint(math.MaxUint64).Int(); ok {
		t.Error("2^64-1 fits int64")
	}
	if _, ok := Int(-1).Uint(); ok {
		t.Error("-1 fits uint64")
	}
	if _, ok := Visible("1").Int(); ok {
		t.Error("text is a number")
	}
	if f, ok := Float(1.5).Float(); !ok || f != 1.5 {
		t.Errorf("got %v %t", f, ok)
	}
}

func TestOctetsAreCopied(t *testing.T) {
	b := []byte{1, 2}
	v := Octets(b)
	b[0] = 9
	if v.Text() != "\x01\x02" {
		t.Errorf("got %x", v.Text())
	}
}

func TestStringReadsAsAPersonWouldSayIt(t *testing.T) {
	v := StructureOf(Float(12.5), Bits(3, []byte{0x40}), UTC(1<<32|0x0a), ArrayOf(Uint(1), Bool(true)), Visible("a\"b"), Octets([]byte{0xab}), BinTime(1, 2))
	want := `{float32 12.5, bit-string 010, utc-time 1970-01-01T00:00:01.000000000Z q=0a, [unsigned 1, true], visible-string "a\"b", octet-string ab, binary-time/6 2d+1ms}`
	if got := v.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBinTimeOfKeepsWhatFits(t *testing.T) {
	first := time.Date(1984, 1, 1, 0, 0, 0, 0, time.UTC)
	last := first.Add(1<<16*24*time.Hour - time.Millisecond)
	for _, test := range []struct{ t, want time.Time }{
		{time.Date(2026, 11, 22, 10, 11, 12, 345_999_999, time.UTC), time.Date(2026, 11, 22, 10, 11, 12, 345_000_000, time.UTC)},
		{time.Date(2026, 11, 22, 1, 0, 0, 0, time.FixedZone("", 7200)), time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)},
		{first, first}, {first.Add(-1), first}, {time.Time{}, first}, {last, last}, {last.Add(time.Hour), last},
	} {
		if got, ok := BinTimeOf(test.t).Time(); !ok || !got.Equal(test.want) {
			t.Errorf("%v: got %v, want %v", test.t, got, test.want)
		}
	}
}
