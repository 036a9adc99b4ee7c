package xmpp

import (
	"strconv"
	"strings"

	"busbar.example/internal/xmltok"
)

// Namespaces of a stream and of what negotiates it.
const (
	nsStream       = "http://etherx.jabber.org/streams"
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
	nsStartTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL         = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBinding      = "urn:xmpp:sasl-cb:0"
	nsBind         = "urn:ietf:params:xml:ns:xmpp-bind"
	nsLimits       = "urn:xmpp:stream-limits:0"
	nsStanzas      = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsPing         = "urn:xmpp:ping"
	nsRegister     = "jabber:iq:register"
	nsRoster       = "jabber:iq:roster"
	nsDialback     = "jabber:server:dialback" // refused, and recorded
	nsManagement   = "urn:xmpp:sm:3"
)

// nsRegisterFeature is that of the feature by which [nsRegister] is announced.
const nsRegisterFeature = "http://jabber.org/features/iq-register"

// closeTag ends a stream.
const closeTag = "</stream:stream>"

// header is a stream header.
//
// RFC 6120, Section 4.7.
type header struct {
	from, to string
	id       string // of the receiving entity's header
	lang     string
	content  string // namespace of the stanzas
}

// append serialises h with the XML declaration.
func (h header) append(dst []byte) []byte {
	dst = append(dst, "<?xml version='1.0'?><stream:stream"...)
	dst = appendAttr(dst, "from", h.from)
	dst = appendAttr(dst, "to", h.to)
	dst = appendAttr(dst, "id", h.id)
	dst = appendAttr(dst, "xml:lang", h.lang)
	return append(dst, " version='1.0' xmlns='"+h.content+"' xmlns:stream='"+nsStream+"'>"...)
}

// appendAttr appends an attribute, unless it is empty.
func appendAttr(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, "='"...)
	dst = xmltok.AppendEscaped(dst, value)
	return append(dst, '\'')
}

// parseHeader reads a stream header from the first start tag of a stream.
//
// RFC 6120, Sections 4.7 and 4.8.
func parseHeader(t *xmltok.Token) (header, error) {
	if t.Name.Local != "stream" {
		return header{}, &StreamError{Condition: BadFormat, Text: "a stream begins with a stream header"}
	}
	if t.Name.Space != nsStream {
		return header{}, &StreamError{Condition: InvalidNamespace}
	}
	attr := func(space, local string) string {
		v, _ := t.Attr(space, local)
		return string(v)
	}
	h := header{from: attr("", "from"), to: attr("", "to"), id: attr("", "id"), lang: attr(xmltok.XMLNamespace, "lang")}
	major, _, _ := strings.Cut(attr("", "version"), ".")
	if n, err := strconv.ParseUint(major, 10, 16); err != nil || n < 1 {
		return h, &StreamError{Condition: UnsupportedVersion}
	}
	return h, nil
}
