package assoc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"busbar.example/mms"
	"busbar.example/secure/rbac"
)

// errConcluded is how the machine ends in order.
var errConcluded = errors.New("concluded")

// Association is one established MMS association. It is safe for concurrent use. At most one goroutine reads at a time:
// one of its own, or a caller that waits for its answer.
type Association struct {
	link Link
	cfg  Config

	ctx    context.Context // ends with the association
	cancel context.CancelCauseFunc
	slots  chan struct{}  // one for each call of ours that may be open
	spare  chan struct{}  // one more, for calls out of handlers
	turn   chan struct{}  // held by the one handler that runs
	served sync.WaitGroup // the goroutines, and one until the end
	done   chan struct{}  // closed once all goroutines have returned and the Link is closed

	mu      sync.Mutex
	machine *machine
	idle    []*call // that have had their answers
	over    bool    // nothing is begun any more
	seat    seat
	queue   []received // requests that wait for their turn
	servers int        // goroutines that serve, but for those whose handler waits for an answer of the peer
}

// received is a request of the peer.
type received struct {
	*mms.ConfirmedRequest
	sealed time.Time // zero where no time is protected
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
	return a.begin(), nil
}

// Serve says how one peer, which Association.Peer names, is served: by which handler, with which services.
// The handler may call the peer back on the association once it is established.
type Serve func(*Association) (Handler, mms.ServiceSupportOptions, error)

// Accept waits for the peer's request for an association on link and answers it. It owns link from then
// on, and closes it when it fails. serve is called once the peer is known, before it is answered: it says
// what Config.Handler and Config.Services would otherwise; an error refuses the association: an *InitiateError says to the peer
// why, of any other it hears that access is denied.
func Accept(ctx context.Context, link Link, cfg Config, serve Serve) (*Association, error) {
	a, err := newAssociation(link, cfg)
	if err == nil {
		err = a.accept(ctx, serve)
	}
	if err != nil {
		link.Close()
		return nil, err
	}
	return a.begin(), nil
}

func newAssociation(link Link, cfg Config) (*Association, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if cfg.MaxPDU = min(cfg.MaxPDU, link.MaxPDU()); cfg.MaxPDU < cfg.LeastPDU {
		return nil, fmt.Errorf("association: the carrier brings PDUs of %d octets at most, at least %d are needed", cfg.MaxPDU, cfg.LeastPDU)
	}
	a := &Association{
		link:    link,
		cfg:     cfg,
		machine: newMachine(cfg),
		turn:    make(chan struct{}, 1),
		done:    make(chan struct{}),
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
		why := mms.ErrorClass(mms.AccessObjectAccessDenied)
		if told, ok := errors.AsType[*InitiateError](refusal); ok {
			why = told.Class
		}
		return errors.Join(refusal, a.link.Send(ctx, &mms.InitiateError{ServiceError: mms.ServiceError{ErrorClass: why}}))
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

func (a *Association) begin() *Association {
	// Where both ends call and serve, calls must not take all places while handlers need one to answer them.
	spare := 0
	if a.cfg.Handler != nil && a.machine.agreed.Ours > 1 {
		spare = 1
	}
	a.slots, a.spare = make(chan struct{}, a.machine.agreed.Ours-spare), make(chan struct{}, spare)
	a.served.Add(1)
	context.AfterFunc(a.ctx, a.finish)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seat.timer = time.AfterFunc(patience, a.relieve)
	a.startReading(nil)
	return a
}

// finish frees all once the association has ended.
func (a *Association) finish() {
	a.mu.Lock()
	a.over = true
	a.seat.timer.Stop()
	for _, c := range a.machine.calls {
		c.answered <- answer{err: fmt.Errorf("%w: %w", ErrNoAnswer, a.closed())} // has room: nothing else will come
	}
	clear(a.machine.calls)
	a.mu.Unlock()
	a.served.Done()
	a.link.Close()
	a.served.Wait()
	close(a.done)
}

// start runs f in a goroutine of the association, unless that has ended. a.mu is held.
func (a *Association) start(f func()) {
	if !a.over {
		a.served.Go(f)
	}
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
// are open; those that wait go on in the order in which they came. With the context of a handler it lets the
// peer's next request be handled meanwhile, and returns when that handler has. The answer is a *ServiceError or *RejectError where the peer refuses. Where no answer came,
// because ctx or the association ended after the request was sent, the error wraps ErrNoAnswer.
func (a *Association) Call(ctx context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	v, handling := ctx.Value(visitKey{}).(*visit)
	if handling = handling && v.association == a; handling {
		v.enter()
		defer v.leave()
	}
	slot, err := a.place(ctx, handling)
	if err != nil {
		return nil, err
	}
	c, pdu, err := a.register(request, slot)
	if err != nil {
		<-slot
		return nil, a.instead(err)
	}
	if err := a.link.Send(ctx, pdu); err != nil {
		return nil, a.unsent(pdu.InvokeID, c, err)
	}
	return a.await(ctx, c)
}

// register opens a call, which has its place in slot.
func (a *Association) register(request mms.ConfirmedServiceRequest, slot chan struct{}) (*call, *mms.ConfirmedRequest, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return nil, nil, a.closed()
	}
	var c *call
	if last := len(a.idle) - 1; last >= 0 {
		c = a.idle[last]
		a.idle = a.idle[:last]
	} else {
		c = &call{answered: make(chan answer, 1)}
	}
	c.slot, c.alone = slot, a.seat.holder == 0
	pdu, err := a.machine.call(request, c)
	return c, pdu, err
}

// place waits until another call may be open, out of a handler or not.
func (a *Association) place(ctx context.Context, handling bool) (slot chan struct{}, err error) {
	if a.ctx.Err() != nil {
		return nil, a.closed()
	}
	if a.machine.agreed.Ours == 0 {
		return nil, errors.New("call: it was agreed that the peer takes no calls")
	}
	select {
	case a.slots <- struct{}{}: // mostly, and much sooner than what follows
		return a.slots, nil
	default:
	}
	var spare chan struct{}
	if handling {
		spare = a.spare
	}
	select {
	case a.slots <- struct{}{}:
		return a.slots, nil
	case spare <- struct{}{}:
		return spare, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.ctx.Done():
		return nil, a.closed()
	}
}

// unsent undoes a call whose request did not go out. A Link that has ended ends the association.
func (a *Association) unsent(invokeID uint32, c *call, err error) error {
	a.mu.Lock()
	if a.machine.forget(invokeID) {
		<-c.slot
	}
	a.mu.Unlock()
	return a.ended(err)
}

// ended ends the association where err, of a Link's Send, says that the Link has. It gives what the caller is told.
func (a *Association) ended(err error) error {
	if _, only := refusedPDU(err); only || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	a.cancel(err)
	return a.closed()
}

// instead is why the association has ended, which says more than err; err while it stands.
func (a *Association) instead(err error) error {
	if a.ctx.Err() != nil {
		return a.closed()
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
	a.ensureReading()
	if err != nil {
		err = a.instead(err)
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
