package xmpp

import (
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/stanza"
)

const (
	nsDiscoInfo = "http://jabber.org/protocol/disco#info"
	nsCaps      = "http://jabber.org/protocol/caps"

	capsNode = "https://busbar.example"
	identity = "client/bot//Busbar" // category, type, language, name
)

// capabilities is what a session says of itself to who asks, and by its hash to who hears
// of its presence.
//
// XEP-0030, Section 3; XEP-0115.
type capabilities struct {
	features []string // sorted
	version  string   // hash of it all
}

// newCapabilities returns those of a session that serves features besides what every
// session does.
func newCapabilities(features []string) *capabilities {
	c := &capabilities{features: append([]string{nsDiscoInfo, nsCaps, nsPing}, features...)}
	slices.Sort(c.features)
	c.features = slices.Compact(c.features)
	// SHA-1 is what everybody understands here; nothing is trusted for it.
	sum := sha1.Sum([]byte(identity + "<" + strings.Join(c.features, "<") + "<"))
	c.version = base64.StdEncoding.EncodeToString(sum[:])
	return c
}

// presence is what initial presence carries.
//
// XEP-0115, Section 5.
func (c *capabilities) presence() []byte {
	return []byte("<c xmlns='" + nsCaps + "' hash='sha-1' node='" + capsNode + "' ver='" + c.version + "'/>")
}

// answer answers a question for what the session is and does.
func (c *capabilities) answer(question stanza.Stanza) stanza.Stanza {
	sc := xmltok.NewBytesScanner(question.Payload, xmltok.Limits{})
	sc.SetDefaultNamespace(stanza.Namespace)
	t, err := sc.Next()
	if err != nil {
		return question.ErrorReply(stanza.NewError(stanza.BadRequest, ""))
	}
	node, given := t.Attr("", "node")
	if given && string(node) != capsNode+"#"+c.version {
		return question.ErrorReply(stanza.NewError(stanza.ItemNotFound, ""))
	}
	b := appendAttr([]byte("<query xmlns='"+nsDiscoInfo+"'"), "node", string(node))
	b = append(b, "><identity category='client' type='bot' name='Busbar'/>"...)
	for _, f := range c.features {
		b = append(appendAttr(append(b, "<feature"...), "var", f), "/>"...)
	}
	return question.Reply(append(b, "</query>"...))
}
