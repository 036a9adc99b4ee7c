package mmsmap

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// What a reference becomes on the wire is what it means there.
func TestReferencesSurviveTheWire(t *testing.T) {
	name := rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_]{0,9}`)
	rapid.Check(t, func(t *rapid.T) {
		item := name.Draw(t, "ln")
		for range rapid.IntRange(0, 6).Draw(t, "depth") {
			item += "." + name.Draw(t, "part")
			if rapid.IntRange(0, 3).Draw(t, "array") == 0 {
				item += fmt.Sprintf("(%d)", rapid.IntRange(0, 999999).Draw(t, "index"))
			}
		}
		ref, err := acsi.NewRef(name.Draw(t, "ld"), item, rapid.SampledFrom(acsi.FCs()).Draw(t, "fc"))
		if err != nil {
			t.Skip(err)
		}
		known := make(references)
		for range 2 { // parsed, then remembered
			got, err := known.ofVariable(variable(addressOf(ref)))
			if err != nil || got != ref {
				t.Fatalf("%v is %v on the wire, and that is %v %v", ref, variable(addressOf(ref)), got, err)
			}
		}
	})
}

// FuzzNames takes any name and any alternate access from a peer: what is understood has one spelling of its own that
// means the same.
func FuzzNames(f *testing.F) {
	for _, seed := range [][3]string{{"LD", "LN", ""}, {"LD", "LN$MX$A$b", ""}, {"LD", "LN$SP$C$pts", "3 yVal"}, {"LD", "LN", "ST Mod$stVal"},
		{"LD", "LN$SP$C(3)", ""}, {"LD", "LN$SP$C", "pts 3 a b 4 c"}, {"L/D", "LN.A", "007"}, {"", "$$", "$ ("}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, ld, item, path string) {
		v := mms.Variable{VariableSpecification: mms.VariableName{Name: mms.DomainSpecific{DomainID: ld, ItemID: item}}}
		if parts := strings.Fields(path); len(parts) > 0 && len(parts) < 50 {
			v.AlternateAccess = selecting(parts)
		}
		known := make(references)
		ref, err := known.ofVariable(v)
		if err != nil {
			if len(known) != 0 {
				t.Fatalf("%v is refused and remembered", v)
			}
			return
		}
		if ref.Depth() < 2 {
			t.Fatalf("%v means %v, which is no variable", v, ref)
		}
		if again, err := known.ofVariable(v); err != nil || again != ref {
			t.Fatalf("%v means %v, and the second time %v %v", v, ref, again, err)
		}
		if ref.FC() == 0 {
			return // a whole node, which this side does not ask for
		}
		if back, err := make(references).ofVariable(variable(addressOf(ref))); err != nil || back != ref {
			t.Fatalf("%v means %v, which is spelled %v, which means %v %v", v, ref, variable(addressOf(ref)), back, err)
		}
	})
}

// selecting makes an alternate access of parts: indexes where they are digits, names else.
func selecting(parts []string) mms.AlternateAccess {
	var index uint32
	number := len(parts[0]) < 10 && strings.Trim(parts[0], "0123456789") == ""
	fmt.Sscan(parts[0], &index)
	switch {
	case len(parts) == 1 && number:
		return unnamed(mms.SelectAccess{Part: mms.Index(index)})
	case len(parts) == 1:
		return unnamed(mms.SelectAccess{Part: mms.Component(parts[0])})
	case number:
		return unnamed(mms.SelectAlternateAccess{AccessSelection: mms.Index(index), AlternateAccess: selecting(parts[1:])})
	}
	return unnamed(mms.SelectAlternateAccess{AccessSelection: mms.Component(parts[0]), AlternateAccess: selecting(parts[1:])})
}

func TestAccessWithoutAMeaning(t *testing.T) {
	name := mms.VariableName{Name: mms.DomainSpecific{DomainID: "LD", ItemID: "LN$SP$C"}}
	for what, v := range map[string]mms.Variable{
		"no name":             {},
		"no part":             {VariableSpecification: name, AlternateAccess: mms.AlternateAccess{}},
		"no selection":        {VariableSpecification: name, AlternateAccess: mms.AlternateAccess{mms.UnnamedAccess{}}},
		"nothing in the part": {VariableSpecification: name, AlternateAccess: unnamed(mms.SelectAlternateAccess{AccessSelection: mms.Index(1)})},
		"a range of parts": {VariableSpecification: name, AlternateAccess: unnamed(mms.SelectAlternateAccess{
			AccessSelection: mms.AllElements{}, AlternateAccess: unnamed(mms.SelectAccess{Part: mms.Component("a")})})},
	} {
		if ref, err := make(references).ofVariable(v); err == nil || err.(*acsi.Error).Code != acsi.ObjectAccessUnsupported {
			t.Errorf("%s: got %v %v, want object-access-unsupported", what, ref, err)
		}
	}
}

func TestReferencesAreBounded(t *testing.T) {
	known := make(references)
	for i := range 3 * maxReferences {
		if _, err := known.ofItem(mms.DomainSpecific{DomainID: "LD", ItemID: fmt.Sprintf("LN$ST$A%d", i)}); err != nil {
			t.Fatal(err)
		}
		if len(known) > maxReferences {
			t.Fatalf("%d references are remembered, want %d at most", len(known), maxReferences)
		}
	}
}

func TestClassOf(t *testing.T) {
	for name, want := range map[string]string{"LLN0": "LLN0", "MMXU1": "MMXU", "LPHD1": "LPHD", "pvMMXU12": "MMXU", "PV_XCBR1": "XCBR", "XCBR": "XCBR",
		"": "", "1": "", "abc1": "", "A_BC1": "", "Q01": "", "LLN01": "", "mmxu1": "", "M1XU1": ""} {
		if got := classOf(name); got != want {
			t.Errorf("classOf(%q): got %q, want %q", name, got, want)
		}
	}
}
