package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"busbar.example/mms"
	"busbar.example/scsm/xmpp82"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// every is one event of each kind, whose fields all are there.
func every() []*event {
	var all []*event
	for _, kind := range []string{beginEvent, connectingEvent, connectedEvent, streamEvent, featuresEvent, tlsEvent, saslEvent, boundEvent,
		stanzaEvent, pduEvent, establishedEvent, endedEvent, closedEvent, failedEvent, resultEvent, summaryEvent} {
		for _, failing := range []bool{false, true} {
			e := &event{TLS: &secured{Server: &certificate{}, Client: &certificate{}}, Stanza: &stanzaFact{}, PDU: &pduFact{}, Octets: &octets{},
				E2E: &endToEnd{Server: &certificate{}, Client: &certificate{}}, Summary: &summary{}}
			if failing {
				e.Error = &failure{}
			}
			if kind == failedEvent {
				e.Error = &failure{}
			}
			e.Event = kind
			all = append(all, e)
			if kind == establishedEvent {
				unprotected := *e
				unprotected.E2E = &endToEnd{}
				e.E2E.Protected = true
				all = append(all, &unprotected)
			}
		}
	}
	return all
}

// fill puts text into every text in v that is not fixed, and a number into every number.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Event" && v.Field(i).CanSet() {
				fill(v.Field(i), text)
			}
		}
	case reflect.String:
		v.SetString(text)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]string]() {
			v.Set(reflect.ValueOf([]string{text, text}))
		}
	case reflect.Int, reflect.Int64:
		v.SetInt(123456)
	}
}

func filled(text string) []*event {
	all := every()
	for _, e := range all {
		fill(reflect.ValueOf(e), text)
		e.PDU.text = text
		e.E2E.roles = []string{text}
		if e.Event == pduEvent && e.Error == nil {
			e.Direction = received
		}
		e.Result = json.RawMessage(`{}`)
	}
	return all
}

const hostile = "\x1b[31m\x1b]0;owned\x07 \r\n\x00\u202egnp.exe\u202c\u2066\u200b\u200f\u009b2J שלום مرحبا \xff\xc3( \u0301\u0301\u0301\u0301\u0301\u0301\u0301"

func TestHostileTextIsEscapedInEveryField(t *testing.T) {
	for _, ascii := range []bool{false, true} {
		var out bytes.Buffer
		c := newChart(&out, Options{Client: hostile + "@x", Peer: hostile, Unicode: !ascii})
		for _, e := range filled(hostile) {
			c.event(e)
		}
		if out.Len() < 4000 {
			t.Fatalf("only %d octets were printed", out.Len())
		}
		marks := 0
		for i, r := range out.String() {
			bad := r == utf8.RuneError || r != '\n' && !unicode.IsPrint(r) || ascii && r > '~' || unicode.In(r, rightToLeft...)
			if marks++; !unicode.Is(unicode.M, r) {
				marks = 0
			}
			if bad || marks > maxMarks {
				t.Fatalf("ASCII %t: %U is in the chart: %q", ascii, r, out.String()[max(0, i-60):i+20])
			}
		}
	}
}

func TestHostileTextIsEscapedInJSONAndKeepsItsMeaning(t *testing.T) {
	const text = hostile + "\U000e0041\U0001f600"
	var want string
	if plain, err := json.Marshal(text); err != nil || json.Unmarshal(plain, &want) != nil {
		t.Fatal(err)
	}
	for _, e := range filled(text) {
		var out bytes.Buffer
		(&jsonLines{&out}).event(e)
		line := strings.TrimSuffix(out.String(), "\n")
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U is in %q", r, line)
			}
		}
		var back struct{ Address string }
		if err := json.Unmarshal([]byte(line), &back); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if back.Address != want {
			t.Errorf("got %q, want %q", back.Address, want)
		}
	}
}

func TestNoLineIsLongerThanTheChartIsWide(t *testing.T) {
	long := strings.Repeat("PV1LD0/MMXU1.TotW.subMag.someVeryLongAttributeName(3).deeper[MX]", 5) + " 電力 and more words of several kinds"
	for _, width := range []int{0, 40, 80, 120, 200} {
		for _, o := range []Options{{Width: width}, {Width: width, Unicode: true}} {
			t.Run(fmt.Sprintf("%d columns, UTF-8 %t", width, o.Unicode), func(t *testing.T) {
				o.Client, o.Peer = "a-client-with-a-long-name@"+long, "山田太郎の太陽光発電所@x"
				var out bytes.Buffer
				c := newChart(&out, o)
				for _, e := range filled(long) {
					c.event(e)
				}
				limit := max(width, minWidth)
				if width == 0 {
					limit = defaultWidth
				}
				for line := range strings.Lines(out.String()) {
					if n := columns(strings.TrimSuffix(line, "\n")); n > limit {
						t.Errorf("%d columns: %s", n, line)
					}
				}
			})
		}
	}
}

func TestLongReferencesAreBrokenAndComplete(t *testing.T) {
	ref := "PV1LD0/MMXU1." + strings.Repeat("PhsV.phsA.", 8) + "cVal.mag.f[MX]"
	for _, width := range []int{80, 120, 200} {
		var out bytes.Buffer
		c := newChart(&out, Options{Width: width})
		c.event(&event{Event: pduEvent, Direction: sent, Stanza: &stanzaFact{Kind: "iq", Type: "get"}, Octets: &octets{MMS: 1, Stanza: 2},
			PDU: &pduFact{Name: "confirmed-RequestPDU", text: "GetDataValues " + ref}})
		var got strings.Builder
		lanes := timeWidth + 2*c.gap + 1
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); len(line) > lanes {
				got.WriteString(strings.TrimSpace(line[lanes:]))
			}
		}
		if !strings.Contains(got.String(), ref) {
			t.Errorf("%d columns: %s is not in\n%s", width, ref, out.String())
		}
	}
}

func TestArrowsPointFromWhoSpeaksToWhoListens(t *testing.T) {
	l := newLanes(Options{Width: 80, Unicode: true})
	for _, tt := range []struct {
		from, to  int
		both, bad bool
		want      string
	}{
		{client, client, false, false, "│        │        │"},
		{client, broker, false, false, "├───────►│        │"},
		{broker, client, false, false, "│◄───────┤        │"},
		{client, ied, false, false, "├────────┼───────►│"},
		{ied, client, false, false, "│◄───────┼────────┤"},
		{ied, client, false, true, "│✗───────┼────────┤"},
		{client, broker, false, true, "├───────✗│        │"},
		{client, broker, true, false, "│◄══════►│        │"},
		{client, ied, true, false, "│◄═══════╪═══════►│"},
	} {
		if got := l.arrow(tt.from, tt.to, tt.both, tt.bad); got != tt.want {
			t.Errorf("from %d to %d, both %t, bad %t:\n%s, want\n%s", tt.from, tt.to, tt.both, tt.bad, got, tt.want)
		}
	}
}

func TestCertificatesThatEndSoonAreMarked(t *testing.T) {
	for _, tt := range []struct {
		days int
		want string
	}{{-2, "EXPIRED 2026-01-02"}, {0, "until 2026-01-02, ONLY 0 DAYS LEFT"}, {29, "until 2026-01-02, ONLY 29 DAYS LEFT"}, {30, "until 2026-01-02, 30 days"}} {
		lines := certificateLines("IED", &certificate{Name: "pv1@x", Issuer: "CA", DaysLeft: tt.days, until: time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local), Roles: []string{"VIEWER"}})
		if d := cmp.Diff([]string{"IED: pv1@x, VIEWER", "  by CA, " + tt.want}, lines); d != "" {
			t.Errorf("%d days left (-want +got):\n%s", tt.days, d)
		}
	}
}

func TestXMLIsIndentedAndNothingOfItIsLost(t *testing.T) {
	for _, tt := range []struct{ name, xml, want string }{
		{"empty", "", ""},
		{"nested", `<a x='>'><b>text</b><c/><d><e>1</e></d></a>`, "<a x='>'>\n  <b>text</b>\n  <c/>\n  <d>\n    <e>1</e>\n  </d>\n</a>"},
		{"white space", "<a>\n <b> x </b>\n</a>", "<a>\n  <b>x</b>\n</a>"},
		{"a section", "<a><![CDATA[<b>]]></a>", "<a><![CDATA[<b>]]></a>"},
		{"text and elements", "<a>one<b/>two</a>", "<a>one\n  <b/>\n  two\n</a>"},
		{"cut short", "<a><b", "<a>\n  <b"},
		{"ends too often", "</a></b>x", "</a>\n</b>\nx"},
	} {
		if got := strings.Join(pretty(tt.xml), "\n"); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func FuzzPretty(f *testing.F) {
	f.Add("<a x='1'><b>t</b><![CDATA[x]]></a>")
	f.Fuzz(func(t *testing.T, xml string) {
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		lines := pretty(xml)
		if got := squeeze(strings.Join(lines, "")); got != squeeze(xml) {
			t.Errorf("got %q of %q", got, xml)
		}
		for _, line := range lines {
			for _, part := range wrapRaw(clean(line, false), 20) {
				if columns(part) > 20 {
					t.Errorf("%q has more than 20 columns", part)
				}
			}
		}
		for _, line := range wrap(clean(xml, false), 20, "  ") {
			if columns(line) > 20 {
				t.Errorf("%q has more than 20 columns", line)
			}
		}
	})
}

func TestDurationsAreShort(t *testing.T) {
	for long, want := range map[string]string{"1h0m0s": "1h", "15m0s": "15m", "1h30m0s": "1h30m", "24h0m0s": "24h", "45s": "45s", "10m0s": "10m"} {
		if got := short(long); got != want {
			t.Errorf("%s: got %s, want %s", long, got, want)
		}
	}
}

func TestTimesFitTheirColumn(t *testing.T) {
	for at, want := range map[time.Duration]string{0: "0.0", 1234567 * time.Microsecond: "1234.6", 99999 * time.Millisecond: "99999.0",
		100 * time.Second: "100.0s", 9999 * time.Second: "9999.0s", 24 * time.Hour: "86400s"} {
		if got := stampOf(millis(at)); got != want || len(got) >= timeWidth {
			t.Errorf("%v: got %s, want %s", at, got, want)
		}
	}
}

// A peer may send answers that nobody asked for, in any number.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	tr := New(io.Discard, Options{})
	_, link := tr.Hooks()
	for i := range uint32(maxCalls + 9) {
		link.Carried(xmpp82.Carried{Sent: true, PDU: &mms.ConfirmedRequest{InvokeID: i, Service: &mms.ReadRequest{}}})
	}
	tr.Close(nil)
	stream, _ := tr.Hooks()
	for i := range maxArrived + 9 {
		stream.Received(stanza.Stanza{Kind: stanza.IQ, Type: stanza.Result, ID: fmt.Sprint(i), Payload: []byte("<association xmlns='x'/>")}, 1)
	}
	if len(tr.calls) > maxCalls || len(tr.arrived) > maxArrived {
		t.Errorf("%d calls and %d stanzas are remembered", len(tr.calls), len(tr.arrived))
	}
}

func TestAnErrorIsToldOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		fn   func(*Tracer)
		err  error
		want int
	}{
		{"at its step", func(tr *Tracer) {
			tr.negotiationFailed(&xmpp.NegotiationError{Step: xmpp.StepSASL, Err: errors.New("no way")})
		}, fmt.Errorf("broker: %w", errors.New("no way")), 1},
		{"with the association", func(tr *Tracer) { tr.associationEnded(jid.MustParse("a@b/c"), "1:2", errors.New("no way")) }, errors.New("read: no way"), 1},
		{"at the end", func(*Tracer) {}, errors.New("no way"), 1},
		{"another one", func(tr *Tracer) { tr.associationEnded(jid.MustParse("a@b/c"), "1:2", net.ErrClosed) }, errors.New("no way"), 1},
		{"none", func(*Tracer) {}, nil, 0},
	} {
		var out bytes.Buffer
		tr := New(&out, Options{})
		tt.fn(tr)
		tr.Close(tt.err)
		if got := strings.Count(out.String(), "no way"); got != tt.want {
			t.Errorf("%s: told %d times, want %d:\n%s", tt.name, got, tt.want, out.String())
		}
	}
}

func TestColoursChangeNothingElse(t *testing.T) {
	var plain, coloured bytes.Buffer
	for out, o := range map[*bytes.Buffer]Options{&plain: {Unicode: true}, &coloured: {Unicode: true, Color: true}} {
		c := newChart(out, o)
		for _, e := range filled("text of a peer") {
			c.event(e)
		}
	}
	text := regexp.MustCompile("\x1b\\[[0-9;]+m").ReplaceAllString(coloured.String(), "")
	if d := cmp.Diff(plain.String(), text); d != "" || coloured.Len() == plain.Len() {
		t.Errorf("without its colours the chart differs (-plain +coloured):\n%s", d)
	}
}

// What is asked of a client that serves nobody is never read.
func TestStanzasThatNobodyReadsAreBounded(t *testing.T) {
	for _, raw := range []bool{false, true} {
		tracer := New(io.Discard, Options{Raw: raw})
		st := stanza.Stanza{Kind: stanza.Message, ID: "same", From: jid.MustParse("mallory@plant.example/x"),
			Payload: []byte(`<association xmlns="x">` + strings.Repeat("a", 8<<10) + `</association>`)}
		for range 3 * maxArrived {
			tracer.stanzaReceived(st, 9<<10)
		}
		n, octets := 0, 0
		for _, waiting := range tracer.arrived {
			n += len(waiting)
			for _, c := range waiting {
				octets += len(c.xml)
			}
		}
		if n == 0 || n > maxArrived || octets > maxArrivedXML || n != tracer.waiting || octets != tracer.held {
			t.Errorf("raw %t: %d stanzas of %d octets are kept, counted as %d of %d; want 1 to %d of at most %d", raw, n, octets, tracer.waiting, tracer.held, maxArrived, maxArrivedXML)
		}
		for range n {
			tracer.takeArrived(st)
		}
		if tracer.waiting != 0 || tracer.held != 0 {
			t.Errorf("raw %t: %d stanzas of %d octets are counted when all have been read", raw, tracer.waiting, tracer.held)
		}
	}
}

func TestTLSThatComesFirstIsNotCalledSTARTTLS(t *testing.T) {
	for _, direct := range []bool{false, true} {
		var out bytes.Buffer
		tracer := New(&out, Options{})
		hooks, _ := tracer.Hooks()
		for range 2 { // an address that fails, and the next
			hooks.Connecting("192.0.2.1:5223")
			if !direct {
				hooks.Opened("plant.example", "1")
			}
			hooks.Secured(xmpp.Info{})
			hooks.Opened("plant.example", "2")
		}
		if got, want := strings.Count(out.String(), "STARTTLS"), map[bool]int{false: 2, true: 0}[direct]; got != want {
			t.Errorf("direct %t: STARTTLS is told of %d times, want %d:\n%s", direct, got, want, out.String())
		}
	}
}

func TestResultsThatAreNotJSONAreNotLost(t *testing.T) {
	var out bytes.Buffer
	tracer := New(&out, Options{JSON: true})
	before := out.Len()
	if n, err := tracer.Results().Write(nil); n != 0 || err != nil || out.Len() != before {
		t.Errorf("nothing: %d octets, %v, printed %q", n, err, out.String()[before:])
	}
	if n, err := tracer.Results().Write([]byte("plain\n")); n != 0 || err == nil || out.Len() != before {
		t.Errorf("what is not JSON: %d octets, %v, printed %q; want an error", n, err, out.String()[before:])
	}
	if _, err := tracer.Results().Write([]byte(`{"ref":"a"}` + "\n")); err != nil || !strings.Contains(out.String(), `"result":{"ref":"a"}`) {
		t.Errorf("a result: %v, printed %q", err, out.String()[before:])
	}
}
