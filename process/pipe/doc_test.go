package pipe

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// The program on docs/process.md opens the breaker.
func TestExampleOnThePage(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3 is missing: install the package python3")
		}
		t.Skip("SKIP python3 is missing: install the package python3")
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "process.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```python\n")
	code, _, _ = strings.Cut(code, "```")
	if n := strings.Count(code, "\n"); n < 10 || n > 60 {
		t.Fatalf("it has %d lines", n)
	}
	file := filepath.Join(t.TempDir(), "bay.py")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Command: []string{python, file}, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	start := p.start
	p.start = func(ctx context.Context) (*pipes, error) {
		program, err := start(ctx)
		if err == nil {
			program.in = &first{WriteCloser: program.in, begun: func() { close(up) }}
		}
		return program, err
	}
	e := feeder(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	defer running.Wait()
	defer cancel()
	<-up
	cmd := server.Command{Ref: acsi.MustRef("FDR1LD0/CSWI1.Pos"), CDC: "DPC", Value: value.Bool(false)}
	for _, step := range []struct {
		phase server.Phase
		want  acsi.AddCause
	}{{server.Selecting, acsi.Done}, {server.Operating, acsi.Done}, {server.Executing, acsi.Done}, {server.Operating, acsi.PositionReached}} {
		cmd.Phase = step.phase
		if got := p.Control(t.Context(), cmd); got != step.want {
			t.Fatalf("%s: got %s, want %s", step.phase, got, step.want)
		}
	}
	for _, ref := range []string{"FDR1LD0/XCBR1.Pos.stVal[ST]", "FDR1LD0/CSWI1.Pos.stVal[ST]"} {
		if got := text(t, e, ref); got != "bit-string 01" {
			t.Errorf("%s is %s", ref, got)
		}
	}
}

// first tells when it is written to for the first time.
type first struct {
	io.WriteCloser
	begun func()
	once  sync.Once
}

func (f *first) Write(b []byte) (int, error) {
	f.once.Do(f.begun)
	return f.WriteCloser.Write(b)
}
