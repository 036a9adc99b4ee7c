package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

func (g *global) initCommand() *cobra.Command {
	var domain string
	c := &cobra.Command{
		Use:   "init DIR --domain DOMAIN",
		Short: "make a site: configuration and certification authorities",
		Long: `init makes the folder DIR for the XMPP domain DOMAIN. It holds busbar.yaml, two
separate hierarchies of certification authorities (E2M for TLS, E2E for the
associations), their revocation lists, and the broker's certificate. The
authorities are for laboratories and small sites.`,
		Example: "  busbar init plant --domain dso.example",
		Args:    exactly("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			if domain == "" {
				return usagef("init needs --domain DOMAIN, which is what follows the @ of your JIDs, such as dso.example")
			}
			s, err := site.Init(args[0], domain)
			if err != nil {
				return err
			}
			fmt.Fprintf(g.stdout, "%s: site of %s, with E2M and E2E authorities of its own (for laboratories and small sites)\n", s.Dir, s.Domain)
			fmt.Fprintln(g.stderr, "next:")
			if here, err := filepath.Abs("."); err != nil || here != s.Dir {
				fmt.Fprintf(g.stderr, "  cd %s\n", args[0])
			}
			fmt.Fprintf(g.stderr, "  busbar pki issue ied pv1@%s\n  busbar pki issue client ems@%s --role ENGINEER\n  busbar broker\n", s.Domain, s.Domain)
			return nil
		},
	}
	c.Flags().StringVar(&domain, "domain", "", "XMPP `domain` of the site, such as dso.example")
	return c
}
