package scl_test

import (
	"path/filepath"
	"testing"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// What is particular in the corners is read by a client as the file gives it.
//
// Conformance: sCnf5.
func TestArraysGroupsAndEnumerationsAreServed(t *testing.T) {
	m, _, err := parseFile(t, filepath.Join("testdata", "corners.scd")).Model("CRN", "S1")
	if err != nil {
		t.Fatal(err)
	}
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("crn", m)
		readCorners(t, bed.Associate("ems", "crn", rbac.Engineer))
	})
}

func readCorners(t *testing.T, services acsi.Services) {
	noCurve := value.ArrayOf(value.Float(0), value.Float(12.5), value.Float(0))
	vector := func(f float32) value.Value {
		none := value.StructureOf(value.Int(0), value.Float(0))
		return value.StructureOf(value.StructureOf(value.Int(0), value.Float(f)), none)
	}
	for _, tc := range []struct {
		name, ref string
		want      value.Value
	}{
		{"leaf in an element of objects", "CRNLD0/MHAI1.HA.phsAHar(2).cVal.mag.f[MX]", value.Float(3.25)},
		{"attribute of an element of objects", "CRNLD0/MHAI1.HA.phsAHar(2).cVal[MX]", vector(3.25)},
		{"last element, as long as the instance says", "CRNLD0/MHAI1.HA.phsAHar(3).cVal[MX]", vector(0)},
		{"element of attributes", "FreelyNamed/SchFSCH1.Curve.val(1)[SP]", value.Float(12.5)},
		{"array of attributes", "FreelyNamed/SchFSCH1.Curve.val[SP]", noCurve},
		{"setting of the active group", "CRNLD0/PTOC1.StrVal.setMag.f[SG]", value.Float(2.5)},
		{"enumeration by name", "CRNLD0/LLN0.Mod.stVal[ST]", value.Int(2)},
		{"enumeration in a component", "CRNLD0/MMXU1.TotW.units.multiplier[CF]", value.Int(3)},
		{"enumeration of a type's value", "CRNLD0/MMXU1.TotW.units.SIUnit[CF]", value.Int(38)},
		{"enumeration wider than eight bits", "FreelyNamed/SchFSCH1.All.wide[SP]", value.Int(-1)},
		{"two bits by name", "CRNLD0/CSWI1.Pos.stVal[ST]", value.Bits(2, []byte{0x80})},
	} {
		results, err := services.GetDataValues(t.Context(), []acsi.Ref{acsi.MustRef(tc.ref)})
		if err != nil || results[0].Err != nil || !results[0].Value.Equal(tc.want) {
			t.Errorf("%s: %s: got %v %v, want %v", tc.name, tc.ref, results, err, tc.want)
		}
	}
	whole := acsi.MustRef("CRNLD0/MHAI1.HA.phsAHar[MX]")
	results, err := services.GetDataValues(t.Context(), []acsi.Ref{whole, acsi.MustRef("CRNLD0/MHAI2.HA.phsAHar[MX]"), acsi.MustRef("CRNLD0/MHAI2.HA.phsAHar(2)[MX]")})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Err != nil || results[0].Value.Len() != 4 || !results[0].Value.At(2).At(0).Equal(vector(3.25)) {
		t.Errorf("%s: got %v", whole, results[0])
	}
	if results[1].Err != nil || results[1].Value.Len() != 2 {
		t.Errorf("an array of the length that the type gives: got %v", results[1])
	}
	if results[2].Err == nil {
		t.Errorf("an element behind the end: got %v", results[2])
	}
}
