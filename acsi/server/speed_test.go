package server

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// large is an engine of 1,000 measurands with instantaneous values and a dead band of the whole scale, and ten unbuffered control blocks
// that are enabled, each of a hundred of them.
func large(t testing.TB) (*Engine, []Handle) {
	t.Helper()
	leaf := func(kind acsi.NodeKind, name string, fc acsi.FC, basic string, trg acsi.TrgOps) *acsi.Node {
		typ, _ := acsi.BasicType(basic)
		return &acsi.Node{Name: name, Kind: kind, FC: fc, Type: typ, Basic: basic, Triggers: trg}
	}
	of := func(name string, fc acsi.FC, children ...*acsi.Node) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: fc, Children: children}
	}
	const da, bda = acsi.DataAttributeNode, acsi.BasicDataAttributeNode
	attributes := []*acsi.Node{
		of("instMag", acsi.MX, leaf(bda, "f", acsi.MX, "FLOAT32", 0)), of("mag", acsi.MX, leaf(bda, "f", acsi.MX, "FLOAT32", acsi.TrgDataChange)),
		leaf(da, "q", acsi.MX, "Quality", acsi.TrgQualityChange), leaf(da, "t", acsi.MX, "Timestamp", 0), leaf(da, "db", acsi.CF, "INT32U", 0),
		of("rangeC", acsi.CF, of("min", acsi.CF, leaf(bda, "f", acsi.CF, "FLOAT32", 0)), of("max", acsi.CF, leaf(bda, "f", acsi.CF, "FLOAT32", 0)))}
	lln0 := &acsi.LogicalNode{Node: &acsi.Node{Name: "LLN0", Kind: acsi.LogicalNodeNode}}
	ld := &acsi.LogicalDevice{Name: "LD", LNs: []*acsi.LogicalNode{lln0}}
	for n := range 10 {
		ln := &acsi.LogicalNode{Node: &acsi.Node{Name: fmt.Sprintf("MMXU%d", n+1), Kind: acsi.LogicalNodeNode}}
		set := &acsi.DataSet{Ref: acsi.MustRef(fmt.Sprintf("LD/LLN0.set%d", n))}
		for i := range 100 {
			name := fmt.Sprintf("A%d", i)
			ln.Node.Children = append(ln.Node.Children, &acsi.Node{Name: name, Kind: acsi.DataObjectNode, CDC: "MV", Children: attributes})
			ref := acsi.MustRef("LD/" + ln.Node.Name + "." + name)
			set.Members = append(set.Members, ref.WithFC(acsi.MX))
			initial := func(path string, v value.Value) {
				ln.Values = append(ln.Values, acsi.InitialValue{Ref: acsi.MustRef(ref.Path() + "." + path + "[CF]"), Value: v})
			}
			initial("db", value.Uint(100_000))
			initial("rangeC.max.f", value.Float(1e9))
		}
		name := fmt.Sprintf("u%d", n)
		lln0.Node.Children = append(lln0.Node.Children, acsi.ControlBlock(acsi.URCB, name, acsi.Abilities{}))
		lln0.DataSets = append(lln0.DataSets, set)
		lln0.Reports = append(lln0.Reports, &acsi.ReportControl{Ref: acsi.MustRef("LD/LLN0." + name + "[RP]"), DataSet: set.Ref, TrgOps: allTriggers})
		ld.LNs = append(ld.LNs, ln)
	}
	e, err := New(Config{Model: &acsi.Model{LDs: []*acsi.LogicalDevice{ld}}, ReportsPerAccount: 10})
	if err != nil {
		t.Fatal(err)
	}
	s := e.Services(subject(rbac.Engineer))
	var handles []Handle
	for n := range 10 {
		mustWrite(t, s, fmt.Sprintf("LD/LLN0.u%d.RptEna[RP]", n), value.Bool(true))
		for i := range 100 {
			h, err := e.Handle(acsi.MustRef(fmt.Sprintf("LD/MMXU%d.A%d.instMag.f[MX]", n+1, i)))
			if err != nil {
				t.Fatal(err)
			}
			handles = append(handles, h)
		}
	}
	for _, h := range handles { // their first quality is reported
		e.Update(func(tx *Tx) {
			if err := tx.SetStamped(h, value.Float(0), acsi.QualityGood, tx.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	return e, handles
}

func generated(e *Engine) (n uint64) {
	for _, c := range e.ReportCounts() {
		n += c.Generated
	}
	return n
}

// The ceilings that hold whatever the machine: allocations of an update, of a read, of a report.
func TestHotPathsOfReports(t *testing.T) {
	e, handles := large(t)
	before := generated(e)
	i := 0
	update := func(tx *Tx) {
		if err := tx.SetStamped(handles[i%1000], value.Float(float32(i)), acsi.QualityGood, acsi.Timestamp{Time: noon.Add(time.Duration(i))}); err != nil {
			t.Error(err)
		}
		i++
	}
	if n := testing.AllocsPerRun(2000, func() { e.Update(update) }); n > 0 {
		t.Errorf("an update without a report: %v allocations, want none", n)
	}
	if after := generated(e); after != before {
		t.Errorf("%d reports within the dead band", after-before)
	}

	p := newPlant(t, nil, 100, 1, 0)
	s := p.associate("ann")
	mustWrite(t, s, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
	f := float32(0)
	one := func(tx *Tx) {
		f++
		if err := tx.SetStamped(p.handles[7], value.Float(f), acsi.QualityGood, acsi.Timestamp{Time: noon}); err != nil {
			t.Error(err)
		}
	}
	n := testing.AllocsPerRun(500, func() {
		p.Update(one)
		if r, err := s.take(); r == nil || err != nil {
			t.Fatal(r, err)
		}
	})
	if n > 8 {
		t.Errorf("an update and its report of one member: %v allocations, want at most 8", n)
	}
}

// 1,000 measurands, ten control blocks, nothing to report: each update is a value, a quality and a time.
func BenchmarkEngineUpdate(b *testing.B) {
	e, handles := large(b)
	var err error
	i := 0
	at := acsi.Timestamp{Time: noon}
	update := func(tx *Tx) {
		err = tx.SetStamped(handles[i%1000], value.Float(float32(i)), acsi.QualityGood, at)
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Update(update)
		i++
	}
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(3*float64(b.N)/b.Elapsed().Seconds(), "attributes/s")
}

// One change that 100 subscribers hear of, from the update until the last one has it.
func BenchmarkReportFanOut(b *testing.B) {
	p := newPlant(b, nil, 1, 100, 0)
	var sessions []*session
	for i := range 100 {
		s := p.associate(fmt.Sprint("client", i))
		mustWrite(b, s, fmt.Sprintf("LD/LLN0.u%d.RptEna[RP]", i), value.Bool(true))
		sessions = append(sessions, s)
	}
	got := make(chan error)
	for _, s := range sessions {
		go func() {
			for {
				_, err := s.Next(bg)
				got <- err
				if err != nil {
					return
				}
			}
		}()
	}
	var took []time.Duration
	f := float32(0)
	for b.Loop() {
		start := time.Now()
		p.Update(func(tx *Tx) {
			f++
			if err := tx.SetStamped(p.handles[0], value.Float(f), acsi.QualityGood, tx.Now()); err != nil {
				b.Error(err)
			}
		})
		for range sessions {
			if err := <-got; err != nil {
				b.Fatal(err)
			}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	for _, s := range sessions {
		if err := s.Close(bg); err != nil {
			b.Error(err)
		}
	}
	for range sessions {
		<-got
	}
}

// A general interrogation of 100 members, until the report is there.
func BenchmarkGeneralInterrogation(b *testing.B) {
	p := newPlant(b, nil, 100, 1, 0)
	s := p.associate("ann")
	mustWrite(b, s, "LD/LLN0.u0.RptEna[RP]", value.Bool(true))
	gi := []acsi.Assignment{{Ref: acsi.MustRef("LD/LLN0.u0.GI[RP]"), Value: value.Bool(true)}}
	b.ReportAllocs()
	for b.Loop() {
		if errs, err := s.SetDataValues(bg, gi); err != nil || errs[0] != nil {
			b.Fatal(err, errs)
		}
		n, err := s.Next(bg)
		if err != nil || len(n.(*acsi.Report).Included) != 100 {
			b.Fatal(n, err)
		}
	}
}
