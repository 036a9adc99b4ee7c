package mmsmap_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
)

// byLevels asks for the names below an object.
func byLevels(ld, item, after string) *mms.ExtendedGetNameListRequest {
	return &mms.ExtendedGetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariable},
		ObjectScope: mms.ScopeDomain(ld), ItemID: item, ContinueAfter: after}
}

// leveled associates with an engine as a peer that may ask for anything; both ends offer names level by level, or not.
func leveled(t *testing.T, near, far assoc.Config) *assoc.Association {
	t.Helper()
	link, other := testbed.Pipe(everyRole(), rbac.Subject{})
	w := &wired{cfg: far}
	w.serve(t, other, engine(t, "pv.cid").Services)
	a, err := assoc.Initiate(t.Context(), link, near)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Abort)
	return a
}

// IEC 61850-8-2, extendedGetNameList: one level a call.
func TestNamesLevelByLevel(t *testing.T) {
	offer := assoc.Config{Services: mmsmap.ExtendedNames}
	a := leveled(t, offer, offer)
	for item, want := range map[string]string{
		"":                        "DAGC1 ",
		"MMXU1":                   "CF DC MX ST SV",
		"MMXU1$MX$TotW":           "mag q t",
		"MMXU1$MX$TotW$mag":       "f",
		"MMXU1$MX$TotW$q":         "",
		"DVVR1$SP$VVArCrv":        "crvPts",
		"DVVR1$SP$VVArCrv$crvPts": "",
	} {
		r, err := ask[*mms.ExtendedGetNameListResponse](t, a, byLevels(pv, item, ""))
		if err != nil {
			t.Errorf("%q: %v", item, err)
			continue
		}
		got := strings.Join(r.ListOfIdentifier, " ")
		if item == "" && slices.Contains(r.ListOfIdentifier, "MMXU1") && !strings.Contains(got, "$") {
			continue // all logical nodes
		}
		if item == "DVVR1$SP$VVArCrv" && strings.Contains(got, want) {
			continue
		}
		if got != want || r.MoreFollows {
			t.Errorf("%q: got %q, more %t; want %q", item, got, r.MoreFollows, want)
		}
	}
	for what, request := range map[string]*mms.ExtendedGetNameListRequest{
		"a node that is not there":       byLevels(pv, "MMXU9", ""),
		"a device that is not there":     byLevels("NOLD", "", ""),
		"after a name that is not there": byLevels(pv, "MMXU1", "XX"),
		"an index":                       byLevels(pv, "DVVR1$SP$VVArCrv(1)", ""),
	} {
		if r, err := ask[*mms.ExtendedGetNameListResponse](t, a, request); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectNonExistent}) {
			t.Errorf("%s: got %+v %v", what, r, err)
		}
	}
	other := byLevels(pv, "", "")
	other.ExtendedObjectClass.ObjectClass = mms.ClassJournal
	if r, err := ask[*mms.ExtendedGetNameListResponse](t, a, other); !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessUnsupported}) {
		t.Errorf("journals: got %+v %v", r, err)
	}
}

// Names that come level by level are those that the engine gives.
func TestLevelsChangeNothing(t *testing.T) {
	for _, file := range []string{"pv.cid", "feeder.cid"} {
		e := engine(t, file)
		w := connect(t, e.Services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU, Services: mmsmap.ExtendedNames})
		c := comparison{t, e.Services(everyRole()), w, nil}
		ctx := t.Context()
		for _, ld := range same(c, "GetServerDirectory", c.engine.GetServerDirectory, c.client.GetServerDirectory) {
			lns := same(c, "GetLogicalDeviceDirectory "+ld,
				func(ctx context.Context) ([]string, error) { return c.engine.GetLogicalDeviceDirectory(ctx, ld) },
				func(ctx context.Context) ([]string, error) { return c.client.GetLogicalDeviceDirectory(ctx, ld) })
			for _, ln := range lns {
				node, err := c.engine.GetDataDefinition(ctx, acsi.MustRef(ld+"/"+ln))
				if err != nil {
					t.Fatal(err)
				}
				for _, fc := range append(node.FCs(), 0) {
					ref := acsi.MustRef(ld + "/" + ln).WithFC(fc)
					same(c, "GetLogicalNodeDirectory "+ref.String(),
						sorted(func() ([]string, error) { return c.engine.GetLogicalNodeDirectory(ctx, ref) }),
						sorted(func() ([]string, error) { return c.client.GetLogicalNodeDirectory(ctx, ref) }))
				}
			}
		}
		if faults := w.Faults(); len(faults) > 0 {
			t.Errorf("faults: %v", faults)
		}
	}
}

// Only where both ends have offered it.
func TestLevelsAreAgreedOn(t *testing.T) {
	offer := assoc.Config{Services: mmsmap.ExtendedNames}
	for _, far := range []assoc.Config{{}, offer} {
		a := leveled(t, assoc.Config{}, far)
		var reject *assoc.RejectError
		if r, err := a.Call(t.Context(), byLevels(pv, "", "")); !errors.As(err, &reject) {
			t.Errorf("got %+v %v, want a reject", r, err)
		}
	}
	asked := 0
	near, far := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	accepted := make(chan *assoc.Association, 1)
	go func() {
		s, _ := assoc.Accept(t.Context(), far, assoc.Config{}, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
			return func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				if _, ok := request.(*mms.ExtendedGetNameListRequest); ok {
					asked++
				}
				return &mms.GetNameListResponse{ListOfIdentifier: []string{"LLN0"}}, nil
			}, mms.Services(mms.ServiceGetNameList), nil
		})
		accepted <- s
	}()
	c, err := mmsmap.Associate(t.Context(), near, offer)
	if err != nil {
		t.Fatal(err)
	}
	s := <-accepted
	defer s.Abort()
	defer c.Abort()
	if names, err := c.GetLogicalDeviceDirectory(t.Context(), "LD"); err != nil || len(names) != 1 || asked > 0 {
		t.Errorf("got %v %v, asked %d times", names, err, asked)
	}
}

func TestLevelsThatMakeNoSense(t *testing.T) {
	for want, list := range map[string]func(after string) ([]string, bool){
		"not in order":         func(string) ([]string, bool) { return []string{"A", "A"}, false },
		"nothing does":         func(string) ([]string, bool) { return nil, true },
		"no name of one level": func(string) ([]string, bool) { return []string{"A$B"}, false },
		"longer than": func(after string) ([]string, bool) {
			var from int
			fmt.Sscanf(after, "N%d", &from)
			var part []string
			for i := range 1500 {
				part = append(part, fmt.Sprintf("N%08d", from+i+1))
			}
			return part, true
		},
	} {
		near, far := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
		accepted := make(chan *assoc.Association, 1)
		go func() {
			s, _ := assoc.Accept(t.Context(), far, assoc.Config{}, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
				return func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
					names, more := list(request.(*mms.ExtendedGetNameListRequest).ContinueAfter)
					return &mms.ExtendedGetNameListResponse{ListOfIdentifier: names, MoreFollows: more}, nil
				}, mmsmap.ExtendedNames, nil
			})
			accepted <- s
		}()
		c, err := mmsmap.Associate(t.Context(), near, assoc.Config{Services: mmsmap.ExtendedNames})
		if err != nil {
			t.Fatal(err)
		}
		s := <-accepted
		if got, err := c.GetLogicalNodeDirectory(t.Context(), acsi.MustRef("LD/LN[ST]")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %d names and %v, want an error with %q", len(got), err, want)
		}
		c.Abort()
		s.Abort()
	}
}
