package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What the demo invites to paste does what it says, in a shell.
func TestTheCommandsOfTheDemoWork(t *testing.T) {
	f := folder{t, t.TempDir()}
	demo := f.command("demo")
	bin := t.TempDir()
	if err := os.Symlink(demo.Path, filepath.Join(bin, "busbar")); err != nil {
		t.Fatal(err)
	}
	env := append(demo.Env, "PATH="+bin+":"+os.Getenv("PATH"), "TMPDIR="+t.TempDir())
	demo.Env = env
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	defer demo.Wait()
	defer demo.Process.Signal(syscall.SIGTERM)
	commands := invitation(t, bufio.NewScanner(stdout))
	if len(commands) < 8 || !strings.HasPrefix(commands[0], "cd ") {
		t.Fatalf("the demo invites to %q", commands)
	}
	for _, line := range commands[1:] {
		t.Run(line, func(t *testing.T) {
			c := exec.CommandContext(t.Context(), "sh", "-c", commands[0]+" && exec "+line)
			c.Env = env
			want := exitDone
			if strings.Contains(line, "# refused") {
				want = exitFailed
			}
			out, err := outputOf(c, strings.Contains(line, " watch "))
			if err != nil || c.ProcessState.ExitCode() != want || out == "" {
				t.Errorf("status %d, want %d, %v\n%s", c.ProcessState.ExitCode(), want, err, out)
			}
		})
	}
}

// invitation are the commands that the demo prints.
func invitation(t *testing.T, said *bufio.Scanner) []string {
	t.Helper()
	var commands []string
	for invited := false; said.Scan(); {
		line, indented := strings.CutPrefix(said.Text(), "  ")
		invited = invited || strings.HasSuffix(line, "In another shell:")
		if invited && indented {
			commands = append(commands, line)
		}
		if strings.HasPrefix(line, "cat ") { // the last one
			return commands
		}
	}
	t.Fatalf("the demo ends before it invites: %v", said.Err())
	return nil
}

// outputOf runs c. Where it would not end by itself, it is interrupted when it has told a change.
func outputOf(c *exec.Cmd, lasting bool) (string, error) {
	stdout, err := c.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := c.Start(); err != nil {
		return "", err
	}
	var out strings.Builder
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		out.WriteString(lines.Text() + "\n")
		if lasting && !strings.HasSuffix(lines.Text(), "initial") {
			c.Process.Signal(os.Interrupt)
		}
	}
	c.Wait() // the status says how
	return out.String(), lines.Err()
}
