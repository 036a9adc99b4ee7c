package xmpp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

// refused checks that the client has failed in that step, with that event and
// without having tried to authenticate.
func refused(t *testing.T, p *pair, err error, step NegotiationStep, want audit.ID, sent string) {
	t.Helper()
	var ne *NegotiationError
	if !errors.As(err, &ne) || ne.Step != step || ne.Event != want || ne.Hint == "" {
		t.Errorf("Dial: %v (%+v), want a failure in step %s with %s and a hint", err, ne, step, want)
	}
	if d := cmp.Diff([]audit.ID{want}, ids(&p.clientEvents)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if strings.Contains(sent, "<auth") {
		t.Errorf("the client has tried to authenticate: %q", sent)
	}
}

// RFC 7590, Section 3.1.
func TestM1StartTLSRemoved(t *testing.T) {
	for name, offer := range map[string]string{
		"removed":           features(externalOffer),
		"everything":        features(),
		"edited":            features(strings.Replace(startTLSOffer, "xmpp-tls", "xmpp-tlz", 1), externalOffer),
		"hidden in another": features("<x xmlns='urn:x'>" + startTLSOffer + "</x>"),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			sent := ""
			_, err := p.dialRaw(t, func(r *raw) {
				r.until("streams'>")
				r.send(serverHeader, offer)
				sent = r.rest()
			})
			refused(t, p, err, StepStartTLS, audit.StartTLSMissing, sent)
		})
	}
	for name, answer := range map[string]string{
		"refused":          "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
		"answered by SASL": saslSuccess,
		"edited":           strings.Replace(proceed, "xmpp-tls", "xmpp-tlz", 1),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			sent := ""
			_, err := p.dialRaw(t, func(r *raw) {
				r.until("streams'>")
				r.send(serverHeader, features(startTLSOffer))
				r.until(startTLSAsk)
				r.send(answer)
				sent = r.rest()
			})
			refused(t, p, err, StepStartTLS, audit.StartTLSMissing, sent)
		})
	}
}

// CVE-2011-0411 is the class; RFC 6120, Section 5.4.3.3.
func TestM2OctetsInjected(t *testing.T) {
	for name, octets := range map[string]string{
		"features":   serverHeader + features(externalOffer),
		"one octet":  " ",
		"after that": "",
	} {
		t.Run("behind proceed: "+name, func(t *testing.T) {
			p := newPair(t)
			sent := ""
			_, err := p.dialRaw(t, func(r *raw) {
				r.until("streams'>")
				r.send(serverHeader, features(startTLSOffer))
				r.until(startTLSAsk)
				r.send(proceed, octets)
				if octets == "" { // the next read is TLS's
					r.conn.Read(make([]byte, 4096))
					r.send(serverHeader, features(externalOffer))
				}
				sent = r.rest()
			})
			refused(t, p, err, StepTLS, audit.StartTLSInjection, sent)
		})
	}
	for name, octets := range map[string]string{
		"auth":       externalAuth,
		"one octet":  " ",
		"after that": "",
	} {
		t.Run("behind starttls: "+name, func(t *testing.T) {
			p := newPair(t)
			heard := ""
			err := p.acceptRaw(t, func(r *raw) {
				r.send(clientHeader)
				r.until("</stream:features>")
				r.send(startTLSAsk, octets)
				if octets == "" {
					r.until(proceed)
					r.send(clientHeader, externalAuth)
				}
				heard = r.rest()
			})
			var ne *NegotiationError
			if !errors.As(err, &ne) || ne.Event != audit.StartTLSInjection {
				t.Errorf("Accept: %v", err)
			}
			if d := cmp.Diff([]audit.ID{audit.StartTLSInjection}, ids(&p.serverEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			if strings.Contains(heard, "<") {
				t.Errorf("the server has answered what was injected: %q", heard)
			}
		})
	}
}

func TestM3NoAcceptableMechanism(t *testing.T) {
	mechanisms := func(names ...string) string {
		s := "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
		for _, n := range names {
			s += "<mechanism>" + n + "</mechanism>"
		}
		return features(s + "</mechanisms>")
	}
	for name, offer := range map[string]string{
		"only PLAIN":           mechanisms("PLAIN"),
		"EXTERNAL removed":     mechanisms("PLAIN", "SCRAM-SHA-1", "DIGEST-MD5"),
		"none":                 mechanisms(),
		"no SASL at all":       features(bindOffer),
		"EXTERNAL in lower":    mechanisms("external"),
		"EXTERNAL with spaces": mechanisms(" EXTERNAL "),
		"a very long list":     mechanisms(strings.Split(strings.Repeat("X,", 200), ",")...),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			sent := ""
			_, err := p.dialRaw(t, func(r *raw) {
				r.secured(p.server.Identity)
				r.send(serverHeader, offer)
				sent = r.rest()
			})
			refused(t, p, err, StepSASL, audit.SASLDowngrade, sent)
		})
	}
	t.Run("success without authentication", func(t *testing.T) {
		p := newPair(t)
		if _, err := p.dialRaw(t, func(r *raw) {
			r.secured(p.server.Identity)
			r.send(serverHeader, features(bindOffer))
			r.rest()
		}); err == nil {
			t.Error("the client has bound a resource without authentication")
		}
	})
	t.Run("PLAIN asked for", func(t *testing.T) {
		p := newPair(t)
		heard := ""
		p.acceptRaw(t, func(r *raw) {
			r.asked(getSite(t).client)
			r.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGllZDEAcGFzcw==</auth>")
			heard = r.until("</failure>")
		})
		if !strings.Contains(heard, "<invalid-mechanism/>") {
			t.Errorf("the server says %q", heard)
		}
		if d := cmp.Diff([]audit.ID{audit.SASLDowngrade}, ids(&p.serverEvents)); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

// RFC 9525; RFC 6120, Section 13.7.2.1. What else may be wrong with a
// certificate is the business of the pki package's tests.
func TestM5ServerCertificate(t *testing.T) {
	s := getSite(t)
	issue := func(id *pki.Identity, err error) *pki.Identity {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	other, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		id   *pki.Identity
		want audit.ID
	}{
		{"wrong name", issue(s.ca.IssueServer("other.example")), audit.ServerCertificate},
		{"the SRV target's name", issue(s.ca.IssueServer("host.site.example")), audit.ServerCertificate},
		{"a client's", s.client, audit.ServerCertificate},
		{"unknown CA", other.server, audit.CertificateUnknownCA},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.client.Address = "host.site.example:5222"
			p.server.Identity = tt.id
			served := p.serve(t.Context(), echo)
			_, err := Dial(t.Context(), p.client)
			var ve *pki.VerifyError
			var ne *NegotiationError
			if !errors.As(err, &ve) || !errors.As(err, &ne) || ne.Step != StepTLS || ve.ID != tt.want {
				t.Errorf("Dial: %v", err)
			}
			if d := cmp.Diff([]audit.ID{tt.want}, ids(&p.clientEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
			if err := <-served; err == nil {
				t.Error("the server has a stream")
			}
		})
	}
	for name, at := range map[string]time.Duration{"expired": 20 * 365 * 24 * time.Hour, "not yet valid": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := inBubble(t)
				if at < 0 { // made on the clock outside, which is ahead
					p.server.Identity, p.client.Trust = s.server, s.trust
				} else {
					time.Sleep(at)
				}
				served := p.serve(t.Context(), echo)
				_, err := Dial(t.Context(), p.client)
				var ve *pki.VerifyError
				var ne *NegotiationError
				if !errors.As(err, &ve) || !errors.As(err, &ne) || !strings.Contains(ne.Hint, "clock") {
					t.Errorf("Dial: %v (%+v)", err, ne)
				} else if d := cmp.Diff([]audit.ID{ve.ID}, ids(&p.clientEvents)); d != "" {
					t.Errorf("events (-want +got):\n%s", d)
				}
				<-served
			})
		})
	}
}

// XEP-0178, Section 2; RFC 6120, Section 13.7.2.2.
func TestM6ClientCertificate(t *testing.T) {
	s := getSite(t)
	other, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := s.ca.IssueClientTLS("ied1@other.example")
	if err != nil {
		t.Fatal(err)
	}
	two, twoTrust := clientNaming(t, "ied1@site.example", "ied2@site.example")
	none, noneTrust := clientNaming(t)
	tests := []struct {
		name   string
		id     *pki.Identity
		trust  *pki.Trust
		auth   string // authorization identity
		want   string // condition
		events []audit.ID
	}{
		{"none", nil, s.trust, "=", "not-authorized", []audit.ID{audit.TLSNoPeerCertificate, audit.ClientCertificate}},
		{"unknown CA", other.client, s.trust, "=", "not-authorized", []audit.ID{audit.CertificateUnknownCA, audit.ClientCertificate}},
		{"revoked", s.client, revoking(t, s, s.client), "=", "not-authorized", []audit.ID{audit.CertificateRevoked, audit.ClientCertificate}},
		{"the server's own", s.server, s.trust, "=", "not-authorized", []audit.ID{audit.ClientCertificate}},
		{"no JID", none, noneTrust, "=", "not-authorized", []audit.ID{audit.ClientCertificate}},
		{"two JIDs without a choice", two, twoTrust, "=", "invalid-authzid", []audit.ID{audit.ClientCertificate}},
		{"other domain", stranger, s.trust, "=", "not-authorized", []audit.ID{audit.ClientCertificate}},
		{"other user's JID", s.client, s.trust, "aWVkMkBzaXRlLmV4YW1wbGU=", "invalid-authzid", []audit.ID{audit.ClientCertificate}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			p.server.Trust = tt.trust
			heard := ""
			p.acceptRaw(t, func(r *raw) {
				r.asked(tt.id)
				r.send(strings.Replace(externalAuth, "=</", tt.auth+"</", 1))
				heard = r.until("</failure>")
			})
			if heard != "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><"+tt.want+"/></failure>" {
				t.Errorf("the server says %q, want %s and nothing more", heard, tt.want)
			}
			if d := cmp.Diff(tt.events, ids(&p.serverEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
		})
	}
	t.Run("two JIDs, one chosen", func(t *testing.T) {
		p := newPair(t)
		p.server.Trust, p.client.Identity = twoTrust, two
		p.client.JID = jid.MustParse("ied2@site.example/IEC")
		served := p.serve(t.Context(), echo)
		c, err := Dial(t.Context(), p.client)
		if err != nil {
			t.Fatal(err)
		}
		if c.JID() != p.client.JID {
			t.Errorf("bound %s, want %s", c.JID(), p.client.JID)
		}
		c.Close()
		<-served
	})
	t.Run("not our own account", func(t *testing.T) {
		p := newPair(t)
		p.client.JID = jid.MustParse("ied2@site.example")
		_, err := Dial(t.Context(), p.client)
		var ne *NegotiationError
		if !errors.As(err, &ne) || ne.Hint == "" || !strings.Contains(err.Error(), "ied1@site.example") {
			t.Errorf("Dial: %v, want to hear whose certificate it is", err)
		}
	})
	t.Run("account that is not allowed", func(t *testing.T) {
		p := newPair(t)
		p.server.Allowed = func(jid.JID) bool { return false }
		served := p.serve(t.Context(), echo)
		_, err := Dial(t.Context(), p.client)
		var ne *NegotiationError
		if !errors.As(err, &ne) || ne.Step != StepSASL || !strings.Contains(ne.Hint, "account") {
			t.Errorf("Dial: %v (%+v)", err, ne)
		}
		<-served
		if d := cmp.Diff([]audit.ID{audit.ClientCertificate}, ids(&p.serverEvents)); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
	})
}

func TestM9OldTLS(t *testing.T) {
	for name, edit := range map[string]func(*tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"no common suite": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			err := p.acceptRaw(t, func(r *raw) {
				r.send(clientHeader)
				r.until("</stream:features>")
				r.send(startTLSAsk)
				r.until(proceed)
				c := clientTLS(getSite(t).client)
				edit(c)
				if err := tls.Client(r.nc, c).Handshake(); err == nil {
					t.Error("the handshake succeeds")
				}
			})
			if err == nil {
				t.Error("the server has a stream")
			}
			if d := cmp.Diff([]audit.ID{audit.TLSRefused}, ids(&p.serverEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
		})
	}
}

// revoking returns the trust of s with id revoked.
func revoking(t *testing.T, s *site, id *pki.Identity) *pki.Trust {
	t.Helper()
	file := filepath.Join(t.TempDir(), "crl.pem")
	if err := s.ca.WriteCRL(file, id.Chain[0].SerialNumber); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root.pem")
	if err := s.root.Save(root, root+".key"); err != nil {
		t.Fatal(err)
	}
	trust, err := pki.LoadTrust([]string{root}, []string{file})
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// clientNaming makes what the CA refuses to: a client's certificate that does
// not name exactly one JID.
func clientNaming(t *testing.T, names ...string) (*pki.Identity, *pki.Trust) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "client"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if len(names) > 0 {
		var san bytes.Buffer
		for _, n := range names {
			san.Write(xmppAddr(t, n))
		}
		value := marshal(t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: san.Bytes()})
		leaf.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}}
	}
	sign := func(c, parent *x509.Certificate) *x509.Certificate {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	root := sign(ca, ca)
	trust, err := pki.NewTrust([]*x509.Certificate{root, getSite(t).root.Certificate()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &pki.Identity{Chain: []*x509.Certificate{sign(leaf, root)}, Key: key}, trust
}

// xmppAddr returns the GeneralName of a JID.
//
// RFC 6120, Section 13.7.1.4.
func xmppAddr(t *testing.T, name string) []byte {
	id := marshal(t, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5})
	text := marshal(t, asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(name)})
	value := marshal(t, asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: text})
	return marshal(t, asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: append(id, value...)})
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
