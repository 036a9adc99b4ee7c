package scl

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// limits bound a file.
type limits struct {
	octets   int64
	token    int // octets of one text or comment
	tag      int // octets of one tag
	elements int
	depth    int
}

// largest is far above what the largest substations need, and keeps a hostile file from taking the machine.
var largest = limits{octets: 128 << 20, token: 8 << 20, tag: 1 << 20, elements: 2_000_000, depth: 100}

const namespace = "http://www.iec.ch/61850/2003/SCL"

// reader walks the elements of a file. Elements of other namespaces and processing instructions are passed over.
type reader struct {
	limits   limits
	in       *tokenReader
	dec      *xml.Decoder
	file     string
	text     []byte // the whole file in UTF-8
	space    string // the namespace of the top element: the standard's, a draft's, or none at all
	at       int    // the line in which the last token starts
	offset   int    // where it starts in text
	depth    int
	elements int
	strings  map[string]string

	private    int // the depth of the Private that the reader is in, or 0
	sawPrivate func(xml.StartElement)
	sawForeign func(xml.StartElement)
}

func newReader(r io.Reader, l limits) (*reader, string, error) {
	rd := &reader{limits: l, strings: map[string]string{}}
	if n, ok := r.(interface{ Name() string }); ok {
		rd.file = n.Name()
	}
	raw, err := readAll(r, l.octets)
	if err != nil {
		return nil, "", rd.broken(err)
	}
	for format, begin := range archives {
		if bytes.HasPrefix(raw, []byte(begin)) {
			return nil, "", &Error{File: rd.file, Line: 1, Rule: rules[ruleMalformed].ID, Msg: "it is compressed (" + format + ")", Hint: "unpack it first"}
		}
	}
	text, wrong, err := toUTF8(raw)
	if err != nil {
		return nil, "", rd.broken(err)
	}
	rd.text = text
	rd.in = &tokenReader{text: text}
	rd.dec = xml.NewDecoder(rd.in)
	rd.dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 now
	return rd, wrong, nil
}

// archives are how files begin in which SCL files are sent, by format.
var archives = map[string]string{"gzip": "\x1f\x8b", "ZIP": "PK\x03\x04", "7-Zip": "7z\xbc\xaf"}

var errTooLarge = errors.New("the file is too large")

// readAll reads at most so many octets; it makes room beforehand where r is a file.
func readAll(r io.Reader, most int64) ([]byte, error) {
	room := int64(0)
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			room = min(info.Size(), most)
		}
	}
	text := make([]byte, 0, room+bytes.MinRead)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		switch {
		case int64(len(text)) > most:
			return nil, errTooLarge
		case err == io.EOF:
			return text, nil
		case err != nil:
			return nil, err
		}
	}
}

var errLongToken = errors.New("a token is too long")

// tokenReader gives the decoder a text, but no more than most octets for one token: the decoder holds as much in memory.
type tokenReader struct {
	text []byte
	at   int
	from int // where the token starts
	most int
}

func (t *tokenReader) ReadByte() (byte, error) {
	switch {
	case t.at >= len(t.text):
		return 0, io.EOF
	case t.at-t.from >= t.most:
		return 0, errLongToken
	}
	t.at++
	return t.text[t.at-1], nil
}

func (t *tokenReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := t.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

func (r *reader) errorf(by rule, format string, args ...any) error {
	return &Error{File: r.file, Line: r.at, Rule: rules[by].ID, Msg: fmt.Sprintf(format, args...), Hint: rules[by].Hint}
}

// next is the next token of any kind, as the decoder has it.
func (r *reader) next() (xml.Token, error) {
	r.at, _ = r.dec.InputPos()
	r.offset = int(r.dec.InputOffset())
	r.in.from, r.in.most = r.offset, r.limits.token
	if rest := r.text[r.offset:]; len(rest) > 1 && rest[0] == '<' && rest[1] != '!' && rest[1] != '?' {
		r.in.most = r.limits.tag
	}
	return r.dec.Token()
}

// token is the next start, end or text, checked against the bounds.
func (r *reader) token() (xml.Token, error) {
	for {
		tok, err := r.next()
		if err != nil {
			return nil, r.broken(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			return tok, r.enter(tok)
		case xml.EndElement:
			if r.depth--; r.depth < r.private {
				r.private = 0
			}
			return tok, nil
		case xml.CharData:
			return tok, nil
		case xml.Directive:
			return nil, r.errorf(ruleDoctype, "a document type declaration is refused")
		}
	}
}

func (r *reader) enter(e xml.StartElement) error {
	r.depth++
	r.elements++
	switch {
	case r.depth > r.limits.depth:
		return r.errorf(ruleLimit, "<%s> is nested deeper than %d", clip(e.Name.Local), r.limits.depth)
	case r.elements > r.limits.elements:
		return r.errorf(ruleLimit, "the file has more than %d elements", r.limits.elements)
	case r.private != 0 || r.depth == 1:
	case e.Name.Space != r.space:
		r.private = r.depth // what is in it is no other than it
		r.sawForeign(e)
	case e.Name.Local == "Private":
		r.private = r.depth
		r.sawPrivate(e)
	}
	return nil
}

// broken says what the decoder stumbled on.
func (r *reader) broken(err error) error {
	var syntax *xml.SyntaxError
	var own *Error
	switch {
	case errors.As(err, &own):
		own.File = r.file
		return own
	case errors.Is(err, errTooLarge):
		return r.errorf(ruleLimit, "the file is larger than %d octets", r.limits.octets)
	case errors.Is(err, errLongToken):
		return r.errorf(ruleLimit, "a text, comment or tag is longer than %d octets", r.in.most)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax) && syntax.Msg == "unexpected EOF":
		return &Error{File: r.file, Line: r.at, Rule: rules[ruleMalformed].ID, Msg: "it ends before </SCL>", Hint: "the file may be cut off, or empty: export it again"}
	case errors.As(err, &syntax):
		return &Error{File: r.file, Line: syntax.Line, Rule: rules[ruleMalformed].ID, Msg: "not well-formed XML: " + clip(syntax.Msg), Hint: rules[ruleMalformed].Hint}
	}
	return r.errorf(ruleUnreadable, "%s", strings.TrimPrefix(err.Error(), "xml: "))
}

// children calls f for each element directly below the one just started, up to its end. f reads its element to
// its end, by children, content or skip.
func (r *reader) children(f func(xml.StartElement) error) error {
	for {
		tok, err := r.token()
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if tok.Name.Space != r.space {
				err = r.skip()
			} else {
				err = f(tok)
			}
			if err != nil {
				return err
			}
		}
	}
}

// skip reads to the end of the element just started.
func (r *reader) skip() error {
	for end := r.depth - 1; r.depth > end; {
		if _, err := r.token(); err != nil {
			return err
		}
	}
	return nil
}

// content reads to the end of the element just started and gives its character data, without white space around it.
func (r *reader) content() (string, error) {
	var b strings.Builder
	for end := r.depth - 1; r.depth > end; {
		tok, err := r.token()
		if err != nil {
			return "", err
		}
		if data, ok := tok.(xml.CharData); ok && r.depth == end+1 {
			b.Write(data)
		}
	}
	return r.once(strings.TrimSpace(b.String())), nil
}

// attr is the attribute called local, or "".
func (r *reader) attr(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local && a.Name.Space == "" {
			return r.once(a.Value)
		}
	}
	return ""
}

// once keeps one copy of what a file says a thousand times.
func (r *reader) once(s string) string {
	const longest, most = 64, 100_000
	if len(s) > longest {
		return s
	}
	if kept, ok := r.strings[s]; ok {
		return kept
	}
	if len(r.strings) < most {
		r.strings[s] = s
	}
	return s
}
