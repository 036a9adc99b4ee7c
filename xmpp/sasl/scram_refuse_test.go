package sasl

import (
	"errors"
	"strings"
	"testing"

	"busbar.example/xmpp/jid"
)

// What somebody between the ends changes is noticed by one of them, and who has
// noticed says so.
//
// RFC 5802, Section 6; XEP-0474.
func TestM4SCRAM(t *testing.T) {
	full := offerOf(exporter, endpoint)
	other := Binding{BindingExporter, []byte("another channel")}
	without := func(edit func(o *Offer)) Offer {
		o := offerOf(exporter, endpoint)
		edit(&o)
		return o
	}
	tests := []struct {
		name   string
		client Offer // what the client sees
		edit   func(int, string) string
		by     string
		says   string
	}{
		{"two channels", without(func(o *Offer) { o.Channel.Bindings = []Binding{other, endpoint} }), nil, "server", "another channel"},
		{"-PLUS stripped", without(func(o *Offer) { o.Mechanisms, o.Bindings = []string{NameSCRAM}, nil }), nil, "server", "not seen the offer"},
		{"-PLUS stripped, flag changed too", without(func(o *Offer) { o.Mechanisms, o.Bindings = []string{NameSCRAM}, nil }), func(n int, s string) string {
			return strings.Replace(strings.Replace(s, "y,,", "n,,", 1), "c=eSws", "c=biws", 1)
		}, "client", "other mechanisms"},
		{"the better binding taken away", without(func(o *Offer) { o.Bindings = []string{BindingEndPoint} }), nil, "client", "other mechanisms"},
		{"the better binding taken away, and from the hash", without(func(o *Offer) { o.Bindings = []string{BindingEndPoint} }), func(_ int, s string) string {
			if head, _, ok := strings.Cut(s, ",h="); ok {
				return head
			}
			return s
		}, "server", "wrong password"},
		{"a mechanism put in", without(func(o *Offer) { o.Mechanisms = append(o.Mechanisms, "X-PLAIN") }), nil, "client", "other mechanisms"},
		{"binding of a type that was not announced", without(func(o *Offer) { o.Bindings = []string{"tls-other"}; o.Channel.Bindings = []Binding{{"tls-other", nil}} }), nil, "server", "not announced"},
		{"flag taken from the header", full, func(n int, s string) string { return strings.Replace(s, "p=tls-exporter,,", "y,,", 1) }, "server", "not seen the offer"},
		{"flag changed to n", full, func(n int, s string) string { return strings.Replace(s, "p=tls-exporter,,", "n,,", 1) }, "server", "does not belong"},
		{"binding changed in the header", full, func(n int, s string) string { return strings.Replace(s, "p=tls-exporter", "p=tls-server-end-point", 1) }, "server", "another channel"},
		{"fewer iterations", full, func(n int, s string) string { return strings.Replace(s, ",i=4096", ",i=1", 1) }, "client", "iterations"},
		{"the nonce not extended", full, func(n int, s string) string {
			if n == 1 {
				return "r=" + strings.Repeat("x", 24) + s[strings.IndexByte(s, ','):]
			}
			return s
		}, "client", "nonce"},
		{"the signature of nobody", full, func(n int, s string) string {
			if n == 3 {
				return "v=" + encodeBase64(make([]byte, 32))
			}
			return s
		}, "client", "does not know the password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := SCRAM{Username: "ied1", Password: pencil, AllowUnbound: true}
			_, proven, clientErr, serverErr := exchange(t, c, passwordsOf(t, ied1), tt.client, full, tt.edit)
			errs := map[string]error{"client": clientErr, "server": serverErr}
			f, ok := errors.AsType[*Failure](errs[tt.by])
			if !ok || !strings.Contains(f.Error(), tt.says) || f.Condition != NotAuthorized || f.Downgrade == (tt.says == "wrong password") {
				t.Errorf("client %v, server %v; want the %s to refuse with %q", clientErr, serverErr, tt.by, tt.says)
			}
			if proven {
				t.Error("the client believes the server")
			}
		})
	}
}

func TestSCRAMServerRefuses(t *testing.T) {
	full := offerOf(exporter)
	with := func(edit func(ch *Channel)) Offer {
		o := offerOf(exporter)
		edit(&o.Channel)
		return o
	}
	tests := []struct {
		name     string
		username string
		password string
		server   Offer
		edit     func(int, string) string
		want     Condition
	}{
		{"right", "ied1", "pencil", full, nil, ""},
		{"right, spelled otherwise", "IED1", "pencil", full, nil, ""},
		{"right, with a certificate", "ied1", "pencil", with(func(ch *Channel) { ch.Certified, ch.Addresses = true, []string{"ied1@site.example"} }), nil, ""},
		{"a certificate of another", "ied1", "pencil", with(func(ch *Channel) { ch.Certified, ch.Addresses = true, []string{"ied2@site.example"} }), nil, NotAuthorized},
		{"a certificate that is not valid", "ied1", "pencil", with(func(ch *Channel) { ch.Distrusted = true }), nil, NotAuthorized},
		{"wrong password", "ied1", "pencils", full, nil, NotAuthorized},
		{"no account", "ied9", "pencil", full, nil, NotAuthorized},
		{"no user name", "a@b", "pencil", full, nil, NotAuthorized},
		{"account that is not allowed", "guest", "pencil", full, nil, NotAuthorized},
		{"as another", "ied1", "pencil", full, as("ied2@site.example"), InvalidAuthzid},
		{"as a full JID", "ied1", "pencil", full, as("ied1@site.example/IEC"), InvalidAuthzid},
		{"of another domain", "ied1", "pencil", full, as("ied1@other.example"), InvalidAuthzid},
		{"a mandatory extension", "ied1", "pencil", full, func(_ int, s string) string { return strings.Replace(s, ",,n=", ",,m=x,n=", 1) }, MalformedRequest},
		{"no message", "ied1", "pencil", full, func(int, string) string { return "" }, MalformedRequest},
		{"another nonce", "ied1", "pencil", full, func(n int, s string) string {
			if n == 2 {
				return strings.Replace(s, ",r=", ",r=x", 1)
			}
			return s
		}, NotAuthorized},
		{"a short proof", "ied1", "pencil", full, func(n int, s string) string {
			if head, _, ok := strings.Cut(s, ",p="); ok {
				return head + ",p=AAAA"
			}
			return s
		}, NotAuthorized},
		{"no proof", "ied1", "pencil", full, func(n int, s string) string { head, _, _ := strings.Cut(s, ",p="); return head }, MalformedRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := SCRAM{Username: tt.username, Password: func() (string, error) { return tt.password, nil }}
			p := passwordsOf(t, ied1, jid.MustParse("guest@site.example"))
			server := startSCRAM(p, withSHA256, func(a jid.JID) bool { return a.Local() != "guest" }, tt.server, true, nonce())
			who, proven, clientErr, err := converse(c.Clients()[0].Start(full), server, tt.edit)
			var got Condition
			if f, ok := errors.AsType[*Failure](err); ok {
				got = f.Condition
			}
			if got != tt.want || clientErr != nil {
				t.Errorf("%v (client %v), want %q", err, clientErr, tt.want)
			}
			if ok := tt.want == ""; ok != (who.Account == ied1) || ok != proven || ok != (who.Binding == BindingExporter) {
				t.Errorf("logged in as %v, the server proven %v", who, proven)
			}
			if err != nil && strings.Contains(err.Error(), "pencil") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// as asks to act as somebody in the client's first message.
func as(authzid string) func(int, string) string {
	return func(_ int, s string) string {
		return strings.Replace(s, "p=tls-exporter,,", "p=tls-exporter,a="+authzid+",", 1)
	}
}

// What a server can make a client do is bounded, and a client that cannot go on
// says why.
func TestSCRAMClientRefuses(t *testing.T) {
	asked := false
	c := SCRAM{Username: "ied1", Password: func() (string, error) { asked = true; return "pencil", nil }, AllowUnbound: true}
	const salt = ",s=W22ZaJ0SNY7soEsUEjb6gQ=="
	for name, in := range map[string]string{
		"many iterations":      "r=abcd" + salt + ",i=1000001",
		"iterations overflow":  "r=abcd" + salt + ",i=99999999999999999999",
		"negative iterations":  "r=abcd" + salt + ",i=-4096",
		"a sign":               "r=abcd" + salt + ",i=+4096",
		"a leading zero":       "r=abcd" + salt + ",i=04096",
		"few iterations":       "r=abcd" + salt + ",i=4095",
		"our nonce alone":      "r=abc" + salt + ",i=4096",
		"another nonce":        "r=xabcd" + salt + ",i=4096",
		"no salt":              "r=abcd,s=,i=4096",
		"salt no base64":       "r=abcd,s=*,i=4096",
		"salt with stray bits": "r=abcd,s=QUJ=,i=4096",
		"salt behind its end":  "r=abcd,s=QUI=QUI=,i=4096",
		"salt over two lines":  "r=abcd,s=QU\nI=,i=4096",
		"another order":        "r=abcd,i=4096" + salt,
		"mandatory extension":  "m=x,r=abcd" + salt + ",i=4096",
		"mandatory at the end": "r=abcd" + salt + ",i=4096,m=x",
		"a second number":      "r=abcd" + salt + ",i=4096,i=5000",
		"two hashes":           "r=abcd" + salt + ",i=4096,h=AAAA,h=AAAA",
		"hash no base64":       "r=abcd" + salt + ",i=4096,h=*",
		"not UTF-8":            "r=abcd" + salt + ",i=4096,x=\xff",
		"an error":             "e=unknown-user",
		"nothing":              "",
	} {
		step := c.start(offerOf(), Binding{}, "abc")
		step(nil)
		if out, done, err := step([]byte(in)); err == nil || done || out != nil {
			t.Errorf("%s: %q, %v, %v", name, out, done, err)
		}
		if _, _, err := step([]byte(in)); err == nil {
			t.Errorf("%s: goes on after that", name)
		}
	}
	if asked {
		t.Error("the password was asked for")
	}
	step := c.start(offerOf(), Binding{}, "abc")
	step(nil)
	if _, _, err := step([]byte("r=abcd" + salt + ",i=4096,x=y,h=" + encodeBase64(withSHA256.offerHash(offerOf())))); err != nil {
		t.Errorf("extensions: %v", err)
	}
	if _, done, err := step([]byte("e=other-error")); done || !errors.Is(err, &Failure{Condition: NotAuthorized, Remote: true}) {
		t.Errorf("the server's error: %v, %v", done, err)
	}

	lost := errors.New("the file is lost")
	step = SCRAM{Username: "ied1", Password: func() (string, error) { return "", lost }}.start(offerOf(), Binding{}, "abc")
	step(nil)
	if _, _, err := step([]byte("r=abcd" + salt + ",i=4096")); !errors.Is(err, lost) {
		t.Errorf("no password: %v", err)
	}
}
