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
	token    int // octets of one text, comment or tag
	elements int
	depth    int
}

// largest is far above what the largest substations need, and keeps a hostile file from taking the machine.
var largest = limits{octets: 128 << 20, token: 8 << 20, elements: 2_000_000, depth: 100}

const namespace = "http://www.iec.ch/61850/2003/SCL"

// reader walks the elements of a file. Elements of other namespaces and processing instructions are passed over.
type reader struct {
	limits   limits
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
	text, wrong, err := toUTF8(raw)
	if err != nil {
		return nil, "", rd.broken(err)
	}
	rd.text = text
	if at, by, found := unfit(text, l.token); found {
		rd.at = 1 + bytes.Count(text[:at], []byte("\n"))
		if by == ruleDoctype {
			return nil, "", rd.errorf(by, "a document type declaration is refused")
		}
		return nil, "", rd.errorf(by, "a text, comment or tag is longer than %d octets", l.token)
	}
	rd.dec = xml.NewDecoder(bytes.NewReader(text))
	rd.dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 now
	return rd, wrong, nil
}

var errTooLarge = errors.New("the file is too large")

// readAll reads at most so many octets; it makes room beforehand where r is a file.
func readAll(r io.Reader, most int64) ([]byte, error) {
	var b bytes.Buffer
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			b.Grow(int(min(info.Size(), most)) + bytes.MinRead)
		}
	}
	n, err := b.ReadFrom(io.LimitReader(r, most+1))
	if err == nil && n > most {
		err = errTooLarge
	}
	return b.Bytes(), err
}

// unfit finds what is refused unread: a document type declaration, and what would make the decoder hold more than most
// octets at once.
func unfit(text []byte, most int) (at int, by rule, found bool) {
	for at < len(text) {
		rest := text[at:]
		end := len(rest)
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			end = after(rest, "-->")
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			end = after(rest, "]]>")
		case bytes.HasPrefix(rest, []byte("<?")):
			end = after(rest, "?>")
		case bytes.HasPrefix(rest, []byte("<!")):
			return at, ruleDoctype, true
		default:
			if i := bytes.IndexByte(rest[1:], '<'); i >= 0 {
				end = 1 + i
			}
		}
		if end > most {
			return at, ruleLimit, true
		}
		at += end
	}
	return 0, 0, false
}

func after(text []byte, mark string) int {
	if i := bytes.Index(text, []byte(mark)); i >= 0 {
		return i + len(mark)
	}
	return len(text)
}

func (r *reader) errorf(by rule, format string, args ...any) error {
	return &Error{File: r.file, Line: r.at, Rule: rules[by].ID, Msg: fmt.Sprintf(format, args...), Hint: rules[by].Hint}
}

// token is the next start, end or text, checked against the bounds.
func (r *reader) token() (xml.Token, error) {
	for {
		r.at, _ = r.dec.InputPos()
		r.offset = int(r.dec.InputOffset())
		tok, err := r.dec.Token()
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
