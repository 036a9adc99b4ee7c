package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tee passes connections on to address and keeps all that goes either way.
type tee struct {
	net.Listener
	mu   sync.Mutex
	seen bytes.Buffer
}

// Write keeps what one side sends.
func (p *tee) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.Write(b)
}

func newTee(t *testing.T, address string) *tee {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tee{Listener: l}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				client.Close()
				continue
			}
			passing.Go(func() { p.pass(server, client) })
			passing.Go(func() { p.pass(client, server) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		passing.Wait()
	})
	return p
}

func (p *tee) pass(to, from net.Conn) {
	defer to.Close()
	io.Copy(io.MultiWriter(to, p), from)
}

// Who listens on the wire learns the domain, and no name, role, reference or value.
func TestNoPlaintextIsOnTheWire(t *testing.T) {
	f := newFolder(t)
	_, address := f.broker()
	f.ied()
	wire := newTee(t, address)
	to := []string{"--to", "pv1", "--jid", "ems", "--connect", wire.Addr().String()}
	const text = "a text that nobody else writes"
	f.must(append([]string{"set", "PV1LD0/DGEN1.WMax.d=" + text}, to...)...)
	got := f.must(append([]string{"get", "PV1LD0/DGEN1.WMax.d"}, to...)...)
	if !strings.Contains(got, text) {
		t.Fatalf("read %q, want %q in it", got, text)
	}
	wire.mu.Lock()
	seen := wire.seen.Bytes()
	defer wire.mu.Unlock()
	if !bytes.Contains(seen, []byte("starttls")) || len(seen) < 4096 {
		t.Fatalf("the wire shows no STARTTLS in %d octets: it is not what is looked at", len(seen))
	}
	for _, secret := range []string{text, "PV1LD0", "DGEN1", "WMax", "ems@", "pv1@", "<iq", "<message", "<presence", "EXTERNAL", "urn:ietf:params:xml:ns:xmpp-sasl"} {
		if at := bytes.Index(seen, []byte(secret)); at >= 0 {
			t.Errorf("%q is on the wire: %q", secret, seen[max(0, at-60):min(len(seen), at+60)])
		}
	}
}

// openssl runs the independent implementation.
func (f folder) openssl(args ...string) (string, error) {
	f.t.Helper()
	path, err := exec.LookPath("openssl")
	if errors.Is(err, exec.ErrNotFound) {
		if os.Getenv("CI") == "true" {
			f.t.Fatal("openssl is not there: install the package openssl")
		}
		f.t.Skip("SKIP openssl is not there: install the package openssl")
	}
	c := exec.CommandContext(f.t.Context(), path, args...)
	c.Dir = f.dir
	c.Stdin = strings.NewReader("")
	out, err := c.CombinedOutput()
	return string(out), err
}

func TestOpenSSLAgreesWithTheCertificates(t *testing.T) {
	f := newFolder(t)
	for _, c := range []struct {
		hierarchy, file string
		purpose         []string
	}{
		{"e2m", "broker/tls.crt", []string{"-purpose", "sslserver", "-verify_hostname", domain}},
		{"e2m", "pv1@" + domain + "/tls.crt", []string{"-purpose", "sslclient"}},
		{"e2m", "ems@" + domain + "/tls.crt", []string{"-purpose", "sslclient"}},
		{"e2e", "pv1@" + domain + "/e2e.crt", nil},
		{"e2e", "ems@" + domain + "/e2e.crt", nil},
	} {
		for _, root := range []string{"e2m", "e2e"} {
			t.Run(c.file+" below "+root, func(t *testing.T) {
				f := folder{t, f.dir}
				args := slices.Concat([]string{"verify", "-x509_strict", "-crl_check_all"}, c.purpose, []string{
					"-CAfile", "pki/" + root + "/root.crt", "-untrusted", "pki/" + c.hierarchy + "/issuing.crt",
					"-CRLfile", "pki/" + c.hierarchy + "-root.crl", "-CRLfile", "pki/" + c.hierarchy + "-issuing.crl", "pki/" + c.file})
				out, err := f.openssl(args...)
				if good := err == nil; good != (root == c.hierarchy) {
					t.Errorf("openssl %q: %v, want success only below %s\n%s", args, err, c.hierarchy, out)
				}
			})
		}
	}
}

func TestOpenSSLAgreesWithTheBrokersTLS(t *testing.T) {
	f := newFolder(t)
	_, address := f.broker()
	connect := func(args ...string) (string, error) {
		return f.openssl(append([]string{"s_client", "-connect", address, "-starttls", "xmpp", "-xmpphost", domain, "-CAfile", "pki/e2m/root.crt",
			"-verify_return_error", "-verify_hostname", domain, "-cert", "pki/ems@" + domain + "/tls.crt", "-key", "pki/ems@" + domain + "/tls.key",
			"-cert_chain", "pki/e2m/issuing.crt"}, args...)...)
	}
	suites := regexp.MustCompile(`(?m)^New, (TLSv\S+), Cipher is (\S+)`)
	for _, c := range []struct {
		name, version, suite string // of what is agreed on, or "" where nothing must be
		args                 []string
	}{
		{"as openssl likes it", "TLSv1.3", `^TLS_AES_(128|256)_GCM_SHA(256|384)$`, nil},
		{"TLS 1.2", "TLSv1.2", `^ECDHE-ECDSA-AES(128|256)-GCM-SHA(256|384)$`, []string{"-tls1_2"}},
		{"TLS 1.1", "", "", []string{"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"}},
		{"TLS 1.2 with CBC", "", "", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"}},
		{"TLS 1.2 without forward secrecy", "", "", []string{"-tls1_2", "-cipher", "AES128-GCM-SHA256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.t = t
			out, err := connect(c.args...)
			agreed := suites.FindStringSubmatch(out)
			if c.version == "" {
				if err == nil && agreed != nil {
					t.Errorf("openssl %q agrees on %s", c.args, agreed[0])
				}
				return
			}
			if agreed == nil || agreed[1] != c.version || !regexp.MustCompile(c.suite).MatchString(agreed[2]) || !strings.Contains(out, "Verify return code: 0 (ok)") {
				t.Errorf("openssl %q: %v, agreed on %q, want %s with %s\n%s", c.args, err, agreed, c.version, c.suite, out)
			}
		})
	}
}
