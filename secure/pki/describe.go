package pki

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"unicode"
)

// fingerprint returns the SHA-256 in hexadecimal.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// isSelfIssued reports whether the certificate names itself as its issuer.
func isSelfIssued(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer)
}

// describeSubject names a certificate for people: by its first XMPP or DNS
// name, else by its subject.
func describeSubject(c *x509.Certificate) string {
	if n, err := namesOf(c); err == nil {
		for _, list := range [][]string{n.xmpp, n.dns, n.srv} {
			if len(list) > 0 {
				return printable(list[0])
			}
		}
	}
	return printable(c.Subject.String())
}

// printable returns what a peer wrote, fit for a line of text.
func printable(s string) string {
	const limit = 128
	s = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return '\uFFFD'
	}, s)
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "…"
	}
	return s
}
