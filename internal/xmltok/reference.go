package xmltok

import "unicode/utf8"

// reference appends to scratch the character that the reference at b[i] stands for and returns the reference's end.
//
// XML 1.0, Section 4.1.
func (s *Scanner) reference(b []byte, i int) (_ []byte, n int, err error) {
	if b, err = s.need(b, i+2); err != nil {
		return nil, 0, err
	}
	if b[i+1] == '#' {
		return s.charReference(b, i)
	}
	b, n, err = s.name(b, i+1)
	if err != nil {
		return nil, 0, err
	}
	if n == i+1 {
		return nil, 0, s.unexpected(b, n, "'&' that begins no reference")
	}
	if _, p := splitName(b[i+1 : n]); p.kind != 0 {
		return nil, 0, s.fail(p.kind, i+1+p.at, p.msg)
	}
	if b[n] != ';' {
		return nil, 0, s.unexpected(b, n, "';' is missing after a reference")
	}
	var c byte
	switch string(b[i+1 : n]) {
	case "lt":
		c = '<'
	case "gt":
		c = '>'
	case "amp":
		c = '&'
	case "apos":
		c = '\''
	case "quot":
		c = '"'
	default:
		return nil, 0, s.fail(Restricted, i, "entity that is not predefined")
	}
	s.scratch = append(s.scratch, c)
	return b, n + 1, nil
}

// charReference does what reference does, for "&#".
func (s *Scanner) charReference(b []byte, i int) (_ []byte, n int, err error) {
	if b, err = s.need(b, i+3); err != nil {
		return nil, 0, err
	}
	n, base := i+2, rune(10)
	if b[n] == 'x' {
		n, base = n+1, 16
	}
	digits := n
	r := rune(0)
	for ; ; n++ {
		if b, err = s.need(b, n+1); err != nil {
			return nil, 0, err
		}
		d := digit(b[n])
		if d >= base {
			break
		}
		// Saturate: leading zeros are allowed, overflow is not.
		r = min(r*base+d, utf8.MaxRune+1)
	}
	switch {
	case n == digits || b[n] != ';':
		return nil, 0, s.unexpected(b, n, "malformed character reference")
	case !isChar(r):
		return nil, 0, s.fail(NotWellFormed, i, "reference to a character that XML forbids")
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
	return b, n + 1, nil
}

// digit returns the value of c as a hexadecimal digit, 16 for none.
func digit(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10
	}
	return 16
}
