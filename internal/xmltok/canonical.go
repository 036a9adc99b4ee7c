package xmltok

import (
	"bytes"
	"io"
	"sync"
)

// scanners keeps what Canonicalize needs between calls.
var scanners = sync.Pool{New: func() any { return new(canonicalizer) }}

type canonicalizer struct {
	s Scanner
	w writer
}

// Canonicalize appends to dst the canonical form of raw, a sequence of elements that stands in the default namespace outerNS.
// It is what is signed and verified of an XML content: two contents of the same meaning have the same canonical form, however
// they are spelled, and the form is its own canonical form. See writer for its rules. White space between elements is dropped,
// in elements without children it is kept.
//
// Content that breaks XML, the limits, or the rules of the form is a *SyntaxError: elements beside text, a second attribute,
// one with a namespace or beside a declaration, CR, an element in no namespace inside one that has. The form may have no more
// than l.MaxDocument octets either. The octets of dst and raw must not overlap. Canonicalize is safe for concurrent use.
func Canonicalize(dst, raw []byte, outerNS string, l Limits) ([]byte, error) {
	c := scanners.Get().(*canonicalizer)
	defer scanners.Put(c)
	return c.canonicalize(dst, raw, outerNS, l)
}

func (c *canonicalizer) canonicalize(dst, raw []byte, outerNS string, l Limits) ([]byte, error) {
	c.s.SetLimits(l)
	c.s.SetDefaultNamespace(outerNS)
	c.s.ResetBytes(raw)
	c.w.reset(dst, outerNS)
	out, err := c.run(len(dst))
	// Keep nothing of the caller's.
	c.s.SetDefaultNamespace("")
	c.s.ResetBytes(nil)
	c.w.reset(nil, "")
	return out, err
}

// run copies tokens from c.s to c.w, which already has begin octets.
func (c *canonicalizer) run(begin int) ([]byte, error) {
	s, w := &c.s, &c.w
	leaf := false // the innermost element has no children so far
	text := 0     // len(w.dst) before its text
	blank := true // that text is white space
	for {
		t, err := s.Next()
		if err == io.EOF {
			return w.bytes()
		} else if err != nil {
			return nil, err
		}
		switch {
		case t.Kind == End:
			w.end()
			leaf, blank = false, true
		case t.Kind == Text && leaf:
			w.text(t.Data)
			blank = isBlank(t.Data)
		case t.Kind == Text:
			blank = isBlank(t.Data)
		}
		if t.Kind != End && !leaf && !blank || t.Kind == Start && !blank {
			return nil, s.refuse(&t, NotCanonical, "elements beside text")
		}
		if t.Kind == Start {
			if leaf {
				w.dropText(text)
			}
			copyStart(w, &t)
			leaf, blank, text = true, true, len(w.dst)
		}
		if w.err != nil {
			return nil, s.refuse(&t, NotCanonical, w.err.Msg)
		}
		if int64(len(w.dst)-begin) > s.lim.MaxDocument {
			return nil, s.refuse(&t, Limit, "canonical form too long")
		}
	}
}

// copyStart writes the start tag t.
func copyStart(w *writer, t *Token) {
	w.start(t.Name.Space, t.Name.Local)
	for i := range t.Attrs {
		a := &t.Attrs[i]
		if a.Name.Space != "" {
			w.fail("attribute with a namespace")
		}
		w.attr(a.Name.Local, a.Value)
	}
}

// refuse makes an error about the token t.
func (s *Scanner) refuse(t *Token, kind ErrorKind, msg string) error {
	return &SyntaxError{Kind: kind, Offset: t.Offset, Path: s.path(), Msg: msg}
}

// isBlank reports whether text has no more than white space. A CR, which only a reference can bring here, does not count: it is
// refused wherever it stands.
func isBlank(b []byte) bool {
	return len(bytes.TrimLeft(b, " \t\n")) == 0
}
