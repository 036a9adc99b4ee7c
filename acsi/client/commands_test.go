package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// process decides about commands as a test wants it.
type process struct {
	refuse atomic.Int32 // the AddCause of every phase of that number
	phase  atomic.Int32 // the phase that is refused
	seen   sync.Map     // by reference: the last server.Command
	engine func() *server.Engine
}

// handle accepts what is not refused, and brings what is executed into the model.
func (p *process) handle(_ context.Context, c server.Command) acsi.AddCause {
	if c.Phase == server.Deselected {
		return acsi.Done // whenever it comes
	}
	p.seen.Store(c.Ref, c)
	if int32(c.Phase) == p.phase.Load() {
		return acsi.AddCause(p.refuse.Load())
	}
	if c.Phase == server.Executing && c.Ref.Name() == "ISCSO1" {
		e := p.engine()
		e.Update(func(tx *server.Tx) {
			if h, err := e.Handle(acsi.MustRef(c.Ref.Path() + ".stVal[ST]")); err == nil {
				tx.Set(h, c.Value)
			}
		})
	}
	return acsi.Done
}

// withProcess runs test with a bay whose commands p decides about.
func withProcess(t *testing.T, test func(b *bay, p *process)) {
	var p *process
	inBay(t, func(_ *testing.T, cfg *server.Config) {
		p = &process{}
		p.phase.Store(-1)
		cfg.Control = p.handle
	}, func(b *bay) {
		p.engine = b.ied.Engine
		test(b, p)
	})
}

// commands are one of each control model, and the steps that it takes.
var commands = []struct {
	ref, text string
	model     client.CtlModel
	steps     []client.Step
	done      server.Phase // the last phase that may be refused before the end
}{
	{"GGIO1.SPCSO1", "on", client.DirectNormal, []client.Step{client.Operating}, server.Operating},
	{"ATCC1.TapChg", "higher", client.SBONormal, []client.Step{client.Selecting, client.Operating}, server.Operating},
	{"GGIO1.ISCSO1", "3", client.DirectEnhanced, []client.Step{client.Operating, client.Terminated}, server.Executing},
	{"CSWI1.Pos", "off", client.SBOEnhanced, []client.Step{client.Selecting, client.Operating, client.Terminated}, server.Executing},
}

func (b *bay) control(c *client.Client, ref string) *client.Control {
	b.Helper()
	ctl, err := c.Control(b.ctx, acsi.MustRef(fdr+"/"+ref))
	b.must("control", err)
	return ctl
}

func (b *bay) parse(ctl *client.Control, text string) value.Value {
	b.Helper()
	v, err := ctl.ParseValue(text)
	b.must("value", err)
	return v
}

// IEC 61850-7-2, 20: each control model takes its steps; who commands, and how, reaches the process.
//
// Conformance: cCtl, cDOns, cSBOns, cDOes, cSBOes.
func TestCommandsOverEveryCarrier(t *testing.T) {
	withProcess(t, func(b *bay, p *process) {
		c := b.as("ems", rbac.Operator)
		for _, tc := range commands {
			ctl := b.control(c, tc.ref)
			if ctl.Model != tc.model {
				b.Errorf("%s is %v, want %v", tc.ref, ctl.Model, tc.model)
			}
			var steps []client.Step
			op := client.Operation{Origin: acsi.Origin{Cat: acsi.OrRemoteControl, Ident: "ann"}, Synchro: true, Interlock: true, Wait: 10 * time.Second,
				Step: func(s client.Step, _ time.Duration) { steps = append(steps, s) }}
			if err := ctl.Operate(b.ctx, b.parse(ctl, tc.text), op); err != nil {
				b.Errorf("%s: %v", tc.ref, err)
			}
			if !slices.Equal(steps, tc.steps) {
				b.Errorf("%s: the steps are %v, want %v", tc.ref, steps, tc.steps)
			}
			last, _ := p.seen.Load(ctl.Ref)
			seen, ok := last.(server.Command)
			if !ok || seen.Origin != op.Origin || seen.Subject.Name != "ems@test.example" || !seen.Value.Equal(b.parse(ctl, tc.text)) {
				b.Errorf("%s: the process hears %+v", tc.ref, seen)
			}
		}
	})
}

// What the process refuses, and when, is what the client hears: the step, and the cause.
//
// Conformance: cCtl, cDOns, cSBOns, cDOes, cSBOes.
func TestRefusedCommandsOverEveryCarrier(t *testing.T) {
	withProcess(t, func(b *bay, p *process) {
		c := b.as("ems", rbac.Operator)
		for _, tc := range commands {
			ctl := b.control(c, tc.ref)
			for phase, step := range map[server.Phase]client.Step{server.Selecting: client.Selecting, server.Operating: client.Operating, server.Executing: client.Terminated} {
				if phase == server.Selecting && !tc.model.Selects() || phase == server.Executing && !tc.model.Enhanced() {
					continue
				}
				p.refuse.Store(int32(acsi.BlockedByInterlocking))
				p.phase.Store(int32(phase))
				err := ctl.Operate(b.ctx, b.parse(ctl, tc.text), client.Operation{Wait: 10 * time.Second})
				failed, ok := errors.AsType[*client.ControlError](err)
				if !ok || failed.Step != step {
					b.Errorf("%s, refused while %v: got %v", tc.ref, phase, err)
					continue
				}
				if normalSelect := step == client.Selecting && tc.model == client.SBONormal; !normalSelect && failed.Cause != acsi.BlockedByInterlocking {
					b.Errorf("%s, refused while %v: the cause is %v", tc.ref, phase, failed.Cause)
				}
			}
			p.phase.Store(-1)
		}
	})
}

// A selection keeps others out until it is cancelled.
//
// Conformance: cCtl, cSBOes.
func TestSelectionOverEveryCarrier(t *testing.T) {
	withProcess(t, func(b *bay, _ *process) {
		first, second := b.control(b.as("ems", rbac.Operator), "CSWI1.Pos"), b.control(b.as("other", rbac.Operator), "CSWI1.Pos")
		v := b.parse(first, "off")
		selection, err := first.Select(b.ctx, v, client.Operation{})
		b.must("select", err)
		err = second.Operate(b.ctx, v, client.Operation{})
		if failed, ok := errors.AsType[*client.ControlError](err); !ok || failed.Step != client.Selecting || failed.Cause == acsi.AddCauseUnknown {
			b.Errorf("while another has selected it: got %v", err)
		}
		b.must("cancel", selection.Cancel(b.ctx))
		b.must("operate when it is free", second.Operate(b.ctx, v, client.Operation{Wait: 10 * time.Second}))
	})
}

// A command for a later time is confirmed when that has come, and can be taken back before.
//
// Conformance: cCtl.
func TestCommandsForLaterOverEveryCarrier(t *testing.T) {
	withProcess(t, func(b *bay, _ *process) {
		ctl := b.control(b.as("ems", rbac.Operator), "GGIO1.SPCSO1")
		v := b.parse(ctl, "on")
		ctx, cancel := context.WithCancel(b.ctx)
		err := ctl.Operate(ctx, v, client.Operation{At: time.Now().Add(time.Hour), Step: func(client.Step, time.Duration) { cancel() }})
		if !errors.Is(err, context.Canceled) {
			b.Errorf("one that is taken back: got %v", err)
		}
		for early := 100 * time.Millisecond; ; early *= 2 {
			at := time.Now().Add(early)
			err := ctl.Operate(b.ctx, v, client.Operation{At: at, Wait: time.Minute})
			if failed, ok := errors.AsType[*client.ControlError](err); ok && failed.Cause == acsi.TimeLimitOver {
				continue // it has come too late: this machine is busy
			}
			b.must("operate", err)
			if now := time.Now(); now.Before(at) {
				b.Errorf("it is done %v too early", at.Sub(now))
			}
			break
		}
	})
}

// IEC 61850-7-2, 16.
//
// Conformance: cSg.
func TestSettingGroupsOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		c, other := b.as("ems", rbac.Engineer), b.as("other", rbac.Engineer)
		setting := func(fc acsi.FC) value.Value {
			b.Helper()
			readings, err := c.Read(b.ctx, acsi.MustRef(fdr+"/PTOC1.OpDlTmms.setVal").WithFC(fc))
			if err == nil {
				err = readings[0].Err
			}
			b.must("read", err)
			return readings[0].Value
		}
		edit := client.Assignment{Object: client.Object{Ref: acsi.MustRef(fdr + "/PTOC1.OpDlTmms.setVal[SE]")}, Value: value.Int(750)}
		if errs, err := c.Set(b.ctx, edit); err != nil || !errors.Is(errs[0], &acsi.Error{Code: acsi.TemporarilyUnavailable}) {
			b.Errorf("a write while no group is edited: got %v %v", errs, err)
		}
		b.must("edit", c.EditGroup(b.ctx, fdr, 2))
		b.refused("edit what another edits", other.EditGroup(b.ctx, fdr, 2), acsi.TemporarilyUnavailable)
		b.must("end the edit", c.EditGroup(b.ctx, fdr, 0))
		b.must("edit and confirm", c.EditSettings(b.ctx, fdr, 2, edit))
		if got := setting(acsi.SG); !got.Equal(value.Int(1000)) {
			b.Errorf("before the group is active: got %v, want 1000", got)
		}
		b.must("activate", c.ActivateGroup(b.ctx, fdr, 2))
		if got := setting(acsi.SG); !got.Equal(value.Int(750)) {
			b.Errorf("once the group is active: got %v, want 750", got)
		}
		block, err := c.SettingGroups(b.ctx, fdr)
		b.must("read the control block", err)
		if active, ok := block.Attribute("ActSG"); !ok || !active.Equal(value.Uint(2)) {
			b.Errorf("the control block says %v", block.Value)
		}
		b.refused("a group that is not there", c.ActivateGroup(b.ctx, fdr, 3), acsi.ObjectValueInvalid)
		b.must("edit again", c.EditGroup(b.ctx, fdr, 1))
	})
}

// IEC 61850-7-2, 17.3.5.
//
// Conformance: cLog.
func TestLogsOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		c := b.as("ems", rbac.Engineer)
		logs, err := c.Logs(b.ctx, acsi.Ref{})
		log := acsi.MustRef(fdr + "/LLN0.Events")
		if err != nil || !slices.Equal(logs, []acsi.Ref{log}) {
			b.Errorf("got %v %v", logs, err)
		}
		const changes = 400 // more than an answer has room for
		for i := range changes {
			b.update("CILO1.EnaCls.stVal[ST]", value.Bool(i%2 == 0))
		}
		query := func(q client.LogQuery) (entries []acsi.LogEntry) {
			b.Helper()
			for e, err := range c.QueryLog(b.ctx, log, q) {
				b.must("query", err)
				entries = append(entries, e)
			}
			return entries
		}
		all := query(client.LogQuery{})
		if len(all) != changes {
			b.Fatalf("%d entries, want %d", len(all), changes)
		}
		for i, e := range all {
			r := c.LogRecord(b.ctx, e)
			if len(r.Readings) != 1 || r.Readings[0].Err != nil || r.Values[0].Reason != acsi.ReasonDataChange || leafOf(r.Readings[0].Node, r.Readings[0].Value).Bool() != (i%2 == 0) {
				b.Fatalf("entry %d is %+v", i, r)
			}
			if i > 0 && e.ID.Number() <= all[i-1].ID.Number() {
				b.Fatalf("entry %d does not follow the one before", i)
			}
		}
		from := all[changes-10]
		if got := query(client.LogQuery{From: from.Time, After: from.ID}); len(got) != 9 || got[0].ID != all[changes-9].ID {
			b.Errorf("after the last but ten: got %d entries", len(got))
		}
		if got := query(client.LogQuery{To: all[0].Time.Add(-time.Second)}); len(got) != 0 {
			b.Errorf("before the first: got %d entries", len(got))
		}
		for _, err := range c.QueryLog(b.ctx, acsi.MustRef(fdr+"/LLN0.Nothing"), client.LogQuery{}) {
			b.refused("a log that is not there", err, acsi.ObjectNonExistent)
		}
	})
}

// IEC 61850-7-2, 23.
//
// Conformance: cFt.
func TestFilesOverEveryCarrier(t *testing.T) {
	var dir string
	inBay(t, func(t *testing.T, cfg *server.Config) {
		dir = t.TempDir()
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { root.Close() })
		cfg.Files = root
	}, func(b *bay) {
		c := b.as("ems", rbac.Engineer, rbac.Installer)
		content := bytes.Repeat([]byte("0123456789abcde\n"), 10_000)
		var steps []string
		progress := func(done, total int64) { steps = append(steps, fmt.Sprintf("%d/%d", done, total)) }
		b.must("make the folder", os.Mkdir(filepath.Join(dir, "COMTRADE"), 0o755))
		b.must("put", c.PutFile(b.ctx, "COMTRADE/a.dat", bytes.NewReader(content), int64(len(content)), progress))
		if got, err := os.ReadFile(filepath.Join(dir, "COMTRADE", "a.dat")); err != nil || !bytes.Equal(got, content) {
			b.Errorf("%d octets have arrived, %v", len(got), err)
		}
		if last := "160000/160000"; len(steps) < 3 || steps[len(steps)-1] != last {
			b.Errorf("the steps are %v, want several up to %s", steps, last)
		}
		files, err := c.Files(b.ctx, "COMTRADE/*.dat")
		if err != nil || len(files) != 1 || files[0].Name != "COMTRADE/a.dat" || files[0].Size != uint32(len(content)) || time.Since(files[0].Modified) > time.Hour {
			b.Errorf("got %+v %v", files, err)
		}
		var got bytes.Buffer
		steps = nil
		file, err := c.GetFile(b.ctx, "COMTRADE/a.dat", 0, &got, progress)
		if err != nil || !bytes.Equal(got.Bytes(), content) || file.Size != uint32(len(content)) || len(steps) < 3 {
			b.Errorf("got %d octets of %+v in %d steps, %v", got.Len(), file, len(steps), err)
		}
		got.Reset()
		if _, err := c.GetFile(b.ctx, "COMTRADE/a.dat", uint32(len(content)-5), &got, nil); err != nil || got.String() != "bcde\n" {
			b.Errorf("from an offset on: got %q %v", got.String(), err)
		}
		_, err = c.GetFile(b.ctx, "COMTRADE/b.dat", 0, io.Discard, nil)
		b.refused("one that is not there", err, acsi.ObjectNonExistent)
		b.refused("one outside", c.PutFile(b.ctx, "../x", strings.NewReader("x"), 1, nil), acsi.InvalidAddress)
		viewer := b.as("guest", rbac.Viewer)
		b.refused("without the right to", viewer.PutFile(b.ctx, "x", strings.NewReader("x"), 1, nil), acsi.ObjectAccessDenied)
		b.must("delete", c.DeleteFile(b.ctx, "COMTRADE/a.dat"))
		b.refused("delete it twice", c.DeleteFile(b.ctx, "COMTRADE/a.dat"), acsi.ObjectNonExistent)
	})
}

// IEC 61850-7-2, 12: a value that a client has put in the place of the process's.
//
// Conformance: cSub.
func TestSubstitutionOverEveryCarrier(t *testing.T) {
	inBay(t, nil, func(b *bay) {
		c := b.as("ems", rbac.Operator)
		read := func() (value.Value, *acsi.Quality) {
			b.Helper()
			readings, err := c.Read(b.ctx, acsi.MustRef(fdr+"/CSWI1.Pos.stVal[ST]"))
			if err == nil {
				err = readings[0].Err
			}
			b.must("read", err)
			return readings[0].Value, readings[0].Quality
		}
		write := func(name string, v value.Value) {
			b.Helper()
			errs, err := c.Set(b.ctx, client.Assignment{Object: client.Object{Ref: acsi.MustRef(fdr + "/CSWI1.Pos." + name + "[SV]")}, Value: v})
			if err == nil {
				err = errs[0]
			}
			b.must("write "+name, err)
		}
		on, off := value.Bits(2, []byte{0x80}), value.Bits(2, []byte{0x40})
		b.update("CSWI1.Pos.stVal[ST]", on, "CSWI1.Pos.q[ST]", acsi.QualityGood.Value())
		write("subVal", off)
		write("subQ", acsi.QualityGood.Value())
		write("subID", value.Visible("ann"))
		if v, q := read(); !v.Equal(on) || *q != acsi.QualityGood {
			b.Errorf("before: got %v %v", v, q)
		}
		write("subEna", value.Bool(true))
		b.update("CSWI1.Pos.stVal[ST]", value.Bits(2, nil))
		if v, q := read(); !v.Equal(off) || *q&acsi.QualitySubstituted == 0 {
			b.Errorf("substituted: got %v %v", v, q)
		}
		write("subEna", value.Bool(false))
		if v, q := read(); !v.Equal(value.Bits(2, nil)) || *q&acsi.QualitySubstituted != 0 {
			b.Errorf("afterwards: got %v %v, want what the process said meanwhile", v, q)
		}
	})
}
