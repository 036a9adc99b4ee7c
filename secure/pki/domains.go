package pki

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// DomainTLS returns the configuration of a server that opens a stream to the
// server of another domain, given in ASCII (A-labels): as ClientTLS, but for the
// certificate, which is verified by trust.VerifyDomain.
//
// RFC 6120, Section 13.7.2.1
func DomainTLS(id *Identity, trust *Trust, domain string) *tls.Config {
	c := ClientTLS(id, trust, domain)
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := checkSuite(cs); err != nil {
			return err
		}
		_, err := trust.verify(cs.PeerCertificates, forDomain, domain, time.Now(), stapled(cs))
		return err
	}
	return c
}

// VerifyDomain is VerifyServer for a server that a server of another domain
// connects to: it is named by its SRVName _xmpp-server or by a dNSName.
//
// RFC 9525; RFC 6120, Section 13.7.1.2
func (t *Trust) VerifyDomain(chain []*x509.Certificate, domain string, now time.Time) (*Verified, error) {
	return t.verify(chain, forDomain, domain, now, inquiry{wait: true})
}

// VerifyDomainClient is VerifyDomain for a server that connects to one of another
// domain. Its extended key usage allows TLS clients or, since there are CAs that
// give servers nothing else, TLS servers.
//
// RFC 6120, Section 13.7.2.2; XEP-0178, Section 3
func (t *Trust) VerifyDomainClient(chain []*x509.Certificate, domain string, now time.Time) (*Verified, error) {
	return t.verify(chain, forDomainClient, domain, now, inquiry{wait: true})
}
