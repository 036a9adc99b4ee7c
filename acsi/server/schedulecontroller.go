package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/acsi/server/schedule"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// scheduleController is one FSCC: of its schedules that run, the one that holds sets what it controls.
type scheduleController struct {
	e     *Engine
	ref   acsi.Ref // LD/LN
	nodes map[acsi.Ref]*scheduleNode

	schedules []int // leaves of the references to schedules
	entity    int   // leaf of the reference to what is controlled, or -1
	beh       int   // leaf, or -1
	touched   bool

	list    []*scheduleNode // what the references mean now
	holds   *scheduleNode
	given   value.Value // what it was given last
	ctlNum  uint8
	busy    bool      // a command is under way
	again   time.Time // when the last is tried again; zero: it is not
	active  Handle
	showing Handle
}

func (e *Engine) newScheduleController(ref acsi.Ref, node *acsi.Node, nodes map[acsi.Ref]*scheduleNode) *scheduleController {
	c := &scheduleController{e: e, ref: ref, nodes: nodes, entity: -1, beh: e.layout.leafOf(ref, "Beh.stVal"),
		active: e.handleBelow(ref, "ActSchdRef.stVal", acsi.ST), showing: e.scheduledValue(ref)}
	for _, do := range node.Children {
		p, ok := e.layout.below(ref, do.Name+".setSrcRef", acsi.SP)
		switch {
		case !ok:
		case do.Name == "CtlEnt":
			c.entity = p.first
		case isNumbered(do.Name, "Schd"):
			c.schedules = append(c.schedules, p.first)
		}
	}
	e.watchSettings(c, ref)
	return c
}

func (c *scheduleController) of(n *scheduleNode) bool { return slices.Contains(c.list, n) }

// touch notes that a setting has changed.
func (c *scheduleController) touch(int, acsi.Reason) bool {
	first := !c.touched
	c.touched = true
	return first
}

// settle finds out which schedules are meant.
func (c *scheduleController) settle(time.Time) {
	c.touched, c.list = false, nil
	for _, leaf := range c.schedules {
		if ref, ok := c.e.referred(c.e.values[leaf].Text()); ok && c.nodes[ref] != nil && !c.of(c.nodes[ref]) {
			c.list = append(c.list, c.nodes[ref])
		}
	}
	c.given = value.Value{} // it may be for something else now
	c.update()
}

// update lets the schedule that holds set its value.
func (c *scheduleController) update() {
	var running []*scheduleNode
	var candidates []schedule.Candidate
	for _, n := range c.list {
		if _, ok := n.current(); ok {
			running = append(running, n)
			candidates = append(candidates, schedule.Candidate{Priority: n.number(n.priority), Started: n.machine.Status().Started})
		}
	}
	var v value.Value
	c.holds = nil
	name, q := "", acsi.QualityInvalid
	if i := schedule.Choose(candidates); i >= 0 {
		c.holds = running[i]
		v, _ = c.holds.current()
		name, q = c.holds.ref.Path(), acsi.QualityGood
	}
	c.e.show(c.active, value.Visible(name), q)
	c.e.showNumber(c.showing, v, q)
	if now := c.e.cfg.Now(); c.holds == nil || !c.on() {
		c.given, c.again = value.Value{}, time.Time{}
	} else if !v.Equal(c.given) || !c.again.IsZero() && !c.again.After(now) {
		c.give(v)
	}
}

// on reports whether the controller does what it shows.
func (c *scheduleController) on() bool {
	if c.beh < 0 {
		return true
	}
	beh, _ := c.e.values[c.beh].Int()
	return control.Behaviour(beh) == control.On
}

// give sets what is controlled.
func (c *scheduleController) give(v value.Value) {
	if c.busy || c.entity < 0 {
		return // what is under way looks again when it ends
	}
	c.given, c.again = v, time.Time{}
	ref, ok := c.e.referred(c.e.values[c.entity].Text())
	if !ok || ref.Depth() < 3 {
		return
	}
	if o := c.e.controls.by[dataObject(ref)]; o != nil {
		c.operate(o, v)
		return
	}
	for _, at := range []struct {
		path string
		fc   acsi.FC
	}{{"", acsi.SP}, {".setMag.f", acsi.SP}, {".setMag.i", acsi.SP}, {".setVal", acsi.SP}, {"", acsi.MX}, {".mag.f", acsi.MX}, {".mag.i", acsi.MX}, {"", acsi.ST}, {".stVal", acsi.ST}} {
		target, err := acsi.NewRef(ref.LD(), ref.Item()+at.path, at.fc)
		if err != nil {
			continue
		}
		if h, err := c.e.Handle(target); err == nil && h.shape.leafs == 1 && h.shape.cells == 0 {
			c.e.showNumber(h, v, acsi.QualityGood)
			return
		}
	}
}

// operate commands o as a client would, so that it is judged, tracked and recorded as any command.
func (c *scheduleController) operate(o *controlObject, v value.Value) {
	oper, ok := c.command(o, v)
	if !ok {
		return
	}
	model := o.settings().Model
	c.busy = true
	subject := rbac.Subject{Name: c.ref.Path(), Grants: []rbac.Grant{c.e.cfg.Policy.NewGrant(rbac.Operator, "*")}}
	c.e.spawn(func(ctx context.Context) {
		err := runCommand(ctx, c.e.Services(subject), model, oper)
		c.e.mu.Lock()
		defer c.e.release()
		c.busy = false
		if wait := worthRetrying(err); wait > 0 {
			c.again = c.e.cfg.Now().Add(wait)
			c.e.alarm(c.again)
		}
		c.update()
	})
}

// runCommand selects, where the control model wants it, operates, and with enhanced security waits for the end.
func runCommand(ctx context.Context, s acsi.Services, model control.Model, oper acsi.Assignment) error {
	defer s.Close(context.WithoutCancel(ctx))
	object := oper.Ref.Parent()
	if model == control.SBONormal {
		sbo, err := object.Child("SBO")
		if err != nil {
			return err
		}
		if _, err = s.GetDataValues(ctx, []acsi.Ref{sbo}); err != nil {
			return err
		}
	}
	names := []string{"Oper"}
	if model == control.SBOEnhanced {
		names = []string{"SBOw", "Oper"}
	}
	for _, name := range names {
		ref, err := object.Child(name)
		if err != nil {
			return err
		}
		errs, err := s.SetDataValues(ctx, []acsi.Assignment{{Ref: ref, Value: oper.Value}})
		if err = errors.Join(append(errs, err)...); err != nil {
			return err
		}
	}
	if model != control.SBOEnhanced && model != control.DirectEnhanced {
		return nil
	}
	for {
		notice, err := s.Next(ctx)
		if err != nil {
			return err
		}
		if t, ok := notice.(*acsi.Termination); ok && t.Failure != nil {
			return &acsi.Error{Code: acsi.TemporarilyUnavailable, Control: t.Failure}
		} else if ok {
			return nil
		}
	}
}

// worthRetrying is when a command that was refused may succeed: soon where another is in its way, later where somebody has taken the
// control, and 0 where it will not.
func worthRetrying(err error) time.Duration {
	refused, ok := errors.AsType[*acsi.Error](err)
	if !ok || refused.Control == nil {
		return 0
	}
	switch refused.Control.Cause {
	case acsi.ObjectAlreadySelected, acsi.CommandAlreadyInExecution, acsi.OneOfNControl, acsi.BlockedByCommand, acsi.LockedByOtherClient,
		acsi.ObjectNotSelected:
		return time.Second
	case acsi.BlockedBySwitchingHierarchy, acsi.BlockedByMode, acsi.BlockedByProcess, acsi.BlockedByHealth, acsi.BlockedByInterlocking:
		return time.Minute
	}
	return 0
}

// command is the Oper that brings o to v; ok is false where its value is none that a schedule has.
func (c *scheduleController) command(o *controlObject, v value.Value) (_ acsi.Assignment, ok bool) {
	ref := o.oper.WithFC(acsi.CO)
	p, found := c.e.layout.points[ref]
	if !found || o.target.shape == nil {
		return acsi.Assignment{}, false
	}
	n := p.shape.node
	parts := make([]value.Value, len(n.Children))
	for i, part := range n.Children {
		parts[i] = zeroOf(part)
		switch part.Name {
		case "ctlVal":
			f, isNumber := magnitude(v)
			switch {
			case part.Type.Kind == value.Boolean:
				parts[i] = value.Bool(v.Bool() || f != 0)
			case isNumber && part.Type.Kind != value.BitString:
				parts[i] = withMagnitude(parts[i], f)
			default:
				return acsi.Assignment{}, false
			}
		case "origin": // who has loaded the schedule is remote: it stops where the bay takes the control
			parts[i] = value.StructureOf(value.Int(int64(acsi.OrAutomaticRemote)), value.Octets([]byte(c.ref.Path())))
		case "ctlNum":
			c.ctlNum++
			parts[i] = value.Uint(uint64(c.ctlNum))
		case "T":
			parts[i] = c.e.now().Value()
		}
	}
	return acsi.Assignment{Ref: ref, Value: value.StructureOf(parts...)}, true
}

// zeroOf is the zero of all in n.
func zeroOf(n *acsi.Node) value.Value {
	if len(n.Children) == 0 {
		return zero(n)
	}
	parts := make([]value.Value, len(n.Children))
	for i, part := range n.Children {
		parts[i] = zeroOf(part)
	}
	return value.StructureOf(parts...)
}
