package xmpp

import (
	"fmt"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// resourceBinding gives the stream its full JID.
//
// RFC 6120, Section 7.
var resourceBinding = feature{
	name:   xmltok.Name{Space: nsBind, Local: "bind"},
	during: StepBind,
	wanted: func(m *machine) bool { return m.id.IsBare() },

	announce: func(_ *machine, dst []byte) []byte {
		return append(dst, "<bind xmlns='"+nsBind+"'><required/></bind>"...)
	},
	starts: func(el *element) bool {
		return el.is(stanza.Namespace, "iq") && el.child(nsBind, "bind") != nil
	},
	serve:  serveBind,
	begin:  beginBind,
	answer: answerBind,
}

// beginBind asks for a resource.
func beginBind(m *machine, offer *element) (step, error) {
	if offer == nil {
		return step{}, fmt.Errorf("the server does not offer to bind a resource")
	}
	m.becomeNegotiating()
	m.requestID = m.newID()
	payload := []byte("<bind xmlns='" + nsBind + "'>")
	if m.resource != "" {
		payload = append(payload, "<resource>"...)
		payload = xmltok.AppendEscaped(payload, m.resource)
		payload = append(payload, "</resource>"...)
	}
	payload = append(payload, "</bind>"...)
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Set, ID: m.requestID, Payload: payload}
	return step{write: iq.Append(nil)}, nil
}

// answerBind takes the address that the server grants. It must be of the account
// that has authenticated, and have the resource that was asked for.
func answerBind(m *machine, el *element) (step, error) {
	if !el.is(stanza.Namespace, "iq") || el.attr("id") != m.requestID {
		return m.unexpected(el)
	}
	switch stanza.Type(el.attr("type")) {
	case stanza.TypeError:
		return step{}, bindError(el)
	case stanza.Result:
	default:
		return m.unexpected(el)
	}
	granted := ""
	if bind := el.child(nsBind, "bind"); bind != nil {
		if j := bind.child(nsBind, "jid"); j != nil {
			granted = j.text
		}
	}
	full, err := jid.Parse(granted)
	switch {
	case err != nil:
		return step{}, fmt.Errorf("the server binds no address: %w", err)
	case !full.IsFull() || full.Bare() != m.id:
		return step{}, fmt.Errorf("the server binds %s, which is not of %s", full, m.id)
	case m.resource != "" && full.Resource() != m.resource:
		return step{}, fmt.Errorf("the server binds %s instead of the resource %q", full, m.resource)
	}
	m.id = full
	m.becomeReady()
	return step{}, nil
}

// bindError reads a refusal.
func bindError(el *element) error {
	e := &stanza.Error{Type: stanza.Cancel, Condition: stanza.UndefinedCondition}
	if c := el.child(stanza.Namespace, "error"); c != nil {
		e.Type = stanza.ErrorType(c.attr("type"))
		for _, d := range c.children {
			switch {
			case d.name.Local == "text":
				e.Text = d.text
			case d.name.Space == nsStanzas:
				e.Condition = stanza.Condition(d.name.Local)
			}
		}
	}
	return e
}

// serveBind takes a client's request. The application chooses the address, and
// bound or unbound continues.
func serveBind(m *machine, el *element) (step, error) {
	m.requestID = el.attr("id")
	if stanza.Type(el.attr("type")) != stanza.Set || m.requestID == "" {
		return m.unbound(stanza.NewError(stanza.BadRequest, ""))
	}
	resource := ""
	if r := el.child(nsBind, "bind").child(nsBind, "resource"); r != nil {
		resource = r.text
	}
	if resource != "" {
		full, err := m.id.WithResource(resource)
		if err != nil {
			return m.unbound(stanza.NewError(stanza.BadRequest, "no valid resource"))
		}
		resource = full.Resource()
	}
	m.resource = resource
	m.becomeBinding()
	return step{}, nil
}

// bound answers the request with the address that the application has chosen.
func (m *machine) bound(full jid.JID) step {
	payload := []byte("<bind xmlns='" + nsBind + "'><jid>")
	payload = xmltok.AppendEscaped(payload, full.String())
	payload = append(payload, "</jid></bind>"...)
	m.id = full
	m.becomeReady()
	return step{write: stanza.Stanza{Kind: stanza.IQ, Type: stanza.Result, ID: m.requestID, Payload: payload}.Append(nil)}
}

// unbound refuses the request; the client may make another.
func (m *machine) unbound(e *stanza.Error) (step, error) {
	reply := stanza.Stanza{Kind: stanza.IQ, Type: stanza.TypeError, ID: m.requestID, Payload: stanza.AppendError(nil, e)}
	return step{write: reply.Append(nil)}, m.refused()
}
