package sasl

import (
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// SCRAM says how a client logs in by password.
type SCRAM struct {
	Username string                 // localpart of the account
	Password func() (string, error) // asked once an exchange, when the server has shown its salt
	// AllowUnbound lets the client log in where the server offers no channel
	// binding that it knows. Then somebody who passes for the server in TLS can
	// pass on the login.
	AllowUnbound bool
}

// Clients returns the client's side, the variant with channel binding first.
//
// Which one is used is decided before the exchange begins, by what is offered,
// and is final: there is no second try by the weaker one. What somebody between
// the ends may have taken from the offer, the server hears of: from the flag of
// channel binding, and from the client's refusal of another hash of the offer.
//
// RFC 5802, Section 6; XEP-0440; XEP-0474.
func (c SCRAM) Clients() []Client {
	return []Client{
		{
			Name:   NameSCRAMPlus,
			Usable: func(o Offer) (string, bool) { b := c.binding(o); return b.Type, b.Type != "" },
			Start:  func(o Offer) ClientStep { return c.start(o, c.binding(o), nonce()) },
		},
		{
			Name:   NameSCRAM,
			Usable: func(Offer) (string, bool) { return "", c.AllowUnbound },
			Start:  func(o Offer) ClientStep { return c.start(o, Binding{}, nonce()) },
		},
	}
}

// binding chooses the binding to use, the zero value for none. A server that
// announces none is one from before XEP-0440: it knows the default of its TLS
// version, as far as it knows that.
//
// RFC 9266, Section 3; RFC 5929, Section 3.
func (c SCRAM) binding(o Offer) Binding {
	announced := o.Bindings
	if announced == nil {
		announced = []string{BindingUnique}
		if !c.AllowUnbound && !slices.ContainsFunc(o.Channel.Bindings, func(b Binding) bool { return b.Type == BindingUnique }) {
			announced = []string{BindingExporter}
		}
	}
	for _, b := range o.Channel.Bindings {
		if slices.Contains(announced, b.Type) {
			return b
		}
	}
	return Binding{}
}

// flag is what the client says about channel binding.
//
// RFC 5802, Section 6.
func flag(o Offer, b Binding) string {
	switch {
	case b.Type != "":
		return "p=" + b.Type
	case slices.Contains(o.Mechanisms, NameSCRAMPlus): // which no binding is known for
		return "n"
	}
	return "y" // to be refused by a server that has offered it
}

// nonce returns random printable octets.
func nonce() string {
	b := make([]byte, nonceSize)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return encodeBase64(b)
}

// start begins an exchange under the nonce.
func (c SCRAM) start(o Offer, b Binding, nonce string) ClientStep {
	var first clientFirst
	var signature []byte
	steps := []ClientStep{
		func([]byte) ([]byte, bool, error) {
			name, err := prepare(c.Username)
			if err != nil {
				return nil, false, fmt.Errorf("sasl: the user name %w", err)
			}
			first.nonce, first.header = nonce, flag(o, b)+",,"
			first.bare = "n=" + nameEncoder.Replace(name) + ",r=" + nonce
			return []byte(first.String()), false, nil
		},
		func(in []byte) (out []byte, done bool, err error) {
			out, signature, err = c.prove(o, b, first, string(in))
			return out, false, err
		},
		func(in []byte) ([]byte, bool, error) {
			got, fault, err := parseServerFinal(string(in))
			switch {
			case err != nil:
				return nil, false, downgrade("the server's last message: %v", err)
			case fault != "":
				return nil, false, &Failure{Condition: NotAuthorized, Detail: fault, Remote: true}
			case !hmac.Equal(got, signature):
				return nil, false, downgrade("the server does not know the password that it has let us in with")
			}
			return []byte{}, true, nil
		},
	}
	return func(in []byte) ([]byte, bool, error) {
		if len(steps) == 0 {
			return nil, false, errors.New("sasl: SCRAM has no more messages")
		}
		step := steps[0]
		steps = steps[1:]
		return step(in)
	}
}

// prove answers the server's first message, and returns the signature that will
// prove the server.
func (c SCRAM) prove(o Offer, b Binding, first clientFirst, in string) (out, signature []byte, err error) {
	m, err := parseServerFirst(in)
	if err != nil {
		return nil, nil, fmt.Errorf("sasl: the server's first message: %w", err)
	}
	switch {
	case !strings.HasPrefix(m.nonce, first.nonce) || len(m.nonce) == len(first.nonce):
		return nil, nil, downgrade("the server's nonce does not extend ours")
	case m.iterations < minIterations:
		return nil, nil, downgrade("the server asks for %d iterations: fewer than %d would give the password away", m.iterations, minIterations)
	case m.iterations > maxIterations:
		return nil, nil, fmt.Errorf("sasl: the server asks for %d iterations, more than %d", m.iterations, maxIterations)
	case m.offer != nil && !hmac.Equal(m.offer, withSHA256.offerHash(o)):
		return nil, nil, downgrade("the server has offered other mechanisms or channel bindings than have arrived here")
	}
	password, err := c.Password()
	if err != nil {
		return nil, nil, err
	}
	k, err := withSHA256.deriveKeys(password, m.salt, m.iterations)
	if err != nil {
		return nil, nil, err
	}
	final := "c=" + encodeBase64(append([]byte(first.header), b.Data...)) + ",r=" + m.nonce
	message := first.bare + "," + in + "," + final
	proof := xor(k.client, withSHA256.mac(k.stored, message))
	return []byte(final + ",p=" + encodeBase64(proof)), withSHA256.mac(k.server, message), nil
}

// downgrade refuses what somebody in between may have caused.
func downgrade(format string, args ...any) *Failure {
	f := refuse(NotAuthorized, format, args...)
	f.Downgrade = true
	return f
}
