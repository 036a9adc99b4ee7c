package server

import (
	"errors"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// services are the numbers of the services that are tracked.
//
// IEC 61850-7-2, ServiceType.
var services = map[string]int64{"SetDataValues": 8, "CreateDataSet": 13, "DeleteDataSet": 14, "SelectActiveSG": 16, "SelectEditSG": 17,
	"SetEditSGValue": 18, "ConfirmEditSGValues": 19, "SetBRCBValues": 24, "SetURCBValues": 26, "SetLCBValues": 28, "Select": 43,
	"SelectWithValue": 44, "Cancel": 45, "Operate": 46, "CommandTermination": 47, "TimeActivatedOperate": 48}

// trackedBy says which data object of LTRK the services on control blocks are tracked by. The others, and those whose own one a model
// does not have, are tracked by genTrk.
var trackedBy = map[string]string{"SelectActiveSG": "SgcbTrk", "SelectEditSG": "SgcbTrk", "ConfirmEditSGValues": "SgcbTrk",
	"SetBRCBValues": "BrcbTrk", "SetURCBValues": "UrcbTrk", "SetLCBValues": "LocbTrk"}

const genTrk = "GenTrk"

// tracker is one data object that shows the latest service of its kind.
//
// IEC 61850-7-2, 15.3: CST, BTS, UTS, LTS, STS, CTS and those that are made of them.
type tracker struct {
	name  string
	parts map[string]point // its attributes, by their names in lower case, but for T, which is not t
}

// makeTracking finds the data objects that track services, in the order of their references.
func (e *Engine) makeTracking() error {
	var refs []string
	for ref := range e.layout.points {
		if ref.FC() == acsi.SR && ref.Depth() == 3 && e.layout.has(ref, "serviceType", acsi.SR) {
			refs = append(refs, ref.Path())
		}
	}
	slices.Sort(refs)
	for _, path := range refs {
		ref := acsi.MustRef(path).WithFC(acsi.SR)
		t := tracker{name: ref.Name(), parts: map[string]point{}}
		for _, part := range e.layout.points[ref].shape.parts {
			name := part.node.Name
			if name != "T" {
				name = strings.ToLower(name)
			}
			t.parts[name], _ = e.layout.below(ref, part.node.Name, acsi.SR)
		}
		e.trackers = append(e.trackers, t)
	}
	return nil
}

// track notes that a service, called by its name in IEC 61850-7-2 such as SetBRCBValues, was carried out on ref, or refused with err.
// It is called with the lock held, when all that the service does has been done. What is shown of a control block is what it holds,
// and what a write that was refused would have made of it.
func (c *call) track(service string, ref acsi.Ref, err error) {
	c.tracked = true
	if len(c.e.trackers) == 0 || !c.tracks(err) {
		return
	}
	block := trackedBy[service] != ""
	for block && ref.Depth() > 3 {
		ref = ref.Parent()
	}
	t := c.tracker(trackedBy[service])
	if t == nil {
		return
	}
	if block {
		for name, to := range t.parts {
			if v, ok := c.ofBlock(ref, name); ok {
				c.e.showTracked(to, v)
			}
		}
	}
	c.show(t, service, ref, errorCode(err))
}

// tracks decides whether a service that was refused with err, or was not, is tracked: what is refused as often as a peer likes does
// not hide from others, or wash out of their buffers, what was done.
func (c *call) tracks(err error) bool {
	if err == nil {
		return true
	}
	ok, _ := c.e.untold.Allow(c.subject.Name, c.at.Time)
	return ok
}

// trackWrite tracks a write that has not been tracked as the service that it is, because it was refused before that was known, or
// because it is nothing but a write.
func (c *call) trackWrite(a acsi.Assignment, err error) {
	if c.tracked || c.rest != nil || len(c.e.trackers) == 0 {
		return
	}
	// What somebody tries on what he may not even view is an event, but would tell others, and him, of it here.
	if !c.allowed(rbac.View, a.Ref.LD()).Allowed {
		return
	}
	service := "SetDataValues"
	switch a.Ref.FC() {
	case acsi.CO:
		service = serviceOf(a.Ref.Name(), control.Request{})
		p, o := c.e.layout.points[a.Ref], c.e.controlled(a.Ref)
		if o != nil && p.shape != nil && p.shape.node.Check(a.Value) == nil {
			if !c.tracks(err) {
				return
			}
			r := requestOf(p.shape.node, a.Value)
			c.trackControl(o, serviceOf(a.Ref.Name(), r), r, acsi.NoAccessAuthority)
			return
		}
	case acsi.BR:
		service = "SetBRCBValues"
	case acsi.RP:
		service = "SetURCBValues"
	case acsi.LG:
		service = "SetLCBValues"
	case acsi.SE:
		service = "SetEditSGValue"
	}
	c.track(service, a.Ref, err)
}

// ofBlock is the attribute of a control block that has that name in lower case: as the write under way would have it, else as it is.
func (c *call) ofBlock(ref acsi.Ref, name string) (value.Value, bool) {
	p := c.e.layout.points[ref]
	if p.shape == nil {
		return value.Value{}, false
	}
	if c.tried.Ref.Parent() == ref && strings.EqualFold(c.tried.Ref.Name(), name) {
		return c.tried.Value, true
	}
	for _, part := range p.shape.parts {
		if strings.EqualFold(part.node.Name, name) {
			at, ok := c.e.layout.below(ref, part.node.Name, ref.FC())
			if ok {
				return c.e.read(at), true
			}
		}
	}
	return value.Value{}, false
}

// tracker is the data object of that name, else that for all services, or nil.
func (c *call) tracker(name string) *tracker {
	for _, want := range []string{name, genTrk} {
		for i := range c.e.trackers {
			if t := &c.e.trackers[i]; t.name == want {
				return t
			}
		}
	}
	return nil
}

// show is what all tracking has in common.
func (c *call) show(t *tracker, service string, ref acsi.Ref, code int64) {
	by := c.subject.Name
	for _, part := range []struct {
		name string
		v    value.Value
	}{
		{"servicetype", value.Int(services[service])},
		{"errorcode", value.Int(code)},
		{"originatorid", value.Octets([]byte(by[:min(len(by), 64)]))},
		{"t", c.at.Value()},
		{"objref", value.Visible(ref.MMS())}, // last: its update is what is reported
	} {
		if to, ok := t.parts[part.name]; ok {
			c.e.showTracked(to, part.v)
		}
	}
}

// showTracked stores v, where it is a value of p's type.
func (e *Engine) showTracked(p point, v value.Value) {
	if p.shape.node.Check(v) == nil {
		e.put(p, v)
	}
}

// trackControl is track of a control service.
//
// IEC 61850-7-3: CTS for each of the controllable classes.
func (c *call) trackControl(o *controlObject, service string, r control.Request, cause acsi.AddCause) {
	t := c.e.controlTracker(o, r.Value)
	if t == nil {
		if t = c.tracker(genTrk); t != nil {
			c.show(t, service, o.ref.WithFC(acsi.CO), causeCode(cause))
		}
		return
	}
	var check byte
	if r.Synchro {
		check |= 0x80
	}
	if r.Interlock {
		check |= 0x40
	}
	for name, v := range map[string]value.Value{
		"ctlval": r.Value,
		"opertm": value.UTCOf(r.OperTm, 0),
		"origin": value.StructureOf(value.Int(int64(r.Origin.Cat)), value.Octets([]byte(r.Origin.Ident))),
		"ctlnum": value.Uint(uint64(r.CtlNum)), "T": value.UTCOf(r.T, 0), "test": value.Bool(r.Test), "check": value.Bits(2, []byte{check}),
		"respaddcause": value.Int(int64(cause)),
	} {
		if to, ok := t.parts[name]; ok {
			c.e.showTracked(to, v)
		}
	}
	c.show(t, service, o.ref.WithFC(acsi.CO), causeCode(cause))
}

// controlTracker is what tracks commands of o's class, of a type that v fits.
func (e *Engine) controlTracker(o *controlObject, v value.Value) *tracker {
	for i := range e.trackers {
		t := &e.trackers[i]
		ctlVal, ok := t.parts["ctlval"]
		if ok && o.cdc != "" && strings.HasPrefix(strings.ToUpper(t.name), o.cdc) && (!v.IsValid() || ctlVal.shape.node.Check(v) == nil) {
			return t
		}
	}
	return nil
}

// errorCode is the number of a service error.
//
// IEC 61850-7-2, ServiceError.
func errorCode(err error) int64 {
	if err == nil {
		return 0
	}
	refused := (*acsi.Error)(nil)
	if !errors.As(err, &refused) {
		return 12 // failed-due-to-server-constraint
	}
	switch refused.Code {
	case acsi.ObjectInvalidated, acsi.ObjectUndefined, acsi.ObjectNonExistent:
		return 1 // instance-not-available
	case acsi.ObjectAccessDenied:
		return 3 // access-violation
	case acsi.TemporarilyUnavailable:
		return 4 // access-not-allowed-in-current-state
	case acsi.InvalidAddress, acsi.ObjectValueInvalid:
		return 5 // parameter-value-inappropriate
	case acsi.ObjectAttributeInconsistent:
		return 6 // parameter-value-inconsistent
	case acsi.TypeUnsupported, acsi.ObjectAccessUnsupported:
		return 7 // class-not-supported
	case acsi.TypeInconsistent:
		return 10 // type-conflict
	}
	return 12
}

// causeCode is the number of the service error that an AddCause goes with.
func causeCode(cause acsi.AddCause) int64 {
	switch cause {
	case acsi.Done:
		return 0
	case acsi.ObjectAlreadySelected, acsi.CommandAlreadyInExecution:
		return 2 // instance-in-use
	case acsi.NoAccessAuthority:
		return 3 // access-violation
	case acsi.InconsistentParameters:
		return 6 // parameter-value-inconsistent
	case acsi.NotSupported:
		return 7 // class-not-supported
	case acsi.LockedByOtherClient:
		return 8 // instance-locked-by-other-client
	case acsi.ObjectNotSelected:
		return 9 // control-must-be-selected
	case acsi.BlockedByHealth, acsi.AbortionByTrip:
		return 12 // failed-due-to-server-constraint
	}
	return 4 // access-not-allowed-in-current-state
}
