package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
)

// Object identifiers of the signature algorithms, in dotted form.
const (
	oidECDSAWithSHA256 = "1.2.840.10045.4.3.2"
	oidSHA256WithRSA   = "1.2.840.113549.1.1.11"
)

var (
	sigAlgECDSA = AlgorithmIdentifier{Algorithm: oidECDSAWithSHA256}
	sigAlgRSA   = AlgorithmIdentifier{Algorithm: oidSHA256WithRSA}
)

// minRSA is the shortest RSA key, in bits.
const minRSA = 2048

// sigAlgOf returns the algorithm that a key signs with, and the name of it; false where we have none
// for such a key.
func sigAlgOf(key crypto.PublicKey) (AlgorithmIdentifier, string, bool) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return sigAlgECDSA, "ecdsa-with-SHA256", k.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return sigAlgRSA, "sha256WithRSAEncryption", k.N.BitLen() >= minRSA
	}
	return AlgorithmIdentifier{}, "", false
}

// sign signs the SHA-256 of octets: with ECDSA, in DER, or with RSA and the padding of PKCS #1 v1.5.
func sign(key crypto.Signer, octets []byte) ([]byte, error) {
	digest := sha256.Sum256(octets)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// verify checks what sign makes.
func verify(cert *x509.Certificate, octets, signature []byte) bool {
	digest := sha256.Sum256(octets)
	switch key := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, digest[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}
