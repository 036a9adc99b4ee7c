package xmppd_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/xmppd"
)

// The accounts that have a password may change while the server runs. Who has logged in by one that is no longer valid
// goes; who has shown a certificate stays. Without such accounts passwords are not on offer.
func TestM7PasswordChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pv1 := jid.MustParse("pv1@" + domain)
		v, err := sasl.NewVerifier("pencil")
		if err != nil {
			t.Fatal(err)
		}
		passwords := new(sasl.Passwords)
		s := newSite(t, func(c *xmppd.Config) { c.Passwords = passwords })
		defer s.close()
		trust, err := pki.NewTrust([]*x509.Certificate{s.root.Certificate()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		dial := func(resource string) (*xmpp.Session, error) {
			full, err := pv1.WithResource(resource)
			if err != nil {
				t.Fatal(err)
			}
			return xmpp.Dial(t.Context(), xmpp.Config{
				JID: full, Trust: trust, Password: func() (string, error) { return "pencil", nil },
				Dialer: func(context.Context) (net.Conn, error) { return s.net.dial("192.0.2.7:40000") },
			})
		}
		if c, err := dial("a"); err == nil {
			c.Close()
			t.Fatal("passwords are taken without accounts")
		}
		certified := s.connect("pv1@"+domain, "c")
		passwords.Set(nil, map[jid.JID]sasl.Verifier{pv1: v})
		c, err := dial("b")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Info().Mechanism; got != sasl.NameSCRAMPlus {
			t.Errorf("logged in by %s", got)
		}
		s.server.Recheck()
		if n := len(s.server.Sessions()); n != 2 {
			t.Fatalf("%d sessions stand, want 2", n)
		}
		before := len(s.eventIDs())
		passwords.Set(nil, nil)
		s.server.Recheck()
		<-c.Done()
		if err := c.Err(); !errors.Is(err, &xmpp.StreamError{Condition: xmpp.NotAuthorized, Remote: true}) {
			t.Errorf("the session by password ends with %v", err)
		}
		if d := cmp.Diff([]audit.ID{audit.CredentialWithdrawn}, s.eventIDs()[before:]); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		synctest.Wait() // its stream is over, and by now the broker's side of it too
		for _, i := range s.server.Sessions() {
			if i.JID.Resource() != "c" {
				t.Errorf("%v stands", i.JID)
			}
		}
		certified.raw.Close()
		c.Close()
	})
}

// Who has proved an account before it is withdrawn, and binds a resource after that, does not stay.
func TestM7WithdrawnDuringLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var withdrawn atomic.Bool
		s := newSite(t, func(c *xmppd.Config) { c.Allowed = func(jid.JID) bool { return !withdrawn.Load() } })
		defer s.close()
		nc, err := s.net.dial("192.0.2.7:40000")
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c, _, err := s.open(nc, s.clientIdentity("pv1@"+domain))
		if err != nil {
			t.Fatal(err)
		}
		c.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`)
		if answer, err := c.element(); err != nil || !strings.HasPrefix(answer, "<success") {
			t.Fatalf("%s, %v", answer, err)
		}
		if _, err := c.header(); err != nil {
			t.Fatal(err)
		}
		withdrawn.Store(true)
		s.server.Recheck()
		if _, err := c.bind("IEC"); err != nil {
			t.Fatal(err)
		}
		c.listen()
		synctest.Wait()
		if all := s.server.Sessions(); len(all) != 0 {
			t.Errorf("%v stands", all[0].JID)
		}
		if diff := cmp.Diff([]audit.ID{audit.CredentialWithdrawn}, s.eventIDs()); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
	})
}
