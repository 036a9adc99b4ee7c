package asn1_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
)

// connect has what the upper layers of OSI need of ASN.1 beside what MMS does: a SET, tags of other classes, types with a tag
// of their own, and components that later editions add.
type connect struct {
	Mode   int8      `asn:"mode [0]"`
	Name   string    `asn:"name [APPLICATION 1] EXPLICIT VisibleString OPTIONAL"`
	Inner  *inner    `asn:"inner [APPLICATION 2] OPTIONAL"`
	Titles [][]byte  `asn:"titles [APPLICATION 31] SET OF OCTET STRING OPTIONAL"`
	Proof  *external `asn:"proof OPTIONAL"`
	Late   bool      `asn:"late [5] DEFAULT FALSE"`
}

type inner struct {
	First  int8     `asn:"first [0]"`
	Second *int8    `asn:"second [2] OPTIONAL"`
	_      struct{} `asn:"..."`
}

type external struct {
	Reference int8      `asn:"indirect-reference"`
	Value     asn1.Open `asn:"single-ASN1-type [0]"`
}

var connectType = asn1.Compile[connect](asn1.NewModule(
	asn1.Set[connect]("Connect"),
	asn1.Tagged[external]("EXTERNAL", 8),
))

func TestWhatTheUpperLayersNeedOfASN1(t *testing.T) {
	two := int8(2)
	full := connect{Mode: 1, Name: "x", Inner: &inner{First: 1, Second: &two}, Titles: [][]byte{{7}}, Late: true,
		Proof: &external{Reference: 3, Value: asn1.Open{5, 0}}}
	const canonical = "3122" + "800101" + "61031a0178" + "6206800101820102" + "7f1f03040107" + "2807020103a0020500" + "8501ff"
	cases := []struct {
		name, octets string
		want         connect
		again        string // what the value is encoded as; "": octets
	}{
		{"all", canonical, full, ""},
		{"any order", "3122" + "8501ff" + "2807020103a0020500" + "7f1f03040107" + "6206800101820102" + "61031a0178" + "800101", full, canonical},
		{"least", "3103" + "800101", connect{Mode: 1}, ""},
		{"unknown components", "3112" + "800101" + "620d" + "810100" + "800101" + "a3020500" + "820102", connect{Mode: 1, Inner: &inner{First: 1, Second: &two}},
			"310b" + "800101" + "6206800101820102"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got connect
			b := octets(t, c.octets)
			if err := ber.Decode(b, connectType, &got, asn1.Limits{}); err != nil {
				t.Fatalf("%s: %v", c.octets, err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", c.octets, d)
			}
			if c.again == "" {
				c.again = c.octets
			}
			if again, err := ber.Append(nil, connectType, &got); hex.EncodeToString(again) != c.again {
				t.Errorf("encoded again: got %x, %v, want %s", again, err, c.again)
			}
		})
	}
}

func TestSetsAndExtensionsThatAreRefused(t *testing.T) {
	cases := []struct{ name, octets, want string }{
		{"twice", "3106" + "800101" + "800101", "no second mode"},
		{"missing", "3103" + "8501ff", "mode is missing"},
		{"unknown in a SET without extensions", "3106" + "800101" + "870100", "a component of Connect"},
		{"a SEQUENCE", "3003" + "800101", "where Connect is expected"},
		{"another class", "3108" + "800101" + "a1031a0178", "a component of Connect"},
		{"known components in the wrong order", "310b" + "800101" + "6206820102800101", "where first is expected"},
		{"malformed extension", "3109" + "800101" + "6204810500" + "00", "are left"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got connect
			err := ber.Decode(octets(t, c.octets), connectType, &got, asn1.Limits{})
			var syntax *asn1.SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want an error that says %q", c.octets, err, c.want)
			}
		})
	}
}

func octets(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
