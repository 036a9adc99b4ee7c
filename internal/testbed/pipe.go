package testbed

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// Pipe makes the two ends of a Link in memory. Each PDU goes through its XER, as it would on the wire.
// client and server are who the other end sees.
func Pipe(client, server rbac.Subject) (*PipeEnd, *PipeEnd) {
	a, b := make(chan []byte, 64), make(chan []byte, 64)
	both := &pipe{closed: make(chan struct{}), spare: make(chan []byte, 4)}
	return &PipeEnd{Limit: 1 << 20, out: a, in: b, peer: server, pipe: both},
		&PipeEnd{Limit: 1 << 20, out: b, in: a, peer: client, pipe: both}
}

// PipeEnd is one end of a Pipe. Limit may be changed before use. Once the ends have agreed on a PDU size, that
// counts too.
type PipeEnd struct {
	Limit int // octets of a PDU
	out   chan<- []byte
	in    <-chan []byte
	peer  rbac.Subject
	*pipe
}

var _ assoc.Link = (*PipeEnd)(nil)

// pipe is what both ends share.
type pipe struct {
	closed chan struct{}
	once   sync.Once
	agreed atomic.Int64 // octets of a PDU; 0 before the ends have agreed
	spare  chan []byte  // memory of PDUs that have been read
}

// Send queues a PDU for the other end.
func (p *PipeEnd) Send(ctx context.Context, pdu mms.PDU) error {
	var octets []byte
	select {
	case octets = <-p.spare:
	default:
	}
	octets, err := mms.AppendXER(octets[:0], pdu)
	if err != nil {
		return err
	}
	limit := p.Limit
	if agreed := int(p.agreed.Load()); agreed > 0 {
		limit = min(limit, agreed)
	}
	if len(octets) > limit {
		return &assoc.SizeError{Size: len(octets), Limit: limit}
	}
	if r, ok := pdu.(*mms.InitiateResponse); ok && r.LocalDetailCalled != nil {
		p.agreed.Store(int64(*r.LocalDetailCalled))
	}
	return p.queue(ctx, octets)
}

func (p *PipeEnd) queue(ctx context.Context, octets []byte) error {
	select {
	case <-p.closed:
		return net.ErrClosed
	default:
	}
	select {
	case p.out <- octets:
		return nil
	case <-p.closed:
		return net.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Recv gives the next PDU of the other end; io.EOF once that has closed and all is read.
func (p *PipeEnd) Recv(ctx context.Context) (mms.PDU, error) {
	select {
	case octets := <-p.in:
		return p.decode(octets)
	default:
	}
	select {
	case octets := <-p.in:
		return p.decode(octets)
	case <-p.closed:
		select {
		case octets := <-p.in:
			return p.decode(octets)
		default:
			return nil, io.EOF
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *PipeEnd) decode(octets []byte) (mms.PDU, error) {
	pdu, err := mms.DecodeXER(octets, mms.Limits{})
	select {
	case p.spare <- octets:
	default:
	}
	return pdu, err
}

// Sealed is zero.
func (p *PipeEnd) Sealed() time.Time { return time.Time{} }

// Peer is who the other end is.
func (p *PipeEnd) Peer() rbac.Subject { return p.peer }

// MaxPDU is Limit.
func (p *PipeEnd) MaxPDU() int { return p.Limit }

// Close closes both ends.
func (p *PipeEnd) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}
