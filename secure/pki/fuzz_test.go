package pki

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/rbac"
)

func FuzzRoles(f *testing.F) {
	f.Add(unhex(f, sampleRoles))
	f.Add(must(marshalRoles([]rbac.Grant{rbac.DefaultPolicy().NewGrant(rbac.Operator, "PV*"), {Role: -1}}))(f))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		grants, err := parseRoles(der)
		if err != nil {
			if grants != nil {
				t.Errorf("grants %v came with the error %v", grants, err)
			}
			return
		}
		if len(grants) > maxGrants {
			t.Errorf("%d grants", len(grants))
		}
		for i := range grants {
			if grants[i].AOR == "" {
				grants[i].AOR = "*" // as it is written
			}
		}
		again := must(parseRoles(must(marshalRoles(grants))(t)))(t)
		if d := cmp.Diff(grants, again); d != "" && len(grants)+len(again) > 0 {
			t.Errorf("written and read again (-want +got):\n%s", d)
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add(must(names{dns: []string{"a.b", "*.b"}, srv: []string{"_xmpp-client.b"}, xmpp: []string{"a@b", "é@b"}}.marshal())(f))
	f.Add(unhex(f, `30 13 A0 11 06 08 2B 06 01 05 05 07 08 05 A0 05 0C 03 "a@b"`))
	f.Add(unhex(f, `30 09 87 04 7F000001 82 01 "a"`))
	f.Fuzz(func(t *testing.T, der []byte) {
		n, err := parseNames(der)
		if err != nil {
			return
		}
		for _, s := range slices.Concat(n.dns, n.srv, n.xmpp) {
			if !isName(s, false) {
				t.Errorf("read the name %q", s)
			}
		}
		if len(n.dns)+len(n.srv)+len(n.xmpp) == 0 {
			return
		}
		again := must(parseNames(must(n.marshal())(t)))(t)
		if d := cmp.Diff(n, again, cmp.AllowUnexported(names{})); d != "" {
			t.Errorf("written and read again (-want +got):\n%s", d)
		}
	})
}

// FuzzCertificate finds that crypto/x509 and we read the same DNS names, and
// that verification comes to an end.
func FuzzCertificate(f *testing.F) {
	h := newHierarchy(f, E2M)
	f.Add(must(h.issuing.IssueServer("site.example"))(f).Chain[0].Raw)
	f.Add(must(h.issuing.IssueClientTLS("a@site.example"))(f).Chain[0].Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		n, err := namesOf(cert)
		if err == nil && !slices.Equal(n.dns, cert.DNSNames) {
			t.Errorf("DNS names %q, crypto/x509 reads %q", n.dns, cert.DNSNames)
		}
		trust := must(NewTrust([]*x509.Certificate{cert}, nil))(t)
		for _, p := range []purpose{forServer, forClient, forE2E} {
			if v, err := verifyFor(trust, p, []*x509.Certificate{cert}, cert.NotBefore); err == nil && !cert.Equal(v.Leaf()) {
				t.Errorf("%s: another certificate was verified", p)
			}
		}
	})
}

func FuzzPEM(f *testing.F) {
	h := newHierarchy(f, E2E)
	id := must(h.issuing.IssueE2E("a@site.example", []rbac.Grant{{Role: rbac.Viewer}}))(f)
	f.Add(encodeCertificates(id.Chain))
	f.Add(must(encodeKey(id.Key))(f))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: pemKeyEC, Bytes: must(x509.MarshalECPrivateKey(asEC(f, ecKey(f, elliptic.P256()))))(f)}))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: must(loadCRLs(h.crlFiles))(f)[0].Raw}))
	f.Add([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if certs, err := parseCertificates(data); err == nil && len(certs) == 0 {
			t.Error("no certificate and no error")
		}
		if key, err := parseKey(data); err == nil {
			if _, err := encodeKey(key); err != nil {
				t.Errorf("a key that was read cannot be written: %v", err)
			}
		}
		if lists, err := parseCRLs(data); err == nil {
			if len(lists) == 0 {
				t.Error("no list and no error")
			}
			_, _ = newCRLSet(lists)
		}
		all, err := Describe(data, time.Unix(0, 0))
		if err == nil && len(all) == 0 {
			t.Error("no description and no error")
		}
		for _, d := range all {
			_ = d.String()
		}
	})
}
