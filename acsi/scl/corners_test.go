package scl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

func corners(t testing.TB) *Document {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "corners.scd"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestIEDsListsServersAndAddresses(t *testing.T) {
	want := []IED{
		{Name: "CRN", AccessPoints: []AccessPoint{
			{Name: "S1", Server: true, JIDs: []string{"crn@dso.example/IEC"}}, {Name: "S2", Server: true}}},
		{Name: "OTH", AccessPoints: []AccessPoint{{Name: "P1", Server: true}, {Name: "C1"}}},
	}
	if d := cmp.Diff(want, corners(t).IEDs()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestModelChoosesOrListsTheChoice(t *testing.T) {
	d := corners(t)
	for _, tc := range []struct{ ied, ap, want, err string }{
		{"CRN", "S1", "CRN", ""},
		{"CRN", "S2", "CRN", ""}, // by ServerAt
		{"OTH", "", "OTH", ""},
		{"OTH", "P1", "OTH", ""},
		{"", "", "", "it holds several IEDs: choose one of CRN, OTH"},
		{"NIX", "", "", `there is no IED "NIX" with a server: choose one of CRN, OTH`},
		{"CRN", "", "", `it has several access points with a server: choose one of S1, S2`},
		{"OTH", "C1", "", `it has no access point "C1" with a server: choose one of P1`},
	} {
		m, _, err := d.Model(tc.ied, tc.ap)
		switch {
		case tc.err == "" && (err != nil || m.IED != tc.want):
			t.Errorf("%s %s: got %v %v", tc.ied, tc.ap, m, err)
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err) || !strings.Contains(err.Error(), "corners.scd")):
			t.Errorf("%s %s: got %v, want %s", tc.ied, tc.ap, err, tc.err)
		}
	}
}

// describe writes a tree as text: name[FC] type, an array with its length.
func describe(n *acsi.Node) string {
	s := n.Name
	if n.FC != 0 {
		s += "[" + n.FC.String() + "]"
	}
	if n.Count > 0 {
		s += "×" + string(rune('0'+n.Count))
	}
	if n.ReadOnly {
		s += "!"
	}
	if len(n.Children) == 0 {
		s += " " + n.Type.Kind.String()
		if n.Enum != nil {
			s += " " + n.Enum.ID
		}
		return s
	}
	var parts []string
	for _, c := range n.Children {
		parts = append(parts, describe(c))
	}
	return s + "{" + strings.Join(parts, ", ") + "}"
}

func TestTreesOfTheCorners(t *testing.T) {
	m, findings, err := corners(t).Model("CRN", "S1")
	if err != nil {
		t.Fatal(err)
	}
	if len(findings) != 2 || findings[0].Rule != "scl.file.private" || !strings.Contains(findings[1].Msg, `there is no EnumType "Missing"`) || findings[1].Line != 124 {
		t.Errorf("findings: %v", findings)
	}
	for ref, want := range map[string]string{
		"CRNLD0/LLN0.Mod":            "Mod{stVal[ST] integer Beh, q[ST] bit-string, t[ST] utc-time, ctlModel[CF]! integer CtlModels}",
		"CRNLD0/PTOC1.StrVal":        "StrVal{setMag[SG]{i[SG] integer, f[SG] float32}, setMag[SE]{i[SE] integer, f[SE] float32}, units[CF]{SIUnit[CF] integer SIUnit, multiplier[CF] integer multiplier}}",
		"CRNLD0/MHAI2.HA":            "HA{phsAHar×2{cVal[MX]{mag[MX]{i[MX] integer, f[MX] float32}, ang[MX]{i[MX] integer, f[MX] float32}}, q[MX] bit-string, t[MX] utc-time}, numHar[CF] unsigned}",
		"CRNLD0/MMXU1.PhV":           "PhV{phsA{cVal[MX]{mag[MX]{i[MX] integer, f[MX] float32}, ang[MX]{i[MX] integer, f[MX] float32}}, q[MX] bit-string, t[MX] utc-time}, phsB{cVal[MX]{mag[MX]{i[MX] integer, f[MX] float32}, ang[MX]{i[MX] integer, f[MX] float32}}, q[MX] bit-string, t[MX] utc-time}, angRef[CF] integer}",
		"FreelyNamed/SchFSCH1.Curve": "Curve{val[SP]×3 float32, time[SP]×3 utc-time}",
	} {
		r := acsi.MustRef(ref)
		ln := m.LD(r.LD()).LN(r.LN())
		if ln == nil {
			t.Errorf("%s: no such logical node", ref)
			continue
		}
		if got := describe(ln.Node.Child(r.Name())); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", ref, got, want)
		}
	}
	ld := m.LD("CRNLD0")
	if ld.Desc != "first" || ld.Inst != "LD0" || ld.ActiveGroup != 2 || ld.LN("MMXU1").Node.Desc != "feeder" || ld.LN("MMXU1").Node.Class != "MMXU" {
		t.Errorf("got %+v %+v", ld, ld.LN("MMXU1").Node)
	}
	if got := ld.LN("LLN0").Node.Child("NamPlt"); got.Desc != "name plate" || got.CDC != "LPL" {
		t.Errorf("NamPlt: got %+v", got)
	}
	if m.LD("FreelyNamed").LN("LLN0").Node.Child("Beh") != ld.LN("LLN0").Node.Child("Beh") {
		t.Error("logical nodes of one type do not share it")
	}
}

func TestInitialValuesOfTheCorners(t *testing.T) {
	m, _, err := corners(t).Model("CRN", "S1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, ld := range m.LDs {
		for _, ln := range ld.LNs {
			for _, v := range ln.Values {
				key := v.Ref.String()
				if v.Group > 0 {
					key += " group " + string(rune('0'+v.Group))
				}
				if _, twice := got[key]; twice {
					t.Errorf("%s is there twice", key)
				}
				got[key] = v.Value.String()
			}
		}
	}
	want := map[string]string{
		"CRNLD0/LLN0.Mod.stVal[ST]":                 "integer 2",
		"CRNLD0/LLN0.Mod.ctlModel[CF]":              "integer 0",
		"CRNLD0/LLN0.NamPlt.vendor[DC]":             `visible-string "Busbar"`,
		"CRNLD0/LLN0.NamPlt.ldNs[EX]":               `visible-string "IEC 61850-7-4:2007B"`,
		"CRNLD0/MMXU1.TotW.units.SIUnit[CF]":        "integer 38",
		"CRNLD0/MMXU1.TotW.units.multiplier[CF]":    "integer 3",
		"CRNLD0/MMXU1.TotW.db[CF]":                  "unsigned 500",
		"CRNLD0/MMXU1.PhV.phsA.cVal.mag.f[MX]":      "float32 230.5",
		"CRNLD0/CSWI1.Pos.ctlModel[CF]":             "integer 1",
		"CRNLD0/CSWI1.Pos.stVal[ST]":                "bit-string 10",
		"CRNLD0/PTOC1.StrVal.setMag.f[SG] group 1":  "float32 1.5",
		"CRNLD0/PTOC1.StrVal.setMag.f[SG] group 2":  "float32 2.5",
		"CRNLD0/PTOC1.StrVal.setMag.f[SE] group 1":  "float32 1.5",
		"CRNLD0/PTOC1.StrVal.setMag.f[SE] group 2":  "float32 2.5",
		"CRNLD0/PTOC1.StrVal.units.SIUnit[CF]":      "integer 38",
		"CRNLD0/PTOC1.OpDlTmms.setVal[SP]":          "integer 300",
		"CRNLD0/MHAI1.HA.numHar[CF]":                "unsigned 4",
		"CRNLD0/MHAI1.HA.phsAHar(2).cVal.mag.f[MX]": "float32 3.25",
		"CRNLD0/MHAI2.HA.numHar[CF]":                "unsigned 2",
		"FreelyNamed/LLN0.Mod.ctlModel[CF]":         "integer 0",
		"FreelyNamed/LLN0.NamPlt.vendor[DC]":        `visible-string "Busbar"`,
		"FreelyNamed/LLN0.NamPlt.ldNs[EX]":          `visible-string "IEC 61850-7-4:2007B"`,
		"FreelyNamed/SchFSCH1.Curve.val(1)[SP]":     "float32 12.5",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestValuesByTheirType(t *testing.T) {
	e := &acsi.Enum{ID: "E", Values: []acsi.EnumValue{{Ord: 1, Name: "one"}, {Ord: 7, Name: "Seven of nine"}}}
	for _, tc := range []struct {
		basic, do, name, text string
		want                  value.Value // invalid: refused
	}{
		{"BOOLEAN", "", "", "True", value.Bool(true)},
		{"BOOLEAN", "", "", "0", value.Bool(false)},
		{"BOOLEAN", "", "", "yes", value.Value{}},
		{"INT8", "", "", "-128", value.Int(-128)},
		{"INT8", "", "", "128", value.Value{}},
		{"INT32", "Beh", "stVal", "blocked", value.Int(2)},
		{"INT32", "Beh", "stVal", "5", value.Int(5)},
		{"INT8U", "Health", "stVal", "Warning", value.Uint(2)},
		{"INT32", "Xyz", "stVal", "blocked", value.Value{}},
		{"INT128", "", "", "9223372036854775807", value.Int(1<<63 - 1)},
		{"INT24U", "", "", "16777216", value.Value{}},
		{"INT32U", "", "", "4294967295", value.Uint(4294967295)},
		{"INT32U", "", "", "1.0", value.Value{}},
		{"FLOAT32", "", "", "16.67", value.Float(16.67)},
		{"FLOAT32", "", "", "1,5", value.Value{}},
		{"FLOAT64", "", "", "1e-300", value.Double(1e-300)},
		{"Enum", "", "", "Seven of nine", value.Int(7)},
		{"Enum", "", "", "seven OF nine", value.Int(7)},
		{"Enum", "", "", "7", value.Int(7)},
		{"Enum", "", "", "eight", value.Value{}},
		{"Dbpos", "Pos", "stVal", "off", value.Bits(2, []byte{0x40})},
		{"Dbpos", "Pos", "stVal", "10", value.Bits(2, []byte{0x80})},
		{"Dbpos", "Pos", "stVal", "open", value.Value{}},
		{"Tcmd", "TapChg", "ctlVal", "higher", value.Bits(2, []byte{0x80})},
		{"Check", "", "Check", "01", value.Bits(2, []byte{0x40})},
		{"Quality", "", "q", "0000000000000", value.Bits(13, nil)},
		{"Quality", "", "q", "invalid", acsi.QualityInvalid.Value()},
		{"TrgOps", "", "", "010000", value.Bits(6, []byte{0x40})},
		{"TrgOps", "", "", "01", value.Value{}},
		{"Octet64", "", "", "AP8=", value.Octets([]byte{0, 0xff})},
		{"Octet64", "", "", "!", value.Value{}},
		{"Octet6", "", "", "AP8=", value.Value{}},
		{"EntryID", "", "", "AAAAAAAAAAE=", value.Octets([]byte{0, 0, 0, 0, 0, 0, 0, 1})},
		{"VisString32", "", "", "a b", value.Visible("a b")},
		{"VisString32", "", "", strings.Repeat("x", 33), value.Value{}},
		{"VisString255", "", "", "µ", value.Value{}},
		{"Unicode255", "", "", "µ", value.Text("µ")},
		{"ObjRef", "", "", "@Application", value.Visible("@Application")},
		{"Currency", "", "", "EURO", value.Value{}},
		{"Timestamp", "", "", "2018-07-30 12:28:12", value.UTC(1532953692<<32 | 31)},
		{"Timestamp", "", "", "2018-07-30T12:28:12.5Z", value.UTC(1532953692<<32 | 0x80000000 | 31)},
		{"Timestamp", "", "", "noon", value.Value{}},
		{"EntryTime", "", "", "1984-01-02", value.BinTime(0, 1)},
		{"EntryTime", "", "", "1983-01-02", value.Value{}},
	} {
		typ, _ := acsi.BasicType(tc.basic)
		n := &acsi.Node{Name: tc.name, Basic: tc.basic, Type: typ}
		if tc.basic == "Enum" {
			n.Enum = e
		}
		got, err := parseVal(tc.text, tc.do, n)
		if (err == nil) != tc.want.IsValid() || err == nil && !got.Equal(tc.want) {
			t.Errorf("%s %q: got %v %v, want %v", tc.basic, tc.text, got, err, tc.want)
		}
	}
}
