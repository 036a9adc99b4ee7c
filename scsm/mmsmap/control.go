package mmsmap

import (
	"slices"
	"strings"
	"sync"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// lastApplErrorName is the variable that tells why a control service was refused or ended badly.
//
// IEC 61850-8-1, LastApplError.
const lastApplErrorName = mms.VMDSpecific("LastApplError")

// lastApplError tells f, which is about a write of ref.
func lastApplError(f *acsi.ControlFailure, ref acsi.Ref) *mms.InformationReport {
	return &mms.InformationReport{
		VariableAccessSpecification: mms.ListOfVariable{{VariableSpecification: mms.VariableName{Name: lastApplErrorName}}},
		ListOfAccessResult:          []mms.AccessResult{&mms.Success{Value: failureValue(f, ref)}},
	}
}

func failureValue(f *acsi.ControlFailure, ref acsi.Ref) value.Value {
	object := f.Object
	if object == "" && !ref.IsZero() {
		object = ref.MMS()
	}
	return value.StructureOf(value.Visible(object), value.Int(int64(f.Error)),
		value.StructureOf(value.Int(int64(f.Origin.Cat)), value.Octets([]byte(f.Origin.Ident))),
		value.Uint(uint64(f.CtlNum)), value.Int(int64(f.Cause)))
}

// failureOf is the reverse of failureValue.
func failureOf(v value.Value) (f *acsi.ControlFailure, ok bool) {
	if v.Kind() != value.Structure || v.Len() != 5 || v.At(0).Kind() != value.VisibleString || len(v.At(0).Text()) > acsi.MaxRefLen {
		return nil, false
	}
	origin := v.At(2)
	if origin.Kind() != value.Structure || origin.Len() != 2 || origin.At(1).Kind() != value.OctetString {
		return nil, false
	}
	fault, ok1 := octetOf(v.At(1))
	category, ok2 := octetOf(origin.At(0))
	number, ok3 := octetOf(v.At(3))
	cause, ok4 := octetOf(v.At(4))
	return &acsi.ControlFailure{Object: v.At(0).Text(), Error: fault, CtlNum: number, Cause: acsi.AddCause(cause),
		Origin: acsi.Origin{Cat: acsi.OrCat(category), Ident: origin.At(1).Text()}}, ok1 && ok2 && ok3 && ok4
}

// octetOf is a number that fits into an octet, signed or not, as IEDs of all makers send it.
func octetOf(v value.Value) (uint8, bool) {
	u, ok := v.Uint()
	return uint8(u), ok && u <= 0xff
}

// terminationReport tells how a command has ended. That of a command for a later time that has ended badly is the failure alone.
//
// IEC 61850-8-1, CommandTermination and TimeActivatedOperateTermination.
func terminationReport(t *acsi.Termination) *mms.InformationReport {
	if t.Failure != nil && !t.Oper.IsValid() {
		return lastApplError(t.Failure, t.Ref)
	}
	r := &mms.InformationReport{}
	if t.Failure != nil {
		r = lastApplError(t.Failure, t.Ref)
	}
	list, _ := r.VariableAccessSpecification.(mms.ListOfVariable)
	r.VariableAccessSpecification = append(list, variable(addressOf(t.Ref)))
	r.ListOfAccessResult = append(r.ListOfAccessResult, &mms.Success{Value: t.Oper})
	return r
}

// terminationOf is the reverse of terminationReport: a LastApplError, an Oper, or both in any order.
func terminationOf(list mms.ListOfVariable, results []mms.AccessResult) (t *acsi.Termination, ok bool) {
	if len(list) != len(results) || len(list) < 1 || len(list) > 2 {
		return nil, false
	}
	t = &acsi.Termination{}
	for i, v := range list {
		name, _ := v.VariableSpecification.(mms.VariableName)
		success, ok := results[i].(*mms.Success)
		if !ok || v.AlternateAccess != nil {
			return nil, false
		}
		switch n := name.Name.(type) {
		case mms.VMDSpecific:
			failure, ok := failureOf(success.Value)
			if n != lastApplErrorName || !ok || t.Failure != nil {
				return nil, false
			}
			t.Failure = failure
		case mms.DomainSpecific:
			ref, err := acsi.ParseItem(n.DomainID, n.ItemID)
			if err != nil || ref.FC() != acsi.CO || ref.Name() != "Oper" || t.Oper.IsValid() {
				return nil, false
			}
			t.Ref, t.Oper = ref, success.Value
		default:
			return nil, false
		}
	}
	return t, true
}

// controls are the control services that wait for their answers. The zero controls has none. It is safe for concurrent use.
type controls struct {
	mu   sync.Mutex
	open []*command
}

// command is a control service that waits for its answer.
type command struct {
	at       int    // which of the assignments it is
	object   string // LD/LN$CO$DO
	number   uint8
	numbered bool
	failure  *acsi.ControlFailure
}

// expect notes which of the assignments are control services.
func (c *controls) expect(assignments []acsi.Assignment) []*command {
	var found []*command
	for i, a := range assignments {
		if a.Ref.FC() != acsi.CO {
			continue
		}
		switch a.Ref.Name() {
		case "Oper", "SBOw", "Cancel":
			w := &command{at: i, object: a.Ref.Parent().MMS()}
			w.number, w.numbered = ctlNumOf(a.Value)
			found = append(found, w)
		}
	}
	if found != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.open = append(c.open, found...)
	}
	return found
}

// ctlNumOf is the number of the command that v, an Oper, SBOw or Cancel, has: it follows the origin.
func ctlNumOf(v value.Value) (n uint8, ok bool) {
	for i := 1; i < v.Len()-1; i++ {
		if v.At(i).Kind() == value.Structure {
			return octetOf(v.At(i + 1))
		}
	}
	return 0, false
}

// over forgets commands whose answers have come.
func (c *controls) over(commands []*command) {
	if commands == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(w *command) bool { return slices.Contains(commands, w) })
}

// explain gives f to the command that it is about; ok is false where no such command is open.
func (c *controls) explain(f *acsi.ControlFailure) (ok bool) {
	object := f.Object[:max(0, strings.LastIndexByte(f.Object, '$'))]
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.open {
		if w.failure == nil && w.object == object && (!w.numbered || w.number == f.CtlNum) {
			w.failure = f
			return true
		}
	}
	return false
}

// failureOf is what the peer has told of the command that is the assignment at.
func (c *controls) failureOf(commands []*command, at int) *acsi.ControlFailure {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range commands {
		if w.at == at {
			return w.failure
		}
	}
	return nil
}

// operOf is the Oper that f is about.
func operOf(f *acsi.ControlFailure) (acsi.Ref, bool) {
	ld, item, _ := strings.Cut(f.Object, "/")
	ref, err := acsi.ParseItem(ld, item)
	return ref, err == nil && ref.FC() == acsi.CO && ref.Name() == "Oper"
}
