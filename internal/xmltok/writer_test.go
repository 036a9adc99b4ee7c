package xmltok

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWriterWritesTheCanonicalForm(t *testing.T) {
	var w Writer
	w.Reset([]byte("before"), "e")
	w.Start("e", "a")
	w.Start("e", "b")
	w.Attr("c", `<>&'" ä`)
	w.Text("")
	w.End()
	w.Start("f", "d")
	w.Start("f", "g")
	w.Text("1\t2\n<>&'\"")
	w.TextBytes([]byte("ä€𐀀"))
	w.End()
	w.Raw(nil)
	w.Start("e", "h")
	w.Raw([]byte("<raw/>"))
	w.End()
	w.End()
	w.End()
	w.Start("e", "i")
	w.End()
	got, err := w.Bytes()
	want := `before<a><b c='&lt;&gt;&amp;&apos;&quot; ä'/><d xmlns='f'><g>1` + "\t2\n" + `&lt;&gt;&amp;&apos;&quot;ä€𐀀</g><h xmlns='e'><raw/></h></d></a><i/>`
	if err != nil || string(got) != want {
		t.Fatalf("got  %s, %v\nwant %s", got, err, want)
	}
	if again, err := Canonicalize(nil, got[len("before"):], "e", Limits{}); err != nil || string(again) != want[len("before"):] {
		t.Errorf("got %s, %v as the canonical form of %s", again, err, got)
	}
}

func TestWriterStartsInNoNamespace(t *testing.T) {
	w := NewWriter(nil)
	w.Start("u", "a")
	w.End()
	w.Start("", "b")
	w.End()
	if got, err := w.Bytes(); err != nil || string(got) != "<a xmlns='u'/><b/>" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestWriterNestsDeep(t *testing.T) {
	const depth = 100
	w := NewWriter(nil)
	var want strings.Builder
	for range depth {
		w.Start("", "a")
		want.WriteString("<a>")
	}
	w.Text("x")
	want.WriteString("x")
	for range depth {
		w.End()
		want.WriteString("</a>")
	}
	if got, err := w.Bytes(); err != nil || string(got) != want.String() {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestWriterRefuses(t *testing.T) {
	tests := []struct {
		name  string
		write func(*Writer)
	}{
		{"two attributes", func(w *Writer) { w.Start("", "a"); w.Attr("b", ""); w.Attr("c", ""); w.End() }},
		{"attribute beside a declaration", func(w *Writer) { w.Start("u", "a"); w.Attr("b", ""); w.End() }},
		{"attribute behind text", func(w *Writer) { w.Start("", "a"); w.Text("x"); w.Attr("b", ""); w.End() }},
		{"attribute behind an end", func(w *Writer) { w.Start("", "a"); w.End(); w.Attr("b", "") }},
		{"attribute of nothing", func(w *Writer) { w.Attr("b", "") }},
		{"no namespace in one", func(w *Writer) { w.Start("u", "a"); w.Start("", "b"); w.End(); w.End() }},
		{"end of nothing", func(w *Writer) { w.End() }},
		{"element left open", func(w *Writer) { w.Start("", "a") }},
		{"CR in text", func(w *Writer) { w.Start("", "a"); w.Text("\r"); w.End() }},
		{"CR in octets of text", func(w *Writer) { w.Start("", "a"); w.TextBytes([]byte("x\ry")); w.End() }},
		{"NUL in text", func(w *Writer) { w.Start("", "a"); w.Text("\x00"); w.End() }},
		{"control in text", func(w *Writer) { w.Start("", "a"); w.Text("\x1b"); w.End() }},
		{"U+FFFE in text", func(w *Writer) { w.Start("", "a"); w.Text("\ufffe"); w.End() }},
		{"text not UTF-8", func(w *Writer) { w.Start("", "a"); w.Text("ab\xff"); w.End() }},
		{"surrogate in text", func(w *Writer) { w.Start("", "a"); w.Text("\xed\xa0\x80"); w.End() }},
		{"cut character in text", func(w *Writer) { w.Start("", "a"); w.Text("\xe2\x82"); w.End() }},
		{"LF in a value", func(w *Writer) { w.Start("", "a"); w.Attr("b", "\n"); w.End() }},
		{"tab in a value", func(w *Writer) { w.Start("", "a"); w.Attr("b", "\t"); w.End() }},
		{"CR in a namespace", func(w *Writer) { w.Start("\r", "a"); w.End() }},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			w := NewWriter([]byte("before"))
			tc.write(&w)
			w.Start("", "more")
			w.End()
			got, err := w.Bytes()
			var refused *SyntaxError
			if !errors.As(err, &refused) || refused.Kind != NotCanonical || got != nil {
				t.Errorf("got %q, %v, want a refusal", got, err)
			}
			w.Reset(nil, "")
			if got, err := w.Bytes(); err != nil || len(got) != 0 {
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
