package server

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	bg   = context.Background()
)

// model is the hand-written model that has each thing once.
func model(t testing.TB) *acsi.Model {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "scl", "testdata", "corners.scd"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := d.Model("CRN", "S1")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bench is an engine whose clock the test moves.
type bench struct {
	*Engine
	now    time.Time
	events *audit.Memory
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{now: noon, events: &audit.Memory{}}
	e, err := New(Config{Model: model(t), Audit: b.events, Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	return b
}

func subject(roles ...rbac.Role) rbac.Subject {
	s := rbac.Subject{Name: "ann@dso.example", Address: "ann@dso.example/IEC-1"}
	for _, r := range roles {
		s.Grants = append(s.Grants, (*rbac.Policy)(nil).NewGrant(r, "*"))
	}
	return s
}

func (b *bench) as(roles ...rbac.Role) acsi.Services { return b.Services(subject(roles...)) }

func get(t *testing.T, s acsi.Services, ref string) value.Value {
	t.Helper()
	r, err := s.GetDataValues(bg, []acsi.Ref{acsi.MustRef(ref)})
	if err != nil || r[0].Err != nil {
		t.Fatalf("GetDataValues(%s): %v %v", ref, err, r)
	}
	return r[0].Value
}

func TestInitialValues(t *testing.T) {
	b := newBench(t)
	s := b.as(rbac.Viewer)
	start := acsi.Timestamp{Time: noon, Quality: acsi.AccuracyUnspecified}.Value()
	good, invalid := acsi.QualityGood.Value(), acsi.QualityInvalid.Value()
	for ref, want := range map[string]value.Value{
		"CRNLD0/LLN0.Mod[ST]":                       value.StructureOf(value.Int(2), good, start),
		"CRNLD0/LLN0.Beh[ST]":                       value.StructureOf(value.Int(1), good, start),
		"CRNLD0/MMXU1.TotW[MX]":                     value.StructureOf(value.StructureOf(value.Int(0), value.Float(0)), invalid, start),
		"CRNLD0/MMXU1.TotW.units[CF]":               value.StructureOf(value.Int(38), value.Int(3)),
		"CRNLD0/MMXU1.PhV.phsA.q[MX]":               good,
		"CRNLD0/CSWI1.Pos.stVal[ST]":                value.Bits(2, []byte{0x80}),
		"CRNLD0/PTOC1.StrVal.setMag.f[SG]":          value.Float(2.5),
		"CRNLD0/PTOC1.StrVal.setMag.f[SE]":          value.Float(2.5),
		"CRNLD0/MHAI1.HA.phsAHar(2).cVal.mag.f[MX]": value.Float(3.25),
		"FreelyNamed/SchFSCH1.Curve.val[SP]":        value.ArrayOf(value.Float(0), value.Float(12.5), value.Float(0)),
		"FreelyNamed/SchFSCH1.Curve.val(1)[SP]":     value.Float(12.5),
		"FreelyNamed/SchFSCH1.All.wide[SP]":         value.Int(-1),
	} {
		if got := get(t, s, ref); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", ref, got, want)
		}
	}
	if got := get(t, s, "CRNLD0/MHAI1.HA[MX]"); got.At(0).Len() != 4 {
		t.Errorf("MHAI1: got %d harmonics, want the instance's 4", got.At(0).Len())
	}
	if got := get(t, s, "CRNLD0/MHAI2.HA.phsAHar[MX]"); got.Len() != 2 {
		t.Errorf("MHAI2: got %d harmonics, want the type's 2", got.Len())
	}
}
