package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// counts are what has happened so far.
type counts struct {
	logins, lost, resumed, ended     atomic.Int64 // sessions
	sent, received, bounced, refused atomic.Int64 // messages
	asked, answered, failed          atomic.Int64 // iqs
	twice, strange                   atomic.Int64 // what must not be
}

func (c *counts) String() string {
	return fmt.Sprintf("%d logins, %d connections lost, %d sessions resumed, %d ended; messages: %d sent, %d received, %d sent back; requests: %d, %d answered, %d failed; wrong: %d twice, %d elsewhere or altered",
		c.logins.Load(), c.lost.Load(), c.resumed.Load(), c.ended.Load(), c.sent.Load(), c.received.Load(), c.bounced.Load(),
		c.asked.Load(), c.answered.Load(), c.failed.Load(), c.twice.Load(), c.strange.Load())
}

// plant is all the clients.
type plant struct {
	options
	broker  *broker
	clients []*client
	counts
	first atomic.Pointer[error] // that must not be
}

// client is one account, which is on line most of the time.
type client struct {
	plant *plant
	jid   jid.JID
	next  map[int]uint64 // number of the next message to each other client; of the sending goroutine

	answers chan stanza.Stanza // to requests, which the session's reader must not send itself

	mu   sync.Mutex
	seen map[string]uint64 // number of the last message of each other client
	wire *wire             // of the connection of the moment
}

func newPlant(o options, b *broker) *plant {
	p := &plant{options: o, broker: b}
	for i := range o.Sessions {
		p.clients = append(p.clients, &client{plant: p, jid: jid.MustParse(fmt.Sprintf("c%d@%s/IEC", i, domain)), next: map[int]uint64{}, answers: make(chan stanza.Stanza, 64), seen: map[string]uint64{}})
	}
	return p
}

// start brings the clients on line, some each second, and returns what ends them all.
func (p *plant) start(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for i, c := range p.clients {
		running.Go(func() {
			if wait(ctx, time.Duration(i)*20*time.Millisecond) {
				c.run(ctx)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// verdict is what must not have happened.
func (p *plant) verdict() error {
	switch err := p.first.Load(); {
	case err != nil:
		return *err
	case p.received.Load() == 0 || p.answered.Load() == 0 || p.resumed.Load() == 0:
		return errors.New("nothing was delivered, answered or resumed")
	}
	return nil
}

// wrong notes what must not be, and counts it.
func (p *plant) wrong(n *atomic.Int64, format string, args ...any) {
	n.Add(1)
	err := fmt.Errorf(format, args...)
	p.first.CompareAndSwap(nil, &err)
}

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// about is a time with that mean, as between independent events.
func about(mean time.Duration) time.Duration { return time.Duration(rand.ExpFloat64() * float64(mean)) }

// run keeps the client on line until ctx ends.
func (c *client) run(ctx context.Context) {
	identity, err := c.plant.broker.ca.IssueClientTLS(c.jid.Bare().String())
	if err != nil {
		c.plant.wrong(&c.plant.strange, "%v", err)
		return
	}
	for ctx.Err() == nil {
		session, err := xmpp.Dial(ctx, xmpp.Config{
			JID: c.jid, Dialer: c.dial, Identity: identity, Trust: c.plant.broker.trust, Handler: c.take, Resume: 20 * time.Second,
			NegotiationTimeout: time.Minute,
			Trace: &xmpp.Trace{
				Lost:    func(error) { c.plant.lost.Add(1) },
				Resumed: func(jid.JID, int) { c.plant.resumed.Add(1) },
			},
		})
		if err != nil {
			c.plant.refused.Add(1)
			wait(ctx, time.Second+about(2*time.Second))
			continue
		}
		c.plant.logins.Add(1)
		c.talk(ctx, session)
		session.Close()
		c.plant.ended.Add(1)
	}
}

// dial makes a connection that can be put into trouble.
func (c *client) dial(ctx context.Context) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", c.plant.broker.address)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: nc, silent: make(chan struct{})}
	c.mu.Lock()
	c.wire = w
	c.mu.Unlock()
	return w, nil
}

// talk sends to others until the session ends, or a trouble is a regular end.
func (c *client) talk(ctx context.Context, s *xmpp.Session) {
	send, trouble := time.After(about(c.plant.Every)), time.After(about(c.plant.Trouble))
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Done():
			return
		case st := <-c.answers:
			s.Send(ctx, st) // who has asked hears of it otherwise, if it fails
		case <-send:
			c.send(ctx, s)
			send = time.After(about(c.plant.Every))
		case <-trouble:
			trouble = time.After(about(c.plant.Trouble))
			c.mu.Lock()
			w := c.wire
			c.mu.Unlock()
			switch rand.IntN(4) {
			case 0:
				return // a regular end
			case 1:
				w.fallSilent() // half open: what is sent gets lost, nothing comes
			default:
				w.Conn.Close() // a cut
			}
		}
	}
}

// content is what a stanza holds: from whom to whom, its number, and something to fill it.
func (c *client) content(to jid.JID, number uint64) []byte {
	return fmt.Appendf(nil, "<m xmlns='urn:busbar:soak'>%s %s %d %s</m>", c.jid.Local(), to.Local(), number, strings.Repeat("x", int(number*37%900)))
}

// send sends a message or a request to somebody.
func (c *client) send(ctx context.Context, s *xmpp.Session) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	i := rand.IntN(len(c.plant.clients))
	to := c.plant.clients[i].jid
	if to == c.jid {
		return
	}
	if rand.IntN(2) == 0 {
		c.next[i]++
		if s.Send(ctx, stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, To: to, Payload: c.content(to, c.next[i])}) == nil {
			c.plant.sent.Add(1)
		}
		return
	}
	asked := c.content(to, rand.Uint64N(1<<32))
	_, err := s.SendIQ(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: to, Payload: asked}, func(reply stanza.Stanza) {
		switch {
		case reply.Type != stanza.Result:
			c.plant.failed.Add(1)
		case reply.From != to || string(reply.Payload) != string(asked):
			c.plant.wrong(&c.plant.strange, "%v has asked %v for %s and got %s from %v", c.jid, to, asked, reply.Payload, reply.From)
		default:
			c.plant.answered.Add(1)
		}
	})
	if err == nil {
		c.plant.asked.Add(1)
	}
}

// take takes what others send: a message counts once, a request is answered with what it asks.
func (c *client) take(st stanza.Stanza) {
	switch {
	case st.Kind == stanza.Message && st.Type == stanza.TypeError:
		c.plant.bounced.Add(1)
	case st.Kind == stanza.Message:
		c.message(st)
	case st.Kind == stanza.IQ:
		select {
		case c.answers <- st.Reply(st.Payload):
		default: // too busy: no answer
		}
	}
}

func (c *client) message(st stanza.Stanza) {
	fields := strings.Fields(strings.NewReplacer("<m xmlns='urn:busbar:soak'>", "", "</m>", "").Replace(string(st.Payload)))
	var number uint64
	if len(fields) >= 3 {
		fmt.Sscan(fields[2], &number) // what is no number is 0, which nobody sends
	}
	if len(fields) < 3 || fields[0] != st.From.Local() || fields[1] != c.jid.Local() || st.To.Bare() != c.jid.Bare() || number == 0 {
		c.plant.wrong(&c.plant.strange, "%v got from %v for %v: %s", c.jid, st.From, st.To, st.Payload)
		return
	}
	c.mu.Lock()
	last := c.seen[fields[0]]
	c.seen[fields[0]] = max(last, number)
	c.mu.Unlock()
	if number <= last {
		c.plant.wrong(&c.plant.twice, "%v got number %d from %v after number %d", c.jid, number, st.From, last)
		return
	}
	c.plant.received.Add(1)
}

// wire is a connection that can fall silent: both ends think that it is there, and nothing passes.
type wire struct {
	net.Conn
	once   sync.Once
	silent chan struct{}
}

func (w *wire) fallSilent() { w.once.Do(func() { close(w.silent) }) }

func (w *wire) isSilent() bool {
	select {
	case <-w.silent:
		return true
	default:
		return false
	}
}

// Read gives what comes until the connection falls silent. Then it waits for its deadline, as a dead connection would.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	for w.isSilent() && err == nil {
		n, err = w.Conn.Read(b) // and throws it away
	}
	return n, err
}

// Write swallows what is sent once the connection is silent.
func (w *wire) Write(b []byte) (int, error) {
	if w.isSilent() {
		return len(b), nil
	}
	return w.Conn.Write(b)
}
