package sasl

import (
	"errors"
	"strings"
	"testing"
)

// FuzzSCRAM plays a hostile client to our server, and a hostile server to our
// client. Nobody is let in, nobody is believed, and a message that is taken is
// taken in one way only.
func FuzzSCRAM(f *testing.F) {
	f.Add("n,,n=user,r=abc", "c=biws,r=abc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	f.Add("p=tls-exporter,a=ied1@site.example,n=ied1,r=abc,x=y", "c=cD0=,r=abc,y=z,p=AAAA")
	f.Add("y,,m=x,n==2C=3D,r=abc", "c=biws,r=abc,m=x,p=AAAA")
	f.Add("r=abcdef,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,h=AAAA", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
	f.Add("r=abcdef,s=AA==,i=5000", "e=invalid-proof,x=y")
	p := passwordsOf(f, ied1)
	f.Fuzz(func(t *testing.T, first, second string) {
		if m, err := parseClientFirst(first); err == nil && m.String() != first {
			t.Fatalf("%q is taken for %q", first, m)
		}
		if m, err := parseServerFirst(first); err == nil && !strings.HasPrefix(first, strings.TrimSuffix(m.String(), ",h="+encodeBase64(m.offer))) {
			t.Fatalf("%q is taken for %q", first, m)
		}
		o := offerOf(exporter, endpoint)
		for _, plus := range []bool{true, false} {
			step := startSCRAM(p, withSHA256, nil, o, plus, "def")
			for _, in := range []string{first, second} {
				_, who, err := step([]byte(in))
				if !who.Account.IsZero() {
					t.Fatalf("let in as %v", who)
				}
				if _, ok := errors.AsType[*Failure](err); err != nil && !ok {
					t.Fatalf("refused with %v", err)
				}
				if err != nil {
					break
				}
			}
		}
		p.strikes = nil
		if m, err := parseServerFirst(first); err == nil && m.iterations > 5000 {
			return // each would take its time
		}
		step := SCRAM{Username: "ied1", Password: pencil}.start(o, exporter, "abc")
		step(nil)
		if _, _, err := step([]byte(first)); err == nil {
			if _, done, err := step([]byte(second)); err == nil || done {
				t.Fatalf("the client believes %q", second)
			}
		}
	})
}

// FuzzPlain plays a hostile client to PLAIN. Nobody is let in who does not say the password, by one message alone.
func FuzzPlain(f *testing.F) {
	f.Add("\x00user\x00pen")
	f.Add("ied1@site.example\x00ied1\x00pen")
	f.Add("\x00ied1\x00pencil")
	f.Add("\x00\x00\x00")
	p := passwordsOf(f, ied1)
	f.Fuzz(func(t *testing.T, in string) {
		p.strikes = nil
		_, who, err := startPlain(p, nil, offerOf())([]byte(in))
		knows := strings.HasSuffix(in, "\x00pencil") && strings.Count(in, "\x00") == 2
		if !who.Account.IsZero() && (who.Account != ied1 || !knows) {
			t.Fatalf("%q is let in as %v", in, who)
		}
		if _, ok := errors.AsType[*Failure](err); !ok && err != nil {
			t.Fatalf("%q is refused with %v", in, err)
		}
	})
}
