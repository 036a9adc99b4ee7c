package server

import (
	"fmt"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/control"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// process sets what ref stands for, with a quality where q is not nil.
func process(t testing.TB, b *bench, ref string, v value.Value, q acsi.Quality) {
	t.Helper()
	h, err := b.Handle(acsi.MustRef(ref))
	if err != nil {
		t.Fatal(err)
	}
	b.Update(func(tx *Tx) {
		if err := tx.SetStamped(h, v, q, tx.Now()); err != nil {
			t.Error(err)
		}
	})
}

// qualityOf is the quality at ref in words.
func qualityOf(t testing.TB, b *bench, ref string) string {
	t.Helper()
	v, err := b.Value(acsi.MustRef(ref))
	q, ok := acsi.QualityOf(v)
	if err != nil || !ok {
		t.Fatalf("%s: %v %v", ref, v, err)
	}
	return q.String()
}

// Conformance: sSrv11, sSrv12.
func TestBehaviourOfDeviceAndNode(t *testing.T) {
	for _, c := range [][3]control.Behaviour{ // of the device, of the node, together
		{control.On, control.On, control.On}, {control.On, control.Blocked, control.Blocked}, {control.On, control.Test, control.Test},
		{control.On, control.TestBlocked, control.TestBlocked}, {control.On, control.Off, control.Off},
		{control.Blocked, control.On, control.Blocked}, {control.Blocked, control.Blocked, control.Blocked}, {control.Blocked, control.Test, control.TestBlocked},
		{control.Blocked, control.TestBlocked, control.TestBlocked}, {control.Blocked, control.Off, control.Off},
		{control.Test, control.On, control.Test}, {control.Test, control.Blocked, control.TestBlocked}, {control.Test, control.Test, control.Test},
		{control.Test, control.TestBlocked, control.TestBlocked}, {control.Test, control.Off, control.Off},
		{control.TestBlocked, control.On, control.TestBlocked}, {control.TestBlocked, control.Off, control.Off},
		{control.Off, control.On, control.Off}, {control.Off, control.Test, control.Off}, {control.Off, control.Off, control.Off},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b := controlBench(t, Config{})
			process(t, b, "CTLLD0/LLN0.Mod.stVal[ST]", value.Int(int64(c[0])), 0)
			process(t, b, "CTLLD0/GGIO1.Mod.stVal[ST]", value.Int(int64(c[1])), 0)
			shows(t, b, "CTLLD0/GGIO1.Beh.stVal[ST]", fmt.Sprintf("integer %d", c[2]))
			shows(t, b, "CTLLD0/LLN0.Beh.stVal[ST]", fmt.Sprintf("integer %d", c[0]))
		})
	}
}

// Conformance: sSrv11, sSrv12.
func TestBehaviourShowsInQuality(t *testing.T) {
	const in = ggio + "AnIn1"
	b := controlBench(t, Config{})
	process(t, b, in+".mag.f[MX]", value.Float(1), acsi.QualityGood)
	s := b.as(rbac.Operator)
	for _, c := range []struct {
		mode     int64
		at, then string // at once, and for the next value, which is questionable
	}{
		{2, "good operatorBlocked", "questionable oldData operatorBlocked"},
		{3, "questionable oldData test", "questionable oldData test"},
		{4, "questionable oldData test operatorBlocked", "questionable oldData test operatorBlocked"},
		{5, "invalid oldData", "invalid oldData"},
		{1, "questionable oldData", "questionable oldData"},
	} {
		is(t, "Mod by command", send(t, s, "CTLLD0/GGIO1.Mod", "Oper", order{v: value.Int(c.mode)}), "")
		is(t, "at once", qualityOf(t, b, in+".q[MX]"), c.at)
		process(t, b, in+".mag.f[MX]", value.Float(2), acsi.QualityQuestionable|acsi.QualityOldData)
		is(t, "then", qualityOf(t, b, in+".q[MX]"), c.then)
		is(t, "Beh itself", qualityOf(t, b, "CTLLD0/GGIO1.Beh.q[ST]"), "good")
		is(t, "another node", qualityOf(t, b, "CTLLD0/CSWI1.Beh.q[ST]"), "good")
	}
	process(t, b, in+".q[MX]", acsi.QualityGood.Value(), acsi.QualityGood)
	is(t, "on again", qualityOf(t, b, in+".q[MX]"), "good")
}

// Conformance: sCtl2, sCtl16-sCtl25, sSrv12.
func TestCommandsByBehaviour(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	const out = ggio + "ISCSO1"
	try := func(mode int64, plain, test, shown string) {
		t.Helper()
		is(t, "Mod", send(t, s, "CTLLD0/GGIO1.Mod", "Oper", order{v: value.Int(mode)}), "")
		is(t, "command", send(t, s, out, "Oper", order{v: value.Int(mode)}), plain)
		is(t, "with Test", send(t, s, out, "Oper", order{v: value.Int(mode + 1), num: uint8(mode), test: true}), test)
		shows(t, b, out+".stVal[ST]", shown)
	}
	const no = "blocked-by-mode"
	try(1, "", no, "integer 1")
	try(2, no, no, "integer 1")
	try(3, no, "", "integer 4")
	is(t, "quality", qualityOf(t, b, out+".q[ST]"), "good test")
	try(4, no, "", "integer 4") // taken, and tracked, but nothing moves
	shows(t, b, out+".ctlNum[ST]", "unsigned 4")
	try(5, no, no, "integer 4")
	is(t, "back", send(t, s, "CTLLD0/GGIO1.Mod", "Oper", order{v: value.Int(1)}), "")
}

func TestTestBlockedDoesNotReachTheApplication(t *testing.T) {
	app := &application{}
	controlled(t, app, func(t *testing.T, b *bench) {
		process(t, b, "CTLLD0/GGIO1.Mod.stVal[ST]", value.Int(4), 0)
		s := b.as(rbac.Operator)
		is(t, "command", send(t, s, ggio+"ISCSO1", "Oper", order{v: value.Int(3), test: true}), "")
		is(t, "heard", app.phases(), "operating")
		if got := toldOf(t, s); len(got) != 1 || got[0] != ggio+"ISCSO1.Oper[CO] +" {
			t.Errorf("told %v", got)
		}
	})
}

func TestHealthIsTheWorst(t *testing.T) {
	b := controlBench(t, Config{})
	check := func(device, physical string) {
		t.Helper()
		shows(t, b, "CTLLD0/LLN0.Health.stVal[ST]", "integer "+device)
		shows(t, b, "CTLLD0/LPHD1.PhyHealth.stVal[ST]", "integer "+physical)
	}
	health := func(ref string, n int64) {
		t.Helper()
		process(t, b, "CTLLD0/"+ref+".stVal[ST]", value.Int(n), 0)
	}
	check("1", "1")
	b.now = noon.Add(time.Second)
	health("GGIO1.Health", 2)
	check("2", "2")
	if v, _ := b.Value(acsi.MustRef("CTLLD0/LLN0.Health.t[ST]")); !timeIs(v, b.now) {
		t.Errorf("its time is %s", v)
	}
	health("LPHD1.PhyHealth", 3)
	check("2", "3")
	health("CSWI1.Health", 3)
	health("GGIO1.Health", 1)
	check("3", "3")
	health("CSWI1.Health", 1)
	check("1", "3")
	health("LPHD1.PhyHealth", 1)
	health("LLN0.Health", 2)
	check("2", "2")
	health("LLN0.Health", 1)
	check("1", "1")
}
