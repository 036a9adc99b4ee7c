package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"busbar.example/acsi"
	"busbar.example/acsi/server/report"
	"busbar.example/secure/audit"
	"busbar.example/value"
)

// reportKeeping is what a buffered report control block knows of State.
type reportKeeping struct {
	stored, storing extent   // what State has, and what it is given
	emptied         []uint64 // entries of which State does not know that they are empty
	emptying        []uint64 // those that it is told of
	mark            string   // the fingerprint of what is reported; "": not yet made
	loaded          *Record  // the control block of an earlier run
	entries         []Record // its entries
}

// entriesAtOnce bounds what of a control block one Commit takes, for which the engine is at a standstill.
const entriesAtOnce = 1000

// extent is a range of the entries' numbers.
type extent struct{ oldest, last uint64 }

// unsaved is a saver's: the entries that are new, the end of those that are gone, and the control block itself, which
// belong together.
func (r *reportControl) unsaved(changes []Change) []Change {
	r.storing = extent{oldest: r.Oldest(), last: r.stored.last}
	if r.storing.oldest > r.stored.oldest {
		changes = append(changes, Change{Op: DeleteThrough, Record: Record{Table: tableEntries, Name: r.config.Name, Number: r.storing.oldest - 1}})
	}
	given := 0
	for e := range r.After(r.stored.last) {
		if given++; given > entriesAtOnce {
			break
		}
		changes, r.storing.last = append(changes, r.put(e)), e.Number
	}
	if given <= entriesAtOnce {
		r.storing.last = r.Last() // though it be gone
	}
	r.emptying = append(append(r.emptying[:0], r.emptied...), r.Emptied()...)
	r.emptied = r.emptied[:0]
	for _, number := range r.emptying {
		if e := r.Entry(number); e != nil && number <= r.stored.last {
			changes = append(changes, r.put(e))
		}
	}
	if r.mark == "" {
		r.mark = r.fingerprint(r.set)
	}
	data, _ := value.Visible(r.mark).AppendBinary(nil)
	data, _ = r.State().AppendBinary(data)
	return append(changes, Change{Record: Record{Table: tableControls, Name: r.config.Name, Data: data}})
}

func (r *reportControl) put(e *report.Entry) Change {
	data, _ := e.AppendBinary(nil)
	return Change{Record: Record{Table: tableEntries, Name: r.config.Name, Number: e.Number, Data: data}}
}

// saved is a saver's. What State cannot keep is sent all the same.
func (r *reportControl) saved(kept bool) {
	switch {
	case r.e.saving.state == nil:
		r.stored.last = r.Last()
		r.Emptied()
		r.Release(r.Last())
	case kept:
		r.stored = r.storing
		r.Release(r.stored.last)
		if r.stored.last != r.Last() {
			r.e.save(r)
		}
	default:
		r.emptied = append(r.emptied, r.emptying...)
		r.Release(r.Last())
	}
	r.wakeUser()
}

// fingerprint tells apart what entries can be of: it changes with the engineering of the control block, and with what its data set
// holds.
func (r *reportControl) fingerprint(set *dataSet) string {
	h := sha256.New()
	c := r.config
	fmt.Fprintln(h, c.Name, c.RptID, c.DataSet, c.ConfRev, c.OptFlds, c.TrgOps, c.BufTm, c.IntgPd, c.Assigned)
	if set != nil {
		fmt.Fprintln(h, set.Ref)
		for i, m := range set.Members {
			fmt.Fprintln(h, m)
			set.points[i].shape.print(h)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// print writes what a value of sh is made of.
func (sh *shape) print(w io.Writer) {
	fmt.Fprintln(w, sh.node.Name, sh.node.Type.Kind, sh.node.Type.Size, sh.count, len(sh.parts))
	if sh.elem != nil {
		sh.elem.print(w)
	}
	for _, part := range sh.parts {
		part.print(w)
	}
}

// loadReportControl and loadReportEntry take in what an earlier run has kept.
func (e *Engine) loadReportControl(r Record) error {
	if c := e.reports.named(r.Name); c != nil {
		c.loaded = &r
	} else {
		e.forget(r.Table, r.Name)
	}
	return nil
}

func (e *Engine) loadReportEntry(r Record) error {
	if c := e.reports.named(r.Name); c != nil {
		c.entries = append(c.entries, r)
	} else {
		e.forget(r.Table, r.Name)
	}
	return nil
}

// named is the buffered control block of that name as it travels, or nil.
func (r *reportControls) named(name string) *reportControl {
	ref, err := acsi.ParseRef(name)
	if c := r.by[ref]; err == nil && c != nil && c.Buffered() {
		return c
	}
	return nil
}

// restoreReports makes the buffered control blocks what they were. One whose model has changed since then, or of which anything is
// damaged, begins anew.
func (e *Engine) restoreReports() error {
	for _, r := range e.reports.all {
		if r.loaded != nil || r.entries != nil {
			if err := r.restore(); err != nil {
				e.cfg.Audit.Record(audit.Event{ID: audit.StateLost, Time: e.cfg.Now(), Text: fmt.Sprintf("the buffer of %s is purged: %v", r.ref, err)})
				r.startAnew()
			}
		}
		r.loaded, r.entries = nil, nil
	}
	return nil
}

func (r *reportControl) restore() error {
	if r.loaded == nil {
		return fmt.Errorf("its entries are of no control block")
	}
	mark, rest, err := value.DecodeBinary(r.loaded.Data)
	if err != nil {
		return err
	}
	state, err := report.DecodeState(rest)
	if err != nil {
		return err
	}
	set := r.fixed
	if ref, err := acsi.ParseDataSetRef(state.DataSet); err == nil {
		set = r.e.sets.by[ref]
	} else if state.DataSet == "" {
		set = nil
	}
	if mark.Text() != r.fingerprint(set) {
		return fmt.Errorf("the model has changed")
	}
	var members []string
	if set != nil {
		members = set.names()
	}
	entries := make([]report.Entry, len(r.entries))
	for i, kept := range r.entries {
		if entries[i], err = report.DecodeEntry(kept.Number, kept.Data, len(members)); err != nil {
			return fmt.Errorf("entry %d: %w", kept.Number, err)
		}
	}
	now := r.e.cfg.Now()
	r.report(set)
	r.Restore(now, state, members, entries)
	r.stored = extent{oldest: r.Oldest(), last: r.Last()}
	if len(entries) > 0 {
		r.stored.oldest = entries[0].Number
	}
	r.follow(nil, now)
	return nil
}

// startAnew leaves nothing of the entries of an earlier run but their numbers, which are not used again.
func (r *reportControl) startAnew() {
	state := r.State()
	if n := len(r.entries); n > 0 {
		state.Last = r.entries[n-1].Number
	}
	state.Sent = state.Last
	now := r.e.cfg.Now()
	r.report(r.fixed)
	r.Restore(now, state, r.config.Members, nil)
	r.stored = extent{last: r.Last()}
	r.follow(nil, now)
	r.e.save(r)
}

// forgotten is a saver of what nothing in the model keeps any more.
type forgotten struct{ changes []Change }

func (f *forgotten) unsaved(changes []Change) []Change { return append(changes, f.changes...) }

func (f *forgotten) saved(kept bool) {
	if kept {
		f.changes = nil
	}
}

// forget has State forget all that is under a name in a table.
func (e *Engine) forget(table, name string) {
	for _, c := range e.saving.forgotten.changes {
		if c.Table == table && c.Name == name {
			return
		}
	}
	f := &e.saving.forgotten
	f.changes = append(f.changes, Change{Op: DeleteThrough, Record: Record{Table: table, Name: name, Number: 1<<63 - 1}})
	e.save(f)
}
