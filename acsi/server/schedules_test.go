package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// derPlant is a running engine of one of the demo's plants, the functions of which are on, in a bubble of time that begins at midnight.
type derPlant struct {
	*Engine
	t  *testing.T
	ld string
	acsi.Services
	stop func() // as if its process ended
}

func newDERPlant(t *testing.T, file string, cfg Config) *derPlant {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "app", "demo", "scl", file))
	if err != nil {
		t.Fatal(err)
	}
	d, err := scl.Parse(strings.NewReader(strings.ReplaceAll(string(text), "<Val>off</Val>", "<Val>on</Val>")))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Model, _, err = d.Model("", ""); err != nil {
		t.Fatal(err)
	}
	cfg.Now = func() time.Time { return time.Now().UTC() }
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	stop := func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return &derPlant{Engine: e, stop: stop, t: t, ld: cfg.Model.LDs[0].Name, Services: e.Services(subject(rbac.Operator, rbac.Engineer))}
}

// set writes a setting.
func (p *derPlant) set(ref string, v value.Value) {
	p.t.Helper()
	if err := p.write(ref, v); err != nil {
		p.t.Fatalf("%s: %v", ref, err)
	}
}

func (p *derPlant) write(ref string, v value.Value) error {
	p.t.Helper()
	errs, err := p.SetDataValues(p.t.Context(), []acsi.Assignment{{Ref: acsi.MustRef(p.ld + "/" + ref), Value: v}})
	return errors.Join(append(errs, err)...)
}

// operate commands an SPC, and gives the cause of a refusal.
func (p *derPlant) operate(do string) acsi.AddCause {
	p.t.Helper()
	err := p.write(do+".Oper[CO]", value.StructureOf(value.Bool(true), value.StructureOf(value.Int(3), value.Octets([]byte("op"))), value.Uint(1),
		acsi.Timestamp{Time: time.Now()}.Value(), value.Bool(false), value.Bits(2, nil)))
	if refused, ok := errors.AsType[*acsi.Error](err); ok && refused.Control != nil {
		return refused.Control.Cause
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return acsi.Done
}

// wait lets time go by, and all that is due be done.
func (p *derPlant) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// expect compares what objects hold.
func (p *derPlant) expect(when string, want map[string]string) {
	p.t.Helper()
	for ref, text := range want {
		v, err := p.Value(acsi.MustRef(p.ld + "/" + ref))
		if err != nil {
			p.t.Fatal(err)
		}
		if got := v.String(); got != text {
			p.t.Errorf("%s: %s is %s, want %s", when, ref, got, text)
		}
	}
}

const (
	good    = "bit-string 0000000000000"
	invalid = "bit-string 0100000000000"
)

func TestScheduleSetsWhatItControls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newDERPlant(t, "pv.cid", Config{})
		p.set("FSCH1.StrTm01.setTm[SP]", acsi.Timestamp{Time: time.Now().Add(time.Hour)}.Value())
		p.expect("before it is enabled", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 1", "FSCH1.SchdEntr.stVal[ST]": "integer 0"})
		if got := p.operate("FSCH1.EnaReq"); got != acsi.Done {
			t.Fatalf("EnaReq: %s", got)
		}
		p.expect("enabled", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 3", "FSCH1.NxtStrTm.stVal[ST]": "utc-time 2000-01-01T01:00:00.000000000Z q=1f",
			"FSCC1.ActSchdRef.stVal[ST]": `visible-string ""`, "FSCC1.ActSchdRef.q[ST]": invalid, "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 100"})
		p.wait(time.Hour)
		p.expect("its first entry", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 4", "FSCH1.SchdEntr.stVal[ST]": "integer 1", "FSCH1.ValMV.mag.f[MX]": "float32 80",
			"FSCC1.ActSchdRef.stVal[ST]": `visible-string "PV1LD0/FSCH1"`, "FSCC1.ActSchdRef.q[ST]": good, "FSCC1.ValMV.mag.f[MX]": "float32 80", "FSCC1.ValMV.q[MX]": good,
			"DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 80", "DWMX1.WMaxSptPct.q[MX]": good, "DWMX1.WMaxSptPct.origin.orCat[MX]": "integer 6",
			"FSCH1.ActStrTm.stVal[ST]": "utc-time 2000-01-01T01:00:00.000000000Z q=1f"})
		p.wait(15 * time.Minute)
		p.expect("its second entry", map[string]string{"FSCH1.SchdEntr.stVal[ST]": "integer 2", "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 60"})
		p.set("FSCH1.ValASG002.setMag.f[SP]", value.Float(55))
		p.wait(0)
		p.expect("a value that is changed while it holds", map[string]string{"DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 55"})
		p.wait(15 * time.Minute)
		p.expect("its third entry", map[string]string{"DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 40"})
		p.wait(45 * time.Minute)
		p.expect("its end", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 1", "FSCH1.SchdEntr.stVal[ST]": "integer 0", "FSCC1.ActSchdRef.stVal[ST]": `visible-string ""`,
			"FSCC1.ValMV.q[MX]": invalid, "FSCH1.ValMV.q[MX]": invalid, "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 80"})
	})
}

func TestScheduleOfHigherPriorityHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newDERPlant(t, "pv.cid", Config{})
		if got := p.operate("FSCH2.EnaReq"); got != acsi.Done { // every day at 11, by its file
			t.Fatalf("EnaReq: %s", got)
		}
		p.wait(11 * time.Hour)
		p.expect("at 11", map[string]string{"FSCC1.ActSchdRef.stVal[ST]": `visible-string "PV1LD0/FSCH2"`, "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 90"})
		p.set("FSCH1.StrTm01.setTm[SP]", acsi.Timestamp{Time: time.Now().Add(time.Minute)}.Value())
		p.operate("FSCH1.EnaReq")
		p.wait(time.Minute)
		p.expect("the higher one", map[string]string{"FSCC1.ActSchdRef.stVal[ST]": `visible-string "PV1LD0/FSCH1"`, "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 80",
			"FSCH2.SchdSt.stVal[ST]": "integer 4"})
		p.set("FSCH1.SchdPrio.setVal[SP]", value.Int(1))
		p.wait(0)
		p.expect("which is lower now", map[string]string{"FSCC1.ActSchdRef.stVal[ST]": `visible-string "PV1LD0/FSCH2"`, "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 90"})
		p.operate("FSCH2.DsaReq")
		p.wait(0)
		p.expect("and alone", map[string]string{"FSCC1.ActSchdRef.stVal[ST]": `visible-string "PV1LD0/FSCH1"`, "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 80", "FSCH2.SchdSt.stVal[ST]": "integer 1"})
		p.operate("FSCH1.DsaReq")
		p.operate("FSCH2.EnaReq")
		p.expect("for the next day", map[string]string{"FSCH2.SchdSt.stVal[ST]": "integer 3", "FSCH2.NxtStrTm.stVal[ST]": "utc-time 2000-01-02T11:00:00.000000000Z q=1f"})
	})
}

func TestScheduleThatCannotBeEnabledSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newDERPlant(t, "pv.cid", Config{})
		for _, tc := range []struct {
			ref   string
			v     value.Value
			fault string
		}{
			{"FSCH1.SchdPrio.setVal[SP]", value.Int(3), "integer 6"},
			{"FSCH1.StrTm01.setTm[SP]", acsi.Timestamp{Time: time.Now().Add(-time.Hour)}.Value(), "integer 6"},
			{"FSCH1.NumEntr.maxVal[CF]", value.Int(20), "integer 6"},
			{"FSCH1.NumEntr.setVal[SP]", value.Int(13), "integer 2"},
			{"FSCH1.NumEntr.minVal[CF]", value.Int(-1), "integer 2"},
			{"FSCH1.NumEntr.setVal[SP]", value.Int(0), "integer 2"},
			{"FSCH1.NumEntr.setVal[SP]", value.Int(-1), "integer 2"},
			{"FSCH1.NumEntr.setVal[SP]", value.Int(12), "integer 6"},
			{"FSCH1.SchdIntv.maxVal[CF]", value.Int(0x7fffffff), "integer 6"},
			{"FSCH1.SchdIntv.setVal[SP]", value.Int(0x7fffffff), "integer 3"},
		} {
			p.set(tc.ref, tc.v)
			if got := p.operate("FSCH1.EnaReq"); got != acsi.InconsistentParameters {
				t.Errorf("%s = %v: %s", tc.ref, tc.v, got)
			}
			p.expect(tc.ref, map[string]string{"FSCH1.SchdEnaErr.stVal[ST]": tc.fault, "FSCH1.SchdSt.stVal[ST]": "integer 1"})
		}
	})
}

func TestScheduleStartsByAnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newDERPlant(t, "battery.cid", Config{})
		p.set("FSCH1.EvTrg.setVal[SP]", value.Bool(true))
		p.set("FSCH1.InSyn.setSrcRef[SP]", value.Visible("@LD0/ZBAT1.BatLo"))
		if got := p.operate("FSCH1.EnaReq"); got != acsi.Done {
			t.Fatalf("EnaReq: %s", got)
		}
		p.wait(time.Hour)
		p.expect("before the event", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 3", "DAGC1.WSpt.mxVal.f[MX]": "float32 12.5"})
		h, err := p.Handle(acsi.MustRef("BAT1LD0/ZBAT1.BatLo.stVal[ST]"))
		if err != nil {
			t.Fatal(err)
		}
		p.Update(func(tx *Tx) { err = tx.Set(h, value.Bool(true)) })
		if err != nil {
			t.Fatal(err)
		}
		p.wait(0)
		p.expect("the event", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 4", "DAGC1.WSpt.mxVal.f[MX]": "float32 0"})
		p.wait(15 * time.Minute) // select before operate, with enhanced security
		p.expect("its second entry", map[string]string{"DAGC1.WSpt.mxVal.f[MX]": "float32 25", "DAGC1.WSpt.stSeld[MX]": "false"})
	})
}

func TestScheduleCommandsTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []string
		handler := func(_ context.Context, c Command) acsi.AddCause {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, c.Phase.String()+" "+c.Ref.Path()+" "+c.Value.String()+" "+c.Origin.Cat.String()+" "+c.Subject.Name)
			return acsi.Done
		}
		p := newDERPlant(t, "battery.cid", Config{Control: handler})
		p.set("FSCH1.StrTm01.setTm[SP]", acsi.Timestamp{Time: time.Now().Add(time.Hour)}.Value())
		p.operate("FSCH1.EnaReq")
		p.wait(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		want := []string{}
		for _, phase := range []string{"selecting", "operating", "executing"} {
			want = append(want, phase+" BAT1LD0/DAGC1.WSpt {float32 0} automatic-remote BAT1LD0/FSCC1")
		}
		if got := strings.Join(asked, "\n"); !strings.HasPrefix(got, strings.Join(want, "\n")) { // and what there is to tell of the selection
			t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
		}
	})
}

// What is in the way of a schedule, such as a selection by somebody, is waited for.
func TestScheduleTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newDERPlant(t, "battery.cid", Config{})
		p.set("FSCH1.StrTm01.setTm[SP]", acsi.Timestamp{Time: time.Now().Add(time.Hour)}.Value())
		p.operate("FSCH1.EnaReq")
		p.wait(time.Hour - 10*time.Second)
		p.set("DAGC1.WSpt.SBOw[CO]", value.StructureOf(value.StructureOf(value.Float(3)), value.StructureOf(value.Int(3), value.Octets([]byte("op"))), value.Uint(1),
			acsi.Timestamp{Time: time.Now()}.Value(), value.Bool(false), value.Bits(2, nil)))
		p.wait(15 * time.Second)
		p.expect("selected by another", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 4", "DAGC1.WSpt.mxVal.f[MX]": "float32 12.5"})
		p.wait(time.Minute)
		p.expect("when that selection is over", map[string]string{"DAGC1.WSpt.mxVal.f[MX]": "float32 0"})
	})
}

// A controller may set what is no control object; one that is off sets nothing.
func TestScheduleSetsASetting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newDERPlant(t, "pv.cid", Config{})
		p.set("FSCC1.CtlEnt.setSrcRef[SP]", value.Visible("PV1LD0/DGEN1.WMax"))
		p.set("FSCH1.StrTm01.setTm[SP]", acsi.Timestamp{Time: time.Now().Add(time.Hour)}.Value())
		p.operate("FSCH1.EnaReq")
		p.wait(time.Hour)
		p.expect("the setting", map[string]string{"DGEN1.WMax.setMag.f[SP]": "float32 80", "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 100"})
		for _, none := range []string{"", "nowhere", "PV1LD0/NOPE1.A", "PV1LD0/MMXU1.A", "@"} {
			p.set("FSCC1.CtlEnt.setSrcRef[SP]", value.Visible(none))
		}
		p.set("FSCC1.Schd01.setSrcRef[SP]", value.Visible("PV1LD0/FSCH2"))
		p.wait(15 * time.Minute)
		p.expect("without its schedule", map[string]string{"FSCC1.ActSchdRef.stVal[ST]": `visible-string ""`, "DGEN1.WMax.setMag.f[SP]": "float32 80"})
	})
}

// What a client has loaded, and what runs, is there after a restart.
func TestScheduleGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := &shelf{}
		p := newDERPlant(t, "pv.cid", Config{State: state})
		p.set("FSCH1.StrTm01.setTm[SP]", acsi.Timestamp{Time: time.Now().Add(time.Hour)}.Value())
		p.set("FSCH1.ValASG002.setMag.f[SP]", value.Float(33))
		p.set("FSCC1.Schd02.setSrcRef[SP]", value.Visible(""))
		p.operate("FSCH1.EnaReq")
		p.operate("FSCH2.EnaReq")
		p.operate("FSCH2.DsaReq")
		p.wait(time.Hour + time.Minute)
		p.stop()
		time.Sleep(16 * time.Minute)
		p = newDERPlant(t, "pv.cid", Config{State: state})
		p.wait(0)
		p.expect("after a restart", map[string]string{"FSCH1.SchdSt.stVal[ST]": "integer 4", "FSCH1.SchdEntr.stVal[ST]": "integer 2", "FSCH2.SchdSt.stVal[ST]": "integer 1",
			"FSCC1.ActSchdRef.stVal[ST]": `visible-string "PV1LD0/FSCH1"`, "DWMX1.WMaxSptPct.mxVal.f[MX]": "float32 33", "FSCC1.Schd02.setSrcRef[SP]": `visible-string ""`})
		p.stop()
		for _, wrong := range []string{"", "x", "\x01"} {
			if err := p.loadSchedule(Record{Table: tableSchedules, Name: "PV1LD0/FSCH1", Data: []byte(wrong)}); err == nil {
				t.Errorf("%q is taken", wrong)
			}
		}
		if err := p.loadSchedule(Record{Table: tableSchedules, Name: "PV1LD0/FSCH9"}); err != nil {
			t.Errorf("what is no more: %v", err)
		}
	})
}
