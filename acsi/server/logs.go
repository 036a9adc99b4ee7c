package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/journal"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// minLogPeriod is the shortest IntgPd of a log control block, in milliseconds.
const minLogPeriod = 100

// logPage bounds an answer of a query.
var logPage = journal.Page{Entries: 1000, Octets: 512 << 10}

// logs are those of the IED, and what is entered in them.
type logs struct {
	by     map[acsi.Ref]*log
	blocks map[acsi.Ref]*logBlock // by LD/LN.Name under LG
	loaded map[string]acsi.Ref    // references in entries of an earlier run, each once in memory
}

// log is one log: its entries are in memory, and State has a copy.
type log struct {
	journal.Log
	e      *Engine
	ref    acsi.Ref
	blocks []*logBlock // that enter something
	keeping
}

// logBlock is a log control block.
type logBlock struct {
	journal.Control
	e       *Engine
	cfg     *acsi.LogControl
	log     *log
	leaf    map[string]int // of its attributes, by their names
	set     *dataSet       // that DatSet names, or nil
	touched bool           // settle is to be called
	changes []journal.Change
}

// makeLogs makes the logs of the model, and its control blocks as they are engineered.
func (e *Engine) makeLogs() error {
	e.logs = logs{by: map[acsi.Ref]*log{}, blocks: map[acsi.Ref]*logBlock{}, loaded: map[string]acsi.Ref{}}
	var errs []error
	for _, ld := range e.cfg.Model.LDs {
		for _, ln := range ld.LNs {
			for _, name := range ln.Logs {
				ref, err := acsi.NewRef(ld.Name, ln.Node.Name+"."+name, 0)
				if err != nil {
					errs = append(errs, fmt.Errorf("acsi/server: log: %w", err))
					continue
				}
				e.logs.by[ref] = &log{Log: journal.Log{Limit: e.cfg.LogSize}, e: e, ref: ref}
			}
		}
	}
	for _, ld := range e.cfg.Model.LDs {
		for _, ln := range ld.LNs {
			for _, cfg := range ln.LogCtrls {
				if err := e.makeLogBlock(cfg); err != nil {
					errs = append(errs, fmt.Errorf("acsi/server: log control block %s: %w", cfg.Ref, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) makeLogBlock(cfg *acsi.LogControl) error {
	b := &logBlock{e: e, cfg: cfg, log: e.logs.by[cfg.Log], leaf: map[string]int{}}
	if b.log == nil {
		return fmt.Errorf("the model has no log %q", cfg.Log)
	}
	for _, name := range []string{"LogEna", "LogRef", "DatSet", "OldEntrTm", "NewEntrTm", "OldEntr", "NewEntr", "TrgOps", "IntgPd"} {
		ref, err := cfg.Ref.Child(name)
		if err != nil {
			return err
		}
		p, ok := e.layout.points[ref]
		if !ok {
			return fmt.Errorf("the model has no %s", ref)
		}
		b.leaf[name] = p.first
	}
	datSet := ""
	if !cfg.DataSet.IsZero() {
		datSet = cfg.DataSet.MMS()
	}
	b.log.blocks = append(b.log.blocks, b)
	e.logs.blocks[cfg.Ref] = b
	e.store(b.leaf["LogRef"], value.Visible(cfg.Log.MMS()))
	e.store(b.leaf["TrgOps"], cfg.TrgOps.Value())
	e.store(b.leaf["IntgPd"], value.Uint(uint64(cfg.IntgPd)))
	b.log.show()
	if err := b.setDataSet(datSet); err != nil {
		return err
	}
	if cfg.LogEna && b.set != nil {
		return b.enable(e.cfg.Now())
	}
	return nil
}

// show makes the attributes of the control blocks tell of the entries that there are.
func (l *log) show() {
	oldest, _ := l.Oldest() // or the zero entry
	newest, _ := l.Newest()
	for _, b := range l.blocks {
		l.e.change(b.leaf["OldEntrTm"], value.BinTimeOf(oldest.Time))
		l.e.change(b.leaf["NewEntrTm"], value.BinTimeOf(newest.Time))
		l.e.change(b.leaf["OldEntr"], value.Octets(oldest.ID[:]))
		l.e.change(b.leaf["NewEntr"], value.Octets(newest.ID[:]))
	}
}

// setDataSet makes what is written to DatSet the data set, unless there is none of that name.
func (b *logBlock) setDataSet(name string) error {
	var set *dataSet
	if name != "" {
		ref, err := acsi.ParseDataSetRef(name)
		if err != nil {
			return acsi.Errorf(acsi.ObjectValueInvalid, "%v", err)
		}
		if set = b.e.sets.by[ref]; set == nil {
			return acsi.Errorf(acsi.ObjectValueInvalid, "there is no data set %s that stays", ref)
		}
		set.users++
		name = set.Ref.MMS()
	}
	if b.set != nil {
		b.set.users--
	}
	b.set = set
	b.e.change(b.leaf["DatSet"], value.Visible(name))
	return nil
}

// enable begins to log.
func (b *logBlock) enable(now time.Time) error {
	if b.Enabled() {
		return nil
	}
	if b.set == nil {
		return acsi.Errorf(acsi.ObjectAttributeInconsistent, "%s has no data set to log", b.cfg.Ref)
	}
	trgOps, _ := acsi.TrgOpsOf(b.e.values[b.leaf["TrgOps"]])
	intgPd, _ := b.e.values[b.leaf["IntgPd"]].Uint()
	b.Enable(len(b.set.points), trgOps, time.Duration(intgPd)*time.Millisecond, now)
	for i, p := range b.set.points {
		b.e.watch(b, i, p)
	}
	b.e.change(b.leaf["LogEna"], value.Bool(true))
	b.e.alarm(b.Next())
	return nil
}

// disable ends it.
func (b *logBlock) disable() {
	if !b.Enabled() {
		return
	}
	for _, p := range b.set.points {
		b.e.unwatch(b, p)
	}
	b.Disable()
	b.e.change(b.leaf["LogEna"], value.Bool(false))
}

// touch is a watcher's.
func (b *logBlock) touch(member int, why acsi.Reason) bool {
	first := b.Mark(member, acsi.TrgOps(why)) && !b.touched
	b.touched = b.touched || first
	return first
}

// settle is a watcher's: what has changed together is one entry.
func (b *logBlock) settle(now time.Time) {
	b.touched = false
	if b.changes = b.Take(b.changes[:0]); len(b.changes) > 0 {
		b.enter(now, b.changes)
	}
}

// enter makes an entry of members as they are now.
func (b *logBlock) enter(now time.Time, changes []journal.Change) {
	values := make([]acsi.LogValue, len(changes))
	for i, c := range changes {
		values[i] = acsi.LogValue{Ref: b.set.Members[c.Member], Value: b.e.read(b.set.points[c.Member])}
		if b.cfg.Reason {
			values[i].Reason = c.Reason
		}
	}
	_, gone := b.log.Append(now, values)
	b.log.trim = b.log.trim || gone > 0
	b.log.show()
	b.e.save(b.log)
}

func (e *Engine) tickLogs(now time.Time) {
	for _, b := range e.logs.blocks {
		if !b.Integrity(now) {
			continue
		}
		b.settle(now) // before what is entered for it
		for member := range b.set.Members {
			b.changes = append(b.changes, journal.Change{Member: member, Reason: acsi.ReasonIntegrity})
		}
		b.enter(now, b.changes)
	}
}

func (e *Engine) nextLog() time.Time {
	var first time.Time
	for _, b := range e.logs.blocks {
		if next := b.Next(); first.IsZero() || !next.IsZero() && next.Before(first) {
			first = next
		}
	}
	return first
}

// setLog carries out a write to an attribute of a log control block.
//
// IEC 61850-7-2, 17.3.4.2, SetLCBValues.
func (c *call) setLog(a acsi.Assignment, p point) error {
	b := c.e.logs.blocks[a.Ref.Parent()]
	if b == nil {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "%s is no attribute of a log control block", a.Ref)
	}
	err := c.setLogAttribute(b, a, p)
	if err == nil {
		c.written = append(c.written, a)
		c.e.save(b)
		c.rest = c.e.saveAll
	}
	c.track("SetLCBValues", a.Ref.Parent(), err)
	return err
}

func (c *call) setLogAttribute(b *logBlock, a acsi.Assignment, p point) error {
	name := a.Ref.Name()
	if name == "LogEna" {
		if a.Value.Bool() {
			return b.enable(c.at.Time)
		}
		b.disable()
		return nil
	}
	if b.Enabled() {
		return acsi.Errorf(acsi.TemporarilyUnavailable, "%s is enabled: write false to LogEna first", b.cfg.Ref)
	}
	switch name {
	case "DatSet":
		if ref, err := acsi.ParseDataSetRef(a.Value.Text()); err == nil {
			if err := c.decideSet(rbac.View, ref); err != nil {
				return err
			}
		}
		return b.setDataSet(a.Value.Text())
	case "IntgPd":
		if ms, _ := a.Value.Uint(); ms > 0 && ms < minLogPeriod {
			return acsi.Errorf(acsi.ObjectValueInvalid, "a period of %d ms is too short: use 0 or at least %d", ms, minLogPeriod)
		}
	}
	c.e.put(p, a.Value)
	return nil
}

// GetLogs takes the right to view ln.
func (s *session) GetLogs(_ context.Context, ln acsi.Ref) ([]string, error) {
	c := s.begin(acsi.GetLogs)
	defer c.end()
	if err := c.logicalNode(ln); err != nil {
		return nil, err
	}
	names := []string{}
	for ref := range s.e.logs.by {
		if ref.Parent() == ln.WithFC(0) {
			names = append(names, ref.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// QueryLogByTime takes the right to read where the log is, and leaves out values from where the peer has no such right. An answer
// has at most 1,000 entries.
func (s *session) QueryLogByTime(_ context.Context, log acsi.Ref, from, to time.Time) ([]acsi.LogEntry, bool, error) {
	return s.query(acsi.QueryLogByTime, log, func(l *journal.Log) ([]acsi.LogEntry, bool) { return l.Between(from, to, logPage) })
}

// QueryLogAfter takes the rights of QueryLogByTime. Where there is no entry of that id any more, all that are left follow it.
func (s *session) QueryLogAfter(_ context.Context, log acsi.Ref, at time.Time, after acsi.EntryID) ([]acsi.LogEntry, bool, error) {
	return s.query(acsi.QueryLogAfter, log, func(l *journal.Log) ([]acsi.LogEntry, bool) { return l.After(at, after, logPage) })
}

func (s *session) query(service acsi.ServiceSet, ref acsi.Ref, ask func(*journal.Log) ([]acsi.LogEntry, bool)) ([]acsi.LogEntry, bool, error) {
	c := s.begin(service)
	defer c.end()
	if err := c.decide(rbac.Read, ref.LD(), ref); err != nil {
		return nil, false, err
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	l := s.e.logs.by[ref.WithFC(0)]
	if l == nil {
		return nil, false, acsi.Errorf(acsi.ObjectNonExistent, "there is no log %s", ref)
	}
	entries, more := ask(&l.Log)
	for i := range entries {
		entries[i].Values = c.readableIn(entries[i].Values)
	}
	return entries, more, nil
}

// readableIn is values without those that the peer may not read.
func (c *call) readableIn(values []acsi.LogValue) []acsi.LogValue {
	hidden := func(v acsi.LogValue) bool { return !c.allowed(readRight(v.Ref.FC()), v.Ref.LD()).Allowed }
	if !slices.ContainsFunc(values, hidden) {
		return values
	}
	return slices.DeleteFunc(slices.Clone(values), hidden)
}
