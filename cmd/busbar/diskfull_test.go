package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// fullDisk takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// Whoever writes results to a full disk is told that they are lost.
func TestResultsThatCannotBeWrittenAreAFailure(t *testing.T) {
	f := folder{t, t.TempDir()}
	f.must("init", f.dir, "--domain", "dso.example")
	for _, args := range []string{"version", "scl check ../../app/demo/scl/pv.cid", "scl check --json ../../app/demo/scl/pv.cid",
		"scl extract ../../app/demo/scl/pv.cid --ied PV1", "pki show " + f.dir + "/pki/broker/tls.crt", "init --help"} {
		var stderr bytes.Buffer
		status := run(t.Context(), append(strings.Fields(args), "--site", f.dir), fullDisk{}, &stderr)
		if status != exitFailed || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("busbar %s: status %d, %q", args, status, stderr.String())
		}
	}
}
