package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const unitFolder = "../../dist/systemd"

// units are the unit files, by name.
func units(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(unitFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".service" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(unitFolder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

// What the units start is there: each command takes the flags that are given to it.
func TestUnitsStartWhatThereIs(t *testing.T) {
	for name, text := range units(t) {
		lines := regexp.MustCompile(`(?m)^Exec\w+=/usr/bin/busbar (.*)$`).FindAllStringSubmatch(text, -1)
		if len(lines) == 0 {
			t.Errorf("%s starts nothing of ours", name)
		}
		for _, l := range lines {
			args := strings.Fields(l[1])
			if r := (folder{t, t.TempDir()}).run(append(args, "--help")...); r.status != exitDone {
				t.Errorf("%s: busbar %s --help: status %d, %s", name, l[1], r.status, r.stderr)
			}
		}
	}
}

// systemd takes the units as they are, and finds them little exposed.
func TestUnitsAreVerified(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("systemd-analyze is not installed: package systemd")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range units(t) {
		unit := filepath.Join(dir, strings.Replace(name, "@", "@pv1", 1))
		if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, "/usr/bin/busbar", self)), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), analyze, "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: systemd-analyze verify: %v\n%s", name, err, out)
		}
		const most = 15 // tenths of its level of exposure, 0 to 100
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--no-pager", fmt.Sprintf("--threshold=%d", most), unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: systemd-analyze security: %v\n%s", name, err, out)
		}
		t.Logf("%s: %s", name, regexp.MustCompile(`Overall exposure level.*: ([\d.]+)`).FindString(string(out)))
	}
}

// notifySocket is what systemd listens on for a service.
func notifySocket(t *testing.T) (name string, next func() string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "busbar-notify-") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name = filepath.Join(dir, "s")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return name, func() string {
		t.Helper()
		b := make([]byte, 4096)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("nothing was said within a minute: %v", err)
		}
		return string(b[:n])
	}
}

// A broker that systemd runs says when it is ready, that it lives, when it reads its files again, and that it ends.
func TestBrokerTellsSystemd(t *testing.T) {
	f := newFolder(t)
	name, next := notifySocket(t)
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "200000")
	t.Setenv("WATCHDOG_PID", "")
	p, _ := f.broker()
	await := func(want string) string {
		t.Helper()
		for range 1000 {
			if said := next(); strings.HasPrefix(said, want) {
				return said
			} else if !strings.HasPrefix(said, "WATCHDOG=1") && !strings.HasPrefix(said, "READY=1") {
				t.Errorf("the broker said %q while %q was due", said, want)
			}
		}
		t.Fatalf("the broker never said %q", want)
		return ""
	}
	if said := await("READY=1"); !strings.Contains(said, "STATUS=serves "+domain) {
		t.Errorf("ready: %q", said)
	}
	await("WATCHDOG=1")
	p.cmd.Process.Signal(syscall.SIGHUP)
	if said := await("RELOADING=1"); !regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=[1-9]\d*$`).MatchString(said) {
		t.Errorf("reading again: %q", said)
	}
	await("READY=1")
	p.cmd.Process.Signal(syscall.SIGTERM)
	await("STOPPING=1")
	if status, said := p.stop(); status != exitDone {
		t.Errorf("the broker ended with %d: %s", status, said)
	}
	if _, err := os.Stat(f.path("run", "broker-status")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the note of its status is left: %v", err)
	}
}
