package audit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// declared returns the IDs that id.go declares as constants, by name.
func declared(t *testing.T) map[string]ID {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "id.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]ID{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "ID" {
				continue
			}
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			ids[v.Names[0].Name] = ID(text)
		}
	}
	return ids
}

func TestEveryIDIsInTheTableOnce(t *testing.T) {
	form := regexp.MustCompile(`^(IEC62351-[34]:\d+\.\d+|x-busbar:([MXERD]\d+|[a-z0-9-]+))$`)
	names, mnemonics := map[ID]string{}, map[string]ID{}
	for name, id := range declared(t) {
		if other, twice := names[id]; twice {
			t.Errorf("%s and %s are both %s", name, other, id)
		}
		names[id] = name
		if !form.MatchString(string(id)) {
			t.Errorf("%s = %q is not Domain:Group.Number", name, id)
		}
		e, ok := table[id]
		if !ok {
			t.Errorf("%s = %s is not in the table", name, id)
			continue
		}
		if other, twice := mnemonics[e.mnemonic]; twice {
			t.Errorf("%s and %s share the mnemonic %q", id, other, e.mnemonic)
		}
		mnemonics[e.mnemonic] = id
		if e.severity.String() == "unknown" {
			t.Errorf("%s has the severity %d", name, e.severity)
		}
	}
	if len(names) != len(table) {
		t.Errorf("%d IDs are declared, %d are in the table", len(names), len(table))
	}
}

func TestUnknownIDIsAnErrorAndNamesItself(t *testing.T) {
	e := Event{ID: "x-busbar:nothing"}
	if e.Severity() != Error || e.ID.Mnemonic() != "x-busbar:nothing" {
		t.Errorf("got %s, %q", e.Severity(), e.ID.Mnemonic())
	}
}

func TestSeverityIsThePRI(t *testing.T) {
	got := map[string]Severity{}
	for _, s := range []Severity{Alarm, Error, Warning, Notice, 0} {
		got[s.String()] = s
	}
	want := map[string]Severity{"alarm": 105, "error": 107, "warning": 108, "notice": 109, "unknown": 0}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("severities (-want +got):\n%s", d)
	}
}

func TestMemoryKeepsTheLatestInOrder(t *testing.T) {
	for _, n := range []int{0, 1, memoryEvents, memoryEvents + 1, 3*memoryEvents + 7} {
		var m Memory
		for i := range n {
			m.Record(Event{ID: AccessDenied, Text: strconv.Itoa(i)})
		}
		got := m.Events()
		if want := min(n, memoryEvents); len(got) != want {
			t.Fatalf("after %d events: %d kept, want %d", n, len(got), want)
		}
		for i, e := range got {
			if want := strconv.Itoa(n - len(got) + i); e.Text != want {
				t.Fatalf("after %d events: event %d is %s, want %s", n, i, e.Text, want)
			}
		}
	}
}

func TestMemoryIsSafeForSeveralGoroutines(t *testing.T) {
	var m Memory
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				m.Record(Event{ID: AccessDenied})
				Discard.Record(Event{})
			}
		})
	}
	for range 10 {
		m.Events()
	}
	wg.Wait()
	if got := len(m.Events()); got != memoryEvents {
		t.Errorf("%d events kept, want %d", got, memoryEvents)
	}
}
