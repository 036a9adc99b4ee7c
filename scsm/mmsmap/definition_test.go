package mmsmap_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

// Where there is something to define, and where there is not, the mapping agrees with the engine.
func TestDefinitionsOfPartsAndOfNothing(t *testing.T) {
	e := engine(t, "pv.cid")
	direct := e.Services(everyRole())
	c := connect(t, e.Services, everyRole(), assoc.Config{})
	for _, ref := range []string{
		pv + "/DVVR1", pv + "/DVVR1[SP]", pv + "/DVVR1.VVArCrv[SP]", pv + "/DVVR1.VVArCrv", pv + "/DVVR1.VVArCrv.crvPts[SP]",
		pv + "/DVVR1.VVArCrv.crvPts(0)[SP]", pv + "/DVVR1.VVArCrv.crvPts(3).yVal[SP]", pv + "/DVVR1.VVArCrv.crvPts(3).yVal",
		pv + "/MMXU1.TotW.mag.f", pv + "/MMXU1.PhV.phsA[MX]",

		pv + "/DVVR1.VVArCrv.crvPts(4)[SP]", pv + "/DVVR1.VVArCrv.crvPts(999999)", pv + "/DVVR1.VVArCrv.crvPts.yVal[SP]",
		pv + "/DVVR1.VVArCrv.crvPts(1)(1)[SP]", pv + "/DVVR1.VVArCrv(1)[SP]", pv + "/DVVR1[SE]", pv + "/DVVR1.VVArCrv[MX]", pv + "/DVVR1.VVArCrv.no[SP]",
		pv + "/DVVR9", pv + "/MMXU1.TotW.mag.f.g", "NO/LLN0",
	} {
		r, err := acsi.ParseRef(ref)
		if err != nil {
			continue // crvPts(1)(1): no reference at all
		}
		want, wantErr := direct.GetDataDefinition(t.Context(), r)
		got, gotErr := c.GetDataDefinition(t.Context(), r)
		if (wantErr == nil) != (gotErr == nil) || gotErr != nil && text(gotErr) != text(wantErr) {
			t.Errorf("GetDataDefinition(%s): got %v, the engine says %v", ref, gotErr, wantErr)
			continue
		}
		if wantErr != nil {
			if _, err := c.GetDataDirectory(t.Context(), r); text(err) != text(wantErr) {
				t.Errorf("GetDataDirectory(%s): got %v, the engine says %v", ref, err, wantErr)
			}
			continue
		}
		if diff := cmp.Diff(outline(want), outline(got)); diff != "" || got.Name != want.Name {
			t.Errorf("GetDataDefinition(%s): %s, the engine says %s:\n%s", ref, got.Name, want.Name, diff)
		}
	}
	for _, ref := range []acsi.Ref{{}, acsi.MustRef(pv)} {
		if _, err := c.GetDataDefinition(t.Context(), ref); text(err) != "invalid-address" {
			t.Errorf("GetDataDefinition(%v): got %v", ref, err)
		}
	}
	if _, err := c.GetAllDataValues(t.Context(), acsi.MustRef(pv+"/MMXU1.TotW")); text(err) != "invalid-address" {
		t.Errorf("GetAllDataValues of a data object: got %v", err)
	}
}

// MMS does not tell sub data objects from constructed attributes: what their parts tell.
func TestKindsOfParts(t *testing.T) {
	c := connect(t, engine(t, "pv.cid").Services, everyRole(), assoc.Config{})
	for ref, want := range map[string]acsi.NodeKind{
		"MMXU1.TotW": acsi.DataObjectNode, "MMXU1.PhV.phsA": acsi.SubDataObjectNode, "MMXU1.PhV.phsA.cVal": acsi.DataAttributeNode,
		"MMXU1.PhV.phsA.cVal.mag.f": acsi.BasicDataAttributeNode, "MMXU1.TotW.mag": acsi.DataAttributeNode, "MMXU1.TotW.units": acsi.DataAttributeNode,
		"DVVR1.VVArCrv.crvPts": acsi.DataAttributeNode, "DVVR1.VVArCrv.crvPts(2).xVal": acsi.BasicDataAttributeNode, "MMXU1": acsi.LogicalNodeNode,
	} {
		n, err := c.GetDataDefinition(t.Context(), acsi.MustRef(pv+"/"+ref))
		if err != nil || n.Kind != want {
			t.Errorf("%s: got %+v %v, want %v", ref, n, err, want)
		}
	}
	c = connect(t, engine(t, "feeder.cid").Services, everyRole(), assoc.Config{})
	n, err := c.GetDataDefinition(t.Context(), acsi.MustRef("FDR1LD0/PTOC1.StrVal"))
	if err != nil {
		t.Fatal(err)
	}
	var settings []string
	for _, child := range n.Children {
		if child.Name == "setMag" {
			settings = append(settings, fmt.Sprint(child.Kind, child.FC))
		}
	}
	if diff := cmp.Diff([]string{"DA SG", "DA SE"}, settings); diff != "" {
		t.Errorf("a setting is an attribute under SG and one under SE:\n%s", diff)
	}
}

func TestModelsThatMMSCannotSay(t *testing.T) {
	attribute := &acsi.Node{Name: "a", Kind: acsi.DataAttributeNode, FC: acsi.SP, Type: acsi.Type{Kind: value.BCD}}
	object := &acsi.Node{Name: "A", Kind: acsi.DataObjectNode, Children: []*acsi.Node{attribute}}
	ln := &acsi.Node{Name: "LN", Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{object}}
	empty := &acsi.Node{Name: "EMPTY", Kind: acsi.LogicalNodeNode}
	c := connect(t, stub{definition: func(ref acsi.Ref) (*acsi.Node, error) {
		if ref.LN() == "EMPTY" {
			return empty, nil
		}
		return ln, nil
	}}.services, everyRole(), assoc.Config{})
	for _, ref := range []string{"LD/LN", "LD/LN[SP]"} {
		if _, err := c.GetDataDefinition(t.Context(), acsi.MustRef(ref)); text(err) != "hardware-fault" {
			t.Errorf("%s has a type without a form: got %v", ref, err)
		}
	}
	if n := len(c.Faults()); n != 2 {
		t.Errorf("%d faults heard, want 2", n)
	}
	if n, err := c.GetDataDefinition(t.Context(), acsi.MustRef("LD/EMPTY")); err != nil || len(n.Children) != 0 {
		t.Errorf("a logical node without data: got %v %v", n, err)
	}
	if values, err := c.GetAllDataValues(t.Context(), acsi.MustRef("LD/EMPTY")); err != nil || len(values) != 0 {
		t.Errorf("its values: got %v %v", values, err)
	}
	if _, err := c.GetDataDefinition(t.Context(), acsi.MustRef("LD/EMPTY[ST]")); text(err) != "object-non-existent" {
		t.Errorf("a logical node without data under ST: got %v", err)
	}
	a, _ := rawly(t, stub{definition: func(acsi.Ref) (*acsi.Node, error) { return empty, nil }}.services, everyRole())
	r, err := ask[*mms.ReadResponse](t, a, &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{named("LD", "EMPTY")}})
	if err != nil || r.ListOfAccessResult[0] != mms.AccessResult(mms.ObjectNonExistent) {
		t.Errorf("its value as a variable: got %v %v", r, err)
	}
}

// ISO 9506-2, GetNameList.
func TestPartsOfNameLists(t *testing.T) {
	e := engine(t, "pv.cid")
	a, _ := rawly(t, e.Services, everyRole())
	list := func(after string) (*mms.GetNameListResponse, error) {
		return ask[*mms.GetNameListResponse](t, a, &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariable},
			ObjectScope: mms.ScopeDomain(pv), ContinueAfter: after})
	}
	var whole []string
	for after, more := "", true; more; {
		r, err := list(after)
		if err != nil || len(r.ListOfIdentifier) == 0 {
			t.Fatalf("after %q: %v %v", after, r, err)
		}
		whole = append(whole, r.ListOfIdentifier...)
		after, more = whole[len(whole)-1], r.MoreFollows
	}
	// Continued after any name, the list goes on with the next. Not all are tried, for the time it takes.
	for i, name := range whole {
		if next := i + 1; i%11 > 0 && next < len(whole) && strings.Contains(name, "$") && strings.Contains(whole[next], "$") {
			continue
		}
		r, err := list(name)
		switch {
		case err != nil:
			t.Fatalf("after %q: %v", name, err)
		case i == len(whole)-1:
			if len(r.ListOfIdentifier) != 0 || r.MoreFollows {
				t.Errorf("after the last name: %v", r)
			}
		case r.ListOfIdentifier[0] != whole[i+1]:
			t.Errorf("after %q: got %q, want %q", name, r.ListOfIdentifier[0], whole[i+1])
		}
	}
	for _, name := range []string{"A", "MMXU1$", "MMXU1$MX$Tot", "MMXU9", "MMXU9$MX", "zzz", "$"} {
		if _, err := list(name); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectNonExistent}) {
			t.Errorf("after %q, which is no name: got %v", name, err)
		}
	}
	for name, scope := range map[string]mms.ObjectScope{"server": mms.ScopeVMD{}, "association": mms.ScopeAA{}} {
		r, err := ask[*mms.GetNameListResponse](t, a, &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariable}, ObjectScope: scope})
		if err != nil || len(r.ListOfIdentifier) != 0 || r.MoreFollows {
			t.Errorf("variables of the %s: got %v %v, want none", name, r, err)
		}
	}
}
