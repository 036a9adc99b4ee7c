package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
)

// hinted is err with a hint, where there is one.
func hinted(err error, hint string) error {
	if hint == "" {
		return err
	}
	return site.Hint(err, hint)
}

// group is a command that has others below it and does nothing itself.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  exactly(),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(below...)
	return c
}

// between wants from least to most arguments; most < 0 is no limit. What they are is in the command's usage.
func between(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			_, takes, _ := strings.Cut(c.Use, "--to JID")
			return usagef("%s takes%s, not %s", c.CommandPath(), takes, number(len(args), "argument"))
		}
		return nil
	}
}

// on makes c a command that does something on an association. do has the arguments as references, of which there are from least to
// most; most < 0 is no limit.
func (g *global) on(c *cobra.Command, least, most int, do func(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error) *cobra.Command {
	var a *access
	c.Args = between(least, most)
	c.RunE = func(c *cobra.Command, args []string) error {
		refs, err := parseRefs(args)
		if err != nil {
			return err
		}
		return a.with(c.Context(), func(ctx context.Context, peer *session) error { return do(ctx, a, peer, refs) })
	}
	a = g.access(c)
	if strings.Contains(c.Use, " LD/LN.NAME") && most == 1 && !strings.Contains(c.Short, "control block") {
		a.completes(c, offerReported)
	}
	return c
}

// firstOf is the only reference, or the zero one.
func firstOf(refs []acsi.Ref) acsi.Ref {
	if len(refs) == 0 {
		return acsi.Ref{}
	}
	return refs[0]
}

// done says in a line what was done.
func (a *access) done(ref acsi.Ref, what string) error {
	if a.json {
		return a.line(struct {
			Ref  string `json:"ref"`
			Done string `json:"done"`
		}{ref.String(), what})
	}
	_, err := fmt.Fprintf(a.g.stdout, "%s  %s\n", ref, what)
	return err
}

// about is err of the object ref, as a JSON line too.
func (a *access) about(ref acsi.Ref, err error) error {
	if _, refused := errors.AsType[*acsi.Error](err); refused && a.json {
		return a.print([]client.Reading{{Object: client.Object{Ref: ref}, Err: err}})
	}
	return explained(ref, err)
}

func (g *global) datasetCommand() *cobra.Command {
	return group("dataset", "list, show, make and delete data sets",
		g.on(&cobra.Command{
			Use:     "list --to JID [LD|LD/LN]",
			Short:   "list data sets",
			Example: "  busbar dataset list --to pv1\n  busbar dataset list --to pv1 PV1LD0/LLN0 --json",
		}, 0, 1, listDataSets),
		g.on(&cobra.Command{
			Use:     "show --to JID LD/LN.NAME",
			Short:   "show the members of a data set and their values",
			Example: "  busbar dataset show --to pv1 PV1LD0/LLN0.Measurements",
		}, 1, 1, func(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
			readings, err := peer.ReadDataSet(ctx, refs[0])
			if err != nil {
				return a.about(refs[0], err)
			}
			return a.print(readings)
		}),
		g.on(&cobra.Command{
			Use:   "create --to JID LD/LN.NAME REF…",
			Short: "make a data set of data objects and attributes",
			Long: `create makes a data set that the IED keeps until it is deleted. [FC] of a member
may be left out where only one functional constraint fits.`,
			Example: "  busbar dataset create --to pv1 LD0/LLN0.Mine 'LD0/MMXU1.TotW[MX]'",
		}, 2, -1, func(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
			if refs[0].IsLocal() {
				return usagef("%s would end with this command: give it a place, LD/LN.NAME", refs[0])
			}
			if err := peer.CreateDataSet(ctx, refs[0], refs[1:]...); err != nil {
				return a.about(refs[0], err)
			}
			return a.done(refs[0], "made of "+number(len(refs)-1, "member"))
		}),
		g.on(&cobra.Command{
			Use:     "delete --to JID LD/LN.NAME",
			Short:   "delete a data set that a service has made",
			Example: "  busbar dataset delete --to pv1 PV1LD0/LLN0.Mine",
		}, 1, 1, func(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
			if err := peer.DeleteDataSet(ctx, refs[0]); err != nil {
				return a.about(refs[0], err)
			}
			return a.done(refs[0], "deleted")
		}),
	)
}

func listDataSets(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
	sets, err := peer.DataSets(ctx, firstOf(refs))
	if err != nil {
		return a.about(firstOf(refs), err)
	}
	table := tabwriter.NewWriter(a.g.stdout, 0, 0, 2, ' ', 0)
	for _, ref := range sets {
		set, err := peer.DataSet(ctx, ref)
		if err != nil {
			return a.about(ref, err)
		}
		if a.json {
			members := make([]string, len(set.Members))
			for i, m := range set.Members {
				members[i] = m.String()
			}
			err = a.line(struct {
				Ref     string   `json:"ref"`
				Fixed   bool     `json:"fixed"`
				Members []string `json:"members"`
			}{ref.String(), set.Fixed, members})
		} else {
			kept := "made by a service"
			if set.Fixed {
				kept = "fixed"
			}
			_, err = fmt.Fprintf(table, "%s\t%s\t%s\n", ref, number(len(set.Members), "member"), kept)
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

func (g *global) rcbCommand() *cobra.Command {
	return group("rcb", "list, show and set report control blocks",
		g.on(&cobra.Command{
			Use:     "list --to JID [LD|LD/LN]",
			Short:   "list report control blocks, and who uses them",
			Example: "  busbar rcb list --to pv1",
		}, 0, 1, listReportControls),
		g.on(&cobra.Command{
			Use:     "show --to JID LD/LN.NAME",
			Short:   "show the attributes of a report control block",
			Example: "  busbar rcb show --to pv1 PV1LD0/LLN0.brcbEvents01",
		}, 1, 1, func(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
			block, err := peer.ControlBlock(ctx, refs[0])
			if block == nil {
				return err
			}
			return a.print([]client.Reading{block.Reading})
		}),
		g.rcbSetCommand(),
	)
}

func (g *global) rcbSetCommand() *cobra.Command {
	var a *access
	c := &cobra.Command{
		Use:   "set --to JID LD/LN.NAME ATTRIBUTE=VALUE…",
		Short: "change attributes of a report control block",
		Long: `set writes attributes one after the other: TrgOps and OptFlds as names with
commas between them, IntgPd and BufTm in milliseconds. While a client has the
control block enabled the IED refuses that.`,
		Example: "  busbar rcb set --to pv1 PV1LD0/LLN0.urcbMeas01 IntgPd=5000",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%s takes LD/LN.NAME and one or more ATTRIBUTE=VALUE", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			refs, err := parseRefs(args[:1])
			if err != nil {
				return err
			}
			pairs := make([]string, len(args)-1)
			for i, pair := range args[1:] {
				name, v, ok := strings.Cut(pair, "=")
				if !ok {
					return usagef("%q is no assignment: write ATTRIBUTE=VALUE", pair)
				}
				below, err := refs[0].Child(name)
				if err != nil {
					return &usageError{err}
				}
				pairs[i] = below.String() + "=" + v
			}
			names, err := assigned(pairs)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(ctx context.Context, peer *session) error { return a.set(ctx, peer, names, pairs) })
		},
	}
	a = g.access(c)
	return c
}

func listReportControls(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
	blocks, err := peer.ControlBlocks(ctx, firstOf(refs), acsi.BR, acsi.RP)
	if err != nil {
		return a.about(firstOf(refs), err)
	}
	if a.json {
		readings := make([]client.Reading, len(blocks))
		for i, b := range blocks {
			readings[i] = b.Reading
		}
		return a.print(readings)
	}
	table := tabwriter.NewWriter(a.g.stdout, 0, 0, 2, ' ', 0)
	for i := range blocks {
		b := &blocks[i]
		if b.Err != nil {
			fmt.Fprintf(table, "%s\terror: %s\n", b.Ref, oneLine(b.Err.Error()))
			err = errReported
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", b.Ref.Path(), b.Class(), text(b, "DatSet"), triggers(b), usedBy(b))
	}
	return errors.Join(table.Flush(), err)
}

// text is an attribute that is a string; – where it is empty.
func text(b *client.ControlBlock, name string) string {
	v, _ := b.Attribute(name)
	if v.Text() == "" {
		return "–"
	}
	return oneLine(v.Text())
}

func triggers(b *client.ControlBlock) string {
	v, _ := b.Attribute("TrgOps")
	t, _ := acsi.TrgOpsOf(v)
	return t.String()
}

// usedBy says whether a control block is in use, and by whom as far as it tells.
func usedBy(b *client.ControlBlock) string {
	said := "free"
	if resv, _ := b.Attribute("Resv"); resv.Bool() {
		said = "reserved"
	}
	if resv, ok := b.Attribute("ResvTms"); ok {
		if n, _ := resv.Int(); n != 0 {
			said = "reserved"
		}
	}
	if enabled, _ := b.Attribute("RptEna"); enabled.Bool() {
		said = "enabled"
	}
	if owner, _ := b.Attribute("Owner"); owner.Text() != "" {
		said += " by " + oneLine(owner.Text())
	}
	return said
}
