package xmpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/stanza"
)

const otherDomain = "utility.example"

// other is the CA of another domain, with its server, and with what somebody there might make in the name of others.
type other struct {
	trust  *pki.Trust
	server *pki.Identity // of utility.example
	forged *pki.Identity // of site.example, but of this CA
	third  *pki.Identity // of a third domain
}

var theOther = sync.OnceValues(func() (*other, error) {
	root, err := pki.NewRoot(pki.E2M, otherDomain)
	if err != nil {
		return nil, err
	}
	trust, err := pki.NewTrust([]*x509.Certificate{root.Certificate()}, nil)
	if err != nil {
		return nil, err
	}
	var ids [3]*pki.Identity
	for i, name := range []string{otherDomain, domain, "third.example"} {
		if ids[i], err = root.IssueServer(name); err != nil {
			return nil, err
		}
	}
	return &other{trust, ids[0], ids[1], ids[2]}, nil
})

// peers is the configuration of a stream from utility.example to site.example, and the events that both ends report.
type peers struct {
	site         *site
	other        *other
	from         PeerConfig
	to           PeerServerConfig
	fromEvents   audit.Memory
	toEvents     audit.Memory
	fromEnd      net.Conn
	toEnd        net.Conn
	trustedThere map[string]*pki.Trust
}

func newPeers(t testing.TB) *peers {
	t.Helper()
	o, err := theOther()
	if err != nil {
		t.Fatal(err)
	}
	p := &peers{site: getSite(t), other: o, trustedThere: map[string]*pki.Trust{otherDomain: o.trust}}
	p.fromEnd, p.toEnd = net.Pipe()
	p.from = PeerConfig{
		Local: otherDomain, Remote: domain, Identity: o.server, Trust: p.site.trust, Audit: &p.fromEvents,
		Resolver: &Resolver{Static: map[string][]Target{domain: {{Address: "192.0.2.1:5269"}}}},
		Dialer:   func(context.Context, Target) (net.Conn, error) { return p.fromEnd, nil },
	}
	p.to = PeerServerConfig{
		Domain: domain, Identity: p.site.server, Audit: &p.toEvents,
		Trust: func(domain string) *pki.Trust { return p.trustedThere[domain] },
	}
	return p
}

// join opens the stream and accepts it.
func (p *peers) join(t testing.TB) (from, to *Conn) {
	t.Helper()
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		var err error
		if to, err = AcceptServer(t.Context(), p.toEnd, p.to); err != nil {
			t.Errorf("AcceptServer: %v", err)
		}
	}()
	from, err := DialServer(t.Context(), p.from)
	if err != nil {
		p.fromEnd.Close()
	}
	<-accepted
	if err != nil || to == nil {
		t.Fatalf("DialServer: %v", err)
	}
	return from, to
}

func TestStreamBetweenServers(t *testing.T) {
	for name, direct := range map[string]bool{"STARTTLS": false, "direct TLS": true} {
		t.Run(name, func(t *testing.T) { streamBetweenServers(t, direct) })
	}
}

func streamBetweenServers(t *testing.T, direct bool) {
	p := newPeers(t)
	p.from.Resolver.Static[domain] = []Target{{Address: "192.0.2.1:5269", Direct: direct}}
	from, to := p.join(t)
	if from.JID().String() != domain || to.JID().String() != otherDomain {
		t.Errorf("the ends are of %q and %q, want %q and %q", from.JID(), to.JID(), domain, otherDomain)
	}
	for name, c := range map[string]*Conn{"from": from, "to": to} {
		if i := c.Info(); i.Mechanism != "EXTERNAL" || i.Peer == nil || i.Local == nil || i.TLS.Version != tls.VersionTLS13 {
			t.Errorf("%s: %q, peer %v, TLS %x", name, i.Mechanism, i.Peer, i.TLS.Version)
		}
	}
	if n := from.Info().MaxStanza; n != 256<<10 {
		t.Errorf("the receiver announces %d octets", n)
	}
	const sent = "<message from='ems@utility.example/a' to='pv1@site.example/IEC'><body>x</body><p:q xmlns:p='urn:p'/></message>"
	if err := from.Push([]byte(sent)); err != nil {
		t.Fatal(err)
	}
	tok, err := to.Next()
	if err != nil {
		t.Fatal(err)
	}
	st, err := stanza.ParseHead(tok)
	raw, err2 := to.Inner()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	st.Payload = raw.Octets
	if got := string(st.Append(nil)); got != sent || !raw.SelfContained || raw.Default != stanza.ServerNamespace {
		t.Errorf("arrived %q in %q, self-contained %v; want %q", got, raw.Default, raw.SelfContained, sent)
	}
	from.End(nil)
	if _, err := to.Next(); !errors.Is(err, ErrPeerClosed) {
		t.Errorf("ended with %v, want ErrPeerClosed", err)
	}
	to.Close()
	from.Next()
	from.Close()
	opened := func(m *audit.Memory) (n int) {
		for _, e := range m.Events() {
			if e.ID == audit.StreamOpened {
				n++
			}
		}
		return n
	}
	if opened(&p.fromEvents) != 1 || opened(&p.toEvents) != 1 {
		t.Errorf("events %v and %v, want stream-opened once in each", p.fromEvents.Events(), p.toEvents.Events())
	}
}

// A silent stream is closed; that is no error for either end.
func TestSilentStreamBetweenServersIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPeers(t)
		s, err := newSite()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		trust, err := pki.NewTrust([]*x509.Certificate{s.root.Certificate()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		id, err := s.ca.IssueServer(otherDomain)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		p.from.Identity, p.from.Trust, p.to.Identity, p.trustedThere[otherDomain] = id, trust, s.server, trust
		from, to := p.join(t)
		began := time.Now()
		go func() {
			to.Next()
			to.Close()
		}()
		if _, err := from.Next(); !errors.Is(err, ErrPeerClosed) || time.Since(began) < 10*time.Minute {
			t.Errorf("ended after %v with %v, want ErrPeerClosed after 10 min", time.Since(began), err)
		}
		from.Close()
		<-to.done
		if err := to.Err(); err != ErrClosed {
			t.Errorf("the receiver ended with %v, want ErrClosed", err)
		}
	})
}

// The places of a server are tried in order, and a broken one does not hide the next.
func TestDialServerTriesThePlacesInOrder(t *testing.T) {
	p := newPeers(t)
	p.from.Resolver.Static[domain] = []Target{{Address: "192.0.2.7:5269"}, {Address: "192.0.2.8:5269"}, {Address: "192.0.2.9:5269"}}
	var tried []string
	p.from.Dialer = func(_ context.Context, t Target) (net.Conn, error) {
		tried = append(tried, t.Address)
		switch len(tried) {
		case 1:
			return nil, errors.New("refused")
		case 2:
			ours, theirs := net.Pipe()
			theirs.Close()
			return ours, nil
		}
		return p.fromEnd, nil
	}
	from, to := p.join(t)
	if d := cmp.Diff([]string{"192.0.2.7:5269", "192.0.2.8:5269", "192.0.2.9:5269"}, tried); d != "" {
		t.Errorf("tried (-want +got):\n%s", d)
	}
	from.End(nil)
	to.Next()
	to.Close()
	from.Close()
}

func TestDialServerReportsThePlaceThatCameFurthest(t *testing.T) {
	p := newPeers(t)
	p.from.Resolver.Static[domain] = []Target{{Address: "192.0.2.7:5269"}, {Address: "192.0.2.8:5269"}}
	first := true
	p.from.Dialer = func(context.Context, Target) (net.Conn, error) {
		if !first {
			return nil, errors.New("refused")
		}
		first = false
		ours, theirs := net.Pipe()
		theirs.Close()
		return ours, nil
	}
	_, err := DialServer(t.Context(), p.from)
	if ne, ok := errors.AsType[*NegotiationError](err); !ok || ne.Step != StepStream {
		t.Errorf("DialServer: %v, want a failure in step stream", err)
	}
	p.toEnd.Close()
}

const (
	serverAttrs      = " version='1.0' xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"
	fromOther        = "<?xml version='1.0'?><stream:stream from='utility.example' to='site.example'" + serverAttrs
	externalAsOther  = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>dXRpbGl0eS5leGFtcGxl</auth>"
	dialbackResult   = "<db:result xmlns:db='jabber:server:dialback' from='utility.example' to='site.example'>key</db:result>"
	dialbackVerify   = "<db:verify xmlns:db='jabber:server:dialback' from='utility.example' to='site.example' id='1'>key</db:verify>"
	receiverRefusal  = "</stream:error></stream:stream>"
	receiverFeatures = "</stream:features>"
)

// secured is another server's way through TLS, with the features that it is offered behind it.
func (r *raw) opened(id *pki.Identity, header string) string {
	r.t.Helper()
	r.send(fromOther)
	r.until(receiverFeatures)
	r.send(startTLSAsk)
	r.until(proceed)
	r.handshake(tls.Client(r.nc, clientTLS(id)))
	r.send(header)
	for !strings.Contains(r.seen, receiverFeatures) && !strings.Contains(r.seen, closeTag) {
		b := make([]byte, 4096)
		n, err := r.conn.Read(b)
		r.seen += string(b[:n])
		if err != nil {
			break
		}
	}
	seen := r.seen
	r.seen = ""
	return seen
}

func TestM10AnotherServer(t *testing.T) {
	header := func(from string) string { return strings.Replace(fromOther, "utility.example", from, 1) }
	type want struct {
		heard string // what the attacker is told
		event audit.ID
	}
	refusedAs := func(c StreamCondition) want { return want{"<" + string(c) + " xmlns=", audit.ServerToServerRefused} }
	tests := map[string]struct {
		attack func(*raw, *peers)
		want   want
		also   audit.ID // beside it
	}{
		"dialback unasked for": {func(r *raw, p *peers) {
			r.send(fromOther, dialbackResult)
		}, refusedAs(UnsupportedStanzaType), ""},
		"verification of a dialback": {func(r *raw, p *peers) {
			r.send(fromOther, dialbackVerify)
		}, refusedAs(UnsupportedStanzaType), ""},
		"dialback behind TLS": {func(r *raw, p *peers) {
			r.opened(p.other.server, fromOther)
			r.send(dialbackResult)
		}, refusedAs(UnsupportedStanzaType), ""},
		"dialback on the stream": {func(r *raw, p *peers) {
			r.opened(p.other.server, fromOther)
			r.send(externalAsOther)
			r.until(saslSuccess)
			r.send(fromOther)
			r.until(receiverFeatures)
			r.send(dialbackResult)
		}, refusedAs(UnsupportedStanzaType), ""},
		"EXTERNAL before TLS": {func(r *raw, p *peers) {
			r.send(fromOther)
			r.until(receiverFeatures)
			r.send(externalAsOther)
		}, want{"<encryption-required/>", audit.ServerToServerRefused}, ""},
		"no certificate": {func(r *raw, p *peers) {
			r.seen = r.opened(nil, fromOther)
		}, refusedAs(NotAuthorized), audit.TLSNoPeerCertificate},
		"the stream is from another domain": {func(r *raw, p *peers) {
			p.trustedThere["third.example"] = p.other.trust
			r.seen = r.opened(p.other.server, header("third.example"))
		}, refusedAs(NotAuthorized), audit.ClientCertificate},
		"certificate of another domain": {func(r *raw, p *peers) {
			r.seen = r.opened(p.other.third, fromOther)
		}, refusedAs(NotAuthorized), audit.ClientCertificate},
		"rogue CA": {func(r *raw, p *peers) {
			p.trustedThere[otherDomain] = p.site.trust
			r.seen = r.opened(p.other.server, fromOther)
		}, refusedAs(NotAuthorized), audit.CertificateUnknownCA},
		"the CA of one domain vouches for another": {func(r *raw, p *peers) {
			p.trustedThere["third.example"] = p.site.trust
			r.seen = r.opened(p.other.third, header("third.example"))
		}, refusedAs(NotAuthorized), audit.CertificateUnknownCA},
		"a domain that nothing is taken from": {func(r *raw, p *peers) {
			r.seen = r.opened(p.other.third, header("third.example"))
		}, refusedAs(NotAuthorized), ""},
		"a client's certificate": {func(r *raw, p *peers) {
			p.trustedThere[domain], p.trustedThere[otherDomain] = p.site.trust, p.site.trust
			r.seen = r.opened(p.site.client, fromOther)
		}, refusedAs(NotAuthorized), audit.ClientCertificate},
		"our own domain": {func(r *raw, p *peers) {
			p.trustedThere[domain] = p.other.trust
			r.seen = r.opened(p.other.forged, header(domain))
		}, refusedAs(InvalidFrom), ""},
		"an account instead of a domain": {func(r *raw, p *peers) {
			r.seen = r.opened(p.other.server, header("ems@utility.example"))
		}, refusedAs(ImproperAddressing), ""},
		"nobody": {func(r *raw, p *peers) {
			r.seen = r.opened(p.other.server, strings.Replace(fromOther, " from='utility.example'", "", 1))
		}, refusedAs(ImproperAddressing), ""},
		"asks to speak for another": {func(r *raw, p *peers) {
			r.opened(p.other.server, fromOther)
			r.send(strings.Replace(externalAsOther, "dXRpbGl0eS5leGFtcGxl", "dGhpcmQuZXhhbXBsZQ==", 1))
			r.until("</failure>")
			r.seen = "<invalid-authzid/>"
			r.send(closeTag)
		}, want{"<invalid-authzid/>", audit.ServerToServerRefused}, ""},
		"another domain once authenticated": {func(r *raw, p *peers) {
			r.opened(p.other.server, fromOther)
			r.send(externalAsOther)
			r.until(saslSuccess)
			r.send(header("third.example"))
		}, refusedAs(InvalidFrom), ""},
		"another mechanism": {func(r *raw, p *peers) {
			r.opened(p.other.server, fromOther)
			r.send(strings.Replace(externalAsOther, "EXTERNAL", "PLAIN", 1))
			r.until("</failure>")
			r.seen = "<invalid-mechanism/>"
			r.send(closeTag)
		}, want{"<invalid-mechanism/>", audit.SASLDowngrade}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPeers(t)
			done := make(chan struct{})
			heard := ""
			go func() {
				defer close(done)
				newRaw(t, p.fromEnd).run(func(r *raw) {
					tt.attack(r, p)
					heard = r.rest()
				})
			}()
			c, err := AcceptServer(t.Context(), p.toEnd, p.to)
			if err == nil {
				_, err = c.Next()
				c.Close()
			}
			<-done
			if err == nil || !strings.Contains(heard, tt.want.heard) {
				t.Errorf("the attacker heard %q, want %q; AcceptServer: %v", heard, tt.want.heard, err)
			}
			got, want := ids(&p.toEvents), []audit.ID{tt.want.event}
			if tt.also != "" {
				want = append([]audit.ID{tt.also}, want...)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
		})
	}
}

// Who claims to be the server of another domain is found out before we authenticate.
func TestM10NotTheServerOfThatDomain(t *testing.T) {
	for name, tt := range map[string]struct {
		certificate func(p *peers) *pki.Identity
		trust       func(p *peers) *pki.Trust
		event       audit.ID
	}{
		"certificate of another domain": {func(p *peers) *pki.Identity { return p.other.third }, func(p *peers) *pki.Trust { return p.other.trust }, audit.ServerCertificate},
		"rogue CA":                      {func(p *peers) *pki.Identity { return p.other.forged }, func(p *peers) *pki.Trust { return p.site.trust }, audit.CertificateUnknownCA},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeers(t)
			p.to.Identity, p.from.Trust = tt.certificate(p), tt.trust(p)
			done := make(chan error, 1)
			go func() {
				_, err := AcceptServer(t.Context(), p.toEnd, p.to)
				done <- err
			}()
			_, err := DialServer(t.Context(), p.from)
			if ne, ok := errors.AsType[*NegotiationError](err); !ok || ne.Step != StepTLS || ne.Event != tt.event {
				t.Errorf("DialServer: %v, want a failure in step tls with %s", err, tt.event)
			}
			if err := <-done; err == nil {
				t.Error("the impostor has accepted the stream")
			}
			if d := cmp.Diff([]audit.ID{tt.event}, ids(&p.fromEvents)); d != "" {
				t.Errorf("events (-want +got):\n%s", d)
			}
		})
	}
}
