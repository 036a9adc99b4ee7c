// Package journal is what an IED logs as pure machines: a log, which is a bounded row of entries, and the log control
// block, which tells what is entered.
package journal

import (
	"slices"
	"sort"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// DefaultLimit is how much a log holds where nothing else is configured, in octets.
const DefaultLimit = 8 << 20

// Log is a row of entries in the order in which they were entered. Where it is full, the oldest make room. It is used by one
// goroutine at a time. The zero Log is empty, and holds DefaultLimit.
//
// Entries have numbers that grow: each is at least the time of its entry in microseconds since 1970, so that
// no number is used twice although the log is lost, as long as the clock is not set back meanwhile.
//
// IEC 61850-7-2, 17.3.3, LOG.
type Log struct {
	Limit int // octets of memory that it holds at most, though always one entry; 0: DefaultLimit

	entries []acsi.LogEntry
	first   int // before it they are gone
	octets  int
	last    uint64 // number of the entry that was entered last, though it may be gone
}

// Append enters values at now, and gives the entry and how many of the oldest made room for it. The log keeps values.
func (l *Log) Append(now time.Time, values []acsi.LogValue) (entered acsi.LogEntry, gone int) {
	l.last = max(l.last+1, uint64(max(1, now.UnixMicro())))
	entered = acsi.LogEntry{ID: acsi.EntryNumber(l.last), Time: now.UTC().Truncate(time.Millisecond), Values: values}
	return entered, l.add(entered)
}

// Restore puts back entries, oldest first, that were entered before the log was made. It gives how many of them made
// room for others.
func (l *Log) Restore(entries []acsi.LogEntry) (gone int) {
	for _, e := range entries {
		if n := e.ID.Number(); n > l.last {
			l.last = n
			gone += l.add(e)
		}
	}
	return gone
}

func (l *Log) add(e acsi.LogEntry) (gone int) {
	limit := l.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	l.entries = append(l.entries, e)
	l.octets += sizeOf(e)
	for l.octets > limit && l.Len() > 1 {
		l.octets -= sizeOf(l.entries[l.first])
		l.entries[l.first] = acsi.LogEntry{}
		l.first++
		gone++
	}
	if l.first > len(l.entries)/2 {
		l.entries = slices.Delete(l.entries, 0, l.first)
		l.first = 0
	}
	return gone
}

// Len is how many entries there are.
func (l *Log) Len() int { return len(l.entries) - l.first }

// Oldest is the entry that would make room next; ok is false where there is none.
func (l *Log) Oldest() (e acsi.LogEntry, ok bool) {
	if l.Len() == 0 {
		return acsi.LogEntry{}, false
	}
	return l.entries[l.first], true
}

// Newest is the entry that was entered last; ok is false where there is none.
func (l *Log) Newest() (e acsi.LogEntry, ok bool) {
	if l.Len() == 0 {
		return acsi.LogEntry{}, false
	}
	return l.entries[len(l.entries)-1], true
}

// Page bounds an answer.
type Page struct {
	Entries, Octets int // at most; one entry is always given
}

// Between gives the entries from one time to another, both included; a zero time leaves that side open. more says that
// there are others, after the last that is given. The values of the entries must not be changed.
//
// IEC 61850-7-2, 17.3.5.2, QueryLogByTime.
func (l *Log) Between(from, to time.Time, page Page) (entries []acsi.LogEntry, more bool) {
	return page.of(l.entries[l.first:], func(e acsi.LogEntry) bool {
		return (from.IsZero() || !e.Time.Before(from)) && (to.IsZero() || !e.Time.After(to))
	})
}

// After gives the entries that follow the one called id; where that has made room for others, all that are left, so that
// who asks again and again misses nothing that is there. Where id is zero, it gives those of a later time than at.
//
// IEC 61850-7-2, 17.3.5.3, QueryLogAfter.
func (l *Log) After(at time.Time, id acsi.EntryID, page Page) (entries []acsi.LogEntry, more bool) {
	all := l.entries[l.first:]
	if id == (acsi.EntryID{}) {
		return page.of(all, func(e acsi.LogEntry) bool { return e.Time.After(at) })
	}
	after := sort.Search(len(all), func(i int) bool { return all[i].ID.Number() > id.Number() })
	return page.of(all[after:], func(acsi.LogEntry) bool { return true })
}

// of gives the first of all that fit.
func (p Page) of(all []acsi.LogEntry, fits func(acsi.LogEntry) bool) (entries []acsi.LogEntry, more bool) {
	octets := 0
	for _, e := range all {
		if !fits(e) {
			continue
		}
		octets += sizeOf(e)
		if len(entries) > 0 && (len(entries) >= p.Entries || octets > p.Octets) {
			return entries, true
		}
		entries = append(entries, e)
	}
	return entries, false
}

// sizeOf is about how many octets of memory an entry takes. Names are the model's.
func sizeOf(e acsi.LogEntry) int {
	n := 64
	for _, v := range e.Values {
		n += 40 + sizeOfValue(v.Value)
	}
	return n
}

func sizeOfValue(v value.Value) int {
	n := 64
	switch v.Kind() {
	case value.Array, value.Structure:
		for i := range v.Len() {
			n += sizeOfValue(v.At(i))
		}
	default:
		n += len(v.Text()) + len(v.Packed())
	}
	return n
}
