package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"busbar.example/secure/audit"
)

// mustStapleExtension demands a staple. RFC 7633, Section 6.
var mustStapleExtension = pkix.Extension{Id: oidTLSFeature, Value: []byte{0x30, 3, 2, 1, 5}}

// A server shows what its CA's responder says of it, and a client that asks nobody itself goes by that.
func TestStapling(t *testing.T) {
	in := func(from, to time.Duration) func(*big.Int) ocsp.Response {
		return func(*big.Int) ocsp.Response {
			return ocsp.Response{Status: ocsp.Good, ThisUpdate: time.Now().Add(from), NextUpdate: time.Now().Add(to)}
		}
	}
	other := rogue(t, E2M)
	for name, c := range map[string]struct {
		must, closed bool
		staple       func(t *testing.T, w *webbed, own *x509.Certificate) []byte
		refused      Rule
		warned       Rule
	}{
		"good":              {closed: true, staple: stapleBy(good)},
		"good, demanded":    {must: true, closed: true, staple: stapleBy(good)},
		"revoked":           {staple: stapleBy(revokedAnswer), refused: RuleRevoked},
		"none":              {warned: RuleCRLMissing},
		"none, demanded":    {must: true, refused: RuleStaple},
		"none, fail closed": {closed: true, refused: RuleCRLMissing},
		"old":               {staple: stapleBy(in(-48*time.Hour, -time.Hour)), warned: RuleCRLMissing},
		"old, demanded":     {must: true, staple: stapleBy(in(-48*time.Hour, -time.Hour)), refused: RuleStaple},
		"garbage":           {staple: func(*testing.T, *webbed, *x509.Certificate) []byte { return []byte("garbage") }, warned: RuleCRLMissing},
		"of another CA, demanded": {must: true, refused: RuleStaple, staple: func(t *testing.T, _ *webbed, own *x509.Certificate) []byte {
			r := good(nil)
			r.SerialNumber = own.SerialNumber
			return must(ocsp.CreateResponse(other.Certificate(), other.Certificate(), r, other.key))(t)
		}},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
				w := newWebbed(t, nil)
				key := must(newKey())(t)
				id := &Identity{Key: key, Chain: mint(t, w.issuing, forServer, func(d *draft) {
					d.key = key
					if c.must {
						d.ExtraExtensions = append(d.ExtraExtensions, mustStapleExtension)
					}
				})}
				if c.staple != nil {
					der := c.staple(t, w, id.Chain[0])
					id.staple.Store(&der)
				}
				trust := must(OpenTrust(Sources{Anchors: []string{w.rootFile(t)}, CRLs: w.crlFiles[:1], FailClosed: c.closed}))(t)
				client := ClientTLS(nil, trust, "site.example")
				client.MaxVersion = version
				_, cs, _, err := handshake(t, ServerTLS(id), client)
				if c.refused != 0 {
					var refused *VerifyError
					if !errors.As(err, &refused) || refused.Rule != c.refused {
						t.Errorf("error is %v, want a refusal by rule %d", err, c.refused)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				v := must(trust.VerifyServer(cs.PeerCertificates, "site.example", time.Now()))(t)
				if ws := v.Warnings(); c.warned == 0 && len(ws) > 0 || c.warned != 0 && (len(ws) == 0 || ws[0].Rule != c.warned) {
					t.Errorf("warnings are %v, want rule %d", ws, c.warned)
				}
			})
		}
	}
}

func stapleBy(template func(*big.Int) ocsp.Response) func(*testing.T, *webbed, *x509.Certificate) []byte {
	return func(t *testing.T, w *webbed, own *x509.Certificate) []byte {
		r := template(nil)
		r.SerialNumber = own.SerialNumber
		return must(ocsp.CreateResponse(w.issuing.Certificate(), w.issuing.Certificate(), r, w.issuing.key))(t)
	}
}

// Who has a staple gets the next before it ends, and shows none that has ended. A client shows one, too.
func TestStapleIsRenewed(t *testing.T) {
	w := newWebbed(t, nil)
	w.answer(w.byCA(t, good))
	key := must(newKey())(t)
	id := &Identity{Key: key, Chain: w.named(t, func(d *draft) { d.key = key })}
	trust := w.trustOnline(t, Online{Hosts: []string{"127.0.0.1"}})
	if err := trust.Staple(t.Context(), id, time.Now()); err != nil {
		t.Fatal(err)
	}
	first := id.TLSCertificate().OCSPStaple
	if len(first) == 0 {
		t.Fatal("no staple")
	}
	if err := trust.Staple(t.Context(), id, time.Now()); err != nil || bytes.Equal(first, id.TLSCertificate().OCSPStaple) {
		t.Errorf("the staple is the one of before (%v)", err)
	}
	server := must(w.issuing.IssueServer("site.example"))(t)
	s, _, serverErr, clientErr := handshake(t, ServerTLS(server), ClientTLS(id, must(NewTrust([]*x509.Certificate{w.root.Certificate()}, nil))(t), "site.example"))
	if serverErr != nil || clientErr != nil {
		t.Fatalf("%v, %v", serverErr, clientErr)
	}
	strict := must(OpenTrust(Sources{Anchors: []string{w.rootFile(t)}, CRLs: w.crlFiles[:1], FailClosed: true}))(t)
	if _, err := strict.VerifyClientTLS(s, time.Now()); err != nil {
		t.Errorf("a client that staples: %v", err)
	}
	w.answer(w.byCA(t, revokedAnswer))
	if err := trust.Staple(t.Context(), id, time.Now()); err == nil || id.TLSCertificate().OCSPStaple != nil {
		t.Errorf("it is revoked, and Staple says %v", err)
	}
	none := mint(t, w.issuing, forServer, func(*draft) {})
	if err := trust.Staple(t.Context(), &Identity{Chain: none}, time.Now()); err != nil {
		t.Errorf("a certificate that names no responder: %v", err)
	}
	demands := mint(t, w.issuing, forServer, func(d *draft) { d.ExtraExtensions = append(d.ExtraExtensions, mustStapleExtension) })
	if err := trust.Staple(t.Context(), &Identity{Chain: demands}, time.Now()); err == nil {
		t.Error("a certificate that demands a staple and names no responder is no error")
	}
}

// openssl's responder, with an appointed key and its answer to our nonce, is understood.
func TestOpenSSLResponds(t *testing.T) {
	w := newWebbed(t, nil)
	dir := t.TempDir()
	cert, key := w.responder(t, nil)
	if err := (&Identity{Chain: []*x509.Certificate{cert}, Key: key}).Save(filepath.Join(dir, "ocsp.crt"), filepath.Join(dir, "ocsp.key")); err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "ca.crt"), w.issuing.chain[:1])
	chain, bad := w.named(t, nil), w.named(t, nil)
	index := func(status, at string, c *x509.Certificate) string {
		hex := strings.ToUpper(c.SerialNumber.Text(16))
		if len(hex)%2 == 1 {
			hex = "0" + hex
		}
		return strings.Join([]string{status, "400101000000Z", at, hex, "unknown", "/CN=x"}, "\t") + "\n"
	}
	text := index("V", "", chain[0]) + index("R", "260101000000Z", bad[0])
	if err := os.WriteFile(filepath.Join(dir, "index.txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	openssl(t, dir, "version") // skips where there is none
	w.answer(func(out http.ResponseWriter, in *http.Request) {
		request := must(io.ReadAll(in.Body))(t)
		if err := os.WriteFile(filepath.Join(dir, "request"), request, 0o600); err != nil {
			t.Error(err)
		}
		said, err := openssl(t, dir, "ocsp", "-index", "index.txt", "-CA", "ca.crt", "-rsigner", "ocsp.crt", "-rkey", "ocsp.key",
			"-nmin", "60", "-reqin", "request", "-respout", "answer")
		if err != nil {
			t.Errorf("openssl: %v: %s", err, said)
		}
		out.Write(must(os.ReadFile(filepath.Join(dir, "answer")))(t))
	})
	url := w.url
	trust := w.trustOnline(t, Online{OCSP: url})
	trust.SetFailClosed(true)
	v, err := trust.VerifyClient(chain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Warnings()) > 0 {
		t.Errorf("warned of: %v", v.Warnings())
	}
	v, err = trust.VerifyClient(bad, time.Now())
	wantRefusal(t, v, err, RuleRevoked, audit.CertificateRevoked)
	request, nonce, err := ocspRequest(chain[0], w.issuing.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	answer := must(fetch(t.Context(), Online{OCSP: url}.client(), url, request, maxAnswer))(t)
	if _, err := readOCSP(answer, chain[0], w.issuing.Certificate(), nonce, time.Now()); err != nil {
		t.Errorf("with our nonce: %v", err)
	}
	if _, err := readOCSP(answer, chain[0], w.issuing.Certificate(), bytes.Repeat([]byte{1}, nonceSize), time.Now()); err == nil || !strings.Contains(err.Error(), "nonce") {
		t.Errorf("an answer to another request: %v", err)
	}
}
