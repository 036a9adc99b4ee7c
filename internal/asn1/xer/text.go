package xer

import (
	"strings"

	"busbar.example/internal/asn1"
)

const hexDigits = "0123456789ABCDEF"

func appendHex[T string | []byte](dst []byte, b T) []byte {
	for i := range len(b) {
		dst = append(dst, hexDigits[b[i]>>4], hexDigits[b[i]&15])
	}
	return dst
}

// appendHexNumber appends the low n octets of u.
func appendHexNumber(dst []byte, u uint64, n int) []byte {
	for shift := 8*n - 4; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[u>>shift&15])
	}
	return dst
}

// hexNumber reads up to 8 octets.
func hexNumber(b []byte) (u uint64, ok bool) {
	if len(b)%2 != 0 || len(b) > 16 {
		return 0, false
	}
	for _, c := range b {
		n, ok := nibble(c)
		if !ok {
			return 0, false
		}
		u = u<<4 | uint64(n)
	}
	return u, true
}

func nibble(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// unhex appends the octets that b spells.
func unhex(dst, b []byte) ([]byte, bool) {
	if len(b)%2 != 0 {
		return dst, false
	}
	for i := 0; i < len(b); i += 2 {
		h, ok1 := nibble(b[i])
		l, ok2 := nibble(b[i+1])
		if !ok1 || !ok2 {
			return dst, false
		}
		dst = append(dst, h<<4|l)
	}
	return dst, true
}

// decimal reads an integer in its one canonical spelling: no plus sign, no leading zeros, no -0.
func decimal(b []byte) (magnitude uint64, negative, ok bool) {
	if len(b) > 0 && b[0] == '-' {
		negative, b = true, b[1:]
	}
	if len(b) == 0 || len(b) > 20 || b[0] == '0' && (len(b) > 1 || negative) {
		return 0, false, false
	}
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || magnitude > (1<<64-1-d)/10 {
			return 0, false, false
		}
		magnitude = magnitude*10 + d
	}
	return magnitude, negative, true
}

// signed is the number of decimal as an int64, if it fits.
func signed(magnitude uint64, negative bool) (int64, bool) {
	if negative {
		return int64(-magnitude), magnitude <= 1<<63
	}
	return int64(magnitude), magnitude < 1<<63
}

// appendText appends s, which holds no character that XML forbids, with the five references.
func appendText(dst []byte, s string) []byte {
	for {
		i := strings.IndexAny(s, `&<>"'`)
		if i < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		switch s[i] {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		case '\'':
			dst = append(dst, "&apos;"...)
		}
		s = s[i+1:]
	}
}

// isSpace reports whether b is white space between elements.
//
// XML 1.0, Section 2.3.
func isSpace(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

// controls are the elements that stand for control characters in a string, each at its code.
//
// ITU-T X.680, 41.9.
var controls = asn1.Names{
	"nul", "soh", "stx", "etx", "eot", "enq", "ack", "bel", "bs", "", "", "vt", "ff", "", "so", "si",
	"dle", "dc1", "dc2", "dc3", "dc4", "nak", "syn", "etb", "can", "em", "sub", "esc", "is4", "is3", "is2", "is1",
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
