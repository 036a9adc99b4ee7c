package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

const testbed = "internal/testbed"

// A rule is one line of the policy: what one package may import.
type rule struct {
	line    int
	ours    []string // packages of this module, by path below its root
	modules []string // modules of third parties
}

// allows tells whether an import is covered, and by which entry.
func (r rule) allows(i imported) (entry string, ok bool) {
	if i.ours {
		return i.path, slices.Contains(r.ours, i.path)
	}
	for _, m := range r.modules {
		if i.path == m || strings.HasPrefix(i.path, m+"/") {
			return m, true
		}
	}
	return "", false
}

func (r rule) String() string {
	s := "NONE"
	if len(r.ours) > 0 {
		s = strings.Join(r.ours, " ")
	}
	if len(r.modules) > 0 {
		s += " + " + strings.Join(r.modules, " ")
	}
	return s
}

// parsePolicy reads "package: imports + modules" lines; # starts a comment.
func parsePolicy(text string) (map[string]rule, error) {
	policy := make(map[string]rule)
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		pkg, list, ok := strings.Cut(line, ":")
		pkg = strings.TrimSpace(pkg)
		if !ok || pkg == "" || strings.ContainsAny(pkg, " \t") {
			return nil, fmt.Errorf("policy line %d: want \"package: imports\", got %q", i+1, line)
		}
		if before, twice := policy[pkg]; twice {
			return nil, fmt.Errorf("policy line %d: %s has line %d already", i+1, pkg, before.line)
		}
		ours, modules, _ := strings.Cut(list, "+")
		r := rule{line: i + 1, ours: strings.Fields(ours), modules: strings.Fields(modules)}
		switch {
		case slices.Equal(r.ours, []string{"NONE"}):
			r.ours = nil
		case len(r.ours) == 0:
			return nil, fmt.Errorf("policy line %d: %s lists no package; write NONE", i+1, pkg)
		}
		for _, list := range [][]string{r.ours, r.modules} {
			seen := slices.Clone(list)
			slices.Sort(seen)
			if len(slices.Compact(seen)) != len(list) {
				return nil, fmt.Errorf("policy line %d: %s lists an entry twice", i+1, pkg)
			}
		}
		policy[pkg] = r
	}
	return policy, nil
}

// A goFile is what the checks need of one source file.
type goFile struct {
	name    string // slash-separated, below the module's root
	pkgName string // of its package clause
	comment string // its package comment
	imports []imported
	test    bool
}

// An imported package of this module is named by its path below the module's root.
type imported struct {
	path string
	ours bool
}

// readTree parses the head of each Go file below the module's root, whatever its build constraints: a file that is
// built on another system, or with another tag, obeys too. Modules within are not part of this one.
func readTree(tree fs.FS, module string) (map[string][]goFile, error) {
	pkgs := make(map[string][]goFile)
	fset := token.NewFileSet()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			_, err := fs.Stat(tree, path.Join(name, "go.mod"))
			nested := err == nil
			if name != "." && (nested || base == "testdata" || base[0] == '.' || base[0] == '_') {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" || base[0] == '.' || base[0] == '_' {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fset, name, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		f := goFile{name: name, pkgName: parsed.Name.Name, comment: parsed.Doc.Text(), test: strings.HasSuffix(name, "_test.go")}
		for _, spec := range parsed.Imports {
			f.imports = append(f.imports, importOf(spec, module))
		}
		pkgs[path.Dir(name)] = append(pkgs[path.Dir(name)], f)
		return nil
	})
	return pkgs, err
}

func importOf(spec *ast.ImportSpec, module string) imported {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		p = spec.Path.Value // the parser has refused it before
	}
	if p == module {
		return imported{".", true}
	}
	own, ok := strings.CutPrefix(p, module+"/")
	return imported{own, ok}
}

// standard tells whether an import is of the standard library: no module's path begins with a word without a dot.
func (i imported) standard() bool {
	first, _, _ := strings.Cut(i.path, "/")
	return !i.ours && !strings.Contains(first, ".")
}

// free tells whether a package is outside the policy.
func free(pkg string) bool {
	city, _, _ := strings.Cut(pkg, "/")
	return city == "examples" || city == "interop"
}

// checkImports compares the tree with the policy, both ways.
func checkImports(pkgs map[string][]goFile, policy map[string]rule) []string {
	var faults []string
	for _, pkg := range slices.Sorted(maps.Keys(pkgs)) {
		if free(pkg) {
			continue
		}
		r, listed := policy[pkg]
		used := make(map[string]bool)
		code := false
		for _, f := range pkgs[pkg] {
			if f.test {
				if slices.Contains(f.imports, imported{testbed, true}) && !strings.HasSuffix(f.pkgName, "_test") {
					faults = append(faults, fmt.Sprintf("%s: imports %s from package %s; only an external test package (%s_test) may",
						f.name, testbed, f.pkgName, f.pkgName))
				}
				continue
			}
			code = true
			for _, imp := range f.imports {
				if imp.standard() {
					continue
				}
				entry, ok := r.allows(imp)
				if !ok && listed {
					faults = append(faults, fmt.Sprintf("%s: imports %s; the policy allows %s only: %s", f.name, imp.path, pkg, r))
				}
				used[entry] = true
			}
		}
		switch {
		case code && !listed:
			faults = append(faults, fmt.Sprintf("%s: the policy has no line for this package", pkg))
		case code:
			for _, entry := range slices.Concat(r.ours, r.modules) {
				if !used[entry] {
					faults = append(faults, fmt.Sprintf("policy line %d: %s is allowed %s, and no file of it imports that", r.line, pkg, entry))
				}
			}
		}
	}
	for _, pkg := range byLine(policy) {
		if !slices.ContainsFunc(pkgs[pkg], func(f goFile) bool { return !f.test }) {
			faults = append(faults, fmt.Sprintf("policy line %d: there is no package %s", policy[pkg].line, pkg))
		}
	}
	return faults
}

// checkShape holds the policy itself to the plan of the house, so that an edit of it cannot bend the plan unseen.
func checkShape(policy map[string]rule) []string {
	var faults []string
	for _, pkg := range byLine(policy) {
		for _, imp := range policy[pkg].ours {
			from, to := quarterOf(pkg), quarterOf(imp)
			if from.rank < to.rank || from.rank == city && to.rank == city && from.name != to.name {
				faults = append(faults, fmt.Sprintf("policy line %d: %s (%s) may never import %s (%s)", policy[pkg].line, pkg, from.rank, imp, to.rank))
			}
		}
	}
	if cycle := findCycle(policy); cycle != nil {
		faults = append(faults, "policy: a circle: "+strings.Join(cycle, " → "))
	}
	return faults
}

// A rank orders the house: an import goes to the same rank or to a lower one.
type rank int

const (
	leaf rank = iota
	city
	bridge
	application
)

func (r rank) String() string { return [...]string{"leaf", "city", "bridge", "application"}[r] }

type quarter struct {
	name string
	rank rank
}

func quarterOf(pkg string) quarter {
	first, _, _ := strings.Cut(pkg, "/")
	switch pkg {
	case "secure/rbac", "secure/audit", "secure/pki":
		return quarter{pkg, leaf}
	case testbed:
		return quarter{pkg, application}
	}
	switch first {
	case "xmpp", "mms", "acsi", "secure":
		return quarter{first, city}
	case "scsm", "process":
		return quarter{first, bridge}
	case "app", "web", "cmd":
		return quarter{first, application}
	}
	return quarter{first, leaf} // value, internal
}

// findCycle returns the packages of one circle in the policy, the first one also last; nil where there is none.
func findCycle(policy map[string]rule) []string {
	done := make(map[string]bool)
	var way []string
	var visit func(pkg string) []string
	visit = func(pkg string) []string {
		if i := slices.Index(way, pkg); i >= 0 {
			return append(slices.Clone(way[i:]), pkg)
		}
		if done[pkg] {
			return nil
		}
		way = append(way, pkg)
		for _, imp := range policy[pkg].ours {
			if cycle := visit(imp); cycle != nil {
				return cycle
			}
		}
		way = way[:len(way)-1]
		done[pkg] = true
		return nil
	}
	for _, pkg := range slices.Sorted(maps.Keys(policy)) {
		if cycle := visit(pkg); cycle != nil {
			return cycle
		}
	}
	return nil
}

// checkNames asks that a package is named by what it is, that no two share a name, and that each says what it does.
func checkNames(pkgs map[string][]goFile) []string {
	vague := []string{"util", "utils", "common", "helper", "helpers", "type", "types", "base", "core", "manager", "misc"}
	var faults []string
	owner := make(map[string]string)
	for _, pkg := range slices.Sorted(maps.Keys(pkgs)) {
		if free(pkg) {
			continue
		}
		last := path.Base(pkg)
		if slices.Contains(vague, last) {
			faults = append(faults, fmt.Sprintf("%s: %q says nothing; name the package by what it is", pkg, last))
		}
		if other, taken := owner[last]; taken {
			faults = append(faults, fmt.Sprintf("%s: shares its last element with %s", pkg, other))
		}
		owner[last] = pkg

		code := slices.DeleteFunc(slices.Clone(pkgs[pkg]), func(f goFile) bool { return f.test })
		if len(code) == 0 {
			continue
		}
		commented := false
		for _, f := range code {
			want := "Package " + f.pkgName + " "
			if f.pkgName == "main" {
				want = "Command " + last + " "
			} else if f.pkgName != last {
				faults = append(faults, fmt.Sprintf("%s: package %s lives in a folder of another name", f.name, f.pkgName))
			}
			if f.comment == "" {
				continue
			}
			commented = true
			if !strings.HasPrefix(f.comment, want) {
				faults = append(faults, fmt.Sprintf("%s: the package comment begins %.30q; want it to begin %q", f.name, f.comment, want))
			}
		}
		if !commented {
			faults = append(faults, fmt.Sprintf("%s: no file has a package comment", pkg))
		}
	}
	return faults
}

func byLine(policy map[string]rule) []string {
	return slices.SortedFunc(maps.Keys(policy), func(a, b string) int { return cmp.Compare(policy[a].line, policy[b].line) })
}
