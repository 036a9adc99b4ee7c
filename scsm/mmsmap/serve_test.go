package mmsmap_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

func TestServicesSupportedTravel(t *testing.T) {
	e := engine(t, "pv.cid")
	c := connect(t, e.Services, everyRole(), assoc.Config{})
	if got, want := c.Supported(), e.Services(everyRole()).Supported(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if c.Peer().Name != "ied@test.example" || c.Parameters().MaxPDU == 0 {
		t.Errorf("peer %v, parameters %+v", c.Peer(), c.Parameters())
	}
}

// IEC 61850-7-2, 8.3: both ends know how an association has ended.
func TestEndsOfAnAssociation(t *testing.T) {
	e := engine(t, "pv.cid")
	for _, tc := range []struct {
		name            string
		end             func(c *mmsmap.Client, cancel func()) error
		inOrder, closed bool // for the client
	}{
		{"release", func(c *mmsmap.Client, _ func()) error { return c.Release(context.Background()) }, true, false},
		{"abort", func(c *mmsmap.Client, _ func()) error { c.Abort(); return nil }, false, true},
		{"the server's context", func(_ *mmsmap.Client, cancel func()) error { cancel(); return nil }, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			near, far := testbed.Pipe(everyRole(), rbac.Subject{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			served := make(chan error, 1)
			go func() { served <- mmsmap.Serve(ctx, far, mmsmap.ServerConfig{Services: e.Services}) }()
			c, err := mmsmap.Associate(t.Context(), near, assoc.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.end(c, cancel); err != nil {
				t.Errorf("end: %v", err)
			}
			<-c.Done()
			if err := c.Err(); (err == nil) != tc.inOrder || errors.Is(err, net.ErrClosed) != tc.closed {
				t.Errorf("client: %v", err)
			}
			if err := <-served; (err == nil) != tc.inOrder {
				t.Errorf("server: %v", err)
			}
			if _, err := c.GetServerDirectory(t.Context()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a call afterwards: %v", err)
			}
		})
	}
}

func TestPeerThatDoesNotAssociate(t *testing.T) {
	near, far := testbed.Pipe(rbac.Subject{}, rbac.Subject{})
	near.Close()
	if err := mmsmap.Serve(t.Context(), far, mmsmap.ServerConfig{Services: stub{}.services}); err == nil {
		t.Error("Serve on a dead link ends in order")
	}
	if c, err := mmsmap.Associate(t.Context(), near, assoc.Config{}); err == nil {
		t.Errorf("an association on a dead link: %v", c)
	}
}

// A value that no encoding can say is a fault of its own call, and not the end of the association.
func TestValueWithoutAnEncoding(t *testing.T) {
	bad, good := acsi.MustRef("LD/LN.A.bad[SP]"), acsi.MustRef("LD/LN.A.good[SP]")
	c := connect(t, stub{get: func(refs []acsi.Ref) ([]acsi.Result, error) {
		if refs[0] == bad {
			return []acsi.Result{{Value: value.Visible("Lüse")}}, nil
		}
		return []acsi.Result{{Value: value.Visible("Luese")}}, nil
	}}.services, everyRole(), assoc.Config{})
	if results, err := c.GetDataValues(t.Context(), []acsi.Ref{bad}); text(err) != "hardware-fault" {
		t.Errorf("got %v %v, want hardware-fault", results, err)
	}
	if n := len(c.Faults()); n != 1 {
		t.Errorf("%d faults heard, want 1", n)
	}
	if _, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: bad, Value: value.Visible("Lüse")}}); err == nil || errors.Is(err, assoc.ErrNoAnswer) {
		t.Errorf("written by a client: got %v, want an error before anything is sent", err)
	}
	if results, err := c.GetDataValues(t.Context(), []acsi.Ref{good}); err != nil || results[0].Err != nil {
		t.Errorf("another object afterwards: %v %v", results, err)
	}
}

// All methods may be called concurrently, and a cancelled call is no other's loss.
func TestClientIsSafeForConcurrentUse(t *testing.T) {
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		bed.IED("pv1", plant(t))
		link, err := bed.Party("ems", rbac.Engineer).Link("pv1")
		if err != nil {
			t.Fatal(err)
		}
		c, err := mmsmap.Associate(timeout(t), link, assoc.Config{MaxPDU: assoc.MinPDU, Outstanding: 3})
		if err != nil {
			t.Fatal(err)
		}
		refs := []acsi.Ref{acsi.MustRef(pv + "/MMXU1.TotW[MX]"), acsi.MustRef(pv + "/MMXU1[MX]")}
		done := make(chan error)
		const workers = 8
		for i := range workers {
			go func() {
				var err error
				for range 10 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					if i == 0 {
						cancel()
						c.GetDataValues(ctx, refs)
						continue
					}
					_, e1 := c.GetDataValues(ctx, refs)
					_, e2 := c.GetDataDefinition(ctx, acsi.MustRef(pv+"/DVVR1"))
					_, e3 := c.GetLogicalNodeDirectory(ctx, acsi.MustRef(pv+"/MMXU1"))
					err = errors.Join(err, e1, e2, e3)
					cancel()
				}
				done <- err
			}()
		}
		for range workers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
