package asn1

import (
	"strconv"
	"unicode/utf8"
)

// Names holds the identifiers of named numbers or bits, each at its number; "" where a number has none.
type Names []string

// Of is the name of number n, "" if it has none.
func (n Names) Of(number int64) string {
	if number < 0 || number >= int64(len(n)) {
		return ""
	}
	return n[number]
}

// Number is the number called name.
func (n Names) Number(name string) (int64, bool) {
	if name == "" {
		return 0, false
	}
	for i, s := range n {
		if s == name {
			return int64(i), true
		}
	}
	return 0, false
}

// Text is the name of number, or its digits if it has none. String methods are made of it.
func (n Names) Text(number int64) string {
	if s := n.Of(number); s != "" {
		return s
	}
	return strconv.FormatInt(number, 10)
}

// Charset tells which characters a string may hold.
type Charset uint8

// The character sets. Every string that is decoded or encoded has an XML form that survives a canonical writer, so
// carriage returns, controls and noncharacters are nowhere allowed.
const (
	Printable Charset = iota + 1 // U+0020 … U+007E: VisibleString, GraphicString
	Name                         // the same, at least one: Identifier of MMS
	Text                         // what XML allows but U+000D: UTF8String
	Time                         // digits, sign, point, comma, Z: GeneralizedTime
	MMSText                      // Text, and the controls that have elements in XML, which is all but U+000D: MMSString
)

// Valid reports whether s holds only characters of c, in UTF-8.
func Valid[S string | []byte](c Charset, s S) bool {
	switch c {
	case Text, MMSText:
		return validText(s, c == MMSText)
	case Name:
		if len(s) == 0 {
			return false
		}
	}
	for i := range len(s) {
		b := s[i]
		if c == Time {
			if (b < '0' || b > '9') && b != 'Z' && b != '.' && b != ',' && b != '+' && b != '-' {
				return false
			}
		} else if b < 0x20 || b > 0x7e {
			return false
		}
	}
	return true
}

func validText[S string | []byte](s S, controls bool) bool {
	for i := 0; i < len(s); {
		if b := s[i]; b < 0x80 {
			if b < 0x20 && b != '\t' && b != '\n' && (!controls || b == '\r') {
				return false
			}
			i++
			continue
		}
		r, n := decodeRune(s[i:])
		if n < 2 || r == 0xfffe || r == 0xffff { // n = 1 is an encoding error; it also finds surrogates
			return false
		}
		i += n
	}
	return true
}

func decodeRune[S string | []byte](s S) (rune, int) {
	return utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
}
