package site

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// defaultRefresh is how often what a running party goes by is looked at again.
const defaultRefresh = time.Minute

// refresher is a trust, or another file that says who may log in, and can be read again.
type refresher interface{ Refresh() error }

// updater is a refresher that the network tells something too.
type updater interface{ Update(context.Context) error }

// upkeep keeps up to date what somebody who stays on line goes by, and holds to it those who are connected.
type upkeep struct {
	every   time.Duration // default 1 minute
	log     *slog.Logger
	events  audit.Sink
	lists   []refresher
	staple  func(ctx context.Context, now time.Time) error // may be nil
	terms   func() []pki.Term                              // whose ends are warned of
	recheck func()

	prompt bool  // begin with a first look, not after a while
	bell   *Bell // asks for a look at the files at once; may be nil
	files  fileWatch
	reload func() error // acts on files that have changed; nil: somebody else does

	unknown string               // what the network has failed to tell, as was said last
	told    map[string]pki.Stage // by what it is that ends
}

// run works until ctx ends.
func (u *upkeep) run(ctx context.Context) {
	if u.every <= 0 {
		u.every = defaultRefresh
	}
	u.told = make(map[string]pki.Stage)
	if u.prompt {
		u.ask(ctx)
	}
	tick := time.NewTicker(u.every)
	defer tick.Stop()
	poll := time.NewTicker(min(u.every, pollEvery))
	defer poll.Stop()
	asked := u.bell.listen()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, list := range u.lists {
				if err := list.Refresh(); err != nil {
					u.log.Warn("who may log in, and who no longer, is not read again", "err", err)
				}
			}
			u.ask(ctx)
			u.recheck()
		case now := <-poll.C:
			if u.reload != nil && u.files.changed(now) {
				u.readAgain(ctx)
			}
		case <-asked:
			asked = u.bell.listen()
			if u.reload != nil {
				u.readAgain(ctx)
			}
		}
	}
}

// readAgain acts on files that have changed, as a whole or not at all.
func (u *upkeep) readAgain(ctx context.Context) {
	u.files.mark(time.Now())
	if err := u.reload(); err != nil {
		u.log.Error("what has changed is refused, what was before stays", "err", err, "hint", HintFor(err))
		u.events.Record(audit.Event{ID: audit.PartyReloadRefused, Time: time.Now(), Text: err.Error()})
		return
	}
	u.events.Record(audit.Event{ID: audit.PartyReloaded, Time: time.Now(), Text: "files have changed, or it was asked to"})
	u.ask(ctx)
	u.recheck()
}

// ask asks the network what it has to tell, and says what it does not tell and what ends soon.
func (u *upkeep) ask(ctx context.Context) {
	var errs []error
	for _, list := range u.lists {
		if online, ok := list.(updater); ok {
			errs = append(errs, online.Update(ctx))
		}
	}
	if u.staple != nil {
		limited, cancel := context.WithTimeout(ctx, fetchTime)
		errs = append(errs, u.staple(limited, time.Now()))
		cancel()
	}
	if ctx.Err() != nil {
		return
	}
	u.tellUnknown(errors.Join(errs...))
	u.tellTerms(time.Now())
}

// fetchTime is how long a look waits for the responder that is asked for a staple.
const fetchTime = 20 * time.Second

// tellUnknown says, once, what of revocation nobody tells, and that it is told again.
func (u *upkeep) tellUnknown(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == u.unknown:
		return
	case err == nil:
		u.log.Warn("what is revoked is known again")
	default:
		u.log.Warn("what is revoked is not known as it should be", "err", err, "hint", "what was known before stays in force; look at the server of the lists, or the responder")
		u.events.Record(audit.Event{ID: audit.RevocationUnknown, Time: time.Now(), Text: text})
	}
	u.unknown = text
}

// tellTerms says once of each stage what is to be renewed.
func (u *upkeep) tellTerms(now time.Time) {
	if u.terms == nil {
		return
	}
	for _, t := range u.terms() {
		stage := t.Stage(now)
		if stage <= u.told[t.What] {
			u.told[t.What] = stage
			continue
		}
		u.told[t.What] = stage
		u.log.Warn(t.What+": "+stage.String(), "ends", t.To, "hint", "see `busbar pki check`")
		u.events.Record(audit.Event{ID: audit.TermEnding, Time: now, Text: t.What + ": " + stage.String() + ", on " + t.To.UTC().Format(time.DateTime)})
	}
}
