package scl

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"busbar.example/acsi"
)

// Model makes the model of the IED called name behind its access point ap. "" stands for the only IED, or access
// point, that has a server. What had to be left out is in the findings. Errors are *Error.
//
// IEC 61850-6, 9.3 and 9.5.
func (d *Document) Model(name, ap string) (*acsi.Model, []Finding, error) {
	dev, server, err := d.choose(name, ap)
	if err != nil {
		return nil, nil, err
	}
	m := &modeller{builder: newBuilder(d, maxFindings)}
	for _, f := range d.findings.list {
		m.findings.add(f)
	}
	model, err := m.build(dev, server)
	if err != nil {
		return nil, nil, err
	}
	return model, m.findings.sorted(), nil
}

// choose finds the IED and the access point that are meant.
func (d *Document) choose(name, apName string) (*ied, *accessPoint, error) {
	var devs []*ied
	var names []string
	for _, dev := range d.ieds.list {
		if len(dev.servers()) > 0 {
			names = append(names, dev.name)
			if name == "" || name == dev.name {
				devs = append(devs, dev)
			}
		}
	}
	switch {
	case len(names) == 0:
		return nil, nil, &Error{File: d.file, Rule: rules[ruleNoServer].ID, Msg: "no IED in it has a server", Hint: rules[ruleNoServer].Hint}
	case len(devs) == 0:
		return nil, nil, &Error{File: d.file, Rule: rules[ruleNoSuchIED].ID, Msg: fmt.Sprintf("there is no IED %s with a server", quote(name)), Hint: "choose one of " + list(names)}
	case len(devs) > 1:
		return nil, nil, &Error{File: d.file, Rule: rules[ruleNoSuchIED].ID, Msg: "it holds several IEDs", Hint: "choose one of " + list(names)}
	}
	dev := devs[0]
	var found []*accessPoint
	var apNames []string
	for _, ap := range dev.servers() {
		apNames = append(apNames, ap.name)
		if apName == "" || apName == ap.name {
			found = append(found, ap)
		}
	}
	at := &Error{File: d.file, Line: dev.line, Rule: rules[ruleNoSuchIED].ID, Element: element("IED", "name", dev.name), Hint: "choose one of " + list(apNames)}
	switch {
	case len(found) == 0:
		at.Msg = fmt.Sprintf("it has no access point %s with a server", quote(apName))
		return nil, nil, at
	case len(found) > 1:
		at.Msg = "it has several access points with a server"
		return nil, nil, at
	}
	return dev, dev.serverOf(found[0]), nil
}

func (dev *ied) servers() []*accessPoint {
	var aps []*accessPoint
	for _, ap := range dev.aps.list {
		if dev.serverOf(ap) != nil {
			aps = append(aps, ap)
		}
	}
	return aps
}

// list joins names for a message.
func list(names []string) string {
	const most = 40
	more := ""
	if len(names) > most {
		names, more = names[:most], ", …"
	}
	clipped := make([]string, len(names))
	for i, name := range names {
		clipped[i] = clip(name)
	}
	return strings.Join(clipped, ", ") + more
}

// modeller puts the instances of one server together.
type modeller struct {
	*builder
	model    *acsi.Model
	settings *settingControl // the first of the server: it is for the logical devices that have none, too
	groups   int             // of the settings of the logical device at hand; 0 where there is no SettingControl
	points   int
	taken    map[string]bool                        // the names of logical devices
	nodes    map[*acsi.Node]map[string][]*acsi.Node // by name, of long lists; the first stands for its list

	placed     []*placed
	lns        map[[2]string]*placed    // by the inst of their logical device and their name
	fcs        map[*acsi.Node][]acsi.FC // of nodes that were asked for them
	attributes map[string][]*acsi.Node  // of control blocks, by their class
}

// finding is one of this IED.
func (m *modeller) finding(by rule, line int, element, format string, args ...any) {
	m.findings.note(by, line, m.model.IED, element, format, args...)
}

func (m *modeller) build(dev *ied, server *accessPoint) (*acsi.Model, error) {
	m.model, m.points, m.built, m.settings = &acsi.Model{IED: dev.name, Services: server.able}, 0, 0, nil
	m.taken, m.nodes = map[string]bool{}, map[*acsi.Node]map[string][]*acsi.Node{}
	m.placed, m.lns = nil, map[[2]string]*placed{}
	m.fcs, m.attributes = map[*acsi.Node][]acsi.FC{}, map[string][]*acsi.Node{}
	for _, ld := range server.lds {
		if m.settings == nil {
			m.settings = ld.settings
		}
	}
	for _, ld := range server.lds {
		if err := m.addLD(dev, ld); err != nil {
			return nil, err
		}
	}
	if len(m.model.LDs) == 0 {
		return nil, m.errorf(ruleIEDEmpty, dev.line, element("IED", "name", dev.name), "its server has no logical device that can be served")
	}
	for _, at := range m.placed { // now that all is there that they may refer to
		if err := m.addDataSets(at); err != nil {
			return nil, err
		}
	}
	for _, at := range m.placed {
		if err := m.addBlocks(at); err != nil {
			return nil, err
		}
	}
	return m.model, nil
}

func (m *modeller) addLD(dev *ied, ld *lDevice) error {
	name := cmp.Or(ld.ldName, dev.name+ld.inst)
	el := element("LDevice", "inst", ld.inst)
	if _, err := acsi.NewRef(name, "", 0); err != nil {
		m.finding(ruleLDName, ld.line, el, "it is left out: %v", err)
		return nil
	}
	if m.taken[name] {
		m.finding(ruleLDTwice, ld.line, el, "it is left out: two logical devices are called %s", quote(name))
		return nil
	}
	out := &acsi.LogicalDevice{Name: name, Inst: ld.inst, Desc: ld.desc}
	out.ActiveGroup, m.groups = m.settingGroups(ld)
	if ld.settings != nil {
		out.Groups, out.ResvTms = m.groups, int(number(ld.settings.reservation, 10, 16, 0))
	}
	m.model.LDs = append(m.model.LDs, out)
	m.taken[name] = true
	names := map[string]bool{}
	for _, ln := range ld.lns {
		lnName := ln.prefix + ln.class + ln.inst
		el := fmt.Sprintf("<%s %s of LDevice %s>", ln.element, quote(lnName), quote(ld.inst))
		if names[lnName] {
			m.finding(ruleLNTwice, ln.line, el, "it is left out: there is another of that name")
			continue
		}
		added, err := m.addLN(&placed{ld: ld, ln: ln, device: out}, lnName, el)
		if err != nil {
			return err
		}
		names[lnName] = added
	}
	if !names["LLN0"] {
		out.Groups = 0 // there is nowhere to choose one
	}
	return nil
}

// maxGroups is how many setting groups there are at most. IEC 61850-7-2, the type of NumOfSG.
const maxGroups = 255

// settingGroups are the active group and the number of groups of ld, or where it has no SettingControl those of the one
// that reaches it.
//
// IEC 61850-7-2, 16.2 and IEC 61850-7-1, setting groups of nested logical devices.
func (m *modeller) settingGroups(ld *lDevice) (active, groups int) {
	s := cmp.Or(ld.settings, m.settings)
	if s == nil {
		return 0, 0
	}
	const el = "<SettingControl>"
	if !s.inLN0 {
		m.finding(ruleSettingControl, s.line, el, "it is not in LN0")
	}
	active, err := strconv.Atoi(cmp.Or(s.active, "1"))
	groups, groupsErr := strconv.Atoi(s.groups)
	if groupsErr != nil || groups < 1 || groups > maxGroups {
		m.finding(ruleSettingControl, s.line, el, "numOfSGs=%s is no number of groups", quote(s.groups))
		groups = min(max(1, active), maxGroups)
	}
	if err != nil || active < 1 || active > groups {
		m.finding(ruleSettingControl, s.line, el, "actSG=%s is none of %d groups", quote(s.active), groups)
		active = 1
	}
	return active, groups
}

// addLN reports whether the logical node is there now; what keeps one out is in the findings.
func (m *modeller) addLN(at *placed, name, el string) (bool, error) {
	ln := at.ln
	device, err := acsi.NewRef(at.device.Name, "", 0)
	if err != nil {
		return false, err
	}
	ref, err := device.Child(name)
	if err != nil {
		m.finding(ruleLNName, ln.line, el, "it is left out: %v", err)
		return false, nil
	}
	t := m.doc.types.ln(ln.key())
	if t == nil {
		m.finding(ruleLNType, ln.line, el, "it is left out: there is no LNodeType %s", quote(ln.typ))
		return false, nil
	}
	p, err := m.ln(t, &ln.dois)
	if err != nil {
		return false, err
	}
	if len(ref.Path())+p.longest > acsi.MaxRefLen {
		m.finding(ruleLongRef, ln.line, el, "it is left out: a reference into it would be longer than %d octets", acsi.MaxRefLen)
		return false, nil
	}
	if len(name)+3+p.longest > acsi.MaxItemLen {
		m.finding(ruleLongItem, ln.line, el, "a name in it is longer than %d octets in MMS: some clients will not read it", acsi.MaxItemLen)
	}
	if m.points += p.points; m.points > maxPoints {
		return false, m.errorf(ruleTooLarge, ln.line, el, "the model would have more than %d nodes", maxPoints)
	}
	out := &acsi.LogicalNode{Node: &acsi.Node{Name: name, Kind: acsi.LogicalNodeNode, Class: ln.class, Desc: ln.desc, Children: p.nodes}}
	at.device.LNs = append(at.device.LNs, out)
	at.out, at.ref = out, ref
	m.placed = append(m.placed, at)
	if key := [2]string{at.ld.inst, name}; m.lns[key] == nil {
		m.lns[key] = at
	}
	for _, log := range ln.logs {
		log = cmp.Or(log, at.device.Name)
		if _, err := ref.Child(log); err != nil {
			m.finding(ruleBlockName, ln.line, el, "its Log %s is left out: %v", quote(log), err)
			continue
		}
		at.addLog(log)
	}
	v := &valuer{modeller: m, ln: out, index: map[valueKey]int{}}
	for _, d := range p.defaults {
		v.set(ref.Path()+d.path, dataObjectOf(d.path), d.node, d.val, d.of)
	}
	for _, doi := range ln.dois.list {
		v.walk(ref.Path(), doi.name, out.Node.Children, doi, el)
	}
	return true, nil
}

// called are those of nodes that have the name: two where they are the active and the edited value of a setting.
func (m *modeller) called(name string, nodes []*acsi.Node) []*acsi.Node {
	if len(nodes) <= few {
		var found []*acsi.Node
		for _, n := range nodes {
			if n.Name == name {
				found = append(found, n)
			}
		}
		return found
	}
	index := m.nodes[nodes[0]]
	if index == nil {
		index = make(map[string][]*acsi.Node, len(nodes))
		for _, n := range nodes {
			index[n.Name] = append(index[n.Name], n)
		}
		m.nodes[nodes[0]] = index
	}
	return index[name]
}

// dataObjectOf is the first name of a path such as .TotW.units.SIUnit
func dataObjectOf(path string) string {
	do, _, _ := strings.Cut(path[1:], ".")
	return do
}

// valuer collects the initial values of a logical node; a later one takes the place of an earlier one.
type valuer struct {
	*modeller
	ln    *acsi.LogicalNode
	index map[valueKey]int
}

type valueKey struct {
	ref   acsi.Ref
	group int
}

// walk takes the values that in gives to a node among nodes, and below it.
func (v *valuer) walk(path, do string, nodes []*acsi.Node, in *instance, el string) {
	found := v.called(in.name, nodes)
	for _, n := range found {
		below, ok := v.path(path, n, in, el)
		if !ok {
			continue
		}
		if n.Count > 0 {
			one := *n
			one.Count, n = 0, &one
		}
		for _, child := range in.children.list {
			v.walk(below, do, n.Children, child, el)
		}
		for _, val := range in.vals {
			if !n.IsLeaf() {
				v.finding(ruleValueTarget, val.line, el, "the value is left out: %s is no leaf", quote(below))
				continue
			}
			v.set(below, do, n, val, nil)
		}
	}
	if len(found) == 0 {
		v.finding(ruleValueTarget, in.line, el, "values of %s are left out: the type has no such part", quote(path+"."+in.name))
	}
}

// path appends in's name and, in an array, its index.
func (v *valuer) path(path string, n *acsi.Node, in *instance, el string) (string, bool) {
	path += "." + n.Name
	switch {
	case n.Count == 0 && in.ix == "":
		return path, true
	case n.Count == 0:
		v.finding(ruleValueIndex, in.line, el, "values of %s are left out: it is no array, but ix=%s is given", quote(path), quote(in.ix))
		return "", false
	}
	if i, err := strconv.Atoi(in.ix); err == nil && i >= 0 && i < n.Count {
		return path + "(" + strconv.Itoa(i) + ")", true
	}
	if in.ix == "" && len(in.children.list) == 0 && len(in.vals) == 0 {
		return "", false
	}
	v.finding(ruleValueIndex, in.line, el, "values of %s are left out: ix=%s is no element of %d", quote(path), quote(in.ix), n.Count)
	return "", false
}

// set notes a value, which the type's member of gives, or the instance where that is nil. An empty one stands for none, but
// for a text or a name.
func (v *valuer) set(path, do string, n *acsi.Node, val val, of *member) {
	ld, item, _ := strings.Cut(path, "/")
	ref, err := acsi.NewRef(ld, item, n.FC)
	if err != nil {
		v.finding(ruleLongRef, val.line, path, "%v", err)
		return
	}
	note := func(by rule, format string, args ...any) {
		if of != nil {
			v.builder.finding(by, val.line, of.String(), format, args...)
		} else {
			v.finding(by, val.line, path, format, args...)
		}
	}
	group, ok := v.group(val.group, n.FC, note)
	if !ok {
		return
	}
	parsed, err := parseVal(val.text, do, n)
	if err != nil {
		if val.text != "" {
			note(ruleValueForm, "the value is left out: %v", err)
		}
		return
	}
	initial := acsi.InitialValue{Ref: ref, Value: parsed, Group: group}
	key := valueKey{ref, group}
	if i, ok := v.index[key]; ok {
		v.ln.Values[i] = initial
		return
	}
	v.index[key] = len(v.ln.Values)
	v.ln.Values = append(v.ln.Values, initial)
}

// group is the setting group that a value is for, 0 for all; ok is false where there is none such.
func (v *valuer) group(text string, fc acsi.FC, note func(by rule, format string, args ...any)) (group int, ok bool) {
	if text == "" {
		return 0, true
	}
	group, err := strconv.Atoi(text)
	switch {
	case fc != acsi.SG && fc != acsi.SE:
		note(ruleValueGroup, "sGroup=%s is given, and it is no setting of a group", quote(text))
		return 0, true
	case err != nil || group < 1 || v.groups > 0 && group > v.groups:
		note(ruleValueGroup, "the value is left out: sGroup=%s is no setting group of %d", quote(text), v.groups)
		return 0, false
	case v.groups == 0:
		note(ruleValueGroup, "sGroup=%s is given, and no logical device has a SettingControl", quote(text))
	}
	return group, true
}
