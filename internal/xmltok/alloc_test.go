package xmltok

import (
	"bytes"
	"io"
	"testing"
)

// ceiling fails where run allocates more than most times a run, once what it keeps is warm.
func ceiling(t *testing.T, most float64, run func()) {
	t.Helper()
	if got := testing.AllocsPerRun(20, run); got > most {
		t.Errorf("got %v allocations a run, want at most %v", got, most)
	}
}

func TestAllocationsOfScanning(t *testing.T) {
	doc := report(t)
	s := NewBytesScanner(nil, Limits{})
	tokens := 0
	run := func() {
		s.ResetBytes(doc)
		for tokens = 0; ; tokens++ {
			if _, err := s.Next(); err == io.EOF {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	run()
	ceiling(t, 0, run)
	if tokens < 1500 {
		t.Errorf("got %d tokens of the report", tokens)
	}
	// A scanner of its own costs itself, its table, its stack and each name once.
	ceiling(t, 46, func() {
		for s := NewBytesScanner(doc, Limits{}); ; {
			if _, err := s.Next(); err != nil {
				return
			}
		}
	})
}

func TestAllocationsOfAStreamOfStanzas(t *testing.T) {
	stanza := []byte(`<iq type='get' id='17' from='a@b.example/IEC' to="c@d.example"><p:q xmlns:p='urn:x' p:a='&lt;'>` + "text &amp; more\r\n</p:q></iq> ")
	in := &loop{head: []byte("<stream xmlns='jabber:client'>"), part: stanza}
	s := NewScanner(in, Limits{})
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	run := func() {
		for range 100 {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Inner(); err != nil {
				t.Fatal(err)
			}
			if tok, err := s.Next(); err != nil || tok.Kind != Text {
				t.Fatal(tok.Kind, err)
			}
		}
	}
	run()
	ceiling(t, 0, run)
}

// loop gives head once and part for ever, a part a Read.
type loop struct{ head, part, left []byte }

func (l *loop) Read(p []byte) (int, error) {
	if len(l.left) == 0 {
		l.left, l.head = append(l.left, l.head...), nil
		l.left = append(l.left, l.part...)
	}
	n := copy(p, l.left)
	l.left = append(l.left[:0], l.left[n:]...)
	return n, nil
}

func TestAllocationsOfWriting(t *testing.T) {
	dst := make([]byte, 0, 32<<10)
	doc := report(t)
	ceiling(t, 0, func() {
		var w writer
		w.reset(dst, "")
		w.start("u", "a")
		w.start("u", "b")
		w.attr("c", []byte("d"))
		w.text([]byte("text & more"))
		w.end()
		w.end()
		if _, err := w.bytes(); err != nil {
			t.Fatal(err)
		}
	})
	c := new(canonicalizer)
	canonical := func() {
		if got, err := c.canonicalize(dst, doc, "", Limits{}); err != nil || !bytes.Equal(got, doc) {
			t.Fatal(err)
		}
	}
	canonical()
	ceiling(t, 0, canonical)
}
