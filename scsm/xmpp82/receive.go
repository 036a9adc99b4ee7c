package xmpp82

import (
	"context"
	"errors"
	"fmt"
	"io"

	"busbar.example/mms"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/xmpp/stanza"
)

// deliver puts a stanza into the inbox. It runs on the session's reader and does not wait; but for messages, of which a peer
// may send more than was agreed on: it stops taking any from the server, for a short time, until some have been read.
func (a *Association) deliver(in inbound) {
	queued, ended := a.ledger.put(in)
	if !queued && !ended && in.stanza.Kind == stanza.Message {
		queued, ended = a.ledger.putLater(in, inboxPatience)
	}
	if queued {
		return
	}
	if isRequest(in.stanza) {
		a.endpoint.reply(in.stanza, stanza.UndefinedCondition)
	}
	if !ended {
		a.fail(fmt.Errorf("%v sends faster than was agreed: too much waits", a.peer))
	}
}

// Recv gives the peer's next PDU.
func (a *Association) Recv(ctx context.Context) (mms.PDU, error) {
	if pdu := a.takeFirst(); pdu != nil {
		return pdu, nil
	}
	for {
		in, err := a.next(ctx)
		if err != nil {
			return nil, err
		}
		pdu, err := a.take(in)
		if err != nil {
			a.fail(err)
			return nil, context.Cause(a.ctx) // the first cause, where it has ended meanwhile
		}
		if pdu != nil {
			return pdu, nil
		}
	}
}

// takeFirst gives the PDU that came in the peer's handshake, once.
func (a *Association) takeFirst() mms.PDU {
	a.mu.Lock()
	defer a.mu.Unlock()
	pdu := a.first
	if pdu != nil {
		a.first = nil
		a.subject = a.offer.Peer()
	}
	return pdu
}

// next waits for a stanza. What a peer sent before it was lost is given first.
func (a *Association) next(ctx context.Context) (inbound, error) {
	for {
		if in, ok := a.ledger.take(); ok {
			return in, nil
		}
		select {
		case <-a.ledger.arrived:
		case <-ctx.Done():
			return inbound{}, ctx.Err()
		case <-a.ctx.Done():
			return inbound{}, context.Cause(a.ctx)
		}
	}
}

// take reads one stanza and gives its PDU, or nil where it holds none for the caller. An error ends the
// association; the iq that could not be read then has the end as its answer.
func (a *Association) take(in inbound) (mms.PDU, error) {
	if in.lost != nil {
		a.end(in.lost)
		return nil, in.lost
	}
	if a.ctx.Err() != nil {
		return nil, context.Cause(a.ctx)
	}
	if in.reply != nil {
		a.ledger.replied(in.reply)
	}
	if in.stanza.Type == stanza.TypeError {
		return nil, a.takeError(in)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.security()
	if s == nil {
		return a.takeHandshake(in)
	}
	got, err := s.Open(a.endpoint.cfg.Now(), in.stanza.From.String(), in.env.id, in.env.content)
	if err != nil || got.Kind != e2e.KindData {
		a.endpoint.traceReceived(in, nil, nil, err)
	}
	if err != nil {
		return nil, a.violated(in.env.id, err)
	}
	switch got.Kind {
	case e2e.KindData:
		a.sealedAt = got.Time
		return a.takeData(in, got.ApplData)
	case e2e.KindReleaseReq:
		return nil, a.takeRelease(in)
	case e2e.KindReleaseRsp:
		if in.reply == nil || in.reply.what != nil {
			return nil, a.misplaced(in, "ReleaseRsp")
		}
		return nil, io.EOF
	}
	if (carriage{in.stanza.Kind, in.stanza.Type}) != message {
		a.misplaced(in, got.Kind.String()) // it has ended the association all the same
	}
	if got.Kind == e2e.KindApplAbort {
		return nil, ended("%v aborted the association", a.peer)
	}
	return nil, ended("%v ended the association for reasons of security (%v)", a.peer, got.Diagnostic)
}

// misplaced records that a SecPDU came in a stanza that is not for it.
func (a *Association) misplaced(in inbound, what string) error {
	text := fmt.Sprintf("%s in %v", what, carriage{in.stanza.Kind, in.stanza.Type})
	a.endpoint.record(audit.E2EStanzaType, in.stanza, text)
	return fmt.Errorf("%v sends a %s, where it has no place", a.peer, text)
}

// isAway reports whether a stanza error says that its server knows no session of the peer: it may not yet, where the
// nodes of a cluster tell each other who is there after the peer has heard that it is.
func isAway(err error) bool {
	return errors.Is(err, &stanza.Error{Condition: stanza.ServiceUnavailable}) || errors.Is(err, &stanza.Error{Condition: stanza.RecipientUnavailable})
}

// takeError deals with a stanza error in reply to an iq. Nobody has signed it: it ends the
// association, unless a rejectPDU, which is protected, has said why before.
func (a *Association) takeError(in inbound) error {
	switch err := stanzaError(in.stanza); {
	case in.reply.rejected:
		return nil
	case a.security() != nil:
		return &endedError{fmt.Sprintf("a request to %v came back", a.peer), err}
	case errors.Is(err, &stanza.Error{Condition: stanza.Conflict}) && a.retries < maxRetries:
		return a.retryAnew()
	case isAway(err) && a.waits < maxWaits:
		return a.retryLater(in, err)
	default:
		return a.endpoint.modeError(a.peer, handshakeError(a.peer, err))
	}
}

// takeHandshake reads the answer to our handshake.
func (a *Association) takeHandshake(in inbound) (mms.PDU, error) {
	if in.reply == nil || a.initiator == nil {
		return nil, fmt.Errorf("%v sends before the association is established", a.peer)
	}
	id := in.env.id
	if client, _ := clientHalf(id); client != a.half {
		id = a.half
	}
	s, octets, err := a.initiator.Answer(a.endpoint.cfg.Now(), in.stanza.From.String(), in.env.id, in.env.content)
	if err != nil {
		err = a.endpoint.modeError(a.peer, err)
		a.endpoint.traceReceived(in, nil, nil, err)
		return nil, a.violated(id, err)
	}
	pdu, err := a.takeAnswer(in, s, id, octets)
	if err != nil && s != nil {
		a.abort(s, id)
	}
	return pdu, err
}

// takeAnswer reads the PDU in the answer to our handshake. s is nil where it is a refusal.
func (a *Association) takeAnswer(in inbound, s security, id string, octets []byte) (mms.PDU, error) {
	pdu, err := mms.DecodeXER(octets, mms.Limits{MaxSize: a.takes})
	a.endpoint.traceReceived(in, pdu, octets, err)
	if err != nil {
		return nil, fmt.Errorf("answer of %v to the handshake: %w", a.peer, err)
	}
	switch p := pdu.(type) {
	case *mms.InitiateResponse:
		if s == nil {
			return nil, fmt.Errorf("%v rejects the association and accepts it at once", a.peer)
		}
		if !a.endpoint.routed(a, id) {
			return nil, fmt.Errorf("%v names an association id, %s, that is in use", a.peer, id)
		}
		a.id, a.initiator, a.subject = id, nil, s.Peer()
		a.establish(s, p)
		return pdu, nil
	case *mms.InitiateError:
		if s == nil || !a.endpoint.protects() {
			return pdu, nil
		}
	}
	return nil, fmt.Errorf("%v answers the handshake with %T", a.peer, pdu)
}

// violated tells the peer that security has ended the association, as far as it may be told.
func (a *Association) violated(id string, err error) error {
	var v *e2e.Refusal
	if errors.As(err, &v) && len(v.SecPDU) > 0 {
		a.postSecPDU(id, v.SecPDU)
	}
	return err
}

// takeRelease answers the peer's release. It follows a conclude; alone it is a fault.
func (a *Association) takeRelease(in inbound) error {
	if (carriage{in.stanza.Kind, in.stanza.Type}) != iqSet {
		return a.misplaced(in, "ReleaseReq")
	}
	if !a.concluded.Load() {
		return fmt.Errorf("%v releases an association that is not concluded", a.peer)
	}
	sec, err := a.security().(*e2e.Channel).ReleaseResponse(a.endpoint.cfg.Now())
	if err != nil {
		return err
	}
	if iq, ok := a.ledger.takeCurrent(); ok {
		if err := a.answer(a.ctx, iq, nil, sec); err != nil {
			return err
		}
	}
	return io.EOF
}

// takeData decodes a PDU and notes which iq it came in, so that the answer finds its way.
func (a *Association) takeData(in inbound, octets []byte) (mms.PDU, error) {
	if a.inbound {
		select {
		case <-a.confirmed:
		default:
			if !a.endpoint.confirm(a) {
				return nil, fmt.Errorf("no room for the association with %v", a.peer)
			}
			close(a.confirmed)
		}
	}
	pdu, err := mms.DecodeXER(octets, mms.Limits{MaxSize: a.takes})
	a.endpoint.traceReceived(in, pdu, octets, err)
	if err != nil {
		a.endpoint.log.Warn("PDU refused", "peer", a.peer.String(), "err", err)
		return nil, a.refusePDU(in, nil, mms.PDUErrorInvalidPDU, err)
	}
	if got, want := (carriage{in.stanza.Kind, in.stanza.Type}), carriageOf(pdu); got != want {
		a.endpoint.record(audit.E2EStanzaType, in.stanza, fmt.Sprintf("%T in %v, not in %v", pdu, got, want))
		err := fmt.Errorf("%T in %v", pdu, got)
		if req, ok := pdu.(*mms.ConfirmedRequest); ok {
			return nil, a.refusePDU(in, &req.InvokeID, mms.RejectUnrecognizedService, err)
		}
		return nil, a.refusePDU(in, nil, mms.PDUErrorUnknownPDUType, err)
	}
	// A server in the middle could let one protected response stand for another's.
	if in.reply != nil && !in.reply.answeredBy(pdu) {
		a.endpoint.record(audit.ReplySpoofed, in.stanza, "a response came in an iq that did not ask for it")
		return nil, fmt.Errorf("%v answers an iq with the response to another", a.peer)
	}
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		if !a.ledger.noteAsked(p.InvokeID) {
			return nil, fmt.Errorf("%v uses invokeID %d for two requests at once", a.peer, p.InvokeID)
		}
	case *mms.ConcludeRequest, *mms.CancelRequest: // either is answered before the next PDU is read
		a.ledger.await()
	case *mms.ConcludeResponse:
		a.concluded.Store(true)
	case *mms.Reject:
		if p.OriginalInvokeID == nil && !a.endpoint.protects() {
			err := ended("%v aborted the association (%v)", a.peer, p.RejectReason)
			a.end(err)
			return nil, err
		}
		if p.OriginalInvokeID != nil {
			if x := a.ledger.reject(*p.OriginalInvokeID); x != nil {
				a.window.leave(a.ledger.settle(x))
				if x.id != "" {
					a.endpoint.session.Abandon(a.peer, x.id)
				}
			}
		}
	case *mms.InitiateRequest:
		return nil, fmt.Errorf("%v initiates an association that is established", a.peer)
	}
	return pdu, nil
}

// refusePDU rejects a PDU of the peer and answers the iq that holds it. Where it should have been the answer
// to a call of ours there will be none: that ends the association.
func (a *Association) refusePDU(in inbound, invokeID *uint32, reason mms.RejectReason, why error) error {
	reject := &mms.Reject{OriginalInvokeID: invokeID, RejectReason: reason}
	octets, err := mms.AppendXER(nil, reject)
	if err != nil {
		return err
	}
	sec, err := a.security().Seal(nil, a.endpoint.cfg.Now(), octets)
	if err != nil {
		return err
	}
	if err := a.tell(a.ctx, reject, sec); err != nil {
		return err
	}
	if in.reply != nil {
		return fmt.Errorf("%v gives an answer that cannot be read: %w", a.peer, why)
	}
	if iq, ok := a.ledger.takeCurrent(); ok {
		return a.endpoint.session.Send(a.ctx, errorReply(iq, stanza.BadRequest))
	}
	return nil
}
