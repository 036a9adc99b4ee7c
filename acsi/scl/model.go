package scl

import (
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
	m := &modeller{builder: newBuilder(d), model: &acsi.Model{IED: dev.name}}
	for _, ld := range server.lds {
		if err := m.addLD(dev, ld); err != nil {
			return nil, nil, err
		}
	}
	if len(m.model.LDs) == 0 {
		return nil, nil, m.errorf(dev.line, element("IED", "name", dev.name), "check that the file is complete", "its server has no logical device")
	}
	return m.model, append(append([]Finding(nil), d.findings...), m.findings...), nil
}

func element(name, attribute, text string) string {
	return fmt.Sprintf("<%s %s=%s>", name, attribute, quote(text))
}

// choose finds the IED and the access point that are meant.
func (d *Document) choose(name, apName string) (*ied, *accessPoint, error) {
	var devs []*ied
	var names []string
	for _, dev := range d.ieds {
		if len(dev.servers()) > 0 {
			names = append(names, dev.name)
			if name == "" || name == dev.name {
				devs = append(devs, dev)
			}
		}
	}
	switch {
	case len(names) == 0:
		return nil, nil, &Error{File: d.file, Msg: "no IED in it has a server", Hint: "give an ICD, CID, IID or SCD file with the model of an IED"}
	case len(devs) == 0:
		return nil, nil, &Error{File: d.file, Msg: fmt.Sprintf("there is no IED %s with a server", quote(name)), Hint: "choose one of " + list(names)}
	case len(devs) > 1:
		return nil, nil, &Error{File: d.file, Msg: "it holds several IEDs", Hint: "choose one of " + list(names)}
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
	at := &Error{File: d.file, Line: dev.line, Element: element("IED", "name", dev.name), Hint: "choose one of " + list(apNames)}
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
	for _, ap := range dev.aps {
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
	return strings.Join(names, ", ") + more
}

// modeller puts the instances of one server together.
type modeller struct {
	*builder
	model  *acsi.Model
	points int
}

func (m *modeller) addLD(dev *ied, ld *lDevice) error {
	name := ld.ldName
	if name == "" {
		name = dev.name + ld.inst
	}
	el := element("LDevice", "inst", ld.inst)
	if _, err := acsi.NewRef(name, "", 0); err != nil {
		return m.errorf(ld.line, el, "correct the IED's name, inst or ldName", "%v", err)
	}
	if m.model.LD(name) != nil {
		return m.errorf(ld.line, el, "correct inst or ldName", "two logical devices are called %s", quote(name))
	}
	out := &acsi.LogicalDevice{Name: name, Inst: ld.inst, Desc: ld.desc, ActiveGroup: ld.actSG}
	m.model.LDs = append(m.model.LDs, out)
	names := map[string]bool{}
	for _, ln := range ld.lns {
		lnName := ln.prefix + ln.class + ln.inst
		el := fmt.Sprintf("<LN %s of LDevice %s>", quote(lnName), quote(ld.inst))
		if names[lnName] {
			m.finding(ln.line, el, "it is left out: there is another of that name")
			continue
		}
		node, err := m.addLN(out, ln, lnName, el)
		if err != nil {
			return err
		}
		names[lnName] = node
	}
	return nil
}

// addLN reports whether the logical node is there now; what keeps one out is in the findings.
func (m *modeller) addLN(ld *acsi.LogicalDevice, ln *lNode, name, el string) (bool, error) {
	device, err := acsi.NewRef(ld.Name, "", 0)
	if err != nil {
		return false, err
	}
	ref, err := device.Child(name)
	if err != nil {
		m.finding(ln.line, el, "it is left out: %v", err)
		return false, nil
	}
	t := m.doc.types.lns[ln.typ]
	if t == nil {
		m.finding(ln.line, el, "it is left out: there is no LNodeType %s", quote(ln.typ))
		return false, nil
	}
	p, err := m.ln(t, ln.dois)
	if err != nil {
		return false, err
	}
	if len(ref.Path())+p.longest > acsi.MaxRefLen {
		m.finding(ln.line, el, "it is left out: a reference into it would be longer than %d octets", acsi.MaxRefLen)
		return false, nil
	}
	if len(name)+3+p.longest > acsi.MaxItemLen {
		m.finding(ln.line, el, "a name in it is longer than %d octets in MMS: some clients will not read it", acsi.MaxItemLen)
	}
	if m.points += p.points; m.points > maxPoints {
		return false, m.errorf(ln.line, el, "split the IED", "the model would have more than %d nodes", maxPoints)
	}
	out := &acsi.LogicalNode{Node: &acsi.Node{Name: name, Kind: acsi.LogicalNodeNode, Class: ln.class, Desc: ln.desc, Children: p.nodes}}
	ld.LNs = append(ld.LNs, out)
	v := &valuer{builder: m.builder, ln: out, index: map[valueKey]int{}}
	for _, d := range p.defaults {
		v.set(ref.Path()+d.path, dataObjectOf(d.path), d.node, d.val)
	}
	for _, doi := range ln.dois {
		v.walk(ref.Path(), doi.name, out.Node.Children, doi, el)
	}
	return true, nil
}

// dataObjectOf is the first name of a path such as .TotW.units.SIUnit
func dataObjectOf(path string) string {
	do, _, _ := strings.Cut(path[1:], ".")
	return do
}

// valuer collects the initial values of a logical node; a later one takes the place of an earlier one.
type valuer struct {
	*builder
	ln    *acsi.LogicalNode
	index map[valueKey]int
}

type valueKey struct {
	ref   acsi.Ref
	group int
}

// walk takes the values that in gives to a node among nodes, and below it.
func (v *valuer) walk(path, do string, nodes []*acsi.Node, in *instance, el string) {
	found := false
	for _, n := range nodes {
		if n.Name != in.name {
			continue
		}
		found = true
		below, ok := v.path(path, n, in, el)
		if !ok {
			continue
		}
		if n.Count > 0 {
			one := *n
			one.Count, n = 0, &one
		}
		for _, child := range in.children {
			v.walk(below, do, n.Children, child, el)
		}
		for _, val := range in.vals {
			if !n.IsLeaf() {
				v.finding(val.line, el, "the value is left out: %s is no leaf", quote(below))
				continue
			}
			v.set(below, do, n, val)
		}
	}
	if !found {
		v.finding(in.line, el, "values of %s are left out: the type has no such part", quote(path+"."+in.name))
	}
}

// path appends in's name and, in an array, its index.
func (v *valuer) path(path string, n *acsi.Node, in *instance, el string) (string, bool) {
	path += "." + n.Name
	switch {
	case n.Count == 0 && in.ix == "":
		return path, true
	case n.Count == 0:
		v.finding(in.line, el, "values of %s are left out: it is no array, but ix=%s is given", quote(path), quote(in.ix))
		return "", false
	}
	if i, err := strconv.Atoi(in.ix); err == nil && i >= 0 && i < n.Count {
		return path + "(" + strconv.Itoa(i) + ")", true
	}
	if in.ix == "" && len(in.children) == 0 && len(in.vals) == 0 {
		return "", false
	}
	v.finding(in.line, el, "values of %s are left out: ix=%s is no element of %d", quote(path), quote(in.ix), n.Count)
	return "", false
}

// set notes a value. An empty one stands for none, but for a text or a name.
func (v *valuer) set(path, do string, n *acsi.Node, val val) {
	ld, item, _ := strings.Cut(path, "/")
	ref, err := acsi.NewRef(ld, item, n.FC)
	if err != nil {
		v.finding(val.line, path, "%v", err)
		return
	}
	group := 0
	if val.group != "" {
		if group, err = strconv.Atoi(val.group); err != nil || group < 1 {
			v.finding(val.line, path, "the value is left out: sGroup=%s is no setting group", quote(val.group))
			return
		}
	}
	parsed, err := parseVal(val.text, do, n)
	if err != nil {
		if val.text != "" {
			v.finding(val.line, path, "the value is left out: %v", err)
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
