package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// forTests are the names by which a server is made weaker than the product may be: for suites of other programs, by
// interop/cmd/testbroker.
//
// They are fields and functions of xmpp, xmpp/xmppd and xmpp/sasl.
var forTests = []string{"Legacy", "LegacyServers", "Registrations"}

// TestProductTakesNoLegacyLogin is that the product's code neither has the test broker in it nor can ask for what that
// one allows: registration over the stream, PLAIN, SCRAM-SHA-1.
func TestProductTakesNoLegacyLogin(t *testing.T) {
	pkgs, _ := load(t)
	seen := map[string]bool{}
	var walk func(pkg string)
	walk = func(pkg string) {
		if seen[pkg] {
			return
		}
		seen[pkg] = true
		for _, f := range pkgs[pkg] {
			if f.test {
				continue
			}
			for _, i := range f.imports {
				if _, ours := pkgs[i.path]; ours {
					walk(i.path)
				}
			}
		}
	}
	walk("cmd/busbar")
	if !seen["xmpp/xmppd"] {
		t.Fatal("cmd/busbar does not seem to have the broker in it: its imports were read wrongly")
	}
	root := rootFS(t)
	for pkg := range seen {
		if strings.HasPrefix(pkg, "interop") {
			t.Errorf("cmd/busbar has %s in it", pkg)
		}
		if pkg == "xmpp" || strings.HasPrefix(pkg, "xmpp/") {
			continue // which define them
		}
		for _, f := range pkgs[pkg] {
			if !f.test {
				forbid(t, root, f.name)
			}
		}
	}
}

// forbid fails the test for each use of a name of forTests in a file.
func forbid(t *testing.T, root fs.FS, file string) {
	t.Helper()
	text, err := fs.ReadFile(root, file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && slices.Contains(forTests, id.Name) {
			t.Errorf("%s: %s is for the test broker alone", file, id.Name)
		}
		return true
	})
}
