package xmpp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// Accept takes a client's connection through TLS, SASL and resource binding. It
// blocks until that is done or has failed, at most for the negotiation timeout
// or until ctx ends, and starts the goroutine that writes.
//
// It owns nc: an error, which is a *NegotiationError, comes after the client was
// told as much as it may know, and the connection was closed.
//
// RFC 6120, Sections 4 to 7; XEP-0178, Section 2.
func Accept(ctx context.Context, nc net.Conn, cfg ServerConfig) (*Conn, error) {
	domain, err := jid.Parse(cfg.Domain)
	if err != nil || domain.Local() != "" || domain.IsFull() || cfg.Identity == nil || cfg.Bind == nil {
		nc.Close()
		return nil, &NegotiationError{Step: StepConnect, Err: errors.New("the ServerConfig lacks a valid Domain, an Identity or Bind")}
	}
	c := newConn(nc, cfg.settings())
	m := newMachine(domain.Domain())
	m.limits, m.patience = c.limits, c.keepAlive.Loss
	m.newID = rand.Text
	m.register, m.tells = cfg.Register, cfg.Features
	m.features = append(m.features, &registration, &announcements)
	s := &shell{Conn: c, m: m}
	s.secure = func() (sasl.Channel, error) {
		ch, err := s.secureServer(&cfg)
		m.servers = cfg.mechanisms(ch)
		return ch, err
	}
	s.bind = func(ctx context.Context, resource string) error {
		id, err := cfg.Bind(ctx, c, resource)
		if err != nil {
			return err
		}
		if !id.IsFull() || id.Bare() != m.id {
			return errors.New("the application binds an address that is not the account's")
		}
		c.setJID(id)
		return nil
	}
	m.manages, c.keeper = true, cfg.Resumption
	c.pace = cfg.Pace
	c.ping = func() {
		ping := pingRequest(c.JID(), rand.Text())
		ping.From = domain
		c.w.pushUrgent(ping.Append(nil)) // what fails here has ended, or ends at the time limit of the write before
	}
	c.trace.Connected(nc.LocalAddr(), nc.RemoteAddr())
	if err := s.negotiate(ctx); err != nil {
		return nil, err
	}
	s.isSetUp()
	go c.run()
	return c, nil
}

// isSetUp tells of a stream that is set up, or taken up.
func (s *shell) isSetUp() {
	how := s.info.Mechanism
	if s.info.ChannelBinding != "" {
		how += " by " + s.info.ChannelBinding
	}
	how += " over " + tls.VersionName(s.info.TLS.Version)
	if s.m.previous != nil && s.managed != nil {
		s.trace.Resumed(s.JID(), s.again)
		s.record(audit.StreamResumed, fmt.Sprintf("%s; stanzas that are sent again: %d", how, s.again), nil)
		return
	}
	s.trace.Bound(s.JID())
	s.record(audit.StreamOpened, how, nil)
}

// mechanisms returns what a client may log in with over ch. EXTERNAL is always
// there where nothing else is.
//
// XEP-0178, Section 2; XEP-0440.
func (cfg *ServerConfig) mechanisms(ch sasl.Channel) []sasl.Server {
	external := []sasl.Server{sasl.ExternalServer(cfg.Allowed)}
	if !cfg.takesPasswords() {
		return external
	}
	byPassword := sasl.SCRAMServers(cfg.Passwords, cfg.Allowed)
	if cfg.Legacy {
		byPassword = append(byPassword, sasl.LegacyServers(cfg.Passwords, cfg.Allowed)...)
	}
	if len(ch.Bindings) == 0 {
		byPassword = slices.DeleteFunc(byPassword, func(s sasl.Server) bool { return strings.HasSuffix(s.Name, "-PLUS") })
	}
	if !ch.Certified {
		return byPassword
	}
	return append(external, byPassword...)
}

func (cfg *ServerConfig) takesPasswords() bool {
	return cfg.Passwords != nil && (cfg.Passwords.Any() || cfg.Register != nil)
}

// secureServer does the server's side of the TLS handshake and judges the
// client's certificate. What it finds wrong is SASL's to say to the client.
//
// RFC 6120, Sections 5.4.3.3 and 13.7.2.2.
func (s *shell) secureServer(cfg *ServerConfig) (sasl.Channel, error) {
	t := tls.Server(s.nc, s.serverTLS(cfg.Identity, alpnClient))
	if err := t.Handshake(); err != nil {
		return sasl.Channel{}, err
	}
	s.secured(t, cfg.Identity)
	ch := sasl.Channel{Domain: s.m.domain, Source: cfg.Source, Bindings: sasl.Bindings(s.info.TLS, cfg.Identity.Chain[0])}
	if ch.Source == "" {
		ch.Source = host(s.nc.RemoteAddr())
	}
	shown := s.info.TLS.PeerCertificates
	if len(shown) == 0 && cfg.takesPasswords() {
		s.established()
		s.trace.Secured(s.info)
		return ch, nil
	}
	peer, err := cfg.Trust.VerifyClientTLS(s.info.TLS, time.Now())
	var refused *pki.VerifyError
	switch {
	case errors.As(err, &refused):
		ch.Distrusted = len(shown) > 0
		s.record(refused.ID, "", err)
	case err != nil:
		return sasl.Channel{}, err
	default:
		s.verified(peer)
		ch.Certified, ch.Addresses = true, peer.XMPPAddrs()
	}
	s.trace.Secured(s.info)
	return ch, nil
}

// serverTLS is the configuration of a receiver. Who begins with TLS and says which
// protocol it wants must want this one: what is meant for another service must not be
// taken for XMPP.
//
// XEP-0368, Section 2; RFC 7301, Section 3.2.
func (s *shell) serverTLS(id *pki.Identity, protocol string) *tls.Config {
	profile := pki.ServerTLS(id)
	if s.m.direct {
		profile.NextProtos = []string{protocol}
	}
	return profile
}

// host is an address without its port.
func host(a net.Addr) string {
	if h, _, err := net.SplitHostPort(a.String()); err == nil {
		return h
	}
	return a.String()
}

// secured turns to the TLS connection. own may be nil.
func (s *shell) secured(t *tls.Conn, own *pki.Identity) {
	s.stream = t
	s.w = newWriter(t, s.settings.write, s.queue)
	s.info.TLS = t.ConnectionState()
	if own != nil {
		s.info.Local = own.Chain[0]
	}
}

// verified notes the peer's certificate, and what there is to warn of.
func (s *shell) verified(peer *pki.Verified) {
	s.info.Peer = peer
	for _, w := range peer.Warnings() {
		s.record(w.ID, "", w)
	}
	s.established()
}

func (s *shell) established() {
	s.record(audit.TLSEstablished, tls.VersionName(s.info.TLS.Version)+" "+tls.CipherSuiteName(s.info.TLS.CipherSuite), nil)
}
