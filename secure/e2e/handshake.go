package e2e

import (
	"time"

	"busbar.example/secure/audit"
)

// token1 makes our token of a handshake.
func (e *endpoint) token1(now time.Time, assoID string, public DiffieHellmanSet, mode EncrMode) ClearToken1 {
	return ClearToken1{
		SigAlg:     e.sigAlg,
		PKCert:     e.Identity.Chain[0].Raw,
		CertPath:   e.certPath(),
		Version:    VersionV1,
		AssoID:     assoID,
		DHKey:      public,
		HMAC:       hmacSHA256,
		Time:       timestamp(now),
		EncrMode:   mode,
		ConfParams: e.confParams(),
	}
}

// token3 makes our token of a rejection, an abort or a release.
func (e *endpoint) token3(now time.Time, assoID string) ClearToken3 {
	return ClearToken3{
		SigAlg:   e.sigAlg,
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
	case t.AttCert != nil:
		return tell(InvalidAttributeCertificate, audit.RoleRefused, "attribute certificates are not supported")
	}
	return e.checkProtection(t)
}

// groupOf returns the one of our groups that a token names.
func (e *endpoint) groupOf(set *DiffieHellmanSet) (Group, bool) {
	for _, g := range e.Groups {
		if g.number() == set.Group {
			return g, true
		}
	}
	return 0, false
}
