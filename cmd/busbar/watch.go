package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/app/site"
)

// watching is one watch command.
type watching struct {
	*access
	interval time.Duration
	count    int
	lasts    time.Duration
	once     bool // end when the association is lost
	reporting
	changes  int // printed so far
	failures int // likewise

	stoodOnce bool   // what is to be followed has been
	standing  func() // called when all that is to be followed is; and again with each association after the first
	polling   *client.Watch
	polls     client.WatchStats // of the associations before
	began     time.Time
}

// manyValues is from how many values on a watch says how to follow fewer.
const manyValues = 200

func (g *global) watchCommand() *cobra.Command {
	w := new(watching)
	c := &cobra.Command{
		Use:   "watch --to JID RCB|DATASET|REF…",
		Short: "follow values, and print what changes",
		Long: `watch prints a line for each value that changes, or has another quality.

RCB is a report control block, LD/LN.NAME, or the name that its instances share:
one that is free is taken. DATASET is a data set, LD/LN.NAME, that such a one
reports. The IED then tells what changes, when, and why: dchg for the value,
qchg for its quality, dupd for an update, integrity, gi. A buffered one keeps
what happens while nobody is there: --resume goes on where the last watch of it
in this folder ended, --since after an entry. What is lost is said.

REF is an attribute, a data object, a logical node or a logical device, with
[FC] what of it is under that functional constraint: it is read again and again,
first all of it, marked as initial.

A watch lasts until it is interrupted, or as --for and --count say; --timeout
bounds the wait for each answer. When the link to the IED is lost it comes back
by itself, and goes on where it was, unless --no-reconnect is given. What fails
is shown once, and makes the exit status 1.`,
		Example: `  busbar watch --to fdr1 FDR1LD0/LLN0.brcbSwitching --resume
  busbar watch --to fdr1 FDR1LD0/LLN0.Measurements
  busbar watch --to fdr1 'FDR1LD0/XCBR1[ST]' --interval 500ms --for 10m --json`,
		Args: atLeastOne("RCB, DATASET or REF"),
		RunE: func(c *cobra.Command, args []string) error { return w.run(c.Context(), args) },
	}
	w.access = g.access(c)
	w.completes(c, offerReported)
	w.lasting = true
	f := c.Flags()
	f.DurationVar(&w.interval, "interval", client.DefaultInterval, fmt.Sprintf("`time` from one poll to the next, %v or more", client.MinInterval))
	f.IntVar(&w.count, "count", 0, "end after this `number` of changes")
	f.DurationVar(&w.lasts, "for", 0, "end after this `time`")
	f.BoolVar(&w.once, "no-reconnect", false, "end with an error when the association is lost")
	w.reporting.flags(c)
	return c
}

func (w *watching) run(ctx context.Context, args []string) error {
	switch {
	case w.interval < client.MinInterval:
		return usagef("--interval %v is too short: %v is the least", w.interval, client.MinInterval)
	case w.count < 0:
		return usagef("--count %d is no number of changes", w.count)
	case w.lasts < 0:
		return usagef("--for %v is no time", w.lasts)
	}
	if err := w.reporting.check(); err != nil {
		return err
	}
	refs, err := parseRefs(args)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if w.lasts > 0 {
		defer time.AfterFunc(w.lasts, func() { end(errEnough) }).Stop()
	}
	defer w.summarise()
	w.standing = func() {}
	if w.once || w.g.tracing != nil { // a trace is of one association
		return w.associated(ctx, refs, new(bool))
	}
	return w.again(ctx, refs)
}

// again follows refs on one association after the other.
func (w *watching) again(ctx context.Context, refs []acsi.Ref) error {
	link := &outages{g: w.g, who: w.to}
	redial := site.Redial{Down: link.down, Up: link.up}
	var result error // of a watch that has ended in order
	err := redial.Run(ctx, func(ctx context.Context, up func()) error {
		w.standing = sync.OnceFunc(up)
		reached := false
		err := w.associated(ctx, refs, &reached)
		if w.passes(err, reached) {
			return err
		}
		result = err
		return nil
	})
	return cmp.Or(err, result)
}

// passes reports whether err is of the link to the IED, or of what a lost one leaves behind for a while. reached says that the IED had
// been reached.
func (w *watching) passes(err error, reached bool) bool {
	if err == nil {
		return false
	}
	if _, usage := errors.AsType[*usageError](err); usage {
		return false
	}
	_, is := errors.AsType[*lostError](err)
	return is || !reached || w.stoodOnce && (errors.Is(err, &acsi.Error{Code: acsi.TemporarilyUnavailable}) || errors.Is(err, context.DeadlineExceeded))
}

// associated follows refs on one association. reached is set when it stands.
func (w *watching) associated(ctx context.Context, refs []acsi.Ref, reached *bool) error {
	return w.with(ctx, func(ctx context.Context, peer *session) error {
		*reached = true
		planning, cancel := context.WithTimeout(ctx, w.timeout)
		defer cancel()
		reported, polled, err := w.divide(planning, peer, refs)
		if err == nil {
			err = w.follow(ctx, peer, func(ctx context.Context, out chan<- batch) error {
				if len(reported) > 0 {
					return w.report(ctx, peer, reported, out)
				}
				return w.poll(ctx, planning, peer, polled, out)
			})
		}
		if err != nil && peer.link.Err() != nil && ctx.Err() == nil {
			return lost(w.to, peer.link.Err())
		}
		return err
	})
}

// divide tells what is reported from what is polled: all refs are one or the other.
func (w *watching) divide(ctx context.Context, peer *session, refs []acsi.Ref) (reported, polled []acsi.Ref, err error) {
	for _, ref := range refs {
		is, err := peer.IsReported(ctx, ref)
		if err != nil {
			return nil, nil, err
		}
		if is {
			reported = append(reported, ref)
		} else {
			polled = append(polled, ref)
		}
	}
	switch {
	case len(reported) > 0 && len(polled) > 0:
		return nil, nil, usagef("%s is reported, and %s is read again and again: watch them one by one", reported[0], polled[0])
	case len(polled) > 0 && w.asked() != "":
		return nil, nil, usagef("%s is for buffered report control blocks, and %s is none", w.asked(), polled[0])
	case len(reported) > 1 && w.since != "":
		return nil, nil, usagef("--since is an entry of one control block, and there are %d", len(reported))
	}
	return reported, polled, nil
}

// batch is changes that are printed together.
type batch struct {
	changes []client.Change
	note    string // said before them, on standard error
	printed func() // called once they are printed; nil: nothing
}

// poll reads refs again and again.
func (w *watching) poll(ctx, planning context.Context, peer *session, refs []acsi.Ref, out chan<- batch) error {
	watch, err := peer.Watch(planning, client.WatchConfig{Interval: w.interval, Timeout: w.timeout, After: w.polling}, refs...)
	if err != nil {
		return err
	}
	if w.polling == nil {
		w.announce(watch.Stats())
		w.began = time.Now()
	}
	w.polling = watch
	defer func() {
		s := watch.Stats()
		w.polls.Polls += s.Polls
		w.polls.Late += s.Late
	}()
	w.stands()
	for changes, err := range watch.Changes(ctx) {
		if err != nil {
			return err
		}
		if err := put(ctx, out, batch{changes: changes}); err != nil {
			return nil
		}
	}
	return nil
}

// stands notes that all is followed that is to be.
func (w *watching) stands() {
	w.stoodOnce = true
	w.standing()
}

// put hands b over, unless ctx ends before.
func put(ctx context.Context, out chan<- batch, b batch) error {
	select {
	case out <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// announce says how much there is to follow.
func (w *watching) announce(s client.WatchStats) {
	if s.Values == 0 {
		return // what was wrong is said next
	}
	fmt.Fprintf(w.g.stderr, "following %s with %s every %v\n", number(s.Values, "value"), number(s.Requests, "request"), w.interval)
	if s.Values >= manyValues {
		fmt.Fprintln(w.g.stderr, "  hint: that is much to read: name fewer, or one functional constraint such as LD/LN[MX], or choose a longer --interval")
	}
}

// summarise says what there was.
func (w *watching) summarise() {
	w.reporting.summarise(w.g.stderr)
	s := w.polls
	if s.Polls == 0 {
		return
	}
	words := []string{number(w.changes, "change")}
	if w.failures > 0 {
		words = append(words, number(w.failures, "failure"))
	}
	words = append(words, number(s.Polls, "poll"))
	if s.Late > 0 {
		words = append(words, fmt.Sprintf("%d left out because an answer took longer than the interval", s.Late))
	}
	fmt.Fprintf(w.g.stderr, "%s in %v\n", strings.Join(words, ", "), time.Since(w.began).Round(100*time.Millisecond))
}

// errEnough ends a watch that has lasted as long as it was to.
var errEnough = errors.New("the time of the watch is over")

// follow prints what produce puts out until it is told to end, which is no error, or the association is lost.
func (w *watching) follow(ctx context.Context, peer *session, produce func(context.Context, chan<- batch) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go func() {
		select {
		case <-ctx.Done():
		case <-peer.link.Done():
			end(lost(w.to, peer.link.Err()))
		}
	}()
	out, failed := make(chan batch), make(chan error, 1)
	go func() {
		failed <- produce(ctx, out)
		close(out)
	}()
	printing := w.printAll(out)
	end(errEnough)
	for range out { // until the producer has ended
	}
	producing := <-failed
	if _, is := errors.AsType[*lostError](context.Cause(ctx)); is || producing != nil && peer.link.Err() != nil {
		return lost(w.to, peer.link.Err())
	}
	switch {
	case printing != nil:
		return printing
	case producing != nil:
		return producing
	case w.failures > 0:
		return errReported
	}
	return nil
}

// printAll prints batches until there are no more, or there is enough.
func (w *watching) printAll(out <-chan batch) error {
	printer := client.ChangePrinter{Style: w.style()}
	printer.Style.Colour = isTerminal(w.g.stdout)
	for b := range out {
		if b.note != "" {
			fmt.Fprintln(w.g.stderr, oneLine(b.note))
		}
		if err := w.print(&printer, w.enough(b.changes)); err != nil {
			return err
		}
		if b.printed != nil {
			b.printed()
		}
		if w.count > 0 && w.changes == w.count {
			break
		}
	}
	return nil
}

// enough counts changes, and leaves out those that follow the last one that is wanted.
func (w *watching) enough(changes []client.Change) []client.Change {
	for i, c := range changes {
		if w.count > 0 && w.changes == w.count {
			return changes[:i]
		}
		if c.Err != nil {
			w.failures++
		} else {
			w.changes++
		}
	}
	return changes
}

func (w *watching) print(printer *client.ChangePrinter, changes []client.Change) error {
	var err error
	if w.json {
		for _, c := range changes {
			err = errors.Join(err, w.line(c))
		}
	} else {
		err = printer.Print(w.g.stdout, changes)
	}
	for _, c := range changes {
		if c.Err == nil {
			continue
		}
		if hint := client.FailureOf(c.Ref, c.Err).Hint; hint != "" && !w.json {
			fmt.Fprintf(w.g.stderr, "  hint: %s\n", oneLine(hint))
		}
	}
	return err
}

// lostError is an association that has ended without being told to.
type lostError struct{ error }

func (l *lostError) Unwrap() error { return l.error }

func lost(to string, cause error) error {
	return site.Hint(&lostError{fmt.Errorf("the association with %s is lost: %w", to, cause)},
		"see whether broker and IED still run, and start again once they do")
}

// isTerminal reports whether what is written to w is seen by a person.
func isTerminal(w io.Writer) bool {
	f, ok := fileOf(w)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
