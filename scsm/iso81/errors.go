package iso81

import (
	"fmt"
	"net"
)

// Layer names a layer of the stack.
type Layer uint8

// The layers, from below.
const (
	LayerTCP Layer = iota + 1
	LayerTLS
	LayerTPKT
	LayerCOTP
	LayerSession
	LayerPresentation
	LayerACSE
	LayerMMS
)

// String names the layer.
func (l Layer) String() string {
	return [...]string{"?", "TCP", "TLS", "TPKT", "COTP", "session", "presentation", "ACSE", "MMS"}[l]
}

// ProtocolError says which rule of a layer the peer broke. The association is over.
type ProtocolError struct {
	Layer Layer
	Text  string
	Err   error // of the decoder, may be nil
}

// Error names layer and rule.
func (e *ProtocolError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s protocol error of the peer: %s: %v", e.Layer, e.Text, e.Err)
	}
	return fmt.Sprintf("%s protocol error of the peer: %s", e.Layer, e.Text)
}

// Unwrap gives the decoder's error.
func (e *ProtocolError) Unwrap() error { return e.Err }

func protocolError(layer Layer, format string, args ...any) *ProtocolError {
	return &ProtocolError{Layer: layer, Text: fmt.Sprintf(format, args...)}
}

// RefusedError says that the association was refused, by which layer, and why.
type RefusedError struct {
	Layer  Layer
	Reason string // in the standard's words
	Code   int    // that stands for it: of DR, REFUSE, CPR or the diagnostic of AARE
	Remote bool   // the peer refused
	Err    error  // why, where we did; the peer does not learn it
}

// Error says who refused, where and why.
func (e *RefusedError) Error() string {
	who := "association refused"
	if e.Remote {
		who = "the peer refuses the association"
	}
	text := fmt.Sprintf("%s (%s: %s)", who, e.Layer, e.Reason)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives e.Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// Refuse makes the error with which ServerConfig.Subject refuses a peer that is to learn why. err, which may be nil, is for
// our own log.
func Refuse(why UserDiagnostic, err error) *RefusedError {
	return &RefusedError{Layer: LayerACSE, Code: int(why), Reason: why.String(), Err: err}
}

// AbortedError says that the peer aborted the association, or a layer of its stack did. It unwraps to net.ErrClosed.
type AbortedError struct {
	Layer  Layer
	Reason string
}

// Error says which layer gave up, and why.
func (e *AbortedError) Error() string {
	return fmt.Sprintf("the peer aborted the association (%s: %s)", e.Layer, e.Reason)
}

// Unwrap returns net.ErrClosed.
func (e *AbortedError) Unwrap() error { return net.ErrClosed }

// endedError says why an association is over. It unwraps to net.ErrClosed, whose text says less.
type endedError struct {
	text  string
	cause error // nil where text says it all
}

func (e *endedError) Error() string {
	if e.cause == nil {
		return e.text
	}
	return e.text + ": " + e.cause.Error()
}

func (e *endedError) Unwrap() []error {
	if e.cause == nil {
		return []error{net.ErrClosed}
	}
	return []error{net.ErrClosed, e.cause}
}

func ended(format string, args ...any) error { return &endedError{text: fmt.Sprintf(format, args...)} }

func nameOf[K interface{ ~byte | ~int32 }](names map[K]string, k K) string {
	if s, ok := names[k]; ok {
		return s
	}
	return fmt.Sprintf("reason %d", k)
}
