package xmpp

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

var update = flag.Bool("update", false, "rewrite the scripts in testdata from what happens")

// TestNegotiationScripts runs the files in testdata/negotiate. A file begins with
// the end that it plays, and goes on with what that end meets; what it does
// stands in between, and is rewritten by -update:
//
//	client JID [password | unbound] | server DOMAIN [passwords]
//	                 by certificate, or by password, with channel binding or
//	                 even without; the server has one for ied1
//	< OCTETS         the peer sends
//	tls [JID…]       the handshake succeeds; a client's verified certificate has these names
//	tls none         it succeeds, and the client has no valid certificate
//	bind JID         the application chooses this address
//	refuse CONDITION the application refuses the resource
//	> OCTETS         this end sends
//	! ID TEXT        a security event
//	= OUTCOME        how it ends
func TestNegotiationScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/negotiate/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("%s (-want +got):\n%s", file, d)
			}
		})
	}
}

// What an attacker may have said before TLS counts for nothing after it.
//
// RFC 6120, Section 5.4.3.3.
func TestWhatWasLearnedBeforeTLSIsForgotten(t *testing.T) {
	const limits = "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>%d</max-bytes></limits>"
	sc := &script{lines: []string{
		"client ied1@site.example/IEC",
		"< " + strings.Replace(serverHeader, "id='s'", "id='clear'", 1),
		"< " + features(fmt.Sprintf(limits, 1), startTLSOffer, externalOffer),
		"< " + proceed,
		"tls",
		"< " + serverHeader,
		"< " + features(fmt.Sprintf(limits, 2), externalOffer),
		"< " + saslSuccess,
		"< " + strings.Replace(serverHeader, "id='s'", "id='last'", 1),
		"< " + features(bindOffer),
		"< <iq type='result' id='id1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>ied1@site.example/IEC</jid></bind></iq>",
	}}
	s := sc.shell(t)
	if err := s.negotiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.info.MaxStanza != 0 || s.info.StreamID != "last" {
		t.Errorf("limit %d, stream %q: both are of a stream before", s.info.MaxStanza, s.info.StreamID)
	}
}

func runScript(t *testing.T, text string) string {
	sc := &script{lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	s := sc.shell(t)
	err := s.negotiate(context.Background())
	var ne *NegotiationError
	switch {
	case err == nil:
		sc.log("= %s as %s", s.m.state, s.JID())
	case errors.As(err, &ne):
		sc.log("= %v", ne)
		if ne.Hint != "" {
			sc.log("= hint: %s", ne.Hint)
		}
	}
	for sc.peek() != "" {
		sc.log("%s", sc.take())
	}
	return sc.out.String()
}

// script plays the peer, the application and the network of one negotiation, and
// logs what happens. It is a net.Conn and an audit.Sink.
type script struct {
	lines   []string
	out     strings.Builder
	pending []byte
	closing bool
	server  ServerConfig
}

// pencils has the account ied1 with the password pencil, as RFC 7677 salts it.
func pencils() *sasl.Passwords {
	octets := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			panic(err)
		}
		return b
	}
	p := new(sasl.Passwords)
	p.Set([]byte("secret"), map[jid.JID]sasl.Verifier{jid.MustParse("ied1@" + domain): {
		Salt: octets("W22ZaJ0SNY7soEsUEjb6gQ=="), Iterations: 4096,
		StoredKey: octets("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="),
		ServerKey: octets("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
	}})
	return p
}

func (sc *script) shell(t *testing.T) *shell {
	// Nonces are the same each time.
	cryptotest.SetGlobalRandom(t, 1)
	how := append(strings.Fields(sc.take()), "", "", "")[:3]
	c := newConn(sc, settings{audit: sc, trace: traceOf(nil)}.withDefaults())
	s := &shell{Conn: c}
	switch how[0] {
	case "client":
		account := jid.MustParse(how[1])
		s.m = newMachine(account.Domain())
		s.m.initiator = true
		s.m.account, s.m.resource = account.Bare(), account.Resource()
		s.m.clients = []sasl.Client{sasl.External(jid.JID{})}
		if how[2] != "" {
			s.m.clients = sasl.SCRAM{Username: account.Local(), Password: func() (string, error) { return "pencil", nil }, AllowUnbound: how[2] == "unbound"}.Clients()
		}
	case "server":
		s.m = newMachine(how[1])
		if how[2] != "" {
			sc.server.Passwords = pencils()
		}
	default:
		t.Fatalf("a script begins with client or server, not %q", how[0])
	}
	sc.log("%s", strings.TrimSpace(strings.Join(how, " ")))
	s.m.limits = c.limits
	ids := 0
	s.m.newID = func() string { ids++; return fmt.Sprintf("id%d", ids) }
	s.secure = func() (sasl.Channel, error) {
		return sc.handshake(s.m)
	}
	s.bind = func(_ context.Context, resource string) error { return sc.bind(c, resource) }
	return s
}

func (sc *script) handshake(m *machine) (sasl.Channel, error) {
	names, ok := sc.command("tls")
	if !ok {
		return sasl.Channel{}, errors.New("the script has no TLS handshake here")
	}
	ch := sasl.Channel{Bindings: []sasl.Binding{
		{Type: sasl.BindingExporter, Data: []byte("exported")}, {Type: sasl.BindingEndPoint, Data: []byte("hash")},
	}}
	if m.initiator {
		return ch, nil
	}
	ch.Domain, ch.Source = m.domain, "192.0.2.1"
	if len(names) != 1 || names[0] != "none" {
		ch.Certified, ch.Addresses = true, names
	}
	m.servers = sc.server.mechanisms(ch)
	return ch, nil
}

func (sc *script) bind(c *Conn, resource string) error {
	if args, ok := sc.command("bind"); ok {
		c.setJID(jid.MustParse(args[0]))
		return nil
	}
	if args, ok := sc.command("refuse"); ok {
		return stanza.NewError(stanza.Condition(args[0]), "")
	}
	return fmt.Errorf("the script does not bind %q", resource)
}

// peek returns the next line that is a command, and logs comments before it.
func (sc *script) peek() string {
	for len(sc.lines) > 0 {
		switch l := sc.lines[0]; {
		case l == "" || l[0] == '#':
			sc.log("%s", l)
		case l[0] != '>' && l[0] != '=' && l[0] != '!':
			return l
		}
		sc.lines = sc.lines[1:]
	}
	return ""
}

func (sc *script) take() string {
	l := sc.peek()
	if l != "" {
		sc.lines = sc.lines[1:]
	}
	return l
}

func (sc *script) command(name string) (args []string, ok bool) {
	f := strings.Fields(sc.peek())
	if len(f) == 0 || f[0] != name {
		return nil, false
	}
	sc.log("%s", sc.take())
	return f[1:], true
}

func (sc *script) log(format string, args ...any) { fmt.Fprintf(&sc.out, format+"\n", args...) }

func (sc *script) Read(p []byte) (int, error) {
	if sc.closing {
		return 0, os.ErrDeadlineExceeded
	}
	if len(sc.pending) == 0 {
		octets, ok := strings.CutPrefix(sc.peek(), "< ")
		if !ok {
			return 0, io.EOF
		}
		sc.log("%s", sc.take())
		sc.pending = []byte(octets)
	}
	n := copy(p, sc.pending)
	sc.pending = sc.pending[n:]
	return n, nil
}

func (sc *script) Write(p []byte) (int, error) {
	sc.log("> %s", p)
	return len(p), nil
}

func (sc *script) Record(e audit.Event) { sc.log("! %s %s", e.ID, e.Text) }

func (sc *script) Close() error                     { return nil }
func (sc *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (sc *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (sc *script) SetDeadline(d time.Time) error    { sc.closing = !d.IsZero(); return nil }
func (sc *script) SetReadDeadline(time.Time) error  { return nil }
func (sc *script) SetWriteDeadline(time.Time) error { return nil }
