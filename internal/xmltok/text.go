package xmltok

import (
	"io"
	"unicode/utf8"
)

// text scans one run of character data, CDATA sections included. It leaves t as it is where the run is empty.
func (s *Scanner) text(t *Token) error {
	// The end of a run is known by what follows it: allow for that.
	const beyond = len("<![CDATA[")
	b := s.window(int64(s.lim.MaxText) + int64(beyond))
	var err error
	i, from := 0, 0 // b[from:i] is not in scratch yet
	copied := false
	s.clearScratch()
	for {
		for i < len(b) && class[b[i]]&plainText != 0 {
			i++
		}
		if i == len(b) {
			if b, err = s.more(b); err == nil {
				continue
			}
			if err != io.EOF || s.stream || len(s.stack) > 0 {
				return err
			}
			b = s.window(int64(s.lim.MaxText) + int64(beyond))
			break
		}
		c := b[i]
		if c == '<' {
			section := false
			if b, section, err = s.section(b, i); err != nil {
				return err
			}
			if !section {
				break
			}
		}
		switch {
		case c == '<':
			s.scratch = append(s.scratch, b[from:i]...)
			if b, i, err = s.cdata(b, i+beyond); err != nil {
				return err
			}
			from, copied = i, true
		case c == '&':
			s.scratch = append(s.scratch, b[from:i]...)
			if b, i, err = s.reference(b, i); err != nil {
				return err
			}
			from, copied = i, true
		case c == '\r':
			s.scratch = append(s.scratch, b[from:i]...)
			if b, i, err = s.lineEnd(b, i, '\n'); err != nil {
				return err
			}
			from, copied = i, true
		case c == '>':
			if i-from >= 2 && b[i-1] == ']' && b[i-2] == ']' {
				return s.fail(NotWellFormed, i-2, "']]>' in text")
			}
			i++
		default:
			if b, i, err = s.character(b, i); err != nil {
				return err
			}
		}
	}
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

// section reports whether a CDATA section begins with the '<' at b[i].
func (s *Scanner) section(b []byte, i int) (_ []byte, ok bool, err error) {
	const open = "<![CDATA["
	for n := 1; n < len(open); n++ {
		if b, err = s.need(b, i+n+1); err != nil {
			return nil, false, err
		}
		if b[i+n] != open[n] {
			return b, false, nil
		}
	}
	return b, true, nil
}

// cdata appends to scratch the rest of a CDATA section from b[i:] and returns its end.
func (s *Scanner) cdata(b []byte, i int) (_ []byte, n int, err error) {
	from := i
	for {
		for i < len(b) && class[b[i]]&plainText != 0 {
			i++
		}
		if i == len(b) {
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
	if b, err = s.need(b, i+2); err == io.EOF && !s.stream && len(s.stack) == 0 {
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
	// Narrow the window to what the value may have, and widen it again behind it.
	tag := s.max
	s.max = min(tag, i+s.lim.MaxValue+1)
	b = b[:min(len(b), s.max)]
	from, start := i, len(s.scratch)
	a.from = i
	for {
		for i < len(b) && class[b[i]]&plainValue != 0 {
			i++
		}
		if i == len(b) {
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
			return nil, 0, s.fail(NotWellFormed, i, "'<' in an attribute value")
		case '&', '\t', '\n', '\r':
			s.scratch = append(s.scratch, b[from:i]...)
			if c == '&' {
				b, i, err = s.reference(b, i)
			} else if c == '\r' {
				b, i, err = s.lineEnd(b, i, ' ')
			} else {
				s.scratch = append(s.scratch, ' ')
				i++
			}
			if err != nil {
				return nil, 0, err
			}
			from, a.copied = i, true
		default:
			if b, i, err = s.character(b, i); err != nil {
				return nil, 0, err
			}
		}
	}
	a.to = i
	if a.copied {
		s.scratch = append(s.scratch, b[from:i]...)
		a.from, a.to = start, len(s.scratch)
	}
	s.max = tag
	return s.buf[s.pos:min(len(s.buf), s.pos+s.max)], i + 1, nil
}

// clearScratch empties scratch, and releases it where it grew large.
func (s *Scanner) clearScratch() {
	if cap(s.scratch) > keptBuffer {
		s.scratch = nil
	}
	s.scratch = s.scratch[:0]
}
