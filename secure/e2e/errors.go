package e2e

import (
	"fmt"
	"net"

	"busbar.example/secure/audit"
)

// A Refusal says that a received SecPDU failed a check. It was recorded as an audit event before it
// is returned. What it says is for our own log: the peer learns no more than SecPDU tells it.
type Refusal struct {
	Event  audit.ID // the event that was recorded
	Text   string   // what was wrong
	Told   string   // the diagnostic that the peer is told, "" where it is told none
	SecPDU []byte   // what to answer the peer, nil where it gets a stanza error without a cause
	Err    error    // what caused it, may be nil
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Err != nil {
		return "refused the peer's SecPDU: " + r.Text + ": " + r.Err.Error()
	}
	return "refused the peer's SecPDU: " + r.Text
}

// Unwrap returns r.Err.
func (r *Refusal) Unwrap() error { return r.Err }

// A SecRejected says that the peer's security has refused the handshake. Its signature was verified.
type SecRejected struct {
	Diagnostic HandshakeDiagnostics // HandshakeNoReason where the peer keeps the cause to itself
	Mode       Mode                 // ours
}

// Error implements error.
func (e *SecRejected) Error() string {
	text := "the peer's end-to-end security refused the handshake: " + e.Diagnostic.String()
	switch e.Diagnostic {
	case HandshakeEncryptionRequired:
		text += ": the peer encrypts data, the mode of this end is " + e.Mode.String()
	case EncryptionNotRequired:
		text += ": the peer sends data in clear, the mode of this end is " + e.Mode.String()
	}
	return text
}

// A Rejected says that the application of the peer has refused the association. Its signature was
// verified.
type Rejected struct {
	ApplData []byte // the refusing PDU of the protected protocol
}

// Error implements error.
func (e *Rejected) Error() string { return "the peer's application refused the association" }

// A closedError says that a channel, an initiator or an offer cannot do more.
type closedError string

func (e closedError) Error() string { return string(e) }
func (closedError) Unwrap() error   { return net.ErrClosed }

// The errors of what is over. They unwrap to net.ErrClosed.
const (
	errEnded    closedError = "the association has ended"
	errExpired  closedError = "the association has outlived its time: a new handshake is due"
	errAnswered closedError = "the handshake has been answered"
)

// A fault is a failed check on its way to becoming a Refusal.
type fault struct {
	event audit.ID
	diag  fmt.Stringer // what the peer may be told; nil is nothing
	text  string
	err   error
}

// alarm is a fault of which the peer learns nothing.
func alarm(event audit.ID, format string, args ...any) *fault {
	return &fault{event: event, text: fmt.Sprintf(format, args...)}
}

// tell is a fault of which the peer learns the diagnostic.
func tell(diag fmt.Stringer, event audit.ID, format string, args ...any) *fault {
	return &fault{event: event, diag: diag, text: fmt.Sprintf(format, args...)}
}

func (f *fault) because(err error) *fault {
	f.err = err
	return f
}

func (f *fault) refusal(secPDU []byte) *Refusal {
	r := &Refusal{Event: f.event, Text: f.text, SecPDU: secPDU, Err: f.err}
	if f.diag != nil {
		r.Told = f.diag.String()
	}
	return r
}
