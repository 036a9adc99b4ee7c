package xmpp82

import (
	"errors"
	"fmt"
	"io"
	"net"

	"busbar.example/mms"
	"busbar.example/secure/audit"
	"busbar.example/secure/e2e"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// take unseals one stanza and gives its PDU, or nil where it holds none for the caller. An error ends
// the association.
func (a *Association) take(in inbound) (mms.PDU, error) {
	if in.stanza.Type == stanza.TypeError {
		return nil, a.takeError(in)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	channel := a.channel.Load()
	if channel == nil {
		return a.takeHandshake(in)
	}
	got, err := channel.Open(a.endpoint.cfg.Now(), in.stanza.From.String(), in.env.id, in.env.secPDU)
	if err != nil {
		return nil, a.violated(err)
	}
	switch got.Kind {
	case e2e.KindData:
		return a.takeData(in, got.ApplData)
	case e2e.KindReleaseReq:
		return nil, a.takeRelease(in)
	case e2e.KindReleaseRsp:
		return nil, io.EOF
	case e2e.KindApplAbort:
		return nil, fmt.Errorf("%v aborted the association: %w", a.peer, net.ErrClosed)
	}
	return nil, fmt.Errorf("%v ended the association for reasons of security (%v): %w", a.peer, got.Diagnostic, net.ErrClosed)
}

// takeError deals with a stanza error in reply to an iq. Nobody has signed it: it ends the
// association, unless a rejectPDU, which is protected, has said why before.
func (a *Association) takeError(in inbound) error {
	if in.reply != nil && in.reply.what != nil {
		a.tables.Lock()
		_, known := a.rejected[in.reply.invokeID]
		delete(a.rejected, in.reply.invokeID)
		a.tables.Unlock()
		if known {
			return nil
		}
	}
	err := stanzaError(in.stanza)
	if a.channel.Load() == nil {
		return &UnreachableError{Peer: a.peer, Err: err}
	}
	return fmt.Errorf("a request to %v came back: %w", a.peer, err)
}

// UnreachableError says that a handshake did not reach the peer, or that the peer takes no associations.
type UnreachableError struct {
	Peer jid.JID
	Err  error // a *stanza.Error
}

// Error names the peer and the condition.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%v cannot be reached: %v", e.Peer, e.Err)
}

// Unwrap gives the stanza error.
func (e *UnreachableError) Unwrap() error { return e.Err }

// stanzaError is the error that a stanza of type error holds.
func stanzaError(st stanza.Stanza) error {
	e, err := stanza.ParseError(st.Payload)
	if err != nil {
		return stanza.NewError(stanza.UndefinedCondition, "")
	}
	return e
}

// takeHandshake reads the answer to our handshake.
func (a *Association) takeHandshake(in inbound) (mms.PDU, error) {
	if in.reply == nil || a.initiator == nil {
		return nil, fmt.Errorf("%v sends before the association is established", a.peer)
	}
	channel, octets, err := a.initiator.Answer(a.endpoint.cfg.Now(), in.stanza.From.String(), in.env.id, in.env.secPDU)
	var rejected *e2e.Rejected
	if errors.As(err, &rejected) {
		octets = rejected.ApplData
	} else if err != nil {
		return nil, a.violated(err)
	}
	pdu, err := mms.DecodeXER(octets, mms.Limits{MaxSize: a.endpoint.maxPDU})
	if err != nil {
		return nil, fmt.Errorf("answer of %v to the handshake: %w", a.peer, err)
	}
	switch p := pdu.(type) {
	case *mms.InitiateResponse:
		if rejected != nil {
			return nil, fmt.Errorf("%v rejects the association and accepts it at once", a.peer)
		}
		if err := a.endpoint.rename(a, in.env.id); err != nil {
			return nil, err
		}
		a.initiator, a.subject = nil, channel.Peer()
		a.establish(channel, p)
	case *mms.InitiateError:
	default:
		return nil, fmt.Errorf("%v answers the handshake with %T", a.peer, pdu)
	}
	return pdu, nil
}

// violated tells the peer that security has ended the association, as far as it may be told.
func (a *Association) violated(err error) error {
	var v *e2e.Refusal
	if errors.As(err, &v) && len(v.SecPDU) > 0 {
		if sendErr := a.tell(v.SecPDU); sendErr != nil {
			a.endpoint.log.Debug("security abort not sent", "peer", a.peer.String(), "err", sendErr)
		}
	}
	return err
}

// takeRelease answers the peer's release. It follows a conclude; alone it is a fault.
func (a *Association) takeRelease(in inbound) error {
	if !a.concluded || (carriage{in.stanza.Kind, in.stanza.Type}) != iqSet {
		return fmt.Errorf("%v releases an association that is not concluded", a.peer)
	}
	sec, err := a.channel.Load().ReleaseResponse(a.endpoint.cfg.Now())
	if err != nil {
		return err
	}
	if err := a.answer(in.stanza, sec); err != nil {
		return err
	}
	return io.EOF
}

// takeData decodes a PDU and notes which iq it came in, so that the answer finds its way.
func (a *Association) takeData(in inbound, octets []byte) (mms.PDU, error) {
	pdu, err := mms.DecodeXER(octets, mms.Limits{MaxSize: a.endpoint.maxPDU})
	if err != nil {
		a.endpoint.log.Warn("PDU refused", "peer", a.peer.String(), "err", err)
		return nil, a.refusePDU(in, nil, mms.PDUErrorInvalidPDU)
	}
	if got, want := (carriage{in.stanza.Kind, in.stanza.Type}), carriageOf(pdu); got != want {
		a.endpoint.record(audit.E2EStanzaType, in.stanza, fmt.Sprintf("%T in %v, not in %v", pdu, got, want))
		if req, ok := pdu.(*mms.ConfirmedRequest); ok {
			return nil, a.refusePDU(in, &req.InvokeID, mms.RejectUnrecognizedService)
		}
		return nil, a.refusePDU(in, nil, mms.PDUErrorUnknownPDUType)
	}
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		return pdu, a.noteAsked(p.InvokeID, in.stanza)
	case *mms.ConcludeRequest:
		a.tables.Lock()
		a.awaited = in.stanza
		a.tables.Unlock()
	case *mms.ConcludeResponse:
		a.concluded = true
		return pdu, a.checkReply(in, nil)
	case *mms.ConfirmedResponse:
		return pdu, a.checkReply(in, &p.InvokeID)
	case *mms.ConfirmedError:
		return pdu, a.checkReply(in, &p.InvokeID)
	case *mms.Reject:
		if p.OriginalInvokeID != nil {
			a.tables.Lock()
			a.rejected[*p.OriginalInvokeID] = struct{}{}
			a.tables.Unlock()
		}
	}
	return pdu, nil
}

// noteAsked remembers the iq of a request. A second request with the same invokeID would take the first
// one's answer, so it ends the association.
func (a *Association) noteAsked(invokeID uint32, iq stanza.Stanza) error {
	a.tables.Lock()
	defer a.tables.Unlock()
	if _, open := a.asked[invokeID]; open {
		return fmt.Errorf("%v uses invokeID %d for two requests at once", a.peer, invokeID)
	}
	if a.asked == nil {
		return net.ErrClosed
	}
	a.asked[invokeID] = iq
	return nil
}

// checkReply holds a response against the iq that it answers: a server in the middle could otherwise
// let one protected response stand for another's.
func (a *Association) checkReply(in inbound, invokeID *uint32) error {
	if in.reply != nil {
		switch {
		case invokeID == nil:
			if _, ok := in.reply.what.(*mms.ConcludeRequest); ok {
				return nil
			}
		case in.reply.what != nil && in.reply.invokeID == *invokeID:
			return nil
		}
	}
	a.endpoint.record(audit.ReplySpoofed, in.stanza, "a response came in an iq that did not ask for it")
	return fmt.Errorf("%v answers an iq with the response to another", a.peer)
}

// refusePDU rejects a PDU of the peer and answers the iq that holds it.
func (a *Association) refusePDU(in inbound, invokeID *uint32, reason mms.RejectReason) error {
	octets, err := mms.AppendXER(nil, &mms.Reject{OriginalInvokeID: invokeID, RejectReason: reason})
	if err != nil {
		return err
	}
	sec, err := a.channel.Load().Seal(nil, a.endpoint.cfg.Now(), octets)
	if err != nil {
		return err
	}
	if err := a.tell(sec); err != nil {
		return err
	}
	if in.stanza.Kind == stanza.IQ && in.stanza.Type != stanza.Result {
		return a.endpoint.session.Send(a.ctx, in.stanza.ErrorReply(stanza.NewError(stanza.BadRequest, "")))
	}
	return nil
}
