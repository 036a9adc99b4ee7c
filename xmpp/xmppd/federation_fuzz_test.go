package xmppd_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"busbar.example/xmpp"
	"busbar.example/xmpp/stanza"
)

// FuzzStreamOfAnotherDomain sends octets on an authenticated stream of another domain's server. Whatever they are, an account
// here receives whole stanzas only, all of them from that domain, and its own stream lives on.
func FuzzStreamOfAnotherDomain(f *testing.F) {
	for _, s := range []string{
		`<message from='ems@utility.example/a' to='pv1@dso.example/IEC'><body>a</body></message>`,
		`<iq type='set' id='1' from='ems@utility.example/a' to='pv1@dso.example/IEC'><p:a xmlns:p='urn:p' p:b='c'/></iq>`,
		`<s:message xmlns:s='jabber:server' xmlns='urn:x' from='ems@utility.example/a' to='pv1@dso.example/IEC'><a/>t<s:b/></s:message>`,
		`<message xmlns='jabber:client' from='ems@utility.example/a' to='pv1@dso.example/IEC'/>`,
		`<presence from='ems@utility.example/a' to='pv1@dso.example'/><presence type='probe' from='ems@utility.example/a' to='pv1@dso.example'/>`,
		`<presence type='subscribe' from='ems@utility.example' to='pv1@dso.example'/>`,
		`<message from='ems@third.example/a' to='pv1@dso.example/IEC'/>`,
		`<message from='a b@utility.example' to='pv1@dso.example/IEC'/>`,
		`<iq type='result' id='ping-1' from='utility.example' to='dso.example'/>`,
		`<iq type='get' id='1' from='ems@utility.example/a' to='pv1@dso.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`,
		`<db:result xmlns:db='jabber:server:dialback' from='utility.example' to='dso.example'>key</db:result>`,
		`<message from='ems@utility.example/a' to='pv1@dso.example/IEC' xml:lang='&quot;'><![CDATA[</message>]]></message></stream:stream>`,
		"<message from='ems@utility.example/a' to='pv1@dso.example/IEC'>\xff</message>",
	} {
		f.Add(s)
	}
	w := newWorld(f, nil, domain, utility)
	f.Cleanup(w.close)
	var mu sync.Mutex
	var odd []string
	ied := w.realms[domain].login("pv1@dso.example/IEC", func(_ *xmpp.Session, st stanza.Stanza) {
		if st.From.Domain() != utility && st.From.Bare().String() != "pv1@dso.example" {
			mu.Lock()
			defer mu.Unlock()
			odd = append(odd, st.From.String()+": "+string(st.Payload))
		}
	})
	f.Cleanup(func() { ied.Close() })
	if err := ied.Send(context.Background(), stanza.Stanza{Kind: stanza.Presence}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, octets string) {
		var nc net.Conn
		c, err := xmpp.DialServer(t.Context(), xmpp.PeerConfig{
			Local: utility, Remote: domain, Identity: w.realms[utility].id, Trust: w.realms[domain].trust,
			Resolver: &xmpp.Resolver{Static: map[string][]xmpp.Target{domain: {{Address: "dso.example:5269"}}}},
			Dialer: func(context.Context, xmpp.Target) (_ net.Conn, err error) {
				nc, err = w.realms[domain].peers.dial("192.0.2.66:666")
				return nc, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Push([]byte(octets)) // larger than is announced it is not sent
		c.End(nil)
		for err == nil {
			_, err = c.Next()
		}
		nc.Close()
		c.Close()
		if got, err := ask(ied, domain, "<ping xmlns='urn:xmpp:ping'/>"); err != nil || got != "" {
			t.Fatalf("after %q a ping is answered %q, %v", octets, got, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(odd) > 0 {
			t.Errorf("%q made this arrive: %s", octets, strings.Join(odd, "; "))
			odd = nil
		}
	})
}
