package e2e

import (
	"bytes"
	"crypto/ecdh"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An openssl is the command of that name with a folder for what it reads.
type openssl struct {
	*testing.T
	path, dir string
}

// newOpenSSL finds the command, or skips where there is none.
func newOpenSSL(t *testing.T) openssl {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the package openssl is missing")
		}
		t.Skip("the package openssl is missing")
	}
	return openssl{t, path, t.TempDir()}
}

// run returns what the command writes.
func (o openssl) run(args ...string) []byte {
	o.Helper()
	out, err := exec.Command(o.path, args...).Output()
	if err != nil {
		o.Fatalf("openssl %q: %v\n%s", args, err, out)
	}
	return out
}

// hex returns the octets that the command writes as hex, with or without colons, in lower case.
func (o openssl) hex(args ...string) string {
	o.Helper()
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(string(o.run(args...))), ":", ""))
}

func (o openssl) file(name string, octets []byte) string {
	o.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		o.Fatal(err)
	}
	return path
}

func (o openssl) pem(name, kind string, der []byte, err error) string {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
	return o.file(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// TestOpenSSLAgrees lets OpenSSL compute anew, from the keys of the vectors, what they hold:
// signatures, shared secrets, salts, traffic keys, ciphertexts, tags and ICVs.
func TestOpenSSLAgrees(t *testing.T) {
	for _, s := range sessions() {
		t.Run(s.file, func(t *testing.T) {
			o, v := newOpenSSL(t), readVector(t, filepath.Join(vectorDir, s.file))
			o.signatures(v)
			o.salt(v, "salt", "signed octets of HandshakeAcc (data2)",
				o.digest([]byte(v.get(t, "signed octets of HandshakeReq (data1)")), make([]byte, 32)))
			r, err := receive(nil, []byte(v.get(t, "client data with rekey")), maxTransferSize)
			if err != nil {
				t.Fatal(err)
			}
			x, _ := r.transfer()
			o.salt(v, "salt of the re-key", "", v.octets(t, "salt"), x.token2...)
			o.secret(v, s.group, "Z", publicKeyOf(t, v, "HandshakeReq"))
			o.secret(v, s.group, "Z of the re-key", x.token.Rekey.PublicKey)
			for _, suffix := range []string{"", " of the re-key"} {
				o.schedule(v, s.alg, suffix)
			}
			for name := range v.sections {
				if strings.HasPrefix(name, "client data") || strings.HasPrefix(name, "server data") || name == "second client data" {
					o.transfer(v, s.alg, name)
				}
			}
		})
	}
}

// publicKeyOf returns the public key in a handshake.
func publicKeyOf(t *testing.T, v *vector, name string) []byte {
	r, err := receive(nil, []byte(v.get(t, name)), maxHandshakeSize)
	if err != nil {
		t.Fatal(err)
	}
	return r.pdu.(*HandshakeReq).TBS.Token1.DHKey.PublicKey
}

func (o openssl) signatures(v *vector) {
	for name, signer := range map[string]string{"HandshakeReq": "client", "HandshakeAcc": "server", "ReleaseReq": "client", "ReleaseRsp": "server"} {
		r, err := receive(nil, []byte(v.get(o, name)), maxHandshakeSize)
		if err != nil {
			o.Fatal(err)
		}
		cert := o.file(signer+".pem", []byte(v.get(o, signer+" certificate")+"\n"))
		public := o.file("public.pem", o.run("x509", "-in", cert, "-noout", "-pubkey"))
		token := r.signedToken()
		out := o.run("dgst", "-sha256", "-verify", public, "-signature", o.file("signature", token.sign.Sign), o.file("tbs", token.tbs))
		if got := strings.TrimSpace(string(out)); got != "Verified OK" {
			o.Errorf("%s: %s", name, got)
		}
	}
}

func (o openssl) digest(parts ...[]byte) []byte {
	return o.run("dgst", "-sha256", "-binary", o.file("hashed", bytes.Join(parts, nil)))
}

// salt checks H(octets ‖ inner), where octets are those given or a section.
func (o openssl) salt(v *vector, name, section string, inner []byte, octets ...byte) {
	if section != "" {
		octets = []byte(v.get(o, section))
	}
	if got := hex.EncodeToString(o.digest(octets, inner)); got != v.get(o, name) {
		o.Errorf("%s is %s, want %s", name, got, v.get(o, name))
	}
}

// secret checks the key agreement of the server's private key with a public key of the client's.
func (o openssl) secret(v *vector, g Group, name string, public []byte) {
	private := v.octets(o, "server key of the agreement")
	var key, peer string
	if g == GroupMODP2048 {
		key, peer = o.modpPrivate(private), o.modpPublic(public)
	} else {
		k, err := ecdh.P256().NewPrivateKey(private)
		if err != nil {
			o.Fatal(err)
		}
		p, err := ecdh.P256().NewPublicKey(public)
		if err != nil {
			o.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		key = o.pem("private.pem", "PRIVATE KEY", der, err)
		der, err = x509.MarshalPKIXPublicKey(p)
		peer = o.pem("peer.pem", "PUBLIC KEY", der, err)
	}
	args := []string{"pkeyutl", "-derive", "-inkey", key, "-peerkey", peer}
	if g == GroupMODP2048 {
		args = append(args, "-pkeyopt", "dh_pad:1")
	}
	if got := hex.EncodeToString(o.run(args...)); got != v.get(o, name) {
		o.Errorf("%s is %s, want %s", name, got, v.get(o, name))
	}
}

// modpAlgorithm names a key of group 14 (RFC 2631; PKCS #3).
type modpAlgorithm struct {
	ID     asn1.ObjectIdentifier
	Params struct{ P, G *big.Int }
}

func newModpAlgorithm() modpAlgorithm {
	return modpAlgorithm{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 3, 1}, struct{ P, G *big.Int }{modp2048, big.NewInt(2)}}
}

func (o openssl) modpPrivate(x []byte) string {
	inner, err := asn1.Marshal(new(big.Int).SetBytes(x))
	if err != nil {
		o.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		Version   int
		Algorithm modpAlgorithm
		Key       []byte
	}{0, newModpAlgorithm(), inner})
	return o.pem("private.pem", "PRIVATE KEY", der, err)
}

func (o openssl) modpPublic(y []byte) string {
	inner, err := asn1.Marshal(new(big.Int).SetBytes(y))
	if err != nil {
		o.Fatal(err)
	}
	der, err := asn1.Marshal(struct {
		Algorithm modpAlgorithm
		Key       asn1.BitString
	}{newModpAlgorithm(), asn1.BitString{Bytes: inner, BitLength: 8 * len(inner)}})
	return o.pem("peer.pem", "PUBLIC KEY", der, err)
}

// schedule checks what HKDF yields.
func (o openssl) schedule(v *vector, a Algorithm, suffix string) {
	ikm := v.get(o, "Z"+suffix)
	if suffix != "" {
		ikm += v.get(o, "chain value")
	}
	want := ""
	for _, part := range scheduleParts(suite{alg: a}) {
		want += v.get(o, part+suffix)
	}
	got := o.hex("kdf", "-keylen", fmt.Sprint(len(want)/2), "-kdfopt", "digest:SHA256", "-kdfopt", "hexkey:"+ikm,
		"-kdfopt", "hexsalt:"+v.get(o, "salt"+suffix), "HKDF")
	if got != want {
		o.Errorf("HKDF%s is\n%s, want\n%s", suffix, got, want)
	}
}

// transfer checks what protects one PDU.
func (o openssl) transfer(v *vector, a Algorithm, name string) {
	side, suffix := "client's ", ""
	if strings.HasPrefix(name, "server") {
		side = "server's "
	}
	if strings.HasSuffix(name, "under the new keys") {
		suffix = " of the re-key"
	}
	key := func(part string) string { return v.get(o, side+part+suffix) }
	want := func(part, got string) {
		o.Helper()
		if w := v.get(o, part+" of "+name); got != w {
			o.Errorf("%s of %s is %s, want %s", part, name, got, w)
		}
	}
	counter := func(nonce string) {
		if prefix := key("nonce prefix"); !strings.HasPrefix(nonce, prefix+"0000000") || len(nonce) != 2*nonceSize {
			o.Errorf("the number of %s is %s, want the prefix %s and a counter", name, nonce, prefix)
		}
	}
	switch a.form() {
	case formAEAD:
		nonce, box := v.get(o, "nonce of "+name), v.octets(o, "ciphertext of "+name)
		counter(nonce)
		g := o.newGCM(key("traffic key"), nonce)
		text, tag := box[:len(box)-16], box[len(box)-16:]
		if got := g.plain(text); string(got) != appData {
			o.Errorf("%s decrypts to %q, want %q", name, got, appData)
		}
		aad := []byte(v.get(o, "additional data of "+name))
		if got := g.tag(aad, text); !bytes.Equal(got, tag) {
			o.Errorf("the tag of %s is %x, want %x", name, tag, got)
		}
		// OpenSSL's own GMAC vouches for the arithmetic of the tag here.
		if got, want := hex.EncodeToString(g.tag(aad, nil)), o.gmac(key("traffic key"), nonce, aad); got != want {
			o.Errorf("GMAC is %s, want %s", got, want)
		}
	case formCBC:
		k, iv := key("encryption key"), v.get(o, "initialization vector of "+name)
		counter(hex.EncodeToString(o.number(k, iv)))
		cipher := fmt.Sprintf("-aes-%d-cbc", 4*len(k))
		got := o.run("enc", "-d", cipher, "-K", k, "-iv", iv, "-in", o.file("box", v.octets(o, "ciphertext of "+name)))
		if string(got) != appData {
			o.Errorf("%s decrypts to %q, want %q", name, got, appData)
		}
		want("ICV", o.hmac(key("ICV key"), v.get(o, "octets under the ICV of "+name)))
	case formHMAC:
		counter(v.get(o, "number of "+name))
		want("ICV", o.hmac(key("ICV key"), v.get(o, "octets under the ICV of "+name)))
	case formGMAC:
		nonce := v.get(o, "nonce of "+name)
		counter(nonce)
		want("ICV", o.gmac(key("ICV key"), nonce, []byte(v.get(o, "octets under the ICV of "+name))))
	}
}

func (o openssl) hmac(key, octets string) string {
	return o.hex("mac", "-digest", "SHA256", "-macopt", "hexkey:"+key, "-in", o.file("tbp", []byte(octets)), "HMAC")
}

func (o openssl) gmac(key, nonce string, octets []byte) string {
	return o.hex("mac", "-cipher", fmt.Sprintf("AES-%d-GCM", 4*len(key)), "-macopt", "hexkey:"+key, "-macopt", "hexiv:"+nonce,
		"-in", o.file("tbp", octets), "GMAC")
}

// block encrypts or decrypts one block of AES.
func (o openssl) block(key, mode string, block []byte) []byte {
	return o.run("enc", mode, fmt.Sprintf("-aes-%d-ecb", 4*len(key)), "-nopad", "-K", key, "-in", o.file("block", block))
}

// number returns the nonce in an initialization vector of AES-CBC.
func (o openssl) number(key, iv string) []byte {
	octets, err := hex.DecodeString(iv)
	if err != nil {
		o.Fatal(err)
	}
	b := o.block(key, "-d", octets)
	if !bytes.Equal(b[4:8], make([]byte, 4)) {
		o.Errorf("the block of the initialization vector is %x", b)
	}
	return append(b[:4:4], b[8:]...)
}

// A gcm is AES-GCM out of what the command offers: AES-CTR and AES of single blocks. The
// multiplications of the tag are done here.
//
// NIST SP 800-38D, 6.3 to 7.1.
type gcm struct {
	o          openssl
	key, nonce string
	h, mask    []byte
}

func (o openssl) newGCM(key, nonce string) *gcm {
	j0, err := hex.DecodeString(nonce + "00000001")
	if err != nil {
		o.Fatal(err)
	}
	return &gcm{o, key, nonce, o.block(key, "-e", make([]byte, 16)), o.block(key, "-e", j0)}
}

func (g *gcm) plain(text []byte) []byte {
	return g.o.run("enc", "-d", fmt.Sprintf("-aes-%d-ctr", 4*len(g.key)), "-K", g.key, "-iv", g.nonce+"00000002", "-in", g.o.file("box", text))
}

func (g *gcm) tag(aad, text []byte) []byte {
	y := make([]byte, 16)
	absorb := func(octets []byte) {
		for len(octets) > 0 {
			block := make([]byte, 16)
			octets = octets[copy(block, octets):]
			y = g.product(block, y)
		}
	}
	absorb(aad)
	absorb(text)
	lengths := binary.BigEndian.AppendUint64(nil, 8*uint64(len(aad)))
	absorb(binary.BigEndian.AppendUint64(lengths, 8*uint64(len(text))))
	for i := range y {
		y[i] ^= g.mask[i]
	}
	return y
}

// product is (a ⊕ b)·H in the field of GCM, bit by bit.
func (g *gcm) product(a, b []byte) []byte {
	z, v := make([]byte, 16), bytes.Clone(g.h)
	for i := range 128 {
		if (a[i/8]^b[i/8])>>(7-i%8)&1 == 1 {
			for j := range z {
				z[j] ^= v[j]
			}
		}
		carry := byte(0)
		for j := range v {
			v[j], carry = v[j]>>1|carry<<7, v[j]&1
		}
		if carry == 1 {
			v[0] ^= 0xe1
		}
	}
	return z
}
