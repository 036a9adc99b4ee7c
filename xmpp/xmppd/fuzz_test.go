package xmppd_test

import (
	"hash/crc32"
	"io"
	"strconv"
	"strings"
	"testing"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// FuzzStream sends octets on a stream that is logged in. Whatever they are, another client receives whole stanzas only,
// all of them in the sender's name, and its own stream lives on.
//
// One server and one login serve many inputs. So what would only end the stream is cut off most of them: how a stream
// ends is for FuzzStream of the package xmpp.
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
	s := newSite(f, func(c *xmppd.Config) {
		c.Limits.Rate = -1
		c.KeepAlive = xmpp.KeepAlive{Idle: -1, Loss: -1} // its pings would arrive, too, where fuzzing is slow
	})
	f.Cleanup(s.close)
	p := &fuzzPair{site: s, identity: s.clientIdentity(mallory), victim: s.silent("pv1@dso.example", "IEC")}
	p.login()
	f.Cleanup(func() { p.victim.raw.Close(); p.mallory.raw.Close() })
	if _, err := p.until(p.victim, "<presence/>"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, octets string) {
		s.t = t
		octets, ends := harmless(octets)
		got, err := p.exchange(octets, ends)
		if err != nil {
			t.Fatalf("after %q a ping was answered %q, %v", octets, got, err)
		}
		for _, el := range got {
			start, _, _ := strings.Cut(el, ">")
			name, _, _ := strings.Cut(start, " ")
			if name != "<iq" && name != "<message" && name != "<presence" || !strings.Contains(start, " from='"+mallory+"/1'") {
				t.Errorf("%q made %q arrive", octets, el)
			}
		}
	})
}

const mallory = "mallory@dso.example"

// fuzzPair are the clients of FuzzStream.
type fuzzPair struct {
	site            *site
	identity        *pki.Identity // mallory's
	victim, mallory *rawClient
	pings           int
}

// login logs mallory in, in place of the stream before.
func (p *fuzzPair) login() {
	if p.mallory != nil {
		p.mallory.raw.Close()
	}
	p.mallory = p.site.loginAs(p.identity, "192.0.2.4:1", "1")
}

// exchange sends octets as mallory and returns what has arrived at the victim, which was asked for a sign of life after
// them. Where they end the stream, mallory logs in again.
func (p *fuzzPair) exchange(octets string, ends bool) ([]string, error) {
	if ends {
		p.mallory.send(octets) // the server may be gone before it has read them all
		p.login()
	} else if _, err := p.until(p.mallory, octets+"<presence type='unavailable'/>"); err != nil {
		p.login()
	}
	return p.until(p.victim, "")
}

// until sends octets and a ping, and returns what arrives before its answer.
func (p *fuzzPair) until(c *rawClient, octets string) (got []string, err error) {
	p.pings++
	id := "ping-" + strconv.Itoa(p.pings)
	sent := make(chan error, 1)
	go func() {
		sent <- c.send(octets + `<iq type='get' id='` + id + `' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>`)
	}()
	for {
		el, err := c.element()
		if err != nil {
			c.raw.Close()
			<-sent
			return got, err
		}
		if strings.HasPrefix(el, "<iq ") && strings.Contains(el, " id='"+id+"'") && strings.Contains(el, " from='dso.example'") {
			return got, <-sent
		}
		got = append(got, el)
	}
}

// harmless returns the stanzas at the head of octets that do not end a stream of mallory's; one input in 64 is left as
// it is if it ends the stream.
func harmless(octets string) (_ string, ends bool) {
	in := clientHeader + octets
	sc := xmltok.NewScanner(strings.NewReader(in), xmltok.Limits{MaxDocument: 256 << 10})
	if _, err := sc.Next(); err != nil {
		return "", false
	}
	end := int64(len(clientHeader))
	for {
		token, err := sc.Next()
		switch {
		case err == nil && token.Kind == xmltok.Text && strings.TrimSpace(string(token.Data)) == "":
			continue
		case err == nil && token.Kind == xmltok.Start && token.Name.Space == stanza.Namespace:
			head, headErr := stanza.ParseHead(&token)
			ours := head.From.IsZero() || head.From.Bare().String() == mallory
			if _, err = sc.Inner(); err == nil && ours && headErr == nil {
				end = sc.Offset()
				continue
			}
		}
		if crc32.ChecksumIEEE([]byte(octets))%64 == 0 && err != io.EOF {
			return octets, true
		}
		return in[len(clientHeader):end], false
	}
}
