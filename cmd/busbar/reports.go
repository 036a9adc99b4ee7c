package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
)

// reporting is what a watch asks of report control blocks.
type reporting struct {
	resume, fresh, gi bool
	since             string
	integrity         time.Duration

	kept    *bookmarks // over all associations
	mu      sync.Mutex
	follows map[acsi.Ref]*followed // by what the user has named
}

// followed is what is known of one reference over all associations.
type followed struct {
	block acsi.Ref // that reports
	known shown
	stats client.SubscriptionStats // of the associations before
}

// of is what is known of ref.
func (r *reporting) of(ref acsi.Ref) *followed {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.follows[ref]
	if f == nil {
		f = &followed{known: shown{}}
		if r.follows == nil {
			r.follows = map[acsi.Ref]*followed{}
		}
		r.follows[ref] = f
	}
	return f
}

// summarise says how many reports there were.
func (r *reporting) summarise(to io.Writer) {
	for _, ref := range slices.SortedFunc(maps.Keys(r.follows), func(a, b acsi.Ref) int { return strings.Compare(a.Path(), b.Path()) }) {
		f := r.follows[ref]
		if f.block.IsZero() {
			continue
		}
		words := number(f.stats.Received, "report")
		if f.stats.Missed > 0 {
			words += fmt.Sprintf(", %d missing", f.stats.Missed)
		}
		if f.stats.Overflows > 0 {
			words += ", " + number(f.stats.Overflows, "overflow")
		}
		fmt.Fprintf(to, "%s: %s\n", f.block.Path(), words)
	}
}

func (r *reporting) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&r.resume, "resume", false, "go on after the last entry that a watch in this folder has printed")
	f.StringVar(&r.since, "since", "", "go on after the entry with this `id`, 16 hex digits")
	f.BoolVar(&r.fresh, "purge", false, "leave out what a buffered control block has kept")
	f.BoolVar(&r.gi, "gi", false, "begin with all values, by a general interrogation")
	f.DurationVar(&r.integrity, "integrity", 0, "have all values reported again each `time`")
	c.MarkFlagsMutuallyExclusive("resume", "since", "purge")
}

func (r *reporting) check() error {
	if r.since != "" {
		if _, err := parseEntry("--since", r.since); err != nil {
			return err
		}
	}
	if r.integrity < 0 || r.integrity > 0 && r.integrity < time.Millisecond {
		return usagef("--integrity %v is too short", r.integrity)
	}
	return nil
}

// asked is the flag that only buffered control blocks understand, if one is given.
func (r *reporting) asked() string {
	switch {
	case r.resume:
		return "--resume"
	case r.since != "":
		return "--since"
	case r.fresh:
		return "--purge"
	}
	return ""
}

func parseEntry(flag, text string) (id acsi.EntryID, err error) {
	octets, err := hex.DecodeString(text)
	if err != nil || len(octets) != len(id) || acsi.EntryID(octets) == (acsi.EntryID{}) {
		return id, usagef("%s %s is no entry id: it has 16 hex digits, and not only zeros", flag, text)
	}
	return acsi.EntryID(octets), nil
}

// report follows each of refs by reports.
func (w *watching) report(ctx context.Context, peer *session, refs []acsi.Ref, out chan<- batch) error {
	if w.kept == nil {
		kept, err := w.bookmarks()
		if err != nil {
			return err
		}
		w.kept = kept
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var following sync.WaitGroup
	failed := make([]error, len(refs))
	var missing atomic.Int64
	missing.Store(int64(len(refs)))
	stands := func() {
		if missing.Add(-1) == 0 {
			w.stands()
		}
	}
	for i, ref := range refs {
		following.Go(func() {
			if failed[i] = w.reportOne(ctx, peer, ref, stands, out); failed[i] != nil {
				cancel()
			}
		})
	}
	following.Wait()
	for _, err := range failed {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// subscribe takes a control block for ref, and begins where it is to begin.
func (w *watching) subscribe(ctx context.Context, peer *session, ref acsi.Ref, f *followed) (*client.Subscription, string, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	if !f.block.IsZero() {
		return w.subscribeAgain(ctx, peer, ref, f)
	}
	cfg := client.SubscribeConfig{Snapshot: w.gi, Purge: w.fresh, IntgPd: w.integrity}
	if w.since != "" {
		cfg.Resume, _ = parseEntry("--since", w.since) // it was checked
	}
	if !w.resume {
		s, err := peer.Subscribe(ctx, ref, cfg)
		return s, "", err
	}
	mark, ok := w.kept.find(ref)
	if !ok {
		s, err := peer.Subscribe(ctx, ref, cfg)
		return s, "nothing is known of an earlier watch here: it begins with what the IED has kept", err
	}
	return resume(ctx, peer, mark, cfg)
}

// subscribeAgain goes on with the control block of the association before: a buffered one after the last entry that was printed. One that
// keeps nothing tells all values, for nobody knows what has changed meanwhile.
func (w *watching) subscribeAgain(ctx context.Context, peer *session, ref acsi.Ref, f *followed) (*client.Subscription, string, error) {
	cfg := client.SubscribeConfig{IntgPd: w.integrity}
	if mark, ok := w.kept.find(ref); ok && mark.ours && mark.block == f.block {
		return resume(ctx, peer, mark, cfg)
	}
	if f.block.FC() == acsi.RP {
		cfg.Snapshot = true
		s, err := peer.Subscribe(ctx, f.block, cfg)
		if refused, is := errors.AsType[*acsi.Error](err); !is || refused.Code == acsi.TemporarilyUnavailable {
			return s, "", err
		}
		cfg.Snapshot = false // it takes no general interrogation
	}
	s, err := peer.Subscribe(ctx, f.block, cfg)
	return s, "", err
}

// resume goes on after the entry of a mark.
func resume(ctx context.Context, peer *session, mark bookmark, cfg client.SubscribeConfig) (*client.Subscription, string, error) {
	cfg.Resume = mark.entry
	s, err := peer.Subscribe(ctx, mark.block, cfg)
	if errors.Is(err, &acsi.Error{Code: acsi.ObjectValueInvalid}) {
		cfg.Resume = acsi.EntryID{}
		s, err = peer.Subscribe(ctx, mark.block, cfg)
		return s, fmt.Sprintf("the IED no longer has the entry %x: entries may be lost, and it begins with those that it has kept", mark.entry), err
	}
	return s, "", err
}

// reportOne follows ref; stands is called when its reports come.
func (w *watching) reportOne(ctx context.Context, peer *session, ref acsi.Ref, stands func(), out chan<- batch) error {
	f := w.of(ref)
	s, note, err := w.subscribe(ctx, peer, ref, f)
	if err != nil {
		return explained(ref, err)
	}
	buffered := s.Block().FC() == acsi.BR
	if !buffered && w.asked() != "" {
		note = fmt.Sprintf("%s is not buffered: %s does nothing", s.Block().Path(), w.asked())
	}
	if f.block.IsZero() {
		said := fmt.Sprintf("following %s of %s by %s", number(len(s.Members()), "member"), s.DataSet(), s.Block().Path())
		err = put(ctx, out, batch{note: strings.Join(strings.Fields(said), " ")})
	}
	f.block = s.Block()
	if note != "" && err == nil {
		err = put(ctx, out, batch{note: note})
	}
	stands()
	err = cmp.Or(err, w.updates(ctx, ref, s, f, out))
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if peer.link.Err() == nil {
		err = cmp.Or(err, s.Close(leaving))
	}
	stats := s.Stats()
	f.stats.Received += stats.Received
	f.stats.Missed += stats.Missed
	f.stats.Overflows += stats.Overflows
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// updates puts out what s reports.
func (w *watching) updates(ctx context.Context, ref acsi.Ref, s *client.Subscription, f *followed, out chan<- batch) error {
	for u, err := range s.Updates(ctx) {
		if err != nil {
			return err
		}
		b := batch{changes: u.Changes(), note: noteOf(s.Block(), u)}
		if !w.json {
			b.changes = f.known.news(b.changes)
		}
		if s.Block().FC() == acsi.BR {
			entry := s.LastEntry()
			b.printed = func() { w.kept.keep(ref, s.Block(), entry) }
		}
		if err := put(ctx, out, b); err != nil {
			return err
		}
	}
	return nil
}

// shown is what a person has seen of each leaf.
type shown map[acsi.Ref]string

// news leaves out what stands beside a change in the same data object and is as it was: a report has the object as a whole.
func (k shown) news(changes []client.Change) []client.Change {
	var news []client.Change
	for _, c := range changes {
		text := fmt.Sprint(c.Value, c.Quality, c.Err)
		if was, seen := k[c.Ref]; !seen || was != text || c.Reason&^(acsi.ReasonDataChange|acsi.ReasonQualityChange) != 0 {
			news = append(news, c)
		}
		k[c.Ref] = text
	}
	if news == nil {
		return changes
	}
	return news
}

// noteOf says what was lost before an update.
func noteOf(block acsi.Ref, u client.Update) string {
	var words []string
	if u.Overflow {
		words = append(words, "the IED had to forget entries before this one")
	}
	if u.Missed > 0 {
		words = append(words, number(u.Missed, "report")+" before this one did not come")
	}
	if u.Reconfigure {
		words = append(words, "the control block was set up anew: its data set may be another")
	}
	if words == nil {
		return ""
	}
	return block.Path() + ": " + strings.Join(words, "; ")
}

// bookmarks remember the last entry of each buffered control block that a watch has printed, in a file of the site's folder. Without a
// site they last as long as the command.
type bookmarks struct {
	file string // "": none
	warn func(error)

	mu    sync.Mutex
	marks map[string]bookmark // by what the user has named
}

type bookmark struct {
	Block string `json:"block"`
	Entry string `json:"entry"`

	block acsi.Ref
	entry acsi.EntryID
	ours  bool // of this command
}

func (w *watching) bookmarks() (*bookmarks, error) {
	k := &bookmarks{marks: map[string]bookmark{}, warn: func(err error) {
		fmt.Fprintf(w.g.stderr, "busbar: --resume will not find where this watch has ended: %s\n", oneLine(err.Error()))
	}}
	s, err := w.g.site()
	if err != nil {
		if w.resume {
			return nil, err
		}
		return k, nil
	}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == os.PathSeparator || r == ':' {
			return '_'
		}
		return r
	}, w.to)
	k.file = s.Path("state", "watch-"+name+".json")
	text, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = k.parse(text)
	}
	if err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", k.file, err), "remove it, and watch without --resume")
	}
	return k, nil
}

func (k *bookmarks) parse(text []byte) error {
	if err := json.Unmarshal(text, &k.marks); err != nil {
		return err
	}
	for name, m := range k.marks {
		var err error
		if m.block, err = acsi.ParseRef(m.Block); err != nil {
			return err
		}
		if m.entry, err = parseEntry(name, m.Entry); err != nil {
			return err
		}
		k.marks[name] = m
	}
	return nil
}

func (k *bookmarks) find(ref acsi.Ref) (bookmark, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m, ok := k.marks[ref.Path()]
	return m, ok
}

// keep writes the file anew, whole or not at all. That it cannot be written is said once.
func (k *bookmarks) keep(ref, block acsi.Ref, entry acsi.EntryID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.marks[ref.Path()] = bookmark{Block: block.String(), Entry: hex.EncodeToString(entry[:]), block: block, entry: entry, ours: true}
	if k.file == "" {
		return
	}
	text, err := json.MarshalIndent(k.marks, "", "  ")
	if err == nil {
		err = replaceFile(k.file, append(text, '\n'))
	}
	if err != nil {
		k.warn(err)
		k.file = ""
	}
}

func replaceFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".busbar-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there once it has its place
	_, err = f.Write(text)
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
}
