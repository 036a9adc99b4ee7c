package pki

import (
	"crypto/x509"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/rbac"
)

func TestProfiles(t *testing.T) {
	e2m, e2e := newHierarchy(t, E2M), newHierarchy(t, E2E)
	type profile struct {
		Names       names
		KeyUsage    x509.KeyUsage
		ExtKeyUsage []x509.ExtKeyUsage
		CA          bool
		PathLen     int
		CommonName  string
		Unit        []string
	}
	tls := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	authority := x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	cases := []struct {
		name string
		cert *x509.Certificate
		want profile
	}{
		{"server", must(e2m.issuing.IssueServer("site.example"))(t).Chain[0], profile{
			Names:    names{dns: []string{"site.example"}, srv: []string{"_xmpp-client.site.example", "_xmpp-server.site.example"}},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: tls, PathLen: -1, Unit: []string{"E2M server"},
		}},
		{"client", must(e2m.issuing.IssueClientTLS("ied1@site.example"))(t).Chain[0], profile{
			Names:    names{xmpp: []string{"ied1@site.example"}},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: tls[1:], PathLen: -1, Unit: []string{"E2M client"},
		}},
		{"E2E", must(e2e.issuing.IssueE2E("ied1@site.example", nil))(t).Chain[0], profile{
			Names:    names{xmpp: []string{"ied1@site.example"}},
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement, PathLen: -1, Unit: []string{"E2E"},
		}},
		{"E2M root", e2m.root.Certificate(), profile{KeyUsage: authority, ExtKeyUsage: tls, CA: true, PathLen: 1, CommonName: "E2M root CA"}},
		{"E2M issuing", e2m.issuing.Certificate(), profile{KeyUsage: authority, ExtKeyUsage: tls, CA: true, CommonName: "E2M issuing CA"}},
		{"E2E root", e2e.root.Certificate(), profile{KeyUsage: authority, CA: true, PathLen: 1, CommonName: "E2E root CA"}},
		{"E2E issuing", e2e.issuing.Certificate(), profile{KeyUsage: authority, CA: true, CommonName: "E2E issuing CA"}},
	}
	serials := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := profile{
				must(namesOf(c.cert))(t), c.cert.KeyUsage, c.cert.ExtKeyUsage, c.cert.IsCA, c.cert.MaxPathLen,
				c.cert.Subject.CommonName, c.cert.Subject.OrganizationalUnit,
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(names{})); d != "" {
				t.Errorf("profile (-want +got):\n%s", d)
			}
			if d := cmp.Diff([]string{"site.example"}, c.cert.Subject.Organization); d != "" {
				t.Errorf("organization (-want +got):\n%s", d)
			}
			serial := c.cert.SerialNumber
			if serials[serial.String()] || serial.BitLen() < 64 || serial.BitLen() > 128 {
				t.Errorf("serial %x is not 128 random bits of its own", serial)
			}
			serials[serial.String()] = true
			if len(c.cert.SubjectKeyId) != 20 || len(c.cert.AuthorityKeyId) != 20 && !isSelfIssued(c.cert) {
				t.Errorf("key identifiers: subject %x, authority %x", c.cert.SubjectKeyId, c.cert.AuthorityKeyId)
			}
		})
	}
}

func TestCAIsSavedAndLoaded(t *testing.T) {
	for _, h := range []Hierarchy{E2M, E2E} {
		want := newHierarchy(t, h)
		dir := t.TempDir()
		load := func(ca *CA, name string) *CA {
			t.Helper()
			cert, key := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
			if err := ca.Save(cert, key); err != nil {
				t.Fatal(err)
			}
			return must(LoadCA(cert, key))(t)
		}
		root, issuing := load(want.root, "root"), load(want.issuing, "issuing")
		if root.hierarchy != h || issuing.hierarchy != h {
			t.Errorf("loaded as %s and %s, want %s", root.hierarchy, issuing.hierarchy, h)
		}
		p, issue := forClient, issuing.IssueClientTLS
		if h == E2E {
			p, issue = forE2E, func(jid string) (*Identity, error) { return issuing.IssueE2E(jid, nil) }
		}
		id := must(issue("ied1@site.example"))(t)
		if len(id.Chain) != 2 {
			t.Errorf("chain of %d, want the certificate and the issuing CA's", len(id.Chain))
		}
		if _, err := verifyFor(want.trust, p, id.Chain, time.Now()); err != nil {
			t.Error(err)
		}
		again := must(root.NewIssuing())(t)
		if again.hierarchy != h || len(again.chain) != 1 {
			t.Errorf("another issuing CA: %s, chain of %d", again.hierarchy, len(again.chain))
		}
	}
}

func TestLoadCARefusesAnEndEntity(t *testing.T) {
	h := newHierarchy(t, E2M)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if err := must(h.issuing.IssueClientTLS("a@site.example"))(t).Save(cert, key); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCA(cert, key); err == nil || !strings.Contains(err.Error(), "not the certificate of a CA") {
		t.Errorf("error is %v", err)
	}
}

func TestIssueRefuses(t *testing.T) {
	e2m, e2e := newHierarchy(t, E2M), newHierarchy(t, E2E)
	server := func(domain string) error { _, err := e2m.issuing.IssueServer(domain); return err }
	client := func(jid string) error { _, err := e2m.issuing.IssueClientTLS(jid); return err }
	ends := func(jid string, g ...rbac.Grant) error { _, err := e2e.issuing.IssueE2E(jid, g); return err }
	crossed := func(_ *Identity, err error) error {
		if !errors.Is(err, errHierarchy) {
			t.Errorf("error is %v, want %v", err, errHierarchy)
		}
		return err
	}
	long := strings.Repeat("x", maxCertificate)
	for name, err := range map[string]error{
		"wildcard server":            server("*.site.example"),
		"server of an address":       server("192.0.2.1"),
		"server in U-labels":         server("münchen.example"),
		"client of a domain":         client("site.example"),
		"client of a full JID":       client("ied1@site.example/IEC"),
		"E2E of a full JID":          ends("ied1@site.example/IEC"),
		"role that cannot be read":   ends("a@b", rbac.Grant{AOR: "\xff"}),
		"more than 8,192 octets":     ends("a@b", rbac.Grant{AOR: long}),
		"server from the E2E CA":     crossed(e2e.issuing.IssueServer("site.example")),
		"client from the E2E CA":     crossed(e2e.issuing.IssueClientTLS("a@b")),
		"E2E from the E2M CA":        crossed(e2m.issuing.IssueE2E("a@b", nil)),
		"CA below one with no depth": func() error { _, err := e2m.issuing.NewIssuing(); return err }(),
	} {
		if err == nil {
			t.Errorf("%s: issued", name)
		}
	}
}

func TestIssuedCertificatesEndWithTheirCA(t *testing.T) {
	h := newHierarchy(t, E2M)
	ca := h.issuing.Certificate()
	h.issuing.Clock = func() time.Time { return ca.NotAfter.Add(-day) }
	if got := must(h.issuing.IssueServer("site.example"))(t).Chain[0]; !got.NotAfter.Equal(ca.NotAfter) {
		t.Errorf("valid to %s, its CA to %s", got.NotAfter, ca.NotAfter)
	}
	h.issuing.Clock = func() time.Time { return ca.NotBefore }
	if got := must(h.issuing.IssueServer("site.example"))(t).Chain[0]; !got.NotBefore.Equal(ca.NotBefore) {
		t.Errorf("valid from %s, its CA from %s", got.NotBefore, ca.NotBefore)
	}
	for _, at := range []time.Time{ca.NotAfter.Add(time.Second), ca.NotBefore.Add(-time.Second)} {
		h.issuing.Clock = func() time.Time { return at }
		if _, err := h.issuing.IssueServer("site.example"); err == nil {
			t.Errorf("issued at %s by a CA that is valid from %s to %s", at, ca.NotBefore, ca.NotAfter)
		}
	}
}

func TestValidityIsWritten(t *testing.T) {
	h := newHierarchy(t, E2M)
	h.issuing.Validity = 7 * day
	got := must(h.issuing.IssueServer("site.example"))(t).Chain[0]
	if left := time.Until(got.NotAfter); left > 7*day || left < 7*day-time.Minute {
		t.Errorf("valid for %s, want 7 days", left)
	}
	if time.Since(got.NotBefore) < clockSkew-time.Second {
		t.Errorf("valid from %s: a peer whose clock is behind would refuse it", got.NotBefore)
	}
}
