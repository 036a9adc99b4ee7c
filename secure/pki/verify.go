package pki

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"time"

	"busbar.example/secure/audit"
)

// A purpose is what a certificate is verified for.
type purpose uint8

const (
	forServer purpose = iota + 1
	forClient
	forE2E
	forPeerServer // of an IED, without XMPP
	forPeerClient
	forDomain // of a server, to the server of another domain
	forDomainClient
)

// event returns the ID of what has none of its own in this purpose.
func (p purpose) event() audit.ID {
	switch p {
	case forServer, forPeerServer, forDomain:
		return audit.ServerCertificate
	case forClient, forPeerClient, forDomainClient:
		return audit.ClientCertificate
	}
	return audit.E2ECertificate
}

// String returns what the certificate is for.
func (p purpose) String() string {
	switch p {
	case forServer, forPeerServer, forDomain:
		return "TLS server"
	case forClient, forPeerClient, forDomainClient:
		return "TLS client"
	}
	return "E2E"
}

const (
	maxCertificate = 8192 // octets of one certificate (IEC 62351-3)
	maxChain       = 8    // certificates that a peer may present
	minRSA         = 2048 // bits
	maxRSA         = 8192 // bits, beyond which a check costs too much
	minCurve       = 256  // bits
)

// verify is the one way to a Verified. Cheap checks come first; the network is
// asked last, about a path that is sound otherwise.
func (t *Trust) verify(chain []*x509.Certificate, p purpose, domain string, now time.Time, how inquiry) (*Verified, error) {
	leaf, ns, fault := p.checkPresented(chain)
	if fault != nil {
		return nil, fault
	}
	if t == nil {
		return nil, p.fault(RuleUnknownCA, leaf, "", "no trust anchor is configured")
	}
	v := &Verified{purpose: p, domain: domain, names: ns}
	switch p {
	case forServer, forDomain, forDomainClient:
		fault = p.checkDomain(leaf, ns, domain)
	case forPeerServer:
		fault = p.checkPeerName(leaf, ns, domain)
	case forE2E:
		fault = v.readRoles(leaf)
	}
	// Who the peer is not is said after why it is not believed.
	path, warnings, unfit := t.path(leaf, chain, p, now, how, fault == nil)
	switch {
	case unfit != nil:
		return nil, unfit
	case fault != nil:
		return nil, fault
	}
	v.chain, v.warnings = path, warnings
	return v, nil
}

// path returns a path from leaf, whose chain was presented, to an anchor, and what there is to warn
// of. The network is asked only if ask.
func (t *Trust) path(leaf *x509.Certificate, chain []*x509.Certificate, p purpose, now time.Time, how inquiry, ask bool) ([]*x509.Certificate, []*VerifyError, *VerifyError) {
	b := t.basis.Load()
	j := judge{basis: b, online: t.online, purpose: p, now: now}
	key := keyOf(chain, p)
	if known := b.paths.get(key); known != nil {
		if path, warnings, fault := j.judge(known, how, ask); fault == nil {
			return path, warnings, nil
		}
	}
	paths, err := leaf.Verify(x509.VerifyOptions{
		Roots:         b.roots,
		Intermediates: poolOf(chain[1:]),
		CurrentTime:   now,
		KeyUsages:     p.extKeyUsages(),
	})
	if err != nil {
		return nil, nil, b.explain(err, p, leaf, chain[1:], now)
	}
	path, warnings, fault := j.judge(paths, how, ask)
	if fault == nil {
		b.paths.put(key, paths)
	}
	return path, warnings, fault
}

// checkPresented checks what the peer presents before any signature is, and
// returns the peer's own certificate and its names.
func (p purpose) checkPresented(chain []*x509.Certificate) (*x509.Certificate, names, *VerifyError) {
	if len(chain) == 0 {
		return nil, names{}, p.fault(RuleNoCertificate, nil, "", "the peer presents no certificate")
	}
	if len(chain) > maxChain {
		return nil, names{}, p.fault(RulePath, chain[0], "", "%d certificates are presented, %d are allowed", len(chain), maxChain)
	}
	for _, c := range chain {
		if fault := p.checkStrength(c); fault != nil {
			return nil, names{}, fault
		}
	}
	ns, err := namesOf(chain[0])
	if err != nil {
		return nil, names{}, p.fault(RuleExtension, chain[0], "", "%v", err)
	}
	leaf := withHandledSAN(chain[0])
	return leaf, ns, p.checkUsage(leaf, ns)
}

// withHandledSAN returns the certificate, whose names have been read, without
// the mark that crypto/x509 leaves on a critical subjectAltName in which it
// found no name that it reads.
func withHandledSAN(cert *x509.Certificate) *x509.Certificate {
	if !slices.ContainsFunc(cert.UnhandledCriticalExtensions, oidSAN.Equal) {
		return cert // which its owner keeps anyway
	}
	c := *cert
	c.UnhandledCriticalExtensions = nil
	for _, id := range cert.UnhandledCriticalExtensions {
		if !id.Equal(oidSAN) {
			c.UnhandledCriticalExtensions = append(c.UnhandledCriticalExtensions, id)
		}
	}
	return &c
}

var strongSignatures = []x509.SignatureAlgorithm{
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512,
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
}

// checkStrength checks size, key and signature algorithm of one certificate.
// What a root signed itself with counts for nothing.
//
// IEC 62351-3
func (p purpose) checkStrength(c *x509.Certificate) *VerifyError {
	if len(c.Raw) > maxCertificate {
		return p.fault(RuleSize, c, "", "it has %d octets, %d are allowed", len(c.Raw), maxCertificate)
	}
	const hint = "issue it anew with a P-256 key: busbar pki issue"
	switch key := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if bits := key.Params().BitSize; bits < minCurve {
			return p.fault(RuleKeySize, c, hint, "its key on %s is too short", key.Params().Name)
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return p.fault(RuleKeySize, c, hint, "its RSA key has %d bits, %d to %d are allowed", bits, minRSA, maxRSA)
		}
	default:
		return p.fault(RuleAlgorithm, c, hint, "its key is neither ECDSA nor RSA (%s)", c.PublicKeyAlgorithm)
	}
	if !slices.Contains(strongSignatures, c.SignatureAlgorithm) && !isSelfIssued(c) {
		return p.fault(RuleAlgorithm, c, "issue it anew: busbar pki issue", "it is signed with %s", c.SignatureAlgorithm)
	}
	return nil
}

func (p purpose) extKeyUsages() []x509.ExtKeyUsage {
	switch p {
	case forServer, forPeerServer, forDomain:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case forDomainClient:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	case forClient, forPeerClient:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
}

// checkUsage checks that the certificate was made for the purpose: TLS demands
// its extended key usage by name, E2E refuses those of TLS, so that neither
// certificate can stand for the other.
func (p purpose) checkUsage(c *x509.Certificate, ns names) *VerifyError {
	if c.IsCA {
		return p.fault(RuleUsage, c, "", "it is a CA's own certificate")
	}
	if p == forE2E {
		return p.checkE2EUsage(c, ns)
	}
	unsaid := (p == forPeerServer || p == forPeerClient) && len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0
	allowed := func(u x509.ExtKeyUsage) bool { return slices.Contains(p.extKeyUsages(), u) }
	if !unsaid && !slices.ContainsFunc(c.ExtKeyUsage, allowed) {
		hint := ""
		if c.KeyUsage&x509.KeyUsageKeyAgreement != 0 && len(c.ExtKeyUsage) == 0 {
			hint = "this looks like an E2E certificate: take the TLS one"
		}
		return p.fault(RuleUsage, c, hint, "its extended key usage lacks %s", map[x509.ExtKeyUsage]string{x509.ExtKeyUsageServerAuth: "serverAuth", x509.ExtKeyUsageClientAuth: "clientAuth"}[p.extKeyUsages()[0]])
	}
	if c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return p.fault(RuleUsage, c, "", "its key usage lacks digitalSignature")
	}
	return nil
}

func (p purpose) checkE2EUsage(c *x509.Certificate, ns names) *VerifyError {
	if isTLSUsage(c) {
		return p.fault(RuleUsage, c, "this looks like a TLS certificate: take the E2E one", "its extended key usage is for TLS")
	}
	const need = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
	if c.KeyUsage&need != need {
		return p.fault(RuleUsage, c, "", "its key usage lacks digitalSignature or keyAgreement")
	}
	if len(ns.xmpp) != 1 || !isBareJID(ns.xmpp[0]) {
		return p.fault(RuleName, c, "", "it must name exactly one bare JID (id-on-xmppAddr), it names %q", ns.xmpp)
	}
	return nil
}

// isTLSUsage reports whether a certificate, or what a CA's certificate allows,
// is meant for TLS.
func isTLSUsage(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageClientAuth || u == x509.ExtKeyUsageAny
	})
}

// service returns the SRVName prefix of the service that a server is verified for.
func (p purpose) service() string {
	if p == forDomain || p == forDomainClient {
		return srvServer
	}
	return srvClient
}

func (p purpose) checkDomain(c *x509.Certificate, ns names, domain string) *VerifyError {
	switch {
	case !isDomain(domain):
		return p.fault(RuleName, c, "write an internationalised domain with its A-labels (xn--…)", "%q is not a DNS name", domain)
	case ns.serves(p.service(), domain):
		return nil
	case len(ns.dns)+len(ns.srv) == 0:
		return p.fault(RuleName, c, "", "it names no server in its subjectAltName (a common name does not count), wanted %s", domain)
	}
	return p.fault(RuleName, c, "the name that counts is the domain of the JID, not the host that is connected to",
		"it is for %q, wanted %s", append(slices.Clone(ns.dns), ns.srv...), domain)
}

// readRoles fills in the grants.
func (v *Verified) readRoles(c *x509.Certificate) *VerifyError {
	grants, err := grantsOf(c)
	if err != nil {
		return v.purpose.fault(RuleRoles, c, "", "%v", err)
	}
	v.grants = grants
	return nil
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}
