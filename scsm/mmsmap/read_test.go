package mmsmap_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

const pv = "PV1LD0"

// outcome is what an access result says, as text.
func outcome(r mms.AccessResult) string {
	if s, ok := r.(*mms.Success); ok {
		return s.Value.String()
	}
	return r.(mms.DataAccessError).String()
}

// IEC 61850-8-1, 7.3 and the access to array elements: what may be read, and under which name.
func TestReadByMMSName(t *testing.T) {
	e := engine(t, "pv.cid")
	a, w := rawly(t, e.Services, everyRole())
	engineSays := func(ref string) string {
		v, err := e.Value(acsi.MustRef(ref))
		if err != nil {
			t.Fatal(err)
		}
		return v.String()
	}
	curve := func(rest ...mms.AlternateAccessSelection) mms.Variable {
		return named(pv, "DVVR1$SP$VVArCrv$crvPts", rest...)
	}
	component := func(name string) mms.AlternateAccess {
		return mms.AlternateAccess{mms.UnnamedAccess{Selection: mms.SelectAccess{Part: mms.Component(name)}}}
	}
	cases := []struct {
		name string
		v    mms.Variable
		want string
	}{
		{"attribute", named(pv, "MMXU1$MX$TotW$mag$f"), engineSays(pv + "/MMXU1.TotW.mag.f[MX]")},
		{"constructed attribute", named(pv, "MMXU1$MX$TotW$mag"), engineSays(pv + "/MMXU1.TotW.mag[MX]")},
		{"data object", named(pv, "MMXU1$MX$TotW"), engineSays(pv + "/MMXU1.TotW[MX]")},
		{"functional constraint", named(pv, "MMXU1$MX"), engineSays(pv + "/MMXU1[MX]")},
		{"array", curve(), engineSays(pv + "/DVVR1.VVArCrv.crvPts[SP]")},
		{"element", curve(mms.SelectAccess{Part: mms.Index(3)}), engineSays(pv + "/DVVR1.VVArCrv.crvPts(3)[SP]")},
		{"component of an element", curve(mms.SelectAlternateAccess{AccessSelection: mms.Index(3), AlternateAccess: component("yVal")}), "float32 -44"},
		{"array by component", named(pv, "DVVR1$SP$VVArCrv", mms.SelectAlternateAccess{AccessSelection: mms.Component("crvPts"),
			AlternateAccess: mms.AlternateAccess{mms.UnnamedAccess{Selection: mms.SelectAlternateAccess{AccessSelection: mms.Index(3), AlternateAccess: component("yVal")}}}}), "float32 -44"},
		{"components one in the other", named(pv, "MMXU1$MX$TotW", mms.SelectAlternateAccess{AccessSelection: mms.Component("mag"), AlternateAccess: component("f")}),
			engineSays(pv + "/MMXU1.TotW.mag.f[MX]")},
		{"components joined", named(pv, "MMXU1$MX$TotW", mms.SelectAccess{Part: mms.Component("mag$f")}), engineSays(pv + "/MMXU1.TotW.mag.f[MX]")},
		{"constraint as a component", named(pv, "MMXU1", mms.SelectAccess{Part: mms.Component("MX")}), engineSays(pv + "/MMXU1[MX]")},
		{"named selection", mms.Variable{VariableSpecification: mms.VariableName{Name: mms.DomainSpecific{DomainID: pv, ItemID: "MMXU1$MX$TotW"}},
			AlternateAccess: mms.AlternateAccess{mms.NamedAccess{ComponentName: "x", Access: mms.SelectAccess{Part: mms.Component("mag")}}}},
			engineSays(pv + "/MMXU1.TotW.mag[MX]")},

		{"no such attribute", named(pv, "MMXU1$MX$TotW$nag"), "object-non-existent"},
		{"no such device", named("PV9LD0", "MMXU1$MX$TotW"), "object-non-existent"},
		{"no such node", named(pv, "MMXU9"), "object-non-existent"},
		{"constraint that the node has not", named(pv, "MMXU1$SE"), "object-non-existent"},
		{"constraint that nothing has", named(pv, "MMXU1$QQ$TotW"), "object-non-existent"},
		{"element behind the last", curve(mms.SelectAccess{Part: mms.Index(4)}), "object-non-existent"},
		{"element far behind the last", curve(mms.SelectAccess{Part: mms.Index(4294967295)}), "object-non-existent"},
		{"element of what is no array", named(pv, "MMXU1$MX$TotW", mms.SelectAccess{Part: mms.Index(0)}), "object-non-existent"},
		{"index in a name", named(pv, "DVVR1$SP$VVArCrv$crvPts(3)"), "object-non-existent"},
		{"index in a component", named(pv, "DVVR1$SP$VVArCrv", mms.SelectAccess{Part: mms.Component("crvPts(3)")}), "object-non-existent"},
		{"points in a name", named(pv, "MMXU1$MX$TotW.mag"), "object-non-existent"},
		{"points in a component", named(pv, "MMXU1$MX$TotW", mms.SelectAccess{Part: mms.Component("mag.f")}), "object-non-existent"},
		{"slash in a device", named("PV1LD0/MMXU1", "MX"), "object-non-existent"},
		{"empty parts", named(pv, "MMXU1$MX$$mag"), "object-non-existent"},
		{"name of the server", mms.Variable{VariableSpecification: mms.VariableName{Name: mms.VMDSpecific("RPT")}}, "object-non-existent"},
		{"name of the association", mms.Variable{VariableSpecification: mms.VariableName{Name: mms.AASpecific("x")}}, "object-non-existent"},
		{"range of elements", curve(mms.SelectAccess{Part: mms.IndexRange{LowIndex: 0, NumberOfElements: 2}}), "object-access-unsupported"},
		{"all elements", curve(mms.SelectAccess{Part: mms.AllElements{}}), "object-access-unsupported"},
		{"two parts at once", curve(mms.SelectAccess{Part: mms.Index(0)}, mms.SelectAccess{Part: mms.Index(1)}), "object-access-unsupported"},
	}
	var list mms.ListOfVariable
	var want []string
	for _, tc := range cases {
		list, want = append(list, tc.v), append(want, tc.name+": "+tc.want)
	}
	for name, with := range map[string]bool{"plain": false, "with the specification": true} {
		t.Run(name, func(t *testing.T) {
			r, err := ask[*mms.ReadResponse](t, a, &mms.ReadRequest{VariableAccessSpecification: list, SpecificationWithResult: with})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, result := range r.ListOfAccessResult {
				got = append(got, cases[i].name+": "+outcome(result))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("results of one request differ from what each names (-want +got):\n%s", diff)
			}
			if with {
				if diff := cmp.Diff(mms.VariableAccessSpecification(list), r.VariableAccessSpecification); diff != "" {
					t.Errorf("specification with result (-want +got):\n%s", diff)
				}
			} else if r.VariableAccessSpecification != nil {
				t.Errorf("nobody asked for the specification: %v", r.VariableAccessSpecification)
			}
		})
	}
	if got := w.Faults(); len(got) > 0 {
		t.Errorf("what a peer asks for is no fault of ours: %v", got)
	}
}

// IEC 61850-8-1, 7.3: a logical node is a structure of its functional constraints, as its type says.
func TestReadOfLogicalNodeFollowsItsType(t *testing.T) {
	e := engine(t, "pv.cid")
	distinguish(e)
	a, _ := rawly(t, e.Services, everyRole())
	const node = "DVVR1"
	attributes, err := ask[*mms.GetVariableAccessAttributesResponse](t, a, &mms.GetVariableAccessAttributesRequest{Name: mms.DomainSpecific{DomainID: pv, ItemID: node}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ask[*mms.ReadResponse](t, a, &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{named(pv, node)}})
	if err != nil {
		t.Fatal(err)
	}
	leaves := 0
	var compare func(ref string, spec mms.TypeSpecification, v value.Value)
	compare = func(ref string, spec mms.TypeSpecification, v value.Value) {
		s, ok := spec.(*mms.StructureType)
		if !ok {
			leaves++
			parsed, err := acsi.ParseItem(pv, ref)
			if err != nil {
				t.Fatal(err)
			}
			want, err := e.Value(parsed)
			if err != nil || !want.Equal(v) {
				t.Errorf("%s: got %v, want %v %v", ref, v, want, err)
			}
			return
		}
		if len(s.Components) != v.Len() {
			t.Fatalf("%s has %d components, its value %d", ref, len(s.Components), v.Len())
		}
		for i, c := range s.Components {
			compare(ref+"$"+c.ComponentName, c.ComponentType, v.At(i))
		}
	}
	success, ok := r.ListOfAccessResult[0].(*mms.Success)
	if !ok {
		t.Fatalf("read of a logical node: %v", r.ListOfAccessResult[0])
	}
	compare(node, attributes.TypeSpecification, success.Value)
	if leaves < 20 {
		t.Errorf("%d leaves compared: too few for a logical node", leaves)
	}
}

// acsi.Services: a reference that cannot be read is an error in its place, and costs no call.
func TestReferencesThatCannotBeRead(t *testing.T) {
	c := connect(t, engine(t, "pv.cid").Services, everyRole(), assoc.Config{})
	good := acsi.MustRef(pv + "/MMXU1.TotW.mag.f[MX]")
	results, err := c.GetDataValues(t.Context(), []acsi.Ref{acsi.MustRef(pv + "/MMXU1.TotW"), good, {}, acsi.MustRef(pv), acsi.MustRef(pv + "/MMXU9.A[ST]"), good})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []acsi.Code{acsi.InvalidAddress, 255, acsi.InvalidAddress, acsi.InvalidAddress, acsi.ObjectNonExistent, 255} {
		switch err := results[i].Err; {
		case want == 255 && (err != nil || !results[i].Value.IsValid()):
			t.Errorf("result %d: got %v, want a value", i, err)
		case want != 255 && !errors.Is(err, &acsi.Error{Code: want}):
			t.Errorf("result %d: got %v, want %v", i, err, want)
		}
	}
	if results, err := c.GetDataValues(t.Context(), nil); err != nil || len(results) != 0 {
		t.Errorf("nothing to read: got %v %v", results, err)
	}
}
