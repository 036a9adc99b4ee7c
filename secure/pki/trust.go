package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/secure/rbac"
)

// A Trust verifies the certificates of peers against trust anchors that its
// owner chose, never the system's. An anchor is a CA, or an end entity's own
// certificate (a white list). E2M and E2E each have a Trust of their own.
//
// What it is made of may change while it is used: [Trust.Reload], [Trust.Refresh]
// and [Trust.Update]. A nil Trust trusts nobody. A Trust may be used by several
// goroutines.
type Trust struct {
	basis  atomic.Pointer[basis]
	online *online

	reloading sync.Mutex
	sources   Sources // of the basis; no anchors: it was made by NewTrust
}

// Sources say where a Trust has its anchors from, and what it knows of revocation.
type Sources struct {
	Anchors []string // files with certificates in PEM, at least one
	// WhiteList says that the anchors are peers' own certificates: nobody else is
	// trusted. The CAs that stand behind one in its file are passed over.
	WhiteList bool
	CRLs      []string // files with revocation lists
	// FailClosed refuses a certificate of whose revocation nothing current is
	// known: neither a revocation list of its CA that is not due for an update, nor
	// an answer of a responder. Where it is false, that is a warning (see
	// [Verified.Warnings]).
	FailClosed bool
	Online     Online
}

// basis is what a Trust verifies by. It is replaced as a whole.
type basis struct {
	anchors    []*x509.Certificate
	roots      *x509.CertPool
	crls       crlSet
	failClosed bool
	paths      *pathCache // of these anchors
}

func newBasis(anchors []*x509.Certificate, crls []*x509.RevocationList) (*basis, error) {
	if len(anchors) == 0 {
		return nil, errors.New("no trust anchor given")
	}
	set, err := newCRLSet(crls)
	if err != nil {
		return nil, err
	}
	return &basis{anchors: anchors, roots: poolOf(anchors), crls: set, paths: new(pathCache)}, nil
}

// load reads what the sources name.
func (s Sources) load() (*basis, error) {
	var anchors []*x509.Certificate
	for _, name := range s.Anchors {
		certs, err := loadCertificates(name)
		if err != nil {
			return nil, err
		}
		if s.WhiteList {
			if certs = slices.DeleteFunc(certs, isCA); len(certs) == 0 {
				return nil, fmt.Errorf("reading certificates of %s: only CAs are in it, which a white list cannot hold", name)
			}
		}
		anchors = append(anchors, certs...)
	}
	crls, err := loadCRLs(s.CRLs)
	if err != nil {
		return nil, err
	}
	b, err := newBasis(anchors, crls)
	if err != nil {
		return nil, err
	}
	b.failClosed = s.FailClosed
	return b, nil
}

func isCA(c *x509.Certificate) bool { return c.IsCA }

// NewTrust returns the trust in roots, at least one, with what the revocation
// lists revoke. Who issued a list is checked when it is used.
func NewTrust(roots []*x509.Certificate, crls []*x509.RevocationList) (*Trust, error) {
	b, err := newBasis(roots, crls)
	if err != nil {
		return nil, err
	}
	t := &Trust{online: newOnline(Online{})}
	t.basis.Store(b)
	return t, nil
}

// OpenTrust returns the trust that sources make. It reads files, and asks nobody
// on the network: that begins with the first certificate that is verified, and
// with [Trust.Update].
func OpenTrust(s Sources) (*Trust, error) {
	t := &Trust{online: newOnline(Online{})}
	if err := t.Reload(s); err != nil {
		return nil, err
	}
	return t, nil
}

// LoadTrust is OpenTrust for files alone.
func LoadTrust(rootFiles, crlFiles []string) (*Trust, error) {
	return OpenTrust(Sources{Anchors: rootFiles, CRLs: crlFiles})
}

// Reload has t go by other sources, or by the same ones as they are by now: by all
// of them or, with an error, by those of before. Who was verified before is held
// to it by [Trust.Recheck].
func (t *Trust) Reload(s Sources) error {
	if err := s.Online.check(); err != nil {
		return err
	}
	t.reloading.Lock()
	defer t.reloading.Unlock()
	b, err := s.load()
	if err != nil {
		return err
	}
	if last := t.basis.Load(); last != nil && slices.EqualFunc(last.anchors, b.anchors, (*x509.Certificate).Equal) {
		b.paths = last.paths
	}
	t.sources = s
	t.online.set(s.Online)
	t.basis.Store(b)
	return nil
}

// SetFailClosed changes Sources.FailClosed alone.
func (t *Trust) SetFailClosed(on bool) {
	t.reloading.Lock()
	defer t.reloading.Unlock()
	b := *t.basis.Load()
	b.failClosed, t.sources.FailClosed = on, on
	t.basis.Store(&b)
}

// Refresh reads the files again that t was opened with. If that fails the anchors
// and lists of before stay in force.
func (t *Trust) Refresh() error {
	t.reloading.Lock()
	s := t.sources
	t.reloading.Unlock()
	if len(s.Anchors) == 0 {
		return nil
	}
	return t.Reload(s)
}

// Update fetches anew what the network tells of revocation, where that is due, and
// returns when all of it has come or failed, or ctx has ended. The errors, joined,
// are of what is not known as it should be; what was known before stays in force.
// Who was verified before is held to the news by [Trust.Recheck].
//
// RFC 5280, Section 5; RFC 6960
func (t *Trust) Update(ctx context.Context) error { return t.online.update(ctx, time.Now()) }

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
// is missing or has expired, a responder that does not answer.
func (v *Verified) Warnings() []*VerifyError { return v.warnings }

// VerifyServer verifies the chain of an XMPP server, its own certificate
// first, for the domain that the user configured, in ASCII (A-labels). The
// error is a *VerifyError.
//
// It waits, for Online.Wait at most, where the network is to be asked about a
// certificate for the first time. So do the others that verify for TLS.
//
// RFC 9525; RFC 6120, Section 13.7.1.2
func (t *Trust) VerifyServer(chain []*x509.Certificate, domain string, now time.Time) (*Verified, error) {
	return t.verify(chain, forServer, domain, now, inquiry{wait: true})
}

// VerifyClient verifies the chain of a TLS client, its own certificate first.
// Which of its XMPPAddrs the client may speak for, SASL decides. A CA's name
// constraints do not bind them: trust no CA for this that is for others' domains
// too. The error is a *VerifyError.
//
// RFC 6120, Section 13.7.2.2
func (t *Trust) VerifyClient(chain []*x509.Certificate, now time.Time) (*Verified, error) {
	return t.verify(chain, forClient, "", now, inquiry{wait: true})
}

// VerifyClientTLS is VerifyClient for a client that has finished a handshake, with
// the answer of a responder that it stapled, if it did.
//
// RFC 8446, Section 4.4.2.1
func (t *Trust) VerifyClientTLS(cs tls.ConnectionState, now time.Time) (*Verified, error) {
	return t.verify(cs.PeerCertificates, forClient, "", now, inquiry{wait: true, staple: cs.OCSPResponse})
}

// VerifyE2E verifies the chain of an end-to-end peer, its own certificate
// first, which names exactly one JID. The error is a *VerifyError. It waits for
// the network only where nothing is to be taken without its word (FailClosed).
//
// IEC 62351-4
func (t *Trust) VerifyE2E(chain []*x509.Certificate, now time.Time) (*Verified, error) {
	return t.verify(chain, forE2E, "", now, inquiry{wait: t != nil && t.basis.Load().failClosed})
}

// Recheck verifies at a later time what was verified before: it fails once a
// certificate of the path has expired or has been revoked, or its anchor is no
// longer one. It does not wait. The error is a *VerifyError.
func (t *Trust) Recheck(v *Verified, now time.Time) error {
	_, err := t.verify(v.chain, v.purpose, v.domain, now, inquiry{})
	return err
}
