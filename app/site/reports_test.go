package site

import (
	"bytes"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"busbar.example/acsi"
	"github.com/google/go-cmp/cmp"
)

// The log hears of each change with --verbose, and of entries that are lost once an hour for each control block.
func TestTheLogHearsOfReports(t *testing.T) {
	var said bytes.Buffer
	b, u := acsi.MustRef("LD/LLN0.b01[BR]"), acsi.MustRef("LD/LLN0.u01[RP]")
	w := reportsWatch{log: slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})), warned: map[acsi.Ref]time.Time{}}
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after  time.Duration
		counts map[acsi.Ref]reportCounts
		want   []string // level, msg
	}{
		{0, map[acsi.Ref]reportCounts{b: {}, u: {}}, nil},
		{time.Second, map[acsi.Ref]reportCounts{b: {Generated: 3}, u: {Generated: 2, Sent: 2}}, []string{"DEBUG LD/LLN0.b01", "DEBUG LD/LLN0.u01"}},
		{2 * time.Second, map[acsi.Ref]reportCounts{b: {Generated: 9, Overwritten: 1}, u: {Generated: 2, Sent: 2}}, []string{"DEBUG LD/LLN0.b01", "WARN LD/LLN0.b01"}},
		{3 * time.Second, map[acsi.Ref]reportCounts{b: {Generated: 12, Overwritten: 4}, u: {Generated: 3, Sent: 2, Overwritten: 1}},
			[]string{"DEBUG LD/LLN0.b01", "DEBUG LD/LLN0.u01", "WARN LD/LLN0.u01"}},
		{2*time.Second + time.Hour, map[acsi.Ref]reportCounts{b: {Generated: 15, Overwritten: 7}, u: {Generated: 3, Sent: 2, Overwritten: 1}},
			[]string{"DEBUG LD/LLN0.b01", "WARN LD/LLN0.b01"}},
	} {
		said.Reset()
		w.look(noon.Add(step.after), step.counts)
		var got []string
		for _, m := range regexp.MustCompile(`level=(\w+) .*block=(\S+)`).FindAllStringSubmatch(said.String(), -1) {
			got = append(got, m[1]+" "+m[2])
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("after %v (-want +got):\n%s%s", step.after, diff, said.String())
		}
	}
}
