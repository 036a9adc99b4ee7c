package report

import (
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

// again is what a new process makes of r.
func again(t *testing.T, r *rig) *rig {
	t.Helper()
	data, err := r.State().AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	state, err := DecodeState(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r.State(), state); d != "" {
		t.Errorf("state (-want +got):\n%s", d)
	}
	var entries []Entry
	for e := range r.After(0) {
		data, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := DecodeEntry(e.Number, data, 3)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, kept)
	}
	n := newRig(t, nil)
	n.now, n.values = r.now, r.values
	n.Restore(n.now, state, []string{"m0", "m1", "m2"}, entries)
	return n
}

func TestRestoredControlGoesOn(t *testing.T) {
	r := newRig(t, nil)
	r.set(ann, "ResvTms", value.Int(30))
	r.set(ann, "RptID", value.Visible("other"))
	r.set(ann, "OptFlds", acsi.OptSeqNum.Value())
	r.change("0")
	r.now = r.now.Add(time.Second)
	r.change("1!")
	r.enable(ann)
	r.Release(r.Last())
	r.Take()
	r.set(ann, "GI", value.Bool(true))
	r.set(ann, "GI", value.Bool(true)) // empties the one before

	n := again(t, r)
	for _, name := range []string{"RptID", "DatSet", "ConfRev", "OptFlds", "BufTm", "TrgOps", "IntgPd", "ResvTms", "Owner"} {
		if got, want := n.Value(name), r.Value(name); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if n.Enabled() || n.Holder() != 0 || n.Last() != r.Last() || n.Oldest() != r.Oldest() || n.octets != r.octets || n.Counts() != r.Counts() {
		t.Errorf("got %+v, want as %+v", n.Control, r.Control)
	}
	n.refused("another client, while it is reserved", acsi.TemporarilyUnavailable, n.Set(n.now, bob, "RptEna", value.Bool(true)))
	n.change("2")
	back := Client{ID: 9, Address: "ann@dso.example/other", Name: ann.Name}
	n.enable(back)
	n.want("what was not sent", "0 1=1/", "1 0=1/ 1=1/ 2=0/", "2 2=1/")
	n.Lost(n.now, back.ID)

	n = again(t, n)
	n.after(29 * time.Second)
	n.refused("another client, before the reservation expires", acsi.TemporarilyUnavailable, n.Set(n.now, bob, "RptEna", value.Bool(true)))
	n.after(time.Second)
	n.set(bob, "EntryID", octets(0))
	n.enable(bob)
	n.want("all that there is", "0 0=1/", "1 1=1/", "2 0=1/ 1=1/ 2=0/", "3 2=1/")
}

func TestRestoredOverflowIsTold(t *testing.T) {
	size := sizeOf([]Included{{Value: value.Int(0)}})
	r := newRig(t, func(c *Config) { c.Limit = 2 * size })
	for range 3 {
		r.change("0")
	}
	n := again(t, r)
	n.enable(ann)
	n.want("then", "0! 0=2/dchg", "1 0=3/dchg")
}

func TestNumbersAreNotUsedTwiceThoughTheClockIsSetBack(t *testing.T) {
	r := newRig(t, nil)
	r.change("0")
	last := r.Last()
	r.now = r.now.Add(-24 * time.Hour)
	n := again(t, r)
	n.change("0")
	if n.Last() != last+1 {
		t.Errorf("got %d after %d", n.Last(), last)
	}
}

func TestDamagedEntriesAndStates(t *testing.T) {
	r := newRig(t, nil)
	r.change("0 2")
	e := r.Entry(r.Last())
	good, err := e.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if got, err := DecodeEntry(1, good[:n], 3); err == nil {
			t.Errorf("cut to %d octets: got %+v", n, got)
		}
	}
	if _, err := DecodeEntry(1, append(good[:len(good):len(good)], 0), 3); err == nil {
		t.Error("an octet more is taken")
	}
	if _, err := DecodeEntry(1, good, 2); err == nil {
		t.Error("a member that the data set has not is taken")
	}
	twice := *e
	twice.Values = []Included{e.Values[0], e.Values[0]}
	data, err := twice.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeEntry(1, data, 3); err == nil {
		t.Error("a member that is there twice is taken")
	}
	state, err := r.State().AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range state {
		if got, err := DecodeState(state[:n]); err == nil {
			t.Errorf("cut to %d octets: got %+v", n, got)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	e := Entry{Time: noon, Values: []Included{{Member: 0, Value: value.Int(7), Why: acsi.ReasonDataChange}, {Member: 2, Value: value.Text("x")}}}
	seed, err := e.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(1, b, 3)
		if err != nil {
			return
		}
		if len(e.Values) > 3 {
			t.Fatalf("%d members", len(e.Values))
		}
		again, err := e.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		same, err := DecodeEntry(1, again, 3)
		if err != nil || len(same.Values) != len(e.Values) || !same.Time.Equal(e.Time) {
			t.Fatalf("got %+v %v, want %+v", same, err, e)
		}
	})
}
