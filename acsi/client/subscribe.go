package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// SubscribeConfig says what a Subscription asks of its report control block. What is zero stays as it is engineered.
type SubscribeConfig struct {
	TrgOps   acsi.TrgOps
	BufTm    time.Duration // to the millisecond
	IntgPd   time.Duration // likewise
	DataSet  acsi.Ref      // what is reported
	Snapshot bool          // begin with all values, by a general interrogation

	// Of a buffered control block. By default it goes on with what it has not sent yet.
	Resume acsi.EntryID // go on after this entry
	Purge  bool         // leave out what it has kept

	Queue int // reports that may wait for Updates; 0: 4,096. More are lost, and counted
}

const (
	defaultQueue = 4096
	reserveTime  = 60 // seconds for which a buffered control block stays reserved after the association
)

// wantedFields is what a Subscription needs to know of each report.
const wantedFields = acsi.OptSeqNum | acsi.OptTimeStamp | acsi.OptReason | acsi.OptDataSet | acsi.OptBufOvfl | acsi.OptEntryID | acsi.OptConfRev

// Update is one report.
type Update struct {
	Report *acsi.Report
	Values []UpdateValue // what it holds, in the order of the data set

	Missed      int  // reports that were sent before this one and have not come, by their numbers
	Overflow    bool // the IED lost entries before this one
	Reconfigure bool // the data set is another than before: the values are by the new one
}

// UpdateValue is one member of a data set in a report.
type UpdateValue struct {
	Reading
	Reason acsi.Reason
}

// SubscriptionStats counts what a Subscription has seen.
type SubscriptionStats struct {
	Received  int // reports
	Missed    int // that were sent and have not come
	Dropped   int // of these: that nobody fetched in time, at this end
	Overflows int // times that the IED had to forget entries
}

// Subscription follows a data set by the reports of a control block that it has to itself. Reports are told apart by their RptID, so two
// subscriptions of one association must not share it. Updates is for one goroutine, all else for any.
type Subscription struct {
	client *Client
	block  acsi.Ref
	rptID  string
	leave  func()

	queue chan *acsi.Report
	over  chan struct{} // closed when no more reports come; why says why
	why   error

	mu    sync.Mutex
	stats SubscriptionStats
	entry acsi.EntryID

	// Of the one goroutine that fetches updates.
	dataSet string
	members []Object
	units   []map[string]string // of members
	confRev uint32
	seq     uint16
	begun   bool // seq is that of a report
}

// Subscribe takes a report control block, and has it report. ref names one, under BR or RP; or several that differ in the number at
// their end, of which one that is free is taken; or a data set, which a free one reports. The Subscription must be closed.
//
// IEC 61850-7-2, 17.2.
func (c *Client) Subscribe(ctx context.Context, ref acsi.Ref, cfg SubscribeConfig) (*Subscription, error) {
	candidates, err := c.reportControls(ctx, ref)
	if err != nil {
		return nil, err
	}
	if cfg.Queue <= 0 {
		cfg.Queue = defaultQueue
	}
	var busy []string
	for i := range candidates {
		s, err := c.subscribe(ctx, &candidates[i], cfg)
		var refused *acsi.Error
		switch {
		case err == nil:
			return s, nil
		case !errors.As(err, &refused) || len(candidates) == 1 || refused.Code != acsi.TemporarilyUnavailable && refused.Code != acsi.ObjectAccessDenied:
			return nil, err
		}
		busy = append(busy, candidates[i].Ref.Name())
	}
	return nil, acsi.Errorf(acsi.TemporarilyUnavailable, "no report control block is free for %s: %s are taken", ref, strings.Join(busy, ", "))
}

var instanceNumber = regexp.MustCompile(`^[0-9]{1,2}$`)

// reportControls are the control blocks that ref may mean, those that nobody uses first.
func (c *Client) reportControls(ctx context.Context, ref acsi.Ref) ([]ControlBlock, error) {
	if ref.Depth() != 3 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%s is neither a report control block nor a data set: LD/LN.Name", ref)
	}
	blocks, err := c.ControlBlocks(ctx, ref.Parent().WithFC(0), acsi.BR, acsi.RP)
	if err != nil {
		return nil, err
	}
	named := slices.DeleteFunc(slices.Clone(blocks), func(b ControlBlock) bool {
		rest, ok := strings.CutPrefix(b.Ref.Name(), ref.Name())
		return !ok || rest != "" && !instanceNumber.MatchString(rest) || ref.FC() != 0 && ref.FC() != b.Ref.FC()
	})
	if i := slices.IndexFunc(named, func(b ControlBlock) bool { return b.Ref.Name() == ref.Name() }); i >= 0 {
		named = named[i : i+1]
	}
	if len(named) == 0 {
		if named, err = c.reporting(ctx, ref, blocks); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(named, func(a, b ControlBlock) int { return inUse(&a) - inUse(&b) })
	return named, nil
}

// reporting are those of blocks, and of those in the LLN0 beside them, that report the data set ref: buffered ones first.
func (c *Client) reporting(ctx context.Context, ref acsi.Ref, blocks []ControlBlock) ([]ControlBlock, error) {
	if _, err := c.services.GetDataSetDirectory(ctx, ref.WithFC(0)); err != nil {
		names := make([]string, len(blocks))
		for i, b := range blocks {
			names[i] = b.Ref.Name()
		}
		return nil, &acsi.Error{Code: acsi.ObjectNonExistent, Text: fmt.Sprintf("%s is neither a report control block nor a data set: %s", ref, offer(names, ref.Name()))}
	}
	if ref.LN() != "LLN0" {
		if ln, err := acsi.NewRef(ref.LD(), "LLN0", 0); err == nil {
			if more, err := c.ControlBlocks(ctx, ln, acsi.BR, acsi.RP); err == nil {
				blocks = append(blocks, more...)
			}
		}
	}
	name := ref.WithFC(0).MMS()
	found := slices.DeleteFunc(blocks, func(b ControlBlock) bool {
		v, _ := b.Attribute("DatSet")
		return v.Text() != name
	})
	if len(found) == 0 {
		return nil, acsi.Errorf(acsi.ObjectNonExistent, "no report control block reports %s", ref)
	}
	return found, nil
}

// inUse is 0 for a control block that seems free, 1 for one that is reserved, 2 for one that is enabled.
func inUse(b *ControlBlock) int {
	if v, _ := b.Attribute("RptEna"); v.Bool() {
		return 2
	}
	if v, _ := b.Attribute("Resv"); v.Bool() {
		return 1
	}
	if v, ok := b.Attribute("ResvTms"); ok {
		if n, _ := v.Int(); n != 0 {
			return 1
		}
	}
	return 0
}

// subscribe takes one control block, sets it up and enables it. What fails gives it free again.
func (c *Client) subscribe(ctx context.Context, b *ControlBlock, cfg SubscribeConfig) (_ *Subscription, err error) {
	if b.Err != nil {
		return nil, b.Err
	}
	if inUse(b) == 2 {
		return nil, acsi.Errorf(acsi.TemporarilyUnavailable, "%s is enabled by another client", b.Ref)
	}
	s := &Subscription{client: c, block: b.Ref, queue: make(chan *acsi.Report, cfg.Queue), over: make(chan struct{})}
	reserved := false
	defer func() {
		if err != nil && reserved {
			s.free(context.WithoutCancel(ctx))
		}
	}()
	if err := s.reserve(ctx, b); err != nil {
		return nil, err
	}
	reserved = true
	if err := s.configure(ctx, b, cfg); err != nil {
		return nil, err
	}
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	s.leave = c.listen(&listener{notice: s.take, ended: s.end})
	defer func() {
		if err != nil {
			s.leave()
		}
	}()
	if err := s.set(ctx, "RptEna", value.Bool(true)); err != nil {
		return nil, err
	}
	if cfg.Snapshot {
		if err := s.set(ctx, "GI", value.Bool(true)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// set writes one attribute of the control block.
func (s *Subscription) set(ctx context.Context, name string, v value.Value) error {
	ref, err := s.block.Child(name)
	if err != nil {
		return err
	}
	errs, err := s.client.Set(ctx, Assignment{Object: Object{Ref: ref}, Value: v})
	if err != nil {
		return err
	}
	if errs[0] != nil {
		return fmt.Errorf("%s: %w", ref, errs[0])
	}
	return nil
}

// reserve keeps others from the control block, where it can be reserved.
func (s *Subscription) reserve(ctx context.Context, b *ControlBlock) error {
	if _, ok := b.Attribute("Resv"); ok {
		return s.set(ctx, "Resv", value.Bool(true))
	}
	if v, ok := b.Attribute("ResvTms"); ok {
		if n, _ := v.Int(); n >= 0 { // below 0 the engineering has assigned it
			return s.set(ctx, "ResvTms", value.Int(reserveTime))
		}
	}
	return nil
}

// configure writes what is to be another than it is: writing alone can purge what a buffered control block has kept.
func (s *Subscription) configure(ctx context.Context, b *ControlBlock, cfg SubscribeConfig) error {
	now, _ := b.Attribute("OptFlds")
	fields, _ := acsi.OptFldsOf(now)
	wanted := fields | wantedFields
	if s.block.FC() == acsi.RP {
		wanted = fields | wantedFields&^(acsi.OptBufOvfl|acsi.OptEntryID)
	}
	type attribute struct {
		name string
		want bool
		v    value.Value
	}
	milliseconds := func(d time.Duration) value.Value { return value.Uint(uint64(d / time.Millisecond)) }
	for _, a := range []attribute{
		{"DatSet", !cfg.DataSet.IsZero(), value.Visible(cfg.DataSet.MMS())},
		{"OptFlds", true, wanted.Value()},
		{"TrgOps", cfg.TrgOps != 0, cfg.TrgOps.Value()},
		{"BufTm", cfg.BufTm > 0, milliseconds(cfg.BufTm)},
		{"IntgPd", cfg.IntgPd > 0, milliseconds(cfg.IntgPd)},
	} {
		if is, _ := b.Attribute(a.name); !a.want || is.Equal(a.v) {
			continue
		}
		err := s.set(ctx, a.name, a.v)
		if a.name == "OptFlds" && errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
			continue // they are fixed: a report says which it has
		}
		if err != nil {
			return err
		}
	}
	switch {
	case s.block.FC() != acsi.BR:
	case cfg.Resume != (acsi.EntryID{}):
		return s.set(ctx, "EntryID", value.Octets(cfg.Resume[:]))
	case cfg.Purge:
		return s.set(ctx, "PurgeBuf", value.Bool(true))
	}
	return nil
}

// learn reads by what the reports are known, and what they hold.
func (s *Subscription) learn(ctx context.Context) error {
	b, err := s.client.ControlBlock(ctx, s.block)
	if err != nil {
		return err
	}
	id, _ := b.Attribute("RptID")
	set, _ := b.Attribute("DatSet")
	rev, _ := b.Attribute("ConfRev")
	n, _ := rev.Uint()
	if s.rptID = id.Text(); s.rptID == "" {
		s.rptID = s.block.MMS()
	}
	s.confRev = uint32(n)
	return s.learnMembers(ctx, set.Text())
}

func (s *Subscription) learnMembers(ctx context.Context, dataSet string) error {
	ref, err := acsi.ParseDataSetRef(dataSet)
	if err != nil {
		return acsi.Errorf(acsi.ObjectUndefined, "%s reports no data set", s.block)
	}
	set, err := s.client.services.GetDataSetDirectory(ctx, ref)
	if err != nil {
		return err
	}
	s.dataSet, s.members, s.units = dataSet, make([]Object, len(set.Members)), make([]map[string]string, len(set.Members))
	for i, m := range set.Members {
		if s.members[i], err = s.client.one(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
	}
	readings, err := s.client.Read(ctx, set.Members...) // for the units: reports do not tell them
	if err != nil {
		return err
	}
	for i, r := range readings {
		s.units[i] = r.units
	}
	return nil
}

// Changes are the values of u, leaf by leaf.
func (u *Update) Changes() []Change {
	var changes []Change
	at := u.Report.Time
	if u.Report.OptFlds&acsi.OptTimeStamp == 0 {
		at = time.Now()
	}
	for i := range u.Values {
		v := &u.Values[i]
		if v.Err != nil {
			changes = append(changes, Change{Reading: v.Reading, At: at, Reason: v.Reason, Entry: u.Report.EntryID})
			continue
		}
		eachLeaf(leaf{v.Object, v.Value, v.Quality, v.Time}, func(l leaf) {
			changes = append(changes, Change{At: at, Reason: v.Reason, Entry: u.Report.EntryID,
				Reading: Reading{Object: l.Object, Value: l.value, Quality: l.quality, Time: l.time, units: v.units}})
		})
	}
	return changes
}

// IsReported reports whether ref names report control blocks or a data set, and not a data object or what holds some.
func (c *Client) IsReported(ctx context.Context, ref acsi.Ref) (bool, error) {
	if ref.Depth() != 3 {
		return false, nil
	}
	if found, err := c.find(ctx, ref.WithFC(0)); err == nil && !slices.ContainsFunc(found, func(n *acsi.Node) bool { return n.Kind == acsi.ControlBlockNode }) {
		return false, nil
	}
	_, err := c.reportControls(ctx, ref)
	if ownError(err) {
		return false, nil
	}
	return err == nil, err
}

// take keeps the reports of the control block for Updates.
func (s *Subscription) take(n acsi.Notice) {
	r, ok := n.(*acsi.Report)
	if !ok || r.RptID != s.rptID && r.RptID != s.block.MMS() {
		return
	}
	select {
	case s.queue <- r:
	default:
		s.mu.Lock()
		s.stats.Dropped++
		s.mu.Unlock()
	}
}

// end is called when no more reports can come.
func (s *Subscription) end(err error) {
	s.why = err
	close(s.over)
}

// Block is the control block that reports.
func (s *Subscription) Block() acsi.Ref { return s.block }

// DataSet is what is reported, as it travels.
func (s *Subscription) DataSet() string { return s.dataSet }

// Members is what the data set holds. It must not be changed.
func (s *Subscription) Members() []Object { return s.members }

// Stats counts what s has seen so far.
func (s *Subscription) Stats() SubscriptionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// LastEntry is the entry of the last update of a buffered control block: what another Subscription can resume from.
func (s *Subscription) LastEntry() acsi.EntryID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entry
}

// Updates gives the reports in their order, until ctx ends, which is no error, or the association does: that error is the last
// it gives.
func (s *Subscription) Updates(ctx context.Context) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		for {
			var r *acsi.Report
			select {
			case r = <-s.queue:
			default:
				select {
				case r = <-s.queue:
				case <-ctx.Done():
					return
				case <-s.over:
					if len(s.queue) > 0 {
						continue
					}
					yield(Update{}, s.why)
					return
				}
			}
			u, err := s.update(ctx, r)
			if !yield(u, err) || err != nil {
				return
			}
		}
	}
}

// update makes sense of a report.
func (s *Subscription) update(ctx context.Context, r *acsi.Report) (Update, error) {
	u := Update{Report: r, Overflow: r.OptFlds&acsi.OptBufOvfl != 0 && r.BufOvfl, Missed: s.gap(r)}
	if r.OptFlds&acsi.OptConfRev != 0 && r.ConfRev != s.confRev || r.SetSize != len(s.members) {
		if err := s.relearn(ctx, r); err != nil {
			return u, err
		}
		u.Reconfigure = true
	}
	u.Values = make([]UpdateValue, len(r.Included))
	for i, e := range r.Included {
		u.Values[i] = UpdateValue{s.reading(e), e.Reason}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Received++
	s.stats.Missed += u.Missed
	if u.Overflow {
		s.stats.Overflows++
	}
	if r.OptFlds&acsi.OptEntryID != 0 {
		s.entry = r.EntryID
	}
	return u, nil
}

// gap is how many reports are missing between the last one and r. Numbers begin anew after the largest: 255 of an unbuffered control
// block, 65,535 of a buffered one.
//
// IEC 61850-7-2, 17.2.2.2.7 and 17.2.3.3.2.2, SqNum.
func (s *Subscription) gap(r *acsi.Report) int {
	if r.OptFlds&acsi.OptSeqNum == 0 {
		return 0
	}
	last, begun := s.seq, s.begun
	s.seq, s.begun = r.SeqNum, true
	if !begun {
		return 0
	}
	missing := r.SeqNum - last - 1
	if s.block.FC() == acsi.RP {
		missing &= 0xff
	}
	return int(missing)
}

// relearn reads anew what the control block reports.
func (s *Subscription) relearn(ctx context.Context, r *acsi.Report) error {
	if err := s.learn(ctx); err != nil {
		return err
	}
	if r.SetSize != len(s.members) {
		return fmt.Errorf("%s: a report is of %d members, and %s has %d", s.block, r.SetSize, s.dataSet, len(s.members))
	}
	return nil
}

// reading makes a Reading of a member in a report.
func (s *Subscription) reading(e acsi.ReportEntry) Reading {
	o := s.members[e.Member]
	r := Reading{Object: o, Value: e.Value, units: s.units[e.Member]}
	if r.Err = s.client.conforms(o.Node, r.Value); r.Err == nil {
		r.Quality, r.Time = qualityAndTime(o.Node, r.Value)
	}
	return r
}

// Close ends the reports and gives the control block free.
func (s *Subscription) Close(ctx context.Context) error {
	s.leave()
	select {
	case <-s.over:
		return nil // the IED has given it free
	default:
	}
	return errors.Join(s.set(ctx, "RptEna", value.Bool(false)), s.free(ctx))
}

// free ends the reservation.
func (s *Subscription) free(ctx context.Context) error {
	if s.block.FC() == acsi.RP {
		return ignoreAbsent(s.set(ctx, "Resv", value.Bool(false)))
	}
	return ignoreAbsent(s.set(ctx, "ResvTms", value.Int(0)))
}

// ignoreAbsent forgets that a control block has no such attribute, or one that only the engineering writes.
func ignoreAbsent(err error) error {
	for _, code := range []acsi.Code{acsi.ObjectNonExistent, acsi.ObjectUndefined, acsi.ObjectAccessDenied} {
		if errors.Is(err, &acsi.Error{Code: code}) {
			return nil
		}
	}
	return err
}
