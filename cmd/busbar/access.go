package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
)

// access is what ls, get and set share: who asks whom, and how the answer is printed.
type access struct {
	g           *global
	to, account string
	connect     string
	json, utc   bool
	timeout     time.Duration
}

func (g *global) access(c *cobra.Command) *access {
	a := &access{g: g}
	f := c.Flags()
	f.StringVar(&a.to, "to", "", "JID of the IED")
	f.StringVar(&a.account, "jid", "", "account to speak as (default: client in busbar.yaml, else the only client issued)")
	f.StringVar(&a.connect, "connect", "", "HOST:PORT of the broker")
	f.BoolVar(&a.json, "json", false, "print JSON lines")
	f.BoolVar(&a.utc, "utc", false, "times in UTC")
	f.DurationVar(&a.timeout, "timeout", 30*time.Second, "how long to wait for the whole command")
	return a
}

// with runs do on an association with the IED, which it then releases.
func (a *access) with(ctx context.Context, do func(context.Context, *client.Client) error) error {
	if a.to == "" {
		return usagef("say with --to JID which IED is meant")
	}
	s, err := a.g.site()
	if err != nil {
		return err
	}
	j, err := s.Client(a.account)
	if err != nil {
		return err
	}
	if j, err = site.ClientAddress(j); err != nil {
		return err
	}
	events, err := s.Audit("client", a.g.auditFailed)
	if err != nil {
		return err
	}
	defer events.Close()
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	peer, err := s.Dial(limited, site.Party{JID: j, Connect: a.connect, Logger: a.g.logger(), Audit: events}, a.to)
	if err != nil {
		return err
	}
	err = do(limited, client.New(peer))
	if closing := peer.Close(limited); closing != nil && err == nil && peer.Err() != nil {
		return closing
	}
	return err
}

func (a *access) style() client.Style {
	if a.utc {
		return client.Style{Zone: time.UTC}
	}
	return client.Style{}
}

// line prints one JSON line.
func (a *access) line(v any) error { return json.NewEncoder(a.g.stdout).Encode(v) }

// print prints readings; some of them may have failed.
func (a *access) print(readings []client.Reading) error {
	failed := false
	for _, r := range readings {
		if r.Err != nil {
			failed = true
			if hint := client.FailureOf(r.Ref, r.Err).Hint; hint != "" && !a.json {
				fmt.Fprintf(a.g.stderr, "%s: hint: %s\n", r.Ref, hint)
			}
		}
		if a.json {
			if err := a.line(r); err != nil {
				return err
			}
		}
	}
	if !a.json {
		if err := client.Print(a.g.stdout, readings, a.style()); err != nil {
			return err
		}
	}
	if failed {
		return errReported
	}
	return nil
}

func (g *global) lsCommand() *cobra.Command {
	var recursive bool
	var a *access
	c := &cobra.Command{
		Use:   "ls --to JID [REF]",
		Short: "list what an IED holds: logical devices, nodes, data objects, attributes",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("ls takes one REF at most")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			var ref acsi.Ref
			if len(args) == 1 {
				var err error
				if ref, err = acsi.ParseRef(args[0]); err != nil {
					return &usageError{err}
				}
			}
			return a.with(c.Context(), func(ctx context.Context, peer *client.Client) error {
				return a.list(ctx, peer, ref, recursive)
			})
		},
	}
	a = g.access(c)
	c.Flags().BoolVarP(&recursive, "recursive", "r", false, "the whole tree below REF")
	return c
}

func (a *access) list(ctx context.Context, peer *client.Client, ref acsi.Ref, recursive bool) error {
	if recursive {
		return explained(ref, peer.Walk(ctx, ref, a.object))
	}
	objects, err := peer.List(ctx, ref)
	if err != nil {
		return explained(ref, err)
	}
	for _, o := range objects {
		if err := a.object(o); err != nil {
			return err
		}
	}
	return nil
}

// object prints one line of ls.
func (a *access) object(o client.Object) error {
	if a.json {
		return a.line(o)
	}
	var about []string
	if o.Node != nil {
		about = append(about, o.Node.Class, o.Node.CDC, client.TypeName(o.Node))
		if o.Node.Count > 0 {
			about = append(about, fmt.Sprintf("of %d", o.Node.Count))
		}
	}
	text := fmt.Sprintf("%-3s  %s  %s", o.Kind(), o.Ref, strings.Join(strings.Fields(strings.Join(about, " ")), " "))
	_, err := fmt.Fprintln(a.g.stdout, strings.TrimRight(text, " "))
	return err
}

// explained adds the reference and a hint to an error about one object.
func explained(ref acsi.Ref, err error) error {
	var refused *acsi.Error
	if !errors.As(err, &refused) {
		return err
	}
	about := "the IED"
	if !ref.IsZero() {
		about = ref.String()
	}
	err = fmt.Errorf("%s: %w", about, err)
	if hint := client.FailureOf(ref, err).Hint; hint != "" {
		return site.Hint(err, hint)
	}
	return err
}

func (g *global) getCommand() *cobra.Command {
	var a *access
	c := &cobra.Command{
		Use:   "get --to JID REF…",
		Short: "read values",
		Example: `  busbar get --to pv1 'PV1LD0/MMXU1.TotW[MX]'
  busbar get --to pv1 'PV1LD0/MMXU1$MX$TotW$mag$f' --json`,
		Args: atLeastOne("REF"),
		RunE: func(c *cobra.Command, args []string) error {
			refs := make([]acsi.Ref, len(args))
			for i, arg := range args {
				var err error
				if refs[i], err = acsi.ParseRef(arg); err != nil {
					return &usageError{err}
				}
			}
			return a.with(c.Context(), func(ctx context.Context, peer *client.Client) error {
				readings, err := peer.Read(ctx, refs...)
				if err != nil {
					return err
				}
				return a.print(readings)
			})
		},
	}
	a = g.access(c)
	return c
}

func (g *global) setCommand() *cobra.Command {
	var a *access
	c := &cobra.Command{
		Use:     "set --to JID REF=VALUE…",
		Short:   "write values",
		Example: `  busbar set --to pv1 'PV1LD0/DGEN1.WMax.setMag.f=80'`,
		Args:    atLeastOne("REF=VALUE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), func(ctx context.Context, peer *client.Client) error {
				return a.set(ctx, peer, args)
			})
		},
	}
	a = g.access(c)
	return c
}

// set writes nothing unless every assignment makes sense.
func (a *access) set(ctx context.Context, peer *client.Client, args []string) error {
	assignments := make([]client.Assignment, len(args))
	for i, arg := range args {
		var err error
		if assignments[i], err = peer.ParseAssignment(ctx, arg); err != nil {
			ref, _, _ := strings.Cut(arg, "=")
			return explainedText(ref, err)
		}
	}
	errs, err := peer.Set(ctx, assignments...)
	if err != nil {
		return err
	}
	readings := make([]client.Reading, len(assignments))
	for i, x := range assignments {
		readings[i] = client.Reading{Object: x.Object, Value: x.Value, Err: errs[i]}
	}
	return a.print(readings)
}

func explainedText(text string, err error) error {
	if ref, parseErr := acsi.ParseRef(text); parseErr == nil {
		return explained(ref, err)
	}
	return err
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return &usageError{site.Hint(fmt.Errorf("%s takes one or more %s", c.CommandPath(), what), "see `"+c.CommandPath()+" --help`")}
	}
}
