package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Phase is what the application is asked, or told, of a command.
type Phase = control.Phase

// The phases. Selecting, Arming and Operating ask whether it may be: the answer comes at once. Executing asks to carry it out: the
// answer comes when the process has done so. Deselected says that a selection has ended, after its command or without; its answer does not count.
const (
	Selecting  = control.Selecting
	Arming     = control.Arming
	Operating  = control.Operating
	Executing  = control.Executing
	Deselected = control.Deselected
)

// Pulse is how long, and how often, an output is to be on. The zero Pulse is an output that stays.
type Pulse = control.Pulse

// Command is a command as the application hears of it. A selection with normal security says nothing of what is to
// come: its Value is invalid.
type Command struct {
	Ref       acsi.Ref // of the control object, LD/LN.DO
	CDC       string   // its common data class, "" where the model does not say
	Phase     Phase
	Value     value.Value // ctlVal
	Subject   rbac.Subject
	Origin    acsi.Origin
	CtlNum    uint8
	T         time.Time // when the peer says that it gave the command
	At        time.Time // of Selecting and Arming: when it is to be carried out; zero: at once
	Test      bool
	Synchro   bool // look for synchronism first
	Interlock bool // look at the interlocking first
	Pulse     Pulse
}

// ControlHandler is the application behind the control objects of an IED. Its answer reaches the peer; acsi.Done is yes. It is called
// without the engine's lock, and may be called concurrently, though not for one control object but with Deselected. ctx ends when
// the object's operTimeout is over; for Executing the peer has been told so then. A command in test/blocked is not executed. Mod and
// LocSta are the IED's own: their commands are not asked about.
//
// The handler brings the values of the process up to date itself, with Update, or by Obey.
type ControlHandler func(ctx context.Context, c Command) acsi.AddCause

// defaultCommandAge is how old a command may be, by the time at which its sender has sealed it.
const defaultCommandAge = 10 * time.Second

// controls are the control objects of an engine.
type controls struct {
	by      map[acsi.Ref]*controlObject // by LD/LN.DO
	active  map[*controlObject]struct{} // those that are not at rest
	clients map[control.Client]*session // who has used one
}

// makeControls finds the control objects of the model.
func (e *Engine) makeControls() error {
	e.controls = controls{by: map[acsi.Ref]*controlObject{}, active: map[*controlObject]struct{}{}, clients: map[control.Client]*session{}}
	for ref := range e.layout.points {
		if ref.FC() == acsi.CO && ref.Depth() == 3 {
			e.controls.by[ref.WithFC(0)] = e.newControlObject(ref.WithFC(0))
		}
	}
	return nil
}

// controlled is the control object that ref is a service of: its Oper, SBOw, SBO or Cancel, as a whole.
func (e *Engine) controlled(ref acsi.Ref) *controlObject {
	if ref.Depth() != 4 {
		return nil
	}
	return e.controls.by[ref.Parent().WithFC(0)]
}

// setControl carries out a write under CO at p.
func (c *call) setControl(a acsi.Assignment, p point) error {
	o := c.e.controlled(a.Ref)
	if name := a.Ref.Name(); o == nil || name != "Oper" && name != "SBOw" && name != "Cancel" {
		return acsi.Errorf(acsi.ObjectAccessDenied, "%s is not written: write Oper, SBOw or Cancel as a whole", a.Ref)
	}
	c.rest = func(ctx context.Context) error { return c.command(ctx, o, a, p) }
	return nil
}

// command carries out SelectWithValue, Operate, TimeActivatedOperate or Cancel.
func (c *call) command(ctx context.Context, o *controlObject, a acsi.Assignment, p point) error {
	r := requestOf(p.shape.node, a.Value)
	r.Subject = c.subject
	age, late := c.heldBack(ctx)
	c.e.mu.Lock()
	now := c.e.cfg.Now()
	var outs []control.Output
	var service string
	me, ok := c.client()
	switch {
	case !ok:
		c.e.release()
		return errClosed
	case late:
		outs, service = []control.Output{control.Reply{Cause: acsi.TimeLimitOver}}, serviceOf(a.Ref.Name(), r)
	default:
		outs, service = o.input(now, me, a.Ref.Name(), r)
	}
	reply := o.drive(ctx, &served{*c, service, r}, outs)
	var err *acsi.Error
	if reply.Cause == acsi.Done {
		c.e.put(p, a.Value)
	} else {
		err = o.refusal(a.Ref, r, reply)
	}
	c.e.release()
	c.recordCommand(commanded{service, o, r, reply.Cause})
	if late {
		err.Text = fmt.Sprintf("it was sealed %s ago by its sender's clock: it was held back on the way, or the clocks differ", age)
		c.record(audit.CommandHeldBack, fmt.Sprintf("%s of %s was sealed %s ago", service, o.ref, age))
	}
	if err == nil {
		return nil
	}
	return err
}

// input gives the machine its input.
func (o *controlObject) input(now time.Time, me control.Client, name string, r control.Request) ([]control.Output, string) {
	o.machine.Configure(o.settings())
	switch service := serviceOf(name, r); name {
	case "SBOw":
		return o.machine.SelectWithValue(now, me, r), service
	case "Cancel":
		return o.machine.Cancel(now, me, r), service
	default:
		return o.machine.Operate(now, me, r), service
	}
}

// serviceOf is the name of the service that a write to the attribute name is.
func serviceOf(name string, r control.Request) string {
	switch {
	case name == "SBOw":
		return "SelectWithValue"
	case name == "Cancel":
		return "Cancel"
	case r.OperTm.IsZero():
		return "Operate"
	}
	return "TimeActivatedOperate"
}

// heldBack reports whether the command of ctx is older than commands may be, and its age. Whose clock goes ahead by as much is refused
// too: its commands could be held back for longer.
//
// IEC 62351-4: the time that a PDU is sealed with.
func (c *call) heldBack(ctx context.Context) (time.Duration, bool) {
	at, sealed := acsi.SealedAt(ctx)
	if !sealed {
		return 0, false
	}
	age := c.e.cfg.Now().Sub(at)
	return age.Round(time.Millisecond), age > c.e.cfg.CommandAge || age < -c.e.cfg.CommandAge
}

// getControl carries out a read under CO at p: a read of SBO selects. Its value then is the reference of the control object, or
// empty where it is refused. While the application is asked the lock is given back.
//
// IEC 61850-8-1, 20.5: Select.
func (c *call) getControl(ctx context.Context, ref acsi.Ref, p point) (value.Value, error) {
	o := c.e.controlled(ref)
	if o == nil || ref.Name() != "SBO" {
		return c.e.read(p), nil
	}
	me, ok := c.client()
	if !ok {
		return value.Value{}, errClosed
	}
	o.machine.Configure(o.settings())
	reply := o.drive(ctx, &served{c: *c, service: "Select"}, o.machine.Select(c.e.cfg.Now(), me, c.subject))
	c.said = append(c.said, commanded{"Select", o, control.Request{}, reply.Cause})
	text := ""
	if reply.Cause == acsi.Done {
		text = strings.TrimSuffix(ref.MMS(), "$SBO")
		if size := p.shape.node.Type.Size; size > 0 && len(text) > size {
			text = text[:size] // that it is not empty counts
		}
	}
	return value.Visible(text), nil
}

// client is the association among those that have used a control object; ok is false once it has ended.
func (s *session) client() (me control.Client, ok bool) {
	if s.closed {
		return 0, false
	}
	me = control.Client(s.id)
	s.e.controls.clients[me] = s
	return me, true
}

// closeControls ends the selections of the association. Its commands go on, but nobody hears how they end.
func (s *session) closeControls() {
	me := control.Client(s.id)
	if s.e.controls.clients[me] == nil {
		return
	}
	delete(s.e.controls.clients, me)
	for o := range s.e.controls.active {
		o.drive(context.Background(), nil, o.machine.Gone(s.e.cfg.Now(), me))
	}
}

func (e *Engine) tickControls(now time.Time) {
	for o := range e.controls.active {
		if next := o.machine.Next(); !next.IsZero() && !next.After(now) {
			o.drive(context.Background(), nil, o.machine.Tick(now))
		}
	}
}

func (e *Engine) nextControl() time.Time {
	var next time.Time
	for o := range e.controls.active {
		if at := o.machine.Next(); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// checkControlModel judges a write of configuration: how an object is controlled does not change while it is being controlled, and only to
// what it has attributes for.
func (e *Engine) checkControlModel(a acsi.Assignment) error {
	if a.Ref.FC() != acsi.CF || a.Ref.Depth() < 3 {
		return nil
	}
	o := e.controls.by[dataObject(a.Ref).WithFC(0)]
	if o == nil {
		return nil
	}
	if !o.machine.Idle() {
		return acsi.Errorf(acsi.TemporarilyUnavailable, "%s cannot be written while %s is selected or operated", a.Ref, o.ref)
	}
	if model, ok := o.modelIn(a); ok && !slices.Contains(o.models, model) {
		return acsi.Errorf(acsi.ObjectValueInvalid, "%s has not the attributes for the control model %d", o.ref, model)
	}
	return nil
}

// withoutAuthority gives the refusal of a control service its cause. What the peer has sent is looked at as far as it can be without the
// model, of which it is not to learn.
func (c *call) withoutAuthority(err *acsi.Error, a acsi.Assignment) error {
	switch a.Ref.Name() {
	case "Oper", "SBOw", "Cancel":
		if a.Ref.FC() == acsi.CO {
			err.Control = failureOf(a.Ref, unnamedRequest(a.Value), acsi.NoAccessAuthority, false)
		}
	}
	return err
}

// unnamedRequest finds the originator, a number and octets, and the ctlNum behind it.
func unnamedRequest(v value.Value) (r control.Request) {
	for i := range v.Len() {
		x := v.At(i)
		if x.Kind() != value.Structure || x.Len() != 2 || x.At(1).Kind() != value.OctetString || i+1 == v.Len() {
			continue
		}
		cat, _ := x.At(0).Uint()
		num, _ := v.At(i + 1).Uint()
		r.Origin, r.CtlNum = acsi.Origin{Cat: acsi.OrCat(cat), Ident: x.At(1).Text()}, uint8(num)
	}
	return r
}

// commanded is a control service and its outcome.
type commanded struct {
	service string
	o       *controlObject
	r       control.Request
	cause   acsi.AddCause
}

// recordCommand tells who has commanded what.
func (c *call) recordCommand(s commanded) {
	r := s.r
	text := fmt.Sprintf("%s of %s", s.service, s.o.ref)
	if r.Value.IsValid() {
		text += fmt.Sprintf(" = %s, origin %s %s, ctlNum %d", clip(r.Value.String()), r.Origin.Cat, clip(fmt.Sprintf("%q", r.Origin.Ident)), r.CtlNum)
		if !r.OperTm.IsZero() {
			text += ", for " + r.OperTm.UTC().Format(time.RFC3339)
		}
		if r.Test {
			text += ", test"
		}
	}
	if s.cause == acsi.Done {
		c.record(audit.CommandAccepted, text)
		return
	}
	c.record(audit.CommandRefused, text+": "+s.cause.String())
}
