package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// CtlModel is how a control object is operated.
//
// IEC 61850-7-3, ctlModel.
type CtlModel uint8

// The control models.
const (
	StatusOnly CtlModel = iota
	DirectNormal
	SBONormal
	DirectEnhanced
	SBOEnhanced
)

var ctlModelNames = [...]string{"status-only", "direct-with-normal-security", "sbo-with-normal-security",
	"direct-with-enhanced-security", "sbo-with-enhanced-security"}

// String is the model's name in the standard.
func (m CtlModel) String() string {
	if int(m) < len(ctlModelNames) {
		return ctlModelNames[m]
	}
	return fmt.Sprintf("ctlModel(%d)", uint8(m))
}

// Selects reports whether an object is selected before it is operated.
func (m CtlModel) Selects() bool { return m == SBONormal || m == SBOEnhanced }

// Enhanced reports whether the IED tells how a command has ended.
func (m CtlModel) Enhanced() bool { return m == DirectEnhanced || m == SBOEnhanced }

// Step is one part of a command.
type Step string

// The steps, in the order in which a command takes them.
const (
	Selecting  Step = "select"
	Operating  Step = "operate"
	Terminated Step = "terminated" // the IED has told how the command ended
	Cancelling Step = "cancel"
)

// ControlError says at which step a command failed, and why.
type ControlError struct {
	Ref   acsi.Ref // of the control object
	Step  Step
	Cause acsi.AddCause // AddCauseUnknown where the IED has told none
	Err   error
}

// Error gives object, step and cause.
func (e *ControlError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.Ref.Path(), e.Step, e.Err)
}

// Unwrap is the error of the service, an *acsi.Error where the IED has refused it.
func (e *ControlError) Unwrap() error { return e.Err }

// Operation says how a command is given. The zero Operation is one by remote control, for now, without checks or test.
type Operation struct {
	Origin             acsi.Origin                      // the zero Origin: remote-control, without an identity
	Test               bool                             // try all but the output
	Synchro, Interlock bool                             // what the IED is to check
	At                 time.Time                        // when the IED is to operate; zero: now
	Wait               time.Duration                    // for the end of an enhanced command, from its time on; 0: 60 s
	Step               func(s Step, took time.Duration) // hears of each step that was done; nil: nobody
}

const defaultTermination = time.Minute

// Control is a control object that can be operated. Its methods may be called concurrently, though an object takes one command
// at a time.
type Control struct {
	Ref   acsi.Ref // without a functional constraint
	Model CtlModel
	CDC   string // where it is known

	client             *Client
	value              Object   // ctlVal
	oper, sbow, cancel Object   // Node is nil where there is none
	sbo                acsi.Ref // zero where there is none
}

// Control finds out how the control object ref, LD/LN.DO, is operated.
func (c *Client) Control(ctx context.Context, ref acsi.Ref) (*Control, error) {
	ref = ref.WithFC(0)
	if ref.Depth() < 3 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%s is no control object: name a data object, such as LD/CSWI1.Pos", ref)
	}
	found, err := c.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	ctl := &Control{Ref: ref, client: c, CDC: found[0].CDC}
	for _, part := range found[0].Children {
		below, err := ref.WithFC(acsi.CO).Child(part.Name)
		if err != nil || part.FC != acsi.CO {
			continue
		}
		switch o := (Object{below, part}); part.Name {
		case "Oper":
			ctl.oper = o
		case "SBOw":
			ctl.sbow = o
		case "Cancel":
			ctl.cancel = o
		case "SBO":
			ctl.sbo = below
		}
	}
	if err := ctl.readModel(ctx, found[0]); err != nil {
		return nil, err
	}
	if ctl.Model == StatusOnly {
		return ctl, nil
	}
	if ctl.oper.Node == nil || ctl.oper.Node.Child("ctlVal") == nil {
		return nil, acsi.Errorf(acsi.ObjectNonExistent, "%s cannot be operated: it has no Oper with a ctlVal", ref)
	}
	if ctl.value.Ref, err = ctl.oper.Ref.Child("ctlVal"); err != nil {
		return nil, err
	}
	ctl.value.Node = ctl.oper.Node.Child("ctlVal")
	return ctl, nil
}

// readModel asks for the ctlModel. An object without one, but with an Oper, is direct with normal security, as objects of
// Edition 1 may be.
func (ctl *Control) readModel(ctx context.Context, node *acsi.Node) error {
	if n := node.Child("ctlModel"); n == nil || n.FC != acsi.CF {
		if ctl.Model = DirectNormal; ctl.oper.Node == nil {
			return acsi.Errorf(acsi.ObjectNonExistent, "%s cannot be operated: it has neither ctlModel nor Oper", ctl.Ref)
		}
		return nil
	}
	ref, err := ctl.Ref.WithFC(acsi.CF).Child("ctlModel")
	if err != nil {
		return err
	}
	results, err := ctl.client.services.GetDataValues(ctx, []acsi.Ref{ref})
	if err != nil {
		return err
	}
	if len(results) != 1 || results[0].Err != nil {
		return fmt.Errorf("%s: %w", ref, errors.Join(acsi.Errorf(acsi.ObjectUndefined, "its control model cannot be read"), firstError(results)))
	}
	n, ok := results[0].Value.Int()
	if !ok || n < 0 || n > int64(SBOEnhanced) {
		return acsi.Errorf(acsi.TypeInconsistent, "%s is %v, which is no control model", ref, results[0].Value)
	}
	ctl.Model = CtlModel(n)
	return nil
}

func firstError(results []acsi.Result) error {
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// ParseValue reads text as what the object can be commanded: on and off, or true and false; higher, lower and stop; a number;
// the name of an enumeration.
func (ctl *Control) ParseValue(text string) (value.Value, error) {
	o := ctl.value
	if o.Node == nil {
		return value.Value{}, &ControlError{ctl.Ref, Operating, acsi.NotSupported, acsi.Errorf(acsi.ObjectAccessDenied, "its control model is %s: it cannot be operated", ctl.Model)}
	}
	if o.Node.IsLeaf() && o.Node.Type.Kind == value.Boolean {
		switch strings.ToLower(text) {
		case "on", "true", "1", "close", "closed":
			return value.Bool(true), nil
		case "off", "false", "0", "open":
			return value.Bool(false), nil
		}
		return value.Value{}, fmt.Errorf("%s: %q is neither on nor off", ctl.Ref, text)
	}
	if !o.Node.IsLeaf() && len(o.Node.Children) > 0 && !strings.HasPrefix(strings.TrimSpace(text), "{") {
		return ctl.parseAnalogue(text)
	}
	v, err := ParseValue(o, text)
	if err != nil {
		return value.Value{}, fmt.Errorf("%s: %w", ctl.Ref, err)
	}
	return v, nil
}

// parseAnalogue reads a number as an AnalogueValue, which has an integer i, a floating-point number f, or both.
func (ctl *Control) parseAnalogue(text string) (value.Value, error) {
	parts := make([]value.Value, len(ctl.value.Node.Children))
	for i, n := range ctl.value.Node.Children {
		ref, err := ctl.value.Ref.Child(n.Name)
		if err != nil {
			return value.Value{}, err
		}
		number := text
		if n.Name == "i" && len(parts) > 1 {
			number = wholePart(text)
		}
		if parts[i], err = ParseValue(Object{ref, n}, number); err != nil {
			return value.Value{}, fmt.Errorf("%s: %w", ctl.Ref, err)
		}
	}
	return value.StructureOf(parts...), nil
}

// wholePart is a number without what follows its point.
func wholePart(text string) string {
	whole, _, _ := strings.Cut(text, ".")
	return whole
}

// Operate commands v: it selects the object first where its model wants that, and waits for the end where its model, or a time
// at which to operate, promises to tell of it. An error is a *ControlError. Where ctx ends while the object is selected, or before the time
// at which it is to be operated, the command is taken back.
//
// IEC 61850-7-2, 20.5.
func (ctl *Control) Operate(ctx context.Context, v value.Value, op Operation) error {
	if ctl.Model.Selects() {
		selected, err := ctl.Select(ctx, v, op)
		if err != nil {
			return err
		}
		return selected.Operate(ctx)
	}
	cmd, err := ctl.command(v, op)
	if err != nil {
		return err
	}
	return cmd.operate(ctx)
}

// Select takes the object for a command of v that will follow. The IED gives it free by itself after its sboTimeout.
func (ctl *Control) Select(ctx context.Context, v value.Value, op Operation) (*Selection, error) {
	cmd, err := ctl.command(v, op)
	if err != nil {
		return nil, err
	}
	if !ctl.Model.Selects() {
		return nil, &ControlError{ctl.Ref, Selecting, acsi.NotSupported, acsi.Errorf(acsi.ObjectAccessUnsupported, "its control model is %s", ctl.Model)}
	}
	if err := cmd.do(ctx, Selecting, cmd.selectIt); err != nil {
		return nil, err
	}
	return &Selection{cmd}, nil
}

// Selection is a control object that is taken for a command.
type Selection struct {
	cmd *command
}

// Operate carries out the command that the object was selected for, as Control.Operate does.
func (s *Selection) Operate(ctx context.Context) error { return s.cmd.operate(ctx) }

// Cancel gives the object free.
func (s *Selection) Cancel(ctx context.Context) error {
	return s.cmd.do(ctx, Cancelling, func(ctx context.Context) error { return s.cmd.write(ctx, s.cmd.cancel, false) })
}

// operate is what follows the selection, or all there is.
func (cmd *command) operate(ctx context.Context) error {
	ended := make(chan *acsi.Termination, 1)
	lost := make(chan error, 1)
	if cmd.awaited() {
		defer cmd.client.listen(cmd.listener(ended, lost))()
	}
	if err := cmd.do(ctx, Operating, func(ctx context.Context) error { return cmd.write(ctx, cmd.oper, true) }); err != nil {
		if ctx.Err() != nil && cmd.Model.Selects() {
			cmd.takeBack(ctx)
		}
		return err
	}
	if !cmd.awaited() {
		return nil
	}
	err := cmd.do(ctx, Terminated, func(ctx context.Context) error { return cmd.await(ctx, ended, lost) })
	if err != nil && ctx.Err() != nil && time.Until(cmd.op.At) > 0 {
		cmd.takeBack(ctx)
	}
	return err
}

// listener puts the end of the command into ended, and that of the association into lost.
func (cmd *command) listener(ended chan<- *acsi.Termination, lost chan<- error) *listener {
	return &listener{
		notice: func(n acsi.Notice) {
			if t, ok := n.(*acsi.Termination); ok && cmd.isEnd(t) {
				select {
				case ended <- t:
				default:
				}
			}
		},
		ended: func(err error) {
			select {
			case lost <- err:
			default:
			}
		},
	}
}

// command is one command under way.
type command struct {
	*Control
	op     Operation
	value  value.Value
	number uint8
	at     acsi.Timestamp // when it was given
}

func (ctl *Control) command(v value.Value, op Operation) (*command, error) {
	if ctl.Model == StatusOnly {
		return nil, &ControlError{ctl.Ref, Operating, acsi.NotSupported, acsi.Errorf(acsi.ObjectAccessDenied, "its control model is status-only: it cannot be operated")}
	}
	if op.Origin.Cat == acsi.OrNotSupported {
		op.Origin.Cat = acsi.OrRemoteControl
	}
	if len(op.Origin.Ident) > 64 {
		return nil, fmt.Errorf("%s: the identity of the origin has %d octets, and takes 64", ctl.Ref, len(op.Origin.Ident))
	}
	if op.Wait <= 0 {
		op.Wait = defaultTermination
	}
	if op.Step == nil {
		op.Step = func(Step, time.Duration) {}
	}
	return &command{ctl, op, v, ctl.client.nextCommand(), acsi.Timestamp{Time: time.Now(), Quality: acsi.AccuracyUnspecified}}, nil
}

// nextCommand numbers commands, from 1, so that the status of an object tells which of them it shows.
func (c *Client) nextCommand() uint8 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commands++
	return c.commands
}

// awaited reports whether the IED tells how the command has ended.
func (cmd *command) awaited() bool { return cmd.Model.Enhanced() || !cmd.op.At.IsZero() }

// do carries out one step and tells of it.
func (cmd *command) do(ctx context.Context, s Step, f func(context.Context) error) error {
	began := time.Now()
	err := f(ctx)
	if err == nil {
		cmd.op.Step(s, time.Since(began))
		return nil
	}
	failed := &ControlError{Ref: cmd.Ref, Step: s, Err: err}
	var refused *acsi.Error
	if errors.As(err, &refused) && refused.Control != nil {
		failed.Cause = refused.Control.Cause
	}
	return failed
}

func (cmd *command) selectIt(ctx context.Context) error {
	if cmd.Model == SBOEnhanced {
		return cmd.write(ctx, cmd.sbow, true)
	}
	if cmd.sbo.IsZero() {
		return acsi.Errorf(acsi.ObjectNonExistent, "%s has no SBO to select it by", cmd.Ref)
	}
	results, err := cmd.client.services.GetDataValues(ctx, []acsi.Ref{cmd.sbo})
	switch {
	case err != nil:
		return err
	case len(results) != 1:
		return errors.New("the IED answered for another number of objects than was asked")
	case results[0].Err != nil:
		return results[0].Err
	case results[0].Value.Text() == "" && !(cmd.client.AnyKind && results[0].Value.Kind() == value.Structure): // some devices answer as to SBOw
		return &acsi.Error{Code: acsi.TemporarilyUnavailable, Remote: true, Text: "the IED does not let it be selected"}
	}
	return nil
}

// write sends Oper, SBOw or Cancel.
func (cmd *command) write(ctx context.Context, o Object, check bool) error {
	if o.Node == nil {
		return acsi.Errorf(acsi.ObjectNonExistent, "%s has no part for this step", cmd.Ref)
	}
	v, err := cmd.compose(o.Node, check)
	if err != nil {
		return err
	}
	errs, err := cmd.client.services.SetDataValues(ctx, []acsi.Assignment{{Ref: o.Ref, Value: v}})
	switch {
	case err != nil:
		return err
	case len(errs) != 1:
		return errors.New("the IED answered for another number of objects than was written")
	}
	return errs[0]
}

// compose makes the value of Oper, SBOw or Cancel, of the parts that the object has.
func (cmd *command) compose(n *acsi.Node, check bool) (value.Value, error) {
	parts := make([]value.Value, len(n.Children))
	timed := false
	for i, part := range n.Children {
		switch part.Name {
		case "ctlVal":
			if err := part.Check(cmd.value); err != nil {
				return value.Value{}, err
			}
			parts[i] = cmd.value
		case "operTm":
			timed = true
			parts[i] = timeOf(part, acsi.Timestamp{Time: cmd.op.At, Quality: acsi.AccuracyUnspecified})
		case "origin":
			parts[i] = cmd.origin(part)
		case "ctlNum":
			parts[i] = numberOf(part, uint64(cmd.number))
		case "T":
			parts[i] = timeOf(part, cmd.at)
		case "Test":
			parts[i] = value.Bool(cmd.op.Test)
		case "Check":
			parts[i] = cmd.check()
		default:
			return value.Value{}, acsi.Errorf(acsi.TypeUnsupported, "%s.%s has the part %s, which no command has", cmd.Ref, n.Name, part.Name)
		}
	}
	if check && !cmd.op.At.IsZero() && !timed {
		return value.Value{}, acsi.Errorf(acsi.ObjectAccessUnsupported, "%s cannot be operated at a time: its %s has no operTm", cmd.Ref, n.Name)
	}
	return value.StructureOf(parts...), nil
}

func (cmd *command) origin(n *acsi.Node) value.Value {
	parts := make([]value.Value, len(n.Children))
	for i, part := range n.Children {
		if part.Name == "orCat" {
			parts[i] = numberOf(part, uint64(cmd.op.Origin.Cat))
		} else {
			parts[i] = value.Octets([]byte(cmd.op.Origin.Ident))
		}
	}
	return value.StructureOf(parts...)
}

// check is the bits synchrocheck and interlock-check, in this order.
//
// IEC 61850-7-2, Check.
func (cmd *command) check() value.Value {
	var bits byte
	if cmd.op.Synchro {
		bits |= 0x80
	}
	if cmd.op.Interlock {
		bits |= 0x40
	}
	return value.Bits(2, []byte{bits})
}

func numberOf(n *acsi.Node, u uint64) value.Value {
	if n.Type.Kind == value.Integer {
		return value.Int(int64(min(u, math.MaxInt64)))
	}
	return value.Uint(u)
}

// timeOf is t as the time of n's kind: Edition 1 has the time of a command as a binary time. The zero time is zero.
func timeOf(n *acsi.Node, t acsi.Timestamp) value.Value {
	switch {
	case n.Type.Kind == value.BinaryTime && t.Time.IsZero():
		return value.BinTime(0, 0)
	case n.Type.Kind == value.BinaryTime:
		epoch := time.Date(1984, 1, 1, 0, 0, 0, 0, time.UTC)
		since := t.Time.Sub(epoch)
		return value.BinTime(uint32(since%(24*time.Hour)/time.Millisecond), uint16(since/(24*time.Hour)))
	case t.Time.IsZero():
		return value.UTC(0)
	}
	return t.Value()
}

// isEnd reports whether t is the end of this command.
func (cmd *command) isEnd(t *acsi.Termination) bool {
	if t.Ref.WithFC(0) != cmd.oper.Ref.WithFC(0) {
		return false
	}
	if t.Failure != nil {
		return t.Failure.CtlNum == cmd.number
	}
	for i, part := range cmd.oper.Node.Children {
		if part.Name == "ctlNum" && t.Oper.Kind() == value.Structure && i < t.Oper.Len() {
			n, ok := t.Oper.At(i).Uint()
			return !ok || n == uint64(cmd.number)
		}
	}
	return true
}

func (cmd *command) await(ctx context.Context, ended <-chan *acsi.Termination, lost <-chan error) error {
	wait := cmd.op.Wait
	if !cmd.op.At.IsZero() {
		wait += max(0, time.Until(cmd.op.At))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case t := <-ended:
		if t.Failure != nil {
			return &acsi.Error{Code: acsi.HardwareFault, Remote: true, Control: t.Failure, Text: "the command did not end well"}
		}
		return nil
	case err := <-lost:
		return fmt.Errorf("the outcome is unknown: %w", err)
	case <-timer.C:
		return fmt.Errorf("the outcome is unknown: the IED has not told in %v how the command ended", wait.Round(time.Second))
	case <-ctx.Done():
		return fmt.Errorf("the outcome is unknown: %w", ctx.Err())
	}
}

// takeBack cancels a selection, or a command for later, that nobody waits for any more.
func (cmd *command) takeBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = cmd.write(ctx, cmd.cancel, false) // the IED gives it free by itself, later
}
