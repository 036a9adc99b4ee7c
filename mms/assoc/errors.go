package assoc

import (
	"errors"
	"fmt"

	"busbar.example/mms"
)

// ErrNoAnswer says that the association ended, or the wait for it, before a call was answered: whether the
// peer carried it out is unknown. It is wrapped together with the cause.
var ErrNoAnswer = errors.New("no answer, so the outcome is unknown")

// ErrUnrecognizedService is what a Handler returns for a service that it does not serve; the peer
// receives a rejectPDU.
var ErrUnrecognizedService = errors.New("service is not served")

// ServiceError is the negative answer to a confirmed request. A Handler returns one to give that
// answer; Call returns one, with Remote set, when the peer gave it.
//
// ISO 9506-2, ServiceError.
type ServiceError struct {
	Class  mms.ErrorClass
	Remote bool
}

// Error names class and code.
func (e *ServiceError) Error() string {
	if e.Remote {
		return fmt.Sprintf("the peer answers with a service error (%v)", e.Class)
	}
	return fmt.Sprintf("service error (%v)", e.Class)
}

// Is reports whether target is a *ServiceError of the same class and code.
func (e *ServiceError) Is(target error) bool {
	t, ok := target.(*ServiceError)
	return ok && t.Class == e.Class
}

// RejectError says that the peer refused a PDU of ours as a protocol error.
//
// ISO 9506-2, RejectPDU.
type RejectError struct {
	Reason mms.RejectReason
}

// Error gives the reason.
func (e *RejectError) Error() string { return fmt.Sprintf("the peer rejects the PDU: %v", e.Reason) }

// InitiateError says that the association was refused by the MMS peer.
//
// ISO 9506-2, Initiate-ErrorPDU.
type InitiateError struct {
	Class  mms.ErrorClass
	Remote bool
}

// ErrNoRoom refuses an association where there are as many as there may be.
var ErrNoRoom error = &InitiateError{Class: mms.ResourceCapabilityUnavailable}

// Error says who refused, and why.
func (e *InitiateError) Error() string {
	who := "association refused"
	if e.Remote {
		who = "the peer refuses the association"
	}
	if e.Is(ErrNoRoom) {
		return fmt.Sprintf("%s: it has as many as it may have (%v)", who, e.Class)
	}
	return fmt.Sprintf("%s: %v", who, e.Class)
}

// Is reports whether target is an *InitiateError of the same class and code.
func (e *InitiateError) Is(target error) bool {
	t, ok := target.(*InitiateError)
	return ok && t.Class == e.Class
}

// ProtocolError says that the peer broke a rule of the association, which ends it.
type ProtocolError struct {
	Text string
}

// Error says which rule.
func (e *ProtocolError) Error() string { return "MMS protocol error of the peer: " + e.Text }

func protocolError(format string, args ...any) error {
	return &ProtocolError{Text: fmt.Sprintf(format, args...)}
}
