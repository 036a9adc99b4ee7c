package scl_test

import (
	"encoding/xml"
	"os"
	"strconv"
	"strings"
	"testing"
)

// xmlNode is a second, independent reading of a file: a plain tree.
type xmlNode struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []*xmlNode `xml:",any"`
	Text     string     `xml:",chardata"`
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
	if n == nil {
		return nil
	}
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

// named is the child of n whose name is name, or nil.
func (n *xmlNode) named(name string) *xmlNode {
	for _, c := range n.all("DOI", "SDI", "DAI", "DA", "BDA") {
		if c.attr("name") == name {
			return c
		}
	}
	return nil
}

// tally is what a server has: LD, LN, DO, SDO, DataSet and FCDA by these words, leaves by their functional constraint, and
// control blocks by their class.
type tally map[string]int

func (t tally) add(u tally, times int) {
	for what, n := range u {
		t[what] += n * times
	}
}

// oracle counts from the plain tree.
type oracle struct {
	root  *xmlNode
	types map[string]map[string]*xmlNode
	lns   []*xmlNode
}

func newOracle(t *testing.T, file string) *oracle {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{root: &xmlNode{}, types: map[string]map[string]*xmlNode{}}
	if err := xml.Unmarshal(text, o.root); err != nil {
		t.Fatal(err)
	}
	for _, tmpl := range o.root.all("DataTypeTemplates") {
		for _, t := range tmpl.Children {
			kind := t.XMLName.Local
			if kind == "LNodeType" {
				o.lns = append(o.lns, t)
			}
			if o.types[kind] == nil {
				o.types[kind] = map[string]*xmlNode{}
			}
			o.types[kind][t.attr("id")] = t
		}
	}
	return o
}

// lnType is the type of ln, which has its id and, where there is one, its class too.
func (o *oracle) lnType(ln *xmlNode) *xmlNode {
	var found *xmlNode
	for _, t := range o.lns {
		if t.attr("id") == ln.attr("lnType") && (found == nil || found.attr("lnClass") != ln.attr("lnClass")) {
			if found == nil || t.attr("lnClass") == ln.attr("lnClass") {
				found = t
			}
		}
	}
	return found
}

// servers are the access points that have a server, or share one.
func (o *oracle) servers() map[[2]string]tally {
	all := map[[2]string]tally{}
	for _, ied := range o.root.all("IED") {
		at := map[string]*xmlNode{}
		for _, ap := range ied.all("AccessPoint") {
			for _, server := range ap.all("Server") {
				at[ap.attr("name")] = server
			}
		}
		for _, ap := range ied.all("AccessPoint") {
			name := ap.attr("name")
			server := at[name]
			for _, shared := range ap.all("ServerAt") {
				server = at[shared.attr("apName")]
			}
			if server != nil {
				all[[2]string{ied.attr("name"), name}] = o.server(server)
			}
		}
	}
	return all
}

func (o *oracle) server(server *xmlNode) tally {
	sum := tally{}
	for _, ld := range server.all("LDevice") {
		sum["LD"]++
		for _, ln := range ld.all("LN0", "LN") {
			t := o.lnType(ln)
			if t == nil {
				continue
			}
			sum["LN"]++
			for _, do := range t.all("DO") {
				sum.add(o.object("DO", do, ln.named(do.attr("name"))), 1)
			}
			sum.add(o.sets(server, ld, ln), 1)
			sum.add(blocks(ln), 1)
		}
	}
	return sum
}

// object is a DO or SDO, which the instance in is about; nothing where no leaf is in it.
func (o *oracle) object(kind string, do, in *xmlNode) tally {
	sum := tally{}
	t := o.types["DOType"][do.attr("type")]
	for _, m := range t.all("SDO") {
		sum.add(o.object("SDO", m, in.named(m.attr("name"))), count(m, t, in))
	}
	for _, m := range t.all("DA") {
		fc := m.attr("fc")
		sum.add(o.attribute(m, fc), count(m, t, in))
		if fc == "SE" {
			sum.add(o.attribute(m, "SG"), count(m, t, in))
		}
	}
	if len(sum) > 0 {
		sum[kind]++
	}
	return sum
}

func (o *oracle) attribute(m *xmlNode, fc string) tally {
	switch m.attr("bType") {
	case "Struct":
	case "PhyComAddr": // a MAC address, priority, VLAN and application
		return tally{fc: 4}
	default:
		return tally{fc: 1}
	}
	sum := tally{}
	t := o.types["DAType"][m.attr("type")]
	for _, b := range t.all("BDA") {
		sum.add(o.attribute(b, fc), count(b, t, nil))
	}
	return sum
}

// count is how many elements m has in the type t, of which in is an instance; 1 where it is no array.
func count(m, t, in *xmlNode) int {
	text := m.attr("count")
	if text == "" || text == "0" {
		return 1
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	n := 0
	for _, from := range []*xmlNode{t, in} { // what the instance says counts more
		if from == nil {
			continue
		}
		for _, v := range from.named(text).all("Val") {
			if given, err := strconv.Atoi(v.Text); err == nil {
				n = given
			}
		}
	}
	return n
}

// sets counts the data sets of ln that have a member that there is, and these members.
func (o *oracle) sets(server, ld, ln *xmlNode) tally {
	sum := tally{}
	for _, set := range ln.all("DataSet") {
		members := 0
		for _, f := range set.all("FCDA") {
			members += o.exists(server, ld, f)
		}
		if members > 0 {
			sum["DataSet"]++
			sum["FCDA"] += members
		}
	}
	return sum
}

// exists is how many data objects or attributes there are that f names in own or another logical device: where it names none, all
// of the logical node.
func (o *oracle) exists(server, own, f *xmlNode) int {
	for _, ld := range server.all("LDevice") {
		if inst := f.attr("ldInst"); ld.attr("inst") != inst && (inst != "" || ld != own) {
			continue
		}
		for _, ln := range ld.all("LN0", "LN") {
			if ln.attr("prefix")+ln.attr("lnClass")+ln.attr("inst") != f.attr("prefix")+f.attr("lnClass")+f.attr("lnInst") {
				continue
			}
			var path []string
			for _, part := range []string{f.attr("doName"), f.attr("daName")} {
				if part != "" {
					path = append(path, strings.Split(part, ".")...)
				}
			}
			t, n := o.lnType(ln), 0
			paths := [][]string{path}
			if path == nil {
				paths = nil
				for _, do := range t.all("DO") {
					paths = append(paths, []string{do.attr("name")})
				}
			}
			for _, path := range paths {
				if o.below(t, path, f.attr("fc"), "") {
					n++
				}
			}
			return n
		}
	}
	return 0
}

// below reports whether a type holds what path names with a leaf under fc; at is the functional constraint that holds so far.
func (o *oracle) below(t *xmlNode, path []string, fc, at string) bool {
	for _, m := range t.all("DO", "SDO", "DA", "BDA") {
		rest := path
		if len(path) > 0 {
			if name, _, _ := strings.Cut(path[0], "("); m.attr("name") != name {
				continue
			}
			rest = path[1:]
		}
		has := at
		if m.XMLName.Local == "DA" {
			has = m.attr("fc")
		}
		switch {
		case m.XMLName.Local == "DO", m.XMLName.Local == "SDO":
			if o.below(o.types["DOType"][m.attr("type")], rest, fc, "") {
				return true
			}
		case has != fc && (has != "SE" || fc != "SG"):
		case m.attr("bType") == "Struct":
			if o.below(o.types["DAType"][m.attr("type")], rest, fc, has) {
				return true
			}
		case len(rest) == 0:
			return true
		}
	}
	return false
}

// blocks counts the control blocks of ln.
func blocks(ln *xmlNode) tally {
	sum := tally{}
	for _, r := range ln.all("ReportControl") {
		class, instances := "URCB", 1
		if r.attr("buffered") == "true" {
			class = "BRCB"
		}
		for _, enabled := range r.all("RptEnabled") {
			if n, err := strconv.Atoi(enabled.attr("max")); err == nil && r.attr("indexed") != "false" {
				instances = max(1, n)
			}
		}
		sum[class] += instances
	}
	for _, g := range ln.all("GSEControl") {
		if g.attr("type") != "GSSE" {
			sum["GoCB"]++
		}
	}
	for _, s := range ln.all("SampledValueControl") {
		class := "MSVCB"
		if s.attr("multicast") == "false" {
			class = "USVCB"
		}
		sum[class]++
	}
	for class, element := range map[string]string{"LCB": "LogControl", "SGCB": "SettingControl"} {
		if n := len(ln.all(element)); n > 0 {
			sum[class] = n
		}
	}
	return sum
}
