package scl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"busbar.example/acsi"
)

// maxBlockName is the longest name of a control block. IEC 61850-7-2, the type of its name.
const maxBlockName = 32

// checkDataSets makes sure that what the data sets of ln list is there.
//
// IEC 61850-6, 9.3.7.
func (c *checker) checkDataSets(ld *lDevice, ln *lNode) {
	names := map[string]bool{}
	for _, set := range ln.sets {
		el := element("DataSet", "name", set.name)
		switch {
		case !isName(set.name, maxBlockName):
			c.finding(ruleDataSetName, set.line, el, "this is no name")
		case names[set.name]:
			c.finding(ruleDataSetName, set.line, el, "there is another of that name")
		}
		names[set.name] = true
		if len(set.members) == 0 {
			c.finding(ruleDataSetEmpty, set.line, el, "it has no member")
		}
		for _, m := range set.members {
			if why := c.missing(ld, m); why != "" {
				c.finding(ruleMember, m.line, el, "%s: %s", clip(m.String()), why)
			}
		}
	}
}

func isName(s string, most int) bool {
	ref, err := acsi.NewRef("LD", s, 0)
	return err == nil && ref.Depth() == 2 && len(s) <= most
}

// String is the member as a reference, with inst in place of the logical device's name.
func (m *fcda) String() string {
	s := m.ldInst + "/" + m.prefix + m.class + m.inst
	for _, part := range []string{m.do, m.da} {
		if part != "" {
			s += "." + part
		}
	}
	return s + "[" + m.fc + "]"
}

// missing says what of a member there is not, or "".
func (c *checker) missing(own *lDevice, m *fcda) string {
	fc, err := acsi.ParseFC(m.fc)
	if err != nil {
		return fmt.Sprintf("fc=%s is no functional constraint", quote(m.fc))
	}
	inst := m.ldInst
	if inst == "" {
		inst = own.inst
	}
	node := c.logicalNodes()[[2]string{inst, m.prefix + m.class + m.inst}]
	if node == nil {
		return "there is no such logical node"
	}
	path := m.do
	if m.da != "" {
		path += "." + m.da
	}
	for _, name := range strings.Split(path, ".") {
		if path == "" { // all of the logical node
			break
		}
		name, index, indexed := strings.Cut(name, "(")
		if node = c.child(node, name, fc); node == nil {
			return "there is no " + quote(name)
		}
		if i, err := strconv.Atoi(strings.TrimSuffix(index, ")")); indexed && (err != nil || i < 0 || i >= node.Count) {
			return fmt.Sprintf("%s has no element %s", quote(name), quote(index))
		}
	}
	if node.Kind != acsi.LogicalNodeNode && !c.holds(node, fc) {
		return "it holds nothing under that functional constraint"
	}
	return ""
}

// child is n's part called name; of an active and an edited value, which share theirs, the one under fc.
func (c *checker) child(n *acsi.Node, name string, fc acsi.FC) *acsi.Node {
	var found *acsi.Node
	for _, child := range c.called(name, n.Children) {
		if found == nil || child.FC == fc {
			found = child
		}
	}
	return found
}

// logicalNodes are those of the model, by the inst of their logical device and their name.
func (c *checker) logicalNodes() map[[2]string]*acsi.Node {
	if c.lns == nil {
		c.lns = map[[2]string]*acsi.Node{}
		for _, ld := range c.model.LDs {
			for _, ln := range ld.LNs {
				c.lns[[2]string{ld.Inst, ln.Node.Name}] = ln.Node
			}
		}
	}
	return c.lns
}

// holds reports whether there is anything under fc in n.
func (c *checker) holds(n *acsi.Node, fc acsi.FC) bool {
	fcs, known := c.fcs[n]
	if !known {
		fcs = n.FCs()
		c.fcs[n] = fcs
	}
	return slices.Contains(fcs, fc)
}

// checkBlocks checks the control blocks of ln.
//
// IEC 61850-6, 9.3.8 to 9.3.11.
func (c *checker) checkBlocks(ld *lDevice, ln *lNode) {
	sets := map[string]bool{}
	for _, set := range ln.sets {
		sets[set.name] = true
	}
	names := map[string]bool{}
	for _, b := range ln.blocks {
		key := b.element + " " + b.name
		switch {
		case !isName(b.name, maxBlockName):
			c.finding(ruleBlockName, b.line, b.String(), "this is no name")
		case names[key]:
			c.finding(ruleBlockTwice, b.line, b.String(), "there is another of that name")
		}
		names[key] = true
		if b.datSet != "" && !sets[b.datSet] {
			c.finding(ruleBlockDataSet, b.line, b.String(), "the logical node has no DataSet %s", quote(b.datSet))
		}
		switch b.element {
		case "ReportControl":
			c.checkReport(ln, b)
		case "LogControl":
			c.checkLog(ld, b)
		}
	}
}

func (c *checker) checkReport(ln *lNode, b *controlBlock) {
	instances := 1
	if b.max != "" {
		var err error
		if instances, err = strconv.Atoi(b.max); err != nil || instances < 1 || instances > 99 {
			c.finding(ruleReportInstances, b.line, b.String(), "max=%s", quote(b.max))
			instances = 1
		}
	}
	if instances > 1 && !b.indexed {
		c.finding(ruleReportInstances, b.line, b.String(), "it has %d instances, and its name no index", instances)
	}
	if b.clients > instances {
		c.finding(ruleReportClients, b.line, b.String(), "it is reserved for %d clients, and has %s", b.clients, count(instances, "instance"))
	}
	if period, err := strconv.Atoi(b.period); err == nil && period > 0 && !b.periodic {
		c.finding(ruleReportPeriod, b.line, b.String(), "intgPd is %d", period)
	}
	const longest = len("$RP$") + len("01$TimeofEntry")
	if n := len(ln.prefix+ln.class+ln.inst) + len(b.name) + longest; n > acsi.MaxItemLen {
		c.finding(ruleLongItem, b.line, b.String(), "a name in it has %d characters in MMS", n)
	}
	if other := c.ids[b.id]; other != nil && b.id != "" {
		c.finding(ruleReportID, b.line, b.String(), "its rptID %s is that of %s in line %d, too", quote(b.id), quote(other.name), other.line)
	}
	c.ids[b.id] = b
}

func count(n int, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprint(n, " ", of)
}

// checkLog makes sure that there is the log. In Edition 1 it was called as its logical device or not at all.
//
// IEC 61850-6, 9.3.9.
func (c *checker) checkLog(ld *lDevice, b *controlBlock) {
	if b.log == "" || b.log == ld.inst {
		return
	}
	if c.logs[ld] == nil {
		c.logs[ld] = map[string]bool{}
		for _, ln := range ld.lns {
			for _, name := range ln.logs {
				c.logs[ld][name] = true
			}
		}
	}
	if c.logs[ld][b.log] || c.logs[ld][""] {
		return
	}
	c.finding(ruleLogMissing, b.line, b.String(), "there is no Log %s in logical device %s", quote(b.log), quote(ld.inst))
}
