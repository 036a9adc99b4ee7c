package mmsmap

import (
	"context"

	"busbar.example/mms"
)

// Identity is who has made an IED, and what it is.
//
// ISO 9506-2, Identify.
type Identity struct {
	Vendor, Model, Revision string
}

// Identify asks the peer who has made it.
func (c *Client) Identify(ctx context.Context) (Identity, error) {
	r, err := call[*mms.IdentifyResponse](ctx, c, &mms.IdentifyRequest{})
	if err != nil {
		return Identity{}, answerError(err)
	}
	return Identity{r.VendorName, r.ModelName, r.Revision}, nil
}

// identify answers who may view anything of the IED.
func (s *server) identify(ctx context.Context) (mms.ConfirmedServiceResponse, error) {
	if err := s.viewed(ctx); err != nil {
		return nil, err
	}
	return &mms.IdentifyResponse{VendorName: s.identity.Vendor, ModelName: s.identity.Model, Revision: s.identity.Revision}, nil
}

// viewed decides about services that ACSI does not have: they take the right to view, as the list of logical devices does.
func (s *server) viewed(ctx context.Context) error {
	if _, err := s.services.GetServerDirectory(ctx); err != nil {
		return serviceError(err)
	}
	return nil
}
