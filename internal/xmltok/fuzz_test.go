package xmltok

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// FuzzScan compares the scanner with encoding/xml: what both accept has the same tokens. They are meant to differ in that
// encoding/xml takes much that we refuse, in names of characters that XML 1.0 allows since its fifth edition, and in white space
// of attribute values, which encoding/xml does not normalise. The scanner is also compared with itself: octet by octet, and over
// the content of the root element as a fragment.
func FuzzScan(f *testing.F) {
	for _, doc := range samples() {
		f.Add([]byte(doc))
	}
	f.Add(report(f)[:700])
	f.Add([]byte("<a xmlns='u\tv' b='\r\n'/>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := drain(NewScanner(bytes.NewReader(doc), Limits{}))
		slow, slowErr := drain(NewScanner(iotest.OneByteReader(bytes.NewReader(doc)), Limits{}))
		if diff := different(append(got, fmt.Sprint(err)), append(slow, fmt.Sprint(slowErr))); diff != "" {
			t.Fatalf("whole and octet by octet (-whole +slow):\n%s\ninput %q", diff, doc)
		}
		var syntax *SyntaxError
		if err != io.EOF && !errors.As(err, &syntax) {
			t.Fatalf("got %v\ninput %q", err, doc)
		}
		if err != io.EOF || len(got) == 0 {
			return
		}
		checkRaw(t, doc, got)
		want, err := standardTokens(doc)
		if err != nil {
			if !beyondStandard(doc) {
				t.Fatalf("encoding/xml refuses what we accept: %v\ninput %q", err, doc)
			}
			return
		}
		if diff := different(want, blanked(doc)); diff != "" {
			t.Fatalf("tokens (-encoding/xml +ours):\n%s\ninput %q", diff, doc)
		}
	})
}

// different is cmp.Diff, which is asked only where there is a difference: it is slow.
func different(want, got []string) string {
	if slices.Equal(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// checkRaw checks that the root's content, taken raw and read again without its surroundings, has the tokens want.
func checkRaw(t *testing.T, doc []byte, want []string) {
	s := NewScanner(bytes.NewReader(doc), Limits{})
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	raw, err := s.Inner()
	if err != nil {
		t.Fatalf("Inner: %v\ninput %q", err, doc)
	}
	alone, err := raw.AppendSelfContained(nil, "outer")
	if err != nil {
		return // larger than a stanza
	}
	if raw.SelfContained && raw.Default == "outer" && !bytes.Equal(alone, raw.Octets) {
		t.Fatalf("got %q of self-contained %q", alone, raw.Octets)
	}
	inner := NewBytesScanner(alone, Limits{})
	inner.SetDefaultNamespace("outer")
	got, err := drain(inner)
	if diff := different(want[1:len(want)-1], got); err != io.EOF || len(got) > 0 && diff != "" {
		t.Fatalf("content alone (-in context +alone), error %v:\n%s\ninput %q\nalone %q", err, diff, doc, alone)
	}
}

// blanked returns the tokens of doc with all white space of values but CR as blanks.
func blanked(doc []byte) (lines []string) {
	for s := NewScanner(bytes.NewReader(doc), Limits{}); ; {
		t, err := s.Next()
		if err != nil {
			return lines
		}
		lines = append(lines, blankedLine(&t))
	}
}

// blankedLine is line for blanked. Namespace names are values too.
func blankedLine(t *Token) string {
	blanks := strings.NewReplacer("\t", " ", "\n", " ")
	t.Name.Space = blanks.Replace(t.Name.Space)
	for i := range t.Attrs {
		a := &t.Attrs[i]
		a.Name.Space, a.Value = blanks.Replace(a.Name.Space), []byte(blanks.Replace(string(a.Value)))
	}
	return line(t)
}

// standardTokens reads doc with encoding/xml, with text in whole runs and values as blanked has them.
func standardTokens(doc []byte) (lines []string, err error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	var text []byte
	depth := 0
	for {
		token, err := d.Token()
		if _, more := token.(xml.CharData); !more && len(text) > 0 {
			if depth > 0 {
				lines = append(lines, fmt.Sprintf("%q", text))
			}
			text = nil
		}
		if err == io.EOF {
			return lines, nil
		} else if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			start := Token{Kind: Start, Name: Name(token.Name)}
			for _, a := range token.Attr {
				if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
					start.Attrs = append(start.Attrs, Attr{Name(a.Name), []byte(a.Value)})
				}
			}
			lines = append(lines, blankedLine(&start))
		case xml.EndElement:
			depth--
			lines = append(lines, blankedLine(&Token{Kind: End, Name: Name(token.Name)}))
		case xml.CharData:
			text = append(text, token...)
		}
	}
}

// beyondStandard reports whether doc may have names that encoding/xml does not know.
func beyondStandard(doc []byte) bool {
	for _, c := range doc {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// FuzzCanonicalize checks that a canonical form is its own canonical form and has the tokens of what it was made of.
func FuzzCanonicalize(f *testing.F) {
	for _, doc := range samples() {
		f.Add([]byte(doc), "e")
	}
	f.Add([]byte("<a> <b c=\"&lt;\"/><![CDATA[ ]]><d>&#x20;x</d></a>"), "e")
	f.Fuzz(func(t *testing.T, doc []byte, outer string) {
		once, err := Canonicalize(nil, doc, outer, Limits{})
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("got %v\ninput %q", err, doc)
			}
			return
		}
		twice, err := Canonicalize(nil, once, outer, Limits{})
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("got %q, %v, want itself\ncanonical form %q\ninput %q", twice, err, once, doc)
		}
		if diff := different(meaning(t, doc, outer), meaning(t, once, outer)); diff != "" {
			t.Fatalf("tokens (-input +canonical form):\n%s\ninput %q\ncanonical form %q", diff, doc, once)
		}
	})
}

// meaning returns the tokens of a fragment without white space between elements.
func meaning(t *testing.T, doc []byte, outer string) (kept []string) {
	s := NewBytesScanner(doc, Limits{})
	s.SetDefaultNamespace(outer)
	lines, err := drain(s)
	if err != io.EOF {
		t.Fatalf("%v\ninput %q", err, doc)
	}
	for i, l := range lines {
		leaf := i > 0 && i+1 < len(lines) && lines[i-1][0] == '<' && lines[i+1][0] == '>'
		if l[0] != '"' || leaf {
			kept = append(kept, l)
		}
	}
	return kept
}

// A node is an element that has a canonical form.
type node struct {
	space, local string
	attr         *string
	text         string
	children     []*node
}

var (
	genSpace = rapid.SampledFrom([]string{"e", "f", "urn:x&y'z"})
	genLocal = rapid.SampledFrom([]string{"a", "b", "long-name.1", "ä"})
	genText  = rapid.StringOf(rapid.SampledFrom([]rune("ab <>&'\"\n\t]€𐀀")))
	genValue = rapid.StringOf(rapid.SampledFrom([]rune("ab <>&'\"€")))
)

func genNode(t *rapid.T, parent string, depth int) *node {
	n := &node{space: parent, local: genLocal.Draw(t, "name")}
	if rapid.IntRange(0, 2).Draw(t, "other namespace") == 0 {
		n.space = genSpace.Draw(t, "namespace")
	}
	if n.space == parent && rapid.Bool().Draw(t, "has attribute") {
		v := genValue.Draw(t, "value")
		n.attr = &v
	}
	if depth == 0 || rapid.Bool().Draw(t, "leaf") {
		n.text = genText.Draw(t, "text")
		return n
	}
	for range rapid.IntRange(1, 3).Draw(t, "children") {
		n.children = append(n.children, genNode(t, n.space, depth-1))
	}
	return n
}

// write writes n with w.
func (n *node) write(w *writer) {
	w.start(n.space, n.local)
	if n.attr != nil {
		w.attr("attr", []byte(*n.attr))
	}
	w.text([]byte(n.text))
	for _, c := range n.children {
		c.write(w)
	}
	w.end()
}

// spell writes n in one of the many ways that mean the same.
func (n *node) spell(t *rapid.T, b *strings.Builder, inherited string) {
	coin := func(label string) bool { return rapid.Bool().Draw(t, label) }
	blank := func() {
		b.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n", "\t\r\n"}).Draw(t, "blank"))
	}
	prefix, def := "", inherited
	fmt.Fprint(b, "<")
	if coin("prefixed") {
		prefix = rapid.SampledFrom([]string{"p:", "q:"}).Draw(t, "prefix")
	} else {
		def = n.space
	}
	fmt.Fprint(b, prefix, n.local)
	if prefix != "" {
		fmt.Fprintf(b, " xmlns:%s=%s", prefix[:1], quoted(t, n.space))
	} else if inherited != n.space || coin("declared again") {
		fmt.Fprintf(b, " \n xmlns =\t%s", quoted(t, n.space))
	}
	if n.attr != nil {
		fmt.Fprint(b, " attr = ", quoted(t, *n.attr))
	}
	blank()
	if n.text == "" && n.children == nil && coin("empty-element tag") {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	if n.children == nil {
		b.WriteString(escaped(t, n.text, true))
	}
	for _, c := range n.children {
		blank()
		c.spell(t, b, def)
		blank()
	}
	fmt.Fprint(b, "</", prefix, n.local)
	blank()
	b.WriteString(">")
}

func quoted(t *rapid.T, s string) string {
	q := rapid.SampledFrom([]string{"'", `"`}).Draw(t, "quote")
	return q + escaped(t, s, false) + q
}

// escaped spells each character of s in one of its ways.
func escaped(t *rapid.T, s string, text bool) string {
	var b strings.Builder
	for _, r := range s {
		ways := []string{fmt.Sprintf("&#%d;", r), fmt.Sprintf("&#x%X;", r), fmt.Sprintf("&#x000%x;", r)}
		named := reference(byte(r))
		if r >= 0x80 || named == "" || r == '\t' || r == '\n' {
			ways = append(ways, string(r))
		} else {
			ways = append(ways, named)
		}
		if text {
			ways = append(ways, "<![CDATA["+string(r)+"]]>")
		}
		b.WriteString(rapid.SampledFrom(ways).Draw(t, "spelling"))
	}
	return b.String()
}

func TestEverySpellingOfATreeHasTheFormThatWriterWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w writer
		w.reset(nil, "e")
		var spelled strings.Builder
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			n := genNode(t, "e", 4)
			n.write(&w)
			n.spell(t, &spelled, "e")
		}
		want, err := w.bytes()
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []string{string(want), spelled.String()} {
			got, err := Canonicalize(nil, []byte(in), "e", Limits{})
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %q, %v, want %q\ninput %q", got, err, want, in)
			}
		}
	})
}
