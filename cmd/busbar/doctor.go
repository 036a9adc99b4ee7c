package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/app/doctor"
	"busbar.example/app/site"
)

func (g *global) doctorCommand() *cobra.Command {
	var to, account, connect, password string
	var how protection
	var inJSON bool
	timeout := 30 * time.Second
	c := &cobra.Command{
		Use:   "doctor [--jid JID] [--to JID]",
		Short: "find out why an association does not come about",
		Long: `doctor walks the way from a party of the site to an association with an IED:
the site folder, the party's own keys, the broker's address, TCP, the stream,
STARTTLS, the broker's chain and names, SASL, the resource, the IED's presence,
the end-to-end handshake, the association, and a first answer. It says of each
step what it has seen, and at the first fault what is wrong and what to do.
Without --to it ends at the broker. Nothing is changed anywhere. The status is 1
where there is a fault; warnings do not count.`,
		Example: "  busbar doctor --to pv1\n  busbar doctor --jid pv1\n  busbar doctor --jid ems --to pv1@dso.example --json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := g.site()
			if err != nil {
				return err
			}
			mode, err := how.on(s)
			if err != nil {
				return err
			}
			j, err := s.Client(account)
			if err != nil {
				return err
			}
			if j, err = site.ClientAddress(j); err != nil {
				return err
			}
			events, err := s.Audit("client", g.auditFailed)
			if err != nil {
				return err
			}
			defer events.Close()
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			well := doctor.Run(ctx, s, doctor.Options{
				Party: site.Party{JID: j, Connect: connect, PasswordFile: password, E2E: mode, Logger: g.logger(), Audit: events},
				To:    to,
			}, func(check doctor.Check) { g.printCheck(check, inJSON) })
			if !well {
				return errReported
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "`JID` of the IED (default: only as far as the broker)")
	f.StringVar(&account, "jid", "", "`JID` of the party (default: client in busbar.yaml, else the only client issued here)")
	f.StringVar(&connect, "connect", "", connectUsage)
	f.StringVar(&password, "password-file", "", passwordUsage)
	how.flags(c)
	f.BoolVar(&inJSON, "json", false, "print JSON lines, one object a step")
	f.DurationVar(&timeout, "timeout", timeout, "`time` that all of it may take")
	for _, flag := range []string{"to", "jid"} {
		if err := c.RegisterFlagCompletionFunc(flag, g.completeAccounts); err != nil {
			panic(err) // the flag is there
		}
	}
	return c
}

func (g *global) printCheck(c doctor.Check, inJSON bool) {
	if !inJSON {
		fmt.Fprintln(g.stdout, c)
		return
	}
	json.NewEncoder(g.stdout).Encode(struct {
		doctor.Check
		MS float64 `json:"ms,omitempty"`
	}{c, float64(c.Took.Microseconds()) / 1000})
}
