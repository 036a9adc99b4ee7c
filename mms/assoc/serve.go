package assoc

import (
	"context"
	"errors"
	"sync"
	"time"

	"busbar.example/mms"
)

// serveOrQueue is admit and, where that says so, serve. It reports whether holder still has the seat.
func (a *Association) serveOrQueue(request *mms.ConfirmedRequest, holder uint64) bool {
	r := received{request, a.link.Sealed()}
	a.mu.Lock()
	here := a.admit(r)
	a.mu.Unlock()
	return !here || a.serve(r, holder)
}

// admit reports whether the goroutine that reads is to serve a request: the answer is mostly there sooner than another one would
// run. It has the turn then, and keeps the seat. Else the request is queued, behind those that others serve. a.mu is held.
func (a *Association) admit(r received) (here bool) {
	if a.servers > 0 {
		a.queue = append(a.queue, r) // the machine admits no more than were agreed on
		return false
	}
	a.servers = 1
	select {
	case a.turn <- struct{}{}:
	default:
		a.startServing(r)
		return false
	}
	a.seat.busy = true
	a.seat.watch()
	return true
}

// startServing has another goroutine serve a request. a.mu is held.
func (a *Association) startServing(r received) {
	a.start(func() {
		a.turn <- struct{}{}
		a.serve(r, 0)
	})
}

// serve runs the handler for a request, and for those that are queued by then, one after the other. The caller has the turn,
// and, if it is not 0, the seat, and learns whether it still has that. When a handler waits for an answer of the peer, which may
// itself wait for this end to answer something, another goroutine goes on with the next request.
func (a *Association) serve(r received, holder uint64) (reads bool) {
	for {
		a.serveOne(r, holder)
		<-a.turn
		a.mu.Lock()
		if a.servers > 1 || len(a.queue) == 0 {
			a.servers--
			reads = holder != 0 && a.back(holder)
			a.mu.Unlock()
			return reads
		}
		r = a.next()
		a.mu.Unlock()
		a.turn <- struct{}{}
	}
}

// back has holder read on that has served a request, and reports whether it has the seat. A handler may have left it, and nobody
// have taken it since. a.mu is held.
func (a *Association) back(holder uint64) bool {
	if a.seat.holder == 0 {
		a.seat.holder = holder
	}
	if a.seat.holder != holder {
		return false
	}
	a.seat.busy = false
	return true
}

// next takes the request off the queue that has waited longest. a.mu is held.
func (a *Association) next() received {
	request := a.queue[0]
	n := copy(a.queue, a.queue[1:])
	a.queue[n] = received{}
	a.queue = a.queue[:n]
	return request
}

func (a *Association) serveOne(r received, holder uint64) {
	if a.ctx.Err() != nil {
		return
	}
	v := &visit{Context: a.ctx, association: a, sealed: r.sealed, holder: holder}
	response, err := v.handle(r.Service)
	if a.ctx.Err() != nil {
		return // whatever the handler says of it now is about the end
	}
	a.mu.Lock()
	open := a.machine.respond(r.InvokeID)
	a.mu.Unlock()
	if !open {
		return
	}
	if internal(err) {
		a.cfg.Fault(err)
	}
	v.answer = mms.ConfirmedResponse{InvokeID: r.InvokeID, Service: response}
	if err := a.respond(&v.answer, err); err != nil {
		a.cancel(err)
	}
}

func (v *visit) handle(request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
	if v.association.cfg.Handler == nil {
		return nil, ErrUnrecognizedService
	}
	defer v.end()
	return v.association.cfg.Handler(v, request)
}

// visit is the context of a handler that runs. It holds the turn, but while the handler waits for an answer of
// the peer: then another handler has it.
type visit struct {
	context.Context
	association *Association
	sealed      time.Time // of the request
	holder      uint64    // of the seat, where the goroutine of the handler reads; 0: it does not
	answer      mms.ConfirmedResponse

	mu    sync.Mutex
	calls int  // of the handler that are open
	over  bool // the handler has returned
}

// visitKey is what Call, Handling and Sealed find a visit by.
type visitKey struct{}

// Value gives the visit itself to Call and Handling.
func (v *visit) Value(key any) any {
	if key == (visitKey{}) {
		return v
	}
	return v.Context.Value(key)
}

// Handling reports whether ctx is of a Handler. A Link must not have the call of one wait for the answer to
// another call: the peer may not answer that one before.
func Handling(ctx context.Context) bool { return ctx.Value(visitKey{}) != nil }

// Sealed is when the peer protected the request whose Handler has ctx, by the peer's clock: where a server in the middle
// holds a request back, it is long ago. ok is false where no such time is protected, and for other contexts.
//
// IEC 62351-4, token2.
func Sealed(ctx context.Context) (at time.Time, ok bool) {
	v, handling := ctx.Value(visitKey{}).(*visit)
	if !handling || v.sealed.IsZero() {
		return time.Time{}, false
	}
	return v.sealed, true
}

// enter gives up the turn, and the seat, before the handler waits.
func (v *visit) enter() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.calls++; v.calls > 1 || v.over {
		return
	}
	a := v.association
	a.mu.Lock()
	if a.servers--; a.servers == 0 && len(a.queue) > 0 {
		a.servers++
		a.startServing(a.next())
	}
	if v.holder != 0 && a.seat.holder == v.holder {
		a.leave()
	}
	a.mu.Unlock()
	<-a.turn
}

// leave takes the turn again before the handler goes on.
func (v *visit) leave() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.calls--; v.calls == 0 && !v.over {
		v.resume()
	}
}

// end takes the turn again where calls go on without their handler.
func (v *visit) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over = true; v.calls > 0 {
		v.resume()
	}
}

func (v *visit) resume() {
	a := v.association
	a.turn <- struct{}{}
	a.mu.Lock()
	a.servers++
	a.mu.Unlock()
}

// respond sends the answer to a request, or what the peer is told in place of it: of err, or where it cannot be sent.
func (a *Association) respond(answer *mms.ConfirmedResponse, err error) error {
	err = a.link.Send(a.ctx, answerPDU(answer, err))
	if told, only := refusedPDU(err); only {
		if told == mms.ErrorClass(mms.OthersOther) {
			a.cfg.Fault(err)
		}
		err = a.link.Send(a.ctx, &mms.ConfirmedError{InvokeID: answer.InvokeID, ServiceError: mms.ServiceError{ErrorClass: told}})
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
func answerPDU(answer *mms.ConfirmedResponse, err error) mms.PDU {
	if err == nil {
		return answer
	}
	var service *ServiceError
	switch {
	case errors.As(err, &service):
		return &mms.ConfirmedError{InvokeID: answer.InvokeID, ServiceError: mms.ServiceError{ErrorClass: service.Class}}
	case errors.Is(err, ErrUnrecognizedService):
		return rejectRequest(answer.InvokeID, mms.RejectUnrecognizedService)
	}
	return &mms.ConfirmedError{InvokeID: answer.InvokeID, ServiceError: mms.ServiceError{ErrorClass: mms.OthersOther}}
}

func rejectRequest(invokeID uint32, reason mms.RejectReason) mms.PDU {
	return &mms.Reject{OriginalInvokeID: &invokeID, RejectReason: reason}
}
