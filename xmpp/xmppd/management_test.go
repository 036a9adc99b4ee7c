package xmppd_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/xmppd"
)

const (
	enable     = `<enable xmlns='urn:xmpp:sm:3' resume='true'/>`
	notFound   = `<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`
	unexpected = `<failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>`
)

var enabledID = regexp.MustCompile(`^<enabled xmlns='urn:xmpp:sm:3' id='([A-Z2-7]{26})' resume='true' max='60'/>$`)

// managed logs in with stream management and returns the id for resumption.
func (s *site) managed(id *pki.Identity, resource string) (*rawClient, string) {
	s.t.Helper()
	c := s.loginAs(id, "192.0.2.2:40000", resource)
	if err := c.send(enable); err != nil {
		s.t.Fatal(err)
	}
	got, err := c.element()
	if err != nil {
		s.t.Fatal(err)
	}
	m := enabledID.FindStringSubmatch(got)
	if m == nil {
		s.t.Fatalf("enable was answered %q", got)
	}
	return c, m[1]
}

// authenticated connects and authenticates by certificate.
func (s *site) authenticated(id *pki.Identity) *rawClient {
	s.t.Helper()
	nc, err := s.net.dial("192.0.2.66:40000")
	if err != nil {
		s.t.Fatal(err)
	}
	c, _, err := s.open(nc, id)
	if err == nil {
		_, err = c.authenticate()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// byPassword connects and authenticates by password, without a certificate.
func (s *site) byPassword(account, password string) *rawClient {
	s.t.Helper()
	nc, err := s.net.dial("192.0.2.66:40000")
	if err != nil {
		s.t.Fatal(err)
	}
	c, _, err := s.open(nc, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	offer := sasl.Offer{
		Mechanisms: []string{sasl.NameSCRAMPlus, sasl.NameSCRAM}, Bindings: []string{"tls-exporter", "tls-server-end-point"},
		Channel: sasl.Channel{Bindings: sasl.Bindings(c.info, c.info.PeerCertificates[0])},
	}
	scram := sasl.SCRAM{Username: account, Password: func() (string, error) { return password, nil }}.Clients()[0]
	step := scram.Start(offer)
	first, _, err := step(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	tag, in := "auth", ""
	for out := first; ; {
		if err := c.send("<" + tag + " xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" + scram.Name + "'>" + base64.StdEncoding.EncodeToString(out) + "</" + tag + ">"); err != nil {
			s.t.Fatal(err)
		}
		if in, err = c.element(); err != nil || strings.HasPrefix(in, "<failure") {
			s.t.Fatal(in, err)
		}
		if strings.HasPrefix(in, "<success") {
			break
		}
		_, in, _ = strings.Cut(in, ">")
		in, _, _ = strings.Cut(in, "<")
		message, err := base64.StdEncoding.DecodeString(in)
		if err != nil {
			s.t.Fatal(err)
		}
		if out, _, err = step(message); err != nil {
			s.t.Fatal(err)
		}
		tag = "response"
	}
	if _, err := c.header(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func resume(id string, h uint32) string {
	return fmt.Sprintf("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>", id, h)
}

// ask sends octets and returns the element that comes next.
func (c *rawClient) ask(t *testing.T, octets string) string {
	t.Helper()
	if err := c.send(octets); err != nil {
		t.Fatal(err)
	}
	got, err := c.element()
	if err != nil {
		got += err.Error()
	}
	return got
}

// TestM11Resumption asks for a stream that is another's, or when there can be none of one's own. XEP-0198, Section 5.
func TestM11Resumption(t *testing.T) {
	const account = "pv1@dso.example"
	passwords := func(cfg *xmppd.Config) {
		v, err := sasl.NewVerifier("secret")
		if err != nil {
			t.Fatal(err)
		}
		cfg.Passwords = new(sasl.Passwords)
		cfg.Passwords.Set(nil, map[jid.JID]sasl.Verifier{jid.MustParse(account): v})
	}
	for _, tt := range []struct {
		name      string
		configure func(*xmppd.Config)
		attack    func(t *testing.T, s *site, owner *pki.Identity, victim *rawClient, id string) string
		want      string
		kept      bool // the victim's session is there in the end
	}{
		{"in clear", nil, func(t *testing.T, s *site, _ *pki.Identity, _ *rawClient, id string) string {
			nc, err := s.net.dial("192.0.2.66:40000")
			if err != nil {
				t.Fatal(err)
			}
			c := &rawClient{raw: nc, conn: nc}
			defer nc.Close()
			if _, err := c.header(); err != nil {
				t.Fatal(err)
			}
			return c.ask(t, resume(id, 0))
		}, unexpected, true},
		{"before authentication", nil, func(t *testing.T, s *site, owner *pki.Identity, _ *rawClient, id string) string {
			nc, err := s.net.dial("192.0.2.66:40000")
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			c, _, err := s.open(nc, owner)
			if err != nil {
				t.Fatal(err)
			}
			return c.ask(t, resume(id, 0))
		}, unexpected, true},
		{"another's id", nil, func(t *testing.T, s *site, _ *pki.Identity, _ *rawClient, id string) string {
			c := s.authenticated(s.clientIdentity("mallory@dso.example"))
			defer c.raw.Close()
			return c.ask(t, resume(id, 0))
		}, notFound, true},
		{"another key of the same account", nil, func(t *testing.T, s *site, _ *pki.Identity, _ *rawClient, id string) string {
			c := s.authenticated(s.clientIdentity(account))
			defer c.raw.Close()
			return c.ask(t, resume(id, 0))
		}, notFound, true},
		{"the account's password instead of its key", passwords, func(t *testing.T, s *site, _ *pki.Identity, _ *rawClient, id string) string {
			c := s.byPassword("pv1", "secret")
			defer c.raw.Close()
			return c.ask(t, resume(id, 0))
		}, notFound, true},
		{"a guessed id", nil, func(t *testing.T, s *site, owner *pki.Identity, _ *rawClient, _ string) string {
			c := s.authenticated(owner)
			defer c.raw.Close()
			return c.ask(t, resume("AAAAAAAAAAAAAAAAAAAAAAAAAA", 0))
		}, notFound, true},
		{"bound already", nil, func(t *testing.T, s *site, owner *pki.Identity, _ *rawClient, id string) string {
			c := s.loginAs(owner, "192.0.2.2:40000", "2")
			defer c.raw.Close()
			return c.ask(t, resume(id, 0))
		}, unexpected, true},
		{"an id used twice at once", nil, func(t *testing.T, s *site, owner *pki.Identity, victim *rawClient, id string) string {
			victim.raw.Close()
			first, second := s.authenticated(owner), s.authenticated(owner)
			defer first.raw.Close()
			defer second.raw.Close()
			if got := first.ask(t, resume(id, 0)); !strings.HasPrefix(got, "<resumed ") {
				t.Errorf("resume was answered %q", got)
			}
			// The second takes the stream from the first, which is gone then: there is never more than one.
			if got := second.ask(t, resume(id, 0)); !strings.HasPrefix(got, "<resumed ") {
				t.Errorf("resume was answered %q", got)
			}
			if _, err := first.element(); err == nil {
				t.Error("two connections share a stream")
			}
			return second.ask(t, resume(id, 0))
		}, unexpected, true},
		{"after the session was ended in order", nil, func(t *testing.T, s *site, owner *pki.Identity, victim *rawClient, id string) string {
			if err := victim.send("</stream:stream>"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			victim.raw.Close()
			c := s.authenticated(owner)
			defer c.raw.Close()
			return c.ask(t, resume(id, 0))
		}, notFound, false},
		{"after expiry", nil, func(t *testing.T, s *site, owner *pki.Identity, victim *rawClient, id string) string {
			victim.raw.Close()
			time.Sleep(61 * time.Second)
			c := s.authenticated(owner)
			defer c.raw.Close()
			return c.ask(t, resume(id, 0))
		}, notFound, false},
		{"more acknowledged than was sent", nil, func(t *testing.T, s *site, owner *pki.Identity, victim *rawClient, id string) string {
			c := s.authenticated(owner)
			defer c.raw.Close()
			return c.ask(t, resume(id, 5))
		}, "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>5 stanzas are acknowledged, of 0</text>" +
			"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='5' send-count='0'/></stream:error>", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, tt.configure)
				defer s.close()
				owner := s.clientIdentity(account)
				victim, id := s.managed(owner, "1")
				defer victim.raw.Close()
				if got := tt.attack(t, s, owner, victim, id); got != tt.want {
					t.Errorf("resume was answered\n%s, want\n%s", got, tt.want)
				}
				synctest.Wait()
				refused := 0
				for _, id := range s.eventIDs() {
					if id == audit.ResumptionRefused {
						refused++
					}
				}
				if refused != 1 {
					t.Errorf("events %v, want one %s", s.eventIDs(), audit.ResumptionRefused)
				}
				var left []string
				for _, ses := range s.server.Sessions() {
					if r := ses.JID.Resource(); r == "1" {
						left = append(left, r)
					}
				}
				if diff := cmp.Diff(tt.kept, len(left) == 1); diff != "" {
					t.Errorf("the victim's session is kept (-want +got)\n%s", diff)
				}
			})
		})
	}
}
