package mms

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
	"busbar.example/value"
)

// shortPDUs are reads and reports in BER, of the common form and of others.
var shortPDUs = map[string]bool{ // true: the short way takes it
	"a01c020105a417a115a013" + "3011a00fa10d1a044c4430311a054d24582461":                                            true,
	"a02f020105a42aa128a026" + "3011a00fa10d1a044c4430311a054d24582461" + "3011a00fa10d1a044c4430311a054d24582462": true,
	"a01f0204000fffffa417a115a013" + "3011a00fa10d1a044c4430311a054d24582461":                                      false, // an INTEGER in too many octets
	"a0130201" + "05a40ea10ca00a3008a006800474657374":                                                              false, // a name of the VMD
	"a01f020105a41a8001ffa115a013" + "3011a00fa10d1a044c4430311a054d24582461":                                      false, // with result
	"a020020105a41ba119a117" + "3015a00fa10d1a044c4430311a054d24582461" + "a5023000":                               false, // alternate access
	"a10e020105a409a107" + "870508" + "3f800000":                                                                   true,
	"a110020105a40ba109" + "a207" + "870508" + "3f80":                                                              false, // cut short
	"a115020105a410a10e" + "a20c" + "870508" + "3f800000" + "840303" + "0000":                                      true,
	"a10a020105a405a103" + "80010a":                                                                                false, // a failure
	"a107020105a402a100":                                                                                           false, // nothing
	"a312a010a1058003525054a007" + "870508" + "3f800000":                                                           true,
	"a31aa018a1058003525054a00f" + "8a0161" + "870508" + "3f800000" + "840303" + "0000":                            true,
	"a312a010a1058003525055a007" + "870508" + "3f800000":                                                           false, // another list
	"a312a010a1058203525054a007" + "870508" + "3f800000":                                                           false, // of the association
	"a30ea00ca1058003525054a003" + "80010a":                                                                        false, // a failure
	"a30ba009a1058003525054a000":                                                                                   false, // nothing
}

// What the short way takes, the plan takes, and makes the same of it.
func checkShort(t *testing.T, b []byte, l Limits) bool {
	t.Helper()
	short, ok := decodeShort(b, l.WithDefaults())
	if !ok {
		return false
	}
	var planned PDU
	if err := ber.Decode(b, pduType, &planned, l); err != nil {
		t.Fatalf("%x: the short way gives %+v, the plan %v", b, short, err)
	}
	if !reflect.DeepEqual(short, planned) {
		t.Fatalf("%x:\nthe short way gives %+v\nthe plan           %+v", b, short, planned)
	}
	want, err := ber.Append(nil, pduType, short)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := appendShort(nil, short); !ok || !bytes.Equal(got, want) {
		t.Fatalf("%+v:\nthe short way writes %x, %t\nthe plan %x", short, got, ok, want)
	}
	return true
}

// What has no encoding has none on the short way; what it does not take, the plan writes.
func TestShortWayLeavesTheRestToThePlan(t *testing.T) {
	name := func(n ObjectName) ListOfVariable {
		return ListOfVariable{{VariableSpecification: VariableName{Name: n}}}
	}
	good := DomainSpecific{DomainID: "LD", ItemID: "x"}
	for text, c := range map[string]struct {
		pdu PDU
		ok  bool // it has an encoding
	}{
		"name of the VMD":      {&ConfirmedRequest{Service: &ReadRequest{VariableAccessSpecification: name(VMDSpecific("x"))}}, true},
		"empty domain":         {&ConfirmedRequest{Service: &ReadRequest{VariableAccessSpecification: name(DomainSpecific{ItemID: "x"})}}, false},
		"name with a control":  {&ConfirmedRequest{Service: &ReadRequest{VariableAccessSpecification: name(DomainSpecific{DomainID: "a", ItemID: "\n"})}}, false},
		"with result":          {&ConfirmedRequest{Service: &ReadRequest{SpecificationWithResult: true, VariableAccessSpecification: name(good)}}, true},
		"no variables at all":  {&ConfirmedRequest{Service: &ReadRequest{}}, false},
		"no request":           {&ConfirmedRequest{}, false},
		"a nil request":        {&ConfirmedRequest{Service: (*ReadRequest)(nil)}, false},
		"no specification":     {&ConfirmedRequest{Service: &ReadRequest{VariableAccessSpecification: ListOfVariable{{}}}}, false},
		"a failure":            {&ConfirmedResponse{Service: &ReadResponse{ListOfAccessResult: []AccessResult{ObjectAccessDenied}}}, true},
		"nothing read":         {&ConfirmedResponse{Service: &ReadResponse{ListOfAccessResult: []AccessResult{nil}}}, false},
		"a value that is none": {&ConfirmedResponse{Service: &ReadResponse{ListOfAccessResult: []AccessResult{&Success{Value: value.StructureOf()}}}}, false},
		"another list":         {&Unconfirmed{Service: &InformationReport{VariableAccessSpecification: VariableListName{Name: AASpecific("RPT")}, ListOfAccessResult: []AccessResult{}}}, true},
		"no list":              {&Unconfirmed{Service: &InformationReport{ListOfAccessResult: []AccessResult{}}}, false},
		"a nil report":         {&Unconfirmed{Service: (*InformationReport)(nil)}, false},
		"no report":            {(*Unconfirmed)(nil), false},
		"a list of variables":  {&Unconfirmed{Service: &InformationReport{VariableAccessSpecification: name(good), ListOfAccessResult: []AccessResult{}}}, true},
		"a report of nothing":  {&Unconfirmed{Service: &InformationReport{VariableAccessSpecification: reportList, ListOfAccessResult: []AccessResult{nil}}}, false},
		"nil":                  {(*ConfirmedRequest)(nil), false},
		"another service":      {&ConfirmedRequest{Service: &IdentifyRequest{}}, true},
	} {
		t.Run(text, func(t *testing.T) {
			dst := []byte("before")
			if _, ok := appendShort(dst, c.pdu); ok {
				t.Error("the short way takes it")
			}
			got, err := AppendBER(dst, c.pdu)
			want, planErr := ber.Append(dst, pduType, c.pdu)
			if (err == nil) != c.ok || !bytes.Equal(got, want) || (err == nil) != (planErr == nil) {
				t.Errorf("got %x, %v, want %x, %v", got, err, want, planErr)
			}
		})
	}
}

func TestShortWayThroughReadsAndReports(t *testing.T) {
	for text, want := range shortPDUs {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := checkShort(t, b, Limits{}); got != want {
			t.Errorf("%s: the short way is taken: %t, want %t", text, got, want)
		}
		for i := range b { // whatever octet is another
			for _, o := range []byte{0, 1, 0x7f, 0x80, 0x81, 0xff, b[i] ^ 0x20, b[i] + 1} {
				changed := append([]byte(nil), b...)
				changed[i] = o
				checkShort(t, changed, Limits{})
			}
		}
	}
}

// Limits hold on the short way as on the other.
func TestShortWayKeepsLimits(t *testing.T) {
	nested := []byte{0x83, 1, 1}
	for range 60 {
		nested = append([]byte{0xa2, byte(len(nested))}, nested...)
		if len(nested) > 120 {
			break
		}
	}
	deep := append([]byte{0xa1, byte(len(nested) + 2), 0xa1, byte(len(nested))}, nested...)[2:]
	deep = append([]byte{0xa4, byte(len(deep))}, deep...)
	deep = append([]byte{2, 1, 5}, deep...)
	deep = append([]byte{0xa1, 0x81, byte(len(deep))}, deep...)
	for depth := 16; depth < 80; depth++ {
		for _, items := range []int{1, 2, 30, 100} {
			l := Limits{MaxDepth: depth, MaxItems: items}
			var planned PDU
			err := ber.Decode(deep, pduType, &planned, l)
			_, ok := decodeShort(deep, l.WithDefaults())
			if ok && err != nil {
				t.Errorf("depth %d, %d items: the plan says %v", depth, items, err)
			}
			var syntax *asn1.SyntaxError
			if err != nil && !errors.As(err, &syntax) {
				t.Errorf("got %v", err)
			}
		}
	}
}

func FuzzShortBER(f *testing.F) {
	for text := range shortPDUs {
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		checkShort(t, b, Limits{})
		checkShort(t, b, Limits{MaxSize: 100, MaxDepth: 16, MaxItems: 3})
	})
}
