package site

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	burstQuiet = 5 * time.Second // without a login, after which a burst of them is over
	burstSize  = 64              // logins that are worth it
)

// giveBack returns to the operating system what handshakes have needed, once a burst of them is over: sessions may be idle for
// hours then, and nothing else would make the collector run.
func giveBack(ctx context.Context, logins func() uint64) {
	tick := time.NewTicker(burstQuiet)
	defer tick.Stop()
	var last, burst uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := logins()
		switch {
		case now != last:
			burst += now - last
			last = now
		case burst >= burstSize:
			debug.FreeOSMemory()
			burst = 0
		}
	}
}
