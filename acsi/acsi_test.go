package acsi

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

func TestQualityOnTheWireAndInWords(t *testing.T) {
	for _, tc := range []struct {
		name string
		q    Quality
		bits string
		text string
		json string
	}{
		{"good", QualityGood, "0000000000000", "good", `{"validity":"good","detail":[]}`},
		{"invalid", QualityInvalid, "0100000000000", "invalid", `{"validity":"invalid","detail":[]}`},
		{"reserved", QualityReserved, "1000000000000", "reserved", `{"validity":"reserved","detail":[]}`},
		{"details in the order of their bits", QualityQuestionable | QualityOverflow | QualityOldData | QualityInaccurate,
			"1110000101000", "questionable overflow oldData inaccurate",
			`{"validity":"questionable","detail":["overflow","oldData","inaccurate"]}`},
		{"flags at the end", QualitySubstituted | QualityTest | QualityOperatorBlocked, "0000000000111",
			"good substituted test operatorBlocked",
			`{"validity":"good","detail":[],"source":"substituted","test":true,"operatorBlocked":true}`},
		{"every detail", 0xff << 3, "0011111111000",
			"good overflow outOfRange badReference oscillatory failure oldData inconsistent inaccurate",
			`{"validity":"good","detail":["overflow","outOfRange","badReference","oscillatory","failure","oldData","inconsistent","inaccurate"]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.q.Value().BitText(); got != tc.bits {
				t.Errorf("bits of %v: got %s, want %s", tc.q, got, tc.bits)
			}
			if got := tc.q.String(); got != tc.text {
				t.Errorf("text: got %s, want %s", got, tc.text)
			}
			got, err := json.Marshal(tc.q)
			if err != nil || string(got) != tc.json {
				t.Errorf("JSON: got %s %v, want %s", got, err, tc.json)
			}
			for _, in := range []string{tc.bits, tc.text} {
				if q, err := ParseQuality(in); err != nil || q != tc.q {
					t.Errorf("ParseQuality(%q): got %v %v, want %v", in, q, err, tc.q)
				}
			}
			for _, in := range []string{tc.json, `"` + tc.text + `"`} {
				var q Quality
				if err := json.Unmarshal([]byte(in), &q); err != nil || q != tc.q {
					t.Errorf("Unmarshal %s: got %v %v, want %v", in, q, err, tc.q)
				}
			}
			if q, ok := QualityOf(tc.q.Value()); !ok || q != tc.q {
				t.Errorf("QualityOf: got %v %t, want %v", q, ok, tc.q)
			}
		})
	}
}

func TestQualityRefusesWhatIsNone(t *testing.T) {
	for _, in := range []string{"", "good invalid", "overflow", "fine", "010", "00000000000000"} {
		if q, err := ParseQuality(in); err == nil {
			t.Errorf("ParseQuality(%q): got %v, want an error", in, q)
		}
	}
	for _, in := range []string{`{}`, `{"validity":"good","detail":["x"]}`, `3`, `{"validity":"good","source":"x"}`} {
		var q Quality
		if err := json.Unmarshal([]byte(in), &q); err == nil {
			t.Errorf("Unmarshal %s: got %v, want an error", in, q)
		}
	}
	for _, v := range []value.Value{{}, value.Int(0), value.Bits(12, nil), value.Booleans(13, nil)} {
		if q, ok := QualityOf(v); ok {
			t.Errorf("QualityOf(%v): got %v, want none", v, q)
		}
	}
	if q, ok := QualityOf(value.Bits(16, []byte{0x40, 0x0f})); !ok || q != QualityInvalid|QualityOperatorBlocked {
		t.Errorf("16 bits: got %v %t, want the first 13 to count", q, ok)
	}
}

func TestTimestampKeepsItsQuality(t *testing.T) {
	in := Timestamp{Time: time.Date(2026, 11, 22, 10, 0, 0, 500_000_000, time.UTC), Quality: LeapSecondsKnown | ClockNotSynchronized | 10}
	got, ok := TimestampOf(in.Value())
	if !ok || !got.Time.Equal(in.Time) || got.Quality != in.Quality {
		t.Errorf("got %v %t, want %v", got, ok, in)
	}
	if want := "2026-11-22T10:00:00.5Z leapSecondsKnown clockNotSynchronized accuracy=10"; got.String() != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, ok := TimestampOf(value.BinTime(0, 0)); ok {
		t.Error("a binary time is taken for a timestamp")
	}
	for q, want := range map[TimeQuality]string{
		10:                      "accuracy=10",
		AccuracyUnspecified:     "accuracy=unspecified",
		ClockFailure | 25:       "clockFailure accuracy=25",
		LeapSecondsKnown | 0x60: "leapSecondsKnown clockFailure clockNotSynchronized accuracy=0",
	} {
		if q.String() != want {
			t.Errorf("%#x: got %q, want %q", uint8(q), q, want)
		}
	}
}

func TestStandardEnumsByName(t *testing.T) {
	for _, tc := range []struct {
		do, attr string
		ord      int64
		want     string
	}{
		{"Beh", "stVal", 5, "off"},
		{"Mod", "ctlVal", 1, "on"},
		{"PhyHealth", "stVal", 3, "Alarm"},
		{"Pos", "ctlModel", 4, "sbo-with-enhanced-security"},
		{"Pos", "orCat", 3, "remote-control"},
		{"TotW", "SIUnit", 62, "Watts"},
		{"TotW", "SIUnit", 38, "W"},
		{"TotW", "SIUnit", 23, "°C"},
		{"TotW", "SIUnit", 85, "min"},
		{"TotW", "multiplier", 3, "k"},
		{"TotW", "multiplier", -3, "m"},
		{"TotW", "multiplier", 0, ""},
		{"Str", "dirGeneral", 2, "backward"},
		{"GnOpSt", "stVal", 99, "Other"},
		{"SchdSt", "stVal", 4, "running"},
		{"SchdEnaErr", "stVal", 99, "other"},
	} {
		e := StandardEnum(tc.do, tc.attr)
		if e == nil {
			t.Errorf("%s.%s: none", tc.do, tc.attr)
			continue
		}
		v, ok := e.ByOrd(tc.ord)
		if !ok || v.Name != tc.want {
			t.Errorf("%s.%s %d: got %q %t, want %q", tc.do, tc.attr, tc.ord, v.Name, ok, tc.want)
		}
		if back, ok := e.ByName(tc.want); !ok || int64(back.Ord) != tc.ord {
			t.Errorf("%s.%s %q: got %d %t, want %d", tc.do, tc.attr, tc.want, back.Ord, ok, tc.ord)
		}
	}
	if e := StandardEnum("Beh", "q"); e != nil {
		t.Errorf("Beh.q: got %s, want none", e.ID)
	}
}

func TestCodedEnumNeedsTwoBits(t *testing.T) {
	two, want := Type{Kind: value.BitString, Size: -2}, map[string]string{"stVal": "Dbpos", "ctlVal": "Tcmd", "Check": ""}
	for name, id := range want {
		got := ""
		if e := CodedEnum(&Node{Name: name, Type: two}); e != nil {
			got = e.ID
		}
		if got != id {
			t.Errorf("%s: got %q, want %q", name, got, id)
		}
	}
	if CodedEnum(&Node{Name: "stVal", Type: two, Basic: "Check"}) != nil {
		t.Error("Check is taken for a position")
	}
	if CodedEnum(&Node{Name: "stVal", Type: Type{Kind: value.BitString, Size: -13}}) != nil {
		t.Error("13 bits are taken for a position")
	}
}

// tree is a logical node with a data object under two functional constraints, one under SP only and an empty one.
func tree() *Node {
	leaf := func(name string, fc FC, k value.Kind) *Node {
		return &Node{Name: name, Kind: DataAttributeNode, FC: fc, Type: Type{Kind: k}}
	}
	return &Node{Name: "GGIO1", Kind: LogicalNodeNode, Children: []*Node{
		{Name: "Ind", Kind: DataObjectNode, Children: []*Node{leaf("stVal", ST, value.Boolean), leaf("d", DC, value.VisibleString)}},
		{Name: "Set", Kind: DataObjectNode, Children: []*Node{leaf("setVal", SP, value.Integer)}},
		{Name: "None", Kind: DataObjectNode},
	}}
}

func TestUnderKeepsWhatTheConstraintHolds(t *testing.T) {
	n := tree()
	if d := cmp.Diff([]FC{ST, SP, DC}, n.FCs()); d != "" {
		t.Errorf("FCs (-want +got):\n%s", d)
	}
	got := n.Under(DC)
	want := &Node{Name: "GGIO1", Kind: LogicalNodeNode, Children: []*Node{
		{Name: "Ind", Kind: DataObjectNode, Children: []*Node{n.Children[0].Children[1]}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Under(DC) (-want +got):\n%s", d)
	}
	if got := n.Under(MX); got != nil {
		t.Errorf("Under(MX): got %v, want nothing", got)
	}
	if len(n.Children) != 3 || len(n.Children[0].Children) != 2 {
		t.Error("Under changed the tree")
	}
	if leaf := n.Children[0].Children[0]; leaf.Under(ST) != leaf || leaf.Under(MX) != nil {
		t.Error("an attribute is under its own functional constraint only")
	}
}

func TestModelFindsItsPartsByName(t *testing.T) {
	n := tree()
	ln := &LogicalNode{Node: n}
	m := &Model{LDs: []*LogicalDevice{{Name: "A"}, {Name: "B", LNs: []*LogicalNode{ln}}}}
	if got := m.LD("B").LN("GGIO1"); got != ln || m.LD("C") != nil || m.LD("A").LN("GGIO1") != nil {
		t.Errorf("got %v", got)
	}
	if n.Child("Set") != n.Children[1] || n.Child("x") != nil {
		t.Error("Child finds the wrong part")
	}
}

func TestErrorsCompareByCode(t *testing.T) {
	err := Errorf(TypeInconsistent, "it is %d bits", 3)
	if !err.Is(&Error{Code: TypeInconsistent, Remote: true}) || err.Is(&Error{Code: HardwareFault}) {
		t.Error("Is does not go by the code alone")
	}
	if got, want := err.Error(), "type-inconsistent: it is 3 bits"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (&Error{Code: ObjectValueInvalid}).Error(); got != "object-value-invalid" {
		t.Errorf("got %q", got)
	}
}

func TestServiceSetNamesItsServices(t *testing.T) {
	set := GetServerDirectory | SetDataValues
	if got := set.String(); got != "GetServerDirectory SetDataValues" {
		t.Errorf("got %q", got)
	}
	if !set.Has(SetDataValues) || set.Has(SetDataValues|GetDataValues) {
		t.Error("Has does not ask for all")
	}
}

func TestUnimplementedServicesServeNothing(t *testing.T) {
	var s UnimplementedServices
	ctx, r := t.Context(), MustRef("A/B")
	_, directory := s.GetServerDirectory(ctx)
	_, device := s.GetLogicalDeviceDirectory(ctx, "A")
	_, node := s.GetLogicalNodeDirectory(ctx, r)
	_, all := s.GetAllDataValues(ctx, r)
	_, read := s.GetDataValues(ctx, []Ref{r})
	_, write := s.SetDataValues(ctx, nil)
	_, parts := s.GetDataDirectory(ctx, r)
	_, definition := s.GetDataDefinition(ctx, r)
	_, sets := s.GetDataSets(ctx, r)
	_, set := s.GetDataSetDirectory(ctx, r)
	_, values := s.GetDataSetValues(ctx, r)
	_, setValues := s.SetDataSetValues(ctx, r, nil)
	_, logs := s.GetLogs(ctx, r)
	_, _, byTime := s.QueryLogByTime(ctx, r, time.Time{}, time.Time{})
	_, _, after := s.QueryLogAfter(ctx, r, time.Time{}, EntryID{})
	_, files := s.GetFiles(ctx, "")
	_, _, open := s.OpenFile(ctx, "a", 0)
	for i, err := range []error{directory, device, node, all, read, write, parts, definition, sets, set, values, setValues,
		s.CreateDataSet(ctx, r, nil), s.DeleteDataSet(ctx, r), logs, byTime, after, files, open,
		s.SetFile(ctx, "a", nil), s.DeleteFile(ctx, "a")} {
		want := ServiceSet(1<<i).String() + " is not served"
		if !errors.Is(err, &Error{Code: ObjectAccessUnsupported}) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if s.Supported() != 0 {
		t.Errorf("it supports %s", s.Supported())
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Next(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Next ends with %v", err)
	}
	if err := s.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestBitsOfReportsTravel(t *testing.T) {
	opt, trg, reason := OptSeqNum|OptConfRev|OptSegmentation, TrgDataChange|TrgGeneralInterrogation, ReasonIntegrity|ReasonApplicationTrigger
	for _, test := range []struct {
		got, want string
	}{
		{opt.Value().BitText(), "0100000011"},
		{trg.Value().BitText(), "010001"},
		{reason.Value().BitText(), "0000101"},
		{opt.String(), "sequence-number,conf-revision,segmentation"},
		{trg.String(), "dchg,gi"},
		{reason.String(), "integrity,application"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
	o, ok1 := OptFldsOf(opt.Value())
	tr, ok2 := TrgOpsOf(trg.Value())
	r, ok3 := ReasonOf(reason.Value())
	if !ok1 || !ok2 || !ok3 || o != opt || tr != trg || r != reason {
		t.Errorf("came back as %v, %v, %v", o, tr, r)
	}
	if _, ok := TrgOpsOf(value.Int(3)); ok {
		t.Error("an integer is taken for bits")
	}
}

func TestDataSetReferences(t *testing.T) {
	ln := MustRef("LD/LLN0")
	for _, test := range []struct {
		ln   Ref
		name string
		want string
	}{{ln, "events", "LD/LLN0.events"}, {Ref{}, "mine", "@mine"}} {
		ref, err := NewDataSetRef(test.ln, test.name)
		if err != nil || ref.String() != test.want || ref != MustRef(test.want) {
			t.Errorf("%v %q: got %v, %v, want %s", test.ln, test.name, ref, err, test.want)
		}
	}
	if local := MustRef("@mine"); !local.IsLocal() || local.LD() != "" || local.Depth() != 0 || local.WithFC(ST) != local {
		t.Errorf("%v is not local", local)
	}
	for _, bad := range []struct {
		ln   Ref
		name string
	}{{Ref{}, ""}, {Ref{}, "a b"}, {ln, "a.b"}, {MustRef("LD"), "a"}, {MustRef("LD/LLN0.Mod"), "a"}, {MustRef("@mine"), "a"}} {
		if ref, err := NewDataSetRef(bad.ln, bad.name); err == nil {
			t.Errorf("%v %q: got %v", bad.ln, bad.name, ref)
		}
	}
}

func TestDataSetReferencesAreRead(t *testing.T) {
	for in, want := range map[string]string{"LD/LLN0$events": "LD/LLN0.events", "LD/LLN0.events": "LD/LLN0.events", "@mine": "@mine",
		"LD/LLN0$a$b": "", "LD/LLN0": "", "": "", "LD/LLN0.a[ST]": "", "@": "", "LD/LLN0.a.b": "", "LD/LLN0.a(1)": ""} {
		ref, err := ParseDataSetRef(in)
		if ref.String() != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %v, %v, want %q", in, ref, err, want)
		}
	}
}

func TestAddCausesHaveTheirNames(t *testing.T) {
	for c := AddCauseUnknown; c <= LockedByOtherClient; c++ {
		if got, err := ParseAddCause(c.String()); err != nil || got != c {
			t.Errorf("%d: got %v, %v", c, got, err)
		}
	}
	if _, err := ParseAddCause("because"); err == nil {
		t.Error("there is a cause called because")
	}
	if Done != 25 || LockedByOtherClient != 27 || OrProcess != 8 {
		t.Error("the numbers are not those of the standard")
	}
}

func TestFCsAndKindsHaveTheirLetters(t *testing.T) {
	for _, fc := range FCs() {
		if got, err := ParseFC(fc.String()); err != nil || got != fc {
			t.Errorf("%s: got %s %v", fc, got, err)
		}
	}
	if got := len(FCs()); got != 19 || FC(0).String() != "" || FC(77).String() != "FC(77)" {
		t.Errorf("%d functional constraints, %q, %q", got, FC(0), FC(77))
	}
	if got := LogicalDeviceNode.String() + " " + BasicDataAttributeNode.String() + NodeKind(99).String(); got != "LD BDA" {
		t.Errorf("got %q", got)
	}
	if got := Code(99).String(); got != "code(99)" {
		t.Errorf("got %q", got)
	}
}
