package xmltok

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drainShort is drain with TakeTag and TakeText wherever they may do.
func drainShort(s *Scanner) (lines []string, err error) {
	for {
		var t Token
		if !s.TakeTag(&t) {
			if err := s.NextInto(&t); err != nil {
				return lines, err
			}
		}
		lines = append(lines, line(&t))
		if t.Kind != Start {
			continue
		}
		if text, ok := s.TakeText(); ok {
			if len(text) > 0 {
				lines = append(lines, line(&Token{Kind: Text, Data: text}))
			}
			lines = append(lines, line(&Token{Kind: End, Name: t.Name}))
		}
	}
}

// The short ways change neither tokens nor errors, whatever the limits.
func FuzzShortWays(f *testing.F) {
	for _, doc := range samples() {
		f.Add([]byte(doc), uint8(0))
		f.Add([]byte(doc), uint8(7))
		f.Add([]byte("<a>"+doc+doc+"</a>"), uint8(0))
	}
	f.Add(report(f)[:700], uint8(200))
	f.Add([]byte("<a><bcde></bcde></a>"), uint8(6))
	f.Fuzz(func(t *testing.T, doc []byte, n uint8) {
		for _, l := range []Limits{{}, {MaxText: int(n)}, {MaxToken: int64(n)}, {MaxDocument: int64(n)}, {NameLen: int(n), Depth: int(n)}} {
			compareShort(t, NewScanner(bytes.NewReader(doc), l), NewScanner(bytes.NewReader(doc), l), doc)
			compareShort(t, NewBytesScanner(doc, l), NewBytesScanner(doc, l), doc)
		}
	})
}

func compareShort(t *testing.T, tokens, short *Scanner, doc []byte) {
	want, wantErr := drain(tokens)
	got, err := drainShort(short)
	if !slices.Equal(want, got) || fmt.Sprint(wantErr) != fmt.Sprint(err) {
		t.Fatalf("limits %+v: got error %v, want %v (-tokens +short ways):\n%s\ninput %q", tokens.lim, err, wantErr, cmp.Diff(want, got), doc)
	}
}

// What a scanner knows of an element that was open before does not outlive a change of limits or of input.
func TestNamesAtTheSameDepthAreCheckedAgain(t *testing.T) {
	s := fragment("<abcdef><a/></abcdef>")
	if _, err := drain(s); err == nil {
		t.Fatal("no end")
	}
	s.SetLimits(Limits{NameLen: 5})
	s.ResetBytes([]byte("<abcdef></abcdef>"))
	checkRefused(t, s, malformed{kind: Limit, offset: 6})
	s.SetLimits(Limits{})
	s.SetDefaultNamespace("urn:b")
	s.ResetBytes([]byte("<abcdef></abcdef>"))
	got, _ := drain(s)
	if diff := cmp.Diff([]string{"<{urn:b}abcdef", ">{urn:b}abcdef"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTakingLeavesWhatIsNotPlain(t *testing.T) {
	s := fragment("<a><b>&lt;</b><c>x</c ><d/>y<e></e></a>")
	for _, tt := range []struct {
		want         string
		taken, inall bool // by TakeTag; with its end by TakeText
	}{
		{"<{}a", false, false}, {"<{}b", true, false}, {`"<"`, false, false}, {">{}b", true, false}, {"<{}c", true, false},
		{`"x"`, false, false}, {">{}c", false, false}, {"<{}d", false, false}, {">{}d", false, false}, {`"y"`, false, false},
		{"<{}e", true, true}, {">{}a", true, false},
	} {
		var token Token
		if taken := s.TakeTag(&token); taken != tt.taken {
			t.Fatalf("before %s: TakeTag says %v", tt.want, taken)
		}
		if !tt.taken {
			if err := s.NextInto(&token); err != nil {
				t.Fatal(err)
			}
		}
		if got := line(&token); got != tt.want {
			t.Fatalf("got %s, want %s", got, tt.want)
		}
		if _, ok := s.TakeText(); ok != tt.inall {
			t.Fatalf("behind %s: TakeText says %v", tt.want, ok)
		}
	}
	if s.TakeTag(new(Token)) {
		t.Error("a tag behind the last one")
	}
}

// What a child of the root element may have counts from its own start, whichever way that was read.
func TestTakingAStanzaGivesItItsOwnLimit(t *testing.T) {
	l := Limits{MaxDocument: 24}
	s := NewScanner(strings.NewReader("<r><a>0</a><a>123456789abcde</a></r>"), l)
	for _, text := range []string{"0", "123456789abcde"} {
		if s.Depth() == 0 {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if !s.TakeTag(new(Token)) {
			if _, err := s.Next(); err != nil {
				t.Fatal(err)
			}
		}
		got, ok := s.TakeText()
		if !ok {
			token, err := s.Next()
			if err != nil {
				t.Fatalf("before %q: %v", text, err)
			}
			got = token.Data
			if _, err := s.Next(); err != nil {
				t.Fatalf("behind %q: %v", text, err)
			}
		}
		if string(got) != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
}
