package server

import (
	"fmt"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/report"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// reportControl is a report control block in the engine: it gives the machine what changes, and the store what can be read.
type reportControl struct {
	*report.Control
	e      *Engine
	ref    acsi.Ref // LD/LN.Name under BR or RP
	config report.Config
	leaves map[string]int // of the attributes, by their names
	fixed  *dataSet       // what is reported by its engineering, or nil
	set    *dataSet       // what is reported now, or nil
	needs  []need         // what reading set takes
	user   *session       // the association that has enabled or reserved it, or nil

	wants   acsi.Reason   // what of changes counts
	marks   []acsi.Reason // by member: why it has changed since settle
	marked  []int         // members that have a mark
	changes []report.Change

	reportKeeping
}

// need is a right on a logical device.
type need struct {
	right rbac.Right
	ld    string
}

// makeReports makes a machine for each report control block of the model.
func (e *Engine) makeReports() error {
	e.reports.by = map[acsi.Ref]*reportControl{}
	for _, ld := range e.cfg.Model.LDs {
		for _, ln := range ld.LNs {
			for _, ctl := range ln.Reports {
				if err := e.makeReport(ctl); err != nil {
					return fmt.Errorf("acsi/server: report control block %s: %w", ctl.Ref, err)
				}
			}
		}
	}
	return nil
}

// reportControls are those of the IED.
type reportControls struct {
	by  map[acsi.Ref]*reportControl
	all []*reportControl // in the order of the model
}

func (e *Engine) makeReport(ctl *acsi.ReportControl) error {
	node, ok := e.layout.points[ctl.Ref]
	if !ok || e.reports.by[ctl.Ref] != nil {
		return fmt.Errorf("the model has no such node, or two such control blocks")
	}
	r := &reportControl{e: e, ref: ctl.Ref, leaves: map[string]int{}}
	first := node.first
	for _, part := range node.shape.parts {
		r.leaves[part.node.Name] = first
		first += part.leafs
	}
	r.config = report.Config{Name: ctl.Ref.MMS(), Buffered: ctl.Buffered(), RptID: ctl.RptID, ConfRev: ctl.ConfRev, OptFlds: ctl.OptFlds,
		TrgOps: ctl.TrgOps, BufTm: ctl.BufTm, IntgPd: ctl.IntgPd, Assigned: ctl.Reserved, Limit: e.cfg.ReportBuffer, MaxResvTms: e.reservation(), Value: r.member}
	if !ctl.DataSet.IsZero() {
		set := e.sets.by[ctl.DataSet]
		if set == nil {
			return fmt.Errorf("there is no data set %s", ctl.DataSet)
		}
		r.fixed = set
		r.report(set)
		r.config.DataSet, r.config.Members = set.Ref.MMS(), set.names()
	}
	r.Control = report.New(e.cfg.Now(), r.config)
	e.reports.by[ctl.Ref] = r
	e.reports.all = append(e.reports.all, r)
	r.mirror()
	e.alarm(r.Next())
	return nil
}

// names are the members as they travel.
func (d *dataSet) names() []string {
	names := make([]string, len(d.Members))
	for i, m := range d.Members {
		names[i] = m.MMS()
	}
	return names
}

// report makes set, or nil, what is reported.
func (r *reportControl) report(set *dataSet) {
	if r.set != nil {
		r.set.users--
		for _, p := range r.set.points {
			r.e.unwatch(r, p)
		}
	}
	r.set, r.needs, r.mark = set, nil, ""
	r.marked = r.marked[:0]
	r.marks = nil
	if set == nil {
		return
	}
	set.users++
	r.marks = make([]acsi.Reason, len(set.points))
	for i, p := range set.points {
		r.e.watch(r, i, p)
		m := set.Members[i]
		if n := (need{readRight(m.FC()), m.LD()}); !slices.Contains(r.needs, n) {
			r.needs = append(r.needs, n)
		}
	}
}

// member is what a member holds now.
func (r *reportControl) member(i int) value.Value { return r.e.read(r.set.points[i]) }

// touch is a watcher's.
func (r *reportControl) touch(member int, why acsi.Reason) bool {
	if why &= r.wants; why == 0 {
		return false
	}
	first := len(r.marked) == 0
	if r.marks[member] == 0 {
		r.marked = append(r.marked, member)
	}
	r.marks[member] |= why
	return first
}

// settle is a watcher's.
func (r *reportControl) settle(now time.Time) {
	r.changes = r.changes[:0]
	for _, member := range r.marked {
		r.changes = append(r.changes, report.Change{Member: member, Value: r.member(member), Why: r.marks[member]})
		r.marks[member] = 0
	}
	r.marked = r.marked[:0]
	r.Events(now, r.changes)
	clear(r.changes)
	r.progress()
}

// progress sees to what may have come of an event.
func (r *reportControl) progress() {
	r.mirrorOf("SqNum", "EntryID", "TimeofEntry")
	r.e.alarm(r.Next())
	if r.Buffered() && r.Last() != r.stored.last {
		if r.e.saving.failing {
			r.Release(r.Last())
		}
		r.e.save(r)
	}
	r.wakeUser()
}

func (r *reportControl) wakeUser() {
	if r.user != nil && r.Ready() {
		r.user.wake()
	}
}

// mirror gives the store all attributes.
func (r *reportControl) mirror() {
	for name, leaf := range r.leaves {
		r.e.store(leaf, r.Value(name))
	}
	r.wants = r.Wants()
}

func (r *reportControl) mirrorOf(names ...string) {
	for _, name := range names {
		if leaf, ok := r.leaves[name]; ok {
			r.e.store(leaf, r.Value(name))
		}
	}
}

// reportClient is the association as the machines know it.
func (s *session) reportClient() report.Client {
	return report.Client{ID: s.id, Address: s.subject.Address, Name: s.subject.Name, Proven: !s.subject.Unauthenticated}
}

// setReport carries out a write to an attribute of a report control block.
func (c *call) setReport(a acsi.Assignment, _ point) error {
	r := c.e.reports.by[a.Ref.Parent()]
	if r == nil {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "%s is no attribute of a report control block", a.Ref)
	}
	err := c.setAttribute(r, a.Ref.Name(), a.Value)
	service := "SetURCBValues"
	if r.Buffered() {
		service = "SetBRCBValues"
	}
	c.track(service, r.ref, err)
	return err
}

func (c *call) setAttribute(r *reportControl, name string, v value.Value) error {
	if c.closed {
		return errClosed
	}
	now := c.e.cfg.Now()
	if err := c.maySet(r, name, v); err != nil {
		return err
	}
	var err error
	if name == "DatSet" {
		err = c.setDatSet(r, now, v.Text())
	} else {
		err = r.Set(now, c.reportClient(), name, v)
	}
	if err != nil {
		return err
	}
	r.follow(c.session, now)
	if r.Buffered() {
		c.e.save(r)
		if !slices.Contains([]string{"RptEna", "GI", "EntryID"}, name) { // these do not outlive the association
			c.rest = c.e.saveAll
		}
	}
	return nil
}

// maySet decides what takes more than the right to use control blocks.
func (c *call) maySet(r *reportControl, name string, v value.Value) error {
	switch n, _ := v.Int(); {
	case name == "RptEna" && v.Bool() && !r.Enabled():
		if err := c.readable(r); err != nil {
			return err
		}
		return c.mayTake(r)
	case name == "Resv" && v.Bool(), name == "ResvTms" && n > 0:
		return c.mayTake(r)
	case name == "PurgeBuf" && v.Bool():
		return c.mayPurge(r)
	}
	return nil
}

// follow brings the engine in line with the machine, after by, or nobody, has used it.
func (r *reportControl) follow(by *session, now time.Time) {
	if r.user != nil && r.user.id != r.Holder() {
		r.user.reports = slices.DeleteFunc(r.user.reports, func(o *reportControl) bool { return o == r })
		r.user = nil
		if r.set != nil && r.set.Ref.IsLocal() {
			r.ReplaceDataSet(now, r.config.DataSet, r.config.Members)
			r.report(r.fixed)
		}
	}
	if r.user == nil && by != nil && by.id == r.Holder() {
		r.user = by
		by.reports = append(by.reports, r)
	}
	r.mirror()
	r.progress()
}

// setDatSet names another data set. One of an association reserves the control block, which must be an unbuffered one, for the
// association: nobody else could tell what it means.
func (c *call) setDatSet(r *reportControl, now time.Time, name string) error {
	if name == "" {
		if err := r.SetDataSet(now, c.reportClient(), "", nil); err != nil {
			return err
		}
		r.report(nil)
		return nil
	}
	ref, err := acsi.ParseDataSetRef(name)
	if err != nil {
		return acsi.Errorf(acsi.ObjectValueInvalid, "%v", err)
	}
	if ref.IsLocal() && r.Buffered() {
		return acsi.Errorf(acsi.ObjectValueInvalid, "%s belongs to an association: a buffered control block outlives that", ref)
	}
	if err := c.decideSet(rbac.View, ref); err != nil {
		return err
	}
	set := c.dataSet(ref)
	if set == nil {
		return acsi.Errorf(acsi.ObjectValueInvalid, "there is no data set %s", ref)
	}
	if set == r.set {
		return r.SetDataSet(now, c.reportClient(), r.DataSet(), nil)
	}
	if ref.IsLocal() && r.Holder() == 0 && !r.Enabled() {
		if err := c.mayTake(r); err != nil {
			return err
		}
		if err := r.Set(now, c.reportClient(), "Resv", value.Bool(true)); err != nil {
			return err
		}
	}
	if err := r.SetDataSet(now, c.reportClient(), ref.MMS(), set.names()); err != nil {
		return err
	}
	r.report(set)
	return nil
}

// readable decides whether the peer may read all that r reports.
func (c *call) readable(r *reportControl) error {
	for _, n := range r.needs {
		if err := c.decide(n.right, n.ld, r.ref); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) tickReports(now time.Time) {
	for _, r := range e.reports.all {
		if r.Tick(now) {
			r.follow(nil, now)
		}
	}
}

func (e *Engine) nextReport() (next time.Time) {
	for _, r := range e.reports.all {
		if t := r.Next(); !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

// takeReport is the report that waits first, or nil: one of each control block in turn. It takes the right to use the control block
// and to read what it reports: who has lost them loses the control block.
func (c *call) takeReport() *acsi.Report {
	for i := range c.reports {
		turn := (c.turn + i) % len(c.reports)
		r := c.reports[turn]
		if !r.Ready() {
			continue
		}
		c.turn = turn + 1
		if c.readable(r) == nil && c.decide(rbac.Reporting, r.ref.LD(), r.ref) == nil {
			told := r.Take()
			r.mirrorOf("SqNum", "EntryID", "TimeofEntry")
			if r.Buffered() {
				c.e.saveLater(r)
			}
			return told
		}
		r.Lost(c.at.Time, c.id)
		r.follow(nil, c.at.Time)
		return c.takeReport()
	}
	return nil
}

// closeReports ends the reports of the association, and gives back what it has reserved.
func (s *session) closeReports() {
	now := s.e.cfg.Now()
	for _, r := range slices.Clone(s.reports) {
		r.Lost(now, s.id)
		r.follow(nil, now)
		if r.Buffered() {
			s.e.save(r)
		}
	}
}

// ReportCounts is what each report control block has done since the engine was made, and a buffered one that is kept since it was
// new.
func (e *Engine) ReportCounts() map[acsi.Ref]report.Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	counts := make(map[acsi.Ref]report.Counts, len(e.reports.all))
	for _, r := range e.reports.all {
		counts[r.ref] = r.Counts()
	}
	return counts
}
