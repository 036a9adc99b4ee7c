package xmpp

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
)

// StreamCondition is the reason for which a stream ends in error.
//
// RFC 6120, Section 4.9.3.
type StreamCondition string

// The conditions of RFC 6120, Section 4.9.3.
const (
	BadFormat              StreamCondition = "bad-format"
	BadNamespacePrefix     StreamCondition = "bad-namespace-prefix"
	Conflict               StreamCondition = "conflict"
	ConnectionTimeout      StreamCondition = "connection-timeout"
	HostGone               StreamCondition = "host-gone"
	HostUnknown            StreamCondition = "host-unknown"
	ImproperAddressing     StreamCondition = "improper-addressing"
	InternalServerError    StreamCondition = "internal-server-error"
	InvalidFrom            StreamCondition = "invalid-from"
	InvalidNamespace       StreamCondition = "invalid-namespace"
	InvalidXML             StreamCondition = "invalid-xml"
	NotAuthorized          StreamCondition = "not-authorized"
	NotWellFormed          StreamCondition = "not-well-formed"
	PolicyViolation        StreamCondition = "policy-violation"
	RemoteConnectionFailed StreamCondition = "remote-connection-failed"
	Reset                  StreamCondition = "reset"
	ResourceConstraint     StreamCondition = "resource-constraint"
	RestrictedXML          StreamCondition = "restricted-xml"
	SeeOtherHost           StreamCondition = "see-other-host"
	SystemShutdown         StreamCondition = "system-shutdown"
	UndefinedCondition     StreamCondition = "undefined-condition"
	UnsupportedEncoding    StreamCondition = "unsupported-encoding"
	UnsupportedFeature     StreamCondition = "unsupported-feature"
	UnsupportedStanzaType  StreamCondition = "unsupported-stanza-type"
	UnsupportedVersion     StreamCondition = "unsupported-version"
)

// StreamError ends a stream. It unwraps to net.ErrClosed: after it there is no
// connection.
//
// RFC 6120, Section 4.9.
type StreamError struct {
	Condition StreamCondition
	Text      string // for people; sent, so it says nothing that the peer may not know
	Remote    bool   // the peer ended the stream
	Host      string // of see-other-host: where the peer says to go, host or host:port

	specific string // element of the application's own condition, as it is sent
}

// Error says who ended the stream, and why.
func (e *StreamError) Error() string {
	who := "stream error"
	if e.Remote {
		who = "stream error from the peer"
	}
	if e.Text == "" {
		return fmt.Sprintf("xmpp: %s: %s", who, e.Condition)
	}
	return fmt.Sprintf("xmpp: %s: %s: %s", who, e.Condition, e.Text)
}

// Unwrap returns net.ErrClosed.
func (e *StreamError) Unwrap() error { return net.ErrClosed }

// Is reports whether target is a StreamError with the same condition, and with
// the same Remote where that is set in target.
func (e *StreamError) Is(target error) bool {
	t, ok := target.(*StreamError)
	return ok && t.Condition == e.Condition && (!t.Remote || e.Remote)
}

// append serialises e, which ends a stream that has a header.
func (e *StreamError) append(dst []byte) []byte {
	dst = append(dst, "<stream:error><"...)
	dst = append(dst, e.Condition...)
	dst = append(dst, " xmlns='"+nsStreamErrors+"'/>"...)
	if e.Text != "" {
		dst = append(dst, "<text xmlns='"+nsStreamErrors+"' xml:lang='en'>"...)
		dst = xmltok.AppendEscaped(dst, e.Text)
		dst = append(dst, "</text>"...)
	}
	dst = append(dst, e.specific...)
	return append(dst, "</stream:error>"...)
}

// parseStreamError reads what the peer sent. A condition that this package does
// not know is kept as it is; none at all is undefined-condition.
func parseStreamError(el *element) *StreamError {
	e := &StreamError{Condition: UndefinedCondition, Remote: true}
	for _, c := range el.children {
		if c.name.Space != nsStreamErrors {
			continue
		}
		if c.name.Local == "text" {
			e.Text = c.text
		} else {
			e.Condition = StreamCondition(c.name.Local)
			if e.Condition == SeeOtherHost {
				e.Host = c.text
			}
		}
	}
	return e
}

// streamErrorFor returns the stream error that tells the peer why err ends the
// stream: its own where err carries one, that of a syntax error, and nil where
// the peer has nothing to hear: it closed, it sent a stream error, the
// connection is gone, or we are simply done.
//
// RFC 6120, Section 4.9.3; for the limits Section 13.12.
func streamErrorFor(err error) *StreamError {
	var se *StreamError
	if errors.As(err, &se) {
		if se.Remote {
			return nil
		}
		return se
	}
	if errors.Is(err, ErrAged) {
		return &StreamError{Condition: Reset}
	}
	var syn *xmltok.SyntaxError
	if !errors.As(err, &syn) || syn.Err != nil { // cut off: nobody is there to hear
		return nil
	}
	switch syn.Kind {
	case xmltok.Restricted:
		return &StreamError{Condition: RestrictedXML}
	case xmltok.Encoding:
		return &StreamError{Condition: UnsupportedEncoding}
	case xmltok.Limit:
		return &StreamError{Condition: PolicyViolation, Text: "a limit of this stream is exceeded"}
	default:
		return &StreamError{Condition: NotWellFormed}
	}
}

// NegotiationStep names what was going on when a stream could not be set up.
type NegotiationStep string

// The steps of setting up a stream, in order.
const (
	StepConnect  NegotiationStep = "connect"
	StepStream   NegotiationStep = "stream"
	StepStartTLS NegotiationStep = "starttls"
	StepTLS      NegotiationStep = "tls"
	StepSASL     NegotiationStep = "sasl"
	StepResume   NegotiationStep = "resume"
	StepBind     NegotiationStep = "bind"
	StepRoster   NegotiationStep = "roster"
)

// NegotiationError says why a stream could not be set up.
type NegotiationError struct {
	Step NegotiationStep
	Err  error
	// Hint says what a user may do about it; empty where nothing sensible can be said.
	Hint string
	// Event is the security event that was recorded for it, or empty.
	Event audit.ID
	// Target is the server, of a client's.
	Target Target

	proven bool // of a client: TLS had proved that it was the server
}

// Error says what failed.
func (e *NegotiationError) Error() string {
	return fmt.Sprintf("xmpp: setting up the stream (%s): %s", e.Step, strings.TrimPrefix(e.Err.Error(), "xmpp: "))
}

// Unwrap returns the cause.
func (e *NegotiationError) Unwrap() error { return e.Err }

// DialError says how each of several servers has failed a client.
type DialError struct {
	Tried []*NegotiationError // in order
}

// Error names each server and what was wrong with it.
func (e *DialError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "xmpp: none of %d servers takes us", len(e.Tried))
	for i, ne := range e.Tried {
		sep := ": "
		if i > 0 {
			sep = "; "
		}
		fmt.Fprintf(&b, "%s%s (%s): %s", sep, ne.Target, ne.Step, strings.TrimPrefix(ne.Err.Error(), "xmpp: "))
	}
	return b.String()
}

// Unwrap returns the errors, the last first: that is the one which ended the search.
func (e *DialError) Unwrap() []error {
	var errs []error
	for _, ne := range slices.Backward(e.Tried) {
		errs = append(errs, ne)
	}
	return errs
}

// whole is e, or the one error that there is.
func (e *DialError) whole() error {
	if len(e.Tried) == 1 {
		return e.Tried[0]
	}
	return e
}

var (
	// ErrQueueFull says that the peer takes stanzas more slowly than they are
	// sent to it, and the bounded queue to it has no room for another.
	ErrQueueFull = errors.New("xmpp: the send queue is full")
	// ErrTooLarge says that a stanza exceeds what the peer announced that it
	// takes; it was not sent.
	ErrTooLarge = errors.New("xmpp: the stanza is larger than the peer accepts")

	// ErrLost says that the peer has been silent for too long, and did not
	// answer a ping.
	ErrLost error = closed("the peer does not answer")
	// ErrStalled says that the peer did not take in time what was sent to it.
	ErrStalled error = closed("the peer does not read")
	// ErrClosed says that this end closed the stream.
	ErrClosed error = closed("the stream is closed")
	// ErrPeerClosed says that the peer closed the stream without an error.
	ErrPeerClosed error = closed("the peer closed the stream")
	// ErrBroken says that the connection ended without the stream's end.
	ErrBroken error = closed("the connection broke")
)

// closed is a way in which a connection ends. It unwraps to net.ErrClosed.
type closed string

func (c closed) Error() string { return "xmpp: " + string(c) }

func (closed) Unwrap() error { return net.ErrClosed }
