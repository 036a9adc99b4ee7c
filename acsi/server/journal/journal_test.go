package journal

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"busbar.example/acsi"
	"busbar.example/value"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func one(n int64) []acsi.LogValue {
	return []acsi.LogValue{{Ref: acsi.MustRef("LD/GGIO1.Ind1[ST]"), Value: value.Int(n), Reason: acsi.ReasonDataChange}}
}

// numbers are the values of entries that one made.
func numbers(entries []acsi.LogEntry) []int64 {
	all := []int64{}
	for _, e := range entries {
		n, _ := e.Values[0].Value.Int()
		all = append(all, n)
	}
	return all
}

// filled is a log with n entries, a second apart from start on.
func filled(n int) *Log {
	var l Log
	for i := range n {
		l.Append(start.Add(time.Duration(i)*time.Second), one(int64(i)))
	}
	return &l
}

var whole = Page{Entries: 1 << 20, Octets: 1 << 30}

func TestBetweenTimesBothIncluded(t *testing.T) {
	l := filled(5)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	for _, test := range []struct {
		name     string
		from, to time.Time
		want     []int64
	}{
		{"all", time.Time{}, time.Time{}, []int64{0, 1, 2, 3, 4}},
		{"from one on", at(2), time.Time{}, []int64{2, 3, 4}},
		{"up to one", time.Time{}, at(2), []int64{0, 1, 2}},
		{"one", at(2), at(2), []int64{2}},
		{"between two", at(0.5), at(2.5), []int64{1, 2}},
		{"before all", time.Time{}, at(-1), []int64{}},
		{"after all", at(5), time.Time{}, []int64{}},
		{"the wrong way round", at(3), at(1), []int64{}},
	} {
		got, more := l.Between(test.from, test.to, whole)
		if diff := cmp.Diff(test.want, numbers(got)); diff != "" || more {
			t.Errorf("%s: more %t (-want +got):\n%s", test.name, more, diff)
		}
	}
}

func TestAfterAnEntry(t *testing.T) {
	l := filled(5)
	all, _ := l.Between(time.Time{}, time.Time{}, whole)
	for _, test := range []struct {
		name string
		at   time.Time
		id   acsi.EntryID
		want []int64
	}{
		{"the first", all[0].Time, all[0].ID, []int64{1, 2, 3, 4}},
		{"the first, with another time", all[3].Time, all[0].ID, []int64{1, 2, 3, 4}},
		{"the last", all[4].Time, all[4].ID, []int64{}},
		{"one that is gone", start, acsi.EntryNumber(1), []int64{0, 1, 2, 3, 4}},
		{"one that was never there", start, acsi.EntryNumber(all[2].ID.Number() + 1), []int64{3, 4}},
		{"one of a far time", start, acsi.EntryNumber(1<<64 - 1), []int64{}},
		{"none, but a time", all[2].Time, acsi.EntryID{}, []int64{3, 4}},
		{"none, and no time", time.Time{}, acsi.EntryID{}, []int64{0, 1, 2, 3, 4}},
	} {
		got, more := l.After(test.at, test.id, whole)
		if diff := cmp.Diff(test.want, numbers(got)); diff != "" || more {
			t.Errorf("%s: more %t (-want +got):\n%s", test.name, more, diff)
		}
	}
}

func TestPagesAreBounded(t *testing.T) {
	l := filled(10)
	size := sizeOf(acsi.LogEntry{Values: one(0)})
	for _, test := range []struct {
		name string
		page Page
		want []int64 // first page
	}{
		{"by entries", Page{Entries: 3, Octets: 1 << 20}, []int64{0, 1, 2}},
		{"by octets", Page{Entries: 100, Octets: 2*size + 1}, []int64{0, 1}},
		{"one at least", Page{Entries: 1, Octets: 1}, []int64{0}},
		{"just all", Page{Entries: 10, Octets: 10 * size}, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
	} {
		got, more := l.Between(time.Time{}, time.Time{}, test.page)
		if diff := cmp.Diff(test.want, numbers(got)); diff != "" || more != (len(test.want) < 10) {
			t.Errorf("%s: more %t (-want +got):\n%s", test.name, more, diff)
		}
		all := got // and the others follow
		for more {
			last := all[len(all)-1]
			got, more = l.After(last.Time, last.ID, test.page)
			all = append(all, got...)
		}
		if diff := cmp.Diff([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, numbers(all)); diff != "" {
			t.Errorf("%s, all pages (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestTheOldestMakeRoom(t *testing.T) {
	size := sizeOf(acsi.LogEntry{Values: one(0)})
	l := Log{Limit: 3 * size}
	gone := 0
	for i := range int64(100) {
		_, n := l.Append(start, one(i))
		gone += n
	}
	got, _ := l.Between(time.Time{}, time.Time{}, whole)
	if diff := cmp.Diff([]int64{97, 98, 99}, numbers(got)); diff != "" || gone != 97 || l.Len() != 3 {
		t.Errorf("%d are gone, %d left (-want +got):\n%s", gone, l.Len(), diff)
	}
	if cap(l.entries) > 16 {
		t.Errorf("room for %d entries is kept", cap(l.entries))
	}
	long := []acsi.LogValue{{Value: value.Text(string(make([]byte, 10*size)))}}
	if _, n := l.Append(start, long); n != 3 || l.Len() != 1 {
		t.Errorf("an entry beyond the limit: %d are gone, %d left, want 3 and 1", n, l.Len())
	}
}

func TestNumbersGrowWhateverTheClockDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Log
		now, last := start, uint64(0)
		for range rapid.IntRange(1, 30).Draw(t, "entries") {
			now = now.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "step")))
			e, _ := l.Append(now, nil)
			if e.ID.Number() <= last || e.ID.Number() < uint64(now.UnixMicro()) {
				t.Fatalf("entry %d at %v after %d", e.ID.Number(), now, last)
			}
			if e.Time.Sub(now).Abs() >= time.Millisecond || e.Time.Nanosecond()%1e6 != 0 {
				t.Fatalf("entered at %v, told is %v", now, e.Time)
			}
			last = e.ID.Number()
		}
	})
}

func TestNoEntryIsCalledZero(t *testing.T) {
	var l Log
	if e, _ := l.Append(time.Time{}, nil); e.ID == (acsi.EntryID{}) {
		t.Error("the entry of a clock that tells the year 1 has the id of none")
	}
}

func TestRestoredEntriesAreThereAndNoNumberIsUsedTwice(t *testing.T) {
	old, _ := filled(5).Between(time.Time{}, time.Time{}, whole)
	size := sizeOf(old[0])
	l := Log{Limit: 3 * size}
	if gone := l.Restore(old); gone != 2 {
		t.Errorf("%d made room, want 2", gone)
	}
	if gone := l.Restore(old[:1]); gone != 0 || l.Len() != 3 {
		t.Errorf("an entry out of order: %d made room, %d left, want 0 and 3", gone, l.Len())
	}
	e, _ := l.Append(start, one(5)) // at a time when others were entered
	if e.ID.Number() <= old[4].ID.Number() {
		t.Errorf("the number %d was used before", e.ID.Number())
	}
	got, _ := l.Between(time.Time{}, time.Time{}, whole)
	if diff := cmp.Diff([]int64{3, 4, 5}, numbers(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	oldest, _ := l.Oldest()
	newest, _ := l.Newest()
	if oldest.ID != old[3].ID || newest.ID != e.ID {
		t.Errorf("oldest %v, newest %v", oldest.ID, newest.ID)
	}
}

func TestAnEmptyLogHasNoEnds(t *testing.T) {
	var l Log
	if _, ok := l.Oldest(); ok {
		t.Error("there is an oldest")
	}
	if _, ok := l.Newest(); ok {
		t.Error("there is a newest")
	}
}

func TestControlCollectsWhatItsOptionsSay(t *testing.T) {
	const all = acsi.TrgDataChange | acsi.TrgQualityChange | acsi.TrgDataUpdate | acsi.TrgIntegrity | acsi.TrgGeneralInterrogation
	for _, test := range []struct {
		name   string
		trgOps acsi.TrgOps
		marks  []Change // a trigger has the bits of its reason
		want   []Change
	}{
		{"each trigger", all, []Change{{0, acsi.ReasonDataChange}, {1, acsi.ReasonQualityChange}, {2, acsi.ReasonDataUpdate}},
			[]Change{{0, acsi.ReasonDataChange}, {1, acsi.ReasonQualityChange}, {2, acsi.ReasonDataUpdate}}},
		{"in the order of the changes", all, []Change{{2, acsi.ReasonDataChange}, {0, acsi.ReasonDataChange}},
			[]Change{{2, acsi.ReasonDataChange}, {0, acsi.ReasonDataChange}}},
		{"a member is once there", all, []Change{{0, acsi.ReasonDataChange}, {0, acsi.ReasonQualityChange}},
			[]Change{{0, acsi.ReasonDataChange | acsi.ReasonQualityChange}}},
		{"an option that is not set", acsi.TrgQualityChange, []Change{{0, acsi.ReasonDataChange}, {1, acsi.ReasonQualityChange}, {2, acsi.ReasonDataUpdate}},
			[]Change{{1, acsi.ReasonQualityChange}}},
		{"no option", 0, []Change{{0, acsi.ReasonDataChange}}, nil},
		{"integrity and interrogation are no changes", all, []Change{{0, acsi.ReasonIntegrity | acsi.ReasonGeneralInterrogation}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var c Control
			c.Enable(3, test.trgOps, 0, start)
			marked := false
			for _, m := range test.marks {
				marked = c.Mark(m.Member, acsi.TrgOps(m.Reason)) || marked
			}
			if diff := cmp.Diff(test.want, c.Take(nil)); diff != "" || marked != (test.want != nil) {
				t.Errorf("marked %t (-want +got):\n%s", marked, diff)
			}
			if again := c.Take(nil); again != nil {
				t.Errorf("taken twice: %v", again)
			}
		})
	}
}

func TestControlThatIsNotEnabledCollectsNothing(t *testing.T) {
	var c Control
	if c.Enabled() || c.Mark(0, acsi.TrgDataChange) || c.Take(nil) != nil || c.Integrity(start) {
		t.Error("a new one collects")
	}
	c.Enable(2, acsi.TrgDataChange|acsi.TrgIntegrity, time.Second, start)
	c.Mark(1, acsi.TrgDataChange)
	c.Disable()
	if c.Enabled() || c.Mark(0, acsi.TrgDataChange) || c.Take(nil) != nil || c.Integrity(start.Add(time.Hour)) || !c.Next().IsZero() {
		t.Error("one that was disabled collects")
	}
	c.Enable(1, acsi.TrgDataChange, 0, start)
	if got := c.Take(nil); got != nil {
		t.Errorf("what was collected before it was enabled again: %v", got)
	}
}

func TestIntegrityComesOnceEachPeriod(t *testing.T) {
	for _, test := range []struct {
		trgOps acsi.TrgOps
		intgPd time.Duration
		want   string
	}{
		{acsi.TrgIntegrity, 10 * time.Second, "10s 20s 30s 40s 50s 60s"},
		{acsi.TrgIntegrity, 0, ""},
		{acsi.TrgDataChange, 10 * time.Second, ""},
	} {
		var c Control
		c.Enable(1, test.trgOps, test.intgPd, start)
		got := ""
		for now := c.Next(); !now.IsZero() && now.Sub(start) <= time.Minute; now = c.Next() {
			if c.Integrity(now.Add(-1)) || !c.Integrity(now) || c.Integrity(now) {
				t.Fatalf("%v, %v: at %v it is not due once", test.trgOps, test.intgPd, now)
			}
			got += fmt.Sprintf(" %ds", now.Sub(start)/time.Second)
		}
		if want := test.want; got != "" && got[1:] != want || got == "" && want != "" {
			t.Errorf("%v, %v: got%s, want %s", test.trgOps, test.intgPd, got, want)
		}
	}
	var c Control
	c.Enable(1, acsi.TrgIntegrity, 10*time.Second, start)
	if late := start.Add(35 * time.Second); !c.Integrity(late) || !c.Next().Equal(start.Add(40*time.Second)) {
		t.Errorf("asked late: next is %v", c.Next())
	}
}
