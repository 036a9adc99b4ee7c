package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

const (
	sgcb   = "FDR1LD0/LLN0.SGCB"
	delay  = "FDR1LD0/PTOC1.OpDlTmms.setVal" // 1000 in group 1, 600 in group 2
	delay2 = "FDR1LD0/PTOC2.OpDlTmms.setVal" // 100 and 50
)

// groups tells of the control block and of delay: NumOfSG ActSG EditSG ResvTms, active and edited.
func groups(t *testing.T, s acsi.Services) string {
	t.Helper()
	block := get(t, s, sgcb+"[SP]")
	number := func(v value.Value) uint64 { n, _ := v.Uint(); return n }
	active, _ := get(t, s, delay+"[SG]").Int()
	edited, _ := get(t, s, delay+"[SE]").Int()
	return fmt.Sprintf("%d %d %d %d %d/%d", number(block.At(0)), number(block.At(1)), number(block.At(2)), number(block.At(5)), active, edited)
}

// since is LActTm.
func since(t *testing.T, s acsi.Services) time.Time {
	t.Helper()
	at, ok := acsi.TimestampOf(get(t, s, sgcb+".LActTm[SP]"))
	if !ok {
		t.Fatal("LActTm is no time")
	}
	return at.Time
}

// Conformance: sSg1, sSg2, sSg3, sSg4.
func TestSettingGroupsAreActivatedAndEdited(t *testing.T) {
	b := feederBench(t, Config{})
	s := b.as(rbac.Engineer)
	steps := []struct {
		after time.Duration
		ref   string
		v     value.Value
		want  string // groups
	}{
		{0, "", value.Value{}, "2 1 0 0 1000/1000"},
		{time.Second, ".ActSG[SP]", value.Uint(2), "2 2 0 0 600/600"},
		{time.Second, ".ActSG[SP]", value.Uint(1), "2 1 0 0 1000/1000"},
		{time.Second, ".EditSG[SP]", value.Uint(2), "2 1 2 60 1000/600"},
		{15 * time.Second, "", value.Value{}, "2 1 2 45 1000/600"},
		{0, delay + "[SE]", value.Int(700), "2 1 2 60 1000/700"},
		{0, ".CnfEdit[SP]", value.Bool(false), "2 1 2 60 1000/700"},
		{0, ".CnfEdit[SP]", value.Bool(true), "2 1 0 0 1000/1000"},
		{time.Second, ".ActSG[SP]", value.Uint(2), "2 2 0 0 700/700"},
		{time.Second, ".EditSG[SP]", value.Uint(2), "2 2 2 60 700/700"},
		{0, delay + "[SE]", value.Int(800), "2 2 2 60 700/800"},
		{0, ".CnfEdit[SP]", value.Bool(true), "2 2 0 0 800/800"},
	}
	for i, step := range steps {
		b.wait(step.after)
		if step.ref != "" {
			if got := put(t, s, refIn(step.ref), step.v); got != "" {
				t.Fatalf("step %d: %s", i, got)
			}
		}
		if got := groups(t, s); got != step.want {
			t.Fatalf("step %d, %s = %v: got %q, want %q", i, step.ref, step.v, got, step.want)
		}
		if strings.HasPrefix(step.ref, ".ActSG") && !since(t, s).Equal(b.now) {
			t.Errorf("step %d: LActTm is %v, want %v", i, since(t, s), b.now)
		}
	}
	if get(t, s, sgcb+".CnfEdit[SP]").Bool() {
		t.Error("CnfEdit stays true")
	}
	if v := get(t, s, delay2+"[SG]"); !v.Equal(value.Int(50)) {
		t.Errorf("%s is %v, want the 50 of group 2", delay2, v)
	}
}

// refIn is where a step writes: in the control block, where it begins with a point.
func refIn(ref string) string {
	if strings.HasPrefix(ref, ".") {
		return sgcb + ref
	}
	return ref
}

// What one edits and has not confirmed nobody else sees, until the editing ends.
func TestEditedValuesAreForTheEditorAlone(t *testing.T) {
	b := feederBench(t, Config{})
	editor, other := b.as(rbac.Engineer), b.as(rbac.Engineer)
	reads := func(s acsi.Services) string {
		t.Helper()
		results, err := s.GetDataValues(bg, []acsi.Ref{acsi.MustRef(delay + "[SE]")})
		if err != nil {
			t.Fatal(err)
		}
		all, err := s.GetAllDataValues(bg, acsi.MustRef(acsi.MustRef(delay).LD()+"/"+acsi.MustRef(delay).LN()+"[SE]"))
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range all {
			if codeOf(of.Err) != codeOf(results[0].Err) {
				t.Errorf("%s is answered %q, and among all values %q", delay, codeOf(results[0].Err), codeOf(of.Err))
			}
		}
		if results[0].Err != nil {
			return codeOf(results[0].Err)
		}
		return results[0].Value.String()
	}
	active := reads(other)
	if got := put(t, editor, sgcb+".EditSG[SP]", value.Uint(2)); got != "" {
		t.Fatal(got)
	}
	if got := put(t, editor, delay+"[SE]", value.Int(700)); got != "" {
		t.Fatal(got)
	}
	if mine, theirs := reads(editor), reads(other); mine != "integer 700" || theirs != "temporarily-unavailable" {
		t.Errorf("while one edits: the editor reads %s, another %s, want integer 700 and temporarily-unavailable", mine, theirs)
	}
	b.now = b.now.Add(time.Hour) // the reservation has run out, and nobody has ticked
	if mine, theirs := reads(editor), reads(other); mine != active || theirs != active {
		t.Errorf("after that: the editor reads %s, another %s, want %s, which is active", mine, theirs, active)
	}
}

// Conformance: sSgN1, sSgN2, sSgN4, sSgN5.
func TestWhatSettingGroupsRefuse(t *testing.T) {
	const invalid, unavailable, denied, inconsistent = "object-value-invalid", "temporarily-unavailable", "object-access-denied", "type-inconsistent"
	for _, test := range []struct {
		name  string
		other bool // another client edits group 2
		ref   string
		v     value.Value
		want  string
	}{
		{"activate no group", false, ".ActSG[SP]", value.Uint(0), invalid},
		{"activate an unknown group", false, ".ActSG[SP]", value.Uint(3), invalid},
		{"activate by another type", false, ".ActSG[SP]", value.Int(1), inconsistent},
		{"edit an unknown group", false, ".EditSG[SP]", value.Uint(3), invalid},
		{"edit without a group", false, delay + "[SE]", value.Int(1), unavailable},
		{"confirm without a group", false, ".CnfEdit[SP]", value.Bool(true), unavailable},
		{"edit another's group", true, ".EditSG[SP]", value.Uint(2), unavailable},
		{"edit while another edits", true, ".EditSG[SP]", value.Uint(1), unavailable},
		{"end another's edit", true, ".EditSG[SP]", value.Uint(0), unavailable},
		{"edit another's value", true, delay + "[SE]", value.Int(1), unavailable},
		{"confirm another's edit", true, ".CnfEdit[SP]", value.Bool(true), unavailable},
		{"the active value", false, delay + "[SG]", value.Int(1), denied},
		{"the number of groups", false, ".NumOfSG[SP]", value.Uint(9), denied},
		{"the time of activation", false, ".LActTm[SP]", value.UTC(0), denied},
		{"the reservation", false, ".ResvTms[SP]", value.Uint(9), denied},
		{"the whole block", false, "[SP]", value.StructureOf(value.Uint(2), value.Uint(1), value.Uint(0), value.Bool(false), value.UTC(0), value.Uint(0)), denied},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := feederBench(t, Config{})
			s, other := b.as(rbac.Engineer), b.as(rbac.Engineer)
			reader := s // who may read what is edited
			if test.other {
				reader = other
				if got := put(t, other, sgcb+".EditSG[SP]", value.Uint(2)); got != "" {
					t.Fatal(got)
				}
			}
			before := groups(t, reader)
			ref := test.ref
			if !strings.Contains(ref, "/") {
				ref = sgcb + ref
			}
			if got := put(t, s, ref, test.v); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if got := groups(t, reader); got != before {
				t.Errorf("got %q, want still %q", got, before)
			}
		})
	}
}

// Conformance: sSgN3.
func TestWhatIsNotConfirmedIsDropped(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *bench, acsi.Services){
		"the association ends": func(t *testing.T, _ *bench, s acsi.Services) {
			if err := s.Close(bg); err != nil {
				t.Error(err)
			}
		},
		"the reservation runs out": func(_ *testing.T, b *bench, _ acsi.Services) { b.wait(time.Minute) },
		"nobody ticks":             func(_ *testing.T, b *bench, _ acsi.Services) { b.now = b.now.Add(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			b := feederBench(t, Config{})
			s, other := b.as(rbac.Engineer), b.as(rbac.Engineer)
			for _, w := range []struct {
				ref string
				v   value.Value
			}{{sgcb + ".EditSG[SP]", value.Uint(2)}, {delay + "[SE]", value.Int(700)}} {
				if got := put(t, s, w.ref, w.v); got != "" {
					t.Fatal(got)
				}
			}
			end(t, b, s)
			if got := put(t, other, delay+"[SE]", value.Int(1)); got != "temporarily-unavailable" {
				t.Errorf("another writes: got %q", got)
			}
			if got := groups(t, other); got != "2 1 0 0 1000/1000" {
				t.Errorf("got %q", got)
			}
			if got := put(t, other, sgcb+".EditSG[SP]", value.Uint(2)); got != "" {
				t.Errorf("another edits: got %q", got)
			}
			if got := groups(t, other); got != "2 1 2 60 1000/600" {
				t.Errorf("another edits: got %q", got)
			}
		})
	}
}

func TestAWholeSettingIsEdited(t *testing.T) {
	b := feederBench(t, Config{})
	s := b.as(rbac.Engineer)
	put(t, s, sgcb+".EditSG[SP]", value.Uint(1))
	if got := put(t, s, "FDR1LD0/PTOC2.StrVal[SE]", value.StructureOf(value.StructureOf(value.Float(1300)))); got != "" {
		t.Fatal(got)
	}
	for ref, want := range map[string]float32{"FDR1LD0/PTOC2.StrVal.setMag.f[SE]": 1300, "FDR1LD0/PTOC2.StrVal.setMag.f[SG]": 1200, "FDR1LD0/PTOC1.StrVal.setMag.f[SE]": 240} {
		if got := get(t, s, ref); !got.Equal(value.Float(want)) {
			t.Errorf("%s: got %v, want %v", ref, got, want)
		}
	}
	put(t, s, sgcb+".CnfEdit[SP]", value.Bool(true))
	if got := get(t, s, "FDR1LD0/PTOC2.StrVal.setMag.f[SG]"); !got.Equal(value.Float(1300)) {
		t.Errorf("confirmed: got %v, want 1300", got)
	}
}

func TestTheProcessHearsOfSettingsThatAreOthers(t *testing.T) {
	b := feederBench(t, Config{})
	var heard []string
	b.OnWrite(func(ref acsi.Ref, v value.Value) { heard = append(heard, fmt.Sprintf("%s=%v", ref, v)) })
	s := b.as(rbac.Engineer)
	put(t, s, sgcb+".ActSG[SP]", value.Uint(2))
	want := []string{
		sgcb + ".ActSG[SP]=unsigned 2",
		"FDR1LD0/PTOC1.StrVal.setMag.f[SG]=float32 360", delay + "[SG]=integer 600",
		"FDR1LD0/PTOC2.StrVal.setMag.f[SG]=float32 1600", delay2 + "[SG]=integer 50",
	}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Errorf("activated (-want +got):\n%s", diff)
	}
	heard = nil
	put(t, s, sgcb+".EditSG[SP]", value.Uint(2))
	put(t, s, delay+"[SE]", value.Int(700))
	put(t, s, sgcb+".CnfEdit[SP]", value.Bool(true))
	want = []string{sgcb + ".EditSG[SP]=unsigned 2", delay + "[SE]=integer 700", sgcb + ".CnfEdit[SP]=true", delay + "[SG]=integer 700"}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Errorf("confirmed (-want +got):\n%s", diff)
	}
	for _, e := range b.events.Events() {
		if e.ID != audit.ValueWritten || strings.Contains(e.Text, "[SG]") {
			t.Errorf("event %s %q: nobody wrote that", e.ID, e.Text)
		}
	}
	if got := len(b.events.Events()); got != 4 {
		t.Errorf("%d events, want one for each write", got)
	}
}

func TestTheProcessChangesSettings(t *testing.T) {
	state := &shelf{}
	b := feederBench(t, Config{State: state})
	stop := running(t, b.Engine)
	set := func(ref string, v value.Value) (err error) {
		h, handleErr := b.Handle(acsi.MustRef(ref))
		if handleErr != nil {
			t.Fatal(handleErr)
		}
		b.Update(func(tx *Tx) { err = tx.Set(h, v) })
		return err
	}
	s := b.as(rbac.Viewer)
	if err := set(delay+"[SG]", value.Int(900)); err != nil || groups(t, s) != "2 1 0 0 900/900" {
		t.Errorf("a value: %v, %q", err, groups(t, s))
	}
	if err := set(sgcb+".ActSG[SP]", value.Uint(2)); err != nil || groups(t, s) != "2 2 0 0 600/600" {
		t.Errorf("a group: %v, %q", err, groups(t, s))
	}
	if err := set(sgcb+".ActSG[SP]", value.Uint(3)); codeOf(err) != "object-value-invalid" || groups(t, s) != "2 2 0 0 600/600" {
		t.Errorf("an unknown group: %v, %q", err, groups(t, s))
	}
	if err := set(sgcb+".ActSG[SP]", value.Uint(1)); err != nil || groups(t, s) != "2 1 0 0 900/900" {
		t.Errorf("and back: %v, %q", err, groups(t, s))
	}
	stop()
	if got := groups(t, feederBench(t, Config{State: state}).as(rbac.Viewer)); got != "2 1 0 0 900/900" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestSettingGroupsOutliveARestart(t *testing.T) {
	state := &shelf{}
	b := feederBench(t, Config{State: state})
	b.now = noon.Add(time.Hour)
	running(t, b.Engine)
	s := b.as(rbac.Engineer)
	put(t, s, sgcb+".EditSG[SP]", value.Uint(2))
	put(t, s, delay+"[SE]", value.Int(700))
	put(t, s, sgcb+".CnfEdit[SP]", value.Bool(true))
	put(t, s, sgcb+".ActSG[SP]", value.Uint(2))
	put(t, s, sgcb+".EditSG[SP]", value.Uint(1))
	put(t, s, delay+"[SE]", value.Int(1)) // never confirmed
	// The engine is not stopped: what was answered is kept.
	again := feederBench(t, Config{State: state})
	viewer := again.as(rbac.Viewer)
	if got := groups(t, viewer); got != "2 2 0 0 700/700" {
		t.Errorf("got %q", got)
	}
	if got := since(t, viewer); !got.Equal(noon.Add(time.Hour)) {
		t.Errorf("active since %v", got)
	}
	if got := get(t, viewer, delay2+"[SG]"); !got.Equal(value.Int(50)) {
		t.Errorf("a setting that was not edited: %v", got)
	}
}

func TestSettingsThatTheModelHasNoMoreAreForgotten(t *testing.T) {
	state := &shelf{}
	whole := func(v value.Value) []byte { data, _ := v.AppendBinary(nil); return data }
	setting := func(path string, v value.Value) []byte {
		data, _ := v.AppendBinary(append([]byte{byte(len(path))}, path...))
		return data
	}
	group1 := setting("FDR1LD0/PTOC9.OpDlTmms.setVal", value.Int(1))
	group1 = append(group1, setting(delay, value.Float(1))...)
	group1 = append(group1, setting(delay2, value.Int(111))...)
	state.records = map[shelfKey][]byte{
		{tableSettings, "FDR1LD0", 0}:  whole(value.StructureOf(value.Uint(7), value.UTC(0))),
		{tableSettings, "FDR1LD0", 1}:  group1,
		{tableSettings, "FDR1LD0", 3}:  {1, 2, 3},
		{tableSettings, "OTHERLD0", 1}: {1, 2, 3},
	}
	s := feederBench(t, Config{State: state}).as(rbac.Viewer)
	if got := groups(t, s); got != "2 1 0 0 1000/1000" {
		t.Errorf("got %q", got)
	}
	if got := get(t, s, delay2+"[SG]"); !got.Equal(value.Int(111)) {
		t.Errorf("what fits: %v, want 111", got)
	}
	for name, data := range map[string][]byte{"no path": {200}, "no value": setting(delay, value.Int(1))[:len(delay)+1]} {
		state.records = map[shelfKey][]byte{{tableSettings, "FDR1LD0", 1}: data}
		if _, err := New(Config{Model: feeder(t), State: state}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	state.records = map[shelfKey][]byte{{tableSettings, "FDR1LD0", 0}: {1}}
	if _, err := New(Config{Model: feeder(t), State: state}); err == nil {
		t.Error("no active group: no error")
	}
}

func TestAnIEDWithoutSettingGroupsSaysSo(t *testing.T) {
	m := feeder(t)
	m.LDs[0].Groups = 0
	e, err := New(Config{Model: m})
	if err != nil {
		t.Fatal(err)
	}
	s := e.Services(subject(rbac.Engineer))
	for _, ref := range []string{delay + "[SE]", sgcb + ".ActSG[SP]"} {
		v := value.Int(1)
		if strings.HasPrefix(ref, sgcb) {
			v = value.Uint(1)
		}
		if got := put(t, s, ref, v); got != "object-access-unsupported" {
			t.Errorf("%s: got %q", ref, got)
		}
	}
}

func TestSettingGroupsAreDurableBeforeTheAnswer(t *testing.T) {
	state := &shelf{full: errors.New("no space")}
	b := feederBench(t, Config{State: state})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Nobody runs the engine, so nothing is ever committed: the answer waits.
	errs, err := b.as(rbac.Engineer).SetDataValues(ctx, []acsi.Assignment{{Ref: acsi.MustRef(sgcb + ".ActSG[SP]"), Value: value.Uint(2)}})
	if err != nil || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("got %v, %v", errs, err)
	}
}
