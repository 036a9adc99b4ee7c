package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/app/bench"
	"busbar.example/app/site"
	"busbar.example/xmpp"
)

func (g *global) benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "measure what servers cost",
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
		Args:  exactly(),
	}
	c.AddCommand(g.benchBrokerCommand())
	return c
}

func (g *global) benchBrokerCommand() *cobra.Command {
	var against []string
	var account string
	var inJSON, alone bool
	o := bench.Options{Rounds: 5, Duration: 5 * time.Second, Idle: 1000, IdleWait: 30 * time.Second}
	c := &cobra.Command{
		Use:   "broker [--against SERVER,…]",
		Short: "measure the embedded broker beside other XMPP servers",
		Long: `broker puts the same loads on the embedded broker and on other XMPP servers,
over TLS with certificates on both sides, in the same run: what a second of
processor time routes of stanzas of 600 and 8,000 octets, how long an exchange
takes alone, of 60,000 too, and at half load, what a session costs to set up and
to keep. It prints the median of the rounds, the lowest and the highest, and how
the broker compares with the best of the others.

Servers: prosody and ejabberd, which it starts in temporary folders if their
Debian packages are installed, or NAME=HOST:PORT of one that runs already, at
which the account --jid of the site logs in several times; with /PID behind it,
of a server on this machine, processor time is measured too.

It takes about three minutes a round with two others. Close what else runs.`,
		Example: `  busbar bench broker --against prosody,ejabberd
  busbar bench broker --against ejabberd --rounds 1 --idle -1
  busbar bench broker --against mine=xmpp.dso.example:5222 --jid ems --alone`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Rounds < 1 || o.Duration < time.Second {
				return usagef("--rounds %d of %v measure nothing: take at least one, and a second", o.Rounds, o.Duration)
			}
			for _, text := range against {
				if text == "prosody" || text == "ejabberd" {
					o.Against = append(o.Against, text)
					continue
				}
				other, err := bench.ParseOther(text)
				if err != nil {
					return &usageError{err}
				}
				if other.Client, err = g.benchAccount(account); err != nil {
					return err
				}
				if err := other.Login(c.Context()); err != nil {
					return err
				}
				o.Others = append(o.Others, other)
			}
			if !alone {
				var err error
				if o.Self, err = os.Executable(); err != nil {
					return err
				}
			}
			o.Tell = func(text string) { fmt.Fprintln(g.stderr, text) }
			report, err := bench.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if !inJSON {
				_, err := fmt.Fprintln(g.stdout, report)
				return err
			}
			out := json.NewEncoder(g.stdout)
			for _, f := range report.Figures {
				if err := out.Encode(f); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVar(&against, "against", nil, "`servers` to compare with: prosody, ejabberd, NAME=HOST:PORT or NAME=HOST:PORT/PID")
	f.StringVar(&account, "jid", "", "`JID` of the account at NAME=HOST:PORT (default: the client of the site)")
	f.IntVar(&o.Rounds, "rounds", o.Rounds, "`number` of rounds of which the median counts")
	f.DurationVar(&o.Duration, "duration", o.Duration, "`time` that each load lasts")
	f.IntVar(&o.Idle, "idle", o.Idle, "`number` of idle sessions whose memory is measured; -1: that is left out")
	f.DurationVar(&o.IdleWait, "idle-wait", o.IdleWait, "`time` that they are idle before it is")
	f.BoolVar(&alone, "alone", false, "leave the embedded broker out")
	f.BoolVar(&inJSON, "json", false, "print JSON lines, one object a figure")
	return c
}

// benchAccount is how an account of the site logs in.
func (g *global) benchAccount(account string) (xmpp.Config, error) {
	s, err := g.site()
	if err != nil {
		return xmpp.Config{}, err
	}
	j, err := s.Client(account)
	if err != nil {
		return xmpp.Config{}, err
	}
	return s.Login(site.Party{JID: j})
}
