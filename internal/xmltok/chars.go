package xmltok

import "unicode/utf8"

// Classes of octets; an octet may be in several.
const (
	plainText  = 1 << iota // stands for itself in text, without a second look
	plainValue             // the same in an attribute value
	nameOctet              // may be part of a name; all octets of multi-octet characters are, until the name is checked
	space                  // white space
	verbatim               // stands for itself in whatever is written
	plainName              // may be part of an ASCII name without colons
	nameStart              // may begin such a one
)

var class = classes()

func classes() (t [256]uint8) {
	for c := range 256 {
		switch {
		case c == ' ':
			t[c] = plainText | plainValue | space | verbatim
		case c == '\t' || c == '\n':
			t[c] = plainText | space
		case c == '\r':
			t[c] = space
		case c < ' ':
		case c >= utf8.RuneSelf:
			t[c] = nameOctet
		default:
			if c != '<' && c != '&' && c != '>' {
				t[c] |= plainText
			}
			if c != '<' && c != '&' && c != '"' && c != '\'' {
				t[c] |= plainValue
			}
			if t[c] == plainText|plainValue {
				t[c] |= verbatim
			}
			if isNameASCII(byte(c)) || c == ':' {
				t[c] |= nameOctet
			}
			if isNameASCII(byte(c)) {
				t[c] |= plainName
			}
			if isNameStart(rune(c)) {
				t[c] |= nameStart
			}
		}
	}
	return t
}

func isNameASCII(c byte) bool {
	return isNameStart(rune(c)) || '0' <= c && c <= '9' || c == '-' || c == '.'
}

// isChar reports whether r may occur in a document. XML 1.0, production 2.
func isChar(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// isNameStart reports whether r may begin a name without colons. XML 1.0, production 4.
func isNameStart(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
	}
	return r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7 ||
		r >= 0x370 && r <= 0x1FFF && r != 0x37E ||
		r == 0x200C || r == 0x200D ||
		r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF || r >= 0x3001 && r <= 0xD7FF ||
		r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

// isNameChar reports whether r may continue a name without colons. XML 1.0, production 4a.
func isNameChar(r rune) bool {
	return isNameStart(r) || '0' <= r && r <= '9' || r == '-' || r == '.' || r == 0xB7 ||
		r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// charProblem says what is wrong with the character that was decoded as (r, size): kind 0 is nothing.
func charProblem(r rune, size int) (ErrorKind, string) {
	switch {
	case r == utf8.RuneError && size <= 1:
		return Encoding, "not UTF-8"
	case r == 0:
		return Encoding, "NUL octet"
	case !isChar(r):
		return NotWellFormed, "character that XML forbids"
	}
	return 0, ""
}

// A problem is what is wrong with a name: the kind, where in it, and what.
type problem struct {
	kind ErrorKind
	at   int
	msg  string
}

// splitName checks that raw is a qualified name and returns where its colon is, 0 for none. Namespaces in XML 1.0, Section 4.
func splitName(raw []byte) (colon int, p problem) {
	start := true
	for i := 0; i < len(raw); {
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return 0, problem{Encoding, i, "not UTF-8"}
		case r == ':' && (colon > 0 || start):
			return 0, problem{NotWellFormed, i, "colon in the wrong place of a name"}
		case r == ':':
			colon, start = i, true
		case start && !isNameStart(r) || !isNameChar(r):
			return 0, problem{NotWellFormed, i, "character that a name must not have here"}
		default:
			start = false
		}
		i += size
	}
	if start {
		return 0, problem{NotWellFormed, len(raw), "name ends with a colon"}
	}
	return colon, problem{}
}
