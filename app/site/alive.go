package site

import (
	"context"
	"errors"
	"time"

	"busbar.example/acsi"
	"busbar.example/scsm/mmsmap"
)

const (
	aliveEvery  = 5 * time.Second
	aliveWithin = 20 * time.Second
)

// keepAlive ends an association whose IED no longer knows of it, or is silent. The IED's server tells its peers when an IED goes; a server
// that dies does not, and who waits for reports only would wait for ever.
//
// ISO 9506-2, Status.
func keepAlive(c *mmsmap.Client) {
	each := time.NewTicker(aliveEvery)
	defer each.Stop()
	for {
		select {
		case <-c.Done():
			return
		case <-each.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), aliveWithin)
		_, _, err := c.Status(ctx, false)
		cancel()
		if _, answered := errors.AsType[*acsi.Error](err); err != nil && !answered {
			c.Abort()
			return
		}
	}
}
