package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// explain turns an error of crypto/x509 into the rule that was broken.
func (b *basis) explain(err error, p purpose, leaf *x509.Certificate, others []*x509.Certificate, now time.Time) *VerifyError {
	var invalid x509.CertificateInvalidError
	var unhandled x509.UnhandledCriticalExtension
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		return b.explainUnknown(p, leaf, others, now)
	case errors.As(err, &unhandled):
		return p.fault(RuleExtension, leaf, "", "it has a critical extension that is not known here")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if fault := p.checkTime(invalid.Cert, now); fault != nil {
			return fault
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return p.fault(RuleUsage, leaf, "", "its CA may not issue certificates for this purpose")
	}
	return p.fault(RulePath, leaf, "", "its path to the trust anchor is refused: %v", err)
}

// explainUnknown walks from the leaf up and says where the path breaks off:
// crypto/x509 knows no more than that none was found.
func (b *basis) explainUnknown(p purpose, leaf *x509.Certificate, others []*x509.Certificate, now time.Time) *VerifyError {
	c := leaf
	for range maxChain {
		issuer := issuerOf(c, b.anchors)
		if issuer == nil {
			issuer = issuerOf(c, others)
		}
		if issuer == nil || issuer == c {
			break
		}
		var constraint x509.ConstraintViolationError
		if err := c.CheckSignatureFrom(issuer); errors.As(err, &constraint) {
			return p.fault(RulePath, issuer, "", "it may not issue certificates")
		} else if err != nil {
			return p.fault(RuleSignature, c, "", "the signature is not that of its CA %s", Name(issuer))
		}
		if fault := p.checkTime(issuer, now); fault != nil {
			return fault
		}
		if slices.Contains(b.anchors, issuer) {
			return p.fault(RulePath, leaf, "", "its path to %s is longer than a CA in it allows, or a CA in it is not one", Name(issuer))
		}
		c = issuer
	}
	return p.fault(RuleUnknownCA, c, "is it from another site? The trust anchors are the root certificates of this one",
		"its CA %s is not among the trust anchors", printable(c.Issuer.String()))
}

// issuerOf returns the candidate that c names as its issuer.
func issuerOf(c *x509.Certificate, candidates []*x509.Certificate) *x509.Certificate {
	for _, i := range candidates {
		if bytes.Equal(c.RawIssuer, i.RawSubject) && sameKeyID(c.AuthorityKeyId, i.SubjectKeyId) {
			return i
		}
	}
	return nil
}

// sameKeyID reports whether two key identifiers do not contradict each other.
func sameKeyID(authority, subject []byte) bool {
	return len(authority) == 0 || len(subject) == 0 || bytes.Equal(authority, subject)
}

func (p purpose) checkTime(c *x509.Certificate, now time.Time) *VerifyError {
	const layout = "2006-01-02 15:04:05 MST"
	switch {
	case now.Before(c.NotBefore):
		return p.fault(RuleNotYetValid, c, "check the clocks of both sides", "it is not valid before %s", c.NotBefore.UTC().Format(layout))
	case now.After(c.NotAfter):
		return p.fault(RuleExpired, c, "issue it anew, and check the clock: busbar pki issue", "it expired on %s", c.NotAfter.UTC().Format(layout))
	}
	return nil
}
