package mms

import (
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/value"
)

// readOf is a read response with invokeID 17 whose one result is the Data in hex.
func readOf(data string) string {
	tlv := func(tag, content string) string { return fmt.Sprintf("%s%02x%s", tag, len(content)/2, content) }
	return tlv("a1", "020111"+tlv("a4", tlv("a1", data)))
}

// What devices are known to send beside BER and MMS is read where it is allowed, each by a name of its own.
func TestWhatDevicesSendBesideTheRules(t *testing.T) {
	for _, tc := range []struct {
		name    string
		lenient Lenient
		ber     string
		want    value.Value
	}{
		{"an integer as wide as the device's type", Lenient{AnyInteger: true}, "850400000005", value.Int(5)},
		{"a negative one", Lenient{AnyInteger: true}, "8504fffffffb", value.Int(-5)},
		{"one of nine octets", Lenient{AnyInteger: true}, "8509000000000000000005", value.Int(5)},
		{"an unsigned as wide as its type", Lenient{AnyInteger: true}, "860400000005", value.Uint(5)},
		{"an unsigned without the octet of its sign", Lenient{PlainUnsigned: true}, "8601ff", value.Uint(255)},
		{"a wide one", Lenient{PlainUnsigned: true}, "8604ffffffff", value.Uint(1<<32 - 1)},
		{"a float of four octets", Lenient{PlainFloat: true}, "87043f800000", value.Float(1)},
		{"a double of eight octets", Lenient{PlainFloat: true}, "87083ff0000000000000", value.Double(1)},
		{"a double point with padding", Lenient{AnyPadding: true}, "840206bf", value.Bits(2, []byte{0x80})},
		{"a description in Latin-1", Lenient{AnyText: true}, "8a064cfc6674657a", value.Visible("L?ftez")},
		{"one in UTF-8", Lenient{AnyText: true}, "8a044cc3bc66", value.Visible("L??f")},
		{"a text that is no UTF-8", Lenient{AnyText: true}, "90034cfc66", value.Text("L?f")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := hex.DecodeString(readOf(tc.ber))
			if err != nil {
				t.Fatal(err)
			}
			for _, strict := range []Lenient{{}, {AnyLength: true}} {
				if p, err := strict.DecodeBER(b, Limits{}); err == nil {
					t.Errorf("%+v reads %s", strict, dump(p))
				}
			}
			for _, lenient := range []Lenient{tc.lenient, Tolerant()} {
				p, err := lenient.DecodeBER(b, Limits{})
				if err != nil {
					t.Fatalf("%+v: %v", lenient, err)
				}
				got := p.(*ConfirmedResponse).Service.(*ReadResponse).ListOfAccessResult[0].(*Success).Value
				if !got.Equal(tc.want) {
					t.Errorf("%+v: got %v, want %v", lenient, got, tc.want)
				}
			}
		})
	}
}

// Numbers and bits outside of Data are read alike.
func TestNumbersBesideTheRules(t *testing.T) {
	b := []byte{0xa0, 8, 2, 4, 0, 0, 0, 17, 0x82, 0}
	if p, err := DecodeBER(b, Limits{}); err == nil {
		t.Errorf("read although nobody allowed it: %s", dump(p))
	}
	p, err := Tolerant().DecodeBER(b, Limits{})
	if want := "ConfirmedRequest{InvokeID: 17, Service: IdentifyRequest{}}"; err != nil || dump(p) != want {
		t.Errorf("got %s, %v, want %s", dump(p), err, want)
	}
}

func TestWhatNoLeniencyTakes(t *testing.T) {
	for name, data := range map[string]string{
		"an integer of nothing":         "8500",
		"an integer beyond 64 bits":     "8509010000000000000000",
		"an unsigned of nothing":        "8600",
		"an unsigned beyond 64 bits":    "860901ffffffffffffffff",
		"a float of three octets":       "8703000000",
		"a float of another exponent":   "870509000000ff",
		"a bit string of nothing":       "8400",
		"a bit string without octets":   "840107",
		"a bit string of 8 bits unused": "840208ff",
		"a boolean of two octets":       "83020001",
		"a time of four octets":         "910400000000",
		"an alternative that is none":   "880100",
	} {
		b, err := hex.DecodeString(readOf(data))
		if err != nil {
			t.Fatal(err)
		}
		var syntax *SyntaxError
		if p, err := Tolerant().DecodeBER(b, Limits{}); !errors.As(err, &syntax) {
			t.Errorf("%s: got %s, %v", name, dump(p), err)
		}
	}
}

// ISO 9506-2, RejectPDU: a peer learns which of its requests was not understood, and its association stands.
func TestAnswersToWhatIsNotUnderstood(t *testing.T) {
	for _, tc := range []struct {
		name, ber, want string
		ends            bool
	}{
		{"fileRename", "a006020111bf4b00", "17 unrecognized-service", false},
		{"getNamedTypeAttributes", "a0080202012caf028000", "300 unrecognized-service", false},
		{"in lengths of any form", "a080020111af80800000000000", "17 unrecognized-service", false},
		{"a service that has no form in BER", "a0050201113000", "17 unrecognized-modifier", false},
		{"a read of nothing", "a005020111a400", "17 invalid-argument", false},
		{"a modifier", "a009020111300480020000", "17 unrecognized-modifier", false},
		{"no service", "a003020111", "17 invalid-argument", false},
		{"no invokeID", "a0028200", "invalid-pdu", false},
		{"a negative invokeID", "a0050201818200", "invalid-pdu", false},
		{"an invokeID beyond 32 bits", "a00902050100000000 8200", "invalid-pdu", false},
		{"no BER", "a0ff", "invalid-pdu", false},
		{"nothing", "", "invalid-pdu", false},
		{"a cancel of nobody", "8500", "other", false},
		{"a conclude with content", "8b0100", "invalid-argument", false},
		{"no PDU at all", "ae00", "unknown-pdu-type", false},
		{"a report", "a304a0028000", "", false},
		{"an answer", "a105020111a400", "", true},
		{"an error", "a205800111a200", "", true},
		{"a reject", "a400", "", true},
		{"a second initiate", "a800", "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := vector{"ber": tc.ber}.octets(t, "ber")
			if p, err := DecodeBER(b, Limits{}); err == nil {
				t.Fatalf("this is a PDU: %s", dump(p))
			}
			answer, goOn := RejectionBER(b, Limits{})
			got := ""
			if answer != nil {
				got = answer.RejectReason.String()
				if answer.OriginalInvokeID != nil {
					got = fmt.Sprintf("%d %s", *answer.OriginalInvokeID, got)
				}
				if _, err := AppendBER(nil, answer); err != nil {
					t.Error(err)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || goOn == tc.ends {
				t.Errorf("got %q, goes on %t; want %q, ends %t", got, goOn, tc.want, tc.ends)
			}
		})
	}
}
