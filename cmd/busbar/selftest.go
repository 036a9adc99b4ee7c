package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/app/selftest"
)

func (g *global) selftestCommand() *cobra.Command {
	var a *access
	cfg := selftest.Config{}
	c := &cobra.Command{
		Use:   "selftest --to JID",
		Short: "try every service that an IED offers",
		Long: `selftest tries the services of an IED, one conformance case after the other, and
says PASS, FAIL or SKIP, with what was tried or why not. It changes nothing;
with --write it makes and deletes a data set and a file of its own, and writes
settings back as they are; with --operate it operates control objects, and
brings them back where they were: not on a plant that is in service. --timeout
is for each case. The status is 1 where a case fails.`,
		Example: "  busbar selftest --to pv1\n  busbar selftest --to pv1 --write --operate --json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(ctx context.Context, peer *session) error {
				cfg.Timeout = a.timeout
				cfg.Associate = func(ctx context.Context) (acsi.Services, error) { return peer.link.Associate(ctx) }
				return a.selftest(ctx, peer, cfg)
			})
		},
	}
	a = g.access(c)
	a.lasting = true
	c.Flags().BoolVar(&cfg.Write, "write", false, "write too, and leave all as it was")
	c.Flags().BoolVar(&cfg.Operate, "operate", false, "operate control objects too, and bring them back")
	return c
}

func (a *access) selftest(ctx context.Context, peer *session, cfg selftest.Config) error {
	counts := map[selftest.Outcome]int{}
	for result := range selftest.Run(ctx, peer.link, cfg) {
		counts[result.Outcome]++
		if err := a.outcome(result); err != nil {
			return err
		}
		if peer.link.Err() != nil {
			return lost(a.to, peer.link.Err())
		}
	}
	if !a.json {
		fmt.Fprintf(a.g.stdout, "%d passed, %d failed, %d skipped\n", counts[selftest.Pass], counts[selftest.Fail], counts[selftest.Skip])
	}
	if counts[selftest.Fail] > 0 {
		return errReported
	}
	return ctx.Err()
}

func (a *access) outcome(r selftest.Result) error {
	if a.json {
		return json.NewEncoder(a.g.stdout).Encode(struct {
			selftest.Result
			MS float64 `json:"ms"`
		}{r, float64(r.Took.Microseconds()) / 1000})
	}
	_, err := fmt.Fprintln(a.g.stdout, strings.TrimRight(r.String(), " "))
	return err
}
