package main

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

func (g *global) pkiBundle() *cobra.Command {
	c := &cobra.Command{
		Use:   "bundle JID|broker DIR",
		Short: "copy what one party needs to run elsewhere, and nothing else",
		Long: `bundle copies the site as far as one party needs it to run on another machine:
busbar.yaml, its own keys and certificates, the roots that it trusts and the
revocation lists. No key of an authority or of another party is in the copy; the
broker's has nothing of end-to-end security at all.

DIR must not exist, or be empty. With - for DIR it is a tar archive on standard
output. The keys in it are not encrypted: copy it over a channel that is.`,
		Example: `  busbar pki bundle pv1 /media/stick/pv1
  busbar pki bundle broker - | ssh gateway tar x`,
		Args: exactly("JID", "DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			return g.bundle(args[0], args[1])
		},
		ValidArgsFunction: func(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return g.completeAccounts(c, args, prefix)
		},
	}
	return c
}

func (g *global) bundle(whose, dir string) error {
	s, err := g.site()
	if err != nil {
		return err
	}
	var b *site.Bundle
	if whose == site.BrokerParty {
		b, err = s.BrokerBundle()
	} else {
		j, accountErr := s.Account(whose)
		if accountErr != nil {
			return accountErr
		}
		whose = j.Bare().String()
		b, err = s.PartyBundle(j)
	}
	if err != nil {
		return err
	}
	listing := g.stdout
	if dir == "-" {
		if isTerminal(g.stdout) {
			return usagef("standard output is a terminal: write the archive into a file or a pipe, or name a folder")
		}
		listing = g.stderr
		err = b.WriteTar(g.stdout, whose, time.Now())
	} else {
		err = b.WriteFolder(dir)
	}
	if err != nil {
		return err
	}
	for _, f := range b.Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if dir == "-" {
			name = whose + "/" + f.Name
		}
		fmt.Fprintf(listing, "%v  %s\n", f.Mode, name)
	}
	for _, name := range b.Elsewhere {
		fmt.Fprintf(g.stderr, "not in the copy, since it is not in the site folder: %s; copy it by hand\n", name)
	}
	if whose != site.BrokerParty && len(s.Config.Connect) == 0 {
		fmt.Fprintf(g.stderr, "the copy does not say where the broker is: unless SRV records of %s do, set connect in its busbar.yaml\n", s.Domain)
	}
	return nil
}
