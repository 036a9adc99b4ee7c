package xmltok

// Offset returns the offset in the input of the octet behind the last token.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

// TakeText is a short way over a leaf, for loops in which tokens count: behind a start tag, where plain text or nothing and
// then the end tag follow, it reads both and returns the text, which is valid as that of a Token. Else it reads nothing and
// returns false, and Next has the answer. That includes what is not in memory yet, what exceeds a limit, references, CDATA
// sections, '>' in text, line ends other than LF and text that is not ASCII.
func (s *Scanner) TakeText() (text []byte, ok bool) {
	if s.err != nil || !s.start || s.empty {
		return nil, false
	}
	b := s.window(int64(s.lim.MaxText))
	i := plainRun(b, 0)
	n, ok := s.plainEnd(b[i:])
	if !ok {
		return nil, false
	}
	s.start = false
	s.done(i + n)
	s.close()
	return b[:i:i], true
}

// TakeTag reads into t a start tag without attributes and prefix or an end tag, if one of these comes next, is plain and is in
// memory. Else it reads nothing and returns false.
func (s *Scanner) TakeTag(t *Token) bool {
	if s.err != nil || s.empty || len(s.stack) == 0 || s.stream && len(s.stack) == 1 { // what counts for its limit begins here
		return false
	}
	return s.plainTag(t)
}

// plainTag is TakeTag for who knows that an element is open.
func (s *Scanner) plainTag(t *Token) bool {
	b := s.window(s.lim.MaxToken)
	if len(b) < len("<a>") || b[0] != '<' {
		return false
	}
	if b[1] == '/' {
		n, ok := s.plainEnd(b)
		if !ok {
			return false
		}
		e := &s.stack[len(s.stack)-1]
		t.Kind, t.Name.Space, t.Name.Local, t.Attrs, t.Data, t.Offset = End, e.space, e.name.local, nil, nil, s.Offset()
		s.start = false
		s.done(n)
		s.close()
		return true
	}
	if len(s.stack) >= s.lim.Depth {
		return false
	}
	name := s.plainStart(b)
	if name == nil {
		return false
	}
	t.Kind, t.Name.Space, t.Name.Local, t.Attrs, t.Data, t.Offset = Start, s.def, name.local, nil, nil, s.Offset()
	s.stack = append(s.stack, elem{name: name, space: s.def, marks: len(s.ns)})
	s.start = true
	s.known.follows.note(name)
	s.done(len("<>") + len(name.raw))
	return true
}

// plainStart returns the name of the start tag at the head of b, nil where it has a prefix, attributes or white space, or is
// none. Two guesses come first.
func (s *Scanner) plainStart(b []byte) *qname {
	q := s.before()
	if q == nil || !q.opens(b) {
		if q = s.known.follows.guess(); q == nil || !q.opens(b) {
			n := 1
			for n < len(b) && class[b[n]]&plainName != 0 {
				n++
			}
			if n == len(b) || b[n] != '>' {
				return nil
			}
			var p problem
			if q, p = s.known.names.get(b[1:n]); p.kind != 0 {
				return nil
			}
		}
	}
	if q.prefix != "" || len(q.raw) > s.lim.NameLen {
		return nil
	}
	return q
}

// opens reports whether the start tag at the head of b has the name q and nothing else.
func (q *qname) opens(b []byte) bool {
	n := len("<>") + len(q.raw)
	return len(b) >= n && b[n-1] == '>' && string(b[1:n-1]) == q.raw
}

// plainEnd finds the end tag of the innermost element at the head of b, spelled without white space, and its length.
func (s *Scanner) plainEnd(b []byte) (n int, ok bool) {
	name := s.stack[len(s.stack)-1].name.raw
	n = len("</>") + len(name)
	ok = len(b) >= n && b[0] == '<' && b[1] == '/' && b[n-1] == '>' && string(b[2:n-1]) == name && int64(n) <= s.lim.MaxToken
	return n, ok
}

// close closes the innermost element.
func (s *Scanner) close() {
	last := len(s.stack) - 1
	if marks := s.stack[last].marks; len(s.ns) > marks {
		s.unbind(marks)
	}
	s.stack = s.stack[:last]
}

// unbind ends the namespace declarations from s.ns[marks] on.
func (s *Scanner) unbind(marks int) {
	for _, n := range s.ns[marks:] {
		if n.prefix == "" {
			s.def = n.outside
		}
	}
	s.ns = s.ns[:marks]
}
