package main

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/value"
)

func TestOnlyNewsIsShown(t *testing.T) {
	pos, num := acsi.MustRef("LD/XCBR1.Pos.stVal[ST]"), acsi.MustRef("LD/XCBR1.Pos.ctlNum[ST]")
	change := func(ref acsi.Ref, v int64, why acsi.Reason) client.Change {
		return client.Change{Reading: client.Reading{Object: client.Object{Ref: ref}, Value: value.Int(v)}, Reason: why}
	}
	known := shown{}
	const dchg, gi = acsi.ReasonDataChange, acsi.ReasonGeneralInterrogation
	for i, test := range []struct {
		changes []client.Change
		want    int
	}{
		{[]client.Change{change(pos, 1, gi), change(num, 7, gi)}, 2},
		{[]client.Change{change(pos, 2, dchg), change(num, 7, dchg)}, 1},
		{[]client.Change{change(pos, 2, dchg), change(num, 7, dchg)}, 2}, // there and back: nothing is another, and yet it is a change
		{[]client.Change{change(pos, 2, gi), change(num, 7, gi)}, 2},
	} {
		if got := known.news(test.changes); len(got) != test.want {
			t.Errorf("%d: %d are shown, want %d", i, len(got), test.want)
		}
	}
}

// A watch of a buffered control block goes on where the one before it ended, with nothing lost or doubled between.
//
// Conformance: cBr.
func TestAWatchResumes(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	const block = "PV1LD0/LLN0.brcbStatus"
	entry := regexp.MustCompile(`"entry":"([0-9a-f]{16})"`)
	w := f.watch(block, "--gi", "--json", "--count", "1")
	first := w.end()
	if first.status != exitDone || !strings.Contains(first.stdout, `"reason":"gi"`) {
		t.Fatalf("%+v", first)
	}
	mark, err := os.ReadFile(f.dir + "/state/watch-pv1.json")
	if err != nil {
		t.Fatal(err)
	}
	last := entry.FindStringSubmatch(first.stdout)
	if len(last) != 2 || !strings.Contains(string(mark), last[1]) {
		t.Errorf("kept is %s, printed was %s", mark, first.stdout)
	}
	w = f.watch(block, "--resume", "--gi", "--json", "--count", "1")
	again := w.end()
	if again.status != exitDone || cmp.Diff(last, entry.FindStringSubmatch(again.stdout)) == "" {
		t.Errorf("%+v", again)
	}
	w = f.watch(block, "--since", "00000000000000ff", "--count", "1")
	if r := w.end(); r.status != exitFailed || !strings.Contains(r.stderr, "EntryID") {
		t.Errorf("an entry that is not there: %+v", r)
	}
	w = f.watch("PV1LD0/LLN0.urcbMeasurements", "--utc", "--gi")
	if line := w.line(); !strings.HasSuffix(line, "gi\n") {
		t.Errorf("a change is shown as %s", line)
	}
	w.cmd.Process.Signal(syscall.SIGINT)
	if r := w.end(); r.status != exitDone || !strings.Contains(r.stderr, "following") || !strings.Contains(r.stderr, "report") {
		t.Errorf("%+v", r)
	}
}
