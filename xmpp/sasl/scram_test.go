package sasl

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xdg-go/scram"

	"busbar.example/xmpp/jid"
)

var (
	ied1 = jid.MustParse("ied1@site.example")

	exporter = Binding{BindingExporter, []byte("only the two ends know this")}
	endpoint = Binding{BindingEndPoint, []byte("hash of a certificate")}
)

// offerOf is what a server offers over a channel with those bindings.
func offerOf(bindings ...Binding) Offer {
	o := Offer{Channel: Channel{Domain: "site.example", Source: "192.0.2.1", Bindings: bindings}, Mechanisms: []string{NameSCRAM}}
	for _, b := range bindings {
		o.Bindings = append(o.Bindings, b.Type)
	}
	if o.Bindings != nil {
		o.Mechanisms = []string{NameSCRAMPlus, NameSCRAM}
	}
	return o
}

var pencilVerifier = sync.OnceValues(func() (Verifier, error) {
	return newVerifier("pencil", []byte("0123456789abcdef"), minIterations)
})

// passwordsOf are accounts with the password pencil.
func passwordsOf(t testing.TB, accounts ...jid.JID) *Passwords {
	t.Helper()
	v, err := pencilVerifier()
	if err != nil {
		t.Fatal(err)
	}
	all := map[jid.JID]Verifier{}
	for _, a := range accounts {
		all[a] = v
	}
	p := new(Passwords)
	p.Set([]byte("the secret of the tests"), all)
	return p
}

func pencil() (string, error) { return "pencil", nil }

// converse lets a client and a server talk to each other. edit, if set, changes
// what the server receives, first, and then what the client receives.
func converse(client ClientStep, server ServerStep, edit func(n int, s string) string) (who Login, proven bool, clientErr, serverErr error) {
	if edit == nil {
		edit = func(_ int, s string) string { return s }
	}
	out, proven, clientErr := client(nil)
	for n := 0; clientErr == nil; n += 2 {
		var in []byte
		if in, who, serverErr = server([]byte(edit(n, string(out)))); serverErr != nil {
			return who, proven, nil, serverErr
		}
		out, proven, clientErr = client([]byte(edit(n+1, string(in))))
		if !who.Account.IsZero() {
			break
		}
	}
	return who, proven, clientErr, nil
}

// RFC 7677, Section 3.
func TestSCRAMVector(t *testing.T) {
	const (
		clientNonce = "rOprNGfwEbeRWgbNEkqO"
		serverNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
		first       = "n,,n=user,r=" + clientNonce
		answer      = "r=" + clientNonce + serverNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
		final       = "c=biws,r=" + clientNonce + serverNonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
		signature   = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	)
	t.Run("client", func(t *testing.T) {
		c := SCRAM{Username: "user", Password: pencil, AllowUnbound: true}
		step := c.start(Offer{Mechanisms: []string{NameSCRAM, NameSCRAMPlus}}, Binding{}, clientNonce)
		var got []string
		for _, in := range []string{"", answer, signature} {
			out, done, err := step([]byte(in))
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %v", out, done))
		}
		if d := cmp.Diff([]string{first + " false", final + " false", " true"}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
	t.Run("server", func(t *testing.T) {
		m, err := parseServerFirst(answer)
		if err != nil {
			t.Fatal(err)
		}
		v, err := newVerifier("pencil", m.salt, m.iterations)
		if err != nil {
			t.Fatal(err)
		}
		x := scramServer{hashing: withSHA256, passwords: new(Passwords), answer: m, verifier: v, known: true}
		if x.first, err = parseClientFirst(first); err != nil {
			t.Fatal(err)
		}
		if out, err := x.verify(final); string(out) != signature || err != nil {
			t.Errorf("got %s, %v, want %s", out, err, signature)
		}
	})
}

// Another implementation takes our exchanges for right, and we its own.
func TestSCRAMAgainstAnotherImplementation(t *testing.T) {
	const name, secret = "ied=1,x", "p\u00e9ncil\u00aa" // SASLprep makes it another
	for _, bindings := range [][]Binding{nil, {endpoint}, {exporter, endpoint}} {
		o := offerOf(bindings...)
		var theirs scram.ChannelBinding
		if bindings != nil {
			theirs = scram.ChannelBinding{Type: scram.ChannelBindingType(bindings[0].Type), Data: bindings[0].Data}
		}
		ours := SCRAM{Username: name, Password: func() (string, error) { return secret, nil }, AllowUnbound: true}
		client, err := scram.SHA256.NewClient(name, secret, "")
		if err != nil {
			t.Fatal(err)
		}
		stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 5000})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("our client %q", o.Bindings), func(t *testing.T) {
			server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return stored, nil })
			if err != nil {
				t.Fatal(err)
			}
			conv := server.NewConversationWithChannelBinding(theirs)
			step := ours.start(o, ours.binding(o), nonce())
			out, done, err := step(nil)
			for err == nil && !done {
				var in string
				if in, err = conv.Step(string(out)); err == nil {
					out, done, err = step([]byte(in))
				}
			}
			if err != nil || !conv.Valid() || conv.Username() != name {
				t.Errorf("%v, valid %v, user %q", err, conv.Valid(), conv.Username())
			}
		})
		t.Run(fmt.Sprintf("our server %q", o.Bindings), func(t *testing.T) {
			account, err := jid.New(name, "site.example", "")
			if err != nil {
				t.Fatal(err)
			}
			v, err := newVerifier(secret, []byte("0123456789abcdef"), minIterations)
			if err != nil {
				t.Fatal(err)
			}
			p := new(Passwords)
			p.Set(nil, map[jid.JID]Verifier{account: v})
			conv := client.NewConversationAdvertisingChannelBinding()
			if bindings != nil {
				conv = client.NewConversationWithChannelBinding(theirs)
			}
			step := startSCRAM(p, withSHA256, nil, o, bindings != nil, nonce())
			var in []byte
			var who Login
			for who.Account.IsZero() {
				out, err := conv.Step(string(in))
				if err != nil {
					t.Fatal(err)
				}
				if in, who, err = step([]byte(out)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := conv.Step(string(in)); err != nil || !conv.Valid() || who.Account != account || who.Binding != string(theirs.Type) {
				t.Errorf("%v, valid %v, %v", err, conv.Valid(), who)
			}
		})
	}
}

// exchange runs a client against our server, the client's choice of mechanism
// being the best that it finds usable.
func exchange(t *testing.T, c SCRAM, p *Passwords, client, server Offer, edit func(int, string) string) (who Login, proven bool, clientErr, serverErr error) {
	t.Helper()
	for i, m := range c.Clients() {
		if _, usable := m.Usable(client); usable {
			return converse(m.Start(client), SCRAMServers(p, nil)[i].Start(server), edit)
		}
	}
	t.Fatal("no mechanism is usable")
	return
}

// The best binding that both ends know is used.
//
// XEP-0440, Section 3; RFC 9266, Section 3.
func TestSCRAMChoosesTheBinding(t *testing.T) {
	unique := Binding{BindingUnique, []byte("finished")}
	tests := []struct {
		name         string
		own          []Binding
		announced    []string // nil: not at all
		allowUnbound bool
		want         string // "" for the mechanism without; "none": refused
	}{
		{"the best of both", []Binding{exporter, endpoint}, []string{BindingEndPoint, BindingExporter}, false, BindingExporter},
		{"the only one in common", []Binding{exporter, endpoint}, []string{BindingUnique, BindingEndPoint}, false, BindingEndPoint},
		{"none in common", []Binding{exporter, endpoint}, []string{BindingUnique}, false, "none"},
		{"none in common, allowed", []Binding{exporter, endpoint}, []string{BindingUnique}, true, ""},
		{"an empty list", []Binding{exporter, endpoint}, []string{}, false, "none"},
		{"no list, TLS 1.3", []Binding{exporter, endpoint}, nil, false, BindingExporter},
		{"no list, TLS 1.2", []Binding{exporter, unique, endpoint}, nil, false, BindingUnique},
		{"no list, TLS 1.3, allowed", []Binding{exporter, endpoint}, nil, true, ""},
		{"no list, TLS 1.2, allowed", []Binding{exporter, unique, endpoint}, nil, true, BindingUnique},
		{"nothing of our own", nil, []string{BindingExporter}, false, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Offer{Channel: Channel{Bindings: tt.own}, Mechanisms: []string{NameSCRAM, NameSCRAMPlus}, Bindings: tt.announced}
			got := "none"
			for _, m := range (SCRAM{AllowUnbound: tt.allowUnbound}).Clients() {
				if binding, usable := m.Usable(o); usable {
					if got = binding; (m.Name == NameSCRAMPlus) != (binding != "") {
						t.Errorf("%s with the binding %q", m.Name, binding)
					}
					break
				}
			}
			if got != tt.want {
				t.Errorf("binding %q, want %q", got, tt.want)
			}
		})
	}
}

// RFC 6120, Section 6.3.8.
func TestSCRAMAsOneself(t *testing.T) {
	client, err := scram.SHA256.NewClient("ied1", "pencil", "IED1@site.example")
	if err != nil {
		t.Fatal(err)
	}
	conv := client.NewConversationAdvertisingChannelBinding()
	step := startSCRAM(passwordsOf(t, ied1), withSHA256, nil, offerOf(), false, nonce())
	var who Login
	for in := ""; who.Account.IsZero(); {
		out, err := conv.Step(in)
		if err != nil {
			t.Fatal(err)
		}
		var b []byte
		if b, who, err = step([]byte(out)); err != nil {
			t.Fatal(err)
		}
		in = string(b)
	}
	if who.Account != ied1 {
		t.Errorf("logged in as %v", who)
	}
}

func TestSCRAMNoInitialResponse(t *testing.T) {
	step := SCRAMServers(passwordsOf(t, ied1), nil)[1].Start(offerOf())
	if out, _, err := step(nil); out == nil || len(out) != 0 || err != nil {
		t.Fatalf("got %q, %v, want an empty challenge", out, err)
	}
	if out, _, err := step([]byte("n,,n=ied1,r=abc")); !strings.HasPrefix(string(out), "r=abc") || err != nil {
		t.Errorf("after the challenge: %q, %v", out, err)
	}
}
