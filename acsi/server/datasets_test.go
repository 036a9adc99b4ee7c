package server

import (
	"fmt"
	"testing"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

func refs(list ...string) []acsi.Ref {
	out := make([]acsi.Ref, len(list))
	for i, s := range list {
		out[i] = acsi.MustRef(s)
	}
	return out
}

func setRef(t testing.TB, name string) acsi.Ref {
	t.Helper()
	ref, err := acsi.ParseDataSetRef(name)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// Conformance: sDs1, sDs3, sDs4, sDs5, sDs6, sDs7, sDs8.
func TestDataSetsComeAndGo(t *testing.T) {
	p := newPlant(t, nil, 3, 0, 0)
	ann, bob := p.associate("ann"), p.associate("bob")
	ln := acsi.MustRef("LD/LLN0")
	names := func(step string, s acsi.Services, ln acsi.Ref, want ...string) {
		t.Helper()
		got, err := s.GetDataSets(bg, ln)
		if d := cmp.Diff(append([]string{}, want...), got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", step, err, d)
		}
	}
	names("fixed", ann, ln, "mv")
	names("none of its own", ann, acsi.Ref{})
	members := refs("LD/MMXU1.A2.mag.f[MX]", "LD/MMXU1.A0[MX]")
	for range 2 { // again after it was deleted
		for _, name := range []string{"LD/LLN0.made", "@own"} {
			if err := ann.CreateDataSet(bg, setRef(t, name), members); err != nil {
				t.Fatal(err)
			}
			d, err := ann.GetDataSetDirectory(bg, setRef(t, name))
			if err != nil || d.Fixed || d.Ref != setRef(t, name) {
				t.Errorf("directory: %+v %v", d, err)
			} else if diff := cmp.Diff(fmt.Sprint(members), fmt.Sprint(d.Members)); diff != "" {
				t.Errorf("members, in their order (-want +got):\n%s", diff)
			}
		}
		names("made", bob, ln, "made", "mv")
		names("its own", ann, acsi.Ref{}, "own")
		names("another's own", bob, acsi.Ref{})
		wantCode(t, "another's own", acsi.ObjectNonExistent, bob.DeleteDataSet(bg, setRef(t, "@own")))
		for _, name := range []string{"LD/LLN0.made", "@own"} {
			if err := ann.DeleteDataSet(bg, setRef(t, name)); err != nil {
				t.Error(err)
			}
			wantCode(t, "deleted again", acsi.ObjectNonExistent, ann.DeleteDataSet(bg, setRef(t, name)))
		}
	}
	for _, name := range []string{"LD/MMXU1.made", "@own"} {
		if err := ann.CreateDataSet(bg, setRef(t, name), members); err != nil {
			t.Fatal(err)
		}
	}
	if err := ann.Close(bg); err != nil {
		t.Error(err)
	}
	names("when the association has ended", ann, acsi.Ref{})
	names("what stays", bob, acsi.MustRef("LD/MMXU1"), "made")
	if err := ann.CreateDataSet(bg, setRef(t, "@own"), members); err == nil {
		t.Error("an association that has ended makes a data set")
	}
}

// Conformance: sDs10, sDsN1, sDsN13, sDsN14.
func TestDataSetValues(t *testing.T) {
	b := newBench(t)
	s := b.as(rbac.Engineer)
	set := setRef(t, "CRNLD0/LLN0.s")
	members := refs("CRNLD0/MMXU1.TotW.db[CF]", "CRNLD0/MMXU1.TotW.mag.f[MX]", "FreelyNamed/SchFSCH1.Curve.val(1)[SP]")
	if err := s.CreateDataSet(bg, set, members); err != nil {
		t.Fatal(err)
	}
	values := []value.Value{value.Uint(77), value.Float(1), value.Float(2)}
	errs, err := s.SetDataSetValues(bg, set, values)
	if err != nil || errs[0] != nil || errs[2] != nil {
		t.Fatal(err, errs)
	}
	wantCode(t, "a measurand", acsi.ObjectAccessDenied, errs[1])
	results, err := s.GetDataSetValues(bg, set)
	if err != nil || !results[0].Value.Equal(values[0]) || !results[1].Value.Equal(value.Float(0)) || !results[2].Value.Equal(values[2]) {
		t.Errorf("got %v %v", results, err)
	}
	errs, err = s.SetDataSetValues(bg, set, []value.Value{value.Int(1), value.Float(1), value.Float(3)})
	if err != nil || errs[2] != nil {
		t.Errorf("one of a wrong type: %v %v", err, errs)
	}
	wantCode(t, "a wrong type", acsi.TypeInconsistent, errs[0])
	_, err = s.SetDataSetValues(bg, set, values[:2])
	wantCode(t, "a value less", acsi.TypeInconsistent, err)
	for _, name := range []string{"CRNLD0/LLN0.nix", "@nix", "NIX/LLN0.s"} {
		ref := setRef(t, name)
		_, err = s.GetDataSetValues(bg, ref)
		wantCode(t, "values of "+name, acsi.ObjectNonExistent, err)
		_, err = s.SetDataSetValues(bg, ref, values)
		wantCode(t, "writing "+name, acsi.ObjectNonExistent, err)
		_, err = s.GetDataSetDirectory(bg, ref)
		wantCode(t, "directory of "+name, acsi.ObjectNonExistent, err)
	}
	half := subject(rbac.Viewer)
	half.Grants[0].AOR = "CRN*"
	results, err = b.Services(half).GetDataSetValues(bg, set)
	if err != nil || results[0].Err != nil {
		t.Fatal(results, err)
	}
	wantCode(t, "a member that may not be read", acsi.ObjectAccessDenied, results[2].Err)
	_, err = b.Services(half).GetDataSetDirectory(bg, set)
	wantCode(t, "a directory that tells of what may not be viewed", acsi.ObjectAccessDenied, err)
}

// Conformance: sDs2, sDsN2, sDsN3, sDsN4, sDsN5, sDsN6, sDsN7, sDsN8, sDsN9, sDsN10, sDsN11, sDsN15.
func TestDataSetsThatCannotBeMade(t *testing.T) {
	p := newPlant(t, func(c *Config) {
		c.Model.Services = acsi.Abilities{MaxDataSets: 2, MaxMembers: 3, MaxLocalSets: 1}
	}, 4, 1, 0)
	s := p.associate("ann")
	one := refs("LD/MMXU1.A0[MX]")
	create := func(name string, members []acsi.Ref) error { return s.CreateDataSet(bg, setRef(t, name), members) }
	for _, tc := range []struct {
		name, set string
		members   []acsi.Ref
		want      acsi.Code
	}{
		{"no members", "LD/LLN0.a", nil, acsi.InvalidAddress},
		{"a logical node that is not there", "LD/NIX1.a", one, acsi.ObjectNonExistent},
		{"a name that is taken", "LD/LLN0.mv", one, acsi.ObjectAttributeInconsistent},
		{"too many members", "LD/LLN0.a", refs("LD/MMXU1.A0[MX]", "LD/MMXU1.A1[MX]", "LD/MMXU1.A2[MX]", "LD/MMXU1.A3[MX]"), acsi.TemporarilyUnavailable},
		{"an unknown member", "LD/LLN0.a", refs("LD/MMXU1.A0[MX]", "LD/MMXU1.NIX[MX]"), acsi.ObjectNonExistent},
		{"a member of another constraint", "LD/LLN0.a", refs("LD/MMXU1.A0[ST]"), acsi.ObjectNonExistent},
		{"a member without a constraint", "LD/LLN0.a", refs("LD/MMXU1.A0"), acsi.InvalidAddress},
		{"a logical node as a member", "LD/LLN0.a", refs("LD/MMXU1[MX]"), acsi.InvalidAddress},
		{"a control block as a member", "LD/LLN0.a", refs("LD/LLN0.u0[RP]"), acsi.InvalidAddress},
		{"an unknown member of its own", "@a", refs("LD/MMXU1.NIX[MX]"), acsi.ObjectNonExistent},
	} {
		wantCode(t, tc.name, tc.want, create(tc.set, tc.members))
	}
	for _, name := range []string{"LD/LLN0.a", "LD/LLN0.b", "@a"} {
		if err := create(name, one); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, "one too many", acsi.TemporarilyUnavailable, create("LD/LLN0.c", one))
	wantCode(t, "one of its own too many", acsi.TemporarilyUnavailable, create("@b", one))
	wantCode(t, "a fixed one is deleted", acsi.ObjectAccessDenied, s.DeleteDataSet(bg, setRef(t, "LD/LLN0.mv")))
	if err := s.DeleteDataSet(bg, setRef(t, "LD/LLN0.a")); err != nil {
		t.Error(err)
	}
	if err := create("LD/LLN0.c", refs("LD/MMXU1.A3[MX]", "LD/MMXU1.A2[MX]", "LD/MMXU1.A1[MX]")); err != nil {
		t.Errorf("in the place of another, with as many members as there may be: %v", err)
	}
}

func TestR2DataSetsTakeRights(t *testing.T) {
	p := newPlant(t, nil, 1, 0, 0)
	s := p.as(rbac.Viewer)
	for name, err := range map[string]error{
		"made":         s.CreateDataSet(bg, setRef(t, "LD/LLN0.a"), refs("LD/MMXU1.A0[MX]")),
		"its own made": s.CreateDataSet(bg, setRef(t, "@a"), refs("LD/MMXU1.A0[MX]")),
		"deleted":      s.DeleteDataSet(bg, setRef(t, "LD/LLN0.mv")),
	} {
		wantCode(t, name, acsi.ObjectAccessDenied, err)
	}
	events := p.events.Events()
	for _, e := range events {
		if e.ID != audit.AccessDenied {
			t.Errorf("event %+v", e)
		}
	}
	if len(events) != 3 {
		t.Errorf("%d events, want 3", len(events))
	}
	blind := newPlant(t, func(c *Config) {
		c.Policy = rbac.DefaultPolicy()
		c.Policy.Rights[rbac.Viewer] = rbac.View | rbac.Dataset
	}, 1, 0, 0)
	wantCode(t, "of what may not be read", acsi.ObjectAccessDenied, blind.as(rbac.Viewer).CreateDataSet(bg, setRef(t, "@a"), refs("LD/MMXU1.A0[MX]")))
}

func TestModelsWhoseDataSetsOrControlBlocksContradict(t *testing.T) {
	for name, edit := range map[string]func(ln *acsi.LogicalNode){
		"a member that is not there": func(ln *acsi.LogicalNode) { ln.DataSets[0].Members = refs("LD/NIX1.A[MX]") },
		"two of one name":            func(ln *acsi.LogicalNode) { ln.DataSets = append(ln.DataSets, ln.DataSets[0]) },
		"a control block without a node": func(ln *acsi.LogicalNode) {
			ln.Reports = append(ln.Reports, &acsi.ReportControl{Ref: acsi.MustRef("LD/LLN0.u9[RP]")})
		},
		"a control block without its data set": func(ln *acsi.LogicalNode) { ln.Reports[0].DataSet = setRef(t, "LD/LLN0.nix") },
		"two control blocks of one name":       func(ln *acsi.LogicalNode) { ln.Reports = append(ln.Reports, ln.Reports[0]) },
	} {
		m := plant(1, 1, 0)
		edit(m.LDs[0].LNs[0])
		if _, err := New(Config{Model: m}); err == nil {
			t.Errorf("%s: it is served", name)
		}
	}
}
