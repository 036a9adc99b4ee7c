package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// The pages that say which test shows what.
const (
	threatModel     = "docs/threat-model.md"
	vulnerabilities = "docs/vulnerabilities.md"
	securityToday   = "docs/security.md"
	auditIDs        = "secure/audit/id.go"
)

// catalogue is how many rows each letter of the attack catalogue has.
var catalogue = map[string]int{"M": 11, "X": 6, "E": 14, "R": 3, "D": 1}

// The documents name tests and events that exist, and every event that is declared is recorded somewhere.
func TestSecurityPagesAreTrue(t *testing.T) {
	tree := rootFS(t)
	src, err := readSources(tree)
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkSecurity(tree, src))
}

// What a peer sends is read by our own scanner. Files of the user's may be read by encoding/xml, token by token: its
// decoding into types has had holes in its limit of depth (CVE-2026-56859), and what it writes need not mean what it read
// (CVE-2020-29509 to -29511).
func TestPeersXMLIsNotReadByEncodingXML(t *testing.T) {
	src, err := readSources(rootFS(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, used := range src.uses {
		for _, u := range used {
			call, ok := strings.CutPrefix(u, "encoding/xml.")
			if ok && (path.Dir(name) != "acsi/scl" || slices.Contains([]string{"Unmarshal", "Marshal", "MarshalIndent", "NewEncoder"}, call)) {
				t.Errorf("%s: uses encoding/xml.%s", name, call)
			}
		}
	}
	for name, methods := range src.methods {
		if path.Dir(name) == "acsi/scl" && (slices.Contains(methods, "DecodeElement") || slices.Contains(methods, "Decode")) {
			t.Errorf("%s: decodes elements into types", name)
		}
	}
}

// sources is what the checks of this file need of the module's source.
type sources struct {
	tests   map[string]bool       // "package.TestName", fuzz targets and benchmarks too
	ids     map[string]string     // constants of auditIDs: name to id
	uses    map[string][]string   // of each file that is no test: "import path.Name"
	methods map[string][]string   // of each file that is no test: names that are selected of values
	attacks map[string]attackTest // of each test that bears the id of an attack, as in tests
	cites   map[string][]string   // of each conformance case: the tests that cite it, as in tests
}

// readSources parses all Go files below the module's root.
func readSources(tree fs.FS) (sources, error) {
	src := sources{map[string]bool{}, map[string]string{}, map[string][]string{}, map[string][]string{}, map[string]attackTest{}, map[string][]string{}}
	fset := token.NewFileSet()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := path.Base(name); d.IsDir() && name != "." && (base == "testdata" || base[0] == '.' || base == "tools") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, "_test.go") {
			src.addTests(path.Dir(name), file)
		} else {
			src.addUses(name, file)
		}
		if name == auditIDs {
			src.addIDs(file)
		}
		return nil
	})
	return src, err
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]`)

func (s sources) addTests(pkg string, file *ast.File) {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && testName.MatchString(f.Name.Name) {
			s.tests[pkg+"."+f.Name.Name] = true
			s.addCites(pkg+"."+f.Name.Name, f)
			s.addAttack(pkg+"."+f.Name.Name, f)
		}
	}
}

func (s sources) addUses(name string, file *ast.File) {
	imports := map[string]string{}
	for _, spec := range file.Imports {
		p, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
		local := path.Base(p)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		imports[local] = p
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			x, ident := sel.X.(*ast.Ident)
			if p, ok := "", false; ident {
				if p, ok = imports[x.Name]; ok {
					s.uses[name] = append(s.uses[name], p+"."+sel.Sel.Name)
					return true
				}
			}
			s.methods[name] = append(s.methods[name], sel.Sel.Name)
		}
		return true
	})
}

func (s sources) addIDs(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok || len(v.Names) != 1 || len(v.Values) != 1 {
			return true
		}
		typ, named := v.Type.(*ast.Ident)
		if lit, ok := v.Values[0].(*ast.BasicLit); ok && named && typ.Name == "ID" {
			s.ids[v.Names[0].Name], _ = strconv.Unquote(lit.Value)
		}
		return true
	})
}

var (
	row       = regexp.MustCompile(`(?m)^\| ([MXERD]\d+) \|.*$`)
	namedTest = regexp.MustCompile("`([a-z][a-z0-9/]*)\\.((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	looseTest = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	namedID   = regexp.MustCompile(`(?:x-busbar|IEC62351-\d+):[\w.-]*\w`)
	rowOfTest = regexp.MustCompile(`\.Test([MXERD]\d+)(?:[A-Z]\w*)?$`)
)

func checkSecurity(tree fs.FS, src sources) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	known := map[string]bool{}
	for name, id := range src.ids {
		known[id] = true
		if !src.records(name) {
			fault("%s: nothing records audit.%s", auditIDs, name)
		}
	}
	for _, page := range []string{threatModel, vulnerabilities, securityToday} {
		text, err := fs.ReadFile(tree, page)
		if err != nil {
			fault("%v", err)
			continue
		}
		for _, m := range namedTest.FindAllStringSubmatch(string(text), -1) {
			if !src.tests[m[1]+"."+m[2]] {
				fault("%s: there is no test %s.%s", page, m[1], m[2])
			}
		}
		for _, name := range looseTest.FindAllString(namedTest.ReplaceAllString(string(text), ""), -1) {
			fault("%s: write %s with its package, as `package.%s`", page, name, name)
		}
		for _, id := range namedID.FindAllString(string(text), -1) {
			if !known[id] {
				fault("%s: there is no event %s", page, id)
			}
		}
		if page == threatModel {
			faults = append(faults, checkCatalogue(string(text), src.tests)...)
		}
	}
	slices.Sort(faults)
	return faults
}

// records tells whether a file other than the table itself names the event.
func (s sources) records(name string) bool {
	for file, used := range s.uses {
		if file != auditIDs && slices.ContainsFunc(used, func(u string) bool { return strings.HasSuffix(u, "secure/audit."+name) }) {
			return true
		}
	}
	return false
}

// checkCatalogue checks that each row is there once, and names each test that bears its id.
func checkCatalogue(text string, tests map[string]bool) []string {
	var faults []string
	rows := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		if _, twice := rows[m[1]]; twice {
			faults = append(faults, fmt.Sprintf("%s: row %s is there twice", threatModel, m[1]))
		}
		rows[m[1]] = m[0]
	}
	for letter, n := range catalogue {
		for i := range n {
			if id := fmt.Sprint(letter, i+1); rows[id] == "" {
				faults = append(faults, fmt.Sprintf("%s: there is no row %s", threatModel, id))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		m := rowOfTest.FindStringSubmatch(name)
		if m != nil && !strings.Contains(rows[m[1]], "`"+name+"`") {
			faults = append(faults, fmt.Sprintf("%s: row %s does not name %s", threatModel, m[1], name))
		}
	}
	return faults
}

// The checks find each fault, put into a small sound tree.
func TestSecurityChecksFindEachFault(t *testing.T) {
	var model strings.Builder
	for _, letter := range slices.Sorted(maps.Keys(catalogue)) {
		for i := range catalogue[letter] {
			fmt.Fprintf(&model, "| %s%d | attack | what happens | `x-busbar:M1` | `xmpp.TestOther` |\n", letter, i+1)
		}
	}
	sound := strings.Replace(model.String(), "| M1 | attack | what happens | `x-busbar:M1` | `xmpp.TestOther` |",
		"| M1 | attack | what happens | `x-busbar:M1` | `xmpp.TestM1Removed` |", 1)
	const id = "package audit\ntype ID string\nconst Removed ID = \"x-busbar:M1\""
	for _, tt := range []struct {
		name, model string
		ids         string
		want        []string
	}{
		{"sound", sound, id, nil},
		{"row missing", sound[strings.Index(sound, "\n")+1:], id, []string{"docs/threat-model.md: there is no row D1"}},
		{"row twice", sound + "| M2 | again |\n", id, []string{"docs/threat-model.md: row M2 is there twice"}},
		{"test missing", sound + "`xmpp.TestNowhere`", id, []string{"docs/threat-model.md: there is no test xmpp.TestNowhere"}},
		{"test of another package", sound + "`mms.TestOther`", id, []string{"docs/threat-model.md: there is no test mms.TestOther"}},
		{"test without a package", sound + "TestOther", id, []string{"docs/threat-model.md: write TestOther with its package, as `package.TestOther`"}},
		{"test not named in its row", strings.Replace(sound, "xmpp.TestM1Removed", "xmpp.TestOther", 1), id,
			[]string{"docs/threat-model.md: row M1 does not name xmpp.TestM1Removed"}},
		{"event missing", sound + "`x-busbar:M3`, `IEC62351-3:1.1`.", id,
			[]string{"docs/threat-model.md: there is no event IEC62351-3:1.1", "docs/threat-model.md: there is no event x-busbar:M3"}},
		{"event that nothing records", sound, id + "\nconst Idle ID = \"x-busbar:idle\"", []string{"secure/audit/id.go: nothing records audit.Idle"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := fstest.MapFS{
				threatModel:      {Data: []byte(tt.model)},
				vulnerabilities:  {Data: []byte("`xmpp.TestOther`")},
				securityToday:    {Data: []byte("`xmpp.TestOther`")},
				auditIDs:         {Data: []byte(tt.ids)},
				"xmpp/x.go":      {Data: []byte("package xmpp\nimport \"busbar.example/secure/audit\"\nvar x = audit.Removed")},
				"xmpp/x_test.go": {Data: []byte("package xmpp\nfunc TestM1Removed() {}\nfunc TestOther() {}\nvar y = audit.Idle")},
			}
			src, err := readSources(tree)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, checkSecurity(tree, src)); d != "" {
				t.Errorf("faults (-want +got):\n%s", d)
			}
		})
	}
}
