package clock

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"busbar.example/acsi"
)

// Config is what an SNTP is made of.
type Config struct {
	Servers  []string      // HOST or HOST:PORT; port 123 where none is given
	Poll     time.Duration // between two questions to a server, at least 15 s; 0: 64 s
	Holdover time.Duration // how long without an answer of use the time counts as synchronised; 0: 10 minutes
	Timeout  time.Duration // how long an answer is waited for; 0: 2 s

	Logger *slog.Logger // nil: silent

	// Dial connects to a server; nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// State is how an SNTP stands.
type State struct {
	Synchronized bool
	Disputed     bool   // the servers that answered do not agree
	Server       string // whose time it is, or was
	Stratum      int    // of that server
	Offset       time.Duration
	Steps        int // times that the offset was stepped after the first answer
}

// SNTP tells the time of time servers: the host's time and an offset. It sets no clock. The host's time is that of the start and
// what has passed since, so that nobody who sets the host's clock meanwhile changes it. All methods may be called concurrently.
//
// A difference of up to 128 ms is made up slowly. A larger one is distrusted until three answers in succession agree on it, and
// is then a step. Of several servers, those count of which more than half agree.
//
// RFC 4330; RFC 5905, Section 14.
type SNTP struct {
	cfg     Config
	start   time.Time
	servers []*timeServer

	mu     sync.Mutex
	d      discipline
	synced chan struct{} // closed when there was an answer of use
}

// timeServer is one of those that are asked. Only Run makes use of it.
type timeServer struct {
	address string
	after   time.Time     // it is not asked before
	pause   time.Duration // that it has asked for
	denied  bool          // it does not want to be asked
}

// NewSNTP makes an SNTP that is not synchronised.
func NewSNTP(cfg Config) (*SNTP, error) {
	if cfg.Poll == 0 {
		cfg.Poll = 64 * time.Second
	}
	if cfg.Holdover == 0 {
		cfg.Holdover = 10 * time.Minute
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case len(cfg.Servers) == 0:
		return nil, errors.New("process/clock: no time server")
	case cfg.Poll < minPoll:
		return nil, fmt.Errorf("process/clock: a question each %v is too often: %v at least", cfg.Poll, minPoll)
	case cfg.Holdover <= cfg.Poll:
		return nil, fmt.Errorf("process/clock: no answer for %v cannot be noticed by a question each %v", cfg.Holdover, cfg.Poll)
	}
	s := &SNTP{cfg: cfg, start: time.Now(), d: discipline{holdover: cfg.Holdover}, synced: make(chan struct{})}
	for _, name := range cfg.Servers {
		address, err := serverAddress(name)
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, &timeServer{address: address})
	}
	return s, nil
}

// serverAddress reads HOST and HOST:PORT.
func serverAddress(name string) (string, error) {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"), "123"
	}
	if number, err := net.LookupPort("udp", port); err != nil || number == 0 || host == "" || strings.ContainsAny(host, " /[]") ||
		strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return "", fmt.Errorf("process/clock: time server %q: not HOST or HOST:PORT", name)
	}
	return net.JoinHostPort(host, port), nil
}

// host is the time of the host, as if nobody had set its clock since the start.
func (s *SNTP) host() time.Time { return s.start.Add(time.Since(s.start)) }

// Now is the time.
func (s *SNTP) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.host()
	return now.Add(s.d.offset(now)).Round(0)
}

// Quality is how far the time can be trusted now.
func (s *SNTP) Quality() acsi.TimeQuality {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.d.quality(s.host())
}

// State is how it stands.
func (s *SNTP) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.host()
	return State{Synchronized: s.d.synchronized(now), Disputed: s.d.disputed, Server: s.d.server, Stratum: s.d.stratum,
		Offset: s.d.offset(now), Steps: s.d.steps}
}

// Synchronized is closed when there was a first answer of use.
func (s *SNTP) Synchronized() <-chan struct{} { return s.synced }

// Run asks the servers until ctx ends. It is called once.
func (s *SNTP) Run(ctx context.Context) {
	for {
		samples := s.askAll(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := time.NewTimer(s.digest(samples))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
	}
}

// digest takes in what was answered, and gives the time until the next questions.
func (s *SNTP) digest(samples []sample) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, started := s.host(), s.d.started
	used := s.d.take(now, samples)
	if used && !started {
		close(s.synced)
	}
	if used || len(samples) == 0 && s.d.synchronized(now) {
		return s.cfg.Poll
	}
	return minPoll
}

// askAll asks each server that may be asked, all at once.
func (s *SNTP) askAll(ctx context.Context) []sample {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var asked sync.WaitGroup
	answers := make([]*sample, len(s.servers))
	for i, server := range s.servers {
		if server.denied || s.host().Before(server.after) {
			continue
		}
		server.after = s.host().Add(minPoll)
		asked.Go(func() {
			got, err := s.ask(ctx, server)
			if err != nil {
				s.cfg.Logger.Warn("time server", "server", server.address, "err", err)
				return
			}
			answers[i] = &got
		})
	}
	asked.Wait()
	var samples []sample
	for _, a := range answers {
		if a != nil {
			samples = append(samples, *a)
		}
	}
	return samples
}

// ask asks one server once, and heeds a kiss-o'-death.
func (s *SNTP) ask(ctx context.Context, to *timeServer) (sample, error) {
	conn, err := s.cfg.Dial(ctx, "udp", to.address)
	if err != nil {
		return sample{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	a, sent, got, err := s.exchange(conn)
	if err != nil {
		return sample{}, err
	}
	switch a.kissOfDeath {
	case "":
	case "DENY", "RSTR":
		to.denied = true
		return sample{}, fmt.Errorf("it does not want to be asked (%s), and is not asked again", a.kissOfDeath)
	default:
		to.pause = min(max(2*to.pause, 2*s.cfg.Poll), time.Hour)
		to.after = s.host().Add(to.pause)
		return sample{}, fmt.Errorf("it wants to be asked less (%s), and is in %v", a.kissOfDeath, to.pause)
	}
	if a.unsyncedSelf {
		return sample{}, errors.New("it has no time itself")
	}
	delay := max(0, got.Sub(sent)-a.transmitted.Sub(a.received))
	return sample{server: to.address, stratum: a.stratum, offset: (a.received.Sub(sent) + a.transmitted.Sub(got)) / 2, wrong: delay/2 + a.root}, nil
}

// exchange sends a request and waits for its answer, whatever else comes.
func (s *SNTP) exchange(conn net.Conn) (a answer, sent, got time.Time, err error) {
	var random [8]byte
	rand.Read(random[:]) // never an error
	nonce := binary.BigEndian.Uint64(random[:])
	sent = s.host()
	if _, err := conn.Write(request(nonce)); err != nil {
		return a, sent, got, err
	}
	b := make([]byte, 512)
	var other error // what else came
	for {
		n, err := conn.Read(b)
		got = s.host()
		if err != nil {
			return a, sent, got, errors.Join(fmt.Errorf("no answer: %w", err), other)
		}
		if a, other = parse(b[:n], nonce); other == nil {
			return a, sent, got, nil
		}
	}
}
