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
	for i := verbatimRun(s, 0); i < len(s); i = verbatimRun(s, i) {
		c := s[i]
		if how == canonicalText && (c == '\n' || c == '\t') {
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

// verbatimRun returns the end of the octets from s[i:] on that stand for themselves in whatever is written.
func verbatimRun[T string | []byte](s T, i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		// As in plainRun, and for both quotes, too.
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		tag := (w | 2*low) ^ '>'*low
		apos := (w | low) ^ '\''*low // '&' differs from '\'' in this bit
		quot := w ^ '"'*low
		bad := (w - ' '*low) | (tag - low) | (apos - low) | (quot - low) | w
		if bad&high != 0 {
			break
		}
	}
	for i < len(s) && class[s[i]]&verbatim != 0 {
		i++
	}
	return i
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
