package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// A forge is a CA that signs whatever it is told to.
type forge struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newForge(t *testing.T) *forge {
	f := &forge{t: t, key: newSigner(t)}
	f.cert = f.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "forge"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: []byte{1},
	}, nil, f.key)
	return f
}

func newSigner(t *testing.T) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign issues template under parent, nil for itself.
func (f *forge) sign(template, parent *x509.Certificate, key crypto.Signer) *x509.Certificate {
	f.t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(48 * time.Hour)
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return cert
}

// identity issues an end-to-end certificate for jid that edit has spoiled.
func (f *forge) identity(jid string, edit func(*x509.Certificate)) *pki.Identity {
	f.t.Helper()
	key, template := newSigner(f.t), f.template(jid)
	edit(template)
	return &pki.Identity{Chain: []*x509.Certificate{f.sign(template, f.cert, key)}, Key: key}
}

// identityOf issues an end-to-end certificate for jid and that key.
func (f *forge) identityOf(key crypto.Signer, jid string) *pki.Identity {
	f.t.Helper()
	return &pki.Identity{Chain: []*x509.Certificate{f.sign(f.template(jid), f.cert, key)}, Key: key}
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// template is a good end-to-end certificate for jid.
func (f *forge) template(jid string) *x509.Certificate {
	f.t.Helper()
	address, err := asn1.MarshalWithParams(jid, "utf8,explicit,tag:0")
	if err != nil {
		f.t.Fatal(err)
	}
	oid, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5})
	if err != nil {
		f.t.Fatal(err)
	}
	san, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(oid, address...)}})
	if err != nil {
		f.t.Fatal(err)
	}
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: "peer"},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement,
		BasicConstraintsValid: true,
		ExtraExtensions:       []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}},
	}
}

// TestE11: certificates that may not be used here.
func TestE11(t *testing.T) {
	f := newForge(t)
	trust, err := pki.NewTrust([]*x509.Certificate{f.cert}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e2m, err := pki.NewRoot(pki.E2M, "dso.example")
	if err != nil {
		t.Fatal(err)
	}
	tls, err := e2m.IssueClientTLS(clientJID)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := func(edit func(*x509.Certificate)) *pki.Identity { return f.identity(clientJID, edit) }
	bloated := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: make([]byte, 8192)}
	long := spoiled(func(*x509.Certificate) {})
	for range maxCertPath + 1 {
		long.Chain = append(long.Chain, f.cert)
	}
	for _, tt := range []struct {
		name     string
		identity *pki.Identity
		told     string
		also     audit.ID // the event of the certificate itself
	}{
		{"TLS certificate of the TLS hierarchy", tls, "invalid-public-key-certificate", audit.E2ECertificate},
		{"TLS client usage", spoiled(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
			"invalid-public-key-certificate", audit.E2ECertificate},
		{"no digitalSignature", spoiled(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }),
			"invalid-public-key-certificate", audit.E2ECertificate},
		{"no keyAgreement", spoiled(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }),
			"invalid-public-key-certificate", audit.E2ECertificate},
		{"no key usage", spoiled(func(c *x509.Certificate) { c.KeyUsage = 0 }), "invalid-public-key-certificate", audit.E2ECertificate},
		{"more than 8,192 octets", spoiled(func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, bloated) }),
			"invalid-public-key-certificate", audit.CertificateSize},
		{"expired", spoiled(func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Minute)
		}), "invalid-public-key-certificate", audit.CertificateExpired},
		{"not yet valid", spoiled(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }),
			"invalid-public-key-certificate", audit.E2ECertificate},
		{"no address", spoiled(func(c *x509.Certificate) { c.ExtraExtensions = nil }), "invalid-public-key-certificate", audit.E2ECertificate},
		{"unknown CA", newForge(t).identity(clientJID, func(*x509.Certificate) {}), "invalid-public-key-certificate", audit.CertificateSignature},
		{"path of too many certificates", long, "invalid-public-key-certificate", audit.E2EHandshakeCertificate},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.client.Identity, w.server.Trust = tt.identity, trust
			_, req := w.request("17")
			_, err := w.newResponder().Open(w.now, clientFull, "17", req)
			r := w.refusal(err, audit.E2EHandshakeCertificate)
			if r.Told != tt.told {
				t.Errorf("told %q, want %q (%v)", r.Told, tt.told, r)
			}
			wantEvent(t, w.seen, audit.E2EHandshakeCertificate)
			wantEvent(t, w.seen, tt.also)
		})
	}
	t.Run("good", func(t *testing.T) {
		w := newWorld(t)
		w.client.Identity, w.server.Trust = spoiled(func(*x509.Certificate) {}), trust
		w.responder = w.newResponder()
		w.associate()
	})
	t.Run("a key on another curve", func(t *testing.T) {
		w := newWorld(t)
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := *spoiled(func(*x509.Certificate) {}).Chain[0]
		template.ExtraExtensions = template.Extensions
		w.client.Identity, w.server.Trust = spoiled(func(*x509.Certificate) {}), trust
		_, err = w.newResponder().Open(w.now, clientFull, "17", w.forgedRequest(w.client, func(p *HandshakeReq) {
			p.TBS.Token1.PKCert = f.sign(&template, f.cert, key).Raw
		}))
		if r := w.refusal(err, audit.E2EDowngrade); r.Told != "invalid-signatureAlgorithm" {
			t.Errorf("told %q", r.Told)
		}
	})
	t.Run("no roots", func(t *testing.T) {
		w := newWorld(t)
		w.server.Trust = nil
		_, req := w.request("17")
		_, err := w.newResponder().Open(w.now, clientFull, "17", req)
		if r := w.refusal(err, audit.E2EHandshakeCertificate); r.Told != "invalid-certification-path" {
			t.Errorf("told %q", r.Told)
		}
	})
	t.Run("revoked during the association", func(t *testing.T) {
		w := newWorld(t)
		file := t.TempDir() + "/crl.pem"
		a := authorities()
		if err := a.issuing.WriteCRL(file); err != nil {
			t.Fatal(err)
		}
		root := t.TempDir() + "/root.pem"
		if err := a.root.Save(root, root+".key"); err != nil {
			t.Fatal(err)
		}
		trust, err := pki.LoadTrust([]string{root}, []string{file})
		if err != nil {
			t.Fatal(err)
		}
		w.server.Trust = trust
		w.responder = w.newResponder()
		_, server := w.associate()
		if err := server.Recheck(w.now); err != nil {
			t.Fatal(err)
		}
		if err := a.issuing.WriteCRL(file, w.client.Identity.Chain[0].SerialNumber); err != nil {
			t.Fatal(err)
		}
		if err := trust.Refresh(); err != nil {
			t.Fatal(err)
		}
		if err := server.Recheck(w.now); err == nil {
			t.Fatal("a revoked certificate is still good")
		}
		wantEvent(t, w.seen, audit.CredentialWithdrawn)
		wantEvent(t, w.seen, audit.CertificateRevoked)
		w.wantEnded(server)
		_, req := w.request("18")
		_, err = w.responder.Open(w.now, clientFull, "18", req)
		w.refusal(err, audit.E2EHandshakeCertificate)
	})
}
