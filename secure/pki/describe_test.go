package pki

import (
	"crypto/x509"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/rbac"
)

// random is what differs from run to run in a description.
var random = regexp.MustCompile(`\b[0-9a-f]{24,64}\b`)

// describeAt describes files as they are at a fixed time, with what is random
// in them replaced.
func describeAt(t *testing.T, now time.Time, files ...string) string {
	t.Helper()
	var all []byte
	for _, f := range files {
		all = append(all, must(os.ReadFile(f))(t)...)
	}
	var b strings.Builder
	for _, d := range must(Describe(all, now))(t) {
		b.WriteString(d.String())
	}
	return random.ReplaceAllString(b.String(), "…")
}

func TestDescriptionsForPeople(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	root := must(NewRoot(E2E, "site.example"))(t)
	root.Clock = func() time.Time { return noon }
	root.chain[0] = rootAt(t, root, noon)
	issuing := must(root.NewIssuing())(t)
	grants := []rbac.Grant{rbac.DefaultPolicy().NewGrant(rbac.Operator, "PV*"), rbac.DefaultPolicy().NewGrant(rbac.SECAUD, "")}
	id := must(issuing.IssueE2E("op@site.example", grants))(t)
	dir := t.TempDir()
	cert, key, crl := filepath.Join(dir, "e2e.crt"), filepath.Join(dir, "e2e.key"), filepath.Join(dir, "e2e.crl")
	if err := id.Save(cert, key); err != nil {
		t.Fatal(err)
	}
	if err := issuing.WriteCRL(crl, big.NewInt(0xbad)); err != nil {
		t.Fatal(err)
	}
	octets := regexp.MustCompile(`octets +\d+`) // signatures vary in length

	want := `certificate
  use           E2E
  subject       OU=E2E,O=site.example
  XMPP address  op@site.example
  role          OPERATOR for PV*, revision 1 of IEC62351-8
  role          SECAUD for *, revision 1 of IEC62351-8
  key usage     digitalSignature, keyAgreement
  valid from    2026-11-22 11:00 UTC
  valid to      2027-11-22 12:00 UTC (364 days left)
  key           ECDSA P-256
  key hash      …
  signature     ECDSA-SHA256
  serial        …
  issuer        CN=E2E issuing CA,O=site.example
  SHA-256       …
  octets
certificate
  use           CA for E2E
  subject       CN=E2E issuing CA,O=site.example
  key usage     keyCertSign, cRLSign
  valid from    2026-11-22 11:00 UTC
  valid to      2036-11-19 12:00 UTC (3649 days left)
  key           ECDSA P-256
  key hash      …
  signature     ECDSA-SHA256
  serial        …
  issuer        CN=E2E root CA,O=site.example
  SHA-256       …
  octets
private key
  key           ECDSA P-256
  key hash      …
revocation list
  valid from    2026-11-22 12:00 UTC
  valid to      2026-12-22 12:00 UTC (29 days left)
  number        1
  signature     ECDSA-SHA256
  issuer        CN=E2E issuing CA,O=site.example
  SHA-256       …
  octets
  revoked       bad on 2026-11-22 12:00 UTC
`
	got := octets.ReplaceAllString(describeAt(t, noon.Add(time.Second), cert, key, crl), "octets")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("descriptions (-want +got):\n%s", d)
	}

	late := describeAt(t, noon.Add(leafValidity+day), cert, crl)
	for _, want := range []string{"(expired)", "FAULT         it expired on 2027-11-22", "FAULT         its next update is overdue"} {
		if !strings.Contains(late, want) {
			t.Errorf("%q is missing in\n%s", want, late)
		}
	}
	if got := describeAt(t, noon.Add(leafValidity-36*time.Hour), cert); !strings.Contains(got, "(1 day left)") {
		t.Errorf("no single day in\n%s", got)
	}
}

// rootAt returns the root's certificate as if it had been made at that time.
func rootAt(t *testing.T, root *CA, now time.Time) *x509.Certificate {
	t.Helper()
	template := root.authority("site.example", "root", rootValidity)
	template.MaxPathLen = 1
	return must(root.sign(template, template, root.key.Public()))(t)
}

func TestDescriptionsForPrograms(t *testing.T) {
	h := newHierarchy(t, E2M)
	id := must(h.issuing.IssueServer("site.example"))(t)
	now := time.Now().UTC()
	d := must(Describe(append(encodeCertificates(id.Chain[:1]), must(encodeKey(id.Key))(t)...), now))(t)
	if len(d) != 2 || d[0].KeyHash != d[1].KeyHash || d[0].KeyHash == "" {
		t.Fatalf("descriptions %+v, want a certificate and its key with the same hash", d)
	}
	var got map[string]any
	if err := json.Unmarshal(must(json.Marshal(d[0]))(t), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"kind": "certificate", "use": []any{"TLS server", "TLS client"}, "subject": "OU=E2M server,O=site.example",
		"dns": []any{"site.example"}, "srv": []any{"_xmpp-client.site.example", "_xmpp-server.site.example"},
		"keyUsage": []any{"digitalSignature"}, "extKeyUsage": []any{"serverAuth", "clientAuth"},
		"notBefore": id.Chain[0].NotBefore.Format(time.RFC3339), "notAfter": id.Chain[0].NotAfter.Format(time.RFC3339), "daysLeft": 364.0,
		"key": "ECDSA P-256", "keyHash": d[0].KeyHash, "signature": "ECDSA-SHA256", "serial": id.Chain[0].SerialNumber.Text(16),
		"issuer": "CN=E2M issuing CA,O=site.example", "fingerprint": fingerprint(id.Chain[0].Raw), "octets": float64(len(id.Chain[0].Raw)),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("JSON (-want +got):\n%s", d)
	}
}

func TestDescribeReadsDER(t *testing.T) {
	h := newHierarchy(t, E2M)
	crl := must(loadCRLs(h.crlFiles))(t)[0]
	for kind, der := range map[string][]byte{"certificate": h.root.Certificate().Raw, "revocation list": crl.Raw} {
		d, err := Describe(der, time.Now())
		if err != nil || len(d) != 1 || d[0].Kind != kind {
			t.Errorf("%s: %+v, %v", kind, d, err)
		}
	}
}

func TestDescribeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"nothing":              {"", "neither a certificate"},
		"text":                 {"hello\n", "neither a certificate"},
		"a request":            {"-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n", "a CERTIFICATE REQUEST stands"},
		"an encrypted key":     {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted with a password"},
		"a broken certificate": {"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "x509"},
		"a broken list":        {"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n", "x509"},
		"broken DER":           {"\x30\x00", "x509"},
	} {
		if d, err := Describe([]byte(c.data), time.Now()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want an error with %q", name, d, err, c.want)
		}
	}
}

func TestFaultsAreDescribed(t *testing.T) {
	h := newHierarchy(t, E2E)
	for want, edit := range map[string]func(*draft){
		"roles extension is malformed": func(d *draft) { d.roles = []byte{0} },
		"subjectAltName is malformed":  func(d *draft) { d.san = []byte{0x30, 0} },
		"its RSA key has 1024 bits":    func(d *draft) { d.key = rsaKey(t, 1024) },
	} {
		got := must(Describe(mint(t, h.issuing, forE2E, edit)[0].Raw, time.Now()))(t)[0].String()
		if !strings.Contains(got, "FAULT         "+want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}
