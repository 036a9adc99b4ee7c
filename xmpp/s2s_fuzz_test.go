package xmpp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// FuzzServerStream plays a hostile server to ours at either end of a stream between servers: all octets are the peer's,
// before TLS, after it and on the stream. Whatever they are, the negotiation ends; nothing is ready without TLS and SASL, nor
// for another domain than the certificate's; what we say is well-formed.
func FuzzServerStream(f *testing.F) {
	answer := strings.Replace(serverHeader, "jabber:client", stanza.ServerNamespace, 1)
	for _, seed := range []struct {
		initiator bool
		reads     []string
	}{
		{false, []string{fromOther, startTLSAsk, fromOther, externalAsOther, fromOther,
			"<message from='ems@utility.example/a' to='pv1@site.example/IEC'><body>x</body></message>" + closeTag}},
		{false, []string{fromOther, startTLSAsk, fromOther, strings.Replace(externalAsOther, "dXRpbGl0eS5leGFtcGxl", "=", 1), fromOther, dialbackResult}},
		{false, []string{fromOther, startTLSAsk, fromOther, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'/>",
			"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", fromOther, "<iq/>"}},
		{false, []string{fromOther, startTLSAsk, strings.Replace(fromOther, "utility", "third", 1)}},
		{false, []string{fromOther, dialbackVerify}},
		{false, []string{fromOther, externalAsOther}},
		{true, []string{answer, features(startTLSOffer), proceed, answer, features(externalOffer), saslSuccess, answer, features(), " ", closeTag}},
		{true, []string{answer, features(startTLSOffer), proceed, answer, features(externalOffer), saslSuccess, answer,
			features("<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"), "<message/>"}},
		{true, []string{answer, features("<dialback xmlns='urn:xmpp:features:dialback'/>")}},
	} {
		f.Add(seed.initiator, []byte(strings.Join(seed.reads, readBreak)))
	}
	f.Fuzz(func(t *testing.T, initiator bool, octets []byte) {
		peer := &fuzzPeer{reads: bytes.Split(octets, []byte(readBreak))}
		c := newConn(peer, settings{trace: traceOf(nil), keepAlive: never}.withDefaults())
		c.ping = func() {}
		between := &domains{local: otherDomain, remote: jid.MustParse(domain)}
		other := jid.MustParse(otherDomain)
		between.vouch = func(d jid.JID) error {
			if d != other {
				return errors.New("the certificate is not for this domain")
			}
			return nil
		}
		s := &shell{Conn: c, m: newServerMachine(domain, between)}
		s.m.limits, s.m.newID, c.content = c.limits, func() string { return "id1" }, stanza.ServerNamespace
		secured := false
		s.secure = func() (sasl.Channel, error) {
			if c.sc.Buffered() > 0 {
				t.Fatalf("TLS begins with %d octets before it", c.sc.Buffered())
			}
			secured = true
			s.w = newWriter(peer, time.Second, 1<<20)
			return sasl.Channel{Domain: domain}, nil
		}
		want := other
		if s.m.initiator = initiator; initiator {
			s.m.clients = []sasl.Client{sasl.External(other)}
			want = between.remote
		}
		err := s.negotiate(context.Background())
		if err == nil {
			if !secured || s.JID() != want || s.info.Mechanism != "EXTERNAL" {
				t.Fatalf("ready as %q by %q, TLS %v", s.JID(), s.info.Mechanism, secured)
			}
			useStream(t, c, false)
		}
		<-c.done
		if err := c.Err(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("ended with %v", err)
		}
		peer.check(t)
	})
}
