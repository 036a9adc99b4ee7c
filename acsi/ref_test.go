package acsi

import (
	"strings"
	"testing"
)

func TestParseRefReadsBothSpellings(t *testing.T) {
	for _, tc := range []struct {
		in, want     string
		fc           FC
		ld, ln, name string
		depth        int
	}{
		{"PV1LD0", "PV1LD0", 0, "PV1LD0", "", "PV1LD0", 1},
		{"PV1LD0/MMXU1", "PV1LD0/MMXU1", 0, "PV1LD0", "MMXU1", "MMXU1", 2},
		{"PV1LD0/MMXU1[MX]", "PV1LD0/MMXU1[MX]", MX, "PV1LD0", "MMXU1", "MMXU1", 2},
		{"PV1LD0/MMXU1.TotW.mag.f[MX]", "PV1LD0/MMXU1.TotW.mag.f[MX]", MX, "PV1LD0", "MMXU1", "f", 5},
		{"PV1LD0/MMXU1$MX$TotW$mag$f", "PV1LD0/MMXU1.TotW.mag.f[MX]", MX, "PV1LD0", "MMXU1", "f", 5},
		{"PV1LD0/MMXU1$MX", "PV1LD0/MMXU1[MX]", MX, "PV1LD0", "MMXU1", "MMXU1", 2},
		{"A/MHAI1.HA.phsAHar(3).cVal[MX]", "A/MHAI1.HA.phsAHar(3).cVal[MX]", MX, "A", "MHAI1", "cVal", 5},
		{"A/B.C.D(0)", "A/B.C.D(0)", 0, "A", "B", "D(0)", 4},
		{"A/B$SP$C$D(12)", "A/B.C.D(12)[SP]", SP, "A", "B", "D(12)", 4},
	} {
		r, err := ParseRef(tc.in)
		if err != nil {
			t.Errorf("ParseRef(%q): %v", tc.in, err)
			continue
		}
		if r.String() != tc.want || r.FC() != tc.fc || r.LD() != tc.ld || r.LN() != tc.ln || r.Name() != tc.name || r.Depth() != tc.depth {
			t.Errorf("ParseRef(%q): got %s FC=%s LD=%s LN=%s name=%s depth=%d, want %+v", tc.in, r, r.FC(), r.LD(), r.LN(), r.Name(), r.Depth(), tc)
		}
	}
}

func TestParseRefRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":                      "",
		"nothing before the slash":     "/LLN0",
		"nothing behind the slash":     "LD/",
		"two slashes":                  "LD/LN/DO",
		"an empty part":                "LD/LN..stVal",
		"a point at the end":           "LD/LN.Beh.",
		"an index on the node":         "LD/LN(1)",
		"an index on the device":       "LD(1)/LN",
		"an index with leading zero":   "LD/LN.A(01)",
		"an index that is too long":    "LD/LN.A(1234567)",
		"an empty index":               "LD/LN.A()",
		"an open index":                "LD/LN.A(1",
		"text behind an index":         "LD/LN.A(1)b",
		"a sign in an index":           "LD/LN.A(-1)",
		"an unknown constraint":        "LD/LN.A[XX]",
		"a constraint in small":        "LD/LN.A[mx]",
		"an open constraint":           "LD/LN.A[MX",
		"text behind a constraint":     "LD/LN.A[MX]b",
		"a device with constraint":     "LD[MX]",
		"two constraints":              "LD/LN$MX$A[MX]",
		"an unknown one in MMS":        "LD/LN$XX$A",
		"a $ at the end":               "LD/LN$",
		"nothing behind the last $":    "LD/LN$MX$",
		"points and $":                 "LD/LN.A$MX$b",
		"points behind $":              "LD/LN$MX$A.b",
		"a letter that is not allowed": "LD/LN.Grün",
		"white space":                  "LD/LN. A",
		"129 octets and one":           "LD/" + strings.Repeat("a", 62) + "." + strings.Repeat("b", 64),
		"a name of 65":                 strings.Repeat("a", 65),
	} {
		if r, err := ParseRef(in); err == nil {
			t.Errorf("%s: ParseRef(%q): got %s, want an error", name, in, r)
		}
	}
}

func TestRefChild(t *testing.T) {
	r, names := Ref{}, []string{"LD", "LN", "DO", "SDO(2)", "da"}
	for _, name := range names {
		var err error
		if r, err = r.Child(name); err != nil {
			t.Fatal(err)
		}
		if name == "LN" {
			r = r.WithFC(MX)
		}
	}
	if got, want := r.String(), "LD/LN.DO.SDO(2).da[MX]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r.WithFC(0).String() != r.Path() || r.Path() != "LD/LN.DO.SDO(2).da" || r.Item() != "LN.DO.SDO(2).da" {
		t.Errorf("got path %s item %s", r.Path(), r.Item())
	}
	if ld := MustRef("LD"); ld.WithFC(MX) != ld {
		t.Error("a device takes a functional constraint")
	}
	for at, name := range map[string]string{"LD/LN.DO": "a.b", "LD/LN": "a/b", "LD": "LN(1)", "LD/LN.A": "b(01)", "LD/LN.B": "",
		"LD/LN." + strings.Repeat("x", 60): strings.Repeat("y", 63)} {
		if got, err := MustRef(at).Child(name); err == nil {
			t.Errorf("%q below %s: got %s, want an error", name, at, got)
		}
	}
	if (Ref{}).Depth() != 0 || !(Ref{}).IsZero() {
		t.Error("the zero Ref names something")
	}
}

func TestRefParentUndoesChild(t *testing.T) {
	for _, step := range []struct{ ref, want string }{
		{"LD/LN.DO.SDO(2).da[MX]", "LD/LN.DO.SDO(2)[MX]"},
		{"LD/LN.DO.SDO(2)[MX]", "LD/LN.DO[MX]"},
		{"LD/LN.DO[MX]", "LD/LN[MX]"},
		{"LD/LN[MX]", "LD"},
		{"LD", ""},
	} {
		if got := MustRef(step.ref).Parent(); got.String() != step.want {
			t.Errorf("%s: got %q, want %q", step.ref, got, step.want)
		}
	}
	if got := (Ref{}).Parent(); !got.IsZero() {
		t.Errorf("of nothing: got %s", got)
	}
}

func TestRefElement(t *testing.T) {
	got, err := MustRef("LD/LN.DO.val[SP]").Element(12)
	if err != nil || got != MustRef("LD/LN.DO.val(12)[SP]") {
		t.Errorf("got %s %v", got, err)
	}
	for _, bad := range []string{"LD", "LD/LN", "LD/LN.DO(1)", "LD/LN." + strings.Repeat("x", 60) + "." + strings.Repeat("y", 62)} {
		if got, err := MustRef(bad).Element(0); err == nil {
			t.Errorf("%s: got %s, want an error", bad, got)
		}
	}
	if got, err := MustRef("LD/LN.DO").Element(-1); err == nil {
		t.Errorf("-1: got %s", got)
	}
}

func TestRefKeysAMap(t *testing.T) {
	m := map[Ref]int{MustRef("A/B$MX$C$d"): 1}
	if m[MustRef("A/B.C.d[MX]")] != 1 || m[MustRef("A/B.C.d")] != 0 {
		t.Error("the two spellings are two keys, or the functional constraint does not count")
	}
}

func FuzzRef(f *testing.F) {
	for _, s := range []string{"A", "A/B", "A/B.C.d[MX]", "A/B$MX$C$d", "A/B.C(3).d", "A/B$CO$Pos$Oper$ctlVal", "[MX]", "A/[", "A/B$", "A/B(1)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		back, err := ParseRef(r.String())
		if err != nil || back != r {
			t.Fatalf("%q parses to %q, which parses to %q %v", s, r, back, err)
		}
		if len(r.Path()) > MaxRefLen {
			t.Fatalf("%q is accepted with %d octets", s, len(r.Path()))
		}
		if up := r.Parent(); !up.IsZero() {
			if again, err := up.WithFC(r.FC()).Child(r.Name()); err != nil || again.Path() != r.Path() {
				t.Fatalf("%q: its parent and name make %q %v", s, again, err)
			}
		}
		if r.Item() != "" {
			ref, err := NewRef(r.LD(), r.Item(), r.FC())
			if err != nil || ref != r {
				t.Fatalf("%q: its parts make %q %v", s, ref, err)
			}
		}
		if r.FC() != 0 {
			item := strings.Replace(strings.ReplaceAll(r.Item(), ".", "$"), r.LN(), r.LN()+"$"+r.FC().String(), 1)
			if mms, err := ParseItem(r.LD(), item); err != nil || mms != r {
				t.Fatalf("%q: the MMS spelling %q is %q %v", s, item, mms, err)
			}
		}
	})
}

func TestRefsAreSpelledAsTheyTravel(t *testing.T) {
	for in, want := range map[string]string{
		"LD": "LD", "LD/LLN0": "LD/LLN0", "LD/LLN0[ST]": "LD/LLN0$ST", "LD/LLN0.set": "LD/LLN0$set", "@set": "@set",
		"LD/MHAI1.HA.phsAHar(3).cVal.mag.f[MX]": "LD/MHAI1$MX$HA$phsAHar(3)$cVal$mag$f", "LD/LLN0.urcb01[RP]": "LD/LLN0$RP$urcb01",
	} {
		ref := MustRef(in)
		got := ref.MMS()
		if got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
		parse := ParseRef
		if ref.FC() == 0 && ref.Depth() == 3 {
			parse = ParseDataSetRef
		}
		if back, err := parse(got); err != nil || back != ref {
			t.Errorf("%s: comes back as %v, %v", got, back, err)
		}
	}
}
