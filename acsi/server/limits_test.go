package server

import (
	"testing"

	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Conformance: sMdl8.
func TestSettingsKeepTheirLimits(t *testing.T) {
	analogue := func(f float32) value.Value { return value.StructureOf(value.Float(f)) }
	for _, test := range []struct {
		name string
		ref  string
		v    value.Value
		want string
	}{
		{"an integer", delay + "[SE]", value.Int(60_000), ""},
		{"an integer too large", delay + "[SE]", value.Int(60_001), "object-value-invalid"},
		{"an integer too small", delay + "[SE]", value.Int(-1), "object-value-invalid"},
		{"an analogue value", "FDR1LD0/PTOC1.StrVal.setMag.f[SE]", value.Float(20), ""},
		{"an analogue value too small", "FDR1LD0/PTOC1.StrVal.setMag.f[SE]", value.Float(19.9), "object-value-invalid"},
		{"a part of the setting", "FDR1LD0/PTOC1.StrVal.setMag[SE]", analogue(7000), "object-value-invalid"},
		{"the whole setting", "FDR1LD0/PTOC1.StrVal[SE]", value.StructureOf(analogue(7000)), "object-value-invalid"},
		{"the whole setting, within", "FDR1LD0/PTOC1.StrVal[SE]", value.StructureOf(analogue(6000)), ""},
		{"a limit itself", "FDR1LD0/PTOC1.StrVal.maxVal.f[CF]", value.Float(7000), ""},
		{"what has no limits", "FDR1LD0/PTOC1.DirMod.setVal[SP]", value.Int(2), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := feederBench(t, Config{}).as(rbac.Engineer)
			put(t, s, sgcb+".EditSG[SP]", value.Uint(1))
			before := get(t, s, test.ref)
			if got := put(t, s, test.ref, test.v); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			want := test.v
			if test.want != "" {
				want = before
			}
			if got := get(t, s, test.ref); !got.Equal(want) {
				t.Errorf("it has become %v, want %v", got, want)
			}
		})
	}
}
