package xmppd_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// cable is what connects a client to the server, and can be cut.
type cable struct {
	site *site
	from string

	mu    sync.Mutex
	conns []net.Conn
}

func (c *cable) dial(context.Context) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nc, err := c.site.net.dial(c.from)
	if err == nil {
		c.conns = append(c.conns, nc)
	}
	return nc, err
}

// cut breaks the connection that there is.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, nc := range c.conns {
		nc.Close()
	}
	c.conns = nil
}

// dialer is a client of this package's that can lose its connection.
func (s *site) dialer(full string) (xmpp.Config, *cable) {
	j := jid.MustParse(full)
	c := &cable{site: s, from: "192.0.2.7:40000"}
	return xmpp.Config{JID: j, Identity: s.clientIdentity(j.Bare().String()), Trust: s.trust(), Dialer: c.dial, Audit: s.events}, c
}

func mustDial(t *testing.T, cfg xmpp.Config) *xmpp.Session {
	t.Helper()
	s, err := xmpp.Dial(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNothingIsLostOrDoubledWhenConnectionsBreak lets two clients send each other messages and requests, while the
// connections of both break again and again at random times. XEP-0198, Section 5.
func TestNothingIsLostOrDoubledWhenConnectionsBreak(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				s := newSite(t, nil)
				defer s.close()
				names := []string{"ems@dso.example/1", "pv1@dso.example/1"}
				var sessions [2]*xmpp.Session
				var cables [2]*cable
				var got [2][]string // messages that have come
				for i, name := range names {
					var cfg xmpp.Config
					cfg, cables[i] = s.dialer(name)
					cfg.Handler = func(st stanza.Stanza) {
						if st.Kind == stanza.Message {
							got[i] = append(got[i], st.ID)
						} else if st.Type == stanza.Get {
							go sessions[i].Send(context.Background(), st.Reply(nil))
						}
					}
					sessions[i] = mustDial(t, cfg)
					defer sessions[i].Close()
				}
				const n = 300
				var work sync.WaitGroup
				var replies [2]int
				for i := range names {
					to := jid.MustParse(names[1-i])
					pauses := rand.New(rand.NewPCG(seed, uint64(2+i)))
					work.Go(func() {
						for k := range n {
							m := stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, ID: fmt.Sprint(k), To: to, Payload: []byte("<body>" + strings.Repeat("x", pauses.IntN(5000)) + "</body>")}
							if err := sessions[i].Send(context.Background(), m); err != nil {
								t.Error(i, k, err)
								return
							}
							time.Sleep(time.Duration(pauses.IntN(10)) * time.Millisecond)
						}
					})
					work.Go(func() {
						for range n / 3 {
							if _, err := sessions[i].Request(context.Background(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: to, Payload: []byte("<q xmlns='x'/>")}); err != nil {
								t.Error(i, err)
								return
							}
							replies[i]++
							time.Sleep(5 * time.Millisecond)
						}
					})
				}
				done := make(chan struct{})
				var cuts int
				cutting := make(chan struct{})
				go func() {
					defer close(cutting)
					for {
						select {
						case <-done:
							return
						case <-time.After(time.Duration(random.IntN(150)) * time.Millisecond):
							cables[random.IntN(2)].cut()
							cuts++
						}
					}
				}()
				work.Wait()
				close(done)
				<-cutting
				time.Sleep(10 * time.Second)
				synctest.Wait()
				var want []string
				for k := range n {
					want = append(want, fmt.Sprint(k))
				}
				for i := range names {
					if diff := cmp.Diff(want, got[i]); diff != "" {
						t.Errorf("messages to %s with %d cuts (-want +got)\n%s", names[i], cuts, diff)
					}
					if replies[i] != n/3 {
						t.Errorf("%s got %d replies, want %d", names[i], replies[i], n/3)
					}
				}
				if cuts == 0 || !slices.Contains(s.eventIDs(), audit.StreamResumed) {
					t.Errorf("%d cuts, events %v: nothing was resumed", cuts, s.eventIDs())
				}
			})
		})
	}
}

// A client that has nothing to say, and asks for no sign of life itself, tells a server that bears a silence of 20 s only that
// it is there. XEP-0478.
func TestClientIsNotSilentForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(cfg *xmppd.Config) { cfg.KeepAlive = xmpp.KeepAlive{Idle: -1, Loss: 20 * time.Second} })
		defer s.close()
		cfg, _ := s.dialer("pv1@dso.example/IEC")
		cfg.KeepAlive = xmpp.KeepAlive{Idle: -1, Loss: -1}
		c := mustDial(t, cfg)
		defer c.Close()
		if got := c.Info().MaxSilence; got != 20*time.Second {
			t.Errorf("the server announces that it bears a silence of %v", got)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if err := c.Err(); err != nil || slices.Contains(s.eventIDs(), audit.StreamLost) {
			t.Errorf("the session ended: %v, events %v", err, s.eventIDs())
		}
	})
}
