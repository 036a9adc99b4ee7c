package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
	"busbar.example/xmpp/jid"
)

// access is what ls, get and set share: who asks whom, and how the answer is printed.
type access struct {
	g           *global
	to, account string
	connect     string
	password    string // file
	e2e         protection
	json, utc   bool
	timeout     time.Duration
	strict      bool
	lasting     bool // the command lasts until it is ended: timeout bounds what it waits for, not it

	self jid.JID // who asks: the same on each association
}

// session is an association with an IED.
type session struct {
	*client.Client
	link *site.Client
}

// connectUsage is what --connect is for.
const connectUsage = "`HOST:PORT` of the broker, or tls://HOST:PORT; or several, separated by commas (default: where the broker of this folder listens, else connect in busbar.yaml, else SRV)"

// passwordUsage is what --password-file is for.
const passwordUsage = "`file` with the password to log in to the broker with, in place of the TLS certificate (default: pki/JID/password, where there is no certificate)"

func (g *global) access(c *cobra.Command) *access {
	a := &access{g: g}
	f := c.Flags()
	f.StringVar(&a.to, "to", "", "`JID` of the IED; or mms://HOST[:PORT], or mmss://HOST[:PORT] for TLS, where it is reached by MMS over TCP")
	f.StringVar(&a.account, "jid", "", "`JID` of the client (default: client in busbar.yaml, else the only client issued here)")
	f.StringVar(&a.connect, "connect", "", connectUsage)
	f.StringVar(&a.password, "password-file", "", passwordUsage)
	a.e2e.flags(c)
	f.BoolVar(&a.json, "json", false, "print JSON lines, one object a result")
	f.BoolVar(&a.utc, "utc", false, "print times in UTC, not in the local zone")
	f.DurationVar(&a.timeout, "timeout", 30*time.Second, "`time` that the command may wait for its answers")
	f.BoolVar(&a.strict, "strict", false, "with mms://: take nothing from the IED that the standards do not allow")
	for _, flag := range []string{"to", "jid"} {
		if err := c.RegisterFlagCompletionFunc(flag, g.completeAccounts); err != nil {
			panic(err) // the flag is there
		}
	}
	a.completes(c, offerRefs)
	return a
}

// leaveTime is how long the end of an association may take.
const leaveTime = 2 * time.Second

// with runs do on an association with the IED, which it then releases.
func (a *access) with(ctx context.Context, do func(context.Context, *session) error) (err error) {
	switch {
	case a.to == "":
		return usagef("say with --to JID which IED is meant, or with --to mms://HOST")
	case a.timeout <= 0:
		return usagef("--timeout %v leaves no time", a.timeout)
	case site.IsMMS(a.to):
		return a.withMMS(ctx, do)
	}
	if err := checkConnect(a.connect); err != nil {
		return err
	}
	s, err := a.g.site()
	if err != nil {
		return err
	}
	how, err := a.e2e.on(s)
	if err != nil {
		return err
	}
	if a.self.IsZero() {
		j, err := s.Client(a.account)
		if err != nil {
			return err
		}
		if a.self, err = site.ClientAddress(j); err != nil {
			return err
		}
		a.g.warnOfMode(how, "")
	}
	events, err := s.Audit("client", a.g.auditFailed)
	if err != nil {
		return err
	}
	defer events.Close()
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	// Nothing is kept for a command that has ended: what it has taken, such as a control block, is free at once.
	party := site.Party{Resume: -1, JID: a.self, Connect: a.connect, PasswordFile: a.password, E2E: how, Logger: a.g.logger(), Audit: events}
	ied, err := s.Peer(a.to)
	if err != nil {
		return err
	}
	if ied, err = site.IED(ied); err != nil {
		return err
	}
	end := a.g.traced(&party, ied.String(), a.json)
	defer func() { end(err) }()
	peer, err := s.Dial(limited, party, a.to)
	if err != nil {
		return err
	}
	return a.during(ctx, limited, peer, do)
}

// during runs do on an association, which it then releases. limited ends when the command has no more time.
func (a *access) during(ctx, limited context.Context, peer *site.Client, do func(context.Context, *session) error) error {
	doing := limited
	if a.lasting {
		doing = ctx
	}
	browser := client.New(peer)
	browser.AnyKind = peer.MMS != nil && !a.strict
	err := do(doing, &session{browser, peer})
	// Who is interrupted, or has no time left, takes leave in order all the same.
	leaving, cancelLeaving := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancelLeaving()
	if closing := peer.Close(leaving); closing != nil && err == nil && ctx.Err() == nil && peer.Err() != nil {
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

// print prints readings; some of them may have failed. Each hint is given once.
func (a *access) print(readings []client.Reading) error {
	var err error
	if a.json {
		for _, r := range readings {
			err = errors.Join(err, a.line(r))
		}
	} else {
		err = client.Print(a.g.stdout, readings, a.style())
	}
	told := make(map[string]bool)
	for _, r := range readings {
		if r.Err == nil {
			continue
		}
		if err == nil {
			err = errReported
		}
		if hint := client.FailureOf(r.Ref, r.Err).Hint; hint != "" && !told[hint] && !a.json {
			told[hint] = true
			fmt.Fprintf(a.g.stderr, "  hint: %s\n", oneLine(hint))
		}
	}
	return err
}

func (g *global) lsCommand() *cobra.Command {
	var recursive bool
	var a *access
	c := &cobra.Command{
		Use:   "ls --to JID [REF]",
		Short: "list the logical devices, nodes, objects and attributes of an IED",
		Example: `  busbar ls --to pv1
  busbar ls --to pv1 PV1LD0/MMXU1 -r`,
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
			return a.with(c.Context(), func(ctx context.Context, peer *session) error {
				return a.list(ctx, peer, ref, recursive)
			})
		},
	}
	a = g.access(c)
	c.Flags().BoolVarP(&recursive, "recursive", "r", false, "the whole tree below REF")
	return c
}

func (a *access) list(ctx context.Context, peer *session, ref acsi.Ref, recursive bool) error {
	table := tabwriter.NewWriter(a.g.stdout, 0, 0, 2, ' ', 0)
	show := func(o client.Object) error { return a.object(table, o) }
	err := a.walk(ctx, peer, ref, recursive, show)
	if err = errors.Join(err, table.Flush()); a.json {
		if refused, ok := errors.AsType[*acsi.Error](err); ok {
			return a.print([]client.Reading{{Object: client.Object{Ref: ref}, Err: refused}})
		}
	}
	return explained(ref, err)
}

func (a *access) walk(ctx context.Context, peer *session, ref acsi.Ref, recursive bool, show func(client.Object) error) error {
	if recursive {
		return peer.Walk(ctx, ref, show)
	}
	objects, err := peer.List(ctx, ref)
	for _, o := range objects {
		err = errors.Join(err, show(o))
	}
	return err
}

// object prints one line of ls. The columns are aligned within a data object, and no more than a logical node is held
// back.
func (a *access) object(table *tabwriter.Writer, o client.Object) error {
	if a.json {
		return a.line(o)
	}
	if o.Kind() == acsi.LogicalDeviceNode || o.Kind() == acsi.LogicalNodeNode {
		if err := table.Flush(); err != nil {
			return err
		}
	}
	var about []string
	if n := o.Node; n != nil {
		about = append(about, n.Class, n.CDC, client.TypeName(n))
		if n.Count > 0 {
			element := *n
			element.Count = 0
			about = append(about, fmt.Sprintf("of %d", n.Count), client.TypeName(&element))
		}
	}
	line := fmt.Sprintf("%-3s  %s", o.Kind(), o.Ref)
	if words := strings.Fields(strings.Join(about, " ")); len(words) > 0 {
		line += "\t" + strings.Join(words, " ")
	}
	_, err := fmt.Fprintln(table, line)
	return err
}

// explained adds the reference and a hint to an error about one object.
func explained(ref acsi.Ref, err error) error {
	if _, refused := errors.AsType[*acsi.Error](err); !refused {
		return err
	}
	about := "the IED"
	if !ref.IsZero() {
		about = ref.String()
	}
	return site.Hint(fmt.Errorf("%s: %w", about, err), client.FailureOf(ref, err).Hint)
}

func (g *global) getCommand() *cobra.Command {
	var a *access
	c := &cobra.Command{
		Use:   "get --to JID REF…",
		Short: "read values",
		Long: `get reads what each REF names, with quality, time and unit: an attribute, a data
object or a logical node. [FC] may be left out where only one functional
constraint fits; the spelling LD/LN$FC$DO$DA is understood too.`,
		Example: `  busbar get --to pv1 'PV1LD0/MMXU1.TotW[MX]'
  busbar get --to pv1 'PV1LD0/MMXU1$MX$TotW$mag$f' --json`,
		Args: atLeastOne("REF"),
		RunE: func(c *cobra.Command, args []string) error {
			refs, err := parseRefs(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(ctx context.Context, peer *session) error {
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

func parseRefs(args []string) ([]acsi.Ref, error) {
	refs := make([]acsi.Ref, len(args))
	for i, arg := range args {
		var err error
		if refs[i], err = acsi.ParseRef(arg); err != nil {
			return nil, &usageError{err}
		}
	}
	return refs, nil
}

func (g *global) setCommand() *cobra.Command {
	var a *access
	c := &cobra.Command{
		Use:   "set --to JID REF=VALUE…",
		Short: "write values",
		Long: `set writes one value a pair: numbers; true or false; enumerations by name or
number; strings as they are; times in RFC 3339; bit strings as 0 and 1; a whole
structure as a JSON object. Nothing is written unless every pair makes sense.`,
		Example: `  busbar set --to pv1 'PV1LD0/DGEN1.WMax.setMag.f=80'
  busbar set --to pv1 'PV1LD0/DGEN1.WMax.setMag={"f":80}'`,
		Args: atLeastOne("REF=VALUE"),
		RunE: func(c *cobra.Command, args []string) error {
			refs, err := assigned(args)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(ctx context.Context, peer *session) error {
				return a.set(ctx, peer, refs, args)
			})
		},
	}
	a = g.access(c)
	return c
}

// assigned are the references on the left of REF=VALUE.
func assigned(args []string) ([]acsi.Ref, error) {
	refs := make([]acsi.Ref, len(args))
	for i, arg := range args {
		left, _, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usagef("%q is no assignment: write REF=VALUE", arg)
		}
		var err error
		if refs[i], err = acsi.ParseRef(left); err != nil {
			return nil, &usageError{err}
		}
	}
	return refs, nil
}

// set writes nothing unless every assignment makes sense.
func (a *access) set(ctx context.Context, peer *session, refs []acsi.Ref, args []string) error {
	assignments := make([]client.Assignment, len(args))
	var senseless []client.Reading
	for i, arg := range args {
		var err error
		if assignments[i], err = peer.ParseAssignment(ctx, arg); err != nil {
			if peer.link.Err() != nil || ctx.Err() != nil {
				return err
			}
			senseless = append(senseless, client.Reading{Object: client.Object{Ref: refs[i]}, Err: err})
		}
	}
	if senseless != nil {
		fmt.Fprintln(a.g.stderr, "busbar: nothing is written")
		return a.print(senseless)
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
