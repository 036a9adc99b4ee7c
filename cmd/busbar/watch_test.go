package main

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// watcher is a watch that is under way.
type watcher struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr bytes.Buffer
}

func (f folder) watch(args ...string) *watcher {
	f.t.Helper()
	return f.watchOf("pv1", args...)
}

func (f folder) watchOf(ied string, args ...string) *watcher {
	f.t.Helper()
	args = append([]string{"watch", "--to", ied, "--interval", "100ms"}, args...)
	if !strings.Contains(ied, "://") {
		args = append(args, "--jid", "ems")
	}
	w := &watcher{t: f.t, cmd: f.command(args...)}
	w.cmd.Stderr = &w.stderr
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	w.stdout = bufio.NewReader(stdout)
	if err := w.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return w
}

// line waits for the next line.
func (w *watcher) line() string {
	w.t.Helper()
	line, err := w.stdout.ReadString('\n')
	if err != nil {
		w.t.Fatalf("no further line: %v, %v\n%s", err, w.cmd.Wait(), w.stderr.String())
	}
	return line
}

// end waits for the end, and gives the rest of what was printed.
func (w *watcher) end() result {
	w.t.Helper()
	rest, err := io.ReadAll(w.stdout)
	if err != nil {
		w.t.Fatal(err)
	}
	w.cmd.Wait() // its status says how
	return result{string(rest), w.stderr.String(), w.cmd.ProcessState.ExitCode()}
}

const watchedLimit, watchedText = "PV1LD0/DGEN1.WMax.setMag.f", "PV1LD0/DGEN1.WMax.d"

func TestAWatchPrintsWhatIsWrittenMeanwhile(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	clock := regexp.MustCompile(`\d\d:\d\d:\d\d\.\d\d\d`)
	for _, end := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		f.must("set", "--jid", "ems", "--to", "pv1", watchedLimit+"=80", watchedText+"=day")
		w := f.watch("--utc", watchedLimit, watchedText, "PV1LD0/MMXU1.Hz[MX]")
		got := []string{w.line(), w.line(), w.line(), w.line()}
		f.must("set", "--jid", "ems", "--to", "pv1", watchedLimit+"=70")
		got = append(got, w.line())
		f.must("set", "--jid", "ems", "--to", "pv1", watchedText+"=night")
		got = append(got, w.line())
		w.cmd.Process.Signal(end)
		r := w.end()
		want := `T  PV1LD0/DGEN1.WMax.setMag.f[SP]  80 kW           initial
T  PV1LD0/DGEN1.WMax.d[DC]         day             initial
T  PV1LD0/MMXU1.Hz.mag.f[MX]       50.01 Hz  good  initial
T  PV1LD0/MMXU1.Hz.range[MX]       normal    good  initial
T  PV1LD0/DGEN1.WMax.setMag.f[SP]  70 kW
T  PV1LD0/DGEN1.WMax.d[DC]         night
`
		if diff := cmp.Diff(want, clock.ReplaceAllString(strings.Join(got, "")+r.stdout, "T")); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		said := regexp.MustCompile(`^following 4 values with 1 request every 100ms\n6 changes, \d+ polls(, \d+ left out [^\n]*)? in [0-9.ms]+\n$`)
		if r.status != exitDone || !said.MatchString(r.stderr) {
			t.Errorf("%v: status %d, it says %s\nwant %v", end, r.status, r.stderr, said)
		}
	}
}

func TestAWatchEndsWhenItHasSeenEnough(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	at := regexp.MustCompile(`"(at|time)":"[^"]+"`)
	for _, tc := range []struct {
		name   string
		args   []string
		stdout string
		status int
	}{
		{"after a number of changes", []string{"--count", "1", "--json", watchedLimit, watchedText},
			`{"ref":"PV1LD0/DGEN1.WMax.setMag.f","fc":"SP","type":"float32","value":100,"unit":"kW","at":"T","initial":true}` + "\n", exitDone},
		{"after a time", []string{"--for", "300ms", "--json", "PV1LD0/MMXU1.Hz.mag.f"},
			`{"ref":"PV1LD0/MMXU1.Hz.mag.f","fc":"MX","type":"float32","value":50.01,"unit":"Hz","quality":{"validity":"good","detail":[]},"time":"T","at":"T","initial":true}` + "\n", exitDone},
		{"with what fails shown once", []string{"--for", "300ms", "--json", "PV1LD0/DGEN1.Oper[CO]", watchedLimit},
			`{"ref":"PV1LD0/DGEN1.Oper","fc":"CO","error":{"layer":"acsi","code":"object-access-unsupported","text":"reading what is under CO can select it: watch what is under ST"},"at":"T","initial":true}
{"ref":"PV1LD0/DGEN1.WMax.setMag.f","fc":"SP","type":"float32","value":100,"unit":"kW","at":"T","initial":true}
`, exitFailed},
		{"at once, where there is nothing to follow", []string{"--json", "PV1LD0/DGEN1.WMax[CO]"},
			`{"ref":"PV1LD0/DGEN1.WMax","fc":"CO","error":{"layer":"acsi","code":"object-access-unsupported","text":"reading what is under CO can select it: watch what is under ST"},"at":"T","initial":true}` + "\n", exitFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := folder{t, f.dir}
			r := f.watch(tc.args...).end()
			if diff := cmp.Diff(tc.stdout, at.ReplaceAllString(anyClock(r.stdout), `"$1":"T"`)); diff != "" || r.status != tc.status {
				t.Errorf("watch %q: status %d, want %d (-want +got):\n%s%s", tc.args, r.status, tc.status, diff, r.stderr)
			}
		})
	}
}

func TestAWatchSaysWhenTheAssociationIsLost(t *testing.T) {
	for _, who := range []string{"the IED", "the broker"} {
		t.Run(who, func(t *testing.T) {
			f := newFolder(t)
			broker, _ := f.broker()
			ied := f.ied()
			w := f.watch("--interval", "1h", "--no-reconnect", watchedLimit)
			w.line()
			if who == "the IED" {
				ied.stop()
			} else {
				broker.stop()
			}
			r := w.end()
			lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
			if r.status != exitFailed || len(lines) != 4 || !strings.HasPrefix(lines[2], "busbar: the association with pv1 is lost: ") ||
				!strings.HasPrefix(lines[3], "  hint: see whether broker and IED still run") {
				t.Errorf("status %d, it says\n%s", r.status, r.stderr)
			}
		})
	}
}
