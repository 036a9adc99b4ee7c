package xmpp

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// PeerConfig says how a server opens a stream to the server of another domain. Local,
// Remote, Identity and Trust are needed; every other field's zero value is its default.
// DialServer copies it.
type PeerConfig struct {
	Local, Remote string        // the two domains
	Identity      *pki.Identity // certificate and key for TLS; its certificate names Local
	Trust         *pki.Trust    // anchors for the certificate of Remote's server
	// Resolver finds the places of the server. They never decide whose certificate
	// is accepted: that is Remote's.
	Resolver *Resolver
	// Dialer replaces the TCP connection to a place.
	Dialer func(ctx context.Context, t Target) (net.Conn, error)

	NegotiationTimeout time.Duration // to set up the stream at one place; default 10 s
	WriteTimeout       time.Duration // for one write to make its way; default 10 s
	QueueSize          int           // octets that may wait to be sent; default 1 MiB
	Limits             Limits        // of what the peer may send back

	Logger *slog.Logger // nil is silent
	Audit  audit.Sink   // nil discards
	Trace  *Trace       // optional hooks
}

func (c *PeerConfig) settings() settings {
	return settings{c.NegotiationTimeout, c.WriteTimeout, c.QueueSize, c.Limits, never, c.Logger, c.Audit, traceOf(c.Trace), 0}.withDefaults()
}

// never is the keep-alive of a stream whose other end sends nothing over it.
var never = KeepAlive{Idle: -1, Loss: -1}

// DialServer opens a stream to the server of another domain, over which stanzas are
// sent: TCP, stream, mutual TLS, SASL EXTERNAL. It tries the places of that server in
// order, until one takes the stream or one refuses our certificate; ctx bounds it all.
// The Conn's JID is the other domain. Nothing comes over it but white space and its
// end: who has it calls Next until that fails.
//
// An error is a *NegotiationError, of the place where the negotiation came furthest.
//
// RFC 6120, Sections 3 to 6; XEP-0178, Section 3.
func DialServer(ctx context.Context, cfg PeerConfig) (*Conn, error) {
	local, err1 := domainJID(cfg.Local)
	remote, err2 := domainJID(cfg.Remote)
	if err := errors.Join(err1, err2); err != nil || local == remote || cfg.Identity == nil || cfg.Trust == nil {
		return nil, &NegotiationError{Step: StepConnect, Err: errors.New("the PeerConfig lacks two valid domains, an Identity or Trust")}
	}
	targets, err := cfg.Resolver.Targets(ctx, remote.Domain(), ServerService)
	if err != nil {
		return nil, &NegotiationError{Step: StepConnect, Err: err, Hint: fmt.Sprintf("say where the server of %s listens, or mend its DNS", remote)}
	}
	var furthest *NegotiationError
	for _, t := range targets {
		c, err := cfg.dial(ctx, t, local, remote)
		if err == nil {
			return c, nil
		}
		if furthest == nil || slices.Index(steps, err.Step) > slices.Index(steps, furthest.Step) {
			furthest = err
		}
		if err.Step == StepSASL || ctx.Err() != nil {
			break
		}
	}
	settings := cfg.settings()
	settings.trace.Failed(furthest)
	return nil, furthest
}

// steps are those that lead to a stream between servers, in order.
var steps = []NegotiationStep{StepConnect, StepStream, StepStartTLS, StepTLS, StepSASL}

// domainJID parses the address of a server.
func domainJID(domain string) (jid.JID, error) {
	j, err := jid.New("", domain, "")
	if err != nil {
		return jid.JID{}, fmt.Errorf("the domain %.128q: %w", domain, err)
	}
	return j, nil
}

// dial tries one place.
func (cfg *PeerConfig) dial(ctx context.Context, t Target, local, remote jid.JID) (*Conn, *NegotiationError) {
	settings := cfg.settings()
	ctx, cancel := context.WithTimeout(ctx, settings.negotiation)
	defer cancel()
	settings.trace.Connecting(t.String())
	dial := cfg.Resolver.connect
	if cfg.Dialer != nil {
		dial = cfg.Dialer
	}
	nc, err := dial(ctx, t)
	if err != nil {
		return nil, &NegotiationError{Step: StepConnect, Err: err, Hint: fmt.Sprintf("check where the server of %s listens for other servers, and that it is running", remote)}
	}
	c := newConn(settings.trace.counted(nc), settings)
	m := newServerMachine(remote.String(), &domains{local: local.String(), remote: remote})
	c.content, m.initiator, m.direct = m.content(), true, t.Direct
	m.clients = []sasl.Client{sasl.External(local)}
	s := &shell{Conn: c, m: m}
	s.secure = func() (sasl.Channel, error) {
		profile := pki.DomainTLS(cfg.Identity, cfg.Trust, remote.ASCIIDomain())
		if t.Direct {
			profile.NextProtos = []string{alpnServer}
		}
		return s.initiateTLS(profile, cfg.Identity, func(chain []*x509.Certificate) (*pki.Verified, error) {
			return cfg.Trust.VerifyDomain(chain, remote.ASCIIDomain(), time.Now())
		})
	}
	m.newID = rand.Text
	c.trace.Connected(nc.LocalAddr(), nc.RemoteAddr())
	if err := s.negotiate(ctx); err != nil {
		ne, _ := errors.AsType[*NegotiationError](err)
		return nil, ne
	}
	s.opened()
	go c.run()
	return c, nil
}
