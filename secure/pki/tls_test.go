package pki

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
)

// handshake connects the two ends in memory and returns what each saw.
func handshake(t *testing.T, server, client *tls.Config) (s, c tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	for _, end := range []net.Conn{a, b} {
		if err := end.SetDeadline(later(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	sc := tls.Server(a, server)
	go func() {
		defer close(done)
		if serverErr = sc.Handshake(); serverErr == nil {
			sc.Write([]byte{0})
		} else {
			a.Close()
		}
	}()
	cc := tls.Client(b, client)
	if clientErr = cc.Handshake(); clientErr == nil {
		_, clientErr = cc.Read(make([]byte, 1)) // in TLS 1.3 the server's refusal comes after the client's handshake
	}
	b.Close()
	<-done
	return sc.ConnectionState(), cc.ConnectionState(), serverErr, clientErr
}

// hop is a server for site.example and a client of it.
type hop struct {
	hierarchy
	id             *Identity // the client's
	server, client *tls.Config
}

func newHop(t *testing.T) hop {
	t.Helper()
	h := newHierarchy(t, E2M)
	server := must(h.issuing.IssueServer("site.example"))(t)
	client := must(h.issuing.IssueClientTLS("ied1@site.example"))(t)
	return hop{h, client, ServerTLS(server), ClientTLS(client, h.trust, "site.example")}
}

// IEC 62351-3
func TestTLSProfile(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			h := newHop(t)
			h.client.MaxVersion = version
			h.client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for range 2 {
				s, c, serverErr, clientErr := handshake(t, h.server, h.client)
				if serverErr != nil || clientErr != nil {
					t.Fatalf("server: %v, client: %v", serverErr, clientErr)
				}
				if s.Version != version || c.Version != version || c.DidResume {
					t.Errorf("versions %x and %x, want %x; resumed: %t", s.Version, c.Version, version, c.DidResume)
				}
				if suite := tls.CipherSuiteName(c.CipherSuite); !strings.Contains(suite, "AES") || !strings.Contains(suite, "GCM") {
					t.Errorf("suite %s, want AES-GCM", suite)
				}
				v := must(h.trust.VerifyClient(s.PeerCertificates, time.Now()))(t)
				if d := cmp.Diff([]string{"ied1@site.example"}, v.XMPPAddrs()); d != "" {
					t.Errorf("client's names (-want +got):\n%s", d)
				}
			}
		})
	}
}

func TestM9TLSVersionsAndSuites(t *testing.T) {
	cbc := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	static := []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	chacha := []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
	says := func(name string) string {
		if strings.HasPrefix(name, "TLS 1.2") {
			return "" // that there is no common suite, in words that vary
		}
		return "version"
	}
	for name, spoil := range map[string]func(*tls.Config){
		"TLS 1.0":                   func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 },
		"TLS 1.1":                   func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 },
		"TLS 1.2 with CBC":          func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, cbc },
		"TLS 1.2 with a static key": func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, static },
		"TLS 1.2 with ChaCha20":     func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, chacha },
	} {
		t.Run("client: "+name, func(t *testing.T) {
			h := newHop(t)
			spoil(h.client)
			if _, _, err, _ := handshake(t, h.server, h.client); err == nil || !strings.Contains(err.Error(), says(name)) {
				t.Errorf("the server says %v, want a refusal with %q", err, says(name))
			}
		})
		t.Run("server: "+name, func(t *testing.T) {
			h := newHop(t)
			spoil(h.server)
			if _, _, _, err := handshake(t, h.server, h.client); err == nil || !strings.Contains(err.Error(), says(name)) {
				t.Errorf("the client says %v, want a refusal with %q", err, says(name))
			}
		})
	}
	t.Run("TLS 1.3 with ChaCha20", func(t *testing.T) {
		h := newHop(t)
		cs := tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_CHACHA20_POLY1305_SHA256}
		for end, c := range map[string]*tls.Config{"server": h.server, "client": h.client} {
			var refused *VerifyError
			if err := c.VerifyConnection(cs); !errors.As(err, &refused) || refused.Rule != RuleCipher || refused.ID != audit.TLSCipherDisallowed {
				t.Errorf("%s: error is %v", end, err)
			}
		}
	})
}

func TestM5RefusedInTheHandshake(t *testing.T) {
	cases := []struct {
		name string
		edit func(h hop)
		rule Rule
		id   audit.ID
	}{
		{"wrong name", func(h hop) {
			h.client.VerifyConnection = ClientTLS(h.id, h.trust, "other.example").VerifyConnection
		}, RuleName, audit.ServerCertificate},
		{"client's certificate", func(h hop) { h.server.GetCertificate = ServerTLS(h.id).GetCertificate }, RuleUsage, audit.ServerCertificate},
		{"no trust", func(h hop) { h.client.VerifyConnection = ClientTLS(h.id, nil, "site.example").VerifyConnection }, RuleUnknownCA, audit.CertificateUnknownCA},
	}
	for _, c := range cases {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(c.name+" "+tls.VersionName(version), func(t *testing.T) {
				h := newHop(t)
				h.client.MaxVersion = version
				c.edit(h)
				_, _, serverErr, err := handshake(t, h.server, h.client)
				wantRefusal(t, nil, err, c.rule, c.id)
				if serverErr == nil || strings.Contains(serverErr.Error(), "site.example") {
					t.Errorf("the server hears %v, want an alert without the reason", serverErr)
				}
			})
		}
	}
}

func TestServerLeavesTheClientToSASL(t *testing.T) {
	foreign := newHop(t)
	for name, c := range map[string]struct {
		edit func(hop)
		rule Rule
		id   audit.ID
	}{
		"M6 none":       {func(h hop) { h.client.Certificates, h.client.GetClientCertificate = nil, nil }, RuleNoCertificate, audit.TLSNoPeerCertificate},
		"M6 unknown CA": {func(h hop) { h.client.GetClientCertificate = foreign.client.GetClientCertificate }, RuleUnknownCA, audit.CertificateUnknownCA},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHop(t)
			c.edit(h)
			s, _, serverErr, clientErr := handshake(t, h.server, h.client)
			if serverErr != nil || clientErr != nil {
				t.Fatalf("server: %v, client: %v", serverErr, clientErr)
			}
			v, err := h.trust.VerifyClient(s.PeerCertificates, time.Now())
			wantRefusal(t, v, err, c.rule, c.id)
		})
	}
}
