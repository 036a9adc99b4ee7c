package xmltok

import "errors"

// Raw is the content of an element as it stands in the input, checked to be well-formed. It is valid until the next call of a
// method of its Scanner that reads.
type Raw struct {
	Octets        []byte
	SelfContained bool   // the octets declare every prefix that they use
	Default       string // default namespace in which they stand

	scope []binding // declarations in scope around the octets
	fixes []fix
	limit int64 // octets of a copy
}

// A fix is a declaration to be added to an element at the top of the content where its surroundings change. A peer can have
// one made for each four octets that it sends, so it is small.
type fix struct {
	at uint32 // in the content: behind the element's name
	ns int32  // index into Raw.scope, or defaultFix
}

// defaultFix stands for the default namespace around the content.
const defaultFix = -1

// inner is the state of Inner while it runs.
type inner struct {
	on    bool
	depth int // open elements around the content
	scope int // declarations in scope around the content
	used  bool
	fixes []fix  // in the order of the content
	at    uint32 // fix.at of the element at the top of the content
	first int    // its first fix
}

// keptFixes bounds what stays allocated for fixes.
const keptFixes = 1 << 10

// Inner reads on behind the start tag that Next returned last, through the matching end tag, and returns the octets between
// the two. Everything in them is checked as Next checks it.
func (s *Scanner) Inner() (Raw, error) {
	if s.err != nil {
		return Raw{}, s.err
	}
	if !s.start {
		return Raw{}, errors.New("xmltok: Inner is for the content of a start tag just read")
	}
	in := &s.inner
	*in = inner{on: true, depth: len(s.stack), scope: len(s.ns), fixes: in.fixes[:0]}
	if cap(in.fixes) > keptFixes {
		in.fixes = nil
	}
	content := Raw{Default: s.def, limit: s.lim.MaxDocument}
	s.hold = s.pos
	half := s.empty
	var t Token
	for len(s.stack) >= in.depth {
		s.skim()
		t = Token{}
		if err := s.next(&t); err != nil {
			in.on = false
			return Raw{}, s.stop(err)
		}
	}
	in.on = false
	end := s.pos
	if !half {
		end -= s.last
	}
	content.Octets = s.buf[s.hold:end:end]
	content.SelfContained = !in.used
	content.scope, content.fixes = s.ns[:in.scope], in.fixes
	return content, nil
}

// enter notes that an element begins at the top of the content, the name of which ends n octets behind s.pos.
func (s *Scanner) enter(n int) {
	s.inner.at = uint32(s.pos - s.hold + n)
	s.inner.first = len(s.inner.fixes)
}

// entered notes the need for a default namespace where the element, whose declarations are declared, has none of its own.
func (s *Scanner) entered(declared []binding) {
	for _, n := range declared {
		if n.prefix == "" {
			return
		}
	}
	s.inner.fixes = append(s.inner.fixes, fix{s.inner.at, defaultFix})
}

// outerPrefix notes the use of the declaration s.ns[ns], which is outside the content.
func (s *Scanner) outerPrefix(ns int32) {
	in := &s.inner
	in.used = true
	for _, f := range in.fixes[in.first:] {
		if f.ns == ns {
			return
		}
	}
	in.fixes = append(in.fixes, fix{in.at, ns})
}

// AppendSelfContained appends the content to dst such that it means the same without its surroundings, in the default
// namespace outer: it adds to the elements at its top the declarations that they took from outside, and copies the rest. Only
// names of elements and attributes count as uses of a prefix. A copy larger than Limits.MaxDocument is an error of kind Limit.
func (r Raw) AppendSelfContained(dst []byte, outer string) ([]byte, error) {
	from, begin := uint32(0), len(dst)
	for _, f := range r.fixes {
		n := binding{uri: r.Default}
		if f.ns != defaultFix {
			n = r.scope[f.ns]
		} else if r.Default == outer {
			continue
		}
		dst = append(dst, r.Octets[from:f.at]...)
		from = f.at
		dst = append(dst, " xmlns"...)
		if n.prefix != "" {
			dst = append(append(dst, ':'), n.prefix...)
		}
		dst = append(AppendEscaped(append(dst, "='"...), n.uri), '\'')
		if size := len(dst) - begin + len(r.Octets[from:]); int64(size) > r.limit {
			return nil, &SyntaxError{Kind: Limit, Msg: "too long with its namespace declarations"}
		}
	}
	return append(dst, r.Octets[from:]...), nil
}
