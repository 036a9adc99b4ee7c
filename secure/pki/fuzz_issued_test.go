package pki

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"busbar.example/secure/rbac"
)

// encoding/asn1 reads the extensions here, which is code that shares nothing with ours.

// namesByOther reads the names of a subjectAltName.
func namesByOther(der []byte) (n names, ok bool) {
	var all []asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &all); err != nil || len(rest) > 0 {
		return n, false
	}
	for _, name := range all {
		switch {
		case name.Class != asn1.ClassContextSpecific:
		case name.Tag == 2 && !name.IsCompound:
			n.dns = append(n.dns, string(name.Bytes))
		case name.Tag == 0 && name.IsCompound:
			var other struct {
				ID    asn1.ObjectIdentifier
				Value asn1.RawValue
			}
			if _, err := asn1.UnmarshalWithParams(name.FullBytes, &other, "tag:0"); err != nil {
				return n, false
			}
			var text string
			var list *[]string
			switch other.ID.String() {
			case "1.3.6.1.5.5.7.8.5":
				list = &n.xmpp
			case "1.3.6.1.5.5.7.8.7":
				list = &n.srv
			default:
				continue
			}
			if _, err := asn1.Unmarshal(other.Value.Bytes, &text); err != nil {
				return n, false
			}
			*list = append(*list, text)
		}
	}
	return n, true
}

// rolesByOther reads IECUserRoles.
func rolesByOther(der []byte) (grants []rbac.Grant, ok bool) {
	var entries []struct {
		Roles      []int
		AOR        string
		Revision   int
		Definition string          `asn1:"optional,utf8"`
		Operation  asn1.Enumerated `asn1:"optional"`
		Sequence   int64           `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(der, &entries); err != nil || len(rest) > 0 {
		return nil, false
	}
	for _, e := range entries {
		if e.Operation == operationDelete {
			continue
		}
		for _, r := range e.Roles {
			grants = append(grants, rbac.Grant{Role: rbac.Role(r), AOR: e.AOR, Revision: e.Revision, Definition: e.Definition})
		}
	}
	return grants, true
}

// FuzzIssued has a CA that we trust sign whatever extensions come, as one would that is careless or deceived. What is
// verified is then what another reader finds in the certificate: its names, its roles and their areas; and no certificate
// passes for a purpose that its extensions do not allow, or with a critical one that nobody here knows.
func FuzzIssued(f *testing.F) {
	roles := unhex(f, sampleRoles)
	san := must(names{dns: []string{"site.example", "*.example"}, srv: []string{"_xmpp-client.site.example"}, xmpp: []string{"ied1@site.example"}}.marshal())(f)
	one := must(names{xmpp: []string{"ied1@site.example"}}.marshal())(f)
	operator := must(marshalRoles([]rbac.Grant{rbac.DefaultPolicy().NewGrant(rbac.Operator, "PV*"), {Role: -1, AOR: "é/LLN0", Definition: "d"}}))(f)
	both := uint16(x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement)
	others := []asn1.ObjectIdentifier{{1, 2, 3}, oidRoles2011, oidRoles, {2, 5, 29, 19}, {2, 5, 29, 30}, {2, 5, 29, 37}, {1, 3, 6, 1, 5, 5, 7, 1, 24}, {2, 5, 29, 15}}
	for i := range others {
		for _, critical := range []bool{false, true} {
			f.Add(byte(i), san, roles, byte(i), critical, []byte{5, 0}, both)
			f.Add(byte(2), one, operator, byte(i), critical, operator, both)
		}
	}
	f.Add(byte(2), san, []byte{0x30, 0}, byte(3), true, []byte{0x30, 3, 1, 1, 0xff}, both) // it says that it is a CA
	f.Add(byte(2), one, roles, byte(5), false, []byte{0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0}, both)
	f.Add(byte(2), one, operator, byte(1), false, roles, both)
	f.Add(byte(2), one, []byte(nil), byte(1), false, roles, both)
	f.Add(byte(2), one, roles, byte(8), false, []byte(nil), uint16(x509.KeyUsageDigitalSignature))
	f.Add(byte(2), append([]byte{0x30, 1}, one...), roles, byte(8), false, []byte(nil), uint16(0))

	hierarchies := []hierarchy{newHierarchy(f, E2M), newHierarchy(f, E2M), newHierarchy(f, E2E)}
	key := must(newKey())(f)
	now := time.Now()
	f.Fuzz(func(t *testing.T, which byte, san, roles []byte, other byte, critical bool, value []byte, usage uint16) {
		p := []purpose{forServer, forClient, forE2E}[which%3]
		h := hierarchies[which%3]
		template := h.issuing.template("site.example", "fuzz", leafValidity)
		template.SerialNumber, template.KeyUsage = maxSerial, x509.KeyUsage(usage)&0x1ff
		if p != forE2E {
			template.ExtKeyUsage = []x509.ExtKeyUsage{p.extKeyUsages()[0]}
		}
		add := func(id asn1.ObjectIdentifier, critical bool, value []byte) {
			if len(value) > 0 {
				template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
			}
		}
		add(oidSAN, critical, san)
		add(oidRoles, false, roles)
		if int(other) < len(others) {
			add(others[other], critical, value)
		}
		der, err := x509.CreateCertificate(rand.Reader, template, h.issuing.Certificate(), key.Public(), h.issuing.key)
		if err != nil {
			return
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return // an extension twice, for one
		}
		checkDescribed(t, cert)
		v, err := verifyFor(h.trust, p, append([]*x509.Certificate{cert}, h.issuing.intermediates()...), now)
		if err == nil {
			checkVerified(t, v, p)
		} else if v != nil {
			t.Errorf("%x: refused, and there is %v", der, v)
		}
	})
}

// checkVerified judges by other means what was taken for a purpose.
func checkVerified(t *testing.T, v *Verified, p purpose) {
	cert := v.Leaf()
	var n names
	var grants []rbac.Grant
	value := func(id asn1.ObjectIdentifier) []byte {
		if i := slices.IndexFunc(cert.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(id) }); i >= 0 {
			return cert.Extensions[i].Value
		}
		return nil
	}
	if der := value(oidSAN); der != nil {
		var ok bool
		if n, ok = namesByOther(der); !ok {
			t.Fatalf("%x: verified, and others cannot read its names", cert.Raw)
		}
	}
	der := value(oidRoles)
	if der == nil {
		der = value(oidRoles2011)
	}
	if der != nil && p == forE2E { // no other certificate gives roles
		var ok bool
		if grants, ok = rolesByOther(der); !ok {
			t.Fatalf("%x: verified, and others cannot read its roles", cert.Raw)
		}
	}
	if !slices.Equal(v.XMPPAddrs(), n.xmpp) {
		t.Errorf("%x: names %q, others read %q", cert.Raw, v.XMPPAddrs(), n.xmpp)
	}
	for _, e := range cert.Extensions {
		if e.Critical && (e.Id.Equal(asn1.ObjectIdentifier{1, 2, 3}) || e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24})) {
			t.Errorf("%x: verified with the critical extension %v", cert.Raw, e.Id)
		}
	}
	const both = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	switch {
	case cert.IsCA:
		t.Errorf("%x: a CA's certificate is verified for %v", cert.Raw, p)
	case p == forServer && !slices.ContainsFunc(slices.Concat(n.srv, n.dns), func(s string) bool {
		return strings.EqualFold(s, "site.example") || strings.EqualFold(s, "_xmpp-client.site.example")
	}):
		t.Errorf("%x: a server called %q %q is verified", cert.Raw, n.dns, n.srv)
	case p == forE2E && (cert.KeyUsage&both != both || len(n.xmpp) != 1 || strings.Count(n.xmpp[0], "@") != 1 || strings.Contains(n.xmpp[0], "/")):
		t.Errorf("%x: verified for E2E as %q, with the usage %b", cert.Raw, n.xmpp, cert.KeyUsage)
	}
	got := v.Grants()
	if len(got) != len(grants) {
		t.Fatalf("%x: grants %v, others read %v", cert.Raw, got, grants)
	}
	for i, g := range grants {
		g.NotBefore, g.NotAfter = cert.NotBefore, cert.NotAfter
		if got[i] != g {
			t.Errorf("%x: grant %v, others read %v", cert.Raw, got[i], g)
		}
	}
}

// checkDescribed makes sure that a certificate says nothing to the terminal of who looks at it.
func checkDescribed(t *testing.T, cert *x509.Certificate) {
	all, err := Describe(encodeCertificates([]*x509.Certificate{cert}), cert.NotBefore)
	if err != nil || len(all) != 1 {
		t.Fatalf("%x: described as %v, %v", cert.Raw, all, err)
	}
	if text := all[0].String(); strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }) {
		t.Errorf("%x: described as %q", cert.Raw, text)
	}
}
