package site

import (
	"context"
	"errors"
	"os"

	"busbar.example/acsi"
	"busbar.example/acsi/server/durable"
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
			return nil, Hint(err, "what is to outlive the IED is kept there: let this user write there, or give another file with --state")
		}
		file = s.Path("state", name+".db")
	}
	store, err := durable.Open(ctx, durable.Config{Path: file})
	if err == nil {
		return store, nil
	}
	if _, damaged := errors.AsType[*durable.DamagedError](err); damaged {
		return nil, Hint(err, "without it the IED begins anew: what was buffered, logged and set is lost")
	}
	return nil, Hint(err, "two IEDs of one name cannot run at once: stop the other, or give this one a file of its own with --state")
}
