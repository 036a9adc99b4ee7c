package server

import (
	"context"

	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/value"
)

// served is the control service that is under way.
type served struct {
	c       call
	service string
	r       control.Request
}

// drive does what the machine wants done, until it wants no more, and shows its state. It is called with the lock held, and
// returns with it. Where s is not nil it is the service under way: it waits for the application, though not beyond ctx, and meanwhile
// the lock is given back. The reply is that of the service, which is tracked.
func (o *controlObject) drive(ctx context.Context, s *served, outs []control.Output) (reply control.Reply) {
	e := o.e
	for len(outs) > 0 {
		out := outs[0]
		outs = outs[1:]
		switch out := out.(type) {
		case control.Reply:
			reply = out
			if s != nil {
				s.c.trackControl(o, s.service, s.r, out.Cause)
			}
		case control.Termination:
			o.terminate(out)
		case control.Stop:
			o.stop()
		case control.Ask:
			o.show()
			cause, known := o.decide(out)
			switch {
			case out.Phase == Deselected:
				o.tell(out)
				continue
			case known:
			case out.Phase == Executing || s == nil:
				o.delegate(out)
				continue
			default:
				cause = o.consult(ctx, out)
			}
			outs = append(outs, o.machine.Answer(e.cfg.Now(), out.Ticket, cause)...)
		}
	}
	o.show()
	return reply
}

// decide is the answer that takes no application: there is none, the object is the engine's own, or nothing must reach the process.
func (o *controlObject) decide(a control.Ask) (cause acsi.AddCause, known bool) {
	if request, ok := o.e.schedules.requests[o.ref]; ok {
		return request.decide(a), true
	}
	if o.e.cfg.Control != nil && !o.own() && !(a.Phase == Executing && a.Blocked) {
		return 0, false
	}
	if a.Phase == Executing && !a.Blocked {
		return o.move(a.Request.Value), true
	}
	return acsi.Done, true
}

// own reports whether the object is about the IED itself.
func (o *controlObject) own() bool { return o.ref.Name() == "Mod" || o.ref.Name() == "LocSta" }

// consult asks the application. The lock is given back meanwhile.
func (o *controlObject) consult(ctx context.Context, a control.Ask) acsi.AddCause {
	c := o.command(a)
	ctx, cancel := context.WithTimeout(ctx, a.Deadline.Sub(o.e.cfg.Now()))
	defer cancel()
	o.e.release()
	cause := o.e.cfg.Control(ctx, c)
	o.e.mu.Lock()
	return cause
}

// delegate lets the application work on a question, and takes in its answer.
func (o *controlObject) delegate(a control.Ask) {
	c := o.command(a)
	stopped, stop := context.WithCancel(context.Background())
	o.stop = stop
	o.e.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stopped, cancel)()
		cause := o.e.cfg.Control(ctx, c)
		stop()
		o.e.mu.Lock()
		defer o.e.release()
		o.drive(context.Background(), nil, o.machine.Answer(o.e.cfg.Now(), a.Ticket, cause))
	})
}

// tell lets the application know that a selection has ended.
func (o *controlObject) tell(a control.Ask) {
	if o.e.cfg.Control == nil || o.own() {
		return
	}
	c := o.command(a)
	within := a.Deadline.Sub(o.e.cfg.Now())
	o.e.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		o.e.cfg.Control(ctx, c)
	})
}

func (o *controlObject) command(a control.Ask) Command {
	r := a.Request
	return Command{Ref: o.ref, CDC: o.cdc, Phase: a.Phase, Value: r.Value, Subject: r.Subject, Origin: r.Origin, CtlNum: r.CtlNum, T: r.T,
		At: r.OperTm, Test: r.Test, Synchro: r.Synchro, Interlock: r.Interlock, Pulse: a.Pulse}
}

// Obey brings the value that the command c is about where c wants it, at once, as an IED does that has no application: for the application
// that lets most objects be.
func (e *Engine) Obey(c Command) acsi.AddCause {
	e.mu.Lock()
	defer e.release()
	o := e.controls.by[c.Ref]
	if o == nil {
		return acsi.NotSupported
	}
	return o.move(c.Value)
}

// move brings the value of the object where the command wants it: without an application, the IED is its own process.
func (o *controlObject) move(v value.Value) acsi.AddCause {
	if o.target.shape == nil {
		return acsi.Done
	}
	now := o.e.read(o.target.point)
	want := v
	if step, isStep := stepOf(v); isStep {
		want = o.stepped(now, step)
	} else if v.Kind() == value.Boolean && now.Kind() == value.BitString {
		want = positionOf(v.Bool())
	}
	if err := o.set(want); err != nil {
		return acsi.NotSupported // the model's ctlVal and stVal do not fit
	}
	o.pulsed = now.Kind() == value.Boolean && v.Bool() && o.settings().Pulse != (Pulse{})
	if o.ref.Name() == "Mod" {
		o.e.statusOfSelf()
	}
	return acsi.Done
}

func (o *controlObject) set(v value.Value) error {
	return o.e.tx.SetStamped(o.target, v, acsi.QualityGood, o.e.now())
}

// stepped is the value one step on from now, within the limits.
func (o *controlObject) stepped(now value.Value, step int) value.Value {
	size := 1.0
	if o.stepSize >= 0 {
		if f, ok := magnitude(o.e.values[o.stepSize]); ok && f > 0 {
			size = f
		}
	}
	f, _ := magnitude(now)
	f += float64(step) * size
	if lo, hi, ok := o.limits(); ok {
		f = max(lo, min(hi, f))
	}
	return withMagnitude(now, f)
}

// withMagnitude is v with another number in it.
func withMagnitude(v value.Value, f float64) value.Value {
	switch v.Kind() {
	case value.Structure:
		parts := make([]value.Value, v.Len())
		for i := range parts {
			parts[i] = withMagnitude(v.At(i), f)
		}
		return value.StructureOf(parts...)
	case value.Float32:
		return value.Float(float32(f))
	case value.Float64:
		return value.Double(f)
	case value.Unsigned:
		return value.Uint(uint64(max(0, f)))
	}
	return value.Int(int64(f))
}

// show brings the attributes of the object up to date, and has the machine called when it is due.
func (o *controlObject) show() {
	s := o.machine.Status()
	o.change(o.stSeld, value.Bool(s.Selected))
	o.change(o.opRcvd, value.Bool(s.OpRcvd))
	if !s.TOpOk.IsZero() {
		o.change(o.tOpOk, acsi.Timestamp{Time: s.TOpOk, Quality: o.e.now().Quality}.Value())
		o.change(o.orCat, value.Int(int64(s.Origin.Cat)))
		o.change(o.orIdent, value.Octets([]byte(s.Origin.Ident)))
		o.change(o.ctlNum, value.Uint(uint64(s.CtlNum)))
	}
	o.change(o.opOk, value.Bool(s.OpOk))
	if o.pulsed && !s.OpOk != !o.e.read(o.target.point).Bool() {
		_ = o.set(value.Bool(s.OpOk)) // of the type that it was set to before
	}
	if o.machine.Idle() {
		o.pulsed = false
		delete(o.e.controls.active, o)
	} else {
		o.e.controls.active[o] = struct{}{}
	}
	o.e.alarm(o.machine.Next())
}

// change stores what differs.
func (o *controlObject) change(leaf int, v value.Value) {
	if leaf >= 0 && !o.e.values[leaf].Equal(v) {
		o.e.store(leaf, v)
	}
}

// terminate tells the client how its command has ended.
func (o *controlObject) terminate(t control.Termination) {
	s := o.e.controls.clients[t.Client]
	if s == nil {
		return
	}
	n := &acsi.Termination{Ref: o.oper, Oper: t.Request.Whole}
	if t.Cause != acsi.Done {
		n.Failure = failureOf(o.oper, t.Request, t.Cause, t.Tested)
		if t.Timed {
			n.Oper = value.Value{} // it was not begun
		}
	}
	s.tell(n)
	c := s.begin(acsi.SetDataValues)
	c.trackControl(o, "CommandTermination", t.Request, t.Cause)
}

// refusal is the error of a control service.
func (o *controlObject) refusal(ref acsi.Ref, r control.Request, reply control.Reply) *acsi.Error {
	err := acsi.Errorf(refusalCode(reply.Cause), "")
	err.Control = failureOf(ref, r, reply.Cause, reply.Tested)
	return err
}

// failureOf is what a peer is told of a command that was refused or has failed. tested says that the application has found so.
//
// IEC 61850-8-1, LastApplError.
func failureOf(ref acsi.Ref, r control.Request, cause acsi.AddCause, tested bool) *acsi.ControlFailure {
	f := &acsi.ControlFailure{Object: ref.MMS(), Error: 1, Origin: r.Origin, CtlNum: r.CtlNum, Cause: cause}
	switch {
	case cause == acsi.TimeLimitOver:
		f.Error = 2
	case tested:
		f.Error = 3
	}
	return f
}

// refusalCode is the error of the write that a cause goes with.
func refusalCode(cause acsi.AddCause) acsi.Code {
	switch cause {
	case acsi.NoAccessAuthority, acsi.NotSupported:
		return acsi.ObjectAccessDenied
	case acsi.BlockedByHealth, acsi.AbortionByTrip:
		return acsi.HardwareFault
	}
	return acsi.TemporarilyUnavailable
}
