package iso81

import (
	"context"
	"fmt"
	"io"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// dataHeadroom is what stands before a PDU of less than 115 octets: the header of most.
const dataHeadroom = tpktHeader + dataHeader + len(sessionData) + 2 + 2 + 3 + 2

// Send queues a PDU, in order with others. It does not wait for the peer, unless it is far behind.
func (a *Association) Send(ctx context.Context, pdu mms.PDU) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !a.ready.Load() {
		return a.sendHandshake(ctx, pdu)
	}
	switch pdu.(type) {
	case *mms.ConcludeResponse:
		if last := a.concludeHere(); last != nil {
			a.end(io.EOF, last)
			return nil
		}
	case *mms.InitiateRequest, *mms.InitiateResponse, *mms.InitiateError:
		return fmt.Errorf("send %T: the association is established", pdu)
	}
	if err := a.out.room(ctx); err != nil {
		return err
	}
	begin := len(a.out.buf)
	if err := a.appendData(pdu); err != nil {
		a.out.buf = a.out.buf[:begin]
		a.out.mu.Unlock()
		return err
	}
	a.out.flush(a.more(pdu))
	return nil
}

// concludeHere notes that MMS has concluded. Where the peer's FINISH stood for its conclude, the answer is a DISCONNECT.
func (a *Association) concludeHere() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.concluded = true
	if a.asked && a.cause == nil {
		return a.machine.disconnect()
	}
	return nil
}

// more counts a PDU that goes out, and reports whether others may be expected at once: answers to requests that are being
// served, or requests beside those that wait for an answer.
func (a *Association) more(pdu mms.PDU) bool {
	switch p := pdu.(type) {
	case *mms.ConfirmedRequest:
		return a.asking.Add(1) > 1
	case *mms.ConfirmedResponse, *mms.ConfirmedError:
		return a.owed.Add(-1) > 0
	case *mms.Reject:
		return p.OriginalInvokeID != nil && a.owed.Add(-1) > 0
	}
	return false
}

// appendData appends a PDU in its packets to what is to be written.
func (a *Association) appendData(pdu mms.PDU) error {
	begin := len(a.out.buf)
	b := append(a.out.buf, make([]byte, dataHeadroom)...)
	b, err := mms.AppendBER(b, pdu)
	if err != nil {
		return fmt.Errorf("encode %T: %w", pdu, err)
	}
	a.out.buf = b
	n := len(b) - begin - dataHeadroom
	if n > a.limit {
		return &assoc.SizeError{Size: n, Limit: a.limit}
	}
	header := tpktHeader + dataHeader + a.prefix.size(n)
	if header != dataHeadroom {
		b = append(b, make([]byte, max(0, header-dataHeadroom))...)
		copy(b[begin+header:], b[begin+dataHeadroom:begin+dataHeadroom+n])
		b = b[:begin+header+n]
	}
	a.prefix.put(b[begin+tpktHeader+dataHeader:begin+header], n)
	a.out.buf = a.packets(b, begin)
	a.traceSent(a.out.buf[begin:], header+n-tpktHeader-dataHeader, pdu)
	return nil
}

// packets puts the headers of its packets round the TSDU that stands in b behind room for those of one.
func (a *Association) packets(b []byte, begin int) []byte {
	most := a.mostData
	tsdu := b[begin+tpktHeader+dataHeader:]
	if len(tsdu) <= most {
		b[begin+4], b[begin+5], b[begin+6] = dataHeader-1, codeDT, endOfTSDU
		putPacketHeader(b[begin:])
		return b
	}
	long := longTSDUs.Get().(*[]byte)
	*long = append((*long)[:0], tsdu...)
	b = b[:begin]
	for rest := *long; len(rest) > 0; {
		n := min(len(rest), most)
		at := len(b)
		b = append(b, 0, 0, 0, 0, dataHeader-1, codeDT, 0)
		if n == len(rest) {
			b[at+6] = endOfTSDU
		}
		b = append(b, rest[:n]...)
		putPacketHeader(b[at:])
		rest = rest[n:]
	}
	if cap(*long) <= keptTSDU {
		longTSDUs.Put(long)
	}
	return b
}

// frame appends a TSDU in its packets.
func (a *Association) frame(dst, tsdu []byte) []byte {
	if len(tsdu) == 0 {
		return dst
	}
	begin := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0)
	return a.packets(append(dst, tsdu...), begin)
}

// queueTSDU sends a TSDU other than data, and the PDU in it, if there is one.
func (a *Association) queueTSDU(tsdu []byte, pdu mms.PDU, octets []byte) error {
	if err := a.out.room(context.Background()); err != nil {
		return err
	}
	a.traceTSDU(tsdu, pdu, octets)
	a.out.buf = a.frame(a.out.buf, tsdu)
	a.out.flush(false)
	return nil
}

// sendHandshake puts the first PDU of either side into CONNECT, ACCEPT or REFUSE.
func (a *Association) sendHandshake(ctx context.Context, pdu mms.PDU) error {
	octets, err := mms.AppendBER(nil, pdu)
	if err != nil {
		return fmt.Errorf("encode %T: %w", pdu, err)
	}
	tsdu, last, err := a.handshake(pdu, octets)
	if err != nil {
		return err
	}
	if last {
		a.end(&RefusedError{Layer: LayerMMS, Reason: "initiate refused"}, tsdu)
		return nil
	}
	return a.queueTSDU(tsdu, pdu, octets)
}

// handshake makes the TSDU for the first PDU of either side. last is true where it ends the association.
func (a *Association) handshake(pdu mms.PDU, octets []byte) (tsdu []byte, last bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause != nil {
		return nil, false, a.cause
	}
	switch p := pdu.(type) {
	case *mms.InitiateRequest:
		if a.inbound || a.machine.state != connected {
			break
		}
		auth, err := a.cfg.Auth.proof(time.Now())
		if err != nil {
			return nil, false, err
		}
		return a.machine.connect(auth, octets), false, nil
	case *mms.InitiateResponse:
		if a.machine.state != asked {
			break
		}
		tsdu := a.machine.accept(octets)
		a.establish(p)
		return tsdu, false, nil
	case *mms.InitiateError:
		if a.machine.state != asked {
			break
		}
		return a.machine.reject(DiagnosticNoReason, octets), true, nil
	}
	return nil, false, fmt.Errorf("send %T: the association is %v", pdu, a.machine.state)
}

// establish takes into use what the initiate exchange settled. The caller holds mu.
func (a *Association) establish(p *mms.InitiateResponse) {
	if d := p.LocalDetailCalled; d != nil && *d > 0 {
		a.limit = min(a.limit, int(*d))
		if !a.machine.longPDU {
			a.takes = min(a.takes, int(*d))
		}
	}
	a.prefix.context = contextOctets(a.machine.mms)
	a.ready.Store(true)
	if a.settle != nil {
		a.settle()
	}
	if t := a.cfg.Trace.Established; t != nil {
		t(a.peer)
	}
}
