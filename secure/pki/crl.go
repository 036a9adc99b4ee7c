package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync/atomic"
	"time"
)

var (
	oidCRLNumber    = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidAuthorityKey = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// A crlSet holds revocation lists by the DER of their issuer's name.
type crlSet map[string][]*crl

type crl struct {
	list    *x509.RevocationList
	revoked map[string]time.Time
	// issuer is the CA that the signature was last found to be of, so that it
	// is verified once and not on each use.
	issuer atomic.Pointer[x509.Certificate]
}

// newCRLSet refuses lists that say less, or other, than what a whole list of
// its issuer's certificates says: partial, indirect and delta lists mark
// themselves by critical extensions.
//
// RFC 5280, Section 5.2
func newCRLSet(lists []*x509.RevocationList) (crlSet, error) {
	set := crlSet{}
	for _, list := range lists {
		c, err := newCRL(list)
		if err != nil {
			return nil, err
		}
		key := string(list.RawIssuer)
		set[key] = append(set[key], c)
	}
	return set, nil
}

func newCRL(list *x509.RevocationList) (*crl, error) {
	for _, e := range list.Extensions {
		if e.Critical && !e.Id.Equal(oidCRLNumber) && !e.Id.Equal(oidAuthorityKey) {
			return nil, fmt.Errorf("revocation list of %s: extension %s is not supported, only whole lists are", printable(list.Issuer.String()), e.Id)
		}
	}
	c := &crl{list: list, revoked: make(map[string]time.Time, len(list.RevokedCertificateEntries))}
	for _, r := range list.RevokedCertificateEntries {
		for _, e := range r.Extensions {
			if e.Critical {
				return nil, fmt.Errorf("revocation list of %s: entry extension %s is not supported", printable(list.Issuer.String()), e.Id)
			}
		}
		c.revoked[serialKey(r.SerialNumber)] = r.RevocationTime
	}
	return c, nil
}

func serialKey(serial *big.Int) string { return string(serial.Bytes()) }

// check looks up a certificate in the newest list of its issuer, which is nil if
// there is none. It returns nil if the certificate is not revoked; a fault of
// RuleCRLMissing or RuleCRLExpired leaves that open. An expired list still revokes.
func (c *crl) check(cert, issuer *x509.Certificate, p purpose, now time.Time) *VerifyError {
	if c == nil {
		return p.fault(RuleCRLMissing, cert, "", "there is no revocation list of its CA %s", Name(issuer))
	}
	if at, revoked := c.revoked[serialKey(cert.SerialNumber)]; revoked {
		return p.fault(RuleRevoked, cert, "issue a new one: busbar pki issue", "it was revoked on %s", at.UTC().Format(time.DateOnly))
	}
	if next := c.list.NextUpdate; !next.IsZero() && now.After(next) {
		return p.fault(RuleCRLExpired, cert, "have the CA write it anew: busbar pki crl", "the revocation list of its CA %s was due for an update on %s",
			Name(issuer), next.UTC().Format(time.DateOnly))
	}
	return nil
}

// newest returns the issuer's list of the highest number, of those in s and others.
func (s crlSet) newest(issuer *x509.Certificate, others ...*crl) *crl {
	var newest *crl
	for _, list := range [][]*crl{s[string(issuer.RawSubject)], others} {
		for _, c := range list {
			if c.isOf(issuer) && (newest == nil || c.newerThan(newest)) {
				newest = c
			}
		}
	}
	return newest
}

func (c *crl) newerThan(other *crl) bool {
	if c.list.Number != nil && other.list.Number != nil {
		return c.list.Number.Cmp(other.list.Number) > 0
	}
	return c.list.ThisUpdate.After(other.list.ThisUpdate)
}

// isOf reports whether the issuer signed the list.
func (c *crl) isOf(issuer *x509.Certificate) bool {
	if known := c.issuer.Load(); known != nil && bytes.Equal(known.Raw, issuer.Raw) {
		return true
	}
	if !bytes.Equal(c.list.RawIssuer, issuer.RawSubject) || !sameKeyID(c.list.AuthorityKeyId, issuer.SubjectKeyId) || c.list.CheckSignatureFrom(issuer) != nil {
		return false
	}
	c.issuer.Store(issuer)
	return true
}
