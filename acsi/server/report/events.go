package report

import (
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// Change is one member of the data set that has changed.
type Change struct {
	Member int
	Value  value.Value
	Why    acsi.Reason
}

// Events takes in what has changed at one instant: each member at most once. Those that are not among Wants do not count. It
// keeps nothing of changes but the values.
//
// IEC 61850-7-2, 17.2.3.2.3: a member that changes for the second time ends the buffer time.
func (c *Control) Events(now time.Time, changes []Change) {
	wants := c.Wants()
	for _, ch := range changes {
		if ch.Why&wants != 0 && c.pending[ch.Member].why != 0 {
			c.flush(now)
			break
		}
	}
	for _, ch := range changes {
		if why := ch.Why & wants; why != 0 {
			c.pending[ch.Member] = pending{why: why, value: ch.Value}
			c.waiting++
		}
	}
	switch {
	case c.waiting == 0:
	case c.bufTm == 0:
		c.flush(now)
	case c.deadline.IsZero():
		c.deadline = now.Add(time.Duration(c.bufTm) * time.Millisecond)
	}
}

// flush makes a report of what is pending.
func (c *Control) flush(now time.Time) {
	c.deadline = time.Time{}
	if c.waiting == 0 {
		return
	}
	values := make([]Included, 0, c.waiting)
	for member := range c.pending {
		if p := &c.pending[member]; p.why != 0 {
			values = append(values, Included{Member: member, Value: p.value, Why: p.why})
			*p = pending{}
		}
	}
	c.waiting = 0
	c.enter(now, values, 0)
}

// whole makes a report of all members.
func (c *Control) whole(now time.Time, why acsi.Reason) {
	values := make([]Included, len(c.members))
	for member := range values {
		values[member] = Included{Member: member, Value: c.cfg.Value(member), Why: why}
	}
	c.enter(now, values, why)
}

// plan sets the time of the next integrity report anew.
func (c *Control) plan(now time.Time) {
	c.integral = time.Time{}
	if c.collects() && c.intgPd > 0 && c.trgOps&acsi.TrgIntegrity != 0 {
		c.integral = now.Add(c.period())
	}
}

func (c *Control) period() time.Duration {
	return max(minPeriod, time.Duration(c.intgPd)*time.Millisecond)
}

// Tick does what is due: the end of the buffer time before an integrity report of the same time, and the end of a reservation.
// It is true where there was something.
func (c *Control) Tick(now time.Time) bool {
	c.keepUp(now)
	done := false
	if !c.deadline.IsZero() && !now.Before(c.deadline) {
		c.flush(now)
		done = true
	}
	if !c.integral.IsZero() && !now.Before(c.integral) {
		c.flush(now)
		c.whole(now, acsi.ReasonIntegrity)
		if c.integral = c.integral.Add(c.period()); !now.Before(c.integral) {
			c.integral = now.Add(c.period()) // what was missed is not made up for
		}
		done = true
	}
	if !c.until.IsZero() && !now.Before(c.until) {
		c.becomeFree()
		done = true
	}
	return done
}

// keepUp sees to it that a clock that is set back keeps nothing waiting for longer than it should take.
func (c *Control) keepUp(now time.Time) {
	atMost := func(t *time.Time, d time.Duration) {
		if t.Sub(now) > d {
			*t = now.Add(d)
		}
	}
	atMost(&c.deadline, time.Duration(c.bufTm)*time.Millisecond)
	atMost(&c.integral, c.period())
	atMost(&c.until, time.Duration(c.resvTms)*time.Second)
}

// Next is when Tick is to be called; the zero time: not before something else happens.
func (c *Control) Next() time.Time {
	next := c.deadline
	for _, t := range []time.Time{c.integral, c.until} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}
