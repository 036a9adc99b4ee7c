package client

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

const all = "FreelyNamed/SchFSCH1.All."

func TestParseAssignmentReadsValuesByTheirType(t *testing.T) {
	c := newClient(t, rbac.Engineer)
	for _, tc := range []struct {
		in, ref string
		want    value.Value
	}{
		{all + "b=true", all + "b[SP]", value.Bool(true)},
		{all + "i8=-128", all + "i8[SP]", value.Int(-128)},
		{all + "i64=-9223372036854775808", all + "i64[SP]", value.Int(-1 << 63)},
		{all + "u8=255", all + "u8[SP]", value.Uint(255)},
		{all + "f32=1e3", all + "f32[SP]", value.Float(1000)},
		{all + "f64=0.1", all + "f64[SP]", value.Double(0.1)},
		{all + "pos=on", all + "pos[SP]", value.Bits(2, []byte{0x80})},
		{all + "pos=01", all + "pos[SP]", value.Bits(2, []byte{0x40})},
		{all + "oct=00ff", all + "oct[SP]", value.Octets([]byte{0, 0xff})},
		{all + "vis=a=b c", all + "vis[SP]", value.Visible("a=b c")},
		{all + "vis=", all + "vis[SP]", value.Visible("")},
		{all + "uni=ünï", all + "uni[SP]", value.Text("ünï")},
		{all + "qual=questionable oldData", all + "qual[SP]", (acsi.QualityQuestionable | acsi.QualityOldData).Value()},
		{all + "qual=0000000000010", all + "qual[SP]", acsi.QualityTest.Value()},
		{all + "utc=2026-11-22T11:00:00.5+01:00", all + "utc[SP]", value.UTC(1795341600<<32 | 0x80000000 | 31)},
		{all + "entry=1984-01-02T00:00:01Z", all + "entry[SP]", value.BinTime(1000, 1)},
		{all + "wide=thousand", all + "wide[SP]", value.Int(1000)},
		{all + "wide=-1", all + "wide[SP]", value.Int(-1)},
		{"FreelyNamed/SchFSCH1$SP$All$i8=7", all + "i8[SP]", value.Int(7)},
		{"FreelyNamed/SchFSCH1.Curve.val(2)=4", "FreelyNamed/SchFSCH1.Curve.val(2)[SP]", value.Float(4)},
		{"FreelyNamed/SchFSCH1.Curve.val=[1, 2.5,3]", "FreelyNamed/SchFSCH1.Curve.val[SP]", value.ArrayOf(value.Float(1), value.Float(2.5), value.Float(3))},
		{`CRNLD0/MMXU1.TotW.units={"multiplier":"k","SIUnit":29}`, "CRNLD0/MMXU1.TotW.units[CF]", value.StructureOf(value.Int(29), value.Int(3))},
		{"CRNLD0/PTOC1.StrVal.setMag.f=1", "CRNLD0/PTOC1.StrVal.setMag.f[SE]", value.Float(1)},
		{"CRNLD0/LLN0.NamPlt.d=north field", "CRNLD0/LLN0.NamPlt.d[DC]", value.Text("north field")},
	} {
		a, err := c.ParseAssignment(bg, tc.in)
		if err != nil || a.Ref.String() != tc.ref || !a.Value.Equal(tc.want) {
			t.Errorf("%s: got %s %v %v, want %s %v", tc.in, a.Ref, a.Value, err, tc.ref, tc.want)
		}
	}
}

func TestParseAssignmentSaysWhatIsWrong(t *testing.T) {
	c := newClient(t, rbac.Engineer)
	for in, want := range map[string]string{
		all + "b":                                   "write REF=VALUE",
		"x y=1":                                     "not a logical device name",
		all + "nix=1":                               "has no nix",
		all + "b=1":                                 "neither true nor false",
		all + "i8=128":                              "out of range: it takes -128 to 127",
		all + "u8=-1":                               "no whole number",
		all + "u8=256":                              "0 to 255",
		all + "u32=4294967296":                      "0 to 4294967295",
		all + "i64=1e3":                             "no whole number",
		all + "f32=x":                               "no number",
		all + "f32=1e39":                            "no number that float32 holds",
		all + "pos=open":                            "neither 0 nor 1",
		all + "pos=010":                             "it has 3 bits, and takes exactly 2",
		all + "oct=xyz":                             "two hex digits",
		all + "oct=" + strings.Repeat("00", 65):     "takes 64 at most",
		all + "vis=ü":                               "cannot hold 'ü'",
		all + "vis=" + strings.Repeat("x", 33):      "it has 33 characters, and takes 32 at most",
		all + "uni=\xff":                            "not UTF-8",
		all + "uni=a\rb":                            "control character '\\r'",
		all + "qual=fine":                           "the word \"fine\" is unknown",
		all + "utc=today":                           "RFC 3339",
		all + "utc=1969-01-01T00:00:00Z":            "before 1970",
		all + "entry=1983-12-31T23:59:59Z":          "before 1984",
		all + "wide=two":                            "none (-1), thousand (1000)",
		all + "wide=2":                              "not in the enumeration: choose one of none (-1), thousand (1000)",
		"FreelyNamed/SchFSCH1.Curve.val=[1,2]":      "JSON array of 3 elements",
		"FreelyNamed/SchFSCH1.Curve.val=1":          "JSON array of 3 elements",
		"FreelyNamed/SchFSCH1.Curve.val=nonsense":   "write a JSON array of 3 elements",
		"FreelyNamed/SchFSCH1.Curve.val=[1,null,3]": "null is no value",
		"FreelyNamed/SchFSCH1.Curve.val(3)=1":       "elements 0 to 2",
		"CRNLD0/MMXU1.TotW.units=W":                 `{"SIUnit":…,"multiplier":…}`,
		`CRNLD0/MMXU1.TotW.units={"SIUnit":"W"}`:    "lacks multiplier",
		`CRNLD0/MMXU1.TotW.units={"SIUnit":"W","multiplier":"k","x":1}`: "has no x",
		`CRNLD0/MMXU1.TotW.units={"SIUnit":[1],"multiplier":"k"}`:       "neither a number that fits",
		"CRNLD0/MMXU1.TotW=1": "JSON object",
		"CRNLD0/MMXU1=1":      "JSON object",
	} {
		if a, err := c.ParseAssignment(bg, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v %v, want an error with %s", in, a.Value, err, want)
		}
	}
}

func TestWhatIsReadAsJSONCanBeWrittenBack(t *testing.T) {
	e := engine(t)
	c := New(e.Services(subject(rbac.Engineer)))
	ref := acsi.MustRef("FreelyNamed/SchFSCH1.All[SP]")
	text := `{"b":true,"i8":-3,"i64":9007199254740993,"u8":4,"u32":4294967295,"f32":0.1,"f64":-2.5e-300,"pos":"bad-state",` +
		`"oct":"00ff","vis":"a\"b","uni":"µ\n\t","qual":{"validity":"invalid","detail":["failure"],"source":"substituted"},` +
		`"utc":"2026-11-22T10:00:00.123456Z","entry":"2026-11-22T10:00:00.123Z","wide":"thousand"}`
	a, err := c.ParseAssignment(bg, ref.String()+"="+text)
	if err != nil {
		t.Fatal(err)
	}
	errs, err := c.Set(bg, a)
	if err != nil || errs[0] != nil {
		t.Fatal(err, errs)
	}
	r, err := c.Read(bg, ref)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Value json.RawMessage }
	line, err := json.Marshal(r[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &got); err != nil || string(got.Value) != text {
		t.Errorf("%v\ngot  %s\nwant %s", err, got.Value, text)
	}
}

func TestPrintEscapesWhatATerminalWouldObey(t *testing.T) {
	r := Reading{Value: value.Text("\x1b[2Jgone\nnext ü")}
	r.Ref = acsi.MustRef("CRNLD0/LLN0.NamPlt.d[DC]")
	r.Node = &acsi.Node{Name: "d", Kind: acsi.DataAttributeNode, FC: acsi.DC, Type: acsi.Type{Kind: value.MMSString, Size: 255}}
	bad := Reading{Err: &acsi.Error{Code: acsi.HardwareFault, Text: "\x1b[31m"}}
	bad.Ref = r.Ref
	var b strings.Builder
	if err := Print(&b, []Reading{r, bad}, Style{}); err != nil {
		t.Fatal(err)
	}
	want := `CRNLD0/LLN0.NamPlt.d[DC]  \x1b[2Jgone\nnext ü
CRNLD0/LLN0.NamPlt.d[DC]  error: hardware-fault: \x1b[31m
`
	if got := b.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSetReportsEachOutcome(t *testing.T) {
	c := newClient(t, rbac.Engineer)
	var list []Assignment
	for _, text := range []string{all + "i8=1", "CRNLD0/LLN0.Beh.stVal=off", "CRNLD0/CSWI1.Pos.Oper.ctlVal=true", all + "u8=9"} {
		a, err := c.ParseAssignment(bg, text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	errs, err := c.Set(bg, list...)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "object-access-denied", "object-access-denied", ""}
	for i, err := range errs {
		got := ""
		if f := FailureOf(list[i].Ref, err); f != nil {
			got = f.Code
		}
		if got != want[i] {
			t.Errorf("%s: got %v, want %q", list[i].Ref, err, want[i])
		}
	}
}

func TestFloatsAreShortForPeopleAndExactForPrograms(t *testing.T) {
	for _, tc := range []struct {
		v            value.Value
		people, json string
	}{
		{value.Float(37.166683), "37.1667", "37.166683"},
		{value.Float(81.25), "81.25", "81.25"},
		{value.Float(0.1), "0.1", "0.1"},
		{value.Float(-1234567), "-1234567", "-1234567"},
		{value.Float(99999.96), "100000", "99999.96"},
		{value.Float(0.00012345678), "0.000123457", "0.00012345678"},
		{value.Float(0), "0", "0"},
		{value.Double(1e-7), "1e-07", "1e-07"},
		{value.Double(1e21), "1e+21", "1e+21"},
		{value.Double(math.Inf(-1)), "-Inf", `"-Infinity"`},
		{value.Float(float32(math.NaN())), "NaN", `"NaN"`},
	} {
		n := &acsi.Node{Name: "f", Kind: acsi.BasicDataAttributeNode, FC: acsi.MX, Type: acsi.Type{Kind: tc.v.Kind()}}
		ref := acsi.MustRef("A/B.C.f[MX]")
		if got := (Style{}).leaf(ref, n, tc.v); got != tc.people {
			t.Errorf("%v for people: got %s, want %s", tc.v, got, tc.people)
		}
		if got := string(appendLeaf(nil, ref, n, tc.v)); got != tc.json || !json.Valid([]byte(got)) {
			t.Errorf("%v as JSON: got %s, want %s", tc.v, got, tc.json)
		}
	}
}
