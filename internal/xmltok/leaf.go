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

// TakeStart reads a start tag without attributes and prefix, if one comes next that is called name, is plain and is in memory.
// Else it reads nothing and returns false.
func (s *Scanner) TakeStart(name Name) bool {
	depth := len(s.stack)
	if s.stream && depth == 1 { // what counts for its limit begins here
		return false
	}
	if s.err != nil || s.empty || depth == 0 || depth >= s.lim.Depth || depth == cap(s.stack) || s.def != name.Space {
		return false
	}
	// The element that was open at this depth before often had that name, or the one that came behind the last name before.
	q := s.stack[:depth+1][depth].name
	if q == nil || q.raw != name.Local {
		if q = s.follows.guess(); q == nil || q.raw != name.Local {
			return false
		}
	}
	b, n := s.window(s.lim.MaxToken), len("<>")+len(q.raw)
	if len(b) < n || b[0] != '<' || b[n-1] != '>' || string(b[1:n-1]) != q.raw || len(q.raw) > s.lim.NameLen {
		return false
	}
	s.stack = s.stack[:depth+1]
	s.stack[depth] = elem{name: q, space: s.def, marks: len(s.ns), outside: s.def}
	s.attrs, s.start = s.attrs[:0], true
	s.follows.note(q)
	s.done(n)
	return true
}

// TakeEnd reads an end tag, if it comes next, is plain and is in memory. Else it reads nothing and returns false.
func (s *Scanner) TakeEnd() bool {
	switch {
	case s.err != nil || len(s.stack) == 0:
		return false
	case s.empty:
		s.empty = false
	default:
		n, ok := s.plainEnd(s.window(s.lim.MaxToken))
		if !ok {
			return false
		}
		s.done(n)
	}
	s.start = false
	s.close()
	return true
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
	e := &s.stack[len(s.stack)-1]
	s.ns, s.def = s.ns[:e.marks], e.outside
	s.stack = s.stack[:len(s.stack)-1]
}
