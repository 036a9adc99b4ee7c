package xmltok

import (
	"errors"
	"io"
)

// A Scanner reads XML. In stream mode (NewScanner) the input is one document: an optional XML declaration, one root element,
// white space around it. In fragment mode (NewBytesScanner) it is a sequence of elements and text, all in memory. After an
// error, io.EOF included, it returns that error until it is reset. It is not safe for concurrent use.
type Scanner struct {
	lim    Limits
	r      io.Reader // in stream mode
	rerr   error     // what r returned last, after the octets in buf
	err    error     // what Next returns from now on
	stream bool

	// buf[pos:] is not consumed yet. A token is parsed with indices relative to pos, so that buf may move below it.
	buf  []byte
	base int64 // offset of buf[0] in the input
	pos  int
	hold int   // where Inner began, while it runs
	last int   // octets of the token before pos
	max  int   // octets that the current token may have
	unit int64 // offset where the current stanza or fragment began

	stack  []elem
	ns     []binding
	def    string // default namespace in scope
	outer  string // default namespace at depth 0
	rootNS int    // declarations of the root element
	rooted bool   // stream mode: the root element has begun
	empty  bool   // the second half of an empty-element tag is due
	start  bool   // the last token was a start tag
	// The error is about a prefix of the root that is bound anew.
	rebound bool

	attrs   []Attr
	raw     []rawAttr
	scratch []byte // text and values that differ from their spelling
	known   *known // nil while it rests
	inner   inner
	skimmed []span // scratch of skim
}

// An elem is an open element.
type elem struct {
	name  *qname
	space string
	marks int // len(Scanner.ns) before its declarations
}

// A binding is a namespace declaration in scope; the default one has no prefix.
type binding struct {
	prefix, uri string
	outside     string // of a default one: the default namespace outside its element
}

// ErrIdle is what a reader returns to have the scanner rest: to give back what it does not need while nothing comes. Then
// it is read from again, so it returns the error once in a silence.
var ErrIdle = errors.New("xmltok: nothing has come for a while")

const (
	idleBuffer  = 512      // octets of the buffer of a scanner that rests
	firstBuffer = 4 << 10  // octets
	keptBuffer  = 32 << 10 // octets; what grew larger is released when it is empty
)

// NewScanner returns a Scanner in stream mode. It reads from r only when the token that was asked for is not yet complete in
// its buffer, one Read at a time. The root element's prefixes keep their meaning: another binding of one of them further in
// is refused as Restricted.
func NewScanner(r io.Reader, l Limits) *Scanner {
	s := &Scanner{lim: l.withDefaults()}
	s.Reset(r)
	return s
}

// NewBytesScanner returns a Scanner in fragment mode over b, which must not change while tokens are in use.
func NewBytesScanner(b []byte, l Limits) *Scanner {
	s := &Scanner{lim: l.withDefaults()}
	s.ResetBytes(b)
	return s
}

// Reset makes the scanner read a new document from r and forgets all that it read before, unconsumed octets included. Limits,
// the default namespace of SetDefaultNamespace and known names stay.
func (s *Scanner) Reset(r io.Reader) {
	buf := s.buf[:0]
	if !s.stream || cap(buf) > keptBuffer {
		buf = nil
	}
	s.reset()
	s.r, s.stream, s.buf = r, true, buf
}

// ResetBytes makes the scanner read the fragment b, with the same conditions as Reset and NewBytesScanner.
func (s *Scanner) ResetBytes(b []byte) {
	s.reset()
	s.r, s.stream, s.buf = nil, false, b
}

func (s *Scanner) reset() {
	s.rerr, s.err = nil, nil
	if s.known == nil {
		s.known = new(known)
	}
	s.base, s.pos, s.hold, s.last, s.unit = 0, 0, 0, 0, 0
	s.stack, s.ns, s.def = s.stack[:0], s.ns[:0], s.outer
	s.rootNS, s.rooted, s.empty, s.start, s.rebound = 0, false, false, false, false
	clear(s.attrs[:cap(s.attrs)])
	s.inner = inner{fixes: s.inner.fixes[:0]}
}

// SetDefaultNamespace sets the default namespace in which the input stands, "" for none. It is called before the first token
// and stays set for the inputs that follow.
func (s *Scanner) SetDefaultNamespace(ns string) {
	s.outer, s.def = ns, ns
}

// SetLimits changes the limits, from the next token on.
func (s *Scanner) SetLimits(l Limits) { s.lim = l.withDefaults() }

// Depth returns the number of open elements. The second half of an empty-element tag closes its element.
func (s *Scanner) Depth() int { return len(s.stack) }

// Buffered returns the number of octets that were read and belong to no token returned so far.
func (s *Scanner) Buffered() int { return len(s.buf) - s.pos }

// RawStart returns the octets of the start tag that Next returned last, as they stand in the input; nil after any other token.
// They are valid until the next call of a method that reads.
func (s *Scanner) RawStart() []byte {
	if !s.start {
		return nil
	}
	return s.buf[s.pos-s.last : s.pos]
}

// Next returns the next token. It returns io.EOF only where the input may end: in stream mode before the first octet and
// after the root element, in fragment mode at depth 0. An input that ends elsewhere gives a *SyntaxError that wraps
// io.ErrUnexpectedEOF; all other errors are a *SyntaxError or what the reader returned.
func (s *Scanner) Next() (Token, error) {
	var t Token
	if err := s.NextInto(&t); err != nil {
		return Token{}, err
	}
	return t, nil
}

// NextInto is Next for loops in which copying the token counts. After an error, what t holds means nothing.
func (s *Scanner) NextInto(t *Token) error {
	if s.err != nil {
		return s.err
	}
	*t = Token{}
	if err := s.next(t); err != nil {
		return s.stop(err)
	}
	return nil
}

// stop makes err the scanner's last word. A reader's io.EOF that comes up here met an unfinished token.
func (s *Scanner) stop(err error) error {
	if err == errClean {
		err = io.EOF
	} else if err == io.EOF {
		at := s.base + int64(len(s.buf))
		err = &SyntaxError{Kind: NotWellFormed, Offset: at, Path: s.path(), Msg: "the input ends too early", Err: io.ErrUnexpectedEOF}
	}
	s.err, s.start = err, false
	return err
}

// errClean is the end of the input where it may end.
var errClean = errors.New("xml: clean end")

// next scans one token into t, which is zero.
func (s *Scanner) next(t *Token) (err error) {
	if s.empty {
		s.empty, s.start = false, false
		t.Offset = s.base + int64(s.pos-2)
		s.pop(t)
		return nil
	}
	s.start = false
	for t.Kind == 0 {
		if s.stream && len(s.stack) <= 1 && !s.inner.on {
			s.unit = s.base + int64(s.pos)
		}
		if len(s.stack) > 0 && !s.inner.on && s.plainTag(t) { // most tags
			return nil
		}
		b := s.window(s.lim.MaxToken)
		if len(b) == 0 {
			if b, err = s.more(b); err == io.EOF {
				return s.end()
			} else if err != nil {
				return err
			}
		}
		t.Offset = s.base + int64(s.pos)
		switch {
		case b[0] == '<':
			err = s.markup(t, b)
		case s.stream && len(s.stack) == 0:
			err = s.outsideRoot(b)
		default:
			err = s.text(t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
