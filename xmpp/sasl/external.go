package sasl

import (
	"errors"
	"fmt"
	"strings"

	"busbar.example/xmpp/jid"
)

// NameExternal is the registered name of EXTERNAL.
const NameExternal = "EXTERNAL"

// External returns the client's side of EXTERNAL: the certificate shown during
// the TLS handshake names the account. authzid is the bare JID to act as; it is
// needed where the certificate names several, and zero otherwise.
//
// RFC 4422, Appendix A; RFC 6120, Section 6.3.8; XEP-0178, Section 2.
func External(authzid jid.JID) Client {
	return Client{Name: NameExternal, Start: func(Offer) ClientStep {
		started := false
		return func([]byte) ([]byte, bool, error) {
			if started {
				return nil, false, errors.New("sasl: EXTERNAL has one message only")
			}
			started = true
			return []byte(authzid.String()), true, nil
		}
	}}
}

// ExternalServer returns the server's side of EXTERNAL. allowed says whether an
// account of the domain may log in; nil allows every account that a verified
// certificate names.
//
// A certificate that names one JID logs in as that one; a client may repeat it.
// One that names several needs an authorization identity that picks one of them.
// A name of another domain, and no name at all, are no account here.
//
// XEP-0178, Section 2; RFC 6120, Section 6.3.8.
func ExternalServer(allowed func(account jid.JID) bool) Server {
	return Server{Name: NameExternal, Start: func(o Offer) ServerStep {
		asked := false
		return func(in []byte) ([]byte, Login, error) {
			if in == nil && !asked { // no initial response: ask for it
				asked = true
				return []byte{}, Login{}, nil
			}
			id, err := authorize(o.Channel, string(in))
			if err != nil {
				return nil, Login{}, err
			}
			if allowed != nil && !allowed(id) {
				return nil, Login{}, refuse(NotAuthorized, "no account %s", id)
			}
			return nil, Login{Account: id}, nil
		}
	}}
}

// authorize decides whom the owner of the certificate of ch may act as.
func authorize(ch Channel, authzid string) (jid.JID, error) {
	if !ch.Certified {
		return jid.JID{}, refuse(NotAuthorized, "no valid client certificate")
	}
	if len(ch.Addresses) == 0 {
		return jid.JID{}, refuse(NotAuthorized, "the certificate names no JID")
	}
	if authzid == "" {
		if len(ch.Addresses) > 1 {
			return jid.JID{}, refuse(InvalidAuthzid, "the certificate names %d JIDs and the client chose none", len(ch.Addresses))
		}
		id, ok := account(ch.Addresses[0], ch.Domain)
		if !ok {
			return jid.JID{}, refuse(NotAuthorized, "the certificate's %q is no account of %s", ch.Addresses[0], ch.Domain)
		}
		return id, nil
	}
	id, ok := account(authzid, ch.Domain)
	if !ok {
		return jid.JID{}, refuse(InvalidAuthzid, "%q is no account of %s", authzid, ch.Domain)
	}
	if ch.names(id) {
		return id, nil
	}
	return jid.JID{}, refuse(InvalidAuthzid, "%s is not in the certificate, which names %s", id, strings.Join(ch.Addresses, ", "))
}

// account parses s as the bare JID of an account of domain.
func account(s, domain string) (jid.JID, bool) {
	id, err := jid.Parse(s)
	if err != nil || !id.IsBare() || id.Local() == "" || id.Domain() != domain {
		return jid.JID{}, false
	}
	return id, true
}

func refuse(c Condition, format string, args ...any) *Failure {
	return &Failure{Condition: c, Detail: fmt.Sprintf(format, args...)}
}

// ExternalDomain returns the server's side of EXTERNAL between servers, for a peer
// whose certificate was verified for its domain, the one that its stream header
// names. An authorization identity can only repeat that.
//
// RFC 6120, Section 9.2.2; XEP-0178, Section 3.
func ExternalDomain(domain jid.JID) Server {
	return Server{Name: NameExternal, Start: func(Offer) ServerStep {
		asked := false
		return func(in []byte) ([]byte, Login, error) {
			if in == nil && !asked {
				asked = true
				return []byte{}, Login{}, nil
			}
			if len(in) > 0 {
				if id, err := jid.Parse(string(in)); err != nil || id != domain {
					return nil, Login{}, refuse(InvalidAuthzid, "%.128q asks to speak for %s's stream", in, domain)
				}
			}
			return nil, Login{Account: domain}, nil
		}
	}}
}
