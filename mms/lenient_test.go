package mms

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// loosened encodes b, which is our BER, with lengths of other forms.
func loosened(random *rand.Rand, b []byte) (loose []byte) {
	for len(b) > 0 {
		head := 1
		for b[0]&0x1f == 0x1f && b[head]&0x80 != 0 {
			head++
		}
		if b[0]&0x1f == 0x1f {
			head++
		}
		loose = append(loose, b[:head]...)
		constructed := b[0]&0x20 != 0
		n := int(b[head])
		head++
		if n > 0x80 {
			size := n & 0x7f
			n = 0
			for _, o := range b[head : head+size] {
				n = n<<8 | int(o)
			}
			head += size
		}
		content := b[head : head+n]
		b = b[head+n:]
		if constructed {
			content = loosened(random, content)
			n = len(content)
		}
		switch size := random.IntN(8); {
		case constructed && size < 3:
			loose = append(append(append(loose, 0x80), content...), 0, 0)
			continue
		case size < 4 && n < 0x80:
			loose = append(loose, byte(n))
		default:
			loose = append(loose, 0x80|byte(4+size), 0)
			for shift := 8 * (2 + size); shift >= 0; shift -= 8 {
				loose = append(loose, byte(n>>min(shift, 62)))
			}
		}
		loose = append(loose, content...)
	}
	return loose
}

// Peers over MMS/TCP choose the form of their lengths (ITU-T X.690, 8.1.3): asn1c, for one, reads all that are here.
func TestLengthsOfAnyFormAreReadWhereAllowed(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range someBER(t) {
		loose := loosened(random, c.ber)
		p, err := DecodeBER(c.ber, wide)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := (Lenient{AnyLength: true}).DecodeBER(loose, wide); err != nil || !same(got, p) {
			t.Fatalf("%s: got %s, %v, want %s\nof %x", c.what, dump(got), err, dump(p), loose)
		}
		if _, err := DecodeBER(loose, wide); err == nil && len(loose) != len(c.ber) {
			t.Fatalf("%s: read although nobody allowed it\nof %x", c.what, loose)
		}
	}
}

func TestMalformedLengthsAreRefusedWhateverIsAllowed(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("a080", n) }
	for name, c := range map[string]struct{ ber, want string }{
		"nothing":                         {"", "ends too early"},
		"no length":                       {"8b", "ends too early"},
		"no end of contents":              {"a080020111", "ends too early"},
		"half an end of contents":         {"a08002011100", "ends too early"},
		"end of contents in two elements": {"a080a080020111000000", "ends too early"},
		"indefinite NULL":                 {"8b800000", "not constructed"},
		"reserved length":                 {"8bff", "reserved"},
		"length that ends too early":      {"a0840000", "ends too early"},
		"length beyond the end":           {"a0820004020111", "4 octets or more, where 3 are left"},
		"length beyond the element":       {"a08002820005110000", "where 3 are left"},
		"length of 2⁶⁴ and 3":             {"a089010000000000000003020111", "where 3 are left"},
		"octets behind the PDU":           {"8b810000", "octets follow"},
		"end of contents where none is":   {"a0050201110000", "tag 00 where"},
		"nesting":                         {nested(200) + strings.Repeat("0000", 200), "nested too deeply"},
		"tag in too many octets":          {"bf808000", "too many octets"},
		"what is no PDU":                  {"30800000", "tag 30 where MMSpdu"},
	} {
		b, err := hex.DecodeString(c.ber)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Lenient{AnyLength: true}.DecodeBER(b, Limits{})
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) || p != nil {
			t.Errorf("%s: got %v, %v, want a *SyntaxError that says %q\nof %s", name, dump(p), err, c.want, c.ber)
		}
	}
}

// What is read where it is allowed is the same PDU in the form that we write; what needs no leave is read alike.
func FuzzLenientBER(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 3))
	for _, b := range seeds(f, "ber") {
		f.Add(b)
	}
	for _, v := range valid(f) {
		f.Add(loosened(random, v.octets(f, "ber")))
	}
	for _, data := range []string{"850400000005", "8504fffffffb", "8601ff", "87043f800000", "87083ff0000000000000", "840206bf", "8a064cfc6674657a", "90034cfc66"} {
		b, err := hex.DecodeString(readOf(data))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	lenients := []codec{{"lenient BER", AppendBER, Lenient{AnyLength: true}.DecodeBER}, {"tolerant BER", AppendBER, Tolerant().DecodeBER}}
	f.Fuzz(func(t *testing.T, b []byte) {
		want, err := DecodeBER(b, Limits{})
		for _, lenient := range lenients { // the second allows what the first does, and more
			got, lenientErr := lenient.decode(b, Limits{})
			if err == nil && (lenientErr != nil || !same(want, got)) {
				t.Fatalf("%s: got %s, %v, want %s\nof %x", lenient.name, dump(got), lenientErr, dump(want), b)
			}
			fuzzed(t, b, lenient, xerCodec)
			want, err = got, lenientErr
		}
	})
}
