//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi/scl"
	"busbar.example/app/trace"
	"busbar.example/internal/testbed"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// watched is all that passes between a client and the broker, both ways, in a mode: the client browses, reads, writes, is
// refused and, where cut, loses its connection and takes it up again. It is traced, and what the trace shows is in it, too.
func watched(t *testing.T, mode testbed.Mode, cut bool) []string {
	listener := testbed.NewListener()
	bed := testbed.Start(t, testbed.Options{Mode: mode, Listener: listener})
	bed.IED("pv1", pv(t))
	var shown bytes.Buffer
	tracer := trace.New(&shown, trace.Options{JSON: true, Raw: true})
	cfg := bed.Config("ems", rbac.Engineer)
	g := &glass{toServer: cfg.XMPP.Identity, toClient: bed.ServerIdentity()}
	cfg.XMPP.Dialer, cfg.XMPP.Resume = g.between(listener.Dial), 0
	cfg.XMPP.Trace, cfg.Trace = tracer.Hooks()
	e := bed.Dial(cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	use(t, ctx, bed.AssociateOn(e, "pv1"), func() {
		if cut {
			g.cut()
		}
	})
	e.Close()
	documents := g.documents()
	tracer.Close(nil)
	lines := json.NewDecoder(&shown)
	for {
		var event struct{ XML, PDUXML string }
		if err := lines.Decode(&event); err == io.EOF {
			return documents
		} else if err != nil {
			t.Fatal(err)
		}
		if event.XML != "" {
			documents = append(documents, "<stream xmlns='jabber:client'>"+event.XML+"</stream>")
		}
		if event.PDUXML != "" {
			documents = append(documents, event.PDUXML)
		}
	}
}

// A realm is a broker of a domain that offers all that there is.
type realm struct {
	domain         string
	root           *pki.CA
	trust          *pki.Trust
	clients, peers net.Listener
}

func newRealm(t *testing.T, name string) *realm {
	r := &realm{domain: name, clients: testbed.NewListener(), peers: testbed.NewListener()}
	var err error
	r.root, err = pki.NewRoot(pki.E2M, name)
	if err != nil {
		t.Fatal(err)
	}
	if r.trust, err = pki.NewTrust([]*x509.Certificate{r.root.Certificate()}, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *realm) identity(t *testing.T) *pki.Identity {
	id, err := r.root.IssueServer(r.domain)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serve starts the broker, which reaches another through a glass.
func (r *realm) serve(t *testing.T, other *realm, g *glass) {
	everybody, err := xmppd.ParsePattern("*")
	if err != nil {
		t.Fatal(err)
	}
	way := g.between(func(ctx context.Context) (net.Conn, error) { return other.peers.(*testbed.Listener).Dial(ctx) })
	server, err := xmppd.New(xmppd.Config{Domain: r.domain, Trust: r.trust, Rosters: &xmppd.Rosters{}, Passwords: new(sasl.Passwords), Registrations: 2,
		Live: xmppd.Live{Identity: r.identity(t), Groups: []xmppd.Group{}, Rules: []xmppd.Rule{{From: everybody, To: everybody, Allow: true}}},
		Federation: &xmppd.Federation{
			Wait:  time.Second, // for a domain that there is not
			Trust: func(string) *pki.Trust { return other.trust },
			Resolver: func(string) *xmpp.Resolver {
				return &xmpp.Resolver{Static: map[string][]xmpp.Target{other.domain: {{Address: other.domain + ":5269", Static: true}}}}
			},
			Dialer: func(ctx context.Context, _ xmpp.Target) (net.Conn, error) { return way(ctx) },
		}})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	go func() { served <- server.Serve(context.Background(), r.clients) }()
	go func() { served <- server.ServePeers(context.Background(), r.peers) }()
	t.Cleanup(func() {
		server.Close()
		<-served
		<-served
	})
}

// brokers is all that passes between two brokers, and between one of them and its clients, one of which registers.
func brokers(t *testing.T) []string {
	here, there := newRealm(t, domain), newRealm(t, utility)
	across := &glass{toServer: here.identity(t), toClient: there.identity(t)}
	back := &glass{toServer: there.identity(t), toClient: here.identity(t)}
	here.serve(t, there, across)
	there.serve(t, here, back)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var glasses = []*glass{across, back}
	var sessions []*xmpp.Session
	for _, at := range []struct {
		realm *realm
		name  string
	}{{there, "ems"}, {here, "pv1"}} {
		account := at.name + "@" + at.realm.domain
		id, err := at.realm.root.IssueClientTLS(account)
		if err != nil {
			t.Fatal(err)
		}
		g := &glass{toServer: id, toClient: at.realm.identity(t)}
		s, err := xmpp.Dial(ctx, xmpp.Config{JID: jid.MustParse(account + "/IEC"), Identity: id, Trust: at.realm.trust,
			Dialer: g.between(at.realm.clients.(*testbed.Listener).Dial)})
		if err != nil {
			t.Fatal(err)
		}
		glasses, sessions = append(glasses, g), append(sessions, s)
	}
	askAll(t, ctx, sessions[1], sessions[0].JID())
	for _, s := range sessions {
		s.Close()
	}
	documents := registered(t, ctx, here)
	for _, g := range glasses {
		documents = append(documents, g.documents()...)
	}
	return documents
}

// askAll asks the broker, and somebody at another, for all that there is, and for what there is not.
func askAll(t *testing.T, ctx context.Context, s *xmpp.Session, abroad jid.JID) {
	me, broker := s.JID(), jid.MustParse(s.JID().Domain())
	if err := s.InitialPresence(ctx); err != nil {
		t.Fatal(err)
	}
	for _, presence := range []stanza.Type{"subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"} {
		if err := s.Send(ctx, stanza.Stanza{Kind: stanza.Presence, Type: presence, To: abroad.Bare()}); err != nil {
			t.Fatal(err)
		}
	}
	set := "<query xmlns='jabber:iq:roster'><item jid='" + abroad.Bare().String() + "' name='&lt;&apos;&quot;&amp;'><group>a&lt;b</group></item></query>"
	for _, q := range []struct {
		to      jid.JID
		kind    stanza.Type
		payload string
	}{
		{broker, stanza.Get, "<query xmlns='http://jabber.org/protocol/disco#info'/>"}, {broker, stanza.Get, "<query xmlns='http://jabber.org/protocol/disco#items'/>"},
		{broker, stanza.Get, "<ping xmlns='urn:xmpp:ping'/>"}, {broker, stanza.Get, "<time xmlns='urn:xmpp:time'/>"},
		{broker, stanza.Get, "<query xmlns='jabber:iq:version'/>"}, {broker, stanza.Get, "<query xmlns='jabber:iq:last'/>"},
		{broker, stanza.Get, "<query xmlns='jabber:iq:register'/>"}, {me.Bare(), stanza.Get, "<query xmlns='jabber:iq:roster'/>"},
		{me.Bare(), stanza.Set, set}, {broker, stanza.Set, "<nothing xmlns='urn:x' a='&lt;'>]]&gt;</nothing>"},
		{abroad, stanza.Get, "<ping xmlns='urn:xmpp:ping'/>"}, {abroad, stanza.Get, "<query xmlns='http://jabber.org/protocol/disco#info'/>"},
		{jid.MustParse("nobody@" + abroad.Domain()), stanza.Get, "<ping xmlns='urn:xmpp:ping'/>"}, {jid.MustParse("nobody@third.example"), stanza.Get, "<ping xmlns='urn:xmpp:ping'/>"},
	} {
		var refused *stanza.Error
		if _, err := s.Request(ctx, stanza.Stanza{Kind: stanza.IQ, Type: q.kind, To: q.to, Payload: []byte(q.payload)}); err != nil && !errors.As(err, &refused) {
			t.Fatalf("%s of %s: %v", q.payload, q.to, err)
		}
	}
}

// registered makes an account with a client of our own make, and returns what the broker has said.
func registered(t *testing.T, ctx context.Context, r *realm) []string {
	nc, err := r.clients.(*testbed.Listener).Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	var said bytes.Buffer
	talk := func(nc net.Conn, write, until string) {
		t.Helper()
		sent := make(chan error, 1)
		go func() { _, err := nc.Write([]byte(write)); sent <- err }()
		from := said.Len()
		b := make([]byte, 4096)
		for !strings.Contains(said.String()[from:], until) {
			n, err := nc.Read(b)
			said.Write(b[:n])
			if err != nil && !strings.Contains(said.String()[from:], until) {
				t.Fatalf("%q was answered %q, then %v", write, said.String()[from:], err)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	header := "<?xml version='1.0'?><stream:stream to='" + r.domain + "' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	talk(nc, header, "</stream:features>")
	talk(nc, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "/>")
	inside := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	talk(inside, header, "</stream:features>")
	talk(inside, "<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>", "</iq>")
	talk(inside, "<iq type='set' id='2'><query xmlns='jabber:iq:register'><username>new</username><password>correct horse</password></query></iq>", "id='2'")
	talk(inside, "</stream:stream>", "</stream:stream>")
	return cutStreams(said.String())
}

// extracts are what scl extract writes of the files that its tests have.
func extracts(t *testing.T) (documents []string) {
	for _, pattern := range []string{"../acsi/scl/testdata/*.?[ci]d", "../app/demo/scl/*.cid"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			in, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			d, err := scl.Parse(in)
			in.Close()
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, ied := range d.IEDs() {
				var b bytes.Buffer
				if err := d.Extract(&b, ied.Name); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				documents = append(documents, b.String())
			}
		}
	}
	return documents
}

var namespace = regexp.MustCompile(`urn:(?:ietf|xmpp):[a-zA-Z0-9:._-]+|http://(?:jabber\.org|etherx\.jabber\.org|www\.iec\.ch)/[a-zA-Z0-9/#_.-]+\w|jabber:[a-z]+(?::[a-z]+)*`)

// namespaces are all that our code names, each with a file that does.
func namespaces(t *testing.T) map[string]string {
	found := map[string]string{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == "../interop": // it is not the program
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, n := range namespace.FindAllString(string(text), -1) {
			found[n] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// onlyRead are namespaces that our code names and never writes.
var onlyRead = map[string]bool{
	"jabber:server:dialback":  true, // which is refused
	"http://www.iec.ch/61850": true, // what the namespaces of SCL have in common
}

// checkNamespaces makes sure that whatever we emit has been shown: there is a document in each namespace that our code names.
func checkNamespaces(t *testing.T, documents []string) {
	all := strings.Join(documents, "\n")
	for n, file := range namespaces(t) {
		if !onlyRead[n] && !strings.Contains(all, "'"+n+"'") && !strings.Contains(all, `"`+n+`"`) {
			t.Errorf("no document that was shown has the namespace %s of %s", n, file)
		}
	}
}
