package arch

import (
	_ "embed"
	"flag"
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

//go:embed conformance.txt
var casesText string

var write = flag.Bool("write", false, "write what is of the tests into "+conformancePage+" and "+securityToday)

// conformancePage is written by hand but for what stands between the two marks.
const (
	conformancePage = "docs/conformance.md"
	casesBegin      = "<!-- cases: written by make conformance -->\n"
	casesEnd        = "<!-- end of cases -->\n"
)

// The page lists every case, and the tests that cite it.
func TestConformancePageIsOfTheTests(t *testing.T) {
	tree := rootFS(t)
	src, err := readSources(tree)
	if err != nil {
		t.Fatal(err)
	}
	families, err := parseCases(casesText)
	if err != nil {
		t.Fatal(err)
	}
	table, faults := casesTable(families, src.cites)
	report(t, faults)
	replaceBetween(t, tree, conformancePage, casesBegin, casesEnd, table)
}

// conformanceCase is one line of the list.
type conformanceCase struct {
	ids  []string
	name string // as it is written: an id, a range or several
	what string
	why  string // it is not tried
}

type caseFamily struct {
	title string
	cases []conformanceCase
}

var caseID = regexp.MustCompile(`^([sc][A-Z][A-Za-z]*?N?)([0-9]*)$`)

func parseCases(text string) ([]caseFamily, error) {
	var families []caseFamily
	seen := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			families = append(families, caseFamily{title: title})
			continue
		}
		if line == "" {
			continue
		}
		names, what, ok := strings.Cut(line, ": ")
		if !ok || len(families) == 0 {
			return nil, fmt.Errorf("line %d: want id: what", i+1)
		}
		c := conformanceCase{name: names}
		c.what, c.why, _ = strings.Cut(what, " | ")
		for _, name := range strings.Split(names, ",") {
			ids, err := expand(name)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			c.ids = append(c.ids, ids...)
		}
		for _, id := range c.ids {
			if seen[id] {
				return nil, fmt.Errorf("line %d: %s is there twice", i+1, id)
			}
			seen[id] = true
		}
		last := &families[len(families)-1]
		last.cases = append(last.cases, c)
	}
	return slices.DeleteFunc(families, func(f caseFamily) bool { return len(f.cases) == 0 }), nil
}

// expand gives the ids of one id or of a range.
func expand(name string) ([]string, error) {
	from, to, ranged := strings.Cut(name, "-")
	first := caseID.FindStringSubmatch(from)
	if first == nil {
		return nil, fmt.Errorf("%q is no id", from)
	}
	if !ranged {
		return []string{from}, nil
	}
	last := caseID.FindStringSubmatch(to)
	if last == nil || last[1] != first[1] {
		return nil, fmt.Errorf("%q is no range", name)
	}
	low, _ := strconv.Atoi(first[2])
	high, _ := strconv.Atoi(last[2])
	if low >= high || high-low > 99 {
		return nil, fmt.Errorf("%q is no range", name)
	}
	var ids []string
	for n := low; n <= high; n++ {
		ids = append(ids, first[1]+strconv.Itoa(n))
	}
	return ids, nil
}

// casesTable is the list with the tests that cite each case.
func casesTable(families []caseFamily, cites map[string][]string) (table string, faults []string) {
	known := map[string]bool{}
	var b strings.Builder
	for _, f := range families {
		fmt.Fprintf(&b, "\n### %s\n\n| case | what is tried | by |\n|---|---|---|\n", f.title)
		for _, c := range f.cases {
			tests := map[string]bool{}
			for _, id := range c.ids {
				known[id] = true
				for _, test := range cites[id] {
					tests[test] = true
				}
			}
			by := "**open**"
			switch {
			case len(tests) > 0:
				by = "`" + strings.Join(slices.Sorted(maps.Keys(tests)), "`, `") + "`"
			case c.why != "":
				by = "not tried: " + c.why
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.ReplaceAll(strings.ReplaceAll(c.name, "-", " to "), ",", ", "), c.what, by)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(cites)) {
		if !known[id] {
			faults = append(faults, fmt.Sprintf("%s cites %s, which internal/arch/conformance.txt does not have", strings.Join(cites[id], ", "), id))
		}
	}
	return b.String() + "\n", faults
}

var citation = regexp.MustCompile(`Conformance: ([^.]*)\.`)

// addCites notes which cases the comment of a test cites.
func (s sources) addCites(test string, f *ast.FuncDecl) {
	said := strings.Join(strings.Fields(f.Doc.Text()), " ")
	for _, found := range citation.FindAllStringSubmatch(said, -1) {
		for _, id := range strings.Split(found[1], ",") {
			id = strings.TrimSpace(id)
			ids, err := expand(id)
			if err != nil {
				ids = []string{id} // told as unknown
			}
			for _, id := range ids {
				s.cites[id] = append(s.cites[id], test)
			}
		}
	}
}

func TestConformanceChecksFindEachFault(t *testing.T) {
	families, err := parseCases("# Head\n# Reports\nsRp1-sRp3: enable\nsRpN1: wrong | for a reason\ncRp: all\n")
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{"a/a_test.go": &fstest.MapFile{Data: []byte(
		"package a\n\n// Something.\n//\n// Conformance: sRp2,\n// sRp7.\nfunc TestA(t *T) {}\n\n// Conformance: sRp1-sRp2, cRp.\nfunc TestB(t *T) {}\n")}}
	src, err := readSources(tree)
	if err != nil {
		t.Fatal(err)
	}
	table, faults := casesTable(families, src.cites)
	want := "\n### Reports\n\n| case | what is tried | by |\n|---|---|---|\n| sRp1 to sRp3 | enable | `a.TestA`, `a.TestB` |\n" +
		"| sRpN1 | wrong | not tried: for a reason |\n| cRp | all | `a.TestB` |\n\n"
	if d := cmp.Diff(want, table); d != "" {
		t.Errorf("table (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"a.TestA cites sRp7, which internal/arch/conformance.txt does not have"}, faults); d != "" {
		t.Errorf("faults (-want +got):\n%s", d)
	}
	for _, bad := range []string{"sRp1: x", "# A\nsRp1 x", "# A\nsRp3-sRp1: x", "# A\nsRp1-sBr2: x", "# A\nxy: x", "# A\nsRp1: x\nsRp1-sRp2: y"} {
		if _, err := parseCases(bad); err == nil {
			t.Errorf("%q is a list", bad)
		}
	}
}
