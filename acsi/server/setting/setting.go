// Package setting is the setting group control block of one logical device as a pure machine: which group is active,
// who edits which, and what each group holds.
package setting

import (
	"fmt"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// MaxGroups is how many setting groups a logical device has at most: their numbers are of eight bits.
const MaxGroups = 255

// DefaultReserve is how long the editing of a group is reserved where the engineering does not say.
const DefaultReserve = 60 * time.Second

// Config is what a Control is made of.
type Config struct {
	Groups  [][]value.Value // what each group holds: all as many values, in one order
	Active  int             // from 1
	Since   acsi.Timestamp  // when Active was activated
	Reserve time.Duration   // at least a second, at most 65,535; 0: DefaultReserve
}

// Control is a setting group control block. It is in one of two states:
//
//	         SelectEditSG(n)
//	idle ───────────────────────► editing n, for one client
//	  ▲                             │  SelectEditSG(m): m from its values, and what was edited is lost
//	  │   ConfirmEditSGValues       │  SetEditSGValue: the reservation begins anew
//	  ├─────────────────────────────┤
//	  │   SelectEditSG(0), the      │
//	  └── client is gone, or the ◄──┘
//	      reservation runs out: what was edited is lost
//
// Which group is active is apart from that. A client is what the caller compares with ==, and never nil. The errors of
// its methods are *acsi.Error. It is used by one goroutine at a time, and does not change the values that it is given.
//
// IEC 61850-7-2, 16.
type Control struct {
	groups  [][]value.Value
	active  int
	since   acsi.Timestamp
	reserve time.Duration

	editor  any // who edits, or nil
	editing int // the group that is edited, or 0
	edited  []value.Value
	until   time.Time
}

// New makes a Control in which nobody edits.
func New(cfg Config) (*Control, error) {
	if cfg.Reserve == 0 {
		cfg.Reserve = DefaultReserve
	}
	n := len(cfg.Groups)
	switch {
	case n == 0 || n > MaxGroups:
		return nil, fmt.Errorf("acsi/server/setting: %d setting groups: there may be 1 to %d", n, MaxGroups)
	case cfg.Active < 1 || cfg.Active > n:
		return nil, fmt.Errorf("acsi/server/setting: group %d of %d cannot be active", cfg.Active, n)
	case cfg.Reserve < time.Second || cfg.Reserve > 65535*time.Second:
		return nil, fmt.Errorf("acsi/server/setting: a reservation of %v: it may be 1 to 65,535 seconds", cfg.Reserve)
	}
	c := &Control{active: cfg.Active, since: cfg.Since, reserve: cfg.Reserve}
	for i, g := range cfg.Groups {
		if len(g) != len(cfg.Groups[0]) {
			return nil, fmt.Errorf("acsi/server/setting: group %d holds %d values, group 1 %d", i+1, len(g), len(cfg.Groups[0]))
		}
		c.groups = append(c.groups, slices.Clone(g))
	}
	return c, nil
}

// Groups is how many setting groups there are.
func (c *Control) Groups() int { return len(c.groups) }

// Active is the group that is active, and since when.
func (c *Control) Active() (group int, since acsi.Timestamp) { return c.active, c.since }

// Editing is the group that is edited, or 0.
func (c *Control) Editing() int { return c.editing }

// Reserved is how many seconds are left for editing, a part of one counted as a whole; 0 where nobody edits.
func (c *Control) Reserved(now time.Time) int {
	if c.editor == nil {
		return 0
	}
	return int((max(0, c.until.Sub(now)) + time.Second - 1) / time.Second)
}

// Values is what group holds, confirmed. It must not be changed.
func (c *Control) Values(group int) []value.Value { return c.groups[group-1] }

// Edited is what the group that is edited would hold, or where none is what the active group holds. It must not be changed.
func (c *Control) Edited() []value.Value {
	if c.editor == nil {
		return c.groups[c.active-1]
	}
	return c.edited
}

// Activate makes group the active one. What somebody edits meanwhile stays as it is.
//
// IEC 61850-7-2, 16.3.2, SelectActiveSG.
func (c *Control) Activate(group int, now acsi.Timestamp) error {
	if group < 1 || group > len(c.groups) {
		return outside(group, len(c.groups))
	}
	c.active, c.since = group, now
	return nil
}

func outside(group, groups int) error {
	return acsi.Errorf(acsi.ObjectValueInvalid, "there is no setting group %d: use 1 to %d", group, groups)
}

// Edit begins to edit group, from what it holds, or with 0 gives up.
//
// IEC 61850-7-2, 16.3.3, SelectEditSG.
func (c *Control) Edit(client any, group int, now time.Time) error {
	c.Tick(now)
	if group < 0 || group > len(c.groups) {
		return outside(group, len(c.groups))
	}
	if c.editor != nil && c.editor != client {
		return acsi.Errorf(acsi.TemporarilyUnavailable, "another client edits setting group %d, for %d more seconds at most", c.editing, c.Reserved(now))
	}
	if group == 0 {
		c.becomeIdle()
		return nil
	}
	c.becomeEditing(client, group, now)
	return nil
}

// CanRead says why client may not see Edited now, or nil: what another has not confirmed is nobody else's.
func (c *Control) CanRead(client any, now time.Time) error {
	c.Tick(now)
	if c.editor != nil && c.editor != client {
		return acsi.Errorf(acsi.TemporarilyUnavailable, "another client edits setting group %d, for %d more seconds at most: what it has not confirmed is not to be seen", c.editing, c.Reserved(now))
	}
	return nil
}

// CanSet says why client may not edit values now, or nil.
func (c *Control) CanSet(client any, now time.Time) error {
	c.Tick(now)
	switch {
	case c.editor == nil:
		return acsi.Errorf(acsi.TemporarilyUnavailable, "no setting group is being edited: write its number to EditSG first")
	case c.editor != client:
		return acsi.Errorf(acsi.TemporarilyUnavailable, "another client edits setting group %d", c.editing)
	}
	return nil
}

// Set gives the values from place first on, in the group that client edits, others. They were checked.
//
// IEC 61850-7-2, 16.3.4, SetEditSGValue.
func (c *Control) Set(client any, first int, values []value.Value, now time.Time) error {
	if err := c.CanSet(client, now); err != nil {
		return err
	}
	copy(c.edited[first:], values)
	c.until = now.Add(c.reserve)
	return nil
}

// Confirm makes what client has edited what that group holds, and ends the editing. It gives the number of the group.
//
// IEC 61850-7-2, 16.3.5, ConfirmEditSGValues.
func (c *Control) Confirm(client any, now time.Time) (group int, err error) {
	if err := c.CanSet(client, now); err != nil {
		return 0, err
	}
	group = c.editing
	c.groups[group-1] = c.edited
	c.becomeIdle()
	return group, nil
}

// Put gives the value at place at, in a group, another: the process has changed it, or it was kept of an earlier run.
func (c *Control) Put(group, at int, v value.Value) { c.groups[group-1][at] = v }

// Gone tells that client's association has ended. It reports whether client was editing.
func (c *Control) Gone(client any) bool {
	if c.editor == nil || c.editor != client {
		return false
	}
	c.becomeIdle()
	return true
}

// Tick tells the time. It reports whether a reservation has run out.
func (c *Control) Tick(now time.Time) bool {
	if c.editor == nil || now.Before(c.until) {
		return false
	}
	c.becomeIdle()
	return true
}

// Next is when Reserved is another, or the zero time where nobody edits.
func (c *Control) Next(now time.Time) time.Time {
	if c.editor == nil {
		return time.Time{}
	}
	return c.until.Add(-time.Duration(max(0, c.Reserved(now)-1)) * time.Second)
}

func (c *Control) becomeIdle() {
	c.editor, c.editing, c.edited, c.until = nil, 0, nil, time.Time{}
}

func (c *Control) becomeEditing(client any, group int, now time.Time) {
	c.editor, c.editing, c.until = client, group, now.Add(c.reserve)
	c.edited = slices.Clone(c.groups[group-1])
}
