package xmpp82_test

import (
	"context"
	"os"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/internal/testbed"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

func pv(t testing.TB) *acsi.Model {
	t.Helper()
	f, err := os.Open("../../app/demo/scl/pv.cid")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	model, findings, err := doc.Model("", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Errorf("finding: %v", f)
	}
	return model
}

func TestReadAndWriteThroughTheBroker(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	bed.IED("pv1", pv(t))
	c := bed.Associate("ems", "pv1", rbac.Engineer)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	ref := acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]")
	errs, err := c.SetDataValues(ctx, []acsi.Assignment{{Ref: ref, Value: value.Float(80)}})
	if err != nil || errs[0] != nil {
		t.Fatalf("write: %v %v", errs, err)
	}
	got, err := c.GetDataValues(ctx, []acsi.Ref{ref})
	if err != nil || got[0].Err != nil || !got[0].Value.Equal(value.Float(80)) {
		t.Fatalf("read back: %v %v", got, err)
	}
	if err := c.Release(ctx); err != nil {
		t.Errorf("release: %v", err)
	}
}
