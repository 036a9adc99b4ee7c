package e2e

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// maxCertPath bounds the certificates beside the peer's own.
const maxCertPath = 6

// A verifiedPeer is the proof that a peer has signed something with the key of a certificate that we
// trust and that names the address which the carrier says it comes from. Only signedToken.verify
// makes one.
type verifiedPeer struct {
	proof   *pki.Verified
	trust   *pki.Trust   // that has verified it
	grants  []rbac.Grant // of its certificate, those that count here
	address string       // full JID
}

func (p verifiedPeer) subject() rbac.Subject {
	return rbac.Subject{Name: bareJID(p.address), Address: p.address, Grants: slices.Clone(p.grants)}
}

func (p verifiedPeer) certificate() []byte { return p.proof.Leaf().Raw }

// trustIn gives who verifies a party, and which of the roles in its certificate count; all where it says so.
func (e *endpoint) trustIn(address string) (trust *pki.Trust, roles []rbac.Role, all bool) {
	_, domain, _ := strings.Cut(bareJID(address), "@")
	if d, other := e.Domains[domain]; other {
		return d.Trust, d.Roles, false
	}
	return e.Trust, nil, true
}

// bareJID cuts the resource off.
func bareJID(jid string) string {
	bare, _, _ := strings.Cut(jid, "/")
	return bare
}

// A signedToken is what ClearToken1 and ClearToken3 have in common, with what was signed.
type signedToken struct {
	tbs      []byte // canonical
	sign     *Signature
	sigAlg   AlgorithmIdentifier
	version  Version
	assoID   string
	time     string
	pkCert   []byte
	certPath [][]byte
}

// tokenEvents are the events that the faults of a signed PDU are.
type tokenEvents struct {
	signature, certificate, address, replay audit.ID
}

// The handshake request has event numbers of its own, the other signed PDUs have not.
var (
	requestEvents = tokenEvents{audit.E2EHandshakeSignature, audit.E2EHandshakeCertificate,
		audit.E2EHandshakeAddress, audit.E2EHandshakeReplay}
	signedEvents = tokenEvents{audit.E2ETampered, audit.E2ECertificate, audit.E2EAddress, audit.E2EReplay}
)

// checkForm makes the checks that cost nothing, and returns the token's time.
func (t *signedToken) checkForm(now time.Time) (time.Time, *fault) {
	switch {
	case t.version&VersionV1 == 0:
		return time.Time{}, tell(HandshakeUnexpectedVersion, audit.E2EDowngrade, "version 1 is not among the peer's")
	case !t.sigAlg.is(sigAlgECDSA) && !t.sigAlg.is(sigAlgRSA):
		return time.Time{}, tell(InvalidSignatureAlgorithm, audit.E2EDowngrade,
			"the signature algorithm %s is not supported", t.sigAlg.Algorithm)
	case !t.sign.Algo.is(t.sigAlg):
		return time.Time{}, alarm(audit.E2EDowngrade, "the signature names another algorithm than what it signs")
	}
	return checkTime(now, t.time)
}

// checkTime checks that a token is no more than ten minutes off.
func checkTime(now time.Time, text string) (time.Time, *fault) {
	at, ok := parseTimestamp(text)
	if !ok {
		return at, tell(HandshakeProtocolError, audit.E2ECanonical, "%q is not a time", text)
	}
	if d := now.Sub(at); d > maxSkew || d < -maxSkew {
		return at, tell(InvalidTimeValue, audit.E2ETime, "the time of the token is %v off", d.Round(time.Millisecond))
	}
	return at, nil
}

// verify checks certificate, address, signature and freshness, in the order of their cost, and
// remembers what passed.
//
// IEC 62351-4, 14.3.
func (t *signedToken) verify(e *endpoint, now time.Time, from string, ids tokenEvents) (verifiedPeer, *fault) {
	if e.Replay.seen(now, t.replayKey()) {
		return verifiedPeer{}, alarm(ids.replay, "the peer's PDU was received before")
	}
	chain, err := parseChain(t.pkCert, t.certPath)
	if err != nil {
		return verifiedPeer{}, tell(InvalidPublicKeyCertificate, ids.certificate, "the peer's certificate").because(err)
	}
	trust, roles, all := e.trustIn(from)
	proof, err := trust.VerifyE2E(chain, now)
	if err != nil {
		return verifiedPeer{}, tell(diagnosticOf(err), ids.certificate, "the peer's certificate").because(err)
	}
	if bare := bareJID(from); !slices.Contains(proof.XMPPAddrs(), bare) {
		return verifiedPeer{}, alarm(ids.address, "the certificate is of %q, the PDU comes from %q", proof.XMPPAddrs(), bare)
	}
	if f := t.checkKey(proof); f != nil {
		return verifiedPeer{}, f
	}
	if !verify(proof.Leaf(), t.tbs, t.sign.Sign) {
		return verifiedPeer{}, alarm(ids.signature, "the signature is wrong")
	}
	if f := t.remember(e, now, ids.replay); f != nil {
		return verifiedPeer{}, f
	}
	for _, w := range proof.Warnings() {
		e.record(now, w.ID, from, w.Error())
	}
	grants := proof.Grants()
	if !all {
		grants = slices.DeleteFunc(slices.Clone(grants), func(g rbac.Grant) bool { return !slices.Contains(roles, g.Role) })
	}
	return verifiedPeer{proof: proof, trust: trust, grants: grants, address: from}, nil
}

// checkKey checks that the peer's key is for the algorithm that the token names.
func (t *signedToken) checkKey(proof *pki.Verified) *fault {
	if alg, _, ok := sigAlgOf(proof.Leaf().PublicKey); !ok || !t.sigAlg.is(alg) {
		return tell(InvalidSignatureAlgorithm, audit.E2EDowngrade, "the peer's key is not for the algorithm %s", t.sigAlg.Algorithm)
	}
	return nil
}

// verifyAgain checks the signature of a peer that was verified before, and freshness.
func (t *signedToken) verifyAgain(e *endpoint, now time.Time, p verifiedPeer) *fault {
	if !bytes.Equal(t.pkCert, p.certificate()) {
		return alarm(audit.E2ECertificate, "the certificate is not that of the handshake")
	}
	if f := t.checkKey(p.proof); f != nil {
		return f
	}
	if !verify(p.proof.Leaf(), t.tbs, t.sign.Sign) {
		return alarm(audit.E2ETampered, "the signature is wrong")
	}
	return t.remember(e, now, audit.E2EReplay)
}

// remember stores a PDU that was verified and finds out if it was before.
func (t *signedToken) remember(e *endpoint, now time.Time, replay audit.ID) *fault {
	switch e.Replay.store(now, t.replayKey()) {
	case alreadyStored:
		return alarm(replay, "the peer's PDU was received before")
	case cacheFull:
		return alarm(audit.E2EHandshakeFlood, "there is no room to remember the peer's PDU")
	}
	return nil
}

func (t *signedToken) replayKey() replayKey {
	return replayKey{signer: sha256.Sum256(t.pkCert), tbs: sha256.Sum256(t.tbs)}
}

func parseChain(leaf []byte, path [][]byte) ([]*x509.Certificate, error) {
	if len(path) > maxCertPath {
		return nil, errors.New("the certification path is too long")
	}
	chain := make([]*x509.Certificate, 0, 1+len(path))
	for _, der := range append([][]byte{leaf}, path...) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

// diagnosticOf says whether the certificate or its path is at fault.
func diagnosticOf(err error) HandshakeDiagnostics {
	var refused *pki.VerifyError
	if errors.As(err, &refused) {
		switch refused.Rule {
		case pki.RulePath, pki.RuleUnknownCA:
			return InvalidCertificationPath
		}
	}
	return InvalidPublicKeyCertificate
}
