package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// helpWidth is how wide a terminal may be taken to be.
const helpWidth = 80

// usageTemplate is what --help prints after the text of a command.
var usageTemplate = fmt.Sprintf(`Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}{{$commands := .Commands}}{{if .Groups}}{{range $group := .Groups}}

{{.Title}}:{{range $commands}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{else}}

Commands:{{range $commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped %[1]d | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableInheritedFlags}}

Flags of every command:
{{.InheritedFlags.FlagUsagesWrapped %[1]d | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableSubCommands}}

More about a command: {{.CommandPath}} COMMAND --help{{end}}
`, helpWidth)

// The groups of commands that --help lists.
const (
	groupSite   = "site"
	groupServe  = "serve"
	groupClient = "client"
	groupMore   = "more"
)

// addGrouped adds commands under a heading.
func addGrouped(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, c := range commands {
		c.GroupID = id
	}
	root.AddCommand(commands...)
}

func (g *global) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "say which build this is",
		Args:  exactly(),
		Run: func(*cobra.Command, []string) {
			info, _ := debug.ReadBuildInfo()
			fmt.Fprintf(g.stdout, "busbar %s, %s, %s/%s\n", revision(info), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// revision is the commit of a build, or the version of the module, or "unknown".
func revision(info *debug.BuildInfo) string {
	if info == nil {
		return "unknown"
	}
	commit, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	switch {
	case commit != "":
		return commit[:min(len(commit), 12)] + changed
	case info.Main.Version != "":
		return info.Main.Version
	}
	return "unknown"
}
