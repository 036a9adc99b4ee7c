package xmpp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// Dial connects to a server of cfg.JID's domain: TCP, stream, TLS, SASL, resource
// binding, roster. The session is then ready for initial presence.
// ctx bounds the connection's set-up only.
//
// The servers are tried in the order in which cfg names them, each for the
// NegotiationTimeout at most. One that cannot be reached, or does not prove to be
// of the domain, leads to the next; one that does not let the account in does not.
// What a server refers to with see-other-host is tried next, where TLS proves that
// it was the server: it must itself prove to be of the domain.
//
// An error is a *NegotiationError with a hint for the user where there is one, or
// where several servers were tried, a *DialError.
//
// RFC 6120, Sections 3 to 7 and 4.9.3.19; RFC 6121, Section 2.2; XEP-0178, Section 2.
func Dial(ctx context.Context, cfg Config) (*Session, error) {
	var session *Session
	err := cfg.reach(ctx, nil, func(ctx context.Context, c *Conn) error {
		session = newSession(c, cfg)
		go c.run()
		go session.read()
		err := session.getRoster(ctx)
		if err != nil {
			session.Close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return session, nil
}

// reach makes a Conn, of a stream of its own or of that which previous had, with one of
// the servers, and lets use begin to use it.
func (cfg *Config) reach(ctx context.Context, previous *Conn, use func(context.Context, *Conn) error) error {
	settings := cfg.settings()
	clients, unable := cfg.mechanisms()
	if unable != nil {
		return settings.failed(unable)
	}
	targets, err := cfg.targets(ctx)
	if err != nil {
		return settings.failed(&NegotiationError{Step: StepConnect, Err: err, Hint: "look at the domain's SRV records, or say where its server is"})
	}
	failed := new(DialError)
	for w := (walk{left: targets}); ; {
		target, ok := w.next()
		if !ok {
			return failed.whole()
		}
		d := dialer{cfg, target, len(w.left) > 0, settings, clients, previous}
		err := d.dial(ctx, use)
		if err == nil {
			return nil
		}
		err.Target = target
		failed.Tried = append(failed.Tried, err)
		if ctx.Err() != nil || !w.failed(err) {
			return failed.whole()
		}
	}
}

// targets are where to try, in order.
func (cfg *Config) targets(ctx context.Context) ([]Target, error) {
	switch {
	case cfg.Address != "":
		return []Target{{Address: cfg.Address, Static: true}}, nil
	case cfg.Dialer != nil:
		return []Target{{Address: net.JoinHostPort(cfg.JID.Domain(), ClientService.port())}}, nil
	}
	return cfg.Resolver.Targets(ctx, cfg.JID.Domain(), ClientService)
}

// A dialer tries one server.
type dialer struct {
	*Config
	target   Target
	others   bool // there are more to try: then who does not answer is given less time
	settings settings
	clients  []sasl.Client
	previous *Conn // of the stream to take up; nil for none
}

func (d *dialer) dial(ctx context.Context, use func(context.Context, *Conn) error) *NegotiationError {
	ctx, cancel := context.WithTimeout(ctx, d.settings.negotiation)
	defer cancel()
	nc, err := d.connect(ctx, d.target, &d.settings, d.others)
	if err != nil {
		return d.settings.failed(&NegotiationError{Step: StepConnect, Err: err, Hint: "check the server's host and port, and that it is running"})
	}
	c := newConn(nc, d.settings)
	c.initiator = true
	m := newMachine(d.JID.Domain())
	m.initiator, m.direct = true, d.target.Direct
	m.account, m.resource = d.JID.Bare(), d.JID.Resource()
	m.clients = d.clients
	m.newID = rand.Text
	if d.previous != nil {
		m.previous = d.previous.resumption()
	}
	s := &shell{Conn: c, m: m}
	s.secure = func() (sasl.Channel, error) { return s.secureClient(d.Config) }
	c.trace.Connected(nc.LocalAddr(), nc.RemoteAddr())
	if err := s.negotiate(ctx); err != nil {
		ne, _ := errors.AsType[*NegotiationError](err)
		return c.failed(ne)
	}
	if err := d.begin(ctx, s); err != nil {
		return c.failed(&NegotiationError{Step: StepResume, Err: err, proven: true})
	}
	if err := use(ctx, c); err != nil {
		return c.failed(&NegotiationError{Step: StepRoster, Err: err, proven: true})
	}
	return nil
}

// begin turns to the stream that was taken up, or asks for stream management of a new one.
func (d *dialer) begin(ctx context.Context, s *shell) error {
	if d.previous == nil {
		s.trace.Bound(s.JID())
		if s.m.managed && d.Resume >= 0 {
			s.offer(d.settings.resume)
		}
		return nil
	}
	err := s.takeUp(ctx, d.previous, s.m.peerHandled, func(uint32) []byte { return nil })
	if err != nil {
		s.abandon(nil, err, false)
		return err
	}
	s.trace.Resumed(s.JID(), s.again)
	s.record(audit.StreamResumed, fmt.Sprintf("stanzas that are sent again: %d", s.again), nil)
	return nil
}

// failed tells the trace of err, which it returns.
func (s *settings) failed(err *NegotiationError) *NegotiationError {
	s.trace.Failed(err)
	return err
}

// mechanisms returns what the account can log in with.
func (cfg *Config) mechanisms() ([]sasl.Client, *NegotiationError) {
	account := cfg.JID.Bare()
	if cfg.JID.Local() == "" || cfg.Identity == nil && cfg.Password == nil {
		return nil, &NegotiationError{Step: StepConnect, Err: errors.New("the Config lacks an account's JID, or both an Identity and a Password")}
	}
	var scram []sasl.Client
	if cfg.Password != nil {
		scram = sasl.SCRAM{Username: cfg.JID.Local(), Password: cfg.Password, AllowUnbound: cfg.AllowUnbound}.Clients()
	}
	if cfg.Identity == nil {
		return scram, nil
	}
	names := cfg.Identity.XMPPAddrs()
	if !slices.ContainsFunc(names, func(s string) bool { j, err := jid.Parse(s); return err == nil && j == account }) {
		return nil, &NegotiationError{Step: StepSASL,
			Err:  fmt.Errorf("the certificate is not for %s: it names %s", account, printable(names)),
			Hint: "take the TLS certificate that was issued for this account"}
	}
	if len(names) == 1 {
		account = jid.JID{} // the certificate says it
	}
	return append([]sasl.Client{sasl.External(account)}, scram...), nil
}

// connect opens the TCP connection to t.
func (cfg *Config) connect(ctx context.Context, t Target, settings *settings, others bool) (nc net.Conn, err error) {
	if others {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, settings.negotiation/2)
		defer cancel()
	}
	settings.trace.Connecting(t.Address)
	if cfg.Dialer != nil {
		nc, err = cfg.Dialer(ctx)
	} else {
		nc, err = cfg.Resolver.connect(ctx, t)
	}
	if err != nil {
		return nil, err
	}
	return settings.trace.counted(nc), nil
}

// secureClient does the client's side of the TLS handshake.
//
// RFC 6120, Section 13.7.2.1; RFC 9525.
func (s *shell) secureClient(cfg *Config) (sasl.Channel, error) {
	domain := s.m.account.ASCIIDomain()
	profile := pki.ClientTLS(cfg.Identity, cfg.Trust, domain)
	profile.MaxVersion = cfg.maxTLS
	if s.m.direct {
		profile.NextProtos = []string{alpnClient}
	}
	return s.initiateTLS(profile, cfg.Identity, func(chain []*x509.Certificate) (*pki.Verified, error) {
		return cfg.Trust.VerifyServer(chain, domain, time.Now())
	})
}

// initiateTLS does the initiator's side of a handshake that verifies the receiver as
// verify does. own may be nil.
func (s *shell) initiateTLS(profile *tls.Config, own *pki.Identity, verify func([]*x509.Certificate) (*pki.Verified, error)) (sasl.Channel, error) {
	t := tls.Client(s.nc, profile)
	if err := t.Handshake(); err != nil {
		s.trace.Insecure(t.ConnectionState(), err)
		return sasl.Channel{}, err
	}
	s.secured(t, own)
	// The handshake has verified the receiver; only this yields the proof.
	peer, err := verify(s.info.TLS.PeerCertificates)
	if err != nil {
		s.trace.Insecure(s.info.TLS, err)
		return sasl.Channel{}, err
	}
	s.verified(peer)
	s.trace.Secured(s.info)
	return sasl.Channel{Bindings: sasl.Bindings(s.info.TLS, peer.Leaf())}, nil
}

// hintForAlert says what a user may do about the server's TLS alert.
func hintForAlert(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "expired"):
		return "the server takes our certificate for expired: renew it, or check the clocks"
	case strings.Contains(text, "certificate"):
		return "the server refuses our certificate: it must be issued by a CA that the server trusts for clients"
	case strings.Contains(text, "protocol version"), strings.Contains(text, "handshake failure"):
		return "the server and we have no TLS version or cipher suite in common: TLS 1.2 or 1.3 with AES-GCM is needed"
	}
	return "the server broke off the TLS handshake: look for the reason in its log"
}

// hint says what a user may do about an error of the server.
func (s *shell) hint(err error) string {
	var stream *StreamError
	var auth *sasl.Failure
	var refused *stanza.Error
	var syntax *xmltok.SyntaxError
	switch {
	case s.m.between != nil:
		return s.m.between.hint(err)
	case errors.As(err, &syntax) && s.m.during() == StepStream && !s.m.secured:
		return "something else than an XMPP server answers: check host and port"
	case errors.As(err, &stream) && stream.Remote:
		return hintForCondition(stream.Condition, s.m.domain)
	case errors.As(err, &auth) && sasl.ByPassword(s.m.mechanism):
		if auth.Condition == sasl.TemporaryAuthFailure {
			return "the server takes no passwords from here for now: wait a minute, and look into its audit log"
		}
		if s.m.login.Binding != "" && s.m.bindings == nil {
			return fmt.Sprintf("is the password right? If so the server, which does not say what bindings it knows, may know no %s, as ejabberd 23.01: "+
				"log in with a certificate, or set allow_unbound", s.m.login.Binding)
		}
		return fmt.Sprintf("has the server a password for %s, and is it this one? The server's audit log says why it refuses", s.m.account)
	case errors.As(err, &auth):
		switch auth.Condition {
		case sasl.InvalidAuthzid, sasl.InvalidMechanism:
			return "the server does not accept this certificate for this account: it must name exactly the account's JID"
		case sasl.AccountDisabled, sasl.CredentialsExpired, sasl.TemporaryAuthFailure:
			return "ask the server's operator about the account"
		}
		return fmt.Sprintf("is the account %s known to the server, and the certificate valid, unrevoked and of a CA that the server trusts?", s.m.account)
	case errors.As(err, &refused):
		if refused.Condition == stanza.Conflict {
			return "another session has this resource: end it, or choose another resource"
		}
	case errors.Is(err, context.DeadlineExceeded):
		return "the server does not answer: is it an XMPP server for clients that listens there?"
	}
	return ""
}

func hintForCondition(c StreamCondition, domain string) string {
	switch c {
	case HostUnknown, HostGone:
		return fmt.Sprintf("the server does not serve %s: check the JID, and host and port", domain)
	case NotAuthorized, InvalidFrom:
		return "the server does not accept this account: check the JID and its certificate"
	case SystemShutdown, ResourceConstraint:
		return "the server takes no connections now: try again later"
	}
	return ""
}
