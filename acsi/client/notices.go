package client

import (
	"context"
	"slices"
	"sync/atomic"

	"busbar.example/acsi"
)

// listener hears of what the IED tells unasked. Both functions are called by one goroutine, one call at a time, and must
// not block for long, for all listeners wait.
type listener struct {
	notice func(acsi.Notice)
	ended  func(error) // no more will come, and why; called once at most
	gone   atomic.Bool
}

// notices hands what the IED tells to who listens. Its goroutine runs while there is anyone.
type notices struct {
	listeners []*listener        // never changed, but replaced
	stop      context.CancelFunc // of the goroutine; nil: there is none
	stopped   chan struct{}      // closed when the last goroutine has returned; nil: there was none
}

// listen lets l hear of all notices from now on, until the function that it returns is called. A call of l that has
// begun by then may still be under way.
func (c *Client) listen(l *listener) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.notices
	n.listeners = append(slices.Clip(n.listeners), l)
	if n.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		before, done := n.stopped, make(chan struct{})
		n.stop, n.stopped = cancel, done
		go func() {
			defer close(done)
			if before != nil {
				<-before // one goroutine at a time waits for notices
			}
			c.hear(ctx)
		}()
	}
	return func() {
		l.gone.Store(true)
		c.mu.Lock()
		defer c.mu.Unlock()
		n.listeners = slices.DeleteFunc(slices.Clone(n.listeners), func(other *listener) bool { return other == l })
		if len(n.listeners) == 0 && n.stop != nil {
			n.stop()
			n.stop = nil
		}
	}
}

// hear waits for notices until ctx ends or no more come.
func (c *Client) hear(ctx context.Context) {
	for {
		notice, err := c.services.Next(ctx)
		if err != nil && ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		listeners := c.notices.listeners
		if err != nil && c.notices.stop != nil {
			c.notices.stop()
			c.notices.stop = nil // who listens from now on asks again
		}
		c.mu.Unlock()
		for _, l := range listeners {
			switch {
			case l.gone.Load():
			case err != nil:
				l.ended(err)
			default:
				l.notice(notice)
			}
		}
		if err != nil {
			return
		}
	}
}
