package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whoever is killed, the others come back by themselves: one watch, that of a buffered control block, prints each event once and in
// order, over a broker that is killed and started again at its port, one that is told to end, and an IED that is killed.
//
// Conformance: sBr9, sBr10, sAssN5, cBr, cAss.
func TestAWatchAndAnIEDComeBackByThemselves(t *testing.T) {
	f := newFolder(t)
	broker, address := f.broker()
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
	w := f.watch("--json", meterBlock)
	follow := func(n int) {
		t.Helper()
		for range n {
			l.add(w.line(), false)
		}
	}
	restart := func() {
		t.Helper()
		broker = f.start("listens on", "broker", "--listen", address)
	}
	follow(40)
	broker.kill()
	restart()
	follow(60)
	broker.stop()
	restart()
	follow(60)
	ied.kill()
	if said := ied.rest.String(); strings.Count(said, "comes back by itself") != 2 || strings.Count(said, "is on line again") != 2 {
		t.Errorf("the IED says\n%s\nwant that it was lost twice, and came back", said)
	}
	run()
	for l.value < 2*span {
		follow(1)
	}
	follow(40)
	w.cmd.Process.Signal(syscall.SIGTERM)
	r := w.end()
	for line := range strings.Lines(r.stdout) {
		l.add(line, false)
	}
	if lost, back := strings.Count(r.stderr, "pv1 is off line, and comes back by itself"), strings.Count(r.stderr, "pv1 is on line again, after "); r.status != exitDone || lost != 3 || back != 3 {
		t.Errorf("status %d; lost %d times and back %d times, want 3 of each; it says\n%s", r.status, lost, back, r.stderr)
	}
	for _, loss := range []string{"did not come", "forget", "no longer has", "missing"} {
		if strings.Contains(r.stderr, loss) {
			t.Errorf("the watch says\n%s", r.stderr)
		}
	}
}

// What is read again and again goes on after a loss with what has changed meanwhile, and does not tell the rest anew.
func TestAWatchOfValuesGoesOnWithWhatHasChanged(t *testing.T) {
	f := newFolder(t)
	f.broker()
	ied := f.ied("--state", "none")
	w := f.watch("--utc", watchedLimit, watchedText)
	w.line()
	w.line()
	ied.kill()
	f.ied("--state", "none")
	f.must("set", "--jid", "ems", "--to", "pv1", watchedLimit+"=70")
	if line := w.line(); !strings.Contains(line, watchedLimit+"[SP]  70 kW") || strings.Contains(line, "initial") {
		t.Errorf("after the loss it prints %q, want the change of %s", line, watchedLimit)
	}
	w.cmd.Process.Signal(syscall.SIGTERM)
	if r := w.end(); r.status != exitDone || r.stdout != "" || strings.Count(r.stderr, "following") != 1 || !strings.Contains(r.stderr, "3 changes") {
		t.Errorf("%+v", r)
	}
}

// A command goes to the next broker where the first is not there, or is none. An IED with --wait waits for the first that is.
func TestCommandsTakeTheBrokerThatIsThere(t *testing.T) {
	f, other := newFolder(t), newFolder(t)
	broker, address := f.broker()
	_, wrong := other.broker() // of another site
	broker.stop()
	places := "127.0.0.1:1," + wrong + "," + address
	waiting := f.start("still off line", "ied", "--jid", "pv1", "--scl", absolute(t, pvFile), "--wait", "--connect", places)
	for _, want := range []string{"127.0.0.1:1 (connect)", wrong + " (tls)", address + " (connect)"} {
		if !strings.Contains(waiting.said, want) {
			t.Errorf("it says %q, want that it has tried %s", waiting.said, want)
		}
	}
	f.start("listens on", "broker", "--listen", address)
	f.awaitIED("pv1", watchedLimit, "--connect", places)
	if status, said := waiting.stop(); status != exitDone || !strings.Contains(said, "is on line: ") {
		t.Errorf("the IED: status %d, %q", status, said)
	}
}

// Keys that are renewed while a party runs are those of its next session.
func TestAnIEDComesBackWithRenewedKeys(t *testing.T) {
	f := newFolder(t)
	broker, address := f.broker()
	ied := f.ied()
	broker.stop()
	f.must("pki", "revoke", "pv1@"+domain)
	f.must("pki", "issue", "ied", "pv1@"+domain, "--force")
	f.start("listens on", "broker", "--listen", address)
	f.awaitIED("pv1", watchedLimit)
	if status, said := ied.stop(); status != exitDone || !strings.Contains(said, "is on line again") {
		t.Errorf("status %d, it says\n%s", status, said)
	}
}

// Over TCP a watch comes back to the one IED that it has.
func TestAWatchOverTCPComesBack(t *testing.T) {
	f := newFolder(t)
	f.mms("{anonymous: [ENGINEER]}")
	run := func(at string) (*process, string) {
		p := f.start("MMS over TCP at", "ied", "--scl", absolute(t, pvFile), "--state", "none", "--listen-mms", at)
		_, rest, _ := strings.Cut(p.said, "mms://")
		address, _, _ := strings.Cut(rest, ",")
		return p, address
	}
	ied, address := run("127.0.0.1:0")
	w := f.watchOf("mms://"+address, "--utc", watchedLimit)
	w.line()
	ied.kill()
	run(address)
	f.must("set", "--to", "mms://"+address, watchedLimit+"=70")
	if line := w.line(); !strings.Contains(line, "70 kW") {
		t.Errorf("after the loss it prints %q, want the change", line)
	}
	w.cmd.Process.Signal(syscall.SIGTERM)
	if r := w.end(); r.status != exitDone || !strings.Contains(r.stderr, "mms://"+address+" is on line again") {
		t.Errorf("%+v", r)
	}
}

// awaitIED asks an IED, which tries from time to time to come on line, for a value until it answers.
func (f folder) awaitIED(name, ref string, flags ...string) {
	f.t.Helper()
	for began := time.Now(); ; {
		r := f.run(append([]string{"get", "--jid", "ems", "--to", name, ref}, flags...)...)
		if r.status == exitDone {
			return
		}
		if time.Since(began) > time.Minute || !strings.Contains(r.stderr, "cannot be reached") {
			f.t.Fatalf("get: %+v", r)
		}
	}
}
