package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

// protection is what ied and the client commands are told about end-to-end security.
type protection struct {
	mode       string
	algorithms []string
}

func (p *protection) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.mode, "e2e", "", "`mode` of end-to-end security, the same at both ends: encr, clear or off (default: as busbar.yaml says, else encr)")
	f.StringSliceVar(&p.algorithms, "e2e-algorithms", nil, "`list` of its algorithms with commas between, preferred first (default: as busbar.yaml says, else GCM or HMAC and GMAC)")
	// It fails only for a flag that does not exist.
	_ = c.RegisterFlagCompletionFunc("e2e", cobra.FixedCompletions([]string{string(site.Encrypted), string(site.Clear), string(site.Off)}, cobra.ShellCompDirectiveNoFileComp))
}

// given reports whether anything was told.
func (p *protection) given() bool { return p.mode != "" || p.algorithms != nil }

// on is what that means in a site.
func (p *protection) on(s *site.Site) (site.E2E, error) {
	given, err := site.ParseE2E(p.mode, p.algorithms)
	if err == nil {
		given, err = s.E2E(given)
	}
	if err != nil {
		return given, &usageError{err}
	}
	return given, nil
}

// warnOfMode says what is not protected where end-to-end security is off, and what else is to be known of that.
func (g *global) warnOfMode(how site.E2E, more string) {
	if how.Mode != site.Off {
		return
	}
	fmt.Fprintln(g.stderr, "busbar: end-to-end security is off: whoever runs a server on the way can read and alter everything")
	if more != "" {
		fmt.Fprintf(g.stderr, "  hint: %s\n", more)
	}
}
