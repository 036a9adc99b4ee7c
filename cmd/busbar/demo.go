package main

import (
	"github.com/spf13/cobra"

	"busbar.example/app/demo"
)

func (g *global) demoCommand() *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "show everything in one process: authorities, broker, three IEDs, clients",
		Args:  exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return demo.Run(c.Context(), g.stdout, g.stderr, once)
		},
	}
	c.Flags().BoolVar(&once, "once", false, "walk through it once and exit")
	return c
}
