// Command busbar speaks IEC 61850-8-2: it makes and runs sites with certification authorities, broker, IEDs
// and clients.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"busbar.example/app/site"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run carries out one command line and gives the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output{Writer: stdout}
	g := &global{stdout: out, stderr: stderr}
	root := g.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	c, err := root.ExecuteContextC(ctx)
	if (err == nil || errors.Is(err, errReported)) && out.err != nil {
		err = out.err // results are lost that nobody has missed yet
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errReported):
		return exitFailed
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(stderr, "busbar: interrupted")
		return exitFailed
	}
	hint := site.HintFor(err)
	_, misused := errors.AsType[*usageError](err)
	if misused && hint == "" {
		hint = "see `" + c.CommandPath() + " --help`"
	}
	g.complain(err, hint)
	if misused {
		return exitUsage
	}
	return exitFailed
}

// output is where results go. It remembers why one could not be written.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// fileOf is the file that w writes to, if it is one.
func fileOf(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	return f, ok
}

// complain says in a line what went wrong, and in another what to do about it.
func (g *global) complain(err error, hint string) {
	fmt.Fprintf(g.stderr, "busbar: %s\n", oneLine(err.Error()))
	if hint != "" {
		fmt.Fprintf(g.stderr, "  hint: %s\n", oneLine(hint))
	}
}

// errReported ends a command whose results have said already what failed.
var errReported = errors.New("some results failed")

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (u *usageError) Unwrap() error { return u.error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// oneLine keeps what a peer or a file said from breaking the line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			return '\uFFFD'
		}
		return r
	}, s)
}

// global is what every command shares: where it prints, and the flags before its own.
type global struct {
	stdout, stderr io.Writer
	tracing        *tracing // not nil below `trace`
	dir            string
	verbose        bool
}

// ofGo is how Go begins the errors of its own parsers, which says nothing to a user.
var ofGo = regexp.MustCompile(`strconv\.\w+: parsing "[^"]*": |time: `)

func (g *global) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "busbar",
		Short: "IEC 61850-8-2 over XMPP, secured hop by hop and end to end",
		Long: `busbar serves, reads and writes energy devices over XMPP by IEC 61850-8-2,
secured hop by hop and end to end. See all of it at once with: busbar demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%q is not a command", args[0])
			}
			return c.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usagef("%s", ofGo.ReplaceAllString(err.Error(), ""))
	})
	root.PersistentFlags().StringVar(&g.dir, "site", "", "site `folder` (default: the nearest one upward that holds busbar.yaml)")
	root.PersistentFlags().BoolVarP(&g.verbose, "verbose", "v", false, "tell the protocol steps on standard error")
	addGrouped(root, groupSite, "Make and check", g.initCommand(), g.pkiCommand(), g.accountCommand(), g.sclCommand())
	addGrouped(root, groupServe, "Serve", g.brokerCommand(), g.iedCommand(), g.demoCommand())
	addGrouped(root, groupClient, "Use an IED", append(g.clientCommands(), g.traceCommand(), g.doctorCommand())...)
	addGrouped(root, groupMore, "More", g.benchCommand(), g.versionCommand())
	root.SetUsageTemplate(usageTemplate)
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// clientCommands are the commands that associate with an IED, made anew with each call.
func (g *global) clientCommands() []*cobra.Command {
	return []*cobra.Command{g.lsCommand(), g.getCommand(), g.setCommand(), g.watchCommand(), g.operateCommand(), g.datasetCommand(),
		g.rcbCommand(), g.sgCommand(), g.logCommand(), g.fileCommand(), g.selftestCommand()}
}

// site opens the site folder that the command is for.
func (g *global) site() (*site.Site, error) {
	dir, err := g.folder()
	if err != nil {
		return nil, err
	}
	return site.Open(dir)
}

// folder is the site folder that the command is for.
func (g *global) folder() (string, error) {
	dir := g.dir
	if dir == "" {
		var err error
		if dir, err = site.Find("."); err != nil {
			return "", err
		}
	}
	return filepath.Abs(dir)
}

// logger tells warnings and errors, and with --verbose every step, on standard error.
func (g *global) logger() *slog.Logger {
	level := slog.LevelWarn
	if g.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(g.stderr, &slog.HandlerOptions{Level: level}))
}

// exactly is cobra.ExactArgs with an error of ours.
func exactly(what ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == len(what):
			return nil
		case len(what) == 0:
			return usagef("%s takes no arguments, and %q is one", c.CommandPath(), args[0])
		}
		return usagef("%s takes %s, not %d arguments", c.CommandPath(), strings.Join(what, " "), len(args))
	}
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return usagef("%s takes one or more %s", c.CommandPath(), what)
	}
}

// checkConnect refuses a --connect that names no places, if it is given.
func checkConnect(places string) error {
	if places == "" {
		return nil
	}
	if err := site.CheckConnect("--connect", places); err != nil {
		return &usageError{err}
	}
	return nil
}

// checkAddress refuses a flag's address that is not HOST:PORT, if it is given.
func checkAddress(flag, address string) error {
	if address == "" {
		return nil
	}
	if err := site.CheckAddress(flag, address); err != nil {
		return &usageError{err}
	}
	return nil
}
