package assoc

import (
	"context"
	"fmt"
	"time"

	"busbar.example/mms"
	"busbar.example/secure/rbac"
)

// A Link carries whole MMS PDUs, in order, for one association between two authenticated peers.
// The first PDU sent may ride in the security handshake.
//
// Send and Recv may be called concurrently with each other and with Close, which ends them; Send by several goroutines,
// Recv by one at a time, and Sealed by that one after it. Send refuses a PDU that the peer's limit does not admit with a *SizeError, and one
// that has no encoding with a *mms.ValueError; the Link goes on. Every other error of Send but that of its
// context, and every error of Recv but that of its context, means that the Link has ended: io.EOF after an orderly release, else an error that
// unwraps to net.ErrClosed or says what the peer or the network did.
type Link interface {
	Send(ctx context.Context, pdu mms.PDU) error
	Recv(ctx context.Context) (mms.PDU, error)
	Sealed() time.Time  // when the peer protected the PDU that Recv gave last, by its clock; zero where no time is protected
	Peer() rbac.Subject // zero until the first Recv
	MaxPDU() int        // octets of a PDU that the carrier can bring either way
	Close() error       // releases after a conclude, aborts otherwise; returns once all is freed
}

// SizeError says that a PDU is longer than the peer takes or the carrier carries.
type SizeError struct {
	Size, Limit int // octets of the encoded PDU
}

// Error gives both sizes.
func (e *SizeError) Error() string {
	return fmt.Sprintf("PDU of %d octets is over the limit of %d that was agreed with the peer: ask for less at once", e.Size, e.Limit)
}
