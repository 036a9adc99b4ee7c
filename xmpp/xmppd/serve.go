package xmppd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"syscall"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/stanza"
)

// Serve accepts connections on l until ctx ends, the server is shut down or closed, or l fails; then it closes l. The end
// of ctx closes the server. The error is never nil; after Shutdown and Close it is ErrServerClosed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	return s.serveOn(ctx, l, s.handle)
}

// serveOn is Serve for connections that handle serves.
func (s *Server) serveOn(ctx context.Context, l net.Listener, handle func(net.Conn, *seat) (rest func() (idle bool))) error {
	defer l.Close()
	s.mu.Lock()
	if s.open.Err() != nil {
		s.mu.Unlock()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.watching.Do(func() {
		s.work.Add(1)
		go s.watch()
	})
	s.mu.Unlock()
	defer context.AfterFunc(ctx, func() { l.Close() })()

	err := s.accept(ctx, l, handle)
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	if s.open.Err() != nil {
		return ErrServerClosed
	}
	if ctx.Err() != nil {
		s.Close()
		return ctx.Err()
	}
	return err
}

// accept takes connections until l fails.
func (s *Server) accept(ctx context.Context, l net.Listener, handle func(net.Conn, *seat) (rest func() (idle bool))) error {
	const shortest, longest = 5 * time.Millisecond, time.Second
	pause := shortest
	for {
		nc, err := l.Accept()
		if err != nil {
			if !outOfResources(err) {
				return err
			}
			s.cfg.Logger.Error("xmppd: accepting a connection", "err", err, "retry", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			case <-s.open.Done():
			}
			pause = min(2*pause, longest)
			continue
		}
		pause = shortest
		s.start(nc, handle)
	}
}

// outOfResources reports whether an error of Accept may go away by itself.
func outOfResources(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// start gives nc a goroutine of its own, or closes it where a limit is reached.
func (s *Server) start(nc net.Conn, handle func(net.Conn, *seat) (rest func() (idle bool))) {
	addr := nc.RemoteAddr()
	seat, why := s.gate.admit(addr)
	if seat == nil {
		if why != "" {
			s.cfg.Audit.Record(audit.Event{ID: audit.StreamFlood, Time: time.Now(), Peer: addr.String(), Text: why})
		}
		nc.Close()
		return
	}
	s.mu.Lock()
	if s.open.Err() != nil {
		s.mu.Unlock()
		seat.leave()
		nc.Close()
		return
	}
	s.work.Add(1)
	s.mu.Unlock()
	leave := func() {
		seat.leave()
		s.work.Done()
	}
	go func() {
		rest := handle(nc, seat)
		if rest == nil {
			leave()
			return
		}
		// On a stack of its own: handshakes need a large one, which would stay, and so does what comes now and then on a connection
		// that is idle otherwise.
		var carry func()
		carry = func() {
			if rest() {
				go carry()
			} else {
				leave()
			}
		}
		go carry()
	}()
}

// handle takes a connection through its negotiation, and returns what serves it from then on: until it has ended, or
// is idle for a while and may be served on another stack.
func (s *Server) handle(nc net.Conn, seat *seat) (rest func() (idle bool)) {
	cancel := context.AfterFunc(s.live, func() { nc.Close() })
	var ses *session
	k := &keeper{server: s, ses: &ses}
	set := s.set.Load()
	conn, err := xmpp.Accept(s.open, nc, xmpp.ServerConfig{
		Domain:             s.cfg.Domain,
		Identity:           set.Identity,
		Trust:              s.cfg.Trust,
		Passwords:          s.cfg.Passwords,
		Legacy:             s.cfg.Legacy,
		Register:           s.registrar(),
		Features:           s.features(),
		Source:             seat.key,
		Allowed:            set.Allowed,
		Bind:               k.bound,
		Resumption:         k,
		Pace:               func(octets int) { ses.pace(octets) },
		NegotiationTimeout: s.cfg.NegotiationTimeout,
		WriteTimeout:       s.cfg.WriteTimeout,
		QueueSize:          set.QueueSize,
		Limits:             set.Stream,
		KeepAlive:          s.cfg.KeepAlive,
		Logger:             s.cfg.Logger,
		Audit:              s.cfg.Audit,
	})
	s.negotiated(err)
	if err == nil {
		seat.authenticated()
		s.recheck(ses) // for what was withdrawn after it has proved itself and before it was in the table
	}
	return func() (idle bool) {
		if err == nil {
			if idle, err = ses.run(); idle {
				return true
			}
			conn.End(err)
		}
		s.clear(conn, ses, nc.RemoteAddr(), err)
		cancel()
		return false
	}
}

// clear clears away what there is of a connection that has ended because of err: there may be neither a stream nor a session.
func (s *Server) clear(conn *xmpp.Conn, ses *session, from net.Addr, err error) {
	if ses != nil {
		s.release(ses)
	}
	if conn != nil {
		conn.Close()
	}
	if ses != nil && ses.gone.Load() {
		s.sendBack(ses)
	}
	s.cfg.Logger.Log(context.Background(), endLevel(err), "xmppd: connection ended", "peer", from, "err", err)
}

// endLevel is the weight of a connection's end in the log: a warning where we have cut off a client that misbehaves.
// That we shut down, or that a client came again, is no fault of it.
func endLevel(err error) slog.Level {
	ours, ok := errors.AsType[*xmpp.StreamError](err)
	if !ok || ours.Remote || ours.Condition == xmpp.SystemShutdown || ours.Condition == xmpp.Conflict {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// Shutdown ends all streams with system-shutdown, after every client has been told that those it knows are going, and
// waits until what was queued is written and the last connection is gone. When ctx ends first it cuts them off, as
// Close does, and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.refuseNew()
	for _, acc := range s.order {
		for _, ses := range acc.sessions {
			s.withdraw(ses, stanza.Stanza{Kind: stanza.Presence, Type: stanza.Unavailable, From: ses.jid})
		}
	}
	for _, acc := range s.order {
		for _, ses := range acc.sessions {
			ses.stream().End(&xmpp.StreamError{Condition: xmpp.SystemShutdown})
		}
	}
	s.unlock()
	s.fed.close()

	gone := make(chan struct{})
	go func() {
		s.work.Wait()
		s.fed.wait()
		close(gone)
	}()
	select {
	case <-gone:
		s.cut()
		return nil
	case <-ctx.Done():
		s.cut()
		<-gone
		return ctx.Err()
	}
}

// Close cuts all connections and returns when the last of them is gone. It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	s.refuseNew()
	s.mu.Unlock()
	s.cut()
	s.fed.close()
	s.work.Wait()
	s.fed.wait()
	return nil
}

// refuseNew stops listening and accepting. s.mu is held.
func (s *Server) refuseNew() {
	s.shut()
	s.abandon()
	for l := range s.listeners {
		l.Close()
	}
}
