package xmltok

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// enter reads n tokens of s.
func enter(t *testing.T, s *Scanner, n int) {
	t.Helper()
	for range n {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestInnerReturnsTheOctetsBetweenTwoTags(t *testing.T) {
	const head = `<s xmlns='d' xmlns:o='outer'>`
	tests := []struct {
		name, start, content string
		self                 bool
		want                 string // re-serialised for default namespace d
	}{
		{"nothing", "<a>", "", true, ""},
		{"text", "<a>", " x&amp;<![CDATA[<]]>\r\n", true, " x&amp;<![CDATA[<]]>\r\n"},
		{"elements", "<a>", `<b c="1" /> <d><e></e ></d>`, true, `<b c="1" /> <d><e></e ></d>`},
		{"elements of the same name", "<a>", `<a><a/></a><a/>`, true, `<a><a/></a><a/>`},
		{"own prefix", "<a>", `<p:b xmlns:p='u'><p:c/></p:b>`, true, `<p:b xmlns:p='u'><p:c/></p:b>`},
		{"prefix xml", "<a>", `<b xml:lang='en'/>`, true, `<b xml:lang='en'/>`},
		{"prefix of the stream", "<a>", `<o:b><o:c/></o:b><d/>`, false, `<o:b xmlns:o='outer'><o:c/></o:b><d/>`},
		{"prefix of the stream on an attribute", "<a>", `<b><c o:d='1'/></b>`, false, `<b xmlns:o='outer'><c o:d='1'/></b>`},
		{"prefix of the element itself", "<a xmlns:p='u'>", `<b><p:c/></b>`, false, `<b xmlns:p='u'><p:c/></b>`},
		{"prefix from outside, rebound inside", "<a xmlns:p='u'>", `<p:b p:x=''><p:c xmlns:p='v'/></p:b><p:d xmlns:p='v'/>`, false,
			`<p:b xmlns:p='u' p:x=''><p:c xmlns:p='v'/></p:b><p:d xmlns:p='v'/>`},
		{"two prefixes in two elements", "<a xmlns:p='u'>", `x<p:b o:x=''/>y<c><o:d/></c>`, false,
			`x<p:b xmlns:o='outer' xmlns:p='u' o:x=''/>y<c xmlns:o='outer'><o:d/></c>`},
		{"namespace name that needs escapes", "<a xmlns:p='u&amp;&apos;'>", `<p:b/>`, false, `<p:b xmlns:p='u&amp;&apos;'/>`},
		{"other default namespace", "<a xmlns='e'>", `<b/><c xmlns='f'/><p:d xmlns:p='g'><e/></p:d>`, true,
			`<b xmlns='e'/><c xmlns='f'/><p:d xmlns='e' xmlns:p='g'><e/></p:d>`},
		{"no default namespace", "<a xmlns=''>", `<b/>`, true, `<b xmlns=''/>`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			doc := head + tc.start + tc.content + "</a><next/></s>"
			s := stream(doc)
			enter(t, s, 2)
			raw, err := s.Inner()
			if err != nil || string(raw.Octets) != tc.content || raw.SelfContained != tc.self {
				t.Fatalf("got %q, self-contained %v, %v, want %q, %v", raw.Octets, raw.SelfContained, err, tc.content, tc.self)
			}
			got, err := raw.AppendSelfContained([]byte("before "), "d")
			if err != nil || string(got) != "before "+tc.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tc.want)
			}
			checkSameMeaning(t, doc, string(got[len("before "):]), "d")
			if tok, err := s.Next(); err != nil || tok.Name.Local != "next" || s.Depth() != 2 {
				t.Errorf("got %s, %v at depth %d behind the content, want next", line(&tok), err, s.Depth())
			}
		})
	}
}

// checkSameMeaning checks that alone, by itself in a default namespace, has the tokens that it has as content of doc's first
// element at depth 2.
func checkSameMeaning(t *testing.T, doc, alone, outer string) {
	t.Helper()
	s := stream(doc)
	enter(t, s, 2)
	var want []string
	for {
		tok, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if s.Depth() == 1 {
			break
		}
		want = append(want, line(&tok))
	}
	s = NewBytesScanner([]byte(alone), Limits{})
	s.SetDefaultNamespace(outer)
	got, err := drain(s)
	if diff := cmp.Diff(want, got); diff != "" || err != io.EOF {
		t.Errorf("meaning in context and alone (-context +alone), error %v:\n%s\ninput %s", err, diff, alone)
	}
}

func TestInnerOfAnEmptyElementTag(t *testing.T) {
	s := stream("<s><a/><b/></s>")
	enter(t, s, 2)
	if raw, err := s.Inner(); err != nil || len(raw.Octets) != 0 || !raw.SelfContained {
		t.Errorf("got %q, %v", raw.Octets, err)
	}
	if tok, err := s.Next(); err != nil || tok.Name.Local != "b" {
		t.Errorf("got %s, %v, want b", line(&tok), err)
	}
}

func TestInnerChecksTheContent(t *testing.T) {
	for _, tc := range malformedDocuments {
		if strings.Contains(tc.doc, "<?xml") || strings.Contains(tc.name, "root") || tc.offset == 0 {
			continue // content may have this, or it fails elsewhere
		}
		s := stream("<s><in>" + tc.doc + "</in></s>")
		enter(t, s, 2)
		_, err := s.Inner()
		var got *SyntaxError
		if !errors.As(err, &got) || got.Kind != tc.kind || got.Offset != tc.offset+int64(len("<s><in>")) {
			t.Errorf("%s: got %v, want %v at %d\ninput %q", tc.name, err, tc.kind, tc.offset+int64(len("<s><in>")), tc.doc)
		}
		if _, again := s.Next(); again != err {
			t.Errorf("%s: got %v after the error %v", tc.name, again, err)
		}
	}
}

func TestInnerIsForStartTagsOnly(t *testing.T) {
	s := stream("<a>b<c/></a>")
	if _, err := s.Inner(); err == nil {
		t.Error("got content before the first token")
	}
	for _, kind := range []Kind{Start, Text, Start, End, End} {
		tok, err := s.Next()
		if err != nil || tok.Kind != kind {
			t.Fatalf("got %v, %v, want %v", tok.Kind, err, kind)
		}
		if kind != Start {
			if _, err := s.Inner(); err == nil {
				t.Errorf("got content behind %v", kind)
			}
		}
	}
}

func TestInnerAcrossBuffers(t *testing.T) {
	content := strings.Repeat("<b c='d'>text</b> ", 2000)
	s := NewScanner(strings.NewReader("<s> <x/>"+strings.Repeat("<a>"+content+"</a>", 5)+"</s>"), Limits{})
	enter(t, s, 4)
	for range 5 {
		enter(t, s, 1)
		raw, err := s.Inner()
		if err != nil || string(raw.Octets) != content {
			t.Fatalf("got %d octets, %v, want %d", len(raw.Octets), err, len(content))
		}
	}
}

func TestSelfContainedCopiesAreBounded(t *testing.T) {
	long := "u" + strings.Repeat("v", 1000)
	s := NewScanner(strings.NewReader("<s xmlns:p='"+long+"'><a>"+strings.Repeat("<p:b/>", 1000)+"</a></s>"), Limits{MaxDocument: 64 << 10})
	enter(t, s, 2)
	raw, err := s.Inner()
	if err != nil {
		t.Fatal(err)
	}
	got, err := raw.AppendSelfContained(nil, "")
	var limit *SyntaxError
	if !errors.As(err, &limit) || limit.Kind != Limit {
		t.Errorf("got %d octets, %v, want a limit", len(got), err)
	}
}
