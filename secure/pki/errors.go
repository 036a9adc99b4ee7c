package pki

import (
	"crypto/x509"
	"fmt"

	"busbar.example/secure/audit"
)

// A Rule is what a certificate, or the TLS connection around it, broke.
type Rule uint8

// The rules that verification holds a peer against.
const (
	RuleNoCertificate Rule = iota + 1 // there is none
	RuleSize                          // at most 8,192 octets
	RuleAlgorithm                     // ECDSA or RSA, SHA-256 or better
	RuleKeySize                       // RSA of 2,048 bits, P-256, or better
	RuleExtension                     // no unknown critical extension, none malformed
	RuleUnknownCA                     // chains to a trust anchor
	RuleSignature                     // signed by the CA that it names
	RuleExpired                       // not later than notAfter
	RuleNotYetValid                   // not before notBefore
	RulePath                          // a path that every CA in it allows
	RuleUsage                         // the key usage, extended or not, fits the purpose
	RuleName                          // names the peer
	RuleRevoked                       // on no revocation list
	RuleCRLMissing                    // every CA has a revocation list
	RuleCRLExpired                    // whose next update has not passed
	RuleOCSP                          // the responder that is asked answers, and the answer holds
	RuleStaple                        // a stapled answer can be used, and comes where the certificate demands it
	RuleRoles                         // the roles extension is well-formed
	RuleCipher                        // TLS with AES-GCM
)

// A VerifyError says why a peer was refused. It is for the log, the
// audit and the operator; a peer that is not authenticated learns none of it.
type VerifyError struct {
	Rule    Rule
	ID      audit.ID // of the event that it is
	Subject string   // names the certificate at fault, empty if there is none
	Msg     string
	Hint    string // what the operator can do, may be empty
}

// Error returns subject and message, without the hint.
func (e *VerifyError) Error() string {
	if e.Subject == "" {
		return e.Msg
	}
	return fmt.Sprintf("certificate of %s: %s", e.Subject, e.Msg)
}

// ids holds the event of each rule that has one whatever the purpose; the
// others get the purpose's own.
var ids = map[Rule]audit.ID{
	RuleNoCertificate: audit.TLSNoPeerCertificate,
	RuleSize:          audit.CertificateSize,
	RuleAlgorithm:     audit.CertificateAlgorithm,
	RuleKeySize:       audit.CertificateKeySize,
	RuleUnknownCA:     audit.CertificateUnknownCA,
	RuleSignature:     audit.CertificateSignature,
	RuleExpired:       audit.CertificateExpired,
	RuleRevoked:       audit.CertificateRevoked,
	RuleCRLMissing:    audit.CRLMissing,
	RuleCRLExpired:    audit.CRLExpired,
	RuleOCSP:          audit.RevocationUnknown,
	RuleStaple:        audit.RevocationUnknown,
	RuleRoles:         audit.RoleRefused,
	RuleCipher:        audit.TLSCipherDisallowed,
}

// fault makes the error of a certificate, nil if there is none, that broke a
// rule in a purpose.
func (p purpose) fault(rule Rule, cert *x509.Certificate, hint, format string, args ...any) *VerifyError {
	e := &VerifyError{Rule: rule, ID: ids[rule], Msg: fmt.Sprintf(format, args...), Hint: hint}
	if e.ID == "" || rule == RuleNoCertificate && p == forE2E {
		e.ID = p.event()
	}
	if cert != nil {
		e.Subject = Name(cert)
	}
	return e
}
