// Package schedule is what a schedule of an IED does in the course of time: when it is ready, when it runs, and which of its
// entries then holds. It has no clock: every input says what time it is.
package schedule

import (
	"time"
)

// State is that of a schedule. IEC 61850-7-4, SchdSt.
type State uint8

// The states.
const (
	NotReady          State = iota + 1 // it does nothing until it is enabled
	StartTimeRequired                  // it is enabled, and nothing will start it
	Ready                              // it waits for its time or event
	Running
)

// Fault says why a schedule cannot be enabled. IEC 61850-7-4, SchdEnaErr.
type Fault uint8

// The faults.
const (
	NoFault     Fault = 1
	NoEntries   Fault = 2 // NumEntr is not from 1 to the number of values that there are
	NoInterval  Fault = 3 // SchdIntv is not positive, or longer than MaxInterval
	NoStartTime Fault = 6 // neither a time to come nor an event will start it
)

// Start is a time at which a schedule starts: once, or again and again. The zero Start is none.
type Start struct {
	At       time.Time
	Calendar Calendar
}

// next is the first time of s that is not before from.
func (s Start) next(from time.Time) (time.Time, bool) {
	if !s.At.IsZero() && !s.At.Before(from) {
		return s.At, true
	}
	return s.Calendar.Next(from)
}

// Settings are those of a schedule, as they are now.
type Settings struct {
	Entries  int           // that are used
	Values   int           // that there are
	Interval time.Duration // for which an entry holds
	Starts   []Start
	Event    bool // an event may start it
	Reuse    bool // it stays enabled when it has run and nothing will start it again
}

// The bounds of a run, so that its end is a time.
const (
	MaxValues   = 1000
	MaxInterval = 31 * 24 * time.Hour
)

// fault is what keeps a schedule from being enabled at the time now.
func (s *Settings) fault(now time.Time) Fault {
	switch {
	case s.Entries < 1 || s.Entries > min(s.Values, MaxValues):
		return NoEntries
	case s.Interval <= 0 || s.Interval > MaxInterval:
		return NoInterval
	case !s.Event && s.next(now).IsZero():
		return NoStartTime
	}
	return NoFault
}

// next is the first start that is not before from; the zero time: there is none.
func (s *Settings) next(from time.Time) time.Time {
	var first time.Time
	for _, start := range s.Starts {
		if at, ok := start.next(from); ok && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// Machine is one schedule. The zero Machine is not ready.
type Machine struct {
	settings Settings
	enabled  bool
	running  bool
	fault    Fault
	started  time.Time
	entries  int           // of this run
	interval time.Duration // of this run
	next     time.Time     // start, from when it was enabled or has run
	now      time.Time     // of the last input
}

// Status is what can be seen of a schedule.
type Status struct {
	State   State
	Fault   Fault
	Entry   int       // that holds, from 1; 0 where it does not run
	Started time.Time // of the run; zero where it does not run
	Next    time.Time // start; zero: none is known
}

// Configure gives the schedule its settings. A run goes on with the interval and the number of entries that it began with.
func (m *Machine) Configure(now time.Time, s Settings) {
	if !m.now.IsZero() { // there are settings by which to go until now
		m.Tick(now)
	}
	m.settings = s
	if m.enabled && !m.running {
		m.wait(now)
	}
	m.Tick(now)
}

// wait is for the first start from that time on, unless the settings have become wrong.
func (m *Machine) wait(from time.Time) {
	m.next = m.settings.next(from)
	if f := m.settings.fault(from); f == NoEntries || f == NoInterval {
		m.enabled, m.fault = false, f
	}
}

// Check says what keeps the schedule from being enabled, which then is its fault.
func (m *Machine) Check(now time.Time) Fault {
	m.Tick(now)
	f := m.settings.fault(now)
	if !m.enabled {
		m.fault = f
	}
	return f
}

// Enable makes the schedule ready. It does not where the answer is a fault.
func (m *Machine) Enable(now time.Time) Fault {
	m.Tick(now)
	if m.running {
		return NoFault
	}
	if m.fault = m.settings.fault(now); m.fault != NoFault {
		m.enabled = false
		return m.fault
	}
	m.enabled, m.next = true, m.settings.next(now)
	m.Tick(now)
	return NoFault
}

// Disable ends the schedule at once.
func (m *Machine) Disable(now time.Time) {
	m.now = now
	m.enabled, m.running, m.fault = false, false, NoFault
}

// Trigger starts the schedule where an event may.
func (m *Machine) Trigger(now time.Time) {
	m.Tick(now)
	if m.enabled && !m.running && m.settings.Event {
		m.start(now)
	}
}

func (m *Machine) start(at time.Time) {
	m.running, m.started, m.entries, m.interval = true, at, m.settings.Entries, m.settings.Interval
}

// Tick lets time go on.
func (m *Machine) Tick(now time.Time) {
	m.now = now
	for {
		switch {
		case m.running && !now.Before(m.end()):
			m.stop()
		case m.enabled && !m.running && !m.next.IsZero() && !now.Before(m.next):
			m.start(m.next)
			if !now.Before(m.end()) { // all of it was missed
				m.running = false
				m.next = m.settings.next(now)
			}
		default:
			return
		}
	}
}

// stop is the end of a run.
func (m *Machine) stop() {
	m.running = false
	m.wait(m.end())
	if m.next.IsZero() && !m.settings.Reuse {
		m.enabled = false
	}
}

func (m *Machine) end() time.Time { return m.started.Add(time.Duration(m.entries) * m.interval) }

// Kept is what of the schedule outlives a restart.
type Kept struct {
	Enabled  bool
	Started  time.Time // of the run; zero where it does not run
	Entries  int       // of the run
	Interval time.Duration
}

// Keep is what is to be kept now.
func (m *Machine) Keep() Kept {
	k := Kept{Enabled: m.enabled}
	if m.running {
		k.Started, k.Entries, k.Interval = m.started, m.entries, m.interval
	}
	return k
}

// Restore gives a new schedule what was kept of it, before its settings. A run goes on where it should be by now.
func (m *Machine) Restore(k Kept) {
	m.enabled = k.Enabled
	if k.Enabled && !k.Started.IsZero() && k.Entries > 0 && k.Entries <= MaxValues && k.Interval > 0 && k.Interval <= MaxInterval {
		m.running, m.started, m.entries, m.interval = true, k.Started, k.Entries, k.Interval
	}
}

// Next is when Tick is due; the zero time: not before something else happens.
func (m *Machine) Next() time.Time {
	switch {
	case m.running:
		return m.started.Add(time.Duration(m.entry()) * m.interval)
	case m.enabled:
		return m.next
	}
	return time.Time{}
}

// entry is the one that holds, where the clock was not set back before the first.
func (m *Machine) entry() int {
	return max(1, min(m.entries, 1+int(m.now.Sub(m.started)/m.interval)))
}

// Status is what can be seen at the time of the last input.
func (m *Machine) Status() Status {
	s := Status{State: NotReady, Fault: max(m.fault, NoFault)}
	switch {
	case m.running:
		s.State, s.Entry, s.Started = Running, m.entry(), m.started
		s.Next = m.settings.next(m.end())
	case m.enabled && m.next.IsZero() && !m.settings.Event:
		s.State = StartTimeRequired
	case m.enabled:
		s.State, s.Next = Ready, m.next
	}
	return s
}

// Candidate is a schedule that runs, for Choose.
type Candidate struct {
	Priority int
	Started  time.Time
}

// Choose is the number of the schedule that holds among those that run: that of the highest priority, and of several the one that has
// started last. It is -1 where none runs.
//
// IEC 61850-90-10, 6.
func Choose(running []Candidate) int {
	chosen := -1
	for i, c := range running {
		if chosen < 0 || c.Priority > running[chosen].Priority ||
			c.Priority == running[chosen].Priority && c.Started.After(running[chosen].Started) {
			chosen = i
		}
	}
	return chosen
}
