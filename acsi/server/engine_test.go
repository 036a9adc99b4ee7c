package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
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

// model is the hand-written model that has each thing once. It is on.
func model(t testing.TB) *acsi.Model {
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

// Conformance: sCnf5.
func TestInitialValues(t *testing.T) {
	b := newBench(t)
	s := b.as(rbac.Viewer)
	start := acsi.Timestamp{Time: noon, Quality: acsi.AccuracyUnspecified}.Value()
	good, invalid := acsi.QualityGood.Value(), acsi.QualityInvalid.Value()
	for ref, want := range map[string]value.Value{
		"CRNLD0/LLN0.Mod[ST]":                       value.StructureOf(value.Int(1), good, start),
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

func TestNewRefusesModelsThatContradictThemselves(t *testing.T) {
	leaf := &acsi.Node{Name: "stVal", Kind: acsi.DataAttributeNode, FC: acsi.ST, Type: acsi.Type{Kind: value.Boolean}}
	ln := func(name string, attributes ...*acsi.Node) *acsi.LogicalNode {
		return &acsi.LogicalNode{Node: &acsi.Node{Name: name, Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{
			{Name: "Ind", Kind: acsi.DataObjectNode, Children: attributes}}}}
	}
	initial := func(ref string, v value.Value) *acsi.LogicalNode {
		n := ln("GGIO1", leaf)
		n.Values = []acsi.InitialValue{{Ref: acsi.MustRef(ref), Value: v}}
		return n
	}
	untyped := &acsi.Node{Name: "x", Kind: acsi.DataAttributeNode, FC: acsi.ST, Type: acsi.Type{Kind: value.ObjectID}}
	huge := &acsi.Node{Name: "a", Kind: acsi.DataAttributeNode, FC: acsi.ST, Count: maxPoints + 1, Type: acsi.Type{Kind: value.Boolean}}
	for name, tc := range map[string]struct {
		lds  []*acsi.LogicalDevice
		want string
	}{
		"two devices of one name":    {[]*acsi.LogicalDevice{{Name: "A"}, {Name: "A"}}, `two logical devices are called "A"`},
		"two nodes of one name":      {[]*acsi.LogicalDevice{{Name: "A", LNs: []*acsi.LogicalNode{ln("L1", leaf), ln("L1", leaf)}}}, "two logical nodes are called A/L1"},
		"a name that is none":        {[]*acsi.LogicalDevice{{Name: "A", LNs: []*acsi.LogicalNode{ln("L 1", leaf)}}}, "is not a name"},
		"a leaf without a type":      {[]*acsi.LogicalDevice{{Name: "A", LNs: []*acsi.LogicalNode{ln("L1", untyped)}}}, "A/L1.Ind.x[ST] has no type"},
		"an array beyond all bounds": {[]*acsi.LogicalDevice{{Name: "A", LNs: []*acsi.LogicalNode{ln("L1", huge)}}}, "more than"},
		"a value of nothing":         {[]*acsi.LogicalDevice{{Name: "A", LNs: []*acsi.LogicalNode{initial("A/GGIO1.Ind.nix[ST]", value.Bool(true))}}}, "the model has no such object"},
		"a value of another type":    {[]*acsi.LogicalDevice{{Name: "A", LNs: []*acsi.LogicalNode{initial("A/GGIO1.Ind.stVal[ST]", value.Int(1))}}}, "type-inconsistent"},
	} {
		if _, err := New(Config{Model: &acsi.Model{LDs: tc.lds}}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no model is accepted")
	}
}

func TestProcessSetsWhatItHasResolved(t *testing.T) {
	b := newBench(t)
	at := acsi.Timestamp{Time: noon.Add(time.Hour), Quality: acsi.ClockFailure}
	for _, tc := range []struct {
		ref, q, t string // what is stamped beside it
		v         value.Value
	}{
		{"CRNLD0/MMXU1.TotW.mag.f[MX]", "CRNLD0/MMXU1.TotW.q[MX]", "CRNLD0/MMXU1.TotW.t[MX]", value.Float(1)},
		{"CRNLD0/MMXU1.PhV.phsB.cVal.mag.f[MX]", "CRNLD0/MMXU1.PhV.phsB.q[MX]", "CRNLD0/MMXU1.PhV.phsB.t[MX]", value.Float(2)},
		{"CRNLD0/MHAI1.HA.phsAHar(3).cVal[MX]", "CRNLD0/MHAI1.HA.phsAHar(3).q[MX]", "CRNLD0/MHAI1.HA.phsAHar(3).t[MX]",
			value.StructureOf(value.StructureOf(value.Int(1), value.Float(1)), value.StructureOf(value.Int(2), value.Float(2)))},
		{"CRNLD0/LLN0.Beh.stVal[ST]", "CRNLD0/LLN0.Beh.q[ST]", "CRNLD0/LLN0.Beh.t[ST]", value.Int(3)},
		{"CRNLD0/MMXU1.TotW.db[CF]", "", "", value.Uint(9)},
	} {
		h, err := b.Handle(acsi.MustRef(tc.ref))
		if err != nil {
			t.Fatal(err)
		}
		if h.Ref().String() != tc.ref || h.Node().Name != strings.TrimSuffix(h.Ref().Name(), "(3)") {
			t.Errorf("%s: the handle is of %s, %s", tc.ref, h.Ref(), h.Node().Name)
		}
		q := acsi.QualityQuestionable | acsi.QualityOldData
		b.Update(func(tx *Tx) {
			if err := tx.SetStamped(h, value.Visible("nonsense"), q, at); !errors.Is(err, &acsi.Error{Code: acsi.TypeInconsistent}) || !strings.Contains(err.Error(), tc.ref) {
				t.Errorf("%s: a wrong type: %v", tc.ref, err)
			}
			err = tx.SetStamped(h, tc.v, q, at)
			if got := tx.Value(h); !got.Equal(tc.v) {
				t.Errorf("%s: inside the update it is %v", tc.ref, got)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for ref, want := range map[string]value.Value{tc.ref: tc.v, tc.q: q.Value(), tc.t: at.Value()} {
			if ref == "" {
				continue
			}
			if got, err := b.Value(acsi.MustRef(ref)); err != nil || !got.Equal(want) {
				t.Errorf("%s: got %v %v, want %v", ref, got, err, want)
			}
		}
	}
	for _, ref := range []string{"CRNLD0/MMXU1.TotW.mag.f", "CRNLD0/MMXU1.Nix[MX]", "CRNLD0/MHAI2.HA.phsAHar(2)[MX]"} {
		if _, err := b.Handle(acsi.MustRef(ref)); !errors.Is(err, &acsi.Error{Code: acsi.ObjectNonExistent}) {
			t.Errorf("Handle(%s): %v", ref, err)
		}
		if _, err := b.Value(acsi.MustRef(ref)); !errors.Is(err, &acsi.Error{Code: acsi.ObjectNonExistent}) {
			t.Errorf("Value(%s): %v", ref, err)
		}
	}
}

// An update of a measurand allocates nothing, a read of one nothing but its result.
func TestHotPathsDoNotAllocate(t *testing.T) {
	b := newBench(t)
	h, err := b.Handle(acsi.MustRef("CRNLD0/MMXU1.TotW.mag.f[MX]"))
	if err != nil {
		t.Fatal(err)
	}
	at := acsi.Timestamp{Time: noon}
	update := func(tx *Tx) { err = tx.SetStamped(h, value.Float(1), acsi.QualityGood, at) }
	if n := testing.AllocsPerRun(100, func() { b.Update(update) }); n > 0 || err != nil {
		t.Errorf("Update: %v allocations, %v", n, err)
	}
	s, one := b.as(rbac.Viewer), []acsi.Ref{h.Ref()}
	if n := testing.AllocsPerRun(100, func() { _, err = s.GetDataValues(bg, one) }); n > 1 || err != nil {
		t.Errorf("GetDataValues of a leaf: %v allocations, want its result alone; %v", n, err)
	}
	whole := []acsi.Ref{acsi.MustRef("CRNLD0/MMXU1[MX]")}
	if n := testing.AllocsPerRun(100, func() { _, err = s.GetDataValues(bg, whole) }); n > 2 || err != nil {
		t.Errorf("GetDataValues of a structure: %v allocations, want its result and its components; %v", n, err)
	}
}

func BenchmarkEngineRead(b *testing.B) {
	e := newBench(b)
	s := e.as(rbac.Viewer)
	for name, ref := range map[string]string{"leaf": "CRNLD0/MMXU1.TotW.mag.f[MX]", "structure": "CRNLD0/MMXU1.TotW[MX]"} {
		b.Run(name, func(b *testing.B) {
			refs := []acsi.Ref{acsi.MustRef(ref)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.GetDataValues(bg, refs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestQualityOf16BitsIsKeptAs13(t *testing.T) {
	b := newBench(t)
	ref := acsi.MustRef("FreelyNamed/SchFSCH1.All.qual[SP]")
	errs, err := b.Services(subject(rbac.Engineer)).SetDataValues(bg, []acsi.Assignment{{Ref: ref, Value: value.Bits(16, []byte{0x60, 0x0f})}})
	if err != nil || errs[0] != nil {
		t.Fatal(errs, err)
	}
	want := value.Bits(13, []byte{0x60, 0x08})
	if got, err := b.Value(ref); err != nil || !got.Equal(want) {
		t.Errorf("got %v %v, want %v", got, err, want)
	}
}

func TestValueOfTheGroupIsServedBeforeThatOfAll(t *testing.T) {
	ref := acsi.MustRef("LD/PTOC1.Str.setVal[SG]")
	leaf := &acsi.Node{Name: "setVal", Kind: acsi.DataAttributeNode, FC: acsi.SG, Type: acsi.Type{Kind: value.Integer, Size: 32}}
	do := &acsi.Node{Name: "Str", Kind: acsi.DataObjectNode, Children: []*acsi.Node{leaf}}
	of := func(i int64, group int) acsi.InitialValue {
		return acsi.InitialValue{Ref: ref, Value: value.Int(i), Group: group}
	}
	for _, tc := range []struct {
		name   string
		active int
		values []acsi.InitialValue
		want   int64
	}{
		{"the active one's", 2, []acsi.InitialValue{of(1, 1), of(2, 2), of(3, 3)}, 2},
		{"the first where none is active", 0, []acsi.InitialValue{of(1, 1), of(2, 2)}, 1},
		{"all groups'", 3, []acsi.InitialValue{of(9, 0), of(1, 1)}, 9},
		{"the active one's, all groups' given behind it", 1, []acsi.InitialValue{of(1, 1), of(9, 0)}, 1},
	} {
		e, err := New(Config{Model: &acsi.Model{LDs: []*acsi.LogicalDevice{{Name: "LD", ActiveGroup: tc.active, LNs: []*acsi.LogicalNode{{
			Node:   &acsi.Node{Name: "PTOC1", Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{do}},
			Values: tc.values}}}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.Value(ref); err != nil || !got.Equal(value.Int(tc.want)) {
			t.Errorf("%s: got %v %v, want %d", tc.name, got, err, tc.want)
		}
	}
}
