package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

// operating is one operate command.
type operating struct {
	*access
	test       bool
	checks     []string
	at, origin string
	op         client.Operation
}

func (g *global) operateCommand() *cobra.Command {
	o := new(operating)
	c := &cobra.Command{
		Use:   "operate --to JID REF on|off|VALUE",
		Short: "command a switch, a set point or another control object",
		Long: `operate commands the control object REF in the steps that its control model
wants: it selects first where that is asked for, and with enhanced security, or
--at, waits until the IED tells how the command ended. It prints each step, and
then the status. VALUE is on or off, a number, higher, lower or stop, or the
name of an enumeration. What the IED refuses is said with the cause that it
gives. --timeout bounds the wait for the end, too. A command for later is taken
back where busbar is interrupted before its time.`,
		Example: `  busbar operate --to fdr1 FDR1LD0/CSWI1.Pos off --check interlock
  busbar operate --to pv1 PV1LD0/DWMX1.WLimPctSpt 60
  busbar operate --to fdr1 FDR1LD0/CSWI1.Pos on --at 2026-11-22T18:00:00Z`,
		Args: exactly("REF", "VALUE"),
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0], args[1]) },
	}
	o.access = g.access(c)
	o.lasting = true
	f := c.Flags()
	f.BoolVar(&o.test, "test", false, "try all but the output")
	f.StringSliceVar(&o.checks, "check", nil, "what the IED checks before: `sync,interlock`")
	f.StringVar(&o.at, "at", "", "`time` in RFC 3339 at which the IED is to operate")
	f.StringVar(&o.origin, "origin", "remote-control", "`category` of who commands, and who: CATEGORY[,IDENTITY]")
	complete(c, "check", "sync", "interlock", "sync,interlock")
	complete(c, "origin", originNames()...)
	return c
}

// complete offers words for a flag.
func complete(c *cobra.Command, flag string, words ...string) {
	err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the command has no such flag
	}
}

func originNames() []string {
	var names []string
	for cat := acsi.OrBayControl; cat <= acsi.OrProcess; cat++ {
		names = append(names, cat.String())
	}
	return names
}

// options reads the flags.
func (o *operating) options() error {
	o.op = client.Operation{Test: o.test, Wait: o.timeout}
	for _, check := range o.checks {
		switch check {
		case "sync", "synchro":
			o.op.Synchro = true
		case "interlock":
			o.op.Interlock = true
		default:
			return usagef("--check %s is neither sync nor interlock", check)
		}
	}
	if o.at != "" {
		var err error
		if o.op.At, err = time.Parse(time.RFC3339Nano, o.at); err != nil {
			return usagef("--at %s is no time in RFC 3339: write for example 2026-11-22T18:00:00Z", o.at)
		}
		if time.Until(o.op.At) < 0 {
			return usagef("--at %s is over", o.at)
		}
	}
	name, identity, _ := strings.Cut(o.origin, ",")
	for cat := acsi.OrBayControl; cat <= acsi.OrProcess; cat++ {
		if cat.String() == name {
			o.op.Origin.Cat = cat
		}
	}
	if o.op.Origin.Cat == acsi.OrNotSupported {
		return usagef("--origin %s is none of %s", name, strings.Join(originNames(), ", "))
	}
	if len(identity) > 64 {
		return usagef("the identity of --origin has %d octets, and takes 64", len(identity))
	}
	o.op.Origin.Ident = identity
	return nil
}

func (o *operating) run(ctx context.Context, name, text string) error {
	ref, err := acsi.ParseRef(name)
	if err != nil {
		return &usageError{err}
	}
	if err := o.options(); err != nil {
		return err
	}
	return o.with(ctx, func(ctx context.Context, peer *session) error {
		ctx, cancel := context.WithTimeout(ctx, 2*o.timeout+max(0, time.Until(o.op.At)))
		defer cancel()
		return o.command(ctx, peer, ref, text)
	})
}

func (o *operating) command(ctx context.Context, peer *session, ref acsi.Ref, text string) error {
	ctl, err := peer.Control(ctx, ref)
	if err != nil {
		return o.failed(ref, err)
	}
	v, err := ctl.ParseValue(text)
	if err != nil {
		return o.failed(ref, err)
	}
	if !o.json {
		fmt.Fprintf(o.g.stdout, "%s  %s\n", ctl.Ref, strings.TrimSpace(ctl.CDC+" "+ctl.Model.String()))
	}
	o.op.Step = func(s client.Step, took time.Duration) { o.step(ctl, s, text, took) }
	if err := ctl.Operate(ctx, v, o.op); err != nil {
		return o.failed(ref, err)
	}
	return o.status(ctx, peer, ctl.Ref)
}

// step prints what was done.
func (o *operating) step(ctl *client.Control, s client.Step, text string, took time.Duration) {
	if o.json {
		o.line(struct { // what cannot be written is found when the command ends
			Ref   string  `json:"ref"`
			Step  string  `json:"step"`
			Value string  `json:"value"`
			MS    float64 `json:"ms"`
		}{ctl.Ref.String(), string(s), text, float64(took.Microseconds()) / 1000})
		return
	}
	said := text
	if s == client.Terminated {
		said = "as commanded"
	}
	fmt.Fprintf(o.g.stdout, "  %-10s  %s  (%v)\n", s, said, took.Round(100*time.Microsecond))
	if s == client.Operating && !o.op.At.IsZero() {
		fmt.Fprintf(o.g.stderr, "waiting until %s\n", o.at)
	}
}

// failed prints why a command was not carried out.
func (o *operating) failed(ref acsi.Ref, err error) error {
	failure := client.FailureOf(ref.WithFC(acsi.CO), err)
	if o.json {
		if printing := o.line(struct {
			Ref   string          `json:"ref"`
			Error *client.Failure `json:"error"`
		}{ref.Path(), failure}); printing != nil {
			return printing
		}
		return errReported
	}
	return hinted(err, failure.Hint)
}

// status prints what the object is now.
func (o *operating) status(ctx context.Context, peer *session, ref acsi.Ref) error {
	objects, err := peer.List(ctx, ref)
	if err != nil {
		return nil // the command was carried out: what cannot be shown beside it is no failure
	}
	for _, object := range objects {
		switch object.Ref.Name() {
		case "stVal", "valWTr", "mxVal":
			if fc := object.Ref.WithFC(acsi.ST); object.Node.FC == acsi.ST || object.Node.FC == acsi.MX {
				readings, err := peer.Read(ctx, fc.WithFC(object.Node.FC))
				if err != nil {
					return err
				}
				return o.print(readings)
			}
		}
	}
	return nil
}
