package mmsmap_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// operReport tells the Oper of a control object.
func operReport(ref acsi.Ref, oper value.Value) *mms.InformationReport {
	item := mms.DomainSpecific{DomainID: ref.LD(), ItemID: ref.LN() + "$CO$Pos$" + ref.Name()}
	return &mms.InformationReport{
		VariableAccessSpecification: mms.ListOfVariable{{VariableSpecification: mms.VariableName{Name: item}}},
		ListOfAccessResult:          []mms.AccessResult{&mms.Success{Value: oper}},
	}
}

// operValue is an Oper with a number, with operTm or without.
func operValue(number uint8, timed bool) value.Value {
	parts := []value.Value{value.Bool(true)}
	if timed {
		parts = append(parts, value.UTC(1<<40))
	}
	return value.StructureOf(append(parts, value.StructureOf(value.Int(2), value.Octets([]byte("ann"))), value.Uint(uint64(number)),
		value.UTC(1<<33), value.Bool(false), value.Bits(2, nil))...)
}

var pos = acsi.MustRef("LD/CSWI1.Pos.Oper[CO]")

func refusal(object string, number uint8) *acsi.ControlFailure {
	return &acsi.ControlFailure{Object: object, Error: 1, Origin: acsi.Origin{Cat: acsi.OrStationControl, Ident: "a\x00n"}, CtlNum: number, Cause: acsi.BlockedByInterlocking}
}

// IEC 61850-8-1, LastApplError: it comes before the refusal that it explains, and is part of its error.
//
// Conformance: cCtl.
func TestRefusedControlServicesTellTheCause(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	for _, tail := range []string{"Oper", "SBOw", "Cancel"} {
		for _, timed := range []bool{false, true} {
			ref := acsi.MustRef("LD/CSWI1.Pos." + tail + "[CO]")
			want := refusal("LD/CSWI1$CO$Pos$"+tail, 7)
			f.errs = []error{&acsi.Error{Code: acsi.ObjectAccessDenied, Text: "never travels", Control: want}}
			errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: ref, Value: operValue(7, timed)}})
			if err != nil {
				t.Fatal(err)
			}
			got, _ := errors.AsType[*acsi.Error](errs[0])
			if got == nil || got.Code != acsi.ObjectAccessDenied || cmp.Diff(want, got.Control) != "" {
				t.Errorf("%s: got %+v, want %+v", tail, errs[0], want)
			}
			unnamed := *want
			unnamed.Object = ""
			f.errs = []error{&acsi.Error{Code: acsi.TemporarilyUnavailable, Control: &unnamed}}
			errs, err = c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: ref, Value: operValue(7, timed)}})
			if got, _ := errors.AsType[*acsi.Error](errs[0]); err != nil || got == nil || cmp.Diff(want, got.Control) != "" {
				t.Errorf("%s, an object that is not named: got %+v %v", tail, errs[0], err)
			}
		}
	}
	f.errs = []error{acsi.Errorf(acsi.ObjectAccessDenied, "no cause")}
	errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: pos, Value: operValue(7, false)}})
	if got, _ := errors.AsType[*acsi.Error](errs[0]); err != nil || got == nil || got.Control != nil {
		t.Errorf("a refusal without a cause: got %+v %v", errs[0], err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := c.Next(ctx); err == nil {
		t.Errorf("what explains a refusal is told as %+v", n)
	}
}

// IEC 61850-8-1, CommandTermination, both ways it may end, and TimeActivatedOperateTermination.
//
// Conformance: cDOes, cSBOes.
func TestTerminationsArrive(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	for name, want := range map[string]*acsi.Termination{
		"done":                        {Ref: pos, Oper: operValue(3, false)},
		"failed":                      {Ref: pos, Oper: operValue(3, false), Failure: refusal("LD/CSWI1$CO$Pos$Oper", 3)},
		"for a later time, and ended": {Ref: pos, Failure: refusal("LD/CSWI1$CO$Pos$Oper", 3)},
	} {
		f.told <- want
		if diff := cmp.Diff(want, next[*acsi.Termination](t, c), exactly); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// lastApplError is one as a peer may send it.
func lastApplErrorReport(parts ...value.Value) *mms.InformationReport {
	return &mms.InformationReport{
		VariableAccessSpecification: mms.ListOfVariable{{VariableSpecification: mms.VariableName{Name: mms.VMDSpecific("LastApplError")}}},
		ListOfAccessResult:          []mms.AccessResult{&mms.Success{Value: value.StructureOf(parts...)}},
	}
}

func errorParts(object string, number int) []value.Value {
	return []value.Value{value.Visible(object), value.Int(1), value.StructureOf(value.Int(2), value.Octets(nil)), value.Int(int64(number)), value.Uint(10)}
}

// A LastApplError is taken for what it says: of another object or number it does not explain a refusal.
func TestLastApplErrorsOfOthers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		parts  []value.Value
		cause  bool // it is in the error of the write
		notice bool // it is told as the end of a command
	}{
		{"it", errorParts("LD/CSWI1$CO$Pos$Oper", 7), true, false},
		{"it, by the name of its selection", errorParts("LD/CSWI1$CO$Pos$SBOw", 7), true, false},
		{"another number", errorParts("LD/CSWI1$CO$Pos$Oper", 8), false, true},
		{"another object", errorParts("LD/CSWI2$CO$Pos$Oper", 7), false, true},
		{"another device", errorParts("LD2/CSWI1$CO$Pos$Oper", 7), false, true},
		{"no object", errorParts("", 7), false, false},
		{"no control object", errorParts("LD/CSWI1$ST$Pos$Oper", 7), false, false},
		{"an object without end", errorParts(string(make([]byte, 200)), 7), false, false},
		{"too large a number", errorParts("LD/CSWI1$CO$Pos$Oper", 300), false, false},
		{"too few parts", errorParts("LD/CSWI1$CO$Pos$Oper", 7)[:4], false, false},
		{"no origin", append(errorParts("LD/CSWI1$CO$Pos$Oper", 7)[:2:2], value.Int(1), value.Int(7), value.Int(1)), false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var server *assoc.Association
			c, server := withServer(t, func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				r := lastApplErrorReport(tc.parts...)
				if err := server.Notify(ctx, r); err != nil {
					r.ListOfAccessResult = []mms.AccessResult{mms.HardwareFault} // what has no XML is told in another way that makes no sense
					if err := server.Notify(ctx, r); err != nil {
						return nil, err
					}
				}
				return &mms.WriteResponse{Results: []mms.WriteResult{mms.ObjectAccessDenied}}, nil
			})
			errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: pos, Value: operValue(7, false)}})
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := errors.AsType[*acsi.Error](errs[0]); got == nil || (got.Control != nil) != tc.cause {
				t.Errorf("the error of the write: got %+v", errs[0])
			}
			if err := c.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			n, err := c.Next(t.Context())
			if (err == nil) != tc.notice {
				t.Errorf("notice: got %+v, %v", n, err)
			}
			if lost := !tc.cause && !tc.notice; lost != (c.Dropped() == 1) {
				t.Errorf("%d dropped", c.Dropped())
			}
		})
	}
}

func TestTerminationsThatMakeNoSense(t *testing.T) {
	name := func(n mms.ObjectName) mms.Variable {
		return mms.Variable{VariableSpecification: mms.VariableName{Name: n}}
	}
	oper := mms.DomainSpecific{DomainID: "LD", ItemID: "CSWI1$CO$Pos$Oper"}
	ok := &mms.Success{Value: value.Int(1)}
	failure := lastApplErrorReport(errorParts("LD/CSWI1$CO$Pos$Oper", 7)...).ListOfAccessResult[0]
	for what, r := range map[string]*mms.InformationReport{
		"of nothing":         {VariableAccessSpecification: mms.ListOfVariable{}},
		"without a value":    {VariableAccessSpecification: mms.ListOfVariable{name(oper)}, ListOfAccessResult: []mms.AccessResult{mms.HardwareFault}},
		"of two":             {VariableAccessSpecification: mms.ListOfVariable{name(oper), name(oper)}, ListOfAccessResult: []mms.AccessResult{ok, ok}},
		"with two errors":    {VariableAccessSpecification: mms.ListOfVariable{name(mms.VMDSpecific("LastApplError")), name(mms.VMDSpecific("LastApplError"))}, ListOfAccessResult: []mms.AccessResult{failure, failure}},
		"of a selection":     {VariableAccessSpecification: mms.ListOfVariable{name(mms.DomainSpecific{DomainID: "LD", ItemID: "CSWI1$CO$Pos$SBOw"})}, ListOfAccessResult: []mms.AccessResult{ok}},
		"of a status":        {VariableAccessSpecification: mms.ListOfVariable{name(mms.DomainSpecific{DomainID: "LD", ItemID: "CSWI1$ST$Pos$Oper"})}, ListOfAccessResult: []mms.AccessResult{ok}},
		"of the association": {VariableAccessSpecification: mms.ListOfVariable{name(mms.AASpecific("x"))}, ListOfAccessResult: []mms.AccessResult{ok}},
		"of a part": {VariableAccessSpecification: mms.ListOfVariable{{VariableSpecification: mms.VariableName{Name: oper},
			AlternateAccess: mms.AlternateAccess{mms.UnnamedAccess{Selection: mms.SelectAccess{Part: mms.Index(1)}}}}}, ListOfAccessResult: []mms.AccessResult{ok}},
		"of three":        {VariableAccessSpecification: mms.ListOfVariable{name(oper), name(oper), name(oper)}, ListOfAccessResult: []mms.AccessResult{ok, ok, ok}},
		"with fewer than": {VariableAccessSpecification: mms.ListOfVariable{name(oper), name(oper)}, ListOfAccessResult: []mms.AccessResult{ok}},
	} {
		t.Run(what, func(t *testing.T) {
			if notices, dropped := told(t, r); len(notices) > 0 || dropped != 1 {
				t.Errorf("got %+v and %d dropped", notices, dropped)
			}
		})
	}
}

// A flood of LastApplErrors that nobody has asked for costs no more than the queue holds.
func TestFloodOfLastApplErrors(t *testing.T) {
	c, server := withServer(t, nil)
	r := lastApplErrorReport(errorParts("LD/CSWI1$CO$Pos$Oper", 7)...)
	for range 10000 {
		if err := server.Notify(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		if _, err := c.Next(t.Context()); err != nil {
			break
		}
		n++
	}
	if n != 4096 || c.Dropped() != 10000-4096 {
		t.Errorf("%d are left and %d dropped", n, c.Dropped())
	}
}

// sealedLink is a Link that proves when the peer has said what it says.
type sealedLink struct {
	*testbed.PipeEnd
	at time.Time
}

func (l sealedLink) Sealed() time.Time { return l.at }

// IEC 62351-4, token2: the time by which a peer has sealed a command reaches who carries it out.
func TestCommandsCarryTheTimeOfTheirSeal(t *testing.T) {
	for _, at := range []time.Time{{}, noon} {
		f := newFake()
		f.errs = []error{nil}
		near, far := testbed.Pipe(everyRole(), rbac.Subject{})
		w := &wired{}
		w.serve(t, sealedLink{far, at}, f.services)
		c, err := mmsmap.Associate(t.Context(), near, assoc.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: pos, Value: operValue(7, false)}}); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Errorf("close once more: %v", err)
		}
		<-f.closed
		if !f.sealed.Equal(at) {
			t.Errorf("got %v, want %v", f.sealed, at)
		}
	}
}
