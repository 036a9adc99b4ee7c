package e2e

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"time"

	"busbar.example/secure/audit"
)

// token1 makes our token of a handshake.
func (e *endpoint) token1(now time.Time, assoID string, public *ecdh.PublicKey, mode EncrMode) ClearToken1 {
	return ClearToken1{
		SigAlg:     sigAlgECDSA,
		PKCert:     e.Identity.Chain[0].Raw,
		CertPath:   e.certPath(),
		Version:    VersionV1,
		AssoID:     assoID,
		DHKey:      DiffieHellmanSet{Group: groupP256, PublicKey: public.Bytes()},
		HMAC:       hmacSHA256,
		Time:       timestamp(now),
		EncrMode:   mode,
		ConfParams: ApplProtected,
	}
}

// token3 makes our token of a rejection, an abort or a release.
func (e *endpoint) token3(now time.Time, assoID string) ClearToken3 {
	return ClearToken3{
		SigAlg:   sigAlgECDSA,
		Version:  VersionV1,
		AssoID:   assoID,
		Time:     timestamp(now),
		PKCert:   e.Identity.Chain[0].Raw,
		CertPath: e.certPath(),
	}
}

// certPath returns what lies between our certificate and the root.
func (e *endpoint) certPath() (path [][]byte) {
	for _, c := range e.Identity.Chain[1:] {
		path = append(path, c.Raw)
	}
	return path
}

func (t *signedToken) token1(c *ClearToken1) {
	t.sigAlg, t.version, t.assoID, t.time = c.SigAlg, c.Version, c.AssoID, c.Time
	t.pkCert, t.certPath = c.PKCert, c.CertPath
}

func (t *signedToken) token3(c *ClearToken3) {
	t.sigAlg, t.version, t.assoID, t.time = c.SigAlg, c.Version, c.AssoID, c.Time
	t.pkCert, t.certPath = c.PKCert, c.CertPath
}

// checkCommon checks of a handshake token what is the same on both sides.
//
// IEC 62351-4, 14.3.4.
func (e *endpoint) checkCommon(t *ClearToken1, pp string) *fault {
	switch {
	case pp != e.Protocol:
		return tell(ProtectedProtocolNotSupported, audit.E2EDowngrade, "the protected protocol is %q, ours is %q", pp, e.Protocol)
	case !t.HMAC.is(hmacSHA256):
		return tell(HmacAlgorithmNotSupported, audit.E2EDowngrade, "the HMAC algorithm %s is not supported", t.HMAC.Algorithm)
	case t.ConfParams&ApplProtected == 0:
		return tell(HandshakeEncryptionRequired, audit.E2EDowngrade, "the peer does not encrypt")
	case t.AttCert != nil:
		return tell(InvalidAttributeCertificate, audit.RoleRefused, "attribute certificates are not supported")
	}
	return nil
}

// checkOffer checks a HandshakeReq's token, and chooses the algorithm.
func (e *endpoint) checkOffer(t *ClearToken1, pp string) (aead, AlgorithmIdentifier, *fault) {
	if f := e.checkCommon(t, pp); f != nil {
		return aead{}, AlgorithmIdentifier{}, f
	}
	if t.DHKey.Group != groupP256 {
		return aead{}, AlgorithmIdentifier{}, tell(DHGroupNotSupported, audit.E2EDowngrade, "the group %q is not supported", t.DHKey.Group)
	}
	list, ok := t.EncrMode.(AEA)
	if !ok {
		return aead{}, AlgorithmIdentifier{}, tell(AeIsRequired, audit.E2EDowngrade, "the peer offers no authenticated encryption")
	}
	a, id, ok := choose(list)
	if !ok {
		return aead{}, AlgorithmIdentifier{}, tell(AeaAlgorithmsNotSupported, audit.E2EDowngrade, "none of the algorithms offered is supported")
	}
	return a, id, nil
}

// checkChoice checks a HandshakeAcc's token against what we offer.
func (e *endpoint) checkChoice(t *ClearToken1, pp string) (aead, *fault) {
	if f := e.checkCommon(t, pp); f != nil {
		return aead{}, f
	}
	if t.DHKey.Group != groupP256 {
		return aead{}, tell(IllegalDHGroupSelected, audit.E2EDowngrade, "the group %q was not offered", t.DHKey.Group)
	}
	list, ok := t.EncrMode.(AEA)
	if !ok {
		return aead{}, tell(AeNotUsed, audit.E2EDowngrade, "the peer chose no authenticated encryption")
	}
	if len(list) != 1 {
		return aead{}, tell(SingleAeAlgorithmRequired, audit.E2EDowngrade, "the peer chose %d algorithms", len(list))
	}
	a, ok := aeadOf(list[0])
	if !ok || a.icvSize != icvSize {
		return aead{}, tell(InvalidAeAlgorithm, audit.E2EDowngrade, "the algorithm %s was not offered so", list[0].Algorithm)
	}
	return a, nil
}

// newKey makes a key pair for one agreement.
func newKey() (*ecdh.PrivateKey, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key pair: %w", err)
	}
	return key, nil
}

// publicKey reads a peer's public key. It refuses whatever is not the uncompressed form of a point
// on the curve; the group has no small subgroups.
//
// SEC 1, Section 2.3.4; IEC 62351-4, 13.3.1.2.
func publicKey(s *DiffieHellmanSet) (*ecdh.PublicKey, *fault) {
	key, err := ecdh.P256().NewPublicKey(s.PublicKey)
	if err != nil {
		return nil, alarm(audit.E2EKeyShare, "the public key is no point on the curve").because(err)
	}
	return key, nil
}

// agree derives the keys of an agreement. chain is that of the one before, nil at the first.
func agree(private *ecdh.PrivateKey, public *ecdh.PublicKey, chain []byte, s salt, keySize int) (*schedule, error) {
	z, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	ikm := append(z, chain...)
	defer clear(ikm)
	defer clear(z)
	return newSchedule(ikm, s, keySize)
}
