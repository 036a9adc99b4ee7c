package server

import (
	"context"
	"fmt"
	"slices"
	"time"

	"busbar.example/secure/audit"
)

// State keeps what is to outlive the process: records in tables, each under a name and a number. The engine reads them when it is
// made, and says then what changes, in the order in which it changed.
type State interface {
	// Load calls load with each record, in the order of tables, names and numbers; load may keep it. It is called once, before
	// Commit. The error of load ends it, and is its own.
	Load(load func(Record) error) error

	// Commit carries out all changes, in their order, or none of them. When it returns nil they outlive the loss of power. It is
	// called by one goroutine at a time, and keeps nothing of what it is given.
	Commit(changes []Change) error
}

// Record is what State keeps under a table, a name and a number.
type Record struct {
	Table, Name string
	Number      uint64 // below 1<<63
	Data        []byte
}

// Change is one step of State.Commit.
type Change struct {
	Op Op
	Record
}

// Op is what a Change does.
type Op uint8

// The operations.
const (
	Put           Op = iota // the record is there, whatever was there before
	DeleteThrough           // what its table has under its name is gone up to its number, that included; Data does not count
)

// Tables of State.
const (
	tableDataSets  = "dataset"
	tableControls  = "rcb"
	tableEntries   = "entry"
	tableSettings  = "setting"
	tableLogBlocks = "lcb"
	tableLogs      = "log"
	tableSchedules = "schedule"
	tableValues    = "value"
)

// A saver has records to keep. It is called with the lock held.
type saver interface {
	// unsaved appends the changes that State has yet to carry out.
	unsaved(changes []Change) []Change

	// saved says what has become of the changes that unsaved gave last: they are durable where kept is true. Otherwise unsaved is to
	// give them again, and what waits for them waits no longer.
	saved(kept bool)
}

// saving is the engine's side of State.
type saving struct {
	state   State
	dirty   []saver // that have something unsaved, each once
	asked   uint64  // times that save was called
	done    uint64  // value of asked when what was committed last was asked for
	turned  chan struct{}
	wake    chan struct{}
	failing bool // the last Commit has failed

	later time.Time // when what can wait is to be committed; zero: nothing waits

	forgotten forgotten
}

// saveRetry is how long Run waits after a Commit that has failed.
const saveRetry = 5 * time.Second

func newSaving(state State) saving {
	return saving{state: state, turned: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// loadState gives each record to who keeps its table, before the engine serves anybody.
func (e *Engine) loadState() error {
	if e.saving.state == nil {
		return nil
	}
	loaders := map[string]func(Record) error{
		tableDataSets:  e.loadDataSet,
		tableControls:  e.loadReportControl,
		tableEntries:   e.loadReportEntry,
		tableSettings:  e.loadSettings,
		tableLogBlocks: e.loadLogBlock,
		tableLogs:      e.loadLogEntry,
		tableSchedules: e.loadSchedule,
		tableValues:    e.loadValue,
	}
	err := e.saving.state.Load(func(r Record) error {
		if load := loaders[r.Table]; load != nil {
			return load(r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("acsi/server: what was kept of an earlier run: %w", err)
	}
	e.restoreLogs()
	return e.restoreReports()
}

// save sees to it that what s has unsaved is committed soon. It is called with the lock held. Without a State it is as good as done.
func (e *Engine) save(s saver) {
	if e.saving.state == nil {
		s.saved(true)
		return
	}
	e.saving.asked++
	if !slices.Contains(e.saving.dirty, s) {
		e.saving.dirty = append(e.saving.dirty, s)
	}
	e.wakeSaves()
}

// saveLagging is how long what can wait is not committed for its own sake.
const saveLagging = time.Second

// saveLater is save of what would be told again after a loss of power: it waits for other changes, or a second. It is called with the
// lock held.
func (e *Engine) saveLater(s saver) {
	if e.saving.state == nil {
		return
	}
	if !slices.Contains(e.saving.dirty, s) {
		e.saving.dirty = append(e.saving.dirty, s)
	}
	if e.saving.later.IsZero() {
		e.saving.later = e.cfg.Now().Add(saveLagging)
		e.alarm(e.saving.later)
	}
}

func (e *Engine) tickSaves(now time.Time) {
	if !e.saving.later.IsZero() && !now.Before(e.saving.later) {
		e.saving.later = time.Time{}
		e.wakeSaves()
	}
}

func (e *Engine) nextSave() time.Time { return e.saving.later }

func (e *Engine) wakeSaves() {
	select {
	case e.saving.wake <- struct{}{}:
	default:
	}
}

// saveAll waits until all that was to be saved is, or cannot be. It is called without the lock, as the rest of a service.
func (e *Engine) saveAll(ctx context.Context) error {
	e.mu.Lock()
	want := e.saving.asked
	for e.saving.done < want && e.saving.state != nil && !e.saving.failing {
		turned := e.saving.turned
		e.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-turned:
		}
		e.mu.Lock()
	}
	e.mu.Unlock()
	return nil
}

// runSaves commits what is unsaved, all that has come together at a time, until ctx ends; and then once more.
func (e *Engine) runSaves(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			e.commit()
			return
		case <-e.saving.wake:
		}
		if e.commit() {
			continue
		}
		retry := time.NewTimer(saveRetry)
		select {
		case <-ctx.Done():
		case <-retry.C:
		}
		retry.Stop()
	}
}

// commit lets State carry out what is unsaved. It is false where State could not.
func (e *Engine) commit() bool {
	e.mu.Lock()
	asked, dirty := e.saving.asked, e.saving.dirty
	if len(dirty) == 0 {
		e.mu.Unlock()
		return true
	}
	e.saving.dirty, e.saving.later = nil, time.Time{}
	var changes []Change
	for _, s := range dirty {
		changes = s.unsaved(changes)
	}
	e.mu.Unlock()
	var err error
	if len(changes) > 0 {
		err = e.saving.state.Commit(changes)
	}
	e.mu.Lock()
	for _, s := range dirty {
		s.saved(err == nil)
	}
	if err != nil {
		for _, s := range dirty {
			e.save(s)
		}
	}
	changed := e.saving.failing != (err != nil)
	e.saving.failing = err != nil
	e.saving.done = asked
	close(e.saving.turned)
	e.saving.turned = make(chan struct{})
	e.release()
	if changed {
		e.alarmOfState(err)
	}
	return err == nil
}

// alarmOfState tells the audit that nothing is durable any more, or that it is again.
func (e *Engine) alarmOfState(err error) {
	event := audit.Event{ID: audit.StateRestored, Time: e.cfg.Now(), Text: "the state of the IED outlives it again"}
	if err != nil {
		event.ID, event.Text = audit.StateLost, "the state of the IED is kept in memory alone: "+err.Error()
	}
	e.cfg.Audit.Record(event)
}
