package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"busbar.example/secure/rbac"
)

// A Description says for people, or as JSON for programs, what a certificate, a
// private key or a revocation list is. It holds no secret. What does not apply
// is empty.
type Description struct {
	Kind        string     `json:"kind"`          // "certificate", "private key" or "revocation list"
	Use         []string   `json:"use,omitempty"` // what a certificate is fit for, such as "TLS client" or "E2E"
	Subject     string     `json:"subject,omitempty"`
	DNSNames    []string   `json:"dns,omitempty"`
	SRVNames    []string   `json:"srv,omitempty"`
	XMPPAddrs   []string   `json:"xmpp,omitempty"`
	Roles       []Role     `json:"roles,omitempty"`
	KeyUsage    []string   `json:"keyUsage,omitempty"`
	ExtKeyUsage []string   `json:"extKeyUsage,omitempty"`
	NotBefore   *time.Time `json:"notBefore,omitempty"` // or when a revocation list was made
	NotAfter    *time.Time `json:"notAfter,omitempty"`  // or when the next revocation list is due
	DaysLeft    *int       `json:"daysLeft,omitempty"`  // whole days to NotAfter, negative after it
	Key         string     `json:"key,omitempty"`       // such as "ECDSA P-256"
	KeyHash     string     `json:"keyHash,omitempty"`   // SHA-256 of the public key, the same for a key and its certificate
	Signature   string     `json:"signature,omitempty"` // algorithm
	Serial      string     `json:"serial,omitempty"`
	Issuer      string     `json:"issuer,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"` // SHA-256 of the whole
	Octets      int        `json:"octets,omitempty"`
	Number      string     `json:"number,omitempty"` // of a revocation list
	Revoked     []Revoked  `json:"revoked,omitempty"`
	Faults      []string   `json:"faults,omitempty"` // for which it would be refused whatever its use
}

// A Role is a role in a Description.
type Role struct {
	Role       string `json:"role"`
	AOR        string `json:"aor"`
	Revision   int    `json:"revision"`
	Definition string `json:"definition,omitempty"`
}

// Revoked is an entry of a revocation list.
type Revoked struct {
	Serial string    `json:"serial"`
	Time   time.Time `json:"time"`
}

// Describe describes all that a file holds, in PEM, or in DER if it is one
// certificate or revocation list. Validity is judged at now, and times are given
// in its location.
func Describe(data []byte, now time.Time) ([]Description, error) {
	if len(data) > 0 && data[0] == 0x30 {
		typ := pemCertificate
		if _, err := x509.ParseRevocationList(data); err == nil {
			typ = pemCRL
		}
		data = pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: data})
	}
	var all []Description
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil && len(all) == 0 {
			return nil, errors.New("neither a certificate, a private key nor a revocation list is in it")
		}
		if block == nil {
			return all, nil
		}
		if block.Type == pemParamsEC {
			continue
		}
		d, err := describeBlock(block, now)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
}

func describeBlock(block *pem.Block, now time.Time) (Description, error) {
	switch block.Type {
	case pemCertificate:
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Description{}, err
		}
		return describeCertificate(cert, now), nil
	case pemCRL:
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return Description{}, err
		}
		return describeCRL(list, now), nil
	}
	if isEncrypted(block) {
		return Description{}, errEncrypted
	}
	key, err := parseKeyBlock(block)
	if err != nil {
		return Description{}, err
	}
	d := Description{Kind: "private key"}
	d.Key, d.KeyHash = describeKey(key.Public())
	return d, nil
}

func describeCertificate(c *x509.Certificate, now time.Time) Description {
	d := Description{
		Kind:        "certificate",
		Subject:     printable(c.Subject.String()),
		KeyUsage:    keyUsageNames(c.KeyUsage),
		ExtKeyUsage: extKeyUsageNames(c),
		Signature:   c.SignatureAlgorithm.String(),
		Serial:      c.SerialNumber.Text(16),
		Issuer:      printable(c.Issuer.String()),
		Fingerprint: fingerprint(c.Raw),
		Octets:      len(c.Raw),
	}
	d.setValidity(c.NotBefore, c.NotAfter, now)
	d.Key, d.KeyHash = describeKey(c.PublicKey)
	d.Use = uses(c)
	ns, err := namesOf(c)
	if err != nil {
		d.Faults = append(d.Faults, err.Error())
	}
	d.DNSNames, d.SRVNames, d.XMPPAddrs = ns.dns, ns.srv, ns.xmpp
	grants, err := grantsOf(c)
	if err != nil {
		d.Faults = append(d.Faults, err.Error())
	}
	for _, g := range grants {
		d.Roles = append(d.Roles, describeRole(g))
	}
	var p purpose // of none: strength and time are the same for all
	for _, fault := range []*VerifyError{p.checkStrength(c), p.checkTime(c, now)} {
		if fault != nil {
			d.Faults = append(d.Faults, fault.Msg)
		}
	}
	return d
}

func describeRole(g rbac.Grant) Role {
	return Role{Role: g.Role.String(), AOR: printable(g.AOR), Revision: g.Revision, Definition: printable(g.Definition)}
}

func describeCRL(list *x509.RevocationList, now time.Time) Description {
	d := Description{
		Kind:        "revocation list",
		Signature:   list.SignatureAlgorithm.String(),
		Issuer:      printable(list.Issuer.String()),
		Fingerprint: fingerprint(list.Raw),
		Octets:      len(list.Raw),
	}
	d.setValidity(list.ThisUpdate, list.NextUpdate, now)
	if list.Number != nil {
		d.Number = list.Number.String()
	}
	if !list.NextUpdate.IsZero() && now.After(list.NextUpdate) {
		d.Faults = append(d.Faults, "its next update is overdue")
	}
	for _, e := range list.RevokedCertificateEntries {
		d.Revoked = append(d.Revoked, Revoked{Serial: e.SerialNumber.Text(16), Time: e.RevocationTime.In(now.Location())})
	}
	return d
}

func (d *Description) setValidity(from, to, now time.Time) {
	from = from.In(now.Location())
	d.NotBefore = &from
	if to.IsZero() {
		return
	}
	to = to.In(now.Location())
	days := int(math.Floor(to.Sub(now).Hours() / 24))
	d.NotAfter, d.DaysLeft = &to, &days
}

// describeKey names the type of a public key, and its hash.
func describeKey(key crypto.PublicKey) (name, hash string) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		name = "ECDSA " + k.Params().Name
	case *rsa.PublicKey:
		name = fmt.Sprintf("RSA %d", k.N.BitLen())
	default:
		name = strings.TrimPrefix(fmt.Sprintf("%T", key), "*")
	}
	if der, err := x509.MarshalPKIXPublicKey(key); err == nil {
		hash = fingerprint(der)
	}
	return name, hash
}

// uses says what a certificate is fit for as to its usages; a Trust asks more.
func uses(c *x509.Certificate) []string {
	if c.IsCA {
		h := E2E
		if isTLSUsage(c) {
			h = E2M
		}
		return []string{"CA for " + h.String()}
	}
	ns, err := namesOf(c)
	if err != nil {
		return nil
	}
	var fit []string
	for _, p := range []purpose{forServer, forClient, forE2E} {
		if p.checkUsage(c, ns) == nil {
			fit = append(fit, p.String())
		}
	}
	return fit
}

var keyUsages = []string{
	"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment",
	"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
}

func keyUsageNames(u x509.KeyUsage) []string {
	var all []string
	for i, name := range keyUsages {
		if u&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return all
}

func extKeyUsageNames(c *x509.Certificate) []string {
	var all []string
	for _, u := range c.ExtKeyUsage {
		all = append(all, u.String())
	}
	for _, id := range c.UnknownExtKeyUsage {
		all = append(all, id.String())
	}
	return all
}

// String returns the description in lines of a label and a value each.
func (d Description) String() string {
	const minute = "2006-01-02 15:04 MST"
	var b strings.Builder
	line := func(label, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-13s %s\n", label, value)
		}
	}
	list := func(label string, values []string) { line(label, strings.Join(values, ", ")) }
	b.WriteString(d.Kind + "\n")
	list("use", d.Use)
	line("subject", d.Subject)
	list("XMPP address", d.XMPPAddrs)
	list("DNS name", d.DNSNames)
	list("SRV name", d.SRVNames)
	for _, r := range d.Roles {
		line("role", fmt.Sprintf("%s for %s, revision %d of %s", r.Role, r.AOR, r.Revision, r.Definition))
	}
	list("key usage", d.KeyUsage)
	list("for TLS as", d.ExtKeyUsage)
	if d.NotBefore != nil {
		line("valid from", d.NotBefore.Format(minute))
	}
	if d.NotAfter != nil {
		line("valid to", fmt.Sprintf("%s (%s)", d.NotAfter.Format(minute), daysLeft(*d.DaysLeft)))
	}
	line("key", d.Key)
	line("key hash", d.KeyHash)
	line("number", d.Number)
	line("signature", d.Signature)
	line("serial", d.Serial)
	line("issuer", d.Issuer)
	line("SHA-256", d.Fingerprint)
	if d.Octets > 0 {
		line("octets", fmt.Sprint(d.Octets))
	}
	for _, r := range d.Revoked {
		line("revoked", fmt.Sprintf("%s on %s", r.Serial, r.Time.Format(minute)))
	}
	if d.Number != "" && len(d.Revoked) == 0 {
		line("revoked", "none")
	}
	for _, f := range d.Faults {
		line("FAULT", f)
	}
	return b.String()
}

func daysLeft(days int) string {
	switch {
	case days < 0:
		return "expired"
	case days == 1:
		return "1 day left"
	}
	return fmt.Sprintf("%d days left", days)
}

// fingerprint returns the SHA-256 in hexadecimal.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// isSelfIssued reports whether the certificate names itself as its issuer.
func isSelfIssued(c *x509.Certificate) bool {
	return bytes.Equal(c.RawSubject, c.RawIssuer)
}

// Name names a certificate for people: by its first XMPP or DNS
// name, else by its subject.
func Name(c *x509.Certificate) string {
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
