package site

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsGivenBackAfterABurstOfLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logins atomic.Uint64
		forced := func() uint32 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.NumForcedGC
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			giveBack(ctx, logins.Load)
		}()
		began := forced()
		for _, step := range []struct {
			logins uint64
			wants  uint32 // collections that were asked for so far
		}{{burstSize - 1, 0}, {0, 0}, {0, 0}, {1, 0}, {burstSize, 0}, {0, 1}, {0, 1}} {
			logins.Add(step.logins)
			time.Sleep(burstQuiet)
			synctest.Wait()
			if got := forced() - began; got != step.wants {
				t.Errorf("after %d more logins: %d collections, want %d", step.logins, got, step.wants)
			}
		}
		cancel()
		<-ended
	})
}
