package control

import (
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Model says how a control object is operated.
//
// IEC 61850-7-3, ctlModel.
type Model uint8

// The models.
const (
	StatusOnly Model = iota
	DirectNormal
	SBONormal
	DirectEnhanced
	SBOEnhanced
)

// Selects reports whether the object is selected before it is operated.
func (m Model) Selects() bool { return m == SBONormal || m == SBOEnhanced }

// Enhanced reports whether the end of a command is told.
func (m Model) Enhanced() bool { return m == DirectEnhanced || m == SBOEnhanced }

// Pulse is what the output does once a command is accepted: Count times on for On, with Off between. The zero Pulse is an
// output that stays.
//
// IEC 61850-7-3, PulseConfig.
type Pulse struct {
	On, Off time.Duration
	Count   uint32
}

// Settings are how a control object is configured.
type Settings struct {
	Model       Model
	SBOTimeout  time.Duration // how long a selection lasts; 0: 30 s
	OperTimeout time.Duration // how long the process may take; 0: 10 s
	Many        bool          // a selection is good for several operates
	Pulse       Pulse
}

// Where the configuration says nothing.
const (
	defaultSBOTimeout  = 30 * time.Second
	defaultOperTimeout = 10 * time.Second
)

// Client is the association of a peer. 0 is none.
type Client uint64

// Request is what a client says with a control service. That of Select has its subject only.
type Request struct {
	Subject   rbac.Subject
	Value     value.Value // ctlVal
	OperTm    time.Time   // when it is to be carried out; zero: at once
	NoOperTm  bool        // its structure has no room for OperTm
	Origin    acsi.Origin
	CtlNum    uint8
	T         time.Time
	Test      bool
	Synchro   bool        // Check: the process is to look for synchronism
	Interlock bool        // Check: the process is to look at the interlocking
	Whole     value.Value // as it came
}

// Phase is what the application is asked or told of a command.
type Phase uint8

// The phases. Executing takes as long as the process takes; the others are answered at once. The answer to Deselected does not count.
const (
	Selecting  Phase = iota + 1 // may it be selected?
	Arming                      // may it be kept for its time?
	Operating                   // may it be carried out now?
	Executing                   // carry it out
	Deselected                  // it is no longer selected: its command is over, it was cancelled, its time is over, or its client has gone
)

var phaseNames = [...]string{"", "selecting", "arming", "operating", "executing", "deselected"}

// String is the phase in a word.
func (p Phase) String() string { return phaseNames[p] }

// Output is what an input makes the shell do: Ask, Reply, Termination or Stop.
type Output interface{ output() }

// Ask is a question to the application. Answer takes the answer, under the same Ticket; Deselected needs none.
type Ask struct {
	Ticket   uint64
	Phase    Phase
	Request  Request
	Pulse    Pulse
	Blocked  bool      // of Executing: nothing must reach the process
	Deadline time.Time // when the answer comes too late; zero: never
}

// Reply ends the service that was the input. Cause is acsi.Done where it was carried out.
type Reply struct {
	Cause  acsi.AddCause
	Tested bool // the application, or the state of what it drives, refused
}

// Termination tells a client how its command has ended, or, where it was for a later time, that it was or was not begun. Cause is acsi.Done
// where all is well.
type Termination struct {
	Client  Client
	Request Request
	Cause   acsi.AddCause
	Tested  bool
	Timed   bool // it is about the beginning
}

// Stop says that the answer to the Ask of this ticket is no longer waited for.
type Stop struct{ Ticket uint64 }

func (Ask) output()         {}
func (Reply) output()       {}
func (Termination) output() {}
func (Stop) output()        {}

// Status is what a control object shows of itself.
//
// IEC 61850-7-3: stSeld, opRcvd, opOk, tOpOk, origin and ctlNum of the controllable common data classes.
type Status struct {
	Selected bool
	OpRcvd   bool
	OpOk     bool
	TOpOk    time.Time // when OpOk last rose; zero: never
	Origin   acsi.Origin
	CtlNum   uint8
}
