package server

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/schedule"
	"busbar.example/value"
)

// keptSchedule is what a schedule does: it outlives the process.
type keptSchedule struct {
	e       *Engine
	ref     acsi.Ref
	machine *schedule.Machine

	last, asked []byte // what State has, or has been asked to keep
}

// begin takes what the schedule does at the start for what need not be kept, unless there is something that was.
func (k *keptSchedule) begin() {
	if k.last == nil {
		k.last = k.encode()
	}
}

// changed sees to it that State has what is to be kept now.
func (k *keptSchedule) changed() {
	if k.last != nil && !bytes.Equal(k.encode(), k.last) {
		k.e.save(k)
	}
}

func (k *keptSchedule) encode() []byte {
	kept := k.machine.Keep()
	data, _ := value.StructureOf(value.Bool(kept.Enabled), k.e.instant(kept.Started), value.Uint(uint64(kept.Entries)),
		value.Uint(uint64(kept.Interval/time.Second))).AppendBinary(nil)
	return data
}

// unsaved is a saver's.
func (k *keptSchedule) unsaved(changes []Change) []Change {
	k.asked = k.encode()
	return append(changes, Change{Op: Put, Record: Record{Table: tableSchedules, Name: k.ref.Path(), Data: k.asked}})
}

// saved is a saver's.
func (k *keptSchedule) saved(kept bool) {
	if kept && k.asked != nil {
		k.last = k.asked
	}
	k.asked = nil
}

// loadSchedule takes in what was kept of a schedule. One that the model has no more is forgotten.
func (e *Engine) loadSchedule(r Record) error {
	i := slices.IndexFunc(e.schedules.list, func(n *scheduleNode) bool { return n.ref.Path() == r.Name })
	if i < 0 {
		e.forget(r.Table, r.Name)
		return nil
	}
	v, rest, err := value.DecodeBinary(r.Data)
	if err != nil || len(rest) > 0 || v.Kind() != value.Structure || v.Len() != 4 {
		return fmt.Errorf("schedule %s: what was kept is damaged", r.Name)
	}
	k := &e.schedules.list[i].kept
	k.last = r.Data
	k.machine.Restore(keptOf(v))
	return nil
}

// keptOf reads a record.
func keptOf(v value.Value) schedule.Kept {
	entries, _ := v.At(2).Uint()
	seconds, _ := v.At(3).Uint()
	kept := schedule.Kept{Enabled: v.At(0).Bool(), Entries: int(min(entries, schedule.MaxValues)),
		Interval: time.Duration(min(seconds, uint64(schedule.MaxInterval/time.Second))) * time.Second}
	if started, ok := v.At(1).Time(); ok && v.At(1).UTC()>>8 != 0 {
		kept.Started = started
	}
	return kept
}
