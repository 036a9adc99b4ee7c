package sunspec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// session is a connection to a device whose models are known. Run alone uses what changes.
type session struct {
	conn   *conn
	device *device
	blocks []*block
	reads  map[*reader]*readPlan
	places map[*Point]place // of all that is written
	polls  int              // that have succeeded
	err    error            // why the connection is of no use any more
}

// place is where a point is, or why it is nowhere.
type place struct {
	location
	err error
}

// readPlan is where a value is in the blocks.
type readPlan struct {
	place
	block      *block
	scaleBlock *block
}

// begin finds out what is where.
func (p *Process) begin(ctx context.Context, c *conn) (*session, error) {
	d, err := discover(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &session{conn: c, device: d, reads: map[*reader]*readPlan{}, places: map[*Point]place{}}
	measured := map[int]bool{}
	find := func(pt *Point) (place, error) {
		id := pt.model.id
		if f := d.models[id]; f != nil && !measured[id] {
			measured[id] = true
			if err := f.measure(ctx, c, pt.model); err != nil {
				return place{}, err
			}
		}
		l, err := d.locate(pt)
		return place{l, err}, nil
	}
	var spans []span
	for _, r := range p.readers {
		at, err := find(&r.point)
		if err != nil {
			return nil, err
		}
		s.reads[r] = &readPlan{place: at}
		p.tell(r.Line, r.Ref, r.point.String(), at.err)
		if at.err == nil {
			spans = append(spans, at.spans(r.point.model.id)...)
		}
	}
	for _, w := range p.writers {
		for _, pt := range w.points() {
			at, err := find(pt)
			if err != nil {
				return nil, err
			}
			s.places[pt] = at
			p.tell(w.Line, w.Ref, pt.String(), at.err)
		}
	}
	s.arrange(spans)
	return s, nil
}

// tell says what the device lacks, once.
func (p *Process) tell(line int, ref, point string, err error) {
	if err == nil {
		return
	}
	e := &MappingError{Line: line, Ref: ref, Point: point, Err: err}
	if text := e.Error(); !p.told[text] {
		p.told[text] = true
		p.cfg.Logger.Warn("the SunSpec device does not fit the mapping: the value stays invalid, the command is refused", "err", e,
			"hint", "map a point that the device has, or leave the entry out")
	}
}

// spans are the registers of a point.
func (l *location) spans(model int) []span {
	list := []span{{model, int(l.address), int(l.address) + l.size}}
	if l.scaled {
		list = append(list, span{model, int(l.scale), int(l.scale) + 1})
	}
	return list
}

// arrange plans the reading. Where there is nothing to read it is the marker, to know that the device is there.
func (s *session) arrange(spans []span) {
	if len(spans) == 0 {
		spans = []span{{0, s.device.base, s.device.base + len(marker)}}
	}
	s.blocks = plan(spans)
	for _, r := range s.reads {
		if r.err != nil {
			continue
		}
		r.block = holding(s.blocks, r.address, r.size)
		if !r.scaled {
			continue
		}
		if r.scaleBlock = holding(s.blocks, r.scale, 1); r.scaleBlock != r.block {
			r.scaleBlock.apart = append(r.scaleBlock.apart, int(r.scale)-r.scaleBlock.address)
		}
	}
}

// poll reads all values and shows them. Its error says that the connection is of no use any more.
func (p *Process) poll(ctx context.Context, s *session) error {
	for range 2 { // the second time where a scale factor has changed meanwhile
		if err := s.readAll(ctx); err != nil {
			return err
		}
		if steady, err := s.steady(ctx); err != nil {
			return err
		} else if steady {
			break
		}
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.engine.Update(func(tx *server.Tx) {
		for _, r := range p.readers {
			plan := s.reads[r]
			if plan.err != nil || plan.block.err != nil || plan.scaled && plan.scaleBlock.err != nil {
				continue // it grows old
			}
			v, q := r.read(plan)
			r.good = now
			p.set(tx, r, v, q)
		}
	})
	s.polls++
	return nil
}

// read is what the blocks have for r.
func (r *reader) read(plan *readPlan) (value.Value, acsi.Quality) {
	var factor uint16
	if plan.scaled {
		factor = plan.scaleBlock.registers(plan.scale, 1)[0]
	}
	got, err := r.point.point.decode(plan.block.registers(plan.address, plan.size), plan.scaled, factor)
	switch {
	case errors.Is(err, errNoScale):
		return value.Value{}, acsi.QualityInvalid | acsi.QualityInconsistent
	case err != nil:
		return value.Value{}, acsi.QualityInvalid
	}
	return r.value(got)
}

// readAll reads the blocks. A device that refuses all of them is not there: so answers a gateway that does not reach it.
func (s *session) readAll(ctx context.Context) error {
	var refused error
	answered := false
	for _, b := range s.blocks {
		b.err = s.conn.read(ctx, uint16(b.address), b.regs)
		if !usable(b.err) {
			return b.err
		}
		if answered = answered || b.err == nil; b.err != nil {
			refused = b.err
		}
	}
	if !answered {
		return refused
	}
	return nil
}

// steady reads the scale factors again that are read apart from their values, and reports whether they are the same.
func (s *session) steady(ctx context.Context) (bool, error) {
	for _, b := range s.blocks {
		if len(b.apart) == 0 || b.err != nil {
			continue
		}
		before := slices.Clone(b.regs)
		if b.err = s.conn.read(ctx, uint16(b.address), b.regs); !usable(b.err) {
			return false, b.err
		}
		for _, at := range b.apart {
			if before[at] != b.regs[at] {
				return false, nil
			}
		}
	}
	return true, nil
}

// set gives the attribute of r a value; an invalid one is the value that it has. p.mu is held.
func (p *Process) set(tx *server.Tx, r *reader, v value.Value, q acsi.Quality) {
	if p.unwritten(r.handle.Ref()) {
		return
	}
	held := tx.Value(r.handle)
	if !v.IsValid() {
		v = held
	}
	var err error
	switch fc := r.handle.Ref().FC(); {
	case fc == acsi.ST || fc == acsi.MX:
		err = tx.SetStamped(r.handle, v, q, tx.Now())
	case !v.Equal(held):
		err = tx.Set(r.handle, v)
	}
	if err != nil { // the model is another than when it was bound
		p.cfg.Logger.Error("value cannot be set", "ref", r.Ref, "err", err)
	}
	r.shown = q
}

// show gives all values that are meant a quality, and leaves them what they are.
func (p *Process) show(q acsi.Quality, meant func(*reader) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.engine.Update(func(tx *server.Tx) {
		for _, r := range p.readers {
			if meant(r) && r.shown != q {
				p.set(tx, r, value.Value{}, q)
			}
		}
	})
}

// age makes values old that the device did not give lately: questionable at first, invalid when it is gone.
func (p *Process) age(now time.Time) {
	const old, invalid = acsi.QualityQuestionable | acsi.QualityOldData, acsi.QualityInvalid | acsi.QualityOldData
	s := p.session.Load()
	current := func(r *reader) bool {
		if s == nil {
			return false
		}
		plan := s.reads[r]
		return plan.err == nil && plan.block.err == nil && !(plan.scaled && plan.scaleBlock.err != nil)
	}
	p.show(invalid, func(r *reader) bool { return !current(r) && p.gone(r, now) })
	p.show(old, func(r *reader) bool { return !current(r) && !p.gone(r, now) && r.shown&acsi.QualityInvalid == 0 })
}

func (p *Process) gone(r *reader, now time.Time) bool {
	return r.good.IsZero() || now.Sub(r.good) >= p.cfg.Mapping.Gone
}

// untilGone is the time until the next value has not come for so long that it is invalid.
func (p *Process) untilGone(now time.Time) time.Duration {
	next := 24 * time.Hour
	for _, r := range p.readers {
		if !p.gone(r, now) {
			next = min(next, r.good.Add(p.cfg.Mapping.Gone).Sub(now))
		}
	}
	return max(next, 0)
}

// unwritten reports whether a client has written what the device does not have yet. p.mu is held.
func (p *Process) unwritten(ref acsi.Ref) bool {
	for w := range p.pending {
		if w.ref == ref {
			return true
		}
	}
	return false
}

func errTwice(line int) error {
	return fmt.Errorf("line %d has it, too", line)
}
