package asn1_test

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
	"busbar.example/internal/asn1/xer"
)

// message has the kinds of types, and the ways to tag them, that MMS does not use.
type message struct {
	Head head      `asn:"head"`
	Body asn1.Open `asn:"body [10] OPTIONAL"`
}

type head struct {
	Reason    reason       `asn:"reason"`
	Urgency   urgency      `asn:"urgency [0] DEFAULT high"`
	Number    uint64       `asn:"number [1] EXPLICIT"`
	Algorithm string       `asn:"algorithm [2] OBJECT IDENTIFIER"`
	Text      string       `asn:"text UTF8String"`
	Note      string       `asn:"note [3] VisibleString OPTIONAL"`
	Stamp     string       `asn:"stamp GeneralizedTime OPTIONAL"`
	Key       []byte       `asn:"key [4] BASE64"`
	Hex       []byte       `asn:"hex [5] OPTIONAL"`
	Path      [][]byte     `asn:"path [6] SEQUENCE OF OCTET STRING BASE64 OPTIONAL"`
	Arcs      []string     `asn:"arcs [7] SEQUENCE OF OBJECT IDENTIFIER OPTIONAL"`
	Numbers   []int16      `asn:"numbers [8] SEQUENCE OF INTEGER OPTIONAL"`
	Flags     flags        `asn:"flags"`
	Nothing   *struct{}    `asn:"nothing [9] OPTIONAL"`
	Sure      *bool        `asn:"sure [40] OPTIONAL"`
	Retries   *RetryPolicy `asn:"OPTIONAL ALIAS retries"`
	Day       day          `asn:"day [11] OPTIONAL"`
}

// RetryPolicy is a component without identifier, which takes its type's name.
type RetryPolicy struct {
	Count uint8 `asn:"count DEFAULT 12"`
}

type (
	reason  uint8
	urgency int64
	flags   uint8
	day     []byte
)

var messageType = asn1.Compile[message](asn1.NewModule(
	asn1.Enumerated[reason]("Reason", asn1.Names{"none", "", "late"}),
	asn1.Numbers[urgency]("Urgency", asn1.Names{"low", "high"}),
	asn1.NamedBits[flags]("Flags", 1, asn1.Names{"v1", "v2"}),
	asn1.Octets[day]("Day", 2, 4),
))

const (
	ns   = "urn:test"
	body = "<x xmlns='urn:other'><y a='b'>1</y></x>"

	smallBER = "301c" + "301a" + "0a0100" + "a103020100" + "82082a8648ce3d040302" + "0c00" + "8400" + "03020700"
	smallXER = "<message xmlns='urn:test'><head urgency='high'><reason><none/></reason><number>0</number>" +
		"<algorithm>1.2.840.10045.4.3.2</algorithm><text/><key/><flags/></head></message>"

	largeBER = "307f" + "3071" + "0a0102" + "80088000000000000000" + "a10b020900ffffffffffffffff" + "8203550403" +
		"0c04c3a43c09" + "83016e" + "180f32303236303130323033303430355a" + "84046b65793f" + "8500" + "a608040401020304" + "0400" +
		"a70706052b81040022" + "a8070201ff0202012c" + "030205a0" + "8900" + "9f2801ff" + "3004020200c8" + "8b021234" +
		"aa0a" + "0c08612d626f6479210a"
	largeXER = "<message xmlns='urn:test'><head urgency='-9223372036854775808'><reason><late/></reason>" +
		"<number>18446744073709551615</number><algorithm>2.5.4.3</algorithm><text>ä&lt;\t</text><note>n</note>" +
		"<stamp>20260102030405Z</stamp><key>a2V5Pw==</key><hex/>" +
		"<path><OCTET_STRING>AQIDBA==</OCTET_STRING><OCTET_STRING/></path>" +
		"<arcs><OBJECT_IDENTIFIER>1.3.132.0.34</OBJECT_IDENTIFIER></arcs>" +
		"<numbers><INTEGER>-1</INTEGER><INTEGER>300</INTEGER></numbers><flags>101</flags><nothing/>" +
		"<sure>true</sure><RetryPolicy count='200'/><day>1234</day></head><body>" + body + "</body></message>"
)

func small() message {
	return message{Head: head{Urgency: 1, Algorithm: "1.2.840.10045.4.3.2", Key: []byte{}}}
}

func large(open string) message {
	yes := true
	return message{
		Head: head{
			Reason: 2, Urgency: -1 << 63, Number: 1<<64 - 1, Algorithm: "2.5.4.3", Text: "ä<\t", Note: "n", Stamp: "20260102030405Z",
			Key: []byte("key?"), Hex: []byte{}, Path: [][]byte{{1, 2, 3, 4}, {}}, Arcs: []string{"1.3.132.0.34"}, Numbers: []int16{-1, 300},
			Flags: 0b101, Nothing: &struct{}{}, Sure: &yes, Retries: &RetryPolicy{Count: 200}, Day: day{0x12, 0x34},
		},
		Body: asn1.Open(open),
	}
}

func fromXER(s string) (m message, err error) {
	err = xer.Decode([]byte(s), messageType, ns, &m, asn1.Limits{})
	return m, err
}

func fromBER(t *testing.T, s string) (m message, err error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return m, ber.Decode(b, messageType, &m, asn1.Limits{})
}

func TestXERKnowsEveryKindOfType(t *testing.T) {
	for want, m := range map[string]message{smallXER: small(), largeXER: large(body)} {
		got, err := xer.Append(nil, messageType, ns, &m)
		if err != nil || string(got) != want {
			t.Errorf("got\n%s\n%v, want\n%s", got, err, want)
		}
		if back, err := fromXER(want); err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("got %+v, %v, want %+v", back, err, m)
		}
		content, err := xer.AppendContent(nil, messageType, m)
		if inner := strings.TrimSuffix(strings.TrimPrefix(want, "<message xmlns='urn:test'>"), "</message>"); err != nil || string(content) != inner {
			t.Errorf("content: got %s, %v, want %s", content, err, inner)
		}
	}
}

func TestBERKnowsEveryKindOfType(t *testing.T) {
	for want, m := range map[string]message{smallBER: small(), largeBER: large("\x0c\x08a-body!\n")} {
		got, err := ber.Append(nil, messageType, m)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("got  %x, %v\nwant %s", got, err, want)
		}
		if back, err := fromBER(t, want); err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("got %+v, %v, want %+v", back, err, m)
		}
	}
}

func TestXERRefuses(t *testing.T) {
	cases := []struct{ name, old, new, want string }{
		{"number out of an enumeration", "<none/>", "1", "1 is not in the enumeration Reason"},
		{"number that has no name in an enumeration", "<none/>", "3", "3 is not in the enumeration Reason"},
		{"empty enumeration", "<none/>", "", "no integer"},
		{"base64 without padding", "<key/>", "<key>a2V5Pw</key>", "neither hex nor base64"},
		{"base64 with set padding bits", "<key/>", "<key>a2V5Px==</key>", "neither hex nor base64"},
		{"base64 in lines", "<key/>", "<key>a2V5\nPw==</key>", "neither hex nor base64"},
		{"base64 of the URL alphabet", "<key/>", "<key>__8=</key>", "neither hex nor base64"},
		{"hex that is odd", "<key/>", "<key/><hex>0</hex>", "neither hex nor base64"},
		{"item that is no base64", "<key/>", "<key/><path><OCTET_STRING>?</OCTET_STRING></path>", "path/OCTET_STRING[0]: neither"},
		{"object identifier in names", "1.2.840.10045.4.3.2", "ecdsa", "no object identifier"},
		{"UTF8String with a carriage return", "<text/>", "<text>&#13;</text>", "not allowed"},
		{"optional string that is empty", "<key/>", "<note/><key/>", "an optional component that is empty"},
		{"time with a letter", "<key/>", "<stamp>T</stamp><key/>", "not allowed"},
		{"attribute out of range", "urgency='high'", "urgency='9223372036854775808'", "urgency: 9223372036854775808 is out of range"},
		{"attribute that has no such name", "urgency='high'", "urgency='higher'", "no integer"},
		{"attribute of a component", "<flags/>", "<flags/><RetryPolicy count='256'/>", "256 is out of range"},
		{"octets of another size", "<flags/>", "<flags/><day>123456</day>", "head/day: a Day of 3 octets, not [2 4]"},
		{"number of 65 bits", "<number>0", "<number>18446744073709551616", "no integer"},
		{"another element at the top", "message", "massage", "massage where message is expected"},
		{"open type that is empty", "</head>", "</head><body/>", "one element of another namespace is expected"},
		{"open type that is text", "</head>", "</head><body>x</body>", "one element of another namespace is expected"},
		{"open type of the same namespace", "</head>", "</head><body><x/></body>", "one element of another namespace is expected"},
		{"open type of no namespace", "</head>", "</head><body><x xmlns=''/></body>", "one element of another namespace is expected"},
		{"open type of two elements", "</head>", "</head><body>" + body + body + "</body>", "more than one element"},
		{"open type with text behind", "</head>", "</head><body>" + body + "x</body>", "more than one element"},
		{"open type with a prefix", "</head>", "</head><body><p:x xmlns:p='urn:other'/></body>", "a namespace prefix"},
		{"open type with a prefix inside", "</head>", "</head><body><x xmlns='urn:other' xmlns:p='urn:p'><p:y/></x></body>", "a namespace prefix"},
		{"open type with a prefix from outside", "</head>", "</head><body xmlns:p='urn:p'><x xmlns='urn:other' p:a=''/></body>", "a namespace prefix"},
		{"open type cut off", "</head></message>", "</head><body><x xmlns='urn:other'>", "ends too early"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			input := strings.ReplaceAll(smallXER, c.old, c.new)
			_, err := fromXER(input)
			var syntax *asn1.SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a *SyntaxError that says %q\nof %s", err, c.want, input)
			}
		})
	}
}

func TestXERReadsWhatIsNotWritten(t *testing.T) {
	retry := small()
	retry.Head.Retries = &RetryPolicy{Count: 12}
	open := small()
	open.Body = asn1.Open(body)
	cases := []struct {
		name, old, new string
		want           message
	}{
		{"alias of a component without identifier", "<flags/>", "<flags/><retries/>", retry},
		{"attribute as a number", "urgency='high'", "urgency='1'", small()},
		{"default as an element", " urgency='high'><reason><none/></reason>", "><reason>none</reason><urgency><high/></urgency>", small()},
		{"open type amid white space", "</head>", "</head><body>\n " + body + "\n</body>", open},
		{"white space round the element", "<message", " <message", small()},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			input := strings.ReplaceAll(smallXER, c.old, c.new)
			if got, err := fromXER(input); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v, want %+v\nof %s", got, err, c.want, input)
			}
		})
	}
}

func TestBERRefuses(t *testing.T) {
	cases := []struct{ name, old, new, want string }{
		{"number out of an enumeration", "0a0100", "0a0101", "1 is not in the enumeration Reason"},
		{"INTEGER in place of an ENUMERATED", "0a0100", "020100", "tag 02 where reason"},
		{"another type in an explicit tag", "a103020100", "a1030a0100", "tag 0A where uint64"},
		{"object identifier cut short", "040302", "040382", "a malformed OBJECT IDENTIFIER"},
		{"octets of another size", smallBER, "301f301d" + smallBER[8:] + "8b0112", "head/day: a Day of 1 octets, not [2 4]"},
		{"optional string that is empty", "8400", "8300", "head/note: an optional component that is empty"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			input := strings.Replace(smallBER, c.old, c.new, 1)
			_, err := fromBER(t, input)
			var syntax *asn1.SyntaxError
			if !errors.As(err, &syntax) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a *SyntaxError that says %q\nof %s", err, c.want, input)
			}
		})
	}
}

func TestWhatHasNoEncodingIsAValueError(t *testing.T) {
	changed := func(change func(*message)) *message {
		m := small()
		change(&m)
		return &m
	}
	cases := []struct {
		name  string
		value any
		want  string
	}{
		{"nothing", nil, "cannot encode message: nothing"},
		{"nil", (*message)(nil), "cannot encode message: nothing"},
		{"another type", 5, "int is not asn1_test.message"},
		{"number out of an enumeration", changed(func(m *message) { m.Head.Reason = 1 }), "message/head/reason: 1 is not in the enumeration Reason"},
		{"text with a control character", changed(func(m *message) { m.Head.Text = "\x01" }), "message/head/text"},
		{"no object identifier", changed(func(m *message) { m.Head.Algorithm = "" }), "message/head/algorithm"},
		{"item that is no object identifier", changed(func(m *message) { m.Head.Arcs = []string{"1.2", "9"} }), "arcs/OBJECT_IDENTIFIER[1]"},
		{"octets of another size", changed(func(m *message) { m.Head.Day = day{1} }), "message/head/day: a Day of 1 octets, not [2 4]"},
		{"empty open type", changed(func(m *message) { m.Body = asn1.Open{} }), "message/body: an open type without content"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, berErr := ber.Append(nil, messageType, c.value)
			_, xerErr := xer.Append(nil, messageType, ns, c.value)
			for encoding, err := range map[string]error{"BER": berErr, "XER": xerErr} {
				var invalid *asn1.ValueError
				if !errors.As(err, &invalid) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v, want a *ValueError that says %q", encoding, err, c.want)
				}
			}
		})
	}
}

func TestDefaultsStandInForWhatIsAbsent(t *testing.T) {
	want := small()
	want.Head.Retries = &RetryPolicy{Count: 12}
	if got, err := fromBER(t, "301e301c"+smallBER[8:]+"3000"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	want.Head.Urgency = 0
	named, err := xer.Append(nil, messageType, ns, want)
	if err != nil || !strings.Contains(string(named), "<head urgency='low'>") || !strings.Contains(string(named), "<RetryPolicy count='12'/>") {
		t.Errorf("got %s, %v, want attributes, by name and by number", named, err)
	}
}

// An attribute beside the namespace declaration would have no canonical form.
func TestNoAttributeOnTheOutermostElement(t *testing.T) {
	policy := asn1.Compile[RetryPolicy](asn1.NewModule())
	if got, err := xer.Append(nil, policy, ns, RetryPolicy{}); err == nil {
		t.Errorf("got %s, want an error", got)
	}
}
