package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

func (g *global) sgCommand() *cobra.Command {
	return group("sg", "show, activate and edit setting groups",
		g.on(&cobra.Command{
			Use:     "show --to JID LD",
			Short:   "show which setting group is active",
			Example: "  busbar sg show --to fdr1 FDR1LD0",
		}, 1, 1, func(ctx context.Context, a *access, peer *session, refs []acsi.Ref) error {
			block, err := peer.SettingGroups(ctx, refs[0].LD())
			if block == nil {
				return err
			}
			return a.print([]client.Reading{block.Reading})
		}),
		g.sgActivateCommand(), g.sgEditCommand())
}

// parseGroup reads the arguments LD and GROUP.
func parseGroup(args []string) (ld acsi.Ref, number uint8, err error) {
	if ld, err = acsi.ParseRef(args[0]); err == nil && ld.Depth() != 1 {
		err = fmt.Errorf("%s is no logical device", ld)
	}
	if err != nil {
		return ld, 0, &usageError{err}
	}
	n, err := strconv.ParseUint(args[1], 10, 8)
	if err != nil || n == 0 {
		return ld, 0, usagef("%q is no setting group: they are numbered from 1", args[1])
	}
	return ld, uint8(n), nil
}

func (g *global) sgActivateCommand() *cobra.Command {
	var a *access
	c := &cobra.Command{
		Use:     "activate --to JID LD GROUP",
		Short:   "put the settings of a group in force",
		Example: "  busbar sg activate --to fdr1 FDR1LD0 2",
		Args:    exactly("LD", "GROUP"),
		RunE: func(c *cobra.Command, args []string) error {
			ld, n, err := parseGroup(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(ctx context.Context, peer *session) error {
				if err := peer.ActivateGroup(ctx, ld.LD(), n); err != nil {
					return a.about(ld, err)
				}
				return a.done(ld, fmt.Sprintf("group %d is active", n))
			})
		},
	}
	a = g.access(c)
	return c
}

func (g *global) sgEditCommand() *cobra.Command {
	var a *access
	c := &cobra.Command{
		Use:   "edit --to JID LD GROUP REF=VALUE…",
		Short: "change settings of a group",
		Long: `edit writes settings into a group and confirms them: all of them or, where the
IED refuses one, none. They are in force once, or as long as, the group is
active.`,
		Example: "  busbar sg edit --to fdr1 FDR1LD0 2 FDR1LD0/PTOC1.StrVal.setMag.f=1.2",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 3 {
				return usagef("%s takes LD, GROUP and one or more REF=VALUE", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			ld, n, err := parseGroup(args)
			if err != nil {
				return err
			}
			refs, err := assigned(args[2:])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(ctx context.Context, peer *session) error {
				settings := make([]client.Assignment, len(refs))
				for i, ref := range refs {
					_, text, _ := strings.Cut(args[i+2], "=")
					if settings[i], err = peer.ParseAssignment(ctx, ref.WithFC(acsi.SE).String()+"="+text); err != nil {
						return a.about(ref, err)
					}
				}
				if err := peer.EditSettings(ctx, ld.LD(), n, settings...); err != nil {
					return a.about(ld, err)
				}
				return a.done(ld, fmt.Sprintf("%s of group %d changed", number(len(settings), "setting"), n))
			})
		},
	}
	a = g.access(c)
	return c
}
