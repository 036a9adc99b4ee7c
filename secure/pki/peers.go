package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"strings"
	"time"
)

// PeerTLS returns the configuration of a client that speaks to an IED over TLS,
// without XMPP between them: as ClientTLS, but for the certificate, which is
// verified by trust.VerifyPeerServer for name.
//
// IEC 62351-3
func PeerTLS(id *Identity, trust *Trust, name string) *tls.Config {
	c := ClientTLS(id, trust, name)
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := checkSuite(cs); err != nil {
			return err
		}
		_, err := trust.verify(cs.PeerCertificates, forPeerServer, name, time.Now(), stapled(cs))
		return err
	}
	return c
}

// VerifyPeerServer verifies the chain of an IED that serves TLS itself, its own
// certificate first. It must name name: as dNSName or iPAddress or, where it
// has neither, as common name, as devices do that know no DNS. An extended key
// usage may be missing; one that is there must allow TLS servers. The error is
// a *VerifyError.
//
// IEC 62351-3
func (t *Trust) VerifyPeerServer(chain []*x509.Certificate, name string, now time.Time) (*Verified, error) {
	return t.verify(chain, forPeerServer, name, now, inquiry{wait: true})
}

// VerifyPeerClient is VerifyPeerServer for a client, which may have any name.
func (t *Trust) VerifyPeerClient(chain []*x509.Certificate, now time.Time) (*Verified, error) {
	return t.verify(chain, forPeerClient, "", now, inquiry{wait: true})
}

// VerifyPeerClientTLS is VerifyPeerClient for a client that has finished a handshake,
// as VerifyClientTLS is VerifyClient.
func (t *Trust) VerifyPeerClientTLS(cs tls.ConnectionState, now time.Time) (*Verified, error) {
	return t.verify(cs.PeerCertificates, forPeerClient, "", now, inquiry{wait: true, staple: cs.OCSPResponse})
}

// checkPeerName checks that a certificate names an IED.
func (p purpose) checkPeerName(c *x509.Certificate, ns names, name string) *VerifyError {
	if ip := net.ParseIP(name); ip != nil && slices.ContainsFunc(c.IPAddresses, ip.Equal) {
		return nil
	}
	if isDomain(name) && (names{dns: ns.dns}).serves(srvClient, name) {
		return nil
	}
	if len(ns.dns)+len(c.IPAddresses) == 0 && name != "" && strings.EqualFold(c.Subject.CommonName, name) {
		return nil
	}
	of := slices.Clone(ns.dns)
	for _, ip := range c.IPAddresses {
		of = append(of, ip.String())
	}
	if len(of) == 0 {
		of = []string{c.Subject.CommonName}
	}
	return p.fault(RuleName, c, "say which name the certificate must have", "it is for %q, wanted %q", of, name)
}
