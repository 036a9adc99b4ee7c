package clock

import (
	"testing"
	"time"

	"busbar.example/acsi"
)

func TestWhatTheKernelSaysIsTheQuality(t *testing.T) {
	for _, test := range []struct {
		name   string
		state  int
		status int64
		wrong  time.Duration
		want   acsi.TimeQuality
	}{
		{"synchronised", 0, 0x2001, 500 * time.Microsecond, acsi.LeapSecondsKnown | 10},
		{"a leap second comes", 1, 0x11, 500 * time.Microsecond, acsi.LeapSecondsKnown | 10},
		{"perfect", 0, 0, 0, acsi.LeapSecondsKnown | 24},
		{"hardly", 0, 0, 2 * time.Second, acsi.LeapSecondsKnown},
		{"an error", 5, 0, time.Microsecond, unknown},
		{"the status alone", 0, 0x40, time.Microsecond, unknown},
		{"a fault", 0, 0x1000, 500 * time.Microsecond, acsi.LeapSecondsKnown | acsi.ClockFailure | 10},
		{"a fault, and not synchronised", 5, 0x1040, 16 * time.Second, unknown | acsi.ClockFailure},
	} {
		if got := kernelQuality(test.state, test.status, test.wrong); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
