package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

const (
	lcb   = "FDR1LD0/LLN0.lcbEvents"
	start = "FDR1LD0/PTOC1.Str.general[ST]" // of member 0 of the data set that is logged
	trip  = "FDR1LD0/PTRC1.Tr.general[ST]"  // of member 4
)

var events = acsi.MustRef("FDR1LD0/LLN0.Events")

// change lets the process set a value, and the time and quality beside it.
func (b *bench) change(t testing.TB, ref string, v value.Value, q acsi.Quality) {
	t.Helper()
	h, err := b.Handle(acsi.MustRef(ref))
	if err != nil {
		t.Fatal(err)
	}
	b.Update(func(tx *Tx) { err = tx.SetStamped(h, v, q, tx.Now()) })
	if err != nil {
		t.Fatal(err)
	}
}

// logged is what the log has, an entry in a word: seconds after noon, and of each value its data object, its first component and
// the reason.
func logged(t testing.TB, s acsi.Services) []string {
	t.Helper()
	entries, more, err := s.QueryLogByTime(bg, events, time.Time{}, time.Time{})
	if err != nil || more {
		t.Fatalf("more: %t, %v", more, err)
	}
	return words(entries)
}

func words(entries []acsi.LogEntry) []string {
	all := []string{}
	for _, e := range entries {
		text := fmt.Sprint(e.Time.Sub(noon).Seconds())
		for _, v := range e.Values {
			reason := ""
			if v.Reason != 0 {
				reason = ":" + v.Reason.String()
			}
			text += fmt.Sprintf(" %s=%v%s", v.Ref.Name(), v.Value.At(0), reason)
		}
		all = append(all, text)
	}
	return all
}

// Conformance: sLog1, sLog3.
func TestLogControlBlockTellsWhatItIs(t *testing.T) {
	b := feederBench(t, Config{})
	s := b.as(rbac.Viewer)
	if got, err := s.GetLogs(bg, acsi.MustRef("FDR1LD0/LLN0")); err != nil || !slices.Equal(got, []string{"Events"}) {
		t.Errorf("GetLogs: %v, %v", got, err)
	}
	if got, err := s.GetLogs(bg, acsi.MustRef("FDR1LD0/XCBR1")); err != nil || len(got) > 0 {
		t.Errorf("GetLogs of a node without one: %v, %v", got, err)
	}
	none := value.Octets(make([]byte, 8))
	want := value.StructureOf(value.Bool(true), value.Visible("FDR1LD0/LLN0$Events"), value.Visible("FDR1LD0/LLN0$Protection"),
		value.BinTimeOf(time.Time{}), value.BinTimeOf(time.Time{}), none, none, (acsi.TrgDataChange | acsi.TrgQualityChange).Value(), value.Uint(0))
	if got := get(t, s, lcb+"[LG]"); !got.Equal(want) {
		t.Errorf("an empty log:\ngot  %v\nwant %v", got, want)
	}
	b.change(t, start, value.Bool(true), 0)
	b.now = noon.Add(time.Second)
	b.change(t, start, value.Bool(false), 0)
	entries, _, err := s.QueryLogByTime(bg, events, time.Time{}, time.Time{})
	if err != nil || len(entries) != 2 {
		t.Fatalf("got %d entries, %v", len(entries), err)
	}
	for attribute, want := range map[string]value.Value{
		"OldEntrTm": value.BinTimeOf(noon), "NewEntrTm": value.BinTimeOf(b.now),
		"OldEntr": value.Octets(entries[0].ID[:]), "NewEntr": value.Octets(entries[1].ID[:]),
	} {
		if got := get(t, s, lcb+"."+attribute+"[LG]"); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", attribute, got, want)
		}
	}
}

// Conformance: sLog2, sLog4.
func TestEntriesAreMadeAsTheControlBlockSays(t *testing.T) {
	const all = acsi.TrgDataChange | acsi.TrgQualityChange | acsi.TrgDataUpdate | acsi.TrgIntegrity
	for _, test := range []struct {
		name   string
		trgOps acsi.TrgOps
		intgPd uint64
		do     func(*testing.T, *bench)
		want   []string
	}{
		{"a value changes", all, 0, func(t *testing.T, b *bench) { b.change(t, start, value.Bool(true), 0) }, []string{"0 Str=true:dchg"}},
		{"and back", all, 0, func(t *testing.T, b *bench) {
			b.change(t, start, value.Bool(true), 0)
			b.wait(time.Second)
			b.change(t, start, value.Bool(false), 0)
		}, []string{"0 Str=true:dchg", "1 Str=false:dchg"}},
		{"a quality changes", all, 0, func(t *testing.T, b *bench) { b.change(t, start, value.Bool(false), acsi.QualityQuestionable) }, []string{"0 Str=false:qchg"}},
		{"both are one entry", all, 0, func(t *testing.T, b *bench) { b.change(t, start, value.Bool(true), acsi.QualityQuestionable) }, []string{"0 Str=true:dchg,qchg"}},
		{"nothing changes", all, 0, func(t *testing.T, b *bench) { b.change(t, start, value.Bool(false), 0) }, []string{}},
		{"dchg is not asked for", acsi.TrgQualityChange, 0, func(t *testing.T, b *bench) { b.change(t, start, value.Bool(true), 0) }, []string{}},
		{"no member of the data set", all, 0, func(t *testing.T, b *bench) { b.change(t, "FDR1LD0/XCBR1.Loc.stVal[ST]", value.Bool(true), 0) }, []string{}},
		{"what changes together is one entry", all, 0, func(t *testing.T, b *bench) {
			b.Update(func(tx *Tx) {
				for _, ref := range []string{trip, start} {
					h, _ := b.Handle(acsi.MustRef(ref))
					if err := tx.SetStamped(h, value.Bool(true), 0, tx.Now()); err != nil {
						t.Error(err)
					}
				}
			})
		}, []string{"0 Tr=true:dchg Str=true:dchg"}},
		{"integrity", acsi.TrgIntegrity, 10_000, func(t *testing.T, b *bench) {
			b.wait(15 * time.Second)
			b.change(t, start, value.Bool(true), 0)
			b.wait(5 * time.Second)
		}, []string{
			"10 Str=false:integrity Op=false:integrity Str=false:integrity Op=false:integrity Tr=false:integrity Health=integer 1:integrity",
			"20 Str=true:integrity Op=false:integrity Str=false:integrity Op=false:integrity Tr=false:integrity Health=integer 1:integrity",
		}},
		{"integrity without its option", acsi.TrgDataChange, 10_000, func(t *testing.T, b *bench) { b.wait(time.Minute) }, []string{}},
		{"integrity without a period", all, 0, func(t *testing.T, b *bench) { b.wait(time.Minute) }, []string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := feederBench(t, Config{})
			s := b.as(rbac.Engineer)
			for _, w := range []acsi.Assignment{
				{Ref: acsi.MustRef(lcb + ".LogEna[LG]"), Value: value.Bool(false)},
				{Ref: acsi.MustRef(lcb + ".TrgOps[LG]"), Value: test.trgOps.Value()},
				{Ref: acsi.MustRef(lcb + ".IntgPd[LG]"), Value: value.Uint(test.intgPd)},
				{Ref: acsi.MustRef(lcb + ".LogEna[LG]"), Value: value.Bool(true)},
			} {
				if got := put(t, s, w.Ref.String(), w.Value); got != "" {
					t.Fatalf("%s: %s", w.Ref, got)
				}
			}
			test.do(t, b)
			if diff := cmp.Diff(test.want, logged(t, s)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEntryHasTheWholeMember(t *testing.T) {
	b := feederBench(t, Config{})
	b.change(t, start, value.Bool(true), 0)
	entries, _, err := b.as(rbac.Viewer).QueryLogByTime(bg, events, time.Time{}, time.Time{})
	if err != nil || len(entries) != 1 || len(entries[0].Values) != 1 {
		t.Fatalf("got %+v, %v", entries, err)
	}
	v := entries[0].Values[0]
	if want, _ := b.Value(acsi.MustRef("FDR1LD0/PTOC1.Str[ST]")); v.Ref != acsi.MustRef("FDR1LD0/PTOC1.Str[ST]") || !v.Value.Equal(want) {
		t.Errorf("got %s = %v, want %v", v.Ref, v.Value, want)
	}
}

// Conformance: sLogN1, sLogN2.
func TestWhatLogsRefuse(t *testing.T) {
	const invalid, unavailable, denied, absent = "object-value-invalid", "temporarily-unavailable", "object-access-denied", "object-non-existent"
	for _, test := range []struct {
		name     string
		disabled bool
		ref      string
		v        value.Value
		want     string
	}{
		{"the data set while enabled", false, lcb + ".DatSet[LG]", value.Visible("FDR1LD0/LLN0$Switching"), unavailable},
		{"the options while enabled", false, lcb + ".TrgOps[LG]", acsi.TrgDataChange.Value(), unavailable},
		{"the period while enabled", false, lcb + ".IntgPd[LG]", value.Uint(1000), unavailable},
		{"enabled while enabled", false, lcb + ".LogEna[LG]", value.Bool(true), ""},
		{"the data set", true, lcb + ".DatSet[LG]", value.Visible("FDR1LD0/LLN0$Switching"), ""},
		{"an unknown data set", true, lcb + ".DatSet[LG]", value.Visible("FDR1LD0/LLN0$None"), invalid},
		{"a data set of an association", true, lcb + ".DatSet[LG]", value.Visible("@Mine"), invalid},
		{"no name of a data set", true, lcb + ".DatSet[LG]", value.Visible("?"), invalid},
		{"the log", true, lcb + ".LogRef[LG]", value.Visible("FDR1LD0/LLN0$Other"), denied},
		{"the oldest entry", true, lcb + ".OldEntr[LG]", value.Octets(make([]byte, 8)), denied},
		{"a period that would flood it", true, lcb + ".IntgPd[LG]", value.Uint(1), invalid},
		{"an unknown control block", true, "FDR1LD0/LLN0.lcbNone.LogEna[LG]", value.Bool(true), absent},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := feederBench(t, Config{})
			s := b.as(rbac.Engineer)
			if test.disabled {
				put(t, s, lcb+".LogEna[LG]", value.Bool(false))
			}
			before := get(t, s, lcb+"[LG]")
			if got := put(t, s, test.ref, test.v); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if after := get(t, s, lcb+"[LG]"); test.want != "" && !after.Equal(before) {
				t.Errorf("it has become %v", after)
			}
		})
	}
	b := feederBench(t, Config{})
	s := b.as(rbac.Engineer)
	for _, ref := range []string{"FDR1LD0/LLN0.None", "FDR1LD0/LLN0", "NoneLD0/LLN0.Events", "FDR1LD0/XCBR1.Events"} {
		if _, _, err := s.QueryLogByTime(bg, acsi.MustRef(ref), time.Time{}, time.Time{}); codeOf(err) != absent {
			t.Errorf("QueryLogByTime(%s): %v", ref, err)
		}
		if _, _, err := s.QueryLogAfter(bg, acsi.MustRef(ref), time.Time{}, acsi.EntryID{}); codeOf(err) != absent {
			t.Errorf("QueryLogAfter(%s): %v", ref, err)
		}
	}
	if _, err := s.GetLogs(bg, acsi.MustRef("FDR1LD0/None1")); codeOf(err) != absent {
		t.Errorf("GetLogs: %v", err)
	}
}

func TestAControlBlockWithoutADataSetIsNotEnabled(t *testing.T) {
	b := feederBench(t, Config{})
	s := b.as(rbac.Engineer)
	put(t, s, lcb+".LogEna[LG]", value.Bool(false))
	if got := put(t, s, lcb+".DatSet[LG]", value.Visible("")); got != "" {
		t.Fatal(got)
	}
	if got := put(t, s, lcb+".LogEna[LG]", value.Bool(true)); got != "object-attribute-inconsistent" {
		t.Errorf("got %q", got)
	}
	b.change(t, start, value.Bool(true), 0)
	if got := logged(t, s); len(got) > 0 {
		t.Errorf("logged: %q", got)
	}
}

func TestADataSetThatIsLoggedIsNotDeleted(t *testing.T) {
	b := feederBench(t, Config{})
	s := b.as(rbac.Engineer)
	set := acsi.MustRef("FDR1LD0/LLN0.Mine")
	if err := s.CreateDataSet(bg, set, []acsi.Ref{acsi.MustRef("FDR1LD0/XCBR1.Pos[ST]")}); err != nil {
		t.Fatal(err)
	}
	put(t, s, lcb+".LogEna[LG]", value.Bool(false))
	if got := put(t, s, lcb+".DatSet[LG]", value.Visible("FDR1LD0/LLN0$Mine")); got != "" {
		t.Fatal(got)
	}
	if err := s.DeleteDataSet(bg, set); codeOf(err) != "temporarily-unavailable" {
		t.Errorf("while it is the data set: %v", err)
	}
	put(t, s, lcb+".DatSet[LG]", value.Visible("FDR1LD0/LLN0$Protection"))
	if err := s.DeleteDataSet(bg, set); err != nil {
		t.Errorf("when it is no more: %v", err)
	}
}

// Conformance: sLog5, sLog6.
func TestLogsAreQueried(t *testing.T) {
	b := feederBench(t, Config{})
	for i := range 5 {
		b.now = noon.Add(time.Duration(i+1) * time.Second)
		b.change(t, start, value.Bool(i%2 == 0), 0)
	}
	s := b.as(rbac.Viewer)
	all := []string{"1 Str=true:dchg", "2 Str=false:dchg", "3 Str=true:dchg", "4 Str=false:dchg", "5 Str=true:dchg"}
	if diff := cmp.Diff(all, logged(t, s)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	got, _, err := s.QueryLogByTime(bg, events, noon.Add(2*time.Second), noon.Add(4*time.Second))
	if diff := cmp.Diff(all[1:4], words(got)); diff != "" || err != nil {
		t.Errorf("from 2 to 4: %v (-want +got):\n%s", err, diff)
	}
	got, _, err = s.QueryLogAfter(bg, events, got[0].Time, got[0].ID)
	if diff := cmp.Diff(all[2:], words(got)); diff != "" || err != nil {
		t.Errorf("after the one at 2 (-want +got):\n%s", diff)
	}
	got, _, err = s.QueryLogAfter(bg, events, got[2].Time, got[2].ID)
	if err != nil || len(got) > 0 {
		t.Errorf("after the last: %v, %v", words(got), err)
	}
}

func TestLongAnswersGoOn(t *testing.T) {
	b := feederBench(t, Config{})
	for i := range 2500 {
		b.now = noon.Add(time.Duration(i) * time.Millisecond)
		b.change(t, start, value.Bool(i%2 == 0), 0)
	}
	s := b.as(rbac.Viewer)
	got, more, err := s.QueryLogByTime(bg, events, time.Time{}, time.Time{})
	pages := 1
	for all := got; ; pages++ {
		if err != nil || len(got) > logPage.Entries {
			t.Fatalf("page %d: %d entries, %v", pages, len(got), err)
		}
		if !more {
			if len(all) != 2500 || !slices.IsSortedFunc(all, func(a, b acsi.LogEntry) int { return a.Time.Compare(b.Time) }) {
				t.Errorf("%d entries, want 2,500 in order", len(all))
			}
			break
		}
		last := all[len(all)-1]
		got, more, err = s.QueryLogAfter(bg, events, last.Time, last.ID)
		all = append(all, got...)
	}
	if pages < 3 {
		t.Errorf("%d pages, want 3 at least", pages)
	}
}

// Conformance: sLog7.
func TestAFullLogLosesItsOldest(t *testing.T) {
	state := &shelf{}
	b := feederBench(t, Config{LogSize: 8 << 10, State: state})
	s := b.as(rbac.Viewer)
	for i := range 500 {
		b.now = noon.Add(time.Duration(i) * time.Second)
		b.change(t, start, value.Bool(i%2 == 0), 0)
	}
	got := logged(t, s)
	if len(got) < 5 || len(got) > 100 || got[len(got)-1] != "499 Str=false:dchg" {
		t.Errorf("%d entries are left, the last is %q", len(got), got[len(got)-1])
	}
	entries, _, _ := s.QueryLogByTime(bg, events, time.Time{}, time.Time{})
	if v := get(t, s, lcb+".OldEntr[LG]"); !v.Equal(value.Octets(entries[0].ID[:])) {
		t.Errorf("OldEntr is %v, want %v", v, entries[0].ID)
	}
	if v := get(t, s, lcb+".OldEntrTm[LG]"); !v.Equal(value.BinTimeOf(entries[0].Time)) {
		t.Errorf("OldEntrTm is %v, want %v", v, entries[0].Time)
	}
	b.commit()
	if n := state.count(tableLogs); n != len(got) {
		t.Errorf("State has %d entries, want %d", n, len(got))
	}
}

func TestLogsOutliveARestart(t *testing.T) {
	state := &shelf{}
	b := feederBench(t, Config{State: state})
	s := b.as(rbac.Engineer)
	for i := range 10 {
		b.now = noon.Add(time.Duration(i) * time.Second)
		b.change(t, start, value.Bool(i%2 == 0), 0)
	}
	stop := running(t, b.Engine)
	before, _, _ := s.QueryLogByTime(bg, events, time.Time{}, time.Time{})
	put(t, s, lcb+".LogEna[LG]", value.Bool(false))
	put(t, s, lcb+".TrgOps[LG]", acsi.TrgQualityChange.Value())
	put(t, s, lcb+".DatSet[LG]", value.Visible("FDR1LD0/LLN0$Switching"))
	stop()

	again := feederBench(t, Config{State: state}) // its clock is set back
	running(t, again.Engine)
	s = again.as(rbac.Engineer)
	after, _, _ := s.QueryLogByTime(bg, events, time.Time{}, time.Time{})
	if diff := cmp.Diff(words(before), words(after)); diff != "" || len(before) != 10 {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if get(t, s, lcb+".LogEna[LG]").Bool() {
		t.Error("it is enabled")
	}
	for attribute, want := range map[string]value.Value{
		"TrgOps": acsi.TrgQualityChange.Value(), "DatSet": value.Visible("FDR1LD0/LLN0$Switching"),
		"NewEntr": value.Octets(before[9].ID[:]), "NewEntrTm": value.BinTimeOf(before[9].Time),
	} {
		if got := get(t, s, lcb+"."+attribute+"[LG]"); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", attribute, got, want)
		}
	}
	put(t, s, lcb+".LogEna[LG]", value.Bool(true))
	again.change(t, "FDR1LD0/XCBR1.Pos.stVal[ST]", value.Bits(2, []byte{0x40}), acsi.QualityQuestionable)
	newer, _, err := s.QueryLogAfter(bg, events, before[9].Time, before[9].ID)
	if err != nil || len(newer) != 1 || newer[0].ID.Number() <= before[9].ID.Number() {
		t.Errorf("one more: %+v, %v", newer, err)
	}
}

func TestLogsOutliveAStateThatWasFull(t *testing.T) {
	state := &shelf{full: errors.New("no space left")}
	b := feederBench(t, Config{State: state})
	b.change(t, start, value.Bool(true), 0)
	if b.commit() {
		t.Fatal("what State has refused is kept")
	}
	b.change(t, start, value.Bool(false), 0)
	state.full = nil
	if !b.commit() || state.count(tableLogs) != 2 {
		t.Errorf("State has %d entries, want 2", state.count(tableLogs))
	}
	var ids []audit.ID
	for _, e := range b.events.Events() {
		ids = append(ids, e.ID)
	}
	if diff := cmp.Diff([]audit.ID{audit.StateLost, audit.StateRestored}, ids); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestALongBacklogIsKeptInSeveralSteps(t *testing.T) {
	state := &shelf{}
	b := feederBench(t, Config{State: state})
	n := 2*keptAtOnce.Entries + 1
	for i := range n {
		b.change(t, start, value.Bool(i%2 == 0), 0)
	}
	steps := 0
	for ; state.count(tableLogs) < n && steps < 10; steps++ {
		b.commit()
	}
	if steps != 3 {
		t.Errorf("%d commits for %d of %d entries, want 3", steps, state.count(tableLogs), n)
	}
	b.commit()
	if state.count(tableLogs) != n {
		t.Errorf("State has %d entries, want %d", state.count(tableLogs), n)
	}
}

func TestWhatIsKeptOfALogIsChecked(t *testing.T) {
	entry := appendEntry(nil, acsi.LogEntry{Time: noon, Values: []acsi.LogValue{
		{Ref: acsi.MustRef("FDR1LD0/PTOC1.Str[ST]"), Reason: acsi.ReasonDataChange, Value: value.StructureOf(value.Bool(true), value.Text("x"))}}})
	b := feederBench(t, Config{})
	for n := range entry {
		if _, err := b.parseEntry(1, entry[:n]); err == nil && n != 6 { // the time alone is an entry without values
			t.Errorf("the first %d octets of %d: no error", n, len(entry))
		}
	}
	state := &shelf{records: map[shelfKey][]byte{
		{tableLogs, events.Path(), 1}:          entry,
		{tableLogs, "FDR1LD0/LLN0.Gone", 1}:    {1, 2, 3},
		{tableLogBlocks, "FDR1LD0/LLN0.No", 0}: {1, 2, 3},
	}}
	e, err := New(Config{Model: feeder(t), State: state})
	if err != nil {
		t.Fatal(err)
	}
	if got := logged(t, e.Services(subject(rbac.Viewer))); len(got) != 1 || !strings.Contains(got[0], "Str=true:dchg") {
		t.Errorf("got %q", got)
	}
	state.records = map[shelfKey][]byte{{tableLogBlocks, lcb, 0}: {1}}
	if _, err := New(Config{Model: feeder(t), State: state}); err == nil {
		t.Error("a control block that is none: no error")
	}
}

func TestValuesFromWhereOneMayNotReadAreLeftOut(t *testing.T) {
	e, err := New(Config{Model: feeder(t)})
	if err != nil {
		t.Fatal(err)
	}
	other := acsi.MustRef("OTHERLD0/GGIO1.Ind1[ST]")
	e.logs.by[events].Append(noon, []acsi.LogValue{{Ref: other, Value: value.StructureOf(value.Bool(true))},
		{Ref: acsi.MustRef("FDR1LD0/PTOC1.Str[ST]"), Value: value.StructureOf(value.Bool(true))}})
	all, limited := subject(rbac.Viewer), subject(rbac.Viewer)
	limited.Grants[0].AOR = "FDR1*"
	for _, test := range []struct {
		subject rbac.Subject
		want    int
	}{{limited, 1}, {all, 2}, {limited, 1}} {
		got, _, err := e.Services(test.subject).QueryLogByTime(bg, events, time.Time{}, time.Time{})
		if err != nil || len(got) != 1 || len(got[0].Values) != test.want {
			t.Errorf("with %q: %+v, %v, want %d values", test.subject.Grants[0].AOR, got, err, test.want)
		}
	}
}

func TestSeveralControlBlocksEnterIntoOneLog(t *testing.T) {
	m := feeder(t)
	ln := m.LDs[0].LN("LLN0")
	second := *ln.LogCtrls[0]
	second.Ref = acsi.MustRef("FDR1LD0/LLN0.lcbSwitching[LG]")
	second.DataSet = acsi.MustRef("FDR1LD0/LLN0.Switching")
	second.Reason = false
	node := *ln.Node
	node.Children = append(slices.Clone(node.Children), acsi.ControlBlock(acsi.LCB, "lcbSwitching", acsi.Abilities{}))
	ln.Node, ln.LogCtrls = &node, append(ln.LogCtrls, &second)
	b := &bench{now: noon}
	e, err := New(Config{Model: m, Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	b.change(t, start, value.Bool(true), 0)
	b.change(t, "FDR1LD0/XCBR1.Loc.stVal[ST]", value.Bool(true), 0) // no member
	b.change(t, "FDR1LD0/XCBR1.BlkOpn.stVal[ST]", value.Bool(true), 0)
	s := b.as(rbac.Viewer)
	if diff := cmp.Diff([]string{"0 Str=true:dchg", "0 BlkOpn=true"}, logged(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	newest := get(t, s, "FDR1LD0/LLN0.lcbSwitching.NewEntr[LG]")
	if got := get(t, s, lcb+".NewEntr[LG]"); !got.Equal(newest) || newest.Equal(get(t, s, lcb+".OldEntr[LG]")) {
		t.Errorf("NewEntr is %v and %v", got, newest)
	}
}
