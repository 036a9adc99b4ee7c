package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
)

// Of each algorithm its name as it is offered.
var (
	gcm256, gcm128   = AES256GCM.identifier(16), AES128GCM.identifier(16)
	cbc256, cbc128   = AES256CBC.identifier(0), AES128CBC.identifier(0)
	gmac256, gmac128 = AES256GMAC.identifier(16), AES128GMAC.identifier(16)
	unknown          = AlgorithmIdentifier{Algorithm: "1.2.3"}
)

type ids = []AlgorithmIdentifier

func TestServerTakesWhatItPrefersItself(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server []Algorithm
		offer  EncrMode
		want   suite
		choice EncrMode
	}{
		{"its first, not the client's", []Algorithm{AES128GCM, AES256GCM}, AEA{gcm256, gcm128}, suite{AES128GCM, 16}, AEA{gcm128}},
		{"by default the longer key", nil, AEA{gcm128, gcm256}, suite{AES256GCM, 16}, AEA{gcm256}},
		{"what both have", []Algorithm{AES128GCM}, AEA{unknown, gcm256, gcm128}, suite{AES128GCM, 16}, AEA{gcm128}},
		{"CBC of a client that has nothing better", []Algorithm{AES256GCM, AES256CBC, AES128CBC}, &NonAEA{Encr: ids{cbc128, cbc256}, ICV: ids{gmac256, hmacSHA256}},
			suite{AES256CBC, 32}, &NonAEA{Encr: ids{cbc256}, ICV: ids{hmacSHA256}}},
		{"in clear by default HMAC", []Algorithm{HMACSHA256, AES256GMAC}, &NonAEA{ICV: ids{gmac256, hmacSHA256}}, suite{HMACSHA256, 32}, &NonAEA{ICV: ids{hmacSHA256}}},
		{"in clear its first", []Algorithm{AES128GMAC, HMACSHA256}, &NonAEA{ICV: ids{hmacSHA256, gmac128}}, suite{AES128GMAC, 16}, &NonAEA{ICV: ids{gmac128}}},
		{"a shorter tag of GMAC", []Algorithm{AES256GMAC}, &NonAEA{ICV: ids{AES256GMAC.identifier(13)}}, suite{AES256GMAC, 13}, &NonAEA{ICV: ids{AES256GMAC.identifier(13)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Algorithms = tt.server
			if len(tt.server) > 0 {
				w.server.Mode = tt.server[0].Mode()
			}
			w.client.Mode = w.server.Mode
			w.responder = w.newResponder()
			o, err := w.responder.Open(w.now, clientFull, "17", w.forgedRequest(w.client, func(p *HandshakeReq) {
				p.TBS.Token1.EncrMode = tt.offer
			}))
			if err != nil {
				t.Fatal(err)
			}
			if o.alg != tt.want {
				t.Errorf("chose %+v, want %+v", o.alg, tt.want)
			}
			acc, c, err := o.Accept(w.now, "17:934", []byte(appResponse))
			if err != nil {
				t.Fatal(err)
			}
			r, err := receive(nil, acc, maxHandshakeSize)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.choice, r.pdu.(*HandshakeAcc).TBS.Token1.EncrMode); d != "" {
				t.Errorf("the token (-want +got):\n%s", d)
			}
			if info := c.Info(); info.Algorithm != tt.want.alg || info.Mode != w.server.Mode {
				t.Errorf("Info = %+v", info)
			}
		})
	}
}

func TestServerChecksTheOffer(t *testing.T) {
	cbc := []Algorithm{AES256CBC, AES128CBC}
	for _, tt := range []struct {
		name   string
		server []Algorithm
		conf   ConfidentialityParms
		offer  EncrMode
		want   HandshakeDiagnostics
	}{
		{"encrypting, of a peer that is not", nil, 0, AEA{gcm256}, HandshakeEncryptionRequired},
		{"encrypting, of a peer in clear", nil, TLSProtected | VPN, &NonAEA{ICV: ids{hmacSHA256}}, HandshakeEncryptionRequired},
		{"encrypting with CBC, no encryption", cbc, ApplProtected, &NonAEA{ICV: ids{hmacSHA256}}, HandshakeEncryptionRequired},
		{"encrypting with CBC, unknown encryption", cbc, ApplProtected, &NonAEA{Encr: ids{unknown, gcm256}, ICV: ids{hmacSHA256}}, EncryptAlgorithmsNotSupported},
		{"encrypting with CBC, no ICV", cbc, ApplProtected, &NonAEA{Encr: ids{cbc256}}, IcvAlgorithmsNotSupported},
		{"encrypting with CBC, another ICV", cbc, ApplProtected, &NonAEA{Encr: ids{cbc256}, ICV: ids{gmac256}}, IcvAlgorithmsNotSupported},
		{"encrypting with CBC, authenticated encryption", cbc, ApplProtected, AEA{gcm256}, EncrModeAeaNotSupported},
		{"encrypting with GCM, CBC", nil, ApplProtected, &NonAEA{Encr: ids{cbc256}, ICV: ids{hmacSHA256}}, AeIsRequired},
		{"encrypting with GCM, unknown", nil, ApplProtected, AEA{unknown, cbc256}, AeaAlgorithmsNotSupported},
		{"encrypting with GCM, none", nil, ApplProtected, AEA{}, AeaAlgorithmsNotSupported},
		{"encrypting with GCM, one that is not configured", []Algorithm{AES256GCM}, ApplProtected, AEA{gcm128}, AeaAlgorithmsNotSupported},
		{"encrypting with GCM, tag of 17 octets", nil, ApplProtected, AEA{AES256GCM.identifier(17)}, AeaAlgorithmsNotSupported},
		{"in clear, of a peer that encrypts", Clear.Algorithms(), ApplProtected, AEA{gcm256}, EncryptionNotRequired},
		{"in clear, of a peer that says so and encrypts", Clear.Algorithms(), 0, AEA{gcm256}, AeaSelectButEncrypNotSupp},
		{"in clear, of a peer that says so and offers CBC", Clear.Algorithms(), 0, &NonAEA{Encr: ids{cbc256}, ICV: ids{hmacSHA256}}, EncryptionNotRequired},
		{"in clear, unknown ICV", Clear.Algorithms(), 0, &NonAEA{ICV: ids{unknown, gcm256}}, IcvAlgorithmsNotSupported},
		{"in clear, no ICV", Clear.Algorithms(), 0, &NonAEA{ICV: ids{}}, IcvAlgorithmsNotSupported},
		{"in clear, ICV that is not configured", []Algorithm{AES256GMAC}, 0, &NonAEA{ICV: ids{hmacSHA256}}, IcvAlgorithmsNotSupported},
		{"in clear, HMAC with parameters", []Algorithm{HMACSHA256}, 0, &NonAEA{ICV: ids{{oidHMACWithSHA256, &GCMParameters{}}}}, IcvAlgorithmsNotSupported},
		{"in clear, tag of 11 octets", []Algorithm{AES256GMAC}, 0, &NonAEA{ICV: ids{AES256GMAC.identifier(11)}}, IcvAlgorithmsNotSupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.server.Algorithms = tt.server
			if len(tt.server) > 0 {
				w.server.Mode = tt.server[0].Mode()
			}
			w.responder = w.newResponder()
			o, err := w.responder.Open(w.now, clientFull, "17", w.forgedRequest(w.client, func(p *HandshakeReq) {
				p.TBS.Token1.EncrMode, p.TBS.Token1.ConfParams = tt.offer, tt.conf
			}))
			r := w.refusal(err, audit.E2EDowngrade)
			if o != nil || r.Told != tt.want.String() {
				t.Errorf("got the offer %v and told %q, want none and %q", o, r.Told, tt.want)
			}
			wantEvent(t, w.seen, audit.E2EDowngrade)
			w.wantSecReject(r, "17", r.Told)
		})
	}
}

func TestClientChecksTheChoice(t *testing.T) {
	cbc := []Algorithm{AES256CBC, AES128CBC}
	both := ids{gcm256, gcm128}
	for _, tt := range []struct {
		name   string
		client []Algorithm
		conf   ConfidentialityParms
		choice EncrMode
		want   HandshakeDiagnostics
	}{
		{"GCM: not encrypting", nil, 0, AEA{gcm256}, HandshakeEncryptionRequired},
		{"GCM: CBC", nil, ApplProtected, &NonAEA{Encr: ids{cbc256}, ICV: ids{hmacSHA256}}, AeNotUsed},
		{"GCM: in clear", nil, ApplProtected, &NonAEA{ICV: ids{hmacSHA256}}, AeNotUsed},
		{"GCM: none", nil, ApplProtected, AEA{}, SingleAeAlgorithmRequired},
		{"GCM: two", nil, ApplProtected, AEA(both), SingleAeAlgorithmRequired},
		{"GCM: not offered", []Algorithm{AES256GCM}, ApplProtected, AEA{gcm128}, InvalidAeAlgorithm},
		{"GCM: configured, and of another kind than offered", []Algorithm{AES256GCM, AES256CBC}, ApplProtected, AEA{cbc256}, InvalidAeAlgorithm},
		{"GCM: shorter tag", nil, ApplProtected, AEA{AES256GCM.identifier(12)}, InvalidAeAlgorithm},
		{"GCM: tag without length", nil, ApplProtected, AEA{{oidAES256GCM, nil}}, InvalidAeAlgorithm},
		{"CBC: authenticated encryption", cbc, ApplProtected, AEA{gcm256}, EncrModeAeaNotSupported},
		{"CBC: no encryption", cbc, ApplProtected, &NonAEA{ICV: ids{hmacSHA256}}, HandshakeEncryptionRequired},
		{"CBC: two", cbc, ApplProtected, &NonAEA{Encr: ids{cbc256, cbc128}, ICV: ids{hmacSHA256}}, SingleEncryptAlgoRequired},
		{"CBC: not offered", []Algorithm{AES256CBC}, ApplProtected, &NonAEA{Encr: ids{cbc128}, ICV: ids{hmacSHA256}}, InvalidEncryptionAlgorithm},
		{"CBC: with parameters", cbc, ApplProtected, &NonAEA{Encr: ids{{oidAES256CBC, &GCMParameters{}}}, ICV: ids{hmacSHA256}}, InvalidEncryptionAlgorithm},
		{"CBC: no ICV", cbc, ApplProtected, &NonAEA{Encr: ids{cbc256}, ICV: ids{}}, SingleIcvAlgoRequired},
		{"CBC: two ICVs", cbc, ApplProtected, &NonAEA{Encr: ids{cbc256}, ICV: ids{hmacSHA256, gmac256}}, SingleIcvAlgoRequired},
		{"CBC: another ICV", cbc, ApplProtected, &NonAEA{Encr: ids{cbc256}, ICV: ids{gmac256}}, IcvAlgorithmsNotSupported},
		{"clear: encrypting", Clear.Algorithms(), ApplProtected, AEA{gcm256}, EncryptionNotRequired},
		{"clear: authenticated encryption", Clear.Algorithms(), 0, AEA{gcm256}, AeaSelectButEncrypNotSupp},
		{"clear: CBC", Clear.Algorithms(), 0, &NonAEA{Encr: ids{cbc256}, ICV: ids{hmacSHA256}}, EncryptionNotRequired},
		{"clear: no ICV", Clear.Algorithms(), 0, &NonAEA{ICV: ids{}}, SingleIcvAlgoRequired},
		{"clear: two ICVs", Clear.Algorithms(), 0, &NonAEA{ICV: ids{hmacSHA256, gmac128}}, SingleIcvAlgoRequired},
		{"clear: ICV not offered", []Algorithm{HMACSHA256}, 0, &NonAEA{ICV: ids{gmac128}}, IcvAlgorithmsNotSupported},
		{"clear: shorter tag", []Algorithm{AES256GMAC}, 0, &NonAEA{ICV: ids{AES256GMAC.identifier(12)}}, IcvAlgorithmsNotSupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.client.Algorithms = tt.client
			if len(tt.client) > 0 {
				w.client.Mode = tt.client[0].Mode()
			}
			i, _ := w.request("17")
			c, data, err := i.Answer(w.now, serverFull, "17:934", w.forgedAccept(w.server, func(p *HandshakeAcc) {
				p.TBS.Token1.EncrMode, p.TBS.Token1.ConfParams = tt.choice, tt.conf
			}))
			r := w.refusal(err, audit.E2EDowngrade)
			if c != nil || data != nil || r.Told != tt.want.String() {
				t.Errorf("got %v, %q and told %q, want nothing and %q", c, data, r.Told, tt.want)
			}
			wantEvent(t, w.heard, audit.E2EDowngrade)
		})
	}
}

func TestAlgorithmsAreReadFromText(t *testing.T) {
	var all []string
	for _, m := range []Mode{Encrypted, Clear} {
		for _, a := range m.Algorithms() {
			got, err := ParseAlgorithm(a.String())
			if err != nil || got != a || a.Mode() != m {
				t.Errorf("%v is read as %v, %v", a, got, err)
			}
			all = append(all, a.String())
		}
	}
	want := []string{"aes-256-gcm", "aes-128-gcm", "aes-256-cbc-hmac-sha256", "aes-128-cbc-hmac-sha256", "hmac-sha256", "aes-256-gmac", "aes-128-gmac"}
	if !slices.Equal(all, want) {
		t.Errorf("got %q, want %q", all, want)
	}
	for _, text := range []string{"", "AES-256-GCM", "aes-256-cbc", "unknown"} {
		if a, err := ParseAlgorithm(text); err == nil || !strings.Contains(err.Error(), "hmac-sha256, aes-256-gmac") {
			t.Errorf("%q is read as %v, %v, want an error that says what there is", text, a, err)
		}
	}
	for _, s := range []string{Algorithm(0).String(), Algorithm(200).String(), Mode(7).String()} {
		if s != "unknown" {
			t.Errorf("got %q, want unknown", s)
		}
	}
}
