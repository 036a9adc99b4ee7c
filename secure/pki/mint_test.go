package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"busbar.example/secure/audit"
)

// A draft is a certificate that a test is about to make: a sound one that the
// test then spoils.
type draft struct {
	*x509.Certificate
	names names
	san   []byte        // replaces names, if set
	roles []byte        // the roles extension, if set
	key   crypto.Signer // P-256 if nil
}

// mint makes an end entity's certificate for the purpose below ca, edited, and
// returns its chain.
func mint(t testing.TB, ca *CA, p purpose, edit func(*draft)) []*x509.Certificate {
	t.Helper()
	d := &draft{Certificate: ca.template("site.example", "test", leafValidity)}
	d.KeyUsage = x509.KeyUsageDigitalSignature
	switch p {
	case forServer:
		d.names = names{dns: []string{"site.example"}}
		d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case forClient:
		d.names = names{xmpp: []string{"ied1@site.example"}}
		d.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	case forE2E:
		d.names = names{xmpp: []string{"ied1@site.example"}}
		d.KeyUsage |= x509.KeyUsageKeyAgreement
	}
	edit(d)
	if d.san == nil && len(d.names.dns)+len(d.names.srv)+len(d.names.xmpp)+len(d.names.ip) > 0 {
		d.san = must(d.names.marshal())(t)
	}
	if d.san != nil {
		d.ExtraExtensions = append(d.ExtraExtensions, pkix.Extension{Id: oidSAN, Value: d.san})
	}
	if d.roles != nil {
		d.ExtraExtensions = append(d.ExtraExtensions, pkix.Extension{Id: oidRoles, Value: d.roles})
	}
	if d.key == nil {
		d.key = must(newKey())(t)
	}
	cert := signUnchecked(t, ca, d.Certificate, d.key.Public())
	return append([]*x509.Certificate{cert}, ca.intermediates()...)
}

// signUnchecked signs a template without the checks that CA.sign makes.
func signUnchecked(t testing.TB, ca *CA, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	if template.SerialNumber == nil {
		template.SerialNumber = must(rand.Int(rand.Reader, maxSerial))(t)
	}
	der := must(x509.CreateCertificate(rand.Reader, template, ca.Certificate(), public, ca.key))(t)
	return must(x509.ParseCertificate(der))(t)
}

var maxSerial = big.NewInt(1 << 62)

// withSHA1 signs the certificate of an RSA CA again, with SHA-1, which
// crypto/x509 does not do any more.
func withSHA1(t testing.TB, cert *x509.Certificate, key *rsa.PrivateKey) *x509.Certificate {
	t.Helper()
	sha256OID := must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}))(t)
	sha1OID := must(asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}))(t)
	tbs := bytes.Replace(cert.RawTBSCertificate, sha256OID, sha1OID, 1)
	sum := sha1.Sum(tbs)
	signature := must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:]))(t)
	der := must(asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{
		asn1.RawValue{FullBytes: tbs},
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, Parameters: asn1.NullRawValue},
		asn1.BitString{Bytes: signature, BitLength: len(signature) * 8},
	}))(t)
	return must(x509.ParseCertificate(der))(t)
}

// rogue returns a CA of the same names and another key, as somebody else's.
func rogue(t testing.TB, h Hierarchy) *CA {
	t.Helper()
	root := must(NewRoot(h, "site.example"))(t)
	return must(root.NewIssuing())(t)
}

// rootWithKey returns a root CA of that key.
func rootWithKey(t testing.TB, h Hierarchy, key crypto.Signer) *CA {
	t.Helper()
	ca := &CA{hierarchy: h, key: key}
	template := ca.authority("site.example", "root", rootValidity)
	template.MaxPathLen = 1
	ca.chain = []*x509.Certificate{must(ca.sign(template, template, key.Public()))(t)}
	return ca
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	return must(ecdsa.GenerateKey(curve, rand.Reader))(t)
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	return must(rsa.GenerateKey(rand.Reader, bits))(t)
}

// trustIn returns the trust in a root, with an empty revocation list.
func trustIn(t testing.TB, roots ...*CA) *Trust {
	t.Helper()
	var certs []*x509.Certificate
	for _, ca := range roots {
		certs = append(certs, ca.Certificate())
	}
	return must(NewTrust(certs, nil))(t)
}

// wantRefusal asserts the rule that was broken and the event that it is.
func wantRefusal(t *testing.T, v *Verified, err error, rule Rule, id audit.ID) {
	t.Helper()
	var refused *VerifyError
	switch {
	case err == nil:
		t.Errorf("accepted %v, want a refusal by rule %d", v.Leaf().Subject, rule)
	case !errors.As(err, &refused):
		t.Errorf("error is a %T (%v), want a *VerifyError", err, err)
	case v != nil:
		t.Errorf("a Verified came with the refusal %v", err)
	case refused.Rule != rule || refused.ID != id:
		t.Errorf("refused by rule %d as %s (%v), want rule %d as %s", refused.Rule, refused.ID, err, rule, id)
	}
}

// later is a time at which the certificates of a test have not expired.
func later(d time.Duration) time.Time { return time.Now().Add(d) }

func asEC(t testing.TB, key crypto.Signer) *ecdsa.PrivateKey {
	t.Helper()
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("key is a %T", key)
	}
	return ec
}

func signSHA256(t testing.TB, key crypto.Signer, data []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(data)
	return must(key.Sign(rand.Reader, sum[:], crypto.SHA256))(t)
}
