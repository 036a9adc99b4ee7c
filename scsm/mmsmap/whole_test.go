package mmsmap_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/internal/testbed"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// large is a model of 5,000 leaves: 2 logical devices of 25 logical nodes of 10 measured values of 10 leaves.
func large() *acsi.Model {
	attribute := func(name string, fc acsi.FC, t acsi.Type, children ...*acsi.Node) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: fc, Type: t, Children: children}
	}
	part := func(name string, fc acsi.FC, t acsi.Type) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.BasicDataAttributeNode, FC: fc, Type: t}
	}
	float, integer, octet := acsi.Type{Kind: value.Float32, Size: 32}, acsi.Type{Kind: value.Integer, Size: 32}, acsi.Type{Kind: value.Integer, Size: 8}
	var objects []*acsi.Node
	for i := range 10 {
		objects = append(objects, &acsi.Node{Name: fmt.Sprint("AnIn", i+1), Kind: acsi.DataObjectNode, CDC: "MV", Children: []*acsi.Node{
			attribute("instMag", acsi.MX, acsi.Type{}, part("f", acsi.MX, float)),
			attribute("mag", acsi.MX, acsi.Type{}, part("f", acsi.MX, float)),
			attribute("range", acsi.MX, octet),
			attribute("q", acsi.MX, acsi.Type{Kind: value.BitString, Size: -13}),
			attribute("t", acsi.MX, acsi.Type{Kind: value.UTCTime}),
			attribute("units", acsi.CF, acsi.Type{}, part("SIUnit", acsi.CF, octet), part("multiplier", acsi.CF, octet)),
			attribute("db", acsi.CF, integer),
			attribute("zeroDb", acsi.CF, integer),
			attribute("dU", acsi.DC, acsi.Type{Kind: value.MMSString, Size: 255}),
		}})
	}
	m := &acsi.Model{IED: "Large"}
	for i := range 2 {
		ld := &acsi.LogicalDevice{Name: fmt.Sprint("LargeLD", i), Inst: fmt.Sprint("LD", i)}
		for j := range 25 {
			ld.LNs = append(ld.LNs, &acsi.LogicalNode{Node: &acsi.Node{Name: fmt.Sprint("GGIO", j+1), Kind: acsi.LogicalNodeNode, Class: "GGIO", Children: objects}})
		}
		m.LDs = append(m.LDs, ld)
	}
	return m
}

// wholeModel reads all that the peer has: every value of every logical node, of several at a time.
func wholeModel(ctx context.Context, c acsi.Services, atOnce int) (leaves int64, err error) {
	lds, err := c.GetServerDirectory(ctx)
	if err != nil {
		return 0, err
	}
	var lns []acsi.Ref
	for _, ld := range lds {
		names, err := c.GetLogicalDeviceDirectory(ctx, ld)
		if err != nil {
			return 0, err
		}
		for _, name := range names {
			ln, err := acsi.NewRef(ld, name, 0)
			if err != nil {
				return 0, err
			}
			lns = append(lns, ln)
		}
	}
	var next, sum atomic.Int64
	errs := make([]error, atOnce)
	var readers sync.WaitGroup
	for i := range errs {
		readers.Go(func() {
			for at := int(next.Add(1)) - 1; at < len(lns) && errs[i] == nil; at = int(next.Add(1)) - 1 {
				values, err := c.GetAllDataValues(ctx, lns[at])
				errs[i] = err
				for _, v := range values {
					errs[i] = errors.Join(errs[i], v.Err)
					sum.Add(leavesOf(v.Value))
				}
			}
		})
	}
	readers.Wait()
	return sum.Load(), errors.Join(errs...)
}

func leavesOf(v value.Value) (n int64) {
	if v.Len() == 0 {
		return 1
	}
	for i := range v.Len() {
		n += leavesOf(v.At(i))
	}
	return n
}

// BenchmarkWholeModel asks an IED with 5,000 leaves for all that it has, through the broker and E2E. browse is the model
// alone, as busbar ls -r has it.
func BenchmarkWholeModel(b *testing.B) {
	whole := func(atOnce int) func(*testing.B) {
		return func(b *testing.B) {
			c := overTheBroker(b)
			b.ReportAllocs()
			for b.Loop() {
				if n, err := wholeModel(b.Context(), c, atOnce); err != nil || n != 5000 {
					b.Fatal(n, err)
				}
			}
		}
	}
	b.Run("read", whole(1))
	b.Run("read-4-at-once", whole(4))
	b.Run("browse", func(b *testing.B) {
		c := overTheBroker(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := client.New(c).Walk(b.Context(), acsi.Ref{}, func(client.Object) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// overTheBroker associates with an IED that has the large model.
func overTheBroker(b *testing.B) *mmsmap.Client {
	bed := testbed.Start(b, testbed.Options{})
	bed.IED("pv1", large())
	return bed.Associate("ems", "pv1", rbac.Viewer)
}
