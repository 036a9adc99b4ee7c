package xmppd_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/xmppd"
)

// newOpenSite is a server on which clients register accounts.
func newOpenSite(t *testing.T, accounts int) *site {
	return newSite(t, func(c *xmppd.Config) {
		c.Groups, c.Rosters = groups("hmi pv1"), new(xmppd.Rosters)
		c.Passwords, c.Legacy, c.Registrations = new(sasl.Passwords), true, accounts
		c.Allowed = func(account jid.JID) bool { return account.Local() != "root" }
	})
}

// secured is a connection with TLS on which nobody has logged in yet.
func (s *site) secured() (c *rawClient, features string) {
	s.t.Helper()
	nc, err := s.net.dial("192.0.2.2:40000")
	if err != nil {
		s.t.Fatal(err)
	}
	c, features, err = s.open(nc, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return c, features
}

// register asks for an account, and returns what is answered.
func (c *rawClient) register(t *testing.T, username, password string) string {
	t.Helper()
	c.send("<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>" + username + "</username><password>" + password + "</password></query></iq>")
	answer, err := c.element()
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// loginPlain does what remains with a password.
func (c *rawClient) loginPlain(user, password string) error {
	c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
		base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+password)) + "</auth>")
	if answer, err := c.element(); err != nil || !strings.HasPrefix(answer, "<success") {
		return fmt.Errorf("%s, %v", answer, err)
	}
	if _, err := c.header(); err != nil {
		return err
	}
	_, err := c.bind("1")
	return err
}

// register makes an account over a connection of its own.
func (s *site) register(username, password string) {
	s.t.Helper()
	c, _ := s.secured()
	defer c.raw.Close()
	if got := c.register(s.t.(*testing.T), username, password); got != "<iq type='result' id='r'/>" {
		s.t.Fatalf("registering %s was answered %s", username, got)
	}
}

// connectPlain logs in and starts to listen.
func (s *site) connectPlain(user, password string) *rawClient {
	s.t.Helper()
	c, _ := s.secured()
	if err := c.loginPlain(user, password); err != nil {
		s.t.Fatal(err)
	}
	c.listen()
	return c
}

// TestRegistration lets clients make accounts before they log in.
//
// XEP-0077, Section 3.1.
func TestRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOpenSite(t, 2)
		defer s.close()
		c, features := s.secured()
		if !strings.Contains(features, "<register xmlns='http://jabber.org/features/iq-register'/>") {
			t.Errorf("registration is not announced in %s", features)
		}
		for _, m := range []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"} {
			if !strings.Contains(features, "<mechanism>"+m+"</mechanism>") {
				t.Errorf("%s is not offered in %s", m, features)
			}
		}
		c.send("<iq type='get' id='g'><query xmlns='jabber:iq:register'/></iq>")
		const want = "<iq type='result' id='g'><query xmlns='jabber:iq:register'><username/><password/></query></iq>"
		if form, err := c.element(); form != want || err != nil {
			t.Errorf("the form is %s, %v, want %s", form, err, want)
		}
		if got := c.register(t, "EMS", "pencil"); got != "<iq type='result' id='r'/>" {
			t.Errorf("a registration was answered %s", got)
		}
		if err := c.loginPlain("ems", "pencil"); err != nil {
			t.Errorf("who has registered cannot log in: %v", err)
		}
		c.raw.Close()
		for _, tt := range []struct{ username, password, want string }{
			{"ems", "crayon", "conflict"},
			{"hmi", "crayon", "conflict"}, // of a group
			{"root", "crayon", "forbidden"},
			{"", "crayon", "not-acceptable"},
			{"ems2", "", "not-acceptable"},
			{"a b", "crayon", "not-acceptable"},
			{"ems2", "\u00ad", "not-acceptable"}, // nothing is left of it once it is prepared
		} {
			c, _ := s.secured()
			if got := c.register(t, tt.username, tt.password); !strings.Contains(got, "<"+tt.want+" ") {
				t.Errorf("registering %q was answered %s, want %s", tt.username, got, tt.want)
			}
			c.raw.Close()
		}
		if err := func() error { c, _ := s.secured(); defer c.raw.Close(); return c.loginPlain("ems", "crayon") }(); err == nil {
			t.Error("the password of an account has changed without a login")
		}
		// One for each connection, and no more than there may be.
		c, _ = s.secured()
		c.register(t, "ems2", "pencil")
		if got := c.register(t, "ems3", "pencil"); !strings.Contains(got, "<not-acceptable ") {
			t.Errorf("a second account over a connection was answered %s, want not-acceptable", got)
		}
		c.raw.Close()
		c, _ = s.secured()
		for range 2 {
			if got := c.register(t, "ems4", "pencil"); !strings.Contains(got, "<resource-constraint ") {
				t.Errorf("one account too many was answered %s, want resource-constraint", got)
			}
		}
		// Who tries on and on is cut off.
		c.register(t, "ems4", "pencil")
		if got, err := c.element(); !strings.Contains(got, "<policy-violation ") {
			t.Errorf("after three refusals came %s, %v, want policy-violation", got, err)
		}
		if _, err := c.element(); err != io.EOF {
			t.Errorf("the stream goes on after three refusals: %v", err)
		}
		s.wantEvents(audit.AccountMade)
	})
}

// wantEvents checks that such events were recorded.
func (s *site) wantEvents(ids ...audit.ID) {
	s.t.Helper()
	for _, id := range ids {
		if !recorded(s.events, id) {
			s.t.Errorf("no event %s was recorded", id)
		}
	}
}

func recorded(m *audit.Memory, id audit.ID) bool {
	for _, e := range m.Events() {
		if e.ID == id {
			return true
		}
	}
	return false
}

// TestRegistrationChanged lets clients change their passwords, and remove their accounts.
//
// XEP-0077, Sections 3.2 and 3.3.
func TestRegistrationChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOpenSite(t, 10)
		defer s.close()
		s.register("ems", "pencil")
		s.register("tso", "pencil")
		a, b := s.connectPlain("ems", "pencil"), s.connectPlain("tso", "pencil")
		certified := s.connect("hmi@dso.example", "1")
		change := func(c *rawClient, payload string) string {
			t.Helper()
			c.take()
			c.send("<iq type='set' id='r' to='dso.example'><query xmlns='jabber:iq:register'>" + payload + "</query></iq>")
			synctest.Wait()
			return strings.Join(c.take(), "\n")
		}
		for _, tt := range []struct {
			c             *rawClient
			payload, want string
		}{
			{a, "<username>tso</username><password>crayon</password>", "<not-allowed "},
			{a, "<username>ems</username>", "<bad-request "},
			{a, "<username>ems</username><password/>", "<bad-request "},
			{a, "<remove/><username>ems</username><password>x</password>", "<bad-request "},
			{certified, "<remove/>", "<not-allowed "},
			{a, "<username>ems</username><password>crayon</password>", "<iq type='result' id='r' from='dso.example' to='ems@dso.example/1'/>"},
		} {
			if got := change(tt.c, tt.payload); !strings.Contains(got, tt.want) {
				t.Errorf("%s was answered %s, want %s", tt.payload, got, tt.want)
			}
		}
		a.send("<iq type='get' id='g'><query xmlns='jabber:iq:register'/></iq>")
		synctest.Wait()
		const known = "<iq type='result' id='g' to='ems@dso.example/1'><query xmlns='jabber:iq:register'><registered/><username>ems</username><password/></query></iq>"
		if got := strings.Join(a.take(), ""); got != known {
			t.Errorf("who has an account was told %s, want %s", got, known)
		}
		for password, ok := range map[string]bool{"pencil": false, "crayon": true} {
			c, _ := s.secured()
			if err := c.loginPlain("ems", password); (err == nil) != ok {
				t.Errorf("after the change %q logs in: %v, want %v", password, err, ok)
			}
			c.raw.Close()
		}

		// An account that is removed leaves nothing behind.
		a = s.connectPlain("ems", "crayon")
		a.send("<presence/><presence type='subscribe' to='tso@dso.example'/>")
		b.send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq><presence/>")
		synctest.Wait()
		b.send("<presence type='subscribed' to='ems@dso.example'/><presence type='subscribe' to='ems@dso.example'/>")
		synctest.Wait()
		a.send("<presence type='subscribed' to='tso@dso.example'/>")
		synctest.Wait()
		b.take()
		got := change(a, "<remove/>")
		for _, want := range []string{"<iq type='result' id='r'", "<not-authorized ", "</stream:stream>"} {
			if !strings.Contains(got, want) {
				t.Errorf("who has removed an account got %s, want %s in it", got, want)
			}
		}
		pushes := regexp.MustCompile(` id='[^']*'| ver='[^']*'`).ReplaceAllString(strings.Join(b.take(), "\n"), "")
		const told = `<presence type='unsubscribe' from='ems@dso.example' to='tso@dso.example'/>
<iq type='set' to='tso@dso.example/1'><query xmlns='jabber:iq:roster'><item jid='ems@dso.example' subscription='to'/></query></iq>
<presence type='unsubscribed' from='ems@dso.example' to='tso@dso.example'/>
<iq type='set' to='tso@dso.example/1'><query xmlns='jabber:iq:roster'><item jid='ems@dso.example' subscription='none'/></query></iq>
<presence type='unavailable' from='ems@dso.example/1' to='tso@dso.example'/>`
		if pushes != told {
			t.Errorf("its contact was told\n%s\nwant\n%s", pushes, told)
		}
		c, _ := s.secured()
		if err := c.loginPlain("ems", "crayon"); err == nil {
			t.Error("a removed account logs in")
		}
		c.raw.Close()
		s.wantEvents(audit.AccountRemoved)
		s.register("ems", "anew")
	})
}

// TestLegacyIsOffByDefault is that PLAIN, SCRAM-SHA-1 and registration are not offered, nor taken, where they are not asked for.
func TestLegacyIsOffByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(sasl.Passwords)
		if err := p.Register(jid.MustParse("ems@dso.example"), "pencil"); err != nil {
			t.Fatal(err)
		}
		s := newSite(t, func(c *xmppd.Config) { c.Passwords = p })
		defer s.close()
		c, features := s.secured()
		for _, no := range []string{"SHA-1<", "SHA-1-PLUS", "PLAIN", "register"} {
			if strings.Contains(features, no) {
				t.Errorf("%s is offered in %s", no, features)
			}
		}
		if err := c.loginPlain("ems", "pencil"); err == nil || !strings.Contains(err.Error(), "<invalid-mechanism/>") {
			t.Errorf("PLAIN came to %v, want invalid-mechanism", err)
		}
		if got := c.register(t, "tso", "pencil"); !strings.Contains(got, "<not-authorized ") {
			t.Errorf("a registration came to %s, want the stream error not-authorized", got)
		}
		c.raw.Close()
		if _, err := xmppd.New(xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{Identity: s.serverIdentity()}, Registrations: 1}); err == nil {
			t.Error("a server takes registrations without a place for passwords")
		}
	})
}
