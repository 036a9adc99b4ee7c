package main

import (
	"github.com/spf13/cobra"

	"busbar.example/app/demo"
)

func (g *global) demoCommand() *cobra.Command {
	var o demo.Options
	c := &cobra.Command{
		Use:   "demo",
		Short: "show a whole site in one process, with three simulated IEDs",
		Long: `demo makes a site in a temporary folder, brings up its broker and three
simulated IEDs, and walks through what a client does: it connects, reads,
writes, operates a breaker, follows what is reported of it, and is refused where
its role does not allow it. Then it prints commands to try, stays up for them
until it is interrupted, and removes the folder. With --mms an IED is served by
MMS over TCP too, and read both ways; with --federated a second domain has a
broker and authorities of its own, and its client reads from an IED of the
first; with --selftest every service of each IED is tried.`,
		Example: "  busbar demo\n  busbar demo --once --mms\n  busbar demo --once --federated\n  busbar demo --once --selftest",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return demo.Run(c.Context(), g.stdout, g.stderr, o)
		},
	}
	c.Flags().BoolVar(&o.Once, "once", false, "end after the walk")
	c.Flags().BoolVar(&o.MMS, "mms", false, "serve IEC 61850-8-1 too, and compare what is read both ways")
	c.Flags().BoolVar(&o.Federated, "federated", false, "add a second domain with a broker of its own, whose client reads from an IED of the first")
	c.Flags().BoolVar(&o.SelfTest, "selftest", false, "try every service of each IED")
	return c
}
