package xmltok

import (
	"bytes"
	"fmt"
	"testing"
)

// TestNothingHidesInALongRun: an octet that does not stand for itself is found at every place of a text or a value, whether
// eight octets are looked at together, many, or one.
func TestNothingHidesInALongRun(t *testing.T) {
	runs := []struct {
		name  string
		run   func(b []byte, i int) int
		plain uint8
	}{{"text", plainRun, plainText}, {"value", plainValueRun, plainValue}}
	const size = 2*chunk + 64 + 13
	for _, tt := range runs {
		for c := range 256 {
			b := bytes.Repeat([]byte("q83vEjRWeJA+/Zm3"), size/16+1)[:size]
			for at := range size {
				was := b[at]
				b[at] = byte(c)
				want := size
				if class[c]&tt.plain == 0 {
					want = at
				}
				for _, from := range []int{0, 1, at} {
					if got := tt.run(b, from); from <= at && got != want {
						t.Fatalf("%s with %q at %d: the run from %d ends at %d, want %d", tt.name, rune(c), at, from, got, want)
					}
				}
				b[at] = was
			}
		}
	}
}

// TestNamesThatAreGuessed: what came behind a name before is a guess and no more.
func TestNamesThatAreGuessed(t *testing.T) {
	s := NewBytesScanner(nil, Limits{NameLen: 6})
	for _, in := range []string{"<a><b x='1' y='2'/></a>", "<a><bb x='1' yy='2'/></a>", "<a><b:c xmlns:b='u' b:x=''/></a>", "<a><b x='1' x='2'/></a>", "<a><b\tx ='1'\ny= '2' /></a>",
		"<a><b xy='1'/></a>", "<a><b x:='1'/></a>", "<a><b x", "<a><b x='1'y='2'/></a>", "<a><bcdefgh/></a>", "<a><b x='1' bcdefgh='2'/></a>", "<a><\xc3\xa9/></a>", "<a></ab></a>"} {
		for range 2 { // with guesses of other inputs, and of the same
			fresh := NewBytesScanner([]byte(in), Limits{NameLen: 6})
			s.ResetBytes([]byte(in))
			for {
				want, wantErr := fresh.Next()
				got, err := s.Next()
				if fmt.Sprint(got) != fmt.Sprint(want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
					t.Fatalf("%s: %+v, %v, want %+v, %v", in, got, err, want, wantErr)
				}
				if err != nil {
					break
				}
			}
		}
	}
}
