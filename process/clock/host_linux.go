package clock

import (
	"syscall"
	"time"

	"busbar.example/acsi"
)

// What adjtimex(2) says.
const (
	timeError  = 5      // its result: the clock is not synchronised
	staUnsync  = 0x0040 // in its status
	staClockHW = 0x1000 // in its status: the hardware has a fault
)

// hostQuality is what the kernel knows of its clock.
func hostQuality() acsi.TimeQuality {
	var t syscall.Timex // without modes: it sets nothing
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		return unknown
	}
	return kernelQuality(state, int64(t.Status), time.Duration(t.Maxerror)*time.Microsecond)
}

func kernelQuality(state int, status int64, maxError time.Duration) acsi.TimeQuality {
	q := unknown
	if state != timeError && status&staUnsync == 0 {
		q = qualityOf(maxError)
	}
	if status&staClockHW != 0 {
		q |= acsi.ClockFailure
	}
	return q
}
