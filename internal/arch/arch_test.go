package arch

import (
	_ "embed"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

//go:embed policy.txt
var policyText string

const module = "busbar.example"

func TestImportsFollowThePolicy(t *testing.T) {
	report(t, checkImports(load(t)))
}

func TestPolicyFollowsThePlan(t *testing.T) {
	_, policy := load(t)
	report(t, checkShape(policy))
}

func TestPackagesAreNamedAndExplained(t *testing.T) {
	pkgs, _ := load(t)
	report(t, checkNames(pkgs))
}

// rootFS returns the module's files.
func rootFS(t *testing.T) fs.FS {
	t.Helper()
	root, err := os.OpenRoot("../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	if _, err := fs.Stat(root.FS(), "go.mod"); err != nil {
		t.Fatalf("not at the module's root: %v", err)
	}
	return root.FS()
}

func load(t *testing.T) (map[string][]goFile, map[string]rule) {
	t.Helper()
	pkgs, err := readTree(rootFS(t), module)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := parsePolicy(policyText)
	if err != nil {
		t.Fatal(err)
	}
	return pkgs, policy
}

func report(t *testing.T, faults []string) {
	t.Helper()
	for _, f := range faults {
		t.Error(f)
	}
}

// The checks are themselves checked: each fault, put into a small sound tree, is found, and nothing else is.
func TestChecksFindEachFault(t *testing.T) {
	sound := map[string]string{
		"go.mod":                   "module " + module,
		"value/value.go":           "// Package value is one.\npackage value\nimport \"fmt\"",
		"secure/audit/audit.go":    "// Package audit is one.\npackage audit",
		"mms/pdu.go":               "// Package mms is one.\npackage mms\nimport (\n\"busbar.example/value\"\n\"golang.org/x/text/width\"\n)",
		"mms/pdu_test.go":          "package mms\nimport \"pgregory.net/rapid\"",
		"mms/testdata/bad.go":      "not Go",
		"tools/go.mod":             "module tools",
		"tools/x.go":               "package x\nimport \"example.com/x\"",
		"internal/testbed/bed.go":  "// Package testbed is one.\npackage testbed\nimport \"busbar.example/mms\"",
		"mms/whole_test.go":        "package mms_test\nimport \"busbar.example/internal/testbed\"",
		"cmd/busbar/main.go":       "// Command busbar is one.\npackage main\nimport \"busbar.example/mms\"",
		"interop/mms/peer_test.go": "//go:build interop\n\npackage mms_test\nimport \"example.com/x\"",
	}
	const policy = "value: NONE\nsecure/audit: NONE\nmms: value + golang.org/x/text\ninternal/testbed: mms\ncmd/busbar: mms\n"

	tests := []struct {
		name   string
		file   string // replaced or added; "" for none
		src    string
		policy string
		want   []string
	}{
		{name: "sound", policy: policy},
		{name: "import not listed", file: "value/more.go", policy: policy,
			src:  "package value\nimport \"busbar.example/secure/audit\"",
			want: []string{"value/more.go: imports secure/audit; the policy allows value only: NONE"}},
		{name: "import not listed, under another build tag", file: "value/more_windows.go", policy: policy,
			src:  "//go:build windows && never\n\npackage value\nimport \"busbar.example/secure/audit\"",
			want: []string{"value/more_windows.go: imports secure/audit; the policy allows value only: NONE"}},
		{name: "module not listed", file: "mms/more.go", policy: policy,
			src:  "package mms\nimport \"golang.org/x/textual\"",
			want: []string{"mms/more.go: imports golang.org/x/textual; the policy allows mms only: value + golang.org/x/text"}},
		{name: "module root imported", file: "value/more.go", policy: policy,
			src:  "package value\nimport \"busbar.example\"",
			want: []string{"value/more.go: imports .; the policy allows value only: NONE"}},
		{name: "package of one word that does not exist", file: "value/more.go", policy: policy,
			src:  "package value\nimport \"busbar.example/mmz\"",
			want: []string{"value/more.go: imports mmz; the policy allows value only: NONE"}},
		{name: "package not listed", file: "acsi/ref.go", policy: policy,
			src:  "// Package acsi is one.\npackage acsi",
			want: []string{"acsi: the policy has no line for this package"}},
		{name: "entries unused", file: "mms/pdu.go", policy: policy,
			src: "// Package mms is one.\npackage mms",
			want: []string{"policy line 3: mms is allowed value, and no file of it imports that",
				"policy line 3: mms is allowed golang.org/x/text, and no file of it imports that"}},
		{name: "an import of a test file is no use", file: "value/x_test.go", policy: "value: secure/audit\n" + strings.TrimPrefix(policy, "value: NONE\n"),
			src:  "package value\nimport \"busbar.example/secure/audit\"",
			want: []string{"policy line 1: value is allowed secure/audit, and no file of it imports that"}},
		{name: "line without a package", policy: policy + "acsi: NONE",
			want: []string{"policy line 6: there is no package acsi"}},
		{name: "testbed from within", file: "mms/in_test.go", policy: policy,
			src:  "package mms\nimport \"busbar.example/internal/testbed\"",
			want: []string{"mms/in_test.go: imports internal/testbed from package mms; only an external test package (mms_test) may"}},
		{name: "no package comment", file: "secure/audit/audit.go", policy: policy,
			src:  "package audit",
			want: []string{"secure/audit: no file has a package comment"}},
		{name: "package comment of another shape", file: "secure/audit/audit.go", policy: policy,
			src:  "// Events.\npackage audit",
			want: []string{`secure/audit/audit.go: the package comment begins "Events.\n"; want it to begin "Package audit "`}},
		{name: "vague name", file: "mms/util/x.go", policy: policy + "mms/util: NONE",
			src:  "// Package util is one.\npackage util",
			want: []string{`mms/util: "util" says nothing; name the package by what it is`}},
		{name: "last element shared", file: "mms/value/x.go", policy: policy + "mms/value: NONE",
			src:  "// Package value is one.\npackage value",
			want: []string{"value: shares its last element with mms/value"}},
		{name: "folder of another name", file: "secure/audit/audit.go", policy: policy,
			src:  "// Package events is one.\npackage events",
			want: []string{"secure/audit/audit.go: package events lives in a folder of another name"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := make(fstest.MapFS)
			for name, src := range sound {
				tree[name] = &fstest.MapFile{Data: []byte(src)}
			}
			if tt.file != "" {
				tree[tt.file] = &fstest.MapFile{Data: []byte(tt.src)}
			}
			pkgs, err := readTree(tree, module)
			if err != nil {
				t.Fatal(err)
			}
			rules, err := parsePolicy(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			got := append(append(checkImports(pkgs, rules), checkShape(rules)...), checkNames(pkgs)...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestShapeOfThePolicyIsChecked(t *testing.T) {
	tests := []struct {
		name, policy string
		want         []string
	}{
		{"city imports city", "mms: xmpp\nxmpp: NONE", []string{"policy line 1: mms (city) may never import xmpp (city)"}},
		{"city imports its own", "mms/assoc: mms\nmms: NONE", nil},
		{"city imports a leaf", "xmpp: secure/pki\nsecure/pki: NONE", nil},
		{"trust machinery is not a leaf", "acsi: secure/e2e\nsecure/e2e: NONE", []string{"policy line 1: acsi (city) may never import secure/e2e (city)"}},
		{"leaf imports city", "value: mms\nmms: NONE", []string{"policy line 1: value (leaf) may never import mms (city)"}},
		{"city imports bridge", "acsi/server: process/sim\nprocess/sim: NONE", []string{"policy line 1: acsi/server (city) may never import process/sim (bridge)"}},
		{"bridge imports application", "scsm/mmsmap: app/site\napp/site: NONE", []string{"policy line 1: scsm/mmsmap (bridge) may never import app/site (application)"}},
		{"product imports the testbed", "internal/arch: internal/testbed\ninternal/testbed: NONE",
			[]string{"policy line 1: internal/arch (leaf) may never import internal/testbed (application)"}},
		{"circle", "mms: mms/assoc\nmms/assoc: mms/x\nmms/x: mms", []string{"policy: a circle: mms → mms/assoc → mms/x → mms"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			policy, err := parsePolicy(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, checkShape(policy)); diff != "" {
				t.Errorf("faults of %q (-want +got):\n%s", tt.policy, diff)
			}
		})
	}
}

func TestPolicyIsRefusedWhereItIsUnclear(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no colon", "value NONE", `policy line 1: want "package: imports", got "value NONE"`},
		{"twice", "# head\nvalue: NONE\nvalue: NONE", "policy line 3: value has line 2 already"},
		{"empty list", "value:", "policy line 1: value lists no package; write NONE"},
		{"entry twice", "mms: value value", "policy line 1: mms lists an entry twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parsePolicy(tt.text)
			if err == nil || err.Error() != tt.want {
				t.Errorf("parsePolicy(%q) = %v, want %s", tt.text, err, tt.want)
			}
		})
	}
}
