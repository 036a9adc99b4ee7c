package sasl

import (
	"crypto/hmac"
	"strings"
	"unicode/utf8"

	"busbar.example/xmpp/jid"
)

// Registered names of mechanisms that old clients know, and of which nobody needs
// one who knows SCRAM with SHA-256.
//
// RFC 5802; RFC 4616.
const (
	NameSCRAMSHA1     = "SCRAM-SHA-1"
	NameSCRAMSHA1Plus = "SCRAM-SHA-1-PLUS"
	NamePlain         = "PLAIN"
)

// LegacyServers returns the server's side of them, in order of preference, for the
// accounts that were registered with p. It is as [SCRAMServers] otherwise. PLAIN
// gives the password to the server, and to whom passes for it in TLS.
func LegacyServers(p *Passwords, allowed func(account jid.JID) bool) []Server {
	return []Server{
		{Name: NameSCRAMSHA1Plus, Start: func(o Offer) ServerStep { return startSCRAM(p, withSHA1, allowed, o, true, nonce()) }},
		{Name: NameSCRAMSHA1, Start: func(o Offer) ServerStep { return startSCRAM(p, withSHA1, allowed, o, false, nonce()) }},
		{Name: NamePlain, Start: func(o Offer) ServerStep { return startPlain(p, allowed, o) }},
	}
}

// startPlain begins an exchange of PLAIN: one message.
//
// RFC 4616, Section 2.
func startPlain(p *Passwords, allowed func(jid.JID) bool, o Offer) ServerStep {
	asked := false
	return func(in []byte) ([]byte, Login, error) {
		if in == nil && !asked { // no initial response: ask for it
			asked = true
			return []byte{}, Login{}, nil
		}
		who, err := verifyPlain(p, o.Channel, string(in))
		if err == nil {
			err = admit(o.Channel, allowed, who.Account)
		}
		if err != nil {
			return nil, Login{}, err
		}
		return nil, who, nil
	}
}

// verifyPlain judges a message. It takes as long for an account that does not exist
// as for one that does.
func verifyPlain(p *Passwords, ch Channel, in string) (Login, error) {
	parts := strings.Split(in, "\x00")
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" || !utf8.ValidString(in) {
		return Login{}, refuse(MalformedRequest, "no message of PLAIN")
	}
	if ch.Distrusted {
		return Login{}, refuse(NotAuthorized, "the client's certificate is not valid")
	}
	id, err := jid.New(parts[1], ch.Domain, "")
	if parts[0] != "" {
		if as, ok := account(parts[0], ch.Domain); !ok || err != nil || as != id {
			return Login{}, refuse(InvalidAuthzid, "%.64q asks to act as %.64q", parts[1], parts[0])
		}
	}
	if !p.mayTry(ch.Source) {
		return Login{}, refuse(TemporaryAuthFailure, "too many refused passwords from %s", ch.Source)
	}
	v, known := p.challenge(withSHA256, id, parts[1])
	k, err := withSHA256.deriveKeys(parts[2], v.Salt, v.Iterations)
	if err != nil || !hmac.Equal(k.stored, v.StoredKey) || !known {
		p.refused(ch.Source)
		return Login{}, refuse(NotAuthorized, "wrong password for %.64q", parts[1])
	}
	return Login{Account: id, salt: string(v.Salt)}, nil
}
