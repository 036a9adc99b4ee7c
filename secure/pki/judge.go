package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"
)

// An inquiry says how much may be asked about a path. The zero inquiry asks what
// is not known, and goes by what is.
type inquiry struct {
	wait     bool   // for what is asked for the first time, as long as Online.Wait
	staple   []byte // the answer of a responder that the peer itself has brought
	required bool   // the peer's certificate may demand a staple
}

// stapled is the inquiry about a server that a handshake has been made with.
func stapled(cs tls.ConnectionState) inquiry {
	return inquiry{wait: true, staple: cs.OCSPResponse, required: true}
}

// A judge holds paths that crypto/x509 has found against what is known now.
type judge struct {
	*basis
	online  *online
	purpose purpose
	now     time.Time
}

// judge returns the first path on which nothing is revoked or weak, and what there
// is to warn of; or else the fault of the first path. The network is asked, if ask,
// about a path that has no fault yet: never about a certificate that nobody vouches
// for.
func (j judge) judge(paths [][]*x509.Certificate, how inquiry, ask bool) ([]*x509.Certificate, []*VerifyError, *VerifyError) {
	path, _, fault := j.choose(paths, false)
	if fault != nil {
		return nil, nil, fault
	}
	var odd *VerifyError
	if ask {
		odd = j.inquire(path, how)
	}
	path, warnings, fault := j.choose(paths, j.failClosed)
	if fault != nil {
		return nil, nil, fault
	}
	if how.required && mustStaple(path[0]) && (len(how.staple) == 0 || odd != nil) {
		if odd == nil {
			odd = j.purpose.fault(RuleStaple, path[0], "", "it demands a stapled answer of its CA's responder, and none came")
		}
		return nil, nil, odd
	}
	if odd != nil {
		warnings = append(warnings, odd)
	}
	return path, warnings, nil
}

// inquire has the network asked about a path. It returns what is wrong with the
// staple, if anything is.
func (j judge) inquire(path []*x509.Certificate, how inquiry) (odd *VerifyError) {
	if len(how.staple) > 0 && len(path) > 1 {
		if err := j.online.take(path[0], path[1], how.staple, j.now); err != nil {
			odd = j.purpose.fault(RuleStaple, path[0], "have the server's administrator look at its stapling", "the stapled answer of a responder is not to be used: %v", err)
		}
	}
	var pending []<-chan struct{}
	for i, c := range path[:len(path)-1] {
		pending = append(pending, j.online.want(c, path[i+1], j.now)...)
	}
	if how.wait {
		j.online.await(pending)
	}
	return odd
}

// choose returns the first path without a fault. Where it is strict, that nothing
// current is known of revocation is one.
func (j judge) choose(paths [][]*x509.Certificate, strict bool) ([]*x509.Certificate, []*VerifyError, *VerifyError) {
	var first *VerifyError
	for _, path := range paths {
		warnings, fault := j.check(path)
		if i := slices.IndexFunc(warnings, (*VerifyError).open); fault == nil && strict && i >= 0 {
			fault = warnings[i]
		}
		if fault == nil {
			return path, warnings, nil
		}
		if first == nil {
			first = fault
		}
	}
	return nil, nil, first
}

// open reports whether a warning leaves open whether a certificate is revoked.
func (e *VerifyError) open() bool { return e.Rule == RuleCRLMissing || e.Rule == RuleCRLExpired }

func (j judge) check(path []*x509.Certificate) (warnings []*VerifyError, fault *VerifyError) {
	p := j.purpose
	for i, c := range path {
		if fault := p.checkStrength(c); fault != nil {
			return nil, fault
		}
		if fault := p.checkTime(c, j.now); fault != nil { // crypto/x509 takes the zero time for its own clock's
			return nil, fault
		}
		if p == forE2E && i > 0 && isTLSUsage(c) {
			return nil, p.fault(RuleUsage, c, "E2M and E2E need separate roots", "a CA for TLS does not vouch for E2E")
		}
		if i == len(path)-1 {
			break
		}
		for _, w := range j.revocation(c, path[i+1]) {
			if w.Rule == RuleRevoked {
				return nil, w
			}
			warnings = append(warnings, w)
		}
	}
	return warnings, nil
}

// revocation returns what lists and responders say against a certificate: that it
// is revoked, or else what keeps that open. One current source suffices.
func (j judge) revocation(c, issuer *x509.Certificate) (found []*VerifyError) {
	newest := j.crls.newest(issuer, j.online.lists()...)
	byList := newest.check(c, issuer, j.purpose, j.now)
	if byList != nil && byList.Rule == RuleRevoked {
		return []*VerifyError{byList}
	}
	a := j.online.answerOn(c, issuer)
	if a != nil && a.response != nil && !newest.lists(a.response.Certificate) {
		if a.response.Status == ocsp.Revoked {
			return []*VerifyError{j.purpose.fault(RuleRevoked, c, "issue a new one: busbar pki issue", "it was revoked on %s, says its CA's responder",
				a.response.RevokedAt.UTC().Format(time.DateOnly))}
		}
		if a.current(j.now) {
			return nil
		}
	}
	if byList != nil {
		found = append(found, byList)
	}
	if a != nil && a.err != nil {
		found = append(found, j.purpose.fault(RuleOCSP, c, "", "the responder at %s gives no current answer on it: %v", a.url, a.err))
	}
	return found
}

// lists reports whether a list revokes the certificate. Neither needs to be there.
func (c *crl) lists(cert *x509.Certificate) bool {
	if c == nil || cert == nil {
		return false
	}
	_, revoked := c.revoked[serialKey(cert.SerialNumber)]
	return revoked
}

var oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

// statusRequest is the TLS extension that asks for a staple.
const statusRequest = 5

// mustStaple reports whether a certificate demands that its owner staples an
// answer on it. An extension that cannot be read demands it.
//
// RFC 7633
func mustStaple(c *x509.Certificate) bool {
	for _, e := range c.Extensions {
		if !e.Id.Equal(oidTLSFeature) {
			continue
		}
		var features []int
		rest, err := asn1.Unmarshal(e.Value, &features)
		return err != nil || len(rest) > 0 || slices.Contains(features, statusRequest)
	}
	return false
}
