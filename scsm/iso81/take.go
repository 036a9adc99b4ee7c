package iso81

import (
	"context"
	"errors"

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

func (a *Association) decode(octets []byte) (mms.PDU, error) {
	l := mms.Limits{MaxSize: a.takes}
	pdu, err := mms.DecodeBER(octets, l)
	if err != nil && a.machine.anyLength {
		return mms.Lenient{AnyLength: true}.DecodeBER(octets, l)
	}
	return pdu, err
}

// Identifier octets of PDUs.
//
// ISO 9506-2, MMSpdu.
const (
	tagConfirmedRequest  = 0xa0
	tagConfirmedResponse = 0xa1
	tagConfirmedError    = 0xa2
	tagUnconfirmed       = 0xa3
	tagReject            = 0xa4
	tagModifiers         = 0x30
)

// unreadable deals with a PDU of the peer that cannot be decoded: a request is rejected, what asks for no answer is passed over,
// what should have been an answer ends the association.
func (a *Association) unreadable(octets []byte, err error) error {
	a.cfg.Logger.Warn("PDU refused", "peer", a.conn.RemoteAddr().String(), "err", err)
	if !a.ready.Load() {
		return a.unreadableInitiate(err)
	}
	switch octets[0] {
	case tagUnconfirmed, tagReject:
		return nil
	case tagConfirmedResponse, tagConfirmedError:
		fault := &ProtocolError{Layer: LayerMMS, Text: "an answer that cannot be read", Err: err}
		a.mu.Lock()
		last := a.machine.abort(abortByUser)
		a.mu.Unlock()
		return a.end(fault, last)
	case tagConfirmedRequest:
		if id, rest, ok := invokeID(octets); ok {
			a.owed.Add(1)
			return a.reject(&mms.Reject{OriginalInvokeID: &id, RejectReason: requestFault(rest, err)})
		}
	}
	return a.reject(&mms.Reject{RejectReason: mms.PDUErrorInvalidPDU})
}

func (a *Association) reject(r *mms.Reject) error {
	if err := a.Send(context.Background(), r); err != nil {
		return a.end(err, nil)
	}
	return nil
}

// unreadableInitiate ends an association whose first PDU cannot be decoded.
func (a *Association) unreadableInitiate(err error) error {
	fault := &ProtocolError{Layer: LayerMMS, Text: "an initiate that cannot be read", Err: err}
	a.mu.Lock()
	var last []byte
	switch a.machine.state {
	case asked:
		last = a.machine.reject(DiagnosticNoReason, nil)
	case established:
		last = a.machine.abort(abortByUser)
	}
	a.mu.Unlock()
	return a.end(fault, last)
}

// invokeID finds the invokeID of a request that cannot be decoded, and what follows it.
func invokeID(octets []byte) (id uint32, rest []byte, ok bool) {
	b, ok := content(octets)
	if !ok || len(b) < 3 || b[0] != 2 {
		return 0, nil, false
	}
	n := int(b[1])
	if n == 0 || n > 5 || len(b) < 2+n || b[2]&0x80 != 0 || n == 5 && b[2] != 0 {
		return 0, nil, false
	}
	for _, o := range b[2 : 2+n] {
		id = id<<8 | uint32(o)
	}
	return id, b[2+n:], true
}

// content is what follows identifier and length octets of b, whose identifier is one octet.
func content(b []byte) ([]byte, bool) {
	if len(b) < 2 {
		return nil, false
	}
	header := 2
	if b[1] > 0x80 {
		header += int(b[1] & 0x7f)
	}
	if header > len(b) {
		return nil, false
	}
	return b[header:], true
}

// requestFault says why a request is rejected that could not be decoded behind its invokeID.
func requestFault(rest []byte, err error) mms.RejectReason {
	var syntax *mms.SyntaxError
	if !errors.As(err, &syntax) || syntax.Path != "confirmed-RequestPDU" || len(rest) == 0 {
		return mms.RejectInvalidArgument
	}
	if rest[0] == tagModifiers {
		return mms.RejectUnrecognizedModifier
	}
	return mms.RejectUnrecognizedService
}
