package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/e2e"
	"busbar.example/value"
	"busbar.example/xmpp/jid"
)

func TestHowToProtectIsParsedStrictly(t *testing.T) {
	for _, tc := range []struct {
		name       string
		mode       string
		algorithms []string
		want       E2E
		err, hint  string
	}{
		{name: "nothing"},
		{name: "a mode", mode: "clear", want: E2E{Mode: Clear}},
		{name: "algorithms in their order", algorithms: []string{"aes-128-gcm", "aes-256-gcm"}, want: E2E{Algorithms: []e2e.Algorithm{e2e.AES128GCM, e2e.AES256GCM}}},
		{name: "another word", mode: "none", err: `"none" is no mode`, hint: "encr, clear or off"},
		{name: "other letters", mode: "ENCR", err: `"ENCR" is no mode`, hint: "encr, clear or off"},
		{name: "another algorithm", algorithms: []string{"rot13"}, err: `"rot13" is no algorithm`, hint: "with clear: hmac-sha256"},
		{name: "an algorithm twice", algorithms: []string{"aes-128-gcm", "aes-128-gcm"}, err: "aes-128-gcm is named twice", hint: "once"},
	} {
		got, err := ParseE2E(tc.mode, tc.algorithms)
		if tc.err != "" {
			wantError(t, err, tc.err, tc.hint)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
	}
}

func TestWhatIsGivenComesBeforeWhatTheSiteSays(t *testing.T) {
	both := []e2e.Algorithm{e2e.HMACSHA256, e2e.AES128GCM}
	for _, tc := range []struct {
		name              string
		site, given, want E2E
		err, hint         string
	}{
		{name: "nobody says anything", want: E2E{Mode: Encrypted}},
		{name: "the site", site: E2E{Mode: Clear, Algorithms: both}, want: E2E{Mode: Clear, Algorithms: both[:1]}},
		{name: "the mode is given", site: E2E{Mode: Clear, Algorithms: both}, given: E2E{Mode: Encrypted}, want: E2E{Mode: Encrypted, Algorithms: both[1:]}},
		{name: "algorithms are given", site: E2E{Algorithms: both}, given: E2E{Algorithms: []e2e.Algorithm{e2e.AES256CBC}}, want: E2E{Mode: Encrypted, Algorithms: []e2e.Algorithm{e2e.AES256CBC}}},
		{name: "off", site: E2E{Algorithms: both}, given: E2E{Mode: Off}, want: E2E{Mode: Off, Algorithms: both[1:]}},
		{name: "algorithms of another mode", given: E2E{Mode: Clear, Algorithms: both}, err: "aes-128-gcm is not one of the mode clear", hint: "hmac-sha256"},
		{name: "algorithms of nothing", given: E2E{Mode: Off, Algorithms: both}, err: "off has no algorithms", hint: "leave"},
	} {
		got, err := (&Site{e2e: tc.site}).E2E(tc.given)
		if tc.err != "" {
			wantError(t, err, tc.err, tc.hint)
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tc.name, err, diff)
		}
	}
}

func TestBusbarYAMLOnProtection(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		err, hint  string
	}{
		{"all of it", "e2e: {mode: clear, algorithms: [hmac-sha256]}\nunprotected: {roles: {ems: [viewer, OPERATOR], guest@" + domain + ": [VIEWER]}}\nmax_pdu: 8192", "", ""},
		{"an unknown mode", "e2e: {mode: secret}", `busbar.yaml: e2e: "secret" is no mode`, "encr"},
		{"an unknown algorithm", "e2e: {algorithms: [des]}", `busbar.yaml: e2e: "des" is no algorithm`, "aes-256-gcm"},
		{"an unknown field", "e2e: {modus: clear}", "there is no field modus", "its fields are mode, algorithms"},
		{"an unknown role", "unprotected: {roles: {ems: [KING]}}", `busbar.yaml: unprotected: roles: ems@` + domain + `: there is no role "KING"`, ""},
		{"no role", "unprotected: {roles: {ems: []}}", "ems@" + domain + " has no role", "ems: [VIEWER]"},
		{"an account twice", "unprotected: {roles: {ems: [VIEWER], ems@" + domain + ": [VIEWER]}}", "ems@" + domain + " is there twice", "one place"},
		{"another domain", "unprotected: {roles: {ems@other.example: [VIEWER]}}", "ems@other.example is not of this site's domain", domain},
		{"a PDU that is too small", "max_pdu: 8191", "max_pdu: 8191 octets are not 8192 to 524288", "65000"},
		{"a PDU that is too large", "max_pdu: 524289", "max_pdu: 524289", "65000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t)
			if err := os.WriteFile(s.Path(FileName), []byte("domain: "+domain+"\n"+tc.text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			opened, err := Open(s.Dir)
			if tc.err != "" {
				wantError(t, err, tc.err, tc.hint)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p, err := opened.E2E(E2E{}); err != nil || p.Mode != Clear || len(p.Algorithms) != 1 || opened.UnprotectedPeers() != 2 || opened.associations().MaxPDU != 8192 {
				t.Errorf("%+v, %v, %d, %+v", p, err, opened.UnprotectedPeers(), opened.associations())
			}
			if grants := opened.unprotectedSubject(jid.MustParse("ems@" + domain + "/x")).Grants; len(grants) != 2 {
				t.Errorf("ems has %v, want two roles", grants)
			}
		})
	}
}

// plant is a broker and an IED for each mode, which all run in this process.
type plant struct {
	t    *testing.T
	site *Site

	mu     sync.Mutex
	routed bytes.Buffer // what the broker sees of payloads
}

var allModes = []Mode{Encrypted, Clear, Off}

func newPlant(t *testing.T) *plant {
	s := newSite(t)
	s.mustIssue(t, "ems", "ENGINEER")
	s.mustIssue(t, "guest", "VIEWER")
	for _, m := range allModes {
		s.mustIssue(t, string(m))
	}
	text := "domain: " + domain + "\nunprotected: {roles: {guest: [VIEWER]}}\n"
	if err := os.WriteFile(s.Path(FileName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{t: t, site: s}
	p.run(func(ctx context.Context, ready func()) error {
		return s.RunBroker(ctx, BrokerOptions{Listen: "127.0.0.1:0", Ready: func(net.Addr) { ready() }, Tap: p.tap})
	})
	for _, m := range allModes {
		p.run(func(ctx context.Context, ready func()) error {
			j, err := s.Account(string(m) + "/" + Resource)
			if err != nil {
				return err
			}
			return s.RunIED(ctx, IEDOptions{Party: Party{JID: j, E2E: E2E{Mode: m}}, SCL: "../demo/scl/pv.cid", Ready: func(*RunningIED) { ready() }})
		})
	}
	return p
}

// run runs a party until the test ends, those that came later first, and waits until it is ready.
func (p *plant) run(party func(context.Context, func()) error) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() { ended <- party(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		cancel()
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Error(err)
		}
	})
}

func (p *plant) tap(_ jid.JID, _, payload []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.routed.Write(payload)
}

// seen reports whether word was in what the broker routed since the last call.
func (p *plant) seen(word string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.routed.Reset()
	return bytes.Contains(p.routed.Bytes(), []byte(word))
}

func (p *plant) dial(account string, how E2E, ied Mode) (*Client, error) {
	p.t.Helper()
	j, err := p.site.Account(account)
	if err != nil {
		p.t.Fatal(err)
	}
	if j, err = ClientAddress(j); err != nil {
		p.t.Fatal(err)
	}
	return p.site.Dial(p.t.Context(), Party{JID: j, E2E: how}, string(ied))
}

var (
	watts    = acsi.MustRef("PV1LD0/MMXU1.TotW.mag.f[MX]")
	maxWatts = acsi.MustRef("PV1LD0/DGEN1.WMax.setMag.f[SP]")
)

// Ends that agree associate; ends that differ do not, whichever asks, and both are told which is how.
//
// Conformance: sAssN1, sAssN2, sAssN6, sAssN7.
func TestEveryPairOfModes(t *testing.T) {
	p := newPlant(t)
	words := map[Mode]string{Encrypted: "encrypted", Clear: "clear", Off: "off"}
	for _, ours := range allModes {
		for _, theirs := range allModes {
			t.Run(fmt.Sprintf("%s to %s", ours, theirs), func(t *testing.T) {
				p := &plant{t: t, site: p.site}
				c, err := p.dial("guest", E2E{Mode: ours}, theirs)
				if ours != theirs {
					wantError(t, err, fmt.Sprintf("end-to-end security is %s here and %s at %s@%s/IEC: configure both ends alike", words[ours], words[theirs], theirs, domain),
						"give --e2e "+string(theirs)+" here")
					if _, ok := errors.AsType[*xmpp82.ModeError](err); !ok {
						t.Errorf("%T is no ModeError", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close(t.Context())
				if results, err := c.GetDataValues(t.Context(), []acsi.Ref{watts}); err != nil || results[0].Err != nil {
					t.Errorf("%v, %v", results, err)
				}
			})
		}
	}
}

func TestWhatTheBrokerSeesInEachMode(t *testing.T) {
	p := newPlant(t)
	for _, m := range allModes {
		p.seen("")
		c, err := p.dial("guest", E2E{Mode: m}, m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetDataValues(t.Context(), []acsi.Ref{watts}); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got, want := p.seen("MMXU1$MX$TotW"), m != Encrypted; got != want {
			t.Errorf("%s: the broker sees a name: %v, want %v", m, got, want)
		}
	}
}

// Where end-to-end security is off, the roles in certificates count for nothing.
func TestOffGivesTheRolesOfBusbarYAMLAlone(t *testing.T) {
	p := newPlant(t)
	for _, tc := range []struct {
		account     string
		read, write error
	}{
		{"guest", nil, &acsi.Error{Code: acsi.ObjectAccessDenied}},
		{"ems", &acsi.Error{Code: acsi.ObjectAccessDenied}, &acsi.Error{Code: acsi.ObjectAccessDenied}}, // an ENGINEER by certificate
	} {
		c, err := p.dial(tc.account, E2E{Mode: Off}, Off)
		if err != nil {
			t.Fatal(err)
		}
		results, err := c.GetDataValues(t.Context(), []acsi.Ref{maxWatts})
		if err != nil || !errors.Is(results[0].Err, tc.read) {
			t.Errorf("%s reads: %v, %v; want %v", tc.account, results, err, tc.read)
		}
		errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: maxWatts, Value: value.Float(1)}})
		if err != nil || !errors.Is(errs[0], tc.write) {
			t.Errorf("%s writes: %v, %v; want %v", tc.account, errs, err, tc.write)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestTheAlgorithmIsOneThatBothEndsHave(t *testing.T) {
	p := newPlant(t)
	for _, tc := range []struct {
		name string
		how  E2E
		want string // of the algorithm, or of the refusal
	}{
		{"the only one of the client's", E2E{Encrypted, []e2e.Algorithm{e2e.AES128GCM}}, "aes-128-gcm"},
		{"as the IED prefers", E2E{Encrypted, []e2e.Algorithm{e2e.AES128GCM, e2e.AES256GCM}}, "aes-256-gcm"},
		{"by default", E2E{Encrypted, nil}, "aes-256-gcm"},
		{"in clear", E2E{Clear, []e2e.Algorithm{e2e.AES128GMAC}}, "aes-128-gmac"},
		{"one that the IED has not", E2E{Encrypted, []e2e.Algorithm{e2e.AES256CBC}}, "refused the handshake"},
	} {
		c, err := p.dial("guest", tc.how, tc.how.Mode)
		if err != nil {
			wantError(t, err, tc.want, "--e2e-algorithms")
			continue
		}
		if info, ok := c.Link.Info(); !ok || info.Algorithm.String() != tc.want {
			t.Errorf("%s: %v, want %s", tc.name, info.Algorithm, tc.want)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
