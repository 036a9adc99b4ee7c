package xmppd_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// A session without a connection is there for everybody else; when it ends, what it did not get is sent back. XEP-0198,
// Section 4; RFC 6120, Section 8.3.3.13.
func TestSessionWithoutAConnectionEnds(t *testing.T) {
	const (
		gone      = "type='unavailable' from='pv1@dso.example/IEC'"
		undone    = "<recipient-unavailable"
		full      = "<resource-constraint"
		queued    = "<message type='normal' id='1' to='pv1@dso.example/IEC'><body>x</body></message>"
		requested = "<iq type='get' id='2' to='pv1@dso.example/IEC'><q xmlns='urn:q'/></iq>"
	)
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, s *site, c *rawClient) // after the connection has broken and two stanzas were sent to the session
		want []string
	}{
		{"nobody comes back", func(*testing.T, *site, *rawClient) { time.Sleep(61 * time.Second) }, []string{gone, undone, undone}},
		{"another stream binds its address", func(t *testing.T, s *site, _ *rawClient) {
			c := s.loginAs(s.clientIdentity("pv1@dso.example"), "192.0.2.3:40000", "IEC")
			go c.listen()
		}, []string{gone, undone, undone}},
		{"its account is no longer allowed", func(t *testing.T, s *site, _ *rawClient) {
			s.withdrawn.Store(true)
			s.server.Recheck()
		}, []string{gone, undone, undone}},
		{"its queue is full", func(t *testing.T, s *site, c *rawClient) {
			for range 5 {
				if err := c.send("<message type='normal' to='pv1@dso.example/IEC'><body>" + strings.Repeat("x", 200<<10) + "</body></message>"); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
		}, []string{full, full, full}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s *site
				s = newSite(t, func(cfg *xmppd.Config) {
					cfg.KeepAlive = xmpp.KeepAlive{Idle: -1, Loss: -1}
					cfg.Allowed = func(account jid.JID) bool { return s == nil || account.Local() != "pv1" || !s.withdrawn.Load() }
				})
				defer s.close()
				c := s.connect("ems@dso.example", "1")
				defer c.raw.Close()
				if err := c.send("<presence/>"); err != nil {
					t.Fatal(err)
				}
				victim, _ := s.managed(s.clientIdentity("pv1@dso.example"), "IEC")
				if err := victim.send("<presence/>"); err != nil {
					t.Fatal(err)
				}
				go victim.listen()
				synctest.Wait()
				victim.raw.Close()
				synctest.Wait()
				c.take()
				if err := c.send(queued + requested); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := c.take(); len(got) != 0 {
					t.Errorf("while it may come back, its peer hears %q", got)
				}
				if st := s.server.Stats(); st.Detached != 1 || st.Sessions != 2 {
					t.Errorf("%d sessions, %d of them without a connection, want 2, 1", st.Sessions, st.Detached)
				}
				tt.end(t, s, c)
				synctest.Wait()
				got := strings.Join(c.take(), "\n")
				for _, want := range tt.want {
					before, after, found := strings.Cut(got, want)
					if !found {
						t.Errorf("the peer does not hear %s: %s", want, got)
					}
					got = before + after
				}
			})
		})
	}
}

// Shutdown does not wait for those who have no connection.
func TestShutdownDoesNotWaitForSessionsWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		c, _ := s.managed(s.clientIdentity("pv1@dso.example"), "IEC")
		c.raw.Close()
		synctest.Wait()
		began := time.Now()
		if err := s.server.Shutdown(context.Background()); err != nil || time.Since(began) > time.Second {
			t.Errorf("Shutdown took %v: %v", time.Since(began), err)
		}
		<-s.served
	})
}

// What a client acknowledges is let go, and a client that acknowledges more than it was sent is told so.
func TestAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		defer s.close()
		c, _ := s.managed(s.clientIdentity("pv1@dso.example"), "IEC")
		defer c.raw.Close()
		if got := c.ask(t, enable); got != unexpected {
			t.Errorf("a second enable is answered %q", got)
		}
		ping := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: "1", Payload: []byte("<ping xmlns='urn:xmpp:ping'/>")}
		if got := c.ask(t, string(ping.Append(nil))); !strings.Contains(got, "type='result'") {
			t.Errorf("a ping is answered %q", got)
		}
		if got, err := c.element(); err != nil || got != "<a xmlns='urn:xmpp:sm:3' h='1'/>" {
			t.Errorf("with the answer comes %q, %v", got, err)
		}
		queued := func() int { return s.server.Sessions()[0].Queued }
		if queued() == 0 {
			t.Error("nothing is kept of what was not acknowledged")
		}
		if got := c.ask(t, "<a xmlns='urn:xmpp:sm:3' h='1'/><r xmlns='urn:xmpp:sm:3'/>"); got != "<a xmlns='urn:xmpp:sm:3' h='1'/>" {
			t.Errorf("r is answered %q", got)
		}
		if n := queued(); n != 0 {
			t.Errorf("%d octets are kept of what was acknowledged", n)
		}
		if got := c.ask(t, "<a xmlns='urn:xmpp:sm:3' h='7'/>"); !strings.Contains(got, "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='7' send-count='1'/>") {
			t.Errorf("an acknowledgement of what was never sent is answered %q", got)
		}
	})
}
