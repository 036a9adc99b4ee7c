package xmppd_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

const utility = "utility.example"

// realm is a domain with a server, which listens for clients and for other servers on networks in memory.
type realm struct {
	t       testing.TB
	domain  string
	root    *pki.CA
	trust   *pki.Trust
	id      *pki.Identity
	server  *xmppd.Server
	clients *memNet
	peers   *memNet
	events  *audit.Memory
	served  sync.WaitGroup
	world   *world
}

// world is some realms that can reach each other.
type world struct {
	t      testing.TB
	realms map[string]*realm
	broken atomic.Bool // no new connections between servers
	mute   atomic.Bool // what is written between servers is lost
	dials  atomic.Int64
	mu     sync.Mutex
	lines  []net.Conn // between servers
}

// newWorld starts a server for each domain. They trust each other and let everything pass, unless configure, if not nil,
// changes what New gets.
func newWorld(t testing.TB, configure func(domain string, cfg *xmppd.Config), domains ...string) *world {
	t.Helper()
	w := &world{t: t, realms: map[string]*realm{}}
	for _, d := range domains {
		w.realms[d] = w.newRealm(d)
	}
	for _, d := range domains {
		w.realms[d].start(configure)
	}
	return w
}

func (w *world) newRealm(domain string) *realm {
	w.t.Helper()
	r := &realm{t: w.t, domain: domain, events: new(audit.Memory), world: w}
	var err error
	if r.root, err = pki.NewRoot(pki.E2M, domain); err == nil {
		r.trust, err = pki.NewTrust([]*x509.Certificate{r.root.Certificate()}, nil)
	}
	if err == nil {
		r.id, err = r.root.IssueServer(domain)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// start starts the realm's server, again if it was closed.
func (r *realm) start(configure func(domain string, cfg *xmppd.Config)) {
	r.t.Helper()
	all, err := xmppd.ParsePattern("*")
	if err != nil {
		r.t.Fatal(err)
	}
	r.clients, r.peers = newMemNet(), newMemNet()
	static := map[string][]xmpp.Target{}
	for d := range r.world.realms {
		static[d] = []xmpp.Target{{Address: d + ":5269", Static: true}}
	}
	cfg := xmppd.Config{
		Domain: r.domain, Trust: r.trust, Audit: r.events,
		Live: xmppd.Live{Identity: r.id, Rules: []xmppd.Rule{{From: all, To: all, Allow: true}}},
		Federation: &xmppd.Federation{
			Trust: func(domain string) *pki.Trust {
				if other := r.world.realms[domain]; other != nil && other != r {
					return other.trust
				}
				return nil
			},
			Resolver: func(string) *xmpp.Resolver { return &xmpp.Resolver{Static: static} },
			Dialer:   r.world.dial,
		},
	}
	if configure != nil {
		configure(r.domain, &cfg)
	}
	if r.server, err = xmppd.New(cfg); err != nil {
		r.t.Fatal(err)
	}
	serve := func(serve func(context.Context, net.Listener) error, l net.Listener) {
		r.served.Go(func() {
			if err := serve(context.Background(), l); err != xmppd.ErrServerClosed {
				r.t.Errorf("%s: serving: %v", r.domain, err)
			}
		})
	}
	serve(r.server.Serve, r.clients)
	serve(r.server.ServePeers, r.peers)
}

// dial connects two servers.
func (w *world) dial(_ context.Context, t xmpp.Target) (net.Conn, error) {
	w.dials.Add(1)
	if w.broken.Load() {
		return nil, errors.New("the network is down")
	}
	domain, _, err := net.SplitHostPort(t.Address)
	if err != nil {
		return nil, err
	}
	nc, err := w.realms[domain].peers.dial("192.0.2.9:50000")
	if err == nil {
		nc = muteConn{nc, w}
		w.mu.Lock()
		w.lines = append(w.lines, nc)
		w.mu.Unlock()
	}
	return nc, err
}

// muteConn swallows what is written while the world is mute.
type muteConn struct {
	net.Conn
	world *world
}

func (c muteConn) Write(p []byte) (int, error) {
	if c.world.mute.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// cut breaks all connections between servers, and lets none be made as long as broken is.
func (w *world) cut(broken bool) {
	w.broken.Store(broken)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, nc := range w.lines {
		nc.Close()
	}
	w.lines = nil
}

// close ends all servers.
func (w *world) close() {
	for _, r := range w.realms {
		r.stop()
	}
}

func (r *realm) stop() {
	r.server.Close()
	r.served.Wait()
}

// login logs a client in. It sends no presence.
func (r *realm) login(full string, handler func(*xmpp.Session, stanza.Stanza)) *xmpp.Session {
	r.t.Helper()
	j := jid.MustParse(full)
	id, err := r.root.IssueClientTLS(j.Bare().String())
	if err != nil {
		r.t.Fatal(err)
	}
	var session *xmpp.Session
	ready := make(chan struct{})
	session, err = xmpp.Dial(context.Background(), xmpp.Config{
		JID: j, Identity: id, Trust: r.trust,
		Dialer: func(context.Context) (net.Conn, error) { return r.clients.dial("192.0.2.2:40000") },
		Handler: func(st stanza.Stanza) {
			<-ready
			if handler != nil {
				handler(session, st)
			}
		},
	})
	close(ready)
	if err != nil {
		r.t.Fatalf("%s: %v", full, err)
	}
	return session
}

// echoes answers requests with what they hold.
func echoes(s *xmpp.Session, st stanza.Stanza) {
	if st.Kind == stanza.IQ && (st.Type == stanza.Get || st.Type == stanza.Set) {
		s.Send(context.Background(), st.Reply(st.Payload))
	}
}

// ask sends a request and returns the answer's payload.
func ask(s *xmpp.Session, to, payload string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := s.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse(to), Payload: []byte(payload)})
	return string(st.Payload), err
}

// trustIn returns the trust in one domain's server.
func trustIn(w *world, domain string) func(string) *pki.Trust {
	return func(of string) *pki.Trust {
		if of != domain {
			return nil
		}
		return w.realms[domain].trust
	}
}

// revokedTrust returns the trust in the realm's CA, which has revoked its server's certificate.
func (r *realm) revokedTrust() *pki.Trust {
	r.t.Helper()
	dir := r.t.TempDir()
	crt, crl := filepath.Join(dir, "root.crt"), filepath.Join(dir, "root.crl")
	err := os.WriteFile(crt, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.root.Certificate().Raw}), 0o600)
	if err == nil {
		err = r.root.WriteCRL(crl, r.id.Chain[0].SerialNumber)
	}
	var trust *pki.Trust
	if err == nil {
		trust, err = pki.LoadTrust([]string{crt}, []string{crl})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return trust
}
