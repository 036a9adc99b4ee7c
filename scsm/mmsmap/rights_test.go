package mmsmap_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// twoDevices serves PV1LD0 and BAT1LD0.
func twoDevices(t *testing.T, now func() time.Time) *server.Engine {
	t.Helper()
	m := &acsi.Model{IED: "TWO", LDs: slices.Concat(engine(t, "pv.cid").Model().LDs, engine(t, "battery.cid").Model().LDs)}
	e, err := server.New(server.Config{Model: m, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// services asks c for each service about ld, and gives the outcome of each.
func services(ctx context.Context, c acsi.Services, ld string) map[string]error {
	object := acsi.MustRef(ld + "/MMXU1.TotW[MX]")
	outcomes := make(map[string]error)
	_, outcomes["GetLogicalDeviceDirectory"] = c.GetLogicalDeviceDirectory(ctx, ld)
	_, outcomes["GetLogicalNodeDirectory"] = c.GetLogicalNodeDirectory(ctx, acsi.MustRef(ld+"/MMXU1"))
	_, outcomes["GetAllDataValues"] = c.GetAllDataValues(ctx, acsi.MustRef(ld+"/MMXU1[MX]"))
	_, outcomes["GetDataDirectory"] = c.GetDataDirectory(ctx, object)
	_, outcomes["GetDataDefinition"] = c.GetDataDefinition(ctx, object)
	results, err := c.GetDataValues(ctx, []acsi.Ref{object})
	if err == nil {
		err = results[0].Err
	}
	outcomes["GetDataValues"] = err
	errs, err := c.SetDataValues(ctx, []acsi.Assignment{{Ref: acsi.MustRef(ld + "/MMXU1.TotW.d[DC]"), Value: value.Visible("x")}})
	if err == nil {
		err = errs[0]
	}
	outcomes["SetDataValues"] = err
	ln, set := acsi.MustRef(ld+"/LLN0"), acsi.MustRef(ld+"/LLN0.Measurements")
	_, outcomes["GetDataSets"] = c.GetDataSets(ctx, ln)
	_, outcomes["GetDataSetDirectory"] = c.GetDataSetDirectory(ctx, set)
	results, err = c.GetDataSetValues(ctx, set)
	if err == nil {
		err = results[0].Err
	}
	outcomes["GetDataSetValues"] = err
	made := acsi.MustRef(ld + "/LLN0.made")
	outcomes["CreateDataSet"] = c.CreateDataSet(ctx, made, []acsi.Ref{acsi.MustRef(ld + "/MMXU1.TotW.d[DC]")})
	errs, err = c.SetDataSetValues(ctx, made, []value.Value{value.Visible("x")})
	if err == nil {
		err = errs[0]
	}
	outcomes["SetDataSetValues"] = err
	outcomes["DeleteDataSet"] = c.DeleteDataSet(ctx, made)
	_, outcomes["GetLogs"] = c.GetLogs(ctx, ln)
	return outcomes
}

var serviceNames = []string{"CreateDataSet", "DeleteDataSet", "GetAllDataValues", "GetDataDefinition", "GetDataDirectory", "GetDataSetDirectory",
	"GetDataSetValues", "GetDataSets", "GetDataValues", "GetLogicalDeviceDirectory", "GetLogicalNodeDirectory", "GetLogs", "SetDataSetValues", "SetDataValues"}

// IEC 62351-8: a logical device that the peer may not view is denied in every service, whether or not it is there.
func TestDevicesOutOfReachStayHidden(t *testing.T) {
	e := twoDevices(t, nil)
	some := rbac.Subject{Name: "ann@test.example", Grants: []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Engineer, pv)}}
	c := connect(t, e.Services, some, assoc.Config{})
	if names, err := c.GetServerDirectory(t.Context()); err != nil || cmp.Diff([]string{pv}, names) != "" {
		t.Errorf("GetServerDirectory: got %v %v, want only %s", names, err, pv)
	}
	for _, ld := range []string{"BAT1LD0", "NOTHING"} {
		for service, err := range services(t.Context(), c, ld) {
			if text(err) != "object-access-denied" {
				t.Errorf("%s about %s: got %v, want object-access-denied", service, ld, err)
			}
		}
	}
	for service, err := range services(t.Context(), c, pv) {
		if err != nil {
			t.Errorf("%s about what the peer may view: %v", service, err)
		}
	}
	a, _ := rawly(t, e.Services, some)
	for name, request := range map[string]mms.ConfirmedServiceRequest{
		"names from the middle": &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariable},
			ObjectScope: mms.ScopeDomain("BAT1LD0"), ContinueAfter: "MMXU1$MX$TotW"},
		"type of the node": &mms.GetVariableAccessAttributesRequest{Name: mms.DomainSpecific{DomainID: "BAT1LD0", ItemID: "MMXU1"}},
	} {
		if _, err := a.Call(t.Context(), request); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessDenied}) {
			t.Errorf("%s: got %v, want access: object-access-denied", name, err)
		}
	}
	r, err := ask[*mms.ReadResponse](t, a, &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{named("BAT1LD0", "MMXU1"),
		named("BAT1LD0", "MMXU9"), named("BAT1LD0", "MMXU1$MX"), named(pv, "MMXU1$MX")}})
	if err != nil {
		t.Fatal(err)
	}
	for i, result := range r.ListOfAccessResult {
		if denied := result == mms.AccessResult(mms.ObjectAccessDenied); denied != (i < 3) {
			t.Errorf("read %d: got %v", i, result)
		}
	}
}

func TestPeerWithoutRoleHasNothing(t *testing.T) {
	c := connect(t, twoDevices(t, nil).Services, subject(), assoc.Config{})
	if names, err := c.GetServerDirectory(t.Context()); text(err) != "object-access-denied" {
		t.Errorf("GetServerDirectory: got %v %v", names, err)
	}
	outcomes := services(t.Context(), c, pv)
	for _, service := range serviceNames {
		if text(outcomes[service]) != "object-access-denied" {
			t.Errorf("%s: got %v", service, outcomes[service])
		}
	}
}

func TestViewerReadsAndDoesNotWrite(t *testing.T) {
	c := connect(t, engine(t, "feeder.cid").Services, subject(rbac.Viewer), assoc.Config{})
	for service, err := range services(t.Context(), c, "FDR1LD0") {
		want := service == "SetDataValues" || service == "CreateDataSet" || service == "DeleteDataSet"
		if want != (text(err) == "object-access-denied") {
			t.Errorf("%s: got %v", service, err)
		}
	}
	// A logical node as a whole holds what a viewer may not read: control.
	values, err := c.GetAllDataValues(t.Context(), acsi.MustRef("FDR1LD0/CSWI1"))
	if err != nil {
		t.Fatal(err)
	}
	denied := 0
	for _, v := range values {
		if v.Ref.FC() == acsi.CO {
			denied++
		}
		if want := v.Ref.FC() == acsi.CO; want != (text(v.Err) == "object-access-denied") {
			t.Errorf("%v: got %v", v.Ref, v.Err)
		}
	}
	if denied == 0 {
		t.Error("the node has no control object: choose another")
	}
}

// A list that comes in parts ends when the right to view it does.
func TestRightsCountForEachPartOfAList(t *testing.T) {
	begin := time.Now()
	var later atomic.Int64 // nanoseconds that have passed
	e := twoDevices(t, func() time.Time { return begin.Add(time.Duration(later.Load())) })
	who := subject(rbac.Viewer)
	who.Grants[0].NotAfter = begin.Add(time.Hour)
	a, _ := rawly(t, e.Services, who)
	request := &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariable}, ObjectScope: mms.ScopeDomain(pv)}
	first, err := ask[*mms.GetNameListResponse](t, a, request)
	if err != nil {
		t.Fatal(err)
	}
	request.ContinueAfter = first.ListOfIdentifier[3]
	if _, err := a.Call(t.Context(), request); err != nil {
		t.Errorf("while the right lasts: %v", err)
	}
	later.Store(int64(2 * time.Hour))
	if _, err := a.Call(t.Context(), request); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessDenied}) {
		t.Errorf("after its end: got %v", err)
	}
}
