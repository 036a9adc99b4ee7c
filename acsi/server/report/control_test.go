package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var (
	ann = Client{ID: 1, Address: "ann@dso.example/IEC", Name: "ann@dso.example"}
	bob = Client{ID: 2, Address: "192.0.2.7:4711", Name: "bob@dso.example"}
)

const all = acsi.TrgDataChange | acsi.TrgQualityChange | acsi.TrgDataUpdate | acsi.TrgIntegrity | acsi.TrgGeneralInterrogation

// rig is a control block whose members and clock the test moves.
type rig struct {
	*Control
	t      *testing.T
	now    time.Time
	values []value.Value
}

// newRig makes one of three members, with every trigger and field.
func newRig(t *testing.T, edit func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, now: noon, values: []value.Value{value.Int(0), value.Int(0), value.Int(0)}}
	cfg := Config{Name: "LD/LLN0$BR$b01", Buffered: true, RptID: "id", DataSet: "LD/LLN0$set", Members: []string{"m0", "m1", "m2"}, ConfRev: 7,
		OptFlds: 0x3fe, TrgOps: all, Value: func(i int) value.Value { return r.values[i] }}
	if edit != nil {
		edit(&cfg)
	}
	if !cfg.Buffered {
		cfg.Name = "LD/LLN0$RP$u01"
	}
	r.Control = New(r.now, cfg)
	return r
}

func (r *rig) set(c Client, name string, v value.Value) {
	r.t.Helper()
	if err := r.Set(r.now, c, name, v); err != nil {
		r.t.Fatalf("%s = %v: %v", name, v, err)
	}
}

func (r *rig) enable(c Client) { r.t.Helper(); r.set(c, "RptEna", value.Bool(true)) }

// change gives members new values, all at once: "0 1!" changes 0, and 1 in its quality.
func (r *rig) change(members string) {
	r.t.Helper()
	var changes []Change
	for _, word := range strings.Fields(members) {
		why := acsi.ReasonDataChange
		switch word[len(word)-1] {
		case '!':
			why = acsi.ReasonQualityChange
		case '=':
			why = acsi.ReasonDataUpdate
		case '*':
			why = acsi.ReasonApplicationTrigger
		}
		i := int(word[0] - '0')
		n, _ := r.values[i].Int()
		r.values[i] = value.Int(n + 1)
		changes = append(changes, Change{Member: i, Value: r.values[i], Why: why})
	}
	r.Events(r.now, changes)
}

// after moves the clock, and calls Tick at each time that it asks for.
func (r *rig) after(d time.Duration) {
	end := r.now.Add(d)
	for next := r.Next(); !next.IsZero() && !next.After(end); next = r.Next() {
		r.now = next
		r.Tick(r.now)
	}
	r.now = end
}

// all takes what can be taken, as "sqnum[ovfl] member=value/reason …".
func (r *rig) all() []string {
	r.Release(r.Last())
	var list []string
	for {
		rep := r.Take()
		if rep == nil {
			return list
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%d", rep.SeqNum)
		if rep.BufOvfl {
			b.WriteString("!")
		}
		for _, in := range rep.Included {
			n, _ := in.Value.Int()
			fmt.Fprintf(&b, " %d=%d/%s", in.Member, n, in.Reason)
		}
		list = append(list, b.String())
	}
}

func (r *rig) want(step string, want ...string) {
	r.t.Helper()
	if d := cmp.Diff(want, r.all()); d != "" {
		r.t.Errorf("%s (-want +got):\n%s", step, d)
	}
}

func (r *rig) refused(step string, code acsi.Code, err error) {
	r.t.Helper()
	if !errors.Is(err, &acsi.Error{Code: code}) {
		r.t.Errorf("%s: got %v, want %s", step, err, code)
	}
}

// Conformance: sRp3, sBr3, sRpN2, sBrN2.
func TestTriggers(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		for _, tc := range []struct {
			ops  acsi.TrgOps
			want []string
		}{
			{acsi.TrgDataChange, []string{"0 0=1/dchg", "1 2=2/application"}},
			{acsi.TrgQualityChange, []string{"0 1=1/qchg", "1 2=2/application"}},
			{acsi.TrgDataUpdate, []string{"0 2=1/dupd", "1 2=2/application"}},
			{acsi.TrgDataChange | acsi.TrgQualityChange, []string{"0 0=1/dchg 1=1/qchg", "1 2=2/application"}},
			{0, []string{"0 2=2/application"}},
		} {
			r := newRig(t, func(c *Config) { c.Buffered, c.TrgOps = buffered, tc.ops })
			r.enable(ann)
			r.change("0 1! 2=")
			r.change("2*")
			r.want(fmt.Sprintf("buffered %t, %s", buffered, tc.ops), tc.want...)
		}
	}
}

// Conformance: sRp7, sBr7.
func TestBufferTime(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Buffered, c.BufTm = buffered, 100 })
		r.enable(ann)
		r.change("2")
		r.after(60 * time.Millisecond)
		r.change("0")
		r.want("before its end")
		r.after(39 * time.Millisecond)
		r.want("just before its end")
		r.after(time.Millisecond)
		r.want("at its end, in the order of the data set", "0 0=1/dchg 2=1/dchg")
		r.change("0 1")
		r.after(10 * time.Millisecond)
		r.change("1 2")
		r.want("a member changes for the second time", "1 0=2/dchg 1=1/dchg")
		r.after(99 * time.Millisecond)
		r.want("a new buffer time has begun")
		r.after(time.Millisecond)
		r.want("and ends", "2 1=2/dchg 2=2/dchg")
		r.change("0")
		r.change("1!")
		r.set(ann, "GI", value.Bool(true))
		r.want("what waits goes before a general interrogation", "3 0=3/dchg 1=3/qchg", "4 0=3/gi 1=3/gi 2=2/gi")
		r.after(time.Second)
		r.want("and is not told twice")
	}
}

// Conformance: sRp8, sBr8, sRp12, sBr14, sRpN3, sBrN3.
func TestIntegrity(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Buffered, c.IntgPd, c.BufTm = buffered, 1000, 1000 })
		r.enable(ann)
		r.after(time.Second)
		r.want("after one period", "0 0=0/integrity 1=0/integrity 2=0/integrity")
		r.change("1")
		r.after(time.Second)
		r.want("what changed goes before the integrity report of the same time", "1 1=1/dchg", "2 0=0/integrity 1=1/integrity 2=0/integrity")
		r.now = r.now.Add(10 * time.Second)
		r.Tick(r.now)
		r.want("periods that were missed are one", "3 0=0/integrity 1=1/integrity 2=0/integrity")
		r.set(ann, "RptEna", value.Bool(false))
		r.set(ann, "IntgPd", value.Uint(0))
		r.enable(ann)
		r.after(time.Hour)
		r.want("without a period")
		r.set(ann, "RptEna", value.Bool(false))
		r.set(ann, "IntgPd", value.Uint(1000))
		r.set(ann, "TrgOps", acsi.TrgDataChange.Value())
		r.enable(ann)
		r.after(time.Hour)
		r.want("without the trigger")
		r.set(ann, "RptEna", value.Bool(false))
		r.set(ann, "TrgOps", all.Value())
		r.set(ann, "IntgPd", value.Uint(1))
		r.enable(ann)
		r.after(time.Second)
		if got := len(r.all()); got != int(time.Second/minPeriod) {
			t.Errorf("a period of a millisecond: %d reports a second, want one each %v", got, minPeriod)
		}
	}
}

// Conformance: sRp4, sBr4, sRpN7, sBrN7.
func TestGeneralInterrogation(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Buffered = buffered })
		r.refused("while it is not enabled", acsi.TemporarilyUnavailable, r.Set(r.now, ann, "GI", value.Bool(true)))
		r.enable(ann)
		r.set(ann, "GI", value.Bool(true))
		r.set(ann, "GI", value.Bool(false))
		if r.Value("GI").Bool() {
			t.Error("GI stays true")
		}
		r.want("all members", "0 0=0/gi 1=0/gi 2=0/gi")
		r.set(ann, "RptEna", value.Bool(false))
		r.set(ann, "TrgOps", acsi.TrgDataChange.Value())
		r.enable(ann)
		r.refused("without the trigger", acsi.TemporarilyUnavailable, r.Set(r.now, ann, "GI", value.Bool(true)))
		r.want("then")
	}
}

// Conformance: sBr26, sBr27.
func TestOfGeneralInterrogationsTheNewestIsBuffered(t *testing.T) {
	r := newRig(t, nil)
	r.enable(ann)
	r.set(ann, "GI", value.Bool(true))
	r.change("0")
	r.set(ann, "GI", value.Bool(true))
	r.want("both wait", "0 0=1/dchg", "1 0=1/gi 1=0/gi 2=0/gi")
	last := r.Last()
	r.change("1")
	r.set(ann, "GI", value.Bool(true))
	r.set(ann, "RptEna", value.Bool(false))
	r.set(ann, "EntryID", octets(last))
	r.enable(ann)
	r.want("a client goes on from one that is replaced", "0 1=1/dchg", "1 0=1/gi 1=1/gi 2=0/gi")
	if got := len(r.Emptied()); got != 2 || len(r.Emptied()) != 0 {
		t.Errorf("%d were emptied, want 2, once", got)
	}
}

func octets(n uint64) value.Value {
	id := acsi.EntryNumber(n)
	return value.Octets(id[:])
}

// Conformance: sRp2, sBr2.
func TestEveryCombinationOfOptionalFields(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Buffered = buffered })
		for bits := range uint16(1 << acsi.OptFldsBits) {
			want := acsi.OptFlds(bits) &^ 1
			if !buffered {
				want &^= acsi.OptBufOvfl | acsi.OptEntryID
			}
			r.set(ann, "OptFlds", acsi.OptFlds(bits).Value())
			if got, ok := acsi.OptFldsOf(r.Value("OptFlds")); !ok || got != want {
				t.Fatalf("written %v: read %v, want %v", acsi.OptFlds(bits), got, want)
			}
			r.enable(ann)
			r.change("1")
			r.Release(r.Last())
			rep := r.Take()
			if rep == nil || rep.OptFlds != want || rep.RptID != "id" || rep.DataSet != "LD/LLN0$set" || rep.ConfRev != 7 || rep.SetSize != 3 || !rep.Time.Equal(noon) {
				t.Fatalf("%v: got %+v", want, rep)
			}
			in := rep.Included[0]
			if (in.Ref == "m1") != (want&acsi.OptDataRef != 0) || (in.Reason == acsi.ReasonDataChange) != (want&acsi.OptReason != 0) || in.Member != 1 {
				t.Fatalf("%v: got %+v", want, in)
			}
			if buffered && rep.EntryID.Number() != r.Last() {
				t.Fatalf("%v: entry %v, want %d", want, rep.EntryID, r.Last())
			}
			r.set(ann, "RptEna", value.Bool(false))
		}
	}
}

func TestReportIDIsTheNameWhereThereIsNone(t *testing.T) {
	r := newRig(t, nil)
	r.set(ann, "RptID", value.Visible(""))
	r.enable(ann)
	r.change("0")
	r.Release(r.Last())
	if rep := r.Take(); rep.RptID != "LD/LLN0$BR$b01" || r.Value("RptID").Text() != "" {
		t.Errorf("got %q, and %q is read", rep.RptID, r.Value("RptID").Text())
	}
}

// Conformance: sBr25.
func TestSequenceNumbersWrapAndBeginAnew(t *testing.T) {
	for _, tc := range []struct {
		buffered bool
		wrap     int
	}{{false, 1 << 8}, {true, 1 << 16}} {
		r := newRig(t, func(c *Config) { c.Buffered = tc.buffered })
		r.enable(ann)
		for i := range tc.wrap + 2 {
			r.change("0")
			r.Release(r.Last())
			if rep := r.Take(); int(rep.SeqNum) != i%tc.wrap {
				t.Fatalf("report %d has the number %d", i, rep.SeqNum)
			}
			if n, _ := r.Value("SqNum").Int(); int(n) != (i+1)%tc.wrap {
				t.Fatalf("after report %d SqNum is %d", i, n)
			}
		}
		r.set(ann, "RptEna", value.Bool(false))
		r.enable(ann)
		r.change("0")
		if got := r.all(); len(got) != 1 || !strings.HasPrefix(got[0], "0 ") {
			t.Errorf("enabled anew: %v", got)
		}
	}
}

// Conformance: sRp6, sBr6.
func TestConfRevCountsDataSets(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Buffered, c.ConfRev = buffered, 1<<32-2 })
		for _, step := range []struct {
			name string
			want uint64
		}{{"LD/LLN0$set", 1<<32 - 2}, {"LD/LLN0$other", 1<<32 - 1}, {"LD/LLN0$other", 1<<32 - 1}, {"", 1}, {"LD/LLN0$set", 2}} {
			var members []string
			if step.name != "" {
				members = []string{"m0", "m1", "m2"}
			}
			if err := r.SetDataSet(r.now, ann, step.name, members); err != nil {
				t.Fatal(err)
			}
			if got, _ := r.Value("ConfRev").Uint(); got != step.want || r.Value("DatSet").Text() != step.name || r.DataSet() != step.name {
				t.Errorf("DatSet = %q: ConfRev is %d, want %d", step.name, got, step.want)
			}
		}
		if err := r.SetDataSet(r.now, ann, "", nil); err != nil {
			t.Fatal(err)
		}
		r.refused("enabled without a data set", acsi.ObjectAttributeInconsistent, r.Set(r.now, ann, "RptEna", value.Bool(true)))
	}
}

// Conformance: sRpN4, sBrN4, sRpN5, sBrN5.
func TestNothingIsWrittenWhileEnabled(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Buffered = buffered })
		r.enable(ann)
		writes := map[string]value.Value{"RptID": value.Visible("x"), "OptFlds": acsi.OptSeqNum.Value(), "BufTm": value.Uint(1), "TrgOps": all.Value(),
			"IntgPd": value.Uint(1)}
		if buffered {
			writes["PurgeBuf"], writes["EntryID"], writes["ResvTms"] = value.Bool(true), octets(0), value.Int(5)
		} else {
			writes["Resv"] = value.Bool(false)
		}
		for name, v := range writes {
			r.refused(name+" while enabled", acsi.TemporarilyUnavailable, r.Set(r.now, ann, name, v))
		}
		r.refused("DatSet while enabled", acsi.TemporarilyUnavailable, r.SetDataSet(r.now, ann, "x", nil))
		for _, name := range []string{"RptEna", "GI"} {
			r.refused(name+" by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, name, value.Bool(true)))
		}
		r.refused("disabled by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, "RptEna", value.Bool(false)))
		r.set(ann, "RptEna", value.Bool(true)) // again changes nothing
		r.set(ann, "RptEna", value.Bool(false))
		r.set(ann, "RptEna", value.Bool(false))
		r.refused("what cannot be written", acsi.ObjectAccessDenied, r.Set(r.now, ann, "SqNum", value.Uint(1)))
		r.enable(bob)
	}
}

// Conformance: sRp10, sRpN8.
func TestReservationOfAnUnbufferedOne(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Buffered = false })
	owner := func() string { return fmt.Sprint(r.Value("Resv").Bool(), " ", r.Value("Owner").Text()) }
	want := func(step, want string) {
		t.Helper()
		if got := owner(); got != want {
			t.Errorf("%s: %s, want %s", step, got, want)
		}
	}
	want("at first", "false ")
	r.set(ann, "Resv", value.Bool(true))
	want("reserved", "true ann@dso.example/IEC")
	for _, name := range []string{"Resv", "RptEna"} {
		r.refused(name+" by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, name, value.Bool(true)))
	}
	r.refused("BufTm by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, "BufTm", value.Uint(1)))
	r.enable(ann)
	r.set(ann, "RptEna", value.Bool(false))
	want("enabled and disabled", "true ann@dso.example/IEC")
	r.set(ann, "Resv", value.Bool(false))
	want("given back", "false ")
	r.enable(bob)
	want("enabled without being reserved", "true 192.0.2.7:4711")
	r.set(bob, "RptEna", value.Bool(false))
	want("and disabled", "false ")
	r.set(bob, "Resv", value.Bool(true))
	r.enable(bob)
	r.change("0")
	if r.Lost(r.now, 77) || !r.Lost(r.now, bob.ID) {
		t.Error("the association that has ended is another")
	}
	want("lost", "false ")
	r.enable(ann)
	r.want("what waited is gone with its association")
}

// Conformance: sBr20, sBr21.
func TestReservationOfABufferedOne(t *testing.T) {
	r := newRig(t, nil)
	want := func(step string, tms int64, owner string) {
		t.Helper()
		if got, _ := r.Value("ResvTms").Int(); got != tms || r.Value("Owner").Text() != owner {
			t.Errorf("%s: ResvTms %d, Owner %q, want %d, %q", step, got, r.Value("Owner").Text(), tms, owner)
		}
	}
	want("at first", 0, "")
	r.enable(ann)
	want("enabled", 0, ann.Address)
	r.Lost(r.now, ann.ID)
	want("lost without ResvTms", 0, "")
	r.set(ann, "ResvTms", value.Int(10))
	want("reserved", 10, ann.Address)
	r.refused("ResvTms by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, "ResvTms", value.Int(10)))
	r.refused("ResvTms below 0", acsi.ObjectValueInvalid, r.Set(r.now, ann, "ResvTms", value.Int(-1)))
	r.after(time.Minute)
	want("while the association stands", 10, ann.Address)
	r.Lost(r.now, ann.ID)
	r.after(9999 * time.Millisecond)
	want("just before it expires", 10, ann.Address)
	r.refused("enabled by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, "RptEna", value.Bool(true)))
	back := Client{ID: 3, Address: ann.Address, Name: ann.Name}
	r.enable(back)
	want("the same client over another association", 10, ann.Address)
	r.after(time.Minute)
	r.set(back, "RptEna", value.Bool(false))
	want("which keeps it", 10, ann.Address)
	r.Lost(r.now, back.ID)
	r.after(10 * time.Second)
	want("expired", 0, "")
	r.enable(bob)
	r.set(bob, "RptEna", value.Bool(false))
	r.set(bob, "ResvTms", value.Int(5))
	r.set(bob, "ResvTms", value.Int(0))
	want("given back", 0, "")
}

// Conformance: sBr28, sBrN6.
func TestAssignedClients(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		for _, assigned := range []string{ann.Address, ann.Name} {
			r := newRig(t, func(c *Config) { c.Buffered, c.Assigned = buffered, []string{"x", assigned} })
			r.refused("enabled by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, "RptEna", value.Bool(true)))
			if tms, _ := r.Value("ResvTms").Int(); tms != -1 || !r.Value("Resv").Bool() {
				t.Errorf("ResvTms %d, Resv %v", tms, r.Value("Resv"))
			}
			r.enable(ann)
			r.set(ann, "RptEna", value.Bool(false))
			if buffered {
				r.refused("ResvTms", acsi.TemporarilyUnavailable, r.Set(r.now, ann, "ResvTms", value.Int(5)))
			}
			r.Lost(r.now, ann.ID)
			r.refused("then by another client", acsi.TemporarilyUnavailable, r.Set(r.now, bob, "RptEna", value.Bool(true)))
		}
		r := newRig(t, func(c *Config) { c.Buffered, c.Assigned = buffered, []string{"192.0.2.7"} })
		r.enable(bob)
	}
}

// Conformance: sBr9, sBr23.
func TestBufferOutlivesTheAssociation(t *testing.T) {
	r := newRig(t, nil)
	r.change("0") // before anybody came
	r.enable(ann)
	r.change("1")
	r.want("what was buffered goes first", "0 0=1/dchg", "1 1=1/dchg")
	r.change("2")
	r.Lost(r.now, ann.ID)
	r.change("0")
	r.want("nobody takes anything")
	r.enable(bob)
	r.want("what was not sent, in order", "0 2=1/dchg", "1 0=2/dchg")
	r.set(bob, "RptEna", value.Bool(false))
	r.change("1")
	r.enable(bob)
	r.want("disabled and enabled", "0 1=2/dchg")
}

// Conformance: sBr10, sBr22, sBrN1.
func TestEntryIDSaysWhereToGoOn(t *testing.T) {
	r := newRig(t, nil)
	var ids []uint64
	for range 4 {
		r.now = r.now.Add(time.Second)
		r.change("0")
		ids = append(ids, r.Last())
		if got := r.Value("EntryID"); !got.Equal(octets(r.Last())) || !r.Value("TimeofEntry").Equal(value.BinTimeOf(r.now)) {
			t.Errorf("EntryID is %v, want that of the entry that was buffered last", got)
		}
	}
	r.set(ann, "EntryID", octets(ids[1]))
	if got, _ := r.Value("TimeofEntry").Time(); !got.Equal(noon.Add(2 * time.Second)) {
		t.Errorf("TimeofEntry is %v, want that of the entry", got)
	}
	r.enable(ann)
	r.want("after the second", "0 0=3/dchg", "1 0=4/dchg")
	if got := r.Value("EntryID"); !got.Equal(octets(ids[3])) {
		t.Errorf("EntryID is %v, want that of the entry that was sent last", got)
	}
	r.set(ann, "RptEna", value.Bool(false))
	r.set(ann, "EntryID", octets(0))
	r.enable(ann)
	r.want("from the oldest", "0 0=1/dchg", "1 0=2/dchg", "2 0=3/dchg", "3 0=4/dchg")
	r.set(ann, "RptEna", value.Bool(false))
	for _, id := range []uint64{ids[0] - 1, ids[3] + 1, 1 << 63} {
		r.refused("an entry that is not there", acsi.ObjectValueInvalid, r.Set(r.now, ann, "EntryID", octets(id)))
	}
	r.set(ann, "EntryID", octets(ids[3]))
	r.enable(ann)
	r.want("after the last")
}

// Conformance: sBr12, sBr24.
func TestWhatPurgesTheBuffer(t *testing.T) {
	for name, do := range map[string]func(r *rig) bool{
		"PurgeBuf":        func(r *rig) bool { r.set(ann, "PurgeBuf", value.Bool(true)); return true },
		"PurgeBuf, false": func(r *rig) bool { r.set(ann, "PurgeBuf", value.Bool(false)); return false },
		"RptID":           func(r *rig) bool { r.set(ann, "RptID", value.Visible("other")); return true },
		"RptID, the same": func(r *rig) bool { r.set(ann, "RptID", value.Visible("id")); return false },
		"BufTm":           func(r *rig) bool { r.set(ann, "BufTm", value.Uint(5)); return true },
		"IntgPd":          func(r *rig) bool { r.set(ann, "IntgPd", value.Uint(5)); return true },
		"TrgOps":          func(r *rig) bool { r.set(ann, "TrgOps", acsi.TrgDataChange.Value()); return true },
		"TrgOps, same":    func(r *rig) bool { r.set(ann, "TrgOps", all.Value()); return false },
		"OptFlds":         func(r *rig) bool { r.set(ann, "OptFlds", acsi.OptSeqNum.Value()); return false },
		"DatSet":          func(r *rig) bool { return r.SetDataSet(r.now, ann, "x", []string{"a"}) == nil },
		"DatSet, same":    func(r *rig) bool { return r.SetDataSet(r.now, ann, "LD/LLN0$set", nil) != nil },
		"ResvTms":         func(r *rig) bool { r.set(ann, "ResvTms", value.Int(9)); return false },
	} {
		r := newRig(t, nil)
		r.change("0")
		id := r.Last()
		purged := do(r)
		if got := r.Entry(id) == nil; got != purged {
			t.Errorf("%s: purged %t, want %t", name, got, purged)
		}
		if purged {
			r.refused(name+": the entry that was", acsi.ObjectValueInvalid, r.Set(r.now, ann, "EntryID", octets(id)))
			if r.Oldest() != id+1 || !r.Value("EntryID").Equal(octets(0)) {
				t.Errorf("%s: oldest %d, EntryID %v", name, r.Oldest(), r.Value("EntryID"))
			}
		}
		r.change("0")
		if r.after(time.Second); r.Last() <= id {
			t.Errorf("%s: entry %d after %d", name, r.Last(), id)
		}
	}
}

// Conformance: sBr11.
func TestOverflowIsToldOnce(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Limit = 3 * sizeOf([]Included{{Value: value.Int(0)}}) })
	for range 5 {
		r.change("0")
	}
	r.enable(ann)
	r.want("two of five are lost", "0! 0=3/dchg", "1 0=4/dchg", "2 0=5/dchg")
	r.change("0 1")
	r.want("what was sent makes room", "3 0=6/dchg 1=1/dchg")
	if got := r.Counts(); got != (Counts{Generated: 6, Sent: 4, Overwritten: 2}) {
		t.Errorf("counts %+v", got)
	}
	r.change("0 1 2")
	r.change("0 1 2")
	r.want("an entry always has room", "4! 0=8/dchg 1=3/dchg 2=2/dchg")
	r.Lost(r.now, ann.ID)
	for range 5 {
		r.change("0")
	}
	r.set(ann, "PurgeBuf", value.Bool(true))
	r.change("0")
	r.enable(ann)
	r.want("a purge forgets", "0 0=14/dchg")
}

func TestUnbufferedQueueIsBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Buffered, c.Limit = false, 3*sizeOf([]Included{{Value: value.Int(0)}}) })
	r.enable(ann)
	for range 5 {
		r.change("0")
	}
	r.want("the oldest are lost, and their numbers show it", "2 0=3/dchg", "3 0=4/dchg", "4 0=5/dchg")
	for range 1000 {
		r.change("0")
		r.all()
	}
	if len(r.entries) > 100 || r.octets != 0 {
		t.Errorf("%d entries are held after all were sent, %d octets", len(r.entries), r.octets)
	}
}

// An entry that is not yet released, because it is not yet durable, is not sent, nor one after it.
func TestEntriesWaitForTheirRelease(t *testing.T) {
	r := newRig(t, nil)
	r.enable(ann)
	r.change("0")
	first := r.Last()
	r.change("1")
	if r.Ready() || r.Take() != nil {
		t.Error("sent before it is released")
	}
	if !r.Release(first) || !r.Ready() {
		t.Error("not ready after its release")
	}
	if rep := r.Take(); rep == nil || rep.EntryID.Number() != first || r.Take() != nil {
		t.Errorf("got %v, want the first alone", rep)
	}
}

func TestClockThatIsSetBack(t *testing.T) {
	r := newRig(t, func(c *Config) { c.BufTm, c.IntgPd = 100, 1000 })
	r.set(ann, "ResvTms", value.Int(10))
	r.change("0")
	r.Lost(r.now, ann.ID)
	r.now = r.now.Add(-time.Hour)
	r.Tick(r.now)
	r.after(100 * time.Millisecond)
	if n := r.Counts().Generated; n != 1 {
		t.Errorf("%d reports after the buffer time", n)
	}
	r.after(900 * time.Millisecond)
	if n := r.Counts().Generated; n != 2 {
		t.Errorf("%d reports after the integrity period", n)
	}
	r.after(9 * time.Second)
	r.enable(bob)
}
