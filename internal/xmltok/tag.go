package xmltok

import "bytes"

// A rawAttr is an attribute of the current tag before namespaces are resolved. Its value is [from:to] of the window, or of
// scratch where it differs from its spelling.
type rawAttr struct {
	name     *qname
	at       int // where its name begins
	from, to int
	copied   bool
}

// markup scans what begins with '<'.
func (s *Scanner) markup(t *Token, b []byte) (err error) {
	if b, err = s.need(b, 2); err != nil {
		return err
	}
	switch b[1] {
	case '/':
		return s.endTag(t, b)
	case '!':
		return s.declared(t, b)
	case '?':
		return s.xmlDeclaration(b)
	}
	return s.startTag(t, b)
}

// need returns the window with at least n octets.
func (s *Scanner) need(b []byte, n int) (_ []byte, err error) {
	for len(b) < n {
		if b, err = s.more(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// name scans a name at b[i:] and returns its end, which is in the window.
func (s *Scanner) name(b []byte, i int) (_ []byte, n int, err error) {
	n = i
	for {
		for n < len(b) && class[b[n]]&nameOctet != 0 {
			n++
		}
		if n-i > s.lim.NameLen {
			return nil, 0, s.fail(Limit, i+s.lim.NameLen, "name too long")
		}
		if n < len(b) {
			return b, n, nil
		}
		if b, err = s.more(b); err != nil {
			return nil, 0, err
		}
	}
}

// spaces skips white space at b[i:] and returns its end, which is in the window.
func (s *Scanner) spaces(b []byte, i int) (_ []byte, n int, err error) {
	for {
		for i < len(b) && class[b[i]]&space != 0 {
			i++
		}
		if i < len(b) {
			return b, i, nil
		}
		if b, err = s.more(b); err != nil {
			return nil, 0, err
		}
	}
}

func (s *Scanner) startTag(t *Token, b []byte) error {
	if s.stream && s.rooted && len(s.stack) == 0 {
		return s.fail(NotWellFormed, 0, "a second root element")
	}
	if len(s.stack) >= s.lim.Depth {
		return s.fail(Limit, 0, "elements nested too deep")
	}
	b, i, name, err := s.elementName(b)
	if err != nil {
		return err
	}
	top := s.inner.on && len(s.stack) == s.inner.depth
	if top {
		s.enter(len("<") + len(name.raw))
	}
	e := elem{name: name, marks: len(s.ns)}
	s.attrs = s.attrs[:0]
	closes := false
	if b[i] == '>' {
		i++
	} else {
		if b, i, closes, err = s.attributes(b, i); err != nil {
			return err
		}
		if err := s.resolveAttrs(b, e.marks); err != nil {
			return err
		}
	}
	if e.space = s.def; name.prefix != "" {
		var ok bool
		if e.space, ok = s.lookup(name.prefix); !ok {
			return s.fail(NotWellFormed, 1, "undeclared prefix")
		}
	}
	if top {
		s.entered(s.ns[e.marks:])
	}
	s.stack = append(s.stack, e)
	if s.stream && !s.rooted {
		s.rooted, s.rootNS = true, len(s.ns)
	}
	t.Kind, t.Name, t.Attrs = Start, Name{e.space, name.local}, s.attrs
	s.start, s.empty = true, closes
	s.done(i)
	return nil
}

// elementName scans the name at b[1:] and returns its end, which is in the window.
func (s *Scanner) elementName(b []byte) (_ []byte, n int, name *qname, err error) {
	// Often it is the name of the element that was open at this depth before, and nothing follows it.
	if name = s.before(); name != nil {
		n = 1 + len(name.raw)
		if len(b) > n && b[n] == '>' && string(b[1:n]) == name.raw && len(name.raw) <= s.lim.NameLen {
			s.known.follows.note(name)
			return b, n, name, nil
		}
	}
	return s.qname(b, 1, "a name is missing")
}

// before returns the name of the element that was open last at the depth of the next one, nil for none.
func (s *Scanner) before() *qname {
	if depth := len(s.stack); depth < cap(s.stack) {
		return s.stack[:depth+1][depth].name
	}
	return nil
}

// qname scans a qualified name at b[i:], which is missing if there is none, and returns its end, which is in the window.
func (s *Scanner) qname(b []byte, i int, missing string) (_ []byte, n int, name *qname, err error) {
	if name = s.known.follows.guess(); name != nil {
		n = i + len(name.raw)
		if n < len(b) && class[b[n]]&nameOctet == 0 && string(b[i:n]) == name.raw && len(name.raw) <= s.lim.NameLen {
			s.known.follows.last = name.slot
			return b, n, name, nil
		}
	}
	if b, n, err = s.name(b, i); err != nil {
		return nil, 0, nil, err
	}
	if n == i {
		return nil, 0, nil, s.unexpected(b, n, missing)
	}
	name, p := s.known.names.get(b[i:n])
	if p.kind != 0 {
		return nil, 0, nil, s.fail(p.kind, i+p.at, p.msg)
	}
	s.known.follows.note(name)
	return b, n, name, nil
}

// attributes scans the attributes of a start tag from b[i:] up to its end into s.raw.
func (s *Scanner) attributes(b []byte, i int) (_ []byte, n int, closes bool, err error) {
	s.raw = s.raw[:0]
	s.clearScratch()
	for {
		before := i
		if b, i, err = s.spaces(b, i); err != nil {
			return nil, 0, false, err
		}
		switch {
		case b[i] == '>':
			return b, i + 1, false, nil
		case b[i] == '/':
			if b, err = s.need(b, i+2); err != nil {
				return nil, 0, false, err
			}
			if b[i+1] != '>' {
				return nil, 0, false, s.fail(NotWellFormed, i+1, "'>' is missing after '/'")
			}
			return b, i + 2, true, nil
		case i == before:
			return nil, 0, false, s.unexpected(b, i, "white space is missing in a tag")
		case len(s.raw) >= s.lim.Attrs:
			return nil, 0, false, s.fail(Limit, i, "too many attributes")
		}
		if b, i, err = s.attribute(b, i); err != nil {
			return nil, 0, false, err
		}
	}
}

// attribute scans one attribute at b[i:].
func (s *Scanner) attribute(b []byte, i int) (_ []byte, n int, err error) {
	a := rawAttr{at: i}
	if b, i, a.name, err = s.qname(b, i, "character that a tag must not have here"); err != nil {
		return nil, 0, err
	}
	if b[i] != '=' {
		if b, i, err = s.spaces(b, i); err != nil {
			return nil, 0, err
		}
		if b[i] != '=' {
			return nil, 0, s.unexpected(b, i, "'=' is missing after an attribute's name")
		}
	}
	if i++; i == len(b) || class[b[i]]&space != 0 {
		if b, i, err = s.spaces(b, i); err != nil {
			return nil, 0, err
		}
	}
	if b[i] != '\'' && b[i] != '"' {
		return nil, 0, s.unexpected(b, i, "attribute value without quotes")
	}
	if b, i, err = s.value(b, i, &a); err != nil {
		return nil, 0, err
	}
	s.raw = append(s.raw, a)
	return b, i, nil
}

// resolveAttrs binds the namespaces that s.raw declares and fills s.attrs with the rest. Declarations of the same tag begin at
// s.ns[marks].
func (s *Scanner) resolveAttrs(b []byte, marks int) error {
	for i := range s.raw {
		a := &s.raw[i]
		if a.name.declares {
			if err := s.bind(a, s.spelled(b, a), marks); err != nil {
				return err
			}
		}
	}
	for i := range s.raw {
		a := &s.raw[i]
		if a.name.declares {
			continue
		}
		n := Name{Local: a.name.local}
		if a.name.prefix != "" {
			var ok bool
			if n.Space, ok = s.lookup(a.name.prefix); !ok {
				return s.fail(NotWellFormed, a.at, "undeclared prefix")
			}
		}
		for j := range s.attrs {
			if s.attrs[j].Name == n {
				return s.fail(NotWellFormed, a.at, "the same attribute twice")
			}
		}
		s.attrs = append(s.attrs, Attr{Name: n, Value: s.spelled(b, a)})
	}
	return nil
}

// spelled returns the value of a.
func (s *Scanner) spelled(b []byte, a *rawAttr) []byte {
	if a.copied {
		b = s.scratch
	}
	return b[a.from:a.to:a.to]
}

// bind makes one namespace declaration. Namespaces in XML 1.0, Sections 2.2 and 3.
func (s *Scanner) bind(a *rawAttr, value []byte, marks int) error {
	n := binding{uri: s.known.uris.get(value)}
	if a.name.prefix != "" {
		n.prefix = a.name.local
	}
	switch {
	case n.prefix == "xmlns" || n.uri == xmlnsNamespace || (n.prefix == "xml") != (n.uri == XMLNamespace):
		return s.fail(NotWellFormed, a.at, "reserved prefix or namespace")
	case n.prefix != "" && n.uri == "":
		return s.fail(NotWellFormed, a.at, "a prefix that stands for no namespace")
	case len(s.ns) >= s.lim.Namespaces:
		return s.fail(Limit, a.at, "too many namespaces")
	}
	for _, o := range s.ns[marks:] {
		if o.prefix == n.prefix {
			return s.fail(NotWellFormed, a.at, "the same attribute twice")
		}
	}
	for _, o := range s.ns[:min(s.rootNS, marks)] {
		if n.prefix != "" && o.prefix == n.prefix && o.uri != n.uri {
			s.rebound = true
			return s.fail(Restricted, a.at, "a prefix of the root element is bound anew")
		}
	}
	if n.prefix == "" {
		n.outside, s.def = s.def, n.uri
	}
	s.ns = append(s.ns, n)
	return nil
}

// lookup returns the namespace that prefix stands for.
func (s *Scanner) lookup(prefix string) (string, bool) {
	for i := len(s.ns) - 1; i >= 0; i-- {
		if s.ns[i].prefix == prefix {
			if s.inner.on && i < s.inner.scope {
				s.outerPrefix(int32(i))
			}
			return s.ns[i].uri, true
		}
	}
	if prefix == "xml" {
		return XMLNamespace, true
	}
	return "", false
}

func (s *Scanner) endTag(t *Token, b []byte) error {
	if len(s.stack) == 0 {
		return s.fail(NotWellFormed, 0, "end tag without a start tag")
	}
	if n, ok := s.plainEnd(b); ok { // the usual case
		s.done(n)
		s.pop(t)
		return nil
	}
	want := s.stack[len(s.stack)-1].name.raw
	b, i, err := s.name(b, 2)
	if err != nil {
		return err
	}
	if !bytes.Equal(b[2:i], []byte(want)) {
		return s.fail(NotWellFormed, 2, "end tag does not match <"+want+">")
	}
	if b, i, err = s.spaces(b, i); err != nil {
		return err
	}
	if b[i] != '>' {
		return s.unexpected(b, i, "'>' is missing in an end tag")
	}
	s.done(i + 1)
	s.pop(t)
	return nil
}

// pop closes the innermost element and fills t with its end.
func (s *Scanner) pop(t *Token) {
	e := &s.stack[len(s.stack)-1]
	t.Kind, t.Name = End, Name{e.space, e.name.local}
	s.close()
}
