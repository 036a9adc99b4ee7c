package xmpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// accept plays the client with fn and gives the connection to use.
func (p *pair) accept(t *testing.T, use func(*Conn), fn func(*raw)) error {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		newRaw(t, p.clientEnd).run(func(r *raw) {
			r.bound(p.site.client)
			fn(r)
		})
	}()
	c, err := Accept(t.Context(), p.serverEnd, p.server)
	if err != nil {
		t.Fatal(err)
	}
	use(c)
	c.Close()
	<-done
	return c.Err()
}

func TestConnSkipsWhatIsNotRead(t *testing.T) {
	p := newPair(t)
	var got []string
	err := p.accept(t, func(c *Conn) {
		for {
			tok, err := c.Next()
			if err != nil {
				return
			}
			st, _ := stanza.ParseHead(tok)
			got = append(got, string(c.Scanner().RawStart()))
			if st.ID == "2" {
				raw, err := c.Inner()
				if err != nil {
					t.Error(err)
				}
				got = append(got, string(raw.Octets))
			}
		}
	}, func(r *raw) {
		r.send("<message id='1'><a><message/>x</a>y</message> \n<iq id='2'><b/></iq><presence id='3'/>", "<message id='4'/>", closeTag)
		r.rest()
	})
	want := "<message id='1'>,<iq id='2'>,<b/>,<presence id='3'/>,<message id='4'/>"
	if s := strings.Join(got, ","); s != want || err != ErrPeerClosed {
		t.Errorf("read %s, want %s; ended with %v", s, want, err)
	}
}

// What a server routes to a stream that is just being bound goes out behind the
// result of binding.
func TestPushWhileBinding(t *testing.T) {
	p := newPair(t)
	bind := p.server.Bind
	p.server.Bind = func(ctx context.Context, c *Conn, resource string) (jid.JID, error) {
		if got := c.JID(); got != jid.MustParse("ied1@site.example") {
			t.Errorf("JID is %s while binding", got)
		}
		if c.Info().Peer == nil || c.Info().Mechanism != "EXTERNAL" {
			t.Errorf("while binding: %+v", c.Info())
		}
		full, err := bind(ctx, c, resource)
		c.Push([]byte("<message id='early'/>"))
		return full, err
	}
	err := p.accept(t, func(c *Conn) { c.Next() }, func(r *raw) {
		if s := r.until("<message id='early'/>"); s != "<message id='early'/>" { // bound has read the result
			t.Errorf("behind the result: %s", s)
		}
		r.send(closeTag)
		r.rest()
	})
	if err != ErrPeerClosed {
		t.Error(err)
	}
}

func TestBindFails(t *testing.T) {
	for name, tt := range map[string]struct {
		full string
		err  error
		want string
	}{
		"stream error":    {"", &StreamError{Condition: SystemShutdown}, "<stream:error><system-shutdown "},
		"another error":   {"", errors.New("the disk is full: /var/lib"), "<stream:error><internal-server-error "},
		"foreign address": {"ied2@site.example/IEC", nil, "<stream:error><internal-server-error "},
		"bare address":    {"ied1@site.example", nil, "<stream:error><internal-server-error "},
		"refused":         {"", stanza.NewError(stanza.Conflict, ""), "<conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			var conn *Conn
			p.server.Bind = func(_ context.Context, c *Conn, _ string) (jid.JID, error) {
				conn = c
				return address(tt.full), tt.err
			}
			heard := ""
			err := p.acceptRaw(t, func(r *raw) {
				r.authenticated(p.site.client)
				r.send(bindAsk)
				if tt.want[1] == 'c' { // the client may try again
					heard = r.until("</iq>")
					r.send(closeTag)
				}
				heard += r.rest()
			})
			if err == nil || !strings.Contains(heard, tt.want) {
				t.Errorf("Accept: %v; the client hears %q, want %q", err, heard, tt.want)
			}
			<-conn.done
			if e := conn.Err(); !errors.Is(e, net.ErrClosed) {
				t.Errorf("the connection's own error: %v", e)
			}
			if e := conn.Push([]byte("x")); e == nil {
				t.Error("a stanza is accepted after the end")
			}
			if strings.Contains(heard, "/var/lib") {
				t.Errorf("the client hears %q", heard)
			}
		})
	}
}

// A connection ends once, whoever says so first, and whoever waits comes back.
func TestEndDecidesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inBubble(t)
		heard := ""
		want := &StreamError{Condition: Conflict, Text: "replaced"}
		err := p.accept(t, func(c *Conn) {
			read := make(chan error, 1)
			go func() {
				_, err := c.Next()
				read <- err
			}()
			synctest.Wait()
			if err := c.Err(); err != nil {
				t.Errorf("alive, but %v", err)
			}
			c.End(want)
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() { c.End(fmt.Errorf("%d", i)) })
				all.Go(func() { c.Close() })
			}
			all.Wait()
			if err := <-read; err != want {
				t.Errorf("Next: %v", err)
			}
			if err := c.Push([]byte("<message/>")); err != want {
				t.Errorf("Push: %v", err)
			}
			if err := c.Send(t.Context(), []byte("<message/>")); err != want {
				t.Errorf("Send: %v", err)
			}
			if _, err := c.Next(); err != want {
				t.Errorf("Next: %v", err)
			}
		}, func(r *raw) { heard = r.rest() })
		if err != want || heard != string(want.append(nil))+closeTag {
			t.Errorf("ended with %v; the client hears %q", err, heard)
		}
	})
}

// Two ends that close at the same time do not wait for each other for long.
func TestBothClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inBubble(t)
		start := make(chan struct{})
		served := p.serve(t.Context(), func(c *Conn) {
			go func() {
				<-start
				c.End(nil)
			}()
			echo(c)
		})
		s, err := Dial(t.Context(), p.client)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		close(start)
		s.Close()
		<-served
		if d := time.Since(begin); d > lingerTime {
			t.Errorf("it took %v", d)
		}
	})
}

func TestConfigsAreChecked(t *testing.T) {
	s := getSite(t)
	for name, cfg := range map[string]Config{
		"empty":       {},
		"no account":  {JID: jid.MustParse(domain), Identity: s.client, Trust: s.trust},
		"no identity": {JID: jid.MustParse("ied1@" + domain), Trust: s.trust},
	} {
		if _, err := Dial(t.Context(), cfg); err == nil {
			t.Errorf("%s: Dial succeeds", name)
		}
	}
	bind := func(context.Context, *Conn, string) (jid.JID, error) { return jid.JID{}, nil }
	for name, cfg := range map[string]ServerConfig{
		"empty":       {},
		"no domain":   {Identity: s.server, Bind: bind},
		"no identity": {Domain: domain, Bind: bind},
		"no Bind":     {Domain: domain, Identity: s.server},
		"an account":  {Domain: "a@" + domain, Identity: s.server, Bind: bind},
	} {
		a, b := net.Pipe()
		if _, err := Accept(t.Context(), a, cfg); err == nil {
			t.Errorf("%s: Accept succeeds", name)
		}
		if _, err := b.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the connection is open", name)
		}
	}
}

// Without an Address or a Dialer, and with nobody there.
func TestDialHasAHint(t *testing.T) {
	s := getSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = Dial(t.Context(), Config{JID: jid.MustParse("ied1@" + domain), Identity: s.client, Trust: s.trust, Address: l.Addr().String()})
	var ne *NegotiationError
	if !errors.As(err, &ne) || ne.Step != StepConnect || ne.Hint == "" {
		t.Errorf("Dial: %v", err)
	}
}

// On a real connection the end of the stream reaches a peer that still sends.
func TestEndOverTCP(t *testing.T) {
	p := newPair(t)
	p.overTCP(t)
	heard := ""
	want := &StreamError{Condition: PolicyViolation}
	err := p.accept(t, func(c *Conn) { c.End(want) }, func(r *raw) {
		for range 100 {
			r.send("<message>", strings.Repeat("<a/>", 1000), "</message>")
		}
		heard = r.rest()
	})
	if err != want || !strings.Contains(heard, string(want.append(nil))+closeTag) {
		t.Errorf("ended with %v; the client hears %q", err, heard)
	}
}
