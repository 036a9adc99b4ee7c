package xmpp82

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/audit"
	"busbar.example/xmpp/stanza"
)

// Send protects a PDU and queues it in the stanza that its kind asks for. A PDU that is protected and then
// does not get into the queue before ctx ends, ends the association: the peer would notice the gap.
func (a *Association) Send(ctx context.Context, pdu mms.PDU) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	encoded := encodings.Get().(*encoding)
	defer encoded.free()
	octets, err := mms.AppendXER(encoded.octets[:0], pdu)
	if err != nil {
		return fmt.Errorf("encode %T: %w", pdu, err)
	}
	encoded.octets = octets
	if err := a.awaitPeer(ctx); err != nil {
		return err
	}
	if limit := int(a.limit.Load()); len(octets) > limit {
		return &assoc.SizeError{Size: len(octets), Limit: limit}
	}
	var want *expected // of a request, which the window counts
	told := 0          // octets of a report, which it counts, too
	switch pdu.(type) {
	case *mms.ConfirmedRequest:
		want = &expected{what: pdu}
		err = a.makeRoom(ctx, want, len(octets))
	case *mms.Unconfirmed:
		told, err = a.room(ctx, len(octets))
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ctx.Err() != nil {
		a.window.leave(told)
		return context.Cause(a.ctx)
	}
	a.both = either{Context: ctx, other: a.ctx}
	both := &a.both
	defer both.release()
	if a.security() == nil {
		err = a.sendHandshake(both, pdu, octets)
	} else {
		err = a.sendData(both, pdu, want, octets)
	}
	if err == nil { // before anything escapes to the heap
		if told > 0 {
			a.told(told)
		}
		return nil
	}
	a.window.leave(told)
	if want != nil {
		a.window.leave(a.ledger.settle(want))
	}
	var value *mms.ValueError
	switch {
	case errors.As(err, &value):
		return err
	case a.ctx.Err() != nil:
		return context.Cause(a.ctx)
	case ctx.Err() != nil:
		a.fail(&endedError{"a PDU that was protected did not get out in time", err})
	default:
		a.fail(err)
	}
	return err
}

// room waits for room for a PDU in the window towards the peer, and gives what it takes of it. That of a handler does not wait.
func (a *Association) room(ctx context.Context, octets int) (taken int, err error) {
	octets += octets/3 + stanzaOverhead
	if assoc.Handling(ctx) {
		a.window.overdraw(octets)
		return octets, nil
	}
	return octets, a.window.enter(ctx, a.ctx, octets, a.probe)
}

// told notes that a report has been sent which has so many octets of the window.
func (a *Association) told(octets int) {
	if due := a.window.tell(octets); due > 0 {
		a.probe(due)
	}
}

// makeRoom waits for room for a request.
func (a *Association) makeRoom(ctx context.Context, want *expected, octets int) error {
	octets, err := a.room(ctx, octets)
	if err != nil {
		return err
	}
	if !a.ledger.hold(want, octets) {
		a.window.leave(octets)
		return context.Cause(a.ctx)
	}
	return nil
}

// awaitPeer waits, on the side that was asked for the association, until the peer has shown that it is there:
// nothing can be sealed before. That side's answer to the handshake does not wait.
func (a *Association) awaitPeer(ctx context.Context) error {
	if !a.inbound || a.security() == nil {
		return nil
	}
	select {
	case <-a.confirmed:
		return nil
	default:
	}
	select {
	case <-a.confirmed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}

// sendHandshake puts the first PDU of either side into the handshake.
func (a *Association) sendHandshake(ctx context.Context, pdu mms.PDU, octets []byte) error {
	now := a.endpoint.cfg.Now()
	switch p := pdu.(type) {
	case *mms.InitiateRequest:
		if a.initiator == nil {
			return errors.New("send: the peer asked for this association")
		}
		a.request, a.initiate = bytes.Clone(octets), p
		return a.sendRequest(ctx)
	case *mms.InitiateResponse:
		if a.offer == nil {
			return errors.New("send: the peer did not ask for this association")
		}
		sec, s, err := a.offer.Accept(now, a.id, octets)
		if err != nil {
			return err
		}
		a.offer = nil
		a.establish(s, p)
		return a.answerAwaited(ctx, p, sec)
	case *mms.InitiateError:
		if a.offer == nil {
			return errors.New("send: the peer did not ask for this association")
		}
		sec, err := a.offer.Reject(now, a.id, octets)
		if err != nil {
			return err
		}
		a.offer = nil
		if err := a.answerAwaited(ctx, p, sec); err != nil {
			return err
		}
		a.end(io.EOF)
		return nil
	}
	return fmt.Errorf("send %T: the association is not established", pdu)
}

// sendRequest sends our handshake.
func (a *Association) sendRequest(ctx context.Context) error {
	octets, err := a.initiator.Request(a.endpoint.cfg.Now(), a.half, a.request)
	if err != nil {
		return err
	}
	return a.askPeer(ctx, iqSet, a.half, octets, &expected{what: a.initiate})
}

// retryAnew sends our handshake with another half of an id, in place of one that the peer remembers: this end may
// have used it before it started anew.
func (a *Association) retryAnew() error {
	a.retries++
	if err := a.endpoint.reenter(a); err != nil {
		return err
	}
	return a.retry()
}

// retryLater sends our handshake again, when the peer's server has had time to learn that the peer is there. It did not get
// there, so the half of the id is good still.
func (a *Association) retryLater(in inbound, cause error) error {
	wait := firstWait << a.waits
	a.waits++
	a.endpoint.traceReceived(in, nil, nil, fmt.Errorf("%w: asking again in %v", cause, wait))
	a.endpoint.log.Debug("peer not reached", "peer", a.peer.String(), "err", cause, "again", wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return a.retry()
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}

// retry sends our handshake again, made anew.
func (a *Association) retry() error {
	initiator, err := a.endpoint.ask(a.peer)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.initiator = initiator
	return a.sendRequest(a.ctx)
}

// establish takes security into use, and what the initiate exchange settled: the PDU size, which counts in
// both directions, and how many calls may be open.
func (a *Association) establish(s security, p *mms.InitiateResponse) {
	a.secured.Store(&s)
	a.watchLife(s)
	a.traceEstablished(s)
	if p.LocalDetailCalled != nil && int(*p.LocalDetailCalled) > 0 {
		agreed := int(*p.LocalDetailCalled)
		a.limit.Store(min(a.limit.Load(), int64(agreed)))
		a.takes = min(a.takes, agreed)
	}
	calls := int(p.NegotiatedMaxServOutstandingCalling) + int(p.NegotiatedMaxServOutstandingCalled)
	if a.initiate != nil { // the answer is the peer's, and nobody has held it against our request yet
		calls = min(calls, int(a.initiate.ProposedMaxServOutstandingCalling)+int(a.initiate.ProposedMaxServOutstandingCalled))
	}
	a.ledger.agree(max(calls, 0), a.takes)
}

// sendData protects a PDU. want is what a request waits for; nil for any other PDU.
func (a *Association) sendData(ctx context.Context, pdu mms.PDU, want *expected, octets []byte) error {
	s, now := a.security(), a.endpoint.cfg.Now()
	sec, err := s.Seal(a.sealed[:0], now, octets)
	if cap(sec) <= keepBuffer {
		a.sealed = sec
	}
	if err != nil && !s.Expire(now) {
		return &mms.ValueError{Msg: err.Error()} // nothing was sealed: in clear, mixed content has no form
	}
	if err != nil {
		return err
	}
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		a.ledger.call(p.InvokeID, want)
		return a.askPeer(ctx, carriageOf(p), a.id, sec, want)
	case *mms.ConcludeRequest:
		return a.askPeer(ctx, iqSet, a.id, sec, &expected{what: p})
	case *mms.ConfirmedResponse:
		return a.answerCall(ctx, p, p.InvokeID, sec)
	case *mms.ConfirmedError:
		return a.answerCall(ctx, p, p.InvokeID, sec)
	case *mms.ConcludeResponse:
		a.concluded.Store(true)
		return a.answerAwaited(ctx, p, sec)
	case *mms.ConcludeError, *mms.CancelError:
		return a.answerAwaited(ctx, p, sec)
	case *mms.Unconfirmed:
		return a.tell(ctx, p, sec)
	case *mms.Reject:
		return a.sendReject(ctx, p, sec)
	}
	return fmt.Errorf("send %T: it has no place in an established association", pdu)
}

// sendReject says why in a message; the iq that holds the refused request then gets its one answer.
func (a *Association) sendReject(ctx context.Context, p *mms.Reject, sec []byte) error {
	if err := a.tell(ctx, p, sec); err != nil {
		return err
	}
	if p.OriginalInvokeID == nil {
		return nil
	}
	if iq, ok := a.ledger.takeAsked(*p.OriginalInvokeID); ok {
		return a.endpoint.session.Send(ctx, errorReply(iq, stanza.BadRequest))
	}
	return nil
}

func (a *Association) answerCall(ctx context.Context, pdu mms.PDU, invokeID uint32, sec []byte) error {
	iq, ok := a.ledger.takeAsked(invokeID)
	if !ok {
		return fmt.Errorf("answer to invokeID %d, which the peer did not ask", invokeID)
	}
	return a.answer(ctx, iq, pdu, sec)
}

// answerAwaited answers the peer's handshake or conclude.
func (a *Association) answerAwaited(ctx context.Context, pdu mms.PDU, sec []byte) error {
	iq, ok := a.ledger.takeAwaited()
	if !ok {
		return errors.New("answer to what the peer did not ask")
	}
	return a.answer(ctx, iq, pdu, sec)
}

// askPeer sends an iq whose reply is for the inbox, in order with everything else.
func (a *Association) askPeer(ctx context.Context, c carriage, id string, sec []byte, want *expected) error {
	iq := stanza.Stanza{Kind: c.kind, Type: c.typ, To: a.peer, Payload: a.envelope(c.kind, id, sec)}
	if a.endpoint.traces() {
		iq.ID = a.endpoint.session.NewID() // it may be answered before SendIQ gives it
		a.endpoint.traceSent(iq, id, want.what, sec)
	}
	sent, err := a.endpoint.session.SendIQ(ctx, iq, func(reply stanza.Stanza) { a.replied(reply, want) })
	if err == nil && !a.ledger.sent(want, sent) {
		a.endpoint.session.Abandon(a.peer, sent)
	}
	return err
}

// replied takes the reply to an iq of ours. It runs on the session's reader.
func (a *Association) replied(reply stanza.Stanza, want *expected) {
	a.ledger.closed(want, reply.ID)
	a.window.leave(a.ledger.settle(want))
	in := inbound{stanza: reply, reply: want}
	if reply.Type == stanza.Result {
		env, err := a.endpoint.opener.open(reply)
		if err != nil {
			a.endpoint.traceReceived(in, nil, nil, err)
			a.endpoint.record(audit.E2EIQElementMissing, reply, err.Error())
			a.deliver(inbound{lost: &endedError{fmt.Sprintf("the answer of %v is none", a.peer), err}})
			return
		}
		if env.protected != a.endpoint.protects() {
			lost := ended("%v answers with %s, and end-to-end security is %s here", a.peer, quoteShort(env.name), a.endpoint.mode())
			a.endpoint.traceReceived(inbound{stanza: reply, env: env}, nil, nil, lost)
			a.endpoint.mismatch(reply, env)
			a.deliver(inbound{lost: lost})
			return
		}
		in.env, in.stanza.Payload = env, nil
		if _, handshake := want.what.(*mms.InitiateRequest); handshake {
			a.endpoint.route(a, env.id)
		}
	}
	a.deliver(in)
}

// envelope wraps what is sent at once; the octets are valid until it is called again.
func (a *Association) envelope(kind stanza.Kind, id string, content []byte) []byte {
	octets := appendEnvelope(a.wrapped[:0], kind, id, content)
	if cap(octets) <= keepBuffer {
		a.wrapped = octets
	}
	return octets
}

// answer answers an iq of the peer with a SecPDU, and the PDU that is in it, if any.
func (a *Association) answer(ctx context.Context, iq stanza.Stanza, pdu mms.PDU, sec []byte) error {
	reply := iq.Reply(a.envelope(stanza.IQ, a.id, sec))
	a.endpoint.traceSent(reply, a.id, pdu, sec)
	return a.endpoint.session.Send(ctx, reply)
}

// tell sends a PDU, protected, in a message.
func (a *Association) tell(ctx context.Context, pdu mms.PDU, sec []byte) error {
	st := stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, To: a.peer, Payload: a.envelope(stanza.Message, a.id, sec)}
	a.endpoint.traceSent(st, a.id, pdu, sec)
	return a.endpoint.session.Send(ctx, st)
}

// postSecPDU has a SecPDU without a PDU sent in a message, and does not wait.
func (a *Association) postSecPDU(id string, sec []byte) {
	st := stanza.Stanza{Kind: stanza.Message, Type: stanza.Normal, To: a.peer, Payload: appendEnvelope(nil, stanza.Message, id, sec)}
	a.endpoint.traceSent(st, id, nil, sec)
	a.endpoint.post(st)
}
