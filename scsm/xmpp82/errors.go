package xmpp82

import (
	"errors"
	"fmt"
	"net"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// UnreachableError says that a handshake did not reach the peer, or that the peer takes no associations.
type UnreachableError struct {
	Peer jid.JID
	Err  error // a *stanza.Error
}

// Error names the peer and the condition.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%v cannot be reached: %v", e.Peer, e.Err)
}

// Unwrap gives the stanza error.
func (e *UnreachableError) Unwrap() error { return e.Err }

// endedError says why an association is over. It unwraps to net.ErrClosed, whose text says less.
type endedError struct {
	text  string
	cause error
}

func (e *endedError) Error() string {
	if e.cause == net.ErrClosed {
		return e.text
	}
	return e.text + ": " + e.cause.Error()
}

func (e *endedError) Unwrap() []error { return []error{net.ErrClosed, e.cause} }

func ended(format string, args ...any) error {
	return &endedError{fmt.Sprintf(format, args...), net.ErrClosed}
}

// stanzaError is the error that a stanza of type error holds.
func stanzaError(st stanza.Stanza) error {
	e, err := stanza.ParseError(st.Payload)
	if err != nil {
		return stanza.NewError(stanza.UndefinedCondition, "")
	}
	return e
}

// ErrNoRoom says that the peer takes no more associations.
var ErrNoRoom = errors.New("no room for another association at the moment")

// errUnknown says that a stanza is for an association that is not there.
var errUnknown = errors.New("there is no such association here")

// handshakeError says what a stanza error in place of an answer to the handshake means.
func handshakeError(peer jid.JID, err error) error {
	is := func(c stanza.Condition) bool { return errors.Is(err, &stanza.Error{Condition: c}) }
	switch {
	case is(stanza.ResourceConstraint):
		return fmt.Errorf("%v has %w: %w", peer, ErrNoRoom, err)
	case is(stanza.UndefinedCondition), is(stanza.BadRequest), is(stanza.Conflict), is(stanza.NotAcceptable):
		return fmt.Errorf("%v refuses the handshake, and only its own log says why: %w", peer, err)
	}
	return &UnreachableError{Peer: peer, Err: err}
}
