package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

func (g *global) pkiCheck() *cobra.Command {
	var asJSON, quiet bool
	c := &cobra.Command{
		Use:   "check",
		Short: "say when certificates and revocation lists end",
		Long: `check lists when each certificate and revocation list of the site ends, the next
to end first. Renewal is due when 70 % of a life have passed. The exit status is
0 where nothing is due, and 1 where something is, has ended, or cannot be read.`,
		Example: `  busbar pki check
  busbar pki check --quiet || mail -s "renew certificates" operator`,
		Args: exactly(),
		RunE: func(_ *cobra.Command, _ []string) error {
			s, err := g.site()
			if err != nil {
				return err
			}
			found, err := s.Expiries(time.Now())
			if printed := g.printExpiries(found, asJSON, quiet); printed != nil {
				return printed
			}
			due := 0
			for _, e := range found {
				if e.Due {
					due++
				}
			}
			switch {
			case err != nil:
				return err
			case due > 0:
				return site.Hint(fmt.Errorf("to be renewed: %s", number(due, "item")),
					"certificates: `busbar pki issue … --force`; revocation lists: `busbar pki crl`; who runs in this folder takes them up by itself")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "print only what is due")
	return c
}

func (g *global) printExpiries(found []site.Expiry, asJSON, quiet bool) error {
	table := tabwriter.NewWriter(g.stdout, 0, 0, 2, ' ', 0)
	for _, e := range found {
		if quiet && !e.Due {
			continue
		}
		if asJSON {
			if err := json.NewEncoder(g.stdout).Encode(e); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%d days\t%s\t%s\t%s\n", e.To.Format(time.DateOnly), e.Days, e.Stage, e.File, e.What)
	}
	return table.Flush()
}

func (g *global) pkiCRL() *cobra.Command {
	return &cobra.Command{
		Use:   "crl",
		Short: "write the revocation lists anew",
		Long: `crl writes the revocation lists pki/*.crl anew, with what they list and another
30 days to go. It needs the keys of the authorities. Run it every week or two: a
list that is overdue is a warning, or where trust: fail_closed is set, the end
of every login.`,
		Example: "  busbar pki crl",
		Args:    exactly(),
		RunE: func(_ *cobra.Command, _ []string) error {
			s, err := g.site()
			if err != nil {
				return err
			}
			files, err := s.RenewCRLs()
			if err != nil {
				return err
			}
			fmt.Fprintf(g.stdout, "written anew: %s\n", strings.Join(files, ", "))
			return nil
		},
	}
}
