package xmpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// Config says how a client connects. JID and Trust are needed, and Identity or
// Password or both; every other field's zero value is its default. Dial copies it.
type Config struct {
	// JID is the account. With a resourcepart it is the full address that the
	// session must have; without one the server chooses the resource.
	JID jid.JID
	// Address is where the server listens, host:port. Default: where Resolver finds
	// servers of JID's domain. It never decides whose certificate is accepted.
	Address string
	// Resolver finds the servers where there is no Address. Default: it asks the DNS.
	Resolver *Resolver
	// Dialer replaces the TCP connection to Address.
	Dialer func(ctx context.Context) (net.Conn, error)

	Identity *pki.Identity // certificate and key for TLS; its certificate names JID
	Trust    *pki.Trust    // anchors for the server's certificate

	// Password, if set, lets the client log in by SCRAM-SHA-256 with the password
	// that it returns, where the server does not offer EXTERNAL or Identity is
	// nil. It is asked when the server has shown that it takes passwords.
	Password func() (string, error)
	// AllowUnbound lets the client log in by password where the server offers no
	// channel binding that it knows. Default: it does not.
	AllowUnbound bool

	// Handler receives, in order, every stanza that is not a reply to SendIQ, a
	// ping or a roster push. It runs on the reading goroutine: it must not block
	// and must not call Close. It answers IQ requests itself; with a nil Handler
	// they are answered with service-unavailable. It may run before Dial returns.
	Handler func(stanza.Stanza)

	// Features are the namespaces of what the application serves. With them the
	// session answers who asks what it does, and says so in its initial presence.
	// Default: it does neither.
	//
	// XEP-0030; XEP-0115.
	Features []string

	// Resume bounds for how long a Session tries to take up its stream over another
	// connection when its own has broken; the server may allow less. Default 30 s;
	// negative: the server is not asked to acknowledge stanzas, nor to keep the stream.
	Resume time.Duration

	// MaxAge is how old a connection may get before the session leaves it and takes up
	// its stream over a new one, where both ends show their certificates again; up to a
	// tenth earlier. Default 12 h; at most 24 h; negative: no bound.
	MaxAge time.Duration

	NegotiationTimeout time.Duration // to set up the stream; default 10 s
	WriteTimeout       time.Duration // for one write to make its way; default 10 s
	QueueSize          int           // octets that may wait to be sent, or to be acknowledged; default 1 MiB
	Limits             Limits
	KeepAlive          KeepAlive

	Logger *slog.Logger // nil is silent
	Audit  audit.Sink   // nil discards
	Trace  *Trace       // optional hooks

	maxTLS uint16 // version, of tests; 0: the newest
}

// ServerConfig says how a server accepts streams. Domain, Identity, Trust and
// Bind are needed; every other field's zero value is its default. Accept copies it
// but for Passwords.
type ServerConfig struct {
	Domain   string        // the one domain that is served
	Identity *pki.Identity // certificate and key for TLS; its certificate names Domain
	Trust    *pki.Trust    // anchors for the clients' certificates

	// Passwords are the accounts that may log in by password, without a client
	// certificate. Nil or without accounts: certificates are needed.
	Passwords *sasl.Passwords
	// Legacy lets clients log in by SCRAM-SHA-1 and PLAIN too. It is for servers that
	// are made for tests of clients which know nothing better.
	Legacy bool
	// Register, if set, lets clients make accounts over TLS before they log in, and puts
	// them among Passwords. A *stanza.Error is the answer to the client. It is for
	// servers that are made for tests.
	Register func(account jid.JID, password string) error
	// Features are elements for the stream features after authentication, as octets:
	// of what the application does that needs no negotiation.
	Features []byte
	// Source is what refused passwords are counted under. Default: the host of
	// the connection's remote address.
	Source string
	// Allowed says whether an account of Domain may log in. Default: every
	// account that a valid certificate names, or that is in Passwords.
	Allowed func(account jid.JID) bool
	// Bind is called once the client has authenticated, as c.JID, and asks for
	// a resource, "" if it leaves the choice to the server. It returns the full
	// JID; what becomes of an older stream of that address is for it to decide.
	// A *stanza.Error is the answer to the client, which may try again; any
	// other error ends the stream. What is pushed to c from now on goes out
	// behind the answer. If Accept fails after Bind has succeeded, c has ended.
	Bind func(ctx context.Context, c *Conn, resource string) (jid.JID, error)
	// Resumption, if set, lets a client take up its stream over another connection,
	// instead of binding a resource.
	Resumption Resumption
	// Pace, if set, is told how many octets have come, from the time when the
	// stream is set up. It runs on the reading goroutine, and holds it up as long
	// as it does not return. That is no silence of the client's.
	Pace func(octets int)

	NegotiationTimeout time.Duration // to set up the stream; default 10 s
	WriteTimeout       time.Duration // for one write to make its way; default 10 s
	QueueSize          int           // octets that may wait to be sent; default 1 MiB
	Limits             Limits
	KeepAlive          KeepAlive

	Logger *slog.Logger // nil is silent
	Audit  audit.Sink   // nil discards
	Trace  *Trace       // optional hooks
}

// Resumption is how a server's application keeps streams whose connections have
// broken. A stream has one Conn after the other. To each may be pushed, whichever is the
// newest: all of it goes to the same queue. Stanzas come from the newest.
//
// XEP-0198, Section 5.
type Resumption interface {
	// Keep is asked, on the reading goroutine, whether the stream of c may be taken
	// up again under id after its connection has broken, and for how long; 0 for not.
	Keep(c *Conn, id string) time.Duration
	// Find returns the newest Conn of the stream with that id, or nil.
	Find(id string) *Conn
	// Claim gives the stream of old, which has ended, to the connection that calls.
	// It returns after the last use of Next on old. If Accept fails after that, the
	// stream waits to be taken up again as before. An error refuses the stream.
	Claim(ctx context.Context, old *Conn) error
	// Resumed says that c has the stream that was claimed, before its client hears so.
	Resumed(c *Conn)
}

// Limits bounds what a peer may send. What exceeds one ends the stream with
// policy-violation; a client passes over the stanza instead, which may be from
// anybody, and answers a request with that error, unless it has more than 16 times
// the octets. A server announces the octets.
//
// RFC 6120, Section 13.12; XEP-0478.
type Limits struct {
	Unauthenticated int // octets of one element before authentication; default 16 KiB
	Authenticated   int // octets of one stanza after it; default 256 KiB
	Depth           int // of elements within the stream; default 64
	Attrs           int // of one element; default 64
}

// KeepAlive says when a silent peer is asked for a sign of life, and when it is
// given up. Silence is the time since the last octet from it.
//
// XEP-0199, Section 4.
type KeepAlive struct {
	Idle time.Duration // silence after which a ping is sent, and again; default 8 s; negative: never
	Loss time.Duration // silence after which the stream ends; default 20 s; negative: never
}

// Info describes a stream that is set up.
type Info struct {
	TLS       tls.ConnectionState
	Local     *x509.Certificate // shown to the peer; nil for none
	Peer      *pki.Verified     // the peer's verified certificate; nil where a client showed none
	Mechanism string            // of SASL
	// ChannelBinding is the type of what ties the exchange of SASL to the TLS
	// connection, "" for nothing but the connection itself, as with EXTERNAL.
	ChannelBinding string
	MaxStanza      int           // octets of a stanza that the peer accepts; 0 if it does not say
	MaxSilence     time.Duration // for which the peer bears to hear nothing; 0 if it does not say
	StreamID       string        // of the last stream header, made by the server
}

// settings is what both configurations have in common, with the defaults in place.
type settings struct {
	negotiation, write time.Duration
	queue              int
	limits             Limits
	keepAlive          KeepAlive
	logger             *slog.Logger
	audit              audit.Sink
	trace              Trace
	resume             time.Duration // of a client
}

func (c *Config) settings() settings {
	return settings{c.NegotiationTimeout, c.WriteTimeout, c.QueueSize, c.Limits, c.KeepAlive, c.Logger, c.Audit, traceOf(c.Trace), c.Resume}.withDefaults()
}

func (c *ServerConfig) settings() settings {
	return settings{c.NegotiationTimeout, c.WriteTimeout, c.QueueSize, c.Limits, c.KeepAlive, c.Logger, c.Audit, traceOf(c.Trace), 0}.withDefaults()
}

func (s settings) withDefaults() settings {
	setDefault(&s.negotiation, 10*time.Second)
	setDefault(&s.write, 10*time.Second)
	setDefault(&s.queue, 1<<20)
	setDefault(&s.resume, 30*time.Second)
	setDefault(&s.limits.Unauthenticated, 16<<10)
	setDefault(&s.limits.Authenticated, 256<<10)
	setDefault(&s.limits.Depth, 64)
	setDefault(&s.limits.Attrs, 64)
	setDefault(&s.keepAlive.Idle, 8*time.Second)
	setDefault(&s.keepAlive.Loss, 20*time.Second)
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.audit == nil {
		s.audit = audit.Discard
	}
	return s
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// scanner returns the limits of a scanner whose elements have at most size octets.
func (l Limits) scanner(size int) xmltok.Limits {
	return xmltok.Limits{Depth: l.Depth, Attrs: l.Attrs, MaxToken: int64(min(size, 64<<10)), MaxDocument: int64(size)}
}
