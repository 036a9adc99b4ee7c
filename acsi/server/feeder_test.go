package server

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/secure/audit"
	"busbar.example/value"
)

// feeder is the model of a feeder bay, which has setting groups, report and log control blocks and a log of its protection. What its
// file says of the attributes of log control blocks that services may set is all Dyn.
func feeder(t testing.TB) *acsi.Model {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "..", "app", "demo", "scl", "feeder.cid"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	for from, to := range map[string]string{
		`<LogSettings [^>]*/>`:                           `<LogSettings cbName="Fix" datSet="Dyn" logEna="Dyn" trgOps="Dyn" intgPd="Dyn"/>`,
		`(<LogControl name="lcbEvents" .*?datSet)="\w+"`: `$1="Protection"`,
	} {
		pattern := regexp.MustCompile(from)
		if !pattern.MatchString(text) {
			t.Fatalf("the file has no %s", from)
		}
		text = pattern.ReplaceAllString(text, to)
	}
	d, err := scl.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := d.Model("", "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// feederBench is an engine of a feeder bay. cfg gives what a bench does not.
func feederBench(t testing.TB, cfg Config) *bench {
	t.Helper()
	b := &bench{now: noon, events: &audit.Memory{}}
	cfg.Model, cfg.Audit = feeder(t), b.events
	cfg.Now = func() time.Time { return b.now }
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	return b
}

// wait moves the clock, and has the engine do what falls due on the way.
func (b *bench) wait(d time.Duration) {
	until := b.now.Add(d)
	for next := b.Next(); !next.IsZero() && !next.After(until); next = b.Next() {
		b.now = next
		b.Tick(next)
	}
	b.now = until
}

// put writes one value, and gives the code of its error, or "".
func put(t testing.TB, s acsi.Services, ref string, v value.Value) string {
	t.Helper()
	errs, err := s.SetDataValues(bg, []acsi.Assignment{{Ref: acsi.MustRef(ref), Value: v}})
	if err != nil {
		t.Fatal(err)
	}
	return codeOf(errs[0])
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	refused, ok := errors.AsType[*acsi.Error](err)
	if !ok {
		return err.Error()
	}
	return refused.Code.String()
}

// shelf is a State that outlives engines, but not the test.
type shelf struct {
	mu      sync.Mutex
	records map[shelfKey][]byte
	full    error // what Commit answers
}

type shelfKey struct {
	table, name string
	number      uint64
}

func (s *shelf) Load(load func(Record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(s.records), func(a, b shelfKey) int {
		return cmp.Or(strings.Compare(a.table, b.table), strings.Compare(a.name, b.name), cmp.Compare(a.number, b.number))
	})
	for _, k := range keys {
		if err := load(Record{Table: k.table, Name: k.name, Number: k.number, Data: s.records[k]}); err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Commit(changes []Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		return s.full
	}
	if s.records == nil {
		s.records = map[shelfKey][]byte{}
	}
	for _, c := range changes {
		switch c.Op {
		case Put:
			s.records[shelfKey{c.Table, c.Name, c.Number}] = slices.Clone(c.Data)
		case DeleteThrough:
			maps.DeleteFunc(s.records, func(k shelfKey, _ []byte) bool {
				return k.table == c.Table && k.name == c.Name && k.number <= c.Number
			})
		}
	}
	return nil
}

// count is how many records a table has.
func (s *shelf) count(table string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.records {
		if k.table == table {
			n++
		}
	}
	return n
}

// running is e in Run, until the test ends or the function given is called.
func running(t testing.TB, e *Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(stop)
	return stop
}
