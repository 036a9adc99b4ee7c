package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
	"busbar.example/secure/pki"
)

// redrawEvery is how often --watch shows the status anew.
const redrawEvery = 2 * time.Second

func (g *global) brokerStatus() *cobra.Command {
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "say how the broker is that runs here, and who is connected",
		Long: `status asks the broker that runs in this folder, as the same user: what it
listens on, its certificate, whether what was read of busbar.yaml last is in
force, its limits, the sessions and the other domains. Times are local.`,
		Example: "  busbar broker status\n  busbar broker status --watch\n  busbar broker status --json | jq .sessions[].jid",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := g.folder()
			if err != nil {
				return err
			}
			show := func(ctx context.Context) error {
				text, st, err := site.AskBroker(ctx, dir)
				if err != nil {
					return err
				}
				if !asJSON {
					text = statusText(st)
				} else if watch {
					text = oneObject(text)
				}
				_, err = g.stdout.Write(text)
				return err
			}
			if !watch {
				return show(c.Context())
			}
			return g.again(c.Context(), !asJSON, show)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print what the broker says, in JSON; with --watch, an object a line")
	c.Flags().BoolVar(&watch, "watch", false, "show it again every two seconds, until interrupted")
	return c
}

// again calls show until ctx ends, and clears a terminal before that where it is asked to.
func (g *global) again(ctx context.Context, clear bool, show func(context.Context) error) error {
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	terminal := isTerminal(g.stdout)
	for {
		if clear && terminal {
			io.WriteString(g.stdout, "\x1b[H\x1b[2J")
		}
		if err := show(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if clear && !terminal {
			io.WriteString(g.stdout, "\n")
		}
	}
}

// oneObject puts JSON in one line.
func oneObject(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return text
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// statusText is a status for people.
func statusText(st *site.BrokerStatus) []byte {
	var b bytes.Buffer
	age := func(t time.Time) string { return lasting(st.Now.Sub(t)) }
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", what, oneLine(fmt.Sprintf(format, args...)))
	}
	line("broker", "of %s, %s for %s (busbar %s, process %d)", st.Domain, st.State, age(st.Began), st.Version, st.PID)
	for i, l := range st.Listeners {
		what := ""
		if i == 0 {
			what = "listens"
		}
		line(what, "for %s on %s", l.Purpose, l.Address)
	}
	line("certificate", "of %s, valid until %s", st.Certificate.Name, until(st.Certificate.NotAfter, st.Now))
	for _, t := range st.Terms {
		if t.Stage != pki.StageGood.String() {
			line("", "%s: %s (%s)", t.What, t.Stage, t.Until.Local().Format(time.DateOnly))
		}
	}
	reloadText(line, st, age)
	t, l := st.Totals, st.Limits
	line("connections", "%d of %d, %d of them logging in; %d turned away", t.Connections, l.Connections, t.Negotiating, t.TurnedAway)
	line("sessions", "%d, %d of them waiting to be resumed; %d resumed so far", len(st.Sessions), t.Detached, t.Resumed)
	line("stanzas", "%d received, %d delivered, %s, %d thrown away", t.Received, t.Delivered, refusals(t), t.Dropped)
	line("queues", "%s waiting, the fullest has %s of %s; %s cut off for reading too slowly", size(t.Queued), size(t.FullestQueue), size(l.Queue), number(int(t.SlowCut), "client"))
	line("limits", "an account: %s, %s, %s; a stanza: %s; a stream: %s; %s", number(l.Resources, "resource"), rate(l.Rate, "octets"), rate(l.Stanzas, "stanzas"),
		size(l.StanzaSize), l.MaxAge, number(l.Rules, "rule"))
	if st.AuditLost > 0 {
		line("audit", "%s LOST: is the disk full?", number(int(st.AuditLost), "event"))
	}
	b.WriteByte('\n')
	sessionTable(&b, st, age)
	if len(st.Peers) > 0 {
		b.WriteByte('\n')
		peerTable(&b, st, age)
	}
	return b.Bytes()
}

// reloadText says whether what was read last of busbar.yaml is in force.
func reloadText(line func(string, string, ...any), st *site.BrokerStatus, age func(time.Time) string) {
	r := st.Reload
	switch {
	case r.Last == nil:
		line("settings", "as they were at the start")
	case r.Error == "":
		line("settings", "read again %s ago, and in force (%d applied, %d refused)", age(*r.Last), r.Applied, r.Refused)
	default:
		line("settings", "REFUSED %s ago, those of before stay: %s", age(*r.Last), r.Error)
		if r.Hint != "" {
			line("", "hint: %s", r.Hint)
		}
	}
	if len(r.AtStart) > 0 {
		line("", "count from the next start on: %s", strings.Join(r.AtStart, ", "))
	}
}

func refusals(t site.Totals) string {
	var all uint64
	var by []string
	for _, condition := range slices.Sorted(maps.Keys(t.Refused)) {
		all += t.Refused[condition]
		by = append(by, fmt.Sprintf("%s %d", condition, t.Refused[condition]))
	}
	if all == 0 {
		return "0 refused"
	}
	return fmt.Sprintf("%d refused (%s)", all, strings.Join(by, ", "))
}

func sessionTable(b *bytes.Buffer, st *site.BrokerStatus, age func(time.Time) string) {
	if len(st.Sessions) == 0 {
		b.WriteString("nobody is connected\n")
		return
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SESSION\tSTATE\tSINCE\tFROM\tTLS\tSUITE\tLOGIN\tCERTIFICATE UNTIL\tQUEUE")
	for _, s := range st.Sessions {
		state, certificate := "-", "none"
		switch {
		case s.Detached:
			state = "detached"
		case s.Available:
			state = "available"
		}
		if c := s.Stream.Certificate; c != nil {
			certificate = until(c.NotAfter, st.Now)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", oneLine(s.JID), state, age(s.Since), s.Address,
			strings.TrimPrefix(s.Stream.TLS, "TLS "), strings.TrimPrefix(s.Stream.Suite, "TLS_"), s.Stream.Mechanism, certificate, size(s.Queued))
	}
	table.Flush()
}

func peerTable(b *bytes.Buffer, st *site.BrokerStatus, age func(time.Time) string) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DOMAIN\tSTREAM\tSINCE\tTLS\tCERTIFICATE UNTIL\tQUEUE\tSENT\tRECEIVED\tSTREAMS FROM THERE\tFAILED")
	for _, p := range st.Peers {
		since, secured, certificate := "-", "-", "-"
		if p.Since != nil {
			since = age(*p.Since)
		}
		if p.Outgoing != nil {
			secured = strings.TrimPrefix(p.Outgoing.TLS, "TLS ")
			if c := p.Outgoing.Certificate; c != nil {
				certificate = until(c.NotAfter, st.Now)
			}
		}
		failed := oneLine(p.Error)
		if p.Retry != nil {
			failed += fmt.Sprintf(" (again in %s)", lasting(p.Retry.Sub(st.Now)))
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", oneLine(p.Domain), p.State, since, secured, certificate, size(p.Queued),
			p.Sent, p.Received, len(p.Incoming), failed)
	}
	table.Flush()
}

// until is the day on which something ends, with a warning where that is soon.
func until(end, now time.Time) string {
	day := end.Local().Format(time.DateOnly)
	switch left := end.Sub(now); {
	case left <= 0:
		return day + " EXPIRED"
	case left < 30*24*time.Hour:
		return day + " (in " + lasting(left) + ")"
	}
	return day
}

// lasting is a duration in its two largest units.
func lasting(d time.Duration) string {
	d = max(d, 0)
	days, hours := int(d/(24*time.Hour)), int(d/time.Hour)%24
	minutes, seconds := int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%02dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh%02dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm%02ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}

// size is a number of octets.
func size(n int) string {
	switch {
	case n >= 1<<20:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/(1<<20)), ".0") + " MiB"
	case n >= 1<<10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/(1<<10)), ".0") + " KiB"
	}
	return fmt.Sprintf("%d B", n)
}

// rate is how many of what there may be in a second.
func rate(n int, of string) string {
	switch {
	case n < 0:
		return "any number of " + of
	case of == "octets":
		return size(n) + "/s"
	}
	return fmt.Sprintf("%d %s/s", n, of)
}
