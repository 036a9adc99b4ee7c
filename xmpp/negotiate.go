package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

// errInjected says that octets were there where the peer had to wait for us: they
// are somebody else's, or a peer's that does not keep to the protocol.
var errInjected = &NegotiationError{
	Err:   errors.New("octets arrived before they could have been sent"),
	Hint:  "somebody between here and the peer may have injected them",
	Event: audit.StartTLSInjection,
}

// shell drives a machine over a connection. What differs between the two ends is
// in two functions.
type shell struct {
	*Conn
	m      *machine
	secure func() (sasl.Channel, error)                     // does the TLS handshake, and sets stream and info
	bind   func(ctx context.Context, resource string) error // asks the application, which must answer by setJID; nil at the initiator
}

// negotiate sets the stream up, or fails with a *NegotiationError: then the peer
// was told, the event recorded and the connection closed.
func (s *shell) negotiate(ctx context.Context) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, s.negotiation)
	defer cancel()
	interrupted := make(chan struct{})
	nc := s.nc // which may be wrapped meanwhile
	stop := context.AfterFunc(ctx, func() {
		nc.SetDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	last, err := s.loop(ctx)
	if !stop() {
		<-interrupted
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			err = s.timedOut(parent)
		}
	}
	if err == nil {
		return nil
	}
	err = s.explain(err)
	s.logger.Debug("xmpp: negotiation failed", "peer", s.nc.RemoteAddr(), "err", err)
	s.abandon(last, err, s.m.initiator && ctx.Err() != nil)
	return err
}

// loop feeds the machine until the stream is ready. With an error it returns
// what the machine still wants to be sent.
func (s *shell) loop(ctx context.Context) ([]byte, error) {
	if !s.m.initiator {
		if err := s.sniff(); err != nil {
			return nil, err
		}
	}
	st, err := s.m.start(), error(nil)
	for {
		if st.event != nil {
			s.record(st.event.id, st.event.text, nil)
		}
		if err != nil {
			return st.write, err
		}
		restart := s.m.state == opening || s.m.state == securing
		if restart && s.sc.Buffered() > 0 {
			return nil, errInjected
		}
		if err := s.write(st.write); err != nil {
			return nil, err
		}
		switch s.m.state {
		case opening:
			st, err = s.readHeader()
		case choosing, negotiating:
			st, err = s.readElement()
		case securing:
			var ch sasl.Channel
			if ch, err = s.secure(); err == nil {
				st = s.m.secure(ch)
			}
		case binding:
			st, err = s.askToBind(ctx)
		case resuming:
			st, err = s.askToResume(ctx)
		case ready:
			s.setJID(s.m.id)
			s.setUp()
			return nil, nil
		}
	}
}

func (s *shell) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := s.stream.Write(b)
	return err
}

// readHeader begins a new stream: the scanner forgets the one before.
func (s *shell) readHeader() (step, error) {
	if s.m.secured && !s.m.id.IsZero() {
		s.setJID(s.m.id)
		s.info.Mechanism, s.info.ChannelBinding, s.login = s.m.mechanism, s.m.login.Binding, s.m.login
		s.trace.Authenticated(s.m.id, s.info)
		s.sc.SetLimits(s.limits.scanner(s.limits.Authenticated))
	}
	s.sc.Reset((*source)(s.Conn))
	t, err := s.sc.Next()
	if err != nil {
		return step{}, err
	}
	h, err := parseHeader(&t)
	if err != nil {
		return step{}, err
	}
	st, err := s.m.header(h)
	s.info.StreamID = s.m.streamID
	s.trace.Opened(h.from, s.m.streamID)
	return st, err
}

// readElement reads what follows in the stream.
func (s *shell) readElement() (step, error) {
	t, err := s.sc.Next()
	if err != nil {
		return step{}, err
	}
	switch t.Kind {
	case xmltok.Text:
		return step{}, s.m.text(blank(t.Data))
	case xmltok.End:
		return step{}, ErrPeerClosed
	}
	el, err := readElement(s.sc, &t)
	if err != nil {
		return step{}, err
	}
	if el.is(nsStream, "features") {
		s.traceFeatures(el)
	}
	st, err := s.m.element(el)
	s.info.MaxStanza, s.info.MaxSilence = s.m.maxStanza, s.m.maxSilence
	return st, err
}

// traceFeatures tells what the server announces.
func (s *shell) traceFeatures(el *element) {
	var names, mechanisms []string
	for _, f := range el.children {
		names = append(names, f.name.Local)
	}
	s.trace.Features(names)
	offer := el.child(nsSASL, "mechanisms")
	if offer == nil {
		return
	}
	for _, m := range offer.children {
		if m.is(nsSASL, "mechanism") {
			mechanisms = append(mechanisms, m.text)
		}
	}
	s.trace.Mechanisms(mechanisms)
}

// askToBind lets the application choose the address.
func (s *shell) askToBind(ctx context.Context) (step, error) {
	err := s.bind(ctx, s.m.resource)
	var refused *stanza.Error
	switch {
	case errors.As(err, &refused):
		return s.m.unbound(refused)
	case err != nil && streamErrorFor(err) == nil:
		return step{}, fmt.Errorf("%w: %w", &StreamError{Condition: InternalServerError}, err)
	case err != nil:
		return step{}, err
	}
	return s.m.bound(s.JID()), nil
}

// timedOut says why the negotiation was interrupted: by its own time limit, or
// because the one who asked for it gave up.
func (s *shell) timedOut(parent context.Context) error {
	switch err := parent.Err(); {
	case s.m.initiator && err != nil:
		return err
	case s.m.initiator:
		return context.DeadlineExceeded
	case err != nil:
		return &StreamError{Condition: SystemShutdown}
	}
	return &NegotiationError{
		Err:   &StreamError{Condition: ConnectionTimeout, Text: "the stream was not set up in time"},
		Event: audit.StreamFlood,
	}
}

// abandon tells the peer of err behind last, as far as there is a peer to be told
// anything, and closes the connection.
func (s *shell) abandon(last []byte, err error, gaveUp bool) {
	var ne *NegotiationError
	if errors.As(err, &ne) {
		s.record(ne.Event, "", err)
	}
	s.mu.Lock()
	if s.cause == nil {
		s.cause = ended(err)
		close(s.ending)
	}
	s.mu.Unlock()
	// Before and within the TLS handshake, who has broken the protocol is not the peer.
	if !gaveUp && !errors.Is(err, errInjected.Err) && s.m.state != securing {
		s.nc.SetDeadline(time.Now().Add(closeTimeout))
		if s.write(append(last, s.m.fail(err)...)) == nil && !s.peerEnded() {
			s.linger()
		}
	}
	s.nc.Close()
	if s.w != nil && !s.w.detach(nil, time.Now()) { // the application may have it
		s.w.finish(nil, time.Now())
	}
	close(s.done)
}

// explain makes of any error one that says where it happened and what it means.
func (s *shell) explain(err error) *NegotiationError {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrBroken
	}
	e := NegotiationError{Err: err}
	var given *NegotiationError
	if errors.As(err, &given) {
		e = *given
	}
	e.proven = s.m.initiator && s.info.Peer != nil
	if e.Step == "" {
		e.Step = s.m.during()
	}
	if e.Event == "" {
		e.Event = eventFor(err)
	}
	var verify *pki.VerifyError
	var alert *net.OpError
	var record tls.RecordHeaderError
	var auth *sasl.Failure
	switch {
	case errors.As(err, &verify):
		e.Step, e.Event, e.Hint = StepTLS, verify.ID, verify.Hint
	case errors.As(err, &alert) && alert.Op == "remote error":
		e.Step, e.Event = StepTLS, audit.TLSRefused
		if s.m.initiator {
			e.Hint = hintForAlert(alert)
		}
	case errors.As(err, &auth) && auth.Downgrade && s.m.initiator:
		e.Event, e.Hint = audit.ChannelBinding, "somebody may stand between here and the server: do not set the password anew before that is known"
	case errors.As(err, &record) && s.m.direct:
		e.Hint = "the server does not begin with TLS there: without tls:// it is asked for STARTTLS"
	case errors.As(err, &record) && e.Step == StepTLS:
		e.Event, e.Hint = audit.StartTLSInjection, errInjected.Hint
	case e.Step == StepTLS && e.Event == "" && !isNetworkError(err):
		e.Event = audit.TLSRefused
	case e.Hint == "" && s.m.initiator:
		e.Hint = s.hint(err)
	}
	return &e
}

// isNetworkError reports whether err says nothing about what the peer wants.
func isNetworkError(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, context.Canceled)
}
