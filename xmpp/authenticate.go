package xmpp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp/sasl"
)

// authentication is SASL. The initiator picks the first of its own mechanisms
// that is offered, tries that one, and never another after a refusal.
//
// RFC 6120, Section 6.
var authentication = feature{
	name:   xmltok.Name{Space: nsSASL, Local: "mechanisms"},
	during: StepSASL,
	wanted: func(m *machine) bool { return m.secured && m.id.IsZero() },

	announce: func(m *machine, dst []byte) []byte {
		dst = append(dst, "<mechanisms xmlns='"+nsSASL+"'>"...)
		for _, s := range m.servers {
			dst = append(dst, "<mechanism>"+s.Name+"</mechanism>"...)
		}
		return append(dst, "</mechanisms>"...)
	},
	starts: func(el *element) bool { return el.is(nsSASL, "auth") },
	serve:  serveSASL,
	begin:  beginSASL,
	answer: answerSASL,
}

// channelBinding tells the initiating entity what the exchange can be bound by.
// There is nothing to negotiate.
//
// XEP-0440.
var channelBinding = feature{
	name: xmltok.Name{Space: nsBinding, Local: "sasl-channel-binding"},
	wanted: func(m *machine) bool {
		return authentication.wanted(m) && (m.initiator || m.announced().Bindings != nil)
	},
	announce: func(m *machine, dst []byte) []byte {
		dst = append(dst, "<sasl-channel-binding xmlns='"+nsBinding+"'>"...)
		for _, name := range m.announced().Bindings {
			dst = append(dst, "<channel-binding type='"+name+"'/>"...)
		}
		return append(dst, "</sasl-channel-binding>"...)
	},
	starts: func(*element) bool { return false },
	begin: func(m *machine, offer *element) (step, error) {
		if offer == nil {
			return step{}, nil
		}
		m.bindings = []string{}
		for _, c := range offer.children {
			if c.is(nsBinding, "channel-binding") {
				m.bindings = append(m.bindings, c.attr("type"))
			}
		}
		return step{}, nil
	},
}

// announced is what a receiving entity offers.
func (m *machine) announced() sasl.Offer {
	o := sasl.Offer{Channel: m.channel}
	for _, s := range m.servers {
		o.Mechanisms = append(o.Mechanisms, s.Name)
	}
	if slices.Contains(o.Mechanisms, sasl.NameSCRAMPlus) {
		for _, b := range m.channel.Bindings {
			o.Bindings = append(o.Bindings, b.Type)
		}
	}
	return o
}

// beginSASL starts an exchange with the best mechanism that is offered.
func beginSASL(m *machine, offer *element) (step, error) {
	o := sasl.Offer{Channel: m.channel, Bindings: m.bindings}
	if offer != nil {
		for _, c := range offer.children {
			if c.is(nsSASL, "mechanism") {
				o.Mechanisms = append(o.Mechanisms, c.text)
			}
		}
	}
	found := false
	for _, c := range m.clients {
		if !slices.Contains(o.Mechanisms, c.Name) {
			continue
		}
		found = true
		binding, usable := "", true
		if c.Usable != nil {
			binding, usable = c.Usable(o)
		}
		if !usable {
			continue
		}
		m.becomeNegotiating()
		m.mechanism, m.login, m.clientStep, m.satisfied = c.Name, sasl.Login{Binding: binding}, c.Start(o), false
		out, done, err := m.clientStep(nil)
		if err != nil {
			return step{}, err
		}
		m.satisfied = done
		return step{write: appendSASL(nil, "auth", " mechanism='"+c.Name+"'", encodeInitial(out))}, nil
	}
	if found {
		return step{}, &NegotiationError{Step: StepSASL, Event: audit.ChannelBinding,
			Err: fmt.Errorf("no channel binding in common with the server, which offers the mechanisms %s and the bindings %s", printable(o.Mechanisms), printable(o.Bindings)),
			Hint: "somebody between here and the server may have removed the offer; if the server is known to have neither tls-exporter nor tls-server-end-point, " +
				"as Prosody 0.12 and ejabberd 23.01, log in with a certificate, or set allow_unbound"}
	}
	hint := "the server must offer EXTERNAL: check that it asks for client certificates"
	if len(m.clients) > 0 && sasl.ByPassword(m.clients[0].Name) {
		hint = "the server must offer SCRAM-SHA-256-PLUS: check that it serves this account by password, or log in with a certificate"
	}
	return step{}, &NegotiationError{Step: StepSASL, Event: audit.SASLDowngrade,
		Err:  fmt.Errorf("no acceptable mechanism among those that the server offers (%s)", printable(o.Mechanisms)),
		Hint: hint}
}

// answerSASL takes what the server says to an exchange of the initiator.
func answerSASL(m *machine, el *element) (step, error) {
	switch {
	case el.is(nsSASL, "failure"):
		return step{}, parseFailure(el)
	case el.is(nsSASL, "challenge"):
		in, err := decodeSASL(el.text)
		if err != nil {
			return step{}, err
		}
		out, done, err := m.clientStep(in)
		if err != nil {
			return step{write: appendSASL(nil, "abort", "", "")}, err
		}
		m.satisfied = done
		return step{write: appendSASL(nil, "response", "", base64.StdEncoding.EncodeToString(out))}, nil
	case el.is(nsSASL, "success"):
		if el.text != "" {
			in, err := decodeSASL(el.text)
			if err != nil {
				return step{}, err
			}
			if _, m.satisfied, err = m.clientStep(in); err != nil {
				return step{}, err
			}
		}
		if !m.satisfied {
			return step{}, &sasl.Failure{Condition: sasl.NotAuthorized, Detail: "the server declares success before it has proved itself", Downgrade: true}
		}
		p := m.proven
		p.id = m.account
		if m.between != nil {
			p.id = m.between.remote
		}
		return m.becomeOpening(p), nil
	}
	return m.unexpected(el)
}

// serveSASL takes an element of an exchange that a client has started.
func serveSASL(m *machine, el *element) (step, error) {
	var in []byte
	switch {
	case m.serverStep == nil && el.is(nsSASL, "auth"):
		m.mechanism = el.attr("mechanism")
		for _, s := range m.servers {
			if s.Name == m.mechanism {
				m.serverStep = s.Start(m.announced())
			}
		}
		if m.serverStep == nil {
			return m.refuseSASL(&sasl.Failure{Condition: sasl.InvalidMechanism, Detail: "asked for " + printable([]string{m.mechanism})})
		}
		if el.text == "" { // no initial response, which is not an empty one
			return m.stepSASL(nil)
		}
	case m.serverStep != nil && el.is(nsSASL, "response"):
	case m.serverStep != nil && el.is(nsSASL, "abort"):
		return m.refuseSASL(&sasl.Failure{Condition: sasl.Aborted, Detail: "aborted by the client"})
	default:
		return m.unexpected(el)
	}
	in, err := decodeSASL(el.text)
	if err != nil {
		return m.refuseSASL(&sasl.Failure{Condition: sasl.IncorrectEncoding, Detail: err.Error()})
	}
	return m.stepSASL(in)
}

// stepSASL advances the exchange of a client by one message.
func (m *machine) stepSASL(in []byte) (step, error) {
	out, who, err := m.serverStep(in)
	if err != nil {
		return m.refuseSASL(err)
	}
	if who.Account.IsZero() {
		return step{write: appendSASL(nil, "challenge", "", base64.StdEncoding.EncodeToString(out))}, nil
	}
	text := ""
	if out != nil {
		text = encodeInitial(out)
	}
	p := m.proven
	p.id, p.login = who.Account, who
	m.serverStep = nil
	m.becomeOpening(p)
	return step{write: appendSASL(nil, "success", "", text)}, nil
}

// refuseSASL tells the client no. It hears the condition and nothing else.
func (m *machine) refuseSASL(err error) (step, error) {
	condition := sasl.TemporaryAuthFailure
	var f *sasl.Failure
	if errors.As(err, &f) {
		condition = f.Condition
	}
	e := &event{audit.ClientCertificate, err.Error()}
	switch {
	case condition == sasl.InvalidMechanism:
		e.id = audit.SASLDowngrade
	case condition == sasl.Aborted:
		e = nil
	case f != nil && f.Downgrade:
		e.id = audit.ChannelBinding
	case sasl.ByPassword(m.mechanism):
		e.id = audit.PasswordRefused
	case m.between != nil:
		e.id = audit.ServerToServerRefused
	}
	m.serverStep = nil
	return step{write: appendFailure(nil, condition), event: e}, m.refused()
}

// appendSASL appends an element of an exchange, with raw attributes and base64.
func appendSASL(dst []byte, name, attrs, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, " xmlns='"+nsSASL+"'"...)
	dst = append(dst, attrs...)
	if text == "" {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = append(dst, text...)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

func appendFailure(dst []byte, c sasl.Condition) []byte {
	dst = append(dst, "<failure xmlns='"+nsSASL+"'><"...)
	dst = append(dst, c...)
	return append(dst, "/></failure>"...)
}

// parseFailure reads the server's refusal.
func parseFailure(el *element) error {
	f := &sasl.Failure{Condition: sasl.NotAuthorized, Remote: true}
	for _, c := range el.children {
		if c.name.Local == "text" {
			f.Detail = c.text
		} else {
			f.Condition = sasl.Condition(c.name.Local)
		}
	}
	return f
}

// encodeInitial encodes a message that may be empty without being absent.
//
// RFC 6120, Section 6.4.2.
func encodeInitial(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// decodeSASL decodes a message. The result is not nil.
//
// RFC 6120, Section 6.4.2; RFC 4648, Section 3.
func decodeSASL(text string) ([]byte, error) {
	if text == "=" || text == "" {
		return []byte{}, nil
	}
	if strings.ContainsAny(text, "\r\n") { // the decoder would pass over them
		return nil, errors.New("line breaks in base64")
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// printable lists names that a peer has sent, for an error message.
func printable(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	s := strings.Join(names, ", ")
	if len(s) > 128 {
		s = s[:128] + "…"
	}
	return fmt.Sprintf("%q", s)
}
