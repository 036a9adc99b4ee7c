package e2e

import (
	"crypto/x509"
	"sync"
	"testing"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// rsaPeers are a client with an RSA key and a server with an ECDSA key, both of a forge. RSA keys cost time.
var rsaPeers = sync.OnceValue(func() (p struct {
	f              *forge
	trust          *pki.Trust
	client, server *pki.Identity
}) {
	t := new(testing.T)
	p.f = newForge(t)
	p.client, p.server = p.f.identityOf(newRSA(t, minRSA), clientJID), p.f.identityOf(newSigner(t), serverJID)
	var err error
	if p.trust, err = pki.NewTrust([]*x509.Certificate{p.f.cert}, nil); err != nil {
		panic(err)
	}
	return p
})

func rsaWorld(t *testing.T) *world {
	w, p := newWorld(t), rsaPeers()
	w.client.Identity, w.client.Trust = p.client, p.trust
	w.server.Identity, w.server.Trust = p.server, p.trust
	w.responder = w.newResponder()
	return w
}

func TestSignaturesOfBothKinds(t *testing.T) {
	for _, tt := range []struct {
		name      string
		turn      func(*world)
		signature string // as the client sees it
	}{
		{"RSA at the client", func(*world) {}, "sha256WithRSAEncryption and ecdsa-with-SHA256"},
		{"RSA at the server", func(w *world) {
			p := rsaPeers()
			w.client.Identity, w.server.Identity = p.f.identityOf(p.server.Key, clientJID), p.f.identityOf(p.client.Key, serverJID)
		}, "ecdsa-with-SHA256 and sha256WithRSAEncryption"},
		{"RSA at both", func(w *world) { w.server.Identity = rsaPeers().f.identityOf(rsaPeers().client.Key, serverJID) }, "sha256WithRSAEncryption"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := rsaWorld(t)
			tt.turn(w)
			w.responder = w.newResponder()
			client, server := w.associate()
			if got := client.Info().Signature; got != tt.signature {
				t.Errorf("Info says %q, want %q", got, tt.signature)
			}
			octets, err := client.ReleaseRequest(w.now)
			check(w, err)
			if got, err := server.Open(w.now, clientFull, "17:934", octets); err != nil || got.Kind != KindReleaseReq {
				t.Errorf("got %v, %v", got.Kind, err)
			}
		})
	}
}

func TestSignatureIsOfTheKindThatTheTokenNames(t *testing.T) {
	w := rsaWorld(t)
	for _, alg := range []AlgorithmIdentifier{sigAlgECDSA, sigAlgRSA} {
		cfg := w.client
		if alg.is(sigAlgRSA) {
			cfg.Identity = rsaPeers().f.identityOf(rsaPeers().server.Key, clientJID)
		}
		e, err := newEndpoint(cfg)
		check(w, err)
		e.sigAlg = alg // which is not the key's
		key, err := newKeyPair(GroupP256)
		check(w, err)
		octets, _, err := e.encodeSigned(&HandshakeReq{PP: e.Protocol, TBS: HandshakeTBS{
			Token1: e.token1(w.now, "17", key.public(), e.offer()), ApplData: []byte(appRequest)}})
		check(w, err)
		_, err = w.responder.Open(w.now, clientFull, "17", octets)
		if r := w.refusal(err, audit.E2EDowngrade); r.Told != "invalid-signatureAlgorithm" {
			t.Errorf("told %q", r.Told)
		}
	}
	wantEvent(t, w.seen, audit.E2EDowngrade)
}

func TestRSASignatureIsVerified(t *testing.T) {
	w := rsaWorld(t)
	_, req := w.request("17")
	_, err := w.responder.Open(w.now, clientFull, "17", change(t, req, "<version>1<", "<version>0<"))
	w.refusal(err, audit.E2EHandshakeSignature)
	wantEvent(t, w.seen, audit.E2EHandshakeSignature)
}

func TestShortRSAKeysAreRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	w := rsaWorld(t)
	f := rsaPeers().f
	short := f.identityOf(newRSA(t, 1024), clientJID)
	cfg := w.client
	cfg.Identity = short
	if _, err := NewInitiator(cfg, serverJID); err == nil {
		t.Error("an initiator signs with 1024 bits")
	}
	_, err := w.responder.Open(w.now, clientFull, "17", w.forgedRequest(w.client, func(p *HandshakeReq) {
		p.TBS.Token1.PKCert = short.Chain[0].Raw
	}))
	if r := w.refusal(err, audit.E2EHandshakeCertificate); r.Told != "invalid-public-key-certificate" {
		t.Errorf("told %q", r.Told)
	}
	wantEvent(t, w.seen, audit.CertificateKeySize)
}
