package e2e

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
)

// Object identifiers of the algorithms, in dotted form.
const (
	oidECDSAWithSHA256 = "1.2.840.10045.4.3.2"
	oidHMACWithSHA256  = "1.2.840.113549.2.9"
	oidAES128GCM       = "2.16.840.1.101.3.4.1.6"
	oidAES256GCM       = "2.16.840.1.101.3.4.1.46"
)

// groupP256 is ECDH on secp256r1, by its number in the registry of IKE groups.
//
// RFC 5903; IEC 62351-4, 13.3.1.2.
const groupP256 = "23"

// Lengths of an ICV of AES-GCM, in octets: what we offer, what absence means, and what we accept.
//
// RFC 5084, Section 3.2.
const (
	icvSize        = 16
	icvSizeDefault = 12
	icvSizeMin     = 12
	icvSizeMax     = 16
)

var (
	sigAlgECDSA = AlgorithmIdentifier{Algorithm: oidECDSAWithSHA256}
	hmacSHA256  = AlgorithmIdentifier{Algorithm: oidHMACWithSHA256}
)

// is reports whether a names the algorithm of b, neither having parameters.
func (a AlgorithmIdentifier) is(b AlgorithmIdentifier) bool {
	return a.Algorithm == b.Algorithm && a.Parameters == nil
}

// An aead is an algorithm of authenticated encryption with its parameter.
type aead struct {
	oid     string
	name    string
	keySize int // octets
	icvSize int // octets
}

// aeads are the algorithms that we have, the preferred one first.
var aeads = []aead{
	{oid: oidAES256GCM, name: "AES-256-GCM", keySize: 32, icvSize: icvSize},
	{oid: oidAES128GCM, name: "AES-128-GCM", keySize: 16, icvSize: icvSize},
}

func (a aead) identifier() AlgorithmIdentifier {
	size := uint8(a.icvSize)
	return AlgorithmIdentifier{Algorithm: a.oid, Parameters: &GCMParameters{ICVLen: &size}}
}

// offer lists what we have.
func offer() AEA {
	list := make(AEA, len(aeads))
	for i, a := range aeads {
		list[i] = a.identifier()
	}
	return list
}

// aeadOf returns the algorithm that id names, if we have it with that length of ICV.
func aeadOf(id AlgorithmIdentifier) (aead, bool) {
	size := icvSizeDefault
	if p := id.Parameters; p != nil && p.ICVLen != nil {
		size = int(*p.ICVLen)
	}
	if size < icvSizeMin || size > icvSizeMax {
		return aead{}, false
	}
	for _, a := range aeads {
		if a.oid == id.Algorithm {
			a.icvSize = size
			return a, true
		}
	}
	return aead{}, false
}

// choose returns the one of the offered algorithms that we prefer, and its identifier as offered.
func choose(offered AEA) (aead, AlgorithmIdentifier, bool) {
	for _, want := range aeads {
		for _, id := range offered {
			if a, ok := aeadOf(id); ok && a.oid == want.oid {
				return a, id, true
			}
		}
	}
	return aead{}, AlgorithmIdentifier{}, false
}

// sign makes an ECDSA signature, in DER, over the SHA-256 of octets.
func sign(key crypto.Signer, octets []byte) ([]byte, error) {
	digest := sha256.Sum256(octets)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// verify checks what sign makes.
func verify(cert *x509.Certificate, octets, signature []byte) bool {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return false
	}
	digest := sha256.Sum256(octets)
	return ecdsa.VerifyASN1(key, digest[:], signature)
}

// canSign reports whether key belongs to the one signature algorithm that we speak.
func canSign(key crypto.PublicKey) bool {
	k, ok := key.(*ecdsa.PublicKey)
	return ok && k.Curve == elliptic.P256()
}
