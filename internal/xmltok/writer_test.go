package xmltok

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWriterWritesTheCanonicalForm(t *testing.T) {
	var w writer
	w.reset([]byte("before"), "e")
	w.start("e", "a")
	w.start("e", "b")
	w.attr("c", []byte(`<>&'" ä`))
	w.text([]byte(""))
	w.end()
	w.start("f", "d")
	w.start("f", "g")
	w.text([]byte("1\t2\n<>&'\""))
	w.text([]byte("ä€𐀀"))
	w.end()
	w.start("e", "h")
	w.end()
	w.end()
	w.end()
	w.start("e", "i")
	w.end()
	got, err := w.bytes()
	want := `before<a><b c='&lt;&gt;&amp;&apos;&quot; ä'/><d xmlns='f'><g>1` + "\t2\n" + `&lt;&gt;&amp;&apos;&quot;ä€𐀀</g><h xmlns='e'/></d></a><i/>`
	if err != nil || string(got) != want {
		t.Fatalf("got  %s, %v\nwant %s", got, err, want)
	}
	if again, err := Canonicalize(nil, got[len("before"):], "e", Limits{}); err != nil || string(again) != want[len("before"):] {
		t.Errorf("got %s, %v as the canonical form of %s", again, err, got)
	}
}

func TestWriterStartsInNoNamespace(t *testing.T) {
	var w writer
	w.start("u", "a")
	w.end()
	w.start("", "b")
	w.end()
	if got, err := w.bytes(); err != nil || string(got) != "<a xmlns='u'/><b/>" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestWriterNestsDeep(t *testing.T) {
	const depth = 100
	var w writer
	var want strings.Builder
	for range depth {
		w.start("", "a")
		want.WriteString("<a>")
	}
	w.text([]byte("x"))
	want.WriteString("x")
	for range depth {
		w.end()
		want.WriteString("</a>")
	}
	if got, err := w.bytes(); err != nil || string(got) != want.String() {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestWriterRefuses(t *testing.T) {
	tests := []struct {
		name  string
		write func(*writer)
	}{
		{"two attributes", func(w *writer) { w.start("", "a"); w.attr("b", []byte("")); w.attr("c", []byte("")); w.end() }},
		{"attribute beside a declaration", func(w *writer) { w.start("u", "a"); w.attr("b", []byte("")); w.end() }},
		{"attribute behind text", func(w *writer) { w.start("", "a"); w.text([]byte("x")); w.attr("b", []byte("")); w.end() }},
		{"attribute behind an end", func(w *writer) { w.start("", "a"); w.end(); w.attr("b", []byte("")) }},
		{"attribute of nothing", func(w *writer) { w.attr("b", []byte("")) }},
		{"no namespace in one", func(w *writer) { w.start("u", "a"); w.start("", "b"); w.end(); w.end() }},
		{"end of nothing", func(w *writer) { w.end() }},
		{"element left open", func(w *writer) { w.start("", "a") }},
		{"CR in text", func(w *writer) { w.start("", "a"); w.text([]byte("\r")); w.end() }},
		{"CR in octets of text", func(w *writer) { w.start("", "a"); w.text([]byte("x\ry")); w.end() }},
		{"NUL in text", func(w *writer) { w.start("", "a"); w.text([]byte("\x00")); w.end() }},
		{"control in text", func(w *writer) { w.start("", "a"); w.text([]byte("\x1b")); w.end() }},
		{"U+FFFE in text", func(w *writer) { w.start("", "a"); w.text([]byte("\ufffe")); w.end() }},
		{"text not UTF-8", func(w *writer) { w.start("", "a"); w.text([]byte("ab\xff")); w.end() }},
		{"surrogate in text", func(w *writer) { w.start("", "a"); w.text([]byte("\xed\xa0\x80")); w.end() }},
		{"cut character in text", func(w *writer) { w.start("", "a"); w.text([]byte("\xe2\x82")); w.end() }},
		{"LF in a value", func(w *writer) { w.start("", "a"); w.attr("b", []byte("\n")); w.end() }},
		{"tab in a value", func(w *writer) { w.start("", "a"); w.attr("b", []byte("\t")); w.end() }},
		{"CR in a namespace", func(w *writer) { w.start("\r", "a"); w.end() }},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var w writer
			w.reset([]byte("before"), "")
			tc.write(&w)
			w.start("", "more")
			w.end()
			got, err := w.bytes()
			var refused *SyntaxError
			if !errors.As(err, &refused) || refused.Kind != NotCanonical || got != nil {
				t.Errorf("got %q, %v, want a refusal", got, err)
			}
			w.reset(nil, "")
			if got, err := w.bytes(); err != nil || len(got) != 0 {
				t.Errorf("got %q, %v after Reset", got, err)
			}
		})
	}
}

func TestEscapedTextReadsBack(t *testing.T) {
	for _, tc := range []struct{ in, back string }{
		{"", ""},
		{"plain", "plain"},
		{`<>&'"`, `<>&'"`},
		{"\t\n\r\r\n ", "\t\n\r\r\n "},
		{"]]>", "]]>"},
		{"ä€𐀀", "ä€𐀀"},
		{"a\x00b\x1fc\ufffed", "a\ufffdb\ufffdc\ufffdd"},
		{"\xff\xed\xa0\x80", "\ufffd\ufffd\ufffd\ufffd"},
	} {
		escaped := AppendEscaped([]byte("<a b='"), tc.in)
		escaped = append(AppendEscaped(append(escaped, `' c="`...), []byte(tc.in)), `">`...)
		escaped = append(AppendEscaped(escaped, tc.in), "</a>"...)
		s := NewBytesScanner(escaped, Limits{})
		tok, err := s.Next()
		if err != nil {
			t.Fatalf("%v\ninput %q", err, escaped)
		}
		for _, local := range []string{"b", "c"} {
			if got, _ := tok.Attr("", local); string(got) != tc.back {
				t.Errorf("got %q in attribute %s, want %q", got, local, tc.back)
			}
		}
		if tc.back == "" {
			continue
		}
		if tok, err = s.Next(); err != nil || string(tok.Data) != tc.back {
			t.Errorf("got %q, %v in text, want %q", tok.Data, err, tc.back)
		}
		if _, err := drain(s); err != io.EOF {
			t.Error(err)
		}
	}
}
