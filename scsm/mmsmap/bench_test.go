package mmsmap_test

import (
	"testing"

	"busbar.example/acsi"
	"busbar.example/mms/assoc"
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
