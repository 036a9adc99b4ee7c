package report

import (
	"encoding/binary"
	"errors"
	"iter"
	"math"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// State is what of a buffered control block outlives the process, its entries apart.
type State struct {
	RptID, DataSet string
	ConfRev        uint32
	OptFlds        acsi.OptFlds
	TrgOps         acsi.TrgOps
	BufTm, IntgPd  uint32
	ResvTms        int16
	Owner          string // the address of for whom it is reserved; "": nobody
	Account        string // who may come back there
	Last, Sent     uint64 // numbers of the entries that were entered and sent last
	Overflow       bool   // entries are lost, and nobody was told yet
	Counts         Counts
}

// State is that of c now.
func (c *Control) State() State {
	s := State{RptID: c.rptID, DataSet: c.dataSet, ConfRev: c.confRev, OptFlds: c.optFlds, TrgOps: c.trgOps, BufTm: c.bufTm,
		IntgPd: c.intgPd, ResvTms: c.resvTms, Last: c.last, Sent: c.sent, Overflow: c.overflow, Counts: c.counts}
	if c.resvTms > 0 {
		s.Owner, s.Account = c.owner, c.account
	}
	return s
}

// Restore makes a control block that was just made what s says, with the entries in their order. The time of a reservation begins
// anew.
func (c *Control) Restore(now time.Time, s State, members []string, entries []Entry) {
	c.rptID, c.confRev, c.trgOps, c.bufTm, c.intgPd = s.RptID, s.ConfRev, s.TrgOps, s.BufTm, s.IntgPd
	c.optFlds = c.ownOptFlds(s.OptFlds)
	c.becomeDataSet(s.DataSet, members)
	c.last, c.sent, c.overflow, c.counts = s.Last, s.Sent, s.Overflow, s.Counts
	for _, e := range entries {
		e.size = sizeOf(e.Values)
		c.last = max(c.last, e.Number)
		c.append(e)
	}
	c.released = c.last
	c.show()
	if s.ResvTms > 0 && s.Owner != "" {
		c.resvTms, c.owner, c.account = min(s.ResvTms, c.cfg.MaxResvTms), s.Owner, s.Account
		c.until = now.Add(time.Duration(c.resvTms) * time.Second)
	}
	c.plan(now)
}

// Last is the number of the entry that was entered last, though it may be gone.
func (c *Control) Last() uint64 { return c.last }

// Oldest is the lowest number that an entry in the buffer has, or one more than Last.
func (c *Control) Oldest() uint64 {
	if c.first < len(c.entries) {
		return c.entries[c.first].Number
	}
	return c.last + 1
}

// After are the entries in the buffer that follow number. They must not be kept, nor c be changed meanwhile.
func (c *Control) After(number uint64) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := c.find(number); i < len(c.entries); i++ {
			if !yield(&c.entries[i]) {
				return
			}
		}
	}
}

// Entry is the entry of that number in the buffer, or nil. It must not be kept, nor c be changed meanwhile.
func (c *Control) Entry(number uint64) *Entry { return c.at(number) }

// Emptied are the numbers of the entries that were emptied since it was called last: of general interrogations the newest
// counts.
func (c *Control) Emptied() []uint64 {
	list := c.removed
	c.removed = nil
	return list
}

// AppendBinary appends s in the form that DecodeState reads. The error is always nil.
func (s State) AppendBinary(b []byte) ([]byte, error) {
	return value.StructureOf(value.Text(s.RptID), value.Text(s.DataSet), value.Uint(uint64(s.ConfRev)), value.Uint(uint64(s.OptFlds)),
		value.Uint(uint64(s.TrgOps)), value.Uint(uint64(s.BufTm)), value.Uint(uint64(s.IntgPd)), value.Uint(uint64(s.ResvTms)),
		value.Text(s.Owner), value.Uint(s.Last), value.Uint(s.Sent), value.Bool(s.Overflow), value.Uint(s.Counts.Generated),
		value.Uint(s.Counts.Sent), value.Uint(s.Counts.Overwritten), value.Text(s.Account)).AppendBinary(b)
}

const stateParts = 16

var errKept = errors.New("report: what was kept is damaged")

// DecodeState reads what AppendBinary has written.
func DecodeState(b []byte) (State, error) {
	v, rest, err := value.DecodeBinary(b)
	if err != nil || len(rest) > 0 || v.Len() != stateParts {
		return State{}, errKept
	}
	number := func(i int) uint64 { n, _ := v.At(i).Uint(); return n }
	return State{RptID: v.At(0).Text(), DataSet: v.At(1).Text(), ConfRev: uint32(number(2)), OptFlds: acsi.OptFlds(number(3)),
		TrgOps: acsi.TrgOps(number(4)), BufTm: uint32(number(5)), IntgPd: uint32(number(6)), ResvTms: int16(number(7)),
		Owner: v.At(8).Text(), Last: number(9), Sent: number(10), Overflow: v.At(11).Bool(),
		Counts: Counts{Generated: number(12), Sent: number(13), Overwritten: number(14)}, Account: v.At(15).Text()}, nil
}

// AppendBinary appends e, its number apart, in the form that DecodeEntry reads. The error is always nil.
func (e *Entry) AppendBinary(b []byte) ([]byte, error) {
	b = binary.BigEndian.AppendUint64(b, uint64(e.Time.UnixNano()))
	b = append(b, byte(e.Whole))
	b = binary.AppendUvarint(b, uint64(len(e.Values)))
	for _, in := range e.Values {
		b = binary.AppendUvarint(b, uint64(in.Member))
		b = append(b, byte(in.Why))
		b, _ = in.Value.AppendBinary(b)
	}
	return b, nil
}

// DecodeEntry reads what AppendBinary has written of the entry number, of a data set of so many members.
func DecodeEntry(number uint64, b []byte, members int) (Entry, error) {
	if len(b) < 9 {
		return Entry{}, errKept
	}
	e := Entry{Number: number, Time: time.Unix(0, int64(binary.BigEndian.Uint64(b))), Whole: acsi.Reason(b[8])}
	n, size := binary.Uvarint(b[9:])
	if size <= 0 || n > uint64(members) || n > math.MaxInt32 {
		return Entry{}, errKept
	}
	b = b[9+size:]
	if n > 0 {
		e.Values = make([]Included, n)
	}
	before := -1
	for i := range e.Values {
		member, size := binary.Uvarint(b)
		if size <= 0 || len(b) <= size || member >= uint64(members) || int(member) <= before {
			return Entry{}, errKept
		}
		before = int(member)
		v, rest, err := value.DecodeBinary(b[size+1:])
		if err != nil {
			return Entry{}, errKept
		}
		e.Values[i] = Included{Member: before, Value: v, Why: acsi.Reason(b[size])}
		b = rest
	}
	if len(b) > 0 {
		return Entry{}, errKept
	}
	return e, nil
}
