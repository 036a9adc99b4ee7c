package xmppd_test

import (
	"strings"
	"testing"
	"testing/synctest"
)

// FuzzStream sends octets on a stream that is logged in. Whatever they are, another client receives whole stanzas only,
// all of them in the sender's name, and its own stream lives on.
func FuzzStream(f *testing.F) {
	for _, s := range []string{
		`<message to='pv1@dso.example/IEC'><body>a</body></message>`,
		`<iq type='set' id='1' to='pv1@dso.example/IEC'><p:a xmlns:p='urn:p' p:b='c'/></iq><presence/>`,
		`<c:message xmlns:c='jabber:client' xmlns='urn:x' to='pv1@dso.example/IEC'><a/>t<c:b/></c:message>`,
		`<message to='pv1@dso.example/IEC' xmlns:p='urn:p'><p:a/><![CDATA[</message>]]></message>`,
		`<message to='pv1@dso.example/IEC' id='&apos;&gt;&lt;iq&gt;' xml:lang='&quot;'/>`,
		`<presence to='pv1@dso.example/IEC'><x xmlns=''/></presence>`,
		`<presence from='pv1@dso.example/IEC' to='pv1@dso.example/IEC'/>`,
		`<iq type='result' id='1' to='pv1@dso.example/IEC'></iq></stream:stream>`,
		`<message to='pv1@dso.example/IEC'><body></message></body>`,
		"<message to='pv1@dso.example/IEC'>\xff</message>",
		`<message to='PV1@dso.example/IEC' type='chat'/><message to='pv1@dso.example'/>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, octets string) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			defer s.close()
			victim, mallory := s.connect("pv1@dso.example", "IEC"), s.connect("mallory@dso.example", "1")
			victim.send("<presence/>")
			synctest.Wait()
			victim.take()
			mallory.send(octets)
			synctest.Wait()
			mallory.raw.Close()
			synctest.Wait()
			for _, el := range victim.take() {
				start, _, _ := strings.Cut(el, ">")
				name, _, _ := strings.Cut(start, " ")
				if name != "<iq" && name != "<message" && name != "<presence" || !strings.Contains(start, " from='mallory@dso.example/1'") {
					t.Errorf("%q made %q arrive", octets, el)
				}
			}
			victim.send(`<iq type='get' id='alive' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>`)
			synctest.Wait()
			if got := victim.take(); len(got) != 1 || !strings.Contains(got[0], "id='alive'") {
				t.Errorf("after %q a ping was answered %q", octets, got)
			}
		})
	})
}
