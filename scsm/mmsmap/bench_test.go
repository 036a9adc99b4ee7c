package mmsmap_test

import (
	"context"
	"testing"

	"busbar.example/acsi"
	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// BenchmarkMappedRead reads one float through both ends of the mapping, with its XER.
func BenchmarkMappedRead(b *testing.B) {
	c := connect(b, engine(b, "pv.cid").Services, everyRole(), assoc.Config{})
	refs := []acsi.Ref{acsi.MustRef("PV1LD0/MMXU1.TotW.mag.f[MX]")}
	b.ReportAllocs()
	for b.Loop() {
		results, err := c.GetDataValues(b.Context(), refs)
		if err != nil || results[0].Err != nil {
			b.Fatal(err, results)
		}
	}
}

// BenchmarkMappedNameList asks for all names of a logical device, in several parts.
func BenchmarkMappedNameList(b *testing.B) {
	c := connect(b, engine(b, "pv.cid").Services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.GetLogicalDeviceDirectory(b.Context(), "PV1LD0"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMappedDefinition asks for the type of a logical node.
func BenchmarkMappedDefinition(b *testing.B) {
	c := connect(b, engine(b, "pv.cid").Services, everyRole(), assoc.Config{})
	ln := acsi.MustRef("PV1LD0/MMXU1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.GetDataDefinition(b.Context(), ln); err != nil {
			b.Fatal(err)
		}
	}
}

// streaming is services that tell the same report again and again.
type streaming struct {
	acsi.UnimplementedServices
	report acsi.Report
	left   chan struct{} // one for each that is still to be told
}

func (s *streaming) Next(ctx context.Context) (acsi.Notice, error) {
	select {
	case <-s.left:
		r := s.report
		return &r, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// BenchmarkMappedReport tells a report of one member through both ends of the mapping, with its XER.
func BenchmarkMappedReport(b *testing.B) {
	s := &streaming{report: *reportWith(acsi.OptSeqNum|acsi.OptTimeStamp|acsi.OptReason|acsi.OptEntryID, 1, 0), left: make(chan struct{}, 64)}
	c := connect(b, func(rbac.Subject) acsi.Services { return s }, everyRole(), assoc.Config{})
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			s.left <- struct{}{}
		}
	}()
	for range b.N {
		if _, err := c.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMappedDataSet reads a data set of 100 members through both ends of the mapping, with its XER.
func BenchmarkMappedDataSet(b *testing.B) {
	f := newFake()
	for range 100 {
		f.results = append(f.results, acsi.Result{Value: value.Float(230.5)})
	}
	c := connect(b, f.services, everyRole(), assoc.Config{})
	ref := acsi.MustRef("LD/LLN0.Measurements")
	b.ReportAllocs()
	for b.Loop() {
		f.asked = nil
		if results, err := c.GetDataSetValues(b.Context(), ref); err != nil || len(results) != 100 {
			b.Fatal(err)
		}
	}
}
