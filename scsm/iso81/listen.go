package iso81

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/secure/audit"
)

const (
	mostPending = 64          // connections of one host that have not associated yet
	refusals    = 16          // connections over the limit that are told so at the same time
	refusalTime = time.Second // for one of them
	acceptPause = 5 * time.Millisecond
)

// Listener accepts associations. Its methods are safe for concurrent use.
type Listener struct {
	ln   net.Listener
	cfg  ServerConfig
	base *Config

	renewed atomic.Pointer[Config] // base with another identity, once there is one

	once   sync.Once
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
	work   sync.WaitGroup
	places chan struct{} // one for each connection that stands
	seen   signatures

	mu      sync.Mutex
	pending map[string]int // connections that have not associated yet, by host
	all     map[*Association]struct{}

	refuse chan struct{} // one for each that is being refused
}

// NewListener makes a Listener of ln, which it owns from then on.
func NewListener(ln net.Listener, cfg ServerConfig) (*Listener, error) {
	base, err := cfg.Config.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.Connections == 0 {
		cfg.Connections = defaultConnections
	}
	return &Listener{ln: ln, cfg: cfg, base: base, conns: make(chan net.Conn), closed: make(chan struct{}),
		places: make(chan struct{}, cfg.Connections), refuse: make(chan struct{}, refusals), pending: make(map[string]int),
		all: make(map[*Association]struct{})}, nil
}

// Addr is where the Listener listens.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Accept waits for a connection. What is to be done above TCP is done by the first Recv of the Association, for which the peer
// has Config.Timeout. After Close, the error is net.ErrClosed.
func (l *Listener) Accept(ctx context.Context) (*Association, error) {
	l.once.Do(func() { l.work.Go(l.accept) })
	select {
	case conn := <-l.conns:
		return l.association(conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *Listener) association(conn net.Conn) *Association {
	cfg := l.base
	if renewed := l.renewed.Load(); renewed != nil {
		cfg = renewed
	}
	a := newAssociation(conn, cfg)
	a.inbound, a.subject, a.trust, a.seen = true, l.cfg.Subject, l.cfg.AuthTrust, &l.seen
	a.machine.called = l.cfg.Called
	a.setUp = time.Now().Add(l.base.Timeout)
	a.forget = func() { l.forget(a) }
	a.settle = sync.OnceFunc(func() { l.settled(conn) })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all[a] = struct{}{}
	return a
}

// forget gives the place of an association free, whose connection is closed.
func (l *Listener) forget(a *Association) {
	l.mu.Lock()
	delete(l.all, a)
	l.mu.Unlock()
	<-l.places
}

// enter counts a connection that is yet to associate, and reports whether there is room: one host must not take all places by
// silence.
func (l *Listener) enter(conn net.Conn) bool {
	host := hostOf(conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[host] >= mostPending {
		return false
	}
	l.pending[host]++
	return true
}

// settled takes back enter.
func (l *Listener) settled(conn net.Conn) {
	host := hostOf(conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending[host]--; l.pending[host] == 0 {
		delete(l.pending, host)
	}
}

func hostOf(conn net.Conn) string {
	address := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// accept takes connections off ln until it is closed.
func (l *Listener) accept() {
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			select {
			case <-l.closed:
				return
			case <-time.After(acceptPause): // no file descriptors, for example
				continue
			}
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetKeepAliveConfig(keepAlive(l.base.KeepAlive))
		}
		if !l.enter(conn) {
			l.tooMany(conn)
			continue
		}
		select {
		case l.places <- struct{}{}:
		default:
			l.settled(conn)
			l.tooMany(conn)
			continue
		}
		select {
		case l.conns <- conn:
		case <-l.closed:
			conn.Close()
			<-l.places
			return
		}
	}
}

// tooMany refuses a connection for which there is no place: by a DR, where there is time for that.
func (l *Listener) tooMany(conn net.Conn) {
	l.base.Audit.Record(audit.Event{ID: audit.StreamFlood, Time: time.Now(), Peer: conn.RemoteAddr().String(), Text: "no more connections are taken"})
	select {
	case l.refuse <- struct{}{}:
	default:
		conn.Close()
		return
	}
	l.work.Go(func() {
		defer func() { conn.Close(); <-l.refuse }()
		if l.base.TLS != nil {
			return
		}
		conn.SetDeadline(time.Now().Add(refusalTime))
		in := reader{conn: conn}
		cr, err := in.tpdu()
		if err != nil || cr.code != codeCR {
			return
		}
		dr := tpdu{code: codeDR, dst: cr.src, reason: DisconnectCongestion}
		conn.Write(dr.append(nil))
	})
}

// Close ends Accept. Associations that stand go on.
func (l *Listener) Close() error {
	var err error
	l.close.Do(func() {
		close(l.closed)
		err = l.ln.Close()
	})
	l.work.Wait()
	return err
}
