//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/app/site"
)

// brokerForScans is a broker as users run it, whose domain is a name that every machine can look up: scanners ask for the host that they
// connect to.
func brokerForScans(t *testing.T) (s *site.Site, address string) {
	t.Helper()
	s, err := site.Init(filepath.Join(t.TempDir(), "site"), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	run(t, func(ctx context.Context, ready func()) error {
		return s.RunBroker(ctx, site.BrokerOptions{Listen: "127.0.0.1:0", Ready: func(a net.Addr) {
			address = strings.Replace(a.String(), "127.0.0.1", "localhost", 1)
			ready()
		}})
	})
	return s, address
}

// scan runs a scanner, which may take minutes where others keep the machine busy.
func scan(t *testing.T, program, pkg string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, pkg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.WaitDelay = 10 * time.Second
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Logf("%s: %v\n%s", program, err, said) // its exit code counts findings; what they are is looked at by the test
	}
}

// accepted are findings of testssl.sh above "low" that are about the laboratory's certificates, and say nothing of the broker.
var accepted = map[string]string{
	"cert_revocation": "the site's own authority publishes its revocation lists as files, not under an address",
}

// testssl.sh finds nothing above "low" in a broker.
func TestTestsslFindsNothing(t *testing.T) {
	t.Parallel()
	s, address := brokerForScans(t)
	file := filepath.Join(t.TempDir(), "found.json")
	// Protocols, suites, forward secrecy, preferences, the certificate, and all vulnerabilities.
	scan(t, "testssl", "testssl.sh", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1",
		"-t", "xmpp", "--xmpphost", "localhost", "--add-ca", s.Path("pki", "e2m", "root.crt"), "--jsonfile", file, "-p", "-s", "-f", "-P", "-S", "-U", address)
	var found []struct{ ID, Severity, Finding string }
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		t.Fatalf("no result: %v\n%s", err, text)
	}
	said := map[string]string{}
	for _, f := range found {
		said[f.ID] = f.Finding
		harmless := []string{"OK", "INFO", "LOW", "DEBUG"}
		if f.ID == "engine_problem" { // about the scanner
			harmless = append(harmless, "WARN")
		}
		if _, ok := accepted[f.ID]; !ok && !slices.Contains(harmless, f.Severity) {
			t.Errorf("%s: %s: %s", f.Severity, f.ID, f.Finding)
		}
	}
	for id, want := range map[string]string{
		"SSLv2": "not offered", "SSLv3": "not offered", "TLS1": "not offered", "TLS1_1": "not offered", "TLS1_2": "offered", "TLS1_3": "offered with final",
		"cipherlist_NULL": "not offered", "cipherlist_aNULL": "not offered", "cipherlist_EXPORT": "not offered", "cipherlist_LOW": "not offered",
		"cipherlist_3DES_IDEA": "not offered", "cipherlist_AVERAGE": "not offered", "cipherlist_STRONG": "offered", "PFS": "offered",
		"heartbleed": "not vulnerable, no heartbeat extension", "secure_renego": "supported", "secure_client_renego": "not vulnerable",
	} {
		if said[id] != want {
			t.Errorf("%s: got %q, want %q", id, said[id], want)
		}
	}
}

// sslscan is offered TLS 1.2 and 1.3, and authenticated encryption alone.
func TestSslscanIsOfferedAEADAlone(t *testing.T) {
	t.Parallel()
	_, address := brokerForScans(t)
	file := filepath.Join(t.TempDir(), "found.xml")
	scan(t, "sslscan", "sslscan", "--no-colour", "--starttls-xmpp", "--xml="+file, withoutLineEnds(t, address))
	var found struct {
		Test struct {
			Protocols []struct {
				Type    string `xml:"type,attr"`
				Version string `xml:"version,attr"`
				Enabled bool   `xml:"enabled,attr"`
			} `xml:"protocol"`
			Renegotiation struct {
				Supported bool `xml:"supported,attr"`
				Secure    bool `xml:"secure,attr"`
			} `xml:"renegotiation"`
			Compression struct {
				Supported bool `xml:"supported,attr"`
			} `xml:"compression"`
			Heartbleed []struct {
				Vulnerable bool `xml:"vulnerable,attr"`
			} `xml:"heartbleed"`
			Ciphers []struct {
				Version string `xml:"sslversion,attr"`
				Name    string `xml:"cipher,attr"`
			} `xml:"cipher"`
		} `xml:"ssltest"`
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = xml.Unmarshal(text, &found)
	}
	if err != nil {
		t.Fatalf("no result: %v\n%s", err, text)
	}
	offered := map[string]bool{}
	for _, p := range found.Test.Protocols {
		offered[p.Type+p.Version] = p.Enabled
	}
	for name, want := range map[string]bool{"ssl2": false, "ssl3": false, "tls1.0": false, "tls1.1": false, "tls1.2": true, "tls1.3": true} {
		if got, known := offered[name]; !known || got != want {
			t.Errorf("%s: offered %v, known %v, want %v", name, got, known, want)
		}
	}
	suites := map[string]int{}
	for _, c := range found.Test.Ciphers {
		suites[c.Version]++
		if !strings.Contains(c.Name, "GCM") && !strings.Contains(c.Name, "POLY1305") {
			t.Errorf("%s is offered with %s", c.Name, c.Version)
		}
	}
	if suites["TLSv1.2"] == 0 || suites["TLSv1.3"] == 0 || found.Test.Compression.Supported || found.Test.Renegotiation.Supported && !found.Test.Renegotiation.Secure {
		t.Errorf("got %+v", found.Test)
	}
	for _, h := range found.Test.Heartbleed {
		if h.Vulnerable {
			t.Error("Heartbleed")
		}
	}
}

// withoutLineEnds relays to a broker, without the line end that sslscan sends behind its starttls element, which the broker takes for
// an attempt at injection. The address that it returns is another name of loopback, too.
//
// RFC 6120, Section 5.3.3
func withoutLineEnds(t *testing.T, broker string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var relaying sync.WaitGroup
	t.Cleanup(relaying.Wait)
	t.Cleanup(func() { l.Close() })
	relaying.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			relaying.Go(func() { relay(near, broker) })
		}
	})
	return strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1)
}

// relay carries one connection until either end closes it.
func relay(near net.Conn, broker string) {
	defer near.Close()
	far, err := net.Dial("tcp", broker)
	if err != nil {
		return
	}
	defer far.Close()
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(near, far) // that it ends is all there is to know
		near.Close()
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := near.Read(buffer)
		if b := buffer[:n]; n > 0 {
			if bytes.HasPrefix(b, []byte("<starttls")) {
				b = bytes.TrimRight(b, "\r\n")
			}
			if _, err = far.Write(b); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	far.Close()
	back.Wait()
}
