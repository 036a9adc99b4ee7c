package xmltok

import "unicode/utf8"

// AppendEscaped appends s such that it reads back as s both in text and in an attribute value in quotes of either kind.
// Characters that XML forbids, and octets that are not UTF-8, become U+FFFD.
func AppendEscaped[T string | []byte](dst []byte, s T) []byte {
	dst, _ = escape(dst, s, anywhere)
	return dst
}

// escaping says what becomes of white space other than blanks, and of what XML forbids.
type escaping uint8

const (
	canonicalText  escaping = iota // tab and LF stand for themselves, the rest is bad
	canonicalValue                 // all is bad
	anywhere                       // character references and U+FFFD
)

// escape appends s with references for the five predefined characters. Where it reports bad, dst is of no use.
func escape[T string | []byte](dst []byte, s T, how escaping) (_ []byte, bad bool) {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if class[c]&verbatim != 0 || how == canonicalText && (c == '\n' || c == '\t') {
			i++
			continue
		}
		size := 1
		ref := reference(c)
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if kind, _ := charProblem(r, size); kind == 0 {
				i += size
				continue
			}
		}
		dst = append(dst, s[from:i]...)
		if ref == "" || how != anywhere && class[c]&space != 0 {
			bad = true
			ref = "\uFFFD"
		}
		dst = append(dst, ref...)
		i += size
		from = i
	}
	return append(dst, s[from:]...), bad && how != anywhere
}

// reference returns the reference for a character of ASCII that cannot always stand for itself, "" for any other.
func reference(c byte) string {
	switch c {
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '&':
		return "&amp;"
	case '\'':
		return "&apos;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	return ""
}
