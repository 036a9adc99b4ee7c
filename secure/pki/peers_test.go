package pki

import (
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"
)

// Devices name themselves in one of three ways, and many leave the extended key usage out. IEC 62351-3.
func TestCertificatesOfPeersWithoutXMPP(t *testing.T) {
	ca, err := NewRoot(E2M, "test.example")
	if err != nil {
		t.Fatal(err)
	}
	trust := trustIn(t, ca)
	bare := func(edit func(*draft)) func(*draft) {
		return func(d *draft) {
			d.names, d.ExtKeyUsage = names{}, nil
			d.Subject.CommonName = "IED7"
			edit(d)
		}
	}
	cases := []struct {
		name   string
		edit   func(*draft)
		host   string
		server Rule // what it breaks as a server; 0: nothing
		client Rule // as a client
	}{
		{"common name", bare(func(*draft) {}), "ied7", 0, 0},
		{"another common name", bare(func(*draft) {}), "IED8", RuleName, 0},
		{"common name, but no name is wanted", bare(func(*draft) {}), "", RuleName, 0},
		{"a common name beside a DNS name", bare(func(d *draft) { d.names.dns = []string{"ied7.example"} }), "IED7", RuleName, 0},
		{"DNS name", bare(func(d *draft) { d.names.dns = []string{"ied7.example"} }), "IED7.example", 0, 0},
		{"wildcard", bare(func(d *draft) { d.names.dns = []string{"*.plant.example"} }), "ied7.plant.example", 0, 0},
		{"wildcard over two labels", bare(func(d *draft) { d.names.dns = []string{"*.plant.example"} }), "a.ied7.plant.example", RuleName, 0},
		{"address", bare(func(d *draft) { d.names.ip = []net.IP{net.IPv4(10, 0, 0, 5)} }), "10.0.0.5", 0, 0},
		{"another address", bare(func(d *draft) { d.names.ip = []net.IP{net.IPv4(10, 0, 0, 5)} }), "10.0.0.6", RuleName, 0},
		{"a DNS name that looks like an address", bare(func(d *draft) { d.names.dns = []string{"10.0.0.5"} }), "10.0.0.5", RuleName, 0},
		{"for servers", bare(func(d *draft) { d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "IED7", 0, RuleUsage},
		{"for clients", bare(func(d *draft) { d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "IED7", RuleUsage, 0},
		{"for code", bare(func(d *draft) { d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }), "IED7", RuleUsage, RuleUsage},
		{"key agreement only", bare(func(d *draft) { d.KeyUsage = x509.KeyUsageKeyAgreement }), "IED7", RuleUsage, RuleUsage},
		{"a CA", bare(func(d *draft) { d.IsCA, d.BasicConstraintsValid = true, true }), "IED7", RuleUsage, RuleUsage},
		{"expired", bare(func(d *draft) { d.NotAfter = time.Now().Add(-time.Hour); d.NotBefore = time.Now().Add(-2 * time.Hour) }), "IED7", RuleExpired, RuleExpired},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			chain := mint(t, ca, forPeerServer, c.edit)
			_, err := trust.VerifyPeerServer(chain, c.host, time.Now())
			checkRule(t, "server", err, c.server)
			_, err = trust.VerifyPeerClient(chain, time.Now())
			checkRule(t, "client", err, c.client)
		})
	}
	_, err = trust.VerifyPeerClient(nil, time.Now())
	checkRule(t, "no certificate", err, RuleNoCertificate)
}

func checkRule(t *testing.T, as string, err error, want Rule) {
	t.Helper()
	var refused *VerifyError
	if errors.As(err, &refused) && refused.Rule == want && refused.ID != "" || err == nil && want == 0 {
		return
	}
	t.Errorf("as %s: got %v, want rule %d", as, err, want)
}
