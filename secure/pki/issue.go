package pki

import (
	"crypto/x509"
	"fmt"
	"net"

	"busbar.example/secure/rbac"
)

// IssueServer makes the TLS identity of the XMPP server of a domain, given in
// ASCII (A-labels). It names the domain as dNSName and as SRVName, since
// servers in the field look at either, and carries clientAuth too, for the
// streams that a server opens to others.
//
// RFC 6120, Section 13.7.1.2; RFC 4985
func (ca *CA) IssueServer(domain string) (*Identity, error) {
	if ca.hierarchy != E2M {
		return nil, fmt.Errorf("issuing a TLS certificate for %q: %w", domain, errHierarchy)
	}
	if !isDomain(domain) {
		return nil, fmt.Errorf("issuing a TLS certificate: %q is not a DNS name", domain)
	}
	return ca.end(profile{
		unit:     "E2M server",
		names:    names{dns: []string{domain}, srv: []string{srvClient + domain, srvServer + domain}},
		usage:    x509.KeyUsageDigitalSignature,
		extUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// IssueClientTLS makes the TLS identity of an XMPP client with this bare JID.
//
// RFC 6120, Section 13.7.1.4
func (ca *CA) IssueClientTLS(bareJID string) (*Identity, error) {
	if ca.hierarchy != E2M {
		return nil, fmt.Errorf("issuing a TLS certificate for %q: %w", bareJID, errHierarchy)
	}
	if !isBareJID(bareJID) {
		return nil, fmt.Errorf("issuing a TLS certificate: %q is not a bare JID", bareJID)
	}
	return ca.end(profile{
		unit:     "E2M client",
		names:    names{xmpp: []string{bareJID}},
		usage:    x509.KeyUsageDigitalSignature,
		extUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// IssuePeerTLS makes the TLS identity of an IED that serves clients itself, without
// XMPP: for its account, a bare JID, and the hosts, DNS names and addresses, that
// it is reached at.
//
// IEC 62351-3
func (ca *CA) IssuePeerTLS(bareJID string, hosts ...string) (*Identity, error) {
	if ca.hierarchy != E2M {
		return nil, fmt.Errorf("issuing a TLS certificate for %q: %w", bareJID, errHierarchy)
	}
	if !isBareJID(bareJID) {
		return nil, fmt.Errorf("issuing a TLS certificate: %q is not a bare JID", bareJID)
	}
	n := names{xmpp: []string{bareJID}}
	for _, host := range hosts {
		switch ip := net.ParseIP(host); {
		case ip != nil:
			n.ip = append(n.ip, ip)
		case isDomain(host):
			n.dns = append(n.dns, host)
		default:
			return nil, fmt.Errorf("issuing a TLS certificate: %q is neither a DNS name nor an address", host)
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("issuing a TLS certificate for %q: it needs a host", bareJID)
	}
	return ca.end(profile{
		unit:     "E2M peer",
		names:    n,
		usage:    x509.KeyUsageDigitalSignature,
		extUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// IssueE2E makes the end-to-end identity of the bare JID, with the roles of
// grants, whose validity is the certificate's. An IED needs none.
//
// IEC 62351-4; IEC 62351-8
func (ca *CA) IssueE2E(bareJID string, grants []rbac.Grant) (*Identity, error) {
	if ca.hierarchy != E2E {
		return nil, fmt.Errorf("issuing an E2E certificate for %q: %w", bareJID, errHierarchy)
	}
	if !isBareJID(bareJID) {
		return nil, fmt.Errorf("issuing an E2E certificate: %q is not a bare JID", bareJID)
	}
	p := profile{
		unit:  "E2E",
		names: names{xmpp: []string{bareJID}},
		usage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement,
	}
	if len(grants) > 0 {
		roles, err := marshalRoles(grants)
		if err != nil {
			return nil, fmt.Errorf("issuing an E2E certificate for %q: %w", bareJID, err)
		}
		p.roles = roles
	}
	return ca.end(p)
}
