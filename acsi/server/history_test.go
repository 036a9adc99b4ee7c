package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// mortal is a State that may die with a Commit: then the power is cut, before the disk has written it or after.
type mortal struct {
	shelf
	dies, late bool
}

var errDies = errors.New("the power is cut")

func (m *mortal) Commit(changes []Change) error {
	if m.dies && !m.late {
		return errDies
	}
	if err := m.shelf.Commit(changes); err != nil {
		return err
	}
	if m.dies {
		return errDies
	}
	return nil
}

// history is a random life of one buffered report control block and its client, and what must come of it.
type history struct {
	t     *testing.T
	rnd   *rand.Rand
	trace []string
	state mortal
	now   time.Time
	bufTm uint64

	p      *plantBench
	client *session      // nil while it is away
	resume *acsi.EntryID // of the report that it has taken last; nil: none since the buffer was purged

	next     []float32 // by member: the value that it gets next
	pending  []float32 // by member: values that are not yet durable, and were not taken: those from here on
	expected []float32 // by member: the value that the client must see next
	overflow bool      // the buffer is so small that entries are lost
	gap      []bool    // by member: a loss was told of, and what comes next shows it
	reports  int
}

const historyMembers = 3

func (h *history) note(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

func (h *history) fail(format string, args ...any) {
	h.t.Helper()
	h.t.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(h.trace, "\n"))
}

// boot starts the IED with what the state holds.
func (h *history) boot() {
	h.p = newPlant(h.t, func(c *Config) {
		c.State, c.Now = &h.state, func() time.Time { return h.now }
		c.Model.LDs[0].LNs[0].Reports[0].BufTm = uint32(h.bufTm)
		if h.overflow {
			c.ReportBuffer = 3000
		}
	}, historyMembers, 0, 1)
	h.client = nil
}

// change gives a member or several a new value each: numbers that count up.
func (h *history) change() {
	var b strings.Builder
	for i := range historyMembers {
		if h.rnd.IntN(2) == 0 {
			fmt.Fprintf(&b, "%d=%g ", i, h.next[i])
			h.next[i]++
		}
	}
	h.note("change %s", &b)
	h.p.measure(b.String())
}

// commit writes what is to be durable; it all is then, but what waits for its buffer time.
func (h *history) commit() {
	h.note("commit")
	if !h.p.commit() {
		h.fail("commit failed")
	}
	if h.bufTm == 0 {
		copy(h.pending, h.next)
	}
}

// cut takes the power away, in a Commit or between two, and starts the IED again.
func (h *history) cut() {
	h.state.dies, h.state.late = h.rnd.IntN(2) == 0, h.rnd.IntN(2) == 0
	if h.state.dies {
		if dirty := len(h.p.saving.dirty) > 0; h.p.commit() == dirty {
			h.fail("the state dies, and the engine does not hear of it")
		}
		if h.state.late {
			copy(h.pending, h.next)
		}
	}
	h.note("power cut, in a commit %t, after it %t", h.state.dies, h.state.late)
	h.state.dies = false
	copy(h.next, h.pending) // what was not durable nobody has seen: its numbers come again
	h.boot()
}

// connect associates the client, which goes on after what it has seen.
func (h *history) connect() {
	if h.client != nil {
		h.note("disconnect")
		if err := h.client.Close(bg); err != nil {
			h.fail("close: %v", err)
		}
		h.client = nil
		return
	}
	h.client = h.p.associate("ann")
	id := acsi.EntryID{}
	if h.resume != nil {
		id = *h.resume
	}
	h.note("connect, go on after %d", id.Number())
	err := write(h.client, "LD/LLN0.b0.EntryID[BR]", value.Octets(id[:]))
	if err != nil && h.overflow { // its place is lost: it begins with the oldest, which it may have seen
		h.resume, h.expected, h.gap = nil, []float32{1, 1, 1}, []bool{true, true, true}
		err = write(h.client, "LD/LLN0.b0.EntryID[BR]", value.Octets(make([]byte, 8)))
	}
	if err != nil {
		h.fail("EntryID: %v", err)
	}
	if err := write(h.client, "LD/LLN0.b0.RptEna[BR]", value.Bool(true)); err != nil {
		h.fail("RptEna: %v", err)
	}
}

// take lets the client take some of the reports that are there.
func (h *history) take(most int) {
	for range most {
		if h.client == nil {
			return
		}
		n, err := h.client.take()
		if err != nil {
			h.fail("Next: %v", err)
		}
		if n == nil {
			return
		}
		h.taken(n.(*acsi.Report))
	}
}

// taken holds one report against what must come.
func (h *history) taken(r *acsi.Report) {
	h.reports++
	h.note("take %d: %s", r.EntryID.Number(), reportText(r))
	if h.resume != nil && r.EntryID.Number() <= h.resume.Number() {
		h.fail("entry %d comes after %d", r.EntryID.Number(), h.resume.Number())
	}
	h.resume = &r.EntryID
	if r.BufOvfl {
		h.gap = []bool{true, true, true}
	}
	for _, in := range r.Included {
		f, _ := in.Value.At(0).At(0).Float()
		got, want := float32(f), h.expected[in.Member]
		if in.Reason&acsi.ReasonDataChange == 0 {
			if got > h.next[in.Member] {
				h.fail("member %d is %g in a general interrogation, and was never", in.Member, got)
			}
			continue
		}
		if got < want || got > want && !(h.overflow && h.gap[in.Member]) {
			h.fail("member %d is %g, want %g", in.Member, got, want)
		}
		h.gap[in.Member] = false
		h.expected[in.Member] = got + 1
	}
}

// purge empties the buffer, of what the client has not seen.
func (h *history) purge() {
	if h.client != nil {
		return
	}
	h.note("purge")
	s := h.p.associate("bob")
	if err := s.Close(bg); err != nil {
		h.fail("close: %v", err)
	}
	s = h.p.associate("bob")
	h.p.mu.Lock() // the write waits for its commit: the test does both
	c := s.begin(acsi.SetDataValues)
	err := c.set(acsi.Assignment{Ref: acsi.MustRef("LD/LLN0.b0.PurgeBuf[BR]"), Value: value.Bool(true)})
	h.p.release()
	if err != nil {
		h.fail("PurgeBuf: %v", err)
	}
	h.commit()
	copy(h.pending, h.next)
	copy(h.expected, h.next)
	h.resume = nil
}

func (h *history) interrogate() {
	if h.client == nil {
		return
	}
	h.note("GI")
	if err := write(h.client, "LD/LLN0.b0.GI[BR]", value.Bool(true)); err != nil {
		h.fail("GI: %v", err)
	}
}

func (h *history) wait() {
	d := time.Duration(h.rnd.IntN(100)) * time.Millisecond
	h.note("wait %v", d)
	h.now = h.now.Add(d)
	h.p.Tick(h.now)
}

func (h *history) run(steps int, cuts bool) {
	h.now = noon
	h.next, h.pending, h.expected = []float32{1, 1, 1}, []float32{1, 1, 1}, []float32{1, 1, 1}
	h.gap = make([]bool, historyMembers)
	h.boot()
	for range steps {
		switch h.rnd.IntN(16) {
		case 0, 1, 2, 3, 4:
			h.change()
		case 5, 6:
			h.commit()
		case 7, 8, 9:
			h.take(1 + h.rnd.IntN(4))
		case 10, 11:
			h.connect()
		case 12:
			h.wait()
		case 13:
			h.interrogate()
		case 14:
			if cuts {
				h.cut()
			}
		case 15:
			if h.rnd.IntN(4) == 0 {
				h.purge()
			}
		}
	}
	h.now = h.now.Add(time.Hour)
	h.p.Tick(h.now)
	h.commit()
	if h.client == nil {
		h.connect()
	}
	h.take(1 << 20)
	for i, want := range h.next {
		if h.expected[i] != want && !h.overflow {
			h.fail("at the end member %d was seen up to %g, want up to %g", i, h.expected[i]-1, want-1)
		}
	}
}

// Whatever happens, and whenever the power is cut, the client sees each change once, in its order; of a buffer that is too small it
// sees what there was room for, in order.
func TestHistoriesOfABufferedControlBlock(t *testing.T) {
	seeds := 700
	if testing.Short() {
		seeds = 100
	}
	for _, tc := range []struct {
		name     string
		bufTm    uint64
		cuts     bool
		overflow bool
	}{{"each change by itself", 0, true, false}, {"buffer time", 50, false, false}, {"overflow", 0, true, true}} {
		t.Run(tc.name, func(t *testing.T) {
			reports := 0
			for seed := range seeds {
				h := &history{t: t, rnd: rand.New(rand.NewPCG(uint64(seed), 8)), bufTm: tc.bufTm, overflow: tc.overflow}
				h.note("seed %d", seed)
				h.run(60, tc.cuts)
				reports += h.reports
			}
			if reports < seeds*5 {
				t.Errorf("%d reports in %d histories prove little", reports, seeds)
			}
		})
	}
}
