package xmltok

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// drain reads all tokens of s as lines, such as `<{ns}a {}b="c"`, `"text"` and `>{ns}a`, and the error that ends them.
func drain(s *Scanner) ([]string, error) {
	var lines []string
	for {
		t, err := s.Next()
		if err != nil {
			return lines, err
		}
		lines = append(lines, line(&t))
	}
}

func line(t *Token) string {
	switch t.Kind {
	case Start:
		var b strings.Builder
		fmt.Fprintf(&b, "<{%s}%s", t.Name.Space, t.Name.Local)
		for _, a := range t.Attrs {
			fmt.Fprintf(&b, " {%s}%s=%q", a.Name.Space, a.Name.Local, a.Value)
		}
		return b.String()
	case End:
		return fmt.Sprintf(">{%s}%s", t.Name.Space, t.Name.Local)
	}
	return fmt.Sprintf("%q", t.Data)
}

func stream(doc string) *Scanner   { return NewScanner(strings.NewReader(doc), Limits{}) }
func fragment(doc string) *Scanner { return NewBytesScanner([]byte(doc), Limits{}) }

func TestTokensOfWellFormedDocuments(t *testing.T) {
	tests := []struct {
		name, doc string
		want      []string
	}{
		{"empty element", `<a/>`, []string{"<{}a", ">{}a"}},
		{"empty element with space", `<a />`, []string{"<{}a", ">{}a"}},
		{"end tag with space", "<a></a \t\r\n>", []string{"<{}a", ">{}a"}},
		{"declaration", `<?xml version='1.0'?><a/>`, []string{"<{}a", ">{}a"}},
		{"full declaration", "<?xml version=\"1.0\" encoding='utf-8' standalone='yes' ?>\n<a/>\n", []string{"<{}a", ">{}a"}},
		{"space around the root", " \n<a/>\r\n\t", []string{"<{}a", ">{}a"}},
		{"text", `<a>b c</a>`, []string{"<{}a", `"b c"`, ">{}a"}},
		{"predefined entities", `<a b='&lt;&gt;&amp;&apos;&quot;'>&lt;&gt;&amp;&apos;&quot;</a>`, []string{`<{}a {}b="<>&'\""`, `"<>&'\""`, ">{}a"}},
		{"character references", `<a>&#65;&#x42;&#x000043;&#x10FFFF;&#9;&#10;&#13;</a>`, []string{"<{}a", `"ABC\U0010ffff\t\n\r"`, ">{}a"}},
		{"line ends in text", "<a>1\r2\r\n3\n4\r\r\n</a>", []string{"<{}a", `"1\n2\n3\n4\n\n"`, ">{}a"}},
		{"white space in values", "<a b='1\t2\n3\r4\r\n5&#9;&#10;&#13;'/>", []string{`<{}a {}b="1 2 3 4 5\t\n\r"`, ">{}a"}},
		{"quotes in values", `<a b='"' c="'" d='>'/>`, []string{`<{}a {}b="\"" {}c="'" {}d=">"`, ">{}a"}},
		{"space around equals signs", "<a b\n=\t'1'\r\nc = \"2\"/>", []string{`<{}a {}b="1" {}c="2"`, ">{}a"}},
		{"empty value", `<a b=''/>`, []string{`<{}a {}b=""`, ">{}a"}},
		{"CDATA", `<a><![CDATA[<b>&amp;]] >]]]]></a>`, []string{"<{}a", `"<b>&amp;]] >]]"`, ">{}a"}},
		{"CDATA amid text is one run", `<a>1<![CDATA[2]]>3<![CDATA[]]><![CDATA[4]]></a>`, []string{"<{}a", `"1234"`, ">{}a"}},
		{"CDATA with line ends", "<a><![CDATA[\r\n\r]]></a>", []string{"<{}a", `"\n\n"`, ">{}a"}},
		{"empty CDATA is no text", `<a><![CDATA[]]></a>`, []string{"<{}a", ">{}a"}},
		{"brackets in text", `<a>]] ]>]]&gt;</a>`, []string{"<{}a", `"]] ]>]]>"`, ">{}a"}},
		{"brackets split by CDATA", `<a>]<![CDATA[]]]>]&gt;</a>`, []string{"<{}a", `"]]]>"`, ">{}a"}},
		{"brackets before a CDATA's close and after", `<a><![CDATA[]]]]>></a>`, []string{"<{}a", `"]]>"`, ">{}a"}},
		{"default namespace", `<a xmlns='u'><b/><c xmlns=''/><d xmlns='v'/><e/></a>`,
			[]string{"<{u}a", "<{u}b", ">{u}b", "<{}c", ">{}c", "<{v}d", ">{v}d", "<{u}e", ">{u}e", ">{u}a"}},
		{"prefixes", `<p:a xmlns:p='u' p:x='1' x='2'><p:b xmlns:p='v'/><p:c/></p:a>`,
			[]string{`<{u}a {u}x="1" {}x="2"`, "<{u}c", ">{u}c", ">{u}a"}},
		{"default namespace is not for attributes", `<a xmlns='u' xmlns:p='u' x='1' p:x='2'/>`, []string{`<{u}a {}x="1" {u}x="2"`, ">{u}a"}},
		{"declared behind its use", `<p:a p:x='1' xmlns:p='u'/>`, []string{`<{u}a {u}x="1"`, ">{u}a"}},
		{"prefix xml", `<a xml:lang='en'><xml:b/></a>`,
			[]string{`<{}a {` + XMLNamespace + `}lang="en"`, "<{" + XMLNamespace + "}b", ">{" + XMLNamespace + "}b", ">{}a"}},
		{"prefix xml declared as it is", `<a xmlns:xml='` + XMLNamespace + `' xml:lang='en'/>`, []string{`<{}a {` + XMLNamespace + `}lang="en"`, ">{}a"}},
		{"namespace name with references", `<a xmlns='u&amp;&#118;'/>`, []string{"<{u&v}a", ">{u&v}a"}},
		{"names", `<ä·-.9_/>`, []string{"<{}ä·-.9_", ">{}ä·-.9_"}},
		{"long name", `<` + strings.Repeat("n", 256) + `/>`, []string{"<{}" + strings.Repeat("n", 256), ">{}" + strings.Repeat("n", 256)}},
		{"characters at the edges", "<a>\u0085\ud7ff\ue000\ufffd\U00010000\U0001fffe\U0010ffff\x7f</a>",
			[]string{"<{}a", `"\u0085\ud7ff\ue000` + "\ufffd" + `𐀀\U0001fffe\U0010ffff\x7f"`, ">{}a"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if tc.name == "prefixes" {
				// A stream's root keeps its prefixes: see TestX4.
				got, err := drain(fragment(tc.doc))
				want := append([]string{tc.want[0], "<{v}b", ">{v}b"}, tc.want[1:]...)
				if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
					t.Errorf("tokens (-want +got), error %v:\n%s\ninput %s", err, diff, tc.doc)
				}
				return
			}
			got, err := drain(stream(tc.doc))
			if diff := cmp.Diff(tc.want, got); diff != "" || err != io.EOF {
				t.Errorf("tokens (-want +got), error %v:\n%s\ninput %s", err, diff, tc.doc)
			}
		})
	}
}

func TestFragmentsAreSequencesOfElementsAndText(t *testing.T) {
	tests := []struct {
		name, doc, outer string
		want             []string
	}{
		{"nothing", "", "u", nil},
		{"text only", "a&amp;b\r", "u", []string{`"a&b\n"`}},
		{"several elements", " <a/><b>1</b> ", "u", []string{`" "`, "<{u}a", ">{u}a", "<{u}b", `"1"`, ">{u}b", `" "`}},
		{"no outer namespace", "<a/>", "", []string{"<{}a", ">{}a"}},
		{"own namespace", "<a xmlns='v'><b/></a><c/>", "u", []string{"<{v}a", "<{v}b", ">{v}b", ">{v}a", "<{u}c", ">{u}c"}},
		{"prefix bound twice", "<p:a xmlns:p='u'><p:b xmlns:p='v'/></p:a>", "", []string{"<{u}a", "<{v}b", ">{v}b", ">{u}a"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := NewBytesScanner([]byte(tc.doc), Limits{})
			s.SetDefaultNamespace(tc.outer)
			got, err := drain(s)
			if diff := cmp.Diff(tc.want, got); diff != "" || err != io.EOF {
				t.Errorf("tokens (-want +got), error %v:\n%s\ninput %s", err, diff, tc.doc)
			}
		})
	}
}

// A malformed is a document that is refused, with the offset of the octet at which that is known.
type malformed struct {
	name, doc string
	kind      ErrorKind
	offset    int64
}

var malformedDocuments = []malformed{
	{"text before the root", `a<a/>`, NotWellFormed, 0},
	{"text behind the root", `<a/>b`, NotWellFormed, 4},
	{"second root", `<a/><b/>`, NotWellFormed, 4},
	{"reference outside the root", `&#32;<a/>`, NotWellFormed, 0},
	{"CDATA outside the root", `<![CDATA[ ]]><a/>`, NotWellFormed, 0},
	{"byte order mark", "\ufeff<a/>", NotWellFormed, 0},
	{"end tag alone", `</a>`, NotWellFormed, 0},
	{"end tag of another", `<a></b>`, NotWellFormed, 5},
	{"end tag longer", `<a></ab>`, NotWellFormed, 5},
	{"end tag shorter", `<ab></a>`, NotWellFormed, 6},
	{"end tag with other prefix", `<p:a xmlns:p='u' xmlns:q='u'></q:a>`, NotWellFormed, 31},
	{"end tag with an attribute", `<a></a b='1'>`, NotWellFormed, 7},
	{"end tag with slash", `<a></a/>`, NotWellFormed, 6},
	{"crossed tags", `<a><b></a></b>`, NotWellFormed, 8},
	{"space before a name", `< a/>`, NotWellFormed, 1},
	{"no name", `<>`, NotWellFormed, 1},
	{"space in an empty-element tag's end", `<a/ >`, NotWellFormed, 3},
	{"less-than in a tag", `<a <b/>`, NotWellFormed, 3},
	{"name begins with a digit", `<1/>`, NotWellFormed, 1},
	{"name begins with a hyphen", `<-a/>`, NotWellFormed, 1},
	{"name with a forbidden character", `<a×/>`, NotWellFormed, 2},
	{"name begins with a combining character", "<\u0300/>", NotWellFormed, 1},
	{"name begins with a colon", `<:a/>`, NotWellFormed, 1},
	{"name ends with a colon", `<a:/>`, NotWellFormed, 3},
	{"name with two colons", `<p:a:b xmlns:p='u'/>`, NotWellFormed, 4},
	{"local part begins with a digit", `<p:1 xmlns:p='u'/>`, NotWellFormed, 3},
	{"attribute name with two colons", `<a xmlns:p='u' p:b:c='1'/>`, NotWellFormed, 18},
	{"declared prefix with two colons", `<a xmlns:p:q='u'/>`, NotWellFormed, 10},
	{"undeclared prefix", `<p:a/>`, NotWellFormed, 1},
	{"undeclared prefix of an attribute", `<a p:b='1'/>`, NotWellFormed, 3},
	{"prefix out of scope", `<a><b xmlns:p='u'/><p:c/></a>`, NotWellFormed, 20},
	{"prefix undeclared", `<a xmlns:p='u' xmlns:p=''/>`, NotWellFormed, 15},
	{"prefix xml for another namespace", `<a xmlns:xml='u'/>`, NotWellFormed, 3},
	{"another prefix for the namespace of xml", `<a xmlns:p='` + XMLNamespace + `'/>`, NotWellFormed, 3},
	{"default namespace that of xml", `<a xmlns='` + XMLNamespace + `'/>`, NotWellFormed, 3},
	{"prefix xmlns declared", `<a xmlns:xmlns='u'/>`, NotWellFormed, 3},
	{"prefix xmlns declared as it is", `<a xmlns:xmlns='` + xmlnsNamespace + `'/>`, NotWellFormed, 3},
	{"another prefix for the namespace of xmlns", `<a xmlns:p='` + xmlnsNamespace + `'/>`, NotWellFormed, 3},
	{"element with prefix xmlns", `<xmlns:a/>`, NotWellFormed, 1},
	{"attribute without value", `<a b/>`, NotWellFormed, 4},
	{"attribute value without quotes", `<a b=1/>`, NotWellFormed, 5},
	{"attributes without space", `<a b='1'c='2'/>`, NotWellFormed, 8},
	{"less-than in a value", `<a b='<'/>`, NotWellFormed, 6},
	{"same attribute twice", `<a b='1' b='1'/>`, NotWellFormed, 9},
	{"same attribute by namespace", `<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>`, NotWellFormed, 35},
	{"same declaration twice", `<a xmlns:p='u' xmlns:p='u'/>`, NotWellFormed, 15},
	{"same default declaration twice", `<a xmlns='u' xmlns='u'/>`, NotWellFormed, 13},
	{"CDATA's end in text", `<a>b]]>c</a>`, NotWellFormed, 4},
	{"CDATA's end behind CDATA", `<a><![CDATA[]]>]]></a>`, NotWellFormed, 15},
	{"ampersand alone", `<a>& </a>`, NotWellFormed, 4},
	{"reference without semicolon", `<a>&amp </a>`, NotWellFormed, 7},
	{"reference with a bad name", `<a>&1;</a>`, NotWellFormed, 4},
	{"empty character reference", `<a>&#;</a>`, NotWellFormed, 5},
	{"empty hexadecimal reference", `<a>&#x;</a>`, NotWellFormed, 6},
	{"capital X", `<a>&#X41;</a>`, NotWellFormed, 5},
	{"hexadecimal digit in a decimal reference", `<a>&#4A;</a>`, NotWellFormed, 6},
	{"reference to NUL", `<a>&#0;</a>`, NotWellFormed, 3},
	{"reference to a control", `<a>&#x1F;</a>`, NotWellFormed, 3},
	{"reference to a surrogate", `<a>&#xD800;</a>`, NotWellFormed, 3},
	{"reference to U+FFFE", `<a>&#xFFFE;</a>`, NotWellFormed, 3},
	{"reference beyond Unicode", `<a>&#x110000;</a>`, NotWellFormed, 3},
	{"reference that overflows", `<a>&#x10000000000000041;</a>`, NotWellFormed, 3},
	{"control character", "<a>\x01</a>", NotWellFormed, 3},
	{"control character in a value", "<a b='\x1f'/>", NotWellFormed, 6},
	{"control character in CDATA", "<a><![CDATA[\x0b]]></a>", NotWellFormed, 12},
	{"U+FFFE", "<a>\ufffe</a>", NotWellFormed, 3},
	{"U+FFFF in a value", "<a b='\uffff'/>", NotWellFormed, 6},
	{"malformed CDATA", `<a><![cdata[]]></a>`, NotWellFormed, 3},
	{"markup declaration in content", `<a><!ELEMENT a></a>`, NotWellFormed, 3},
	{"XML declaration without version", `<?xml encoding='UTF-8'?><a/>`, NotWellFormed, 0},
	{"XML 1.1", `<?xml version='1.1'?><a/>`, NotWellFormed, 6},
	{"XML declaration in the wrong order", `<?xml version='1.0' standalone='no' encoding='UTF-8'?><a/>`, NotWellFormed, 36},
	{"XML declaration with a stranger", `<?xml version='1.0' x='y'?><a/>`, NotWellFormed, 20},
	{"standalone neither yes nor no", `<?xml version='1.0' standalone='maybe'?><a/>`, NotWellFormed, 20},
	{"XML declaration without space", `<?xml version='1.0'encoding='UTF-8'?><a/>`, NotWellFormed, 19},
	{"XML declaration with a reference", `<?xml version='1&#46;0'?><a/>`, NotWellFormed, 0},
	{"XML declaration not closed", `<?xml version='1.0'? ><a/>`, NotWellFormed, 20},
	{"other encoding", `<?xml version='1.0' encoding='UTF-16'?><a/>`, Encoding, 20},
	{"Latin-1 declared", `<?xml version='1.0' encoding='ISO-8859-1'?><a/>`, Encoding, 20},
}

func TestMalformedDocumentsAreRefusedWithKindAndOffset(t *testing.T) {
	for _, tc := range malformedDocuments {
		t.Run(tc.name, func(t *testing.T) { checkRefused(t, stream(tc.doc), tc) })
	}
}

// checkRefused checks that s refuses tc.doc, and that it stays refused.
func checkRefused(t *testing.T, s *Scanner, tc malformed) {
	t.Helper()
	lines, err := drain(s)
	var got *SyntaxError
	if !errors.As(err, &got) || got.Kind != tc.kind || got.Offset != tc.offset {
		t.Fatalf("got %v after %q, want %v at %d\ninput %.200q", err, lines, tc.kind, tc.offset, tc.doc)
	}
	if _, again := s.Next(); again != err {
		t.Errorf("got %v after the error %v\ninput %.200q", again, err, tc.doc)
	}
	if _, again := s.Inner(); again != err {
		t.Errorf("Inner: got %v after the error %v\ninput %.200q", again, err, tc.doc)
	}
}

func TestInputThatEndsEarlyIsAnUnexpectedEOF(t *testing.T) {
	const doc = `<?xml version='1.0'?><a b='&amp;' xmlns:c="d"> &#65; <![CDATA[ ]]> <e/>ä</a>`
	for i := 1; i < len(doc); i++ {
		_, err := drain(stream(doc[:i]))
		if !errors.Is(err, io.ErrUnexpectedEOF) && !strings.HasPrefix(doc[i:], "\xa4") {
			t.Errorf("got %v, want an unexpected EOF\ninput %q", err, doc[:i])
		}
	}
	for _, doc := range []string{"<", "<a", "<a>", "a<", "<a/", "a&", "a&amp", "a<![CDATA[b"} {
		if _, err := drain(fragment(doc)); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want an unexpected EOF\nfragment %q", err, doc)
		}
	}
	if _, err := drain(stream("")); err != io.EOF {
		t.Errorf("got %v from nothing, want EOF", err)
	}
}

func TestXMLDeclarationIsForTheStartOfAStreamOnly(t *testing.T) {
	const declaration = `<?xml version='1.0'?>`
	checkRefused(t, stream(" "+declaration+"<a/>"), malformed{kind: Restricted, offset: 1})
	checkRefused(t, stream("<a>"+declaration+"</a>"), malformed{kind: Restricted, offset: 3})
	checkRefused(t, stream(declaration+declaration+"<a/>"), malformed{kind: Restricted, offset: int64(len(declaration))})
	checkRefused(t, fragment(declaration+"<a/>"), malformed{kind: Restricted, offset: 0})
}

func TestOffsetsAndDepth(t *testing.T) {
	s := stream(`<a>x<b c='d'/></a>`)
	want := []struct {
		kind   Kind
		offset int64
		depth  int
		raw    string
	}{{Start, 0, 1, "<a>"}, {Text, 3, 1, ""}, {Start, 4, 2, "<b c='d'/>"}, {End, 12, 1, ""}, {End, 14, 0, ""}}
	for _, w := range want {
		tok, err := s.Next()
		if err != nil || tok.Kind != w.kind || tok.Offset != w.offset || s.Depth() != w.depth || string(s.RawStart()) != w.raw {
			t.Errorf("got %v at %d, depth %d, raw %q, %v; want %v", tok.Kind, tok.Offset, s.Depth(), s.RawStart(), err, w)
		}
	}
}

func TestAttrFindsByNamespaceAndName(t *testing.T) {
	s := fragment(`<a x='1' p:x='2' xmlns:p='u'/>`)
	tok, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		space, local, want string
		ok                 bool
	}{{"", "x", "1", true}, {"u", "x", "2", true}, {"v", "x", "", false}, {"", "xmlns", "", false}} {
		if got, ok := tok.Attr(tc.space, tc.local); string(got) != tc.want || ok != tc.ok {
			t.Errorf("Attr(%q, %q) = %q, %v, want %q, %v", tc.space, tc.local, got, ok, tc.want, tc.ok)
		}
	}
}

func TestErrorsNameThePathWithinBounds(t *testing.T) {
	_, err := drain(stream(`<a><p:b xmlns:p='u'><c></d></p:b></a>`))
	if want := "xml: not well-formed at offset 25 in /a/p:b/c: end tag does not match <c>"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	_, err = drain(stream(strings.Repeat("<"+strings.Repeat("n", 100)+">", 9) + "<>"))
	var got *SyntaxError
	if !errors.As(err, &got) || len(got.Path) > maxPath+len("…") || !strings.HasPrefix(got.Path, "…/n") {
		t.Errorf("got path %q of %d octets", got.Path, len(got.Path))
	}
}

func TestKindsHaveNames(t *testing.T) {
	got := fmt.Sprint(Start, End, Text, Kind(0), NotWellFormed, Restricted, Encoding, Limit, NotCanonical, ErrorKind(0))
	want := "start end text none not well-formed restricted XML unsupported encoding limit exceeded not canonical unknown"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReaderErrorsComeThrough(t *testing.T) {
	broken := errors.New("broken")
	s := NewScanner(io.MultiReader(strings.NewReader("<a><b/"), iotest.ErrReader(broken)), Limits{})
	if lines, err := drain(s); err != broken || len(lines) != 1 {
		t.Errorf("got %q, %v, want one token, then %v", lines, err, broken)
	}
	s.Reset(iotest.DataErrReader(strings.NewReader("<a/>")))
	if lines, err := drain(s); err != io.EOF || len(lines) != 2 {
		t.Errorf("got %q, %v from data that come with EOF", lines, err)
	}
	s.Reset(stuck{})
	if _, err := s.Next(); err != io.ErrNoProgress {
		t.Errorf("got %v from a reader that returns nothing, want %v", err, io.ErrNoProgress)
	}
}

// stuck is a reader that returns neither octets nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }
