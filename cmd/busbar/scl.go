package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/app/site"
)

func (g *global) sclCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "scl",
		Short: "check SCL files, and take one IED out of them",
		Args:  exactly(),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			if os.Getenv("GOMEMLIMIT") == "" {
				debug.SetMemoryLimit(sclMemory)
			}
		},
	}
	c.AddCommand(g.sclCheckCommand(), g.sclExtractCommand())
	return c
}

// sclMemory is what the largest files that are read take. The garbage beside it is collected before there is more.
const sclMemory = 450 << 20

func (g *global) sclCheckCommand() *cobra.Command {
	k := sclCheck{out: g.stdout}
	c := &cobra.Command{
		Use:   "check FILE...",
		Short: "say what in SCL files is wrong, and what of each IED is served",
		Long: `check reads ICD, CID, IID and SCD files and tries every rule on them. An error
is something that is not served as the file says; a warning is served, though
the standard or most likely the engineer wants it otherwise. Of findings by one
rule it shows a few. It ends with status 1 where there is an error. - reads
standard input.`,
		Example: "  busbar scl check scl/*.icd\n  busbar scl check --json plant.scd | jq 'select(.severity == \"error\")'",
		Args:    atLeastOne("files"),
		RunE: func(_ *cobra.Command, files []string) error {
			for _, name := range files {
				k.file(name)
			}
			k.total(len(files))
			if k.counts[scl.SeverityError] > 0 {
				return errReported
			}
			return nil
		},
	}
	c.Flags().BoolVar(&k.json, "json", false, "a JSON object a line")
	c.Flags().BoolVar(&k.all, "all", false, "show every finding")
	c.Flags().StringVar(&k.ied, "ied", "", "check the IED of this `name` only")
	return c
}

func (g *global) sclExtractCommand() *cobra.Command {
	var ied string
	c := &cobra.Command{
		Use:   "extract FILE --ied NAME",
		Short: "write an SCL file with one IED of a larger one",
		Long: `extract writes the file to standard output without the other IEDs, their
addresses and the types that only they use. All else stays as it is, what Busbar
does not understand too: Private elements, other namespaces, comments.`,
		Example: "  busbar scl extract plant.scd --ied PV1 > pv1.cid",
		Args:    exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if ied == "" {
				return usagef("scl extract needs --ied NAME")
			}
			in, err := os.Open(args[0])
			if err != nil {
				return site.Hint(err, "give the path of an SCL file")
			}
			defer in.Close()
			doc, err := scl.Parse(in)
			if err != nil {
				return err
			}
			return doc.Extract(g.stdout, ied)
		},
	}
	c.Flags().StringVar(&ied, "ied", "", "`name` of the IED")
	return c
}

// sclCheck is one run of scl check.
type sclCheck struct {
	out       io.Writer
	json, all bool
	ied       string
	counts    [3]int // by severity
}

// file checks the file called name, or standard input.
func (k *sclCheck) file(name string) {
	edition, report := checkSCL(name, k.ied)
	if name == "-" {
		name = "standard input"
	}
	var counts [3]int
	for _, f := range report.Findings {
		counts[f.Severity]++
	}
	for severity, n := range counts {
		k.counts[severity] += n
	}
	if k.json {
		k.fileJSON(name, edition, report, counts)
	} else {
		k.fileText(name, edition, report, counts)
	}
}

// checkSCL reads a file and checks it; one that cannot be read is a finding.
func checkSCL(name, ied string) (edition string, report scl.Report) {
	unreadable := func(err error) scl.Report {
		refused, ok := errors.AsType[*scl.Error](err)
		if !ok {
			refused = &scl.Error{Msg: err.Error(), Hint: "give the path of an ICD, CID, IID or SCD file"}
		}
		return scl.Report{Findings: []scl.Finding{refused.Finding()}}
	}
	in := os.Stdin
	if name != "-" {
		var err error
		if in, err = os.Open(name); err != nil {
			return "", unreadable(err)
		}
		defer in.Close()
	}
	doc, err := scl.Parse(in)
	if err != nil {
		return "", unreadable(err)
	}
	return doc.Edition(), doc.Check(ied)
}

func (k *sclCheck) fileText(name, edition string, report scl.Report, counts [3]int) {
	if edition != "" {
		fmt.Fprintf(k.out, "%s: %s, %s, %s\n", oneLine(name), oneLine(edition), servers(report.Servers), tally(counts))
	}
	for _, group := range byRule(report.Findings) {
		shown := group
		if !k.all && len(shown) > shownOfRule {
			shown = shown[:shownOfRule-1]
		}
		for _, f := range shown {
			fmt.Fprintln(k.out, findingLine(name, f))
		}
		if more := len(group) - len(shown); more > 0 {
			fmt.Fprintf(k.out, "%s: and %d more like this by %s: --all shows them\n", oneLine(name), more, group[0].Rule)
		}
	}
	if report.More > 0 {
		fmt.Fprintf(k.out, "%s: and %d findings more than are listed\n", oneLine(name), report.More)
	}
	for _, s := range report.Servers {
		fmt.Fprintf(k.out, "  %s\n", oneLine(serverLine(s)))
	}
}

// shownOfRule is how many findings of one rule are shown of each file.
const shownOfRule = 4

// byRule groups findings by their rule: errors first, then in the order of the first lines.
func byRule(findings []scl.Finding) [][]scl.Finding {
	var groups [][]scl.Finding
	at := map[string]int{}
	for _, f := range findings {
		i, ok := at[f.Rule]
		if !ok {
			i = len(groups)
			at[f.Rule] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	slices.SortStableFunc(groups, func(a, b []scl.Finding) int { return int(b[0].Severity) - int(a[0].Severity) })
	return groups
}

// findingLine is a finding as compilers write theirs, so that editors find the place.
func findingLine(file string, f scl.Finding) string {
	sep := ":"
	if f.Line == 0 {
		sep = ": "
	}
	return oneLine(file + sep + f.String())
}

func serverLine(s scl.Server) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", strings.TrimSpace(s.IED+" "+s.AccessPoint))
	if s.At != "" {
		fmt.Fprintf(&b, "the server of access point %s, ", s.At)
	}
	c := s.Counts
	fmt.Fprintf(&b, "%s, %s, %s, %s, %s", number(c.LDs, "LD"), number(c.LNs, "LN"), number(c.DOs, "DO"), number(c.SDOs, "SDO"),
		number(c.AllLeaves(), "attribute"))
	sep := " ("
	for _, fc := range acsi.FCs() {
		if n := c.Leaves[fc]; n > 0 {
			fmt.Fprintf(&b, "%s%s %d", sep, fc, n)
			sep = ", "
		}
	}
	if sep == ", " {
		b.WriteString(")")
	}
	if c.DataSets > 0 {
		fmt.Fprintf(&b, ", %s of %s", number(c.DataSets, "data set"), number(c.Members, "member"))
	}
	for _, class := range slices.Sorted(maps.Keys(c.Blocks)) {
		fmt.Fprintf(&b, ", %s", number(c.Blocks[class], class))
	}
	if len(s.JIDs) > 0 {
		b.WriteString(", " + strings.Join(s.JIDs, ", "))
	}
	return b.String()
}

func servers(list []scl.Server) string {
	if len(list) == 0 {
		return "nothing to serve"
	}
	return number(len(list), "server")
}

// tally says how many findings there are.
func tally(counts [3]int) string {
	var parts []string
	for severity := scl.SeverityError; ; severity-- {
		if n := counts[severity]; n > 0 {
			parts = append(parts, number(n, severity.String()))
		}
		if severity == scl.SeverityInfo {
			break
		}
	}
	if parts == nil {
		return "no findings"
	}
	return strings.Join(parts, ", ")
}

func (k *sclCheck) total(files int) {
	if !k.json && files > 1 {
		fmt.Fprintf(k.out, "%s: %s\n", number(files, "file"), tally(k.counts))
	}
}

// The lines of --json. This is version 1 of their shapes: it rises when a field changes its name or meaning, not when
// one is added.
type (
	sclFindingJSON struct {
		Kind     string `json:"kind"` // finding
		File     string `json:"file"`
		Line     int    `json:"line,omitempty"`
		Severity string `json:"severity"` // error, warning or info
		Rule     string `json:"rule"`
		IED      string `json:"ied,omitempty"`
		Element  string `json:"element,omitempty"`
		Message  string `json:"message"`
		Hint     string `json:"hint,omitempty"`
	}
	sclServerJSON struct {
		Kind   string         `json:"kind"` // server
		File   string         `json:"file"`
		IED    string         `json:"ied"`
		AP     string         `json:"ap"`
		At     string         `json:"serverAt,omitempty"`
		JIDs   []string       `json:"jids,omitempty"`
		LDs    int            `json:"lds"`
		LNs    int            `json:"lns"`
		DOs    int            `json:"dos"`
		SDOs   int            `json:"sdos"`
		Leaves map[string]int `json:"leaves"` // by functional constraint

		DataSets int            `json:"dataSets"`
		Members  int            `json:"members"`          // of all data sets
		Blocks   map[string]int `json:"blocks,omitempty"` // control blocks, by their class
	}
	sclFileJSON struct {
		Kind     string `json:"kind"` // file
		Version  int    `json:"version"`
		File     string `json:"file"`
		Edition  string `json:"edition,omitempty"`
		Errors   int    `json:"errors"`
		Warnings int    `json:"warnings"`
		Infos    int    `json:"infos"`
		More     int    `json:"more,omitempty"` // findings that are not listed
	}
)

func (k *sclCheck) fileJSON(name, edition string, report scl.Report, counts [3]int) {
	out := json.NewEncoder(k.out)
	out.SetEscapeHTML(false)
	out.Encode(sclFileJSON{"file", 1, name, edition, counts[scl.SeverityError], counts[scl.SeverityWarning], counts[scl.SeverityInfo], report.More})
	for _, f := range report.Findings {
		out.Encode(sclFindingJSON{"finding", name, f.Line, f.Severity.String(), f.Rule, f.IED, f.Element, f.Msg, f.Hint})
	}
	for _, s := range report.Servers {
		leaves := map[string]int{}
		for fc, n := range s.Counts.Leaves {
			leaves[fc.String()] = n
		}
		out.Encode(sclServerJSON{"server", name, s.IED, s.AccessPoint, s.At, s.JIDs, s.Counts.LDs, s.Counts.LNs, s.Counts.DOs, s.Counts.SDOs, leaves,
			s.Counts.DataSets, s.Counts.Members, s.Counts.Blocks})
	}
}
