package mmsmap_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

var (
	setting = acsi.MustRef(pv + "/DGEN1.WMax.setMag.f[SP]")
	power   = acsi.MustRef(pv + "/MMXU1.TotW[MX]")
)

// plant is the model of the demo's photovoltaic plant.
func plant(t testing.TB) *acsi.Model {
	t.Helper()
	return testbed.Model(t, demo+"/pv.cid")
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

// Conformance: cAss, cSrv.
func TestReadAndWriteOverEveryCarrier(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		ended := make(chan error, 1)
		bed.NewIED("pv1", testbed.IEDConfig{Model: plant(t), Ended: func(err error) { ended <- err }})
		c := bed.Associate("ems", "pv1", rbac.Engineer)
		errs, err := c.SetDataValues(timeout(t), []acsi.Assignment{{Ref: setting, Value: value.Float(80)}})
		if err != nil || errs[0] != nil {
			t.Fatalf("write: %v %v", errs, err)
		}
		if got := read(t, c, setting); !got.Equal(value.Float(80)) {
			t.Errorf("read back %v, want 80", got)
		}
		if peer := c.Peer(); peer.Name != bed.PeerName("pv1") || peer.Unauthenticated != (o.Mode == testbed.Off || o.Mode == testbed.TCP) {
			t.Errorf("the peer is %+v", peer)
		}
		if err := c.Release(timeout(t)); err != nil {
			t.Errorf("release: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the IED says that the association ended with %v", err)
		}
	})
}

// IEC 62351-8: what a role does not allow is refused, and recorded.
func TestR2ViewerDoesNotWrite(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", plant(t))
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

func recorded(bed *testbed.Bed, id audit.ID, subject string) bool {
	for _, e := range bed.Audit.Events() {
		if e.ID == id && (e.Subject == subject || e.Peer == subject) {
			return true
		}
	}
	return false
}

// Conformance: cSrv.
func TestClientWithoutARoleSeesNothing(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", plant(t))
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

// Two parties share several associations; many calls are open on each at once.
func TestManyCallsOnSeveralAssociations(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", plant(t))
		ems := bed.Party("ems", rbac.Engineer)
		var calls sync.WaitGroup
		for range 3 {
			c := ems.Associate("pv1")
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
	})
}

// A party is client and server at once, with the same peer.
func TestBothSidesServeAndAsk(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		model := plant(t)
		_, a := bed.IED("a", model)
		_, b := bed.IED("b", model)
		for _, pair := range []struct {
			from *testbed.Party
			to   string
		}{{a, "b"}, {b, "a"}} {
			c := pair.from.Associate(pair.to)
			// An IED has no role: that it is refused shows that it has been understood.
			if _, err := c.GetServerDirectory(timeout(t)); !errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
				t.Errorf("to %s: %v", pair.to, err)
			}
		}
	})
}

func TestLongReadsAreSplit(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", plant(t))
		c := bed.Associate("ems", "pv1", rbac.Engineer)
		refs := make([]acsi.Ref, 3000) // over 65,000 octets in one request, in XER and in BER
		for i := range refs {
			refs[i] = setting
		}
		got, err := c.GetDataValues(timeout(t), refs)
		if err != nil || len(got) != len(refs) {
			t.Fatalf("a long read is not split: %d results, %v", len(got), err)
		}
	})
}

// A client that has lost its link associates again under the same name, and so does one whose IED has; what an IED keeps is there
// when it has begun anew.
//
// Conformance: cAss.
func TestAssociatedAgain(t *testing.T) {
	testbed.EachMode(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		ended := make(chan error, 4)
		closed := 0
		ied := bed.NewIED("pv1", testbed.IEDConfig{Ended: func(err error) { ended <- err },
			Engine: func(state string) (*server.Engine, func(), error) {
				entries, err := os.ReadDir(state)
				if err != nil || len(entries) != closed {
					t.Errorf("begins with %v %v, after %d ends", entries, err, closed)
				}
				e, err := server.New(server.Config{Model: plant(t), Audit: &bed.Audit})
				return e, func() {
					closed++
					if err := os.WriteFile(filepath.Join(state, "kept"), nil, 0o600); err != nil {
						t.Error(err)
					}
				}, err
			}})
		ems := bed.Party("ems", rbac.Engineer)
		ask := func() *mmsmap.Client {
			t.Helper()
			c := ems.Associate("pv1")
			read(t, c, power)
			return c
		}
		over := func(c *mmsmap.Client) {
			t.Helper()
			<-c.Done()
			if err := c.Err(); err == nil || strings.Contains(err.Error(), "aborted here") {
				t.Errorf("the client's association ended with %v", err)
			}
			if err := <-ended; err == nil {
				t.Error("the IED's association ended in order")
			}
		}
		c := ask()
		ems.Cut()
		over(c)
		ems.Open()
		c = ask()
		ied.Cut()
		over(c)
		ied.Open()
		c = ask()
		ied.Stop()
		over(c)
		ied.Start()
		ask()
	})
}
