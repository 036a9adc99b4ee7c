package xmltok

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
	"unicode/utf8"
)

// beyond is what the window of a text has on top of the limit: what follows a run tells where it ends.
const beyond = len(openCDATA)

const openCDATA = "<![CDATA["

// text scans one run of character data, CDATA sections included. It leaves t as it is where the run is empty.
func (s *Scanner) text(t *Token) error {
	b := s.window(int64(s.lim.MaxText) + int64(beyond))
	i, from := 0, 0 // b[from:i] is not in scratch yet
	copied, section := false, false
	s.clearScratch()
	for {
		if i = plainRun(b, i); i == len(b) {
			longer, err := s.more(b)
			if err == io.EOF && s.mayEnd() {
				return s.endText(t, b, from, i, copied)
			} else if err != nil {
				return err
			}
			b = longer
			continue
		}
		var err error
		switch c := b[i]; c {
		case '<':
			if b, section, err = s.section(b, i); err == nil && !section {
				return s.endText(t, b, from, i, copied)
			}
			if err == nil {
				s.scratch = append(s.scratch, b[from:i]...)
				b, i, err = s.cdata(b, i+beyond)
				from, copied = i, true
			}
		case '&', '\r':
			s.scratch = append(s.scratch, b[from:i]...)
			if c == '&' {
				b, i, err = s.reference(b, i)
			} else {
				b, i, err = s.lineEnd(b, i, '\n')
			}
			from, copied = i, true
		case '>':
			if i-from >= 2 && b[i-1] == ']' && b[i-2] == ']' {
				err = s.fail(NotWellFormed, i-2, "']]>' in text")
			}
			i++
		default:
			b, i, err = s.character(b, i)
		}
		if err != nil {
			return err
		}
	}
}

// endText makes t the run that ends at b[i]; b[from:i] is not in scratch yet.
func (s *Scanner) endText(t *Token, b []byte, from, i int, copied bool) error {
	if i > s.lim.MaxText {
		return s.fail(Limit, s.lim.MaxText, "text too long")
	}
	data := b[from:i:i]
	if copied {
		s.scratch = append(s.scratch, data...)
		data = s.scratch
	}
	if len(data) > 0 {
		t.Kind, t.Data = Text, data
	}
	s.done(i)
	return nil
}

// mayEnd reports whether the input may end behind text.
func (s *Scanner) mayEnd() bool { return !s.stream && len(s.stack) == 0 }

// plainRun returns the end of the octets from b[i:] on that stand for themselves in text.
func plainRun(b []byte, i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for long := i + 64; i+8 <= len(b); {
		if i >= long && i+chunk <= len(b) { // a long text, such as ciphertext
			if plainChunk(b[i : i+chunk]) {
				i += chunk
				continue
			}
			long = i + chunk
		}
		// Eight at a time: a high bit comes up in bad for controls, for <, > and &, and for octets that have it. It may come up
		// for others too, but only behind such a one.
		w := binary.LittleEndian.Uint64(b[i:])
		tag := (w | 2*low) ^ '>'*low // '<' differs from '>' in this bit
		amp := w ^ '&'*low
		bad := ((w - ' '*low) | (tag - low) | (amp - low) | w) & high
		if bad == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(bad) / 8; class[b[i]]&plainText == 0 {
			return i
		}
		i++ // a tab or a line end
	}
	for i < len(b) && class[b[i]]&plainText != 0 {
		i++
	}
	return i
}

// chunk is how many octets of a long text are looked at together. The search for what is in none of them goes on at most so
// far for nothing, whatever a peer sends.
const chunk = 256

// plainChunk reports whether all octets of b, a multiple of eight, stand for themselves in text, and are neither tabs nor line
// ends. Three searches, which the standard library does many octets at a time, leave little for the loop.
func plainChunk(b []byte) bool {
	if bytes.IndexByte(b, '<') >= 0 || bytes.IndexByte(b, '&') >= 0 || bytes.IndexByte(b, '>') >= 0 {
		return false
	}
	const low, high = 0x0101010101010101, 0x8080808080808080
	bad := uint64(0) // as in plainRun
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		bad |= (w - ' '*low) | w
	}
	return bad&high == 0
}

// plainValueRun is plainRun for attribute values; it stops at quotes, too.
func plainValueRun(b []byte, i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		tag := (w | 2*low) ^ '>'*low
		amp := (w | low) ^ '\''*low // '&' differs from '\'' in this bit
		quote := w ^ '"'*low
		bad := ((w - ' '*low) | (tag - low) | (amp - low) | (quote - low) | w) & high
		if bad == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(bad) / 8; class[b[i]]&plainValue == 0 {
			return i
		}
		i++ // '>'
	}
	for i < len(b) && class[b[i]]&plainValue != 0 {
		i++
	}
	return i
}

// section reports whether a CDATA section begins with the '<' at b[i].
func (s *Scanner) section(b []byte, i int) (_ []byte, ok bool, err error) {
	for n := 1; n < len(openCDATA); n++ {
		if b, err = s.need(b, i+n+1); err != nil {
			return nil, false, err
		}
		if b[i+n] != openCDATA[n] {
			return b, false, nil
		}
	}
	return b, true, nil
}

// cdata appends to scratch the rest of a CDATA section from b[i:] and returns its end.
func (s *Scanner) cdata(b []byte, i int) (_ []byte, n int, err error) {
	from := i
	for {
		if i = plainRun(b, i); i == len(b) {
			if b, err = s.more(b); err != nil {
				return nil, 0, err
			}
			continue
		}
		switch c := b[i]; {
		case c == '>' && i-from >= 2 && b[i-1] == ']' && b[i-2] == ']':
			s.scratch = append(s.scratch, b[from:i-2]...)
			return b, i + 1, nil
		case c == '<' || c == '&' || c == '>':
			i++
		case c == '\r':
			s.scratch = append(s.scratch, b[from:i]...)
			if b, i, err = s.lineEnd(b, i, '\n'); err != nil {
				return nil, 0, err
			}
			from = i
		default:
			if b, i, err = s.character(b, i); err != nil {
				return nil, 0, err
			}
		}
	}
}

// lineEnd appends c for the CR, or CR LF, at b[i]. XML 1.0, Section 2.11.
func (s *Scanner) lineEnd(b []byte, i int, c byte) (_ []byte, n int, err error) {
	if b, err = s.need(b, i+2); err == io.EOF && s.mayEnd() {
		b, err = s.buf[s.pos:], nil
	}
	if err != nil {
		return nil, 0, err
	}
	s.scratch = append(s.scratch, c)
	if i++; i < len(b) && b[i] == '\n' {
		i++
	}
	return b, i, nil
}

// character checks the character at b[i], which is not plain, and returns its end.
func (s *Scanner) character(b []byte, i int) (_ []byte, n int, err error) {
	for !utf8.FullRune(b[i:]) {
		more, err := s.more(b)
		if err == io.EOF {
			return nil, 0, s.fail(Encoding, i, "not UTF-8")
		} else if err != nil {
			return nil, 0, err
		}
		b = more
	}
	r, size := utf8.DecodeRune(b[i:])
	if kind, msg := charProblem(r, size); kind != 0 {
		return nil, 0, s.fail(kind, i, msg)
	}
	return b, i + size, nil
}

// unexpected makes an error about the octet b[i], which is in the wrong place if it is not wrong in itself.
func (s *Scanner) unexpected(b []byte, i int, msg string) error {
	if _, _, err := s.character(b, i); err != nil {
		return err
	}
	return s.fail(NotWellFormed, i, msg)
}

// value scans the attribute value whose quote is at b[i] into a and returns its end.
func (s *Scanner) value(b []byte, i int, a *rawAttr) (_ []byte, n int, err error) {
	quote := b[i]
	i++
	if n = plainValueRun(b, i); n < len(b) && b[n] == quote && n-i <= s.lim.MaxValue { // most are plain
		a.from, a.to = i, n
		return b, n + 1, nil
	}
	// Narrow the window to what the value may have, and widen it again behind it.
	tag := s.max
	s.max = min(tag, i+s.lim.MaxValue+len("'"))
	b = b[:min(len(b), s.max)]
	from, start := i, len(s.scratch) // b[from:i] is not in scratch yet
	for {
		if i = plainValueRun(b, i); i == len(b) {
			if i == s.max && i < tag {
				return nil, 0, s.fail(Limit, i-1, "attribute value too long")
			}
			if b, err = s.more(b); err != nil {
				return nil, 0, err
			}
			continue
		}
		c := b[i]
		if c == quote {
			break
		}
		switch c {
		case '\'', '"':
			i++
		case '<':
			err = s.fail(NotWellFormed, i, "'<' in an attribute value")
		case '&', '\t', '\n', '\r':
			s.scratch = append(s.scratch, b[from:i]...)
			b, i, err = s.notPlain(b, i)
			from, a.copied = i, true
		default:
			b, i, err = s.character(b, i)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	a.from, a.to = from, i
	if a.copied {
		s.scratch = append(s.scratch, b[from:i]...)
		a.from, a.to = start, len(s.scratch)
	}
	s.max = tag
	return s.buf[s.pos:min(len(s.buf), s.pos+s.max)], i + 1, nil
}

// notPlain appends to scratch what the reference or white space at b[i] means in an attribute value, and returns its end.
//
// XML 1.0, Section 3.3.3.
func (s *Scanner) notPlain(b []byte, i int) (_ []byte, n int, err error) {
	switch b[i] {
	case '&':
		return s.reference(b, i)
	case '\r':
		return s.lineEnd(b, i, ' ')
	}
	s.scratch = append(s.scratch, ' ')
	return b, i + 1, nil
}

// clearScratch empties scratch, and releases it where it grew large.
func (s *Scanner) clearScratch() {
	if cap(s.scratch) > keptBuffer {
		s.scratch = nil
	}
	s.scratch = s.scratch[:0]
}
