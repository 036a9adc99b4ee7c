package iso81

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

const (
	releaseTime = 3 * time.Second        // for the other end to do its part of a release
	lingerTime  = 250 * time.Millisecond // for the other end to take our last word, and close
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// Association is the Link of one association over TCP.
type Association struct {
	cfg     *Config
	conn    net.Conn // with TLS, the TLS connection
	tcp     net.Conn
	inbound bool
	subject func(Credentials) (rbac.Subject, error)
	trust   *pki.Trust  // for certificates in ACSE
	seen    *signatures // of the Listener
	forget  func()      // tells the Listener that the connection is closed; may be nil
	settle  func()      // tells it that the association stands, or will not; may be nil

	// Recv's own.
	recv     sync.Mutex
	in       reader
	started  bool      // of the accepting side: TLS and transport stand
	setUp    time.Time // when the association must stand, zero once it does
	queue    []mms.PDU // that have been read and not given
	leftover error     // what comes after queue
	holding  bool      // out holds what is sent
	verified *pki.Verified

	prefix dataPrefix   // set before ready
	ready  atomic.Bool  // the association is established: data has the common form
	owed   atomic.Int32 // requests of the peer that are not answered
	asking atomic.Int32 // requests of ours that are not answered

	watch watch
	out   writer

	closing sync.Once

	mostData int // octets of data in a DT that we send

	mu        sync.Mutex
	machine   machine
	peer      rbac.Subject
	limit     int  // octets of a PDU that the peer takes
	takes     int  // octets of a PDU that we take
	asked     bool // the peer has sent FINISH, and waits for its answer
	concluded bool // MMS has
	cause     error
	shown     []shown   // certificates of the peer
	until     time.Time // when its TLS connection has reached its age; zero: never
}

var _ assoc.Link = (*Association)(nil)

// newAssociation makes the Association of a connection whose transport is yet to be set up.
func newAssociation(conn net.Conn, cfg *Config) *Association {
	a := &Association{cfg: cfg, tcp: conn, limit: cfg.MaxPDU, takes: cfg.MaxPDU}
	a.machine.lenient = lenience(cfg.Strict)
	a.in.mostTSDU, a.in.dry = cfg.MaxPDU+overhead, a.dry
	a.out.failed = func(err error) { a.end(err, nil) }
	a.use(conn)
	return a
}

// use has everything read from and written to conn, which is TCP, or TLS over it.
func (a *Association) use(conn net.Conn) {
	a.conn, a.in.conn = conn, conn
	a.watch.conn = conn
	a.out.conn, a.out.timeout = conn, a.cfg.WriteTimeout
}

// Peer is who the other end has proved to be; zero until the first Recv.
func (a *Association) Peer() rbac.Subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.peer
}

// Sealed is zero: nothing says when a PDU was protected.
func (a *Association) Sealed() time.Time { return time.Time{} }

// MaxPDU is what Config.MaxPDU says.
func (a *Association) MaxPDU() int { return a.cfg.MaxPDU }

// Recv gives the peer's next PDU. On the accepting side the first call does TLS, transport, session, presentation and ACSE.
func (a *Association) Recv(ctx context.Context) (mms.PDU, error) {
	a.recv.Lock()
	defer a.recv.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if a.ready.Load() {
		a.setUp = time.Time{}
	}
	a.watch.over(ctx, a.setUp)
	if a.inbound && !a.started {
		if err := a.acceptTransport(ctx); err != nil {
			return nil, a.failed(ctx, err)
		}
		a.started = true
	}
	for len(a.queue) == 0 {
		if a.leftover != nil {
			return nil, a.end(a.leftover, nil)
		}
		if err := a.receive(ctx); err != nil {
			return nil, err
		}
	}
	if !a.holding && (len(a.queue) > 1 || a.in.another()) {
		a.holding = true
		a.out.hold()
	}
	pdu := a.queue[0]
	n := copy(a.queue, a.queue[1:])
	a.queue[n] = nil
	a.queue = a.queue[:n]
	return pdu, nil
}

// dry lets out what is held before the reader waits for the peer.
func (a *Association) dry() {
	if a.holding {
		a.holding = false
		a.out.release()
	}
}

// receive reads one TSDU and queues the PDUs in it.
func (a *Association) receive(ctx context.Context) error {
	tsdu, err := a.in.next()
	if err != nil {
		return a.failed(ctx, err)
	}
	if a.ready.Load() {
		if octets, ok := a.prefix.open(tsdu); ok {
			return a.take(octets, tsdu)
		}
	}
	a.mu.Lock()
	st := a.machine.input(tsdu)
	learned := a.machine.info
	a.machine.info = info{}
	a.mu.Unlock()
	a.traceUpper(learned)
	return a.follow(st, tsdu)
}

// follow does what a step of the machine asks for.
func (a *Association) follow(st step, tsdu []byte) error {
	if st.request != nil {
		return a.takeRequest(st, tsdu)
	}
	for _, octets := range st.pdus {
		if err := a.take(octets, tsdu); err != nil {
			if st.ended == nil {
				return err
			}
			return a.end(st.ended, st.send)
		}
	}
	if len(st.pdus) == 0 {
		a.traceReceived(tsdu, nil, nil, st.ended)
	}
	switch {
	case st.finish:
		return a.takeFinish()
	case st.ended != nil && len(a.queue) > 0:
		a.leftover = st.ended // the PDU with a refusal says more: it comes first
	case st.ended != nil:
		var refused *RefusedError
		if errors.As(st.ended, &refused) && a.inbound {
			a.record(audit.PeerRefused, refused.Error())
		}
		return a.end(st.ended, st.send)
	}
	return nil
}

// takeRequest takes what the peer asks for in CONNECT: it is authenticated before it is answered.
func (a *Association) takeRequest(st step, tsdu []byte) error {
	peer, err := a.authenticate(st.request)
	if err != nil {
		var refused *RefusedError
		if !errors.As(err, &refused) {
			refused = Refuse(DiagnosticAuthenticationFailure, err)
		}
		a.traceReceived(tsdu, nil, nil, refused)
		a.mu.Lock()
		last := a.machine.reject(UserDiagnostic(refused.Code), nil)
		a.mu.Unlock()
		return a.end(refused, last)
	}
	a.mu.Lock()
	a.peer = peer
	a.mu.Unlock()
	return a.take(st.pdus[0], tsdu)
}

// takeFinish takes the peer's FINISH. Without a conclude before it, it stands for one, which the association answers.
func (a *Association) takeFinish() error {
	a.mu.Lock()
	a.asked = true
	concluded := a.concluded
	a.mu.Unlock()
	if !concluded {
		a.queue = append(a.queue, &mms.ConcludeRequest{})
		return nil
	}
	return a.end(io.EOF, a.disconnect())
}

func (a *Association) disconnect() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.machine.disconnect()
}

// failed is what a call of Recv says when reading fails.
func (a *Association) failed(ctx context.Context, err error) error {
	var protocol *ProtocolError
	switch {
	case a.ended() != nil:
		return a.ended()
	case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("no association was made within %v: %w", a.cfg.Timeout, &endedError{text: "time-out"})
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		err = ended("the peer closed the connection")
	case errors.As(err, &protocol) && protocol.Layer > LayerCOTP:
		a.mu.Lock()
		st := a.machine.violated(protocol)
		a.mu.Unlock()
		return a.end(err, st.send)
	case errors.As(err, &protocol):
	default:
		var refused *RefusedError
		var aborted *AbortedError
		if !errors.As(err, &refused) && !errors.As(err, &aborted) {
			err = &endedError{"the connection is lost", err}
		}
	}
	return a.end(err, nil)
}

// ended is why the association is over, nil while it is not.
func (a *Association) ended() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cause
}

// end closes the association once, for one reason: io.EOF after an orderly release. The first reason is what it returns. last
// is a TSDU that the peer is told before.
func (a *Association) end(cause error, last []byte) error {
	a.mu.Lock()
	if a.cause != nil {
		defer a.mu.Unlock()
		return a.cause
	}
	a.cause = cause
	a.machine.becomeOver()
	a.mu.Unlock()
	a.traceTSDU(last, nil, nil)
	a.out.finish(a.frame(nil, last), cause)
	a.watch.interrupt()
	var protocol *ProtocolError
	if a.inbound && errors.As(cause, &protocol) {
		a.record(audit.StreamMalformed, protocol.Error())
	}
	if t := a.cfg.Trace.Ended; t != nil {
		t(cause)
	}
	return cause
}

// Close ends the association: with a release where a conclude has been agreed on, else with an abort.
func (a *Association) Close() error {
	a.closing.Do(func() {
		a.mu.Lock()
		concluded := a.concluded && a.cause == nil
		a.mu.Unlock()
		if concluded {
			a.release()
		}
		told := a.abort(ended("association closed here"))
		a.recv.Lock()
		a.watch.stop()
		if told {
			a.linger()
		}
		a.in.release()
		a.recv.Unlock()
		a.out.stop()
		cut := time.AfterFunc(lingerTime, func() { a.tcp.Close() }) // TLS waits long for a peer that does not read
		a.conn.Close()
		cut.Stop()
		if a.forget != nil {
			a.settle()
			a.forget()
		}
	})
	return nil
}

// release ends an association after MMS has concluded: the side that asked for the association asks for the release, the
// other answers. Who closes the connection instead is content with that.
func (a *Association) release() {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	if !a.inbound {
		a.mu.Lock()
		var finish []byte
		if a.machine.state == established {
			finish = a.machine.finish()
		}
		a.mu.Unlock()
		if err := a.queueTSDU(finish, nil, nil); err != nil {
			return
		}
	}
	for {
		if _, err := a.Recv(ctx); err != nil {
			a.end(io.EOF, nil)
			return
		}
	}
}

// linger lets the peer take our last word: a connection that is closed while something unread is there is reset.
func (a *Association) linger() {
	if tcp, ok := a.tcp.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	a.conn.SetReadDeadline(time.Now().Add(lingerTime))
	var drop [512]byte
	for range 128 {
		if _, err := a.tcp.Read(drop[:]); err != nil {
			return
		}
	}
}
