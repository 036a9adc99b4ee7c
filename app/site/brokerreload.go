package site

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// reloads is what came of reading the files again.
type reloads struct {
	applied, refused uint64
	last             time.Time // of the last that was tried
	err              error     // of the last; nil: it was applied
	atStart          []string  // fields that have changed and count from the next start on
}

// watch reads the broker's files again when it is asked to, or when they change, until ctx ends. Meanwhile it gives signs of
// life to whoever wants them.
func (b *runningBroker) watch(ctx context.Context) {
	poll := time.NewTicker(min(pollEvery, b.o.Refresh))
	defer poll.Stop()
	var alive <-chan time.Time
	if every := watchdog(); every > 0 {
		tick := time.NewTicker(every)
		defer tick.Stop()
		alive = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.o.Reload:
			b.reload("it was asked to")
		case now := <-poll.C:
			if b.files.changed(now) {
				b.reload("files have changed")
			}
		case <-alive:
			b.server.Stats() // which a server that is stuck would not answer
			notify("WATCHDOG=1")
		}
	}
}

// reload reads everything again, and applies it if nothing is wrong with any of it.
func (b *runningBroker) reload(why string) {
	notify("RELOADING=1\nMONOTONIC_USEC=%d", monotonic())
	defer notify("READY=1")
	b.files.mark(time.Now())
	next, id, later, err := b.read()
	b.mu.Lock()
	b.reloads.last, b.reloads.err = time.Now(), err
	if err != nil {
		b.reloads.refused++
	} else {
		b.reloads.applied++
		b.reloads.atStart = later
		b.site, b.identity = next, id
	}
	b.mu.Unlock()
	if err != nil {
		hint := HintFor(err)
		b.o.Logger.Error("broker: new settings are refused, the old ones stay", "why", why, "err", err, "hint", hint)
		b.record(audit.BrokerReloadRefused, err.Error())
		return
	}
	text := "read again: " + why
	if len(later) > 0 {
		text += "; from the next start on count: " + strings.Join(later, ", ")
		b.o.Logger.Warn("broker: what has changed counts from the next start on", "fields", strings.Join(later, ", "))
	}
	b.record(audit.BrokerReloaded, text)
}

// read reads the site again and has the server live by it. later are the fields that it cannot change while it runs.
func (b *runningBroker) read() (next *Site, id *pki.Identity, later []string, err error) {
	last := b.current()
	if next, err = Open(last.Dir); err != nil {
		return nil, nil, nil, err
	}
	b.files.follow(next.brokerFiles(), time.Now())
	if next.Domain != last.Domain {
		return nil, nil, nil, Hint(fmt.Errorf("%s: domain: it was %s, and is %s now", FileName, last.Domain, next.Domain),
			"a broker that runs keeps its domain: put it back, or end the broker and start it again")
	}
	trust, err := next.trust(pki.E2M)
	if err != nil {
		return nil, nil, nil, err
	}
	live, err := next.brokerLive(trust)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, _, err := next.verifiers(); err != nil {
		return nil, nil, nil, err
	}
	if err := new(peerDomains).replace(next); err != nil {
		return nil, nil, nil, err
	}
	b.staple(live.Identity)
	if err := b.server.Reload(live); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: broker: %w", FileName, err)
	}
	// These were read a moment ago without a fault.
	if err := errors.Join(b.trust.Reload(next.trustSources(pki.E2M)), b.passwords.Refresh(), b.domains.replace(next)); err != nil {
		b.o.Logger.Warn("who may log in, and who no longer, is not read again", "err", err)
	}
	b.server.Recheck()
	return next, live.Identity, last.changedForStart(next), nil
}

// changedForStart names the fields that differ and that a broker cannot change while it runs.
func (s *Site) changedForStart(next *Site) []string {
	var later []string
	if !slices.Equal(s.broker.listen, next.broker.listen) {
		later = append(later, "listen")
	}
	if !reflect.DeepEqual(s.broker.s2s, next.broker.s2s) {
		later = append(later, "s2s")
	}
	if s.broker.contacts != next.broker.contacts {
		later = append(later, "contacts")
	}
	if s.broker.resume != next.broker.resume {
		later = append(later, "resume")
	}
	if s.broker.metrics != next.broker.metrics {
		later = append(later, "metrics")
	}
	return later
}
