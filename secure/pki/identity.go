package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
)

// An Identity is a private key and the certificates that vouch for it. It must
// not be changed once it is in use; it may then be used by several goroutines.
type Identity struct {
	Chain []*x509.Certificate // the own certificate first, then its CA's and so on, without the root
	Key   crypto.Signer       // *ecdsa.PrivateKey or *rsa.PrivateKey, or what keeps one elsewhere

	staple atomic.Pointer[[]byte] // what it shows to TLS peers; see Trust.Staple
}

// LoadIdentity reads an identity from two PEM files. In place of a key its file may
// hold the PKCS #11 URI of one that is kept in a token (RFC 7512), where the program was
// built with the tag pkcs11. It refuses a key file that
// group or others may read, an encrypted key, and a key that is not the
// certificate's.
func LoadIdentity(certFile, keyFile string) (*Identity, error) {
	chain, err := loadCertificates(certFile)
	if err != nil {
		return nil, err
	}
	data, err := readFile(keyFile, true)
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	defer clear(data)
	key, err := keyFrom(data, filepath.Dir(keyFile))
	if err != nil {
		return nil, fmt.Errorf("reading the private key of %s: %w", keyFile, err)
	}
	id := &Identity{Chain: chain, Key: key}
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("the key in %s does not belong to the first certificate in %s: %w", keyFile, certFile, err)
	}
	return id, nil
}

// keyFrom returns the key that a file of the folder holds, or whose PKCS #11 URI it
// holds.
func keyFrom(data []byte, folder string) (crypto.Signer, error) {
	if !isTokenURI(data) {
		return parseKey(data)
	}
	token, err := parseTokenURI(data, folder)
	if err != nil {
		return nil, err
	}
	return token.open()
}

// check reports whether the key is that of the first certificate.
func (id *Identity) check() error {
	own, ok := id.Key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if len(id.Chain) == 0 || !ok || !own.Equal(id.Chain[0].PublicKey) {
		return errors.New("the public keys differ")
	}
	return nil
}

// Save writes the identity to two PEM files, each as a whole or not at all, the
// key with mode 0600.
func (id *Identity) Save(certFile, keyFile string) error {
	key, err := encodeKey(id.Key)
	if err != nil {
		return fmt.Errorf("encoding the private key: %w", err)
	}
	defer clear(key)
	if err := writeFile(keyFile, key, 0o600); err != nil {
		return fmt.Errorf("writing the private key: %w", err)
	}
	if err := writeFile(certFile, encodeCertificates(id.Chain), 0o644); err != nil {
		return fmt.Errorf("writing the certificate: %w", err)
	}
	return nil
}

// TLSCertificate returns the identity in the form that crypto/tls takes, with the
// staple of this moment.
func (id *Identity) TLSCertificate() tls.Certificate {
	c := tls.Certificate{PrivateKey: id.Key, Leaf: id.Chain[0]}
	for _, cert := range id.Chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	if staple := id.staple.Load(); staple != nil {
		c.OCSPStaple = *staple
	}
	return c
}

// XMPPAddrs returns the id-on-xmppAddr names of the identity's own certificate,
// in their order, or nil if it has none that can be read.
func (id *Identity) XMPPAddrs() []string {
	n, err := namesOf(id.Chain[0])
	if err != nil {
		return nil
	}
	return n.xmpp
}
