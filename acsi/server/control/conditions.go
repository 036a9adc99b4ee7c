package control

import "busbar.example/acsi"

// Behaviour is how a logical node works.
//
// IEC 61850-7-4, Beh.
type Behaviour uint8

// The behaviours.
const (
	On Behaviour = iota + 1
	Blocked
	Test
	TestBlocked
	Off
)

// Conditions are what a command is judged by beside itself.
type Conditions struct {
	Behaviour Behaviour // 0: On
	IsMode    bool      // the object is the mode itself, which works in every behaviour
	Authority Authority
	Alarm     bool // the health of the logical node is Alarm
	Reached   bool // the process is where the command would bring it
	AtLimit   bool // a step further leads nowhere
	Outside   bool // the value is beyond minVal or maxVal
}

// Authority says from where switching is allowed.
//
// IEC 61850-7-4, the control authority by Loc, LocKey, LocSta and MltLev.
type Authority struct {
	HasLocal   bool // there is a Loc or a LocKey
	Local      bool // and it stands at local
	HasStation bool // there is a LocSta
	Station    bool // and it stands at station
	MultiLevel bool // levels share the authority
}

// allows reports whether an originator of the category cat may switch.
//
//	             bay, maintenance   station   remote
//	local        yes                no        no
//	station      shared             yes       no
//	neither      shared             *         yes
//
// shared: where levels share the authority. *: shared too, but where nothing tells station from remote, yes. An automatic
// function has the rights of its level. Without Loc and LocSta everybody may switch.
func (a Authority) allows(cat acsi.OrCat) bool {
	if !a.HasLocal && !a.HasStation {
		return true
	}
	switch cat {
	case acsi.OrBayControl, acsi.OrAutomaticBay, acsi.OrMaintenance:
		return a.Local || a.MultiLevel
	case acsi.OrStationControl, acsi.OrAutomaticStation:
		return !a.Local && (a.Station || a.MultiLevel || !a.HasStation)
	case acsi.OrRemoteControl, acsi.OrAutomaticRemote:
		return !a.Local && !a.Station
	}
	return false
}

// takes reports whether commands with or without the Test flag are processed.
//
// IEC 61850-7-4, Annex A.
func (c Conditions) takes(test bool) bool {
	switch c.Behaviour {
	case On, 0:
		return !test
	case Test, TestBlocked:
		return test || c.IsMode
	}
	return c.IsMode && !test
}

// silent reports whether a command is carried out without effect on the process.
func (c Conditions) silent() bool { return c.Behaviour == TestBlocked && !c.IsMode }

// selectable judges a selection that says nothing of the command to come.
func (c Conditions) selectable() acsi.AddCause {
	switch {
	case !c.takes(false) && !c.takes(true):
		return acsi.BlockedByMode
	case c.Alarm && !c.IsMode:
		return acsi.BlockedByHealth
	}
	return acsi.Done
}

// judge is the first reason why r may not be carried out, or Done.
func (c Conditions) judge(r *Request) acsi.AddCause {
	switch {
	case r.Origin.Cat >= acsi.OrProcess:
		return acsi.InconsistentParameters // no command comes from the process
	case !c.takes(r.Test):
		return acsi.BlockedByMode
	case !c.Authority.allows(r.Origin.Cat):
		return acsi.BlockedBySwitchingHierarchy
	case c.Alarm && !c.IsMode:
		return acsi.BlockedByHealth
	case c.Outside:
		return acsi.InconsistentParameters
	case c.AtLimit:
		return acsi.StepLimit
	case c.Reached:
		return acsi.PositionReached
	}
	return acsi.Done
}
