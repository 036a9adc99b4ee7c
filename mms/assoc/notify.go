package assoc

import (
	"context"

	"busbar.example/mms"
)

// Notify tells the peer something that it does not answer. What it sends stands in order with all else that this end
// sends: out of a Handler, it leaves before that Handler's answer. A *SizeError or a *mms.ValueError is about this report
// only.
//
// ISO 9506-2, InformationReport.
func (a *Association) Notify(ctx context.Context, report *mms.InformationReport) error {
	a.mu.Lock()
	pdu, err := a.machine.unconfirmed(report)
	a.mu.Unlock()
	if err = a.instead(err); err != nil {
		return err
	}
	if err := a.link.Send(ctx, pdu); err != nil {
		return a.ended(err)
	}
	return nil
}

// NotifyInTurn is Notify once no Handler runs: what the peer is to hear of something that a Handler has begun leaves behind
// that Handler's answer. A Handler must not wait for it.
func (a *Association) NotifyInTurn(ctx context.Context, report *mms.InformationReport) error {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-a.ctx.Done():
		return a.closed()
	}
	defer func() { <-a.turn }()
	return a.Notify(ctx, report)
}
