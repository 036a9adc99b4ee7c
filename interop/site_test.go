//go:build interop

// Package interop tests Busbar against other makes, which must be installed: what is not there is skipped, and the
// reason is given, or it is a failure where CI=true.
package interop_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// domain is what the brokers of these tests serve.
const domain = "dso.example"

// authority is a CA that the tests' parties trust, with its files in a folder.
type authority struct {
	t       testing.TB
	dir     string
	anchors string // file of the root certificate
	root    *x509.Certificate
	ca      *pki.CA
	trust   *pki.Trust
}

// newAuthority makes a CA with its files in dir.
func newAuthority(t testing.TB, dir string) *authority {
	t.Helper()
	root, err := pki.NewRoot(pki.E2M, domain)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, dir: dir, root: root.Certificate(), anchors: filepath.Join(dir, "root.crt")}
	if a.ca, err = root.NewIssuing(); err != nil {
		t.Fatal(err)
	}
	if a.trust, err = pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.anchors, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate().Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return a
}

// server and client issue a certificate with its key.
func (a *authority) server() *pki.Identity { return a.must(a.ca.IssueServer(domain)) }

func (a *authority) client(bare string) *pki.Identity { return a.must(a.ca.IssueClientTLS(bare)) }

func (a *authority) must(id *pki.Identity, err error) *pki.Identity {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
	return id
}

// save writes a certificate and its key, and returns the two files.
func (a *authority) save(id *pki.Identity, name string) (cert, key string) {
	a.t.Helper()
	cert, key = filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")
	if err := id.Save(cert, key); err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// broker serves a broker on loopback until the test ends, and returns its address.
func (a *authority) broker(cfg xmppd.Config) (address string, server *xmppd.Server) {
	a.t.Helper()
	cfg.Domain, cfg.Identity, cfg.Trust = domain, a.server(), a.trust
	server, err := xmppd.New(cfg)
	if err != nil {
		a.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.Background(), l) }()
	a.t.Cleanup(func() {
		server.Close()
		<-served
	})
	return l.Addr().String(), server
}

// dial logs in with our own client. What arrives, but for answers, comes out of the channel.
func (a *authority) dial(ctx context.Context, address string, full jid.JID) (*xmpp.Session, <-chan stanza.Stanza) {
	a.t.Helper()
	arrived := make(chan stanza.Stanza, 100)
	session, err := xmpp.Dial(ctx, xmpp.Config{JID: full, Address: address, Trust: a.trust, Identity: a.client(full.Bare().String()),
		Audit: audit.Discard, Handler: func(s stanza.Stanza) { arrived <- s }})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { session.Close() })
	return session, arrived
}

// missing skips a test for want of a Debian package, or fails it where all are to be there.
func missing(t testing.TB, pkg string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("install the package %s", pkg)
	}
	t.Skipf("the package %s is not installed", pkg)
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
