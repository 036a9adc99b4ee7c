package demo

import (
	"context"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// watched is what the tour follows, and changesToSee how often it is to change.
var watched = acsi.MustRef("PV1LD0/MMXU1.TotW[MX]")

const changesToSee = 3

// watch follows a value until it has moved.
func (d *demo) watch(ctx context.Context) error {
	return d.dial(ctx, guest, "pv1", func(ctx context.Context, _ jid.JID, c *site.Client) error {
		follower, err := client.New(c).Watch(ctx, client.WatchConfig{Interval: 500 * time.Millisecond}, watched)
		if err != nil {
			return err
		}
		d.print("\nWatch      pv1 as %s\n", guest)
		var printer client.ChangePrinter
		seen := 0
		for changes, err := range follower.Changes(ctx) {
			for _, change := range changes {
				if change.Err != nil {
					return change.Err
				}
			}
			if err != nil {
				return err
			}
			if err := printer.Print(d.out, changes); err != nil {
				return err
			}
			if seen += len(changes); seen >= changesToSee {
				return nil
			}
		}
		return ctx.Err()
	})
}
