package iso81

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// The names of the mechanisms of authentication. That of certificates is the abstract syntax of the value; which name peers give
// is not looked at.
//
// ITU-T X.227, Annex B; IEC TS 62351-4:2007.
const (
	passwordMechanism    = "2.2.3.1"
	certificateMechanism = "1.2.840.0.1.0.1.1"
)

const (
	clockSkew    = 10 * time.Minute // that a signed time may be off
	mostSeen     = 8192             // signatures that are remembered for so long
	timeOfSigned = "20060102150405Z"
	timeWeSign   = "20060102150405.000000Z" // so that two associations in one second differ
)

// proof is what a client shows of itself in AARQ.
type proof struct {
	mechanism string
	value     authenticationValue
}

// mmsAuthentication is *certificateBased.
//
// IEC TS 62351-4:2007, MMS_Authentication-value.
type mmsAuthentication interface{ mmsAuthentication() }

type certificateBased struct {
	Certificate []byte `asn:"authentication-Certificate [0]"` // DER
	Time        string `asn:"time [1] GeneralizedTime"`
	Signature   []byte `asn:"signature [2]"` // over the octets of Time: PKCS #1 or ECDSA, with SHA-256
}

func (*certificateBased) mmsAuthentication() {}

var authenticationType = asn1.Compile[mmsAuthentication](asn1.NewModule(
	asn1.Choice[mmsAuthentication]("MMS_Authentication-value", asn1.Alt[*certificateBased]("certificate-based [0]"))))

// proof makes what a client shows of itself; nil where it shows nothing.
func (a *Auth) proof(now time.Time) (*proof, error) {
	switch {
	case a == nil:
		return nil, nil
	case a.Identity == nil:
		return &proof{passwordMechanism, charString(a.Password)}, nil
	}
	c := &certificateBased{Certificate: a.Identity.Chain[0].Raw, Time: now.UTC().Format(timeWeSign)}
	digest := sha256.Sum256([]byte(c.Time))
	var err error
	if c.Signature, err = a.Identity.Key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
		return nil, fmt.Errorf("sign for ACSE: %w", err)
	}
	value := &externalValue{external{Direct: certificateMechanism, Encoding: singleType{encode(authenticationType, c)}}}
	return &proof{certificateMechanism, value}, nil
}

// authenticate says who the peer is, or why it is refused.
func (a *Association) authenticate(aarq *associateRequest) (rbac.Subject, error) {
	c := Credentials{RemoteAddr: a.tcp.RemoteAddr().String(), TLS: a.verified,
		APTitle: titleText(aarq.CallingAPTitle), AEQualifier: qualifierText(aarq.CallingAEQualifier)}
	if err := a.readProof(&c, aarq); err != nil {
		a.record(idOf(err, audit.PeerRefused), err.Error())
		return rbac.Subject{}, err
	}
	subject := rbac.Subject{Name: c.RemoteAddr, Unauthenticated: true}
	if v := c.verified(); v != nil {
		subject = rbac.Subject{Name: pki.Name(v.Leaf())}
	}
	if a.subject != nil {
		var err error
		if subject, err = a.subject(c); err != nil { // which is for whoever decides to report
			return rbac.Subject{}, err
		}
	}
	if subject.Address == "" {
		subject.Address = c.RemoteAddr
	}
	return subject, nil
}

// verified is the certificate that names the peer: that of ACSE before that of TLS, nil where there is none.
func (c Credentials) verified() *pki.Verified {
	if c.Certificate != nil {
		return c.Certificate
	}
	return c.TLS
}

// readProof reads what the peer shows of itself in ACSE. The kind of the value tells the mechanism.
func (a *Association) readProof(c *Credentials, aarq *associateRequest) error {
	switch v := aarq.Authentication.(type) {
	case nil:
		return nil
	case charString:
		if aarq.Mechanism != "" && aarq.Mechanism != passwordMechanism {
			return Refuse(DiagnosticMechanismUnknown, nil)
		}
		c.Password = v
		if v == nil {
			c.Password = []byte{}
		}
		return nil
	case *externalValue:
		octets, ok := v.External.Encoding.octets()
		var value mmsAuthentication
		if !ok || a.trust == nil || (ber.Lenient{AnyLength: true}).Decode(octets, authenticationType, &value, limits) != nil {
			break
		}
		var err error
		if c.Certificate, err = a.verify(value.(*certificateBased), time.Now()); err != nil {
			return Refuse(DiagnosticAuthenticationFailure, err)
		}
		a.noteShown(c.Certificate, a.trust)
		return nil
	}
	return Refuse(DiagnosticMechanismUnknown, nil)
}

// verify verifies certificate, time and signature.
func (a *Association) verify(c *certificateBased, now time.Time) (*pki.Verified, error) {
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate in ACSE: %w", err)
	}
	verified, err := a.trust.VerifyPeerClient([]*x509.Certificate{cert}, now)
	if err != nil {
		return nil, err
	}
	at, err := time.Parse(timeOfSigned, c.Time) // which takes fractions of a second, too
	if err != nil {
		return nil, fmt.Errorf("time in ACSE: %w", err)
	}
	if skew := at.Sub(now); skew < -clockSkew || skew > clockSkew {
		return nil, fmt.Errorf("the time in ACSE is %v off, at most %v are allowed", skew.Round(time.Second), clockSkew)
	}
	digest := sha256.Sum256([]byte(c.Time))
	switch key := verified.Leaf().PublicKey.(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(key, digest[:], c.Signature) {
			err = errSignature
		}
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], c.Signature) != nil {
			err = errSignature
		}
	default:
		err = errSignature
	}
	if err != nil {
		return nil, err
	}
	return verified, a.seen.first(c, at, now)
}

var (
	errSignature = errors.New("the signature in ACSE is wrong")
	errReplayed  = errors.New("what authenticates the peer in ACSE has been used before")
	errSeenFull  = errors.New("more authentications in ACSE than can be remembered")
)

// signatures remembers what has been used to authenticate, as long as its time is accepted.
type signatures struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // until when
}

// first notes a value, and fails where it has been noted before: what is signed says the same for whoever holds the key.
func (s *signatures) first(c *certificateBased, at, now time.Time) error {
	key := sha256.Sum256(append([]byte(c.Time), c.Certificate...))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = make(map[[sha256.Size]byte]time.Time)
	}
	if until, again := s.seen[key]; again && now.Before(until) {
		return errReplayed
	}
	if len(s.seen) >= mostSeen {
		for k, until := range s.seen {
			if !now.Before(until) {
				delete(s.seen, k)
			}
		}
		if len(s.seen) >= mostSeen {
			return errSeenFull
		}
	}
	s.seen[key] = at.Add(clockSkew)
	return nil
}
