package sasl

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// Types of channel binding, as registered with IANA.
const (
	BindingExporter = "tls-exporter"         // RFC 9266
	BindingEndPoint = "tls-server-end-point" // RFC 5929, Section 4
	BindingUnique   = "tls-unique"           // RFC 5929, Section 3
)

// A Binding is something that the two ends of a channel know of it alike.
type Binding struct {
	Type string
	Data []byte
}

// Bindings returns what a TLS connection can be bound by, where server is the
// certificate that the server has shown in it.
//
// tls-exporter needs TLS 1.3, or the extended master secret of TLS 1.2.
// tls-unique is of TLS 1.2 alone, and known there to peers that know no other.
// tls-server-end-point comes last: it binds to the server's key, not to the
// connection.
func Bindings(state tls.ConnectionState, server *x509.Certificate) []Binding {
	var all []Binding
	if data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32); err == nil {
		all = append(all, Binding{BindingExporter, data})
		if state.Version == tls.VersionTLS12 && len(state.TLSUnique) > 0 {
			all = append(all, Binding{BindingUnique, state.TLSUnique})
		}
	}
	if data := endPoint(server); data != nil {
		all = append(all, Binding{BindingEndPoint, data})
	}
	return all
}

// endPoint hashes a certificate as its signature does, or by SHA-256 where that
// would be weaker. A signature without a hash of its own gives none.
//
// RFC 5929, Section 4.1.
func endPoint(c *x509.Certificate) []byte {
	switch c.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		sum := sha512.Sum384(c.Raw)
		return sum[:]
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		sum := sha512.Sum512(c.Raw)
		return sum[:]
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.ECDSAWithSHA256, x509.SHA256WithRSAPSS, x509.DSAWithSHA256:
		sum := sha256.Sum256(c.Raw)
		return sum[:]
	}
	return nil
}
