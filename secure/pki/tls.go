package pki

import (
	"crypto/tls"
	"fmt"
	"time"
)

// tlsProfile returns what both ends of a hop share: TLS 1.3, or 1.2 with
// ephemeral keys and AES-GCM; no session tickets, hence no resumption and no
// early data. crypto/tls has no renegotiation on a server and refuses it on a
// client.
//
// IEC 62351-3
func tlsProfile() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
		SessionTicketsDisabled: true,
	}
}

// ServerTLS returns the configuration of a server. It asks the client for its
// certificate and leaves the judgement on it to who authenticates the client:
// [Trust.VerifyClient] on the connection's PeerCertificates.
func ServerTLS(id *Identity) *tls.Config {
	c := tlsProfile()
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		own := id.TLSCertificate()
		return &own, nil
	}
	c.ClientAuth = tls.RequestClientCert
	c.VerifyConnection = checkSuite
	return c
}

// ClientTLS returns the configuration of a client of the domain, given in
// ASCII (A-labels), which presents id, unless it is nil, and verifies the server
// by trust.VerifyServer. The handshake's error wraps the *VerifyError.
func ClientTLS(id *Identity, trust *Trust, domain string) *tls.Config {
	c := tlsProfile()
	c.ServerName = domain
	c.InsecureSkipVerify = true // crypto/tls would ask the system's roots; VerifyConnection asks ours
	if id != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			own := id.TLSCertificate()
			return &own, nil // whatever CAs the server lists: its refusal is clearer than our silence
		}
	}
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		if err := checkSuite(cs); err != nil {
			return err
		}
		_, err := trust.verify(cs.PeerCertificates, forServer, domain, time.Now(), stapled(cs))
		return err
	}
	return c
}

// checkSuite refuses what crypto/tls cannot be told not to choose: TLS 1.3 with
// ChaCha20-Poly1305.
func checkSuite(cs tls.ConnectionState) error {
	if cs.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		return nil
	}
	return &VerifyError{
		Rule: RuleCipher,
		ID:   ids[RuleCipher],
		Msg:  fmt.Sprintf("the cipher suite %s is not allowed", tls.CipherSuiteName(cs.CipherSuite)),
		Hint: "let the other side prefer AES-GCM",
	}
}
