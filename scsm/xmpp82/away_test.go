package xmpp82_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/rbac"
)

// A peer whose server does not know of it yet is asked again, at growing intervals; one that stays away is not for long.
func TestPeerThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bed := testbed.Start(t, testbed.Options{Listener: testbed.NewListener()})
		cfg := bed.Config("ems", rbac.Viewer)
		var asked, bounced int
		cfg.Trace = &xmpp82.Trace{Carried: func(c xmpp82.Carried) {
			switch {
			case c.Sent && c.Element == "HandshakeReq":
				asked++
			case c.Err != nil:
				bounced++
			}
		}}
		e := bed.Dial(cfg)
		var late sync.WaitGroup
		late.Go(func() {
			time.Sleep(400 * time.Millisecond)
			bed.IED("late", pv(t))
		})
		c := bed.AssociateOn(e, "late")
		late.Wait()
		if asked != 5 || bounced != 4 { // after 0, 50, 150, 350 and 750 ms
			t.Errorf("asked %d times, %d of them in vain; want 5 and 4", asked, bounced)
		}
		read(t, c, power)
		if err := c.Release(t.Context()); err != nil {
			t.Error(err)
		}

		link, err := e.Associate(testbed.JID("absent"))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = mmsmap.Associate(t.Context(), link, assoc.Config{})
		var unreachable *xmpp82.UnreachableError
		if took := time.Since(start); !errors.As(err, &unreachable) || took < 1500*time.Millisecond || took > 2*time.Second {
			t.Errorf("associate with one who is not there: %v after %v; want that it cannot be reached after 1.55 s", err, took)
		}

		link, err = e.Associate(testbed.JID("absent"))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(100*time.Millisecond, func() { link.Close() })
		start = time.Now()
		if _, err = mmsmap.Associate(t.Context(), link, assoc.Config{}); err == nil || time.Since(start) > 100*time.Millisecond {
			t.Errorf("an association that is closed while it waits: %v after %v; want an error after 100 ms", err, time.Since(start))
		}
	})
}

// A clock that jumps ends what end-to-end security dates, and nothing that only takes time: the session stays, and once the
// clock is right again, so does the next association.
//
// IEC 62351-4, 14.4.
func TestClockThatJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bed := testbed.Start(t, testbed.Options{Listener: testbed.NewListener()})
				bed.IED("pv1", pv(t))
				cfg := bed.Config("ems", rbac.Viewer)
				var wrong atomic.Int64
				cfg.Now = func() time.Time { return time.Now().Add(time.Duration(wrong.Load())) }
				time.Sleep(2 * time.Hour) // certificates begin in time
				e := bed.Dial(cfg)
				c := bed.AssociateOn(e, "pv1")
				read(t, c, power)

				wrong.Store(int64(jump))
				if _, err := c.GetDataValues(t.Context(), []acsi.Ref{power}); err == nil {
					t.Error("a request that is dated by a wrong clock is answered")
				}
				link, err := e.Associate(testbed.JID("pv1"))
				if err == nil {
					_, err = mmsmap.Associate(t.Context(), link, assoc.Config{})
				}
				if err == nil {
					t.Error("an association is made by a wrong clock")
				}
				time.Sleep(time.Minute)
				if err := e.Session().Err(); err != nil {
					t.Fatalf("the session has ended: %v", err)
				}
				wrong.Store(0)
				c = bed.AssociateOn(e, "pv1")
				read(t, c, power)
				if err := c.Release(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
