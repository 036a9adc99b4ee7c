package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

const (
	streamAttrs   = " version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	clientHeader  = "<?xml version='1.0'?><stream:stream to='site.example'" + streamAttrs
	serverHeader  = "<?xml version='1.0'?><stream:stream from='site.example' id='s'" + streamAttrs
	startTLSOffer = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
	startTLSAsk   = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	proceed       = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
	externalOffer = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
	externalAuth  = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
	saslSuccess   = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
	bindOffer     = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
	bindAsk       = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>IEC</resource></bind></iq>"
)

func features(f ...string) string {
	return "<stream:features>" + strings.Join(f, "") + "</stream:features>"
}

// raw is a peer that knows no rules.
type raw struct {
	t    testing.TB
	nc   net.Conn
	conn net.Conn // nc, or TLS over it
	seen string   // what was read and not yet asked for
}

func newRaw(t testing.TB, nc net.Conn) *raw { return &raw{t: t, nc: nc, conn: nc} }

// send sends octets. That nobody takes them may be what is wanted.
func (r *raw) send(s ...string) { r.conn.Write([]byte(strings.Join(s, ""))) }

// until reads until the peer has sent s, and returns all up to it.
func (r *raw) until(s string) string {
	r.t.Helper()
	for {
		if before, after, ok := strings.Cut(r.seen, s); ok {
			r.seen = after
			return before + s
		}
		b := make([]byte, 4096)
		n, err := r.conn.Read(b)
		r.seen += string(b[:n])
		if err != nil {
			r.t.Errorf("the peer has not sent %q but %q, then %v", s, r.seen, err)
			panic(errRaw)
		}
	}
}

var errRaw = errors.New("the raw peer gives up")

// rest reads to the end of the stream, or of the connection.
func (r *raw) rest() string {
	b := make([]byte, 4096)
	for !strings.Contains(r.seen, closeTag) {
		n, err := r.conn.Read(b)
		r.seen += string(b[:n])
		if err != nil {
			break
		}
	}
	return r.seen
}

func (r *raw) handshake(t *tls.Conn) {
	r.t.Helper()
	r.conn, r.seen = t, ""
	if err := t.Handshake(); err != nil {
		r.t.Logf("raw peer: %v", err)
		panic(errRaw)
	}
}

// run runs fn until it is done or gives up, and closes the connection.
func (r *raw) run(fn func(*raw)) {
	defer r.nc.Close()
	defer func() {
		if e := recover(); e != nil && e != errRaw {
			panic(e)
		}
	}()
	fn(r)
}

// secured is a server's way through TLS.
func (r *raw) secured(id *pki.Identity) {
	r.t.Helper()
	r.until("xmlns:stream='http://etherx.jabber.org/streams'>")
	r.send(serverHeader, features(startTLSOffer))
	r.until(startTLSAsk)
	r.send(proceed)
	r.handshake(tls.Server(r.nc, pki.ServerTLS(id)))
	r.until("xmlns:stream='http://etherx.jabber.org/streams'>")
}

// ready is a server's way to a bound resource and through the roster.
func (r *raw) ready(id *pki.Identity, more ...string) {
	r.t.Helper()
	r.secured(id)
	r.send(serverHeader, features(externalOffer))
	r.until(externalAuth)
	r.send(saslSuccess)
	r.until("xmlns:stream='http://etherx.jabber.org/streams'>")
	r.send(serverHeader, features(append(more, bindOffer)...))
	r.answer(r.until("</iq>"), "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>ied1@site.example/IEC</jid></bind>")
	r.answer(r.until("</iq>"), "<query xmlns='jabber:iq:roster'/>")
}

// answer answers the request with its id.
func (r *raw) answer(request, payload string) {
	r.send("<iq type='result' id='", idOf(request), "'>", payload, "</iq>")
}

func idOf(stanza string) string {
	_, rest, _ := strings.Cut(stanza, " id='")
	id, _, _ := strings.Cut(rest, "'")
	return id
}

// asked is a client's way through TLS.
func (r *raw) asked(id *pki.Identity) {
	r.t.Helper()
	r.send(clientHeader)
	r.until("</stream:features>")
	r.send(startTLSAsk)
	r.until(proceed)
	r.handshake(tls.Client(r.nc, clientTLS(id)))
	r.send(clientHeader)
	r.until("</stream:features>")
}

// bound is a client's way to a bound resource.
func (r *raw) bound(id *pki.Identity) {
	r.t.Helper()
	r.authenticated(id)
	r.send(bindAsk)
	r.until("</iq>")
}

// authenticated is a client's way through SASL.
func (r *raw) authenticated(id *pki.Identity) {
	r.t.Helper()
	r.asked(id)
	r.send(externalAuth)
	r.until(saslSuccess)
	r.send(clientHeader)
	r.until("</stream:features>")
}

// clientTLS trusts every server.
func clientTLS(id *pki.Identity) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, ServerName: domain}
	if id != nil {
		own := id.TLSCertificate()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	}
	return c
}

// dialRaw dials while fn plays the server.
func (p *pair) dialRaw(t testing.TB, fn func(*raw)) (*Session, error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		newRaw(t, p.serverEnd).run(fn)
	}()
	s, err := Dial(t.Context(), p.client)
	if err != nil {
		p.clientEnd.Close()
		<-done
	}
	return s, err
}

// acceptRaw accepts while fn plays the client, and runs echo if that succeeds. It
// returns how the stream ended.
func (p *pair) acceptRaw(t testing.TB, fn func(*raw)) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		newRaw(t, p.clientEnd).run(fn)
	}()
	c, err := Accept(t.Context(), p.serverEnd, p.server)
	if err == nil {
		echo(c)
		c.Close()
		err = c.Err()
	}
	<-done
	return err
}

// ids returns the events without those of every stream.
func ids(m *audit.Memory) []audit.ID {
	var ids []audit.ID
	for _, e := range m.Events() {
		switch e.ID {
		case audit.CRLMissing, audit.TLSEstablished, audit.StreamOpened:
		default:
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// newPairOn is newPair with the parties of another site, for what needs a clock.
func newPairOn(t testing.TB, s *site) *pair {
	p := &pair{site: s}
	p.clientEnd, p.serverEnd = net.Pipe()
	p.client = Config{
		JID: jid.MustParse("ied1@" + domain + "/IEC"), Identity: s.client, Trust: s.trust, Audit: &p.clientEvents,
		Dialer: func(context.Context) (net.Conn, error) { return p.clientEnd, nil },
	}
	p.server = ServerConfig{
		Domain: domain, Identity: s.server, Trust: s.trust, Audit: &p.serverEvents,
		Bind: func(_ context.Context, c *Conn, resource string) (jid.JID, error) {
			if resource == "" {
				resource = "given"
			}
			return c.JID().WithResource(resource)
		},
	}
	return p
}

// inBubble makes a site on the clock of the bubble.
func inBubble(t testing.TB) *pair {
	t.Helper()
	s, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Hour)
	return newPairOn(t, s)
}
