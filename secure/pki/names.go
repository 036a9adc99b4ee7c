package pki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSAN      = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5} // RFC 6120, Section 13.7.1.4
	oidSRVName  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 7} // RFC 4985
)

// The SRVName prefixes of the services that a server's certificate names.
const (
	srvClient = "_xmpp-client."
	srvServer = "_xmpp-server."
)

// The tags of the GeneralName alternatives that are read here.
//
// RFC 5280, Section 4.2.1.6
const (
	tagOtherName = cbasn1.Tag(0xA0) // [0], constructed
	tagDNSName   = cbasn1.Tag(0x82) // [2]
	tagIPAddress = cbasn1.Tag(0x87) // [7]
	tagExplicit0 = cbasn1.Tag(0xA0)
	tagIA5String = cbasn1.Tag(22)
)

// names are the subject alternative names that this system goes by.
// crypto/x509 does not read otherName.
type names struct {
	dns  []string
	ip   []net.IP // written only: crypto/x509 reads them
	srv  []string
	xmpp []string
}

// namesOf reads the names of a certificate; one without any is no error.
func namesOf(cert *x509.Certificate) (names, error) {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidSAN) {
			return parseNames(e.Value)
		}
	}
	return names{}, nil
}

var errNames = errors.New("subjectAltName is malformed")

// parseNames reads the DER of a subjectAltName. Alternatives that are not read
// here are passed over.
func parseNames(der []byte) (names, error) {
	var n names
	in := cryptobyte.String(der)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() || seq.Empty() {
		return names{}, errNames
	}
	for !seq.Empty() {
		var body cryptobyte.String
		var tag cbasn1.Tag
		if !seq.ReadAnyASN1(&body, &tag) {
			return names{}, errNames
		}
		switch tag {
		case tagDNSName:
			if !isName(string(body), true) {
				return names{}, errNames
			}
			n.dns = append(n.dns, string(body))
		case tagOtherName:
			if !n.readOther(body) {
				return names{}, errNames
			}
		}
	}
	return n, nil
}

// readOther reads the content of an otherName.
func (n *names) readOther(body cryptobyte.String) bool {
	var id asn1.ObjectIdentifier
	var value, text cryptobyte.String
	if !body.ReadASN1ObjectIdentifier(&id) || !body.ReadASN1(&value, tagExplicit0) || !body.Empty() {
		return false
	}
	switch {
	case id.Equal(oidXMPPAddr):
		if !value.ReadASN1(&text, cbasn1.UTF8String) || !value.Empty() || !isName(string(text), false) {
			return false
		}
		n.xmpp = append(n.xmpp, string(text))
	case id.Equal(oidSRVName):
		if !value.ReadASN1(&text, tagIA5String) || !value.Empty() || !isName(string(text), true) {
			return false
		}
		n.srv = append(n.srv, string(text))
	}
	return true
}

// isName reports whether s is text that a name may consist of: not empty, no
// control characters, no spaces, and ASCII where the type demands it.
func isName(s string, ascii bool) bool {
	if s == "" || !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r) || ascii && r > unicode.MaxASCII
	})
}

// marshal returns the DER of a subjectAltName of these names.
func (n names) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, s := range n.dns {
			b.AddASN1(tagDNSName, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
		}
		for _, ip := range n.ip {
			if four := ip.To4(); four != nil {
				ip = four
			}
			b.AddASN1(tagIPAddress, func(b *cryptobyte.Builder) { b.AddBytes(ip) })
		}
		for _, s := range n.srv {
			addOther(b, oidSRVName, tagIA5String, s)
		}
		for _, s := range n.xmpp {
			addOther(b, oidXMPPAddr, cbasn1.UTF8String, s)
		}
	})
	return b.Bytes()
}

func addOther(b *cryptobyte.Builder, id asn1.ObjectIdentifier, tag cbasn1.Tag, s string) {
	b.AddASN1(tagOtherName, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) {
			b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(s)) })
		})
	})
}

// serves reports whether the names identify the XMPP server of a domain for a
// service, srvClient or srvServer: by its SRVName, or by a dNSName, in which an asterisk may stand for
// the whole leftmost label where two labels at least follow.
//
// RFC 9525, Section 6; RFC 6120, Section 13.7.2.1
func (n names) serves(service, domain string) bool {
	for _, s := range n.srv {
		if strings.EqualFold(s, service+domain) {
			return true
		}
	}
	for _, s := range n.dns {
		if strings.EqualFold(s, domain) {
			return true
		}
		rest, wild := strings.CutPrefix(s, "*.")
		_, parent, labels := strings.Cut(domain, ".")
		if wild && labels && strings.Contains(parent, ".") && strings.EqualFold(rest, parent) {
			return true
		}
	}
	return false
}

// isDomain reports whether s is a DNS name in ASCII (A-labels): letters, digits
// and hyphens, without a final dot, and not an address.
func isDomain(s string) bool {
	if len(s) > 253 || net.ParseIP(s) != nil {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && !('a' <= c|0x20 && c|0x20 <= 'z') && !('0' <= c && c <= '9') {
				return false
			}
		}
	}
	return true
}

// isBareJID reports whether s has the form local@domain. That it is a valid
// JID is for those to check who have one to give.
func isBareJID(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && isName(s, false) && !strings.ContainsAny(local+domain, "@/")
}
