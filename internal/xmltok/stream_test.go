package xmltok

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// samples has documents, good and bad, that visit every state of the scanner.
func samples() []string {
	docs := []string{
		`<?xml version='1.0' encoding="UTF-8"?> <p:a xmlns:p='u' xmlns="v" b='1&amp;2' p:c="ä€𐀀&#xE9;"><d/>text &lt;<![CDATA[]] ]]]>` +
			"\r\n" + `]&gt;<e f = '>' ></e > <g/></p:a> `,
		`<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'> <iq id='1'><q xmlns='x'/></iq> </stream:stream>`,
	}
	for _, m := range malformedDocuments {
		docs = append(docs, m.doc)
	}
	for _, a := range restrictedDocuments {
		docs = append(docs, a.doc)
	}
	for _, a := range wronglyEncoded {
		docs = append(docs, a.doc)
	}
	return docs
}

// outcome reads all of s and tells what came, the error included.
func outcome(s *Scanner) []string {
	lines, err := drain(s)
	return append(lines, fmt.Sprint(err))
}

func TestTokensAreTheSameHoweverTheInputIsSplit(t *testing.T) {
	limits := Limits{Depth: 3, NameLen: 60, MaxValue: 45, MaxText: 30, MaxToken: 150, MaxDocument: 200}
	for _, doc := range samples() {
		for _, l := range []Limits{{}, limits} {
			want := outcome(NewScanner(strings.NewReader(doc), l))
			for i := 1; i < len(doc); i++ {
				split := io.MultiReader(strings.NewReader(doc[:i]), strings.NewReader(doc[i:]))
				if diff := cmp.Diff(want, outcome(NewScanner(split, l))); diff != "" {
					t.Fatalf("split at %d (-whole +split):\n%s\ninput %q", i, diff, doc)
				}
			}
			dribble := iotest.OneByteReader(strings.NewReader(doc))
			if diff := cmp.Diff(want, outcome(NewScanner(dribble, l))); diff != "" {
				t.Fatalf("octet by octet (-whole +split):\n%s\ninput %q", diff, doc)
			}
			slow := &pausing{r: iotest.OneByteReader(strings.NewReader(doc))}
			if diff := cmp.Diff(want, outcome(NewScanner(slow, l))); diff != "" {
				t.Fatalf("with a silence before each octet (-whole +split):\n%s\ninput %q", diff, doc)
			}
		}
	}
}

// A pausing reader makes a pause before each Read of r.
type pausing struct {
	r      io.Reader
	paused bool
}

func (p *pausing) Read(b []byte) (int, error) {
	if p.paused = !p.paused; p.paused {
		return 0, ErrIdle
	}
	return p.r.Read(b)
}

func TestSilentScannerKeepsLittle(t *testing.T) {
	in := &pausing{r: &loop{head: []byte("<s>"), part: []byte("<a b='c'>" + strings.Repeat("x", 20<<10) + "</a>")}}
	s := NewScanner(in, Limits{})
	for range 10 {
		tok, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if tok.Name.Local != "a" {
			continue
		}
		if _, err := s.Inner(); err != nil {
			t.Fatal(err)
		}
		in.paused = false // the next Read makes a pause
		s.rest()
		if cap(s.buf) > idleBuffer || s.known != nil || s.attrs != nil || s.raw != nil {
			t.Errorf("in a silence it keeps a buffer of %d octets, and %v, %v, %v, want %d and nothing", cap(s.buf), s.known, s.attrs, s.raw, idleBuffer)
		}
	}
}

// A thrifty reader gives what it has, then fails the test when it is asked for more.
type thrifty struct {
	t    *testing.T
	have string
}

func (r *thrifty) Read(p []byte) (int, error) {
	if r.have == "" {
		r.t.Error("the scanner asks for more than the token needs")
		return 0, io.EOF
	}
	n := copy(p, r.have)
	r.have = r.have[n:]
	return n, nil
}

func TestCompleteTokensAreReturnedWithoutAnotherRead(t *testing.T) {
	r := &thrifty{t: t}
	s := NewScanner(r, Limits{})
	for _, step := range []struct{ input, want string }{
		{"<?xml version='1.0'?><stream xmlns='s'>", "<{s}stream"},
		{" <", ""}, // not complete: CDATA may follow
		{"p", `" "`},
		{"roceed/>", "<{s}proceed"},
		{"", ">{s}proceed"},
		{"<a>b</", "<{s}a"},
		{"", `"b"`},
		{"a>", ">{s}a"},
		{"</stream>", ">{s}stream"},
	} {
		if r.have += step.input; step.want == "" {
			continue
		}
		tok, err := s.Next()
		if err != nil || line(&tok) != step.want {
			t.Fatalf("got %s, %v, want %s", line(&tok), err, step.want)
		}
	}
}

func TestInnerIsReturnedWithoutAnotherRead(t *testing.T) {
	s := NewScanner(&thrifty{t: t, have: "<a><b><c/> </b>"}, Limits{})
	for range 2 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if raw, err := s.Inner(); err != nil || string(raw.Octets) != "<c/> " {
		t.Errorf("got %q, %v", raw.Octets, err)
	}
}

func TestBufferedCountsWhatNoTokenHasTaken(t *testing.T) {
	s := stream("<a><proceed/>injected")
	for _, want := range []int{len("<proceed/>injected"), len("injected"), len("injected")} {
		if _, err := s.Next(); err != nil || s.Buffered() != want {
			t.Errorf("got %d octets buffered, %v, want %d", s.Buffered(), err, want)
		}
	}
	s.Reset(strings.NewReader("<b/>"))
	if s.Buffered() != 0 {
		t.Errorf("got %d octets buffered behind a reset", s.Buffered())
	}
	if lines, err := drain(s); err != io.EOF || lines[0] != "<{}b" {
		t.Errorf("got %q, %v behind a reset", lines, err)
	}
}

func TestResetForgetsTheDocumentAndKeepsTheContext(t *testing.T) {
	s := NewBytesScanner([]byte("<p:a xmlns:p='u'><b>"), Limits{Depth: 2})
	s.SetDefaultNamespace("d")
	drain(s)
	s.ResetBytes([]byte("<a><p:b/></a>"))
	if lines, err := drain(s); len(lines) != 1 || lines[0] != "<{d}a" || err == io.EOF {
		t.Errorf("got %q, %v: a prefix outlives the document that declared it, or the default namespace does not", lines, err)
	}
	s.ResetBytes([]byte("<a><b><c/></b></a>"))
	if lines, err := drain(s); len(lines) != 2 || err == io.EOF {
		t.Errorf("got %q, %v: limits do not outlive a reset", lines, err)
	}
	s.Reset(strings.NewReader("<a/>"))
	if lines, err := drain(s); len(lines) != 2 || err != io.EOF {
		t.Errorf("got %q, %v of a stream after fragments", lines, err)
	}
}

func TestNamesOutliveTheInput(t *testing.T) {
	doc := []byte("<p:abc xmlns:p='uvw' p:def='1'/>")
	s := NewBytesScanner(doc, Limits{})
	tok, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	element, attr := tok.Name, tok.Attrs[0].Name
	clear(doc)
	if want := (Name{"uvw", "abc"}); element != want {
		t.Errorf("got %q, want %q", element, want)
	}
	if want := (Name{"uvw", "def"}); attr != want {
		t.Errorf("got %q, want %q", attr, want)
	}
}

func TestInputIsNotModified(t *testing.T) {
	doc := []byte("<a b='1\t2&amp;'>3\r\n&lt;<![CDATA[4]]></a>")
	before := bytes.Clone(doc)
	if _, err := drain(NewBytesScanner(doc, Limits{})); err != io.EOF || !bytes.Equal(doc, before) {
		t.Errorf("got %q, %v, want %q", doc, err, before)
	}
}

func TestLimitsMayChangeBetweenTokens(t *testing.T) {
	s := NewScanner(strings.NewReader("<s><a>12345</a><a>12345</a></s>"), Limits{MaxDocument: 12})
	next := func(n int) (err error) {
		for range n {
			_, err = s.Next()
		}
		return err
	}
	if err := next(4); err != nil {
		t.Fatal(err)
	}
	s.SetLimits(Limits{MaxDocument: 11})
	if err := next(3); err == nil {
		t.Errorf("a stanza larger than the new limit was read")
	}
	for _, left := range []int64{1, 3} {
		s = NewScanner(strings.NewReader("<s><a>12345</a></s>"), Limits{})
		if err := next(2); err != nil {
			t.Fatal(err)
		}
		s.SetLimits(Limits{MaxDocument: left})
		if err := next(1); err == nil {
			t.Errorf("a stanza that is larger already than the new limit of %d was read", left)
		}
	}
}

func TestLargestLimits(t *testing.T) {
	const most = math.MaxInt
	l := Limits{Depth: most, Attrs: most, Namespaces: most, NameLen: most, MaxValue: most, MaxText: most, MaxToken: most, MaxDocument: most}
	want := outcome(stream(samples()[0]))
	if diff := cmp.Diff(want, outcome(NewScanner(strings.NewReader(samples()[0]), l))); diff != "" {
		t.Errorf("default and largest limits (-default +largest):\n%s", diff)
	}
}

func TestEachStanzaHasTheWholeLimit(t *testing.T) {
	doc := "<s>" + strings.Repeat("<a>12345</a> ", 100) + "</s>"
	lines, err := drain(NewScanner(strings.NewReader(doc), Limits{MaxDocument: 12}))
	if err != io.EOF || len(lines) != 402 {
		t.Errorf("got %d tokens, %v", len(lines), err)
	}
	if lines, err = drain(NewScanner(strings.NewReader(doc), Limits{MaxDocument: 11})); len(lines) != 3 {
		t.Errorf("got %q, %v, want the stanza refused at its end tag", lines, err)
	}
}

func TestLargeBufferIsGivenUpWhenItIsNoLongerNeeded(t *testing.T) {
	large := "<a>" + strings.Repeat("x", 100<<10) + "</a>"
	in, out := io.Pipe()
	s := NewScanner(in, Limits{})
	go func() {
		for _, part := range []string{"<s>", large, "<a/>", "<b/>"} {
			io.WriteString(out, part)
		}
		out.Close()
	}()
	var last Token
	for last.Name.Local != "b" {
		tok, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		last = tok
	}
	if cap(s.buf) > keptBuffer {
		t.Errorf("got a buffer of %d octets after small stanzas, want at most %d", cap(s.buf), keptBuffer)
	}
}

func TestAwait(t *testing.T) {
	in := &pausing{r: iotest.OneByteReader(strings.NewReader("<s><a/> <b>x</b></s>"))}
	s := NewScanner(in, Limits{})
	var got []string
	for {
		silences := 0
		for s.Await() == ErrIdle {
			silences++
		}
		tok, err := s.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %v %s%s", silences, tok.Kind, tok.Name.Local, tok.Data))
	}
	// A silence is reported where no token has begun, and nothing is waited for where there is one.
	want := []string{"1 start s", "1 start a", "0 end a", "1 text  ", "0 start b", "1 text x", "0 end b", "1 end s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("silences and tokens (-want +got):\n%s", diff)
	}
	if s.Await() != nil {
		t.Error("it waits for what comes after the end")
	}
}
