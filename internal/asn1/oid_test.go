package asn1

import (
	"encoding/hex"
	"testing"
)

// ITU-T X.690, 8.19.
func TestObjectIdentifiersInBothForms(t *testing.T) {
	cases := map[string]string{
		"0.0":                     "00",
		"0.39":                    "27",
		"1.0":                     "28",
		"1.39":                    "4f",
		"2.0":                     "50",
		"2.999":                   "8837",
		"1.0.9506.2.3":            "28ca220203",
		"1.2.840.113549.1.1.11":   "2a864886f70d01010b",
		"2.9223372036854775727":   "ffffffffffffffff7f",
		"1.3.9223372036854775727": "2bffffffffffffffff2f",
	}
	for text, octets := range cases {
		got, ok := AppendOID(nil, text)
		if hex.EncodeToString(got) != octets || !ok {
			t.Errorf("%s: got %x, %t, want %s", text, got, ok, octets)
		}
		b, err := hex.DecodeString(octets)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ParseOID(b); got != text || !ok {
			t.Errorf("%s: got %s, %t, want %s", octets, got, ok, text)
		}
	}
}

func TestObjectIdentifiersThatAreNone(t *testing.T) {
	for _, text := range []string{"", ".", "1", "1.", ".1", "1..2", "3.1", "0.40", "1.40", "1.02", "01.2", "1.2.", "1.-2", "1.a",
		"1.2.9223372036854775728", "2.9223372036854775728", "1.2.99999999999999999999"} {
		if ValidOID(text) {
			t.Errorf("%q is taken for an object identifier", text)
		}
	}
	for _, octets := range []string{"", "80", "8001", "288001", "2888", "2bffffffffffffffff30", "81808080808080808000"} {
		b, err := hex.DecodeString(octets)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ParseOID(b); ok {
			t.Errorf("%s is taken for the object identifier %s", octets, got)
		}
	}
}

// Whatever octets are read give text that is read, and gives them back.
func FuzzOID(f *testing.F) {
	f.Add([]byte{0x28, 0xca, 0x22, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		text, ok := ParseOID(b)
		if !ok {
			return
		}
		if again, ok := AppendOID(nil, text); !ok || string(again) != string(b) {
			t.Errorf("%x: got %s, and of that %x, %t", b, text, again, ok)
		}
	})
}
