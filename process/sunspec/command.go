package sunspec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// job is a command that waits for the device, or is being carried out.
type job struct {
	ctx    context.Context // ends when nobody waits any more
	writer *writer
	number float64
	cause  chan acsi.AddCause
}

// end answers the job, if there is one.
func (j *job) end(cause acsi.AddCause) {
	if j != nil {
		j.cause <- cause
	}
}

// Control decides on a command and carries it out; it is a server.ControlHandler. A control object that is not mapped is not
// supported; a value that the mapping or the point does not take is inconsistent; while the device is not there commands are
// blocked by the process.
func (p *Process) Control(ctx context.Context, c server.Command) acsi.AddCause {
	w := p.controls[c.Ref]
	if w == nil {
		return acsi.NotSupported
	}
	if c.Phase == server.Deselected {
		return acsi.Done
	}
	var f float64
	if c.Value.IsValid() {
		var err error
		if f, err = w.number(c.Value); err != nil {
			return acsi.InconsistentParameters
		}
	}
	s := p.session.Load()
	if s == nil {
		return acsi.BlockedByProcess
	}
	if slices.ContainsFunc(w.points(), func(pt *Point) bool { return s.places[pt].err != nil }) {
		return acsi.NotSupported
	}
	if c.Phase != server.Executing {
		return acsi.Done
	}
	j := &job{ctx: ctx, writer: w, number: f, cause: make(chan acsi.AddCause, 1)}
	select {
	case p.jobs <- j:
	default:
		return acsi.BlockedByProcess
	}
	select {
	case cause := <-j.cause:
		return cause
	case <-ctx.Done():
		return acsi.TimeLimitOver
	}
}

// carryOut writes what a command wants, and shows what has come of it. Its error says that the connection is of no use any more; with
// errClosedIdle the job has not been ended.
func (p *Process) carryOut(ctx context.Context, s *session, j *job) error {
	if j.ctx.Err() != nil {
		j.end(acsi.TimeLimitOver)
		return nil
	}
	err := p.put(ctx, j.ctx, s, j.writer, j.number)
	if errors.Is(err, errClosedIdle) {
		return err
	}
	if err != nil {
		p.cfg.Logger.Warn("command fails", "ref", j.writer.ref, "point", j.writer.point, "value", j.number, "err", err)
	}
	if s.err == nil {
		s.err = p.poll(ctx, s) // what the client reads next is what has come of its command
	}
	j.end(causeOf(err))
	return s.err
}

// errDeviates says that a point does not become what was written to it.
var errDeviates = errors.New("the point does not become what was written to it")

// causeOf is what a client is told of an error.
func causeOf(err error) acsi.AddCause {
	_, outside := errors.AsType[*RangeError](err)
	refused, refuses := errors.AsType[*ExceptionError](err)
	switch {
	case err == nil:
		return acsi.Done
	case outside, errors.Is(err, errOutside):
		return acsi.InconsistentParameters
	case errors.Is(err, errDeviates):
		return acsi.AbortionDueToDeviation
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return acsi.TimeLimitOver
	case errors.Is(err, errNoScale):
		return acsi.BlockedByProcess
	case refuses:
		switch refused.Code {
		case illegalValue:
			return acsi.InconsistentParameters
		case illegalFunction, illegalAddress:
			return acsi.NotSupported
		}
		return acsi.BlockedByProcess
	}
	return acsi.AbortionByCommunicationLoss
}

// put writes f, and what goes with it, in the order of the mapping. Between two requests it looks whether somebody still waits.
// Where the connection is of no use any more s.err says why.
func (p *Process) put(ctx, waiting context.Context, s *session, w *writer, f float64) error {
	type step struct {
		point  *Point
		number float64
	}
	var steps []step
	for i := range w.with {
		steps = append(steps, step{&w.with[i], w.With[i].Value})
	}
	steps = append(steps, step{&w.point, f})
	if w.enable != nil {
		steps = append(steps, step{w.enable, 1})
	}
	// All is encoded before the first is written: what does not fit changes nothing.
	encoded := make([][]uint16, len(steps))
	for i, st := range steps {
		regs, err := s.encode(ctx, st.point, st.number)
		if err != nil {
			return s.note(fmt.Errorf("%s: %w", st.point, err))
		}
		encoded[i] = regs
	}
	for i, st := range steps {
		if waiting.Err() != nil {
			return waiting.Err()
		}
		if err := s.conn.write(ctx, s.places[st.point].address, encoded[i]); err != nil {
			return s.note(fmt.Errorf("%s: %w", st.point, err))
		}
	}
	if w.Verify > 0 {
		return s.verify(ctx, waiting, &w.point, encoded[len(w.with)], w.Verify)
	}
	return nil
}

// note remembers an error that ends the use of the connection.
func (s *session) note(err error) error {
	_, outside := errors.AsType[*RangeError](err)
	if !usable(err) && !outside && !errors.Is(err, errNoScale) {
		s.err = err
	}
	return err
}

// encode gives the registers for f, by the scale factor that the device has now.
func (s *session) encode(ctx context.Context, pt *Point, f float64) ([]uint16, error) {
	at := s.places[pt]
	if at.err != nil {
		return nil, at.err
	}
	var factor [1]uint16
	if at.scaled {
		if err := s.conn.read(ctx, at.scale, factor[:]); err != nil {
			return nil, err
		}
	}
	return pt.point.encode(f, at.scaled, factor[0])
}

// verifyPause is the time from one reading back to the next.
const verifyPause = 200 * time.Millisecond

// verify reads a point until it is as it was written.
func (s *session) verify(ctx, waiting context.Context, pt *Point, want []uint16, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	got := make([]uint16, len(want))
	for {
		if err := s.conn.read(ctx, s.places[pt].address, got); err != nil {
			return s.note(fmt.Errorf("%s: %w", pt, err))
		}
		if slices.Equal(got, want) {
			return nil
		}
		if left := time.Until(deadline); left <= 0 {
			return fmt.Errorf("%s: %w: it has %04x, not %04x", pt, errDeviates, got, want)
		}
		select {
		case <-ctx.Done():
			return s.note(ctx.Err())
		case <-waiting.Done():
			return waiting.Err()
		case <-time.After(verifyPause):
		}
	}
}

// written hears of what clients write, and has the settings among it brought to the device.
func (p *Process) written(ref acsi.Ref, v value.Value) {
	h, err := p.engine.Handle(ref)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.settings {
		if part, ok := partOf(ref, h.Node(), v, w.ref); ok {
			p.pending[w] = part
		}
	}
	if len(p.pending) > 0 {
		p.prod()
	}
}

// prod has the settings written that wait for it.
func (p *Process) prod() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// dropSettings gives up what clients have written: once the device is there again, it has what it had.
func (p *Process) dropSettings(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.pending {
		p.cfg.Logger.Warn("setting is not written", "ref", w.ref, "point", w.point, "err", why)
	}
	clear(p.pending)
}

// partOf is what v, which was written to ref, has for the leaf want.
func partOf(ref acsi.Ref, n *acsi.Node, v value.Value, want acsi.Ref) (value.Value, bool) {
	if ref == want {
		return v, true
	}
	if ref.FC() != want.FC() || !strings.HasPrefix(want.Path(), ref.Path()) {
		return value.Value{}, false
	}
	for i := range v.Len() {
		var part acsi.Node
		var below acsi.Ref
		var err error
		switch {
		case n.Count > 0:
			part = *n
			part.Count = 0
			below, err = ref.Element(i)
		case i < len(n.Children):
			part = *n.Children[i]
			below, err = ref.Child(part.Name)
		default:
			return value.Value{}, false
		}
		if err != nil {
			continue
		}
		if found, ok := partOf(below, &part, v.At(i), want); ok {
			return found, true
		}
	}
	return value.Value{}, false
}

// writeSettings brings to the device what clients have written, and then shows what the device has.
func (p *Process) writeSettings(ctx context.Context, s *session) error {
	for _, w := range p.settings {
		p.mu.Lock()
		v, ok := p.pending[w]
		p.mu.Unlock()
		if !ok {
			continue
		}
		f, err := w.number(v)
		if err == nil {
			err = p.put(ctx, ctx, s, w, f)
		}
		if errors.Is(err, errClosedIdle) {
			p.prod() // on the next connection
			return err
		}
		p.mu.Lock()
		if now, ok := p.pending[w]; ok && now.Equal(v) {
			delete(p.pending, w)
		}
		p.mu.Unlock()
		if err != nil {
			p.cfg.Logger.Warn("setting is not written: the device keeps what it has", "ref", w.ref, "point", w.point, "value", v, "err", err)
		}
		if s.err != nil {
			return s.err
		}
	}
	return p.poll(ctx, s)
}
