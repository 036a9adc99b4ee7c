package mmsmap_test

import (
	"context"
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

// refs parses references that are right.
func refs(names ...string) []acsi.Ref {
	parsed := make([]acsi.Ref, len(names))
	for i, name := range names {
		parsed[i] = acsi.MustRef(name)
	}
	return parsed
}

// IEC 61850-8-1, data sets: what the client is asked is what the services are asked.
//
// Conformance: cDs.
func TestDataSetServices(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	members := refs("LD/MMXU1.TotW[MX]", "LD/DVVR1.Crv(3).xVal[SP]", "LD/LLN0.Beh.stVal[ST]")
	for _, name := range []string{"LD/LLN0.Status", "@mine"} {
		ref := acsi.MustRef(name)
		f.set = acsi.DataSet{Ref: ref, Members: members, Fixed: !ref.IsLocal()}
		if set, err := c.GetDataSetDirectory(t.Context(), ref); err != nil || cmp.Diff(&f.set, set, exactly) != "" {
			t.Errorf("directory: got %+v %v, want %+v", set, err, f.set)
		}
		f.results = []acsi.Result{{Value: value.Int(1)}, {Err: acsi.Errorf(acsi.TemporarilyUnavailable, "no")}, {Value: value.Bool(true)}}
		results, err := c.GetDataSetValues(t.Context(), ref)
		if err != nil || len(results) != 3 || !results[0].Value.Equal(value.Int(1)) || text(results[1].Err) != "temporarily-unavailable" || !results[2].Value.Bool() {
			t.Errorf("values: got %v %v", results, err)
		}
		f.errs = []error{nil, acsi.Errorf(acsi.TypeInconsistent, "no")}
		errs, err := c.SetDataSetValues(t.Context(), ref, []value.Value{value.Int(1), value.Int(2)})
		if err != nil || len(errs) != 2 || errs[0] != nil || text(errs[1]) != "type-inconsistent" {
			t.Errorf("set: got %v %v", errs, err)
		}
		if err := errors.Join(c.CreateDataSet(t.Context(), ref, members), c.DeleteDataSet(t.Context(), ref)); err != nil {
			t.Error(err)
		}
		want := []string{"data set " + name, "values " + name, fmt.Sprintf("set %s = [integer 1 integer 2]", name),
			fmt.Sprintf("create %s %v", name, members), "delete " + name}
		if diff := cmp.Diff(want, f.heard()); diff != "" {
			t.Errorf("the services hear (-want +got):\n%s", diff)
		}
	}
}

func TestDataSetsAndLogsAreListed(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	for i := range 900 { // more than a PDU has room for
		f.names = append(f.names, fmt.Sprintf("set%04d", i))
	}
	for what, list := range map[string]func() ([]string, error){
		"data sets":                func() ([]string, error) { return c.GetDataSets(t.Context(), acsi.MustRef("LD/LLN0")) },
		"those of the association": func() ([]string, error) { return c.GetDataSets(t.Context(), acsi.Ref{}) },
		"logs":                     func() ([]string, error) { return c.GetLogs(t.Context(), acsi.MustRef("LD/LLN0")) },
	} {
		if got, err := list(); err != nil || cmp.Diff(f.names, got) != "" {
			t.Errorf("%s: got %d names, %v; want %d", what, len(got), err, len(f.names))
		}
	}
	if got, err := c.GetDataSets(t.Context(), acsi.MustRef("LD/MMXU1")); err != nil || len(got) != 0 {
		t.Errorf("of a node without: got %v %v", got, err)
	}
	f.heard()
	for _, ref := range refs("LD", "LD/LLN0.Status") {
		if _, err := c.GetDataSets(t.Context(), ref); text(err) != "invalid-address" {
			t.Errorf("%v: got %v", ref, err)
		}
	}
	if heard := f.heard(); len(heard) > 0 {
		t.Errorf("the services hear %v", heard)
	}
}

// What is no name of a data set or log does not leave the client.
func TestNamesOfNoDataSet(t *testing.T) {
	c := connect(t, newFake().services, everyRole(), assoc.Config{})
	for _, ref := range append(refs("LD", "LD/LLN0", "LD/LLN0.Status.x", "LD/LLN0.Status[ST]", "LD/LLN0.Status(1)"), acsi.Ref{}) {
		_, directory := c.GetDataSetDirectory(t.Context(), ref)
		_, values := c.GetDataSetValues(t.Context(), ref)
		_, set := c.SetDataSetValues(t.Context(), ref, nil)
		_, _, log := c.QueryLogByTime(t.Context(), ref, noon, noon)
		for what, err := range map[string]error{"directory": directory, "values": values, "set": set, "log": log,
			"create": c.CreateDataSet(t.Context(), ref, nil), "delete": c.DeleteDataSet(t.Context(), ref)} {
			if text(err) != "invalid-address" {
				t.Errorf("%s of %v: got %v", what, ref, err)
			}
		}
	}
	if err := c.CreateDataSet(t.Context(), acsi.MustRef("@mine"), refs("LD/LLN0.Beh")); text(err) != "invalid-address" {
		t.Errorf("a member without functional constraint: got %v", err)
	}
	if _, _, err := c.QueryLogAfter(t.Context(), acsi.MustRef("@mine"), noon, acsi.EntryID{}); text(err) != "invalid-address" {
		t.Errorf("a log of the association: got %v", err)
	}
}

// IEC 61850-8-1, Table "Mapping of ACSI service errors", for data sets: each reason has its error in MMS, and arrives.
//
// Conformance: cDs.
func TestErrorsOfDataSets(t *testing.T) {
	f := newFake()
	ref := acsi.MustRef("LD/LLN0.Status")
	f.set = acsi.DataSet{Ref: ref, Members: refs("LD/LLN0.Beh[ST]"), Fixed: true}
	c := connect(t, f.services, everyRole(), assoc.Config{})
	a, _ := rawly(t, f.services, everyRole())
	create := &mms.DefineNamedVariableListRequest{VariableListName: mms.DomainSpecific{DomainID: "LD", ItemID: "LLN0$Status"},
		ListOfVariable: mms.ListOfVariable{named("LD", "LLN0$ST$Beh")}}
	for code, class := range map[acsi.Code]mms.ErrorClass{
		acsi.ObjectAttributeInconsistent: mms.DefinitionObjectExists,
		acsi.ObjectNonExistent:           mms.DefinitionObjectUndefined,
		acsi.TemporarilyUnavailable:      mms.ResourceCapabilityUnavailable,
		acsi.InvalidAddress:              mms.DefinitionInvalidAddress,
		acsi.ObjectAccessDenied:          mms.AccessObjectAccessDenied,
		acsi.HardwareFault:               mms.VMDStateOperationalProblem,
	} {
		f.err = acsi.Errorf(code, "never travels")
		if _, err := a.Call(t.Context(), create); !errors.Is(err, &assoc.ServiceError{Class: class}) {
			t.Errorf("create, %v: got %v, want %v", code, err, class)
		}
		if err := c.CreateDataSet(t.Context(), ref, refs("LD/LLN0.Beh[ST]")); text(err) != code.String() {
			t.Errorf("create: got %v, want %v", err, code)
		}
	}
	remove := &mms.DeleteNamedVariableListRequest{ListOfVariableListName: []mms.ObjectName{create.VariableListName, mms.AASpecific("mine"), mms.VMDSpecific("x")}}
	for code, want := range map[acsi.Code]string{
		acsi.ObjectNonExistent:  "0 of 0",
		acsi.ObjectAccessDenied: "access: object-access-denied", // of @mine, which is not there to be seen
	} {
		f.err = acsi.Errorf(code, "never travels")
		r, err := ask[*mms.DeleteNamedVariableListResponse](t, a, remove)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprintf("%d of %d", r.NumberDeleted, r.NumberMatched)
		}
		if !strings.Contains(got, want) {
			t.Errorf("delete, %v: got %v, want %s", code, got, want)
		}
		if err := c.DeleteDataSet(t.Context(), ref); text(err) != code.String() {
			t.Errorf("delete: got %v, want %v", err, code)
		}
	}
	remove.ListOfVariableListName = remove.ListOfVariableListName[:1]
	if r, err := ask[*mms.DeleteNamedVariableListResponse](t, a, remove); f.err == nil || err != nil && text(err) == "" {
		t.Errorf("delete of a fixed one: got %+v %v", r, err)
	}
	f.err = acsi.Errorf(acsi.ObjectAccessDenied, "fixed")
	if r, err := ask[*mms.DeleteNamedVariableListResponse](t, a, remove); err != nil || r.NumberMatched != 1 || r.NumberDeleted != 0 {
		t.Errorf("delete of a fixed one: got %+v %v, want 0 of 1", r, err)
	}
	f.err = acsi.Errorf(acsi.TemporarilyUnavailable, "in use")
	if _, err := a.Call(t.Context(), remove); !errors.Is(err, &assoc.ServiceError{Class: mms.ServiceObjectConstraintConflict}) {
		t.Errorf("delete of one in use: got %v", err)
	}
	if err := c.DeleteDataSet(t.Context(), ref); text(err) != "temporarily-unavailable" {
		t.Errorf("delete of one in use: got %v", err)
	}
	for scope := mms.DeleteAASpecific; scope <= mms.DeleteVMD; scope++ {
		if _, err := a.Call(t.Context(), &mms.DeleteNamedVariableListRequest{ScopeOfDelete: scope, DomainName: "LD"}); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessUnsupported}) {
			t.Errorf("delete all of scope %v: got %v", scope, err)
		}
	}
}

// A data set that is too large for a PDU is read in parts.
func TestDataSetThatFitsIntoNoPDU(t *testing.T) {
	e := engine(t, "pv.cid")
	c := connect(t, e.Services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	var members []acsi.Ref
	node, err := c.GetDataDefinition(t.Context(), acsi.MustRef(pv+"/MMXU1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range node.Children {
		if do.Kind == acsi.DataObjectNode {
			for _, fc := range do.FCs() {
				members = append(members, acsi.MustRef(pv+"/MMXU1."+do.Name).WithFC(fc))
			}
		}
	}
	ref := acsi.MustRef("@all")
	if err := c.CreateDataSet(t.Context(), ref, members); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetDataSetValues(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.GetDataValues(t.Context(), members)
	if diff := cmp.Diff(want, got, exactly); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n := c.Parameters().MaxPDU; n != assoc.MinPDU {
		t.Errorf("PDUs of %d octets are agreed on", n)
	}
}

func TestDataSetsThatMakeNoSense(t *testing.T) {
	ref := acsi.MustRef("LD/LLN0.Status")
	c := against(t, func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		switch request.(type) {
		case *mms.GetNamedVariableListAttributesRequest:
			return &mms.GetNamedVariableListAttributesResponse{ListOfVariable: mms.ListOfVariable{named("LD", "LLN0$XX$Beh")}}, nil
		case *mms.WriteRequest:
			return &mms.WriteResponse{Results: []mms.WriteResult{mms.WriteSuccess{}}}, nil
		case *mms.DeleteNamedVariableListRequest:
			return &mms.DeleteNamedVariableListResponse{NumberMatched: 1 << 31, NumberDeleted: 0}, nil
		}
		return nil, assoc.ErrUnrecognizedService
	})
	if set, err := c.GetDataSetDirectory(t.Context(), ref); err == nil || !strings.Contains(err.Error(), "impossible member") {
		t.Errorf("an impossible member: got %v %v", set, err)
	}
	if errs, err := c.SetDataSetValues(t.Context(), ref, []value.Value{value.Int(1), value.Int(2)}); !errors.Is(err, assoc.ErrNoAnswer) {
		t.Errorf("one result of two: got %v %v", errs, err)
	}
	if err := c.DeleteDataSet(t.Context(), ref); text(err) != "object-access-denied" {
		t.Errorf("matched and not deleted: got %v", err)
	}
	a, _ := rawly(t, newFake().services, everyRole())
	for _, name := range []mms.ObjectName{mms.VMDSpecific("x"), mms.DomainSpecific{DomainID: "LD", ItemID: "LLN0"}, mms.DomainSpecific{DomainID: "LD", ItemID: "LLN0.x"},
		mms.DomainSpecific{DomainID: "LD", ItemID: "LLN0$x$y"}, mms.DomainSpecific{DomainID: "@a", ItemID: "b$c"}, mms.AASpecific("a.b")} {
		for _, request := range []mms.ConfirmedServiceRequest{&mms.GetNamedVariableListAttributesRequest{VariableListName: name},
			&mms.ReadRequest{VariableAccessSpecification: mms.VariableListName{Name: name}},
			&mms.WriteRequest{VariableAccessSpecification: mms.VariableListName{Name: name}}, &mms.ReadJournalRequest{JournalName: name}} {
			if _, err := a.Call(t.Context(), request); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectNonExistent}) {
				t.Errorf("%T of %v: got %v", request, name, err)
			}
		}
	}
}
