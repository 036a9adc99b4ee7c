package main

import (
	"bytes"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// eachCommand calls visit with c and all below it.
func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, below := range c.Commands() {
		eachCommand(below, visit)
	}
}

func TestHelpFitsATerminalAndGivesExamples(t *testing.T) {
	eachCommand((&global{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)}).command(), func(c *cobra.Command) {
		var out bytes.Buffer
		c.SetOut(&out)
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
				t.Errorf("%s --help has a line of %d columns: %s", c.CommandPath(), n, line)
			}
		}
		if c.Short == "" || c.Example == "" && c.Runnable() && !c.HasSubCommands() && c.Name() != "version" {
			t.Errorf("%s --help tells too little:\n%s", c.CommandPath(), out.String())
		}
		if example, _, _ := strings.Cut(strings.TrimSpace(c.Example), " -"); c.Example != "" && !strings.HasPrefix(example, c.CommandPath()) {
			t.Errorf("%s has an example of something else: %s", c.CommandPath(), c.Example)
		}
	})
}

func TestShellsCompleteCommandsAndModes(t *testing.T) {
	f := folder{t, t.TempDir()}
	for words, want := range map[string][]string{
		"wa":             {"watch"},
		"get --e2e ":     {"encr", "clear", "off"},
		"ied --e2e c":    {"clear"},
		"pki issue cli":  {"client"},
		"watch --to x -": {"--interval", "--e2e-algorithms"},
	} {
		got := f.must(append([]string{"__complete"}, strings.Split(words, " ")...)...)
		for _, w := range want {
			if !strings.Contains("\n"+got, "\n"+w) {
				t.Errorf("busbar %s completes to %q, want %s", words, got, w)
			}
		}
	}
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIP bash is not there")
	}
	check := exec.CommandContext(t.Context(), shell, "-n")
	check.Stdin = strings.NewReader(f.must("completion", "bash"))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("bash does not take the script: %v\n%s", err, out)
	}
}

func TestTheVersionIsThatOfTheBuild(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for _, tc := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"nothing is known", nil, "unknown"},
		{"a commit", &debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef"), setting("vcs.modified", "false")}}, "0123456789ab"},
		{"a commit and more", &debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.revision", "0123"), setting("vcs.modified", "true")}}, "0123 with changes"},
		{"a release", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "v1.2.3"},
	} {
		if got := revision(tc.info); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := (folder{t, t.TempDir()}).must("version"); !strings.HasPrefix(got, "busbar ") || strings.Count(got, "\n") != 1 {
		t.Errorf("busbar version prints %q", got)
	}
}

// What an IED has is offered to a shell, level by level; without an IED nothing is, and no error is shown.
func TestShellsCompleteWhatTheIEDHas(t *testing.T) {
	f := newFolder(t)
	f.broker()
	f.ied()
	for words, want := range map[string]string{
		"get --jid ems --to pv1 P":                            "PV1LD0/\n",
		"get --jid ems --to pv1 PV1LD0/MMX":                   "PV1LD0/MMXU1.\n",
		"set --jid ems --to pv1 PV1LD0/DGEN1.WMax.setMag.":    "PV1LD0/DGEN1.WMax.setMag.f",
		"watch --jid ems --to pv1 PV1LD0/LLN0.Mea":            "PV1LD0/LLN0.Measurements\tdata set\n",
		"dataset show --jid ems --to pv1 PV1LD0/LLN0.Mea":     "PV1LD0/LLN0.Measurements\tdata set\n",
		"rcb show --jid ems --to pv1 PV1LD0/LLN0.brcbStatus0": "PV1LD0/LLN0.brcbStatus01\tBRCB\n",
		"log query --jid ems --to pv1 P":                      "PV1LD0/LLN0.Events\n",
		"get --to p":                                          "pv1\n",
	} {
		if got := f.must(append([]string{"__complete"}, strings.Split(words, " ")...)...); !strings.Contains("\n"+got, "\n"+want) {
			t.Errorf("busbar %s completes to %q, want %q", words, got, want)
		}
	}
	if got := f.must("__complete", "get", "--jid", "ems", "--to", "nobody", "P"); got != ":4\n" {
		t.Errorf("an IED that is not there has %q", got)
	}
}
