package sasl

import (
	"crypto/hmac"
	"slices"

	"busbar.example/xmpp/jid"
)

// SCRAMServers returns the server's side, the variant with channel binding
// first, for the accounts in p. allowed says whether such an account may log in;
// nil allows all of them.
//
// A client without a certificate may log in as any of them whose password it
// knows. One that shows a certificate must show a valid one that names the same
// account.
//
// What the client hears, and when, does not tell whether the account exists.
//
// RFC 5802; RFC 7677; XEP-0474.
func SCRAMServers(p *Passwords, allowed func(account jid.JID) bool) []Server {
	return []Server{
		{Name: NameSCRAMPlus, Start: func(o Offer) ServerStep { return startSCRAM(p, withSHA256, allowed, o, true, nonce()) }},
		{Name: NameSCRAM, Start: func(o Offer) ServerStep { return startSCRAM(p, withSHA256, allowed, o, false, nonce()) }},
	}
}

// scramServer is one exchange.
type scramServer struct {
	passwords *Passwords
	hashing
	offer Offer
	plus  bool

	first    clientFirst
	answer   serverFirst
	binding  Binding
	account  jid.JID
	verifier Verifier
	known    bool // verifier is that of account
}

func startSCRAM(p *Passwords, h hashing, allowed func(jid.JID) bool, o Offer, plus bool, nonce string) ServerStep {
	x := &scramServer{passwords: p, hashing: h, offer: o, plus: plus}
	asked, begun := false, false
	return func(in []byte) ([]byte, Login, error) {
		if in == nil && !asked { // no initial response: ask for it
			asked = true
			return []byte{}, Login{}, nil
		}
		if !begun {
			begun = true
			out, err := x.challenge(string(in), nonce)
			return out, Login{}, err
		}
		out, err := x.verify(string(in))
		if err != nil {
			return nil, Login{}, err
		}
		if err := admit(o.Channel, allowed, x.account); err != nil {
			return nil, Login{}, err
		}
		return out, Login{x.account, x.binding.Type, string(x.verifier.Salt)}, nil
	}
}

// admit refuses an account that has proved its password, and may not log in over the channel all the same.
func admit(ch Channel, allowed func(jid.JID) bool, account jid.JID) error {
	if ch.Certified && !ch.names(account) {
		return refuse(NotAuthorized, "the certificate does not name %s", account)
	}
	if allowed != nil && !allowed(account) {
		return refuse(NotAuthorized, "no account %s", account)
	}
	return nil
}

// challenge answers the client's first message.
func (x *scramServer) challenge(in, nonce string) ([]byte, error) {
	m, err := parseClientFirst(in)
	if err != nil {
		return nil, refuse(MalformedRequest, "%v", err)
	}
	if err := x.bind(m); err != nil {
		return nil, err
	}
	if x.offer.Channel.Distrusted {
		return nil, refuse(NotAuthorized, "the client's certificate is not valid")
	}
	domain := x.offer.Channel.Domain
	x.account, err = jid.New(m.username, domain, "")
	if m.authzid != "" {
		if id, ok := account(m.authzid, domain); !ok || err != nil || id != x.account {
			return nil, refuse(InvalidAuthzid, "%.64q asks to act as %.64q", m.username, m.authzid)
		}
	}
	if !x.passwords.mayTry(x.offer.Channel.Source) {
		return nil, refuse(TemporaryAuthFailure, "too many refused passwords from %s", x.offer.Channel.Source)
	}
	x.first = m
	x.verifier, x.known = x.passwords.challenge(x.hashing, x.account, m.username)
	x.answer = serverFirst{m.nonce + nonce, x.verifier.Salt, x.verifier.Iterations, x.offerHash(x.offer)}
	return []byte(x.answer.String()), nil
}

// bind decides what binds the exchange to the channel.
//
// RFC 5802, Section 6.
func (x *scramServer) bind(m clientFirst) error {
	switch {
	case m.flag == 'y' && slices.Contains(x.offer.Mechanisms, NameSCRAMPlus):
		return downgrade("the client has not seen the offer of %s", NameSCRAMPlus)
	case (m.flag == 'p') != x.plus:
		return downgrade("the flag %c does not belong to the mechanism", m.flag)
	case m.flag != 'p':
		return nil
	}
	if slices.Contains(x.offer.Bindings, m.binding) {
		for _, b := range x.offer.Channel.Bindings {
			if b.Type == m.binding {
				x.binding = b
				return nil
			}
		}
	}
	return downgrade("the client binds by %.32q, which was not announced", m.binding)
}

// verify judges the client's second message and returns the proof of the server.
func (x *scramServer) verify(in string) ([]byte, error) {
	m, err := parseClientFinal(in)
	if err != nil {
		return nil, refuse(MalformedRequest, "%v", err)
	}
	message := x.first.bare + "," + x.answer.String() + "," + m.withoutProof
	signature := x.mac(x.verifier.StoredKey, message)
	proven := len(m.proof) == len(signature)
	if proven {
		proven = hmac.Equal(x.sum(xor(m.proof, signature)), x.verifier.StoredKey)
	}
	switch {
	case m.nonce != x.answer.nonce:
		err = refuse(NotAuthorized, "%.64q: another exchange's nonce", x.first.username)
	case !hmac.Equal(m.binding, append([]byte(x.first.header), x.binding.Data...)):
		err = downgrade("%.64q: the client's end is of another channel, or its first message was changed", x.first.username)
	case !x.known:
		err = refuse(NotAuthorized, "no password is set for %.64q", x.first.username)
	case !proven:
		err = refuse(NotAuthorized, "wrong password for %s", x.account)
	default:
		return []byte("v=" + encodeBase64(x.mac(x.verifier.ServerKey, message))), nil
	}
	x.passwords.refused(x.offer.Channel.Source)
	return nil, err
}
