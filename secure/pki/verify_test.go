package pki

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

const day = 24 * time.Hour

// common are the faults that are refused whatever the purpose.
var common = []struct {
	name string
	edit func(testing.TB, *draft)
	rule Rule
	id   audit.ID // empty: the purpose's own
}{
	{"expired", func(_ testing.TB, d *draft) { d.NotAfter = later(-time.Second) }, RuleExpired, audit.CertificateExpired},
	{"not yet valid", func(_ testing.TB, d *draft) { d.NotBefore = later(time.Hour) }, RuleNotYetValid, ""},
	{"RSA 1024", func(t testing.TB, d *draft) { d.key = rsaKey(t, 1024) }, RuleKeySize, audit.CertificateKeySize},
	{"P-224", func(t testing.TB, d *draft) { d.key = ecKey(t, elliptic.P224()) }, RuleKeySize, audit.CertificateKeySize},
	{"Ed25519", func(t testing.TB, d *draft) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		d.key = must(key, err)(t)
	}, RuleAlgorithm, audit.CertificateAlgorithm},
	{"more than 8,192 octets", func(_ testing.TB, d *draft) {
		d.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: make([]byte, maxCertificate)}}
	}, RuleSize, audit.CertificateSize},
	{"CA's own certificate", func(_ testing.TB, d *draft) { d.IsCA = true; d.MaxPathLenZero = true }, RuleUsage, ""},
	{"unknown critical extension", func(_ testing.TB, d *draft) {
		d.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	}, RuleExtension, ""},
	{"no digitalSignature", func(_ testing.TB, d *draft) {
		d.KeyUsage = d.KeyUsage&^x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	}, RuleUsage, ""},
	{"name cut short", func(_ testing.TB, d *draft) { d.san = []byte{0x30, 0x04, 0xa0, 0x02, 0x06, 0x01} }, RuleExtension, ""},
}

// verifyFor verifies for a purpose, a server for site.example.
func verifyFor(trust *Trust, p purpose, chain []*x509.Certificate, now time.Time) (*Verified, error) {
	switch p {
	case forServer:
		return trust.VerifyServer(chain, "site.example", now)
	case forClient:
		return trust.VerifyClient(chain, now)
	}
	return trust.VerifyE2E(chain, now)
}

// testCommon runs the faults that are the same for every purpose.
func testCommon(t *testing.T, h hierarchy, p purpose) {
	own := func(id audit.ID) audit.ID {
		if id == "" {
			return p.event()
		}
		return id
	}
	chain := mint(t, h.issuing, p, func(*draft) {})
	if _, err := verifyFor(h.trust, p, chain, time.Now()); err != nil {
		t.Fatalf("the sound certificate is refused: %v", err)
	}
	for _, c := range common {
		t.Run(c.name, func(t *testing.T) {
			chain := mint(t, h.issuing, p, func(d *draft) { c.edit(t, d) })
			v, err := verifyFor(h.trust, p, chain, time.Now())
			wantRefusal(t, v, err, c.rule, own(c.id))
		})
	}
	t.Run("unknown CA", func(t *testing.T) {
		chain := mint(t, must(must(NewRoot(h.root.hierarchy, "other.example"))(t).NewIssuing())(t), p, func(*draft) {})
		v, err := verifyFor(h.trust, p, chain, time.Now())
		wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	})
	t.Run("unknown CA of the same name", func(t *testing.T) {
		v, err := verifyFor(h.trust, p, mint(t, rogue(t, h.root.hierarchy), p, func(*draft) {}), time.Now())
		wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	})
	t.Run("intermediate not presented", func(t *testing.T) {
		v, err := verifyFor(h.trust, p, chain[:1], time.Now())
		wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	})
	t.Run("no time", func(t *testing.T) {
		v, err := verifyFor(h.trust, p, chain, time.Time{})
		wantRefusal(t, v, err, RuleNotYetValid, p.event())
	})
	t.Run("no trust", func(t *testing.T) {
		v, err := verifyFor(nil, p, chain, time.Now())
		wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	})
	t.Run("signature of another", func(t *testing.T) {
		forged := must(newKey())(t)
		ca := &CA{chain: []*x509.Certificate{h.issuing.Certificate()}, key: forged, hierarchy: h.root.hierarchy}
		impostor := *h.issuing.Certificate() // CreateCertificate wants the key to be the parent's
		impostor.PublicKey = forged.Public()
		ca.chain[0] = &impostor
		spoiled := mint(t, ca, p, func(*draft) {})
		v, err := verifyFor(h.trust, p, append(spoiled[:1:1], h.issuing.Certificate()), time.Now())
		wantRefusal(t, v, err, RuleSignature, audit.CertificateSignature)
	})
	t.Run("self-signed", func(t *testing.T) {
		d := must(newKey())(t)
		self := &CA{hierarchy: h.root.hierarchy, key: d}
		template := self.template("site.example", "", day)
		self.chain = []*x509.Certificate{template}
		v, err := verifyFor(h.trust, p, mint(t, self, p, func(m *draft) { m.key = d })[:1], time.Now())
		wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	})
	t.Run("SHA-1", func(t *testing.T) {
		key := rsaKey(t, 2048)
		root := rootWithKey(t, h.root.hierarchy, key)
		chain := mint(t, root, p, func(*draft) {})
		trust := trustIn(t, root)
		if _, err := verifyFor(trust, p, chain, time.Now()); err != nil {
			t.Fatalf("before it is spoiled: %v", err)
		}
		chain[0] = withSHA1(t, chain[0], key)
		v, err := verifyFor(trust, p, chain, time.Now())
		wantRefusal(t, v, err, RuleAlgorithm, audit.CertificateAlgorithm)
	})
	t.Run("root of RSA 1024", func(t *testing.T) {
		root := rootWithKey(t, h.root.hierarchy, rsaKey(t, 1024))
		v, err := verifyFor(trustIn(t, root), p, mint(t, root, p, func(*draft) {}), time.Now())
		wantRefusal(t, v, err, RuleKeySize, audit.CertificateKeySize)
	})
	t.Run("expired issuing CA", func(t *testing.T) {
		template := h.root.authority("site.example", "issuing", -day)
		key := must(newKey())(t)
		issuing := &CA{hierarchy: h.root.hierarchy, key: key}
		template.NotBefore = later(-2 * day)
		issuing.chain = []*x509.Certificate{signUnchecked(t, h.root, template, key.Public())}
		v, err := verifyFor(h.trust, p, mint(t, issuing, p, func(*draft) {}), time.Now())
		wantRefusal(t, v, err, RuleExpired, audit.CertificateExpired)
	})
	t.Run("path too long", func(t *testing.T) {
		key := must(newKey())(t)
		template := h.issuing.authority("site.example", "third", day)
		third := &CA{hierarchy: h.root.hierarchy, key: key}
		third.chain = append([]*x509.Certificate{signUnchecked(t, h.issuing, template, key.Public())}, h.issuing.chain...)
		v, err := verifyFor(h.trust, p, mint(t, third, p, func(*draft) {}), time.Now())
		wantRefusal(t, v, err, RulePath, p.event())
	})
	t.Run("issued by an end entity", func(t *testing.T) {
		key := must(newKey())(t)
		mallory := mint(t, h.issuing, p, func(d *draft) { d.key = key })
		ca := &CA{hierarchy: h.root.hierarchy, key: key, chain: mallory}
		v, err := verifyFor(h.trust, p, mint(t, ca, p, func(*draft) {}), time.Now())
		wantRefusal(t, v, err, RulePath, p.event())
	})
	t.Run("too many certificates", func(t *testing.T) {
		v, err := verifyFor(h.trust, p, slices.Repeat(chain, 5), time.Now())
		wantRefusal(t, v, err, RulePath, p.event())
	})
	t.Run("revoked", func(t *testing.T) {
		v, err := verifyFor(revoked(t, h.root, h.issuing, chain[0].SerialNumber), p, chain, time.Now())
		wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
	})
	t.Run("issuing CA revoked", func(t *testing.T) {
		v, err := verifyFor(revoked(t, h.root, h.root, h.issuing.Certificate().SerialNumber), p, chain, time.Now())
		wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
	})
}

// revoked returns the trust in root and a list of ca that revokes serial.
func revoked(t *testing.T, root, ca *CA, serial *big.Int) *Trust {
	t.Helper()
	file := t.TempDir() + "/list.crl"
	if err := ca.WriteCRL(file, serial); err != nil {
		t.Fatal(err)
	}
	return must(NewTrust([]*x509.Certificate{root.Certificate()}, must(loadCRLs([]string{file}))(t)))(t)
}

func TestM5ServerCertificate(t *testing.T) {
	h := newHierarchy(t, E2M)
	testCommon(t, h, forServer)

	const domain = "site.example"
	dns := func(list ...string) func(*draft) { return func(d *draft) { d.names = names{dns: list} } }
	srv := func(list ...string) func(*draft) { return func(d *draft) { d.names = names{srv: list} } }
	usage := func(u ...x509.ExtKeyUsage) func(*draft) { return func(d *draft) { d.ExtKeyUsage = u } }
	cases := []struct {
		name   string
		domain string
		edit   func(*draft)
		rule   Rule // 0: accepted
	}{
		{"no certificate", domain, nil, RuleNoCertificate},
		{"dNSName", domain, dns(domain), 0},
		{"dNSName in other case", "Site.Example", dns("sITE.eXAMPLE"), 0},
		{"second of several names", domain, dns("other.example", domain), 0},
		{"SRVName alone", domain, srv("_xmpp-client." + domain), 0},
		{"wrong name", domain, dns("other.example"), RuleName},
		{"SRV target's name", domain, dns("xmpp1.hoster.example"), RuleName},
		{"SRVName of another service", domain, srv("_imap." + domain), RuleName},
		{"SRVName of servers, asked as a client", domain, srv("_xmpp-server." + domain), RuleName},
		{"SRVName of another domain", domain, srv("_xmpp-client.other.example"), RuleName},
		{"SRVName with a wildcard", "a.site.example", srv("_xmpp-client.*.site.example"), RuleName},
		{"CN only", domain, func(d *draft) { d.names = names{}; d.Subject.CommonName = domain }, RuleName},
		{"CN beside another name", domain, func(d *draft) { d.names.dns[0] = "other.example"; d.Subject.CommonName = domain }, RuleName},
		{"xmppAddr is no server's name", domain, func(d *draft) { d.names = names{xmpp: []string{domain}} }, RuleName},
		{"address as dNSName", "192.0.2.1", dns("192.0.2.1"), RuleName},
		{"internationalised domain as U-labels", "münchen.example", dns("xn--mnchen-3ya.example"), RuleName},
		{"internationalised domain as A-labels", "xn--mnchen-3ya.example", dns("xn--mnchen-3ya.example"), 0},
		{"empty domain", "", dns(domain), RuleName},
		{"domain with a final dot", domain + ".", dns(domain), RuleName},
		{"subdomain of the name", "a." + domain, dns(domain), RuleName},
		{"domain above the name", domain, dns("a." + domain), RuleName},
		{"wildcard as whole leftmost label", "a." + domain, dns("*." + domain), 0},
		{"wildcard for no label", domain, dns("*." + domain), RuleName},
		{"wildcard for two labels", "a.b." + domain, dns("*." + domain), RuleName},
		{"wildcard as a part of a label", "abc." + domain, dns("a*."+domain, "*c."+domain, "a*c."+domain), RuleName},
		{"wildcard in an inner label", "a.b." + domain, dns("a.*." + domain), RuleName},
		{"wildcard over a single label", domain, dns("*.example"), RuleName},
		{"wildcard alone", "localhost", dns("*"), RuleName},
		{"wildcard asked for", "*." + domain, dns("*." + domain), RuleName},
		{"wrong EKU", domain, usage(x509.ExtKeyUsageClientAuth), RuleUsage},
		{"EKU any", domain, usage(x509.ExtKeyUsageAny), RuleUsage},
		{"no EKU", domain, usage(), RuleUsage},
		{"E2E certificate", domain, func(d *draft) { d.ExtKeyUsage = nil; d.KeyUsage |= x509.KeyUsageKeyAgreement }, RuleUsage},
		{"name with a NUL", domain, func(d *draft) {
			d.san = []byte("\x30\x0e\x82\x0csite.example")[:4:4]
			d.san = append(d.san, "site.exampl\x00"...)
		}, RuleExtension},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var chain []*x509.Certificate
			if c.edit != nil {
				chain = mint(t, h.issuing, forServer, c.edit)
			}
			v, err := h.trust.VerifyServer(chain, c.domain, time.Now())
			id := audit.ServerCertificate
			if c.rule == RuleNoCertificate {
				id = audit.TLSNoPeerCertificate
			}
			if c.rule != 0 {
				wantRefusal(t, v, err, c.rule, id)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestM6ClientCertificate(t *testing.T) {
	h := newHierarchy(t, E2M)
	testCommon(t, h, forClient)

	t.Run("none", func(t *testing.T) {
		v, err := h.trust.VerifyClient(nil, time.Now())
		wantRefusal(t, v, err, RuleNoCertificate, audit.TLSNoPeerCertificate)
	})
	for name, usage := range map[string][]x509.ExtKeyUsage{
		"server's": {x509.ExtKeyUsageServerAuth}, "EKU any": {x509.ExtKeyUsageAny}, "no EKU": nil,
	} {
		t.Run(name, func(t *testing.T) {
			v, err := h.trust.VerifyClient(mint(t, h.issuing, forClient, func(d *draft) { d.ExtKeyUsage = usage }), time.Now())
			wantRefusal(t, v, err, RuleUsage, audit.ClientCertificate)
		})
	}
	t.Run("CA for other purposes", func(t *testing.T) {
		key := must(newKey())(t)
		template := h.root.authority("site.example", "servers", day)
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		ca := &CA{hierarchy: E2M, key: key, chain: []*x509.Certificate{signUnchecked(t, h.root, template, key.Public())}}
		v, err := h.trust.VerifyClient(mint(t, ca, forClient, func(*draft) {}), time.Now())
		wantRefusal(t, v, err, RuleUsage, audit.ClientCertificate)
	})
	t.Run("E2E certificate", func(t *testing.T) {
		e2e := newHierarchy(t, E2E)
		id := must(e2e.issuing.IssueE2E("ied1@site.example", nil))(t)
		v, err := h.trust.VerifyClient(id.Chain, time.Now())
		wantRefusal(t, v, err, RuleUsage, audit.ClientCertificate)
	})
	// How many names there are, and whose, is for SASL to judge: it gets them all, in order.
	for name, want := range map[string][]string{
		"two xmppAddr":  {"ied1@site.example", "ied2@site.example"},
		"other domain":  {"ied1@other.example"},
		"not in ASCII":  {"zähler@site.example"},
		"no xmppAddr":   nil,
		"a server's":    {"site.example"},
		"the same name": {"ied1@site.example", "ied1@site.example"},
	} {
		t.Run(name, func(t *testing.T) {
			chain := mint(t, h.issuing, forClient, func(d *draft) { d.names = names{dns: []string{"ied1.site.example"}, xmpp: want} })
			v := must(h.trust.VerifyClient(chain, time.Now()))(t)
			if d := cmp.Diff(want, v.XMPPAddrs()); d != "" {
				t.Errorf("XMPPAddrs (-want +got):\n%s", d)
			}
		})
	}
}

func TestCriticalSubjectAltNameIsRead(t *testing.T) {
	h := newHierarchy(t, E2M)
	chain := mint(t, h.issuing, forClient, func(d *draft) {
		d.Subject = pkix.Name{}
		d.ExtraExtensions = []pkix.Extension{{Id: oidSAN, Critical: true, Value: must(d.names.marshal())(t)}}
		d.names = names{}
	})
	if len(chain[0].UnhandledCriticalExtensions) == 0 {
		t.Fatal("crypto/x509 read the names itself: the test tests nothing")
	}
	v := must(h.trust.VerifyClient(chain, time.Now()))(t)
	if d := cmp.Diff([]string{"ied1@site.example"}, v.XMPPAddrs()); d != "" {
		t.Errorf("XMPPAddrs (-want +got):\n%s", d)
	}
}

func TestE11EndToEndCertificate(t *testing.T) {
	h := newHierarchy(t, E2E)
	testCommon(t, h, forE2E)

	usage := func(u ...x509.ExtKeyUsage) func(*draft) { return func(d *draft) { d.ExtKeyUsage = u } }
	jids := func(list ...string) func(*draft) { return func(d *draft) { d.names.xmpp = list } }
	cases := []struct {
		name string
		edit func(*draft)
		rule Rule // 0: accepted
	}{
		{"no certificate", nil, RuleNoCertificate},
		{"TLS client's", usage(x509.ExtKeyUsageClientAuth), RuleUsage},
		{"TLS server's", usage(x509.ExtKeyUsageServerAuth), RuleUsage},
		{"TLS among others", usage(x509.ExtKeyUsageCodeSigning, x509.ExtKeyUsageClientAuth), RuleUsage},
		{"EKU any", usage(x509.ExtKeyUsageAny), RuleUsage},
		{"another EKU", usage(x509.ExtKeyUsageCodeSigning), 0},
		{"no keyUsage", func(d *draft) { d.KeyUsage = 0 }, RuleUsage},
		{"no keyAgreement", func(d *draft) { d.KeyUsage = x509.KeyUsageDigitalSignature }, RuleUsage},
		{"no JID", func(d *draft) { d.names = names{dns: []string{"ied1.site.example"}} }, RuleName},
		{"two JIDs", jids("ied1@site.example", "ied2@site.example"), RuleName},
		{"full JID", jids("ied1@site.example/IEC"), RuleName},
		{"domain only", jids("site.example"), RuleName},
		{"P-384", func(d *draft) { d.key = ecKey(t, elliptic.P384()) }, 0},
		{"RSA 2048", func(d *draft) { d.key = rsaKey(t, 2048) }, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var chain []*x509.Certificate
			if c.edit != nil {
				chain = mint(t, h.issuing, forE2E, c.edit)
			}
			v, err := h.trust.VerifyE2E(chain, time.Now())
			if c.rule != 0 {
				wantRefusal(t, v, err, c.rule, audit.E2ECertificate)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	t.Run("E2M CA as a trust anchor", func(t *testing.T) {
		e2m := newHierarchy(t, E2M)
		v, err := e2m.trust.VerifyE2E(mint(t, e2m.issuing, forE2E, func(*draft) {}), time.Now())
		wantRefusal(t, v, err, RuleUsage, audit.E2ECertificate)
	})
}

func TestR1Roles(t *testing.T) {
	e2m, e2e := newHierarchy(t, E2M), newHierarchy(t, E2E)
	secadm := must(marshalRoles([]rbac.Grant{rbac.DefaultPolicy().NewGrant(rbac.SECADM, "")}))(t)
	withRoles := func(d *draft) { d.roles = secadm }
	t.Run("role only in the TLS certificate", func(t *testing.T) {
		v := must(e2m.trust.VerifyClient(mint(t, e2m.issuing, forClient, withRoles), time.Now()))(t)
		if v.Grants() != nil {
			t.Errorf("grants %v, want none", v.Grants())
		}
	})
	t.Run("malformed", func(t *testing.T) {
		v, err := e2e.trust.VerifyE2E(mint(t, e2e.issuing, forE2E, func(d *draft) { d.roles = secadm[:len(secadm)-1] }), time.Now())
		wantRefusal(t, v, err, RuleRoles, audit.RoleRefused)
	})
	t.Run("private and unassigned roles are read, and carry nothing", func(t *testing.T) {
		grants := []rbac.Grant{{Role: -32768, AOR: "*", Revision: 1}, {Role: 32767, AOR: "*", Revision: 1}}
		der := must(marshalRoles(grants))(t)
		v := must(e2e.trust.VerifyE2E(mint(t, e2e.issuing, forE2E, func(d *draft) { d.roles = der }), time.Now()))(t)
		s := rbac.Subject{Name: v.XMPPAddrs()[0], Grants: v.Grants()}
		if d := (*rbac.Policy)(nil).Decide(s, rbac.View, "LD0", time.Now()); len(v.Grants()) != 2 || d.Allowed || d.Reason != rbac.UnknownRole {
			t.Errorf("grants %v, decision %+v, want two that carry nothing", v.Grants(), d)
		}
	})
	t.Run("a role ends with its certificate", func(t *testing.T) {
		v := must(e2e.trust.VerifyE2E(mint(t, e2e.issuing, forE2E, withRoles), time.Now()))(t)
		s := rbac.Subject{Name: v.XMPPAddrs()[0], Grants: v.Grants()}
		if d := (*rbac.Policy)(nil).Decide(s, rbac.View, "LD0", v.Leaf().NotAfter.Add(time.Second)); d.Reason != rbac.Expired {
			t.Errorf("decision %+v, want %q", d, rbac.Expired)
		}
	})
}

func TestTrustInSingleCertificates(t *testing.T) {
	h := newHierarchy(t, E2M)
	key := must(newKey())(t)
	listed := mint(t, h.issuing, forClient, func(d *draft) { d.key = key })
	trust := must(NewTrust(listed[:1], nil))(t)
	if _, err := trust.VerifyClient(listed, time.Now()); err != nil {
		t.Errorf("the listed certificate is refused: %v", err)
	}
	v, err := trust.VerifyClient(mint(t, h.issuing, forClient, func(*draft) {}), time.Now())
	wantRefusal(t, v, err, RuleUnknownCA, audit.CertificateUnknownCA)
	v, err = trust.VerifyClient(listed, listed[0].NotAfter.Add(time.Second))
	wantRefusal(t, v, err, RuleExpired, audit.CertificateExpired)
	ca := &CA{hierarchy: E2M, key: key, chain: listed[:1]}
	v, err = trust.VerifyClient(mint(t, ca, forClient, func(*draft) {}), time.Now())
	wantRefusal(t, v, err, RulePath, audit.ClientCertificate)
}

func TestStrongerKeysVerify(t *testing.T) {
	for name, key := range map[string]func(t *testing.T) *CA{
		"P-384":    func(t *testing.T) *CA { return rootWithKey(t, E2M, ecKey(t, elliptic.P384())) },
		"P-521":    func(t *testing.T) *CA { return rootWithKey(t, E2M, ecKey(t, elliptic.P521())) },
		"RSA 2048": func(t *testing.T) *CA { return rootWithKey(t, E2M, rsaKey(t, 2048)) },
	} {
		t.Run(name, func(t *testing.T) {
			root := key(t)
			issuing := must(root.NewIssuing())(t)
			id := must(issuing.IssueClientTLS("ied1@site.example"))(t)
			if _, err := trustIn(t, root).VerifyClient(id.Chain, time.Now()); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestRefusalsAreFitForPrint(t *testing.T) {
	h := newHierarchy(t, E2M)
	chain := mint(t, h.issuing, forServer, func(d *draft) {
		d.names = names{}
		d.Subject.CommonName = "evil\x1b[31m\n" + strings.Repeat("x", 500)
	})
	_, err := h.trust.VerifyServer(chain, "site.example", time.Now())
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") || len(err.Error()) > 400 {
		t.Errorf("error is %q", err)
	}
}
