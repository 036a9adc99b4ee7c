package xmltok

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

var restrictedDocuments = []malformed{
	{"comment before the root", `<!-- --><a/>`, Restricted, 0},
	{"comment in content", `<a><!-- --></a>`, Restricted, 3},
	{"comment behind text", `<a>b<!-- --></a>`, Restricted, 4},
	{"comment that never ends", `<a><!--`, Restricted, 3},
	{"processing instruction", `<?php x?><a/>`, Restricted, 0},
	{"processing instruction in content", `<a><?xml-stylesheet href='x'?></a>`, Restricted, 3},
	{"second XML declaration", `<?xml version='1.0'?><?xml version='1.0'?><a/>`, Restricted, 21},
	{"document type", `<!DOCTYPE a><a/>`, Restricted, 0},
	{"document type in content", `<a><!DOCTYPE a></a>`, Restricted, 3},
	{"internal subset with entities", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, Restricted, 0},
	{"external subset", `<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`, Restricted, 0},
	{"entity in text", `<a>&nbsp;</a>`, Restricted, 3},
	{"entity in a value", `<a b='&xxe;'/>`, Restricted, 6},
	{"predefined entity in capitals", `<a>&AMP;</a>`, Restricted, 3},
}

// X1: DTD, entities, external entity, PI, comment.
func TestX1RestrictedXML(t *testing.T) {
	for _, tc := range restrictedDocuments {
		t.Run(tc.name, func(t *testing.T) { checkRefused(t, stream(tc.doc), tc) })
	}
}

// endless is an input without end: head, then part again and again, an octet at a time where slow is set. It counts what was
// taken of it.
type endless struct {
	head, part string
	taken      int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		i := e.taken
		if i < len(e.head) {
			p[n] = e.head[i]
		} else {
			p[n] = e.part[(i-len(e.head))%len(e.part)]
		}
		n++
		e.taken++
	}
	return n, nil
}

// X2: depth 10⁶, 10⁵ attributes, 10⁵ namespaces, endless attribute/text/header.
func TestX2LimitsBoundMemory(t *testing.T) {
	var attrs, spaces strings.Builder
	for i := range 100_000 {
		digits := strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26))
		attrs.WriteString(" a" + digits + "='1'")
		spaces.WriteString(" xmlns:a" + digits + "='u'")
	}
	tests := []struct{ name, head, part string }{
		{"depth", "", "<a>"},
		{"depth with declarations", "", "<a xmlns:p='u'>"},
		{"attributes", "<s><a", attrs.String()},
		{"namespaces", "<s><a", spaces.String()},
		{"endless element name", "<s><", "n"},
		{"endless end tag", "<s></s", "n"},
		{"endless attribute name", "<s><a ", "n"},
		{"endless attribute value", "<s><a b='", "v"},
		{"endless escaped value", "<s><a b='", "&amp;"},
		{"endless namespace name", "<s><a xmlns='", "v"},
		{"endless tag", "<s><a", " "},
		{"endless end tag of blanks", "<s></s", " "},
		{"endless text", "<s><a>", "text"},
		{"endless escaped text", "<s><a>", "&lt;"},
		{"endless line ends", "<s><a>", "\r\n"},
		{"endless CDATA", "<s><a><![CDATA[", "]]"},
		{"endless row of CDATA", "<s><a>", "<![CDATA[]]>"},
		{"endless keepalive", "<s>", " "},
		{"endless blanks before the root", "", "\n"},
		{"endless XML declaration", "<?xml", " "},
		{"endless version", "<?xml version='", "1"},
		{"endless header", "<s", " "},
		{"endless entity name", "<s>&", "n"},
		{"endless character reference", "<s>&#", "0"},
		{"endless stanza", "<s><a>", "<b/>"},
		{"endless stanza of text and tags", "<s><a>", "x<b c='d'/>"},
	}
	for _, tc := range tests {
		for _, slow := range []bool{false, true} {
			name := tc.name
			if slow {
				name += ", octet by octet"
			}
			t.Run(name, func(t *testing.T) {
				e := &endless{head: tc.head, part: tc.part}
				var r io.Reader = e
				if slow {
					r = iotest.OneByteReader(r)
				}
				s := NewScanner(r, Limits{})
				checkLimit(t, s, func() error { return exhaust(s) })
				if most := 1 << 20; e.taken > most {
					t.Errorf("took %d octets of an endless input, want at most %d", e.taken, most)
				}
			})
		}
	}
	t.Run("endless content of an element that is taken raw", func(t *testing.T) {
		s := NewScanner(&endless{head: "<s>", part: "<a/>"}, Limits{})
		checkLimit(t, s, func() error {
			if _, err := s.Next(); err != nil {
				return err
			}
			_, err := s.Inner()
			return err
		})
	})
}

func exhaust(s *Scanner) error {
	for {
		if _, err := s.Next(); err != nil {
			return err
		}
	}
}

// checkLimit checks that run fails by a limit and that s has not grown much by it.
func checkLimit(t *testing.T, s *Scanner, run func() error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := run()
	runtime.ReadMemStats(&after)
	var got *SyntaxError
	if !errors.As(err, &got) || got.Kind != Limit {
		t.Errorf("got %v, want a limit", err)
	}
	// Buffers grow up to the limit of a stanza: for the input, for text that differs from it, for notes on raw content.
	if total, most := after.TotalAlloc-before.TotalAlloc, uint64(4<<20); total > most {
		t.Errorf("allocated %d octets, want at most %d", total, most)
	}
	if size := cap(s.buf) + cap(s.scratch); size > 1<<20+64<<10 {
		t.Errorf("holds %d octets", size)
	}
}

func TestX2LimitsHoldToTheOctet(t *testing.T) {
	tests := []struct {
		name, doc string // the doc just fits
		limits    Limits
		larger    string
		offset    int64
	}{
		{"depth", "<a><b/></a>", Limits{Depth: 2}, "<a><b><c/></b></a>", 6},
		{"attributes", "<a b='' c=''/>", Limits{Attrs: 2}, "<a b='' c='' d=''/>", 13},
		{"declarations are attributes", "<a b='' xmlns='c'/>", Limits{Attrs: 2}, "<a b='' xmlns='c' d=''/>", 18},
		{"namespaces", "<a xmlns:b='u'><c xmlns:d='u'/><e xmlns:f='u'/></a>", Limits{Namespaces: 2}, "<a xmlns:b='u'><c xmlns:d='u'><e xmlns:f='u'/></c></a>", 33},
		{"element name", "<abcd/>", Limits{NameLen: 4}, "<abcde/>", 5},
		{"attribute name", "<a bcde=''/>", Limits{NameLen: 4}, "<a bcdef=''/>", 7},
		{"attribute value", "<a b='1234'/>", Limits{MaxValue: 4}, "<a b='12345'/>", 10},
		{"attribute value with a reference", "<a b='&lt;'/>", Limits{MaxValue: 4}, "<a b='&amp;'/>", 10},
		{"text", "<a>1234</a>", Limits{MaxText: 4}, "<a>12345</a>", 7},
		{"text with a reference", "<a>&lt;</a>", Limits{MaxText: 4}, "<a>&amp;</a>", 7},
		{"text with CDATA", "<a><![CDATA[]]>1</a>", Limits{MaxText: 13}, "<a><![CDATA[]]>12</a>", 16},
		{"start tag", "<a b='12'/>", Limits{MaxToken: 11}, "<a b='123'/>", 11},
		{"end tag", "<a></a   >", Limits{MaxToken: 7}, "<a></a    >", 10},
		{"stanza", "<s><a>12</a><b></b></s>", Limits{MaxDocument: 9}, "<s><a>123</a></s>", 12},
		{"header", "<s b='1'></s>", Limits{MaxDocument: 9}, "<s b='12'></s>", 9},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if lines, err := drain(NewScanner(strings.NewReader(tc.doc), tc.limits)); err != io.EOF {
				t.Errorf("got %v after %q\ninput %s", err, lines, tc.doc)
			}
			checkRefused(t, NewScanner(strings.NewReader(tc.larger), tc.limits), malformed{doc: tc.larger, kind: Limit, offset: tc.offset})
		})
	}
	t.Run("fragment", func(t *testing.T) {
		doc := []byte("<a/><b/>")
		if _, err := drain(NewBytesScanner(doc, Limits{MaxDocument: 8})); err != io.EOF {
			t.Errorf("got %v", err)
		}
		checkRefused(t, NewBytesScanner(doc, Limits{MaxDocument: 7}), malformed{kind: Limit, offset: 7})
	})
}

var wronglyEncoded = []malformed{
	{"overlong slash", "<a>\xc0\xaf</a>", Encoding, 3},
	{"overlong less-than", "<a>\xe0\x80\xbc</a>", Encoding, 3},
	{"overlong NUL", "<a>\xc0\x80</a>", Encoding, 3},
	{"lone continuation", "<a>\x80</a>", Encoding, 3},
	{"cut sequence", "<a>\xe2\x82</a>", Encoding, 3},
	{"cut sequence before a quote", "<a b='\xe2\x82'/>", Encoding, 6},
	{"surrogate", "<a>\xed\xa0\x80</a>", Encoding, 3},
	{"pair of surrogates", "<a>\xed\xa0\xbd\xed\xb8\x80</a>", Encoding, 3},
	{"beyond Unicode", "<a>\xf4\x90\x80\x80</a>", Encoding, 3},
	{"five octets", "<a>\xf8\x88\x80\x80\x80</a>", Encoding, 3},
	{"octet FF", "<a>\xff</a>", Encoding, 3},
	{"Latin-1", "<a>caf\xe9</a>", Encoding, 6},
	{"in a value", "<a b='\xc0\xaf'/>", Encoding, 6},
	{"in CDATA", "<a><![CDATA[\xc0\xaf]]></a>", Encoding, 12},
	{"in a name", "<a\xc0\xaf/>", Encoding, 2},
	{"in an attribute's name", "<a b\xff='1'/>", Encoding, 4},
	{"in an end tag", "<a></\xff>", NotWellFormed, 5},
	{"in an entity's name", "<a>&\xff;</a>", Encoding, 4},
	{"NUL in text", "<a>\x00</a>", Encoding, 3},
	{"NUL in a value", "<a b='\x00'/>", Encoding, 6},
	{"NUL in a tag", "<a\x00/>", Encoding, 2},
	{"UTF-16, big-endian", "\x00<\x00a\x00/\x00>", Encoding, 0},
	{"UTF-16, little-endian", "<\x00a\x00/\x00>\x00", Encoding, 1},
	{"UTF-16 with byte order mark", "\xff\xfe<\x00a\x00/\x00>\x00", Encoding, 0},
	{"UTF-16, big-endian with byte order mark", "\xfe\xff\x00<\x00a", Encoding, 0},
}

// X3: malformed or overlong UTF-8, NUL, surrogates, UTF-16.
func TestX3OneReadingOnly(t *testing.T) {
	for _, tc := range wronglyEncoded {
		t.Run(tc.name, func(t *testing.T) { checkRefused(t, stream(tc.doc), tc) })
	}
}

// X4: duplicate attributes, rebinding xml/stream, stanza in stanza, </stream:stream> in text. The plain cases of the first two
// are among malformedDocuments.
func TestX4NothingIsSmuggled(t *testing.T) {
	const head = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`
	at := func(prefix string) int64 { return int64(len(head) + len(prefix)) }
	for _, tc := range []malformed{
		{"prefix of the stream bound anew", head + `<iq xmlns:stream='u'/>`, Restricted, at(`<iq `)},
		{"prefix of the stream bound anew in depth", head + `<iq><a><stream:b xmlns:stream='u'/>`, Restricted, at(`<iq><a><stream:b `)},
		{"attribute twice by namespace", head + `<iq xmlns:s='http://etherx.jabber.org/streams' s:a='' stream:a=''/>`, NotWellFormed,
			at(`<iq xmlns:s='http://etherx.jabber.org/streams' s:a='' `)},
		{"end of the stream inside a stanza", head + `<iq></stream:stream>`, NotWellFormed, at(`<iq></`)},
		{"end tag by another prefix of the namespace", head + `<s:a xmlns:s='http://etherx.jabber.org/streams'></stream:a>`, NotWellFormed,
			at(`<s:a xmlns:s='http://etherx.jabber.org/streams'></`)},
		{"second stream behind the first", head + `</stream:stream>` + head, NotWellFormed, at(`</stream:stream>`)},
	} {
		t.Run(tc.name, func(t *testing.T) { checkRefused(t, stream(tc.doc), tc) })
	}
	t.Run("same binding again is harmless", func(t *testing.T) {
		if _, err := drain(stream(head + `<iq xmlns:stream='http://etherx.jabber.org/streams'/></stream:stream>`)); err != io.EOF {
			t.Error(err)
		}
	})
	for _, content := range []string{
		`<body>&lt;/stream:stream></body>`,
		`<body><![CDATA[</message></stream:stream>]]></body>`,
		`<body a='</message></stream:stream>'/>`,
		`<message to='x'><message/></message>`,
	} {
		t.Run("content stays content: "+content, func(t *testing.T) {
			s := stream(head + "<message>" + content + "</message></stream:stream>")
			for range 2 {
				if _, err := s.Next(); err != nil {
					t.Fatal(err)
				}
			}
			raw, err := s.Inner()
			if strings.Contains(content, "='<") {
				if err == nil {
					t.Error("'<' in a value was accepted")
				}
				return
			}
			if err != nil || !bytes.Equal(raw.Octets, []byte(content)) || s.Depth() != 1 {
				t.Errorf("got %q, depth %d, %v, want %q", raw.Octets, s.Depth(), err, content)
			}
		})
	}
}
