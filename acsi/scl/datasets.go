package scl

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"busbar.example/acsi"
)

// placed is a logical node that is served, and where it is written.
type placed struct {
	ld     *lDevice
	ln     *lNode
	device *acsi.LogicalDevice
	out    *acsi.LogicalNode
	ref    acsi.Ref
	sets   map[string]acsi.Ref // its data sets by their names
	logs   map[string]bool     // the names of its logs
}

// addDataSets gives the logical node its data sets. What there is not of their members, they are without.
//
// IEC 61850-6, 9.3.7.
func (m *modeller) addDataSets(at *placed) error {
	at.sets = make(map[string]acsi.Ref, len(at.ln.sets))
	for _, set := range at.ln.sets {
		el := element("DataSet", "name", set.name)
		ref, err := acsi.NewDataSetRef(at.ref, set.name)
		switch {
		case err != nil:
			m.finding(ruleDataSetName, set.line, el, "it is left out: %v", err)
			continue
		case !at.sets[set.name].IsZero():
			m.finding(ruleDataSetName, set.line, el, "it is left out: there is another of that name")
			continue
		case len(set.name) > maxBlockName:
			m.finding(ruleLongName, set.line, el, "its name has %d characters", len(set.name))
		}
		out := &acsi.DataSet{Ref: ref, Fixed: true}
		for _, member := range set.members {
			before := len(out.Members)
			var why string
			if out.Members, why = m.appendMember(out.Members, at.ld, member); why != "" {
				m.finding(ruleMember, member.line, el, "%s is left out: %s", clip(member.String()), why)
			}
			if m.points += len(out.Members) - before; m.points > maxPoints {
				return m.errorf(ruleTooLarge, member.line, el, "the model would have more than %d nodes", maxPoints)
			}
		}
		if len(out.Members) == 0 {
			m.finding(ruleDataSetEmpty, set.line, el, "it is left out: it has no member")
			continue
		}
		at.sets[set.name] = ref
		at.out.DataSets = append(at.out.DataSets, out)
	}
	return nil
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

// appendMember appends what an FCDA in the logical device own names: a data object or attribute, or without a name of one all
// data objects of the logical node. why says why there is no such thing.
func (m *modeller) appendMember(members []acsi.Ref, own *lDevice, f *fcda) (longer []acsi.Ref, why string) {
	fc, err := acsi.ParseFC(f.fc)
	if err != nil {
		return members, fmt.Sprintf("fc=%s is no functional constraint", quote(f.fc))
	}
	at := m.lns[[2]string{cmp.Or(f.ldInst, own.inst), f.prefix + f.class + f.inst}]
	if at == nil {
		return members, "there is no such logical node"
	}
	ref := at.ref.WithFC(fc)
	if f.do != "" {
		if ref, why = m.below(at.out.Node, ref, f); why != "" {
			return members, why
		}
		return append(members, ref), ""
	}
	longer = members
	for _, do := range at.out.Node.Children {
		if below, err := ref.Child(do.Name); err == nil && m.holds(do, fc) {
			longer = append(longer, below)
		}
	}
	if len(longer) == len(members) {
		return members, "it holds nothing under that functional constraint"
	}
	return longer, ""
}

// below is what an FCDA names in the logical node ref.
func (m *modeller) below(node *acsi.Node, ref acsi.Ref, f *fcda) (_ acsi.Ref, why string) {
	path, ix := f.do, f.ix
	if f.da != "" {
		path += "." + f.da
	}
	for path != "" {
		var name, index string
		var err error
		name, path, _ = strings.Cut(path, ".")
		name, index, _ = strings.Cut(name, "(")
		index = strings.TrimSuffix(index, ")")
		if node = m.child(node, name, ref.FC()); node == nil {
			return ref, "there is no " + quote(name)
		}
		if index == "" && node.Count > 0 {
			index, ix = ix, "" // it is for the first array
		}
		if ref, err = ref.Child(name); err == nil && index != "" {
			i, notNumber := strconv.Atoi(index)
			if notNumber != nil || i < 0 || i >= node.Count {
				return ref, fmt.Sprintf("%s has no element %s", quote(name), quote(index))
			}
			ref, err = ref.Element(i)
		}
		if err != nil {
			return ref, err.Error()
		}
	}
	if !m.holds(node, ref.FC()) {
		return ref, "it holds nothing under that functional constraint"
	}
	return ref, ""
}

// child is n's part called name; of an active and an edited value, which share theirs, the one under fc.
func (m *modeller) child(n *acsi.Node, name string, fc acsi.FC) *acsi.Node {
	var found *acsi.Node
	for _, child := range m.called(name, n.Children) {
		if found == nil || child.FC == fc {
			found = child
		}
	}
	return found
}

// holds reports whether there is anything under fc in n.
func (m *modeller) holds(n *acsi.Node, fc acsi.FC) bool {
	fcs, known := m.fcs[n]
	if !known {
		fcs = n.FCs()
		m.fcs[n] = fcs
	}
	return slices.Contains(fcs, fc)
}
