package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/schedule"
	"busbar.example/value"
)

// keptNode is a logical node, a schedule or its controller, whose settings outlive the process, and of a schedule what it does.
type keptNode struct {
	e       *Engine
	ref     acsi.Ref
	machine *schedule.Machine // nil: there is none
	leaves  []keptLeaf
	by      map[string]int // the leaf of each path

	last, asked []byte // what State has, or has been asked to keep
}

type keptLeaf struct {
	path string
	leaf int
	node *acsi.Node
}

func (e *Engine) newKeptNode(ref acsi.Ref, machine *schedule.Machine) *keptNode {
	k := &keptNode{e: e, ref: ref, machine: machine, by: map[string]int{}}
	if p, ok := e.layout.points[ref.WithFC(acsi.SP)]; ok {
		k.add("", p.shape, p.first)
	}
	for i, l := range k.leaves {
		k.by[l.path] = i
	}
	return k
}

// add finds the leaves of sh, but those of arrays.
func (k *keptNode) add(path string, sh *shape, first int) {
	if sh.parts == nil && sh.elem == nil {
		k.leaves = append(k.leaves, keptLeaf{path, first, sh.node})
	}
	for _, part := range sh.parts {
		k.add(path+"."+part.node.Name, part, first)
		first += part.leafs
	}
}

// begin takes what the logical node is like at the start for what need not be kept, unless there is something that was.
func (k *keptNode) begin() {
	if k.last == nil {
		k.last = k.encode()
	}
}

// changed sees to it that State has what is to be kept now.
func (k *keptNode) changed() {
	if k.last != nil && !bytes.Equal(k.encode(), k.last) {
		k.e.save(k)
	}
}

// encode is what the schedule does, and the path of each setting with its value.
func (k *keptNode) encode() []byte {
	var kept schedule.Kept
	if k.machine != nil {
		kept = k.machine.Keep()
	}
	data, _ := value.StructureOf(value.Bool(kept.Enabled), k.e.instant(kept.Started), value.Uint(uint64(kept.Entries)),
		value.Uint(uint64(kept.Interval/time.Second))).AppendBinary(nil)
	for _, l := range k.leaves {
		data = append(binary.AppendUvarint(data, uint64(len(l.path))), l.path...)
		data, _ = k.e.values[l.leaf].AppendBinary(data)
	}
	return data
}

// unsaved is a saver's.
func (k *keptNode) unsaved(changes []Change) []Change {
	k.asked = k.encode()
	return append(changes, Change{Op: Put, Record: Record{Table: tableSchedules, Name: k.ref.Path(), Data: k.asked}})
}

// saved is a saver's.
func (k *keptNode) saved(kept bool) {
	if kept && k.asked != nil {
		k.last = k.asked
	}
	k.asked = nil
}

// loadSchedule takes in what was kept of a schedule or controller. What the model has no room for any more is forgotten.
func (e *Engine) loadSchedule(r Record) error {
	var k *keptNode
	for _, n := range e.schedules.list {
		if n.ref.Path() == r.Name {
			k = n.kept
		}
	}
	for _, c := range e.schedules.controllers {
		if c.ref.Path() == r.Name {
			k = c.kept
		}
	}
	if k == nil {
		return nil
	}
	head, data, err := value.DecodeBinary(r.Data)
	if err != nil || head.Kind() != value.Structure || head.Len() != 4 {
		return fmt.Errorf("schedule %s: %v", r.Name, err)
	}
	for len(data) > 0 {
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return fmt.Errorf("schedule %s: no path", r.Name)
		}
		path := string(data[n : n+int(length)])
		v, rest, err := value.DecodeBinary(data[n+int(length):])
		if err != nil {
			return fmt.Errorf("schedule %s: %s: %w", r.Name, path, err)
		}
		if i, ok := k.by[path]; ok && k.leaves[i].node.Check(v) == nil {
			e.values[k.leaves[i].leaf] = v
		}
		data = rest
	}
	k.last = r.Data
	if k.machine != nil {
		k.machine.Restore(keptOf(head))
	}
	return nil
}

// keptOf reads the head of a record.
func keptOf(head value.Value) schedule.Kept {
	entries, _ := head.At(2).Uint()
	seconds, _ := head.At(3).Uint()
	kept := schedule.Kept{Enabled: head.At(0).Bool(), Entries: int(min(entries, schedule.MaxValues)),
		Interval: time.Duration(min(seconds, uint64(schedule.MaxInterval/time.Second))) * time.Second}
	if started, ok := head.At(1).Time(); ok && head.At(1).UTC()>>8 != 0 {
		kept.Started = started
	}
	return kept
}
