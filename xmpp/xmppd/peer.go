package xmppd

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// peer is the dealings with one other domain: the stream to its server, or what waits for there to be one, and the streams
// that come from it.
type peer struct {
	server  *Server
	jid     jid.JID  // the domain
	account *account // stands for all of it

	early float64 // how early it replaces its streams: see retireAfter

	poke chan struct{} // tells run to look again

	mu       sync.Mutex
	known    map[*account]*correspondent // of our domain, that have sent something there, or been asked something from there
	link     link
	conn     *xmpp.Conn // while link.state is linkUp
	lost     error      // why there is none, if one was wanted
	parked   []parked   // what waits for it, in order
	size     int        // octets of these
	shares   map[*xmpp.Share]int
	pings    uint64
	cut      bool // what could not be refused was thrown away, on this stream
	incoming []*incoming
	asked    questions
	told     map[jid.JID]struct{} // full JIDs here that it knows to be available
	showing  int                  // length of shown
	stale    bool                 // presence is to be told and asked for anew

	// shown is to which accounts here each full JID there has shown itself available. Guarded by server.mu.
	shown map[jid.JID]map[jid.JID]struct{}
}

// parked is a stanza that waits for a stream.
type parked struct {
	stanza.Stanza
	share  *xmpp.Share
	octets int
	until  time.Time
}

func newPeer(s *Server, domain jid.JID) *peer {
	p := &peer{
		server: s, jid: domain, account: s.newAccount(domain), early: rand.Float64(),
		poke: make(chan struct{}, 1), known: map[*account]*correspondent{}, shares: map[*xmpp.Share]int{},
		told: map[jid.JID]struct{}{}, shown: map[jid.JID]map[jid.JID]struct{}{},
	}
	p.link.timing = timing{idle: s.fed.Idle, shortest: min(firstPause, s.fed.Retry), longest: s.fed.Retry, keepAlive: s.cfg.KeepAlive}
	if k := &p.link.keepAlive; k.Idle == 0 {
		k.Idle = 8 * time.Second
	}
	if k := &p.link.keepAlive; k.Loss == 0 {
		k.Loss = 20 * time.Second
	}
	return p
}

// firstPause is the pause after the first failure.
const firstPause = 500 * time.Millisecond

func (p *peer) owner() *account { return p.account }

func (p *peer) correspondent(a *account) *correspondent {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.known[a]
	if c == nil {
		c = new(correspondent)
		p.known[a] = c
	}
	return c
}

// push queues a stanza on the stream, or keeps it until there is one: see receiver. The error may be a *stanza.Error.
func (p *peer) push(buf []byte, share *xmpp.Share, limit int, st *stanza.Stanza) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		var err error
		buf, err = pushOn(p.conn, &p.account.tally, buf, share, limit, st)
		if !errors.Is(err, net.ErrClosed) {
			now := time.Now()
			p.link.use(now)
			if err == nil {
				p.asked.ask(st, now)
			}
			return buf, err
		}
		p.conn = nil // run hears of it in a moment
	}
	return buf, p.park(share, limit, st)
}

// park keeps a stanza until there is a stream. p.mu is held.
func (p *peer) park(share *xmpp.Share, limit int, st *stanza.Stanza) error {
	now, f := time.Now(), p.server.fed
	until := now.Add(f.Wait)
	n := overhead + len(st.Payload)
	switch {
	case f.over.Err() != nil:
		return errNoSuchServer
	case p.link.state == linkHolding && (p.link.retry.After(until) || unfindable(p.lost)):
		return unreachable(p.jid, p.lost) // it would wait in vain
	case p.size > 0 && n > f.QueueSize-p.size:
		return xmpp.ErrQueueFull
	case share != nil && p.shares[share] > 0 && n > limit-p.shares[share]:
		return xmpp.ErrShareFull
	}
	kept := *st
	kept.Payload = bytes.Clone(st.Payload)
	p.parked = append(p.parked, parked{kept, share, n, until})
	p.size += n
	p.shares[share] += n
	p.again()
	return nil
}

// unpark takes the first n of what waits. p.mu is held.
func (p *peer) unpark(n int) []parked {
	taken := p.parked[:n:n]
	for _, w := range taken {
		p.size -= w.octets
		if p.shares[w.share] -= w.octets; p.shares[w.share] == 0 {
			delete(p.shares, w.share)
		}
	}
	if p.parked = p.parked[n:]; len(p.parked) == 0 {
		p.parked = nil
	}
	return taken
}

// again makes run look again.
func (p *peer) again() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// slow is told that there was no room for an answer: it is thrown away, which is recorded once for each stream.
func (p *peer) slow(record func(audit.Event)) {
	p.mu.Lock()
	first := !p.cut
	p.cut = true
	p.mu.Unlock()
	p.account.tally.dropped.Add(1)
	if first {
		record(p.event(audit.StreamSlow, "its server reads too slowly: answers for it are thrown away while its queue is full"))
	}
}

// event makes an event about the domain, now.
func (p *peer) event(id audit.ID, text string) audit.Event {
	return audit.Event{ID: id, Time: time.Now(), Peer: p.jid.String(), Subject: p.jid.String(), Text: text}
}

// attempt is how one to open a stream has come out, and closure how one has ended.
type (
	attempt struct {
		conn *xmpp.Conn
		err  error
	}
	closure struct {
		conn *xmpp.Conn
		err  error
	}
)

// run opens and closes the stream as the link wants it, until there are to be no more dealings with other domains.
func (p *peer) run() {
	f := p.server.fed
	defer f.work.Done()
	attempts, closures := make(chan attempt, 1), make(chan closure, 1)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next, busy := p.act(time.Now(), attempts)
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		over := f.over.Done()
		if f.over.Err() != nil {
			if !busy {
				return
			}
			over = nil
		}
		select {
		case <-timer.C:
		case <-p.poke:
		case <-over:
		case a := <-attempts:
			p.opened(a, closures)
		case c := <-closures:
			p.closed(c)
		}
	}
}

// act does what is due at now. It returns when to look again, zero for when something happens, and whether there is a
// stream or an attempt.
func (p *peer) act(now time.Time, attempts chan<- attempt) (next time.Time, busy bool) {
	f := p.server.fed
	p.mu.Lock()
	late := 0
	for late < len(p.parked) && (f.over.Err() != nil || !p.parked[late].until.After(now)) {
		late++
	}
	returned, why := p.unpark(late), unreachable(p.jid, p.lost)
	kept := p.showing > 0 || len(p.told) > 0 // then its loss is to be noticed
	if f.over.Err() == nil && p.link.dial(now, len(p.parked) > 0 || p.stale || kept) {
		go func() {
			c, err := p.open()
			attempts <- attempt{c, err}
		}()
	}
	p.link.age = p.retireAfter()
	ping, end := p.link.tick(now, kept)
	if f.over.Err() != nil && end == nil {
		end = xmpp.ErrClosed
	}
	conn := p.conn
	if end != nil {
		p.conn = nil
	}
	next = p.link.next(kept)
	if len(p.parked) > 0 && (next.IsZero() || p.parked[0].until.Before(next)) {
		next = p.parked[0].until
	}
	renew := p.stale && p.conn != nil
	p.stale = p.stale && !renew
	busy = p.link.state == linkDialing || p.link.state == linkUp || p.link.state == linkClosing
	p.mu.Unlock()

	for i := range returned {
		p.giveBack(returned[i].Stanza, why)
	}
	if renew {
		p.server.renew(p)
	}
	switch {
	case conn != nil && end != nil:
		conn.End(end)
	case conn != nil && ping:
		p.ping(conn)
	}
	return next, busy
}

// open opens a stream.
func (p *peer) open() (*xmpp.Conn, error) {
	s, set := p.server, p.server.set.Load()
	trust := s.fed.Trust(p.jid.Domain())
	if trust == nil {
		return nil, errNotFederated
	}
	var resolver *xmpp.Resolver
	if s.fed.Resolver != nil {
		resolver = s.fed.Resolver(p.jid.Domain())
	}
	ctx, cancel := context.WithTimeout(s.fed.over, dialTimeout)
	defer cancel()
	return xmpp.DialServer(ctx, xmpp.PeerConfig{
		Local: s.cfg.Domain, Remote: p.jid.Domain(), Identity: set.Identity, Trust: trust,
		Resolver: resolver, Dialer: s.fed.Dialer,
		NegotiationTimeout: s.cfg.NegotiationTimeout, WriteTimeout: s.cfg.WriteTimeout, QueueSize: s.fed.QueueSize,
		Logger: s.cfg.Logger, Audit: s.cfg.Audit,
	})
}

// dialTimeout bounds one attempt at all the places of a server.
const dialTimeout = 30 * time.Second

// opened takes what an attempt has come to.
func (p *peer) opened(a attempt, closures chan<- closure) {
	now, s := time.Now(), p.server
	if a.err != nil {
		p.mu.Lock()
		level := slog.LevelWarn
		if p.link.failures > 0 {
			level = slog.LevelDebug // it was said
		}
		s.cfg.Logger.Log(context.Background(), level, "xmppd: no stream to another domain", "domain", p.jid, "err", a.err)
		p.link.failed(now, rand.Float64())
		p.lost = a.err
		p.stale = p.stale || len(p.told) > 0
		hopeless := 0 // what would wait in vain for the next attempt
		for hopeless < len(p.parked) && (p.link.retry.After(p.parked[hopeless].until) || unfindable(a.err)) {
			hopeless++
		}
		returned := p.unpark(hopeless)
		p.mu.Unlock()
		for i := range returned {
			p.giveBack(returned[i].Stanza, unreachable(p.jid, a.err))
		}
		return
	}
	s.cfg.Logger.Info("xmppd: a stream to another domain", "domain", p.jid, "address", a.conn.RemoteAddr())
	go func() { closures <- closure{a.conn, s.drain(a.conn, p)} }()
	p.mu.Lock()
	refused := map[*stanza.Error][]stanza.Stanza{}
	var tags []byte
	for _, w := range p.unpark(len(p.parked)) {
		var err error
		tags, err = pushOn(a.conn, &p.account.tally, tags[:0], nil, 0, &w.Stanza)
		if errors.Is(err, xmpp.ErrTooLarge) || full(err) {
			why := refusalOf(err)
			refused[why] = append(refused[why], w.Stanza)
		} else { // if it has ended again, what it was sent is lost
			p.asked.ask(&w.Stanza, now)
		}
	}
	p.conn, p.lost, p.cut = a.conn, nil, false
	p.link.opened(now)
	p.mu.Unlock()
	for why, all := range refused {
		for i := range all {
			p.giveBack(all[i], why)
		}
	}
}

// drain reads a stream to another domain, over which nothing may come, to its end, and waits until it has ended.
func (s *Server) drain(c *xmpp.Conn, p *peer) error {
	defer context.AfterFunc(s.live, func() { c.End(xmpp.ErrLost) })()
	if _, err := c.Next(); err == nil {
		s.cfg.Audit.Record(p.event(audit.ServerToServerRefused, "sent a stanza over our stream to it"))
		c.End(&xmpp.StreamError{Condition: xmpp.NotAuthorized, Text: "open a stream of your own"})
	}
	cause := c.Err()
	c.End(cause)
	c.Close()
	return cause
}

// closed takes that a stream has ended.
func (p *peer) closed(c closure) {
	lost := !regular(c.err)
	p.mu.Lock()
	if p.conn == c.conn {
		p.conn = nil
	}
	p.link.ended(time.Now(), lost, rand.Float64())
	if lost {
		p.lost = c.err
	}
	p.mu.Unlock()
	p.server.cfg.Logger.Info("xmppd: the stream to another domain has ended", "domain", p.jid, "err", c.err)
	if lost {
		p.server.lose(p, c.err)
	}
}

// regular reports whether a stream has ended with all delivered that was sent over it: one of both ends has closed it.
func regular(err error) bool {
	idle := &xmpp.StreamError{Condition: xmpp.ConnectionTimeout, Remote: true} // so some servers close an unused one
	return errors.Is(err, xmpp.ErrPeerClosed) || errors.Is(err, xmpp.ErrClosed) || errors.Is(err, errRetired) || errors.Is(err, idle)
}

// giveBack returns a stanza that could not be sent to the other domain to its sender, if it is still there.
func (p *peer) giveBack(st stanza.Stanza, why *stanza.Error) {
	s := p.server
	to := s.session(st.From)
	if to == nil || !answerable(st) {
		return
	}
	if st.Kind == stanza.IQ {
		to.correspondent(p.account).take() // no other answer is to be expected
	}
	to.account.tally.refuse(why.Condition)
	reply := st.ErrorReply(why)
	if _, err := to.push(nil, nil, 0, &reply); errors.Is(err, xmpp.ErrQueueFull) {
		to.slow(s.cfg.Audit.Record)
	}
}

// PeerInfo describes the dealings with another domain.
type PeerInfo struct {
	Domain   string
	State    string       // of our stream: idle, connecting, connected, waiting (for the next attempt), closing
	Since    time.Time    // when our stream was set up, while it is connected
	Retry    time.Time    // when the next attempt begins, while it is waiting
	Failed   error        // why our stream could not be had last; nil once it is there
	Queued   int          // octets that wait to be sent
	Stream   *xmpp.Info   // our stream, while it is connected
	Incoming []xmpp.Info  // the streams from there
	Received StanzaCounts // stanzas from there
	Sent     StanzaCounts // stanzas that went there
}

// Peers returns the dealings with other domains at this moment, ordered by domain.
func (s *Server) Peers() []PeerInfo {
	var all []PeerInfo
	for _, p := range s.fed.all() {
		all = append(all, p.info())
	}
	slices.SortFunc(all, func(a, b PeerInfo) int { return strings.Compare(a.Domain, b.Domain) })
	return all
}

func (p *peer) info() PeerInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := PeerInfo{Domain: p.jid.Domain(), State: p.link.state.String(), Failed: p.lost, Queued: p.size}
	switch p.link.state {
	case linkUp:
		i.Since = p.link.since
	case linkHolding:
		i.Retry = p.link.retry
	}
	if p.conn != nil {
		stream := p.conn.Info()
		i.Stream = &stream
		i.Queued += p.conn.Queued()
	}
	for _, in := range p.incoming {
		i.Incoming = append(i.Incoming, in.conn.Info())
	}
	t := &p.account.tally
	i.Received.add(&t.received, &t.octetsIn)
	i.Sent.add(&t.delivered, &t.octetsOut)
	return i
}
