// Package testbed is what end-to-end tests stand on: certification authorities, a broker, IEDs and clients,
// all real, joined in one process over memory or loopback. Only tests import it.
package testbed

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/xmppd"
)

// TB is what a Bed needs of a test or benchmark.
type TB interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
	Logf(string, ...any)
	Cleanup(func())
}

// Domain is the XMPP domain of every testbed.
const Domain = "test.example"

// Bed is one broker with its two hierarchies of certificates.
type Bed struct {
	Audit audit.Memory // the events of all parties

	t         TB
	e2m, end  *pki.CA // issuing
	e2mTrust  *pki.Trust
	endTrust  *pki.Trust
	mode      Mode
	listener  net.Listener
	broker    *xmppd.Server
	endpoints sync.WaitGroup

	mu    sync.Mutex
	roles map[jid.JID][]rbac.Grant // that Config has given, by account
}

// Options changes a Bed.
type Options struct {
	Mode     Mode         // of all parties; default Encrypted
	Listener net.Listener // default: a loopback listener on a free port
	Stream   xmpp.Limits  // of what parties may send; default the broker's
	// Tap is shown every stanza that the broker reads.
	Tap func(from jid.JID, start, payload []byte)
	// Passwords are the accounts that may log in by password.
	Passwords *sasl.Passwords
}

// Start makes a Bed that ends with the test.
func Start(t TB, o Options) *Bed {
	t.Helper()
	b := newBed(t, o)
	id, err := b.e2m.IssueServer(Domain)
	must(t, err)
	b.broker, err = xmppd.New(xmppd.Config{Domain: Domain, Identity: id, Trust: b.e2mTrust, Audit: &b.Audit, Stream: o.Stream, Tap: o.Tap, Passwords: o.Passwords})
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- b.broker.Serve(context.Background(), b.listener) }()
	t.Cleanup(func() {
		b.broker.Close()
		if err := <-served; !errors.Is(err, xmppd.ErrServerClosed) {
			t.Errorf("broker: %v", err)
		}
		b.endpoints.Wait()
	})
	return b
}

// newBed makes the authorities and the listener.
func newBed(t TB, o Options) *Bed {
	t.Helper()
	b := &Bed{t: t, mode: o.Mode, listener: o.Listener, roles: make(map[jid.JID][]rbac.Grant)}
	b.e2m, b.e2mTrust = hierarchy(t, pki.E2M)
	b.end, b.endTrust = hierarchy(t, pki.E2E)
	if b.listener == nil {
		var err error
		b.listener, err = net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
	}
	return b
}

func hierarchy(t TB, h pki.Hierarchy) (*pki.CA, *pki.Trust) {
	t.Helper()
	root, err := pki.NewRoot(h, Domain)
	must(t, err)
	issuing, err := root.NewIssuing()
	must(t, err)
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	must(t, err)
	return issuing, trust
}

func must(t TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Address is where the broker listens.
func (b *Bed) Address() string { return b.listener.Addr().String() }

// Broker is the broker.
func (b *Bed) Broker() *xmppd.Server { return b.broker }

// JID is the full JID of an account, with the resource of an IED.
func JID(name string) jid.JID { return jid.MustParse(name + "@" + Domain + "/IEC") }

// Config is how an account with the given roles goes on line. Each call makes new certificates.
func (b *Bed) Config(name string, roles ...rbac.Role) xmpp82.Config {
	b.t.Helper()
	return b.ConfigIn(b.mode, name, roles...)
}

// ConfigIn is Config in another mode than the Bed's.
func (b *Bed) ConfigIn(m Mode, name string, roles ...rbac.Role) xmpp82.Config {
	b.t.Helper()
	j := JID(name)
	tls, err := b.e2m.IssueClientTLS(j.Bare().String())
	must(b.t, err)
	var policy *rbac.Policy
	var grants []rbac.Grant
	for _, role := range roles {
		grants = append(grants, policy.NewGrant(role, ""))
	}
	end, err := b.end.IssueE2E(j.Bare().String(), grants)
	must(b.t, err)
	cfg := xmpp82.Config{
		XMPP: xmpp.Config{JID: j, Address: b.Address(), Identity: tls, Trust: b.e2mTrust, Audit: &b.Audit},
		E2E:  e2e.Config{Identity: end, Trust: b.endTrust, Audit: &b.Audit},
	}
	b.mu.Lock()
	b.roles[j.Bare()] = grants
	b.mu.Unlock()
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	e, err := xmpp82.Dial(ctx, cfg)
	must(b.t, err)
	b.t.Cleanup(func() { e.Close() })
	must(b.t, e.Announce(ctx))
	return e
}

// IED serves a model under an account; it ends with the test.
func (b *Bed) IED(name string, model *acsi.Model) (*server.Engine, *xmpp82.Endpoint) {
	b.t.Helper()
	return b.IEDWatched(name, model, func(error) {})
}

// IEDWatched is IED that calls ended with the outcome of each association.
func (b *Bed) IEDWatched(name string, model *acsi.Model, ended func(error)) (*server.Engine, *xmpp82.Endpoint) {
	b.t.Helper()
	engine, err := server.New(server.Config{Model: model, Audit: &b.Audit})
	must(b.t, err)
	cfg := b.Config(name)
	cfg.Serve = true
	e := b.Dial(cfg)
	b.serve(e, engine, ended)
	return engine, e
}

// serve answers every peer of an Endpoint until it ends.
func (b *Bed) serve(e *xmpp82.Endpoint, engine *server.Engine, ended func(error)) {
	ctx, cancel := context.WithCancel(context.Background())
	fault := func(err error) { b.t.Errorf("fault of ours: %v", err) }
	b.endpoints.Go(func() {
		for {
			link, err := e.Accept(ctx)
			if err != nil {
				return
			}
			b.endpoints.Go(func() {
				ended(mmsmap.Serve(ctx, link, mmsmap.ServerConfig{Services: engine.Services, Fault: fault}))
			})
		}
	})
	b.t.Cleanup(cancel)
}

// Associate connects an account with the given roles to the IED of another; both end with the test.
func (b *Bed) Associate(name, ied string, roles ...rbac.Role) *mmsmap.Client {
	b.t.Helper()
	return b.AssociateOn(b.Dial(b.Config(name, roles...)), ied)
}

// AssociateOn makes an association on an Endpoint that is on line.
func (b *Bed) AssociateOn(e *xmpp82.Endpoint, ied string) *mmsmap.Client {
	b.t.Helper()
	link, err := e.Associate(JID(ied))
	must(b.t, err)
	return b.AssociateLink(link)
}

// AssociateLink asks for an association on a Link.
func (b *Bed) AssociateLink(link assoc.Link) *mmsmap.Client {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := mmsmap.Associate(ctx, link, assoc.Config{})
	must(b.t, err)
	return c
}
