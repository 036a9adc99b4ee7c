package selftest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/value"
)

var controlCases = []test{
	{"sCtl1", "control models", func(r *run, ctx context.Context) (string, error) {
		models := map[client.CtlModel]int{}
		for _, ref := range r.model.controls {
			ctl, err := r.client.Control(ctx, ref)
			if err != nil {
				return "", fmt.Errorf("%s: %w", ref, err)
			}
			models[ctl.Model]++
		}
		if len(models) == 0 {
			return "", skip("it has no control object")
		}
		said := count(len(r.model.controls), "control object")
		for m := client.StatusOnly; m <= client.SBOEnhanced; m++ {
			if models[m] > 0 {
				said += fmt.Sprintf(", %d %s", models[m], m)
			}
		}
		return said, nil
	}},
	{"sCtlN1", "operate without select", func(r *run, ctx context.Context) (string, error) {
		ctl, v, err := r.find(ctx, func(m client.CtlModel) bool { return m.Selects() })
		if err != nil {
			return "", err
		}
		direct := *ctl
		direct.Model = client.DirectNormal // so that it is not selected
		return r.commandRefused("operate of "+ctl.Ref.Path(), direct.Operate(ctx, v, client.Operation{}))
	}},
	{"sCtlN9", "operate of what is status-only", func(r *run, ctx context.Context) (string, error) {
		ctl, v, err := r.find(ctx, func(m client.CtlModel) bool { return m == client.StatusOnly })
		if err != nil {
			return "", err
		}
		direct := *ctl
		direct.Model = client.DirectNormal
		return r.commandRefused("operate of "+ctl.Ref.Path(), direct.Operate(ctx, v, client.Operation{}))
	}},
	{"sSBOns2", "select and cancel, normal security", selectAndCancel(client.SBONormal)},
	{"sSBOes2", "select and cancel, enhanced security", selectAndCancel(client.SBOEnhanced)},
	{"sDOns1", "operate, direct with normal security", operate(client.DirectNormal)},
	{"sSBOns3", "operate, select with normal security", operate(client.SBONormal)},
	{"sDOes1", "operate, direct with enhanced security", operate(client.DirectEnhanced)},
	{"sSBOes1", "operate, select with enhanced security", operate(client.SBOEnhanced)},
}

// find gives the first control object of a model that is wanted, and the value that it has now as a command.
func (r *run) find(ctx context.Context, wanted func(client.CtlModel) bool) (*client.Control, value.Value, error) {
	for _, ref := range r.model.controls {
		ctl, err := r.client.Control(ctx, ref)
		if err != nil {
			return nil, value.Value{}, err
		}
		if !wanted(ctl.Model) {
			continue
		}
		if v, ok := r.now(ctx, ref); ok {
			return ctl, v, nil
		}
	}
	return nil, value.Value{}, skip("it has no control object of that model whose value can be told")
}

// now is the status of a control object as the value of a command that would lead to it.
func (r *run) now(ctx context.Context, ref acsi.Ref) (value.Value, bool) {
	for _, part := range []string{"stVal", "valWTr", "mxVal"} {
		below, err := ref.WithFC(0).Child(part)
		if err != nil {
			return value.Value{}, false
		}
		readings, err := r.client.Read(ctx, below)
		if err != nil || readings[0].Err != nil {
			continue
		}
		v := readings[0].Value
		switch {
		case part == "valWTr":
			return value.Value{}, false // it is told to go up or down, not where to
		case v.Kind() == value.BitString && v.BitLen() == 2: // off is 01, on is 10
			return value.Bool(v.Bit(0)), v.Bit(0) != v.Bit(1)
		}
		return v, true
	}
	return value.Value{}, false
}

// commandRefused is refused for the error of a command, with its cause.
func (r *run) commandRefused(what string, err error) (string, error) {
	said, notRefused := refused(what, err)
	var failed *client.ControlError
	if notRefused == nil && errors.As(err, &failed) && failed.Cause != acsi.AddCauseUnknown {
		said += " (" + failed.Cause.String() + ")"
	}
	return said, notRefused
}

// notNow turns a refusal that is the IED's right into the reason for a skip.
func notNow(err error) error {
	var failed *client.ControlError
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Cause {
	case acsi.BlockedBySwitchingHierarchy, acsi.BlockedByMode, acsi.BlockedByProcess, acsi.BlockedByInterlocking, acsi.BlockedBySynchrocheck,
		acsi.BlockedByHealth, acsi.BlockedByCommand, acsi.NoAccessAuthority, acsi.PositionReached, acsi.StepLimit:
		return skip("the IED does not let it be commanded now: %v", err)
	}
	if errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) && failed.Cause == acsi.AddCauseUnknown {
		return skip("the role of this client does not allow it: %v", err)
	}
	return err
}

func selectAndCancel(m client.CtlModel) func(*run, context.Context) (string, error) {
	return func(r *run, ctx context.Context) (string, error) {
		ctl, v, err := r.find(ctx, func(has client.CtlModel) bool { return has == m })
		if err != nil {
			return "", err
		}
		if b := v.Bool(); v.Kind() == value.Boolean {
			v = value.Bool(!b) // where it is already it cannot be commanded to
		}
		selected, err := ctl.Select(ctx, v, client.Operation{})
		if err != nil {
			return "", notNow(err)
		}
		if err := selected.Cancel(ctx); err != nil {
			return "", err
		}
		return ctl.Ref.Path(), nil
	}
}

func operate(m client.CtlModel) func(*run, context.Context) (string, error) {
	return func(r *run, ctx context.Context) (string, error) {
		if !r.cfg.Operate {
			return "", skip("it was not to operate anything")
		}
		ctl, before, err := r.find(ctx, func(has client.CtlModel) bool { return has == m })
		if err != nil {
			return "", err
		}
		if before.Kind() != value.Boolean {
			if err := ctl.Operate(ctx, before, client.Operation{}); err != nil {
				return "", notNow(err)
			}
			return ctl.Ref.Path() + " to where it was", nil
		}
		for _, v := range []value.Value{value.Bool(!before.Bool()), before} {
			if err := operateInTurn(ctx, ctl, v); err != nil {
				return "", notNow(err)
			}
			if err := r.becomes(ctx, ctl.Ref, v); err != nil {
				return "", err
			}
		}
		return ctl.Ref.Path() + " there and back", nil
	}
}

// operateInTurn waits until what the command before has begun, such as a pulse, is over.
func operateInTurn(ctx context.Context, ctl *client.Control, v value.Value) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ctl.Operate(ctx, v, client.Operation{})
		var failed *client.ControlError
		if !errors.As(err, &failed) || failed.Cause != acsi.CommandAlreadyInExecution {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// becomes waits until the status of a control object is v.
func (r *run) becomes(ctx context.Context, ref acsi.Ref, v value.Value) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, ok := r.now(ctx, ref); ok && now.Equal(v) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was operated, and its status is not %v", ref.Path(), v)
		case <-tick.C:
		}
	}
}
