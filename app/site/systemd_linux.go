package site

import (
	"syscall"
	"unsafe"
)

// monotonic returns the time of CLOCK_MONOTONIC in microseconds, which Go keeps to itself.
func monotonic() int64 {
	const clockMonotonic = 1
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano() / 1000
}
