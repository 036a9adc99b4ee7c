package xmppd_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"busbar.example/xmpp/xmppd"
)

// TestCapabilities is that the hash in the stream features is that of what the server then says of itself, with rosters and
// without.
//
// XEP-0115, Sections 5.1 and 6.3.
func TestCapabilities(t *testing.T) {
	for _, rosters := range []*xmppd.Rosters{nil, new(xmppd.Rosters)} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, func(c *xmppd.Config) { c.Groups, c.Rosters = groups("hmi ems"), rosters })
			defer s.close()
			nc, err := s.net.dial("192.0.2.2:40000")
			if err != nil {
				t.Fatal(err)
			}
			c, _, err := s.open(nc, s.clientIdentity("hmi@dso.example"))
			if err != nil {
				t.Fatal(err)
			}
			c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
			if answer, err := c.element(); err != nil || !strings.HasPrefix(answer, "<success") {
				t.Fatalf("%s, %v", answer, err)
			}
			features, err := c.header()
			if err != nil {
				t.Fatal(err)
			}
			if has := strings.Contains(features, "urn:xmpp:features:pre-approval") && strings.Contains(features, "urn:xmpp:features:rosterver"); has != (rosters != nil) {
				t.Errorf("what rosters can do is announced: %v, want %v, in %s", has, rosters != nil, features)
			}
			_, ver, _ := strings.Cut(features, "hash='sha-1' node='https://busbar.example/' ver='")
			ver, _, _ = strings.Cut(ver, "'")
			if _, err := c.bind("1"); err != nil {
				t.Fatal(err)
			}
			c.listen()
			var info struct {
				Query struct {
					Node     string `xml:"node,attr"`
					Identity struct {
						Category string `xml:"category,attr"`
						Type     string `xml:"type,attr"`
						Name     string `xml:"name,attr"`
					} `xml:"identity"`
					Features []struct {
						Var string `xml:"var,attr"`
					} `xml:"feature"`
				} `xml:"query"`
			}
			node := "https://busbar.example/#" + ver
			c.send("<iq type='get' id='1' to='dso.example'><query xmlns='http://jabber.org/protocol/disco#info' node='" + node + "'/></iq>")
			synctest.Wait()
			answer := strings.Join(c.take(), "")
			if err := xml.Unmarshal([]byte(answer), &info); err != nil || info.Query.Node != node {
				t.Fatalf("the node was answered %s, %v", answer, err)
			}
			var all []string
			for _, f := range info.Query.Features {
				all = append(all, f.Var)
			}
			slices.Sort(all)
			id := info.Query.Identity
			sum := sha1.Sum([]byte(id.Category + "/" + id.Type + "//" + id.Name + "<" + strings.Join(all, "<") + "<"))
			if want := base64.StdEncoding.EncodeToString(sum[:]); ver != want {
				t.Errorf("the hash is %q, want %q of %s", ver, want, answer)
			}
			c.send("<iq type='get' id='2' to='hmi@dso.example'><query xmlns='http://jabber.org/protocol/disco#info' node='" + node + "'/></iq>")
			synctest.Wait()
			if got := strings.Join(c.take(), ""); !strings.Contains(got, "<item-not-found ") {
				t.Errorf("an account is asked for the server's node and answers %s", got)
			}
		})
	}
}
