package site

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// notify tells systemd of the state of this program, where systemd has started it and wants to know. What it says is
// lines of NAME=VALUE; what goes wrong is systemd's to notice.
//
// sd_notify(3)
func notify(format string, args ...any) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(c, format, args...)
}

// watchdog returns how often systemd wants a sign of life, 0 for never: twice in its limit.
//
// sd_watchdog_enabled(3)
func watchdog() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	n, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || n <= 0 {
		return 0
	}
	return time.Duration(n) * time.Microsecond / 2
}
