package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/app/site"
)

func (g *global) iedCommand() *cobra.Command {
	var o site.IEDOptions
	var account string
	c := &cobra.Command{
		Use:   "ied --jid JID --scl FILE",
		Short: "serve an IED that an SCL file describes",
		Long: `ied makes an IED of an SCL file and serves it until it is interrupted: its whole model, with the values that
the file gives. With --sim the values move as those of a plant would.`,
		Example: "  busbar ied --jid pv1 --scl pv.cid --sim",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if account == "" || o.SCL == "" {
				return usagef("ied needs --jid JID and --scl FILE")
			}
			if err := checkAddress("--connect", o.Connect); err != nil {
				return err
			}
			s, err := g.site()
			if err != nil {
				return err
			}
			j, err := s.Account(account)
			if err != nil {
				return err
			}
			if o.JID, err = site.IED(j); err != nil {
				return err
			}
			events, err := s.Audit("ied", g.auditFailed)
			if err != nil {
				return err
			}
			defer events.Close()
			o.Logger, o.Audit = g.logger(), events
			o.Ready = func(running *site.RunningIED) { g.iedReady(&o, running) }
			return s.RunIED(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&account, "jid", "", "`JID` of the IED")
	f.StringVar(&o.SCL, "scl", "", "ICD, CID, IID or SCD `file`")
	f.StringVar(&o.Name, "ied", "", "`name` of the IED in the file, where there are several")
	f.StringVar(&o.AP, "ap", "", "`name` of the access point, where several have a server")
	f.BoolVar(&o.Sim, "sim", false, "move the values plausibly")
	f.StringVar(&o.Connect, "connect", "", "`HOST:PORT` of the broker (default: where the broker of this folder listens, else connect in busbar.yaml, else SRV)")
	return c
}

func (g *global) iedReady(o *site.IEDOptions, running *site.RunningIED) {
	for _, finding := range running.Findings {
		fmt.Fprintf(g.stderr, "%s: %s\n", o.SCL, oneLine(finding.String()))
	}
	lns, leaves := 0, 0
	for _, ld := range running.Model.LDs {
		lns += len(ld.LNs)
		for _, ln := range ld.LNs {
			leaves += countLeaves(ln.Node)
		}
	}
	fmt.Fprintf(g.stderr, "%v is on line: %s of %s, %s, %s, %s\n", o.JID, running.Model.IED, filepath.Base(o.SCL),
		number(len(running.Model.LDs), "logical device"), number(lns, "logical node"), number(leaves, "value"))
}

func number(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprint(n, " ", of)
}

// countLeaves counts the attributes of basic type below n, an array's once for each element.
func countLeaves(n *acsi.Node) int {
	if n.IsLeaf() {
		return max(n.Count, 1)
	}
	count := 0
	for _, c := range n.Children {
		count += countLeaves(c)
	}
	return count * max(n.Count, 1)
}
