// Package xmpp sets up and runs XMPP streams, as a client, as a server, and
// between the servers of two domains.
//
// Negotiation is one pure machine for all of them, whose stream features are
// values: STARTTLS, SASL, resource binding, stream limits, stream management.
// [Dial] drives it as the initiating entity and yields a [Session]; [Accept]
// drives it as the receiving entity and yields a [Conn], on which a server builds
// its routing; [DialServer] and [AcceptServer] do so between servers.
//
// A Conn dies with its connection. A Session outlives it where the server lets its
// stream be resumed, and dies once; [Redial] makes another.
//
// RFC 6120, RFC 6121, RFC 7590, XEP-0030, XEP-0115, XEP-0178, XEP-0198, XEP-0199,
// XEP-0368, XEP-0478.
package xmpp
