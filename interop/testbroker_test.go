//go:build interop

package interop_test

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testbroker is the command of that name, which runs until the test ends.
type testbroker struct {
	Address string            `json:"address"`
	Domain  string            `json:"domain"`
	Root    string            `json:"root"`
	Clients map[string]string `json:"clients"`
}

// startTestbroker builds the command and starts it with those flags.
func startTestbroker(t *testing.T, flags ...string) testbroker {
	t.Helper()
	program := filepath.Join(t.TempDir(), "testbroker")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/testbroker").CombinedOutput(); err != nil {
		t.Fatalf("building testbroker: %v\n%s", err, out)
	}
	cmd := exec.Command(program, append([]string{"--domain", domain, "--dir", t.TempDir(), "-v"}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		ended := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			t.Errorf("testbroker ended with %v", err)
		}
		ended.Stop()
		if t.Failed() {
			t.Logf("testbroker:\n%s", log.String())
		}
	})
	var b testbroker
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &b)
	}
	if err != nil {
		t.Fatalf("testbroker said %q: %v\n%s", line, err, log.String())
	}
	return b
}
