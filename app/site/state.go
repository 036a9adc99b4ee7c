package site

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"busbar.example/acsi"
	"busbar.example/acsi/server/durable"
	"busbar.example/secure/audit"
)

// NoState is the name of no file: nothing outlives the IED.
const NoState = "none"

// openState opens what outlives an IED: its buffered reports, data sets, logs and setting groups. It is nil where nothing does.
func (s *Site) openState(ctx context.Context, o IEDOptions, model *acsi.Model) (*durable.Store, error) {
	if o.State == NoState {
		return nil, nil
	}
	file := o.State
	if file == "" {
		name := model.IED
		if !o.JID.IsZero() {
			name = o.JID.Bare().String()
		}
		if err := os.MkdirAll(s.Path("state"), 0o700); err != nil {
			return nil, stateHint(err)
		}
		file = s.Path("state", name+".db")
	}
	store, err := durable.Open(ctx, durable.Config{Path: file, MaxSize: s.Config.IED.StateSize})
	if err != nil {
		return nil, stateHint(err)
	}
	return store, nil
}

// stateHint adds to err what can be done about a state that cannot be opened.
func stateHint(err error) error {
	damaged, isDamaged := errors.AsType[*durable.DamagedError](err)
	switch {
	case isDamaged:
		return Hint(err, "move "+damaged.Path+" and "+damaged.Path+"-wal away, or put back a copy: without it the IED begins anew, and what was buffered, logged and set is lost")
	case errors.Is(err, durable.ErrInUse):
		return Hint(err, "two IEDs of one name cannot run at once: stop the other, or give this one a file of its own with --state")
	case errors.Is(err, durable.ErrFull):
		return Hint(err, "make room on the disk, or raise ied: state_size in "+FileName)
	}
	return Hint(err, "what is to outlive the IED is kept there: let this user write there, give another file with --state, or --state "+NoState+" to do without")
}

// stateKeeper is an audit.Sink that tells the log too whether the state outlives the IED.
type stateKeeper struct {
	audit.Sink
	log *slog.Logger
}

// Record passes e on.
func (k stateKeeper) Record(e audit.Event) {
	switch e.ID {
	case audit.StateLost:
		k.log.Error("state", "what", e.Text)
	case audit.StateRestored:
		k.log.Warn("state", "what", e.Text)
	}
	k.Sink.Record(e)
}
