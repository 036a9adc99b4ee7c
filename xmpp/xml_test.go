package xmpp

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp/stanza"
)

// xmlAttack is octets of a peer that end the stream.
type xmlAttack struct {
	name, octets string
	want         StreamCondition
	event        audit.ID // empty for none
}

func message(payload string) string {
	return "<message id='m' to='site.example'>" + payload + "</message>"
}

// RFC 6120, Section 11.1; CVE-2013-1664 is the class.
func TestX1RestrictedXML(t *testing.T) {
	const billion = "<!DOCTYPE b [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]>"
	testXML(t, []xmlAttack{
		{"comment", message("<!-- x -->"), RestrictedXML, audit.RestrictedXML},
		{"comment between stanzas", "<!-- x -->", RestrictedXML, audit.RestrictedXML},
		{"processing instruction", message("<?php x?>"), RestrictedXML, audit.RestrictedXML},
		{"document type", billion, RestrictedXML, audit.RestrictedXML},
		{"document type in a stanza", message(billion), RestrictedXML, audit.RestrictedXML},
		{"external entity", "<!DOCTYPE b SYSTEM 'file:///etc/passwd'>", RestrictedXML, audit.RestrictedXML},
		{"entity", message("<a>&b;</a>"), RestrictedXML, audit.RestrictedXML},
	})
}

// RFC 6120, Section 13.12; xmppbomb is the class.
func TestX2LimitsOfAStream(t *testing.T) {
	testXML(t, []xmlAttack{
		{"depth", message(strings.Repeat("<a>", 1.5e6)), PolicyViolation, audit.StreamLimit},
		{"attributes", message("<a" + manyAttrs(" a%='%'", 1e5) + "/>"), PolicyViolation, audit.StreamLimit},
		{"namespaces", message("<a" + manyAttrs(" xmlns:a%='%'", 1e5) + "/>"), PolicyViolation, audit.StreamLimit},
		{"endless attribute", "<message a='" + strings.Repeat("a", 5<<20), PolicyViolation, audit.StreamLimit},
		{"endless text", "<message><body>" + strings.Repeat("text ", 1<<20), PolicyViolation, audit.StreamLimit},
		{"endless name", "<" + strings.Repeat("a", 5<<20), PolicyViolation, audit.StreamLimit},
		{"endless children", "<message>" + strings.Repeat("<a/>", 5<<18), PolicyViolation, audit.StreamLimit},
		{"endless white space in a stanza", "<message>" + strings.Repeat(" ", 5<<20), PolicyViolation, audit.StreamLimit},
	})
	t.Run("endless header", func(t *testing.T) {
		testUnauthenticated(t, "<?xml version='1.0'?><stream:stream to='"+strings.Repeat("a", 1<<20), PolicyViolation, audit.StreamLimit)
	})
	t.Run("an unauthenticated peer has less", func(t *testing.T) {
		testUnauthenticated(t, clientHeader+"<x xmlns='urn:x'>"+strings.Repeat("<a/>", 16<<10/4), PolicyViolation, audit.StreamLimit)
	})
}

// A server such as Prosody or ejabberd passes on whatever any account sends: one
// stanza must not take a client off line.
func TestX2ClientPassesOverAStanza(t *testing.T) {
	const from = " from='evil@site.example/x'"
	many := manyAttrs(" a%='%'", 1000)
	tests := []struct {
		name, octets string
		event        audit.ID
		answer       string // that the sender gets; empty for none
	}{
		{"depth", "<message" + from + ">" + strings.Repeat("<a>", 1e5) + strings.Repeat("</a>", 1e5) + "</message>", audit.StreamLimit, ""},
		{"attributes", "<message" + from + "><a" + many + "/></message>", audit.StreamLimit, ""},
		{"attributes of the stanza", "<message" + many + from + "/>", audit.StreamLimit, ""},
		{"value", "<presence" + from + "><status xmlns='" + strings.Repeat("u", 1e5) + "'/></presence>", audit.StreamLimit, ""},
		{"size", "<message" + from + "><body>" + strings.Repeat("&apos;", 2e5) + "</body></message>", audit.StreamLimit, ""},
		{"declarations that the server left on the stream", "<message" + from + ">" + strings.Repeat("<stream:a/>", 2e4) + "</message>", audit.StreamLimit, ""},
		{"stream rebound", "<message" + from + "><a xmlns:stream='urn:x'/></message>", audit.RestrictedXML, ""},
		{"request", "<iq type='set' id='1'" + from + "><a " + strings.Repeat("n", 500) + "=''/></iq>", audit.StreamLimit,
			"<iq type='error' id='1' to='evil@site.example/x'><error type='modify'><policy-violation "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			got := make(chan stanza.Stanza, 1)
			p.client.Handler = func(st stanza.Stanza) { got <- st }
			var heard string
			s, done := p.session(t, func(r *raw) {
				r.send(tt.octets, "<message id='next' from='", peerJID.String(), "'/>")
				heard = r.rest()
			})
			select {
			case st := <-got:
				if st.ID != "next" {
					t.Errorf("the handler got %v", st)
				}
			case <-s.Done():
				t.Errorf("the stream ended: %v", s.Err())
			}
			s.Close()
			<-done
			if d := cmp.Diff([]audit.ID{tt.event}, ids(&p.clientEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			if !strings.HasPrefix(heard, tt.answer) || tt.answer == "" && heard != closeTag {
				t.Errorf("the server hears %q, want %q", heard, tt.answer)
			}
		})
	}
}

func TestReplyThatIsTooLargeFailsItsRequest(t *testing.T) {
	p := newPair(t)
	p.client.Limits.Authenticated = 10000
	s, done := p.session(t, func(r *raw) {
		r.send("<iq type='result' id='", idOf(r.until("</iq>")), "' from='", peerJID.String(), "'><q xmlns='urn:q'>", strings.Repeat("a", 10000), "</q></iq>")
		r.send("<iq type='result' id='", idOf(r.until("</iq>")), "' from='", peerJID.String(), "'><q xmlns='urn:q'/></iq>")
		r.rest()
	})
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: peerJID, Payload: query}
	if reply, err := s.Request(t.Context(), iq); !errors.Is(err, &stanza.Error{Condition: stanza.PolicyViolation}) {
		t.Errorf("%v, %v; want policy-violation", reply, err)
	}
	if reply, err := s.Request(t.Context(), iq); err != nil {
		t.Errorf("the next request: %v, %v", reply, err)
	}
	s.Close()
	<-done
}

func manyAttrs(pattern string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(pattern, "%", string(rune('a'+i%26))+strings.Repeat("b", i%100)))
	}
	return b.String()
}

// RFC 6120, Section 11.6.
func TestX3Encodings(t *testing.T) {
	testXML(t, []xmlAttack{
		{"overlong", message("<a>\xc0\xbc</a>"), UnsupportedEncoding, audit.StreamEncoding},
		{"cut off", message("<a>\xe2\x82</a>"), UnsupportedEncoding, audit.StreamEncoding},
		{"surrogate", message("<a>\xed\xa0\x80</a>"), UnsupportedEncoding, audit.StreamEncoding},
		{"beyond Unicode", message("<a>\xf5\x80\x80\x80</a>"), UnsupportedEncoding, audit.StreamEncoding},
		{"Latin-1 in an attribute", "<message to='\xe9'/>", UnsupportedEncoding, audit.StreamEncoding},
		{"NUL", message("<a>\x00</a>"), UnsupportedEncoding, audit.StreamEncoding},
	})
	for name, octets := range map[string]string{
		"UTF-16":                "\xff\xfe<\x00?\x00x\x00m\x00l\x00",
		"UTF-16 without a mark": "<\x00?\x00x\x00m\x00l\x00",
		"declared Latin-1":      strings.Replace(clientHeader, "'1.0'?", "'1.0' encoding='ISO-8859-1'?", 1),
	} {
		t.Run(name, func(t *testing.T) { testUnauthenticated(t, octets, UnsupportedEncoding, audit.StreamEncoding) })
	}
}

// CVE-2022-22784 is the class; Namespaces in XML 1.0, Sections 3 and 6.3.
func TestX4Smuggling(t *testing.T) {
	testXML(t, []xmlAttack{
		{"attribute twice", "<message to='a@site.example' to='b@site.example'/>", NotWellFormed, audit.StreamMalformed},
		{"attribute twice by namespace", message("<a xmlns:x='urn:x' xmlns:y='urn:x' x:a='' y:a=''/>"), NotWellFormed, audit.StreamMalformed},
		{"xml rebound", message("<a xmlns:xml='urn:x'/>"), NotWellFormed, audit.StreamMalformed},
		{"undeclared prefix", message("<x:a/>"), NotWellFormed, audit.StreamMalformed},
		{"two colons", message("<a:b:c xmlns:a='urn:x'/>"), NotWellFormed, audit.StreamMalformed},
		{"tags that cross", message("<a><b></a></b>"), NotWellFormed, audit.StreamMalformed},
		{"stream ended in a stanza", "<message><body></stream:stream>", NotWellFormed, audit.StreamMalformed},
		{"end without start", "</message>", NotWellFormed, audit.StreamMalformed},
		{"second XML declaration", "<?xml version='1.0'?>", RestrictedXML, audit.RestrictedXML},
		{"bare ampersand", message("a & b"), NotWellFormed, audit.StreamMalformed},
		{"]]> in text", message("]]>"), NotWellFormed, audit.StreamMalformed},
		{"stream in a stream", clientHeader[len("<?xml version='1.0'?>"):], UnsupportedStanzaType, ""},
		{"stanza of another namespace", "<message xmlns='jabber:server'/>", InvalidNamespace, ""},
		{"element that is no stanza", "<r xmlns='urn:example'/>", UnsupportedStanzaType, ""},
		{"text between stanzas", "text<message/>", BadFormat, ""},
		{"starttls again", startTLSAsk, UnsupportedStanzaType, ""},
		{"authentication again", externalAuth, UnsupportedStanzaType, ""},
	})
	t.Run("stream rebound", func(t *testing.T) { // what a client does with it: TestX2ClientPassesOverAStanza
		testServer(t, xmlAttack{"", message("<a xmlns:stream='urn:x'/>"), RestrictedXML, audit.RestrictedXML})
	})
	t.Run("not smuggled", func(t *testing.T) {
		const payload = "<body>&lt;/message&gt;&lt;/stream:stream&gt;</body><message xmlns='jabber:client' from='admin@site.example'/>"
		p := newPair(t)
		got := make(chan stanza.Stanza, 2)
		p.client.Handler = func(st stanza.Stanza) { got <- st }
		done := make(chan struct{})
		s, err := p.dialRaw(t, func(r *raw) {
			defer close(done)
			r.ready(p.server.Identity)
			r.send("<message from='a@site.example/r'>", payload, "</message>")
			r.send("<message from='b@site.example/r'/>")
			r.rest()
		})
		if err != nil {
			t.Fatal(err)
		}
		first, second := <-got, <-got
		if string(first.Payload) != payload || first.From.String() != "a@site.example/r" || second.From.String() != "b@site.example/r" {
			t.Errorf("got %v and %v", first, second)
		}
		s.Close()
		<-done
	})
}

// testXML sends octets to a server before TLS, to a server after binding, and to
// a client, and expects the same of each.
func testXML(t *testing.T, attacks []xmlAttack) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			syntax := a.want == RestrictedXML || a.want == PolicyViolation || a.want == UnsupportedEncoding || a.want == NotWellFormed
			if syntax { // anything else is refused there, too, but as not authorized
				t.Run("before authentication", func(t *testing.T) { testUnauthenticated(t, clientHeader+a.octets, a.want, a.event) })
			}
			t.Run("server", func(t *testing.T) { testServer(t, a) })
			t.Run("client", func(t *testing.T) { testClient(t, a) })
		})
	}
}

func testUnauthenticated(t *testing.T, octets string, want StreamCondition, event audit.ID) {
	p := newPair(t)
	heard := ""
	err := p.acceptRaw(t, func(r *raw) {
		go r.send(octets)
		heard = r.rest()
	})
	checkXML(t, err, heard, &p.serverEvents, xmlAttack{want: want, event: event})
}

func testServer(t *testing.T, a xmlAttack) {
	p := newPair(t)
	heard := ""
	err := p.acceptRaw(t, func(r *raw) {
		r.bound(getSite(t).client)
		go r.send(a.octets)
		heard = r.rest()
	})
	checkXML(t, err, heard, &p.serverEvents, a)
}

func testClient(t *testing.T, a xmlAttack) {
	p := newPair(t)
	heard := make(chan string, 1)
	s, err := p.dialRaw(t, func(r *raw) {
		r.ready(p.server.Identity)
		go r.send(a.octets)
		heard <- r.rest()
	})
	if err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	checkXML(t, s.Err(), <-heard, &p.clientEvents, a)
}

func checkXML(t *testing.T, err error, heard string, events *audit.Memory, a xmlAttack) {
	t.Helper()
	if want := "<stream:error><" + string(a.want) + " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"; !strings.Contains(heard, want) || !strings.HasSuffix(heard, closeTag) {
		t.Errorf("the peer hears %q, want %q", heard, want)
	}
	var want []audit.ID
	if a.event != "" {
		want = []audit.ID{a.event}
	}
	if d := cmp.Diff(want, ids(events)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	var syn *xmltok.SyntaxError
	if !errors.As(err, &syn) && !errors.Is(err, &StreamError{Condition: a.want}) {
		t.Errorf("the stream ended with %v", err)
	}
}
