package stanza

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/jid"

	"github.com/google/go-cmp/cmp"
)

var jidsByString = cmp.Comparer(func(a, b jid.JID) bool { return a == b })

// read parses one stanza in jabber:client.
func read(in string) (Stanza, error) {
	sc := xmltok.NewBytesScanner([]byte(in), xmltok.Limits{})
	sc.SetDefaultNamespace(Namespace)
	t, err := sc.Next()
	if err != nil {
		return Stanza{}, err
	}
	s, err := ParseHead(&t)
	if err != nil {
		return s, err
	}
	raw, err := sc.Inner()
	if err != nil {
		return s, err
	}
	if len(raw.Octets) > 0 {
		s.Payload = append([]byte(nil), raw.Octets...)
	}
	if t, err := sc.Next(); err != io.EOF {
		return s, errors.New("more after the stanza: " + t.Name.Local)
	}
	return s, nil
}

func TestReadAndAppend(t *testing.T) {
	client, ied := jid.MustParse("hmi@dso.example/IEC-1"), jid.MustParse("pv1@dso.example/IEC")
	tests := []struct {
		name, in string
		want     Stanza
		out      string // what Append makes of it, "" for in
	}{
		{"iq get", `<iq type='get' id='17' from='hmi@dso.example/IEC-1' to='pv1@dso.example/IEC'><q xmlns='urn:x'/></iq>`,
			Stanza{Kind: IQ, Type: Get, ID: "17", From: client, To: ied, Payload: []byte(`<q xmlns='urn:x'/>`)}, ""},
		{"iq set", `<iq type='set' id='a'><q xmlns='urn:x'/></iq>`,
			Stanza{Kind: IQ, Type: Set, ID: "a", Payload: []byte(`<q xmlns='urn:x'/>`)}, ""},
		{"empty result", `<iq type='result' id='a'></iq>`, Stanza{Kind: IQ, Type: Result, ID: "a"}, `<iq type='result' id='a'/>`},
		{"iq error", `<iq type='error' id='a'><error type='wait'/></iq>`,
			Stanza{Kind: IQ, Type: TypeError, ID: "a", Payload: []byte(`<error type='wait'/>`)}, ""},
		{"message", `<message to='pv1@dso.example/IEC' xml:lang='nl'><body>a &lt; b</body></message>`,
			Stanza{Kind: Message, Type: Normal, To: ied, Lang: "nl", Payload: []byte(`<body>a &lt; b</body>`)}, ""},
		{"normal is the default", `<message type='normal'/>`, Stanza{Kind: Message, Type: Normal}, `<message/>`},
		{"unknown type of message", `<message type='x'/>`, Stanza{Kind: Message, Type: Normal}, `<message/>`},
		{"chat", `<message type='chat'/>`, Stanza{Kind: Message, Type: Chat}, ""},
		{"groupchat", `<message type='groupchat'/>`, Stanza{Kind: Message, Type: Groupchat}, ""},
		{"headline", `<message type='headline'/>`, Stanza{Kind: Message, Type: Headline}, ""},
		{"message error", `<message type='error'/>`, Stanza{Kind: Message, Type: TypeError}, ""},
		{"available", `<presence/>`, Stanza{Kind: Presence}, ""},
		{"unavailable", `<presence type='unavailable'/>`, Stanza{Kind: Presence, Type: Unavailable}, ""},
		{"subscribe", `<presence type='subscribe'/>`, Stanza{Kind: Presence, Type: Subscribe}, ""},
		{"subscribed", `<presence type='subscribed'/>`, Stanza{Kind: Presence, Type: Subscribed}, ""},
		{"unsubscribe", `<presence type='unsubscribe'/>`, Stanza{Kind: Presence, Type: Unsubscribe}, ""},
		{"unsubscribed", `<presence type='unsubscribed'/>`, Stanza{Kind: Presence, Type: Unsubscribed}, ""},
		{"probe", `<presence type='probe'/>`, Stanza{Kind: Presence, Type: Probe}, ""},
		{"presence error", `<presence type='error'/>`, Stanza{Kind: Presence, Type: TypeError}, ""},
		{"unknown attributes", `<iq type='get' id='a' x='1' y:z='2' y:to='nobody' xmlns:y='urn:y'><q xmlns='urn:x'/></iq>`,
			Stanza{Kind: IQ, Type: Get, ID: "a", Payload: []byte(`<q xmlns='urn:x'/>`)}, `<iq type='get' id='a'><q xmlns='urn:x'/></iq>`},
		{"attributes in any order and quotes", `<iq id="a"  to="pv1@dso.example/IEC" type="get"/>`,
			Stanza{Kind: IQ, Type: Get, ID: "a", To: ied}, `<iq type='get' id='a' to='pv1@dso.example/IEC'/>`},
		{"escapes in the head", `<message id='&apos;&lt;&amp;"&#10;' to='d.example/&apos;&gt;&lt;'/>`,
			Stanza{Kind: Message, Type: Normal, ID: "'<&\"\n", To: jid.MustParse("d.example/'><")}, "escaped"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(tt.in)
			if err != nil {
				t.Fatalf("reading %s: %v", tt.in, err)
			}
			if diff := cmp.Diff(tt.want, got, jidsByString); diff != "" {
				t.Errorf("reading %s: (-want +got)\n%s", tt.in, diff)
			}
			out := string(got.Append(nil))
			if again, err := read(out); err != nil || !cmp.Equal(got, again, jidsByString) {
				t.Errorf("reading %s again: %+v, %v, want %+v", out, again, err, got)
			}
			if want := tt.out; want != "escaped" {
				if want == "" {
					want = tt.in
				}
				if out != want {
					t.Errorf("Append of %s\n got %s\nwant %s", tt.in, out, want)
				}
			}
		})
	}
}

func TestParseHeadRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"another element", `<query/>`, ErrNotStanza},
		{"another namespace", `<iq xmlns='jabber:iq:roster' type='get' id='a'/>`, ErrNotStanza},
		{"prefix in another namespace", `<x:iq xmlns:x='urn:x' type='get' id='a'/>`, ErrNotStanza},
		{"case", `<IQ type='get' id='a'/>`, ErrNotStanza},
		{"malformed from", `<message from='@'/>`, ErrInvalidFrom},
		{"empty from", `<message from=''/>`, ErrInvalidFrom},
		{"malformed to", `<message to='a@b@c'/>`, &Error{Condition: JIDMalformed}},
		{"empty to", `<message to=''/>`, &Error{Condition: JIDMalformed}},
		{"iq without type", `<iq id='a'/>`, &Error{Condition: BadRequest}},
		{"iq of unknown type", `<iq id='a' type='put'/>`, &Error{Condition: BadRequest}},
		{"iq with the type of a presence", `<iq id='a' type='probe'/>`, &Error{Condition: BadRequest}},
		{"iq without id", `<iq type='get'/>`, &Error{Condition: BadRequest}},
		{"presence of unknown type", `<presence type='get'/>`, &Error{Condition: BadRequest}},
		{"presence of empty type", `<presence type=''/>`, &Error{Condition: BadRequest}},
		{"presence of type available", `<presence type='available'/>`, &Error{Condition: BadRequest}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := read(tt.in)
			if !errors.Is(err, tt.want) {
				t.Errorf("reading %s: %+v, %v, want the error %v", tt.in, s, err, tt.want)
			}
		})
	}
}

func TestReplies(t *testing.T) {
	in, err := read(`<iq type='get' id='17' from='hmi@dso.example/a' to='pv1@dso.example/IEC' xml:lang='nl'><q xmlns='urn:x'/></iq>`)
	if err != nil {
		t.Fatal(err)
	}
	got := string(in.Reply([]byte(`<r xmlns='urn:x'/>`)).Append(nil))
	if want := `<iq type='result' id='17' from='pv1@dso.example/IEC' to='hmi@dso.example/a'><r xmlns='urn:x'/></iq>`; got != want {
		t.Errorf("Reply\n got %s\nwant %s", got, want)
	}
	got = string(in.ErrorReply(NewError(ItemNotFound, "no <such> association")).Append(nil))
	want := `<iq type='error' id='17' from='pv1@dso.example/IEC' to='hmi@dso.example/a'><error type='cancel'>` +
		`<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>` +
		`<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no &lt;such&gt; association</text></error></iq>`
	if got != want {
		t.Errorf("ErrorReply\n got %s\nwant %s", got, want)
	}
}

func TestChild(t *testing.T) {
	tests := []struct {
		name, payload, space, local string
		ok                          bool
	}{
		{"none", "", "", "", false},
		{"own namespace", "<ping xmlns='urn:xmpp:ping'/>", "urn:xmpp:ping", "ping", true},
		{"outer namespace", "<error/>", Namespace, "error", true},
		{"white space before", "\n <ping xmlns='urn:xmpp:ping'/>", "urn:xmpp:ping", "ping", true},
		{"prefixed", "<p:ping xmlns:p='urn:xmpp:ping'/>", "urn:xmpp:ping", "ping", true},
		{"text only", "hello", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			space, local, ok := Stanza{Payload: []byte(tt.payload)}.Child()
			if space != tt.space || local != tt.local || ok != tt.ok {
				t.Errorf("Child of %q = %q, %q, %v, want %q, %q, %v", tt.payload, space, local, ok, tt.space, tt.local, tt.ok)
			}
		})
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	s := Stanza{Kind: IQ, Type: Get, ID: "17", From: jid.MustParse("hmi@dso.example/a"),
		To: jid.MustParse("pv1@dso.example/IEC"), Payload: []byte("<q xmlns='urn:x'/>")}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = s.Append(buf[:0]) }); n != 0 {
		t.Errorf("Append with room allocates %v times, want 0", n)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		`<iq type='get' id='17' from='a@b/c' to='d@e/f'><q xmlns='urn:x'/></iq>`,
		`<message xml:lang='nl'><body>a &lt; b</body></message>`,
		`<presence type='unavailable'/>`,
		`<iq type='get' id='&apos;&#9;' x:to='a' xmlns:x='urn:x'/>`,
		`<iq xmlns='jabber:client' type='set' id='a'>&amp;</iq>`,
		`<message from='A@B.example' to='a@b/ c'/>`, `<message to='@'/>`, `<iq from='' to='' id='1' type='result'/>`, `<presence type=''/>`,
	} {
		f.Add(s)
	}
	for kind, types := range map[string][]Type{"iq": {Get, Set, Result, TypeError, "x"}, "message": {Chat, Groupchat, Headline, Normal, TypeError, "x"},
		"presence": {Unavailable, Subscribe, Subscribed, Unsubscribe, Unsubscribed, Probe, TypeError, "x"}} {
		for _, typ := range types {
			f.Add(fmt.Sprintf("<%s type='%s' id='1' to='a@b/c' from='d@e'/>", kind, typ))
		}
	}
	f.Fuzz(func(t *testing.T, in string) {
		checkHeads(t, in)
		s, err := read(in)
		if err != nil {
			return
		}
		for _, answer := range []Stanza{s.Reply(s.Payload), s.ErrorReply(NewError(ItemNotFound, s.ID))} {
			if answer.From != s.To || answer.To != s.From || answer.ID != s.ID || answer.Kind != s.Kind {
				t.Fatalf("%q is answered %+v", in, answer)
			}
		}
		sc := xmltok.NewBytesScanner(s.Payload, xmltok.Limits{})
		sc.SetDefaultNamespace(Namespace)
		for {
			if _, err := sc.Next(); err == io.EOF {
				break
			} else if err != nil {
				return // the payload leans on its start tag: such a one is re-serialised, not appended
			}
		}
		out := s.Append(nil)
		again, err := read(string(out))
		if err != nil || !cmp.Equal(s, again, jidsByString) {
			t.Fatalf("%q became %q: %+v, then %+v, %v", in, out, s, again, err)
		}
	})
}

// checkHeads makes sure that who remembers addresses reads what others read, the first time and again.
func checkHeads(t *testing.T, in string) {
	sc := xmltok.NewBytesScanner([]byte(in), xmltok.Limits{})
	sc.SetDefaultNamespace(Namespace)
	token, err := sc.Next()
	if err != nil {
		return
	}
	want, wantErr := ParseHead(&token)
	var heads Heads
	for range 2 {
		got, err := heads.Parse(&token)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || !cmp.Equal(got, want, jidsByString) {
			t.Fatalf("%q: got %+v, %v, want %+v, %v", in, got, err, want, wantErr)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	s := Stanza{Kind: IQ, Type: Get, ID: "17", From: jid.MustParse("hmi@dso.example/a"),
		To: jid.MustParse("pv1@dso.example/IEC"), Payload: []byte(strings.Repeat("<q xmlns='urn:x'/>", 30))}
	buf := s.Append(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = s.Append(buf[:0])
	}
}

// TestHeadsAreReadAsParseHeadDoes: whatever was read before, and longer than anything is remembered.
func TestHeadsAreReadAsParseHeadDoes(t *testing.T) {
	addresses := []string{"", "@", "A@B.example/C", "a@b.example/C", "a@b.example/c", "a@b.example", "b.example", "a@b@c",
		"pv1@dso.example/IEC", "pv2@dso.example/IEC", strings.Repeat("a", 300) + "@b.example", strings.Repeat("A", 300) + "@b.example"}
	var h Heads
	for round := range 3 {
		for i, from := range addresses {
			to := addresses[(i*(round+5)+round)%len(addresses)]
			tok := xmltok.Token{Kind: xmltok.Start, Name: xmltok.Name{Space: Namespace, Local: "message"}, Attrs: []xmltok.Attr{
				{Name: xmltok.Name{Local: "from"}, Value: []byte(from)}, {Name: xmltok.Name{Local: "to"}, Value: []byte(to)}}}
			want, wantErr := ParseHead(&tok)
			got, err := h.Parse(&tok)
			if !cmp.Equal(got, want, jidsByString) || !errors.Is(err, wantErr) {
				t.Errorf("from %.40q, to %.40q: %+v, %v, want %+v, %v", from, to, got, err, want, wantErr)
			}
		}
	}
}

func TestHeadOfAKnownPeerDoesNotAllocate(t *testing.T) {
	tok := xmltok.Token{Kind: xmltok.Start, Name: xmltok.Name{Space: Namespace, Local: "message"}, Attrs: []xmltok.Attr{
		{Name: xmltok.Name{Local: "from"}, Value: []byte("hmi@dso.example/a")}, {Name: xmltok.Name{Local: "to"}, Value: []byte("pv1@dso.example/IEC")}}}
	var h Heads
	if n := testing.AllocsPerRun(100, func() { h.Parse(&tok) }); n != 0 {
		t.Errorf("a head with addresses that were read before allocates %v times, want 0", n)
	}
}
