package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
)

var oidNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}

const (
	nonceSize  = 32              // octets (RFC 9654, Section 2.1)
	ocspSkew   = 5 * time.Minute // that a responder's clock may be ahead
	ocspLonger = 24 * time.Hour  // that an answer holds which does not say when the next is due
)

// ocspRequest returns the DER of a request for the status of a certificate, and
// the nonce in it.
//
// RFC 6960, Section 4.1; RFC 9654
func ocspRequest(cert, issuer *x509.Certificate) (der, nonce []byte, err error) {
	plain, err := ocsp.CreateRequest(cert, issuer, nil) // with SHA-1, which is not for security here: RFC 5019 has every responder know it
	if err != nil {
		return nil, nil, err
	}
	nonce = make([]byte, nonceSize)
	if _, err := rand.Read(nonce); err != nil {
		return nil, nil, err
	}
	in := cryptobyte.String(plain)
	var request, tbs cryptobyte.String
	if !in.ReadASN1(&request, cbasn1.SEQUENCE) || !request.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return nil, nil, errors.New("the request cannot be taken apart")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(tbs)
			b.AddASN1(cbasn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidNonce)
						b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
					})
				})
			})
		})
	})
	der, err = b.Bytes()
	return der, nonce, err
}

// readOCSP reads the answer of a responder on a certificate, as it was at now. The
// answer must be signed by the issuer, or by one whom the issuer has appointed for
// it. A nonce in it must be the one given; who answers in advance has none.
//
// RFC 6960, Sections 3.2 and 4.2.2.2
func readOCSP(der []byte, cert, issuer *x509.Certificate, nonce []byte, now time.Time) (*ocsp.Response, error) {
	r, err := ocsp.ParseResponseForCert(der, cert, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strongSignatures, r.SignatureAlgorithm) {
		return nil, fmt.Errorf("it is signed with %s", r.SignatureAlgorithm)
	}
	if err := checkResponder(r, issuer, now); err != nil {
		return nil, err
	}
	if got := nonceOf(r.TBSResponseData); nonce != nil && got != nil && !bytes.Equal(got, nonce) {
		return nil, errors.New("it answers another request: the nonce is not ours")
	}
	switch {
	case r.Status == ocsp.Unknown:
		return nil, errors.New("the responder does not know the certificate")
	case r.ThisUpdate.After(now.Add(ocspSkew)):
		return nil, fmt.Errorf("it is of %s, which is yet to come", r.ThisUpdate.UTC().Format(time.DateTime))
	case now.After(endOf(r)):
		return nil, fmt.Errorf("it is out of date since %s", endOf(r).UTC().Format(time.DateTime))
	}
	return r, nil
}

// endOf is until when an answer holds.
func endOf(r *ocsp.Response) time.Time {
	if r.NextUpdate.IsZero() {
		return r.ThisUpdate.Add(ocspLonger)
	}
	return r.NextUpdate
}

// checkResponder checks who has signed an answer.
func checkResponder(r *ocsp.Response, issuer *x509.Certificate, now time.Time) error {
	c := r.Certificate // whose signature it bears, as x/crypto has found
	switch {
	case c == nil:
		if err := r.CheckSignatureFrom(issuer); err != nil {
			return errors.New("its signature is not that of the CA")
		}
		return nil
	case bytes.Equal(c.Raw, issuer.Raw):
		return nil
	case !bytes.Equal(c.RawIssuer, issuer.RawSubject) || c.CheckSignatureFrom(issuer) != nil:
		return fmt.Errorf("it is signed by %s, whom the CA has not issued a certificate", Name(c))
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return fmt.Errorf("it is signed by %s, whom the CA has not appointed as a responder", Name(c))
	}
	var p purpose // of none
	if fault := p.checkStrength(c); fault != nil {
		return fault
	}
	if fault := p.checkTime(c, now); fault != nil {
		return fault
	}
	return nil
}

// nonceOf returns the nonce in an answer, nil if there is none.
func nonceOf(tbs []byte) []byte {
	in := cryptobyte.String(tbs)
	var data, list, e cryptobyte.String
	var there bool
	explicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	if !in.ReadASN1(&data, cbasn1.SEQUENCE) || !data.SkipOptionalASN1(explicit(0)) {
		return nil
	}
	var responder cbasn1.Tag
	var skipped cryptobyte.String
	if !data.ReadAnyASN1(&skipped, &responder) || !data.SkipASN1(cbasn1.GeneralizedTime) || !data.SkipASN1(cbasn1.SEQUENCE) ||
		!data.ReadOptionalASN1(&e, &there, explicit(1)) || !there || !e.ReadASN1(&list, cbasn1.SEQUENCE) {
		return nil
	}
	for !list.Empty() {
		var id asn1.ObjectIdentifier
		var value, nonce cryptobyte.String
		if !list.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1ObjectIdentifier(&id) || !e.SkipOptionalASN1(cbasn1.BOOLEAN) || !e.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil
		}
		if !id.Equal(oidNonce) {
			continue
		}
		if !value.ReadASN1(&nonce, cbasn1.OCTET_STRING) {
			return []byte{}
		}
		return nonce
	}
	return nil
}
