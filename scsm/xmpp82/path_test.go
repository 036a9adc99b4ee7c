package xmpp82_test

import (
	"context"
	"errors"
	"fmt"
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
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

func recorded(bed *testbed.Bed, id audit.ID, subject string) bool {
	for _, e := range bed.Audit.Events() {
		if e.ID == id && (e.Subject == subject || e.Peer == subject) {
			return true
		}
	}
	return false
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

// A client that starts anew again and again under one address, within 20 minutes, does not draw half an id that the IED
// remembers.
func TestIDsOfClientsThatStartAnew(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{Listener: testbed.NewListener()})
	bed.IED("pv1", pv(t))
	now := time.Now()
	for i := range 40 {
		cfg := bed.Config("ems", rbac.Viewer)
		cfg.Now = func() time.Time { return now }
		e := bed.Dial(cfg)
		link, err := e.Associate(testbed.JID("pv1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := bed.AssociateLink(link).Release(timeout(t)); err != nil {
			t.Fatalf("release %d: %v", i, err)
		}
		e.Close()
		now = now.Add(3 * time.Second)
	}
	for _, ev := range bed.Audit.Events() {
		if ev.ID == audit.E2EAssociationID {
			t.Errorf("the IED has recorded %v", ev)
		}
	}
}
