package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

const allTriggers = acsi.TrgDataChange | acsi.TrgQualityChange | acsi.TrgIntegrity | acsi.TrgGeneralInterrogation

// plant makes a model of so many measurands LD/MMXU1.A0, A1, … in the data set LD/LLN0.mv, with as many unbuffered (u0, …) and buffered
// (b0, …) control blocks.
func plant(measurands, unbuffered, buffered int) *acsi.Model {
	leaf := func(name string, fc acsi.FC, basic string, trg acsi.TrgOps) *acsi.Node {
		typ, _ := acsi.BasicType(basic)
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: fc, Type: typ, Basic: basic, Triggers: trg}
	}
	f := leaf("f", acsi.MX, "FLOAT32", acsi.TrgDataChange)
	f.Kind = acsi.BasicDataAttributeNode
	mag := &acsi.Node{Name: "mag", Kind: acsi.DataAttributeNode, FC: acsi.MX, Children: []*acsi.Node{f}}
	attributes := []*acsi.Node{mag, leaf("q", acsi.MX, "Quality", acsi.TrgQualityChange), leaf("t", acsi.MX, "Timestamp", 0)}
	mmxu := &acsi.LogicalNode{Node: &acsi.Node{Name: "MMXU1", Kind: acsi.LogicalNodeNode}}
	set := &acsi.DataSet{Ref: acsi.MustRef("LD/LLN0.mv")}
	for i := range measurands {
		name := fmt.Sprintf("A%d", i)
		mmxu.Node.Children = append(mmxu.Node.Children, &acsi.Node{Name: name, Kind: acsi.DataObjectNode, CDC: "MV", Children: attributes})
		set.Members = append(set.Members, acsi.MustRef("LD/MMXU1."+name+"[MX]"))
	}
	lln0 := &acsi.LogicalNode{Node: &acsi.Node{Name: "LLN0", Kind: acsi.LogicalNodeNode}, DataSets: []*acsi.DataSet{set}}
	add := func(class, name string, fc acsi.FC) {
		lln0.Node.Children = append(lln0.Node.Children, acsi.ControlBlock(class, name, acsi.Abilities{}))
		lln0.Reports = append(lln0.Reports, &acsi.ReportControl{Ref: acsi.MustRef("LD/LLN0." + name).WithFC(fc), DataSet: set.Ref, ConfRev: 1,
			OptFlds: acsi.OptSeqNum | acsi.OptReason | acsi.OptEntryID | acsi.OptBufOvfl, TrgOps: allTriggers})
	}
	for i := range unbuffered {
		add(acsi.URCB, fmt.Sprintf("u%d", i), acsi.RP)
	}
	for i := range buffered {
		add(acsi.BRCB, fmt.Sprintf("b%d", i), acsi.BR)
	}
	return &acsi.Model{IED: "T", LDs: []*acsi.LogicalDevice{{Name: "LD", LNs: []*acsi.LogicalNode{lln0, mmxu}}}}
}

// plantBench is an engine of a plant.
type plantBench struct {
	*bench
	t       testing.TB
	handles []Handle
}

func newPlant(t testing.TB, edit func(*Config), measurands, unbuffered, buffered int) *plantBench {
	t.Helper()
	b := &bench{now: noon, events: &audit.Memory{}}
	cfg := Config{Model: plant(measurands, unbuffered, buffered), Audit: b.events, Now: func() time.Time { return b.now }}
	if edit != nil {
		edit(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Engine = e
	p := &plantBench{bench: b, t: t}
	for i := range measurands {
		h, err := e.Handle(acsi.MustRef(fmt.Sprintf("LD/MMXU1.A%d.mag.f[MX]", i)))
		if err != nil {
			t.Fatal(err)
		}
		p.handles = append(p.handles, h)
	}
	return p
}

// measure gives measurands new values, all at once: "0=1.5 3=7".
func (p *plantBench) measure(text string) {
	p.t.Helper()
	p.Update(func(tx *Tx) {
		for _, word := range strings.Fields(text) {
			var i int
			var f float32
			if _, err := fmt.Sscanf(word, "%d=%g", &i, &f); err != nil {
				p.t.Fatal(err)
			}
			if err := tx.SetStamped(p.handles[i], value.Float(f), acsi.QualityGood, tx.Now()); err != nil {
				p.t.Error(err)
			}
		}
	})
}

// associate is an association of who, which may do anything with data sets and reports.
func (p *plantBench) associate(who string) *session {
	s := subject(rbac.Engineer)
	s.Name, s.Address = who+"@dso.example", who+"@dso.example/IEC"
	return p.Services(s).(*session)
}

func mustWrite(t testing.TB, s acsi.Services, ref string, v value.Value) {
	t.Helper()
	if err := write(s, ref, v); err != nil {
		t.Fatalf("%s = %v: %v", ref, v, err)
	}
}

func write(s acsi.Services, ref string, v value.Value) error {
	errs, err := s.SetDataValues(bg, []acsi.Assignment{{Ref: acsi.MustRef(ref), Value: v}})
	if err != nil {
		return err
	}
	return errs[0]
}

// told takes what waits for s: "sqnum[!] member=value/reason …".
func told(t testing.TB, s *session) []string {
	t.Helper()
	var list []string
	for {
		n, err := s.take()
		if err != nil {
			t.Fatal(err)
		}
		if n == nil {
			return list
		}
		list = append(list, reportText(n.(*acsi.Report)))
	}
}

func reportText(r *acsi.Report) string {
	var b strings.Builder
	fmt.Fprint(&b, r.SeqNum)
	if r.BufOvfl {
		b.WriteString("!")
	}
	for _, in := range r.Included {
		f, _ := in.Value.At(0).At(0).Float()
		fmt.Fprintf(&b, " %d=%g/%s", in.Member, f, in.Reason)
	}
	return b.String()
}

func wantTold(t testing.TB, s *session, step string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, told(t, s)); d != "" {
		t.Errorf("%s (-want +got):\n%s", step, d)
	}
}

func wantCode(t testing.TB, step string, code acsi.Code, err error) {
	t.Helper()
	if !errors.Is(err, &acsi.Error{Code: code}) {
		t.Errorf("%s: got %v, want %s", step, err, code)
	}
}

// Conformance: sRp1, sBr1, sRpN1, sBrN1.
func TestControlBlockIsReadAsItIsEngineered(t *testing.T) {
	p := newPlant(t, nil, 3, 1, 1)
	s := p.associate("ann")
	for ref, want := range map[string]value.Value{
		"LD/LLN0.u0.DatSet[RP]":  value.Visible("LD/LLN0$mv"),
		"LD/LLN0.u0.ConfRev[RP]": value.Uint(1),
		"LD/LLN0.u0.RptEna[RP]":  value.Bool(false),
		"LD/LLN0.u0.TrgOps[RP]":  allTriggers.Value(),
		"LD/LLN0.b0.OptFlds[BR]": (acsi.OptSeqNum | acsi.OptReason | acsi.OptEntryID | acsi.OptBufOvfl).Value(),
		"LD/LLN0.b0.EntryID[BR]": value.Octets(make([]byte, 8)),
		"LD/LLN0.b0.ResvTms[BR]": value.Int(0),
		"LD/LLN0.b0.Owner[BR]":   value.Octets(nil),
	} {
		if got := get(t, s, ref); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", ref, got, want)
		}
	}
	if got := get(t, s, "LD/LLN0.b0[BR]"); got.Len() != 15 {
		t.Errorf("the whole control block: %v", got)
	}
	if names, err := s.GetLogicalNodeDirectory(bg, acsi.MustRef("LD/LLN0")); err != nil || len(names) != 0 {
		t.Errorf("data objects %v %v: control blocks are none", names, err)
	}
	if names, err := s.GetLogicalNodeDirectory(bg, acsi.MustRef("LD/LLN0[BR]")); err != nil || strings.Join(names, " ") != "b0" {
		t.Errorf("buffered control blocks %v %v", names, err)
	}
	if all, err := s.GetAllDataValues(bg, acsi.MustRef("LD/LLN0")); err != nil || len(all) != 0 {
		t.Errorf("values %v %v: control blocks are no data objects", all, err)
	}
	if all, err := s.GetAllDataValues(bg, acsi.MustRef("LD/LLN0[BR]")); err != nil || len(all) != 1 {
		t.Errorf("values under BR: %v %v", all, err)
	}
	// Conformance: sRpN1, sBrN1.
	wantCode(t, "unknown control block", acsi.ObjectNonExistent, write(s, "LD/LLN0.nix.RptEna[RP]", value.Bool(true)))
	wantCode(t, "an attribute that is read only", acsi.ObjectAccessDenied, write(s, "LD/LLN0.u0.SqNum[RP]", value.Uint(1)))
	wantCode(t, "a whole control block", acsi.ObjectAccessDenied, write(s, "LD/LLN0.u0[RP]", get(t, s, "LD/LLN0.u0[RP]")))
	wantCode(t, "another type", acsi.TypeInconsistent, write(s, "LD/LLN0.u0.RptEna[RP]", value.Int(1)))
}

func TestReportsTellWhatIsStored(t *testing.T) {
	p := newPlant(t, nil, 4, 2, 1)
	ann, bob := p.associate("ann"), p.associate("bob")
	mustWrite(t, ann, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
	mustWrite(t, ann, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
	mustWrite(t, bob, "LD/LLN0.u1.RptEna[RP]", value.Bool(true))
	wantCode(t, "enabled by another client", acsi.TemporarilyUnavailable, write(bob, "LD/LLN0.u0.RptEna[RP]", value.Bool(true)))
	if got := get(t, bob, "LD/LLN0.u0.Owner[RP]").Text(); got != "ann@dso.example/IEC" {
		t.Errorf("Owner is %q", got)
	}
	p.measure("2=1.5 1=7")
	p.measure("1=7")                                    // nothing new but the time
	want := []string{"0 1=7/dchg,qchg 2=1.5/dchg,qchg"} // the quality was invalid
	if d := cmp.Diff(append(want, want...), told(t, ann)); d != "" {
		t.Errorf("both control blocks of one client (-want +got):\n%s", d)
	}
	wantTold(t, bob, "the other client", want...)
	p.Update(func(tx *Tx) { tx.Trigger(p.handles[3]) })
	wantTold(t, bob, "triggered by the application", "1 3=0/application")
	mustWrite(t, bob, "LD/LLN0.u1.GI[RP]", value.Bool(true))
	wantTold(t, bob, "GI", "2 0=0/gi 1=7/gi 2=1.5/gi 3=0/gi")
	if got := get(t, bob, "LD/LLN0.u1.SqNum[RP]"); !got.Equal(value.Uint(3)) {
		t.Errorf("SqNum is %v, want 3", got)
	}
	if err := bob.Close(bg); err != nil {
		t.Error(err)
	}
	if get(t, ann, "LD/LLN0.u1.RptEna[RP]").Bool() || get(t, ann, "LD/LLN0.u1.Resv[RP]").Bool() {
		t.Error("the association has ended, and its control block is enabled or reserved")
	}
	wantCode(t, "a write by who is gone", 0, nonACSI(write(bob, "LD/LLN0.u1.RptEna[RP]", value.Bool(true))))
	counts := p.ReportCounts()
	if got := counts[acsi.MustRef("LD/LLN0.u1[RP]")]; got.Generated != 3 || got.Sent != 3 {
		t.Errorf("counts %+v", counts)
	}
}

// nonACSI is an *acsi.Error of code 0 where err is that the association has ended.
func nonACSI(err error) error {
	if errors.Is(err, errClosed) {
		return acsi.Errorf(0, "ended")
	}
	return err
}

func TestReportsOfSeveralControlBlocksGoInTurn(t *testing.T) {
	p := newPlant(t, nil, 1, 3, 0)
	s := p.associate("ann")
	for i := range 3 {
		mustWrite(t, s, fmt.Sprintf("LD/LLN0.u%d.RptID[RP]", i), value.Visible(fmt.Sprint(i)))
		mustWrite(t, s, fmt.Sprintf("LD/LLN0.u%d.RptEna[RP]", i), value.Bool(true))
	}
	for i := range 4 {
		p.measure(fmt.Sprintf("0=%d", i+1))
	}
	var order strings.Builder
	for range 12 {
		n, err := s.Next(bg)
		if err != nil {
			t.Fatal(err)
		}
		order.WriteString(n.(*acsi.Report).RptID)
	}
	if got := order.String(); got != "012012012012" {
		t.Errorf("got %s", got)
	}
}

// Time is the engine's: a period, a buffer time and a reservation end while Run runs.
func TestRunSendsWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, func(c *Config) { c.Now = time.Now }, 2, 1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go p.Run(ctx)
		defer func() {
			cancel()
			synctest.Wait()
		}()
		s := p.associate("ann")
		mustWrite(t, s, "LD/LLN0.u0.BufTm[RP]", value.Uint(200))
		mustWrite(t, s, "LD/LLN0.u0.IntgPd[RP]", value.Uint(1000))
		mustWrite(t, s, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
		start := time.Now()
		p.measure("0=1")
		time.Sleep(100 * time.Millisecond)
		p.measure("1=2")
		for _, want := range []struct {
			at   time.Duration
			text string
		}{
			{200 * time.Millisecond, "0 0=1/dchg,qchg 1=2/dchg,qchg"},
			{time.Second, "1 0=1/integrity 1=2/integrity"},
			{2 * time.Second, "2 0=1/integrity 1=2/integrity"},
		} {
			n, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := reportText(n.(*acsi.Report)); got != want.text || time.Since(start) != want.at {
				t.Errorf("after %v: %s, want %s after %v", time.Since(start), got, want.text, want.at)
			}
		}
		mustWrite(t, s, "LD/LLN0.b0.ResvTms[BR]", value.Int(5))
		if err := s.Close(bg); err != nil {
			t.Error(err)
		}
		bob := p.associate("bob")
		time.Sleep(4999 * time.Millisecond)
		synctest.Wait()
		if got := get(t, bob, "LD/LLN0.b0.Owner[BR]").Text(); got != "ann@dso.example/IEC" {
			t.Errorf("before the reservation ends: %q", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := get(t, bob, "LD/LLN0.b0.ResvTms[BR]"); !got.Equal(value.Int(0)) {
			t.Errorf("after it has: %v", got)
		}
	})
}

func TestDataSetOfAControlBlock(t *testing.T) {
	p := newPlant(t, nil, 4, 2, 1)
	ann, bob := p.associate("ann"), p.associate("bob")
	members := []acsi.Ref{acsi.MustRef("LD/MMXU1.A1.mag[MX]"), acsi.MustRef("LD/MMXU1.A3.q[MX]")}
	for _, ref := range []string{"LD/LLN0.mine", "@own"} {
		name, err := acsi.ParseDataSetRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := ann.CreateDataSet(bg, name, members); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		step, ref, name string
		by              *session
		code            acsi.Code
	}{
		{"unknown", "LD/LLN0.u0.DatSet[RP]", "LD/LLN0$nix", ann, acsi.ObjectValueInvalid},
		{"no name", "LD/LLN0.u0.DatSet[RP]", "LD", ann, acsi.ObjectValueInvalid},
		{"its own, buffered", "LD/LLN0.b0.DatSet[BR]", "@own", ann, acsi.ObjectValueInvalid},
		{"another's own", "LD/LLN0.u0.DatSet[RP]", "@own", bob, acsi.ObjectValueInvalid},
	} {
		wantCode(t, tc.step, tc.code, write(tc.by, tc.ref, value.Visible(tc.name)))
	}
	mustWrite(t, bob, "LD/LLN0.u0.Resv[RP]", value.Bool(true))
	wantCode(t, "its own, reserved for another", acsi.TemporarilyUnavailable, write(ann, "LD/LLN0.u0.DatSet[RP]", value.Visible("@own")))
	mustWrite(t, bob, "LD/LLN0.u0.Resv[RP]", value.Bool(false))
	mustWrite(t, ann, "LD/LLN0.u0.DatSet[RP]", value.Visible("@own"))
	if owner := get(t, bob, "LD/LLN0.u0.Owner[RP]").Text(); owner != "ann@dso.example/IEC" || !get(t, bob, "LD/LLN0.u0.Resv[RP]").Bool() {
		t.Errorf("a data set of an association has not reserved the control block for it: Owner is %q", owner)
	}
	wantCode(t, "enabled by another", acsi.TemporarilyUnavailable, write(bob, "LD/LLN0.u0.RptEna[RP]", value.Bool(true)))
	mustWrite(t, ann, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
	mustWrite(t, bob, "LD/LLN0.u1.DatSet[RP]", value.Visible("LD/LLN0.mine"))
	mustWrite(t, bob, "LD/LLN0.u1.DatSet[RP]", value.Visible("LD/LLN0$mine"))
	if got := get(t, bob, "LD/LLN0.u1.ConfRev[RP]"); !got.Equal(value.Uint(2)) {
		t.Errorf("ConfRev is %v, want 2", got)
	}
	mustWrite(t, bob, "LD/LLN0.u1.RptEna[RP]", value.Bool(true))
	p.measure("0=1 1=2 3=3")
	for _, s := range []*session{ann, bob} {
		n, err := s.Next(bg)
		if err != nil {
			t.Fatal(err)
		}
		r := n.(*acsi.Report)
		if want := value.StructureOf(value.Float(2)); r.SetSize != 2 || len(r.Included) != 2 || !r.Included[0].Value.Equal(want) || !r.Included[1].Value.Equal(acsi.QualityGood.Value()) {
			t.Errorf("got %+v", r)
		}
	}
	// Conformance: sDsN12.
	wantCode(t, "deleted while in use", acsi.TemporarilyUnavailable, ann.DeleteDataSet(bg, acsi.MustRef("LD/LLN0.mine")))
	wantCode(t, "its own, deleted while in use", acsi.TemporarilyUnavailable, ann.DeleteDataSet(bg, acsi.MustRef("@own")))
	if err := ann.Close(bg); err != nil {
		t.Error(err)
	}
	if got := get(t, bob, "LD/LLN0.u0.DatSet[RP]").Text(); got != "LD/LLN0$mv" {
		t.Errorf("its own data set is gone with the association, and DatSet is %q", got)
	}
	mustWrite(t, bob, "LD/LLN0.u1.RptEna[RP]", value.Bool(false))
	mustWrite(t, bob, "LD/LLN0.u1.DatSet[RP]", value.Visible(""))
	if err := bob.DeleteDataSet(bg, acsi.MustRef("LD/LLN0.mine")); err != nil {
		t.Errorf("deleted when no longer in use: %v", err)
	}
	p.measure("1=9")
	wantTold(t, bob, "after all")
	wantCode(t, "enabled without a data set", acsi.ObjectAttributeInconsistent, write(bob, "LD/LLN0.u1.RptEna[RP]", value.Bool(true)))
}

// Conformance: sRp9.
func TestMembersThatAreDataObjectsAndAttributes(t *testing.T) {
	p := newPlant(t, nil, 2, 1, 0)
	s := p.associate("ann")
	if err := s.CreateDataSet(bg, setRef(t, "LD/LLN0.mixed"), refs("LD/MMXU1.A0[MX]", "LD/MMXU1.A0.mag.f[MX]", "LD/MMXU1.A0.q[MX]", "LD/MMXU1.A0.t[MX]")); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "LD/LLN0.u0.DatSet[RP]", value.Visible("LD/LLN0$mixed"))
	mustWrite(t, s, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
	for _, step := range []struct {
		f    float32
		q    acsi.Quality
		want string
	}{
		{1, acsi.QualityInvalid, "0:dchg 1:dchg"},
		{1, acsi.QualityGood, "0:qchg 2:qchg"},
		{2, acsi.QualityQuestionable, "0:dchg,qchg 1:dchg 2:qchg"},
		{2, acsi.QualityQuestionable, ""}, // but for its time, which triggers nothing
	} {
		p.now = p.now.Add(time.Second)
		p.Update(func(tx *Tx) {
			if err := tx.SetStamped(p.handles[0], value.Float(step.f), step.q, tx.Now()); err != nil {
				t.Error(err)
			}
		})
		n, err := s.take()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if n != nil {
			for _, in := range n.(*acsi.Report).Included {
				got = append(got, fmt.Sprintf("%d:%s", in.Member, in.Reason))
			}
		}
		if strings.Join(got, " ") != step.want {
			t.Errorf("%v %v: got %s, want %s", step.f, step.q, got, step.want)
		}
	}
}

// A report decides as every service does: by the rights that hold when it is sent.
func TestR3ReportsEndWithTheRole(t *testing.T) {
	p := newPlant(t, nil, 1, 1, 0)
	who := subject(rbac.Viewer)
	who.Grants[0].NotAfter = noon.Add(time.Minute)
	s := p.Services(who).(*session)
	mustWrite(t, s, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
	p.measure("0=1")
	wantTold(t, s, "while the role holds", "0 0=1/dchg,qchg")
	p.now = noon.Add(2 * time.Minute)
	p.measure("0=2")
	wantTold(t, s, "afterwards")
	events := p.events.Events()
	if len(events) != 1 || events[0].ID != audit.RoleWithdrawn || !strings.HasPrefix(events[0].Text, "Reporting of LD/LLN0.u0[RP]") {
		t.Errorf("events %+v", events)
	}
	other := p.associate("bob")
	mustWrite(t, other, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
}

func TestR2ReportOfWhatMayNotBeRead(t *testing.T) {
	p := newPlant(t, func(c *Config) {
		c.Policy = rbac.DefaultPolicy()
		c.Policy.Rights[rbac.Viewer] = rbac.View | rbac.Reporting
	}, 1, 1, 0)
	wantCode(t, "enabled", acsi.ObjectAccessDenied, write(p.as(rbac.Viewer), "LD/LLN0.u0.RptEna[RP]", value.Bool(true)))
	if events := p.events.Events(); len(events) != 1 || events[0].ID != audit.AccessDenied {
		t.Errorf("events %+v", events)
	}
}

// Whether a data set exists is not told to who may not view its logical device, nor by what a write to a control block says.
func TestR2DataSetThatMayNotBeViewed(t *testing.T) {
	p := newPlant(t, nil, 1, 1, 0)
	who := subject(rbac.Viewer)
	who.Grants[0].AOR = "LD"
	s := p.Services(who)
	for _, name := range []string{"OTHER/LLN0$set", "OTHER/LLN0$none"} {
		wantCode(t, name, acsi.ObjectAccessDenied, write(s, "LD/LLN0.u0.DatSet[RP]", value.Visible(name)))
	}
	wantCode(t, "a name of its own", acsi.ObjectValueInvalid, write(s, "LD/LLN0.u0.DatSet[RP]", value.Visible("LD/LLN0$none")))
	if events := p.events.Events(); len(events) != 2 || events[0].ID != audit.AccessDenied {
		t.Errorf("events %+v", events)
	}
}

// What is left of a request when its association has ended is not carried out.
func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	p := newPlant(t, nil, 1, 1, 0)
	s := p.as(rbac.Engineer)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := write(s, "LD/LLN0.u0.IntgPd[RP]", value.Uint(1000)); err == nil {
		t.Error("it is written")
	}
}
