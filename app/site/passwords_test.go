package site

import (
	"context"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

func TestAPasswordIsSetWhereAllWereDeletedByHand(t *testing.T) {
	s := newSite(t)
	if err := os.WriteFile(s.passwordFile(), []byte("secret: \"QUJD\"\naccounts:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.SetPassword(jid.MustParse("ems@"+domain), "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.PasswordAccounts(); err != nil || len(got) != 1 || got[0] != "ems@"+domain {
		t.Errorf("accounts %v, %v", got, err)
	}
}

// A broker takes the passwords that are set while it runs, and lets go who has logged in by one that is taken away, be
// it by itself or because the account is revoked. A file that is damaged changes nothing.
func TestM7PasswordTakenAwayWhileRunning(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "ems", "VIEWER")
	ems := jid.MustParse("ems@" + domain)
	var events audit.Memory
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	address := make(chan string, 1)
	running.Go(func() {
		err := s.RunBroker(ctx, BrokerOptions{Listen: "127.0.0.1:0", Audit: &events, Refresh: 20 * time.Millisecond,
			Ready: func(a net.Addr) { address <- a.String() }})
		if err != nil {
			t.Errorf("broker: %v", err)
		}
	})
	trust, err := s.trust(pki.E2M)
	if err != nil {
		t.Fatal(err)
	}
	cfg := xmpp.Config{JID: ems, Address: <-address, Trust: trust, Password: func() (string, error) { return "correct horse battery", nil }}
	login := func() *xmpp.Session {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			c, err := xmpp.Dial(t.Context(), cfg)
			if err == nil {
				t.Cleanup(func() { c.Close() })
				return c
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	ended := func(c *xmpp.Session) {
		t.Helper()
		select {
		case <-c.Done():
		case <-time.After(time.Minute):
			t.Fatal("the session goes on")
		}
	}
	if _, err := xmpp.Dial(t.Context(), cfg); err == nil {
		t.Fatal("a password is taken that was never set")
	}
	for name, take := range map[string]func() error{
		"set anew": func() error { return s.SetPassword(ems, "another one altogether") },
		"removed":  func() error { return s.RemovePassword(ems) },
		"revoked":  func() error { return s.Revoke(ems) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.SetPassword(ems, "correct horse battery"); err != nil {
				t.Fatal(err)
			}
			c := login()
			if got := c.Info(); got.Mechanism != sasl.NameSCRAMPlus || got.ChannelBinding != sasl.BindingExporter {
				t.Errorf("logged in by %s, %s", got.Mechanism, got.ChannelBinding)
			}
			if err := take(); err != nil {
				t.Fatal(err)
			}
			ended(c)
		})
	}
	if err := s.SetPassword(ems, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	c := login()
	if err := os.WriteFile(s.passwordFile(), []byte("accounts: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := login(); c.Err() != nil {
		t.Errorf("a damaged file has ended %v", again.JID())
	}
	withdrawn := slices.ContainsFunc(events.Events(), func(e audit.Event) bool { return e.ID == audit.CredentialWithdrawn })
	if !withdrawn {
		t.Errorf("no event %s in %v", audit.CredentialWithdrawn, events.Events())
	}
}

// What is kept stays what it was when it is written again, and holds no password.
func TestPasswordsAreKept(t *testing.T) {
	s := newSite(t)
	a, b := jid.MustParse("a@"+domain), jid.MustParse("b@"+domain)
	if err := s.SetPassword(a, "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	secret, before, err := s.verifiers()
	if err != nil || len(secret) == 0 || before[a].Check() != nil {
		t.Fatalf("%x %v %v", secret, before, err)
	}
	if err := s.SetPassword(b, "something else now"); err != nil {
		t.Fatal(err)
	}
	again, after, err := s.verifiers()
	if err != nil || string(again) != string(secret) || string(after[a].StoredKey) != string(before[a].StoredKey) || len(after) != 2 {
		t.Errorf("%x %v %v, before %x %v", again, after, err, secret, before)
	}
	wantError(t, s.SetPassword(jid.MustParse("a@other.example"), "correct horse battery"), "a@other.example", domain)
	wantError(t, s.SetPassword(a, ""), "empty", "twelve")
	if err := os.Chmod(s.passwordFile(), 0o640); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.verifiers()
	wantError(t, err, "open to others", "")
}

// Who logs in by password needs no TLS certificate, nor does its revocation. What cannot be done in full takes the
// password away all the same.
func TestRevokeTakesThePasswordFirst(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "ems", "VIEWER")
	ems, hmi := jid.MustParse("ems@"+domain), jid.MustParse("hmi@"+domain)
	if err := os.Remove(s.partyFile(ems, "tls", "crt")); err != nil {
		t.Fatal(err)
	}
	for _, j := range []jid.JID{ems, hmi} {
		if err := s.SetPassword(j, "correct horse battery"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Revoke(ems); err != nil {
		t.Errorf("an account with a password in place of its TLS certificate: %v", err)
	}
	wantError(t, s.Revoke(hmi), "hmi@"+domain+" has no e2e", "issued in this folder")
	if left, err := s.PasswordAccounts(); len(left) > 0 || err != nil {
		t.Errorf("%v may log in by password, %v", left, err)
	}
}
