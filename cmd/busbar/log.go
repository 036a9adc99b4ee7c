package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

func (g *global) logCommand() *cobra.Command {
	return group("log", "list logs, and query them",
		g.on(&cobra.Command{
			Use:     "list --to JID [LD|LD/LN]",
			Short:   "list logs",
			Example: "  busbar log list --to fdr1",
		}, 0, 1, func(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
			logs, err := peer.Logs(ctx, firstOf(refs))
			if err != nil {
				return a.about(firstOf(refs), err)
			}
			for _, log := range logs {
				if a.json {
					err = a.line(struct {
						Ref string `json:"ref"`
					}{log.String()})
				} else {
					_, err = fmt.Fprintln(a.g.stdout, log)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}),
		g.logQueryCommand())
}

// querying is one log query command.
type querying struct {
	*access
	from, until, after string
	most               int
}

func (g *global) logQueryCommand() *cobra.Command {
	q := new(querying)
	c := &cobra.Command{
		Use:   "query --to JID LD/LN.LOG",
		Short: "print the entries of a log",
		Long: `query prints the entries of a log, oldest first: time, entry id, and each value
with the reason why it was logged. --after with the id of an entry, and --from
with its time, gives what followed it.`,
		Example: `  busbar log query --to fdr1 FDR1LD0/LLN0.EventLog
  busbar log query --to fdr1 FDR1LD0/LLN0.EventLog --from 2026-11-22T10:00:00Z`,
		Args: exactly("LD/LN.LOG"),
		RunE: func(c *cobra.Command, args []string) error { return q.run(c.Context(), args) },
	}
	q.access = g.access(c)
	q.completes(c, offerNames(func(peer *session, ctx context.Context, in acsi.Ref) ([]acsi.Ref, error) { return peer.Logs(ctx, in) }))
	f := c.Flags()
	f.StringVar(&q.from, "from", "", "`time` in RFC 3339 of the first entry, included")
	f.StringVar(&q.until, "until", "", "`time` in RFC 3339 of the last entry, included")
	f.StringVar(&q.after, "after", "", "`id` of the entry after which to begin, in hex; --from is then its time")
	f.IntVar(&q.most, "most", 0, "end after this `number` of entries")
	return c
}

// query reads the flags.
func (q *querying) query() (query client.LogQuery, err error) {
	for _, t := range []struct {
		flag, text string
		at         *time.Time
	}{{"--from", q.from, &query.From}, {"--until", q.until, &query.To}} {
		if t.text == "" {
			continue
		}
		if *t.at, err = time.Parse(time.RFC3339Nano, t.text); err != nil {
			return query, usagef("%s %s is no time in RFC 3339: write for example 2026-11-22T10:00:00Z", t.flag, t.text)
		}
	}
	if q.after == "" {
		return query, nil
	}
	if query.After, err = parseEntry("--after", q.after); err != nil {
		return query, err
	}
	if q.from == "" {
		return query, usagef("--after takes the time of that entry too: give it with --from")
	}
	return query, nil
}

func (q *querying) run(ctx context.Context, args []string) error {
	refs, err := parseRefs(args)
	if err != nil {
		return err
	}
	query, err := q.query()
	if err != nil {
		return err
	}
	if q.most < 0 {
		return usagef("--most %d is no number of entries", q.most)
	}
	return q.with(ctx, func(ctx context.Context, peer *session) error {
		n := 0
		for entry, err := range peer.QueryLog(ctx, refs[0], query) {
			if err != nil {
				return q.about(refs[0], err)
			}
			if err := q.entry(peer.LogRecord(ctx, entry)); err != nil {
				return err
			}
			if n++; n == q.most {
				break
			}
		}
		if !q.json {
			fmt.Fprintln(q.g.stderr, countOf(n, "entry", "entries"))
		}
		return nil
	})
}

func countOf(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}

// entry prints one entry.
func (q *querying) entry(r client.LogRecord) error {
	if q.json {
		return q.line(r)
	}
	return client.PrintLog(q.g.stdout, r, q.style())
}
