// Package sasl holds SASL mechanisms as values: each side of an exchange is a
// step function, which takes what the peer said and returns what to answer.
// Nothing in it does I/O; XML and base64 are the stream's business.
package sasl

import (
	"fmt"

	"busbar.example/xmpp/jid"
)

// ClientStep advances the client's side of one exchange. The first call is with
// nil and returns the initial response; an empty one is empty, not nil. Each
// later call takes a challenge, or the additional data of the server's success.
// done says that the mechanism is satisfied: a success is believed only then,
// and a challenge that arrives afterwards is an error.
type ClientStep func(in []byte) (out []byte, done bool, err error)

// ServerStep advances the server's side of one exchange. The first call is with
// the initial response, nil where the client sent none. While id is zero, out is
// the next challenge. Once id is set the exchange has succeeded, and out is the
// additional data of the success, nil for none. A *Failure refuses the client.
type ServerStep func(in []byte) (out []byte, id jid.JID, err error)

// A Client is a mechanism that a client is willing and able to use. A list of
// them is in order of preference.
type Client struct {
	Name  string            // as registered with IANA
	Start func() ClientStep // one exchange
}

// A Server is a mechanism that a server offers.
type Server struct {
	Name  string                      // as registered with IANA
	Start func(ch Channel) ServerStep // one exchange over ch
}

// Channel is what the secured channel below proves about the client.
type Channel struct {
	// Domain is the domain that the server serves.
	Domain string
	// Certified says that the client showed a certificate and that its chain
	// was verified. Without it Addresses means nothing.
	Certified bool
	// Addresses are the id-on-xmppAddr names of the verified certificate.
	Addresses []string
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
