package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// forgedRequest is the HandshakeReq of a client that makes it as it likes, and signs it properly.
func (w *world) forgedRequest(cfg Config, edit func(*HandshakeReq)) []byte {
	w.t.Helper()
	e, err := newEndpoint(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := newKeyPair(e.Groups[0])
	if err != nil {
		w.t.Fatal(err)
	}
	p := &HandshakeReq{PP: e.Protocol, TBS: HandshakeTBS{
		Token1: e.token1(w.now, "17", key.public(), e.offer()), ApplData: []byte(appRequest)}}
	edit(p)
	octets, _, err := e.encodeSigned(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return octets
}

// forgedAccept is the HandshakeAcc of a server that makes it as it likes, and signs it properly.
func (w *world) forgedAccept(cfg Config, edit func(*HandshakeAcc)) []byte {
	w.t.Helper()
	e, err := newEndpoint(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := newKeyPair(e.Groups[0])
	if err != nil {
		w.t.Fatal(err)
	}
	p := &HandshakeAcc{PP: e.Protocol, TBS: HandshakeTBS{
		Token1: e.token1(w.now, "17:934", key.public(), w.choice(e)), ApplData: []byte(appResponse)}}
	edit(p)
	octets, _, err := e.encodeSigned(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return octets
}

// choice is what a server that chooses well answers a client of its own kind.
func (w *world) choice(e *endpoint) EncrMode {
	_, choice, f := e.checkOffer(e.offer())
	if f != nil {
		w.t.Fatal(f.text)
	}
	return choice
}

func TestHandshakeCarriesBothInitiatePDUs(t *testing.T) {
	w := newWorld(t)
	i, o := w.offer("0")
	if got := string(o.ApplData()); got != appRequest {
		t.Errorf("the server got %s, want %s", got, appRequest)
	}
	want := rbac.Subject{Name: clientJID, Address: clientFull, Grants: []rbac.Grant{
		{Role: rbac.Operator, AOR: "*", Revision: 1, Definition: "IEC62351-8",
			NotBefore: w.client.Identity.Chain[0].NotBefore, NotAfter: w.client.Identity.Chain[0].NotAfter}}}
	if d := cmp.Diff(want, o.Peer()); d != "" {
		t.Errorf("the client seen by the server (-want +got):\n%s", d)
	}
	acc, server, err := o.Accept(w.now, "0:999", []byte(appResponse))
	if err != nil {
		t.Fatal(err)
	}
	client, data, err := i.Answer(w.now, serverFull, "0:999", acc)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != appResponse {
		t.Errorf("the client got %s, want %s", data, appResponse)
	}
	if got := client.Peer(); got.Name != serverJID || got.Address != serverFull || len(got.Grants) != 0 {
		t.Errorf("the server seen by the client is %+v", got)
	}
	for _, c := range []*Channel{client, server} {
		got := c.Info()
		if got.AssoID != "0:999" || got.Protection != "AES-256-GCM, tag of 16 octets" || !got.Began.Equal(w.now) ||
			got.Signature != "ecdsa-with-SHA256" || got.Group != "secp256r1 (23)" || !got.Local.Equal(c.Identity.Chain[0]) {
			t.Errorf("Info = %+v", got)
		}
	}
}

func TestServerTakesTheBestAlgorithmOffered(t *testing.T) {
	size := func(n uint8) *GCMParameters { return &GCMParameters{ICVLen: &n} }
	for _, tt := range []struct {
		name  string
		offer AEA
		want  suite
	}{
		{"both, in the other order", AEA{{oidAES128GCM, size(16)}, {oidAES256GCM, size(16)}}, suite{AES256GCM, 16}},
		{"only the shorter key", AEA{{oidAES128GCM, size(16)}}, suite{AES128GCM, 16}},
		{"no length of the tag", AEA{{oidAES256GCM, nil}}, suite{AES256GCM, 12}},
		{"no length in the parameters", AEA{{oidAES256GCM, &GCMParameters{}}}, suite{AES256GCM, 12}},
		{"13 octets", AEA{{oidAES256GCM, size(13)}}, suite{AES256GCM, 13}},
		{"a length that is too short comes first", AEA{{oidAES256GCM, size(11)}, {oidAES256GCM, size(14)}}, suite{AES256GCM, 14}},
		{"an unknown algorithm comes first", AEA{{"1.2.3", nil}, {oidAES128GCM, size(16)}}, suite{AES128GCM, 16}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			o, err := w.responder.Open(w.now, clientFull, "17", w.forgedRequest(w.client, func(p *HandshakeReq) {
				p.TBS.Token1.EncrMode = tt.offer
			}))
			if err != nil {
				t.Fatal(err)
			}
			if o.alg != tt.want {
				t.Errorf("chose %+v, want %+v", o.alg, tt.want)
			}
			if _, c, err := o.Accept(w.now, "17:934", []byte(appResponse)); err != nil || c.send.gcm.Overhead() != tt.want.icvSize {
				t.Errorf("the channel has another tag, or failed: %v", err)
			}
		})
	}
}

func TestServerChecksTheRequest(t *testing.T) {
	none := func(*HandshakeReq) {}
	for _, tt := range []struct {
		name   string
		edit   func(*HandshakeReq)
		assoID string // of the context
		told   string
		event  audit.ID
	}{
		{"another protected protocol", func(p *HandshakeReq) { p.PP = "IEC 61850-8-1" }, "17", "protected-protocol-not-supported", audit.E2EDowngrade},
		{"no version that we know", func(p *HandshakeReq) { p.TBS.Token1.Version = 2 }, "17", "unexpected-version", audit.E2EDowngrade},
		{"signature algorithm", func(p *HandshakeReq) { p.TBS.Token1.SigAlg.Algorithm = "1.2.840.113549.1.1.5" }, "17", "invalid-signatureAlgorithm", audit.E2EDowngrade},
		{"parameters of the signature algorithm", func(p *HandshakeReq) { p.TBS.Token1.SigAlg.Parameters = &GCMParameters{} }, "17", "invalid-signatureAlgorithm", audit.E2EDowngrade},
		{"HMAC algorithm", func(p *HandshakeReq) { p.TBS.Token1.HMAC.Algorithm = "1.2.840.113549.2.7" }, "17", "hmac-algorithm-not-supported", audit.E2EDowngrade},
		{"attribute certificate", func(p *HandshakeReq) { p.TBS.Token1.AttCert = []byte{0x30, 0} }, "17", "invalid-attribute-certificate", audit.RoleRefused},
		{"group", func(p *HandshakeReq) { p.TBS.Token1.DHKey.Group = "14" }, "17", "dhGroup-not-supported", audit.E2EDowngrade},
		{"a time that is none", func(p *HandshakeReq) { p.TBS.Token1.Time = "20261322165100,505Z" }, "17", "protocol-error", audit.E2ECanonical},
		{"certificate is no certificate", func(p *HandshakeReq) { p.TBS.Token1.PKCert = []byte("none") }, "17", "invalid-public-key-certificate", audit.E2EHandshakeCertificate},
		{"path is none", func(p *HandshakeReq) { p.TBS.Token1.CertPath = [][]byte{{1}} }, "17", "invalid-public-key-certificate", audit.E2EHandshakeCertificate},
		{"no path to the root", func(p *HandshakeReq) { p.TBS.Token1.CertPath = nil }, "17", "invalid-certification-path", audit.E2EHandshakeCertificate},
		{"token with another association id", func(p *HandshakeReq) { p.TBS.Token1.AssoID = "18" }, "17", "", audit.E2EAssociationID},
		{"whole association id", func(p *HandshakeReq) { p.TBS.Token1.AssoID = "17:1" }, "17:1", "", audit.E2EAssociationID},
		{"association id with a leading zero", func(p *HandshakeReq) { p.TBS.Token1.AssoID = "017" }, "017", "", audit.E2EAssociationID},
		{"context with another association id", none, "18", "", audit.E2EAssociationID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			o, err := w.responder.Open(w.now, clientFull, tt.assoID, w.forgedRequest(w.client, tt.edit))
			r := w.refusal(err, tt.event)
			if o != nil || r.Told != tt.told {
				t.Errorf("got the offer %v and told %q, want none and %q", o, r.Told, tt.told)
			}
			wantEvent(t, w.seen, tt.event)
			w.wantSecReject(r, tt.assoID, tt.told)
		})
	}
}

// wantSecReject checks that the client understands the HandshakeSecReject of a refusal.
func (w *world) wantSecReject(r *Refusal, assoID, told string) {
	w.t.Helper()
	i, _ := w.request("17")
	if assoID != "17" {
		return // it is another handshake's
	}
	_, _, err := i.Answer(w.now, serverFull, "17", r.SecPDU)
	var got *SecRejected
	if !errors.As(err, &got) {
		w.t.Fatalf("the client made %v of %s", err, r.SecPDU)
	}
	if told == "" {
		told = "no-reason"
	}
	if got.Diagnostic.String() != told {
		w.t.Errorf("the client was told %q, want %q", got.Diagnostic, told)
	}
	wantEvent(w.t, w.heard, audit.E2ERejected)
}

func TestServerRefusesWhatIsNoRequest(t *testing.T) {
	w := newWorld(t)
	client, _ := w.associate()
	data := w.seal(client, appData)
	for _, tt := range []struct {
		name   string
		octets []byte
	}{
		{"nothing", nil},
		{"no XML", []byte("17")},
		{"another namespace", []byte("<HandshakeReq xmlns='urn:x'/>")},
		{"an empty request", []byte("<HandshakeReq xmlns='" + Namespace + "'/>")},
		{"unknown SecPDU", []byte("<HandshakeNack xmlns='" + Namespace + "'/>")},
		{"data", data},
		{"two", append(w.forgedRequest(w.client, func(*HandshakeReq) {}), data...)},
		{"too large", bytes.Repeat([]byte(" "), maxHandshakeSize+1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.responder.Open(w.now, clientFull, "17", tt.octets)
			if r := w.refusal(err, audit.E2ECanonical); r.Told != "protocol-error" {
				t.Errorf("told %q", r.Told)
			}
			wantEvent(t, w.seen, audit.E2ECanonical)
		})
	}
}

func TestClientChecksTheAcceptance(t *testing.T) {
	none := func(*HandshakeAcc) {}
	for _, tt := range []struct {
		name   string
		edit   func(*HandshakeAcc)
		assoID string // of the context
		told   string
		event  audit.ID
	}{
		{"another protected protocol", func(p *HandshakeAcc) { p.PP = "IEC 61850-8-1" }, "17:934", "protected-protocol-not-supported", audit.E2EDowngrade},
		{"no version that we know", func(p *HandshakeAcc) { p.TBS.Token1.Version = 0 }, "17:934", "unexpected-version", audit.E2EDowngrade},
		{"signature algorithm", func(p *HandshakeAcc) { p.TBS.Token1.SigAlg.Algorithm = "1.2.3" }, "17:934", "invalid-signatureAlgorithm", audit.E2EDowngrade},
		{"HMAC algorithm", func(p *HandshakeAcc) { p.TBS.Token1.HMAC.Algorithm = "1.2.3" }, "17:934", "hmac-algorithm-not-supported", audit.E2EDowngrade},
		{"attribute certificate", func(p *HandshakeAcc) { p.TBS.Token1.AttCert = []byte{0x30, 0} }, "17:934", "invalid-attribute-certificate", audit.RoleRefused},
		{"group that was not offered", func(p *HandshakeAcc) { p.TBS.Token1.DHKey.Group = "14" }, "17:934", "illegal-dhGroup-selected", audit.E2EDowngrade},
		{"certificate is no certificate", func(p *HandshakeAcc) { p.TBS.Token1.PKCert = []byte("none") }, "17:934", "invalid-public-key-certificate", audit.E2ECertificate},
		{"no path to the root", func(p *HandshakeAcc) { p.TBS.Token1.CertPath = nil }, "17:934", "invalid-certification-path", audit.E2ECertificate},
		{"token with another association id", func(p *HandshakeAcc) { p.TBS.Token1.AssoID = "17:935" }, "17:934", "", audit.E2EAssociationID},
		{"association id of another request", func(p *HandshakeAcc) { p.TBS.Token1.AssoID = "18:934" }, "18:934", "", audit.E2EAssociationID},
		{"half an association id", func(p *HandshakeAcc) { p.TBS.Token1.AssoID = "17" }, "17", "", audit.E2EAssociationID},
		{"association id that is none", func(p *HandshakeAcc) { p.TBS.Token1.AssoID = "17:1:2" }, "17:1:2", "", audit.E2EAssociationID},
		{"context with another association id", none, "17:935", "", audit.E2EAssociationID},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			i, _ := w.request("17")
			c, data, err := i.Answer(w.now, serverFull, tt.assoID, w.forgedAccept(w.server, tt.edit))
			r := w.refusal(err, tt.event)
			if c != nil || data != nil || r.Told != tt.told {
				t.Errorf("got %v, %q and told %q, want nothing and %q", c, data, r.Told, tt.told)
			}
			wantEvent(t, w.heard, tt.event)
			if _, _, err := i.Answer(w.now, serverFull, "17:934", w.forgedAccept(w.server, none)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a second answer was taken: %v", err)
			}
			// The server understands why its half-open association is over.
			_, _, server := w.accept("17", "934")
			if client, _, ok := splitAssoID(tt.assoID); !ok || client != "17" || tt.assoID != "17:934" {
				return // it names another association
			}
			got, err := server.Open(w.now, clientFull, "17:934", r.SecPDU)
			want := Received{Kind: KindSecAbort, Diagnostic: tt.told, Time: w.now.Truncate(time.Millisecond).UTC()}
			if tt.told == "" {
				want.Diagnostic = "no-reason"
			}
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("the server got (-want +got) with %v:\n%s", err, d)
			}
			wantEvent(t, w.seen, audit.E2ERejected)
		})
	}
}

func TestClientRefusesWhatIsNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		octets func(*world) []byte
	}{
		{"nothing", func(*world) []byte { return nil }},
		{"no XML", func(*world) []byte { return []byte("17") }},
		{"another namespace", func(*world) []byte { return []byte("<HandshakeAcc xmlns='urn:x'/>") }},
		{"a request", func(w *world) []byte { return w.forgedRequest(w.server, func(*HandshakeReq) {}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			i, _ := w.request("17")
			_, _, err := i.Answer(w.now, serverFull, "17:934", tt.octets(w))
			if r := w.refusal(err, audit.E2ECanonical); r.SecPDU == nil {
				t.Error("there is no HandshakeSecAbort")
			}
			wantEvent(t, w.heard, audit.E2ECanonical)
		})
	}
}

func TestApplicationRejectReachesTheClient(t *testing.T) {
	for _, assoID := range []string{"17", "17:934"} {
		w := newWorld(t)
		i, o := w.offer("17")
		octets, err := o.Reject(w.now, assoID, []byte(appError))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = i.Answer(w.now, serverFull, assoID, octets)
		var r *Rejected
		if !errors.As(err, &r) || string(r.ApplData) != appError {
			t.Errorf("the client got %v, want a rejection with %s", err, appError)
		}
		wantEvent(t, w.heard, audit.E2ERejected)
		if _, _, err := o.Accept(w.now, "17:934", []byte(appResponse)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("an offer that was rejected was accepted: %v", err)
		}
	}
}

func TestClientChecksARejection(t *testing.T) {
	genuine := func(w *world, cfg Config, edit func(*ClearToken3)) []byte {
		e, err := newEndpoint(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p := &ApplicationReject{TBS: ApplicationRejectTBS{Token3: e.token3(w.now, "17"), ApplData: []byte(appError)}}
		edit(&p.TBS.Token3)
		octets, _, err := e.encodeSigned(p)
		if err != nil {
			t.Fatal(err)
		}
		return octets
	}
	none := func(*ClearToken3) {}
	for _, tt := range []struct {
		name   string
		octets func(*world) []byte
		event  audit.ID
	}{
		{"wrong signature", func(w *world) []byte {
			return change(t, genuine(w, w.server, none), "<errorClass/>", "<errorClasses/>")
		}, audit.E2ETampered},
		{"another's certificate", func(w *world) []byte {
			cfg := w.server
			cfg.Identity = authorities().other
			return genuine(w, cfg, none)
		}, audit.E2EAddress},
		{"old", func(w *world) []byte {
			return genuine(w, w.server, func(t *ClearToken3) { t.Time = timestamp(w.now.Add(-maxSkew - time.Second)) })
		}, audit.E2ETime},
		{"another association", func(w *world) []byte {
			return genuine(w, w.server, func(t *ClearToken3) { t.AssoID = "18" })
		}, audit.E2EAssociationID},
		{"version", func(w *world) []byte {
			return genuine(w, w.server, func(t *ClearToken3) { t.Version = 0 })
		}, audit.E2EDowngrade},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			i, _ := w.request("17")
			_, _, err := i.Answer(w.now, serverFull, "17", tt.octets(w))
			if r := w.refusal(err, tt.event); r.SecPDU != nil {
				t.Errorf("a false rejection is answered with %s", r.SecPDU)
			}
			wantEvent(t, w.heard, tt.event)
		})
	}
}

func TestHandshakeRefusesToBeMisused(t *testing.T) {
	w := newWorld(t)
	i := w.newInitiator()
	for _, id := range []string{"", "1000", "01", "a", "-1", "1:2", "17 "} {
		if _, err := i.Request(w.now, id, []byte(appRequest)); err == nil {
			t.Errorf("the association id %q was taken", id)
		}
	}
	for _, data := range []string{"", "text", "<a/>", "<a xmlns='urn:x'>", "<a xmlns='urn:x' b='1'/>"} {
		if _, err := i.Request(w.now, "17", []byte(data)); err == nil {
			t.Errorf("the PDU %q was taken", data)
		}
	}
	if _, _, err := i.Answer(w.now, serverFull, "17:934", nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("an answer before the request: %v", err)
	}
	if _, err := i.Request(w.now, "17", []byte(appRequest)); err != nil {
		t.Error(err)
	}
	if _, err := i.Request(w.now, "18", []byte(appRequest)); err == nil {
		t.Error("two requests were made")
	}
	_, o := w.offer("18")
	for _, id := range []string{"", "17", "18", "17:1", "18:", "18:01", "18:1:2"} {
		if _, _, err := o.Accept(w.now, id, []byte(appResponse)); err == nil {
			t.Errorf("the association id %q was taken", id)
		}
	}
	if _, _, err := o.Accept(w.now.Add(halfOpenLife), "18:1", []byte(appResponse)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("an offer was accepted after a minute: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	a := authorities()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		ok   bool
	}{
		{"only an identity", Config{Identity: a.client}, true},
		{"nothing", Config{}, false},
		{"identity without certificate", Config{Identity: &pki.Identity{Key: a.client.Key}}, false},
		{"another curve", Config{Identity: &pki.Identity{Chain: a.client.Chain, Key: p384}}, false},
		{"keys that live too short", Config{Identity: a.client, KeyLife: minKeyLife - 1}, false},
		{"keys that live too long", Config{Identity: a.client, KeyLife: maxKeyLife + 1}, false},
		{"in clear", Config{Identity: a.client, Mode: Clear}, true},
		{"another mode", Config{Identity: a.client, Mode: 2}, false},
		{"algorithms of the mode", Config{Identity: a.client, Algorithms: Encrypted.Algorithms()}, true},
		{"algorithm of the other mode", Config{Identity: a.client, Algorithms: []Algorithm{AES256GCM, HMACSHA256}}, false},
		{"encryption in clear", Config{Identity: a.client, Mode: Clear, Algorithms: []Algorithm{AES256CBC}}, false},
		{"no algorithm", Config{Identity: a.client, Algorithms: []Algorithm{0}}, false},
		{"unknown algorithm", Config{Identity: a.client, Algorithms: []Algorithm{200}}, false},
		{"algorithm twice", Config{Identity: a.client, Algorithms: []Algorithm{AES256GCM, AES256GCM}}, false},
		{"both groups", Config{Identity: a.client, Groups: []Group{GroupMODP2048, GroupP256}}, true},
		{"unknown group", Config{Identity: a.client, Groups: []Group{19}}, false},
	} {
		if _, err := NewResponder(tt.cfg); (err == nil) != tt.ok {
			t.Errorf("%s: NewResponder: %v", tt.name, err)
		}
		if _, err := NewInitiator(tt.cfg, serverJID); (err == nil) != tt.ok {
			t.Errorf("%s: NewInitiator: %v", tt.name, err)
		}
	}
}
