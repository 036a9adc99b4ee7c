package mmsmap_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/value"
)

// modelOrder answers getNameList, three names at a time, in an order that is not that of the names.
func modelOrder(names ...string) assoc.Handler {
	return func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		after := request.(*mms.GetNameListRequest).ContinueAfter
		rest := names[slices.Index(names, after)+1:]
		n := min(3, len(rest))
		return &mms.GetNameListResponse{ListOfIdentifier: rest[:n], MoreFollows: n < len(rest)}, nil
	}
}

// Servers list names as their model has them: libiec61850's does.
func TestNamesInTheOrderOfTheModel(t *testing.T) {
	handle := modelOrder("LLN0", "LLN0$ST", "LLN0$ST$Mod", "LLN0$ST$Beh", "LLN0$CF", "LLN0$CF$Mod", "GGIO1", "GGIO1$ST", "GGIO1$ST$Ind2", "GGIO1$ST$Ind1", "GGIO10", "GGIO10$ST")
	if lns, err := against(t, handle).GetLogicalDeviceDirectory(t.Context(), "LD"); err == nil || !strings.Contains(err.Error(), "not in order") {
		t.Errorf("taken although nothing allows it: %v, %v", lns, err)
	}
	c := tolerantly(t, mmsmap.Lenient{AnyOrder: true}, handle)
	if got, err := c.GetLogicalDeviceDirectory(t.Context(), "LD"); err != nil || cmp.Diff([]string{"GGIO1", "GGIO10", "LLN0"}, got) != "" {
		t.Errorf("logical nodes: got %v, %v", got, err)
	}
	for ln, want := range map[string][]string{"GGIO1": {"Ind1", "Ind2"}, "LLN0": {"Mod", "Beh"}, "GGIO10": {}} {
		got, err := c.GetLogicalNodeDirectory(t.Context(), acsi.MustRef("LD/"+ln))
		if slices.Sort(got); err != nil || cmp.Diff(slices.Sorted(slices.Values(want)), slices.Clip(got)) != "" && len(want)+len(got) > 0 {
			t.Errorf("data objects of %s: got %v, %v, want %v", ln, got, err, want)
		}
	}
}

// A list without an order ends all the same.
func TestListsInAnyOrderThatHaveNoEnd(t *testing.T) {
	for name, answer := range map[string]func(n int) []string{
		"the same again":   func(int) []string { return []string{"A", "B"} },
		"nothing":          func(int) []string { return nil },
		"ever new names":   func(n int) []string { return manyNames(n) },
		"a name too long":  func(int) []string { return []string{strings.Repeat("x", 1000)} },
		"a name of before": func(n int) []string { return []string{fmt.Sprint("N", n%3)} },
	} {
		asked := 0
		c := tolerantly(t, mmsmap.Tolerant(), func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			asked++
			return &mms.GetNameListResponse{ListOfIdentifier: answer(asked), MoreFollows: true}, nil
		})
		if names, err := c.GetServerDirectory(t.Context()); err == nil {
			t.Errorf("%s: got %d names", name, len(names))
		}
	}
}

func manyNames(n int) []string {
	names := make([]string, 20000)
	for i := range names {
		names[i] = fmt.Sprintf("N%d_%d", n, i)
	}
	return names
}

// A device has parts of types that IEC 61850 does not use, and parts that are no functional constraints.
func TestTypesThatIEC61850DoesNotUse(t *testing.T) {
	st := &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: "Odd", ComponentType: &mms.StructureType{Components: []mms.TypeComponent{
		{ComponentName: "bcd", ComponentType: mms.BCDType(8)},
		{ComponentName: "flags", ComponentType: mms.BooleanArrayType(8)},
		{ComponentName: "when", ComponentType: mms.GeneralizedTimeType{}},
		{ComponentName: "oid", ComponentType: mms.ObjIDType{}},
		{ComponentName: "n", ComponentType: mms.IntegerType(0)},
		{ComponentName: "u", ComponentType: mms.UnsignedType(0)},
		{ComponentName: "f", ComponentType: mms.FloatingPointType{FormatWidth: 32, ExponentWidth: 9}},
		{ComponentName: "d", ComponentType: mms.FloatingPointType{FormatWidth: 64}},
	}}}}}
	whole := &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: "VENDOR", ComponentType: mms.BooleanType{}}, {ComponentName: "ST", ComponentType: st}}}
	handle := func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return &mms.GetVariableAccessAttributesResponse{TypeSpecification: whole}, nil
	}
	if n, err := against(t, handle).GetDataDefinition(t.Context(), acsi.MustRef("LD/GGIO1")); err == nil {
		t.Errorf("taken although nothing allows it: %v", n)
	}
	n, err := tolerantly(t, mmsmap.Lenient{OtherTypes: true}, handle).GetDataDefinition(t.Context(), acsi.MustRef("LD/GGIO1"))
	if err != nil {
		t.Fatal(err)
	}
	want := []value.Kind{value.BCD, value.BooleanArray, value.GeneralizedTime, value.ObjectID, value.Integer, value.Unsigned, value.Float32, value.Float64}
	var got []value.Kind
	for _, leaf := range n.Child("Odd").Children {
		got = append(got, leaf.Type.Kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// libiec61850's server answers with service: other where the values do not fit into a PDU; others say resource.
func TestErrorsThatMeanThatAnAnswerIsTooLarge(t *testing.T) {
	refs := []acsi.Ref{acsi.MustRef("LD/LN.A.a[ST]"), acsi.MustRef("LD/LN.B.a[ST]"), acsi.MustRef("LD/LN.C.a[ST]")}
	for _, class := range []mms.ErrorClass{mms.ServiceOther, mms.ResourceOther, mms.ResourceMemoryUnavailable, mms.ResourceCapabilityUnavailable} {
		handle := func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			if len(request.(*mms.ReadRequest).VariableAccessSpecification.(mms.ListOfVariable)) > 1 {
				return nil, &assoc.ServiceError{Class: class}
			}
			return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Int(7)}}}, nil
		}
		if results, err := against(t, handle).GetDataValues(t.Context(), refs); err == nil {
			t.Errorf("%v: taken although nothing allows it: %v", class, results)
		}
		results, err := tolerantly(t, mmsmap.Lenient{OddSizeErrors: true}, handle).GetDataValues(t.Context(), refs)
		if err != nil || len(results) != len(refs) {
			t.Fatalf("%v: got %v, %v", class, results, err)
		}
		for i, r := range results {
			if r.Err != nil || !r.Value.Equal(value.Int(7)) {
				t.Errorf("%v: %v is %v, %v", class, refs[i], r.Value, r.Err)
			}
		}
	}
}

// Some devices give the SBO of a control object as a structure, where it is a visible string.
func TestSBOAsAStructureOrAsAString(t *testing.T) {
	for name, sbo := range map[string]struct {
		spec mms.TypeSpecification
		v    value.Value
	}{
		"string":    {mms.VisibleStringType(-129), value.Visible("LD/CSWI1$CO$Pos")},
		"structure": {&mms.StructureType{Components: []mms.TypeComponent{{ComponentName: "ctlVal", ComponentType: mms.BooleanType{}}}}, value.StructureOf(value.Bool(true))},
	} {
		spec := &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: "SBO", ComponentType: sbo.spec}}}
		c := against(t, func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			if _, typ := request.(*mms.GetVariableAccessAttributesRequest); typ {
				return &mms.GetVariableAccessAttributesResponse{TypeSpecification: spec}, nil
			}
			return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: sbo.v}}}, nil
		})
		ref := acsi.MustRef("LD/CSWI1.Pos.SBO[CO]")
		n, err := c.GetDataDefinition(t.Context(), ref)
		if err != nil || n.Name != "SBO" || n.IsLeaf() != (name == "string") {
			t.Errorf("%s: got %+v, %v", name, n, err)
		}
		if r, err := c.GetDataValues(t.Context(), []acsi.Ref{ref}); err != nil || !r[0].Value.Equal(sbo.v) {
			t.Errorf("%s: got %v, %v", name, r, err)
		}
	}
}

// The errors that devices give where the standard has others reach the user, and never end the association.
func TestOddErrors(t *testing.T) {
	for _, odd := range []error{
		&assoc.ServiceError{Class: mms.ErrorAccess(99)},
		&assoc.ServiceError{Class: mms.FileFileNonExistent},
		&assoc.ServiceError{Class: mms.VMDStateOther},
		assoc.ErrUnrecognizedService,
	} {
		c := tolerantly(t, mmsmap.Tolerant(), func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			if _, names := request.(*mms.GetNameListRequest); names {
				return &mms.GetNameListResponse{ListOfIdentifier: []string{"LD"}}, nil
			}
			return nil, odd
		})
		if _, err := c.GetDataValues(t.Context(), []acsi.Ref{acsi.MustRef("LD/LN.A[ST]")}); err == nil {
			t.Errorf("%v: read all the same", odd)
		}
		if names, err := c.GetServerDirectory(t.Context()); err != nil || len(names) != 1 {
			t.Errorf("%v: afterwards got %v, %v", odd, names, err)
		}
	}
	for _, code := range []mms.DataAccessError{99, -1} {
		c := against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			return &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{code}}, nil
		})
		if r, err := c.GetDataValues(t.Context(), []acsi.Ref{acsi.MustRef("LD/LN.A[ST]")}); err != nil || r[0].Err == nil {
			t.Errorf("%d: got %v, %v", code, r, err)
		}
	}
}
