// Package clock tells an IED what time it is and how far that can be trusted: by the clock of its host as the operating system
// keeps it, or by time servers, which it asks over SNTP without setting anything.
package clock

import (
	"math"
	"sync"
	"time"

	"busbar.example/acsi"
)

// unknown is the quality of a time that nothing vouches for.
const unknown = acsi.ClockNotSynchronized | acsi.AccuracyUnspecified

// qualityOf is that of a synchronised clock which may be wrong by so much.
//
// IEC 61850-7-2, 6.1.2.9, TimeAccuracy: the bits of the fraction that can be relied upon.
func qualityOf(wrong time.Duration) acsi.TimeQuality {
	bits := math.Floor(-math.Log2(max(wrong, 1).Seconds()))
	return acsi.LeapSecondsKnown | acsi.TimeQuality(min(max(bits, 0), 24))
}

// Host is the clock of the host. The zero Host is ready for use, by several goroutines at once.
type Host struct {
	mu      sync.Mutex
	asked   time.Time
	quality acsi.TimeQuality
}

// hostAge is how long an answer of the operating system is good for.
const hostAge = time.Second

// Now is the time.
func (h *Host) Now() time.Time { return time.Now() }

// Quality is what the operating system says of its clock, up to a second ago: that it is synchronised, and how far it may
// be wrong. Where it does not tell, the clock is not known to be synchronised.
func (h *Host) Quality() acsi.TimeQuality {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); h.asked.IsZero() || now.Sub(h.asked) >= hostAge {
		h.asked, h.quality = now, hostQuality()
	}
	return h.quality
}
