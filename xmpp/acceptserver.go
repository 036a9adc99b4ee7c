package xmpp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// PeerServerConfig says how a server accepts streams from the servers of other
// domains. Domain, Identity and Trust are needed; every other field's zero value is
// its default. AcceptServer copies it.
type PeerServerConfig struct {
	Domain   string        // the one domain that is served
	Identity *pki.Identity // certificate and key for TLS; its certificate names Domain
	// Trust returns the anchors for the certificate of another domain's server, nil
	// where nothing is taken from that domain. It runs on the negotiating goroutine.
	Trust func(domain string) *pki.Trust
	// Pace is as in ServerConfig.
	Pace func(octets int)

	NegotiationTimeout time.Duration // to set up the stream; default 10 s
	WriteTimeout       time.Duration // for one write to make its way; default 10 s
	Idle               time.Duration // silence after which the stream is closed; default 10 min; negative: never
	Limits             Limits

	Logger *slog.Logger // nil is silent
	Audit  audit.Sink   // nil discards
	Trace  *Trace       // optional hooks
}

func (c *PeerServerConfig) settings() settings {
	silence := KeepAlive{Idle: c.Idle, Loss: -1}
	setDefault(&silence.Idle, 10*time.Minute)
	return settings{c.NegotiationTimeout, c.WriteTimeout, 0, c.Limits, silence, c.Logger, c.Audit, traceOf(c.Trace), 0}.withDefaults()
}

// AcceptServer takes a connection of another domain's server through mutual TLS and
// SASL EXTERNAL. It blocks until that is done or has failed, at most for the negotiation
// timeout or until ctx ends, and starts the goroutine that writes. The Conn's JID is the
// other domain, which has authenticated; the stanzas that come may claim to be from
// anybody. Nothing is sent over it.
//
// It owns nc: an error, which is a *NegotiationError, comes after the peer was told as
// much as it may know, and the connection was closed.
//
// RFC 6120, Sections 4 to 6; XEP-0178, Section 3.
func AcceptServer(ctx context.Context, nc net.Conn, cfg PeerServerConfig) (*Conn, error) {
	domain, err := domainJID(cfg.Domain)
	if err != nil || cfg.Identity == nil || cfg.Trust == nil {
		nc.Close()
		return nil, &NegotiationError{Step: StepConnect, Err: errors.New("the PeerServerConfig lacks a valid Domain, an Identity or Trust")}
	}
	c := newConn(nc, cfg.settings())
	between := &domains{}
	m := newServerMachine(domain.Domain(), between)
	c.content, m.limits, m.newID = m.content(), c.limits, rand.Text
	s := &shell{Conn: c, m: m}
	s.secure = func() (sasl.Channel, error) {
		t := tls.Server(s.nc, s.serverTLS(cfg.Identity, alpnServer))
		if err := t.Handshake(); err != nil {
			return sasl.Channel{}, err
		}
		s.secured(t, cfg.Identity)
		return sasl.Channel{Domain: s.m.domain}, nil
	}
	between.vouch = func(domain jid.JID) error { return s.vouch(&cfg, domain) }
	c.pace = cfg.Pace
	c.ping = func() { c.End(nil) }
	c.trace.Connected(nc.LocalAddr(), nc.RemoteAddr())
	if err := s.negotiate(ctx); err != nil {
		return nil, err
	}
	s.opened()
	go c.run()
	return c, nil
}

// vouch verifies the certificate that TLS has shown for a domain. Which anchors count
// depends on the domain: the CA of one does not vouch for another.
//
// RFC 6120, Section 13.7.2.2.
func (s *shell) vouch(cfg *PeerServerConfig, domain jid.JID) error {
	trust := cfg.Trust(domain.Domain())
	if trust == nil {
		return fmt.Errorf("no streams are taken from %s", domain)
	}
	peer, err := trust.VerifyDomainClient(s.info.TLS.PeerCertificates, domain.ASCIIDomain(), time.Now())
	if refused, ok := errors.AsType[*pki.VerifyError](err); ok {
		s.record(refused.ID, "", err)
	}
	if err != nil {
		return err
	}
	s.verified(peer)
	s.trace.Secured(s.info)
	return nil
}

// opened records a stream between servers that is set up.
func (s *shell) opened() {
	s.trace.Bound(s.JID())
	way := "from"
	if s.m.initiator {
		way = "to"
	}
	s.record(audit.StreamOpened, fmt.Sprintf("%s the server of %s, %s over %s", way, s.JID(), s.info.Mechanism, tls.VersionName(s.info.TLS.Version)), nil)
}
