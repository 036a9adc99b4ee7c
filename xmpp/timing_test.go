package xmpp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// The time to authenticate is 10 s, however slowly a client goes about it.
func TestX5SlowLoris(t *testing.T) {
	tests := map[string]func(*raw){
		"silence": func(*raw) {},
		"an octet a second": func(r *raw) {
			for _, o := range []byte(clientHeader + features()) {
				if _, err := r.conn.Write([]byte{o}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"silence instead of TLS": func(r *raw) {
			r.send(clientHeader)
			r.until("</stream:features>")
			r.send(startTLSAsk)
			r.until(proceed)
		},
		"reads nothing": func(r *raw) {
			r.send(clientHeader)
			time.Sleep(time.Minute)
		},
		"white space": func(r *raw) {
			r.send(clientHeader)
			r.until("</stream:features>")
			for {
				if _, err := r.conn.Write([]byte(" ")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
	}
	for name, fn := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := inBubble(t)
				start := time.Now()
				var took time.Duration
				done := make(chan struct{})
				go func() {
					defer close(done)
					newRaw(t, p.clientEnd).run(func(r *raw) {
						fn(r)
						r.rest()
					})
				}()
				_, err := Accept(t.Context(), p.serverEnd, p.server)
				took = time.Since(start)
				if !errors.Is(err, &StreamError{Condition: ConnectionTimeout}) || took < 10*time.Second || took > 10*time.Second+closeTimeout+lingerTime {
					t.Errorf("after %v: %v", took, err)
				}
				if d := cmp.Diff([]audit.ID{audit.StreamFlood}, ids(&p.serverEvents)); d != "" {
					t.Errorf("events (-want +got):\n%s", d)
				}
				<-done
			})
		})
	}
}

func TestDialGivesUp(t *testing.T) {
	for name, fn := range map[string]func(*raw, *site){
		"silence":          func(r *raw, _ *site) { r.rest() },
		"reads nothing":    func(*raw, *site) { time.Sleep(time.Minute) },
		"silence with TLS": func(r *raw, s *site) { r.secured(s.server); r.rest() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := inBubble(t)
				start := time.Now()
				var took time.Duration
				p.client.Trace = &Trace{} // all hooks missing
				_, err := p.dialRaw(t, func(r *raw) { fn(r, p.site) })
				took = time.Since(start)
				var ne *NegotiationError
				if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &ne) || ne.Hint == "" {
					t.Errorf("Dial: %v", err)
				}
				if took < 10*time.Second || name != "reads nothing" && took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inBubble(t)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				time.Sleep(time.Second)
				cancel()
			}()
			start := time.Now()
			if _, err := Dial(ctx, p.client); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		})
	})
}

// A server that shuts down says so to those who are still on their way in.
func TestAcceptIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inBubble(t)
		ctx, cancel := context.WithCancel(t.Context())
		served := p.serve(ctx, echo)
		heard := make(chan string)
		go newRaw(t, p.clientEnd).run(func(r *raw) {
			r.send(clientHeader)
			r.until("</stream:features>")
			cancel()
			heard <- r.rest()
		})
		if s := <-heard; !strings.Contains(s, "<system-shutdown") {
			t.Errorf("the client hears %q", s)
		}
		if err := <-served; !errors.Is(err, &StreamError{Condition: SystemShutdown}) {
			t.Errorf("Accept: %v", err)
		}
		if got := ids(&p.serverEvents); got != nil {
			t.Errorf("events %v", got)
		}
	})
}

// A session and a server that have nothing to say keep each other alive, and do
// not let a silent peer stay.
//
// Conformance: sAssN4.
func TestKeepAliveBothWays(t *testing.T) {
	t.Run("both answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inBubble(t)
			served := p.serve(t.Context(), echo)
			s, err := Dial(t.Context(), p.client)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
			if err := s.Err(); err != nil {
				t.Errorf("after an hour: %v", err)
			}
			s.Close()
			<-served
			if got := append(ids(&p.clientEvents), ids(&p.serverEvents)...); got != nil {
				t.Errorf("events %v", got)
			}
		})
	})
	t.Run("the server is silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inBubble(t)
			var pings []time.Duration
			done := make(chan struct{})
			var start time.Time
			s, err := p.dialRaw(t, func(r *raw) {
				defer close(done)
				r.ready(p.server.Identity)
				start = time.Now()
				for {
					b := make([]byte, 4096)
					n, err := r.conn.Read(b)
					if err != nil {
						return
					}
					if strings.Contains(string(b[:n]), "<ping") {
						pings = append(pings, time.Since(start))
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			<-s.Done()
			if d := time.Since(start); d != 20*time.Second || s.Err() != ErrLost {
				t.Errorf("after %v: %v", d, s.Err())
			}
			<-done
			if d := cmp.Diff([]time.Duration{8 * time.Second, 16 * time.Second}, pings); d != "" {
				t.Errorf("pings (-want +got):\n%s", d)
			}
		})
	})
	t.Run("the client is silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inBubble(t)
			client := p.client.Identity
			var start time.Time
			err := p.acceptRaw(t, func(r *raw) {
				r.bound(client)
				start = time.Now()
				r.until("<ping")
				if d := time.Since(start); d != 8*time.Second {
					t.Errorf("a ping after %v", d)
				}
				r.rest()
			})
			if d := time.Since(start); d != 20*time.Second || err != ErrLost {
				t.Errorf("after %v: %v", d, err)
			}
		})
	})
	t.Run("octets without a stanza are a sign of life", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inBubble(t)
			client := p.client.Identity
			err := p.acceptRaw(t, func(r *raw) {
				r.bound(client)
				for range 100 {
					time.Sleep(7 * time.Second)
					r.send(" ")
				}
				r.send(closeTag)
				if s := r.rest(); strings.Contains(s, "<ping") {
					t.Errorf("the client hears %q", s)
				}
			})
			if err != ErrPeerClosed {
				t.Errorf("ended with %v", err)
			}
		})
	})
}

// A peer that does not read is cut off, and holds nobody up.
func TestSlowReader(t *testing.T) {
	t.Run("Send waits, until the write times out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inBubble(t)
			p.client.QueueSize = 1000
			p.client.KeepAlive = KeepAlive{Idle: -1, Loss: -1}
			s, err := p.dialRaw(t, func(r *raw) {
				r.ready(p.server.Identity)
				time.Sleep(time.Minute)
			})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for err == nil {
				err = s.Send(t.Context(), stanza.Stanza{Kind: stanza.Message, To: jid.MustParse("a@site.example"), Payload: []byte("<body>0123456789</body>")})
			}
			if d := time.Since(start); d != 10*time.Second || !errors.Is(err, s.Err()) {
				t.Errorf("after %v: %v", d, err)
			}
			<-s.Done()
			time.Sleep(time.Minute)
		})
	})
	t.Run("Push refuses", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := inBubble(t)
			p.server.QueueSize = 1000
			served := p.serve(t.Context(), func(c *Conn) {
				n := 0
				for range 2 { // what the writer takes out of the first is stuck behind the peer
					for c.Push([]byte("<message>"), make([]byte, 90), []byte("</message>")) == nil {
						n++
					}
					synctest.Wait()
				}
				if err := c.Push(make([]byte, 1000)); err != ErrQueueFull || n > 20 {
					t.Errorf("after %d stanzas: %v", n, err)
				}
				c.End(&StreamError{Condition: PolicyViolation, Text: "you read too slowly"})
				start := time.Now()
				<-c.done
				if d := time.Since(start); d > closeTimeout+lingerTime {
					t.Errorf("it took %v to end", d)
				}
			})
			go newRaw(t, p.clientEnd).run(func(r *raw) {
				r.bound(p.client.Identity)
				time.Sleep(time.Minute)
			})
			<-served
			time.Sleep(time.Minute)
		})
	})
	for _, tt := range []struct {
		name  string
		pause time.Duration
		want  error
	}{
		{"answers that have no room are dropped", 9 * time.Second, ErrClosed},
		{"answers are never read", time.Minute, ErrStalled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := inBubble(t)
				p.client.QueueSize = 1000
				asked := make(chan struct{})
				s, err := p.dialRaw(t, func(r *raw) {
					r.ready(p.server.Identity)
					for range reserve / 16 {
						r.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
					}
					time.Sleep(tt.pause)
					r.send("<message id='end'/>")
					close(asked)
					r.rest()
				})
				if err != nil {
					t.Fatal(err)
				}
				<-asked
				s.Close()
				if err := s.Err(); err != tt.want {
					t.Errorf("ended with %v, want %v", err, tt.want)
				}
			})
		})
	}
}

// Both ends of a connection that is idle rest, whatever the keep-alive, and are there again at once.
func TestIdleConnectionRests(t *testing.T) {
	for name, k := range map[string]KeepAlive{"pings": {}, "no pings": {Idle: -1, Loss: -1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := inBubble(t)
				p.client.KeepAlive, p.server.KeepAlive = k, k
				var conn *Conn
				served := p.serve(t.Context(), func(c *Conn) { conn = c; echo(c) })
				s, err := Dial(t.Context(), p.client)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					time.Sleep(20 * time.Second)
					synctest.Wait()
					for end, c := range map[string]*Conn{"client": s.conn.Load(), "server": conn} {
						c.w.mu.Lock()
						if c.w.asleep == nil {
							t.Errorf("the %s has a goroutine that waits for something to write", end)
						}
						c.w.mu.Unlock()
					}
					if _, err := s.Request(t.Context(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse(domain), Payload: query}); err != nil {
						t.Fatal(err)
					}
				}
				s.Close()
				<-served
			})
		})
	}
}
