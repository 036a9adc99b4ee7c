package sasl

import (
	"errors"
	"testing"

	"busbar.example/xmpp/jid"
)

// over is an offer over a channel whose client has shown a certificate.
func over(certified bool, addresses ...string) Offer {
	return Offer{Channel: Channel{Domain: "site.example", Certified: certified, Addresses: addresses}}
}

// XEP-0178, Section 2; RFC 6120, Section 6.3.8.
func TestExternalServer(t *testing.T) {
	ied1 := jid.MustParse("ied1@site.example")
	tests := []struct {
		name      string
		certified bool
		addresses []string
		authzid   string
		want      string // the account, or the condition of the refusal
	}{
		{"one name, no choice", true, []string{"ied1@site.example"}, "", "ied1@site.example"},
		{"one name, the same choice", true, []string{"ied1@site.example"}, "ied1@site.example", "ied1@site.example"},
		{"spelled otherwise", true, []string{"IED1@Site.Example"}, "ied1@SITE.example", "ied1@site.example"},
		{"another user's JID", true, []string{"ied1@site.example"}, "ied2@site.example", "invalid-authzid"},
		{"two names, no choice", true, []string{"ied1@site.example", "ied2@site.example"}, "", "invalid-authzid"},
		{"two names, one chosen", true, []string{"ied1@site.example", "ied2@site.example"}, "ied2@site.example", "ied2@site.example"},
		{"two names, a third chosen", true, []string{"ied1@site.example", "ied2@site.example"}, "ied3@site.example", "invalid-authzid"},
		{"two names, one of this domain, no choice", true, []string{"ied1@site.example", "ied1@other.example"}, "", "invalid-authzid"},
		{"name of another domain", true, []string{"ied1@other.example"}, "", "not-authorized"},
		{"name of another domain, chosen", true, []string{"ied1@other.example"}, "ied1@other.example", "invalid-authzid"},
		{"name of a subdomain", true, []string{"ied1@a.site.example"}, "", "not-authorized"},
		{"full JID chosen", true, []string{"ied1@site.example"}, "ied1@site.example/IEC", "invalid-authzid"},
		{"local part chosen", true, []string{"ied1@site.example"}, "ied1", "invalid-authzid"},
		{"domain chosen", true, []string{"ied1@site.example"}, "site.example", "invalid-authzid"},
		{"no address chosen", true, []string{"ied1@site.example"}, "@", "invalid-authzid"},
		{"full JID in the certificate", true, []string{"ied1@site.example/IEC"}, "", "not-authorized"},
		{"domain in the certificate", true, []string{"site.example"}, "", "not-authorized"},
		{"no address in the certificate", true, []string{"@@"}, "", "not-authorized"},
		{"no name", true, nil, "", "not-authorized"},
		{"no name, a choice", true, nil, "ied1@site.example", "not-authorized"},
		{"no valid certificate", false, []string{"ied1@site.example"}, "", "not-authorized"},
		{"no valid certificate, a choice", false, []string{"ied1@site.example"}, "ied1@site.example", "not-authorized"},
		{"account that is not allowed", true, []string{"guest@site.example"}, "", "not-authorized"},
	}
	server := ExternalServer(func(account jid.JID) bool { return account.Local() != "guest" })
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			step := server.Start(over(tt.certified, tt.addresses...))
			out, who, err := step([]byte(tt.authzid))
			got := who.Account.String()
			var f *Failure
			if errors.As(err, &f) {
				got = string(f.Condition)
			}
			if got != tt.want || out != nil {
				t.Errorf("%q with %q: %s, out %q, err %v; want %s", tt.authzid, tt.addresses, got, out, err, tt.want)
			}
		})
	}

	t.Run("everybody is allowed by default", func(t *testing.T) {
		step := ExternalServer(nil).Start(over(true, "ied1@site.example"))
		if _, who, err := step([]byte{}); err != nil || who != (Login{Account: ied1}) {
			t.Errorf("got %v, %v, want %v", who, err, ied1)
		}
	})
	t.Run("no initial response", func(t *testing.T) {
		step := server.Start(over(true, "ied1@site.example"))
		out, who, err := step(nil)
		if out == nil || len(out) != 0 || who != (Login{}) || err != nil {
			t.Fatalf("got %v, %v, %v, want an empty challenge", out, who, err)
		}
		if _, who, err = step(nil); err != nil || who.Account != ied1 {
			t.Errorf("after the challenge: %v, %v, want %v", who, err, ied1)
		}
	})
}

func TestExternalClient(t *testing.T) {
	for _, authzid := range []jid.JID{{}, jid.MustParse("ied1@site.example")} {
		step := External(authzid).Start(Offer{})
		out, done, err := step(nil)
		if out == nil || string(out) != authzid.String() || !done || err != nil {
			t.Errorf("initial response of %q: %q, %v, %v", authzid, out, done, err)
		}
		if _, done, err = step([]byte("x")); err == nil || done {
			t.Errorf("a challenge is accepted: %v, %v", done, err)
		}
	}
}

func TestFailureIsByCondition(t *testing.T) {
	remote := &Failure{Condition: NotAuthorized, Detail: "x", Remote: true}
	if !errors.Is(remote, &Failure{Condition: NotAuthorized}) || !errors.Is(remote, &Failure{Condition: NotAuthorized, Remote: true}) {
		t.Errorf("%v is not what it is", remote)
	}
	if errors.Is(remote, &Failure{Condition: Aborted}) || errors.Is(&Failure{Condition: NotAuthorized}, &Failure{Condition: NotAuthorized, Remote: true}) {
		t.Errorf("%v is what it is not", remote)
	}
}
