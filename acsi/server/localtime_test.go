package server

import (
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Clocks are set back by an hour while the IED runs: its stamps and its log know nothing of it.
//
// Conformance: sTm3.
func TestLocalTimeDoesNotShow(t *testing.T) {
	summer, winter := time.FixedZone("summer", 2*60*60), time.FixedZone("winter", 60*60)
	b := feederBench(t, Config{})
	s := b.as(rbac.Viewer)
	before := time.Date(2026, 10, 25, 2, 59, 59, 0, summer)
	var stamps []time.Time
	for i, now := range []time.Time{before, before.Add(time.Second).In(winter)} {
		b.now = now
		b.change(t, start, value.Bool(i == 0), 0)
		at, ok := acsi.TimestampOf(get(t, s, "FDR1LD0/PTOC1.Str.t[ST]"))
		if !ok {
			t.Fatal("the stamp is no time")
		}
		stamps = append(stamps, at.Time)
	}
	entries, _, err := s.QueryLogByTime(bg, events, before, before.Add(time.Second))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i, want := range []time.Time{time.Date(2026, 10, 25, 0, 59, 59, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC)} {
		if stamps[i] != want || entries[i].Time != want {
			t.Errorf("change %d: stamped %v, entered %v, want %v", i, stamps[i], entries[i].Time, want)
		}
	}
}
