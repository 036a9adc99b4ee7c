package xmppd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"

	"github.com/google/go-cmp/cmp"
)

// TestM6ClientCertificate logs in with certificates that do not name the account, or should not be trusted.
func TestM6ClientCertificate(t *testing.T) {
	tests := []struct {
		name      string
		identity  func(*site) *pki.Identity
		authzid   string
		condition string
		event     audit.ID
	}{
		{"none", func(*site) *pki.Identity { return nil }, "hmi@dso.example", "not-authorized", audit.TLSNoPeerCertificate},
		{"of an unknown CA", func(s *site) *pki.Identity { return newCA(s.t).clientIdentity("hmi@dso.example") }, "", "not-authorized", audit.CertificateUnknownCA},
		{"revoked", func(s *site) *pki.Identity { return s.revoked }, "", "not-authorized", audit.CertificateRevoked},
		{"expired", func(s *site) *pki.Identity {
			s.ca.Validity = time.Hour
			id := s.clientIdentity("hmi@dso.example")
			time.Sleep(2 * time.Hour)
			return id
		}, "", "not-authorized", audit.CertificateExpired},
		{"of a server", func(s *site) *pki.Identity { return s.serverIdentity() }, "", "not-authorized", ""},
		{"two addresses and no choice", func(s *site) *pki.Identity {
			return s.custom("hmi@dso.example", "pv1@dso.example")
		}, "", "invalid-authzid", audit.ClientCertificate},
		{"two addresses and another choice", func(s *site) *pki.Identity {
			return s.custom("hmi@dso.example", "pv1@dso.example")
		}, "bat1@dso.example", "invalid-authzid", audit.ClientCertificate},
		{"other domain", func(s *site) *pki.Identity { return s.clientIdentity("hmi@elsewhere.example") }, "", "not-authorized", audit.ClientCertificate},
		{"another user's JID", func(s *site) *pki.Identity { return s.clientIdentity("hmi@dso.example") }, "pv1@dso.example", "invalid-authzid", audit.ClientCertificate},
		{"the domain itself", func(s *site) *pki.Identity { return s.clientIdentity("hmi@dso.example") }, "dso.example", "invalid-authzid", audit.ClientCertificate},
		{"an account that is not allowed", func(s *site) *pki.Identity { return s.clientIdentity("blocked@dso.example") }, "", "not-authorized", audit.ClientCertificate},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(c *xmppd.Config) {
					c.Allowed = func(account jid.JID) bool { return account.Local() != "blocked" }
				})
				defer s.close()
				identity := tt.identity(s)
				nc, err := s.net.dial("192.0.2.2:40000")
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				c, features, err := s.open(nc, identity)
				if err != nil {
					t.Fatalf("TLS, which is not what should fail: %s, %v", features, err)
				}
				full, err := c.login(tt.authzid, "1")
				if err == nil || !strings.Contains(err.Error(), "<"+tt.condition+"/>") {
					t.Errorf("login gave %q, %v, want %s", full, err, tt.condition)
				}
				if ids := s.eventIDs(); len(ids) == 0 || tt.event != "" && !slices.Contains(ids, tt.event) {
					t.Errorf("events %v, want %s among them", ids, tt.event)
				}
				if got := s.server.Sessions(); len(got) != 0 {
					t.Errorf("sessions %v, want none", got)
				}
			})
		})
	}
}

// custom makes the identity of a client whose certificate has several addresses.
func (s *site) custom(addresses ...string) *pki.Identity {
	s.t.Helper()
	tlv := func(tag byte, content []byte) []byte { return append([]byte{tag, byte(len(content))}, content...) }
	var san []byte
	for _, a := range addresses {
		oid, err := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5})
		if err != nil {
			s.t.Fatal(err)
		}
		san = append(san, tlv(0xa0, append(oid, tlv(0xa0, tlv(0x0c, []byte(a)))...))...)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "several"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: tlv(0x30, san)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.other, &key.PublicKey, s.otherKey)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return &pki.Identity{Chain: []*x509.Certificate{cert}, Key: key}
}

// attack is what a logged-in client sends, and how its stream should end.
type attack struct {
	name, octets string
	condition    string
	event        audit.ID
}

// playAttacks lets a client of each attack loose, and checks that its stream ends as it should, that the event is there, and
// that nobody else has seen anything of it.
func playAttacks(t *testing.T, attacks []attack) {
	for i, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				defer s.close()
				mallory, victim := s.connect("mallory@dso.example", "1"), s.connect("pv1@dso.example", "IEC")
				if err := victim.send("<presence/>"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				victim.take()
				mallory.send(a.octets) // may break off: the server need not take it all
				time.Sleep(time.Second)
				synctest.Wait()
				got := mallory.take()
				want := fmt.Sprintf("<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", a.condition)
				if len(got) != 2 || !strings.HasPrefix(got[0], want) || got[1] != "</stream:stream>" {
					t.Errorf("%d: sending %.200q was answered %.300q, want %s and the end", i, a.octets, got, want)
				}
				if got := victim.take(); len(got) != 0 {
					t.Errorf("sending %.200q made %q arrive elsewhere", a.octets, got)
				}
				var ids []audit.ID
				if a.event != "" {
					ids = []audit.ID{a.event}
				}
				if diff := cmp.Diff(ids, s.eventIDs()); diff != "" {
					t.Errorf("events (-want +got)\n%s", diff)
				}
			})
		})
	}
}

const to = ` to='pv1@dso.example/IEC'`

func TestX1RestrictedXML(t *testing.T) {
	playAttacks(t, []attack{
		{"comment between stanzas", `<!-- x --><message` + to + `/>`, "restricted-xml", audit.RestrictedXML},
		{"comment in a payload", `<message` + to + `><body><!-- x --></body></message>`, "restricted-xml", audit.RestrictedXML},
		{"processing instruction", `<message` + to + `><?php x?></message>`, "restricted-xml", audit.RestrictedXML},
		{"second XML declaration", `<?xml version='1.0'?><message` + to + `/>`, "restricted-xml", audit.RestrictedXML},
		{"DTD", `<!DOCTYPE x [<!ENTITY a "b">]><message` + to + `/>`, "restricted-xml", audit.RestrictedXML},
		{"entity", `<message` + to + `><body>&lol;</body></message>`, "restricted-xml", audit.RestrictedXML},
		{"entity in the head", `<message id='&lol;'` + to + `/>`, "restricted-xml", audit.RestrictedXML},
	})
}

func TestX2Limits(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	playAttacks(t, []attack{
		{"depth", `<message` + to + `>` + strings.Repeat("<a>", 1e6), "policy-violation", audit.StreamLimit},
		{"attributes", `<message` + to + many(" a%d=''", 1e5), "policy-violation", audit.StreamLimit},
		{"attributes of a child", `<message` + to + `><a ` + many("a%d='' ", 65) + `/></message>`, "policy-violation", audit.StreamLimit},
		{"namespaces", `<message` + to + `><a ` + many("xmlns:a%d='a' ", 100_000) + `/></message>`, "policy-violation", audit.StreamLimit},
		{"endless attribute", `<message` + to + ` a='` + long, "policy-violation", audit.StreamLimit},
		{"endless tag", `<message` + to + strings.Repeat(" ", 1<<20), "policy-violation", audit.StreamLimit},
		{"endless name", `<message` + to + `><` + long, "policy-violation", audit.StreamLimit},
		{"endless text", `<message` + to + `><body>` + long, "policy-violation", audit.StreamLimit},
		{"endless number of elements", `<message` + to + `>` + strings.Repeat("<a/>", 1<<18), "policy-violation", audit.StreamLimit},
		{"endless text between stanzas", long, "policy-violation", audit.StreamLimit},
		{"text between stanzas", `x<message` + to + `/>`, "bad-format", ""},
		{"payload that grows when it is rewritten", `<message` + to + ` xmlns:p='` + strings.Repeat("u", 16000) + `'>` +
			strings.Repeat("<p:a/>", 20) + `</message>`, "policy-violation", audit.StreamLimit},
	})
}

// many repeats a format with numbers.
func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestX2BoundedMemory sends without end, and checks that the server takes hardly more than it announces, and what it
// throws away while it waits for the client to read why.
func TestX2BoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		defer s.close()
		c := s.connect("mallory@dso.example", "1")
		sent, err := io.Copy(c.conn, io.MultiReader(strings.NewReader("<message><body>"), endless{}))
		if err == nil || sent > 256<<10+1<<20+64<<10 {
			t.Errorf("the server has taken %d octets of one stanza", sent)
		}
		<-c.done
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestX3Encoding(t *testing.T) {
	playAttacks(t, []attack{
		{"malformed UTF-8", "<message" + to + "><body>\xff</body></message>", "unsupported-encoding", audit.StreamEncoding},
		{"overlong slash", "<message" + to + "><body>\xc0\xaf</body></message>", "unsupported-encoding", audit.StreamEncoding},
		{"overlong less-than", "<message" + to + ">\xc0\xbcx/></message>", "unsupported-encoding", audit.StreamEncoding},
		{"surrogate", "<message" + to + "><body>\xed\xa0\x80</body></message>", "unsupported-encoding", audit.StreamEncoding},
		{"beyond Unicode", "<message" + to + "><body>\xf4\x90\x80\x80</body></message>", "unsupported-encoding", audit.StreamEncoding},
		{"NUL", "<message" + to + "><body>\x00</body></message>", "unsupported-encoding", audit.StreamEncoding},
		{"UTF-16", "\xfe\xff\x00<\x00a\x00/\x00>", "unsupported-encoding", audit.StreamEncoding},
		{"NUL as a reference", "<message" + to + "><body>&#0;</body></message>", "not-well-formed", audit.StreamMalformed},
		{"surrogate as a reference", "<message" + to + "><body>&#xD800;</body></message>", "not-well-formed", audit.StreamMalformed},
		{"control character", "<message" + to + "><body>\x01</body></message>", "not-well-formed", audit.StreamMalformed},
		{"noncharacter", "<message" + to + "><body>\uffff</body></message>", "not-well-formed", audit.StreamMalformed},
	})
}

func TestX4Smuggling(t *testing.T) {
	playAttacks(t, []attack{
		{"duplicate attribute", `<message id='a' id='b'` + to + `/>`, "not-well-formed", audit.StreamMalformed},
		{"duplicate attribute by namespace", `<message` + to + `><a xmlns:p='u' xmlns:q='u' p:x='1' q:x='2'/></message>`, "not-well-formed", audit.StreamMalformed},
		{"two addressees", `<message` + to + ` to='hmi@dso.example/1'/>`, "not-well-formed", audit.StreamMalformed},
		{"xml bound anew", `<message xmlns:xml='urn:x'` + to + `/>`, "not-well-formed", audit.StreamMalformed},
		{"stream bound anew", `<message xmlns:stream='urn:x'` + to + `/>`, "restricted-xml", audit.RestrictedXML},
		{"stream bound anew in a payload", `<message` + to + `><a xmlns:stream='urn:x'/></message>`, "restricted-xml", audit.RestrictedXML},
		{"undeclared prefix", `<message` + to + `><p:a/></message>`, "not-well-formed", audit.StreamMalformed},
		{"wrong end tag", `<message` + to + `></iq>`, "not-well-formed", audit.StreamMalformed},
		{"end of the stream in a stanza", `<message` + to + `><body></stream:stream>`, "not-well-formed", audit.StreamMalformed},
		{"less-than in an attribute", `<message` + to + ` id='</message><iq type="set"/>'/>`, "not-well-formed", audit.StreamMalformed},
		{"end of CDATA in text", `<message` + to + `><body>]]></body></message>`, "not-well-formed", audit.StreamMalformed},
		{"stanza of another namespace", `<message xmlns='jabber:server'` + to + `/>`, "invalid-namespace", ""},
		{"another element", `<query xmlns='urn:x'/>`, "unsupported-stanza-type", ""},
		{"a stream error's features", `<stream:features/>`, "unsupported-stanza-type", ""},
	})
}

// TestX5SlowLoris opens connections that say nothing, or little.
func TestX5SlowLoris(t *testing.T) {
	for _, tt := range []struct {
		name string
		talk func(c io.Writer)
	}{
		{"silent", func(io.Writer) {}},
		{"one octet a second", func(c io.Writer) {
			for i := range len(clientHeader) {
				if _, err := io.WriteString(c, clientHeader[i:i+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
		{"white space after the header", func(c io.Writer) {
			for _, s := range append([]string{clientHeader}, strings.Split(strings.Repeat(" ", 60), "")...) {
				if _, err := io.WriteString(c, s); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil)
				defer s.close()
				nc, err := s.net.dial("192.0.2.66:40000")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				var talking sync.WaitGroup
				talking.Go(func() { tt.talk(nc) })
				said, _ := io.ReadAll(nc)
				if after := time.Since(began); after < 10*time.Second || after > 12*time.Second {
					t.Errorf("the connection was closed after %v, want 10 s", after)
				}
				if !strings.Contains(string(said), "<connection-timeout ") {
					t.Errorf("the server said %s, want connection-timeout", said)
				}
				nc.Close()
				talking.Wait()
				synctest.Wait()
				if diff := cmp.Diff([]audit.ID{audit.StreamFlood}, s.eventIDs()); diff != "" {
					t.Errorf("events (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// TestX5Flood opens more connections from one address than it may, and checks that others are still served.
func TestX5Flood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) { c.Limits.UnauthenticatedPerAddress, c.Limits.ConnectionsPerAddress = 5, 7 })
		defer s.close()
		var held []io.Closer
		for i := range 20 {
			nc, err := s.net.dial(fmt.Sprintf("[2001:db8:0:1::%d]:40000", i))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			held = append(held, nc)
			synctest.Wait()
			nc.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err = nc.Read(make([]byte, 1))
			if refused := err == io.EOF; refused != (i >= 5) {
				t.Errorf("connection %d is refused: %v, want from the sixth on", i, refused)
			}
		}
		good := s.connect("hmi@dso.example", "1") // from elsewhere
		for range 7 {
			s.connectFrom("192.0.2.3:1", "pv1@dso.example", "")
		}
		if nc, err := s.net.dial("192.0.2.3:2"); err != nil {
			t.Fatal(err)
		} else if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("an eighth connection from one address: %v, want it closed", err)
		}
		if err := good.send(`<iq type='get' id='1' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>`); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := good.take(); len(got) != 1 || !strings.Contains(got[0], "type='result'") {
			t.Errorf("in the flood a ping was answered %q", got)
		}
		// Each address is reported once, until it has gone.
		if diff := cmp.Diff([]audit.ID{audit.StreamFlood, audit.StreamFlood}, s.eventIDs()); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
		for _, c := range held {
			c.Close()
		}
		synctest.Wait()
		s.connectFrom("[2001:db8:0:1::1]:1", "pv2@dso.example", "IEC")
	})
}

// TestX6Spoofing speaks in another's name.
func TestX6Spoofing(t *testing.T) {
	playAttacks(t, []attack{
		{"result of another", `<iq type='result' id='17' from='hmi@dso.example/1'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
		{"unavailable of another", `<presence type='unavailable' from='hmi@dso.example/1'/>`, "invalid-from", audit.SenderSpoofed},
		{"unavailable of another, directed", `<presence type='unavailable' from='hmi@dso.example/1'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
		{"another resource of the same account", `<message from='mallory@dso.example/2'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
		{"the server", `<message from='dso.example'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
		{"the victim", `<message from='pv1@dso.example'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
		{"no address", `<message from='@'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
		{"another beside an error of its own", `<iq type='no' from='hmi@dso.example/1'` + to + `/>`, "invalid-from", audit.SenderSpoofed},
	})

	// What is not forged is delivered under its sender's name: the one who waits for a reply sees that it is not his peer's.
	t.Run("unsolicited result", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, nil)
			defer s.close()
			mallory, victim := s.connect("mallory@dso.example", "1"), s.connect("pv1@dso.example", "IEC")
			if err := mallory.send(`<iq type='result' id='17'` + to + `/><presence type='unavailable'` + to + `/>`); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			want := []string{
				`<iq type='result' id='17' from='mallory@dso.example/1' to='pv1@dso.example/IEC'/>`,
				`<presence type='unavailable' from='mallory@dso.example/1' to='pv1@dso.example/IEC'/>`,
			}
			if diff := cmp.Diff(want, victim.take()); diff != "" {
				t.Errorf("what arrived (-want +got)\n%s", diff)
			}
		})
	})
}

// TestX5FloodFromEverywhere takes all connections, and lets ever new addresses ask for more: that is one event until half
// of the connections have gone, and not one for each that is refused.
func TestX5FloodFromEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 6
		s := newSite(t, func(c *xmppd.Config) { c.Limits.Connections = most })
		defer s.close()
		address := 0
		open := func() net.Conn {
			address++
			nc, err := s.net.dial(fmt.Sprintf("192.0.2.%d:40000", address))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return nc
		}
		flood := func(when string, events int) {
			t.Helper()
			for range 10 {
				if _, err := open().Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("%s: one more connection: %v, want it closed", when, err)
				}
			}
			want := slices.Repeat([]audit.ID{audit.StreamFlood}, events)
			if diff := cmp.Diff(want, s.eventIDs()); diff != "" {
				t.Errorf("%s: events (-want +got)\n%s", when, diff)
			}
		}
		var held []net.Conn
		fill := func() {
			for len(held) < most {
				held = append(held, open())
			}
		}
		leave := func(n int) {
			for _, nc := range held[:n] {
				nc.Close()
			}
			held = held[n:]
			synctest.Wait()
		}
		fill()
		flood("full", 1)
		leave(1)
		fill()
		flood("one has left and another has come", 1)
		leave(most / 2)
		fill()
		flood("half have left and others have come", 2)
		leave(most)
	})
}
