package xmppd_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// A client that stays on line and sends numbers to another, all the time.
type talker struct {
	self, to, from jid.JID
	cfg            xmpp.Config

	mu    sync.Mutex
	last  int // number that came
	came  int
	wrong []string
	ups   []time.Time // when it was on line
}

func (k *talker) take(st stanza.Stanza) {
	if st.Kind != stanza.Message {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n, err := strconv.Atoi(st.ID)
	if err != nil || st.Type == stanza.TypeError {
		return // one that found nobody
	}
	if st.From != k.from || st.To != k.self || n <= k.last {
		k.wrong = append(k.wrong, fmt.Sprintf("%d from %v to %v after %d", n, st.From, st.To, k.last))
	}
	k.last = n
	k.came++
}

func (k *talker) run(ctx context.Context, numbers *atomic.Int64) error {
	return xmpp.Redial{}.Run(ctx, func(ctx context.Context, up func()) error {
		session, err := xmpp.Dial(ctx, k.cfg)
		if err != nil {
			return err
		}
		defer session.Close()
		k.mu.Lock()
		k.ups = append(k.ups, time.Now())
		k.mu.Unlock()
		up()
		for {
			message := stanza.Stanza{Kind: stanza.Message, ID: strconv.FormatInt(numbers.Add(1), 10), To: k.to, Payload: []byte("<x xmlns='urn:x'/>")}
			if err := session.Send(ctx, message); err != nil && ctx.Err() == nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-session.Done():
				return session.Err()
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
}

// A server that ends and starts anew, under load: all clients come back by themselves and not at one moment, those that could resume
// their streams as well as the others, and nobody gets what is not for him, or anything twice or out of order.
func TestAllComeBackToAServerThatStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCA(t)
		cfg := xmppd.Config{Domain: domain, Trust: s.trust(), Live: xmppd.Live{Identity: s.serverIdentity()}}
		trust := s.trust()
		var mu sync.Mutex
		var network *memNet // the server's, or nil while there is none
		start := func() (*xmppd.Server, chan error) {
			server, err := xmppd.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			listener, served := newMemNet(), make(chan error, 1)
			go func() { served <- server.Serve(context.Background(), listener) }()
			mu.Lock()
			network = listener
			mu.Unlock()
			return server, served
		}
		const n = 12
		talkers := make([]*talker, n)
		address := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("c%d@%s/IEC", (i+n)%n, domain)) }
		for i := range talkers {
			k := &talker{self: address(i), to: address(i + 1), from: address(i - 1)}
			k.cfg = xmpp.Config{JID: k.self, Identity: s.clientIdentity(k.self.Bare().String()), Trust: trust, Handler: k.take,
				Dialer: func(context.Context) (net.Conn, error) {
					mu.Lock()
					defer mu.Unlock()
					if network == nil {
						return nil, net.ErrClosed
					}
					return network.dial(fmt.Sprintf("192.0.2.%d:1", i+1))
				}}
			if i%2 == 0 {
				k.cfg.Resume = -1
			}
			talkers[i] = k
		}
		time.Sleep(time.Hour)
		server, served := start()
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		var numbers atomic.Int64
		for _, k := range talkers {
			running.Go(func() {
				if err := k.run(ctx, &numbers); err != nil {
					t.Errorf("%v: %v", k.self, err)
				}
			})
		}
		time.Sleep(40 * time.Second)
		for _, in := range []struct {
			order  bool
			outage time.Duration
		}{{true, time.Second}, {false, 20 * time.Second}, {true, 0}} {
			mu.Lock()
			network = nil
			mu.Unlock()
			if in.order {
				if err := server.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			server.Close()
			<-served
			time.Sleep(in.outage)
			began := time.Now()
			server, served = start()
			time.Sleep(60 * time.Second)
			moments := map[time.Time]int{}
			for _, k := range talkers {
				k.mu.Lock()
				back := k.ups[len(k.ups)-1]
				if back.Before(began) {
					t.Errorf("%v is not back %v after an outage of %v", k.self, time.Since(began), in.outage)
				}
				moments[back]++
				k.came = 0
				k.mu.Unlock()
			}
			if len(moments) < n/2 {
				t.Errorf("after an outage of %v, %d clients come back at %d moments: %v", in.outage, n, len(moments), moments)
			}
			time.Sleep(10 * time.Second)
			for _, k := range talkers {
				k.mu.Lock()
				if k.came < 15 {
					t.Errorf("%v gets %d messages in 10 s after an outage of %v, want about 20", k.self, k.came, in.outage)
				}
				for _, w := range k.wrong {
					t.Errorf("%v got %s", k.self, w)
				}
				k.mu.Unlock()
			}
		}
		cancel()
		running.Wait()
		server.Close()
		<-served
	})
}
