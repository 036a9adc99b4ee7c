//go:build interop

package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"

	"github.com/google/go-cmp/cmp"
)

// slixmpp is a process with slixmpp's clients, which testdata/slixmpp_clients.py drives.
type slixmpp struct {
	t     *testing.T
	a     *authority
	host  string
	port  int
	in    io.Writer
	lines chan string
}

// startSlixmpp starts the process, for the broker at that address.
func startSlixmpp(t *testing.T, a *authority, address string) *slixmpp {
	t.Helper()
	cmd := exec.Command(slixmppPython(t), filepath.Join("testdata", "slixmpp_clients.py"))
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &slixmpp{t: t, a: a, host: host, lines: make(chan string, 100)}
	if p.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr, p.in = &stderr, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		in.Close()
		ended := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		<-read
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("slixmpp: %v\n%s", err, stderr.String())
		}
		ended.Stop()
	})
	return p
}

// do gives a command, and waits until exactly these lines have come, in any order.
func (p *slixmpp) do(command string, want ...string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		p.t.Fatal(err)
	}
	p.expect(command, want...)
}

func (p *slixmpp) expect(why string, want ...string) {
	p.t.Helper()
	var got []string
	for len(got) < len(want) {
		select {
		case line := <-p.lines:
			got = append(got, line)
		case <-time.After(30 * time.Second):
			p.t.Fatalf("%s: printed %q within 30 s, want %q", why, got, want)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Fatalf("%s: printed (-want +got)\n%s", why, diff)
	}
}

// credentials are how a client of slixmpp logs in.
type credentials struct {
	Mech     string `json:"mech"`
	Cert     string `json:"cert,omitempty"`
	Key      string `json:"key,omitempty"`
	Password string `json:"password,omitempty"`
	TLS12    bool   `json:"tls12,omitempty"`
	Unbound  bool   `json:"unbound,omitempty"`
}

func (p *slixmpp) login(name, full string, c credentials, want ...string) {
	p.t.Helper()
	spec, err := json.Marshal(struct {
		JID     string `json:"jid"`
		Host    string `json:"host"`
		Port    int    `json:"port"`
		Anchors string `json:"anchors"`
		credentials
	}{full, p.host, p.port, p.a.anchors, c})
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(name+" login "+string(spec), want...)
}

// byCertificate returns the credentials of an account that has one.
func (p *slixmpp) byCertificate(bare string) credentials {
	p.t.Helper()
	cert, key := p.a.save(p.a.client(bare), bare)
	return credentials{Mech: "EXTERNAL", Cert: cert, Key: key}
}

// slixmppPython returns a Python that has slixmpp.
func slixmppPython(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import slixmpp").Run() == nil {
			return python
		}
	}
	missing(t, "python3-slixmpp")
	return ""
}

// passwords returns the accounts that may log in with the password "correct horse".
func passwords(t *testing.T, bare ...string) *sasl.Passwords {
	t.Helper()
	accounts := map[jid.JID]sasl.Verifier{}
	for _, b := range bare {
		v, err := sasl.NewVerifier("correct horse")
		if err != nil {
			t.Fatal(err)
		}
		accounts[jid.MustParse(b)] = v
	}
	p := new(sasl.Passwords)
	p.Set(nil, accounts)
	return p
}

// TestSlixmppLogsIn lets slixmpp log in by each mechanism that it has and we allow, and fail where it must.
//
// XEP-0178; RFC 5802; RFC 7677.
func TestSlixmppLogsIn(t *testing.T) {
	a := newAuthority(t, t.TempDir())
	events := new(audit.Memory)
	address, _ := a.broker(xmppd.Config{Passwords: passwords(t, "ems@dso.example"), Audit: events})
	p := startSlixmpp(t, a, address)

	const right = "correct horse"
	for _, tt := range []struct {
		name string
		c    credentials
		want string // of SASL; "" for a refusal
	}{
		{"external", p.byCertificate("ems@dso.example"), "EXTERNAL"},
		{"unbound", credentials{Mech: "SCRAM-SHA-256", Password: right, Unbound: true}, "SCRAM-SHA-256"},
		{"tls-unique", credentials{Mech: "SCRAM-SHA-256-PLUS", Password: right, TLS12: true}, "SCRAM-SHA-256-PLUS"},
		{"wrong-password", credentials{Mech: "SCRAM-SHA-256", Password: "wrong", Unbound: true}, ""},
		{"wrong-bound-password", credentials{Mech: "SCRAM-SHA-256-PLUS", Password: "wrong", TLS12: true}, ""},
		// It says that we offer no binding, where we do: somebody may have edited the offer.
		{"offer-edited", credentials{Mech: "SCRAM-SHA-256", Password: right}, ""},
		// On TLS 1.3 its data for tls-unique are no binding.
		{"tls-unique-1.3", credentials{Mech: "SCRAM-SHA-256-PLUS", Password: right}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.t = t
			full := "ems@dso.example/" + tt.name
			if tt.want == "" {
				p.login(tt.name, full, tt.c, tt.name+" refused not-authorized", tt.name+" gave up", tt.name+" disconnected")
				return
			}
			p.login(tt.name, full, tt.c, tt.name+" bound "+full+" "+tt.want)
			p.do(tt.name+" ping", tt.name+" pong")
			p.do(tt.name+" close", tt.name+" disconnected")
		})
	}
}

// TestSlixmppOnOurBroker lets clients of slixmpp talk with each other and with our client, over our broker.
//
// RFC 6121, Sections 4 and 8; XEP-0030; XEP-0092; XEP-0199.
func TestSlixmppOnOurBroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	a := newAuthority(t, t.TempDir())
	group := xmppd.Group{Name: "plant"}
	for _, local := range []string{"ems", "hmi", "pv1"} {
		group.Members = append(group.Members, jid.MustParse(local+"@dso.example"))
	}
	address, _ := a.broker(xmppd.Config{Passwords: passwords(t, "ems@dso.example"), Live: xmppd.Live{Groups: []xmppd.Group{group}}})
	ours, arrived := a.dial(ctx, address, jid.MustParse("pv1@dso.example/IEC"))
	if err := ours.InitialPresence(ctx); err != nil {
		t.Fatal(err)
	}
	want(t, arrived, `<presence from='pv1@dso.example/IEC' to='pv1@dso.example'/>`)
	p := startSlixmpp(t, a, address)

	// Two resources of an account that logs in by certificate, and one of another that does by password: priorities decide.
	p.login("a", "hmi@dso.example/a", p.byCertificate("hmi@dso.example"), "a bound hmi@dso.example/a EXTERNAL")
	p.login("b", "hmi@dso.example/b", p.byCertificate("hmi@dso.example"), "b bound hmi@dso.example/b EXTERNAL")
	p.login("e", "ems@dso.example/1", credentials{Mech: "SCRAM-SHA-256", Password: "correct horse", Unbound: true},
		"e bound ems@dso.example/1 SCRAM-SHA-256")
	p.do("a roster", "a roster ems@dso.example pv1@dso.example")
	p.do("a presence 5", "a presence pv1@dso.example/IEC available 0")
	want(t, arrived, `<presence `, ` from='hmi@dso.example/a' to='pv1@dso.example'`, "<priority>5</priority>")
	p.do("b presence 1", "a presence hmi@dso.example/b available 1",
		"b presence hmi@dso.example/a available 5", "b presence pv1@dso.example/IEC available 0")
	want(t, arrived, `<presence `, ` from='hmi@dso.example/b' to='pv1@dso.example'`, "<priority>1</priority>")
	p.do("e message hmi@dso.example chat to the best", "a message ems@dso.example/1 hmi@dso.example chat to the best")
	p.do("e message hmi@dso.example headline to all", "a message ems@dso.example/1 hmi@dso.example headline to all",
		"b message ems@dso.example/1 hmi@dso.example headline to all")
	p.do("e message hmi@dso.example/b normal to b", "b message ems@dso.example/1 hmi@dso.example/b normal to b")
	p.do("a presence -1", "b presence hmi@dso.example/a available -1")
	want(t, arrived, `<presence `, ` from='hmi@dso.example/a' `, "<priority>-1</priority>")
	p.do("e message hmi@dso.example normal to the other", "b message ems@dso.example/1 hmi@dso.example normal to the other")
	p.do("b unavailable", "a presence hmi@dso.example/b unavailable 0")
	want(t, arrived, `<presence type='unavailable' `, ` from='hmi@dso.example/b' `)
	p.do("e message hmi@dso.example normal to nobody", "e message error hmi@dso.example service-unavailable")
	p.do("e message hmi@dso.example groupchat to a room", "e message error hmi@dso.example service-unavailable")

	// Requests, both ways between two of slixmpp, and what the server answers.
	p.do("a ask ems@dso.example/1 ü < & 1", "e asked hmi@dso.example/a ü < & 1", "a answer ems@dso.example/1 {urn:busbar:test}r Ü < & 1")
	p.do("e ask hmi@dso.example/b x", "b asked ems@dso.example/1 x", "e answer hmi@dso.example/b {urn:busbar:test}r X")
	p.do("e ask hmi@dso.example/none x", "e error hmi@dso.example/none service-unavailable")
	p.do("e ask hmi@dso.example x", "e error hmi@dso.example service-unavailable")
	p.do("e ask nobody@dso.example/1 x", "e error nobody@dso.example/1 service-unavailable")
	p.do("e ask a@elsewhere.example/1 x", "e error a@elsewhere.example/1 remote-server-not-found")
	p.do("a disco dso.example", "a disco server/im")
	p.do("a disco pv1@dso.example", "a disco account/registered")
	p.do("a version dso.example", "a version Busbar")
	p.do("a ping", "a pong")

	// With our client: its request and slixmpp's, its message and slixmpp's.
	ask(t, ctx, ours, "hmi@dso.example/a", func() { p.expect("our request", "a asked pv1@dso.example/IEC our question") })
	p.do("a message pv1@dso.example chat hello")
	want(t, arrived, `<message type='chat' `, `from='hmi@dso.example/a' to='pv1@dso.example'`, "<body>hello</body>")
	go func() {
		if s := <-arrived; s.Kind == stanza.IQ {
			ours.Send(ctx, s.Reply([]byte("<r xmlns='urn:busbar:test'>üç &lt;</r>")))
		}
	}()
	p.do("a ask pv1@dso.example/IEC the other way", "a answer pv1@dso.example/IEC {urn:busbar:test}r üç <")
	send(t, ctx, ours, stanza.Stanza{Kind: stanza.Message, To: jid.MustParse("hmi@dso.example/a"), Payload: []byte("<body>&lt;ours&gt;</body>")})
	p.expect("our message", "a message pv1@dso.example/IEC hmi@dso.example/a normal <ours>")

	// The same full JID once more, and the end of each stream.
	p.login("c", "hmi@dso.example/a", p.byCertificate("hmi@dso.example"), "c bound hmi@dso.example/a EXTERNAL",
		"a stream error conflict", "a disconnected")
	want(t, arrived, `<presence type='unavailable' `, ` from='hmi@dso.example/a' `)
	p.do("c presence 0", "c presence pv1@dso.example/IEC available 0")
	want(t, arrived, `<presence `, `from='hmi@dso.example/a' to='pv1@dso.example'`)
	p.do("c close", "c disconnected")
	want(t, arrived, `<presence type='unavailable' `, ` from='hmi@dso.example/a' `)
	for _, name := range []string{"b", "e"} {
		p.do(name+" close", name+" disconnected")
	}
}

// want takes the next stanza that has arrived, and checks that it holds these pieces.
func want(t *testing.T, arrived <-chan stanza.Stanza, pieces ...string) {
	t.Helper()
	select {
	case s := <-arrived:
		for _, piece := range pieces {
			if text := string(s.Append(nil)); !strings.Contains(text, piece) {
				t.Errorf("our client got %s, want %s in it", text, piece)
			}
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("our client got nothing within 30 s, want %q", pieces)
	}
}

func send(t *testing.T, ctx context.Context, s *xmpp.Session, st stanza.Stanza) {
	t.Helper()
	if err := s.Send(ctx, st); err != nil {
		t.Fatal(err)
	}
}

// ask lets our client ask one of slixmpp, and checks its answer. heard is called in between.
func ask(t *testing.T, ctx context.Context, s *xmpp.Session, to string, heard func()) {
	t.Helper()
	answered := make(chan stanza.Stanza, 1)
	if _, err := s.SendIQ(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse(to),
		Payload: []byte("<q xmlns='urn:busbar:test'>our question</q>")}, func(reply stanza.Stanza) { answered <- reply }); err != nil {
		t.Fatal(err)
	}
	heard()
	select {
	case s := <-answered:
		if text := string(s.Append(nil)); s.Type != stanza.Result || !strings.Contains(text, "OUR QUESTION") {
			t.Errorf("slixmpp answered %s", text)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("slixmpp did not answer within 30 s")
	}
}
