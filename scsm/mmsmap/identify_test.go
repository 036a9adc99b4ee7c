package mmsmap_test

import (
	"errors"
	"slices"
	"testing"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
)

// identified serves an engine that has an identity to a client with the given roles.
func identified(t *testing.T, o testbed.Options, identity mmsmap.Identity, roles ...rbac.Role) *mmsmap.Client {
	t.Helper()
	bed := testbed.Start(t, o)
	bed.NewIED("pv1", testbed.IEDConfig{Model: plant(t), Server: mmsmap.ServerConfig{Identity: identity}})
	return bed.Associate("ann", "pv1", roles...)
}

// ISO 9506-2, Identify and Status.
func TestIdentifyAndStatus(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		want := mmsmap.Identity{Vendor: "Sunny", Model: "PV-9", Revision: "1.2"}
		c := identified(t, o, want, rbac.Viewer)
		if got, err := c.Identify(t.Context()); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		for _, selfTest := range []bool{false, true} {
			if l, p, err := c.Status(t.Context(), selfTest); err != nil || l != mms.StateChangesAllowed || p != mms.Operational {
				t.Errorf("status: got %v, %v, %v", l, p, err)
			}
		}
		for _, kind := range []mms.ServiceKind{mms.ServiceIdentify, mms.ServiceStatus} {
			if !c.Parameters().Services.Has(kind) {
				t.Errorf("%v is served and not announced", kind)
			}
		}
	})
}

// IEC 62351-8: who may view nothing does not learn what it is that refuses him.
func TestIdentifyTakesTheRightToView(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		c := identified(t, o, mmsmap.Identity{Vendor: "Sunny"})
		if got, err := c.Identify(t.Context()); text(err) != "object-access-denied" {
			t.Errorf("identify: got %+v, %v", got, err)
		}
		if _, _, err := c.Status(t.Context(), false); text(err) != "object-access-denied" {
			t.Errorf("status: got %v", err)
		}
	})
}

// Clients that browse ask for the data sets and logs of each logical device, and for names of the server and of the
// association: where there are none the list is empty, and no error.
func TestListsOfWhatThereIsNoneOf(t *testing.T) {
	a, _ := rawly(t, stub{lns: func(ld string) ([]string, error) {
		if ld != pv {
			return nil, acsi.Errorf(acsi.ObjectNonExistent, "no %s", ld)
		}
		return []string{"LLN0"}, nil
	}}.services, subject(rbac.Viewer))
	list := func(class mms.ObjectClass, scope mms.ObjectScope, after string) (*mms.GetNameListResponse, error) {
		return ask[*mms.GetNameListResponse](t, a, &mms.GetNameListRequest{
			ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: class}, ObjectScope: scope, ContinueAfter: after})
	}
	empty := []mms.ObjectClass{mms.ClassNamedVariableList, mms.ClassJournal}
	scopes := map[string]mms.ObjectScope{"VMD": mms.ScopeVMD{}, "domain": mms.ScopeDomain(pv), "association": mms.ScopeAA{}}
	for name, scope := range scopes {
		for _, class := range append(empty, mms.ClassNamedVariable) {
			if name == "domain" && !slices.Contains(empty, class) {
				continue
			}
			if r, err := list(class, scope, ""); err != nil || len(r.ListOfIdentifier) > 0 || r.MoreFollows {
				t.Errorf("%v, %s: got %+v, %v, want an empty list", class, name, r, err)
			}
		}
	}
	for what, tc := range map[string]struct {
		class mms.ObjectClass
		scope mms.ObjectScope
		after string
		want  mms.ErrorClass
	}{
		"data sets of a domain that is not there": {mms.ClassNamedVariableList, mms.ScopeDomain("NOLD"), "", mms.AccessObjectNonExistent},
		"data sets after one that is not there":   {mms.ClassNamedVariableList, mms.ScopeDomain(pv), "LLN0$ds", mms.AccessObjectNonExistent},
		"programs":                                {10, mms.ScopeVMD{}, "", mms.AccessObjectAccessUnsupported},
		"domains of a domain":                     {mms.ClassDomain, mms.ScopeDomain(pv), "", mms.AccessObjectAccessUnsupported},
	} {
		if r, err := list(tc.class, tc.scope, tc.after); !errors.Is(err, &assoc.ServiceError{Class: tc.want}) {
			t.Errorf("%s: got %+v, %v, want %v", what, r, err, tc.want)
		}
	}
}

// A list of a domain that the peer may not view tells nothing of it.
func TestListsOfWhatThePeerMayNotView(t *testing.T) {
	a, _ := rawly(t, twoDevices(t, nil).Services, rbac.Subject{Grants: []rbac.Grant{(*rbac.Policy)(nil).NewGrant(rbac.Engineer, pv)}})
	for _, ld := range []string{"BAT1LD0", "NOTHING"} {
		_, err := a.Call(t.Context(), &mms.GetNameListRequest{
			ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariableList}, ObjectScope: mms.ScopeDomain(ld)})
		if !errors.Is(err, &assoc.ServiceError{Class: mms.AccessObjectAccessDenied}) {
			t.Errorf("%s: got %v, want access: object-access-denied", ld, err)
		}
	}
}
