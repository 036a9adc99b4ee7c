package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// The loads.
const (
	settle       = time.Second // before anything counts
	floodPairs   = 20
	floodWindow  = 16 // requests under way in each pair
	setUps       = 200
	setUpsAtOnce = 8
	setUpsAlone  = 30
	idleAtOnce   = 32
)

// server is one that is measured.
type server struct {
	name string
	pid  int // 0: not on this machine
	most int // clients at once
	// client says how the client of that number logs in.
	client func(n int) (xmpp.Config, error)
	stop   func()
}

// dial logs a client in.
func (s *server) dial(ctx context.Context, n int, handler func(stanza.Stanza)) (*xmpp.Session, error) {
	cfg, err := s.client(n)
	if err != nil {
		return nil, err
	}
	cfg.Handler = handler
	cfg.KeepAlive = xmpp.KeepAlive{Idle: -1, Loss: -1} // what is measured is the load, and silence where there is none
	cfg.NegotiationTimeout = time.Minute
	return xmpp.Dial(ctx, cfg)
}

// pair is two clients, one of which asks what the other answers with as many octets.
type pair struct {
	asks, answers *xmpp.Session
	to            jid.JID
	payload       []byte
}

// pairs logs in the clients of as many pairs, or as many as the server takes.
func (s *server) pairs(ctx context.Context, n, octets int) (all []*pair, end func(), err error) {
	end = func() {
		for _, p := range all {
			p.asks.Close()
			p.answers.Close()
		}
	}
	for i := range min(n, s.most/2) {
		p, err := s.pair(ctx, i, octets)
		if err != nil {
			end()
			return nil, nil, err
		}
		all = append(all, p)
	}
	return all, end, nil
}

func (s *server) pair(ctx context.Context, i, octets int) (*pair, error) {
	p := &pair{}
	var answering atomic.Pointer[xmpp.Session]
	var err error
	p.answers, err = s.dial(ctx, 2*i, func(st stanza.Stanza) {
		if to := answering.Load(); to != nil && st.Kind == stanza.IQ {
			to.Send(ctx, st.Reply(p.payload)) // fails at the end only
		}
	})
	if err != nil {
		return nil, err
	}
	p.to = p.answers.JID()
	if p.asks, err = s.dial(ctx, 2*i+1, nil); err != nil {
		p.answers.Close()
		return nil, err
	}
	p.payload = payloadOf(octets, p.asks.JID(), p.to)
	answering.Store(p.answers)
	return p, nil
}

// payloadOf makes a stanza between two addresses about as long as it is to be. It looks like a report: small elements.
func payloadOf(octets int, from, to jid.JID) []byte {
	const item = "<Data><structure><Data><floating-point>42C80000</floating-point></Data></structure></Data>"
	empty := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: "ABCDEFGHIJKLM-10000", From: from, To: to, Payload: []byte("<r xmlns='urn:busbar:bench'></r>")}
	items := max(0, (octets-len(empty.Append(nil))+len(item)/2)/len(item))
	return []byte("<r xmlns='urn:busbar:bench'>" + strings.Repeat(item, items) + "</r>")
}

// ask sends a request; onReply hears of the answer.
func (p *pair) ask(ctx context.Context, onReply func()) error {
	_, err := p.asks.SendIQ(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: p.to, Payload: p.payload}, func(stanza.Stanza) { onReply() })
	return err
}

// exchange asks and waits for the answer.
func (p *pair) exchange(ctx context.Context) error {
	answered := make(chan struct{})
	if err := p.ask(ctx, func() { close(answered) }); err != nil {
		return err
	}
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.asks.Done():
		return p.asks.Err()
	}
}

// load is what a server has borne.
type load struct {
	stanzas int64
	took    time.Duration
	cpu     time.Duration // 0 where it is not known
}

func (l load) rate() float64 { return float64(l.stanzas) / l.took.Seconds() }

// flood has the pairs exchange stanzas as fast as the server routes them. A request and its answer are two stanzas.
func (s *server) flood(ctx context.Context, octets int, d time.Duration) (load, error) {
	all, end, err := s.pairs(ctx, floodPairs, octets)
	if err != nil {
		return load{}, err
	}
	defer end()
	ctx, cancel := context.WithCancel(ctx)
	var stanzas atomic.Int64
	var broken atomic.Pointer[error]
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	for _, p := range all {
		for range floodWindow {
			work.Go(func() {
				for ctx.Err() == nil {
					if err := p.exchange(ctx); err != nil {
						if ctx.Err() == nil {
							broken.Store(&err)
						}
						return
					}
					stanzas.Add(2)
				}
			})
		}
	}
	if err := sleep(ctx, settle); err != nil {
		return load{}, err
	}
	began, routed, spent := time.Now(), stanzas.Load(), s.cpu()
	if err := sleep(ctx, d); err != nil {
		return load{}, err
	}
	l := load{stanzas.Load() - routed, time.Since(began), s.cpu() - spent}
	if err := broken.Load(); err != nil {
		return l, *err
	}
	if l.stanzas == 0 {
		return l, errNothing
	}
	return l, nil
}

// trip is the median time of one exchange after the other.
func (s *server) trip(ctx context.Context, octets int, d time.Duration) (time.Duration, error) {
	all, end, err := s.pairs(ctx, 1, octets)
	if err != nil {
		return 0, err
	}
	defer end()
	var times []time.Duration
	for from := time.Now(); time.Since(from) < settle/2+d; {
		began := time.Now()
		if err := all[0].exchange(ctx); err != nil {
			return 0, err
		}
		if time.Since(from) > settle/2 {
			times = append(times, time.Since(began))
		}
	}
	return quantile(times, 0.5), nil
}

// steady has small stanzas sent at a rate, whether or not those before are answered, and returns how long after the time at
// which each was to be sent its answer came.
func (s *server) steady(ctx context.Context, stanzas float64, d time.Duration) ([]time.Duration, error) {
	all, end, err := s.pairs(ctx, floodPairs, 600)
	if err != nil {
		return nil, err
	}
	defer end()
	every := time.Duration(float64(time.Second) * 2 * float64(len(all)) / stanzas)
	var mu sync.Mutex
	var times []time.Duration
	var sending, waiting sync.WaitGroup
	var broken atomic.Pointer[error]
	counts := time.Now().Add(settle)
	until := counts.Add(d)
	for i, p := range all {
		sending.Go(func() {
			for next := time.Now().Add(every * time.Duration(i) / time.Duration(len(all))); next.Before(until); next = next.Add(every) {
				if sleep(ctx, time.Until(next)) != nil {
					return
				}
				due := next
				waiting.Add(1)
				err := p.ask(ctx, func() {
					defer waiting.Done()
					if due.After(counts) {
						took := time.Since(due)
						mu.Lock()
						times = append(times, took)
						mu.Unlock()
					}
				})
				if err != nil {
					waiting.Done()
					broken.Store(&err)
					return
				}
			}
		})
	}
	sending.Wait()
	if err := broken.Load(); err != nil {
		return nil, *err
	}
	answered := make(chan struct{})
	go func() {
		waiting.Wait()
		close(answered)
	}()
	select {
	case <-answered:
		return times, ctx.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Minute):
		return nil, fmt.Errorf("%w within a minute", errNothing)
	}
}

// logins is what sessions cost to set up.
type logins struct {
	n   int
	cpu time.Duration // of all of them, several at once
	p50 time.Duration // of one at a time
}

// setUp logs clients in and out: several at once for the processor time, one at a time for the time.
func (s *server) setUp(ctx context.Context) (logins, error) {
	var times []time.Duration
	for i := range setUpsAlone {
		began := time.Now()
		session, err := s.dial(ctx, i%s.most, nil)
		if err != nil {
			return logins{}, err
		}
		times = append(times, time.Since(began))
		session.Close()
	}
	spent := s.cpu()
	if err := each(setUps, min(setUpsAtOnce, s.most), func(worker int) error {
		session, err := s.dial(ctx, worker, nil)
		if err == nil {
			session.Close()
		}
		return err
	}); err != nil {
		return logins{}, err
	}
	return logins{setUps, s.cpu() - spent, quantile(times, 0.5)}, nil
}

// idle opens sessions, and returns what ends them.
func (s *server) idle(ctx context.Context, n int) (end func(), err error) {
	var mu sync.Mutex
	var open []*xmpp.Session
	var next atomic.Int64
	err = each(n, idleAtOnce, func(int) error {
		session, err := s.dial(ctx, int(next.Add(1)-1), nil)
		if err != nil {
			return err
		}
		mu.Lock()
		open = append(open, session)
		mu.Unlock()
		return nil
	})
	return func() {
		each(len(open), idleAtOnce, func(int) error {
			mu.Lock()
			last := open[len(open)-1]
			open = open[:len(open)-1]
			mu.Unlock()
			return last.Close()
		})
	}, err
}

// each does something n times, on so many goroutines, and returns the first error.
func each(n, workers int, do func(worker int) error) error {
	var left atomic.Int64
	left.Store(int64(n))
	var failed atomic.Pointer[error]
	var work sync.WaitGroup
	for i := range workers {
		work.Go(func() {
			for left.Add(-1) >= 0 && failed.Load() == nil {
				if err := do(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	work.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// cpu is the processor time that the server has taken so far, in user and system mode; 0 where it is not known.
func (s *server) cpu() time.Duration {
	if s.pid == 0 {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// residentKB is the memory that a process has, in kB.
func residentKB(pid int) (int, error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			return strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return 0, fmt.Errorf("%s has no VmRSS", name)
}
