package assoc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"busbar.example/mms"
	"busbar.example/secure/rbac"
)

// errConcluded is how the machine ends in order.
var errConcluded = errors.New("concluded")

// Association is one established MMS association. It is safe for concurrent use. Two goroutines
// serve it: one reads, the other runs Config.Handler.
type Association struct {
	link Link
	cfg  Config

	ctx    context.Context // ends with the association
	cancel context.CancelCauseFunc
	slots  chan struct{} // one for each call of ours that may be open
	work   chan *mms.ConfirmedRequest
	done   chan struct{} // closed once both goroutines have returned and the Link is closed

	mu      sync.Mutex
	machine *machine
	waiting map[uint32]chan answer
}

// Initiate asks the peer at the other end of link for an association. It owns link from then on, and
// closes it when it fails.
func Initiate(ctx context.Context, link Link, cfg Config) (*Association, error) {
	a, err := newAssociation(link, cfg)
	if err != nil {
		link.Close()
		return nil, err
	}
	if err := link.Send(ctx, a.machine.initiate()); err != nil {
		link.Close()
		return nil, err
	}
	if err := a.open(ctx); err != nil {
		link.Close()
		return nil, err
	}
	return a.start(), nil
}

// Serve says how one peer, which Association.Peer names, is served: by which handler, with which services.
// The handler may call the peer back on the association once it is established.
type Serve func(*Association) (Handler, mms.ServiceSupportOptions, error)

// Accept waits for the peer's request for an association on link and answers it. It owns link from then
// on, and closes it when it fails. serve is called once the peer is known, before it is answered: it says
// what Config.Handler and Config.Services would otherwise; an error refuses the association.
func Accept(ctx context.Context, link Link, cfg Config, serve Serve) (*Association, error) {
	a, err := newAssociation(link, cfg)
	if err == nil {
		err = a.accept(ctx, serve)
	}
	if err != nil {
		link.Close()
		return nil, err
	}
	return a.start(), nil
}

func newAssociation(link Link, cfg Config) (*Association, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Association{
		link:    link,
		cfg:     cfg,
		machine: newMachine(cfg),
		work:    make(chan *mms.ConfirmedRequest, cfg.Outstanding),
		done:    make(chan struct{}),
		waiting: make(map[uint32]chan answer),
	}
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	return a, nil
}

// open reads until the machine is established.
func (a *Association) open(ctx context.Context) error {
	pdu, err := a.link.Recv(ctx)
	if err != nil {
		return err
	}
	st := a.machine.input(pdu)
	if st.ended != nil {
		return st.ended
	}
	if !st.opened {
		return protocolError("%T comes before the association is established", pdu)
	}
	return nil
}

func (a *Association) accept(ctx context.Context, serve Serve) error {
	pdu, err := a.link.Recv(ctx)
	if err != nil {
		return err
	}
	handler, services, refusal := serve(a)
	if refusal != nil {
		reject := &mms.InitiateError{ServiceError: mms.ServiceError{ErrorClass: mms.AccessObjectAccessDenied}}
		return errors.Join(refusal, a.link.Send(ctx, reject))
	}
	a.cfg.Handler, a.machine.cfg.Services = handler, services
	st := a.machine.input(pdu)
	if st.send != nil {
		if err := a.link.Send(ctx, st.send); err != nil {
			return err
		}
	}
	if st.ended == nil && !st.opened {
		return protocolError("%T comes before the association is established", pdu)
	}
	return st.ended
}

func (a *Association) start() *Association {
	a.slots = make(chan struct{}, max(a.machine.agreed.Ours, 0))
	var both sync.WaitGroup
	both.Go(a.read)
	both.Go(a.serve)
	go func() {
		both.Wait()
		a.link.Close()
		close(a.done)
	}()
	return a
}

// Peer is who the other end has proved to be.
func (a *Association) Peer() rbac.Subject { return a.link.Peer() }

// Parameters is what both ends agreed on.
func (a *Association) Parameters() Parameters { return a.machine.agreed }

// Done is closed when the association is over and all is freed.
func (a *Association) Done() <-chan struct{} { return a.done }

// Err is nil while the association stands, and after it has been concluded; else why it ended.
func (a *Association) Err() error {
	if a.ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(a.ctx); cause != errConcluded {
		return cause
	}
	return nil
}

// Call sends a confirmed request and waits for its answer. It waits too while as many calls as agreed
// are open. The answer is a *ServiceError or *RejectError where the peer refuses. Where no answer came,
// because ctx or the association ended after the request was sent, the error wraps ErrNoAnswer.
func (a *Association) Call(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.ctx.Done():
		return nil, a.closed()
	}
	wait := make(chan answer, 1)
	a.mu.Lock()
	pdu, err := a.machine.call(request)
	if err != nil {
		a.mu.Unlock()
		<-a.slots
		return nil, err
	}
	a.waiting[pdu.InvokeID] = wait
	a.mu.Unlock()
	if err := a.link.Send(ctx, pdu); err != nil {
		return nil, a.unsent(pdu.InvokeID, err)
	}
	var cause error
	select {
	case got := <-wait:
		return got.response, got.err
	case <-ctx.Done():
		cause = ctx.Err()
	case <-a.ctx.Done():
		cause = a.closed()
	}
	select {
	case got := <-wait: // it came at the same time
		return got.response, got.err
	default:
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, cause)
	}
}

// unsent undoes a call whose request did not go out. A Link that has ended ends the association.
func (a *Association) unsent(invokeID uint32, err error) error {
	a.mu.Lock()
	if _, open := a.waiting[invokeID]; open { // a peer can answer what it has not been asked
		delete(a.waiting, invokeID)
		<-a.slots
	}
	a.machine.forget(invokeID)
	a.mu.Unlock()
	if _, only := refusedPDU(err); !only && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		a.cancel(err)
	}
	return err
}

// refusedPDU reports whether err of a Link's Send is about that one PDU, and what a peer that waits for it is told.
func refusedPDU(err error) (told mms.ErrorClass, only bool) {
	if err == nil {
		return nil, false // before anything escapes to the heap
	}
	var size *SizeError
	var value *mms.ValueError
	switch {
	case errors.As(err, &size):
		return mms.ServicePDUSize, true
	case errors.As(err, &value):
		return mms.OthersOther, true
	}
	return nil, false
}

func (a *Association) closed() error {
	if cause := context.Cause(a.ctx); cause != errConcluded {
		return cause
	}
	return fmt.Errorf("the association has been concluded: %w", net.ErrClosed)
}

// Conclude ends the association in order and waits until it is over. Calls that are open then have no
// answer. IEC 61850-7-2, Release.
func (a *Association) Conclude(ctx context.Context) error {
	a.mu.Lock()
	pdu, err := a.machine.conclude()
	a.mu.Unlock()
	if err == nil {
		err = a.link.Send(ctx, pdu)
	}
	if err != nil {
		a.Abort()
		return err
	}
	select {
	case <-a.done:
		return a.Err()
	case <-ctx.Done():
		a.Abort()
		return ctx.Err()
	}
}

// Abort ends the association at once and waits until all is freed. IEC 61850-7-2, Abort.
func (a *Association) Abort() {
	a.cancel(fmt.Errorf("association aborted here: %w", net.ErrClosed))
	<-a.done
}

// read moves the peer's PDUs into the machine until the association ends.
func (a *Association) read() {
	defer close(a.work)
	for {
		pdu, err := a.link.Recv(a.ctx)
		if err == io.EOF {
			err = fmt.Errorf("the peer ended the link without a conclude: %w", net.ErrClosed)
		}
		if err != nil {
			a.cancel(err)
			return
		}
		a.mu.Lock()
		st := a.machine.input(pdu)
		if st.answer != nil {
			a.deliver(*st.answer)
		}
		a.mu.Unlock()
		if st.send != nil {
			if err := a.link.Send(a.ctx, st.send); err != nil {
				a.cancel(err)
				return
			}
		}
		if st.request != nil {
			a.work <- st.request // has room: the machine admits no more than it was made for
		}
		if st.ended != nil {
			a.cancel(st.ended)
			return
		}
	}
}

// deliver completes a call. The slot is free only now, whether or not the caller still waits: the peer
// counts a call as open until it has answered.
func (a *Association) deliver(got answer) {
	if wait := a.waiting[got.invokeID]; wait != nil {
		wait <- got
		delete(a.waiting, got.invokeID)
		<-a.slots
	}
}

// serve runs the handler for one request after the other.
func (a *Association) serve() {
	for request := range a.work {
		if a.ctx.Err() != nil {
			continue
		}
		response, err := a.handle(request.Service)
		if a.ctx.Err() != nil {
			continue // whatever the handler says of it now is about the end
		}
		if err := a.respond(request.InvokeID, response, err); err != nil {
			a.cancel(err)
		}
	}
}

func (a *Association) handle(request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	if a.cfg.Handler == nil {
		return nil, ErrUnrecognizedService
	}
	return a.cfg.Handler(a.ctx, request)
}

func (a *Association) respond(invokeID uint32, response mms.ConfirmedServiceResponse, err error) error {
	a.mu.Lock()
	pdu := a.machine.respond(invokeID, response, err)
	a.mu.Unlock()
	if pdu == nil {
		return nil
	}
	if internal(err) {
		a.cfg.Fault(err)
	}
	err = a.link.Send(a.ctx, pdu)
	if told, only := refusedPDU(err); only {
		if told == mms.ErrorClass(mms.OthersOther) {
			a.cfg.Fault(err)
		}
		err = a.link.Send(a.ctx, &mms.ConfirmedError{InvokeID: invokeID, ServiceError: mms.ServiceError{ErrorClass: told}})
	}
	return err
}

// internal reports whether the peer is not told what err says.
func internal(err error) bool {
	if err == nil {
		return false
	}
	var service *ServiceError
	return !errors.As(err, &service) && !errors.Is(err, ErrUnrecognizedService)
}

// answerPDU is the PDU for the outcome of a request. Protocol errors go out as they are; anything else is
// a fault of ours, of which the peer learns nothing.
func answerPDU(invokeID uint32, response mms.ConfirmedServiceResponse, err error) mms.PDU {
	if err == nil {
		return &mms.ConfirmedResponse{InvokeID: invokeID, Service: response}
	}
	var service *ServiceError
	switch {
	case errors.As(err, &service):
		return &mms.ConfirmedError{InvokeID: invokeID, ServiceError: mms.ServiceError{ErrorClass: service.Class}}
	case errors.Is(err, ErrUnrecognizedService):
		return rejectRequest(invokeID, mms.RejectUnrecognizedService)
	}
	return &mms.ConfirmedError{InvokeID: invokeID, ServiceError: mms.ServiceError{ErrorClass: mms.OthersOther}}
}

func rejectRequest(invokeID uint32, reason mms.RejectReason) mms.PDU {
	return &mms.Reject{OriginalInvokeID: &invokeID, RejectReason: reason}
}
