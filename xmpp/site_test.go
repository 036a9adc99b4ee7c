package xmpp

import (
	"context"
	"crypto/x509"
	"net"
	"sync"
	"testing"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/stanza"
)

const domain = "site.example"

// site is a CA with a server and a client, made once: keys take time.
type site struct {
	root, ca *pki.CA
	trust    *pki.Trust
	server   *pki.Identity
	client   *pki.Identity // of ied1@site.example
}

var theSite = sync.OnceValues(newSite)

func newSite() (*site, error) {
	root, err := pki.NewRoot(pki.E2M, "site.example")
	if err != nil {
		return nil, err
	}
	ca, err := root.NewIssuing()
	if err != nil {
		return nil, err
	}
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	if err != nil {
		return nil, err
	}
	server, err := ca.IssueServer(domain)
	if err != nil {
		return nil, err
	}
	client, err := ca.IssueClientTLS("ied1@" + domain)
	return &site{root, ca, trust, server, client}, err
}

func getSite(t testing.TB) *site {
	t.Helper()
	s, err := theSite()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair is a client configuration and a server configuration that fit each other,
// and the events that both report.
type pair struct {
	site         *site
	client       Config
	server       ServerConfig
	clientEvents audit.Memory
	serverEvents audit.Memory
	clientEnd    net.Conn
	serverEnd    net.Conn
}

// newPair returns a pair that is joined in memory.
func newPair(t testing.TB) *pair { return newPairOn(t, getSite(t)) }

// serve accepts one stream and runs fn on it.
func (p *pair) serve(ctx context.Context, fn func(*Conn)) <-chan error {
	done := make(chan error, 1)
	go func() {
		c, err := Accept(ctx, p.serverEnd, p.server)
		if err == nil {
			fn(c)
			c.Close()
		}
		done <- err
	}()
	return done
}

// echo answers roster requests with an empty roster, and any other iq with its
// own payload, until the stream ends.
func echo(c *Conn) {
	for {
		t, err := c.Next()
		if err != nil {
			return
		}
		st, _ := stanza.ParseHead(t)
		raw, err := c.Inner()
		if err != nil {
			return
		}
		if st.Kind == stanza.IQ && (st.Type == stanza.Get || st.Type == stanza.Set) {
			if c.Push(st.Reply(raw.Octets).Append(nil)) != nil {
				return
			}
		}
	}
}
