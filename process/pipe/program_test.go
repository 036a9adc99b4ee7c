package pipe

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// program is what this test binary does where it is the process behind an IED.
func program(kind string) {
	in := bufio.NewReader(os.Stdin)
	in.ReadString('\n')
	fmt.Println(`{"ref":"FDR1LD0/MMXU1.TotW.mag.f","value":12.5}`)
	fmt.Println(`{"get":"FDR1LD0/MMXU1.TotW.mag.f"}`)
	answer, _ := in.ReadString('\n')
	fmt.Fprint(os.Stderr, answer)
	in.ReadString('\n') // the end
	if kind == "stays" {
		time.Sleep(time.Hour)
	}
}

// asProgram makes p start this test binary.
func asProgram(t *testing.T, kind string, log slog.Handler) *Process {
	t.Helper()
	t.Setenv("BUSBAR_PIPE_PROGRAM", kind)
	p, err := New(Config{Command: []string{os.Args[0]}, Logger: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// heard is a log in which the first record with a text is waited for.
type heard struct {
	slog.Handler
	want  string
	once  *sync.Once
	found chan struct{}
}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }

func (h heard) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), h.want) {
			h.once.Do(func() { close(h.found) })
		}
		return true
	})
	return nil
}

func TestRealProgram(t *testing.T) {
	for _, kind := range []string{"ends", "stays"} { // when its input does
		t.Run(kind, func(t *testing.T) {
			log := heard{slog.DiscardHandler, `"value":12.5`, &sync.Once{}, make(chan struct{})}
			p := asProgram(t, kind, log)
			e := feeder(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() { p.Run(ctx) })
			<-log.found
			cancel()
			running.Wait()
			if got := text(t, e, "FDR1LD0/MMXU1.TotW.q[MX]"); got != "bit-string 1100000100000" {
				t.Errorf("when it has ended, the quality of its value is %s", got)
			}
		})
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	if _, err := New(Config{Command: []string{"busbar-has-no-such-program"}}); err == nil || !strings.Contains(err.Error(), "busbar-has-no-such-program") {
		t.Errorf("got %v", err)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a process without a program")
	}
}
