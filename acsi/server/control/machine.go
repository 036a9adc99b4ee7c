package control

import (
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
)

// state is what a control object is doing.
//
//	ready ──Select──▶ selecting ──yes──▶ selected ──Operate──▶ deciding ──yes──▶ executing ──done──▶ pulsing
//	  │ ▲                 │no               │ │ ▲                │ ▲ │yes, later       │done             │
//	  │ └─────────────────┴──Cancel, time───┘ │ └── many ────────┤ │ ▼                 │                 │
//	  │                                       │                  │ └armed              │                 │
//	  └──Operate (direct)─────────────────────┴──▶ deciding      └──no, cancelled──▶ ready ◀──────────────┘
//
// In selecting and deciding the application is asked, in executing it is at work; in armed a command waits for its time, and
// in pulsing the output has not come to rest. In all five, who else wants something is refused.
//
// IEC 61850-7-2, 20.2: the state machines of the control models.
type state uint8

const (
	ready state = iota
	selecting
	selected
	deciding
	armed
	executing
	pulsing
)

var stateNames = [...]string{"ready", "selecting", "selected", "deciding", "armed", "executing", "pulsing"}

// String is the state in a word.
func (s state) String() string { return stateNames[s] }

// Machine is one control object. Its methods must not be called concurrently. Inputs return what the shell is to do,
// in order; each first catches up with what was due by now.
type Machine struct {
	conditions func(*Request) Conditions
	settings   Settings

	state    state
	owner    Client // who has selected or commands; 0: has gone
	ticket   uint64 // of the last question
	request  Request
	valued   bool // in selected: request is what the operate must repeat
	held     bool // the object was selected when the command came
	timed    bool // the command was for a later time, and has been accepted
	blocked  bool // nothing reaches the process
	deadline time.Time
	began    time.Time // when the output began its pulses; zero: it has none, or they are over
	edge     time.Time // of the pulses, the next
	status   Status
}

// New makes a machine that is ready. conditions tells what a command is judged by when it comes, and again when its time has come;
// with nil, what a selection without a command is judged by.
func New(s Settings, conditions func(*Request) Conditions) *Machine {
	return &Machine{settings: s.withDefaults(), conditions: conditions}
}

func (s Settings) withDefaults() Settings {
	if s.SBOTimeout <= 0 {
		s.SBOTimeout = defaultSBOTimeout
	}
	if s.OperTimeout <= 0 {
		s.OperTimeout = defaultOperTimeout
	}
	if s.Pulse.Count == 0 || s.Pulse.On <= 0 {
		s.Pulse = Pulse{}
	}
	return s
}

// Configure gives the settings that hold from now on. It reports false, and changes nothing, while the object is selected or
// a command is under way.
func (m *Machine) Configure(s Settings) bool {
	if m.state != ready {
		return false
	}
	m.settings = s.withDefaults()
	return true
}

// Idle reports whether the object is neither selected nor a command under way.
func (m *Machine) Idle() bool { return m.state == ready }

// Status is what the object shows.
func (m *Machine) Status() Status { return m.status }

// Next is when Tick is due, or the zero time.
func (m *Machine) Next() time.Time {
	next := m.deadline
	if !m.began.IsZero() && (next.IsZero() || m.edge.Before(next)) {
		next = m.edge
	}
	return next
}

// Tick does what is due by now.
func (m *Machine) Tick(now time.Time) []Output {
	m.pulse(now)
	if m.deadline.IsZero() || now.Before(m.deadline) {
		if m.state == pulsing && m.began.IsZero() {
			return m.rest(now)
		}
		return nil
	}
	switch m.state {
	case selected:
		return m.becomeReady(now)
	case armed:
		if cause := m.conditions(&m.request).judge(&m.request); cause != acsi.Done {
			return m.end(now, cause, true)
		}
		m.timed = true
		return m.becomeDeciding(now, Operating)
	case executing:
		stop := Stop{m.ticket}
		return append([]Output{stop}, m.end(now, acsi.TimeLimitOver, false)...)
	}
	return nil
}

// Select selects without a value. IEC 61850-7-2, 20.5.2.2.
func (m *Machine) Select(now time.Time, c Client, by rbac.Subject) []Output {
	return m.selects(now, c, SBONormal, Request{Subject: by}, false)
}

// SelectWithValue selects for the command r. IEC 61850-7-2, 20.5.2.3.
func (m *Machine) SelectWithValue(now time.Time, c Client, r Request) []Output {
	return m.selects(now, c, SBOEnhanced, r, true)
}

func (m *Machine) selects(now time.Time, c Client, model Model, r Request, valued bool) []Output {
	out := m.Tick(now)
	cause := acsi.Done
	switch {
	case m.settings.Model != model:
		cause = acsi.NotSupported
	case m.state == selecting || m.state == selected:
		cause = acsi.ObjectAlreadySelected
	case m.state != ready:
		cause = acsi.CommandAlreadyInExecution
	case !valued:
		cause = m.conditions(nil).selectable()
	case !r.OperTm.IsZero() && !r.OperTm.After(now):
		cause = acsi.TimeLimitOver
	default:
		cause = m.conditions(&r).judge(&r)
	}
	if cause != acsi.Done {
		return append(out, Reply{Cause: cause})
	}
	m.owner, m.request, m.valued = c, r, valued
	m.state = selecting
	return append(out, m.ask(now, Selecting))
}

// Operate begins a command, or, where r has a time, keeps it for then. IEC 61850-7-2, 20.5.2.5 and 20.5.2.6.
func (m *Machine) Operate(now time.Time, c Client, r Request) []Output {
	out := m.Tick(now)
	if cause := m.operable(c, &r); cause != acsi.Done {
		return append(out, Reply{Cause: cause})
	}
	cause := m.consistent(now, &r)
	if cause == acsi.Done {
		cause = m.conditions(&r).judge(&r)
	}
	m.held = m.state == selected
	if cause != acsi.Done {
		out = append(out, Reply{Cause: cause})
		if m.held && !m.settings.Many {
			out = append(out, m.becomeReady(now)...)
		}
		return out
	}
	m.owner, m.request, m.timed = c, r, false
	if r.OperTm.IsZero() {
		return append(out, m.becomeDeciding(now, Operating)...)
	}
	return append(out, m.becomeDeciding(now, Arming)...)
}

// operable is why c may not operate now at all. A refusal for this reason leaves the object as it is.
func (m *Machine) operable(c Client, r *Request) acsi.AddCause {
	switch {
	case m.settings.Model == StatusOnly:
		return acsi.NotSupported
	case m.state == selected && m.owner != c:
		return acsi.LockedByOtherClient
	case m.state == selected:
		return acsi.Done
	case m.state == selecting:
		return acsi.ObjectNotSelected
	case m.state != ready:
		return acsi.CommandAlreadyInExecution
	case m.settings.Model.Selects():
		return acsi.ObjectNotSelected
	}
	return acsi.Done
}

// consistent judges r against the selection and the time.
func (m *Machine) consistent(now time.Time, r *Request) acsi.AddCause {
	if m.state == selected && m.valued && !m.request.repeatedBy(r) {
		return acsi.InconsistentParameters
	}
	if !r.OperTm.IsZero() && !r.OperTm.After(now) {
		return acsi.TimeLimitOver
	}
	return acsi.Done
}

// repeatedBy reports whether the operate r is for what s was selected for. Time goes on between them: T may be later, but not earlier.
//
// IEC 61850-7-2, 20.2.3.3.
func (s *Request) repeatedBy(r *Request) bool {
	return s.namedBy(r) && s.Synchro == r.Synchro && s.Interlock == r.Interlock && (r.T.IsZero() || !r.T.Before(s.T))
}

// namedBy reports whether r, of a Cancel, means the command s.
func (s *Request) namedBy(r *Request) bool {
	return s.Value.Equal(r.Value) && s.Origin == r.Origin && s.CtlNum == r.CtlNum && s.Test == r.Test && s.OperTm.Equal(r.OperTm)
}

// Cancel takes back a selection or a command whose time has not come. IEC 61850-7-2, 20.5.2.4.
func (m *Machine) Cancel(now time.Time, c Client, r Request) []Output {
	out := m.Tick(now)
	if r.NoOperTm {
		r.OperTm = m.request.OperTm // there is one command at most: the rest names it
	}
	cause := acsi.Done
	switch {
	case m.settings.Model == StatusOnly:
		cause = acsi.NotSupported
	case m.state == ready:
		cause = acsi.ObjectNotSelected
	case m.state != selected && m.state != armed:
		cause = acsi.CommandAlreadyInExecution
	case m.owner != c && m.owner != 0:
		cause = acsi.LockedByOtherClient
	case (m.state == armed || m.valued) && !m.request.namedBy(&r):
		cause = acsi.InconsistentParameters
	}
	out = append(out, Reply{Cause: cause})
	if cause != acsi.Done {
		return out
	}
	if m.state == armed {
		out = append(out, m.terminate(acsi.AbortionByCancel, false)...)
	}
	return append(out, m.becomeReady(now)...)
}

// Answer is what the application says to the question of that ticket. One that nobody waits for does nothing.
func (m *Machine) Answer(now time.Time, ticket uint64, cause acsi.AddCause) []Output {
	if ticket != m.ticket {
		return m.Tick(now)
	}
	switch m.state {
	case selecting:
		return m.answerSelecting(now, cause)
	case deciding:
		return m.answerDeciding(now, cause)
	case executing:
		if out := m.Tick(now); out != nil {
			return out // too late
		}
		return m.end(now, cause, false)
	}
	return m.Tick(now)
}

func (m *Machine) answerSelecting(now time.Time, cause acsi.AddCause) []Output {
	if cause != acsi.Done {
		return append([]Output{Reply{Cause: cause, Tested: true}}, m.becomeReady(now)...)
	}
	if m.owner == 0 { // its client has gone meanwhile
		m.becomeSelected(now)
		return append([]Output{Reply{Cause: acsi.AbortionByCommunicationLoss}}, m.becomeReady(now)...)
	}
	m.becomeSelected(now)
	return []Output{Reply{Cause: acsi.Done}}
}

func (m *Machine) answerDeciding(now time.Time, cause acsi.AddCause) []Output {
	tested := cause != acsi.Done
	if m.owner == 0 && !m.timed && !tested { // it was not accepted when its client went
		cause = acsi.AbortionByCommunicationLoss
	}
	switch {
	case m.timed && cause != acsi.Done:
		return m.end(now, cause, tested)
	case m.timed:
		var out []Output
		if !m.settings.Model.Enhanced() {
			out = m.terminate(acsi.Done, false)
		}
		return append(out, m.becomeExecuting(now))
	case cause != acsi.Done:
		m.timed = false
		return append([]Output{Reply{Cause: cause, Tested: tested}}, m.rest(now)...)
	case m.request.OperTm.IsZero():
		return []Output{Reply{Cause: acsi.Done}, m.becomeExecuting(now)}
	}
	m.becomeArmed()
	return []Output{Reply{Cause: acsi.Done}}
}

// Gone says that the association of c has ended: its selection ends, and nobody is told how its command ends.
func (m *Machine) Gone(now time.Time, c Client) []Output {
	out := m.Tick(now)
	if m.owner != c || m.state == ready {
		return out
	}
	m.owner = 0
	if m.state == selected {
		out = append(out, m.becomeReady(now)...)
	}
	return out
}

// becomeReady ends a selection or a command. Where the object was selected, the application hears of it.
func (m *Machine) becomeReady(now time.Time) []Output {
	wasSelected := m.status.Selected
	request := m.request
	m.state, m.owner, m.request, m.valued, m.held, m.timed = ready, 0, Request{}, false, false, false
	m.deadline, m.began, m.edge = time.Time{}, time.Time{}, time.Time{}
	m.status.Selected, m.status.OpRcvd, m.status.OpOk = false, false, false
	if !wasSelected {
		return nil
	}
	return []Output{Ask{Phase: Deselected, Request: request, Deadline: now.Add(m.settings.OperTimeout)}}
}

func (m *Machine) becomeSelected(now time.Time) {
	m.state, m.deadline = selected, now.Add(m.settings.SBOTimeout)
	m.status.Selected, m.status.OpRcvd, m.status.OpOk = true, false, false
}

func (m *Machine) becomeDeciding(now time.Time, p Phase) []Output {
	m.state, m.deadline, m.valued = deciding, time.Time{}, false
	m.status.OpRcvd = true
	return []Output{m.ask(now, p)}
}

func (m *Machine) becomeArmed() {
	m.state, m.deadline = armed, m.request.OperTm
	m.accept()
}

func (m *Machine) becomeExecuting(now time.Time) Output {
	m.state, m.deadline = executing, now.Add(m.settings.OperTimeout)
	m.accept()
	m.status.OpOk, m.status.TOpOk = true, now
	m.began = time.Time{}
	m.blocked = m.conditions(&m.request).silent()
	if m.settings.Pulse != (Pulse{}) {
		m.began = now
		m.pulse(now)
	}
	return m.ask(now, Executing)
}

// accept shows whose command it is.
func (m *Machine) accept() { m.status.Origin, m.status.CtlNum = m.request.Origin, m.request.CtlNum }

// ask is a question about the command.
func (m *Machine) ask(now time.Time, p Phase) Output {
	m.ticket++
	return Ask{Ticket: m.ticket, Phase: p, Request: m.request, Pulse: m.settings.Pulse, Blocked: p == Executing && m.blocked,
		Deadline: now.Add(m.settings.OperTimeout)}
}

// end ends a command that was accepted.
func (m *Machine) end(now time.Time, cause acsi.AddCause, tested bool) []Output {
	var out []Output
	if m.settings.Model.Enhanced() || m.state != executing {
		out = m.terminate(cause, tested)
	}
	if m.state == executing && cause == acsi.Done && !m.began.IsZero() {
		m.state, m.deadline = pulsing, time.Time{}
		return out
	}
	return append(out, m.rest(now)...)
}

// rest is what follows a command, well or badly ended: a selection that is good for several, or none.
func (m *Machine) rest(now time.Time) []Output {
	if !m.held || !m.settings.Many || m.owner == 0 {
		return m.becomeReady(now)
	}
	m.began = time.Time{}
	m.held, m.timed = false, false
	m.becomeSelected(now)
	return nil
}

// terminate tells the client of the command, if it is still there.
func (m *Machine) terminate(cause acsi.AddCause, tested bool) []Output {
	if m.owner == 0 {
		return nil
	}
	return []Output{Termination{Client: m.owner, Request: m.request, Cause: cause, Tested: tested, Timed: m.state != executing}}
}

// pulse brings the output where it is at now.
func (m *Machine) pulse(now time.Time) {
	if m.began.IsZero() {
		return
	}
	p := m.settings.Pulse
	elapsed, period := max(0, now.Sub(m.began)), p.On+p.Off
	whole, part := elapsed/period, elapsed%period // pulses with their pauses, and how far the present one is
	last := int64(p.Count) - 1
	switch {
	case int64(whole) > last, int64(whole) == last && part >= p.On:
		m.began = time.Time{}
		m.status.OpOk = false
	case part < p.On:
		m.edge = m.began.Add(whole*period + p.On)
		m.status.OpOk = true
	default:
		m.edge = m.began.Add(whole*period + period)
		m.status.OpOk = false
	}
}
