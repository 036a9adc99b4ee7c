package scl

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// limits bound a file.
type limits struct {
	octets   int64
	elements int
	depth    int
}

// largest is far above what the largest substations need, and keeps a hostile file from taking the machine.
var largest = limits{octets: 128 << 20, elements: 2_000_000, depth: 100}

const namespace = "http://www.iec.ch/61850/2003/SCL"

// reader walks the elements of a file. Elements of other namespaces and processing instructions are passed over.
type reader struct {
	limits   limits
	dec      *xml.Decoder
	file     string
	space    string // the namespace of the top element: the standard's, or none at all
	depth    int
	elements int
}

func newReader(r io.Reader, l limits) *reader {
	rd := &reader{limits: l}
	if n, ok := r.(interface{ Name() string }); ok {
		rd.file = n.Name()
	}
	in := bufio.NewReader(&boundedReader{r: r, left: l.octets})
	if bom, _ := in.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		in.Discard(3)
	}
	rd.dec = xml.NewDecoder(in)
	rd.dec.CharsetReader = charset
	return rd
}

var errTooLarge = errors.New("the file is too large")

// boundedReader fails, where io.LimitReader would make the file look cut off.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	p = p[:min(int64(len(p)), b.left)]
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// charset reads ISO 8859-1, which some tools still write beside UTF-8.
func charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "utf-8", "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1":
		return &latin1{in: bufio.NewReader(in)}, nil
	}
	return nil, fmt.Errorf("the encoding %s is not read: save the file as UTF-8", quote(label))
}

// latin1 makes UTF-8 of ISO 8859-1.
type latin1 struct {
	in *bufio.Reader
}

func (l *latin1) Read(p []byte) (int, error) {
	n := 0
	for n+1 < len(p) {
		if n > 0 && l.in.Buffered() == 0 {
			break
		}
		c, err := l.in.ReadByte()
		if err != nil {
			if n > 0 {
				err = nil
			}
			return n, err
		}
		n += copy(p[n:], string(rune(c)))
	}
	return n, nil
}

func (r *reader) line() int {
	line, _ := r.dec.InputPos()
	return line
}

func (r *reader) errorf(hint, format string, args ...any) error {
	return &Error{File: r.file, Line: r.line(), Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// token is the next start, end or text, checked against the bounds.
func (r *reader) token() (xml.Token, error) {
	for {
		tok, err := r.dec.Token()
		if err != nil {
			return nil, r.broken(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			r.depth++
			r.elements++
			if r.depth > r.limits.depth {
				return nil, r.errorf("this is no SCL file", "<%s> is nested deeper than %d", clip(tok.Name.Local), r.limits.depth)
			}
			if r.elements > r.limits.elements {
				return nil, r.errorf("take a smaller extract, such as the CID of one IED", "the file has more than %d elements", r.limits.elements)
			}
			return tok, nil
		case xml.EndElement:
			r.depth--
			return tok, nil
		case xml.CharData:
			return tok, nil
		case xml.Directive:
			return nil, r.errorf("remove the DOCTYPE and its entities", "a document type declaration is refused")
		}
	}
}

// broken says what the decoder stumbled on.
func (r *reader) broken(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(err, errTooLarge):
		return r.errorf("take a smaller extract, such as the CID of one IED", "the file is larger than %d octets", r.limits.octets)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax) && syntax.Msg == "unexpected EOF":
		return r.errorf("the file may be cut off, or empty: export it again", "it ends before </SCL>")
	case errors.As(err, &syntax):
		return &Error{File: r.file, Line: syntax.Line, Msg: "not well-formed XML: " + clip(syntax.Msg), Hint: "export the file again, or correct that line"}
	}
	return &Error{File: r.file, Line: r.line(), Msg: strings.TrimPrefix(err.Error(), "xml: ")}
}

// children calls f for each element directly below the one just started, up to its end. f reads its element to
// its end, by children, text or skip.
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

// text reads to the end of the element just started and gives its character data, without white space around it.
func (r *reader) text() (string, error) {
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
	return strings.TrimSpace(b.String()), nil
}

// attr is the attribute called local, or "".
func attr(e xml.StartElement, local string) string {
	for _, a := range e.Attr {
		if a.Name.Local == local && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}
