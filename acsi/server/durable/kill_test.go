package durable

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"busbar.example/acsi/server"
)

// writer is the process that is killed: it commits one number after the other, and says each when it is durable.
func writer(path string) {
	s, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var last uint64
	if err := s.Load(func(r server.Record) error { last = r.Number; return nil }); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for n := last + 1; ; n++ {
		changes := []server.Change{put("entry", "b", n, strings.Repeat("x", int(n%3000)))}
		if n > 50 {
			changes = append(changes, drop("entry", "b", n-50))
		}
		if err := s.Commit(changes); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// A process that is killed at any instant has lost nothing that it said was durable.
func TestKilledProcessLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	var said uint64
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "DURABLE_WRITER="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; lines.Scan(); i++ {
			n, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Fatalf("the writer says %s", lines.Text())
			}
			if n <= said {
				t.Fatalf("round %d: %d is said after %d", round, n, said)
			}
			if said = n; i == 20+7*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		s := open(t, path)
		var first, last uint64
		err = s.Load(func(r server.Record) error {
			if last != 0 && r.Number != last+1 || len(r.Data) != int(r.Number%3000) {
				t.Errorf("round %d: %d after %d, of %d octets", round, r.Number, last, len(r.Data))
			}
			if first == 0 {
				first = r.Number
			}
			last = r.Number
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if last < said || last > said+1 || last > 50 && first != last-49 {
			t.Errorf("round %d: said %d, kept %d to %d", round, said, first, last)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
