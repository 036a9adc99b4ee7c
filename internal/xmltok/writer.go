package xmltok

// A writer appends XML in the canonical form of end-to-end security: no prefixes, a default namespace declared only where it
// changes and never undeclared, at most one attribute per element and none beside a declaration, single quotes, <x/> for an
// element without content, the five predefined references in text and values, no CR. It does not allocate while its slice has
// room and elements nest no deeper than 24. Names are the caller's to get right. The first error stays; what is written after
// it is lost. The zero writer starts with an empty slice, in no namespace.
type writer struct {
	dst    []byte
	begin  int
	outer  string
	err    *SyntaxError
	open   bool // the last start tag lacks its '>'
	full   bool // that tag has a declaration or an attribute
	depth  int
	frames [24]frame
	deep   []frame
}

// A frame is an open element.
type frame struct{ space, local string }

// reset makes w append to dst, in the default namespace outerNS, as if nothing had been written.
func (w *writer) reset(dst []byte, outerNS string) {
	w.dst, w.begin, w.outer, w.err = dst, len(dst), outerNS, nil
	w.open, w.full, w.depth = false, false, 0
	w.deep = w.deep[:0]
}

// start begins an element in namespace space.
func (w *writer) start(space, local string) {
	w.closeTag()
	current := w.outer
	if w.depth > 0 {
		current = w.top().space
	}
	w.dst = append(append(w.dst, '<'), local...)
	w.open, w.full = true, space != current
	if w.full {
		switch space {
		case "":
			w.fail("element without a namespace in one that has")
		case XMLNamespace:
			w.fail("element in a namespace that no default declares")
		}
		w.dst = append(w.dst, " xmlns='"...)
		writeValue(w, space)
	}
	if w.depth < len(w.frames) {
		w.frames[w.depth] = frame{space, local}
	} else {
		w.deep = append(w.deep, frame{space, local})
	}
	w.depth++
}

// attr adds an attribute to the element that start has just begun.
func (w *writer) attr(local string, value []byte) {
	if !w.open || w.full {
		w.fail("attribute out of place, beside another, or beside a namespace declaration")
	}
	w.full = true
	w.dst = append(append(append(w.dst, ' '), local...), "='"...)
	writeValue(w, value)
}

// text adds character data.
func (w *writer) text(s []byte) {
	if len(s) == 0 {
		return
	}
	w.closeTag()
	dst, bad := escape(w.dst, s, canonicalText)
	if w.dst = dst; bad {
		w.fail("CR, a character that XML forbids, or not UTF-8")
	}
}

// writeValue adds what follows the quote of an attribute value.
func writeValue[T string | []byte](w *writer, v T) {
	dst, bad := escape(w.dst, v, canonicalValue)
	if w.dst = append(dst, '\''); bad {
		w.fail("attribute value with white space other than blanks, a character that XML forbids, or not UTF-8")
	}
}

// end ends the innermost element.
func (w *writer) end() {
	if w.depth == 0 {
		w.fail("end without a start")
		return
	}
	f := w.top()
	w.depth--
	if w.depth >= len(w.frames) {
		w.deep = w.deep[:w.depth-len(w.frames)]
	}
	if w.open {
		w.open = false
		w.dst = append(w.dst, "/>"...)
		return
	}
	w.dst = append(append(append(w.dst, "</"...), f.local...), '>')
}

// bytes returns the slice with what was appended, or the first error, which is a *SyntaxError.
func (w *writer) bytes() ([]byte, error) {
	if w.depth > 0 {
		w.fail("element without an end")
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.dst, nil
}

func (w *writer) top() frame {
	if i := w.depth - 1 - len(w.frames); i >= 0 {
		return w.deep[i]
	}
	return w.frames[w.depth-1]
}

func (w *writer) closeTag() {
	if w.open {
		w.open = false
		w.dst = append(w.dst, '>')
	}
}

// dropText takes back text of the innermost element, which has nothing else; at is where it began.
func (w *writer) dropText(at int) {
	w.dst, w.open = w.dst[:at], true
}

func (w *writer) fail(msg string) {
	if w.err == nil {
		w.err = &SyntaxError{Kind: NotCanonical, Offset: int64(len(w.dst) - w.begin), Msg: msg}
	}
}
