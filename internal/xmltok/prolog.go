package xmltok

import (
	"io"
	"strings"
)

// declared handles what begins with "<!": a CDATA section is text, the rest is refused.
func (s *Scanner) declared(t *Token, b []byte) error {
	const comment, doctype = "<!--", "<!DOCTYPE"
	b, section, err := s.section(b, 0)
	if err != nil {
		return err
	}
	if section && !(s.stream && len(s.stack) == 0) {
		return s.text(t)
	}
	for _, m := range []string{comment, doctype} {
		for n := 3; ; n++ {
			if b, err = s.need(b, n); err != nil {
				return err
			}
			if b[n-1] != m[n-1] {
				break
			}
			if n == len(m) {
				return s.fail(Restricted, 0, "comment or document type declaration")
			}
		}
	}
	return s.fail(NotWellFormed, 0, "markup that must not stand here")
}

// outsideRoot consumes white space before or behind the root element.
func (s *Scanner) outsideRoot(b []byte) error {
	i := 0
	for {
		for i < len(b) && class[b[i]]&space != 0 {
			i++
		}
		if i < len(b) {
			break
		}
		s.done(i)
		i = 0
		more, err := s.more(s.window(s.lim.MaxToken))
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		b = more
	}
	if b[i] != '<' {
		return s.unexpected(b, i, "text outside the root element")
	}
	s.done(i)
	return nil
}

// xmlDeclaration consumes an XML declaration at the very start of a stream and refuses all else that begins with "<?".
//
// XML 1.0, Section 2.8; RFC 6120, Section 11.4.
func (s *Scanner) xmlDeclaration(b []byte) error {
	const open = "<?xml"
	var err error
	for n := 2; n <= len(open); n++ {
		if b, err = s.need(b, n+1); err != nil {
			return err
		}
		if b[n-1] != open[n-1] || n == len(open) && class[b[n]]&space == 0 || !s.stream || s.base+int64(s.pos) != 0 {
			return s.fail(Restricted, 0, "processing instruction")
		}
	}
	s.raw = s.raw[:0]
	s.clearScratch()
	i := len(open)
	for {
		before := i
		if b, i, err = s.spaces(b, i); err != nil {
			return err
		}
		if b[i] == '?' {
			break
		}
		if i == before || len(s.raw) == 3 {
			return s.fail(NotWellFormed, i, "malformed XML declaration")
		}
		if b, i, err = s.attribute(b, i); err != nil {
			return err
		}
	}
	if b, err = s.need(b, i+2); err != nil {
		return err
	}
	if b[i+1] != '>' {
		return s.fail(NotWellFormed, i+1, "malformed XML declaration")
	}
	if err := s.checkDeclaration(b); err != nil {
		return err
	}
	s.done(i + 2)
	return nil
}

// checkDeclaration judges the pseudo-attributes in s.raw: version, then encoding and standalone if they are there.
func (s *Scanner) checkDeclaration(b []byte) error {
	rest := s.raw
	next := func(name string) (string, int, bool) {
		if len(rest) == 0 || rest[0].name.raw != name || rest[0].copied {
			return "", 0, false
		}
		a := &rest[0]
		rest = rest[1:]
		return string(s.spelled(b, a)), a.at, true
	}
	if v, at, ok := next("version"); !ok || v != "1.0" {
		return s.fail(NotWellFormed, at, "XML declaration without version 1.0")
	}
	if v, at, ok := next("encoding"); ok && !strings.EqualFold(v, "UTF-8") {
		return s.fail(Encoding, at, "encoding other than UTF-8")
	}
	if v, at, ok := next("standalone"); ok && v != "yes" && v != "no" {
		return s.fail(NotWellFormed, at, "malformed XML declaration")
	}
	if len(rest) > 0 {
		return s.fail(NotWellFormed, rest[0].at, "malformed XML declaration")
	}
	return nil
}
