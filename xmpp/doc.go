// Package xmpp sets up and runs XMPP streams, as a client and as a server.
//
// Negotiation is one pure machine for both ends, whose stream features are
// values: STARTTLS, SASL, resource binding, stream limits. [Dial] drives it as
// the initiating entity and yields a [Session]; [Accept] drives it as the
// receiving entity and yields a [Conn], on which a server builds its routing.
//
// RFC 6120, RFC 6121, RFC 7590, XEP-0178, XEP-0199, XEP-0478.
package xmpp
