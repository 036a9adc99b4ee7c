package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// How often a Watch asks.
const (
	DefaultInterval = time.Second
	MinInterval     = 100 * time.Millisecond
)

// defaultPollTime is how long one poll may take.
const defaultPollTime = 30 * time.Second

// WatchConfig says how a Watch follows values. It is copied on entry.
type WatchConfig struct {
	Interval time.Duration // from the beginning of one poll to that of the next, MinInterval or more; 0: DefaultInterval
	Timeout  time.Duration // that one poll may take; 0: 30 s
	// After is one that has ended, of another association with the same IED: what it has told is not told again.
	After *Watch
}

// Change is a value that has become another, or another quality; or an object that has begun to fail, with Err.
// What it holds is a leaf, or what failed.
type Change struct {
	Reading
	Initial bool         // the first that is known of it
	At      time.Time    // when it was noticed, by the clock of this end; of a report that tells it, when the IED did
	Reason  acsi.Reason  // why it was reported; 0 where it was not
	Entry   acsi.EntryID // of a buffered report
}

// Text is the value of a leaf for a person, with its unit.
func (c *Change) Text() string {
	return Style{}.measured(&c.Reading, leaf{Object: c.Object, value: c.Value})
}

// Watch follows values by reading them again and again. It is used by one goroutine at a time.
type Watch struct {
	client   *Client
	cfg      WatchConfig
	refused  []Change    // references that name nothing that can be followed
	requests [][]*object // what is read by one service each
	state    map[acsi.Ref]state
	stats    WatchStats
}

// WatchStats counts what a Watch has done.
type WatchStats struct {
	Values   int // that are followed, by the definitions
	Requests int // that it takes to read them once
	Polls    int
	Late     int // polls left out, because the one before took longer than the interval
}

// object is something that is read whole.
type object struct {
	reading Reading // the last one
	polled  bool
	failure string // why it could not be read the last time; "" where it was
	surroundings
}

// state is what a leaf was when it was last read.
type state struct {
	value   value.Value
	quality acsi.Quality
}

// The most that one service reads, so that its answer fits into a PDU of usual size.
const maxLeavesAtOnce = 250

// Watch prepares to follow what refs name: a logical device or node with all that is in it, a data object, an attribute.
// Without a functional constraint that is what is under any but SE and CO, for values that are being edited are not in
// force, and reading what is under CO selects. A ref that names nothing becomes a Change; an error says that the
// services fail. No value is read yet.
func (c *Client) Watch(ctx context.Context, cfg WatchConfig, refs ...acsi.Ref) (*Watch, error) {
	if cfg.Interval == 0 {
		cfg.Interval = DefaultInterval
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultPollTime
	}
	if cfg.Interval < MinInterval || cfg.Timeout < 0 {
		return nil, fmt.Errorf("an interval of %v: it must be %v or more", cfg.Interval, MinInterval)
	}
	w := &Watch{client: c, cfg: cfg, state: map[acsi.Ref]state{}}
	if cfg.After != nil {
		w.state = maps.Clone(cfg.After.state)
		w.cfg.After = nil
	}
	plan := planner{client: c, watch: w, seen: map[acsi.Ref]bool{}}
	for _, ref := range refs {
		err := plan.add(ctx, ref)
		if err == nil {
			continue
		}
		if !ownError(err) {
			return nil, err
		}
		if cfg.After != nil {
			continue // it has told that
		}
		w.refused = append(w.refused, Change{Reading: Reading{Object: Object{Ref: ref}, Err: err}, Initial: true, At: time.Now()})
	}
	w.stats.Requests = len(w.requests)
	return w, nil
}

// Stats counts what w has done.
func (w *Watch) Stats() WatchStats { return w.stats }

// planner divides what is to be watched into objects, and these into requests.
type planner struct {
	client *Client
	watch  *Watch
	seen   map[acsi.Ref]bool
	names  int // in the last request
	leaves int
}

func (p *planner) add(ctx context.Context, ref acsi.Ref) error {
	if ref.Depth() == 1 {
		return p.addDevice(ctx, ref)
	}
	if ref.FC() == acsi.CO {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "reading what is under CO can select it: watch what is under ST")
	}
	objects, err := p.client.Resolve(ctx, ref)
	if err != nil {
		return err
	}
	found := false
	for _, o := range objects {
		if fc := o.Ref.FC(); ref.FC() == 0 && (fc == acsi.SE || fc == acsi.CO) {
			continue
		}
		found = true
		parts, err := dataObjects(o)
		if err != nil {
			return err
		}
		for _, part := range parts {
			p.plan(ctx, part)
		}
	}
	if !found {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "%s holds nothing that can be watched", ref)
	}
	return nil
}

func (p *planner) addDevice(ctx context.Context, ref acsi.Ref) error {
	nodes, err := p.client.List(ctx, ref)
	for _, ln := range nodes {
		if err == nil {
			err = p.add(ctx, ln.Ref)
		}
	}
	return err
}

// dataObjects are those of a logical node; anything else is one thing.
func dataObjects(o Object) ([]Object, error) {
	if o.Kind() != acsi.LogicalNodeNode {
		return []Object{o}, nil
	}
	return parts(o.Ref, o.Node)
}

// plan adds o to the last request, or to another where that has enough.
func (p *planner) plan(ctx context.Context, o Object) {
	if p.seen[o.Ref] {
		return
	}
	p.seen[o.Ref] = true
	w := p.watch
	s := p.client.beside(ctx, o)
	names, leaves := 3+len(s.units), countLeaves(o.Node)
	p.names += names
	p.leaves += leaves
	if len(w.requests) == 0 || p.names > maxAtOnce || p.leaves > maxLeavesAtOnce {
		w.requests = append(w.requests, nil)
		p.names, p.leaves = names, leaves
	}
	last := &w.requests[len(w.requests)-1]
	*last = append(*last, &object{reading: Reading{Object: o}, surroundings: s})
	w.stats.Values += countValues(o.Node)
}

// countLeaves counts the leaves of n.
func countLeaves(n *acsi.Node) int {
	count := 0
	for _, child := range n.Children {
		count += countLeaves(child)
	}
	return max(count, 1) * max(n.Count, 1)
}

// countValues counts the leaves of n that eachLeaf visits.
func countValues(n *acsi.Node) int {
	count, beside := 0, 0
	for _, child := range n.Children {
		if isBeside(child) {
			beside++
			continue
		}
		count += countValues(child)
	}
	if count == 0 {
		count = max(beside, 1)
	}
	return count * max(n.Count, 1)
}

// isBeside reports whether n is the quality or the time of what stands beside it.
func isBeside(n *acsi.Node) bool {
	return n.IsLeaf() && n.Count == 0 && (n.Name == "q" && n.Type.Kind == value.BitString || n.Name == "t" && n.Type.Kind == value.UTCTime)
}

// Changes polls, and gives what has changed with each poll: first everything. A poll begins only when the one before
// has ended and its changes are taken; what would have been due meanwhile is left out. The sequence ends with ctx, or
// where there is nothing to follow, without an error; with an error when the services fail.
func (w *Watch) Changes(ctx context.Context) iter.Seq2[[]Change, error] {
	return func(yield func([]Change, error) bool) {
		if len(w.refused) > 0 && !yield(w.refused, nil) || len(w.requests) == 0 {
			return
		}
		for due := time.Now(); sleepUntil(ctx, due); due = w.next(due, time.Now()) {
			changes, err := w.poll(ctx)
			if ctx.Err() != nil {
				return
			}
			if len(changes) > 0 && !yield(changes, nil) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// next is when the poll after that of due begins: a whole number of intervals later, and not before now.
func (w *Watch) next(due, now time.Time) time.Time {
	late := max(0, int((now.Sub(due)-1)/w.cfg.Interval))
	w.stats.Late += late
	return due.Add(time.Duration(1+late) * w.cfg.Interval)
}

// sleepUntil reports whether the time has come before ctx ended.
func sleepUntil(ctx context.Context, at time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	wait := time.NewTimer(time.Until(at))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
		return true
	}
}

// lastPollTime is how long a poll that is under way may still take once the watch is told to end: what is cut off while
// it is being sent ends the whole association.
const lastPollTime = time.Second

// poll reads everything once. With an error come the changes that were found before it.
func (w *Watch) poll(watch context.Context) ([]Change, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(watch), w.cfg.Timeout)
	defer cancel()
	defer context.AfterFunc(watch, func() {
		wait := time.NewTimer(lastPollTime)
		defer wait.Stop()
		select {
		case <-wait.C:
			cancel()
		case <-ctx.Done():
		}
	})()
	w.stats.Polls++
	var changes []Change
	for _, objects := range w.requests {
		if watch.Err() != nil {
			return changes, nil
		}
		if err := w.read(ctx, objects); err != nil {
			return changes, err
		}
		now := time.Now()
		for _, o := range objects {
			changes = w.compare(changes, o, now)
		}
	}
	return changes, nil
}

// read reads objects in one service. One that is refused as a whole is the failure of each.
func (w *Watch) read(ctx context.Context, objects []*object) error {
	var b batch
	for _, o := range objects {
		b.add(&o.reading, o.surroundings)
	}
	err := b.run(ctx, w.client)
	refused, own := errors.AsType[*acsi.Error](err)
	for _, o := range objects {
		if own {
			o.reading.Err = refused
		}
		if o.reading.Err == nil {
			o.units = nil // units do not change: once is enough
		}
	}
	if own {
		return nil
	}
	return err
}

// compare appends what is other than before.
func (w *Watch) compare(changes []Change, o *object, now time.Time) []Change {
	r, first := o.reading, !o.polled
	o.polled = true
	if r.Err != nil {
		if text := r.Err.Error(); text != o.failure {
			o.failure = text
			changes = append(changes, Change{Reading: Reading{Object: r.Object, Err: r.Err}, Initial: first, At: now})
		}
		return changes
	}
	recovered := o.failure != ""
	o.failure = ""
	eachLeaf(leaf{r.Object, r.Value, r.Quality, r.Time}, func(l leaf) {
		is := state{value: l.value}
		if l.quality != nil {
			is.quality = *l.quality
		}
		was, known := w.state[l.Ref]
		if known && !recovered && was.quality == is.quality && was.value.Equal(is.value) {
			return
		}
		w.state[l.Ref] = is
		changes = append(changes, Change{Reading: Reading{Object: l.Object, Value: l.value, Quality: l.quality, Time: l.time, units: r.units},
			Initial: !known, At: now})
	})
	return changes
}
