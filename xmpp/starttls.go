package xmpp

import (
	"errors"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
)

// startTLS secures the stream; without it there is none.
//
// RFC 6120, Section 5; RFC 7590, Section 3.
var startTLS = feature{
	name:   xmltok.Name{Space: nsStartTLS, Local: "starttls"},
	during: StepStartTLS,
	wanted: func(m *machine) bool { return !m.secured },

	announce: func(_ *machine, dst []byte) []byte {
		return append(dst, "<starttls xmlns='"+nsStartTLS+"'><required/></starttls>"...)
	},
	starts: func(el *element) bool { return el.is(nsStartTLS, "starttls") },
	serve: func(m *machine, _ *element) (step, error) {
		m.becomeSecuring()
		return step{write: []byte("<proceed xmlns='" + nsStartTLS + "'/>")}, nil
	},

	begin: func(m *machine, offer *element) (step, error) {
		if offer == nil {
			return step{}, &NegotiationError{Step: StepStartTLS, Event: audit.StartTLSMissing,
				Err:  errors.New("the server does not offer TLS"),
				Hint: "somebody between here and the server may have removed the offer; if not, the server must be configured to require TLS"}
		}
		m.becomeNegotiating()
		return step{write: []byte("<starttls xmlns='" + nsStartTLS + "'/>")}, nil
	},
	answer: func(m *machine, el *element) (step, error) {
		switch {
		case el.is(nsStartTLS, "proceed"):
			m.becomeSecuring()
			return step{}, nil
		case el.is(nsStartTLS, "failure"):
			return step{}, &NegotiationError{Step: StepStartTLS, Event: audit.StartTLSMissing,
				Err:  errors.New("the server refuses TLS"),
				Hint: "somebody between here and the server may have answered; if not, look for the reason in the server's log"}
		}
		return step{}, &NegotiationError{Step: StepStartTLS, Event: audit.StartTLSMissing,
			Err:  errors.New("the server answers starttls with something else"),
			Hint: "somebody between here and the server may have answered"}
	},
}
