package audit

import (
	"sync"
	"time"
)

const (
	eventsPerMinute   = 32   // of one account
	accountsPerMinute = 1024 // that are told apart
)

// A Throttle bounds the events that peers can cause as often as they like: 32 a minute for each account, so that one does not hide
// another's, and for 1,024 accounts a minute. The zero Throttle is ready for use, by several goroutines too.
type Throttle struct {
	mu     sync.Mutex
	since  time.Time // when the minute began
	told   map[string]int
	missed int
}

// Allow says whether the next event of an account is reported, and how many of all accounts were not since the last that was.
func (t *Throttle) Allow(account string, now time.Time) (ok bool, missed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if past := now.Sub(t.since); t.told == nil || past >= time.Minute || past < 0 {
		t.since, t.told = now, make(map[string]int)
	}
	n, known := t.told[account]
	if n >= eventsPerMinute || !known && len(t.told) >= accountsPerMinute {
		t.missed++
		return false, 0
	}
	t.told[account] = n + 1
	missed, t.missed = t.missed, 0
	return true, missed
}
