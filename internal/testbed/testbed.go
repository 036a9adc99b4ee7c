// Package testbed is what end-to-end tests stand on: certification authorities, a broker where there is one, IEDs and clients,
// all real, joined in one process over memory or loopback, over each carrier of MMS. Only tests import it.
package testbed

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"sync"

	"busbar.example/secure/audit"
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
	TempDir() string
}

// Domain is the XMPP domain of every testbed.
const Domain = "test.example"

// Bed is where parties meet: over XMPP one broker, over TCP those of them that listen. It has two hierarchies of certificates.
type Bed struct {
	Audit audit.Memory // the events of all parties

	t        TB
	e2m, end *pki.CA // issuing
	e2mTrust *pki.Trust
	endTrust *pki.Trust
	mode     Mode
	memory   bool
	listener net.Listener // of the broker
	broker   *xmppd.Server

	mu     sync.Mutex
	roles  map[jid.JID][]rbac.Grant // that have been given, by account
	listen map[string]net.Listener  // of parties that serve over TCP, by name
}

// Options changes a Bed. What is below Listener is about the broker.
type Options struct {
	Mode     Mode         // of all parties; default Encrypted
	Listener net.Listener // a *Listener: everything is in memory; default: loopback, on free ports
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
	if b.mode.OverTCP() {
		return b
	}
	var err error
	b.broker, err = xmppd.New(xmppd.Config{Domain: Domain, Trust: b.e2mTrust, Live: xmppd.Live{Identity: b.ServerIdentity(), Stream: o.Stream}, Audit: &b.Audit, Tap: o.Tap, Passwords: o.Passwords})
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- b.broker.Serve(context.Background(), b.listener) }()
	t.Cleanup(func() {
		b.broker.Close()
		if err := <-served; !errors.Is(err, xmppd.ErrServerClosed) {
			t.Errorf("broker: %v", err)
		}
	})
	return b
}

// newBed makes the authorities and the broker's listener.
func newBed(t TB, o Options) *Bed {
	t.Helper()
	b := &Bed{t: t, mode: o.Mode, listener: o.Listener, roles: make(map[jid.JID][]rbac.Grant), listen: make(map[string]net.Listener)}
	_, b.memory = o.Listener.(*Listener)
	b.e2m, b.e2mTrust = hierarchy(t, pki.E2M)
	b.end, b.endTrust = hierarchy(t, pki.E2E)
	if b.listener == nil && !b.mode.OverTCP() {
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

// Broker is the broker, nil over TCP.
func (b *Bed) Broker() *xmppd.Server { return b.broker }

// ServerIdentity is a new certificate of the broker's, for what stands between it and a client.
func (b *Bed) ServerIdentity() *pki.Identity {
	b.t.Helper()
	id, err := b.e2m.IssueServer(Domain)
	must(b.t, err)
	return id
}

// Mode is how the parties are joined.
func (b *Bed) Mode() Mode { return b.mode }

// JID is the full JID of an account, with the resource of an IED.
func JID(name string) jid.JID { return jid.MustParse(name + "@" + Domain + "/IEC") }

// grant gives an account roles, on every carrier.
func (b *Bed) grant(account jid.JID, roles []rbac.Role) []rbac.Grant {
	var policy *rbac.Policy
	var grants []rbac.Grant
	for _, role := range roles {
		grants = append(grants, policy.NewGrant(role, ""))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roles[account] = grants
	return grants
}

// granted is the roles of an account; ok where it has been given any, or none.
func (b *Bed) granted(account jid.JID) (grants []rbac.Grant, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	grants, ok = b.roles[account]
	return grants, ok
}
