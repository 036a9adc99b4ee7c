package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

var (
	peerJID = jid.MustParse("pv1@site.example/IEC")
	query   = []byte("<q xmlns='urn:q'/>")
)

// session connects to a server that fn plays from the moment on when the session
// is there.
func (p *pair) session(t *testing.T, fn func(*raw)) (*Session, <-chan struct{}) {
	t.Helper()
	done := make(chan struct{})
	s, err := p.dialRaw(t, func(r *raw) {
		defer close(done)
		r.ready(p.server.Identity)
		fn(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, done
}

// CVE-2024-46957 is the class; RFC 6120, Section 8.2.3.
func TestX6ForgedReplies(t *testing.T) {
	p := newPair(t)
	handled := make(chan stanza.Stanza, 1)
	p.client.Handler = func(st stanza.Stanza) { handled <- st }
	s, done := p.session(t, func(r *raw) {
		id := idOf(r.until("</iq>"))
		for _, from := range []string{"", "from='site.example'", "from='pv1@site.example'", "from='pv1@site.example/other'", "from='evil@site.example/IEC'", "from='ied1@site.example/IEC'"} {
			r.send("<iq type='result' id='", id, "' ", from, "><forged xmlns='urn:q'/></iq>")
			r.send("<iq type='error' id='", id, "' ", from, "><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
		}
		r.send("<iq type='result' id='other' from='", peerJID.String(), "'><forged xmlns='urn:q'/></iq>")
		r.send("<iq type='result' id='", id, "' from='", peerJID.String(), "'><true xmlns='urn:q'/></iq>")
		r.send("<iq type='result' id='", id, "' from='", peerJID.String(), "'><late xmlns='urn:q'/></iq>")
		r.rest()
	})
	reply, err := s.Request(t.Context(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: peerJID, Payload: query})
	if err != nil || string(reply.Payload) != "<true xmlns='urn:q'/>" || reply.From != peerJID {
		t.Errorf("Request: %v, %v", reply, err)
	}
	s.Close()
	<-done
	var want []audit.ID
	for range 14 { // 12 from others, one with another id, one too late
		want = append(want, audit.ReplySpoofed)
	}
	if got := ids(&p.clientEvents); !cmp.Equal(want, got) && !cmp.Equal(want[1:], got) { // the last may come after Close
		t.Errorf("events: %v", got)
	}
	if len(handled) != 0 {
		t.Errorf("a forged reply reached the handler: %v", <-handled)
	}
}

func TestX6ForgedRosterPush(t *testing.T) {
	p := newPair(t)
	const push = "<iq type='set' id='push%d'%s><query xmlns='jabber:iq:roster'><item jid='%s' subscription='%s'/></query></iq>"
	var answers []string
	s, done := p.session(t, func(r *raw) {
		for i, args := range [][3]any{
			{"", "pv1@site.example", "both"},
			{" from='ied1@site.example'", "pv2@site.example", "both"},
			{" from='evil@site.example/x'", "evil@site.example", "both"},
			{" from='site.example'", "evil@site.example", "both"},
			{"", "pv1@site.example", "remove"},
		} {
			r.send(fmt.Sprintf(push, i, args[0], args[1], args[2]))
			a := r.until(">")
			if strings.Contains(a, "type='error'") {
				r.until("</iq>")
			}
			answers = append(answers, a)
		}
		r.send(closeTag)
		r.rest()
	})
	<-done
	<-s.Done()
	if roster := s.Roster(); !slices.Equal(roster, []RosterItem{{JID: jid.MustParse("pv2@site.example"), Subscription: "both"}}) {
		t.Errorf("roster: %v", roster)
	}
	want := []string{"<iq type='result' id='push0'/>", "<iq type='result' id='push1' to='ied1@site.example'/>",
		"<iq type='error' id='push2' to='evil@site.example/x'>", "<iq type='error' id='push3' to='site.example'>", "<iq type='result' id='push4'/>"}
	if d := cmp.Diff(want, answers); d != "" {
		t.Errorf("answers (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]audit.ID{audit.ReplySpoofed, audit.ReplySpoofed}, ids(&p.clientEvents)); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
}

// Replies and other stanzas come in the order of the stream: a message that
// explains a reply is there before it.
func TestRepliesAndStanzasComeInOrder(t *testing.T) {
	p := newPair(t)
	var mu sync.Mutex
	var order []string
	note := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, s)
	}
	p.client.Handler = func(st stanza.Stanza) { note("message " + st.ID) }
	s, done := p.session(t, func(r *raw) {
		first, second := idOf(r.until("</iq>")), idOf(r.until("</iq>"))
		from := "' from='" + peerJID.String() + "'"
		r.send("<message id='1", from, "/><iq type='result' id='", second, from, "/>",
			"<message id='2", from, "/><iq type='result' id='", first, from, "/><message id='3", from, "/>", closeTag)
		r.rest()
	})
	for _, name := range []string{"first", "second"} {
		iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: peerJID, Payload: query}
		if _, err := s.SendIQ(t.Context(), iq, func(stanza.Stanza) { note(name) }); err != nil {
			t.Fatal(err)
		}
	}
	<-s.Done()
	<-done
	if d := cmp.Diff([]string{"message 1", "second", "message 2", "first", "message 3"}, order); d != "" {
		t.Errorf("order (-want +got):\n%s", d)
	}
}

// An iq that nobody answers does not keep its place once it is given up.
func TestAbandonedRequestsFreeTheirPlaces(t *testing.T) {
	p := newPair(t)
	s, done := p.session(t, func(r *raw) {
		r.until("<presence/>")
		r.send(closeTag)
		r.rest()
	})
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: peerJID, Payload: query}
	for i := range maxReplies + 10 {
		id, err := s.SendIQ(t.Context(), iq, func(stanza.Stanza) { t.Error("called") })
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		s.Abandon(peerJID, id)
	}
	if err := s.InitialPresence(t.Context()); err != nil {
		t.Error(err)
	}
	<-s.Done()
	<-done
}

func TestRequest(t *testing.T) {
	p := newPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	s, done := p.session(t, func(r *raw) {
		id := idOf(r.until("</iq>"))
		r.send("<iq type='error' id='", id, "' from='", peerJID.String(), "'><q xmlns='urn:q'/><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
		late := idOf(r.until("</iq>"))
		cancel()
		r.until("<presence/>")
		r.send("<iq type='result' id='", late, "' from='", peerJID.String(), "'/>", closeTag)
		r.rest()
	})
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: peerJID, From: peerJID, Payload: query}
	if _, err := s.Request(t.Context(), iq); !errors.Is(err, &stanza.Error{Condition: stanza.ServiceUnavailable}) {
		t.Errorf("an error reply: %v", err)
	}
	if _, err := s.Request(ctx, iq); err != context.Canceled {
		t.Errorf("a request that was given up: %v", err)
	}
	if _, err := s.Request(t.Context(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Result, ID: "1"}); err == nil {
		t.Error("a result has no reply")
	}
	if _, err := s.SendIQ(t.Context(), stanza.Stanza{Kind: stanza.Message}, nil); err == nil {
		t.Error("a message has no reply")
	}
	if err := s.InitialPresence(t.Context()); err != nil {
		t.Error(err)
	}
	<-s.Done()
	<-done
	if _, err := s.Request(t.Context(), iq); err != ErrPeerClosed || !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if got := ids(&p.clientEvents); got != nil {
		t.Errorf("a late reply is no attack: %v", got)
	}
}

// RFC 6120, Section 8.2.3; XEP-0199, Section 4.3.
func TestRequestsToTheSession(t *testing.T) {
	tests := []struct{ name, request, want string }{
		{"ping", "<iq type='get' id='1' from='site.example'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='result' id='1' to='site.example'/>"},
		{"ping of a peer", "<iq type='get' id='1' from='pv1@site.example/IEC'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='result' id='1' to='pv1@site.example/IEC'/>"},
		{"unknown", "<iq type='set' id='1' from='pv1@site.example/IEC'><q xmlns='urn:q'/></iq>",
			"<iq type='error' id='1' to='pv1@site.example/IEC'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"},
		{"no payload", "<iq type='get' id='1'/>", "<iq type='error' id='1'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"},
		{"bad to", "<iq type='get' id='1' to='@'/>",
			"<iq type='error' id='1'><error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>the to attribute is no address</text></error></iq>"},
		{"bad from", "<iq type='get' id='1' from='@'/>", ""},
		{"unknown type", "<iq type='x' id='1'/>", ""},
		{"message", "<message from='pv1@site.example/IEC'/>", ""},
		{"presence", "<presence from='pv1@site.example/IEC'/>", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			heard := ""
			s, done := p.session(t, func(r *raw) {
				r.send(tt.request, closeTag)
				heard = r.rest()
			})
			<-s.Done()
			<-done
			if want := tt.want + closeTag; heard != want {
				t.Errorf("answer: %s\nwant:   %s", heard, want)
			}
		})
	}
}

// A payload is the receiver's, and means what it meant on the stream.
func TestPayloadsAreSelfContained(t *testing.T) {
	tests := []struct{ name, stanza, want string }{
		{"as it is", "<message><a xmlns='urn:a'>&lt;</a></message>", "<a xmlns='urn:a'>&lt;</a>"},
		{"none", "<message/>", ""},
		{"prefix of the stanza", "<message xmlns:x='urn:x'><x:a/></message>", "<x:a xmlns:x='urn:x'/>"},
		{"prefix of the stream", "<message><stream:a/></message>", "<stream:a xmlns:stream='http://etherx.jabber.org/streams'/>"},
		{"stanza with a prefix", "<c:message xmlns:c='jabber:client' xmlns='urn:a'><a/></c:message>", "<a xmlns='urn:a'/>"},
	}
	p := newPair(t)
	got := make(chan string, len(tests))
	p.client.Handler = func(st stanza.Stanza) { got <- string(st.Payload) }
	s, done := p.session(t, func(r *raw) {
		for _, tt := range tests {
			r.send(tt.stanza)
		}
		r.send(closeTag)
		r.rest()
	})
	<-s.Done()
	<-done
	for _, tt := range tests {
		if g := <-got; g != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, g, tt.want)
		}
	}
}

// XEP-0478.
func TestServersLimitIsHonoured(t *testing.T) {
	p := newPair(t)
	p.server.Limits.Authenticated = 10000
	served := p.serve(t.Context(), echo)
	s, err := Dial(t.Context(), p.client)
	if err != nil {
		t.Fatal(err)
	}
	if s.Info().MaxStanza != 10000 {
		t.Errorf("limit %d, want 10000", s.Info().MaxStanza)
	}
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: peerJID, Payload: []byte("<q xmlns='urn:q'>" + strings.Repeat("a", 10000) + "</q>")}
	if _, err := s.Request(t.Context(), iq); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a stanza that is too large: %v", err)
	}
	iq.Payload = []byte("<q xmlns='urn:q'>" + strings.Repeat("a", 9800) + "</q>")
	if _, err := s.Request(t.Context(), iq); err != nil {
		t.Errorf("a stanza that fits: %v", err)
	}
	s.Close()
	<-served
}

func TestInfoAndTrace(t *testing.T) {
	p := newPair(t)
	p.client.JID = p.client.JID.Bare()
	var mu sync.Mutex
	var log []string
	trace := func(who string) *Trace {
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, who+" "+fmt.Sprintf(format, args...))
		}
		return &Trace{
			Connected: func(local, remote net.Addr) { note("connected %v %v", local, remote) },
			Opened:    func(from, id string) { note("opened from %q, id %v", from, id != "") },
			Features:  func(names []string) { note("features %v", names) },
			Secured: func(info Info) {
				note("secured %s %s", tls.VersionName(info.TLS.Version), info.Peer.Leaf().Subject.CommonName)
			},
			Authenticated: func(account jid.JID, info Info) { note("authenticated %s %s", info.Mechanism, account) },
			Bound:         func(full jid.JID) { note("bound %s", full) },
			Ended:         func(err error) { note("ended %v", err) },
		}
	}
	p.client.Trace, p.server.Trace = trace("client"), trace("server")
	var server Info
	served := p.serve(t.Context(), func(c *Conn) {
		server = c.Info()
		echo(c)
	})
	s, err := Dial(t.Context(), p.client)
	if err != nil {
		t.Fatal(err)
	}
	client := s.Info()
	s.Close()
	s.Close()
	<-served
	client2, server2 := p.client.Identity.Chain[0], p.server.Identity.Chain[0]
	if !client.Peer.Leaf().Equal(server2) || !client.Local.Equal(client2) || !server.Peer.Leaf().Equal(client2) || !server.Local.Equal(server2) {
		t.Error("the certificates are mixed up")
	}
	if client.Mechanism != "EXTERNAL" || server.Mechanism != "EXTERNAL" || client.StreamID == "" || client.StreamID != server.StreamID ||
		client.TLS.Version != tls.VersionTLS13 || client.MaxStanza != 256<<10 {
		t.Errorf("client %+v\nserver %+v", client, server)
	}
	var got []string
	for _, l := range log {
		if strings.HasPrefix(l, "client") {
			got = append(got, l)
		}
	}
	want := []string{
		"client connected pipe pipe",
		`client opened from "site.example", id true`,
		"client features [limits starttls]",
		"client secured TLS 1.3 " + server2.Subject.CommonName,
		`client opened from "site.example", id true`,
		"client features [limits mechanisms]",
		"client authenticated EXTERNAL ied1@site.example",
		`client opened from "site.example", id true`,
		"client features [limits sm bind]",
		"client bound ied1@site.example/given",
		"client ended xmpp: the stream is closed",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("client's trace (-want +got):\n%s", d)
	}
	if n := len(log) - len(got); n != 8 {
		t.Errorf("server's trace has %d lines, want 8: %q", n, log)
	}
}

func TestSessionEnds(t *testing.T) {
	conflict := "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced by new connection</text></stream:error>"
	tests := []struct {
		name string
		fn   func(*raw)
		want error
		text string
	}{
		{"closed by the server", func(r *raw) { r.send(closeTag); r.rest() }, ErrPeerClosed, ""},
		{"stream error", func(r *raw) { r.send(conflict, closeTag); r.rest() }, &StreamError{Condition: Conflict, Remote: true}, "Replaced by new connection"},
		{"stream error of an application", func(r *raw) {
			r.send("<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><x xmlns='urn:x'/></stream:error>", closeTag)
			r.rest()
		}, &StreamError{Condition: UndefinedCondition, Remote: true}, ""},
		{"TLS ended without the stream", func(r *raw) { r.conn.Close() }, ErrBroken, ""},
		{"connection lost", func(r *raw) { r.nc.Close() }, ErrBroken, ""},
		{"in a stanza", func(r *raw) { r.send("<message>"); r.nc.Close() }, ErrBroken, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPair(t)
			s, done := p.session(t, tt.fn)
			waiting := make(chan error, 1)
			go func() {
				_, err := s.Request(context.Background(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: peerJID, Payload: query})
				waiting <- err
			}()
			<-s.Done()
			<-done
			err := s.Err()
			if !errors.Is(err, tt.want) || !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("ended with %v, want %v", err, tt.want)
			}
			if e := <-waiting; !errors.Is(e, tt.want) {
				t.Errorf("a request that waited: %v", e)
			}
			if e := s.Send(t.Context(), stanza.Stanza{Kind: stanza.Message}); e != err {
				t.Errorf("Send: %v, want %v", e, err)
			}
			s.Close()
			if s.Err() != err {
				t.Errorf("after Close: %v, want %v", s.Err(), err)
			}
		})
	}
}

// What is queued is sent before the end, and the peer has time to read it.
func TestCloseSendsWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inBubble(t)
		heard := ""
		s, done := p.session(t, func(r *raw) {
			time.Sleep(time.Second)
			heard = r.rest()
		})
		for i := range 10 {
			if err := s.Send(t.Context(), stanza.Stanza{Kind: stanza.Message, ID: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		<-done
		if s.Err() != ErrClosed || strings.Count(heard, "<message") != 10 || !strings.HasSuffix(heard, closeTag) {
			t.Errorf("%v; the peer hears %q", s.Err(), heard)
		}
	})
}
