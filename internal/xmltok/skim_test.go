package xmltok

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// contents lists what the scanner says, with limits l, of what is in the root element, down to its end or the error that comes
// before it: of its children what Inner says, or else each token.
func contents(r io.Reader, l Limits, inner bool) (lines []string) {
	s := NewScanner(r, Limits{})
	for {
		t, err := s.Next()
		if err == nil && s.Depth() == 0 {
			return lines
		}
		if err == nil && len(lines) == 0 {
			s.SetLimits(l)
		}
		if inner && err == nil && t.Kind == Start && s.Depth() > 1 {
			var raw Raw
			if raw, err = s.Inner(); err == nil {
				lines = append(lines, fmt.Sprintf("%q %v %q %v %v %d %d", raw.Octets, raw.SelfContained, raw.Default, raw.scope, raw.fixes, s.Offset(), s.Depth()))
				continue
			}
		}
		if err != nil {
			return append(lines, err.Error())
		}
		lines = append(lines, fmt.Sprint(line(&t), " ", t.Offset, " ", s.Depth()))
	}
}

// compareContents holds what the scanner makes of doc when all of it is in memory against what it makes of it octet by octet,
// when skim, plainTag and TakeText never have a whole token.
func compareContents(t *testing.T, doc []byte) {
	t.Helper()
	for _, l := range []Limits{{}, skipLimits, {Depth: 3, NameLen: 3, MaxText: 5, MaxToken: 7, MaxDocument: 40}, {MaxToken: 6}} {
		for _, inner := range []bool{true, false} {
			short := contents(bytes.NewReader(doc), l, inner)
			slow := contents(iotest.OneByteReader(bytes.NewReader(doc)), l, inner)
			if d := different(slow, short); d != "" {
				t.Fatalf("limits %+v, Inner %v (-octet by octet +in memory):\n%s%q", l, inner, d, doc)
			}
		}
	}
}

// plainContents are documents in which the short way and what ends it meet.
var plainContents = []string{
	"<r xmlns='d'><a><b><c>t</c><d/><e></e></b>text</a><a/><f><a></a></f></r>",
	"<r xmlns='d' xmlns:p='u'><p:a></p:a><p:a><p:b></p:b><p:b></p:b><c></c></p:a></r>",
	"<r xmlns='d' xmlns:p='u'><a><b>x<c><p:d>y</p:d>z</c></b><b p:e=''><p:b/></b></a></r>",
	"<r><a><b xmlns='e'><c><d/></c></b><c><d xmlns=''/></c></a></r>",
	"<r><a>x&lt;<b>y<![CDATA[<]]>z</b>\r\n<c>é</c></a></r>",
	"<r><a><b>]]</b><b>]]></b></a></r>",
	"<r><a><b></c></b></a></r>",
	"<r><a><b></bb></b></a></r>",
	"<r><a><bb></b></bb></a></r>",
	"<r><a><1/></a></r>",
	"<r><a><b/ ></a></r>",
	"<r><a><b></b ><:c/></a></r>",
	"<r><a><></></a></r>",
	"<r><a><b><!-- --></b></a></r>",
	"<r><a><b>\x00</b></a></r>",
	"<r><a>text<b/><éa></éa></a></r>",
	"<r><aaa><bbb></bbb></aaa><aaa><bbbb></bbbb></aaa></r>",
	"<r><aaa><bbb/></aaa><aaa>12345<b/>12345</aaa><aaa>123456</aaa></r>",
	"<r><a><b><c/></b></a></r>",
	"<r><a><b><c></c></b></a></r>",
	"<r><a>1234<b/>1234<b/>1234<b/>1234<b/></a></r>",
	"<r><a>1234<b/>1234<b/>1234<b/>1234<b/>1</a></r>",
	"<r><a><b>",
	"<r><a><b>t<",
	"<r><a><b></",
}

func TestPlainContentIsTheSameEitherWay(t *testing.T) {
	for _, doc := range append(samples(), plainContents...) {
		compareContents(t, []byte(doc))
	}
	compareContents(t, []byte("<r><a>"+strings.Repeat("<b>", 80)+"</a></r>"))
	compareContents(t, append(append([]byte("<r><a>"), report(t)...), "</a></r>"...))
}

// FuzzSkim compares the short ways with those that take a token as it comes.
func FuzzSkim(f *testing.F) {
	for _, doc := range append(samples(), plainContents...) {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) { compareContents(t, doc) })
}
