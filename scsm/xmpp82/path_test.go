package xmpp82_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	setting = acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]")
	power   = acsi.MustRef("PV1LD0/MMXU1.TotW[MX]")
)

// pv is the model of the demo's photovoltaic plant.
func pv(t testing.TB) *acsi.Model {
	t.Helper()
	return testbed.Model(t, "../../app/demo/scl/pv.cid")
}

func timeout(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// read reads one value that must be there.
func read(t testing.TB, c *mmsmap.Client, ref acsi.Ref) value.Value {
	t.Helper()
	got, err := c.GetDataValues(timeout(t), []acsi.Ref{ref})
	if err != nil || got[0].Err != nil {
		t.Fatalf("read %v: %v %v", ref, got, err)
	}
	return got[0].Value
}

func TestReadAndWriteThroughTheBroker(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", pv(t))
		c := bed.Associate("ems", "pv1", rbac.Engineer)
		errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: setting, Value: value.Float(80)}})
		if err != nil || errs[0] != nil {
			t.Fatalf("write: %v %v", errs, err)
		}
		if got := read(t, c, setting); !got.Equal(value.Float(80)) {
			t.Errorf("read back %v, want 80", got)
		}
		if peer := c.Peer(); peer.Name != "pv1@"+testbed.Domain {
			t.Errorf("the peer is %+v", peer)
		}
		if err := c.Release(timeout(t)); err != nil {
			t.Errorf("release: %v", err)
		}
	})
}

// IEC 62351-8: what a role does not allow is refused, and recorded.
func TestR2ViewerDoesNotWrite(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", pv(t))
		c := bed.Associate("guest", "pv1", rbac.Viewer)
		errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: setting, Value: value.Float(0)}})
		if err != nil || !errors.Is(errs[0], &acsi.Error{Code: acsi.ObjectAccessDenied}) {
			t.Errorf("got %v %v, want object-access-denied", errs, err)
		}
		if got := read(t, c, setting); got.Equal(value.Float(0)) {
			t.Error("the value was written all the same")
		}
		if !recorded(bed, audit.AccessDenied, "guest@"+testbed.Domain) {
			t.Errorf("no event %s for guest in %v", audit.AccessDenied, bed.Audit.Events())
		}
	})
}

func TestClientWithoutARoleSeesNothing(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", pv(t))
		c := bed.Associate("nobody", "pv1")
		lds, err := c.GetServerDirectory(timeout(t))
		if len(lds) > 0 {
			t.Errorf("sees %v %v", lds, err)
		}
		got, err := c.GetDataValues(timeout(t), []acsi.Ref{power})
		if err != nil || !errors.Is(got[0].Err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
			t.Errorf("read: %v %v, want object-access-denied", got, err)
		}
	})
}

func recorded(bed *testbed.Bed, id audit.ID, subject string) bool {
	for _, e := range bed.Audit.Events() {
		if e.ID == id && (e.Subject == subject || e.Peer == subject) {
			return true
		}
	}
	return false
}

// Several associations share a pair of JIDs; many calls are open on each at once.
func TestManyCallsOnSeveralAssociations(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", pv(t))
		e := bed.Dial(bed.Config("ems", rbac.Engineer))
		ids := make(map[string]bool)
		var calls sync.WaitGroup
		for range 3 {
			link, err := e.Associate(testbed.JID("pv1"))
			if err != nil {
				t.Fatal(err)
			}
			c := bed.AssociateLink(link)
			ids[link.ID()] = true
			for range 4 {
				calls.Go(func() {
					for range 4 {
						got, err := c.GetDataValues(timeout(t), []acsi.Ref{power, setting})
						if err != nil || got[0].Err != nil || got[0].Value.Kind() != value.Structure || got[1].Value.Kind() != value.Float32 {
							t.Errorf("got %v %v", got, err)
							return
						}
					}
				})
			}
		}
		calls.Wait()
		if len(ids) != 3 {
			t.Errorf("three associations have the ids %v", ids)
		}
	})
}

// An account is client and server at once, with the same peer.
func TestBothSidesServeAndAsk(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		model := pv(t)
		_, a := bed.IED("a", model)
		_, b := bed.IED("b", model)
		for _, pair := range []struct {
			from *xmpp82.Endpoint
			to   string
		}{{a, "b"}, {b, "a"}} {
			c := bed.AssociateOn(pair.from, pair.to)
			// An IED has no role: that it is refused shows that it has been understood.
			if _, err := c.GetServerDirectory(timeout(t)); !errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
				t.Errorf("to %s: %v", pair.to, err)
			}
		}
	})
}

func TestPeerThatIsNotThere(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	e := bed.Dial(bed.Config("ems", rbac.Viewer))
	bed.Dial(bed.Config("other")) // on line, and serves nothing
	for _, name := range []string{"absent", "other"} {
		link, err := e.Associate(testbed.JID(name))
		if err != nil {
			t.Fatal(err)
		}
		_, err = mmsmap.Associate(timeout(t), link, assoc.Config{})
		var unreachable *xmpp82.UnreachableError
		if !errors.As(err, &unreachable) || unreachable.Peer != testbed.JID(name) {
			t.Errorf("associate with %s: %v, want that it cannot be reached", name, err)
		}
	}
	if _, err := e.Associate(testbed.JID("x").Bare()); err == nil {
		t.Error("an association with a bare JID is accepted")
	}
	if _, err := e.Associate(testbed.JID("ems")); err == nil {
		t.Error("an association with oneself is accepted")
	}
}

func TestPDUsOverTheAgreedSizeAreRefused(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", pv(t))
		c := bed.Associate("ems", "pv1", rbac.Engineer)
		var refs []acsi.Ref
		for range 600 { // some 120 kB in one request, in an association for 65,000 octets
			refs = append(refs, setting)
		}
		got, err := c.GetDataValues(timeout(t), refs)
		if err != nil || len(got) != len(refs) {
			t.Fatalf("a long read is not split: %d results, %v", len(got), err)
		}
	})
}

// An id is not used again for the same peer for 20 minutes.
func TestIDsDifferOverTime(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	bed.IED("pv1", pv(t))
	e := bed.Dial(bed.Config("ems", rbac.Viewer))
	ids := make(map[string]bool)
	for i := range 30 {
		link, err := e.Associate(testbed.JID("pv1"))
		if err != nil {
			t.Fatal(err)
		}
		c := bed.AssociateLink(link)
		if ids[link.ID()] {
			t.Fatalf("association %d has the id %s again", i, link.ID())
		}
		ids[link.ID()] = true
		if err := c.Release(timeout(t)); err != nil {
			t.Fatal(fmt.Errorf("release %d: %w", i, err))
		}
	}
}
