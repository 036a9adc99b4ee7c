package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/journal"
	"busbar.example/value"
)

// keptAtOnce bounds what of a log one Commit is to take.
var keptAtOnce = journal.Page{Entries: 4096, Octets: 4 << 20}

// keeping is how far State has what a log holds.
type keeping struct {
	kept  acsi.EntryID // the newest entry that it has; zero: none
	asked acsi.EntryID // what kept is to be, once that is done
	more  bool         // there are others after asked
	trim  bool         // it may have entries that made room
}

// unsaved is a saver's. An entry that makes room for others before State has it, State never gets.
func (l *log) unsaved(changes []Change) []Change {
	var entries []acsi.LogEntry
	entries, l.more = l.After(time.Time{}, l.kept, keptAtOnce)
	l.asked = l.kept
	for _, entry := range entries {
		l.asked = entry.ID
		changes = append(changes, Change{Op: Put, Record: Record{Table: tableLogs, Name: l.ref.Path(), Number: entry.ID.Number(), Data: appendEntry(nil, entry)}})
	}
	if oldest, ok := l.Oldest(); ok && l.trim {
		l.trim = false
		changes = append(changes, Change{Op: DeleteThrough, Record: Record{Table: tableLogs, Name: l.ref.Path(), Number: oldest.ID.Number() - 1}})
	}
	return changes
}

// saved is a saver's.
func (l *log) saved(kept bool) {
	if !kept {
		l.trim = true
		return
	}
	l.kept = l.asked
	if l.more {
		l.more = false
		l.e.save(l)
	}
}

// unsaved is a saver's: the control block is kept as LogEna, DatSet, TrgOps and IntgPd are.
func (b *logBlock) unsaved(changes []Change) []Change {
	kept := make([]value.Value, len(keptOfBlock))
	for i, name := range keptOfBlock {
		kept[i] = b.e.values[b.leaf[name]]
	}
	data, _ := value.StructureOf(kept...).AppendBinary(nil) // never an error
	return append(changes, Change{Op: Put, Record: Record{Table: tableLogBlocks, Name: b.cfg.Ref.Path(), Data: data}})
}

var keptOfBlock = []string{"LogEna", "DatSet", "TrgOps", "IntgPd"}

// saved is a saver's: where it was not kept, unsaved gives all again.
func (b *logBlock) saved(bool) {}

// loadLogBlock takes in how clients had set a control block. What the model has no room for any more is forgotten.
func (e *Engine) loadLogBlock(r Record) error {
	ref, err := acsi.ParseRef(r.Name)
	if err != nil {
		return fmt.Errorf("log control block: %w", err)
	}
	b := e.logs.blocks[ref.WithFC(acsi.LG)]
	if b == nil {
		return nil
	}
	v, _, err := value.DecodeBinary(r.Data)
	if err != nil || v.Kind() != value.Structure || v.Len() != len(keptOfBlock) {
		return fmt.Errorf("log control block %s: not its attributes: %v", ref, err)
	}
	b.disable()
	if !e.cfg.Model.Services.FixedLog && b.setDataSet(v.At(1).Text()) == nil {
		for i, name := range keptOfBlock[2:] {
			if attribute, err := ref.WithFC(acsi.LG).Child(name); err == nil && e.layout.points[attribute].shape.node.Check(v.At(2+i)) == nil {
				e.change(b.leaf[name], v.At(2+i))
			}
		}
	}
	if v.At(0).Bool() && b.set != nil {
		return b.enable(e.cfg.Now())
	}
	return nil
}

// appendEntry appends e as it is kept: its time in milliseconds, and of each value the reference, the reason and itself.
func appendEntry(b []byte, e acsi.LogEntry) []byte {
	b = binary.AppendVarint(b, e.Time.UnixMilli())
	for _, v := range e.Values {
		ref := v.Ref.String()
		b = append(binary.AppendUvarint(b, uint64(len(ref))), ref...)
		b = append(b, byte(v.Reason))
		b, _ = v.Value.AppendBinary(b) // never an error
	}
	return b
}

var errEntry = errors.New("not an entry of a log")

// parseEntry reads what appendEntry has written.
func (e *Engine) parseEntry(number uint64, b []byte) (acsi.LogEntry, error) {
	ms, n := binary.Varint(b)
	if n <= 0 {
		return acsi.LogEntry{}, errEntry
	}
	entry := acsi.LogEntry{ID: acsi.EntryNumber(number), Time: time.UnixMilli(ms).UTC()}
	for b = b[n:]; len(b) > 0; {
		length, n := binary.Uvarint(b)
		if n <= 0 || length >= uint64(len(b)-n) {
			return acsi.LogEntry{}, errEntry
		}
		text, rest := b[n:n+int(length)], b[n+int(length):]
		ref, known := e.logs.loaded[string(text)]
		if !known {
			var err error
			if ref, err = acsi.ParseRef(string(text)); err != nil {
				return acsi.LogEntry{}, err
			}
			e.logs.loaded[string(text)] = ref
		}
		v, after, err := value.DecodeBinary(rest[1:])
		if err != nil {
			return acsi.LogEntry{}, err
		}
		entry.Values = append(entry.Values, acsi.LogValue{Ref: ref, Reason: acsi.Reason(rest[0]), Value: v})
		b = after
	}
	return entry, nil
}

// loadLogEntry takes in an entry of an earlier run. That of a log that the model has no more is left where it is.
func (e *Engine) loadLogEntry(r Record) error {
	ref, err := acsi.ParseRef(r.Name)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	l := e.logs.by[ref]
	if l == nil {
		return nil
	}
	entry, err := e.parseEntry(r.Number, r.Data)
	if err != nil {
		return fmt.Errorf("entry %d of the log %s: %w", r.Number, ref, err)
	}
	gone := l.Restore([]acsi.LogEntry{entry})
	l.trim = l.trim || gone > 0
	l.kept = entry.ID
	return nil
}

// restoreLogs is called when all entries are loaded.
func (e *Engine) restoreLogs() {
	e.logs.loaded = nil
	for _, l := range e.logs.by {
		l.show()
		if l.trim {
			e.save(l)
		}
	}
}
