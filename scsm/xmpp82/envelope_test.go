package xmpp82

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/internal/xmltok"
	"busbar.example/mms"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/xmpp/stanza"
)

// transfer stands for a protected PDU in its canonical form.
const transfer = "<EncrTransfer xmlns='" + e2e.Namespace + "'><tbp>x</tbp></EncrTransfer>"

// envelopes are spellings of the association 17:934 with transfer inside, as servers write them.
var envelopes = map[string]string{
	"as we write it":    string(appendEnvelope(nil, stanza.IQ, "17:934", []byte(transfer))),
	"with hints":        string(appendEnvelope(nil, stanza.Message, "17:934", []byte(transfer))),
	"other quotes":      `<association xmlns="` + envNamespace + `" assoID="17:934">` + transfer + `</association>`,
	"id before xmlns":   `<association assoID='17:934' xmlns='` + envNamespace + `'>` + transfer + `</association>`,
	"id with reference": `<association assoID='&#49;7:934' xmlns='` + envNamespace + `'>` + transfer + `</association>`,
	"prefixes":          `<a:association xmlns:a='` + envNamespace + `' assoID='17:934'><b:EncrTransfer xmlns:b='` + e2e.Namespace + `'><b:tbp>x</b:tbp></b:EncrTransfer></a:association>`,
	"PDU's prefix on the association": `<association xmlns='` + envNamespace + `' xmlns:b='` + e2e.Namespace + `' assoID='17:934'>` +
		`<b:EncrTransfer><b:tbp>x</b:tbp></b:EncrTransfer></association>`,
	"PDU's default namespace on the association": `<a:association xmlns='` + e2e.Namespace + `' xmlns:a='` + envNamespace + `' assoID='17:934'>` +
		`<EncrTransfer><tbp>x</tbp></EncrTransfer></a:association>`,
	"white space":              " <association xmlns='" + envNamespace + "' assoID='17:934'>\n  " + transfer + "\n</association>\n",
	"children before, behind":  "<body>hello</body><x xmlns='urn:x'><y/></x><association xmlns='" + envNamespace + "' assoID='17:934'>" + transfer + "</association><delay xmlns='urn:xmpp:delay' stamp='x'/>",
	"another attribute":        "<association xmlns='" + envNamespace + "' x='y' assoID='17:934'>" + transfer + "</association>",
	"one of another namespace": "<association assoID='1'/><association xmlns='urn:x' assoID='2'>" + transfer + "</association><association xmlns='" + envNamespace + "' assoID='17:934'>" + transfer + "</association>",
	"one deeper inside": "<forwarded xmlns='urn:xmpp:forward:0'><association xmlns='" + envNamespace + "' assoID='2'>" + transfer + "</association></forwarded>" +
		"<association xmlns='" + envNamespace + "' assoID='17:934'>" + transfer + "</association>",
}

func canonical(t *testing.T, octets []byte) string {
	t.Helper()
	c, err := xmltok.Canonicalize(nil, octets, "", xmltok.Limits{})
	if err != nil {
		t.Fatalf("canonical form of %s: %v", octets, err)
	}
	return string(c)
}

// E12: however a server writes an envelope, the PDU in it has the canonical form of what was sent.
func TestE12SpellingsOfAnEnvelope(t *testing.T) {
	o := newOpener()
	for name, payload := range envelopes {
		t.Run(name, func(t *testing.T) {
			env, err := o.open(stanza.Stanza{Payload: []byte(payload)})
			if err != nil || env.id != "17:934" || env.name != "EncrTransfer" {
				t.Fatalf("got id %q, name %q, %v of %s", env.id, env.name, err, payload)
			}
			if got := canonical(t, env.content); got != transfer {
				t.Errorf("the PDU is %s, want %s", got, transfer)
			}
		})
	}
}

func TestEnvelopesThatAreRefused(t *testing.T) {
	wrap := func(attrs, content string) string {
		return "<association xmlns='" + envNamespace + "'" + attrs + ">" + content + "</association>"
	}
	one := wrap(" assoID='1'", transfer)
	for _, tc := range []struct {
		name, payload string
		event         audit.ID // "" for what is no envelope at all
	}{
		{"nothing", "", ""},
		{"text", "hello", ""},
		{"something else", "<ping xmlns='urn:xmpp:ping'/>", ""},
		{"no namespace", "<association assoID='1'>" + transfer + "</association>", ""},
		{"only deeper inside", "<x xmlns='urn:x'>" + one + "</x>", ""},
		{"several", one + one, audit.E2EStanzaType},
		{"several, one empty", one + wrap("", ""), audit.E2EStanzaType},
		{"several with different ids", one + "<x xmlns='urn:x'/>" + wrap(" assoID='2'", transfer), audit.E2EStanzaType},
		{"no id", wrap("", transfer), audit.E2EStanzaType},
		{"id in a namespace", wrap(" xmlns:a='"+envNamespace+"' a:assoID='1'", transfer), audit.E2EStanzaType},
		{"id with white space", wrap(" assoID=' 1'", transfer), audit.E2EStanzaType},
		{"id of several lines", wrap(" assoID='1&#10;forged line'", transfer), audit.E2EStanzaType},
		{"endless id", wrap(" assoID='"+strings.Repeat("1", 5000)+"'", transfer), audit.E2EStanzaType},
		{"empty", wrap(" assoID='1'", ""), audit.E2ENamespace},
		{"white space", wrap(" assoID='1'", " \n "), audit.E2ENamespace},
		{"text before the PDU", wrap(" assoID='1'", "x"+transfer), audit.E2EStanzaType},
		{"PDU in the association's namespace", wrap(" assoID='1'", "<EncrTransfer/>"), audit.E2ENamespace},
		{"PDU of another edition", wrap(" assoID='1'", "<initiate-RequestPDU xmlns='http://www.iec.ch/61850/2003/SCSM_8_2'/>"), audit.E2ENamespace},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := newOpener().open(stanza.Stanza{Payload: []byte(tc.payload)})
			var fault *envelopeError
			switch {
			case tc.event == "" && !errors.Is(err, errNoAssociation):
				t.Errorf("got %v, want that it is none", err)
			case tc.event != "" && (!errors.As(err, &fault) || fault.event != tc.event):
				t.Errorf("got %v, want event %s", err, tc.event)
			case err != nil && (len(err.Error()) > 200 || strings.Contains(err.Error(), "\n")):
				t.Errorf("the error is no short line: %q", err)
			}
		})
	}
}

// FuzzEnvelope: what is taken out of a stanza stands alone, and is the same when it is wrapped again.
func FuzzEnvelope(f *testing.F) {
	for _, payload := range envelopes {
		f.Add(payload)
	}
	f.Add("<association xmlns='" + envNamespace + "' assoID='1:2'><m:conclude-RequestPDU xmlns:m='" + mms.Namespace + "'/></association>")
	f.Add(envelopes["as we write it"] + envelopes["prefixes"])
	f.Add("<association xmlns='" + envNamespace + "' assoID='1'>" + transfer + transfer + "</association>")
	f.Add("<association xmlns='" + envNamespace + "' assoID='1'><!-- x -->" + transfer)
	for _, content := range []string{"<association/>" + transfer, "<![CDATA[<]]>", transfer + "<x/>", "<x:y/>", "<x xmlns:a='urn:a'><a:b/></x>" + transfer} {
		f.Add(envelopeStart + "1'>" + content + envelopeEnd)
		f.Add(envelopeStart + "1:2'>" + content + envelopeEnd + envelopeHints)
	}
	reused := newOpener()
	f.Fuzz(func(t *testing.T, in string) {
		reused.open(stanza.Stanza{Payload: []byte(in)}) // must only not panic: no session lets all of it through
		payload, ok := asReceived(in)
		if !ok {
			return
		}
		env, err := reused.open(stanza.Stanza{Payload: payload})
		fresh, freshErr := newOpener().open(stanza.Stanza{Payload: payload})
		if (err == nil) != (freshErr == nil) || err == nil && !cmp.Equal(env, fresh, cmp.AllowUnexported(envelope{})) {
			t.Fatalf("an opener that is used again gives %+v, %v; a new one %+v, %v", env, err, fresh, freshErr)
		}
		if id, content, ok := plainEnvelope(payload); ok {
			plain := envelope{id: string(id), content: content}
			plainErr := reused.look(&plain)
			any, anyErr := reused.search(payload)
			if (plainErr == nil) != (anyErr == nil) || plainErr == nil && (plain.id != any.id || plain.name != any.name || plain.protected != any.protected || !sameElement(plain.content, any.content)) {
				t.Errorf("the short way gives %+v, %v; the long one %+v, %v", plain, plainErr, any, anyErr)
			}
		}
		if err != nil {
			return
		}
		if !validID(env.id) {
			t.Errorf("id %q", env.id)
		}
		s := xmltok.NewBytesScanner(bytes.TrimSpace(env.content), xmltok.Limits{})
		if tok, err := s.Next(); err != nil || tok.Name != (xmltok.Name{Space: space(env), Local: env.name}) {
			t.Errorf("alone the PDU begins with %v, %v: %s", tok.Name, err, env.content)
		}
		again, err := reused.open(stanza.Stanza{Payload: appendEnvelope(nil, stanza.Message, env.id, env.content)})
		if err != nil || !cmp.Equal(env, again, cmp.AllowUnexported(envelope{})) {
			t.Errorf("wrapped again it is %+v, %v, not %+v", again, err, env)
		}
	})
}

// sameElement reports whether a and b have one canonical form, or neither is one element.
func sameElement(a, b []byte) bool {
	one := func(octets []byte) []byte {
		c, err := xmltok.Canonicalize(nil, octets, "", xmltok.Limits{})
		if err != nil {
			return nil
		}
		s := xmltok.NewBytesScanner(c, xmltok.Limits{})
		if _, err := s.Next(); err != nil {
			return nil
		}
		if _, err := s.Inner(); err != nil {
			return nil
		}
		if _, err := s.Next(); err == nil {
			return nil // more follows: whoever reads it refuses it
		}
		return c
	}
	return bytes.Equal(one(a), one(b))
}

func space(env envelope) string {
	if env.protected {
		return e2e.Namespace
	}
	return mms.Namespace
}

// asReceived is the payload that a session makes of a stanza's content.
func asReceived(content string) ([]byte, bool) {
	s := xmltok.NewBytesScanner([]byte("<iq xmlns='jabber:client' xmlns:p='"+e2e.Namespace+"'>"+content+"</iq>"), xmltok.Limits{})
	if _, err := s.Next(); err != nil {
		return nil, false
	}
	raw, err := s.Inner()
	if err != nil {
		return nil, false
	}
	payload, err := raw.AppendSelfContained(nil, clientNS)
	return payload, err == nil
}
