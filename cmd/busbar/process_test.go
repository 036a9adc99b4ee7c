package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asBusbar in the environment makes the test binary the command: the tests run it as processes of their own.
const asBusbar = "BUSBAR_TEST_PROCESS"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == plantProgram {
		plant(os.Args[2])
	}
	if os.Getenv(asBusbar) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience bounds the life of every process: that of a broker is as long as its test.
const patience = 5 * time.Minute

const domain = "plant.example"

// folder is a site folder in which commands are run.
type folder struct {
	t   *testing.T
	dir string
}

// newFolder makes a site with an IED pv1, an ENGINEER ems and a VIEWER guest.
func newFolder(t *testing.T) folder {
	t.Helper()
	f := folder{t, filepath.Join(t.TempDir(), "site")}
	folder{t, t.TempDir()}.must("init", f.dir, "--domain", domain)
	f.must("pki", "issue", "ied", "pv1@"+domain)
	f.must("pki", "issue", "client", "ems@"+domain, "--role", "ENGINEER")
	f.must("pki", "issue", "client", "guest")
	return f
}

func (f folder) path(elem ...string) string {
	return filepath.Join(append([]string{f.dir}, elem...)...)
}

// result is what came of a command.
type result struct {
	stdout, stderr string
	status         int
}

func (f folder) command(args ...string) *exec.Cmd {
	f.t.Helper()
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	f.t.Cleanup(cancel)
	c := exec.CommandContext(ctx, self, args...)
	c.Dir = f.dir
	// Under the race detector a process would sleep for a second before it ends.
	c.Env = append(os.Environ(), asBusbar+"=1", "TZ=UTC", "GORACE=atexit_sleep_ms=0")
	return c
}

// run runs a command to its end.
func (f folder) run(args ...string) result {
	f.t.Helper()
	c := f.command(args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		f.t.Fatalf("busbar %q: %v", args, err)
	}
	if trace := regexp.MustCompile(`(?m)^(panic:|goroutine \d+|fatal error:).*`).FindString(stderr.String()); trace != "" {
		f.t.Errorf("busbar %q prints a stack trace: %s", args, stderr.String())
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// must runs a command that has to succeed and gives what it prints.
func (f folder) must(args ...string) string {
	f.t.Helper()
	r := f.run(args...)
	if r.status != exitDone {
		f.t.Fatalf("busbar %q: status %d\n%s%s", args, r.status, r.stdout, r.stderr)
	}
	return r.stdout
}

// process is a command that serves.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	said  string        // the line that told that it was ready
	rest  *bytes.Buffer // what it said after that; complete once drained is closed
	ended chan struct{}
}

// start starts a command and waits for a line on its standard error that holds ready. It is stopped with the test.
func (f folder) start(ready string, args ...string) *process {
	f.t.Helper()
	return f.started(f.command(args...), ready)
}

// started is start for a command that was made.
func (f folder) started(c *exec.Cmd, ready string) *process {
	f.t.Helper()
	p := &process{t: f.t, cmd: c, rest: new(bytes.Buffer), ended: make(chan struct{})}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	var said string
	for !strings.Contains(p.said, ready) {
		p.said, err = lines.ReadString('\n')
		said += p.said
		if err != nil {
			f.t.Fatalf("%q is not ready: %v\n%s", c.Args, errors.Join(err, p.cmd.Wait()), said)
		}
	}
	go func() {
		defer close(p.ended)
		io.Copy(p.rest, lines)
	}()
	f.t.Cleanup(func() { p.stop() })
	return p
}

// stop ends the process with SIGTERM and gives its exit status and what it said since it was ready.
func (p *process) stop() (status int, said string) {
	p.t.Helper()
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Signal(syscall.SIGTERM)
		<-p.ended
		p.cmd.Wait()
	}
	return p.cmd.ProcessState.ExitCode(), p.rest.String()
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Error(err)
	}
	<-p.ended
	p.cmd.Wait() // its status says that it was killed
}

// broker starts the folder's broker on a free port and gives its address.
func (f folder) broker() (*process, string) {
	f.t.Helper()
	p := f.start("listens on", "broker", "--listen", "127.0.0.1:0")
	words := strings.Fields(p.said)
	return p, words[len(words)-1]
}

const pvFile = "../../app/demo/scl/pv.cid"

// ied starts pv1 with the model of a demo's photovoltaic plant, its values standing still.
func (f folder) ied(flags ...string) *process {
	f.t.Helper()
	return f.start("is on line", append([]string{"ied", "--jid", "pv1", "--scl", absolute(f.t, pvFile)}, flags...)...)
}

// anyClock takes out of what a command has said that this host's clock is not synchronised, where it is not.
func anyClock(said string) string {
	return strings.NewReplacer(" clockNotSynchronized", "", `,"timeQuality":["clockNotSynchronized"]`, "").Replace(said)
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// events are the lines of an audit log that hold all words.
func (f folder) events(log string, words ...string) []string {
	f.t.Helper()
	text, err := os.ReadFile(f.path("audit", log+".jsonl"))
	if err != nil {
		f.t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			found = append(found, line)
		}
	}
	return found
}
