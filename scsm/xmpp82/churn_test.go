package xmpp82_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
)

// Associations one after another, over more than twice the time that anything of one is remembered, leave no memory in use
// at either end.
func TestAssociationsLeaveNothing(t *testing.T) {
	const each, n = 6 * time.Second, 450
	began, passed := time.Now(), new(atomic.Int64)
	bed := testbed.Start(t, testbed.Options{Listener: testbed.NewListener()})
	online := func(name string, serve bool) *xmpp82.Endpoint {
		cfg := bed.Config(name)
		cfg.Serve, cfg.XMPP.Audit, cfg.E2E.Audit = serve, audit.Discard, audit.Discard
		cfg.Now = func() time.Time { return began.Add(time.Duration(passed.Load())) }
		return bed.Dial(cfg)
	}
	server, client := online("pv1", true), online("ems", false)
	handler := func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return answer("x"), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	var heap uint64
	for i := range n {
		served := make(chan *assoc.Association, 1)
		go func() {
			defer close(served)
			if link, err := server.Accept(ctx); err == nil {
				a, err := assoc.Accept(ctx, link, assoc.Config{}, func(*assoc.Association) (assoc.Handler, mms.ServiceSupportOptions, error) {
					return handler, mms.Services(mms.ServiceRead), nil
				})
				if err == nil {
					served <- a
				}
			}
		}()
		link, err := client.Associate(testbed.JID("pv1"))
		if err != nil {
			t.Fatalf("association %d: %v", i, err)
		}
		a, err := assoc.Initiate(ctx, link, assoc.Config{})
		if err != nil {
			t.Fatalf("association %d: %v", i, err)
		}
		b := <-served
		if _, err := a.Call(ctx, readItem("x")); err != nil || b == nil {
			t.Fatalf("call on association %d, which is served by %v: %v", i, b, err)
		}
		if i%2 == 0 {
			a.Abort()
		} else if err := a.Conclude(ctx); err != nil {
			t.Fatalf("conclude %d: %v", i, err)
		}
		<-a.Done()
		<-b.Done()
		passed.Add(int64(each))
		if i == n/2 {
			heap = heapInUse()
		}
	}
	if now := heapInUse(); now > heap+256<<10 {
		t.Errorf("%d associations more, and %d octets are in use in place of %d", n/2, now, heap)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
