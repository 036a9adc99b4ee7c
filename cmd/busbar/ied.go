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
		Args:  exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if account == "" || o.SCL == "" {
				return usagef("ied needs --jid JID and --scl FILE")
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
	f.StringVar(&account, "jid", "", "account of the IED")
	f.StringVar(&o.SCL, "scl", "", "ICD, CID, IID or SCD file")
	f.StringVar(&o.Name, "ied", "", "IED in the file, where there are several")
	f.StringVar(&o.AP, "ap", "", "access point, where several have a server")
	f.BoolVar(&o.Sim, "sim", false, "move the values plausibly")
	f.StringVar(&o.Connect, "connect", "", "HOST:PORT of the broker")
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
	fmt.Fprintf(g.stderr, "%v is on line: %s of %s, %d logical devices, %d logical nodes, %d leaves\n",
		o.JID, running.Model.IED, filepath.Base(o.SCL), len(running.Model.LDs), lns, leaves)
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
