package iso81

import (
	"context"

	"busbar.example/mms"
)

// take decodes a PDU of the peer, counts it, and queues it for Recv.
func (a *Association) take(octets, tsdu []byte) error {
	pdu, err := a.decode(octets)
	a.traceReceived(tsdu, pdu, octets, err)
	if err != nil {
		return a.unreadable(octets, err)
	}
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		a.owed.Add(1)
	case *mms.ConfirmedResponse, *mms.ConfirmedError:
		a.asking.Add(-1)
	case *mms.Reject:
		if p.OriginalInvokeID != nil {
			a.asking.Add(-1)
		}
	case *mms.ConcludeResponse:
		a.mu.Lock()
		a.concluded = true
		a.mu.Unlock()
	case *mms.InitiateResponse:
		a.mu.Lock()
		if !a.inbound && a.machine.state == established && !a.ready.Load() {
			a.establish(p)
		}
		a.mu.Unlock()
	}
	a.queue = append(a.queue, pdu)
	return nil
}

// decode reads a PDU. What mms.Tolerant takes beside BER is read a second time only.
func (a *Association) decode(octets []byte) (mms.PDU, error) {
	l := mms.Limits{MaxSize: a.takes}
	pdu, err := mms.DecodeBER(octets, l)
	if err == nil {
		return pdu, nil
	}
	if a.machine.anyEncoding {
		return mms.Tolerant().DecodeBER(octets, l)
	}
	return mms.Lenient{AnyLength: true}.DecodeBER(octets, l) // which is BER
}

// unreadable deals with a PDU of the peer that cannot be decoded: a request is rejected, what asks for no answer is passed over,
// what should have been an answer ends the association.
func (a *Association) unreadable(octets []byte, err error) error {
	a.cfg.Logger.Warn("PDU refused", "peer", a.tcp.RemoteAddr().String(), "err", err)
	if !a.ready.Load() {
		return a.unreadableInitiate(err)
	}
	reject, goOn := mms.RejectionBER(octets, mms.Limits{MaxSize: a.takes})
	if !goOn {
		a.mu.Lock()
		last := a.machine.abort(abortByUser)
		a.mu.Unlock()
		return a.end(&ProtocolError{Layer: LayerMMS, Text: "an answer that cannot be read", Err: err}, last)
	}
	if reject == nil {
		return nil
	}
	if reject.OriginalInvokeID != nil {
		a.owed.Add(1)
	}
	if err := a.Send(context.Background(), reject); err != nil {
		return a.end(err, nil)
	}
	return nil
}

// unreadableInitiate ends an association whose first PDU cannot be decoded.
func (a *Association) unreadableInitiate(err error) error {
	a.mu.Lock()
	var last []byte
	switch a.machine.state {
	case asked:
		last = a.machine.reject(DiagnosticNoReason, nil)
	case established:
		last = a.machine.abort(abortByUser)
	}
	a.mu.Unlock()
	return a.end(&ProtocolError{Layer: LayerMMS, Text: "an initiate that cannot be read", Err: err}, last)
}
