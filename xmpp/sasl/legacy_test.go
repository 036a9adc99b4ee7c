package sasl

import (
	"errors"
	"testing"

	"busbar.example/xmpp/jid"

	"github.com/xdg-go/scram"
)

// TestLegacySCRAM lets another implementation's client log in by SCRAM-SHA-1.
//
// RFC 5802.
func TestLegacySCRAM(t *testing.T) {
	p := new(Passwords)
	ems := jid.MustParse("ems@dso.example")
	if err := p.Register(ems, "pencil"); err != nil {
		t.Fatal(err)
	}
	// An account that was not registered has no key for it: what is kept of its password fits SHA-256 alone.
	for _, tt := range []struct{ user, password, want string }{
		{"ems", "pencil", ""},
		{"ems", "pen", "not-authorized"},
		{"nobody", "pencil", "not-authorized"},
	} {
		client, err := scram.SHA1.NewClient(tt.user, tt.password, "")
		if err != nil {
			t.Fatal(err)
		}
		o := Offer{Channel: Channel{Domain: "dso.example", Source: "test"}, Mechanisms: []string{NameSCRAMSHA1}}
		got := ""
		if err := talk(client.NewConversation(), startSCRAM(p, withSHA1, nil, o, false, nonce())); err != nil {
			f, ok := errors.AsType[*Failure](err)
			if !ok {
				t.Fatalf("%s: %v", tt.user, err)
			}
			got = string(f.Condition)
		}
		if got != tt.want {
			t.Errorf("%s with %q: refused %q, want %q", tt.user, tt.password, got, tt.want)
		}
	}
}

func talk(c *scram.ClientConversation, step ServerStep) error {
	in := ""
	for {
		out, err := c.Step(in)
		if err != nil {
			return err
		}
		answer, who, err := step([]byte(out))
		if err != nil {
			return err
		}
		if in = string(answer); !who.Account.IsZero() {
			_, err := c.Step(in)
			return err
		}
	}
}

// TestLegacyNeedsRegistration is that accounts of which only a verifier was set can not be asked for another mechanism.
func TestLegacyNeedsRegistration(t *testing.T) {
	p := passwordsOf(t, ied1)
	client, err := scram.SHA1.NewClient(ied1.Local(), "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	o := offerOf()
	if err := talk(client.NewConversation(), startSCRAM(p, withSHA1, nil, o, false, nonce())); !errors.Is(err, &Failure{Condition: NotAuthorized}) {
		t.Errorf("SCRAM-SHA-1 with a verifier of SHA-256 came to %v, want not-authorized", err)
	}
}

// TestPlain gives PLAIN right and wrong messages.
//
// RFC 4616, Section 2.
func TestPlain(t *testing.T) {
	p := new(Passwords)
	for _, local := range []string{"ems", "guest"} {
		if err := p.Register(jid.MustParse(local+"@dso.example"), "pencil"); err != nil {
			t.Fatal(err)
		}
	}
	free := Channel{Domain: "dso.example", Source: "test"}
	certified := Channel{Domain: "dso.example", Source: "test", Certified: true, Addresses: []string{"hmi@dso.example"}}
	distrusted := Channel{Domain: "dso.example", Source: "test", Distrusted: true}
	for _, tt := range []struct {
		name, in string
		ch       Channel
		want     Condition // "" for a login
	}{
		{"right", "\x00ems\x00pencil", free, ""},
		{"right, named twice", "ems@dso.example\x00ems\x00pencil", free, ""},
		{"wrong password", "\x00ems\x00pen", free, NotAuthorized},
		{"nobody", "\x00nobody\x00pencil", free, NotAuthorized},
		{"as another", "hmi@dso.example\x00ems\x00pencil", free, InvalidAuthzid},
		{"another domain", "ems@elsewhere.example\x00ems\x00pencil", free, InvalidAuthzid},
		{"no password", "\x00ems\x00", free, MalformedRequest},
		{"no name", "\x00\x00pencil", free, MalformedRequest},
		{"two parts", "ems\x00pencil", free, MalformedRequest},
		{"four parts", "\x00ems\x00pen\x00cil", free, MalformedRequest},
		{"not UTF-8", "\x00ems\x00\xff", free, MalformedRequest},
		{"not allowed", "\x00guest\x00pencil", free, NotAuthorized},
		{"certificate of another", "\x00ems\x00pencil", certified, NotAuthorized},
		{"certificate refused", "\x00ems\x00pencil", distrusted, NotAuthorized},
	} {
		step := startPlain(p, func(a jid.JID) bool { return a.Local() != "guest" }, Offer{Channel: tt.ch})
		if out, _, err := step(nil); err != nil || len(out) != 0 || out == nil {
			t.Errorf("%s: without an initial response it answers %q, %v, want an empty challenge", tt.name, out, err)
		}
		_, who, err := step([]byte(tt.in))
		f, _ := errors.AsType[*Failure](err)
		switch {
		case tt.want == "" && (err != nil || who.Account != jid.MustParse("ems@dso.example") || !p.Stands(who)):
			t.Errorf("%s: %q came to %v, %v, want a login of ems", tt.name, tt.in, who, err)
		case tt.want != "" && (f == nil || f.Condition != tt.want):
			t.Errorf("%s: %q came to %v, %v, want %s", tt.name, tt.in, who, err, tt.want)
		}
	}
	if err := p.Register(jid.MustParse("ems@dso.example"), "crayon"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := startPlain(p, nil, Offer{Channel: free})([]byte("\x00ems\x00pencil")); err == nil {
		t.Error("the old password still logs in after it was set anew")
	}
	p.Remove(jid.MustParse("ems@dso.example"))
	if _, _, err := startPlain(p, nil, Offer{Channel: free})([]byte("\x00ems\x00crayon")); err == nil || p.Len() != 1 {
		t.Errorf("the account still logs in after it was removed, or %d accounts are left, want 1", p.Len())
	}
}
