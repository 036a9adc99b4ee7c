package mmsmap

import (
	"context"

	"busbar.example/mms"
)

// Status asks the peer how it is; with selfTest it is to find out before it answers.
//
// ISO 9506-2, Status.
func (c *Client) Status(ctx context.Context, selfTest bool) (logical mms.LogicalStatus, physical mms.PhysicalStatus, err error) {
	r, err := call[*mms.StatusResponse](ctx, c, &mms.StatusRequest{ExtendedDerivation: selfTest})
	if err != nil {
		return 0, 0, answerError(err)
	}
	return r.VMDLogicalStatus, r.VMDPhysicalStatus, nil
}

// status says that all is well: what answers is at work. What is wrong with the plant is in the model (PhyHealth, Health).
func (s *server) status(ctx context.Context) (mms.ConfirmedServiceResponse, error) {
	if err := s.viewed(ctx); err != nil {
		return nil, err
	}
	return &mms.StatusResponse{VMDLogicalStatus: mms.StateChangesAllowed, VMDPhysicalStatus: mms.Operational}, nil
}
