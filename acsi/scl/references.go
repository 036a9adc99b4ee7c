package scl

import (
	"cmp"
	"encoding/xml"
	"strings"
)

// lnRef names a logical node of an IED, and what of it, as an ExtRef or LNode does.
type lnRef struct {
	ied, ldInst, prefix, class, inst string
	do, da                           string
	block                            string // of an ExtRef: the control block that brings it
	blockLD, blockLN                 string
	typ                              string // of an LNode: its LNodeType
	owner                            string // of an ExtRef: the IED that it is an input of
	line                             int
}

func readLNRef(rd *reader, e xml.StartElement) lnRef {
	return lnRef{ied: rd.attr(e, "iedName"), ldInst: rd.attr(e, "ldInst"), prefix: rd.attr(e, "prefix"), class: rd.attr(e, "lnClass"),
		inst: rd.attr(e, "lnInst"), line: rd.at}
}

func (r *lnRef) ln() string { return r.prefix + r.class + r.inst }

// readInputs keeps what a logical node of the IED called owner subscribes to.
//
// IEC 61850-6, 9.3.13.
func (d *Document) readInputs(rd *reader, owner string) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "ExtRef" {
			return rd.skip()
		}
		r := readLNRef(rd, e)
		r.do, r.da, r.owner, r.block = rd.attr(e, "doName"), rd.attr(e, "daName"), owner, rd.attr(e, "srcCBName")
		if r.block != "" {
			r.blockLD = cmp.Or(rd.attr(e, "srcLDInst"), r.ldInst)
			r.blockLN = rd.attr(e, "srcPrefix") + cmp.Or(rd.attr(e, "srcLNClass"), "LLN0") + rd.attr(e, "srcLNInst")
		}
		if r.ied != "" { // else it is not bound yet
			d.inputs = append(d.inputs, r)
		}
		return rd.skip()
	})
}

// readProcess reads what is below a Substation, Line, Process or part of one: the names of the parts, and the logical nodes
// that stand for them.
//
// IEC 61850-6, 9.2.
func (d *Document) readProcess(rd *reader) error {
	lines := map[string]int{} // of the parts, by their names
	return rd.children(func(e xml.StartElement) error { return d.readPart(rd, e, lines) })
}

func (d *Document) readPart(rd *reader, e xml.StartElement, siblings map[string]int) error {
	switch e.Name.Local {
	case "LNode":
		r := readLNRef(rd, e)
		r.typ = rd.attr(e, "lnType")
		d.lnodes = append(d.lnodes, r)
		return rd.skip()
	case "Private", "Text", "Terminal", "Voltage":
		return rd.skip()
	}
	if name := rd.attr(e, "name"); name != "" {
		if first, twice := siblings[name]; twice {
			d.finding(rulePartTwice, rd.at, element(e.Name.Local, "name", name), "its name is that of what is in line %d, too", first)
		} else {
			siblings[name] = rd.at
		}
	}
	return d.readProcess(rd)
}

// references follows the names that stand in one part of a file to what they are for in another.
type references struct {
	doc     *Document
	lns     map[*ied]map[[2]string]*lNode // by inst of the logical device and name
	blocks  map[*ied]map[blockAt]bool
	members map[*typeDef]map[string]*member
}

// blockAt is where a control block is.
type blockAt struct{ ldInst, ln, name string }

func (d *Document) references() *references {
	return &references{doc: d, lns: map[*ied]map[[2]string]*lNode{}, blocks: map[*ied]map[blockAt]bool{}, members: map[*typeDef]map[string]*member{}}
}

// of lists what is in dev when it is asked for the first time.
func (r *references) of(dev *ied) (map[[2]string]*lNode, map[blockAt]bool) {
	if lns, listed := r.lns[dev]; listed {
		return lns, r.blocks[dev]
	}
	lns, blocks := map[[2]string]*lNode{}, map[blockAt]bool{}
	for _, ap := range dev.aps.list {
		for _, ld := range ap.lds {
			for _, ln := range ld.lns {
				name := ln.prefix + ln.class + ln.inst
				lns[[2]string{ld.inst, name}] = ln
				for _, b := range ln.blocks {
					blocks[blockAt{ld.inst, name, b.name}] = true
				}
			}
		}
	}
	r.lns[dev], r.blocks[dev] = lns, blocks
	return lns, blocks
}

// modelled reports whether the file says what is in dev.
func (dev *ied) modelled() bool {
	for _, ap := range dev.aps.list {
		if ap.server {
			return true
		}
	}
	return false
}

// checkInputs checks the inputs of the IED called name, or of all where it is "".
//
// IEC 61850-6, 9.3.13.
func (c *checker) checkInputs(name string) {
	refs := c.doc.references()
	for i := range c.doc.inputs {
		in := &c.doc.inputs[i]
		if name != "" && in.owner != name {
			continue
		}
		from := in.ied
		if from == "@" { // the IED that it is in
			from = in.owner
		}
		el := element("ExtRef", "iedName", in.ied)
		dev, ok := c.doc.ieds.get(from)
		if !ok {
			c.findings.note(ruleInputIED, in.line, in.owner, el, "the file has no IED %s", quote(from))
			continue
		}
		if why := refs.input(in, dev); why != "" {
			c.findings.note(ruleInputSource, in.line, in.owner, el, "%s", why)
		}
	}
}

// input says why there is nothing in dev that an ExtRef could be for, or "".
func (r *references) input(in *lnRef, dev *ied) string {
	if !dev.modelled() || in.ldInst == "" || in.class == "" {
		return ""
	}
	lns, blocks := r.of(dev)
	ln := lns[[2]string{in.ldInst, in.ln()}]
	if ln == nil {
		return "the IED has no logical node " + quote(in.ldInst+"/"+in.ln())
	}
	if t := r.doc.types.ln(ln.key()); t != nil && in.do != "" {
		path := in.do
		if in.da != "" {
			path += "." + in.da
		}
		if missing := r.below(t, path); missing != "" {
			return "there is no " + quote(missing) + " in " + quote(in.ldInst+"/"+in.ln()+"."+path)
		}
	}
	if in.block != "" {
		at := blockAt{in.blockLD, in.blockLN, in.block}
		if !blocks[at] {
			return "the IED has no control block " + quote(at.ldInst+"/"+at.ln+"."+at.name)
		}
	}
	return ""
}

// below follows a path of names from t. It gives the name that there is not, or "": also where a type on the way is missing,
// which is a finding of its own.
func (r *references) below(t *typeDef, path string) (missing string) {
	for path != "" && t != nil {
		var name string
		name, path, _ = strings.Cut(path, ".")
		name, _, _ = strings.Cut(name, "(")
		m := r.member(t, name)
		if m == nil {
			return name
		}
		switch m.element {
		case "DO", "SDO":
			t = r.doc.types.dos[m.typ]
		default:
			t = r.doc.types.das[m.typ]
		}
	}
	return ""
}

func (r *references) member(t *typeDef, name string) *member {
	byName, listed := r.members[t]
	if !listed {
		byName = make(map[string]*member, len(t.members))
		for _, m := range t.members {
			byName[m.name] = m
		}
		r.members[t] = byName
	}
	return byName[name]
}

// checkLNodes checks the logical nodes that stand for the parts of the process.
//
// IEC 61850-6, 9.2: an LNode without an IED is one that is still to be found one for.
func (c *checker) checkLNodes() {
	refs := c.doc.references()
	for i := range c.doc.lnodes {
		r := &c.doc.lnodes[i]
		if r.ied == "" || r.ied == "None" {
			continue
		}
		el := element("LNode", "iedName", r.ied)
		dev, ok := c.doc.ieds.get(r.ied)
		if !ok {
			c.note(ruleLNodeIED, r.line, el, "the file has no IED %s", quote(r.ied))
			continue
		}
		if !dev.modelled() || r.ldInst == "" {
			continue
		}
		if lns, _ := refs.of(dev); lns[[2]string{r.ldInst, r.ln()}] == nil {
			c.note(ruleLNode, r.line, el, "the IED has no logical node %s", quote(r.ldInst+"/"+r.ln()))
		}
	}
}

// checkFrames checks that the addresses of GOOSE and sampled values are those of control blocks.
//
// IEC 61850-6, 9.4.
func (c *checker) checkFrames() {
	type control struct{ element, ldInst, name string }
	known := map[*accessPoint]map[control]bool{}
	for _, conn := range c.doc.conns {
		dev, _ := c.doc.ieds.get(conn.ied)
		if dev == nil || len(conn.frames) == 0 {
			continue
		}
		ap, ok := dev.aps.get(conn.ap)
		if !ok {
			continue
		}
		server := dev.serverOf(ap)
		if server == nil {
			continue
		}
		if known[server] == nil {
			known[server] = map[control]bool{}
			for _, ld := range server.lds {
				for _, ln := range ld.lns {
					for _, b := range ln.blocks {
						known[server][control{b.element, ld.inst, b.name}] = true
					}
				}
			}
		}
		for _, f := range conn.frames {
			of := map[string]string{"GSE": "GSEControl", "SMV": "SampledValueControl"}[f.element]
			if !known[server][control{of, f.ldInst, f.name}] {
				c.note(ruleFrame, f.line, element(f.element, "cbName", f.name), "IED %s has no such %s in %s", quote(conn.ied), of, quote(f.ldInst))
			}
		}
	}
}

// checkHosts looks for access points of one SubNetwork with one IP address.
func (c *checker) checkHosts() {
	type place struct{ subnet, host string }
	owner := map[place]*connectedAP{}
	for _, conn := range c.doc.conns {
		for _, host := range conn.hosts {
			at := place{conn.subnet, host}
			if host == "0.0.0.0" {
				continue // it is not known yet
			}
			switch other := owner[at]; {
			case other == nil:
				owner[at] = conn
			case other.ied != conn.ied:
				c.note(ruleHostTwice, conn.line, connElement(conn), "%s is the address of %s in line %d, too", quote(host), quote(other.ied), other.line)
			}
		}
	}
}

// checkUnused looks for types that no logical node uses.
func (c *checker) checkUnused() {
	if len(c.doc.ieds.list) == 0 {
		return // a library of types
	}
	used := c.doc.typesUsed(c.doc.ieds.list)
	for _, t := range c.doc.types.all {
		if !used[t.extent] {
			c.note(ruleTypeUnused, t.line, t.String(), "nothing uses it")
		}
	}
	for _, e := range c.doc.types.enums {
		if !used[e.extent] {
			c.note(ruleTypeUnused, e.line, element("EnumType", "id", e.ID), "nothing uses it")
		}
	}
}
