package xmppd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/xmppd"
)

const domain = "dso.example"

// site is a CA, a server and what is connected to it, on a network in memory.
type site struct {
	t      testing.TB
	root   *pki.CA
	ca     *pki.CA
	server *xmppd.Server
	net    *memNet
	events *audit.Memory
	served chan error

	withdrawn atomic.Bool // for tests in which an account is no longer allowed

	crl      string            // the file of the revocation list
	revoked  *pki.Identity     // whose certificate is on the list
	other    *x509.Certificate // a second root that the server trusts, for certificates that ca does not issue
	otherKey *ecdsa.PrivateKey
}

// newSite starts a server in memory; configure, if not nil, may change what New gets.
func newSite(t testing.TB, configure func(*xmppd.Config)) *site {
	t.Helper()
	s := newCA(t)
	cfg := xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{Identity: s.serverIdentity()}, Audit: s.events}
	if configure != nil {
		configure(&cfg)
	}
	var err error
	if s.server, err = xmppd.New(cfg); err != nil {
		t.Fatal(err)
	}
	s.net = newMemNet()
	s.served = make(chan error, 1)
	go func() { s.served <- s.server.Serve(context.Background(), s.net) }()
	return s
}

func newCA(t testing.TB) *site {
	t.Helper()
	root, err := pki.NewRoot(pki.E2M, domain)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := root.NewIssuing()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, root: root, ca: ca, events: new(audit.Memory)}
	if s.otherKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "other root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &s.otherKey.PublicKey, s.otherKey)
	if err != nil {
		t.Fatal(err)
	}
	if s.other, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) serverIdentity() *pki.Identity {
	id, err := s.ca.IssueServer(domain)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *site) clientIdentity(bare string) *pki.Identity {
	id, err := s.ca.IssueClientTLS(bare)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// trust returns the server's trust anchors, with a revocation list that has one certificate on it.
func (s *site) trust() *pki.Trust {
	s.revoked = s.clientIdentity("hmi@" + domain)
	dir := s.t.TempDir()
	roots := filepath.Join(dir, "roots.crt")
	s.crl = filepath.Join(dir, "e2m.crl")
	var text []byte
	for _, c := range []*x509.Certificate{s.root.Certificate(), s.other} {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	if err := os.WriteFile(roots, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := s.ca.WriteCRL(s.crl, s.revoked.Chain[0].SerialNumber); err != nil {
		s.t.Fatal(err)
	}
	trust, err := pki.LoadTrust([]string{roots}, []string{s.crl})
	if err != nil {
		s.t.Fatal(err)
	}
	return trust
}

// close ends the server, and fails the test if Serve returns anything but that.
func (s *site) close() {
	s.t.Helper()
	s.server.Close()
	if err := <-s.served; err != xmppd.ErrServerClosed {
		s.t.Errorf("Serve returned %v, want %v", err, xmppd.ErrServerClosed)
	}
}

// eventIDs returns the ids of the events recorded so far, without those of every stream.
func (s *site) eventIDs() []audit.ID {
	var ids []audit.ID
	for _, e := range s.events.Events() {
		switch e.ID {
		case audit.StreamOpened, audit.TLSEstablished, audit.CRLMissing:
		default:
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// memNet is a listener whose connections are pipes.
type memNet struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemNet() *memNet { return &memNet{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memNet) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memNet) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (m *memNet) Addr() net.Addr { return memAddr("192.0.2.1:5222") }

// dial connects from an address, which is host:port.
func (m *memNet) dial(from string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case m.conns <- memConn{server, memAddr(from)}:
		return client, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

type memConn struct {
	net.Conn
	remote memAddr
}

func (c memConn) RemoteAddr() net.Addr { return c.remote }

type memAddr string

func (memAddr) Network() string  { return "mem" }
func (a memAddr) String() string { return string(a) }

const clientHeader = `<?xml version='1.0'?><stream:stream to='` + domain + `' version='1.0' xml:lang='en' ` +
	`xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>`

// rawClient is a client that knows no more of XMPP than it takes to log in, so that it can misbehave as it likes.
type rawClient struct {
	raw  net.Conn
	conn net.Conn // raw, or TLS over it
	sc   *xmltok.Scanner
	info tls.ConnectionState

	mu   sync.Mutex
	got  []string // what has arrived and was not taken, one string for each element
	done chan struct{}
}

// open connects and secures the stream, and returns with the features that the server announces behind TLS.
func (s *site) open(nc net.Conn, id *pki.Identity) (*rawClient, string, error) {
	c := &rawClient{raw: nc, conn: nc}
	features, err := c.header()
	if err != nil {
		return c, features, err
	}
	if !strings.Contains(features, "<required") {
		return c, features, fmt.Errorf("TLS is not required: %s", features)
	}
	if err := c.send(`<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`); err != nil {
		return c, "", err
	}
	if answer, err := c.element(); err != nil || !strings.HasPrefix(answer, "<proceed") {
		return c, answer, fmt.Errorf("starttls was answered %s, %v", answer, err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.root.Certificate())
	cfg := &tls.Config{RootCAs: pool, ServerName: domain}
	if id != nil {
		cfg.Certificates = []tls.Certificate{id.TLSCertificate()}
	}
	t := tls.Client(nc, cfg)
	if err := t.Handshake(); err != nil {
		return c, "", err
	}
	c.conn, c.info = t, t.ConnectionState()
	features, err = c.header()
	return c, features, err
}

// login does what remains: EXTERNAL with that authorization identity, and binding a resource.
func (c *rawClient) login(authzid, resource string) (full string, err error) {
	if authzid == "" {
		authzid = "="
	} else {
		authzid = base64.StdEncoding.EncodeToString([]byte(authzid))
	}
	if err := c.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>` + authzid + `</auth>`); err != nil {
		return "", err
	}
	if answer, err := c.element(); err != nil || !strings.HasPrefix(answer, "<success") {
		return "", fmt.Errorf("%s, %v", answer, err)
	}
	if _, err := c.header(); err != nil {
		return "", err
	}
	return c.bind(resource)
}

func (c *rawClient) bind(resource string) (full string, err error) {
	if resource != "" {
		resource = "<resource>" + resource + "</resource>"
	}
	if err := c.send(`<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>` + resource + `</bind></iq>`); err != nil {
		return "", err
	}
	answer, err := c.element()
	if err != nil || !strings.Contains(answer, "<jid>") {
		return "", fmt.Errorf("%s, %v", answer, err)
	}
	_, after, _ := strings.Cut(answer, "<jid>")
	full, _, _ = strings.Cut(after, "</jid>")
	return full, nil
}

// header starts a stream and returns the features that the server answers with.
func (c *rawClient) header() (features string, err error) {
	if err := c.send(clientHeader); err != nil {
		return "", err
	}
	c.sc = xmltok.NewScanner(c.conn, xmltok.Limits{MaxDocument: 1 << 20})
	if _, err := c.sc.Next(); err != nil {
		return "", err
	}
	return c.element()
}

func (c *rawClient) send(octets string) error {
	_, err := io.WriteString(c.conn, octets)
	return err
}

// element returns the octets of the next element of the stream, io.EOF at its end.
func (c *rawClient) element() (string, error) {
	for {
		t, err := c.sc.Next()
		if err != nil {
			return "", err
		}
		switch t.Kind {
		case xmltok.End:
			return "", io.EOF
		case xmltok.Start:
			start := string(c.sc.RawStart())
			raw, err := c.sc.Inner()
			if err != nil || strings.HasSuffix(start, "/>") {
				return start, err
			}
			name := start[1:strings.IndexAny(start, " >")]
			return start + string(raw.Octets) + "</" + name + ">", nil
		}
	}
}

// listen collects what arrives, until the stream ends.
func (c *rawClient) listen() {
	c.done = make(chan struct{})
	go func() {
		defer close(c.done)
		defer c.raw.Close()
		for {
			el, err := c.element()
			switch {
			case err == io.EOF:
				el = "</stream:stream>"
			case err != nil:
				el = "the connection broke"
				if errors.Is(err, io.ErrClosedPipe) {
					el = "the connection is closed"
				}
			}
			c.mu.Lock()
			c.got = append(c.got, el)
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

// take returns what has arrived since the last call.
func (c *rawClient) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

// connect logs in and starts to listen.
func (s *site) connect(bare, resource string) *rawClient {
	s.t.Helper()
	return s.connectFrom("192.0.2.2:40000", bare, resource)
}

// connectFrom is connect from a network address, which is host:port.
func (s *site) connectFrom(addr, bare, resource string) *rawClient {
	s.t.Helper()
	return s.connectAs(s.clientIdentity(bare), addr, resource)
}

// connectAs is connectFrom with a given identity.
func (s *site) connectAs(id *pki.Identity, addr, resource string) *rawClient {
	s.t.Helper()
	c := s.loginAs(id, addr, resource)
	c.listen()
	return c
}

// loginAs logs in and does not read on.
func (s *site) loginAs(id *pki.Identity, addr, resource string) *rawClient {
	s.t.Helper()
	nc, err := s.net.dial(addr)
	if err != nil {
		s.t.Fatal(err)
	}
	c, _, err := s.open(nc, id)
	if err == nil {
		_, err = c.login("", resource)
	}
	if err != nil {
		s.t.Fatalf("%s: %v", resource, err)
	}
	return c
}
