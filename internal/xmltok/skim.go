package xmltok

// A span is an element that skim has found open: where its name is, from the head of the window on.
type span struct{ from, to int32 }

// skim is a short way through the content that Inner reads: it consumes the tokens that are in memory from here on while they
// are plain, without making any of them. Plain are start tags of ASCII names without prefix and attributes, end tags without
// white space, and text as for TakeText. It stops before the first token that is anything else, that exceeds a limit, that is
// not wholly there or that ends the content, and next has the word; what it consumed, next would have accepted, and the
// scanner's state is the same. So it never fails.
func (s *Scanner) skim() {
	if s.empty || int64(s.lim.NameLen+len("</>")) > s.lim.MaxToken {
		return
	}
	b := s.window(s.lim.MaxDocument)
	open := s.skimmed[:0]
	done := 0 // octets consumed
	for {
		i := done
		if i < len(b) && b[i] != '<' {
			i = plainRun(b, i)
		}
		// What follows the text tells whether it ends there, or goes on as a CDATA section.
		if i+1 >= len(b) || b[i] != '<' || b[i+1] == '!' || i-done > s.lim.MaxText {
			break
		}
		done = i
		if b[i+1] == '/' {
			if done = s.skimEnd(b, i, &open); done == i {
				break
			}
			continue
		}
		n := i + 1
		for n < len(b) && class[b[n]]&plainName != 0 {
			n++
		}
		name := span{int32(i + 1), int32(n)}
		depth := len(s.stack) + len(open)
		if n == len(b) || n-i-1 > s.lim.NameLen || class[b[i+1]]&nameStart == 0 || depth >= s.lim.Depth {
			break
		}
		if b[n] == '>' {
			open = append(open, name)
			done = n + 1
		} else if b[n] == '/' && n+1 < len(b) && b[n+1] == '>' {
			done = n + 2
		} else {
			break
		}
		if depth == s.inner.depth {
			s.enter(n)
			s.entered(nil)
		}
	}
	for _, o := range open {
		name, _ := s.known.names.get(b[o.from:o.to]) // a name it is, that was checked
		s.stack = append(s.stack, elem{name: name, space: s.def, marks: len(s.ns)})
	}
	s.skimmed = open[:0]
	s.done(done)
}

// skimEnd returns the end of the end tag at b[i:], or i where it is not plain or ends the content. Its element is the last of
// open, or was open before these.
func (s *Scanner) skimEnd(b []byte, i int, open *[]span) int {
	if last := len(*open) - 1; last >= 0 {
		o := (*open)[last]
		from := i + len("</")
		to := from + int(o.to-o.from)
		if to >= len(b) || b[to] != '>' || string(b[from:to]) != string(b[o.from:o.to]) {
			return i
		}
		*open = (*open)[:last]
		return to + 1
	}
	if len(s.stack) == s.inner.depth {
		return i
	}
	n, ok := s.plainEnd(b[i:])
	if !ok {
		return i
	}
	s.close()
	return i + n
}
