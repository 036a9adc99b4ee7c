package durable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"busbar.example/acsi/server"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("DURABLE_WRITER"); path != "" {
		writer(path)
	}
	if arguments := os.Getenv("DURABLE_IED"); arguments != "" {
		iedFrom(arguments)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// records are what s has, as "table name number data".
func records(t testing.TB, s *Store) []string {
	t.Helper()
	var list []string
	err := s.Load(func(r server.Record) error {
		list = append(list, fmt.Sprintf("%s %s %d %s", r.Table, r.Name, r.Number, r.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func put(table, name string, number uint64, data string) server.Change {
	return server.Change{Record: server.Record{Table: table, Name: name, Number: number, Data: []byte(data)}}
}

func drop(table, name string, number uint64) server.Change {
	return server.Change{Op: server.DeleteThrough, Record: server.Record{Table: table, Name: name, Number: number}}
}

func commit(t testing.TB, s *Store, changes ...server.Change) {
	t.Helper()
	if err := s.Commit(changes); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsCommittedIsThereAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's 100% state?.db")
	s := open(t, path)
	const most = 1<<63 - 1
	commit(t, s, put("entry", "b", 3, "three"), put("entry", "b", most, "last"), put("entry", "b", 1, "one"), put("dataset", "z", 0, ""))
	commit(t, s, put("entry", "a", 1, "x"), put("entry", "b", 3, "three again"), drop("entry", "b", 2), drop("entry", "nix", most), drop("nix", "b", most))
	want := []string{"dataset z 0 ", "entry a 1 x", "entry b 3 three again", fmt.Sprintf("entry b %d last", uint64(most))}
	if d := cmp.Diff(want, records(t, s)); d != "" {
		t.Errorf("at once (-want +got):\n%s", d)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Commit after Close: %v", err)
	}
	if err := s.Load(nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Load after Close: %v", err)
	}
	again := open(t, path)
	if d := cmp.Diff(want, records(t, again)); d != "" {
		t.Errorf("opened again (-want +got):\n%s", d)
	}
	commit(t, again, drop("entry", "b", most), put("entry", "b", 9, "new")) // its name is known
	if d := cmp.Diff([]string{"dataset z 0 ", "entry a 1 x", "entry b 9 new"}, records(t, again)); d != "" {
		t.Errorf("then (-want +got):\n%s", d)
	}
	failed := errors.New("no more")
	if err := again.Load(func(server.Record) error { return failed }); err != failed {
		t.Errorf("got %v, want load's own error", err)
	}
}

func TestFileIsTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "state.db"))
	commit(t, s, put("a", "b", 1, "secret"))
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
	}
	if _, err := Open(t.Context(), Config{Path: filepath.Join(dir, "state.db")}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := Open(t.Context(), Config{Path: filepath.Join(dir, "nix", "state.db")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

func TestDamagedFiles(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good.db")
	s := open(t, good)
	for i := range 300 {
		commit(t, s, put("entry", fmt.Sprint("b", i%10), uint64(i), strings.Repeat("x", 200)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"no database":    func(b []byte) []byte { return bytes.Repeat([]byte("nonsense"), 1000) },
		"another format": func(b []byte) []byte { b[71]++; return b },
		"cut":            func(b []byte) []byte { return b[:len(b)/2] },
		"a page of zero": func(b []byte) []byte { clear(b[2*pageSize : 5*pageSize]); return b },
	} {
		path := filepath.Join(t.TempDir(), "bad.db")
		if err := os.WriteFile(path, damage(bytes.Clone(content)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Config{Path: path})
		if damaged, ok := errors.AsType[*DamagedError](err); !ok || damaged.Path != path || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A Commit that has no room changes nothing, and there is room again once something is gone.
func TestNoMoreRoom(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "state.db"), MaxSize: 200 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var n uint64
	for err == nil && n < 1000 {
		n++
		err = s.Commit([]server.Change{put("entry", "b", n, strings.Repeat("x", 10_000)), put("new", fmt.Sprint(n), 0, "")})
	}
	if n < 10 || n == 1000 || !errors.Is(err, ErrFull) {
		t.Fatalf("commit %d: %v", n, err)
	}
	if got := len(records(t, s)); got != int(2*(n-1)) {
		t.Errorf("%d records, want %d", got, 2*(n-1))
	}
	commit(t, s, drop("entry", "b", n/2))
	commit(t, s, put("entry", "b", n, strings.Repeat("x", 10_000)), put("new", fmt.Sprint(n), 0, ""))
}

func BenchmarkDurable(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch-%d", batch), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "state.db"))
			data := make([]byte, 120)
			changes := make([]server.Change, batch)
			n := uint64(0)
			for b.Loop() {
				for i := range changes {
					n++
					changes[i] = server.Change{Record: server.Record{Table: "entry", Name: "LD/LLN0$BR$b0", Number: n, Data: data}}
				}
				if n%10_000 == 0 {
					changes[0] = drop("entry", "LD/LLN0$BR$b0", n-1000)
				}
				if err := s.Commit(changes); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
