package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
	"busbar.example/app/trace"
)

// tracing is how the client commands below `trace` show what they do.
type tracing struct {
	raw bool // the XML too
}

func (g *global) traceCommand() *cobra.Command {
	var raw, json bool
	c := &cobra.Command{
		Use:   "trace [--raw] [--json] COMMAND",
		Short: "show step by step what a client command does, and on which layer",
		Long: `trace runs a client command and prints, while it happens, a sequence chart of
it: TCP, the stream, STARTTLS with both certificates, SASL, the resource,
presence, the end-to-end handshake, and each PDU with its meaning in ACSI, the
SecPDU and the stanza around it, its octets on each layer, and the time that its
answer took. What fails is marked at its step. Over MMS (--to mms://HOST) it is
TCP, TLS, transport, session, presentation and ACSE instead.

The chart is the result: it goes to standard output, and the results of the
command stand in it; errors and hints go to standard error too. It is as wide as
the terminal, elsewhere 100 columns, and drawn in ASCII where the locale is not
UTF-8. With --json everything is JSON lines, one object an event; the command's
results are among them: {"event":"result","result":{…}}.

No key, no password and nothing of what SASL exchanges is ever shown. With --raw
the XML is: stanzas as they travel, and in plaintext the PDUs that are encrypted
in them. Who sees the trace reads the data.`,
		Example: `  busbar trace get --to pv1 'PV1LD0/MMXU1.TotW[MX]'
  busbar trace --raw set --to pv1 'PV1LD0/DGEN1.WMax.setMag.f=80'
  busbar trace get --to mms://10.0.0.5 'PV1LD0/MMXU1.TotW[MX]'
  busbar trace --json get --to pv1 'PV1LD0/MMXU1.Hz[MX]' | jq -c 'select(.pdu)'`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%q is not a command that can be traced", args[0])
			}
			return usagef("say which command is to be traced")
		},
		Args:               cobra.ArbitraryArgs,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true}, // of what cannot be traced, which is what to say
		PersistentPreRun: func(*cobra.Command, []string) {
			g.tracing = &tracing{raw: raw}
		},
	}
	c.PersistentFlags().BoolVar(&raw, "raw", false, "show the XML too: stanzas, and PDUs in plaintext")
	c.PersistentFlags().BoolVar(&json, "json", false, "print JSON lines, one object an event")
	for _, sub := range g.clientCommands() {
		belowTrace(sub)
		c.AddCommand(sub)
	}
	return c
}

// belowTrace makes the first example of c, and of the commands below it, one of trace.
func belowTrace(c *cobra.Command) {
	first, _, _ := strings.Cut(c.Example, "\n")
	c.Example = strings.Replace(first, "busbar", "busbar trace", 1)
	for _, below := range c.Commands() {
		belowTrace(below)
	}
}

// traced has party tell what it does, where that is wanted, and the command print its results there. end takes the
// outcome of the command.
func (g *global) traced(party *site.Party, to string, json bool) (end func(error)) {
	if g.tracing == nil {
		return func(error) {}
	}
	t, end := g.newTrace(trace.Options{Client: party.JID.String(), Peer: to, JSON: json})
	party.Stream, party.Carried = t.Hooks()
	return end
}

// tracedMMS is traced for an association over TCP.
func (g *global) tracedMMS(party *site.MMSParty, to string, json bool) (end func(error)) {
	if g.tracing == nil {
		return func(error) {}
	}
	t, end := g.newTrace(trace.Options{Client: "client", Peer: to, JSON: json, Direct: true})
	party.Trace = t.MMSHooks()
	return end
}

// newTrace begins a trace, which takes the results of the command too.
func (g *global) newTrace(o trace.Options) (t *trace.Tracer, end func(error)) {
	o.Raw, o.Unicode = g.tracing.raw, speaksUTF8(os.Getenv)
	if width, ok := terminalWidth(g.stdout); ok {
		o.Width = width
		o.Color = os.Getenv("TERM") != "dumb"
	}
	t = trace.New(g.stdout, o)
	before := g.stdout
	g.stdout = t.Results()
	return t, func(err error) {
		g.stdout = before
		if errors.Is(err, errReported) {
			err = nil // the results have said it
		}
		t.Close(err)
	}
}

// terminalWidth is the columns of the terminal that w is, if it is one.
func terminalWidth(w io.Writer) (columns int, ok bool) {
	f, ok := fileOf(w)
	if !ok {
		return 0, false
	}
	return windowWidth(f.Fd())
}

// speaksUTF8 reports whether the locale's characters are encoded as UTF-8.
//
// POSIX.1-2017, Section 8.2.
func speaksUTF8(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}
