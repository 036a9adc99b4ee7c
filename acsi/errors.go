package acsi

import "fmt"

// Code tells why a service could not be carried out on one object. It has the resolution of the
// mapping's data access errors, which is finer than the service errors of IEC 61850-7-2; each constant
// names the service error it stands for.
//
// IEC 61850-8-1, Table "Mapping of ACSI service errors".
type Code uint8

// The codes.
const (
	ObjectInvalidated           Code = iota // instance-not-available: the object existed
	HardwareFault                           // failed-due-to-server-constraint
	TemporarilyUnavailable                  // access-not-allowed-in-current-state
	ObjectAccessDenied                      // access-violation
	ObjectUndefined                         // instance-not-available
	InvalidAddress                          // parameter-value-inappropriate
	TypeUnsupported                         // class-not-supported
	TypeInconsistent                        // type-conflict
	ObjectAttributeInconsistent             // parameter-value-inconsistent
	ObjectAccessUnsupported                 // class-not-supported
	ObjectNonExistent                       // instance-not-available
	ObjectValueInvalid                      // parameter-value-inappropriate
)

var codeNames = [...]string{"object-invalidated", "hardware-fault", "temporarily-unavailable", "object-access-denied",
	"object-undefined", "invalid-address", "type-unsupported", "type-inconsistent", "object-attribute-inconsistent",
	"object-access-unsupported", "object-non-existent", "object-value-invalid"}

// String is the code's word, for example "object-access-denied".
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}

// Error is the negative outcome of a service on one object.
type Error struct {
	Code   Code
	Remote bool   // said by the peer, not found out here
	Text   string // what a person should know beyond the code; may be empty, never travels

	Control *ControlFailure // what the IED tells of a control service beside the code, or nil
}

// Error says the code, the AddCause of a control service and, where there is one, the text.
func (e *Error) Error() string {
	said := e.Code.String()
	if e.Control != nil {
		said += " (" + e.Control.Cause.String() + ")"
	}
	if e.Text == "" {
		return said
	}
	return said + ": " + e.Text
}

// Is reports whether target is an *Error of the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Errorf makes an Error found out here.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}
