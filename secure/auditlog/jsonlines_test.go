package auditlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

var noon = time.Date(2026, 11, 22, 13, 0, 0, 123e6, time.FixedZone("CET", 3600))

func open(t *testing.T, path string) *JSONLines {
	t.Helper()
	l, err := OpenJSONLines(path, func(err error) { t.Errorf("onFailure: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEachEventIsOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ied.jsonl")
	l := open(t, path)
	l.Record(audit.Event{
		ID: audit.E2EHandshakeAddress, Time: noon, Peer: "a@site.example/IEC", Subject: "b@site.example",
		Roles: []rbac.Grant{{Role: rbac.Operator, Revision: 1, Definition: "IEC62351-8"}, {Role: -5}},
		Text:  "two\nlines, a \"quote\", <xml> and \x00 \xff",
	})
	l.Record(audit.Event{ID: audit.TLSEstablished, Time: noon})
	want := `{"seq":1,"time":"2026-11-22T12:00:00.123Z","severity":"alarm","id":"IEC62351-4:1.8","mnemonic":"HandshakeReq address mismatch",` +
		`"peer":"a@site.example/IEC","subject":"b@site.example","roles":["1:1:IEC62351-8","-5:0:"],` +
		`"text":"two\nlines, a \"quote\", <xml> and \u0000 \ufffd"}
{"seq":2,"time":"2026-11-22T12:00:00.123Z","severity":"notice","id":"IEC62351-3:1.1","mnemonic":"TLS session established"}
`
	if d := cmp.Diff(want, read(t, path)); d != "" {
		t.Errorf("file (-want +got):\n%s", d)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode %04o, want 0600", info.Mode().Perm())
	}
}

func TestReopeningAppendsAndEndsATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ied.jsonl")
	if err := os.WriteFile(path, []byte("{\"seq\":1}\n{\"se"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l := open(t, path)
		l.Record(audit.Event{ID: audit.AccessDenied, Time: noon})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	lines := strings.Split(read(t, path), "\n")
	if len(lines) != 5 || lines[0] != `{"seq":1}` || lines[1] != `{"se` || lines[2] != lines[3] || lines[4] != "" {
		t.Errorf("file is %q", lines)
	}
}

func TestEventsFromSeveralGoroutinesDoNotMix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ied.jsonl")
	l := open(t, path)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				l.Record(audit.Event{ID: audit.AccessDenied, Time: noon, Text: fmt.Sprint(g, " ", i)})
			}
		})
	}
	wg.Wait()
	seen := map[uint64]bool{}
	for text := range strings.Lines(read(t, path)) {
		var got line
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		seen[got.Seq] = true
	}
	if len(seen) != 200 || !seen[1] || !seen[200] {
		t.Errorf("%d sequence numbers, want 1 to 200", len(seen))
	}
}

// full is a file on a disk that has room for a few octets more.
type full struct {
	io.WriteCloser
	room int
}

var errFull = errors.New("no space left")

func (f *full) Write(b []byte) (int, error) {
	n, err := f.WriteCloser.Write(b[:f.room])
	f.room = 0
	return n, errors.Join(errFull, err)
}

func TestFailureIsReportedAndLeavesAGap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ied.jsonl")
	var failures []error
	l, err := OpenJSONLines(path, func(err error) { failures = append(failures, err) })
	if err != nil {
		t.Fatal(err)
	}
	file := l.file
	event := audit.Event{ID: audit.AccessDenied, Time: noon, Text: "no"}
	l.file = &full{file, 10}
	l.Record(event)
	l.Record(event)
	l.file = file
	l.Record(event)
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	l.Record(event)
	if len(failures) != 3 || !errors.Is(failures[0], errFull) || !errors.Is(failures[1], errFull) || !errors.Is(failures[2], fs.ErrClosed) {
		t.Errorf("failures are %v", failures)
	}
	if got := read(t, path); !strings.HasPrefix(got, "{\"seq\":1,\"\n{\"seq\":3,") || strings.Count(got, "\n") != 2 {
		t.Errorf("file is %q, want a torn line and the third event", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	loose := filepath.Join(dir, "loose.jsonl")
	if err := os.WriteFile(loose, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o660); err != nil {
		t.Fatal(err)
	}
	ignore := func(error) {}
	cases := []struct {
		name, path string
		onFailure  func(error)
		want       string
	}{
		{"a file that the group may write", loose, ignore, "chmod 600"},
		{"a folder that does not exist", filepath.Join(dir, "no", "x.jsonl"), ignore, "no such file"},
		{"a folder", dir, ignore, "is a directory"},
		{"failures that nobody hears of", filepath.Join(dir, "x.jsonl"), nil, "nobody hears"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l, err := OpenJSONLines(c.path, c.onFailure)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("OpenJSONLines(%s) = %v, %v, want an error with %q", c.path, l, err, c.want)
			}
		})
	}
}
