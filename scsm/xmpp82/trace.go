package xmpp82

import (
	"bytes"

	"busbar.example/mms"
	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Trace holds optional hooks that are told what the associations of an Endpoint carry. They run on whichever
// goroutine does the step, for one association one after the other: they must not block, nor call back into
// the Endpoint. They are shown plaintext, to which this end is entitled, and no keys.
type Trace struct {
	Carried     func(c Carried)
	Established func(e Established)
	Ended       func(peer jid.JID, id string, cause error) // cause is io.EOF after an orderly release
}

// Carried is a PDU or SecPDU of an association in its stanza. One that is sent is told of before it is
// queued, one that is received once it has been read, or refused.
type Carried struct {
	Sent    bool
	Stanza  stanza.Stanza // with its id; of one that is received, the payload is left out
	ID      string        // of the association, as it stands in the stanza
	Element string        // that the association element holds, for example EncrTransfer
	Octets  int           // of that element
	PDU     mms.PDU       // nil where the element holds none, or none that is readable
	XER     []byte        // PDU before protection, or after it was taken off
	Err     error         // why what was received is refused
}

// Established is an association that both ends have agreed on.
type Established struct {
	ID        string       // client's half, colon, server's half
	Peer      rbac.Subject // with the roles that count here
	Protected bool         // end to end
	E2E       e2e.Info     // where it is
}

// traces reports whether anybody wants to know what is carried.
func (e *Endpoint) traces() bool { return e.cfg.Trace != nil && e.cfg.Trace.Carried != nil }

// traceSent tells of a stanza that is about to be queued, and of the PDU in it, which may be nil.
func (e *Endpoint) traceSent(st stanza.Stanza, id string, pdu mms.PDU, content []byte) {
	if !e.traces() {
		return
	}
	st.Payload = bytes.Clone(st.Payload) // its memory is used again
	c := Carried{Sent: true, Stanza: st, ID: id, Element: elementName(content), Octets: len(content), PDU: pdu}
	if pdu != nil {
		c.XER, _ = mms.AppendXER(nil, pdu) // it had an encoding before
	}
	e.cfg.Trace.Carried(c)
}

// elementName is the name of the element that our own octets begin with.
func elementName(content []byte) string {
	end := bytes.IndexAny(content, " />")
	if end < 1 {
		return ""
	}
	return string(content[1:end])
}

// traceReceived tells of a stanza that has been read, or refused, which err says.
func (e *Endpoint) traceReceived(in inbound, pdu mms.PDU, xer []byte, err error) {
	if !e.traces() {
		return
	}
	in.stanza.Payload = nil
	e.cfg.Trace.Carried(Carried{Stanza: in.stanza, ID: in.env.id, Element: in.env.name, Octets: len(in.env.content), PDU: pdu, XER: xer, Err: err})
}

func (a *Association) traceEstablished(s security) {
	t := a.endpoint.cfg.Trace
	if t == nil || t.Established == nil {
		return
	}
	e := Established{ID: a.id, Peer: s.Peer()}
	if channel, ok := s.(*e2e.Channel); ok {
		e.Protected, e.E2E = true, channel.Info()
	}
	t.Established(e)
}

func (a *Association) traceEnded(cause error) {
	if t := a.endpoint.cfg.Trace; t != nil && t.Ended != nil {
		t.Ended(a.peer, a.wholeID(), cause)
	}
}
