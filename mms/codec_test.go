package mms

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// codec is one of the two encodings.
type codec struct {
	name   string
	encode func([]byte, PDU) ([]byte, error)
	decode func([]byte, Limits) (PDU, error)
}

var (
	berCodec = codec{"BER", AppendBER, DecodeBER}
	xerCodec = codec{"XER", AppendXER, DecodeXER}
)

// wide is limits that no test meets by accident: XER is up to thirty times as long as BER.
var wide = Limits{MaxSize: 64 << 20}

// same compares PDUs by value.
func same(a, b PDU) bool {
	return cmp.Equal(a, b, cmp.Comparer(func(a, b value.Value) bool { return a.Equal(b) }))
}

// across encodes p and reads it back, in one encoding and then in the other, and wants p unchanged.
func across(p PDU, codecs ...codec) error {
	for _, c := range codecs {
		b, err := c.encode(nil, p)
		if err != nil {
			return fmt.Errorf("%s: %w\nof %s", c.name, err, dump(p))
		}
		q, err := c.decode(b, wide)
		if err != nil {
			return fmt.Errorf("%s: %w\nof %s", c.name, err, dump(p))
		}
		if !same(p, q) {
			return fmt.Errorf("%s: got  %s\nwant %s", c.name, dump(q), dump(p))
		}
		again, err := c.encode(nil, q)
		if err != nil || !bytes.Equal(b, again) {
			return fmt.Errorf("%s: encoded %q, then %q, %v", c.name, b, again, err)
		}
		p = q
	}
	return nil
}

func TestAnyPDUSurvivesBothEncodings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := across(randomPDU().Draw(t, "pdu"), berCodec, xerCodec, berCodec); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDecodedPDUsShareNothingWithTheInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomPDU().Draw(t, "pdu")
		for _, c := range []codec{berCodec, xerCodec} {
			b, err := c.encode(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			q, err := c.decode(b, wide)
			if err != nil {
				t.Fatal(err)
			}
			clear(b)
			if !same(p, q) {
				t.Fatalf("%s: the PDU changed with the input: got %s, want %s", c.name, dump(q), dump(p))
			}
		}
	})
}

// Octets that follow, or are missing, never pass.
func TestDecodersReadExactlyOneEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := randomPDU().Draw(t, "pdu")
		for _, c := range []codec{berCodec, xerCodec} {
			b, err := c.encode(nil, p)
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range [][]byte{append(bytes.Clone(b), 0), b[:len(b)-1], b[1:], append(bytes.Clone(b), b...)} {
				if q, err := c.decode(wrong, wide); err == nil {
					t.Fatalf("%s: %q gives %s", c.name, wrong, dump(q))
				}
			}
		}
	})
}

func TestNoPartOfAnEncodingIsOne(t *testing.T) {
	for _, v := range valid(t) {
		for field, enc := range map[string]codec{"ber": berCodec, "xer": xerCodec} {
			whole := v.octets(t, field)
			for n := range whole {
				var syntax *SyntaxError
				if p, err := enc.decode(whole[:n], Limits{}); !errors.As(err, &syntax) {
					t.Fatalf("%s: %d octets of %q give %v, %v", v["what"], n, whole, p, err)
				}
			}
		}
	}
}

// IEC 61850-8-2: octets of common PDUs without stanza and E2E. They were counted without the namespace declaration, with
// names that are not known exactly.
func TestSizesAreThoseOfTheMapping(t *testing.T) {
	long := readRequest("SampleIEDDevice1", "MMXU1$MX$TotW$mag")
	sbow := value.StructureOf(value.Bool(true), value.StructureOf(value.Uint(3), value.Octets([]byte("station"))),
		value.Uint(1), value.UTC(1<<32), value.Bool(false), value.Bits(2, nil))
	write := &ConfirmedRequest{InvokeID: 17, Service: &WriteRequest{
		ListOfVariable{{VariableSpecification: VariableName{DomainSpecific{"PV1LD0", "CSWI1$CO$Pos$SBOw"}}}}, []value.Value{sbow}}}
	cases := []struct {
		name     string
		pdu      PDU
		xer, ber int // octets
	}{
		{"read request of one attribute", long, 445, 53},
		{"read response with one integer", readResponse(value.Int(1000)), 250, 14},
		{"select with value", write, 796, 89},
		{"fifty values", report50(t), 17960, 1582},
	}
	const tolerance = 0.3
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x, err1 := AppendXER(nil, c.pdu)
			b, err2 := AppendBER(nil, c.pdu)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			xer, ber := len(x)-len(" xmlns=''")-len(Namespace), len(b)
			if math.Abs(float64(xer-c.xer)) > tolerance*float64(c.xer) || math.Abs(float64(ber-c.ber)) > tolerance*float64(c.ber) {
				t.Errorf("got %d octets of XER and %d of BER, want about %d and %d", xer, ber, c.xer, c.ber)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	nested := value.Int(1)
	for range 20 {
		nested = value.StructureOf(nested)
	}
	items := make([]value.Value, 100)
	for i := range items {
		items[i] = value.Bool(true)
	}
	deepType := TypeSpecification(BooleanType{})
	for range 20 {
		deepType = &ArrayType{NumberOfElements: 1, ElementType: deepType}
	}
	types := &ConfirmedResponse{Service: &GetVariableAccessAttributesResponse{TypeSpecification: deepType}}
	cases := []struct {
		name  string
		pdu   PDU
		below func(size int) Limits // one less than what is needed
		at    func(size int) Limits // just what is needed
		want  string
	}{
		{"size", readResponse(value.Int(1)), func(n int) Limits { return Limits{MaxSize: n - 1} },
			func(n int) Limits { return Limits{MaxSize: n} }, "octets, at most"},
		{"depth of values", readResponse(nested), func(int) Limits { return Limits{MaxDepth: 24} },
			func(int) Limits { return Limits{MaxDepth: 25} }, "nested too deeply"},
		{"depth of types", types, func(int) Limits { return Limits{MaxDepth: 43} },
			func(int) Limits { return Limits{MaxDepth: 44} }, "nested too deeply"},
		{"items of a list", readResponse(items...), func(int) Limits { return Limits{MaxItems: 99} },
			func(int) Limits { return Limits{MaxItems: 100} }, "too many items"},
		{"items of an array", readResponse(value.ArrayOf(items...)), func(int) Limits { return Limits{MaxItems: 100} },
			func(int) Limits { return Limits{MaxItems: 101} }, "too many items"},
	}
	for _, c := range cases {
		for _, enc := range []codec{berCodec, xerCodec} {
			t.Run(c.name+" "+enc.name, func(t *testing.T) {
				b, err := enc.encode(nil, c.pdu)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := enc.decode(b, c.at(len(b))); err != nil {
					t.Errorf("at the limit: %v", err)
				}
				var syntax *SyntaxError
				if _, err := enc.decode(b, c.below(len(b))); !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("below the limit: got %v, want a *SyntaxError that says %q", err, c.want)
				}
			})
		}
	}
}

func TestWhatHasNoEncodingIsAValueError(t *testing.T) {
	noService := &ConfirmedRequest{InvokeID: 1}
	noName := &ConfirmedRequest{Service: &GetVariableAccessAttributesRequest{}}
	emptyName := &ConfirmedRequest{Service: &GetVariableAccessAttributesRequest{VMDSpecific("")}}
	written := func(v value.Value) PDU {
		return &ConfirmedRequest{Service: &WriteRequest{VariableListName{VMDSpecific("a")}, []value.Value{value.Bool(true), v}}}
	}
	cases := []struct {
		name string
		pdu  PDU
		want string
	}{
		{"nil", nil, "cannot encode MMSpdu: nothing"},
		{"nil pointer", (*ConfirmedRequest)(nil), "nothing"},
		{"no service", noService, "cannot encode confirmed-RequestPDU/ConfirmedServiceRequest: no alternative of ConfirmedServiceRequest"},
		{"nil service", &ConfirmedRequest{Service: (*ReadRequest)(nil)}, "read: nil"},
		{"no name", noName, "getVariableAccessAttributes/name: no alternative of ObjectName"},
		{"pointer where a value is the alternative", &ConfirmedRequest{Service: &GetVariableAccessAttributesRequest{&DomainSpecific{"a", "b"}}}, "no alternative"},
		{"empty identifier", emptyName, "vmd-specific"},
		{"identifier with a letter beyond ISO 646", &ConfirmedRequest{Service: &GetVariableAccessAttributesRequest{VMDSpecific("ä")}}, "characters that are not allowed"},
		{"nil result", &ConfirmedResponse{Service: &ReadResponse{ListOfAccessResult: []AccessResult{(*Success)(nil)}}}, "listOfAccessResult/AccessResult[0]/success: nil"},
		{"invalid value", written(value.Value{}), "listOfData/Data[1]"},
		{"invalid value inside", written(value.StructureOf(value.Int(1), value.Value{})), "listOfData/Data[1]/structure/Data[1]"},
		{"bit string without bits", written(value.Bits(0, nil)), "without bits"},
		{"boolean array without bits", written(value.Booleans(0, nil)), "without bits"},
		{"structure without components", written(value.StructureOf()), "without components"},
		{"visible string beyond ISO 646", written(value.Visible("ä")), "not allowed"},
		{"MMS string that is no UTF-8", written(value.Text("\xff")), "not allowed"},
		{"MMS string with a carriage return", written(value.Text("a\r")), "not allowed"},
		{"generalized time with letters", written(value.Generalized("now")), "not allowed"},
		{"object identifier of one arc", written(value.OID("1")), "objId"},
	}
	for _, c := range cases {
		for _, enc := range []codec{berCodec, xerCodec} {
			t.Run(c.name+" "+enc.name, func(t *testing.T) {
				dst, err := enc.encode([]byte("kept"), c.pdu)
				var invalid *ValueError
				if !errors.As(err, &invalid) || !strings.Contains(strings.Replace(err.Error(), "object identifier", "objId", 1), c.want) {
					t.Errorf("got %v, want a *ValueError that says %q", err, c.want)
				}
				if string(dst) != "kept" {
					t.Errorf("dst: got %q, want it as it was", dst)
				}
			})
		}
	}
}

// The allocation ceilings of the codecs.
func TestAllocations(t *testing.T) {
	pdu := report50(t)
	for _, c := range []struct {
		codec
		decoding float64 // values and results share what they are made of
	}{{berCodec, 25}, {xerCodec, 80}} {
		enc := c.codec
		b, err := enc.encode(nil, pdu)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 0, 2*len(b))
		encoding := testing.AllocsPerRun(100, func() {
			if _, err := enc.encode(dst, pdu); err != nil {
				t.Fatal(err)
			}
		})
		if encoding != 0 {
			t.Errorf("%s: %v allocations to encode, want 0", enc.name, encoding)
		}
		decoding := testing.AllocsPerRun(100, func() {
			if _, err := enc.decode(b, Limits{}); err != nil {
				t.Fatal(err)
			}
		})
		if decoding > c.decoding {
			t.Errorf("%s: %v allocations to decode, want %v at most", enc.name, decoding, c.decoding)
		}
	}
}

// seeds is what the vectors hold.
func seeds(t testing.TB, field string) (octets [][]byte) {
	for _, v := range allVectors(t) {
		if _, ok := v[field]; ok {
			octets = append(octets, v.octets(t, field))
		}
	}
	return octets
}

func FuzzBER(f *testing.F) { fuzz(f, "ber", berCodec, xerCodec) }
func FuzzXER(f *testing.F) { fuzz(f, "xer", xerCodec, berCodec) }

// fuzz wants what one encoding accepts to be the same PDU in the other and back, in memory bounded by the input.
func fuzz(f *testing.F, field string, from, to codec) {
	for _, b := range seeds(f, field) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, b, from, to) })
}

func fuzzed(t *testing.T, b []byte, from, to codec) {
	before := bytes.Clone(b)
	p, err := from.decode(b, Limits{})
	if !bytes.Equal(before, b) {
		t.Fatalf("%s changed its input", from.name)
	}
	var syntax *SyntaxError
	switch {
	case err != nil && !errors.As(err, &syntax):
		t.Fatalf("%s: %T %v, want a *SyntaxError", from.name, err, err)
	case err != nil && (syntax.Offset < 0 || syntax.Offset > int64(len(b))):
		t.Fatalf("%s: %v, in %d octets", from.name, err, len(b))
	case err != nil:
		return
	}
	if n := footprint(reflect.ValueOf(p)); n > maxFootprint(len(b)) {
		t.Fatalf("%s: %d octets of memory out of %d octets", from.name, n, len(b))
	}
	codecs := []codec{from, to, from}
	if !hasBER(p) {
		codecs = []codec{from}
	}
	if err := across(p, codecs...); err != nil {
		t.Fatal(err)
	}
}

// hasBER reports whether p has a form in BER.
func hasBER(p PDU) bool {
	switch p := p.(type) {
	case *ConfirmedRequest:
		return RequestKind(p.Service) != ServiceExtendedGetNameList
	case *ConfirmedResponse:
		return ResponseKind(p.Service) != ServiceExtendedGetNameList
	}
	return true
}
