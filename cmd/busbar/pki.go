package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

func (g *global) pkiCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "pki",
		Short: "issue, revoke, bundle, show and check certificates",
		Args:  exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return c.Help()
		},
	}
	issue := &cobra.Command{
		Use:   "issue ied|client|mms JID",
		Short: "make the keys and certificates of an IED or a client",
		RunE: func(c *cobra.Command, args []string) error {
			return usagef("pki issue takes ied, client or mms, then a JID")
		},
		Args: cobra.ArbitraryArgs,
	}
	issue.AddCommand(g.issueIED(), g.issueClient(), g.issueMMS())
	c.AddCommand(issue, g.pkiRevoke(), g.pkiBundle(), g.pkiShow(), g.pkiCheck(), g.pkiCRL())
	return c
}

func (g *global) issueIED() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:     "ied JID",
		Short:   "make the keys and certificates of an IED; it has no role",
		Example: "  busbar pki issue ied pv1",
		Args:    exactly("JID"),
		RunE: func(_ *cobra.Command, args []string) error {
			return g.issue(args[0], nil, "", force)
		},
	}
	c.Flags().BoolVar(&force, "force", false, "replace the certificates that are there")
	return c
}

func (g *global) issueClient() *cobra.Command {
	var roles []string
	var aor string
	var force bool
	c := &cobra.Command{
		Use:   "client JID [--role ROLE]…",
		Short: "make the keys and certificates of a client with its roles",
		Example: `  busbar pki issue client ems --role ENGINEER --role OPERATOR
  busbar pki issue client guest --aor 'PV*'`,
		Args: exactly("JID"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(roles) > 0 {
				return g.issue(args[0], roles, aor, force)
			}
			if err := g.issue(args[0], []string{"VIEWER"}, aor, force); err != nil {
				return err
			}
			fmt.Fprintln(g.stderr, "no --role was given, so it is a VIEWER, who may read and not write")
			return nil
		},
	}
	c.Flags().StringArrayVar(&roles, "role", nil, "`role`: VIEWER, OPERATOR, ENGINEER, INSTALLER, SECADM, SECAUD or RBACMNT; may be repeated (default VIEWER)")
	c.Flags().StringVar(&aor, "aor", "", "area of responsibility: `pattern` of logical device names (default all)")
	c.Flags().BoolVar(&force, "force", false, "replace the certificates that are there")
	return c
}

func (g *global) issueMMS() *cobra.Command {
	var hosts []string
	var force bool
	c := &cobra.Command{
		Use:   "mms JID --host HOST…",
		Short: "make the certificate that an IED serves MMS over TLS with",
		Long: `mms makes the key and certificate that an IED shows to clients of IEC 61850-8-1
with TLS (ied --listen-mms ADDR,tls): for each host that they reach it at.`,
		Example: "  busbar pki issue mms pv1 --host pv1.plant.example --host 10.0.0.5",
		Args:    exactly("JID"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(hosts) == 0 {
				return usagef("pki issue mms needs --host HOST: the name or address in mmss://HOST")
			}
			s, err := g.site()
			if err != nil {
				return err
			}
			j, err := s.Account(args[0])
			if err != nil {
				return err
			}
			if err := s.IssueMMS(j, hosts, force); err != nil {
				return err
			}
			fmt.Fprintf(g.stdout, "%v: MMS over TLS at %s; key and certificate in %s\n", j.Bare(), strings.Join(hosts, ", "), s.Path("pki", j.Bare().String()))
			return nil
		},
	}
	c.Flags().StringArrayVar(&hosts, "host", nil, "`host`: DNS name or address that clients reach the IED at; may be repeated")
	c.Flags().BoolVar(&force, "force", false, "replace the certificate that is there")
	return c
}

func (g *global) issue(text string, roles []string, aor string, force bool) error {
	for _, role := range roles {
		if _, err := rbac.ParseRole(strings.ToUpper(role)); err != nil {
			return &usageError{site.Hint(err, "a VIEWER reads, an OPERATOR controls too, an ENGINEER also configures")}
		}
	}
	s, err := g.site()
	if err != nil {
		return err
	}
	j, err := s.Account(text)
	if err != nil {
		return err
	}
	if err := s.Issue(j, roles, aor, force); err != nil {
		return err
	}
	held := "no role"
	if len(roles) > 0 {
		held = strings.ToUpper(strings.Join(roles, ", "))
	}
	fmt.Fprintf(g.stdout, "%v: %s; TLS and E2E keys and certificates in %s\n", j.Bare(), held, s.Path("pki", j.Bare().String()))
	return nil
}

func (g *global) pkiRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke JID",
		Short: "put the certificates of an account on the revocation lists",
		Long: `revoke puts the certificates that JID has now on the revocation lists
pki/*.crl, and takes its password away. A broker or IED that runs in this folder
acts on it within a minute; copies of the site need the new lists.`,
		Example: "  busbar pki revoke guest",
		Args:    exactly("JID"),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := g.site()
			if err != nil {
				return err
			}
			j, err := s.Account(args[0])
			if err != nil {
				return err
			}
			if err := s.Revoke(j); err != nil {
				return err
			}
			fmt.Fprintf(g.stdout, "%v: revoked; new certificates are issued with `busbar pki issue … --force`\n", j.Bare())
			return nil
		},
	}
}

func (g *global) pkiShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show FILE…",
		Short:   "say what certificates, revocation lists and keys hold",
		Example: "  busbar pki show pki/*/*.crt pki/*.crl",
		Args:    atLeastOne("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			failed := false
			for _, file := range args {
				if err := g.show(file, asJSON); err != nil {
					failed = true
					g.complain(err, "name files in PEM form, or a certificate or revocation list in DER")
				}
			}
			if failed {
				return errReported
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON lines")
	return c
}

// maxPEM bounds a file that show reads, in octets.
const maxPEM = 16 << 20

func (g *global) show(file string, asJSON bool) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return err
	}
	if len(text) > maxPEM {
		return fmt.Errorf("%s: more than %d octets", file, maxPEM)
	}
	now := time.Now()
	if asJSON {
		now = now.UTC()
	}
	found, err := pki.Describe(text, now)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, d := range found {
		if !asJSON {
			fmt.Fprintln(g.stdout, d)
			continue
		}
		if err := json.NewEncoder(g.stdout).Encode(d); err != nil {
			return err
		}
	}
	return nil
}
