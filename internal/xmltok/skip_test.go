package xmltok

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// skipLimits are limits that a few octets exceed.
var skipLimits = Limits{Depth: 5, Attrs: 4, Namespaces: 6, NameLen: 20, MaxValue: 40, MaxText: 60, MaxToken: 100, MaxDocument: 300}

// children reads the document of s child by child, with Inner where content is set, and notes the name of each or that it was
// skipped.
func children(s *Scanner, content bool) (seen []string, err error) {
	for {
		var t Token
		if t, err = s.Next(); err == nil && t.Kind == Start && s.Depth() == 2 {
			seen = append(seen, fmt.Sprint(t.Name.Space, " ", t.Name.Local))
			if content {
				_, err = s.Inner()
			}
		}
		if err == nil {
			continue
		}
		begun := s.Depth() > 1
		if err := s.Skip(); err != nil {
			if err == io.EOF {
				err = nil
			}
			return seen, err
		}
		if begun {
			seen = seen[:len(seen)-1]
		}
		seen = append(seen, "skipped")
	}
}

func TestSkipGoesOnBehindTheChild(t *testing.T) {
	long := strings.Repeat("long", 100)
	tests := []struct{ name, child string }{
		{"depth", strings.Repeat("<a>", 50) + strings.Repeat("</a>", 50)},
		{"attributes", "<a b='' c='' d='' e='' f=''/>"},
		{"attributes further in", "<a><b/><b a='/>' b=\"'>\" c='' d='' e='' f=''>x</b></a>"},
		{"declarations", "<a xmlns='1' xmlns:b='2' xmlns:c='3' xmlns:d='4' xmlns:e='5'/>"},
		{"declarations in scope", "<a xmlns:b='2' xmlns:c='3' xmlns:d='4'><a xmlns:b='2' xmlns:c='3' xmlns:d='4'/></a>"},
		{"name", "<" + long + "/>"},
		{"name further in", "<a><b><" + long + "/></b></a>"},
		{"attribute name", "<a " + long + "='/>'/>"},
		{"attribute value", "<a b='" + long + "/></a><a>' c='>'/>"},
		{"namespace", "<a xmlns='" + long + "'/>"},
		{"text", "<a>" + long + "</a>"},
		{"text of references", "<a>" + strings.Repeat("&lt;", 50) + "</a>"},
		{"text of a section", "<a><![CDATA[</a>]]]>" + long + "]]></a>"},
		{"sections behind the limit", "<a>" + long + "<![CDATA[</a><]] >]>]]]]><![CDATA[<]]></a>"},
		{"tag", "<a b='" + long[:30] + "' c='" + long[:30] + "' d='" + long[:30] + "'/>"},
		{"blanks in a tag", "<a" + strings.Repeat(" ", 200) + "/>"},
		{"blanks in an end tag", "<a><b></b" + strings.Repeat(" ", 200) + "></a >"},
		{"whole", "<a>" + strings.Repeat("<b c='/'/>", 40) + "</a>"},
		{"prefix of the root", "<a xmlns:stream='urn:x'/>"},
		{"prefix of the root further in", "<a><stream:b xmlns:stream='urn:x'><stream:b/></stream:b></a>"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			doc := "<stream:r xmlns='d' xmlns:stream='s'><one/>" + tc.child + " <two><x/></two>" + tc.child + tc.child + "<three/></stream:r>"
			for name, r := range map[string]io.Reader{"whole": strings.NewReader(doc), "split": iotest.OneByteReader(strings.NewReader(doc))} {
				for _, content := range []bool{true, false} {
					got, err := children(NewScanner(r, skipLimits), content)
					got = append(got, fmt.Sprint(err))
					want := []string{"d one", "skipped", "d two", "skipped", "skipped", "d three", "<nil>"}
					if d := different(want, got); d != "" {
						t.Errorf("%s, Inner %v (-want +got):\n%s%s", name, content, d, doc)
					}
					r = strings.NewReader(doc)
				}
			}
		})
	}
}

func TestSkipIsForLimitsOnly(t *testing.T) {
	tests := []struct {
		name, doc string
		want      ErrorKind
	}{
		{"limit of the root", "<r " + strings.Repeat("a", 50) + "=''><a/></r>", Limit},
		{"text between children", "<r>" + strings.Repeat("a", 400) + "<a/></r>", Limit},
		{"name of the root's end", "<r></" + strings.Repeat("a", 50) + ">", Limit},
		{"comment", "<r><a><!-- --></a></r>", Restricted},
		{"entity", "<r><a>&b;</a></r>", Restricted},
		{"not well-formed", "<r><a></b></r>", NotWellFormed},
		{"encoding", "<r><a>\xff</a></r>", Encoding},
		{"comment in what is skipped", "<r><a>" + strings.Repeat("a", 61) + "<!-- > --></a></r>", Restricted},
		{"processing instruction in what is skipped", "<r><a>" + strings.Repeat("a", 61) + "<?a ?></a></r>", Restricted},
		{"end of the input", "<r><a>" + strings.Repeat("a", 100), NotWellFormed},
		{"endless", "<r><a>" + strings.Repeat("a", 16*300+1), Limit},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := NewScanner(iotest.OneByteReader(strings.NewReader(tc.doc)), skipLimits)
			_, err := children(s, true)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Kind != tc.want {
				t.Errorf("%v, want an error of kind %v", err, tc.want)
			}
			if _, again := s.Next(); again != err {
				t.Errorf("then %v, want %v", again, err)
			}
		})
	}
	t.Run("no error", func(t *testing.T) {
		s := stream("<r><a/></r>")
		enter(t, s, 2)
		if err := s.Skip(); err != errNothingToSkip {
			t.Errorf("Skip: %v", err)
		}
	})
	t.Run("fragment", func(t *testing.T) {
		s := NewBytesScanner([]byte("<r><a>"+strings.Repeat("<b>", 10)), skipLimits)
		exhaust(s)
		if err := s.Skip(); err != errNothingToSkip {
			t.Errorf("Skip: %v", err)
		}
	})
}

func TestSkipKeepsNothing(t *testing.T) {
	s := NewScanner(&endless{head: "<r><a>", part: "text "}, Limits{})
	enter(t, s, 2)
	if _, err := s.Inner(); err == nil {
		t.Fatal("no limit")
	}
	kept := cap(s.buf)
	if err := s.Skip(); err == nil {
		t.Fatal("an endless child was skipped")
	}
	if cap(s.buf) > kept {
		t.Errorf("the buffer grew from %d to %d octets", kept, cap(s.buf))
	}
}

// FuzzSkip holds what is skipped against what a scanner reads whose limits nothing exceeds.
func FuzzSkip(f *testing.F) {
	for _, s := range []string{
		"<r xmlns='d'><a b='/>'>" + strings.Repeat("x", 70) + "<![CDATA[</a>]]></a><c/></r>",
		"<r xmlns:p='s'><a xmlns:p='t'/><b><p:c xmlns:p='u' d=\"'>\"/></b><c/></r>",
		"<r><a><a><a><a><a><a/></a></a></a></a></a><c></c></r>",
		"<r><aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>" + strings.Repeat("<a/>", 90) + "</aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ><c/></r>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		wide := Limits{Depth: 1 << 20, Attrs: 1 << 20, Namespaces: 1 << 20, NameLen: 1 << 20, MaxValue: 1 << 20, MaxText: 1 << 20, MaxToken: 1 << 20, MaxDocument: 1 << 20}
		want, err := children(NewScanner(strings.NewReader(doc), wide), false)
		if err != nil {
			return
		}
		for _, content := range []bool{true, false} {
			got, err := children(NewScanner(iotest.HalfReader(strings.NewReader(doc)), skipLimits), content)
			if err != nil { // what is between the children, or the root, may exceed the limits, too
				continue
			}
			for i := range min(len(got), len(want)) {
				if got[i] == "skipped" {
					got[i] = want[i]
				}
			}
			if d := different(want, got); d != "" {
				t.Fatalf("Inner %v (-want +got):\n%s%q", content, d, doc)
			}
		}
	})
}
