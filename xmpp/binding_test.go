package xmpp

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/sasl"
)

// A wayIn is a mechanism, and what binds it.
type wayIn struct{ mechanism, binding string }

// waysIn are all that there are by password.
var waysIn = []wayIn{{sasl.NameSCRAM, ""}, {sasl.NameSCRAMPlus, sasl.BindingExporter}, {sasl.NameSCRAMPlus, sasl.BindingEndPoint}}

// theirBinding is what another implementation finds in a channel whose server has that certificate.
func theirBinding(t *testing.T, kind string, c *tls.Conn, server *pki.Identity) scram.ChannelBinding {
	t.Helper()
	state := c.ConnectionState()
	switch kind {
	case sasl.BindingExporter:
		cb, err := scram.NewTLSExporterBinding(&state)
		if err != nil {
			t.Fatal(err)
		}
		return cb
	case sasl.BindingEndPoint:
		sum := sha256.Sum256(server.Chain[0].Raw) // which is signed with SHA-256
		return scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: sum[:]}
	}
	return scram.ChannelBinding{}
}

const saslOf = " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"

// inner returns what the first element of that name holds, decoded.
func inner(t *testing.T, text, name string) string {
	t.Helper()
	_, text, _ = strings.Cut(text, "<"+name)
	_, text, _ = strings.Cut(text, ">")
	text, _, _ = strings.Cut(text, "<")
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return string(b)
}

func coded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// Each end of ours proves a password to another implementation and believes its proof, in every way in, over each version of
// TLS; and where the other end is of another channel, not.
//
// RFC 5802; RFC 5929, Section 4; RFC 7677; RFC 9266; XEP-0440.
func TestWaysInWithAnotherImplementation(t *testing.T) {
	for _, version := range tlsVersions {
		for _, way := range waysIn {
			for _, wrong := range []bool{false, true} {
				if wrong && way.binding == "" {
					continue
				}
				name := fmt.Sprintf("%s %s %s wrong=%v", tls.VersionName(version), way.mechanism, way.binding, wrong)
				t.Run("our server, "+name, func(t *testing.T) { foreignClient(t, version, way, wrong) })
				t.Run("our client, "+name, func(t *testing.T) { foreignServer(t, version, way, wrong) })
			}
		}
	}
}

// foreignClient lets another implementation log in at our server.
func foreignClient(t *testing.T, version uint16, way wayIn, wrong bool) {
	p := newPair(t)
	p.server.Passwords = pencils()
	var info Info
	served := p.serve(t.Context(), func(c *Conn) { info = c.Info() })
	newRaw(t, p.clientEnd).run(func(r *raw) {
		cfg := clientTLS(nil)
		cfg.MinVersion, cfg.MaxVersion = version, version
		r.send(clientHeader)
		r.until("</stream:features>")
		r.send(startTLSAsk)
		r.until(proceed)
		c := tls.Client(r.nc, cfg)
		r.handshake(c)
		r.send(clientHeader)
		offer := r.until("</stream:features>")
		for _, want := range []string{"<mechanism>SCRAM-SHA-256</mechanism>", "<mechanism>SCRAM-SHA-256-PLUS</mechanism>",
			"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>", "<channel-binding type='tls-exporter'/>", "<channel-binding type='tls-server-end-point'/>"} {
			if !strings.Contains(offer, want) {
				t.Errorf("the offer %s lacks %s", offer, want)
			}
		}
		client, err := scram.SHA256.NewClient("ied1", password, "")
		if err != nil {
			t.Fatal(err)
		}
		conv := client.NewConversation()
		if way.binding != "" {
			cb := theirBinding(t, way.binding, c, p.server.Identity)
			if wrong {
				cb.Data[len(cb.Data)-1] ^= 1
			}
			conv = client.NewConversationWithChannelBinding(cb)
		}
		out, err := conv.Step("")
		if err != nil {
			t.Fatal(err)
		}
		r.send("<auth"+saslOf+" mechanism='", way.mechanism, "'>", coded(out), "</auth>")
		if out, err = conv.Step(inner(t, r.until("</challenge>"), "challenge")); err != nil {
			t.Fatal(err)
		}
		r.send("<response"+saslOf+">", coded(out), "</response>")
		if wrong {
			r.until("<not-authorized/>")
			return
		}
		if _, err := conv.Step(inner(t, r.until("</success>"), "success")); err != nil || !conv.Valid() {
			t.Errorf("it does not believe us: %v", err)
		}
		r.send(clientHeader)
		r.until("</stream:features>")
		r.send(bindAsk)
		r.until("</iq>")
	})
	err := <-served
	if wrong {
		if got := ids(&p.serverEvents); err == nil || len(got) != 1 || got[0] != audit.ChannelBinding {
			t.Errorf("Accept: %v, events %v, want an error and %s", err, got, audit.ChannelBinding)
		}
		return
	}
	if got := (wayIn{info.Mechanism, info.ChannelBinding}); err != nil || got != way || info.TLS.Version != version {
		t.Errorf("Accept: %v, %v over %s, want %v over %s", err, got, tls.VersionName(info.TLS.Version), way, tls.VersionName(version))
	}
}

// foreignServer lets our client log in at another implementation, which offers just that way in.
func foreignServer(t *testing.T, version uint16, way wayIn, wrong bool) {
	p := newPair(t)
	p.byPassword()
	p.client.Identity, p.client.AllowUnbound, p.client.maxTLS = nil, way.binding == "", version
	mechanisms := "<mechanism>SCRAM-SHA-256</mechanism>"
	if way.binding != "" {
		mechanisms = "<mechanism>SCRAM-SHA-256-PLUS</mechanism>" + mechanisms
	}
	offer := "<mechanisms" + saslOf + ">" + mechanisms + "</mechanisms>"
	if way.binding != "" {
		offer += "<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='" + way.binding + "'/></sasl-channel-binding>"
	}
	believed := false
	s, err := p.dialRaw(t, func(r *raw) {
		r.secured(p.server.Identity)
		r.send(serverHeader, features(offer))
		auth := r.until("</auth>")
		if !strings.Contains(auth, "mechanism='"+way.mechanism+"'") {
			t.Errorf("our client begins with %s, want %s", auth, way.mechanism)
		}
		client, err := scram.SHA256.NewClient("ied1", password, "")
		if err != nil {
			t.Fatal(err)
		}
		stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096})
		if err != nil {
			t.Fatal(err)
		}
		server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
		if err != nil {
			t.Fatal(err)
		}
		conv := server.NewConversation()
		if way.binding != "" {
			cb := theirBinding(t, way.binding, r.conn.(*tls.Conn), p.server.Identity)
			if wrong {
				cb.Data[0] ^= 1
			}
			conv = server.NewConversationWithChannelBinding(cb)
		}
		out, err := conv.Step(inner(t, auth, "auth"))
		if err != nil {
			t.Errorf("it does not take our first message: %v", err)
			return
		}
		r.send("<challenge"+saslOf+">", coded(out), "</challenge>")
		out, err = conv.Step(inner(t, r.until("</response>"), "response"))
		if believed = err == nil && conv.Valid(); !believed {
			r.send("<failure" + saslOf + "><not-authorized/></failure>" + closeTag)
			return
		}
		r.send("<success"+saslOf+">", coded(out), "</success>")
		r.until("streams'>")
		r.send(serverHeader, features(bindOffer))
		r.answer(r.until("</iq>"), "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>ied1@site.example/IEC</jid></bind>")
		r.answer(r.until("</iq>"), "<query xmlns='jabber:iq:roster'/>")
		r.rest()
	})
	if believed == wrong || (err == nil) == wrong {
		t.Errorf("it believes our client: %v; Dial: %v; want success %v", believed, err, !wrong)
	}
	if err != nil {
		return
	}
	info := s.Info()
	s.Close()
	if got := (wayIn{info.Mechanism, info.ChannelBinding}); got != way || info.TLS.Version != version {
		t.Errorf("%v over %s, want %v over %s", got, tls.VersionName(info.TLS.Version), way, tls.VersionName(version))
	}
}
