package xmltok

import (
	"fmt"
	"strings"
)

// ErrorKind says which rule an input broke.
type ErrorKind uint8

const (
	NotWellFormed ErrorKind = iota + 1 // XML 1.0 or Namespaces in XML; stream error not-well-formed
	Restricted                         // comment, processing instruction, DTD, entity, rebound stream prefix; restricted-xml
	Encoding                           // not UTF-8, a NUL, another encoding declared; unsupported-encoding
	Limit                              // larger than Limits allow; policy-violation
	NotCanonical                       // has no canonical form; only from Canonicalize
)

func (k ErrorKind) String() string {
	switch k {
	case NotWellFormed:
		return "not well-formed"
	case Restricted:
		return "restricted XML"
	case Encoding:
		return "unsupported encoding"
	case Limit:
		return "limit exceeded"
	case NotCanonical:
		return "not canonical"
	}
	return "unknown"
}

// A SyntaxError tells what is wrong with an input, and where.
type SyntaxError struct {
	Kind   ErrorKind
	Offset int64  // of the offending octet
	Path   string // names of the open elements, as "/a/b", shortened to its end when long
	Msg    string
	Err    error // io.ErrUnexpectedEOF when the input ended too early, else nil
}

func (e *SyntaxError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("xml: %s at offset %d: %s", e.Kind, e.Offset, e.Msg)
	}
	return fmt.Sprintf("xml: %s at offset %d in %s: %s", e.Kind, e.Offset, e.Path, e.Msg)
}

// Unwrap returns e.Err.
func (e *SyntaxError) Unwrap() error { return e.Err }

// maxPath bounds the path in an error: names come from the peer and end in logs.
const maxPath = 256

// path names the open elements, the innermost last.
func (s *Scanner) path() string {
	size, first := 0, len(s.stack)
	for first > 0 && size+1+len(s.stack[first-1].name.raw) <= maxPath {
		first--
		size += 1 + len(s.stack[first].name.raw)
	}
	var p strings.Builder
	if first > 0 {
		p.WriteString("…")
	}
	for _, e := range s.stack[first:] {
		p.WriteByte('/')
		p.WriteString(e.name.raw)
	}
	return p.String()
}

// fail makes an error about the octet i of the current token.
func (s *Scanner) fail(kind ErrorKind, i int, msg string) error {
	return &SyntaxError{Kind: kind, Offset: s.base + int64(s.pos+i), Path: s.path(), Msg: msg}
}
