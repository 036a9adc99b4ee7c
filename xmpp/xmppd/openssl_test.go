package xmppd_test

import (
	"context"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/xmpp/xmppd"
)

func findOpenSSL(t *testing.T) string {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is missing: install the package openssl")
		}
		t.Skip("openssl is missing: install the package openssl")
	}
	return openssl
}

// onLoopback has server listen on loopback until the test ends, and returns where.
func onLoopback(t *testing.T, server *xmppd.Server) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return l.Addr().String()
}

// TestOpenSSLAgrees lets another implementation of TLS and X.509 judge the server's STARTTLS and certificates.
func TestOpenSSLAgrees(t *testing.T) {
	openssl := findOpenSSL(t)
	s := newCA(t)
	server, err := xmppd.New(xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{Identity: s.serverIdentity()}})
	if err != nil {
		t.Fatal(err)
	}
	address := onLoopback(t, server)

	dir := t.TempDir()
	root := filepath.Join(dir, "root.crt")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.root.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	save := func(name string, id *pki.Identity) (cert, key string) {
		cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
		if err := id.Save(cert, key); err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	cert, key := save("hmi", s.clientIdentity("hmi@"+domain))

	tests := []struct {
		name string
		args []string
		want []string // in the output
		ok   bool
	}{
		{"TLS 1.3", []string{"-tls1_3"}, []string{"TLSv1.3", "AES_", "GCM", "Verify return code: 0 (ok)", "Verified peername: " + domain}, true},
		{"TLS 1.2", []string{"-tls1_2"}, []string{"TLSv1.2", "ECDHE-ECDSA-AES", "GCM", "Verify return code: 0 (ok)"}, true},
		{"TLS 1.1", []string{"-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"}, []string{"alert protocol version"}, false},
		{"TLS 1.2 without AES-GCM", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA"}, []string{"alert handshake failure"}, false},
		{"another name", []string{"-verify_hostname", "elsewhere.example"}, []string{"hostname mismatch"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			args := append([]string{"s_client", "-connect", address, "-starttls", "xmpp", "-xmpphost", domain,
				"-CAfile", root, "-verify_return_error", "-verify_hostname", domain, "-cert", cert, "-key", key, "-cert_chain", cert}, tt.args...)
			cmd := exec.CommandContext(ctx, openssl, args...)
			cmd.Stdin = strings.NewReader("</stream:stream>\n")
			out, err := cmd.CombinedOutput()
			if (err == nil) != tt.ok {
				t.Errorf("openssl %s: %v, want success %v\n%s", strings.Join(args, " "), err, tt.ok, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("openssl %s said nothing of %q\n%s", strings.Join(args, " "), want, out)
				}
			}
		})
	}

	t.Run("certificates", func(t *testing.T) {
		serverCert, _ := save("server", s.serverIdentity())
		for file, purpose := range map[string]string{serverCert: "sslserver", cert: "sslclient"} {
			args := []string{"verify", "-x509_strict", "-CAfile", root, "-untrusted", file, "-purpose", purpose, file}
			if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err != nil {
				t.Errorf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
	})
}
