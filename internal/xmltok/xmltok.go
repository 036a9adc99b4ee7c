// Package xmltok reads XML strictly from a stream or from memory and writes it in one canonical form.
//
// Scanner yields start tags, end tags and text with namespaces resolved, references replaced and line ends normalised.
// It accepts what XML 1.0 and Namespaces in XML 1.0 call well-formed, without comments, processing instructions, document
// type declarations and entities other than the five predefined, and in UTF-8 only (RFC 6120, Section 11). Limits hold
// inside each token, so that memory stays bounded whatever arrives and however slowly.
//
// Canonicalize produces the canonical octets that end-to-end security signs.
package xmltok

import "math"

// Namespaces that the prefixes xml and xmlns stand for.
//
// Namespaces in XML 1.0, Section 3.
const (
	XMLNamespace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNamespace = "http://www.w3.org/2000/xmlns/"
)

// A Name is an expanded name. Its strings are safe to keep.
type Name struct {
	Space string // namespace name, "" for none
	Local string
}

// An Attr is one attribute of a start tag.
type Attr struct {
	Name  Name
	Value []byte // references replaced, white space normalised
}

// Kind says what a Token is.
type Kind uint8

const (
	Start Kind = iota + 1 // a start tag, or the first half of an empty-element tag
	End                   // an end tag, or the second half of an empty-element tag
	Text                  // one whole run of character data, CDATA sections included; never empty
)

func (k Kind) String() string {
	switch k {
	case Start:
		return "start"
	case End:
		return "end"
	case Text:
		return "text"
	}
	return "none"
}

// A Token is one piece of a document. Its slices may point into the scanner's input: they are valid until the next call of
// a Scanner method that reads, and must not be modified.
type Token struct {
	Kind   Kind
	Name   Name   // of Start and End
	Attrs  []Attr // of Start, without namespace declarations
	Data   []byte // of Text: references replaced, line ends normalised to LF
	Offset int64  // of its first octet in the input
}

// Attr returns the value of the attribute with that name and whether there is one.
func (t *Token) Attr(space, local string) ([]byte, bool) {
	for i := range t.Attrs {
		if a := &t.Attrs[i]; a.Name.Local == local && a.Name.Space == space {
			return a.Value, true
		}
	}
	return nil, false
}

// Limits bound what a Scanner accepts. A field that is not positive takes its default. All sizes are in octets as they stand
// in the input.
type Limits struct {
	Depth       int   // open elements; 64
	Attrs       int   // attributes and namespace declarations of one tag; 64
	Namespaces  int   // namespace declarations in scope; 64
	NameLen     int   // one qualified name; 256
	MaxValue    int   // one attribute value; 16 KiB
	MaxText     int   // one run of text; as MaxDocument
	MaxToken    int64 // one tag; 64 KiB
	MaxDocument int64 // of a stream: one child of the root element; of a fragment: all of it; 256 KiB, never over 2 GiB
}

func (l Limits) withDefaults() Limits {
	if l.MaxDocument <= 0 {
		l.MaxDocument = 256 << 10
	}
	l.MaxDocument = min(l.MaxDocument, math.MaxInt32)
	if l.MaxToken <= 0 {
		l.MaxToken = 64 << 10
	}
	// What is larger than the whole makes no difference, and cannot overflow when it is added to an index.
	most := int(l.MaxDocument)
	or := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
		*v = min(*v, most)
	}
	or(&l.Depth, 64)
	or(&l.Attrs, 64)
	or(&l.Namespaces, 64)
	or(&l.NameLen, 256)
	or(&l.MaxValue, 16<<10)
	or(&l.MaxText, most)
	return l
}
