package xmpp82

import (
	"errors"
	"fmt"
	"strings"

	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// ModeError says that the two ends of an association differ in their end-to-end security. Configuration alone
// decides on it, at each end for itself, so the association fails.
type ModeError struct {
	Peer   jid.JID
	Ours   string // "off", "clear" or "encrypted"
	Theirs string // the same; "different" where the peer does not say
	Err    error  // what the peer said; unsigned where either end has end-to-end security off
}

// Error says which end is how.
func (e *ModeError) Error() string {
	return fmt.Sprintf("end-to-end security is %s here and %s at %v: configure both ends alike", e.Ours, e.Theirs, e.Peer)
}

// Unwrap gives what the peer said.
func (e *ModeError) Unwrap() error { return e.Err }

const modeOff = "off"

// mode names how this end secures its associations.
func (e *Endpoint) mode() string {
	if !e.protects() {
		return modeOff
	}
	return e.cfg.E2E.Mode.String()
}

// modeText begins the text of a stanza error by which a peer learns how this end secures its associations.
const modeText = "end-to-end security here is "

// mismatched deals with what a peer sends whose end-to-end security is on where it is off here, or the other
// way round. Neither end follows the other; whoever asks learns how this one is.
func (e *Endpoint) mismatched(st stanza.Stanza, env envelope) {
	e.mismatch(st, env)
	if isRequest(st) {
		e.post(st.ErrorReply(stanza.NewError(stanza.NotAcceptable, modeText+e.mode())))
	}
}

// mismatch records it.
func (e *Endpoint) mismatch(st stanza.Stanza, env envelope) {
	if env.protected {
		e.record(audit.E2ENamespace, st, env.name+": the peer has end-to-end security, which is off here")
	} else {
		e.record(audit.E2EDowngrade, st, env.name+" without end-to-end security, which is "+e.mode()+" here")
	}
}

// modeError is what the answer to a handshake of ours means that says how the peer secures its associations.
// Any other error stays as it is.
func (e *Endpoint) modeError(peer jid.JID, err error) error {
	theirs := ""
	var refused *stanza.Error
	var rejected *e2e.SecRejected
	switch {
	case errors.As(err, &refused) && refused.Condition == stanza.NotAcceptable:
		theirs = "different"
		if said, ok := strings.CutPrefix(refused.Text, modeText); ok && (said == modeOff || said == e2e.Clear.String() || said == e2e.Encrypted.String()) {
			theirs = said
		}
	case errors.As(err, &rejected) && rejected.Diagnostic == e2e.HandshakeEncryptionRequired:
		theirs = e2e.Encrypted.String()
	case errors.As(err, &rejected) && rejected.Diagnostic == e2e.EncryptionNotRequired:
		theirs = e2e.Clear.String()
	}
	if theirs == "" || theirs == e.mode() {
		return err
	}
	return &ModeError{Peer: peer, Ours: e.mode(), Theirs: theirs, Err: err}
}
