// Package examples_test builds the programs of this folder and runs them: against a broker and an IED on loopback, on a site of
// their own.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"busbar.example/app/site"
	"busbar.example/internal/testbed"
)

// model is what the IED of all examples is.
const model = "../app/demo/scl/feeder.cid"

func TestExamples(t *testing.T) {
	f := folder{programs: build(t), site: made(t)}
	ied := f.start(t, "ied", "fdr1", model)
	if line := ied.line(t); line != "fdr1@plant.example/IEC is on line" {
		t.Fatalf("the IED says %q", line)
	}
	got := f.run(t, "read", "fdr1", "FDR1LD0/GGIO1.ISCSO1.stVal", "FDR1LD0/MMXU1.TotW.mag.f")
	for _, want := range []string{"FDR1LD0/GGIO1.ISCSO1.stVal[ST]  1", "FDR1LD0/MMXU1.TotW.mag.f[MX]"} {
		if !strings.Contains(got, want) {
			t.Errorf("read says %q, want it to hold %q", got, want)
		}
	}
	watch := f.start(t, "subscribe", "fdr1", "FDR1LD0/LLN0.Measurements")
	if line := watch.line(t); !strings.HasPrefix(line, "FDR1LD0/MMXU1.TotW[MX]") || !strings.HasSuffix(line, " gi") {
		t.Errorf("subscribe begins with %q", line)
	}
	got = f.run(t, "control", "fdr1", "FDR1LD0/GGIO1.ISCSO1", "3")
	if steps := strings.Fields(got); len(steps) != 4 || steps[0] != "operate" || steps[2] != "terminated" {
		t.Errorf("control says %q, want the steps operate and terminated", got)
	}
	if line := ied.line(t); line != "ems@plant.example sets stage 3" {
		t.Errorf("the IED says %q", line)
	}
	for changed := false; !changed; {
		line := watch.line(t)
		changed = strings.HasPrefix(line, "FDR1LD0/MMXU1.TotW[MX]") && strings.Contains(line, "float32 3000") && strings.HasSuffix(line, " dchg")
	}
	watch.interrupt(t)
	ied.interrupt(t)
}

// An example is short, or it is no example.
func TestExamplesAreShort(t *testing.T) {
	const most = 60
	programs, err := filepath.Glob("*/main.go")
	if err != nil || len(programs) < 4 {
		t.Fatalf("got %v %v", programs, err)
	}
	for _, name := range programs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n >= most {
			t.Errorf("%s has %d lines, it must be under %d", name, n, most)
		}
	}
}

// made is the folder of a site with an IED fdr1 and a client ems, whose broker runs.
func made(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	s, err := site.Init(dir, "plant.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, roles := range map[string][]string{"fdr1": nil, "ems": {"ENGINEER", "OPERATOR"}} {
		j, err := s.Account(name)
		if err == nil {
			err = s.Issue(j, roles, "", false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	listens, ended := make(chan net.Addr, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		ended <- s.RunBroker(ctx, site.BrokerOptions{Listen: "127.0.0.1:0", Ready: func(a net.Addr) { listens <- a }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("broker: %v", err)
		}
	})
	select {
	case <-listens:
	case err := <-ended:
		t.Fatal(err)
	}
	return dir
}

// build builds all examples, and gives the folder that they are in. They are built as the test is, so that what they import is built
// already.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if testbed.RaceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "./...")...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// folder is a site, and the programs that use it.
type folder struct{ site, programs string }

// command is an example that is to run, for some minutes at the most.
func (f folder) command(t *testing.T, name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, filepath.Join(f.programs, name), append([]string{"-site", f.site}, args...)...)
	c.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else it sleeps for a second before it ends
	return c
}

// run runs an example to its end, and gives what it prints.
func (f folder) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := f.command(t, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// running is an example that runs.
type running struct {
	command *exec.Cmd
	lines   *bufio.Reader
	errors  bytes.Buffer
}

// start begins to run an example, which the end of the test kills.
func (f folder) start(t *testing.T, name string, args ...string) *running {
	t.Helper()
	r := &running{command: f.command(t, name, args...)}
	r.command.Stderr = &r.errors
	out, err := r.command.StdoutPipe()
	if err == nil {
		err = r.command.Start()
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	r.lines = bufio.NewReader(out)
	t.Cleanup(func() {
		r.command.Process.Kill()
		r.command.Wait() // it may have ended
	})
	return r
}

// line is the next line that it prints.
func (r *running) line(t *testing.T) string {
	t.Helper()
	line, err := r.lines.ReadString('\n')
	if err != nil {
		r.command.Wait()
		t.Fatalf("%v: %v\n%s", r.command.Args, err, r.errors.String())
	}
	return strings.TrimSuffix(line, "\n")
}

// interrupt ends it as a person does, in order.
func (r *running) interrupt(t *testing.T) {
	t.Helper()
	if err := r.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.lines); err != nil {
		t.Error(err)
	}
	if err := r.command.Wait(); err != nil {
		t.Errorf("%v ends with %v\n%s", r.command.Args, err, r.errors.String())
	}
}
