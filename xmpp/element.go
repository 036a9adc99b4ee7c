package xmpp

import (
	"bytes"

	"busbar.example/internal/xmltok"
)

// element is one small element of the negotiation, read whole. The limits of
// the scanner bound it.
type element struct {
	name     xmltok.Name
	attrs    []attribute
	children []*element
	text     string // character data directly inside
}

type attribute struct {
	name  xmltok.Name
	value string
}

// readElement reads from behind the start tag start through the matching end tag.
func readElement(sc *xmltok.Scanner, start *xmltok.Token) (*element, error) {
	root := newElement(start)
	open := []*element{root}
	for len(open) > 0 {
		t, err := sc.Next()
		if err != nil {
			return nil, err
		}
		top := open[len(open)-1]
		switch t.Kind {
		case xmltok.Start:
			child := newElement(&t)
			top.children = append(top.children, child)
			open = append(open, child)
		case xmltok.Text:
			top.text += string(t.Data)
		case xmltok.End:
			open = open[:len(open)-1]
		}
	}
	return root, nil
}

func newElement(start *xmltok.Token) *element {
	el := &element{name: start.Name}
	for _, a := range start.Attrs {
		el.attrs = append(el.attrs, attribute{a.Name, string(a.Value)})
	}
	return el
}

// is reports whether el has that name.
func (el *element) is(space, local string) bool {
	return el.name.Space == space && el.name.Local == local
}

// child returns the first child of that name, or nil.
func (el *element) child(space, local string) *element {
	for _, c := range el.children {
		if c.is(space, local) {
			return c
		}
	}
	return nil
}

// attr returns the value of an attribute in no namespace, or "".
func (el *element) attr(local string) string {
	for _, a := range el.attrs {
		if a.name.Space == "" && a.name.Local == local {
			return a.value
		}
	}
	return ""
}

// blank reports whether b is white space as XML has it.
//
// XML 1.0, Section 2.3.
func blank(b []byte) bool { return len(bytes.Trim(b, " \t\r\n")) == 0 }
