package testbed

import (
	"context"
	"net"
	"time"

	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/e2e"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
)

// Config is how an account with the given roles goes on line over XMPP. Each call makes new certificates.
func (b *Bed) Config(name string, roles ...rbac.Role) xmpp82.Config {
	b.t.Helper()
	return b.ConfigIn(b.mode, name, roles...)
}

// ConfigIn is Config in another mode than the Bed's.
func (b *Bed) ConfigIn(m Mode, name string, roles ...rbac.Role) xmpp82.Config {
	b.t.Helper()
	if b.listener == nil {
		b.t.Fatal("over TCP there is no broker: a test about XMPP takes EachMode82, others use Bed.Party")
	}
	j := JID(name)
	tls, err := b.e2m.IssueClientTLS(j.Bare().String())
	must(b.t, err)
	grants := b.grant(j.Bare(), roles)
	end, err := b.end.IssueE2E(j.Bare().String(), grants)
	must(b.t, err)
	cfg := xmpp82.Config{
		// What Cut breaks is lost; tests of sessions that are taken up again set Resume.
		XMPP: xmpp.Config{JID: j, Address: b.Address(), Identity: tls, Trust: b.e2mTrust, Audit: &b.Audit, Resume: -1},
		E2E:  e2e.Config{Identity: end, Trust: b.endTrust, Audit: &b.Audit},
	}
	switch m {
	case Clear:
		cfg.E2E.Mode = e2e.Clear
	case Off:
		cfg.E2E, cfg.Unprotected = e2e.Config{}, &xmpp82.Unprotected{Subject: b.subject}
	}
	if memory, ok := b.listener.(*Listener); ok {
		cfg.XMPP.Dialer = memory.Dial
	}
	return cfg
}

// Dial puts cfg on line; the Endpoint ends with the test.
func (b *Bed) Dial(cfg xmpp82.Config) *xmpp82.Endpoint {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e, err := xmpp82.Dial(ctx, cfg)
	must(b.t, err)
	b.t.Cleanup(func() { e.Close() })
	must(b.t, e.Announce(ctx))
	return e
}

// AssociateOn makes an association on an Endpoint that is on line.
func (b *Bed) AssociateOn(e *xmpp82.Endpoint, ied string) *mmsmap.Client {
	b.t.Helper()
	link, err := e.Associate(JID(ied))
	must(b.t, err)
	return b.AssociateLink(link)
}

// subject gives an account its roles where nothing proves who it is.
func (b *Bed) subject(peer jid.JID) rbac.Subject {
	grants, _ := b.granted(peer.Bare())
	return rbac.Subject{Grants: grants}
}

// session is a Party on line over XMPP.
type session struct {
	endpoint *xmpp82.Endpoint
	conn     net.Conn
}

// byXMPP is how a Party goes on line over XMPP.
func (b *Bed) byXMPP(name string, serve bool, roles []rbac.Role) func(context.Context) (carrier, error) {
	b.t.Helper()
	cfg := b.Config(name, roles...)
	cfg.Serve = serve
	dial := cfg.XMPP.Dialer
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", b.Address())
		}
	}
	return func(ctx context.Context) (carrier, error) {
		s, cfg := &session{}, cfg
		cfg.XMPP.Dialer = func(ctx context.Context) (conn net.Conn, err error) {
			s.conn, err = dial(ctx)
			return s.conn, err
		}
		var err error
		if s.endpoint, err = xmpp82.Dial(ctx, cfg); err != nil {
			return nil, err
		}
		return s, s.endpoint.Announce(ctx)
	}
}

func (s *session) associate(_ context.Context, peer string) (assoc.Link, error) {
	return s.endpoint.Associate(JID(peer))
}

func (s *session) accept(ctx context.Context) (assoc.Link, error) { return s.endpoint.Accept(ctx) }

func (s *session) cut() {
	s.conn.Close()
	<-s.endpoint.Session().Done()
	s.close()
}

func (s *session) close() { s.endpoint.Close() }
