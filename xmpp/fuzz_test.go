package xmpp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// readBreak separates what arrives in one read from what arrives in the next.
const readBreak = "\x1e"

// FuzzStream plays a hostile server to our client and a hostile client to our
// server: all octets are the peer's, before TLS, after it and on the stream.
// Whatever they are, the negotiation ends; nothing is ready without TLS and
// SASL; what we say is well-formed.
func FuzzStream(f *testing.F) {
	files, err := filepath.Glob("testdata/negotiate/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var reads []string
		for l := range strings.Lines(string(text)) {
			if octets, ok := strings.CutPrefix(l, "< "); ok {
				reads = append(reads, strings.TrimSuffix(octets, "\n"))
			}
		}
		reads = append(reads, "<iq type='get' id='1' from='site.example'><ping xmlns='urn:xmpp:ping'/></iq>",
			"<iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='a@site.example' subscription='both'/></query></iq>",
			"<iq type='result' id='1'/><message xmlns:x='urn:x'><x:a>x</x:a></message> <presence type='unavailable'/>",
			"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		f.Add(strings.Contains(filepath.Base(file), "client"), []byte(strings.Join(reads, readBreak)))
	}
	f.Fuzz(func(t *testing.T, initiator bool, octets []byte) {
		peer := &fuzzPeer{reads: bytes.Split(octets, []byte(readBreak))}
		c := newConn(peer, settings{trace: traceOf(nil), keepAlive: KeepAlive{Idle: -1, Loss: -1}}.withDefaults())
		c.ping = func() {}
		s := &shell{Conn: c, m: newMachine(domain)}
		s.m.limits, s.m.newID = c.limits, func() string { return "id1" }
		secured := false
		s.secure = func() (sasl.Channel, error) {
			if c.sc.Buffered() > 0 {
				t.Fatalf("TLS begins with %d octets before it", c.sc.Buffered())
			}
			secured = true
			s.w = newWriter(peer, time.Second, 1<<20)
			return sasl.Channel{Domain: domain, Certified: true, Addresses: []string{"ied1@" + domain}}, nil
		}
		s.bind = func(_ context.Context, resource string) error {
			c.setJID(jid.MustParse("ied1@" + domain + "/IEC"))
			return nil
		}
		if s.m.initiator = initiator; initiator {
			s.m.account, s.m.resource = jid.MustParse("ied1@"+domain), "IEC"
			s.m.clients = []sasl.Client{sasl.External(jid.JID{})}
		} else {
			s.m.servers = []sasl.Server{sasl.ExternalServer(nil)}
		}
		err := s.negotiate(context.Background())
		if err == nil {
			if !secured || s.JID() != jid.MustParse("ied1@"+domain+"/IEC") || s.info.Mechanism != "EXTERNAL" {
				t.Fatalf("ready as %q by %q, TLS %v", s.JID(), s.info.Mechanism, secured)
			}
			useStream(t, c, initiator)
		}
		<-c.done
		if err := c.Err(); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("ended with %v", err)
		}
		peer.check(t)
	})
}

// useStream reads a stream to its end, as a session or as a server, and then writes what that has queued: one after the
// other, since fuzzing is guided by what an input does each time alike.
func useStream(t *testing.T, c *Conn, initiator bool) {
	go func() {
		<-c.Ending()
		c.run()
	}()
	if initiator {
		session := newSession(c, Config{Handler: func(st stanza.Stanza) { checkPayload(t, st.Payload) }})
		session.read()
		return
	}
	for {
		if _, err := c.Next(); err != nil {
			return
		}
		raw, err := c.Inner()
		if err != nil {
			return
		}
		if b, err := raw.AppendSelfContained(nil, stanza.Namespace); err == nil {
			checkPayload(t, b)
		}
	}
}

// checkPayload checks that a payload stands on its own.
func checkPayload(t *testing.T, payload []byte) {
	sc := xmltok.NewBytesScanner(payload, xmltok.Limits{MaxDocument: 1 << 20})
	sc.SetDefaultNamespace(stanza.Namespace)
	for {
		if _, err := sc.Next(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("payload %q: %v", payload, err)
		}
	}
}

// fuzzPeer is a peer that has said all that it will say.
type fuzzPeer struct {
	reads [][]byte
	wrote bytes.Buffer
}

func (p *fuzzPeer) Read(b []byte) (int, error) {
	for len(p.reads) > 0 && len(p.reads[0]) == 0 {
		p.reads = p.reads[1:]
	}
	if len(p.reads) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.reads[0])
	p.reads[0] = p.reads[0][n:]
	return n, nil
}

// check checks that what was written are streams, of which only the last may be
// complete.
func (p *fuzzPeer) check(t *testing.T) {
	const declaration = "<?xml version='1.0'?>"
	for i, stream := range strings.Split(p.wrote.String(), declaration) {
		if i == 0 {
			if stream != "" {
				t.Fatalf("written before a stream: %q", stream)
			}
			continue
		}
		sc := xmltok.NewScanner(strings.NewReader(declaration+stream), xmltok.Limits{MaxDocument: 1 << 30})
		for {
			_, err := sc.Next()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break
			} else if err != nil {
				t.Fatalf("written: %q: %v", stream, err)
			}
		}
	}
}

func (p *fuzzPeer) Write(b []byte) (int, error)      { return p.wrote.Write(b) }
func (p *fuzzPeer) Close() error                     { return nil }
func (p *fuzzPeer) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *fuzzPeer) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *fuzzPeer) SetDeadline(time.Time) error      { return nil }
func (p *fuzzPeer) SetReadDeadline(time.Time) error  { return nil }
func (p *fuzzPeer) SetWriteDeadline(time.Time) error { return nil }
