package xmpp82

import (
	"bytes"
	"errors"
	"strconv"

	"busbar.example/internal/xmltok"
	"busbar.example/mms"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/xmpp/stanza"
)

// The namespaces around a PDU. IEC 61850-8-2.
const (
	envNamespace = "http://www.iec.ch/62351/2018/ENV_4"
	clientNS     = "jabber:client"
	hintsNS      = "urn:xmpp:hints"
)

const associationElement, idAttribute = "association", "assoID"

// How an envelope is spelled here, but for the id and the PDU.
const (
	envelopeStart = "<" + associationElement + " xmlns='" + envNamespace + "' " + idAttribute + "='"
	envelopeEnd   = "</" + associationElement + ">"
	envelopeHints = "<no-store xmlns='" + hintsNS + "'/><no-copy xmlns='" + hintsNS + "'/>"
)

// envelope is what a stanza carries for an association.
type envelope struct {
	id        string // as it stands in the element: "17" or "17:934"
	content   []byte // a SecPDU, or a PDU that is not protected; it stands alone
	name      string // of its first element
	protected bool   // that element is of IEC 62351-4
}

// errNoAssociation says that a stanza is none of ours.
var errNoAssociation = errors.New("the stanza holds no association element")

// envelopeError is a fault in an association element, with the event it is recorded as.
type envelopeError struct {
	event audit.ID
	text  string
}

func (e *envelopeError) Error() string { return e.text }

// opener takes envelopes out of stanzas. Its scanners keep their names from one stanza to the next; it
// is for one goroutine, the session's reader.
type opener struct {
	outer, inner *xmltok.Scanner
	id           string // of the last envelope
}

func newOpener() *opener {
	return &opener{outer: xmltok.NewBytesScanner(nil, xmltok.Limits{}), inner: xmltok.NewBytesScanner(nil, xmltok.Limits{})}
}

// open finds the one association element among the children of a stanza and takes out of it the one
// SecPDU or PDU, which may share the payload's memory. It stands alone: declarations that a server moved
// further out are written in.
func (o *opener) open(st stanza.Stanza) (envelope, error) {
	if id, content, ok := plainEnvelope(st.Payload); ok {
		if o.id != string(id) {
			o.id = string(id)
		}
		env := envelope{id: o.id, content: content}
		return env, o.look(&env)
	}
	return o.search(st.Payload)
}

// search opens an envelope of any spelling.
func (o *opener) search(payload []byte) (envelope, error) {
	s := o.outer
	s.ResetBytes(payload)
	s.SetDefaultNamespace(clientNS)
	env, found := envelope{}, false
	for {
		tok, err := s.Next()
		switch {
		case err != nil && found: // the session has checked the syntax: this is the end
			return env, o.look(&env)
		case err != nil:
			return envelope{}, errNoAssociation
		case tok.Kind != xmltok.Start:
			continue
		}
		ours := tok.Name.Local == associationElement && tok.Name.Space == envNamespace
		id, _ := tok.Attr("", idAttribute)
		if ours && found {
			return envelope{}, &envelopeError{audit.E2EStanzaType, "the stanza holds several association elements"}
		}
		if ours {
			env.id, found = string(id), true
		}
		content, err := s.Inner()
		if err == nil && ours {
			env.content, err = content.AppendSelfContained(nil, "")
		}
		if err != nil {
			return envelope{}, &envelopeError{audit.E2EStanzaType, err.Error()}
		}
	}
}

// plainEnvelope opens an envelope that is spelled as appendEnvelope does, as most are, without a look at what it
// holds. The session has checked the syntax: where an association element begins the payload and the one end tag of
// that name ends it, but for the hints, it is the only child, and has no declarations but its own.
func plainEnvelope(payload []byte) (id, content []byte, ok bool) {
	rest, ok := bytes.CutPrefix(payload, []byte(envelopeStart))
	if !ok {
		return nil, nil, false
	}
	rest = bytes.TrimSuffix(rest, []byte(envelopeHints))
	rest, ok = bytes.CutSuffix(rest, []byte(envelopeEnd))
	if !ok {
		return nil, nil, false
	}
	id, content, ok = bytes.Cut(rest, []byte("'>"))
	return id, content, ok && validID(string(id)) && bytes.HasPrefix(content, []byte("<")) && withinEnvelope(content)
}

// withinEnvelope reports whether no markup in content ends an envelope, or begins what is not an element.
func withinEnvelope(content []byte) bool {
	for {
		at := bytes.IndexByte(content, '<')
		if at < 0 {
			return true
		}
		content = content[at+1:]
		if bytes.HasPrefix(content, []byte("!")) || bytes.HasPrefix(content, []byte(envelopeEnd[1:len(envelopeEnd)-1])) {
			return false
		}
	}
}

// look checks the id, and that a SecPDU or a PDU begins the content of an association element, and notes its
// name. What follows it is for those to judge who read it.
func (o *opener) look(env *envelope) error {
	if !validID(env.id) {
		return &envelopeError{audit.E2EStanzaType, "the association id " + quoteShort(env.id) + " is not of the form 17 or 17:934"}
	}
	for _, name := range [...]string{"EncrTransfer", "ClearTransfer"} { // most are one of these, in our own spelling
		if begins(env.content, name) {
			env.name, env.protected = name, true
			return nil
		}
	}
	o.inner.ResetBytes(env.content)
	for {
		tok, err := o.inner.Next()
		switch {
		case err != nil:
			return &envelopeError{audit.E2ENamespace, "the association element is empty"}
		case tok.Kind == xmltok.Text && len(bytes.TrimSpace(tok.Data)) == 0:
			continue
		case tok.Kind != xmltok.Start:
			return &envelopeError{audit.E2EStanzaType, "the association element holds text"}
		case tok.Name.Space != e2e.Namespace && tok.Name.Space != mms.Namespace:
			return &envelopeError{audit.E2ENamespace, "the association element holds something of namespace " + quoteShort(tok.Name.Space)}
		}
		env.name, env.protected = tok.Name.Local, tok.Name.Space == e2e.Namespace
		return nil
	}
}

// begins reports whether octets begin with the start tag of that SecPDU as we spell it.
func begins(octets []byte, name string) bool {
	const space = " xmlns='" + e2e.Namespace + "'>"
	n := 1 + len(name)
	return len(octets) > n+len(space) && octets[0] == '<' && string(octets[1:n]) == name && string(octets[n:n+len(space)]) == space
}

// appendEnvelope wraps a SecPDU, or a PDU that is not protected. A message asks not to be stored or copied on the way: a
// command or a value that arrives late is worse than one that does not arrive (XEP-0334).
func appendEnvelope(dst []byte, kind stanza.Kind, id string, content []byte) []byte {
	dst = append(dst, envelopeStart...)
	dst = append(dst, id...)
	dst = append(dst, "'>"...)
	dst = append(dst, content...)
	dst = append(dst, envelopeEnd...)
	if kind == stanza.Message {
		dst = append(dst, envelopeHints...)
	}
	return dst
}

// quoteShort is for a report about what a peer has chosen.
func quoteShort(s string) string {
	if len(s) > 60 {
		return strconv.Quote(s[:60]) + "…"
	}
	return strconv.Quote(s)
}
