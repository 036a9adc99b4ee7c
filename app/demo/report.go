package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// What the tour commands, and what tells of it.
const (
	breakerIED  = "fdr1"
	reportBlock = "FDR1LD0/LLN0.brcbSwitching"
	breaker     = "FDR1LD0/CSWI1.Pos"

	breakerItself = "FDR1LD0/XCBR1.Pos"
)

// operate opens the breaker and closes it again, and shows what the IED reports of it.
func (d *demo) operate(ctx context.Context) error {
	return d.dial(ctx, ems, breakerIED, func(ctx context.Context, _ jid.JID, c *site.Client) (err error) {
		peer := client.New(c)
		reports, err := peer.Subscribe(ctx, acsi.MustRef(reportBlock), client.SubscribeConfig{})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, reports.Close(context.WithoutCancel(ctx))) }()
		d.print("\nReports    from %s as %s: %d members of %s by %s\n", breakerIED, ems, len(reports.Members()), reports.DataSet(), reports.Block().Path())
		ctl, err := peer.Control(ctx, acsi.MustRef(breaker))
		if err != nil {
			return err
		}
		shown := statusPrinter{known: map[acsi.Ref]string{}}
		for _, position := range []string{"off", "on"} {
			if err := d.command(ctx, ctl, position); err != nil {
				return err
			}
			if err := d.showReports(ctx, &shown, reports, position); err != nil {
				return err
			}
		}
		return nil
	})
}

// command operates the breaker.
func (d *demo) command(ctx context.Context, ctl *client.Control, position string) error {
	v, err := ctl.ParseValue(position)
	if err != nil {
		return err
	}
	var steps []string
	err = ctl.Operate(ctx, v, client.Operation{Step: func(s client.Step, took time.Duration) {
		steps = append(steps, fmt.Sprintf("%s (%v)", s, took.Round(100*time.Microsecond)))
	}})
	if err != nil {
		return err
	}
	d.print("\nOperate    %s as %s: %s %s, %s\n           %s\n", breakerIED, ems, ctl.Ref, position, ctl.Model, strings.Join(steps, ", "))
	return nil
}

// statusPrinter prints the status of what is reported, where it is another than it has shown.
type statusPrinter struct {
	client.ChangePrinter
	known map[acsi.Ref]string
}

func (p *statusPrinter) news(changes []client.Change) []client.Change {
	var news []client.Change
	for _, c := range changes {
		if text := c.Text(); c.Ref.Name() == "stVal" && p.known[c.Ref] != text {
			news = append(news, c)
			p.known[c.Ref] = text
		}
	}
	return news
}

// showReports prints reports until one tells that the breaker is at position.
func (d *demo) showReports(ctx context.Context, p *statusPrinter, reports *client.Subscription, position string) error {
	for u, err := range reports.Updates(ctx) {
		if err != nil {
			return err
		}
		if err := p.Print(d.out, p.news(u.Changes())); err != nil {
			return err
		}
		if p.known[acsi.MustRef(breaker+".stVal[ST]")] == position && p.known[acsi.MustRef(breakerItself+".stVal[ST]")] == position {
			return nil
		}
	}
	return ctx.Err()
}
