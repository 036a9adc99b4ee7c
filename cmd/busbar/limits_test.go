package main

import (
	"strings"
	"syscall"
	"testing"
)

// An IED serves as many clients as is stated, over either mapping; one more is refused and told why, and taken once another has left.
//
// Conformance: sAss3, sAssN3, cAss.
func TestOneClientMoreThanStatedIsRefused(t *testing.T) {
	f := newFolder(t)
	f.mms("{anonymous: [VIEWER]}\nied: {associations: 2}")
	for _, to := range []string{"pv1", f.overBoth("")} {
		t.Run(strings.Split(to, ":")[0], func(t *testing.T) {
			f := folder{t, f.dir}
			first, second := f.watchOf(to, watchedLimit), f.watchOf(to, watchedLimit)
			first.line()
			second.line()
			const hint = "  hint: it serves as many clients as it may"
			if r := f.run("get", "--jid", "guest", "--to", to, watchedLimit); r.status != exitFailed || !strings.Contains(r.stderr, hint) {
				t.Errorf("one more: %+v", r)
			}
			second.cmd.Process.Signal(syscall.SIGTERM)
			second.end()
			f.must("get", "--jid", "guest", "--to", to, watchedLimit)
			first.cmd.Process.Signal(syscall.SIGTERM)
			first.end()
		})
	}
}
