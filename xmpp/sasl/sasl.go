// Package sasl holds SASL mechanisms as values: each side of an exchange is a
// step function, which takes what the peer said and returns what to answer.
// Nothing in it does I/O; XML and base64 are the stream's business.
package sasl

import (
	"fmt"
	"slices"

	"busbar.example/xmpp/jid"
)

// ClientStep advances the client's side of one exchange. The first call is with
// nil and returns the initial response; an empty one is empty, not nil. Each
// later call takes a challenge, or the additional data of the server's success.
// done says that the mechanism is satisfied: a success is believed only then,
// and a challenge that arrives afterwards is an error.
type ClientStep func(in []byte) (out []byte, done bool, err error)

// ServerStep advances the server's side of one exchange. The first call is with
// the initial response, nil where the client sent none. While who is zero, out is
// the next challenge. Once it is set the exchange has succeeded, and out is the
// additional data of the success, nil for none. A *Failure refuses the client.
type ServerStep func(in []byte) (out []byte, who Login, err error)

// Login is the outcome of an exchange.
type Login struct {
	Account jid.JID // bare
	Binding string  // type of the channel binding that both ends have proved, "" for none
	salt    string  // of the verifier that the client's password fits, "" for none
}

// A Client is a mechanism that a client is willing and able to use. A list of
// them is in order of preference.
type Client struct {
	Name string // as registered with IANA
	// Usable says whether the mechanism, which o has, may be used, and with
	// which type of channel binding, "" for none. Nil: it may, with none.
	Usable func(o Offer) (binding string, ok bool)
	Start  func(o Offer) ClientStep // one exchange
}

// A Server is a mechanism that a server offers.
type Server struct {
	Name  string                   // as registered with IANA
	Start func(o Offer) ServerStep // one exchange
}

// Offer is where an exchange takes place: the channel, and what the server has
// announced over it.
type Offer struct {
	Channel    Channel
	Mechanisms []string // by name
	Bindings   []string // types of channel binding, XEP-0440; nil where none were announced
}

// Channel is what the secured channel below proves.
type Channel struct {
	// Bindings are what both ends of the channel know of it, and nobody else has
	// such a channel with either. The best comes first.
	Bindings []Binding

	// The rest is for a server, about the client.

	// Domain is the domain that the server serves.
	Domain string
	// Source says where the client comes from: refusals are counted by it.
	Source string
	// Certified says that the client showed a certificate and that its chain
	// was verified. Without it Addresses means nothing.
	Certified bool
	// Distrusted says that the client showed a certificate that was refused.
	Distrusted bool
	// Addresses are the id-on-xmppAddr names of the verified certificate.
	Addresses []string
}

// names reports whether the verified certificate names account.
func (ch Channel) names(id jid.JID) bool {
	return slices.ContainsFunc(ch.Addresses, func(a string) bool {
		named, ok := account(a, ch.Domain)
		return ok && named == id
	})
}

// Condition is the reason of a refusal, as the peer sees it.
//
// RFC 6120, Section 6.5.
type Condition string

// The conditions of RFC 6120, Section 6.5.
const (
	Aborted              Condition = "aborted"
	AccountDisabled      Condition = "account-disabled"
	CredentialsExpired   Condition = "credentials-expired"
	EncryptionRequired   Condition = "encryption-required"
	IncorrectEncoding    Condition = "incorrect-encoding"
	InvalidAuthzid       Condition = "invalid-authzid"
	InvalidMechanism     Condition = "invalid-mechanism"
	MalformedRequest     Condition = "malformed-request"
	MechanismTooWeak     Condition = "mechanism-too-weak"
	NotAuthorized        Condition = "not-authorized"
	TemporaryAuthFailure Condition = "temporary-auth-failure"
)

// Failure is a refusal. A server's Detail is for the log and the audit trail and
// is not sent: what a client hears is the condition alone.
type Failure struct {
	Condition Condition
	Detail    string // why; at a client: the server's text
	Remote    bool   // the peer refused us
	// Downgrade says that the two ends see different channels, or different
	// offers, or that the server has not proved itself: somebody may stand between.
	Downgrade bool
}

// Error says who refused, and why.
func (f *Failure) Error() string {
	who := "sasl: refused"
	if f.Remote {
		who = "sasl: refused by the server"
	}
	if f.Detail == "" {
		return fmt.Sprintf("%s: %s", who, f.Condition)
	}
	return fmt.Sprintf("%s: %s: %s", who, f.Condition, f.Detail)
}

// Is reports whether target is a Failure with the same condition, and with the
// same Remote where that is set in target.
func (f *Failure) Is(target error) bool {
	t, ok := target.(*Failure)
	return ok && t.Condition == f.Condition && (!t.Remote || f.Remote)
}
