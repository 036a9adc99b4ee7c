package demo

import (
	"context"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/app/selftest"
	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// selftest tries every service of every IED, and fails where an IED does.
func (d *demo) selftest(ctx context.Context) error {
	failed := 0
	for _, p := range plants {
		err := d.dial(ctx, ems, p.account, func(ctx context.Context, _ jid.JID, c *site.Client) error {
			d.print("\nSelf-test  of %s as %s\n", p.account, ems)
			counts := map[selftest.Outcome]int{}
			again := func(ctx context.Context) (acsi.Services, error) { return c.Associate(ctx) }
			for r := range selftest.Run(ctx, c, selftest.Config{Associate: again, Write: true, Operate: true}) {
				counts[r.Outcome]++
				d.print("%s\n", r)
			}
			d.print("%d passed, %d failed, %d skipped\n", counts[selftest.Pass], counts[selftest.Fail], counts[selftest.Skip])
			failed += counts[selftest.Fail]
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d cases of the self-test failed", failed)
	}
	return nil
}
