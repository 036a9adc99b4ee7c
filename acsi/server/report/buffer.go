package report

import (
	"slices"
	"sort"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// Included is one member of the data set in an entry.
type Included struct {
	Member int
	Value  value.Value
	Why    acsi.Reason
}

// Entry is one report, before it is told how a client wants it.
type Entry struct {
	Number uint64 // its EntryID
	Time   time.Time
	Values []Included  // in the order of the data set; nil: a general interrogation that a later one stands for
	Whole  acsi.Reason // integrity or general interrogation, where it has all members
	SqNum  uint16      // of an unbuffered one
	size   int
}

// buffer is what is not yet sent and, of a buffered control block, what was sent and still has room. Numbers grow: each is at
// least the time of its entry in microseconds since 1970, so that none is used twice though all is lost but the clock.
type buffer struct {
	entries  []Entry
	first    int    // in entries; before it they are gone
	octets   int    // of what is there
	last     uint64 // the number that was given last
	sent     uint64 // the number up to which all was sent, or need not be
	released uint64 // the number up to which entries may be sent
	removed  []uint64
	overflow bool // entries that were not sent are lost, and nobody was told yet
}

// enter makes an entry. Where there is no room for it, the oldest are lost.
func (c *Control) enter(now time.Time, values []Included, whole acsi.Reason) {
	c.last = max(c.last+1, uint64(max(1, now.UnixMicro())))
	e := Entry{Number: c.last, Time: now, Values: values, Whole: whole, SqNum: c.sqNum, size: sizeOf(values)}
	c.counts.Generated++
	if c.cfg.Buffered {
		if whole == acsi.ReasonGeneralInterrogation {
			c.dropInterrogations()
		}
		if !c.enabled {
			c.shownID, c.shownAt = e.Number, e.Time
		}
	} else {
		c.sqNum = (c.sqNum + 1) & 0xff
		c.released = e.Number
	}
	c.append(e)
}

func (c *Control) append(e Entry) {
	c.entries = append(c.entries, e)
	c.octets += e.size
	for c.octets > c.cfg.Limit && len(c.entries)-c.first > 1 {
		c.dropOldest()
	}
	c.compact()
}

func (c *Control) dropOldest() {
	e := &c.entries[c.first]
	if e.Number > c.sent && e.Values != nil {
		c.overflow = true
		c.counts.Overwritten++
	}
	c.octets -= e.size
	*e = Entry{}
	c.first++
}

// compact gives back the room before first.
func (c *Control) compact() {
	if c.first > 16 && c.first > len(c.entries)/2 {
		c.entries = slices.Delete(c.entries, 0, c.first)
		c.first = 0
	}
}

// dropInterrogations empties the entries of earlier general interrogations: the newest tells more. Their numbers stay known,
// for clients that go on from one of them.
func (c *Control) dropInterrogations() {
	for i := c.first; i < len(c.entries); i++ {
		e := &c.entries[i]
		if e.Whole == acsi.ReasonGeneralInterrogation && e.Values != nil {
			c.octets += entrySize - e.size
			e.Values, e.size = nil, entrySize
			c.removed = append(c.removed, e.Number)
		}
	}
}

// purge empties the buffer, and forgets what is pending.
func (c *Control) purge() {
	clear(c.pending)
	c.waiting, c.deadline = 0, time.Time{}
	c.entries, c.first, c.octets, c.removed = nil, 0, 0, nil
	c.sent, c.overflow = c.last, false
	c.shownID, c.shownAt = 0, time.Time{}
}

// find is where the first entry after number is in entries.
func (c *Control) find(number uint64) int {
	return c.first + sort.Search(len(c.entries)-c.first, func(i int) bool { return c.entries[c.first+i].Number > number })
}

// at is the entry of that number, or nil.
func (c *Control) at(number uint64) *Entry {
	if i := c.find(number) - 1; i >= c.first && c.entries[i].Number == number {
		return &c.entries[i]
	}
	return nil
}

// resume makes the entry after number the next; it is false where there is no entry of that number.
func (c *Control) resume(number uint64) bool {
	if number != 0 && c.at(number) == nil {
		return false
	}
	c.sent = number
	return true
}

func (c *Control) timeOf(number uint64) time.Time {
	if e := c.at(number); e != nil {
		return e.Time
	}
	return time.Time{}
}

// show makes the entry that was entered last the one that is read.
func (c *Control) show() {
	if n := len(c.entries); n > c.first {
		c.shownID, c.shownAt = c.entries[n-1].Number, c.entries[n-1].Time
	}
}

// Release lets all entries up to number be sent: of a buffered control block none is, before. It is true where one can be taken now.
func (c *Control) Release(number uint64) bool {
	c.released = max(c.released, number)
	return c.Ready()
}

// Ready reports whether Take has a report.
func (c *Control) Ready() bool { return c.enabled && c.nextEntry() != nil }

// nextEntry is what is to be sent next, or nil.
func (c *Control) nextEntry() *Entry {
	for i := c.find(c.sent); i < len(c.entries) && c.entries[i].Number <= c.released; i++ {
		if c.entries[i].Values != nil {
			return &c.entries[i]
		}
	}
	return nil
}

// Take is the next report, as the client wants it, or nil. It counts as sent.
func (c *Control) Take() *acsi.Report {
	if !c.enabled {
		return nil
	}
	e := c.nextEntry()
	if e == nil {
		return nil
	}
	r := c.report(e)
	c.sent, c.overflow = e.Number, false
	c.counts.Sent++
	if c.cfg.Buffered {
		c.sqNum++
		c.shownID, c.shownAt = e.Number, e.Time
		return r
	}
	c.octets -= e.size
	*e = Entry{Number: e.Number}
	for c.first < len(c.entries) && c.entries[c.first].Number <= c.sent {
		c.first++
	}
	c.compact()
	return r
}

// report tells e as OptFlds ask.
func (c *Control) report(e *Entry) *acsi.Report {
	r := &acsi.Report{RptID: c.rptID, OptFlds: c.optFlds, Time: e.Time.UTC().Truncate(time.Millisecond), DataSet: c.dataSet, ConfRev: c.confRev,
		SeqNum: e.SqNum, SetSize: len(c.members), Included: make([]acsi.ReportEntry, len(e.Values))}
	if r.RptID == "" {
		r.RptID = c.cfg.Name
	}
	if c.cfg.Buffered {
		r.SeqNum, r.BufOvfl, r.EntryID = c.sqNum, c.overflow, acsi.EntryNumber(e.Number)
	}
	for i, v := range e.Values {
		in := acsi.ReportEntry{Member: v.Member, Value: v.Value}
		if c.optFlds&acsi.OptDataRef != 0 {
			in.Ref = c.members[v.Member]
		}
		if c.optFlds&acsi.OptReason != 0 {
			in.Reason = v.Why
		}
		r.Included[i] = in
	}
	return r
}

// entrySize and valueSize are about what an entry and a value take in memory, in octets.
const (
	entrySize = 96
	valueSize = 56
)

func sizeOf(values []Included) int {
	size := entrySize
	for _, in := range values {
		size += 16 + valueOctets(in.Value)
	}
	return size
}

func valueOctets(v value.Value) int {
	size := valueSize + len(v.Text()) + len(v.Packed())
	for i := range v.Len() {
		size += valueOctets(v.At(i))
	}
	return size
}
