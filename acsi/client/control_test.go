package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

// switchgear is an IED with one breaker, LD/CSWI1.Pos, and one set point, LD/GGIO1.AnOut1. It notes what it is asked to do.
type switchgear struct {
	acsi.UnimplementedServices
	model   CtlModel
	sbo     value.Value // the answer to a select
	refuse  map[string]error
	ends    func(oper value.Value) *acsi.Termination // how a command ends; nil: the IED does not tell
	notices chan acsi.Notice
	said    []string
}

func newSwitchgear(m CtlModel) *switchgear {
	return &switchgear{model: m, sbo: value.Visible("LD/CSWI1$CO$Pos$SBO"), refuse: map[string]error{}, notices: make(chan acsi.Notice, 10)}
}

func attribute(name string, fc acsi.FC, t acsi.Type, below ...*acsi.Node) *acsi.Node {
	return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: fc, Type: t, Children: below}
}

func operNode(name string, ctlVal *acsi.Node) *acsi.Node {
	boolean, time := acsi.Type{Kind: value.Boolean}, acsi.Type{Kind: value.UTCTime}
	parts := []*acsi.Node{ctlVal, attribute("operTm", acsi.CO, time), attribute("origin", acsi.CO, acsi.Type{},
		attribute("orCat", acsi.CO, acsi.Type{Kind: value.Integer, Size: 8}), attribute("orIdent", acsi.CO, acsi.Type{Kind: value.OctetString, Size: 64})),
		attribute("ctlNum", acsi.CO, acsi.Type{Kind: value.Unsigned, Size: 8}), attribute("T", acsi.CO, time), attribute("Test", acsi.CO, boolean)}
	if name != "Cancel" {
		parts = append(parts, attribute("Check", acsi.CO, acsi.Type{Kind: value.BitString, Size: -2}))
	}
	return attribute(name, acsi.CO, acsi.Type{}, parts...)
}

func (s *switchgear) GetDataDefinition(_ context.Context, ref acsi.Ref) (*acsi.Node, error) {
	on := attribute("ctlVal", acsi.CO, acsi.Type{Kind: value.Boolean})
	amount := attribute("ctlVal", acsi.CO, acsi.Type{}, attribute("f", acsi.CO, acsi.Type{Kind: value.Float32}))
	model := attribute("ctlModel", acsi.CF, acsi.Type{Kind: value.Integer, Size: 8})
	object := func(name, cdc string, below ...*acsi.Node) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.DataObjectNode, CDC: cdc, Children: below}
	}
	ln := &acsi.Node{Name: ref.LN(), Kind: acsi.LogicalNodeNode}
	switch ref.LN() {
	case "CSWI1":
		ln.Children = []*acsi.Node{object("Pos", "DPC", model, attribute("SBO", acsi.CO, acsi.Type{Kind: value.VisibleString, Size: 129}),
			operNode("SBOw", on), operNode("Oper", on), operNode("Cancel", on)), object("Loc", "SPS", attribute("stVal", acsi.ST, acsi.Type{Kind: value.Boolean}))}
	case "GGIO1":
		ln.Children = []*acsi.Node{object("AnOut1", "APC", model, operNode("Oper", amount))}
	default:
		return nil, acsi.Errorf(acsi.ObjectNonExistent, "no %s", ref)
	}
	return ln, nil
}

func (s *switchgear) GetServerDirectory(context.Context) ([]string, error) {
	return []string{"LD"}, nil
}
func (s *switchgear) GetLogicalDeviceDirectory(context.Context, string) ([]string, error) {
	return []string{"CSWI1", "GGIO1"}, nil
}

func (s *switchgear) GetDataValues(_ context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	results := make([]acsi.Result, len(refs))
	for i, ref := range refs {
		switch ref.Name() {
		case "ctlModel":
			results[i].Value = value.Int(int64(s.model))
		case "SBO":
			s.said = append(s.said, "select")
			results[i] = acsi.Result{Value: s.sbo, Err: s.refuse["SBO"]}
		default:
			results[i].Err = acsi.Errorf(acsi.ObjectNonExistent, "no %s", ref)
		}
	}
	return results, nil
}

func (s *switchgear) SetDataValues(ctx context.Context, assignments []acsi.Assignment) ([]error, error) {
	a := assignments[0]
	s.said = append(s.said, fmt.Sprintf("%s %v", a.Ref.Name(), a.Value.At(0)))
	if err := s.refuse[a.Ref.Name()]; err != nil {
		return []error{err}, nil
	}
	if a.Ref.Name() == "Oper" && s.ends != nil {
		if t := s.ends(a.Value); t != nil {
			s.notices <- t
		}
	}
	return []error{nil}, ctx.Err()
}

func (s *switchgear) Next(ctx context.Context) (acsi.Notice, error) {
	select {
	case n, open := <-s.notices:
		if !open {
			return nil, fmt.Errorf("the link is gone: %w", net.ErrClosed)
		}
		return n, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const breaker = "LD/CSWI1.Pos"

// Conformance: cDOns, cSBOns, cDOes, cSBOes.
func TestACommandTakesTheStepsOfItsModel(t *testing.T) {
	good := func(oper value.Value) *acsi.Termination {
		return &acsi.Termination{Ref: acsi.MustRef(breaker + ".Oper[CO]"), Oper: oper}
	}
	for _, test := range []struct {
		model CtlModel
		steps []Step
		said  []string
	}{
		{DirectNormal, []Step{Operating}, []string{"Oper true"}},
		{SBONormal, []Step{Selecting, Operating}, []string{"select", "Oper true"}},
		{DirectEnhanced, []Step{Operating, Terminated}, []string{"Oper true"}},
		{SBOEnhanced, []Step{Selecting, Operating, Terminated}, []string{"SBOw true", "Oper true"}},
	} {
		t.Run(test.model.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSwitchgear(test.model)
				s.ends = good
				ctl, err := New(s).Control(t.Context(), acsi.MustRef(breaker))
				if err != nil {
					t.Fatal(err)
				}
				if ctl.Model != test.model || ctl.CDC != "DPC" {
					t.Errorf("model %v of a %s", ctl.Model, ctl.CDC)
				}
				on, err := ctl.ParseValue("on")
				if err != nil {
					t.Fatal(err)
				}
				var steps []Step
				err = ctl.Operate(t.Context(), on, Operation{Step: func(s Step, _ time.Duration) { steps = append(steps, s) }})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(test.steps, steps); d != "" {
					t.Errorf("steps (-want +got):\n%s", d)
				}
				if d := cmp.Diff(test.said, s.said); d != "" {
					t.Errorf("services (-want +got):\n%s", d)
				}
				synctest.Wait() // nobody listens any more: a goroutine left over would end the test
			})
		})
	}
}

// Conformance: cCtl.
func TestWhyACommandFails(t *testing.T) {
	refused := func(c acsi.AddCause) error {
		return &acsi.Error{Code: acsi.ObjectAccessDenied, Remote: true, Control: &acsi.ControlFailure{Cause: c, CtlNum: 1}}
	}
	for _, test := range []struct {
		name  string
		model CtlModel
		set   func(*switchgear)
		step  Step
		cause acsi.AddCause
		text  string
		said  []string
	}{
		{"select is refused", SBONormal, func(s *switchgear) { s.sbo = value.Visible("") }, Selecting, acsi.AddCauseUnknown,
			"LD/CSWI1.Pos: select: temporarily-unavailable: the IED does not let it be selected", []string{"select"}},
		{"select with value is refused", SBOEnhanced, func(s *switchgear) { s.refuse["SBOw"] = refused(acsi.ObjectAlreadySelected) }, Selecting, acsi.ObjectAlreadySelected,
			"LD/CSWI1.Pos: select: object-access-denied (object-already-selected)", []string{"SBOw true"}},
		{"operate is refused", DirectNormal, func(s *switchgear) { s.refuse["Oper"] = refused(acsi.BlockedByInterlocking) }, Operating, acsi.BlockedByInterlocking,
			"LD/CSWI1.Pos: operate: object-access-denied (blocked-by-interlocking)", []string{"Oper true"}},
		{"it ends badly", DirectEnhanced, func(s *switchgear) {
			s.ends = func(value.Value) *acsi.Termination {
				return &acsi.Termination{Ref: acsi.MustRef(breaker + ".Oper[CO]"), Failure: &acsi.ControlFailure{Cause: acsi.TimeLimitOver, CtlNum: 1}}
			}
		}, Terminated, acsi.TimeLimitOver, "(time-limit-over)", []string{"Oper true"}},
		{"nobody tells how it ends", DirectEnhanced, func(*switchgear) {}, Terminated, acsi.AddCauseUnknown,
			"the outcome is unknown: the IED has not told in 10s how the command ended", []string{"Oper true"}},
		{"the end of another command", DirectEnhanced, func(s *switchgear) {
			s.ends = func(oper value.Value) *acsi.Termination {
				s.notices <- &acsi.Termination{Ref: acsi.MustRef("LD/CSWI2.Pos.Oper[CO]")}
				s.notices <- &acsi.Report{RptID: "r"}
				parts := make([]value.Value, oper.Len())
				for i := range parts {
					parts[i] = oper.At(i)
				}
				parts[3] = value.Uint(77)
				return &acsi.Termination{Ref: acsi.MustRef(breaker + ".Oper[CO]"), Oper: value.StructureOf(parts...)}
			}
		}, Terminated, acsi.AddCauseUnknown, "the outcome is unknown", []string{"Oper true"}},
		{"the link is lost", DirectEnhanced, func(s *switchgear) {
			s.ends = func(value.Value) *acsi.Termination { close(s.notices); return nil }
		}, Terminated, acsi.AddCauseUnknown, "the outcome is unknown: the link is gone", []string{"Oper true"}},
		{"status only", StatusOnly, func(*switchgear) {}, Operating, acsi.NotSupported, "its control model is status-only", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSwitchgear(test.model)
				test.set(s)
				ctl, err := New(s).Control(t.Context(), acsi.MustRef(breaker))
				if err != nil {
					t.Fatal(err)
				}
				err = ctl.Operate(t.Context(), value.Bool(true), Operation{Wait: 10 * time.Second})
				failed, ok := errors.AsType[*ControlError](err)
				if !ok || failed.Step != test.step || failed.Cause != test.cause || !strings.Contains(err.Error(), test.text) {
					t.Errorf("got %+v, %v; want step %s, cause %v, %q", failed, err, test.step, test.cause, test.text)
				}
				if d := cmp.Diff(test.said, s.said); d != "" {
					t.Errorf("services (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestWhatACommandSays(t *testing.T) {
	s := newSwitchgear(SBOEnhanced)
	client := New(s)
	ctl, err := client.Control(bg, acsi.MustRef(breaker))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	cmd, err := ctl.command(value.Bool(false), Operation{Origin: acsi.Origin{Cat: acsi.OrStationControl, Ident: "ann"}, Test: true, Synchro: true, At: at})
	if err != nil {
		t.Fatal(err)
	}
	cmd.at.Time = at.Add(-time.Minute)
	oper, err := cmd.compose(ctl.oper.Node, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := ctl.oper.Node.Check(oper); err != nil {
		t.Error(err)
	}
	want := value.StructureOf(value.Bool(false), acsi.Timestamp{Time: at, Quality: acsi.AccuracyUnspecified}.Value(),
		value.StructureOf(value.Int(2), value.Octets([]byte("ann"))), value.Uint(1), cmd.at.Value(), value.Bool(true), value.Bits(2, []byte{0x80}))
	if !oper.Equal(want) {
		t.Errorf("got %v, want %v", oper, want)
	}
	cancel, err := cmd.compose(ctl.cancel.Node, false)
	if err != nil || cancel.Len() != 6 {
		t.Errorf("cancel is %v, %v", cancel, err)
	}
	if _, err := ctl.command(value.Bool(true), Operation{Origin: acsi.Origin{Ident: strings.Repeat("x", 65)}}); err == nil {
		t.Error("an identity of 65 octets is taken")
	}
	if err := ctl.Operate(bg, value.Int(1), Operation{}); err == nil || len(s.said) != 0 {
		t.Errorf("a value of another type is sent: %v, %v", s.said, err)
	}
}

func TestValuesOfCommands(t *testing.T) {
	client := New(newSwitchgear(DirectNormal))
	for _, test := range []struct {
		ref, text, want string
	}{
		{breaker, "on", "true"}, {breaker, "OFF", "false"}, {breaker, "half", "neither on nor off"},
		{"LD/GGIO1.AnOut1", "80.5", "{float32 80.5}"}, {"LD/GGIO1.AnOut1", `{"f":1}`, "{float32 1}"}, {"LD/GGIO1.AnOut1", "much", "no number"},
	} {
		ctl, err := client.Control(bg, acsi.MustRef(test.ref))
		if err != nil {
			t.Fatal(err)
		}
		v, err := ctl.ParseValue(test.text)
		if got := fmt.Sprint(v, err); !strings.Contains(got, test.want) {
			t.Errorf("%s of %s: got %s, want %s", test.text, test.ref, got, test.want)
		}
	}
	for _, ref := range []string{"LD/CSWI1.Loc", "LD/CSWI1", "LD/CSWI1.Nix", "LD/XSWI1.Pos"} {
		if ctl, err := client.Control(bg, acsi.MustRef(ref)); err == nil {
			t.Errorf("%s can be operated: %v", ref, ctl.Model)
		}
	}
}

// A selection that nobody waits for any more is given free.
func TestASelectionIsTakenBack(t *testing.T) {
	s := newSwitchgear(SBOEnhanced)
	ctl, err := New(s).Control(bg, acsi.MustRef(breaker))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(bg)
	err = ctl.Operate(ctx, value.Bool(true), Operation{Step: func(s Step, _ time.Duration) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff([]string{"SBOw true", "Oper true", "Cancel true"}, s.said); d != "" {
		t.Errorf("services (-want +got):\n%s", d)
	}
}

// Cancel names the command that the object was selected for.
func TestASelectionIsCancelled(t *testing.T) {
	s := newSwitchgear(SBONormal)
	ctl, err := New(s).Control(bg, acsi.MustRef(breaker))
	if err != nil {
		t.Fatal(err)
	}
	selected, err := ctl.Select(bg, value.Bool(true), Operation{})
	if err != nil {
		t.Fatal(err)
	}
	if err := selected.Cancel(bg); err != nil || cmp.Diff([]string{"select", "Cancel true"}, s.said) != "" {
		t.Errorf("%v, %v", s.said, err)
	}
	ctl.Model = DirectNormal
	if _, err := ctl.Select(bg, value.Bool(true), Operation{}); err == nil {
		t.Error("an object that is operated directly is selected")
	}
}

// A command for later that nobody waits for any more is taken back before its time, and not after it.
func TestACommandForLaterIsTakenBack(t *testing.T) {
	for _, test := range []struct {
		after time.Duration
		want  []string
	}{{time.Minute, []string{"Oper true", "Cancel true"}}, {time.Hour + time.Second, []string{"Oper true"}}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSwitchgear(DirectNormal)
			ctl, err := New(s).Control(t.Context(), acsi.MustRef(breaker))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), test.after)
			defer cancel()
			err = ctl.Operate(ctx, value.Bool(true), Operation{At: time.Now().Add(time.Hour)})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if d := cmp.Diff(test.want, s.said); d != "" {
				t.Errorf("after %v (-want +got):\n%s", test.after, d)
			}
		})
	}
}

// Client.AnyKind: some devices answer a select with normal security by a structure, as if it were one with value.
func TestASelectAnsweredByAStructure(t *testing.T) {
	for _, anyKind := range []bool{false, true} {
		s := newSwitchgear(SBONormal)
		s.sbo = value.StructureOf(value.Bool(true), value.Int(1))
		c := New(s)
		c.AnyKind = anyKind
		ctl, err := c.Control(bg, acsi.MustRef(breaker))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ctl.Select(bg, value.Bool(true), Operation{}); (err == nil) != anyKind {
			t.Errorf("AnyKind %t: got %v", anyKind, err)
		}
	}
}
