package xmltok

import "errors"

// maxSkipped is how many times Limits.MaxDocument a child of the root may have to be skipped.
const maxSkipped = 16

var errNothingToSkip = errors.New("xmltok: Skip is for what has failed inside a child of the root element")

// Skip gets over an error of Next or Inner, in stream mode, about a child of the root element that exceeds the limits or binds
// a prefix of the root anew: it reads to the end of that child without keeping any of it, and Next goes on behind. It only looks
// for the ends of tags. Who calls it relies on whoever sends the stream for the child to be well-formed. After any other error,
// and where the child has more than 16 times Limits.MaxDocument, it returns an error, which is then the scanner's last.
func (s *Scanner) Skip() error {
	var syntax *SyntaxError
	switch {
	case s.err == nil || !s.stream:
		return errNothingToSkip
	case !errors.As(s.err, &syntax) || syntax.Err != nil || syntax.Kind != Limit && !s.rebound:
		return s.err
	case len(s.stack) == 0 || len(s.stack) == 1 && !s.atStartTag():
		return s.err
	}
	k := skipper{depth: len(s.stack)}
	end := s.unit + maxSkipped*s.lim.MaxDocument
	for !k.done {
		if s.pos == len(s.buf) {
			if s.base+int64(s.pos) >= end {
				return s.stop(s.fail(Limit, 0, "too long even to be skipped"))
			}
			if err := s.fill(); err != nil {
				return s.stop(err)
			}
		}
		s.pos += k.feed(s.buf[s.pos:])
		if k.restricted {
			return s.stop(s.fail(Restricted, 0, "neither an element nor text"))
		}
	}
	s.err, s.rebound = nil, false
	s.stack, s.ns, s.def = s.stack[:1], s.ns[:s.rootNS], s.outer
	for _, n := range s.ns {
		if n.prefix == "" {
			s.def = n.uri
		}
	}
	return nil
}

// atStartTag reports whether the token that has failed is a start tag.
func (s *Scanner) atStartTag() bool {
	b := s.buf[s.pos:]
	return len(b) > 1 && b[0] == '<' && b[1] != '/' && b[1] != '!' && b[1] != '?'
}

// A skipper finds the end of an element, of which it knows only how deep inside the input begins.
type skipper struct {
	depth int // open elements; 1 is the parent of the one that is skipped
	done  bool

	restricted bool // it holds a comment, a processing instruction or a document type

	in    within
	quote byte // that ends the value
	ends  int  // octets of "]]>" that were just seen
}

// within says what the next octet belongs to.
type within uint8

const (
	content  within = iota
	markup          // what follows '<'
	startTag        // behind its first octet
	emptyTag        // a start tag, behind a '/'
	value           // of an attribute, with the quote that ends it
	endTag          // behind "</"
	declared        // what follows "<!"
	section         // CDATA
)

// feed takes octets up to the end of the element, and returns how many.
func (k *skipper) feed(b []byte) int {
	for i, c := range b {
		switch k.in {
		case content:
			if c == '<' {
				k.in = markup
			}
		case markup:
			k.markup(c)
		case startTag, emptyTag:
			k.tag(c)
		case value:
			if c == k.quote {
				k.in = startTag
			}
		case endTag:
			if c == '>' {
				k.depth--
				k.close()
			}
		case declared:
			k.restricted, k.in, k.ends = c != '[', section, 0
		case section:
			k.section(c)
		}
		if k.done || k.restricted {
			return i + 1
		}
	}
	return len(b)
}

func (k *skipper) markup(c byte) {
	switch c {
	case '/':
		k.in = endTag
	case '!':
		k.in = declared
	case '?':
		k.restricted = true
	default:
		k.in = startTag
	}
}

func (k *skipper) tag(c byte) {
	switch {
	case c == '>' && k.in == emptyTag:
		k.close()
	case c == '>':
		k.depth++
		k.in = content
	case c == '/':
		k.in = emptyTag
	case c == '\'' || c == '"':
		k.in, k.quote = value, c
	default:
		k.in = startTag
	}
}

// section looks for the end of a CDATA section.
func (k *skipper) section(c byte) {
	switch {
	case c == ']':
		k.ends = min(k.ends+1, 2)
	case c == '>' && k.ends == 2:
		k.in = content
	default:
		k.ends = 0
	}
}

// close goes on behind the end of an element.
func (k *skipper) close() {
	k.in, k.done = content, k.depth == 1
}
