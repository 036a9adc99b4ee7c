package site

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/process/clock"
	"busbar.example/secure/audit"
)

// firstTime is how long an IED that goes by time servers waits for their first answer before it is on line.
const firstTime = 5 * time.Second

// iedClock is what time it is for an IED.
type iedClock struct {
	now     func() time.Time
	quality func() acsi.TimeQuality
	source  func() string // whose time that is
	sntp    *clock.SNTP   // nil: it is the host's
}

// clockOf is the clock of the host, or that of time servers where there are any.
func clockOf(servers []string, log *slog.Logger) (*iedClock, error) {
	if len(servers) == 0 {
		host := new(clock.Host)
		return &iedClock{now: host.Now, quality: host.Quality, source: func() string { return "host" }}, nil
	}
	s, err := clock.NewSNTP(clock.Config{Servers: servers, Logger: log})
	if err != nil {
		_, why, _ := strings.Cut(err.Error(), ": ")
		return nil, Hint(fmt.Errorf("--sntp: %s", why), "give the name or the address of a time server, and its port where it is not 123")
	}
	return &iedClock{now: s.Now, quality: s.Quality, source: func() string { return s.State().Server }, sntp: s}, nil
}

// run keeps time until ctx ends.
func (c *iedClock) run(ctx context.Context, events audit.Sink, engine *server.Engine) {
	if c.sntp != nil {
		done := make(chan struct{})
		defer func() { <-done }()
		go func() {
			defer close(done)
			c.sntp.Run(ctx)
		}()
	}
	c.watch(ctx, events, engine)
}

// watch tells the model and the audit how the clock stands, where it stands otherwise than a second before. That the host's clock is
// not synchronised at the start is no event.
func (c *iedClock) watch(ctx context.Context, events audit.Sink, engine *server.Engine) {
	supervision := clock.NewSupervision(engine)
	synchronized := c.sntp == nil && c.quality()&acsi.ClockNotSynchronized == 0
	steps := 0
	each := time.NewTicker(time.Second)
	defer each.Stop()
	for {
		q := c.quality()
		supervision.Show(c.source(), q)
		if now := q&acsi.ClockNotSynchronized == 0; now != synchronized {
			synchronized = now
			event := audit.Event{ID: audit.ClockLost, Time: c.now(), Text: "the time is not synchronised any more"}
			if now {
				event.ID, event.Text = audit.ClockSynced, "the time is that of "+c.source()
			}
			events.Record(event)
		}
		if c.sntp != nil {
			if state := c.sntp.State(); state.Steps != steps {
				steps = state.Steps
				events.Record(audit.Event{ID: audit.ClockStepped, Time: c.now(), Text: fmt.Sprintf("the time was stepped: it is %v from the host's", state.Offset)})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-each.C:
		}
	}
}

// awaitTime waits for the first answer of a time server, but not for long.
func (c *iedClock) awaitTime(ctx context.Context) {
	if c.sntp == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstTime)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-c.sntp.Synchronized():
	}
}
