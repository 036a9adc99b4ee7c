package stanza

import (
	"errors"
	"io"

	"busbar.example/internal/xmltok"
)

// errorNamespace is the namespace of the defined conditions.
const errorNamespace = "urn:ietf:params:xml:ns:xmpp-stanzas"

// maxErrorText bounds what is kept of the text of an error that a peer sent, in octets.
const maxErrorText = 1024

// ErrorType tells a sender what to do about an error. RFC 6120, Section 8.3.2.
type ErrorType string

// The types of errors.
const (
	Auth     ErrorType = "auth"     // retry after providing credentials
	Cancel   ErrorType = "cancel"   // do not retry
	Continue ErrorType = "continue" // only a warning
	Modify   ErrorType = "modify"   // retry after changing the data
	Wait     ErrorType = "wait"     // retry later
)

// Condition is a defined condition. RFC 6120, Section 8.3.3.
type Condition string

// The defined conditions.
const (
	BadRequest            Condition = "bad-request"
	Conflict              Condition = "conflict"
	FeatureNotImplemented Condition = "feature-not-implemented"
	Forbidden             Condition = "forbidden"
	Gone                  Condition = "gone"
	InternalServerError   Condition = "internal-server-error"
	ItemNotFound          Condition = "item-not-found"
	JIDMalformed          Condition = "jid-malformed"
	NotAcceptable         Condition = "not-acceptable"
	NotAllowed            Condition = "not-allowed"
	NotAuthorized         Condition = "not-authorized"
	PolicyViolation       Condition = "policy-violation"
	RecipientUnavailable  Condition = "recipient-unavailable"
	Redirect              Condition = "redirect"
	RegistrationRequired  Condition = "registration-required"
	RemoteServerNotFound  Condition = "remote-server-not-found"
	RemoteServerTimeout   Condition = "remote-server-timeout"
	ResourceConstraint    Condition = "resource-constraint"
	ServiceUnavailable    Condition = "service-unavailable"
	SubscriptionRequired  Condition = "subscription-required"
	UndefinedCondition    Condition = "undefined-condition"
	UnexpectedRequest     Condition = "unexpected-request"
)

// conditionTypes gives each condition the error type that RFC 6120 recommends for it.
var conditionTypes = map[Condition]ErrorType{
	BadRequest:            Modify,
	Conflict:              Cancel,
	FeatureNotImplemented: Cancel,
	Forbidden:             Auth,
	Gone:                  Cancel,
	InternalServerError:   Cancel,
	ItemNotFound:          Cancel,
	JIDMalformed:          Modify,
	NotAcceptable:         Modify,
	NotAllowed:            Cancel,
	NotAuthorized:         Auth,
	PolicyViolation:       Modify,
	RecipientUnavailable:  Wait,
	Redirect:              Modify,
	RegistrationRequired:  Auth,
	RemoteServerNotFound:  Cancel,
	RemoteServerTimeout:   Wait,
	ResourceConstraint:    Wait,
	ServiceUnavailable:    Cancel,
	SubscriptionRequired:  Auth,
	UndefinedCondition:    Cancel,
	UnexpectedRequest:     Wait,
}

// Error is a stanza error. RFC 6120, Section 8.3.
type Error struct {
	Type      ErrorType
	Condition Condition
	Text      string // for people, "" for none
	By        string // the entity that found the error, "" for the sender of the stanza that carries it
}

// NewError returns an error with the type that RFC 6120 recommends for the condition.
func NewError(c Condition, text string) *Error {
	return &Error{Type: conditionTypes[c], Condition: c, Text: text}
}

func (e *Error) Error() string {
	if e.Text == "" {
		return "xmpp: " + string(e.Condition)
	}
	return "xmpp: " + string(e.Condition) + ": " + e.Text
}

// Is reports whether target is an *Error of the same condition, so that
// errors.Is(err, &stanza.Error{Condition: stanza.ItemNotFound}) asks for a condition.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Condition == e.Condition
}

// AppendError appends the error element, the payload of a stanza of type error.
func AppendError(dst []byte, e *Error) []byte {
	dst = append(dst, "<error"...)
	dst = appendAttr(dst, "type", string(e.Type))
	if e.By != "" {
		dst = appendAttr(dst, "by", e.By)
	}
	dst = append(dst, "><"...)
	dst = append(dst, e.Condition...)
	dst = append(dst, " xmlns='"+errorNamespace+"'/>"...)
	if e.Text != "" {
		dst = append(dst, "<text xmlns='"+errorNamespace+"'>"...)
		dst = xmltok.AppendEscaped(dst, e.Text)
		dst = append(dst, "</text>"...)
	}
	return append(dst, "</error>"...)
}

// ErrNoError is returned by [ParseError] for a payload without an error element.
var ErrNoError = errors.New("stanza: of type error, but without an error element")

// ParseError reads the payload of a stanza of type error. What else the payload holds, such as a copy of the stanza
// that caused the error, and conditions that an application defined, are skipped. An unknown or missing condition is
// UndefinedCondition, an unknown type Cancel; text beyond 1,024 octets is dropped. Whatever the payload holds the
// returned Error can be used; the error says that it had to be made up.
func ParseError(payload []byte) (*Error, error) {
	made := NewError(UndefinedCondition, "")
	sc := xmltok.NewBytesScanner(payload, xmltok.Limits{})
	sc.SetDefaultNamespace(Namespace)
	for {
		t, err := sc.Next()
		if err == io.EOF {
			return made, ErrNoError
		}
		if err != nil {
			return made, err
		}
		if t.Kind != xmltok.Start {
			continue
		}
		if sc.Depth() == 1 && t.Name == (xmltok.Name{Space: Namespace, Local: "error"}) {
			e, err := parseErrorElement(sc, &t)
			if err != nil {
				return made, err
			}
			return e, nil
		}
	}
}

// parseErrorElement reads from behind the start tag of an error element to its end tag.
func parseErrorElement(sc *xmltok.Scanner, start *xmltok.Token) (*Error, error) {
	e := NewError(UndefinedCondition, "")
	e.Type = parseErrorType(start)
	if by, ok := start.Attr("", "by"); ok {
		e.By = string(by)
	}
	inText := false
	for {
		t, err := sc.Next()
		if err != nil {
			return nil, err
		}
		switch t.Kind {
		case xmltok.Start:
			if sc.Depth() != 2 || t.Name.Space != errorNamespace {
				break
			}
			if t.Name.Local == "text" {
				inText = true
			} else if _, known := conditionTypes[Condition(t.Name.Local)]; known {
				e.Condition = Condition(t.Name.Local)
			}
		case xmltok.Text:
			if inText && sc.Depth() == 2 && len(t.Data) <= maxErrorText {
				e.Text = string(t.Data)
			}
		case xmltok.End:
			inText = inText && sc.Depth() >= 2
			if sc.Depth() == 0 {
				return e, nil
			}
		}
	}
}

func parseErrorType(start *xmltok.Token) ErrorType {
	v, _ := start.Attr("", "type")
	switch t := ErrorType(v); t {
	case Auth, Cancel, Continue, Modify, Wait:
		return t
	}
	return Cancel
}
