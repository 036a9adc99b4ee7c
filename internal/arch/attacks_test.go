package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// securityToday is written by hand but for what stands between the two marks.
const (
	attacksBegin = "<!-- attacks: written by make conformance -->\n"
	attacksEnd   = "<!-- end of attacks -->\n"
)

// The page lists the attacks on what is between a party and the broker, and what the tests try of each.
func TestSecurityPageIsOfTheTests(t *testing.T) {
	tree := rootFS(t)
	src, err := readSources(tree)
	if err != nil {
		t.Fatal(err)
	}
	model, err := fs.ReadFile(tree, threatModel)
	if err != nil {
		t.Fatal(err)
	}
	table, faults := attacksTable(string(model), src)
	report(t, faults)
	replaceBetween(t, tree, securityToday, attacksBegin, attacksEnd, table)
}

// replaceBetween holds what stands between two marks of a page against what should, or writes that.
func replaceBetween(t *testing.T, tree fs.FS, name, begin, end, want string) {
	t.Helper()
	page, err := fs.ReadFile(tree, name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), begin)
	got, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok1 || !ok2:
		t.Fatalf("%s has not both marks, %q and %q", name, begin, end)
	case got == want:
	case *write:
		if err := os.WriteFile("../../"+name, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not of today: run make conformance (-page +tests):\n%s", name, cmp.Diff(got, want))
	}
}

// An attackTest is what a test that bears the id of an attack says of itself.
type attackTest struct {
	cases  int      // that it names in its text; more may be computed
	events []string // constants of auditIDs that stand in it
}

// addAttack notes a test whose name bears the id of an attack.
func (s sources) addAttack(name string, f *ast.FuncDecl) {
	if !rowOfTest.MatchString(name) {
		return
	}
	var a attackTest
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "audit" {
				a.events = append(a.events, n.Sel.Name)
			}
		case *ast.CompositeLit:
			switch table := n.Type.(type) {
			case *ast.ArrayType:
				if _, ok := table.Elt.(*ast.StructType); ok {
					a.cases += len(n.Elts)
				}
			case *ast.MapType:
				if key, ok := table.Key.(*ast.Ident); ok && key.Name == "string" {
					a.cases += len(n.Elts)
				}
			}
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Run" && len(n.Args) == 2 && isString(n.Args[0]) {
				a.cases++
			}
		}
		return true
	})
	s.attacks[name] = a
}

func isString(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

// attack is the cell of a row that says what is tried.
var attack = regexp.MustCompile(`(?m)^\| ([MX]\d+) \| ([^|]*) \|`)

// attacksTable lists the attacks of the letters M and X as the threat model words them, each with its tests.
func attacksTable(model string, src sources) (table string, faults []string) {
	words := map[string]string{}
	for _, m := range attack.FindAllStringSubmatch(model, -1) {
		words[m[1]] = m[2]
	}
	var b strings.Builder
	b.WriteString("| id | attack | played by | cases, at least | events that are asserted |\n|---|---|---|---|---|\n")
	for _, letter := range []string{"M", "X"} {
		for i := range catalogue[letter] {
			id := fmt.Sprint(letter, i+1)
			var tests []string
			var events []string
			cases := 0
			for _, name := range slices.Sorted(maps.Keys(src.attacks)) {
				if m := rowOfTest.FindStringSubmatch(name); m[1] != id {
					continue
				}
				tests = append(tests, "`"+name+"`")
				cases += max(1, src.attacks[name].cases)
				for _, e := range src.attacks[name].events {
					if known := src.ids[e]; known != "" {
						events = append(events, "`"+known+"`")
					}
				}
			}
			slices.Sort(events)
			switch {
			case len(tests) == 0:
				faults = append(faults, fmt.Sprintf("no test plays the attack %s", id))
			case len(events) == 0:
				faults = append(faults, fmt.Sprintf("no test of %s asserts an event", id))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %d | %s |\n", id, words[id], strings.Join(tests, ", "), cases, strings.Join(slices.Compact(events), ", "))
		}
	}
	return b.String(), faults
}

func TestAttacksTableIsOfTheTests(t *testing.T) {
	tree := fstest.MapFS{
		auditIDs: {Data: []byte("package audit\ntype ID string\nconst Bad ID = \"x-busbar:M1\"\n")},
		"xmpp/m_test.go": {Data: []byte(`package xmpp
import ("testing"; "busbar.example/secure/audit")
func TestM1Stripped(t *testing.T) {
	for range []struct{ name string }{{"a"}, {"b"}} {}
	t.Run("c", func(t *testing.T) { _ = audit.Bad })
}
func TestM10(t *testing.T) {}
func TestMore(t *testing.T) { _ = audit.Bad }
`)},
	}
	src, err := readSources(tree)
	if err != nil {
		t.Fatal(err)
	}
	table, faults := attacksTable("| M1 | it is stripped | refused |\n", src)
	if want := "| M1 | it is stripped | `xmpp.TestM1Stripped` | 3 | `x-busbar:M1` |\n"; !strings.Contains(table, want) {
		t.Errorf("the table is\n%s\nwant in it\n%s", table, want)
	}
	for _, want := range []string{"no test plays the attack M2", "no test of M10 asserts an event"} {
		if !slices.Contains(faults, want) {
			t.Errorf("got the faults %q, want %q among them", faults, want)
		}
	}
}
