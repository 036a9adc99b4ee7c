// Package stanza holds the three XMPP stanzas and their errors as values, reads them and writes them.
//
// RFC 6120, Section 8; RFC 6121.
package stanza

import (
	"errors"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/jid"
)

// Namespace is the content namespace of client streams; a payload's elements stand in it unless they declare another.
const Namespace = "jabber:client"

// ServerNamespace is the content namespace of streams between servers. What stands in it there stands in Namespace on a
// client's stream, and the reverse: a payload that declares neither is the same octets on both.
//
// RFC 6120, Section 4.8.3.
const ServerNamespace = "jabber:server"

// xmlNamespace is bound to the prefix xml by definition.
const xmlNamespace = "http://www.w3.org/XML/1998/namespace"

// Kind is the kind of a stanza.
type Kind uint8

// The kinds of stanzas.
const (
	IQ Kind = iota + 1
	Message
	Presence
)

// String returns the element's name.
func (k Kind) String() string {
	switch k {
	case IQ:
		return "iq"
	case Message:
		return "message"
	case Presence:
		return "presence"
	}
	return "no stanza"
}

// Type is the value of a stanza's type attribute. Which values fit depends on the kind.
type Type string

// The types of stanzas.
const (
	// Of an iq.
	Get    Type = "get"
	Set    Type = "set"
	Result Type = "result"

	// Of every kind.
	TypeError Type = "error"

	// Of a message. A message without a type, or with an unknown one, is Normal.
	Normal    Type = "normal"
	Chat      Type = "chat"
	Groupchat Type = "groupchat"
	Headline  Type = "headline"

	// Of a presence.
	Available    Type = ""
	Unavailable  Type = "unavailable"
	Subscribe    Type = "subscribe"
	Subscribed   Type = "subscribed"
	Unsubscribe  Type = "unsubscribe"
	Unsubscribed Type = "unsubscribed"
	Probe        Type = "probe"
)

// Stanza is one iq, message or presence.
type Stanza struct {
	Kind Kind
	Type Type
	ID   string
	From jid.JID // zero: no from attribute
	To   jid.JID // zero: no to attribute
	Lang string  // xml:lang, "" for none

	// Payload holds the octets between the start tag and the end tag: well-formed XML that declares every prefix it
	// uses and whose outer default namespace is jabber:client. Whoever receives a Stanza owns its Payload.
	Payload []byte
}

// ErrNotStanza is returned by [ParseHead] for an element that is no stanza.
var ErrNotStanza = errors.New("stanza: not an iq, message or presence in jabber:client or jabber:server")

// ErrInvalidFrom is returned by [ParseHead] for a from attribute that is no address.
var ErrInvalidFrom = errors.New("stanza: the from attribute is no address")

// ParseHead reads a stanza's head from its start tag; Payload stays nil. Attributes that RFC 6120 does not define are
// ignored. Which of the two content namespaces the stream has is for its reader to check.
//
// The error is [ErrNotStanza], [ErrInvalidFrom], or an [*Error] that says with which condition the stanza should be
// refused; beside the latter the stanza holds what could be read, so that [Stanza.ErrorReply] can be made of it.
//
// RFC 6120, Section 8.1.
func ParseHead(t *xmltok.Token) (Stanza, error) {
	var h Heads
	return h.Parse(t)
}

// Heads reads the heads of the stanzas of one stream, and remembers a few of their addresses: most stanzas are from and
// to the same ones. The zero value is ready; it is for one goroutine.
type Heads struct{ from, to addresses }

// Parse is [ParseHead].
func (h *Heads) Parse(t *xmltok.Token) (Stanza, error) {
	var s Stanza
	if t.Kind != xmltok.Start || t.Name.Space != Namespace && t.Name.Space != ServerNamespace {
		return s, ErrNotStanza
	}
	switch t.Name.Local {
	case "iq":
		s.Kind = IQ
	case "message":
		s.Kind = Message
	case "presence":
		s.Kind = Presence
	default:
		return s, ErrNotStanza
	}
	var typ []byte
	var badTo bool
	for i := range t.Attrs {
		a := &t.Attrs[i]
		if a.Name.Space != "" {
			if a.Name.Space == xmlNamespace && a.Name.Local == "lang" {
				s.Lang = string(a.Value)
			}
			continue
		}
		var err error
		switch a.Name.Local {
		case "type":
			typ = a.Value
		case "id":
			s.ID = string(a.Value)
		case "from":
			if s.From, err = h.from.parse(a.Value); err != nil {
				return Stanza{}, ErrInvalidFrom
			}
		case "to":
			s.To, err = h.to.parse(a.Value)
			badTo = err != nil
		}
	}
	var known bool
	if s.Type, known = parseType(s.Kind, typ); !known {
		return s, NewError(BadRequest, "unknown type of "+s.Kind.String())
	}
	if badTo {
		return s, NewError(JIDMalformed, "the to attribute is no address")
	}
	if s.Kind == IQ && s.ID == "" {
		return s, NewError(BadRequest, "an iq needs an id")
	}
	return s, nil
}

// addresses remembers the addresses that were parsed last.
type addresses struct {
	known [4]address
	next  uint8 // the place of the next one that is not known
}

type address struct {
	text string // as it was spelled
	jid  jid.JID
}

// maxRemembered is how long an address may be, in octets, to be remembered.
const maxRemembered = 256

// parse is jid.Parse.
func (a *addresses) parse(b []byte) (jid.JID, error) {
	for i := range a.known {
		if known := &a.known[i]; known.text == string(b) && len(b) > 0 {
			return known.jid, nil
		}
	}
	text := string(b)
	j, err := jid.Parse(text)
	if err == nil && len(b) <= maxRemembered {
		a.known[a.next] = address{text, j}
		a.next = (a.next + 1) % uint8(len(a.known))
	}
	return j, err
}

// parseType interprets a type attribute; b is nil if there is none.
func parseType(k Kind, b []byte) (t Type, known bool) {
	switch k {
	case IQ:
		switch string(b) {
		case "get":
			return Get, true
		case "set":
			return Set, true
		case "result":
			return Result, true
		case "error":
			return TypeError, true
		}
		return "", false
	case Message:
		switch string(b) {
		case "chat":
			return Chat, true
		case "groupchat":
			return Groupchat, true
		case "headline":
			return Headline, true
		case "error":
			return TypeError, true
		}
		return Normal, true // RFC 6121, Section 5.2.2
	case Presence:
		switch string(b) {
		case "":
			return Available, b == nil
		case "unavailable":
			return Unavailable, true
		case "subscribe":
			return Subscribe, true
		case "subscribed":
			return Subscribed, true
		case "unsubscribe":
			return Unsubscribe, true
		case "unsubscribed":
			return Unsubscribed, true
		case "probe":
			return Probe, true
		case "error":
			return TypeError, true
		}
	}
	return "", false
}

// Append appends the stanza as it stands on a stream whose default namespace is jabber:client. It allocates nothing
// when dst has room.
func (s Stanza) Append(dst []byte) []byte {
	dst = s.AppendStart(dst)
	if len(s.Payload) == 0 {
		dst = append(dst[:len(dst)-1], '/', '>')
		return dst
	}
	dst = append(dst, s.Payload...)
	return s.AppendEnd(dst)
}

// AppendStart appends the start tag. A router that has the payload elsewhere writes it between AppendStart and
// [Stanza.AppendEnd].
func (s Stanza) AppendStart(dst []byte) []byte {
	dst = append(dst, '<')
	dst = append(dst, s.Kind.String()...)
	if s.Type != "" && !(s.Kind == Message && s.Type == Normal) {
		dst = appendAttr(dst, "type", string(s.Type))
	}
	if s.ID != "" {
		dst = appendAttr(dst, "id", s.ID)
	}
	if !s.From.IsZero() {
		dst = appendAttr(dst, "from", s.From.String())
	}
	if !s.To.IsZero() {
		dst = appendAttr(dst, "to", s.To.String())
	}
	if s.Lang != "" {
		dst = appendAttr(dst, "xml:lang", s.Lang)
	}
	return append(dst, '>')
}

// AppendEnd appends the end tag.
func (s Stanza) AppendEnd(dst []byte) []byte {
	dst = append(dst, '<', '/')
	dst = append(dst, s.Kind.String()...)
	return append(dst, '>')
}

func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '\'')
	dst = xmltok.AppendEscaped(dst, value)
	return append(dst, '\'')
}

// Reply returns the result that answers an iq of type get or set, addressed back to its sender.
func (s Stanza) Reply(payload []byte) Stanza {
	return Stanza{Kind: s.Kind, Type: Result, ID: s.ID, From: s.To, To: s.From, Payload: payload}
}

// ErrorReply returns the error that answers s, addressed back to its sender. The caller sees to it that s is no error
// or iq result itself: those are never answered.
func (s Stanza) ErrorReply(e *Error) Stanza {
	return Stanza{Kind: s.Kind, Type: TypeError, ID: s.ID, From: s.To, To: s.From, Payload: AppendError(nil, e)}
}

// Child returns the name of the payload's first element, and whether there is one.
func (s Stanza) Child() (space, local string, ok bool) {
	sc := xmltok.NewBytesScanner(s.Payload, xmltok.Limits{})
	sc.SetDefaultNamespace(Namespace)
	for {
		t, err := sc.Next()
		if err != nil {
			return "", "", false
		}
		if t.Kind == xmltok.Start {
			return t.Name.Space, t.Name.Local, true
		}
	}
}
