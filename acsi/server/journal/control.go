package journal

import (
	"time"

	"busbar.example/acsi"
)

// Control is a log control block: it collects what has changed of the members of its data set, until it is asked for
// the entry that this makes. While it is not enabled it collects nothing. It is used by one goroutine at a time. The zero
// Control is disabled, and has no member.
//
// IEC 61850-7-2, 17.3.2, LCB.
type Control struct {
	enabled bool
	trgOps  acsi.TrgOps
	intgPd  time.Duration
	reasons []acsi.Reason // why each member is to be entered; 0: it is not
	changed []int         // the members with a reason, in the order of their changes
	due     time.Time     // when all members are to be entered, or zero
}

// Change is a member of the data set that is to be entered.
type Change struct {
	Member int // from 0
	Reason acsi.Reason
}

// Enabled reports whether it logs.
func (c *Control) Enabled() bool { return c.enabled }

// Enable begins to log the members of a data set, when trgOps say, and all of them each intgPd, which 0 forbids.
func (c *Control) Enable(members int, trgOps acsi.TrgOps, intgPd time.Duration, now time.Time) {
	*c = Control{enabled: true, trgOps: trgOps, intgPd: intgPd, reasons: make([]acsi.Reason, members), changed: c.changed[:0]}
	if trgOps&acsi.TrgIntegrity != 0 && intgPd > 0 {
		c.due = now.Add(intgPd)
	}
}

// Disable ends it. What was collected and not asked for is not entered.
func (c *Control) Disable() { *c = Control{} }

// Mark tells that a member has changed in the way that one of the trigger conditions is about, and reports whether there is an
// entry to be asked for.
func (c *Control) Mark(member int, trigger acsi.TrgOps) bool {
	reason := acsi.Reason(trigger & c.trgOps & (acsi.TrgDataChange | acsi.TrgQualityChange | acsi.TrgDataUpdate)) // the bits are the same
	if !c.enabled || reason == 0 {
		return false
	}
	if c.reasons[member] == 0 {
		c.changed = append(c.changed, member)
	}
	c.reasons[member] |= reason
	return true
}

// Take appends what has changed since it was asked last to changes, in the order of the changes.
func (c *Control) Take(changes []Change) []Change {
	for _, member := range c.changed {
		changes = append(changes, Change{member, c.reasons[member]})
		c.reasons[member] = 0
	}
	c.changed = c.changed[:0]
	return changes
}

// Integrity reports whether all members are to be entered now, once for each period. A period that nobody asked for in time
// is left out.
func (c *Control) Integrity(now time.Time) bool {
	if c.due.IsZero() || now.Before(c.due) {
		return false
	}
	missed := now.Sub(c.due) / c.intgPd
	c.due = c.due.Add((missed + 1) * c.intgPd)
	return true
}

// Next is when Integrity is to be asked, or the zero time.
func (c *Control) Next() time.Time { return c.due }
