package acsi

import (
	"fmt"

	"busbar.example/value"
)

// AddCause tells why a control service was refused or ended badly.
//
// IEC 61850-7-2, Table "AddCause".
type AddCause uint8

// The causes. Done says that there is none.
const (
	AddCauseUnknown AddCause = iota
	NotSupported
	BlockedBySwitchingHierarchy
	SelectFailed
	InvalidPosition
	PositionReached
	ParameterChangeInExecution
	StepLimit
	BlockedByMode
	BlockedByProcess
	BlockedByInterlocking
	BlockedBySynchrocheck
	CommandAlreadyInExecution
	BlockedByHealth
	OneOfNControl
	AbortionByCancel
	TimeLimitOver
	AbortionByTrip
	ObjectNotSelected
	ObjectAlreadySelected
	NoAccessAuthority
	EndedWithOvershoot
	AbortionDueToDeviation
	AbortionByCommunicationLoss
	BlockedByCommand
	Done // "none"
	InconsistentParameters
	LockedByOtherClient
)

var addCauseNames = [...]string{"unknown", "not-supported", "blocked-by-switching-hierarchy", "select-failed", "invalid-position",
	"position-reached", "parameter-change-in-execution", "step-limit", "blocked-by-mode", "blocked-by-process",
	"blocked-by-interlocking", "blocked-by-synchrocheck", "command-already-in-execution", "blocked-by-health",
	"1-of-n-control", "abortion-by-cancel", "time-limit-over", "abortion-by-trip", "object-not-selected",
	"object-already-selected", "no-access-authority", "ended-with-overshoot", "abortion-due-to-deviation",
	"abortion-by-communication-loss", "blocked-by-command", "none", "inconsistent-parameters", "locked-by-other-client"}

// String is the cause's name in the standard, in lower case with hyphens.
func (c AddCause) String() string {
	if int(c) < len(addCauseNames) {
		return addCauseNames[c]
	}
	return fmt.Sprintf("AddCause(%d)", uint8(c))
}

// ParseAddCause finds a cause by its name.
func ParseAddCause(name string) (AddCause, error) {
	for i, n := range addCauseNames {
		if n == name {
			return AddCause(i), nil
		}
	}
	return 0, fmt.Errorf("%q is no AddCause", clip(name))
}

// OrCat is the category of who commands.
//
// IEC 61850-7-3, Originator.
type OrCat uint8

// The categories.
const (
	OrNotSupported OrCat = iota
	OrBayControl
	OrStationControl
	OrRemoteControl
	OrAutomaticBay
	OrAutomaticStation
	OrAutomaticRemote
	OrMaintenance
	OrProcess
)

var orCatNames = [...]string{"not-supported", "bay-control", "station-control", "remote-control", "automatic-bay",
	"automatic-station", "automatic-remote", "maintenance", "process"}

// String is the category's name in the standard.
func (o OrCat) String() string {
	if int(o) < len(orCatNames) {
		return orCatNames[o]
	}
	return fmt.Sprintf("orCat(%d)", uint8(o))
}

// Origin is who commands.
type Origin struct {
	Cat   OrCat
	Ident string // octets, at most 64
}

// ControlFailure is what the IED tells of a control service that was refused or ended badly.
//
// IEC 61850-8-1, LastApplError.
type ControlFailure struct {
	Object string // the control object as it travels: LD/LN$CO$DO$Oper
	Error  uint8  // 0 no error, 1 unknown, 2 timeout test not ok, 3 operator test not ok
	Origin Origin
	CtlNum uint8
	Cause  AddCause
}

// String is the cause.
func (f *ControlFailure) String() string { return f.Cause.String() }

// Termination says how a command of enhanced security, or one for a later time, has ended.
//
// IEC 61850-7-2, 20.5.2.7, CommandTermination and TimeActivatedOperateTermination.
type Termination struct {
	Ref     Ref             // of the control object's Oper: LD/LN.DO.Oper[CO]
	Oper    value.Value     // as it was operated; invalid where the IED does not tell
	Failure *ControlFailure // nil: the command has done what it should
}

// A Notice is what an IED tells a peer unasked: *Report or *Termination.
type Notice interface{ notice() }

func (*Report) notice()      {}
func (*Termination) notice() {}
