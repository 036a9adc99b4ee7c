package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

const (
	pemCertificate = "CERTIFICATE"
	pemCRL         = "X509 CRL"
	pemKey         = "PRIVATE KEY"
	pemKeyEC       = "EC PRIVATE KEY"
	pemKeyRSA      = "RSA PRIVATE KEY"
	pemParamsEC    = "EC PARAMETERS" // openssl writes them before a key
)

// maxFile bounds what is read of a file: a revocation list of a large site has
// a few megabytes.
const maxFile = 16 << 20

// readFile reads a whole regular file. A private one must be closed to group
// and others.
func readFile(name string, private bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	// Windows keeps access lists that the mode does not show.
	if mode := info.Mode().Perm(); private && mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("key file %s is open to others (mode %04o): run chmod 600 %s, and replace the key if others may have read it", name, mode, name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d octets", name, maxFile)
	}
	return data, err
}

// writeFile replaces a file as a whole or not at all.
func writeFile(name string, data []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(mode); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// parseCertificates reads one or more certificates in PEM. Text between them
// is passed over, any other PEM block is an error.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		switch {
		case block == nil && len(certs) == 0:
			return nil, errors.New("no certificate in PEM form is in it")
		case block == nil:
			return certs, nil
		case block.Type != pemCertificate:
			return nil, fmt.Errorf("a %s stands where certificates are expected", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
}

// parseKey reads the one private key in PEM, without a password.
func parseKey(data []byte) (crypto.Signer, error) {
	var key crypto.Signer
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		switch {
		case block == nil && key == nil:
			return nil, errors.New("no private key in PEM form is in it")
		case block == nil:
			return key, nil
		case block.Type == pemParamsEC:
			continue
		case isEncrypted(block):
			return nil, errEncrypted
		case key != nil:
			return nil, fmt.Errorf("a %s stands after the private key", block.Type)
		}
		var err error
		if key, err = parseKeyBlock(block); err != nil {
			return nil, err
		}
	}
}

var errEncrypted = errors.New("the private key is encrypted with a password, which is not supported: decrypt it with openssl pkey")

// isEncrypted reports whether the block is an encrypted key, of PKCS #8 or of
// OpenSSL's older form.
func isEncrypted(block *pem.Block) bool {
	return block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != ""
}

func parseKeyBlock(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case pemKey:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case pemKeyEC:
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case pemKeyRSA:
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("a %s stands where a private key is expected", block.Type)
	}
	if err != nil {
		return nil, errors.New("the private key cannot be decoded") // the cause may quote the key
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		return k, nil
	case *rsa.PrivateKey:
		return k, nil
	}
	return nil, errors.New("the private key is neither ECDSA nor RSA")
}

// parseCRLs reads one revocation list in DER, or one or more in PEM.
func parseCRLs(data []byte) ([]*x509.RevocationList, error) {
	if len(data) > 0 && data[0] == 0x30 {
		list, err := x509.ParseRevocationList(data)
		if err != nil {
			return nil, err
		}
		return []*x509.RevocationList{list}, nil
	}
	var lists []*x509.RevocationList
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		switch {
		case block == nil && len(lists) == 0:
			return nil, errors.New("no certificate revocation list is in it")
		case block == nil:
			return lists, nil
		case block.Type != pemCRL:
			return nil, fmt.Errorf("a %s stands where a certificate revocation list is expected", block.Type)
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, err
		}
		lists = append(lists, list)
	}
}

func encodeCertificates(certs []*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw})...)
	}
	return out
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

func loadCertificates(name string) ([]*x509.Certificate, error) {
	data, err := readFile(name, false)
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("reading certificates of %s: %w", name, err)
	}
	return certs, nil
}
