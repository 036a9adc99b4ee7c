package pki

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestIdentityIsSavedAndLoaded(t *testing.T) {
	h := newHierarchy(t, E2M)
	id := must(h.issuing.IssueClientTLS("ied1@site.example"))(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for range 2 { // the second time over the files of the first
		if err := id.Save(cert, key); err != nil {
			t.Fatal(err)
		}
	}
	got := must(LoadIdentity(cert, key))(t)
	if len(got.Chain) != 2 || !got.Chain[0].Equal(id.Chain[0]) || !got.Chain[1].Equal(h.issuing.Certificate()) {
		t.Errorf("the chain differs: %d certificates", len(got.Chain))
	}
	if err := got.check(); err != nil {
		t.Error(err)
	}
	modes := map[string]os.FileMode{cert: 0o644, key: 0o600}
	for file, want := range modes {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want && runtime.GOOS != "windows" {
			t.Errorf("%s has mode %04o, want %04o", file, got, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v (%v), want the two files", entries, err)
	}
}

func TestFailedSaveLeavesTheFileAsItWas(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "folder")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(target, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestLoadIdentityRefuses(t *testing.T) {
	h := newHierarchy(t, E2M)
	id := must(h.issuing.IssueClientTLS("ied1@site.example"))(t)
	other := must(h.issuing.IssueClientTLS("ied2@site.example"))(t)
	dir := t.TempDir()
	write := func(name string, mode os.FileMode, content ...[]byte) string {
		t.Helper()
		file := filepath.Join(dir, name)
		var all []byte
		for _, c := range content {
			all = append(all, c...)
		}
		if err := os.WriteFile(file, all, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	block := func(typ string, headers map[string]string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: typ, Headers: headers, Bytes: der})
	}
	certPEM, keyPEM := encodeCertificates(id.Chain), must(encodeKey(id.Key))(t)
	cert, key := write("a.crt", 0o644, certPEM), write("a.key", 0o600, keyPEM)
	ed25519 := []byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIB4vj+oW8lLPB5vMWvPzkXO5XAbKQYjRSKsyGJ2rVVoK\n-----END PRIVATE KEY-----\n")
	cases := []struct{ name, cert, key, want string }{
		{"key that the group may read", cert, write("group.key", 0o640, keyPEM), "chmod 600"},
		{"key that all may read", cert, write("all.key", 0o604, keyPEM), "chmod 600"},
		{"key that others may write", cert, write("write.key", 0o602, keyPEM), "chmod 600"},
		{"key of another certificate", cert, write("other.key", 0o600, must(encodeKey(other.Key))(t)), "does not belong"},
		{"encrypted PKCS #8 key", cert, write("enc8.key", 0o600, block("ENCRYPTED PRIVATE KEY", nil, []byte{0})), "encrypted"},
		{"encrypted key of the older form", cert, write("enc.key", 0o600, block(pemKeyEC, map[string]string{"DEK-Info": "AES-256-CBC,00"}, []byte{0})), "encrypted"},
		{"two keys", cert, write("two.key", 0o600, keyPEM, keyPEM), "after the private key"},
		{"certificate as a key", cert, write("cert.key", 0o600, certPEM), "where a private key is expected"},
		{"Ed25519 key", cert, write("ed.key", 0o600, ed25519), "neither ECDSA nor RSA"},
		{"key that cannot be decoded", cert, write("junk8.key", 0o600, block(pemKey, nil, []byte("secret"))), "cannot be decoded"},
		{"no key", cert, write("empty.key", 0o600), "no private key"},
		{"key in DER", cert, write("der.key", 0o600, []byte{0x30, 0}), "no private key"},
		{"no key file", cert, filepath.Join(dir, "none.key"), "no such file"},
		{"folder as a key", cert, dir, "not a regular file"},
		{"key among the certificates", write("mixed.crt", 0o600, keyPEM, certPEM), key, "where certificates are expected"},
		{"no certificate", write("empty.crt", 0o600), key, "no certificate"},
		{"certificate that cannot be decoded", write("junk.crt", 0o600, block(pemCertificate, nil, []byte("junk"))), key, "certificate 1"},
		{"no certificate file", filepath.Join(dir, "none.crt"), key, "no such file"},
		{"chain in the wrong order", write("order.crt", 0o600, encodeCertificates([]*x509.Certificate{id.Chain[1], id.Chain[0]})), key, "does not belong"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && c.want == "chmod 600" {
				t.Skip("Windows has no such modes")
			}
			got, err := LoadIdentity(c.cert, c.key)
			if err == nil || got != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("LoadIdentity = %v, %v, want an error with %q", got, err, c.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
}

func TestFilesThatAreTooLargeAreRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large.crl")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, maxFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTrust(nil, []string{file}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("error is %v", err)
	}
}

func TestLoadTrustRefuses(t *testing.T) {
	h := newHierarchy(t, E2M)
	dir := t.TempDir()
	crl := filepath.Join(dir, "a.crl")
	if err := os.WriteFile(crl, encodeCertificates(h.root.chain), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name        string
		roots, crls []string
		want        string
	}{
		{"no root", nil, nil, "no trust anchor"},
		{"no such root", []string{filepath.Join(dir, "none.crt")}, nil, "no such file"},
		{"list as a root", h.crlFiles, nil, "where certificates are expected"},
		{"certificate as a list", []string{crl}, []string{crl}, "where a certificate revocation list is expected"},
	}
	for _, c := range cases {
		if _, err := LoadTrust(c.roots, c.crls); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestKeyFormsAreRead(t *testing.T) {
	ec, rsa := ecKey(t, elliptic.P256()), rsaKey(t, 2048)
	sec1 := must(x509.MarshalECPrivateKey(asEC(t, ec)))(t)
	params := pem.EncodeToMemory(&pem.Block{Type: pemParamsEC, Bytes: unhex(t, "06 08 2A8648CE3D030107")})
	for name, c := range map[string]struct {
		pem  []byte
		want any
	}{
		"PKCS #8 EC":      {must(encodeKey(ec))(t), ec.Public()},
		"PKCS #8 RSA":     {must(encodeKey(rsa))(t), rsa.Public()},
		"PKCS #1":         {pem.EncodeToMemory(&pem.Block{Type: pemKeyRSA, Bytes: x509.MarshalPKCS1PrivateKey(rsa)}), rsa.Public()},
		"SEC 1":           {pem.EncodeToMemory(&pem.Block{Type: pemKeyEC, Bytes: sec1}), ec.Public()},
		"with parameters": {append(params, pem.EncodeToMemory(&pem.Block{Type: pemKeyEC, Bytes: sec1})...), ec.Public()},
	} {
		got, err := parseKey(c.pem)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !got.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.want) {
			t.Errorf("%s: another key", name)
		}
	}
}
