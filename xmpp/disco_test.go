package xmpp

import (
	"strings"
	"testing"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// The hash is made as XEP-0115, Section 5.1 says: of the identity and the sorted features. The server's side asks by it and
// without, and for another one.
func TestSessionSaysWhatItServes(t *testing.T) {
	caps := newCapabilities([]string{"urn:z", "urn:a", "urn:xmpp:ping"})
	const version = "RsBc0Jln9iRELB/fsOXW+7aEuUU="
	if caps.version != version {
		t.Errorf("version %s, want %s", caps.version, version)
	}
	p := newPair(t)
	p.client.Features = []string{"urn:z", "urn:a", "urn:xmpp:ping"}
	const (
		from = "ems@site.example/1"
		all  = "<identity category='client' type='bot' name='Busbar'/>" +
			"<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>" +
			"<feature var='urn:a'/><feature var='urn:xmpp:ping'/><feature var='urn:z'/></query></iq>"
	)
	s, done := p.session(t, func(r *raw) {
		r.until("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://busbar.example' ver='" + version + "'/></presence>")
		for _, tt := range []struct{ node, want string }{
			{"", ">" + all},
			{" node='https://busbar.example#" + version + "'", " node='https://busbar.example#" + version + "'>" + all},
			{" node='urn:other'", "<item-not-found"},
		} {
			r.send("<iq type='get' id='1' from='" + from + "'><query xmlns='http://jabber.org/protocol/disco#info'" + tt.node + "/></iq>")
			if got := r.until("</iq>"); !strings.Contains(got, tt.want) {
				t.Errorf("asked%s: got %s, want %s", tt.node, got, tt.want)
			}
		}
		r.send(closeTag)
		r.rest()
	})
	if err := s.InitialPresence(t.Context()); err != nil {
		t.Error(err)
	}
	<-s.Done()
	<-done
	bad := caps.answer(stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: "1", From: jid.MustParse(from), Payload: []byte("<query")})
	if bad.Type != stanza.TypeError {
		t.Errorf("a question that cannot be read is answered %v", bad)
	}
}
