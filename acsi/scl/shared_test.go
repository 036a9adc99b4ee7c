package scl

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"busbar.example/acsi"
	"github.com/google/go-cmp/cmp"
)

// sharedFiles are the real files to try, or none with a message.
func sharedFiles(t testing.TB) []string {
	dir := os.Getenv("BUSBAR_SCL")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "scl")
	}
	var files []string
	for _, pattern := range []string{"*.scd", "*.icd", "*.cid"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Skipf("no SCL files in %s: set BUSBAR_SCL to a folder of them", dir)
	}
	return files
}

func load(t testing.TB, file string) *Document {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// xmlNode is a second, independent reading of a file: a plain tree.
type xmlNode struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []*xmlNode `xml:",any"`
}

func (n *xmlNode) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

func (n *xmlNode) all(names ...string) []*xmlNode {
	var found []*xmlNode
	for _, c := range n.Children {
		for _, name := range names {
			if c.XMLName.Local == name {
				found = append(found, c)
			}
		}
	}
	return found
}

// oracle counts the leaves of logical nodes per functional constraint from the plain tree.
type oracle struct {
	types map[string]map[string]*xmlNode
}

func newOracle(root *xmlNode) *oracle {
	o := &oracle{types: map[string]map[string]*xmlNode{}}
	for _, tmpl := range root.all("DataTypeTemplates") {
		for _, t := range tmpl.Children {
			kind := t.XMLName.Local
			if o.types[kind] == nil {
				o.types[kind] = map[string]*xmlNode{}
			}
			o.types[kind][t.attr("id")] = t
		}
	}
	return o
}

// leaves adds the leaves of the type kind id, each times over, under fc or, where that is empty, the attributes' own.
func (o *oracle) leaves(kind, id, fc string, times int, into map[string]int) {
	t := o.types[kind][id]
	if t == nil {
		return
	}
	for _, m := range t.all("DO", "SDO", "DA", "BDA") {
		fc, times := fc, times
		if n, err := strconv.Atoi(m.attr("count")); err == nil && n > 0 {
			times *= n
		}
		switch m.XMLName.Local {
		case "DO", "SDO":
			o.leaves("DOType", m.attr("type"), "", times, into)
			continue
		case "DA":
			fc = m.attr("fc")
		}
		fcs := []string{fc}
		if fc == "SE" && m.XMLName.Local == "DA" {
			fcs = append(fcs, "SG")
		}
		for _, fc := range fcs {
			if m.attr("bType") == "Struct" {
				o.leaves("DAType", m.attr("type"), fc, times, into)
			} else {
				into[fc] += times
			}
		}
	}
}

func countLeaves(nodes []*acsi.Node, times int, into map[string]int) {
	for _, n := range nodes {
		times := times * max(1, n.Count)
		if n.IsLeaf() {
			into[n.FC.String()] += times
		}
		countLeaves(n.Children, times, into)
	}
}

func TestRealFilesKeepEveryLeaf(t *testing.T) {
	for _, file := range sharedFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var root xmlNode
			if err := xml.Unmarshal(text, &root); err != nil {
				t.Fatal(err)
			}
			d, o := load(t, file), newOracle(&root)
			servers := 0
			for _, ied := range root.all("IED") {
				for _, ap := range ied.all("AccessPoint") {
					for _, server := range ap.all("Server") {
						servers++
						compare(t, d, o, ied.attr("name"), ap.attr("name"), server)
					}
				}
			}
			offered := 0
			for _, ied := range d.IEDs() {
				for _, ap := range ied.AccessPoints {
					if ap.Server {
						offered++
					}
				}
			}
			if offered != servers {
				t.Errorf("%d servers are offered, want %d", offered, servers)
			}
		})
	}
}

func compare(t *testing.T, d *Document, o *oracle, ied, ap string, server *xmlNode) {
	m, findings, err := d.Model(ied, ap)
	if err != nil {
		t.Errorf("IED %q, access point %q: %v", ied, ap, err)
		return
	}
	want, got := map[string]int{}, map[string]int{}
	wantLNs, gotLNs, untyped := 0, 0, 0
	for _, ld := range server.all("LDevice") {
		for _, ln := range ld.all("LN0", "LN") {
			if o.types["LNodeType"][ln.attr("lnType")] == nil {
				untyped++
				continue
			}
			wantLNs++
			o.leaves("LNodeType", ln.attr("lnType"), "", 1, want)
		}
	}
	values := 0
	for _, ld := range m.LDs {
		for _, ln := range ld.LNs {
			gotLNs++
			values += len(ln.Values)
			countLeaves(ln.Node.Children, 1, got)
		}
	}
	if gotLNs != wantLNs {
		t.Errorf("IED %q: %d logical nodes, want %d", ied, gotLNs, wantLNs)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("IED %q: leaves per functional constraint (-want +got):\n%s", ied, diff)
	}
	if untyped > 0 && len(findings) == 0 {
		t.Errorf("IED %q: %d logical nodes have no type, and no finding says so", ied, untyped)
	}
	t.Logf("IED %s: %d LDs, %d LNs, leaves %v, %d values, %d findings", ied, len(m.LDs), gotLNs, got, values, len(findings))
	for i, f := range findings {
		if i == 12 {
			break
		}
		t.Log(f)
	}
}

func BenchmarkLargeSCD(b *testing.B) {
	for _, file := range sharedFiles(b) {
		if filepath.Base(file) != "autogen-substation-demo.scd" {
			continue
		}
		b.ReportAllocs()
		for b.Loop() {
			d := load(b, file)
			for _, ied := range d.IEDs() {
				for _, ap := range ied.AccessPoints {
					if ap.Server {
						if _, _, err := d.Model(ied.Name, ap.Name); err != nil {
							b.Fatal(err)
						}
					}
				}
			}
		}
	}
}
