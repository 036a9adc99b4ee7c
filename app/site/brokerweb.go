package site

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The states of a broker.
const (
	stateStarting = "starting"
	stateServing  = "serving"
	stateDraining = "draining"
)

// handler serves what there is to know about the broker: /metrics for Prometheus, /healthz, /readyz and /status.
func (b *runningBroker) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metricsOf(b), promhttp.HandlerOpts{MaxRequestsInFlight: 4, ErrorHandling: promhttp.HTTPErrorOnError}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		b.server.Stats() // which a server that is stuck would not answer
		io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		b.mu.Lock()
		state := b.state
		b.mu.Unlock()
		if state != stateServing {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, state)
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.Encode(b.status()) // what cannot be written is lost with the connection
	})
	return mux
}

// onlyByAddress refuses requests that name the host otherwise than by its address, or localhost: a page in a browser that has
// its own name lead here must not read what is served.
func onlyByAddress(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil {
			http.Error(w, "ask by address", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// serveWeb serves h on l until the returned function is called.
func (b *runningBroker) serveWeb(l net.Listener, h http.Handler) (stop func()) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(&fewConns{Listener: l, room: make(chan struct{}, maxReaders)}); !errors.Is(err, http.ErrServerClosed) {
			b.o.Logger.Error("broker: status is no longer served", "address", l.Addr(), "err", err)
		}
	})
	return func() {
		server.Close()
		serving.Wait()
	}
}

// maxReaders is how many connections may ask for the broker's status at once.
const maxReaders = 32

// fewConns takes no more connections than there is room for.
type fewConns struct {
	net.Listener
	room chan struct{}
}

func (f *fewConns) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case f.room <- struct{}{}:
			return &countedConn{Conn: c, leave: sync.OnceFunc(func() { <-f.room })}, nil
		default:
			c.Close()
		}
	}
}

type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// openWeb serves the status in run/, to this user only, and where broker: metrics says. The returned function ends that.
func (b *runningBroker) openWeb(ctx context.Context) (stop func(), err error) {
	h := b.handler()
	var stops []func()
	stop = func() {
		for _, f := range stops {
			f()
		}
	}
	if l, err := b.site.listenStatus(); err != nil {
		b.o.Logger.Warn("broker: `busbar broker status` will not work", "err", err)
	} else {
		stops = append(stops, b.serveWeb(l, h), func() { b.site.forgetStatus(l.Addr()) })
		b.listening = append(b.listening, Listening{"status", l.Addr().String()})
	}
	m := b.site.broker.metrics
	if m.Listen == "" {
		return stop, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", m.Listen)
	if err != nil {
		stop()
		return nil, Hint(fmt.Errorf("%s: broker: metrics: %w", FileName, err), "another program may use that port: choose another, where port 0 takes a free one")
	}
	if !m.AllowRemote {
		h = onlyByAddress(h)
	}
	stops = append(stops, b.serveWeb(l, h))
	b.listening = append(b.listening, Listening{"metrics", l.Addr().String()})
	return stop, nil
}

// statusFile holds the name of the socket on which a broker of this site tells its status.
func (s *Site) statusFile() string { return s.Path("run", "broker-status") }

// longestSocket is how long the name of a socket may be on every system, in octets.
const longestSocket = 100

// listenStatus listens on a new socket that only this user reaches, and notes its name.
func (s *Site) listenStatus() (net.Listener, error) {
	s.removeDeadSockets()
	name := s.Path("run", "broker-"+rand.Text()[:8]+".sock")
	if len(name) > longestSocket {
		dir, err := os.MkdirTemp("", "busbar-")
		if err != nil {
			return nil, err
		}
		name = filepath.Join(dir, "broker.sock")
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(name, 0o600), replaceFile(s.statusFile(), []byte(name+"\n"))); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeDeadSockets removes what brokers have left that were killed.
func (s *Site) removeDeadSockets() {
	names, _ := filepath.Glob(s.Path("run", "broker-*.sock"))
	for _, name := range names {
		if c, err := net.Dial("unix", name); err == nil {
			c.Close()
		} else {
			os.Remove(name)
		}
	}
}

// forgetStatus removes the note of a socket that is closed, unless another broker has overwritten it, and the folder that was
// made for it.
func (s *Site) forgetStatus(a net.Addr) {
	if noted, err := os.ReadFile(s.statusFile()); err == nil && strings.TrimSpace(string(noted)) == a.String() {
		os.Remove(s.statusFile())
	}
	if dir := filepath.Dir(a.String()); dir != s.Path("run") {
		os.Remove(dir)
	}
}

// AskBroker asks the broker that runs in the site folder dir for its status: the octets of the JSON, and what they say. What
// busbar.yaml says by now does not matter.
func AskBroker(ctx context.Context, dir string) ([]byte, *BrokerStatus, error) {
	s := &Site{Dir: dir}
	noted, err := os.ReadFile(s.statusFile())
	if err != nil {
		return nil, nil, Hint(fmt.Errorf("no broker runs in %s: %w", s.Dir, err), "start one with `busbar broker`, as a user who may write to "+s.Path("run"))
	}
	name := strings.TrimSpace(string(noted))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/status", nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, Hint(fmt.Errorf("the broker of %s does not tell its status: %w", s.Dir, errors.Unwrap(err)), "has it ended, or was it killed? Start it with `busbar broker`")
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxStatus))
	if err != nil {
		return nil, nil, err
	}
	st := new(BrokerStatus)
	if err := json.Unmarshal(text, st); err != nil {
		return nil, nil, fmt.Errorf("what the broker says of its status: %w", err)
	}
	return text, st, nil
}

// maxStatus bounds what is read of a status, in octets.
const maxStatus = 64 << 20
