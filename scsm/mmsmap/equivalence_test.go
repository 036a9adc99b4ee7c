package mmsmap_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// sclFiles are the demo's files and, where there are any, real ones.
func sclFiles(t *testing.T) []string {
	t.Helper()
	files := []string{filepath.Join(demo, "pv.cid"), filepath.Join(demo, "battery.cid"), filepath.Join(demo, "feeder.cid")}
	dir := os.Getenv("BUSBAR_SCL")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "scl")
	}
	var real []string
	for _, pattern := range []string{"*.scd", "*.icd", "*.cid"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		real = append(real, found...)
	}
	if len(real) == 0 {
		t.Logf("only the demo's models: no SCL files in %s, set BUSBAR_SCL to a folder of them", dir)
	}
	return append(files, real...)
}

// What a client gets through the mapping is what the engine says, whatever the PDU size.
//
// Conformance: sSrv1-sSrv5, sSrv8, sMdl4-sMdl7, sMdl10, cSrv.
func TestMappingChangesNothing(t *testing.T) {
	sizes := map[string]assoc.Config{"65000": {}, "MinPDU": {MaxPDU: assoc.MinPDU}}
	seen := map[string]map[string]bool{"65000": {}, "MinPDU": {}} // files share many types
	for _, file := range sclFiles(t) {
		all := models(t, file)
		for size, cfg := range sizes {
			if len(all) > 4 && size != "MinPDU" {
				continue // of a whole substation only the harder case, for the time it takes
			}
			for _, name := range slices.Sorted(maps.Keys(all)) {
				t.Run(filepath.Base(file)+"/"+name+"/"+size, func(t *testing.T) {
					compareModel(t, all[name], cfg, seen[size])
				})
			}
		}
	}
}

// comparison asks the engine and the client the same.
type comparison struct {
	*testing.T
	engine, client acsi.Services
	seen           map[string]bool // the types of which one object has been compared
}

func compareModel(t *testing.T, m *acsi.Model, cfg assoc.Config, seen map[string]bool) {
	e, err := server.New(server.Config{Model: m})
	if err != nil {
		t.Fatal(err)
	}
	w := connect(t, e.Services, everyRole(), cfg)
	distinguish(e)
	comparison{t, e.Services(everyRole()), w, seen}.compare()
	if got := w.Faults(); len(got) > 0 {
		t.Errorf("the server kept faults to itself: %v", got)
	}
}

// Nor does any carrier change anything.
func TestCarriersChangeNothing(t *testing.T) {
	var every []rbac.Role
	for _, g := range everyRole().Grants {
		every = append(every, g.Role)
	}
	cases := []struct {
		file string
		size int // of PDUs; 0: the default
	}{{"pv.cid", assoc.MinPDU}, {"battery.cid", 0}, {"feeder.cid", assoc.MinPDU}}
	if testbed.RaceEnabled {
		cases = cases[:1]
	}
	testbed.InMemory(t, func(t *testing.T, o testbed.Options) {
		bed := testbed.Start(t, o)
		ems := bed.Party("ems", every...)
		for _, tc := range cases {
			t.Run(tc.file, func(t *testing.T) {
				name, _, _ := strings.Cut(tc.file, ".")
				e := engine(t, tc.file) // which nobody runs: it does nothing by itself
				bed.NewIED(name, testbed.IEDConfig{Server: mmsmap.ServerConfig{Services: e.Services}})
				distinguish(e)
				link, err := ems.Link(name)
				if err != nil {
					t.Fatal(err)
				}
				c, err := mmsmap.Associate(timeout(t), link, assoc.Config{MaxPDU: tc.size})
				if err != nil {
					t.Fatal(err)
				}
				comparison{t, e.Services(everyRole()), c, make(map[string]bool)}.compare()
			})
		}
	})
}

// compare asks about all that the engine has.
func (c comparison) compare() {
	lds := same(c, "GetServerDirectory", c.engine.GetServerDirectory, c.client.GetServerDirectory)
	for _, ld := range lds {
		lns := same(c, "GetLogicalDeviceDirectory "+ld,
			func(ctx context.Context) ([]string, error) { return c.engine.GetLogicalDeviceDirectory(ctx, ld) },
			func(ctx context.Context) ([]string, error) { return c.client.GetLogicalDeviceDirectory(ctx, ld) })
		for _, ln := range lns {
			c.compareNode(acsi.MustRef(ld + "/" + ln))
		}
	}
}

// distinguish gives every leaf of a data object a value of its own, as far as its type allows.
func distinguish(e *server.Engine) {
	e.Update(func(tx *server.Tx) {
		n := 0
		var leaf func(ref acsi.Ref, node *acsi.Node)
		leaf = func(ref acsi.Ref, node *acsi.Node) {
			if node.Kind == acsi.ControlBlockNode {
				return // the engine keeps it
			}
			for _, part := range partsOf(ref, node) {
				leaf(part.ref, part.node)
			}
			if h, err := e.Handle(ref); err == nil && node.IsLeaf() && node.Count == 0 {
				n++
				tx.Set(h, distinct(node.Type, n)) // an enumeration may refuse: then it keeps its initial value
			}
		}
		for _, ld := range e.Model().LDs {
			for _, ln := range ld.LNs {
				for _, fc := range ln.Node.FCs() {
					leaf(acsi.MustRef(ld.Name+"/"+ln.Node.Name).WithFC(fc), ln.Node.Under(fc))
				}
			}
		}
	})
	e.Tick(time.Now().Add(time.Hour)) // what report control blocks wait with is in their buffers
}

func distinct(t acsi.Type, n int) value.Value {
	octets := []byte{byte(n), byte(n >> 8), byte(n >> 16), 0, 0, 0, 0, 0}
	switch t.Kind {
	case value.Boolean:
		return value.Bool(n%2 == 0)
	case value.Integer:
		return value.Int(int64(n) % (1 << min(t.Size-1, 30)))
	case value.Unsigned:
		return value.Uint(uint64(n) % (1 << min(t.Size, 30)))
	case value.Float32:
		return value.Float(float32(n))
	case value.Float64:
		return value.Double(float64(n))
	case value.BitString:
		return value.Bits(max(t.Size, -t.Size), octets)
	case value.VisibleString:
		return value.Visible(fmt.Sprint(n))
	case value.MMSString:
		return value.Text(fmt.Sprint("ü", n))
	case value.OctetString:
		return value.Octets(slices.Concat(octets, make([]byte, 64))[:max(min(t.Size, 8), -t.Size)])
	case value.UTCTime:
		return value.UTC(uint64(n) << 32)
	}
	return value.BinTime(uint32(n), 0)
}

// part is a node and where it is.
type part struct {
	ref  acsi.Ref
	node *acsi.Node
}

// partsOf are the parts of what ref names: those of a structure, the elements of an array.
func partsOf(ref acsi.Ref, n *acsi.Node) []part {
	var parts []part
	if n.Count > 0 {
		element := *n
		element.Count = 0
		for i := range n.Count {
			parts = append(parts, part{acsi.MustRef(fmt.Sprintf("%s(%d)", ref.Path(), i)).WithFC(ref.FC()), &element})
		}
		return parts
	}
	for _, c := range n.Children {
		parts = append(parts, part{acsi.MustRef(ref.Path() + "." + c.Name).WithFC(ref.FC()), c})
	}
	return parts
}

// same asks both sides for names that have to be equal, in their order.
func same(c comparison, what string, engine, client func(context.Context) ([]string, error)) []string {
	c.Helper()
	want, err := engine(c.Context())
	if err != nil {
		c.Fatalf("%s: %v", what, err)
	}
	got, err := client(c.Context())
	if err != nil {
		c.Fatalf("%s through the mapping: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.Errorf("%s: the engine's and the mapping's names differ:\n%s", what, diff)
	}
	return want
}

// sorted is for directories, in which MMS does not keep the order.
func sorted(list func() ([]string, error)) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) {
		names, err := list()
		return slices.Sorted(slices.Values(names)), err
	}
}

// compareNode compares all that can be asked about a logical node, unless one of its type has been compared.
func (c comparison) compareNode(ln acsi.Ref) {
	definition, err := c.engine.GetDataDefinition(c.Context(), ln)
	if err != nil {
		c.Fatal(err)
	}
	if c.known(definition) {
		return
	}
	got, err := c.client.GetDataDefinition(c.Context(), ln)
	if err != nil {
		c.Fatalf("GetDataDefinition(%v) through the mapping: %v", ln, err)
	}
	if got.Name != definition.Name || got.Kind != definition.Kind || got.Class != definition.Class {
		c.Errorf("%v: got %s %v %s, want %s %v %s", ln, got.Name, got.Kind, got.Class, definition.Name, definition.Kind, definition.Class)
	}
	if diff := cmp.Diff(outline(definition), outline(got)); diff != "" {
		c.Errorf("GetDataDefinition(%v) differs:\n%s", ln, diff)
	}
	for _, fc := range definition.FCs() {
		if diff := cmp.Diff(outline(definition.Under(fc)), outline(got.Under(fc))); diff != "" {
			c.Errorf("GetDataDefinition(%v) under %v differs:\n%s", ln, fc, diff)
		}
	}
	c.compareInDepth(ln, definition, got)
	c.compareDataSets(ln)
	for _, do := range definition.Children {
		if !c.known(do) {
			c.compareObject(ln, do)
		}
	}
}

// compareDataSets compares the data sets and logs of a logical node.
func (c comparison) compareDataSets(ln acsi.Ref) {
	ctx := c.Context()
	same(c, "GetLogs "+ln.String(),
		sorted(func() ([]string, error) { return c.engine.GetLogs(ctx, ln) }), sorted(func() ([]string, error) { return c.client.GetLogs(ctx, ln) }))
	names := same(c, "GetDataSets "+ln.String(),
		sorted(func() ([]string, error) { return c.engine.GetDataSets(ctx, ln) }), sorted(func() ([]string, error) { return c.client.GetDataSets(ctx, ln) }))
	for _, name := range names {
		ref, err := acsi.NewDataSetRef(ln, name)
		if err != nil {
			c.Fatal(err)
		}
		want, err := c.engine.GetDataSetDirectory(ctx, ref)
		if err != nil {
			c.Fatal(err)
		}
		got, err := c.client.GetDataSetDirectory(ctx, ref)
		if diff := cmp.Diff(want, got, exactly); err != nil || diff != "" {
			c.Errorf("GetDataSetDirectory(%v) differs: %v\n%s", ref, err, diff)
		}
		values, err := c.engine.GetDataSetValues(ctx, ref)
		if err != nil {
			c.Fatal(err)
		}
		heard, err := c.client.GetDataSetValues(ctx, ref)
		if diff := cmp.Diff(values, heard, exactly); err != nil || diff != "" {
			c.Errorf("GetDataSetValues(%v) differs: %v\n%s", ref, err, diff)
		}
	}
}

// known reports whether something of n's type has been compared before.
func (c comparison) known(n *acsi.Node) bool {
	kind := strings.Join(outline(n), " ")
	known := c.seen[kind]
	c.seen[kind] = true
	return known
}

// compareInDepth asks about each functional constraint and each part.
func (c comparison) compareInDepth(ln acsi.Ref, definition, got *acsi.Node) {
	ctx := c.Context()
	for _, fc := range append(definition.FCs(), 0) {
		ref := ln.WithFC(fc)
		same(c, "GetLogicalNodeDirectory "+ref.String(),
			sorted(func() ([]string, error) { return c.engine.GetLogicalNodeDirectory(ctx, ref) }),
			sorted(func() ([]string, error) { return c.client.GetLogicalNodeDirectory(ctx, ref) }))
		c.compareAllValues(ref)
		if fc == 0 {
			continue
		}
		c.compareValues(append([]part{{ref, got.Under(fc)}}, all(ref, got.Under(fc))...))
	}
}

// compareObject asks about one data object on its own.
func (c comparison) compareObject(ln acsi.Ref, do *acsi.Node) {
	ctx := c.Context()
	for _, fc := range do.FCs() {
		ref := acsi.MustRef(ln.Path() + "." + do.Name).WithFC(fc)
		want, err := c.engine.GetDataDefinition(ctx, ref)
		if err != nil {
			c.Fatal(err)
		}
		got, err := c.client.GetDataDefinition(ctx, ref)
		if err != nil {
			c.Errorf("GetDataDefinition(%v) through the mapping: %v", ref, err)
			continue
		}
		if diff := cmp.Diff(outline(want), outline(got)); diff != "" {
			c.Errorf("GetDataDefinition(%v) differs:\n%s", ref, diff)
		}
		same(c, "GetDataDirectory "+ref.String(),
			sorted(func() ([]string, error) { return c.engine.GetDataDirectory(ctx, ref) }),
			sorted(func() ([]string, error) { return c.client.GetDataDirectory(ctx, ref) }))
	}
}

// all are the parts below ref, down to the leaves.
func all(ref acsi.Ref, n *acsi.Node) []part {
	var found []part
	for _, p := range partsOf(ref, n) {
		found = append(append(found, p), all(p.ref, p.node)...)
	}
	return found
}

// outline is what MMS tells of a node, one line for each part, sorted.
func outline(n *acsi.Node) []string {
	var lines []string
	var add func(path string, n *acsi.Node)
	add = func(path string, n *acsi.Node) {
		line := fmt.Sprintf("%s %d", path, n.Count)
		if n.IsLeaf() {
			line += fmt.Sprintf(" %v %d", n.Type.Kind, n.Type.Size)
		}
		lines = append(lines, line)
		for _, child := range n.Children {
			add(path+"."+child.Name, child)
		}
	}
	add("", n)
	slices.Sort(lines)
	return lines
}

// compareValues reads parts on both sides. A value through the mapping has the parts of the definition through the
// mapping, in their order, and each of these is what the engine has there.
func (c comparison) compareValues(parts []part) {
	const atOnce = 200
	values := make(map[acsi.Ref]value.Value)
	for chunk := range slices.Chunk(parts, atOnce) {
		refs := make([]acsi.Ref, len(chunk))
		for i, p := range chunk {
			refs[i] = p.ref
		}
		want, err := c.engine.GetDataValues(c.Context(), refs)
		if err != nil {
			c.Fatal(err)
		}
		got, err := c.client.GetDataValues(c.Context(), refs)
		if err != nil {
			c.Fatalf("GetDataValues through the mapping: %v", err)
		}
		for i, p := range chunk {
			if want[i].Err != nil || got[i].Err != nil {
				c.Errorf("%v: the engine says %v, the mapping %v", p.ref, want[i].Err, got[i].Err)
				continue
			}
			values[p.ref] = got[i].Value
			if p.node.IsLeaf() && !selects(p.ref) && !got[i].Value.Equal(want[i].Value) {
				c.Errorf("%v: got %v, want %v", p.ref, got[i].Value, want[i].Value)
			}
		}
	}
	for _, p := range parts {
		v := values[p.ref]
		below := partsOf(p.ref, p.node)
		if v.Len() != len(below) {
			c.Errorf("%v has %d parts and a value of %d", p.ref, len(below), v.Len())
			continue
		}
		for i, b := range below {
			if !selects(b.ref) && !v.At(i).Equal(values[b.ref]) {
				c.Errorf("%v: part %d, which the definition calls %s, is %v; read alone it is %v", p.ref, i, b.node.Name, v.At(i), values[b.ref])
			}
		}
	}
}

// selects reports whether reading ref selects a control object: who reads it second gets another answer.
func selects(ref acsi.Ref) bool { return ref.FC() == acsi.CO && ref.Name() == "SBO" }

// compareAllValues compares by reference, for MMS does not keep the order of data objects. Where a type does not fit
// into a PDU, that of attributes neither: then compareValues has compared the parts.
func (c comparison) compareAllValues(ln acsi.Ref) {
	want, err := c.engine.GetAllDataValues(c.Context(), ln)
	if err != nil {
		c.Fatal(err)
	}
	got, err := c.client.GetAllDataValues(c.Context(), ln)
	if err != nil {
		c.Errorf("GetAllDataValues(%v) through the mapping: %v", ln, err)
		return
	}
	if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
		c.Errorf("GetAllDataValues(%v) differs:\n%s", ln, diff)
	}
}

func lines(values []acsi.DataValue) []string {
	var all []string
	for _, v := range values {
		leaves := strings.FieldsFunc(v.Value.String(), func(r rune) bool { return strings.ContainsRune("{},", r) })
		slices.Sort(leaves)
		all = append(all, fmt.Sprintf("%v %v %v", v.Ref, leaves, v.Err))
	}
	slices.Sort(all)
	return all
}
