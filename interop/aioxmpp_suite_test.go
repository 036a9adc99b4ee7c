//go:build interop

package interop_test

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"busbar.example/internal/foreign"
)

// aioxmppSuite is where .ci/suites puts the source of aioxmpp, whose end-to-end tests the Debian package lacks.
const aioxmppSuite = "../bin/suites/python-aioxmpp"

// verdict is what a run of the suite came to.
type verdict struct{ passed, failed, skipped int }

// runAioxmpp runs the suite's end-to-end tests against a server, with six accounts u1 to u6 of the password "correct horse".
func runAioxmpp(t *testing.T, address string) (verdict, string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	var accounts []string
	for i := range 6 {
		accounts = append(accounts, fmt.Sprintf(`("u%d", "correct horse")`, i+1))
	}
	// What the server's certificate is worth is tried elsewhere: aioxmpp cannot be given an anchor for it.
	config := filepath.Join(t.TempDir(), "e2etest.ini")
	text := fmt.Sprintf(`[global]
timeout=60
provisioner=aioxmpp.e2etest.provision.StaticPasswordProvisioner

[aioxmpp.e2etest.provision.StaticPasswordProvisioner]
host=%s
port=%s
domain=%s
no_verify=true
quirks=["#no-xep-0049"]
accounts=[%s]
`, host, port, domain, strings.Join(accounts, ", "))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(aioxmppSuite + "/tests/*/test_e2e.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("the suite has no end-to-end tests: %v", err)
	}
	args := []string{"-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "aioxmpp.e2etest", "-W", "ignore",
		"--e2etest-config", config, "--e2etest-only", "tests/test_e2e.py"}
	for _, f := range files {
		rel, err := filepath.Rel(aioxmppSuite, f)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, rel)
	}
	cmd := exec.Command("/usr/bin/python3", args...)
	cmd.Dir = aioxmppSuite
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	var v verdict
	for _, m := range regexp.MustCompile(`(\d+) (passed|failed|errors?|skipped)\b`).FindAllStringSubmatch(string(out), -1) {
		n, _ := strconv.Atoi(m[1])
		switch m[2] {
		case "passed":
			v.passed = n
		case "skipped":
			v.skipped = n
		default:
			v.failed += n
		}
	}
	if err != nil && v.failed == 0 {
		t.Fatalf("the suite did not run: %v\n%s", err, out)
	}
	return v, string(out)
}

// needAioxmppSuite skips the test where the suite is not to be had. That is no failure in CI: it is no package, and
// the archive may not have it.
func needAioxmppSuite(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(aioxmppSuite); err != nil {
		t.Skip("the source of aioxmpp is not here: see .ci/suites")
	}
	for _, module := range []string{"aioxmpp", "pytest"} {
		if exec.Command("/usr/bin/python3", "-c", "import "+module).Run() != nil {
			missing(t, "python3-"+module)
		}
	}
}

// TestAioxmppSuite runs aioxmpp's own end-to-end tests against our broker, as they are.
func TestAioxmppSuite(t *testing.T) {
	needAioxmppSuite(t)
	var flags []string
	for i := range 6 {
		flags = append(flags, "--account", fmt.Sprintf("u%d:correct horse", i+1))
	}
	got, out := runAioxmpp(t, startTestbroker(t, flags...).Address)
	t.Logf("%+v", got)
	// What is skipped is of services that this broker has not (rooms, publish-subscribe, storage), and two cases that are for
	// streams without acknowledgements.
	if got.failed > 0 || got.passed < 27 {
		t.Errorf("%+v, want 27 passed or more and none failed\n%s", got, out)
	}
}

// TestAioxmppSuiteElsewhere runs the same against servers of other makes: what fails there is no fault of the suite's. It
// is for the table in docs/broker.md, and asserts nothing of them but that the suite runs.
func TestAioxmppSuiteElsewhere(t *testing.T) {
	needAioxmppSuite(t)
	accounts := map[string]string{}
	for i := range 6 {
		accounts[fmt.Sprintf("u%d", i+1)] = "correct horse"
	}
	for name, start := range foreignServers {
		t.Run(name, func(t *testing.T) {
			a := newAuthority(t, t.TempDir())
			s, err := start(foreign.Options{Domain: domain, Identity: a.server(), Roots: []*x509.Certificate{a.root}, Passwords: accounts})
			got, out := runAioxmpp(t, started(t, s, err).Clients)
			t.Logf("%+v", got)
			if got.passed == 0 {
				t.Errorf("nothing passes\n%s", out)
			}
			if testing.Verbose() && got.failed > 0 {
				t.Log(out)
			}
		})
	}
}
