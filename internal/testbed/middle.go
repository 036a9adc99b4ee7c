package testbed

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// Middle is an XMPP server in the attacker's hands: it routes what its Route returns, which may be nothing,
// something else, or the same twice. It may also make up stanzas with Inject.
type Middle struct {
	// Route is asked for each stanza, its sender stamped. It runs on the sender's reader.
	Route func(stanza.Stanza) []stanza.Stanza

	// Greet, where it is set, gives what a session that has just been bound is sent first.
	Greet func(jid.JID) []stanza.Stanza

	mu    sync.Mutex
	conns map[jid.JID]*xmpp.Conn
}

// Inject delivers a stanza as if it had been routed.
func (m *Middle) Inject(st stanza.Stanza) {
	m.mu.Lock()
	c := m.conns[st.To]
	m.mu.Unlock()
	if c != nil {
		c.Push(st.Append(nil))
	}
}

func (m *Middle) serve(ctx context.Context, l net.Listener, id *pki.Identity, trust *pki.Trust) {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		conns.Go(func() { m.conn(ctx, nc, id, trust) })
	}
}

func (m *Middle) conn(ctx context.Context, nc net.Conn, id *pki.Identity, trust *pki.Trust) {
	c, err := xmpp.Accept(ctx, nc, xmpp.ServerConfig{Domain: Domain, Identity: id, Trust: trust, Audit: audit.Discard,
		Bind: func(_ context.Context, c *xmpp.Conn, resource string) (jid.JID, error) {
			full, err := c.JID().WithResource(resource)
			if err == nil {
				m.mu.Lock()
				m.conns[full] = c
				m.mu.Unlock()
			}
			return full, err
		}})
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { c.End(nil) })
	defer stop()
	defer c.Close()
	if m.Greet != nil {
		for _, st := range m.Greet(c.JID()) {
			c.Push(st.Append(nil))
		}
	}
	for {
		tok, err := c.Next()
		if err != nil {
			return
		}
		st, err := stanza.ParseHead(tok)
		if err != nil {
			continue
		}
		inner, err := c.Inner()
		if err != nil {
			return
		}
		st.Payload, st.From = bytes.Clone(inner.Octets), c.JID()
		if st.To.IsZero() || st.To.IsBare() {
			if st.Kind == stanza.IQ && (st.Type == stanza.Get || st.Type == stanza.Set) {
				c.Push(st.Reply(nil).Append(nil))
			}
			continue
		}
		for _, out := range m.Route(st) {
			m.Inject(out)
		}
	}
}

// StartMiddle makes a Bed whose broker is in the attacker's hands.
func StartMiddle(t TB, route func(stanza.Stanza) []stanza.Stanza) (*Bed, *Middle) {
	t.Helper()
	b := newBed(t, Options{Listener: NewListener()})
	id := b.ServerIdentity()
	m := &Middle{Route: route, conns: make(map[jid.JID]*xmpp.Conn)}
	ctx, cancel := context.WithCancelCause(context.Background())
	var served sync.WaitGroup
	served.Go(func() { m.serve(ctx, b.listener, id, b.e2mTrust) })
	t.Cleanup(func() {
		cancel(errors.New("the test has ended"))
		b.listener.Close()
		served.Wait()
	})
	return b, m
}
