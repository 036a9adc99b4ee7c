package sasl

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/xmpp/jid"
)

// What a client hears does not depend on whether the account exists: neither in
// form, nor from one try to the next, nor when the server has started again.
func TestSCRAMUnknownAccountLooksLikeAny(t *testing.T) {
	ask := func(p *Passwords, name string) (serverFirst, error) {
		out, _, err := startSCRAM(p, withSHA256, nil, offerOf(exporter), false, nonce())([]byte("n,,n=" + name + ",r=abc"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m, err := parseServerFirst(string(out))
		m.nonce = ""
		return m, err
	}
	p := passwordsOf(t, ied1)
	known, err := ask(p, "ied1")
	if err != nil {
		t.Fatal(err)
	}
	salts := map[string]bool{string(known.salt): true}
	for _, name := range []string{"ied2", "ied3", "a@b", "\u00e9", "=2C"} {
		got, err := ask(p, name)
		if err != nil || len(got.salt) != len(known.salt) || got.iterations != known.iterations || salts[string(got.salt)] {
			t.Errorf("%s: %+v, %v; that of an account is %+v", name, got, err, known)
		}
		salts[string(got.salt)] = true
		for _, later := range []*Passwords{p, passwordsOf(t, ied1)} {
			again, err := ask(later, name)
			if d := cmp.Diff(got, again, cmp.AllowUnexported(serverFirst{})); d != "" || err != nil {
				t.Errorf("%s: another time (-first +again): %s, %v", name, d, err)
			}
		}
	}
	upper, err := ask(p, "IED2")
	lower, err2 := ask(p, "ied2")
	if d := cmp.Diff(upper, lower, cmp.AllowUnexported(serverFirst{})); d != "" || errors.Join(err, err2) != nil {
		t.Errorf("spelled otherwise: %s, %v, %v", d, err, err2)
	}
}

// Who has tried too many passwords waits; others do not.
func TestSCRAMGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := passwordsOf(t, ied1)
		try := func(source, password string) Condition {
			o := offerOf(exporter)
			o.Channel.Source = source
			c := SCRAM{Username: "ied1", Password: func() (string, error) { return password, nil }}
			_, _, _, err := converse(c.Clients()[0].Start(o), SCRAMServers(p, nil)[0].Start(o), nil)
			if f, ok := errors.AsType[*Failure](err); ok {
				return f.Condition
			}
			return ""
		}
		for range maxStrikes - 1 { // as many guesses would do
			p.refused("192.0.2.1")
		}
		if got := try("192.0.2.1", "guess"); got != NotAuthorized {
			t.Fatalf("the last guess: %q", got)
		}
		for _, password := range []string{"guess", "pencil"} {
			if got := try("192.0.2.1", password); got != TemporaryAuthFailure {
				t.Errorf("guess too many, %q: %q", password, got)
			}
		}
		if got := try("192.0.2.2", "pencil"); got != "" {
			t.Errorf("from elsewhere: %q", got)
		}
		time.Sleep(forgiveness)
		if got := try("192.0.2.1", "pencil"); got != "" {
			t.Errorf("after a while: %q", got)
		}
		if got := try("192.0.2.1", "guess"); got != NotAuthorized {
			t.Errorf("another guess after a while: %q", got)
		}
		if got := try("192.0.2.1", "guess"); got != TemporaryAuthFailure {
			t.Errorf("and one more: %q", got)
		}
		for i := range 2 * maxSources {
			p.refused(fmt.Sprint(i))
		}
		if len(p.strikes) > maxSources {
			t.Errorf("%d sources are remembered", len(p.strikes))
		}
	})
}

func TestPasswordsStand(t *testing.T) {
	login := func(p *Passwords) Login {
		o := offerOf(exporter)
		who, _, _, err := converse(SCRAM{Username: "ied1", Password: pencil}.Clients()[0].Start(o), SCRAMServers(p, nil)[0].Start(o), nil)
		if err != nil {
			t.Fatal(err)
		}
		return who
	}
	p := passwordsOf(t, ied1)
	who := login(p)
	if !p.Any() || !p.Stands(who) || !p.Stands(Login{Account: ied1}) {
		t.Error("what has just been done does not stand")
	}
	v, err := newVerifier("pencil", []byte("another salt now"), minIterations)
	if err != nil {
		t.Fatal(err)
	}
	if p.Set(nil, map[jid.JID]Verifier{ied1: v}); p.Stands(who) {
		t.Error("a login by a password that was set anew stands")
	}
	who = login(p)
	if p.Set(nil, nil); p.Stands(who) || p.Any() {
		t.Error("a login of an account without a password stands")
	}
}

func TestVerifiers(t *testing.T) {
	good, err := NewVerifier("p\u00e9ncil")
	if err != nil || good.Check() != nil {
		t.Fatalf("%v, %v", err, good.Check())
	}
	again, err := NewVerifier("p\u00e9ncil")
	if err != nil || cmp.Equal(good.Salt, again.Salt) {
		t.Errorf("two verifiers with the same salt %x, %v", again.Salt, err)
	}
	for name, password := range map[string]string{"empty": "", "nothing left": "\u00ad", "control character": "a\x07b", "not UTF-8": "a\xff", "unassigned": "\U0001F600"} {
		if _, err := NewVerifier(password); err == nil || password != "" && strings.Contains(err.Error(), password) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for name, edit := range map[string]func(*Verifier){
		"salt":                func(v *Verifier) { v.Salt = v.Salt[1:] },
		"too few iterations":  func(v *Verifier) { v.Iterations = minIterations - 1 },
		"too many iterations": func(v *Verifier) { v.Iterations = maxIterations + 1 },
		"stored key":          func(v *Verifier) { v.StoredKey = nil },
		"server key":          func(v *Verifier) { v.ServerKey = append(v.ServerKey, 0) },
	} {
		v := good
		if edit(&v); v.Check() == nil {
			t.Errorf("%s: %+v is taken", name, v)
		}
	}
}
