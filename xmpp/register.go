package xmpp

import (
	"errors"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// registration lets who has no account make one, before it logs in. It is for
// servers that are made for tests.
//
// XEP-0077, Sections 3.1 and 8.
var registration = feature{
	name:   xmltok.Name{Space: nsRegisterFeature, Local: "register"},
	during: StepSASL,
	wanted: func(m *machine) bool { return m.register != nil && m.secured && m.id.IsZero() },
	announce: func(_ *machine, dst []byte) []byte {
		return append(dst, "<register xmlns='"+nsRegisterFeature+"'/>"...)
	},
	starts: func(el *element) bool { return el.is(stanza.Namespace, "iq") && el.child(nsRegister, "query") != nil },
	serve:  serveRegistration,
}

// announcements tells a client of features of the server that need no negotiation.
var announcements = feature{
	wanted:   func(m *machine) bool { return len(m.tells) > 0 && !m.id.IsZero() },
	announce: func(m *machine, dst []byte) []byte { return append(dst, m.tells...) },
	starts:   func(*element) bool { return false },
}

// serveRegistration answers what is to be filled in, and takes what was.
func serveRegistration(m *machine, el *element) (step, error) {
	id, typ := el.attr("id"), stanza.Type(el.attr("type"))
	query := el.child(nsRegister, "query")
	reply := func(payload string) []byte {
		return stanza.Stanza{Kind: stanza.IQ, Type: stanza.Result, ID: id, Payload: []byte(payload)}.Append(nil)
	}
	switch {
	case id == "" || typ != stanza.Get && typ != stanza.Set:
		return m.unexpected(el)
	case typ == stanza.Get:
		m.becomeChoosing()
		return step{write: reply("<query xmlns='" + nsRegister + "'><username/><password/></query>")}, nil
	}
	refusal := m.makeAccount(query)
	if refusal != nil {
		no := stanza.Stanza{Kind: stanza.IQ, Type: stanza.TypeError, ID: id, Payload: stanza.AppendError(nil, refusal)}
		return step{write: no.Append(nil)}, m.refused()
	}
	m.becomeChoosing()
	return step{write: reply(""), event: &event{audit.AccountMade, "registered over the stream: " + query.child(nsRegister, "username").text}}, nil
}

// makeAccount asks the application to make the account that a query describes.
func (m *machine) makeAccount(query *element) *stanza.Error {
	username, password := query.child(nsRegister, "username"), query.child(nsRegister, "password")
	if username == nil || password == nil || username.text == "" || password.text == "" {
		return stanza.NewError(stanza.NotAcceptable, "username and password are needed")
	}
	if m.registered {
		return stanza.NewError(stanza.NotAcceptable, "one account for each connection")
	}
	account, err := jid.New(username.text, m.domain, "")
	if err != nil {
		return stanza.NewError(stanza.NotAcceptable, "this is no valid username")
	}
	if err := m.register(account, password.text); err != nil {
		if refused, ok := errors.AsType[*stanza.Error](err); ok {
			return refused
		}
		return stanza.NewError(stanza.InternalServerError, "")
	}
	m.registered = true
	return nil
}
