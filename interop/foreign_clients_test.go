//go:build interop

package interop_test

import (
	"encoding/json"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestForeignClients lets clients of slixmpp and aioxmpp register with the test broker, log in by every mechanism that they
// have, agree to see each other, talk, and take their streams up again after their connections have broken.
//
// RFC 6121; XEP-0012, XEP-0030, XEP-0077, XEP-0092, XEP-0198, XEP-0199, XEP-0202.
func TestForeignClients(t *testing.T) {
	python := slixmppPython(t)
	if exec.Command(python, "-c", "import aioxmpp").Run() != nil {
		missing(t, "python3-aioxmpp")
	}
	b := startTestbroker(t, "--client", "certified")
	host, port, err := net.SplitHostPort(b.Address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(map[string]any{
		"host": host, "port": n, "domain": b.Domain, "anchors": b.Root,
		"cert": b.Clients["certified"] + ".crt", "key": b.Clients["certified"] + ".key",
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-W", "ignore", filepath.Join("testdata", "foreign_clients.py"), string(spec))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	passed, done := 0, false
	for line := range strings.Lines(string(out)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "ok "):
			passed++
		case line == "done":
			done = true
		case strings.HasPrefix(line, "not ok "):
			t.Error(line)
		default:
			t.Log(line)
		}
	}
	if err != nil || !done {
		t.Errorf("the clients ended with %v after %d checks\n%s%s", err, passed, out, stderr.String())
	}
	t.Logf("%d checks passed", passed)
}
