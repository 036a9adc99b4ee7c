package asn1

import (
	"errors"
	"fmt"
)

// SyntaxError says where octets are not an encoding of the type that was asked for.
type SyntaxError struct {
	Offset int64  // octets before the place
	Path   string // the components that lead there, such as confirmed-RequestPDU/read/listOfVariable/SEQUENCE[2]
	Msg    string
	Err    error // what the XML scanner said, if it did
}

// Error implements error.
func (e *SyntaxError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("syntax error at octet %d: %s", e.Offset, e.Msg)
	}
	return fmt.Sprintf("syntax error at octet %d in %s: %s", e.Offset, e.Path, e.Msg)
}

// Unwrap returns e.Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// ValueError says which Go value has no encoding.
type ValueError struct {
	Path string // as in SyntaxError
	Msg  string
}

// Error implements error.
func (e *ValueError) Error() string {
	if e.Path == "" {
		return "cannot encode: " + e.Msg
	}
	return fmt.Sprintf("cannot encode %s: %s", e.Path, e.Msg)
}

// In puts step before the path of err. The encodings call it on the way back from an error, so that a path costs
// nothing where there is none.
func In(err error, step string) error {
	var s *SyntaxError
	if errors.As(err, &s) {
		s.Path = join(step, s.Path)
		return err
	}
	var v *ValueError
	if errors.As(err, &v) {
		v.Path = join(step, v.Path)
	}
	return err
}

// InItem is In for item number i of a list.
func InItem(err error, name string, i int) error {
	return In(err, fmt.Sprintf("%s[%d]", name, i))
}

func join(step, path string) string {
	if path == "" {
		return step
	}
	return step + "/" + path
}
