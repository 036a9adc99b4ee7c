package client

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

var (
	bg   = context.Background()
	noon = time.Date(2026, 11, 22, 12, 0, 0, 123_000_000, time.UTC)
)

// engine serves the hand-written model that has each thing once. It is on.
func engine(t testing.TB) *server.Engine {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "scl", "testdata", "corners.scd"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := scl.Parse(strings.NewReader(strings.Replace(string(text), "<Val>blocked</Val>", "<Val>on</Val>", 1)))
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := d.Model("CRN", "S1")
	if err != nil {
		t.Fatal(err)
	}
	e, err := server.New(server.Config{Model: m, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newClient(t testing.TB, roles ...rbac.Role) *Client {
	t.Helper()
	return New(engine(t).Services(subject(roles...)))
}

func subject(roles ...rbac.Role) rbac.Subject {
	s := rbac.Subject{Name: "ann@dso.example"}
	for _, r := range roles {
		s.Grants = append(s.Grants, (*rbac.Policy)(nil).NewGrant(r, "*"))
	}
	return s
}

func refs(list ...string) []acsi.Ref {
	out := make([]acsi.Ref, len(list))
	for i, s := range list {
		out[i] = acsi.MustRef(s)
	}
	return out
}

func jsonLines(t *testing.T, objects []Object) []string {
	t.Helper()
	var lines []string
	for _, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(text))
	}
	return lines
}

func TestListGoesOneLevelDown(t *testing.T) {
	c := newClient(t, rbac.Viewer)
	for _, tc := range []struct {
		ref  string
		want []string
	}{
		{"", []string{`{"ref":"CRNLD0","kind":"LD"}`, `{"ref":"FreelyNamed","kind":"LD"}`}},
		{"FreelyNamed", []string{`{"ref":"FreelyNamed/LLN0","kind":"LN"}`, `{"ref":"FreelyNamed/SchFSCH1","kind":"LN"}`}},
		{"CRNLD0/MMXU1", []string{
			`{"ref":"CRNLD0/MMXU1.Beh","kind":"DO","cdc":"ENS"}`,
			`{"ref":"CRNLD0/MMXU1.TotW","kind":"DO","cdc":"MV"}`,
			`{"ref":"CRNLD0/MMXU1.PhV","kind":"DO","cdc":"WYE"}`}},
		{"CRNLD0/MMXU1[CF]", []string{
			`{"ref":"CRNLD0/MMXU1.TotW","kind":"DO","fc":"CF","cdc":"MV"}`,
			`{"ref":"CRNLD0/MMXU1.PhV","kind":"DO","fc":"CF","cdc":"WYE"}`}},
		{"CRNLD0/MMXU1.TotW", []string{
			`{"ref":"CRNLD0/MMXU1.TotW.mag","kind":"DA","fc":"MX","type":"structure"}`,
			`{"ref":"CRNLD0/MMXU1.TotW.q","kind":"DA","fc":"MX","type":"bit-string"}`,
			`{"ref":"CRNLD0/MMXU1.TotW.t","kind":"DA","fc":"MX","type":"utc-time"}`,
			`{"ref":"CRNLD0/MMXU1.TotW.units","kind":"DA","fc":"CF","type":"structure"}`,
			`{"ref":"CRNLD0/MMXU1.TotW.db","kind":"DA","fc":"CF","type":"unsigned"}`}},
		{"CRNLD0/MMXU1.PhV", []string{
			`{"ref":"CRNLD0/MMXU1.PhV.phsA","kind":"SDO","cdc":"CMV"}`,
			`{"ref":"CRNLD0/MMXU1.PhV.phsB","kind":"SDO","cdc":"CMV"}`,
			`{"ref":"CRNLD0/MMXU1.PhV.angRef","kind":"DA","fc":"CF","type":"integer"}`}},
		{"CRNLD0/PTOC1.StrVal.setMag", []string{
			`{"ref":"CRNLD0/PTOC1.StrVal.setMag.i","kind":"BDA","fc":"SG","type":"integer"}`,
			`{"ref":"CRNLD0/PTOC1.StrVal.setMag.f","kind":"BDA","fc":"SG","type":"float32"}`,
			`{"ref":"CRNLD0/PTOC1.StrVal.setMag.i","kind":"BDA","fc":"SE","type":"integer"}`,
			`{"ref":"CRNLD0/PTOC1.StrVal.setMag.f","kind":"BDA","fc":"SE","type":"float32"}`}},
		{"CRNLD0/MHAI2.HA", []string{
			`{"ref":"CRNLD0/MHAI2.HA.phsAHar","kind":"SDO","cdc":"CMV","count":2}`,
			`{"ref":"CRNLD0/MHAI2.HA.numHar","kind":"DA","fc":"CF","type":"unsigned"}`}},
		{"CRNLD0/MHAI2.HA.phsAHar", []string{
			`{"ref":"CRNLD0/MHAI2.HA.phsAHar(0)","kind":"SDO","cdc":"CMV"}`,
			`{"ref":"CRNLD0/MHAI2.HA.phsAHar(1)","kind":"SDO","cdc":"CMV"}`}},
		{"FreelyNamed/SchFSCH1.Curve", []string{
			`{"ref":"FreelyNamed/SchFSCH1.Curve.val","kind":"DA","fc":"SP","type":"array","count":3}`,
			`{"ref":"FreelyNamed/SchFSCH1.Curve.time","kind":"DA","fc":"SP","type":"array","count":3}`}},
		{"FreelyNamed/SchFSCH1.Curve.val", nil},
	} {
		var ref acsi.Ref
		if tc.ref != "" {
			ref = acsi.MustRef(tc.ref)
		}
		objects, err := c.List(bg, ref)
		if err != nil {
			t.Errorf("List(%s): %v", tc.ref, err)
			continue
		}
		if d := cmp.Diff(tc.want, jsonLines(t, objects)); d != "" {
			t.Errorf("List(%s) (-want +got):\n%s", tc.ref, d)
		}
	}
}

// leavesIn counts the leaves of n, an array of leaves as one.
func leavesIn(n *acsi.Node) int {
	if n.IsLeaf() {
		return 1
	}
	leaves := 0
	for _, c := range n.Children {
		leaves += leavesIn(c)
	}
	return leaves * max(1, n.Count)
}

func TestWalkVisitsEveryLeafAndEachCanBeRead(t *testing.T) {
	e := engine(t)
	c := New(e.Services(subject(rbac.Operator)))
	seen := map[acsi.Ref]bool{}
	var leaves []acsi.Ref
	err := c.Walk(bg, acsi.Ref{}, func(o Object) error {
		if seen[o.Ref] {
			t.Errorf("%s is visited twice", o.Ref)
		}
		seen[o.Ref] = true
		if o.Node != nil && o.Node.IsLeaf() {
			leaves = append(leaves, o.Ref)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	readings, err := c.Read(bg, leaves...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Ref, r.Err)
		}
	}
	want := 0
	for _, ld := range e.Model().LDs {
		for _, ln := range ld.LNs {
			want += leavesIn(ln.Node)
		}
	}
	if len(leaves) != want || want == 0 {
		t.Errorf("%d leaves, want %d", len(leaves), want)
	}
}

func TestWalkCanBeCutShort(t *testing.T) {
	c := newClient(t, rbac.Viewer)
	var got []string
	stop := errors.New("enough")
	err := c.Walk(bg, acsi.MustRef("CRNLD0/MMXU1"), func(o Object) error {
		got = append(got, o.Ref.String())
		if o.Ref.Name() == "TotW" {
			return stop
		}
		return nil
	})
	want := []string{"CRNLD0/MMXU1.Beh", "CRNLD0/MMXU1.Beh.stVal[ST]", "CRNLD0/MMXU1.Beh.q[ST]", "CRNLD0/MMXU1.Beh.t[ST]", "CRNLD0/MMXU1.TotW"}
	if d := cmp.Diff(want, got); d != "" || !errors.Is(err, stop) {
		t.Errorf("error %v; (-want +got):\n%s", err, d)
	}
}

func TestResolveFindsCandidates(t *testing.T) {
	c := newClient(t, rbac.Viewer)
	for ref, want := range map[string]string{
		"CRNLD0/MMXU1":                     "CRNLD0/MMXU1[ST] CRNLD0/MMXU1[MX] CRNLD0/MMXU1[CF]",
		"CRNLD0/MMXU1.TotW":                "CRNLD0/MMXU1.TotW[MX] CRNLD0/MMXU1.TotW[CF]",
		"CRNLD0/MMXU1.TotW.mag.f":          "CRNLD0/MMXU1.TotW.mag.f[MX]",
		"CRNLD0/MMXU1$MX$TotW$mag$f":       "CRNLD0/MMXU1.TotW.mag.f[MX]",
		"CRNLD0/MMXU1.TotW[CF]":            "CRNLD0/MMXU1.TotW[CF]",
		"CRNLD0/PTOC1.StrVal.setMag.f":     "CRNLD0/PTOC1.StrVal.setMag.f[SG] CRNLD0/PTOC1.StrVal.setMag.f[SE]",
		"CRNLD0/PTOC1.StrVal.setMag.f[SE]": "CRNLD0/PTOC1.StrVal.setMag.f[SE]",
		"CRNLD0/MHAI1.HA.phsAHar(3).cVal":  "CRNLD0/MHAI1.HA.phsAHar(3).cVal[MX]",
	} {
		objects, err := c.Resolve(bg, acsi.MustRef(ref))
		var got []string
		for _, o := range objects {
			got = append(got, o.Ref.String())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: got %v %v, want %s", ref, got, err, want)
		}
	}
}

func TestWrongReferencesSayWhatThereIs(t *testing.T) {
	c := newClient(t, rbac.Viewer)
	for ref, want := range map[string]string{
		"CRNLD0":                          "CRNLD0 is a logical device: name a logical node in it",
		"CRNLD1/LLN0":                     "there is no logical device CRNLD1: choose from CRNLD0, FreelyNamed",
		"CRNLD0/MMXU2":                    "CRNLD0 has no logical node MMXU2: choose from MMXU1, MHAI1, MHAI2, ",
		"CRNLD0/MMXU1.TotVAr":             "CRNLD0/MMXU1 has no TotVAr: choose from TotW, Beh, PhV",
		"CRNLD0/MMXU1.TotW.mag.x":         "CRNLD0/MMXU1.TotW.mag has no x: choose from i, f",
		"CRNLD0/MMXU1.TotW.mag.f.x":       "CRNLD0/MMXU1.TotW.mag.f has no x: it holds nothing",
		"CRNLD0/MMXU1.TotW[SP]":           "CRNLD0/MMXU1.TotW has nothing under functional constraint SP: choose from MX, CF",
		"CRNLD0/MMXU1.TotW(1)":            "CRNLD0/MMXU1.TotW is no array",
		"CRNLD0/MHAI1.HA.phsAHar(4)":      "CRNLD0/MHAI1.HA.phsAHar has the elements 0 to 3, not 4",
		"CRNLD0/MHAI1.HA.phsAHar(100000)": "not 100000",
		"CRNLD0/MHAI1.HA.phsAHar.q":       "CRNLD0/MHAI1.HA.phsAHar is an array: choose an element, CRNLD0/MHAI1.HA.phsAHar(0) to",
	} {
		r, err := c.Read(bg, acsi.MustRef(ref))
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if r[0].Err == nil || !strings.Contains(r[0].Err.Error(), want) {
			t.Errorf("%s: got %v, want %s", ref, r[0].Err, want)
		}
	}
	r, err := c.Read(bg, acsi.MustRef("CRNLD0/MMXU1.TotW"))
	var several *AmbiguousError
	if err != nil || !errors.As(r[0].Err, &several) || len(several.Candidates) != 2 {
		t.Errorf("got %v %v, want two candidates", err, r[0].Err)
	}
	if _, err := c.List(bg, acsi.MustRef("CRNLDX")); err == nil || !strings.Contains(err.Error(), "choose from CRNLD0") {
		t.Errorf("List: got %v", err)
	}
}

// live is a client of an engine whose TotW is 81.25 kW and whose PhV.phsA is known.
func live(t *testing.T, roles ...rbac.Role) *Client {
	t.Helper()
	e := engine(t)
	w, err := e.Handle(acsi.MustRef("CRNLD0/MMXU1.TotW.mag.f[MX]"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.Handle(acsi.MustRef("CRNLD0/MMXU1.PhV.phsA.cVal.mag.f[MX]"))
	if err != nil {
		t.Fatal(err)
	}
	e.Update(func(tx *server.Tx) {
		err = errors.Join(
			tx.SetStamped(w, value.Float(81.25), acsi.QualityGood, tx.Now()),
			tx.SetStamped(v, value.Float(229.5), acsi.QualityQuestionable|acsi.QualityInaccurate,
				acsi.Timestamp{Time: noon, Quality: acsi.ClockNotSynchronized}))
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(e.Services(subject(roles...)))
}

func TestPrintShowsValueUnitQualityAndTime(t *testing.T) {
	c := live(t, rbac.Operator)
	readings, err := c.Read(bg, refs("CRNLD0/MMXU1.TotW.mag.f", "CRNLD0/MMXU1.TotW[MX]", "CRNLD0/MMXU1.PhV[MX]", "CRNLD0/CSWI1.Pos[ST]",
		"CRNLD0/MMXU1.TotW.q", "CRNLD0/MMXU1.TotW.t", "CRNLD0/MMXU1.TotW[CF]", "FreelyNamed/SchFSCH1.Curve.val", "CRNLD0/MMXU1.Nix")...)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := Print(&b, readings, Style{Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	want := `
CRNLD0/MMXU1.TotW.mag.f[MX]             81.25 kW  good                     12:00:00.123
CRNLD0/MMXU1.TotW.mag.i[MX]             0         good                     12:00:00.123
CRNLD0/MMXU1.TotW.mag.f[MX]             81.25 kW  good                     12:00:00.123
CRNLD0/MMXU1.PhV.phsA.cVal.mag.i[MX]    0         questionable inaccurate  12:00:00.123 clockNotSynchronized
CRNLD0/MMXU1.PhV.phsA.cVal.mag.f[MX]    229.5     questionable inaccurate  12:00:00.123 clockNotSynchronized
CRNLD0/MMXU1.PhV.phsA.cVal.ang.i[MX]    0         questionable inaccurate  12:00:00.123 clockNotSynchronized
CRNLD0/MMXU1.PhV.phsA.cVal.ang.f[MX]    0         questionable inaccurate  12:00:00.123 clockNotSynchronized
CRNLD0/MMXU1.PhV.phsB.cVal.mag.i[MX]    0         invalid                  12:00:00.123
CRNLD0/MMXU1.PhV.phsB.cVal.mag.f[MX]    0         invalid                  12:00:00.123
CRNLD0/MMXU1.PhV.phsB.cVal.ang.i[MX]    0         invalid                  12:00:00.123
CRNLD0/MMXU1.PhV.phsB.cVal.ang.f[MX]    0         invalid                  12:00:00.123
CRNLD0/CSWI1.Pos.stVal[ST]              on        good                     12:00:00.123
CRNLD0/MMXU1.TotW.q[MX]                 good
CRNLD0/MMXU1.TotW.t[MX]                 2026-11-22T12:00:00.123Z
CRNLD0/MMXU1.TotW.units.SIUnit[CF]      W
CRNLD0/MMXU1.TotW.units.multiplier[CF]  k
CRNLD0/MMXU1.TotW.db[CF]                500
FreelyNamed/SchFSCH1.Curve.val(0)[SP]   0
FreelyNamed/SchFSCH1.Curve.val(1)[SP]   12.5
FreelyNamed/SchFSCH1.Curve.val(2)[SP]   0
CRNLD0/MMXU1.Nix                        error: object-non-existent: CRNLD0/MMXU1 has no Nix: choose from Beh, TotW, PhV
`
	if d := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(b.String())); d != "" {
		t.Errorf("(-want +got):\n%s\n%s", d, b.String())
	}
}

func TestWholeNodeHasTheUnitsOfItsDataObjects(t *testing.T) {
	r, err := live(t, rbac.Viewer).Read(bg, acsi.MustRef("CRNLD0/MMXU1[MX]"))
	if err != nil || r[0].Err != nil {
		t.Fatal(err, r)
	}
	if got := r[0].Unit(acsi.MustRef("CRNLD0/MMXU1.TotW.mag.f[MX]")); got != "kW" {
		t.Errorf("TotW: got %q, want kW", got)
	}
	if got := r[0].Unit(acsi.MustRef("CRNLD0/MMXU1.PhV.phsA.cVal.mag.f[MX]")); got != "" {
		t.Errorf("PhV: got %q, want none", got)
	}
}

func TestReadingAsJSON(t *testing.T) {
	c := live(t, rbac.Viewer)
	for ref, want := range map[string]string{
		"CRNLD0/MMXU1.TotW[MX]": `{"ref":"CRNLD0/MMXU1.TotW","fc":"MX","type":"structure","value":{"mag":{"i":0,"f":81.25},` +
			`"q":{"validity":"good","detail":[]},"t":"2026-11-22T12:00:00.123Z"},"unit":"kW","quality":{"validity":"good","detail":[]},"time":"2026-11-22T12:00:00.123Z"}`,
		"CRNLD0/MMXU1.PhV.phsA.cVal.mag.f": `{"ref":"CRNLD0/MMXU1.PhV.phsA.cVal.mag.f","fc":"MX","type":"float32","value":229.5,` +
			`"quality":{"validity":"questionable","detail":["inaccurate"]},"time":"2026-11-22T12:00:00.123Z","timeQuality":["clockNotSynchronized"]}`,
		"CRNLD0/LLN0.Mod.stVal":          `{"ref":"CRNLD0/LLN0.Mod.stVal","fc":"ST","type":"integer","value":"on","quality":{"validity":"good","detail":[]},"time":"2026-11-22T12:00:00.123Z"}`,
		"FreelyNamed/SchFSCH1.Curve.val": `{"ref":"FreelyNamed/SchFSCH1.Curve.val","fc":"SP","type":"array","value":[0,12.5,0]}`,
		"FreelyNamed/SchFSCH1.All": `{"ref":"FreelyNamed/SchFSCH1.All","fc":"SP","type":"structure","value":{"b":false,"i8":0,"i64":0,"u8":0,"u32":0,"f32":0,"f64":0,` +
			`"pos":"intermediate-state","oct":"","vis":"","uni":"","qual":{"validity":"good","detail":[]},"utc":"1970-01-01T00:00:00.000Z","entry":"1984-01-01T00:00:00.000Z","wide":"none"}}`,
		"CRNLD0/CSWI1.Pos[CO]": `{"ref":"CRNLD0/CSWI1.Pos","fc":"CO","type":"structure","error":{"layer":"acsi","code":"object-access-denied",` +
			`"text":"it takes the right CONTROL: the role does not carry the right","hint":"it takes a role with the right CONTROL, such as OPERATOR, for this logical device"}}`,
		"CRNLD0/MMXU1.TotW": `{"ref":"CRNLD0/MMXU1.TotW","error":{"layer":"reference","code":"ambiguous",` +
			`"text":"CRNLD0/MMXU1.TotW is ambiguous: choose one of CRNLD0/MMXU1.TotW[MX], CRNLD0/MMXU1.TotW[CF]","hint":"add the functional constraint, for example CRNLD0/MMXU1.TotW[MX]"}}`,
	} {
		r, err := c.Read(bg, acsi.MustRef(ref))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(r[0])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("%s:\ngot  %s\nwant %s", ref, got, want)
		}
	}
}
