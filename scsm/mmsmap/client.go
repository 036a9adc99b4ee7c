package mmsmap

import (
	"context"
	"fmt"
	"net"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
)

// Client is the services of an associated peer. It is safe for concurrent use.
type Client struct {
	acsi.UnimplementedServices
	association *assoc.Association
	lenient     Lenient
	levels      bool // names come level by level
	split       splits
	controls    controls
	segments    segments // used where the association reads
	notices     *notices
	offers      offers
}

var _ acsi.Services = (*Client)(nil)

// Associate asks the IED at the other end of link for an association. It owns link from then on. Of the Services in cfg ExtendedNames
// count, all else is known here.
//
// IEC 61850-7-2, 8.3, Associate.
func Associate(ctx context.Context, link assoc.Link, cfg assoc.Config) (*Client, error) {
	return Lenient{}.Associate(ctx, link, cfg)
}

// Release ends the association in order. IEC 61850-7-2, 8.3, Release.
func (c *Client) Release(ctx context.Context) error { return c.association.Conclude(ctx) }

// Close is Release; where ctx ends before that is done, Abort. An association that has ended already needs neither.
func (c *Client) Close(ctx context.Context) error {
	select {
	case <-c.Done():
		return nil
	default:
		return c.Release(ctx)
	}
}

// Abort ends the association at once. IEC 61850-7-2, 8.3, Abort.
func (c *Client) Abort() { c.association.Abort() }

// Done is closed when the association has ended.
func (c *Client) Done() <-chan struct{} { return c.association.Done() }

// Err is why the association ended: nil while it stands, and after a release.
func (c *Client) Err() error { return c.association.Err() }

// ended is why there is no association.
func (c *Client) ended() error {
	if err := c.Err(); err != nil {
		return err
	}
	return fmt.Errorf("the association has been released: %w", net.ErrClosed)
}

// Peer is who the IED has proved to be.
func (c *Client) Peer() rbac.Subject { return c.association.Peer() }

// Parameters is what both ends agreed on.
func (c *Client) Parameters() assoc.Parameters { return c.association.Parameters() }

// Supported lists the services that the peer says it serves.
func (c *Client) Supported() acsi.ServiceSet { return supportedBy(c.association.Parameters().Services) }

// call sends a request and gives the response, of whose kind the association has made sure.
func call[R mms.ConfirmedServiceResponse](ctx context.Context, c *Client, request mms.ConfirmedServiceRequest) (response R, err error) {
	any, err := c.association.Call(ctx, request)
	if err != nil {
		return response, err
	}
	return any.(R), nil
}
