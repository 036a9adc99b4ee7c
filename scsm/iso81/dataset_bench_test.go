package iso81_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"busbar.example/acsi"
)

// measurands is an IED with so many measured values LD/GGIO1.AnIn1, …, whose magnitudes are the data set LD/LLN0.mags.
func measurands(n int) *acsi.Model {
	leaf := func(name string, fc acsi.FC, basic string) *acsi.Node {
		typ, _ := acsi.BasicType(basic)
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: fc, Type: typ, Basic: basic}
	}
	f := leaf("f", acsi.MX, "FLOAT32")
	f.Kind = acsi.BasicDataAttributeNode
	mag := &acsi.Node{Name: "mag", Kind: acsi.DataAttributeNode, FC: acsi.MX, Children: []*acsi.Node{f}}
	attributes := []*acsi.Node{mag, leaf("q", acsi.MX, "Quality"), leaf("t", acsi.MX, "Timestamp")}
	ggio := &acsi.LogicalNode{Node: &acsi.Node{Name: "GGIO1", Kind: acsi.LogicalNodeNode}}
	set := &acsi.DataSet{Ref: acsi.MustRef("LD/LLN0.mags")}
	for i := range n {
		name := fmt.Sprintf("AnIn%d", i+1)
		ggio.Node.Children = append(ggio.Node.Children, &acsi.Node{Name: name, Kind: acsi.DataObjectNode, CDC: "MV", Children: attributes})
		set.Members = append(set.Members, acsi.MustRef("LD/GGIO1."+name+".mag.f[MX]"))
	}
	lln0 := &acsi.LogicalNode{Node: &acsi.Node{Name: "LLN0", Kind: acsi.LogicalNodeNode}, DataSets: []*acsi.DataSet{set}}
	return &acsi.Model{IED: "M", LDs: []*acsi.LogicalDevice{{Name: "LD", LNs: []*acsi.LogicalNode{lln0, ggio}}}}
}

// BenchmarkDataSetRead100 reads a data set of 100 floats, one call after the other. The reference in the same run is
// BenchmarkEcho.
func BenchmarkDataSetRead100(b *testing.B) {
	c := start(b, mode{}, func(s *site) { s.model = measurands(100) }).associate()
	ref := acsi.MustRef("LD/LLN0.mags")
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		got, err := c.GetDataSetValues(context.Background(), ref)
		took = append(took, time.Since(begin))
		if err != nil || len(got) != 100 || got[99].Err != nil {
			b.Fatal(got, err)
		}
	}
	percentiles(b, took)
}
