package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// controlModel has a control object of each common data class and control model.
func controlModel(t testing.TB) *acsi.Model {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "control.cid"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := d.Model("", "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// controlBench is an engine of controlModel.
func controlBench(t testing.TB, cfg Config) *bench {
	t.Helper()
	b := &bench{now: noon, events: &audit.Memory{}}
	cfg.Model, cfg.Audit = controlModel(t), b.events
	cfg.Now = func() time.Time { return b.now }
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	return b
}

const (
	pos   = "CTLLD0/CSWI1.Pos"
	ggio  = "CTLLD0/GGIO1."
	pulse = ggio + "SPCSO2"
)

// order is a command in the making. The zero order is by remote control, with the ctlNum 0 and without checks.
type order struct {
	v                value.Value
	cat              acsi.OrCat // 0: remote control
	num              uint8
	at               time.Time
	t                time.Time
	test, sync, lock bool
}

// send writes Oper, SBOw or Cancel, and gives the cause of a refusal, or "".
func send(t testing.TB, s acsi.Services, do, service string, o order) string {
	t.Helper()
	return causeOf(t, sendIn(bg, t, s, do, service, o))
}

func sendIn(ctx context.Context, t testing.TB, s acsi.Services, do, service string, o order) error {
	t.Helper()
	if o.cat == 0 {
		o.cat = acsi.OrRemoteControl
	}
	at := value.UTC(0)
	if !o.at.IsZero() {
		at = value.UTCOf(o.at, 0)
	}
	parts := []value.Value{o.v, at, value.StructureOf(value.Int(int64(o.cat)), value.Octets([]byte("ems"))), value.Uint(uint64(o.num)),
		value.UTCOf(o.t, 0), value.Bool(o.test)}
	if service != "Cancel" {
		var check byte
		if o.sync {
			check |= 0x80
		}
		if o.lock {
			check |= 0x40
		}
		parts = append(parts, value.Bits(2, []byte{check}))
	}
	errs, err := s.SetDataValues(ctx, []acsi.Assignment{{Ref: acsi.MustRef(do + "." + service + "[CO]"), Value: value.StructureOf(parts...)}})
	if err != nil {
		t.Fatal(err)
	}
	return errs[0]
}

// causeOf is the AddCause of a refusal, else its code.
func causeOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var refused *acsi.Error
	if !errors.As(err, &refused) || refused.Control == nil {
		return codeOf(err)
	}
	return refused.Control.Cause.String()
}

// told are the notices that wait for the peer, as words.
func toldOf(t testing.TB, s acsi.Services) []string {
	t.Helper()
	var words []string
	for {
		n, err := s.(*session).take()
		if err != nil {
			t.Fatal(err)
		}
		if n == nil {
			return words
		}
		if end, ok := n.(*acsi.Termination); ok {
			word := end.Ref.String() + " +"
			if end.Failure != nil {
				word = end.Ref.String() + " " + end.Failure.Cause.String()
			}
			if !end.Oper.IsValid() {
				word += " (not begun)"
			}
			words = append(words, word)
		}
	}
}

func shows(t testing.TB, b *bench, ref, want string) {
	t.Helper()
	v, err := b.Value(acsi.MustRef(ref))
	if err != nil || v.String() != want {
		t.Errorf("%s is %s (%v), want %s", ref, v, err, want)
	}
}

func is(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

var (
	on, off       = value.Bool(true), value.Bool(false)
	lower, higher = value.Bits(2, []byte{0x40}), value.Bits(2, []byte{0x80})
)

// Conformance: sCtl4-sCtl6, sSBOes1.
func TestTheIEDIsItsOwnProcessWithoutAnApplication(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	is(t, "select", send(t, s, pos, "SBOw", order{v: on, num: 7}), "")
	shows(t, b, pos+".stSeld[ST]", "true")
	b.now = noon.Add(time.Second)
	is(t, "operate", send(t, s, pos, "Oper", order{v: on, num: 7}), "")
	shows(t, b, pos+".stSeld[ST]", "false")
	shows(t, b, pos+".stVal[ST]", "bit-string 10")
	shows(t, b, pos+".q[ST]", "bit-string 0000000000000")
	shows(t, b, pos+".ctlNum[ST]", "unsigned 7")
	shows(t, b, pos+".origin.orCat[ST]", "integer 3")
	shows(t, b, pos+".origin.orIdent[ST]", "octet-string 656d73")
	shows(t, b, pos+".opRcvd[OR]", "false")
	if v, _ := b.Value(acsi.MustRef(pos + ".tOpOk[OR]")); !timeIs(v, b.now) {
		t.Errorf("tOpOk is %s, want %v", v, b.now)
	}
	if v, _ := b.Value(acsi.MustRef(pos + ".t[ST]")); !timeIs(v, b.now) {
		t.Errorf("t is %s, want %v", v, b.now)
	}
	is(t, "told", strings.Join(toldOf(t, s), "; "), pos+".Oper[CO] +")
	is(t, "again", send(t, s, pos, "SBOw", order{v: on}), "position-reached")
	if events := b.events.Events(); len(events) != 3 || events[0].ID != audit.CommandAccepted || events[2].ID != audit.CommandRefused {
		t.Errorf("events %v", events)
	} else if want := `SelectWithValue of ` + pos + ` = true, origin remote-control "ems", ctlNum 7`; events[0].Text != want {
		t.Errorf("event %q, want %q", events[0].Text, want)
	}
}

func timeIs(v value.Value, want time.Time) bool {
	got, ok := v.Time()
	return ok && got.Equal(want)
}

// Conformance: sCtl1, sCtlN10.
func TestEveryControllableClass(t *testing.T) {
	analogue := func(f float32) value.Value { return value.StructureOf(value.Float(f)) }
	for _, c := range []struct {
		do    string
		v     value.Value
		want  string // the cause of a refusal
		shown string // then
	}{
		{"SPCSO1", on, "object-not-selected", ""},
		{"SPCSO3", on, "not-supported", "stVal[ST] false"},
		{"ISCSO1", value.Int(4), "", "stVal[ST] integer 4"},
		{"ISCSO1", value.Int(11), "inconsistent-parameters", "stVal[ST] integer 0"},
		{"ISCSO1", value.Uint(4), "type-inconsistent", ""},
		{"EnmCSO1", value.Int(3), "", "stVal[ST] integer 3"},
		{"EnmCSO1", value.Int(9), "object-value-invalid", ""},
		{"BSCSO1", higher, "", "valWTr.posVal[ST] integer 1"},
		{"BSCSO1", lower, "step-limit", ""},
		{"ISCPos1", value.Int(2), "", "valWTr.posVal[ST] integer 2"},
		{"ISCPos1", value.Int(0), "inconsistent-parameters", ""},
		{"AnOut1", analogue(12.5), "", "mxVal[MX] {float32 12.5}"},
		{"AnOut1", on, "type-inconsistent", ""},
		{"AnOut2", higher, "", "mxVal[MX] {float32 1}"},
		{"AnOut2", lower, "", "mxVal[MX] {float32 -1}"},
	} {
		t.Run(c.do+" "+c.v.String(), func(t *testing.T) {
			b := controlBench(t, Config{})
			s := b.as(rbac.Operator)
			is(t, "operate", send(t, s, ggio+c.do, "Oper", order{v: c.v}), c.want)
			if ref, want, _ := strings.Cut(c.shown, " "); ref != "" {
				shows(t, b, ggio+c.do+"."+ref, want)
			}
		})
	}
	t.Run("steps end at the limit", func(t *testing.T) {
		b := controlBench(t, Config{})
		s := b.as(rbac.Operator)
		for i, want := range []string{"", "", "", "step-limit"} {
			is(t, "step "+string(rune('1'+i)), send(t, s, ggio+"BSCSO1", "Oper", order{v: higher}), want)
		}
		is(t, "back", send(t, s, ggio+"BSCSO1", "Oper", order{v: lower}), "")
		shows(t, b, ggio+"BSCSO1.valWTr.posVal[ST]", "integer 2")
	})
}

// Conformance: sSBOns2, sSBOns3, sSBOns6, sCtlN2, sCtlN4.
func TestReadOfSBOSelects(t *testing.T) {
	b := controlBench(t, Config{})
	ann, bob := b.as(rbac.Operator), b.as(rbac.Operator)
	const sbo = ggio + "SPCSO1.SBO[CO]"
	is(t, "ann selects", get(t, ann, sbo).Text(), "CTLLD0/GGIO1$CO$SPCSO1")
	shows(t, b, ggio+"SPCSO1.stSeld[ST]", "true")
	is(t, "ann again", get(t, ann, sbo).Text(), "")
	is(t, "bob", get(t, bob, sbo).Text(), "")
	is(t, "bob operates", send(t, bob, ggio+"SPCSO1", "Oper", order{v: on}), "locked-by-other-client")
	is(t, "bob cancels", send(t, bob, ggio+"SPCSO1", "Cancel", order{v: on}), "locked-by-other-client")
	is(t, "not that way", send(t, ann, pos, "Oper", order{v: on}), "object-not-selected")
	is(t, "another's way", get(t, ann, pos+".SBO[CO]").Text(), "")
	if _, err := ann.GetAllDataValues(bg, acsi.MustRef("CTLLD0/CSWI1")); err != nil {
		t.Fatal(err)
	}
	is(t, "a look at all does not select", get(t, ann, pos+".stSeld[ST]").String(), "false")
	if err := ann.Close(bg); err != nil {
		t.Fatal(err)
	}
	shows(t, b, ggio+"SPCSO1.stSeld[ST]", "false")
	is(t, "bob now", get(t, bob, sbo).Text(), "CTLLD0/GGIO1$CO$SPCSO1")
	b.wait(30 * time.Second)
	shows(t, b, ggio+"SPCSO1.stSeld[ST]", "false")
}

// Conformance: sCtl3.
func TestSelectAllAndCancelInReverse(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	is(t, "select", get(t, s, ggio+"SPCSO1.SBO[CO]").Text(), "CTLLD0/GGIO1$CO$SPCSO1")
	is(t, "select with value", send(t, s, pos, "SBOw", order{v: on, num: 3}), "")
	is(t, "cancel", send(t, s, pos, "Cancel", order{v: on, num: 3}), "")
	is(t, "cancel", send(t, s, ggio+"SPCSO1", "Cancel", order{v: on}), "")
	shows(t, b, pos+".stSeld[ST]", "false")
	shows(t, b, ggio+"SPCSO1.stSeld[ST]", "false")
	if len(b.controls.active) != 0 || !b.Next().IsZero() && b.Next().Before(b.now) {
		t.Errorf("%d objects still active", len(b.controls.active))
	}
}

// Conformance: sCtl8-sCtl15.
func TestPulsesShow(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	is(t, "operate", send(t, s, pulse, "Oper", order{v: on}), "")
	for _, want := range []struct {
		wait time.Duration
		out  string
	}{{0, "true"}, {199, "true"}, {1, "false"}, {99, "false"}, {1, "true"}, {200, "false"}} {
		b.wait(want.wait * time.Millisecond)
		shows(t, b, pulse+".opOk[OR]", want.out)
		shows(t, b, pulse+".stVal[ST]", want.out)
	}
	is(t, "told", strings.Join(toldOf(t, s), "; "), pulse+".Oper[CO] +")
	is(t, "again", send(t, s, pulse, "Oper", order{v: on}), "")
}

// Conformance: sCtl27, sDOns3.
func TestTimeActivatedOperate(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	o := order{v: value.Int(4), at: noon.Add(time.Minute)}
	is(t, "operate", send(t, s, ggio+"ISCSO1", "Oper", o), "")
	b.wait(59 * time.Second)
	shows(t, b, ggio+"ISCSO1.stVal[ST]", "integer 0")
	b.wait(time.Second)
	shows(t, b, ggio+"ISCSO1.stVal[ST]", "integer 4")
	is(t, "told", strings.Join(toldOf(t, s), "; "), ggio+"ISCSO1.Oper[CO] +")
	is(t, "too late", send(t, s, ggio+"ISCSO1", "Oper", o), "time-limit-over")
	o.at = b.now.Add(time.Minute)
	is(t, "again", send(t, s, ggio+"ISCSO1", "Oper", o), "")
	is(t, "cancelled", send(t, s, ggio+"ISCSO1", "Cancel", o), "")
	is(t, "told", strings.Join(toldOf(t, s), "; "), ggio+"ISCSO1.Oper[CO] abortion-by-cancel (not begun)")
}

// A Cancel whose structure has no operTm takes back the command for later all the same, if the rest names it.
func TestCancelWithoutRoomForOperTm(t *testing.T) {
	m := controlModel(t)
	node := m.LD("CTLLD0").LN("GGIO1").Node
	for _, name := range []string{"ISCSO1", "Cancel"} {
		node = node.Children[slices.IndexFunc(node.Children, func(n *acsi.Node) bool { return n.Name == name })]
	}
	node.Children = slices.DeleteFunc(slices.Clone(node.Children), func(n *acsi.Node) bool { return n.Name == "operTm" })
	b := &bench{now: noon, events: &audit.Memory{}}
	e, err := New(Config{Model: m, Audit: b.events, Now: func() time.Time { return b.now }})
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	s := b.as(rbac.Operator)
	is(t, "operate", send(t, s, ggio+"ISCSO1", "Oper", order{v: value.Int(4), num: 7, at: noon.Add(time.Minute)}), "")
	cancel := func(num uint64) string {
		t.Helper()
		v := value.StructureOf(value.Int(4), value.StructureOf(value.Int(int64(acsi.OrRemoteControl)), value.Octets([]byte("ems"))),
			value.Uint(num), value.UTC(0), value.Bool(false))
		return causeOf(t, write(s, ggio+"ISCSO1.Cancel[CO]", v))
	}
	is(t, "cancel of another command", cancel(8), "inconsistent-parameters")
	is(t, "cancel", cancel(7), "")
	b.wait(2 * time.Minute)
	shows(t, b, ggio+"ISCSO1.stVal[ST]", "integer 0")
}

// Conformance: sCtlN9.
func TestControlModelStaysWhileInUse(t *testing.T) {
	b := controlBench(t, Config{})
	operator, engineer := b.as(rbac.Operator), b.as(rbac.Engineer)
	is(t, "select", send(t, operator, pos, "SBOw", order{v: on}), "")
	is(t, "while selected", put(t, engineer, pos+".ctlModel[CF]", value.Int(1)), "temporarily-unavailable")
	is(t, "cancel", send(t, operator, pos, "Cancel", order{v: on}), "")
	is(t, "what there is no attribute for", put(t, engineer, ggio+"ISCSO1.ctlModel[CF]", value.Int(4)), "object-value-invalid")
	is(t, "after", put(t, engineer, pos+".ctlModel[CF]", value.Int(1)), "")
	is(t, "operate at once", send(t, operator, pos, "Oper", order{v: on}), "")
	is(t, "status only", put(t, engineer, pos+".ctlModel[CF]", value.Int(0)), "")
	is(t, "operate no more", send(t, operator, pos, "Oper", order{v: off}), "not-supported")
}

// Conformance: sCtlN5.
func TestUnknownControlObject(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator)
	is(t, "no such object", send(t, s, "CTLLD0/CSWI2.Pos", "Oper", order{v: on}), "object-non-existent")
	is(t, "no such service", send(t, s, "CTLLD0/GGIO1.ISCSO1", "SBOw", order{v: on}), "object-non-existent")
	is(t, "a part", put(t, s, pos+".Oper.ctlVal[CO]", on), "object-access-denied")
	is(t, "the reference", put(t, s, pos+".SBO[CO]", value.Visible("x")), "object-access-denied")
}

// Conformance: sCtl16-sCtl25.
func TestAuthorityOfTheModel(t *testing.T) {
	b := controlBench(t, Config{})
	s := b.as(rbac.Operator, rbac.Engineer)
	set := func(ref string, v value.Value) {
		t.Helper()
		h, err := b.Handle(acsi.MustRef(ref))
		if err != nil {
			t.Fatal(err)
		}
		b.Update(func(tx *Tx) {
			if err := tx.Set(h, v); err != nil {
				t.Fatal(err)
			}
		})
	}
	const no = "blocked-by-switching-hierarchy"
	try := func(name string, cat acsi.OrCat, want string) {
		t.Helper()
		is(t, name, send(t, s, pos, "SBOw", order{v: on, cat: cat}), want)
		if want == "" {
			is(t, name+": cancel", send(t, s, pos, "Cancel", order{v: on, cat: cat}), "")
		}
	}
	try("remote from remote", acsi.OrRemoteControl, "")
	try("station from remote", acsi.OrStationControl, no)
	is(t, "LocSta itself", send(t, s, "CTLLD0/LLN0.LocSta", "Oper", order{v: on}), "")
	try("station from station", acsi.OrStationControl, "")
	try("remote from station", acsi.OrAutomaticRemote, no)
	set("CTLLD0/CSWI1.Loc.stVal[ST]", on)
	try("station from local", acsi.OrStationControl, no)
	try("bay from local", acsi.OrBayControl, "")
	set("CTLLD0/CSWI1.Loc.stVal[ST]", off)
	set("CTLLD0/LLN0.LocKey.stVal[ST]", on)
	try("remote with the key of the device", acsi.OrRemoteControl, no)
	set("CTLLD0/LLN0.LocKey.stVal[ST]", off)
	is(t, "LocSta itself", send(t, s, "CTLLD0/LLN0.LocSta", "Oper", order{v: off, cat: acsi.OrStationControl}), "")
	set("CTLLD0/LLN0.MltLev.setVal[SP]", on)
	try("station, levels shared", acsi.OrStationControl, "")
	set("CTLLD0/CSWI1.Health.stVal[ST]", value.Int(3))
	try("ill", acsi.OrRemoteControl, "blocked-by-health")
}

func TestR2NoAuthorityToControl(t *testing.T) {
	b := controlBench(t, Config{})
	for _, role := range []rbac.Role{rbac.Viewer, rbac.Engineer, rbac.SECADM} {
		s := b.as(role)
		err := sendIn(bg, t, s, pos, "SBOw", order{v: on, num: 42})
		var refused *acsi.Error
		if !errors.As(err, &refused) || refused.Control == nil || refused.Code != acsi.ObjectAccessDenied {
			t.Fatalf("%s: %v", role, err)
		}
		want := acsi.ControlFailure{Object: "CTLLD0/CSWI1$CO$Pos$SBOw", Error: 1, Origin: acsi.Origin{Cat: 3, Ident: "ems"}, CtlNum: 42, Cause: acsi.NoAccessAuthority}
		if *refused.Control != want {
			t.Errorf("%s: told %+v, want %+v", role, *refused.Control, want)
		}
		r, err := s.GetDataValues(bg, []acsi.Ref{acsi.MustRef(ggio + "SPCSO1.SBO[CO]")})
		if err != nil || codeOf(r[0].Err) != "object-access-denied" {
			t.Errorf("%s selects by reading: %v %v", role, r, err)
		}
	}
	shows(t, b, pos+".stSeld[ST]", "false")
	for _, e := range b.events.Events() {
		if e.ID != audit.AccessDenied {
			t.Errorf("event %s: %s", e.ID, e.Text)
		}
	}
	if n := len(b.events.Events()); n != 6 {
		t.Errorf("%d events, want one for each try", n)
	}
}

// TestE13CommandHeldBack: a server on the way keeps a command, and delivers it later than commands may be.
func TestE13CommandHeldBack(t *testing.T) {
	for _, c := range []struct {
		name string
		age  time.Duration
		want string
	}{{"10 s", 10 * time.Second, ""}, {"10.001 s", 10001 * time.Millisecond, "time-limit-over"}, {"a day", 24 * time.Hour, "time-limit-over"},
		{"a clock that is 11 s ahead", -11 * time.Second, "time-limit-over"}} {
		t.Run(c.name, func(t *testing.T) {
			b := controlBench(t, Config{})
			s := b.as(rbac.Operator)
			ctx := acsi.Sealed(bg, noon.Add(-c.age))
			is(t, "select", causeOf(t, sendIn(ctx, t, s, pos, "SBOw", order{v: on})), c.want)
			shows(t, b, pos+".stSeld[ST]", value.Bool(c.want == "").String())
			held := slices.ContainsFunc(b.events.Events(), func(e audit.Event) bool { return e.ID == audit.CommandHeldBack })
			if held != (c.want != "") {
				t.Errorf("events %v", b.events.Events())
			}
		})
	}
}

// application is a ControlHandler that a test leads.
type application struct {
	mu      sync.Mutex
	heard   []Command
	answer  map[Phase]acsi.AddCause // Done where there is none
	waits   bool                    // Executing waits for working
	working chan func() acsi.AddCause
}

func (a *application) control(ctx context.Context, c Command) acsi.AddCause {
	a.mu.Lock()
	a.heard = append(a.heard, c)
	cause, given := a.answer[c.Phase]
	a.mu.Unlock()
	if c.Phase == Executing && a.waits {
		select {
		case <-ctx.Done():
			return acsi.TimeLimitOver
		case work := <-a.working:
			return work()
		}
	}
	if !given {
		return acsi.Done
	}
	return cause
}

// phases are what the application has heard, in words.
func (a *application) phases() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var words []string
	for _, c := range a.heard {
		words = append(words, c.Phase.String())
	}
	return strings.Join(words, " ")
}
