package server

import (
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/acsi/server/schedule"
	"busbar.example/value"
)

// schedules are the schedules of an engine, and what they are for.
//
// IEC 61850-90-10.
type schedules struct {
	list        []*scheduleNode
	controllers []*scheduleController
	requests    map[acsi.Ref]request // by control object: EnaReq and DsaReq
}

// request is a control object that enables or disables a schedule.
type request struct {
	schedule *scheduleNode
	enables  bool
}

// scheduleNode is one FSCH.
type scheduleNode struct {
	e       *Engine
	ref     acsi.Ref // LD/LN
	machine schedule.Machine
	values  []int  // leaves, in the order of the entries
	starts  []int  // leaves of setTm
	cals    []cals // of setCal
	touched bool
	kept    keptSchedule

	numEntr, interval, priority, event, reuse, input, beh int // leaves, or -1

	heard point // what InSyn refers to, which starts the schedule; its shape is nil where there is nothing
	shown schedule.Status

	state, entry, fault, started, next, value Handle // of a nil shape where there is none
}

// cals are the leaves of a CalendarTime, by their names.
type cals map[string]int

// The members that a scheduleNode watches.
const (
	settingsMember = iota
	inputMember
)

// makeSchedules finds the schedules of the model and their controllers.
func (e *Engine) makeSchedules() error {
	e.schedules.requests = map[acsi.Ref]request{}
	nodes := map[acsi.Ref]*scheduleNode{}
	for _, ld := range e.cfg.Model.LDs {
		for _, ln := range ld.LNs {
			ref, err := acsi.NewRef(ld.Name, ln.Node.Name, 0)
			if err != nil || ln.Node.Class != "FSCH" {
				continue
			}
			n := e.newSchedule(ref, ln.Node)
			e.schedules.list = append(e.schedules.list, n)
			nodes[ref] = n
		}
	}
	for _, ld := range e.cfg.Model.LDs {
		for _, ln := range ld.LNs {
			if ref, err := acsi.NewRef(ld.Name, ln.Node.Name, 0); err == nil && ln.Node.Class == "FSCC" {
				e.schedules.controllers = append(e.schedules.controllers, e.newScheduleController(ref, ln.Node, nodes))
			}
		}
	}
	return nil
}

// startSchedules lets the schedules read their settings, once all values are as they were kept.
func (e *Engine) startSchedules() {
	for _, n := range e.schedules.list {
		n.kept.begin()
		n.settle(e.cfg.Now())
	}
	for _, c := range e.schedules.controllers {
		c.settle(e.cfg.Now())
	}
}

func (e *Engine) newSchedule(ref acsi.Ref, node *acsi.Node) *scheduleNode {
	n := &scheduleNode{e: e, ref: ref}
	leaf := func(path string) int {
		if p, ok := e.layout.below(ref, path, acsi.SP); ok && p.shape.leafs == 1 {
			return p.first
		}
		return -1
	}
	n.numEntr, n.interval, n.priority = leaf("NumEntr.setVal"), leaf("SchdIntv.setVal"), leaf("SchdPrio.setVal")
	n.event, n.reuse, n.input = leaf("EvTrg.setVal"), leaf("SchdReuse.setVal"), leaf("InSyn.setSrcRef")
	n.beh = e.layout.leafOf(ref, "Beh.stVal")
	for _, do := range node.Children {
		switch name := do.Name; {
		case isNumbered(name, "ValASG", "ValING", "ValSPG", "ValENG"):
			if at := max(leaf(name+".setMag.f"), leaf(name+".setMag.i"), leaf(name+".setVal")); at >= 0 {
				n.values = append(n.values, at)
			}
		case isNumbered(name, "StrTm"):
			if at := leaf(name + ".setTm"); at >= 0 {
				n.starts = append(n.starts, at)
			}
			if leaf(name+".setCal.hr") >= 0 {
				c := cals{}
				for _, part := range []string{"occ", "occType", "occPer", "weekDay", "month", "day", "hr", "mn"} {
					c[part] = leaf(name + ".setCal." + part)
				}
				n.cals = append(n.cals, c)
			}
		}
	}
	n.state, n.entry, n.fault = n.handle("SchdSt.stVal"), n.handle("SchdEntr.stVal"), n.handle("SchdEnaErr.stVal")
	n.started, n.next, n.value = n.handle("ActStrTm.stVal"), n.handle("NxtStrTm.stVal"), e.scheduledValue(ref)
	n.kept = keptSchedule{e: e, ref: ref, machine: &n.machine}
	e.watchSettings(n, ref)
	for name, enables := range map[string]bool{"EnaReq": true, "DsaReq": false} {
		if at, err := ref.Child(name); err == nil {
			e.schedules.requests[at] = request{n, enables}
		}
	}
	return n
}

// isNumbered reports whether name is one of the names with a number behind it.
func isNumbered(name string, names ...string) bool {
	bare := strings.TrimRight(name, "0123456789")
	for _, n := range names {
		if bare == n && name != bare {
			return true
		}
	}
	return false
}

// watchSettings makes w hear of all settings of the logical node ln: whatever its type says, they are such as trigger.
func (e *Engine) watchSettings(w watcher, ln acsi.Ref) {
	if p, ok := e.layout.points[ln.WithFC(acsi.SP)]; ok {
		for leaf := p.first; leaf < p.first+p.shape.leafs; leaf++ {
			e.layout.triggers[leaf] |= acsi.TrgDataChange
		}
		e.watch(w, settingsMember, p)
	}
}

// handle is what path names in the schedule, under ST.
func (n *scheduleNode) handle(path string) Handle { return n.e.handleBelow(n.ref, path, acsi.ST) }

// handleBelow is what path names below ref, or a Handle without a shape.
func (e *Engine) handleBelow(ref acsi.Ref, path string, fc acsi.FC) (h Handle) {
	if at, err := acsi.NewRef(ref.LD(), ref.Item()+"."+path, fc); err == nil {
		h, _ = e.Handle(at)
	}
	return h
}

// scheduledValue is where the logical node ln, a schedule or its controller, shows the value that holds.
func (e *Engine) scheduledValue(ln acsi.Ref) Handle {
	for _, at := range []struct {
		path string
		fc   acsi.FC
	}{{"ValMV.mag.f", acsi.MX}, {"ValMV.mag.i", acsi.MX}, {"ValINS.stVal", acsi.ST}, {"ValSPS.stVal", acsi.ST}, {"ValENS.stVal", acsi.ST}} {
		if h := e.handleBelow(ln, at.path, at.fc); h.shape != nil {
			return h
		}
	}
	return Handle{}
}

// show stores what differs, and stamps it.
func (e *Engine) show(h Handle, v value.Value, q acsi.Quality) {
	if h.shape == nil {
		return
	}
	if e.read(h.point).Equal(v) && (h.q < 0 || e.values[h.q].Equal(e.qualityInMode(h.q, q).Value())) {
		return
	}
	_ = e.tx.SetStamped(h, v, q, e.now()) // what does not fit is not shown
}

func (n *scheduleNode) number(leaf int) int {
	if leaf < 0 {
		return 0
	}
	i, _ := n.e.values[leaf].Int()
	return int(i)
}

func (n *scheduleNode) flag(leaf int) bool { return leaf >= 0 && n.e.values[leaf].Bool() }

// settings are those of the schedule as they are now.
func (n *scheduleNode) settings() schedule.Settings {
	s := schedule.Settings{Entries: n.number(n.numEntr), Values: len(n.values), Event: n.flag(n.event), Reuse: n.flag(n.reuse)}
	if seconds := n.number(n.interval); seconds > 0 && seconds <= int(schedule.MaxInterval/time.Second) {
		s.Interval = time.Duration(seconds) * time.Second
	}
	for _, leaf := range n.starts {
		if v := n.e.values[leaf]; v.UTC()>>8 != 0 {
			if at, ok := v.Time(); ok {
				s.Starts = append(s.Starts, schedule.Start{At: at})
			}
		}
	}
	for _, c := range n.cals {
		cal := schedule.Calendar{Occ: n.number(c["occ"]), Type: schedule.OccType(n.number(c["occType"])), Period: schedule.Period(n.number(c["occPer"])),
			Weekday: n.number(c["weekDay"]), Month: n.number(c["month"]), Day: n.number(c["day"]), Hour: n.number(c["hr"]), Minute: n.number(c["mn"])}
		if cal != (schedule.Calendar{}) {
			s.Starts = append(s.Starts, schedule.Start{Calendar: cal})
		}
	}
	return s
}

// decide answers a question about EnaReq or DsaReq.
func (r request) decide(a control.Ask) acsi.AddCause {
	n, now := r.schedule, r.schedule.e.cfg.Now()
	if a.Blocked || a.Request.Value.IsValid() && !a.Request.Value.Bool() {
		return acsi.Done
	}
	n.machine.Configure(now, n.settings())
	fault := schedule.NoFault
	switch {
	case a.Phase != Executing && r.enables:
		fault = n.machine.Check(now)
	case a.Phase == Executing && r.enables:
		fault = n.machine.Enable(now)
	case a.Phase == Executing:
		n.machine.Disable(now)
	}
	n.update()
	if fault != schedule.NoFault {
		return acsi.InconsistentParameters
	}
	return acsi.Done
}

// touch notes that settings have changed, or that what InSyn refers to has.
func (n *scheduleNode) touch(member int, _ acsi.Reason) bool {
	if member == inputMember && n.e.read(n.heard).Bool() {
		n.machine.Trigger(n.e.cfg.Now())
	}
	first := !n.touched
	n.touched = true
	return first
}

// settle takes in what has changed.
func (n *scheduleNode) settle(now time.Time) {
	n.touched = false
	n.machine.Configure(now, n.settings())
	n.hear()
	n.update()
}

// hear watches what InSyn refers to.
func (n *scheduleNode) hear() {
	var p point
	if n.input >= 0 {
		if ref, ok := n.e.referred(n.e.values[n.input].Text()); ok {
			for _, path := range []string{"", ".stVal", ".general"} {
				at, err := acsi.NewRef(ref.LD(), ref.Item()+path, acsi.ST)
				if err != nil {
					continue
				}
				if found, ok := n.e.layout.points[at]; ok && found.shape.leafs == 1 && found.shape.node.Type.Kind == value.Boolean {
					p = found
					break
				}
			}
		}
	}
	if p == n.heard {
		return
	}
	if n.heard.shape != nil {
		n.e.unwatch(n, n.heard)
	}
	if n.heard = p; p.shape != nil {
		n.e.layout.triggers[p.first] |= acsi.TrgDataChange // whatever its type says
		n.e.watch(n, inputMember, p)
	}
}

// referred is what a reference in a setting means: LD/LN.DO, or with @ before it without the name of the IED.
func (e *Engine) referred(text string) (acsi.Ref, bool) {
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		text = e.cfg.Model.IED + rest
	}
	ref, err := acsi.ParseRef(text)
	return ref.WithFC(0), err == nil && ref.Depth() >= 2
}

// update shows the state of the schedule, and lets its controllers go by it.
func (n *scheduleNode) update() {
	s := n.machine.Status()
	n.e.alarm(n.machine.Next())
	n.kept.changed()
	if s == n.shown && s.State != schedule.Running {
		return
	}
	n.shown = s
	n.e.show(n.state, value.Int(int64(s.State)), acsi.QualityGood)
	n.e.show(n.fault, value.Int(int64(s.Fault)), acsi.QualityGood)
	n.e.show(n.entry, value.Int(int64(s.Entry)), acsi.QualityGood)
	n.e.show(n.started, n.e.instant(s.Started), acsi.QualityGood)
	n.e.show(n.next, n.e.instant(s.Next), acsi.QualityGood)
	if v, ok := n.current(); ok {
		n.e.showNumber(n.value, v, acsi.QualityGood)
	} else {
		n.e.showNumber(n.value, value.Value{}, acsi.QualityInvalid)
	}
	for _, c := range n.e.schedules.controllers {
		if c.of(n) {
			c.update()
		}
	}
}

// current is the value of the entry that holds; ok is false where the schedule does not run, or its behaviour is off.
func (n *scheduleNode) current() (v value.Value, ok bool) {
	const off = 5
	entry := n.machine.Status().Entry
	if entry < 1 || entry > len(n.values) || n.beh >= 0 && n.number(n.beh) == off {
		return value.Value{}, false
	}
	return n.e.values[n.values[entry-1]], true
}

// instant is t as a timestamp, and zero for the zero time.
func (e *Engine) instant(t time.Time) value.Value {
	if t.IsZero() {
		return value.UTC(0)
	}
	return acsi.Timestamp{Time: t, Quality: e.cfg.TimeQuality()}.Value()
}

// showNumber shows v as the number that h holds, or leaves the number as it is where v is invalid.
func (e *Engine) showNumber(h Handle, v value.Value, q acsi.Quality) {
	if h.shape == nil {
		return
	}
	now := e.read(h.point)
	if f, ok := magnitude(v); ok && now.Kind() != value.Boolean {
		now = withMagnitude(now, f)
	} else if v.Kind() == value.Boolean && now.Kind() == value.Boolean {
		now = v
	}
	e.show(h, now, q)
}

func (e *Engine) tickSchedules(now time.Time) {
	for _, n := range e.schedules.list {
		if next := n.machine.Next(); !next.IsZero() && !next.After(now) {
			n.machine.Tick(now)
			n.update()
		}
	}
	for _, c := range e.schedules.controllers {
		if !c.again.IsZero() && !c.again.After(now) {
			c.update()
		}
	}
}

// nextSchedule is when tickSchedules is due.
func (e *Engine) nextSchedule() time.Time {
	var next time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, n := range e.schedules.list {
		sooner(n.machine.Next())
	}
	for _, c := range e.schedules.controllers {
		sooner(c.again)
	}
	return next
}
