package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"busbar.example/secure/rbac"
)

// A Trust verifies the certificates of peers against trust anchors that its
// owner chose, never the system's. An anchor is a CA, or an end entity's own
// certificate (a white list). E2M and E2E each have a Trust of their own.
//
// A nil Trust trusts nobody. A Trust may be used by several goroutines.
type Trust struct {
	// FailClosed refuses a certificate whose CA has no revocation list, or an
	// expired one. Where it is false, that is a warning (see
	// [Verified.Warnings]). Set it before the first use.
	FailClosed bool

	anchors  []*x509.Certificate
	roots    *x509.CertPool
	crls     atomic.Pointer[crlSet]
	paths    pathCache
	crlFiles []string
}

// NewTrust returns the trust in roots, at least one, with what the revocation
// lists revoke. Who issued a list is checked when it is used.
func NewTrust(roots []*x509.Certificate, crls []*x509.RevocationList) (*Trust, error) {
	if len(roots) == 0 {
		return nil, errors.New("no trust anchor given")
	}
	t := &Trust{anchors: roots, roots: x509.NewCertPool()}
	for _, c := range roots {
		t.roots.AddCert(c)
	}
	set, err := newCRLSet(crls)
	if err != nil {
		return nil, err
	}
	t.crls.Store(set)
	return t, nil
}

// LoadTrust is NewTrust with the certificates and revocation lists of files.
// [Trust.Refresh] reads the lists again.
func LoadTrust(rootFiles, crlFiles []string) (*Trust, error) {
	var roots []*x509.Certificate
	for _, name := range rootFiles {
		certs, err := loadCertificates(name)
		if err != nil {
			return nil, err
		}
		roots = append(roots, certs...)
	}
	crls, err := loadCRLs(crlFiles)
	if err != nil {
		return nil, err
	}
	t, err := NewTrust(roots, crls)
	if err != nil {
		return nil, err
	}
	t.crlFiles = crlFiles
	return t, nil
}

// Refresh reads the revocation lists again that LoadTrust was given. If that
// fails the lists of before stay in force.
func (t *Trust) Refresh() error {
	crls, err := loadCRLs(t.crlFiles)
	if err != nil {
		return err
	}
	set, err := newCRLSet(crls)
	if err != nil {
		return err
	}
	t.crls.Store(set)
	return nil
}

func loadCRLs(files []string) ([]*x509.RevocationList, error) {
	var crls []*x509.RevocationList
	for _, name := range files {
		data, err := readFile(name, false)
		if err != nil {
			return nil, fmt.Errorf("reading revocation lists: %w", err)
		}
		lists, err := parseCRLs(data)
		if err != nil {
			return nil, fmt.Errorf("reading revocation lists of %s: %w", name, err)
		}
		crls = append(crls, lists...)
	}
	return crls, nil
}

// A Verified is the proof that a Trust has verified a peer's certificate. Only
// [Trust.VerifyServer], [Trust.VerifyClient] and [Trust.VerifyE2E] make one.
type Verified struct {
	purpose  purpose
	domain   string // of a server
	chain    []*x509.Certificate
	names    names
	grants   []rbac.Grant
	warnings []*VerifyError
}

// Leaf returns the peer's certificate.
func (v *Verified) Leaf() *x509.Certificate { return v.chain[0] }

// XMPPAddrs returns the peer's id-on-xmppAddr names, in their order.
func (v *Verified) XMPPAddrs() []string { return v.names.xmpp }

// Grants returns the peer's roles. Only E2E certificates give any.
func (v *Verified) Grants() []rbac.Grant { return v.grants }

// Warnings returns what did not suffice for a refusal: a revocation list that
// is missing or has expired.
func (v *Verified) Warnings() []*VerifyError { return v.warnings }

// VerifyServer verifies the chain of an XMPP server, its own certificate
// first, for the domain that the user configured, in ASCII (A-labels). The
// error is a *VerifyError.
//
// RFC 9525; RFC 6120, Section 13.7.1.2
func (t *Trust) VerifyServer(chain []*x509.Certificate, domain string, now time.Time) (*Verified, error) {
	return t.verify(chain, forServer, domain, now)
}

// VerifyClient verifies the chain of a TLS client, its own certificate first.
// Which of its XMPPAddrs the client may speak for, SASL decides. A CA's name
// constraints do not bind them: trust no CA for this that is for others' domains
// too. The error is a *VerifyError.
//
// RFC 6120, Section 13.7.2.2
func (t *Trust) VerifyClient(chain []*x509.Certificate, now time.Time) (*Verified, error) {
	return t.verify(chain, forClient, "", now)
}

// VerifyE2E verifies the chain of an end-to-end peer, its own certificate
// first, which names exactly one JID. The error is a *VerifyError.
//
// IEC 62351-4
func (t *Trust) VerifyE2E(chain []*x509.Certificate, now time.Time) (*Verified, error) {
	return t.verify(chain, forE2E, "", now)
}

// Recheck verifies at a later time what was verified before: it fails once a
// certificate of the path has expired or has been revoked. The error is a
// *VerifyError.
func (t *Trust) Recheck(v *Verified, now time.Time) error {
	_, err := t.verify(v.chain, v.purpose, v.domain, now)
	return err
}
