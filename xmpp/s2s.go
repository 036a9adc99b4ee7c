package xmpp

import (
	"errors"
	"fmt"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// domains is what a machine knows besides, of a stream between the servers of two
// domains. The initiator sends stanzas over it, the receiver reads them. Both prove
// with their certificates whom they speak for; there is no other way to.
//
// RFC 6120, Section 4.2 and others; XEP-0178, Section 3.
type domains struct {
	local   string                     // of an initiator: its own domain
	remote  jid.JID                    // of an initiator: the domain whose server it speaks to
	vouch   func(domain jid.JID) error // of a receiver: verifies the peer's certificate for a domain
	claimed string                     // of a receiver: whom the current stream header speaks for
}

// newServerMachine returns the machine of a stream between servers: domain is the
// receiving server's.
func newServerMachine(domain string, d *domains) *machine {
	return &machine{domain: domain, between: d, features: []*feature{&streamLimits, &startTLS, &authentication}}
}

// content returns the namespace of the stream's stanzas.
//
// RFC 6120, Section 4.8.3.
func (m *machine) content() string {
	if m.between != nil {
		return stanza.ServerNamespace
	}
	return stanza.Namespace
}

// headerFromDomain takes the stream header of another domain's server. Once TLS is
// up EXTERNAL is offered if the certificate speaks for the domain that the header
// names, and nothing otherwise: then nothing is left to be said.
//
// RFC 6120, Sections 4.7.1 and 4.7.2; XEP-0178, Section 3.
func (m *machine) headerFromDomain(h header) error {
	refuse := func(se *StreamError, why error) error {
		return &NegotiationError{Err: fmt.Errorf("%w (%w)", se, why), Event: audit.ServerToServerRefused}
	}
	if to, err := jid.Parse(h.to); err != nil || to.String() != m.domain {
		return &StreamError{Condition: HostUnknown}
	}
	if !m.secured && h.from == "" {
		return nil // it has to say so once it counts
	}
	from, err := jid.Parse(h.from)
	switch {
	case err != nil || from.Local() != "" || from.IsFull():
		return refuse(&StreamError{Condition: ImproperAddressing}, fmt.Errorf("the stream is from %q, which is no domain", printable([]string{h.from})))
	case from.Domain() == m.domain:
		return refuse(&StreamError{Condition: InvalidFrom}, errors.New("the stream is from our own domain"))
	case !m.id.IsZero() && from != m.id:
		return refuse(&StreamError{Condition: InvalidFrom}, fmt.Errorf("%s has authenticated, the stream is from %s", m.id, from))
	}
	m.between.claimed = from.String()
	if !m.secured || !m.id.IsZero() {
		return nil
	}
	if err := m.between.vouch(from); err != nil {
		return refuse(&StreamError{Condition: NotAuthorized, Text: "the certificate does not speak for this domain here"}, fmt.Errorf("as %s: %v", from, err))
	}
	m.servers = []sasl.Server{sasl.ExternalDomain(from)}
	return nil
}

// hint says what an operator may do about an error of the other domain's server.
func (d *domains) hint(err error) string {
	var stream *StreamError
	var auth *sasl.Failure
	switch {
	case errors.As(err, &stream) && stream.Remote:
		switch stream.Condition {
		case HostUnknown, HostGone:
			return fmt.Sprintf("that server does not serve %s: check the host and port of its domain", d.remote)
		case SystemShutdown, ResourceConstraint:
			return "that server takes no connections now"
		}
		return fmt.Sprintf("does the server of %s trust the CA of our certificate, and take streams from %s? Its log says why it refuses", d.remote, d.local)
	case errors.As(err, &auth):
		return fmt.Sprintf("the server of %s does not take our certificate for %s: it must name the domain, and its CA must be trusted there", d.remote, d.local)
	}
	return ""
}
