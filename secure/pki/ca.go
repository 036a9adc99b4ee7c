package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// A Hierarchy is one of the two trees of certificates. A CA for E2M is marked
// by the extended key usages of TLS, a CA for E2E has none.
type Hierarchy uint8

// The hierarchies.
const (
	E2M Hierarchy = iota + 1 // TLS, hop by hop
	E2E                      // IEC 62351-4, end to end
)

// String returns the hierarchy's usual abbreviation.
func (h Hierarchy) String() string {
	switch h {
	case E2M:
		return "E2M"
	case E2E:
		return "E2E"
	}
	return "unknown"
}

const (
	rootValidity    = 20 * 365 * 24 * time.Hour
	issuingValidity = 10 * 365 * 24 * time.Hour
	leafValidity    = 365 * 24 * time.Hour
	clockSkew       = time.Hour // that a peer's clock may be behind
)

// A CA issues and revokes certificates. Its fields are to be set before use; a
// CA may then be used by several goroutines.
type CA struct {
	Validity time.Duration    // of the end entities' certificates; 0 is one year
	Clock    func() time.Time // nil is time.Now

	chain     []*x509.Certificate // its own first; a root has only that
	key       crypto.Signer
	hierarchy Hierarchy
}

// NewRoot makes a root CA that may have one level of issuing CAs below it. The
// organization, such as the site's domain, is the subject's O, and that of all
// certificates below.
func NewRoot(h Hierarchy, organization string) (*CA, error) {
	ca := &CA{hierarchy: h}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := ca.authority(organization, "root", rootValidity)
	template.MaxPathLen = 1
	ca.key = key
	cert, err := ca.sign(template, template, key.Public())
	if err != nil {
		return nil, fmt.Errorf("making the %s root CA: %w", h, err)
	}
	ca.chain = []*x509.Certificate{cert}
	return ca, nil
}

// NewIssuing makes a CA below the root ca that issues to end entities only.
func (ca *CA) NewIssuing() (*CA, error) {
	if ca.Certificate().MaxPathLenZero {
		return nil, fmt.Errorf("making an issuing CA: %s may have none below it", Name(ca.Certificate()))
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := ca.authority(ca.organization(), "issuing", issuingValidity)
	template.MaxPathLenZero = true
	cert, err := ca.issue(template, key.Public())
	if err != nil {
		return nil, fmt.Errorf("making the %s issuing CA: %w", ca.hierarchy, err)
	}
	below := &CA{Clock: ca.Clock, key: key, hierarchy: ca.hierarchy}
	below.chain = append([]*x509.Certificate{cert}, ca.intermediates()...)
	return below, nil
}

// LoadCA reads a CA from two PEM files as [LoadIdentity] does. Which hierarchy
// it is of, its certificate says.
func LoadCA(certFile, keyFile string) (*CA, error) {
	id, err := LoadIdentity(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	ca := &CA{chain: id.Chain, key: id.Key, hierarchy: E2E}
	if c := ca.Certificate(); !c.IsCA || c.KeyUsage&x509.KeyUsageCertSign == 0 {
		return nil, fmt.Errorf("%s is not the certificate of a CA", certFile)
	}
	if isTLSUsage(ca.Certificate()) {
		ca.hierarchy = E2M
	}
	return ca, nil
}

// Save writes the CA to two PEM files as [Identity.Save] does.
func (ca *CA) Save(certFile, keyFile string) error {
	return (&Identity{Chain: ca.chain, Key: ca.key}).Save(certFile, keyFile)
}

// Certificate returns the CA's own certificate.
func (ca *CA) Certificate() *x509.Certificate { return ca.chain[0] }

func (ca *CA) organization() string {
	if o := ca.Certificate().Subject.Organization; len(o) > 0 {
		return o[0]
	}
	return ""
}

// intermediates returns what a peer that knows the root needs besides an
// issued certificate.
func (ca *CA) intermediates() []*x509.Certificate {
	if last := ca.chain[len(ca.chain)-1]; isSelfIssued(last) {
		return ca.chain[:len(ca.chain)-1]
	}
	return ca.chain
}

func (ca *CA) now() time.Time {
	if ca.Clock != nil {
		return ca.Clock()
	}
	return time.Now()
}

// authority returns the template of a CA's certificate.
func (ca *CA) authority(organization, role string, validity time.Duration) *x509.Certificate {
	template := ca.template(organization, "", validity)
	template.Subject.CommonName = fmt.Sprintf("%s %s CA", ca.hierarchy, role)
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if ca.hierarchy == E2M {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	return template
}

// template returns what all certificates have in common. Validity starts a
// little in the past for peers whose clocks are behind.
func (ca *CA) template(organization, unit string, validity time.Duration) *x509.Certificate {
	now := ca.now()
	template := &x509.Certificate{
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(validity),
		BasicConstraintsValid: true,
	}
	if organization != "" {
		template.Subject.Organization = []string{organization}
	}
	if unit != "" {
		template.Subject.OrganizationalUnit = []string{unit}
	}
	return template
}

// issue signs a certificate below the CA's own.
func (ca *CA) issue(template *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	parent := ca.Certificate()
	if now := ca.now(); now.After(parent.NotAfter) || now.Before(parent.NotBefore) {
		return nil, fmt.Errorf("the CA's own certificate is valid from %s to %s only",
			parent.NotBefore.UTC().Format(time.DateOnly), parent.NotAfter.UTC().Format(time.DateOnly))
	}
	if template.NotAfter.After(parent.NotAfter) {
		template.NotAfter = parent.NotAfter
	}
	if template.NotBefore.Before(parent.NotBefore) {
		template.NotBefore = parent.NotBefore
	}
	return ca.sign(template, parent, public)
}

func (ca *CA) sign(template, parent *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, err
	}
	template.SerialNumber = new(big.Int).SetBytes(serial)
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(spki)
	template.SubjectKeyId = id[:20] // RFC 7093, Section 2: any method that gives unique values
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, ca.key)
	if err != nil {
		return nil, err
	}
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("the certificate would have %d octets, %d are allowed", len(der), maxCertificate)
	}
	return x509.ParseCertificate(der)
}

func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// A profile of an end entity's certificate.
type profile struct {
	unit     string
	names    names
	usage    x509.KeyUsage
	extUsage []x509.ExtKeyUsage
	roles    []byte
}

// end issues an identity with a new key.
func (ca *CA) end(p profile) (*Identity, error) {
	san, err := p.names.marshal()
	if err != nil {
		return nil, err
	}
	validity := ca.Validity
	if validity == 0 {
		validity = leafValidity
	}
	template := ca.template(ca.organization(), p.unit, validity)
	template.KeyUsage = p.usage
	template.ExtKeyUsage = p.extUsage
	template.ExtraExtensions = []pkix.Extension{{Id: oidSAN, Value: san}}
	if p.roles != nil {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: oidRoles, Value: p.roles})
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	cert, err := ca.issue(template, key.Public())
	if err != nil {
		return nil, err
	}
	return &Identity{Chain: append([]*x509.Certificate{cert}, ca.intermediates()...), Key: key}, nil
}

var errHierarchy = errors.New("the CA is of the other hierarchy")
