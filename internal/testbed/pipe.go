package testbed

import (
	"context"
	"io"
	"net"
	"sync"

	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// Pipe makes the two ends of a Link in memory. Each PDU goes through its XER, as it would on the wire.
// client and server are who the other end sees.
func Pipe(client, server rbac.Subject) (*PipeEnd, *PipeEnd) {
	a, b := make(chan []byte, 64), make(chan []byte, 64)
	closed := make(chan struct{})
	var once sync.Once
	shut := func() { once.Do(func() { close(closed) }) }
	return &PipeEnd{Limit: 1 << 20, out: a, in: b, peer: server, closed: closed, shut: shut},
		&PipeEnd{Limit: 1 << 20, out: b, in: a, peer: client, closed: closed, shut: shut}
}

// PipeEnd is one end of a Pipe. Limit may be changed before use.
type PipeEnd struct {
	Limit  int // octets of a PDU
	out    chan<- []byte
	in     <-chan []byte
	peer   rbac.Subject
	closed chan struct{}
	shut   func()
}

var _ assoc.Link = (*PipeEnd)(nil)

// Send queues a PDU for the other end.
func (p *PipeEnd) Send(ctx context.Context, pdu mms.PDU) error {
	octets, err := mms.AppendXER(nil, pdu)
	if err != nil {
		return err
	}
	if len(octets) > p.Limit {
		return &assoc.SizeError{Size: len(octets), Limit: p.Limit}
	}
	return p.SendOctets(ctx, octets)
}

// SendOctets queues what may be no PDU at all.
func (p *PipeEnd) SendOctets(ctx context.Context, octets []byte) error {
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

// Recv gives the next PDU of the other end; io.EOF once that has closed.
func (p *PipeEnd) Recv(ctx context.Context) (mms.PDU, error) {
	select {
	case octets := <-p.in:
		return mms.DecodeXER(octets, mms.Limits{})
	default:
	}
	select {
	case octets := <-p.in:
		return mms.DecodeXER(octets, mms.Limits{})
	case <-p.closed:
		select {
		case octets := <-p.in:
			return mms.DecodeXER(octets, mms.Limits{})
		default:
			return nil, io.EOF
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Peer is who the other end is.
func (p *PipeEnd) Peer() rbac.Subject { return p.peer }

// Close closes both ends.
func (p *PipeEnd) Close() error {
	p.shut()
	return nil
}
