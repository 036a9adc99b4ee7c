package foreign

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A Names answers Go's resolver over UDP and over TCP: what it knows, and that it does not know.
//
// RFC 2782
func TestNamesAnswer(t *testing.T) {
	n, err := NewNames()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Set("DSO.example", "127.0.0.1:15269"); err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, n.Address())
			}}
			_, srv, err := r.LookupSRV(t.Context(), "xmpp-server", "tcp", "dso.EXAMPLE.")
			if err != nil || len(srv) != 1 || srv[0].Target != "localhost." || srv[0].Port != 15269 {
				t.Errorf("SRV: got %v, %v", srv, err)
			}
			if ips, err := r.LookupIP(t.Context(), "ip4", "dso.example."); err != nil || len(ips) != 1 || !ips[0].IsLoopback() {
				t.Errorf("A: got %v, %v", ips, err)
			}
			for _, domain := range []string{"other.example.", "xmpps-server.dso.example."} {
				if _, srv, err := r.LookupSRV(t.Context(), "xmpp-server", "tcp", domain); !isNotFound(err) {
					t.Errorf("%s: got %v, %v", domain, srv, err)
				}
			}
		})
	}
	if err := n.Set("dso.example", "nowhere"); err == nil {
		t.Error("an address without a port is taken")
	}
}

func isNotFound(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

// Malformed questions get no answer, and do no harm.
func TestNamesSurviveNonsense(t *testing.T) {
	n, err := NewNames()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, question := range []string{"", "\x00", strings.Repeat("\xff", 12), "\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01"} {
		if answer, err := n.answer([]byte(question)); err == nil {
			t.Errorf("%q is answered with %x", question, answer)
		}
	}
	nc, err := net.Dial("tcp", n.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.Write([]byte("\x00\x05junk")) // and then nothing: Close must not wait for more
}

// Options that a server cannot be started with are refused before anything is.
func TestServersNeedADomainAndCertificates(t *testing.T) {
	for name, start := range map[string]func(Options) (*Server, error){"prosody": StartProsody, "ejabberd": StartEjabberd} {
		if s, err := start(Options{Domain: "dso.example"}); err == nil {
			s.Stop()
			t.Errorf("%s starts without certificates", name)
		}
	}
}

// A server that is not there is an error that names the package.
func TestMissingServersAreNamed(t *testing.T) {
	err := error(&MissingError{"prosody"})
	if !strings.Contains(err.Error(), "Debian package prosody") {
		t.Errorf("got %v", err)
	}
}

// A program that ends at once, or never becomes ready and is stopped, is told with what it has said; its folder is removed.
func TestServersThatFailSayWhy(t *testing.T) {
	dir := t.TempDir()
	s := &Server{Make: "a server", log: filepath.Join(dir, "log"), gone: func() { os.RemoveAll(dir) }}
	if err := os.WriteFile(s.log, []byte("and logged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.start(exec.Command("sh", "-c", "echo it said; exit 1")); err != nil {
		t.Fatal(err)
	}
	err := s.await(func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "a server has ended:\nit said\nand logged") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder is still there")
	}
	select {
	case <-s.Ended():
	case <-time.After(time.Minute):
		t.Error("it has not ended")
	}
}
