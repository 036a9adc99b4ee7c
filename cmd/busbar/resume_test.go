package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// plantProgram as the first argument makes the test binary the process behind an IED: a meter that counts up.
const plantProgram = "test-plant"

// span is more than a meter counts in its life.
const span = 1_000_000

// plant counts until the IED ends. The file has how often the meter was started: each life has numbers of its own.
func plant(file string) {
	text, _ := os.ReadFile(file) // not there at first
	life, _ := strconv.Atoi(string(text))
	life++
	if err := os.WriteFile(file, []byte(strconv.Itoa(life)), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		for n := life*span + 1; ; n++ {
			fmt.Printf("{\"ref\":%q,\"value\":%d}\n", meter, n)
			time.Sleep(8 * time.Millisecond)
		}
	}()
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			os.Exit(0) // the IED has ended
		}
		if strings.Contains(line, `"error"`) {
			fmt.Fprint(os.Stderr, line)
		}
	}
}

const (
	meter      = "PV1LD0/MMTR1.SupWh.actVal"
	meterBlock = "PV1LD0/LLN0.brcbEnergy01"
)

// ledger is what watches have printed of the meter, all of them together.
type ledger struct {
	t     *testing.T
	entry string      // of the last report
	value int         // that it had
	ended map[int]int // by lives of the meter: what it had counted to when its IED was told to end; an IED that is killed may not have kept all
}

// add holds a line against those before it. Where again is true the watch before it was killed, and may not have noted its last report:
// that one can come once more.
func (l *ledger) add(line string, again bool) {
	l.t.Helper()
	var c struct {
		Ref, Entry string
		Value      int
	}
	if err := json.Unmarshal([]byte(line), &c); err != nil || c.Ref != meter || len(c.Entry) != 16 {
		l.t.Fatalf("%v in %s", err, line)
	}
	switch next := l.value + 1; {
	case again && c.Entry == l.entry && c.Value == l.value:
		return
	case c.Entry <= l.entry:
		l.t.Fatalf("entry %s with %d comes after %s with %d", c.Entry, c.Value, l.entry, l.value)
	case l.value == 0, c.Value == next: // each is one more than the last
	case c.Value == (l.value/span+1)*span+1 && l.value >= l.ended[l.value/span]: // or the first of the next life
	default:
		l.t.Fatalf("%d comes after %d; the ends of lives are %v", c.Value, l.value, l.ended)
	}
	l.entry, l.value = c.Entry, c.Value
}

// follow watches the meter, going on where the watch before has ended, and adds n lines or more, until it has one of the
// life; then it calls end and adds what was still printed.
func (l *ledger) follow(f folder, n, life int, again bool, end func(*watcher)) {
	l.t.Helper()
	w := f.watch("--resume", "--no-reconnect", "--json", meterBlock)
	for i := 0; i < n || l.value < life*span; i++ {
		l.add(w.line(), again && i == 0)
	}
	end(w)
	r := w.end()
	for line := range strings.Lines(r.stdout) {
		if strings.HasSuffix(line, "\n") { // else it was killed in the middle of it
			l.add(line, false)
		}
	}
	for _, loss := range []string{"did not come", "forget", "no longer has", "missing"} {
		if strings.Contains(r.stderr, loss) {
			l.t.Errorf("a watch says\n%s", r.stderr)
		}
	}
}

// An IED with a buffered control block, and a watch of it, are killed and told to end while events stream: what the watches print, one
// after the other, is each event once and in order.
//
// Conformance: sBr9, sBr10, sAssN5, cBr.
func TestAWatchLosesNothingWhoeverIsKilled(t *testing.T) {
	f := newFolder(t)
	f.broker()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func() *process {
		return f.ied("--process", "exec:"+self+" "+plantProgram+" "+f.path("life"))
	}
	ied := run()
	f.must("rcb", "set", "--jid", "ems", "--to", "pv1", meterBlock, "TrgOps=dchg", "BufTm=0")
	l := &ledger{t: t, ended: map[int]int{}}
	killIED := func(*watcher) { // that it is gone shows when it is there again: the broker would have its stream taken up
		ied.kill()
		ied = run()
	}
	killWatch := func(w *watcher) { w.cmd.Process.Kill() }
	again := false
	for round := range 2 {
		l.follow(f, 40+7*round, 0, again, killIED)
		l.follow(f, 30+11*round, 0, false, killWatch)
		// Nobody follows, and then the IED is told to end: what it has counted by now is kept.
		var counted int
		if _, err := fmt.Sscan(f.must("get", "--jid", "ems", "--to", "pv1", meter+"[ST]")[len(meter+"[ST]"):], &counted); err != nil {
			t.Fatal(err)
		}
		l.ended[counted/span] = counted
		ied.stop()
		ied = run()
		again = true
	}
	l.follow(f, 50, 5, again, func(w *watcher) { w.cmd.Process.Signal(syscall.SIGTERM) })
}
