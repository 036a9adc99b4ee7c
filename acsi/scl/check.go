package scl

import (
	"errors"
	"strconv"
	"strings"

	"busbar.example/acsi"
)

// Report is what a check found and what of the file can be served.
type Report struct {
	Findings []Finding // in the order of their lines
	More     int       // findings that were too many to list
	Servers  []Server  // that can be served, in the order of the file
}

// Server is an access point that can be served.
type Server struct {
	IED, AccessPoint string
	At               string // the access point whose server it shares, or ""
	JIDs             []string
	Counts           acsi.Counts
}

// maxChecked bounds the nodes and values of all servers that are looked at in one check: the largest substations have a
// fraction of it.
const maxChecked = 20_000_000

// Check tries all rules on the IED called name, or on every IED of the file where name is "".
func (d *Document) Check(name string) Report {
	c := &checker{modeller: &modeller{builder: newBuilder(d, maxFileFindings)}, left: maxChecked}
	for _, f := range d.findings.list {
		c.findings.add(f)
	}
	c.findings.more += d.findings.more
	c.checkTypes()
	c.checkUnused()
	c.checkFrames()
	c.checkHosts()
	c.checkLNodes()
	served := c.checkIEDs(name)
	c.checkInputs(name)
	if _, _, err := d.choose(name, ""); err != nil && !c.tried {
		c.failed(err)
	}
	return Report{Findings: c.findings.sorted(), More: c.findings.more, Servers: served}
}

// note adds a finding that is of no IED alone.
func (c *checker) note(by rule, line int, element, format string, args ...any) {
	c.findings.note(by, line, "", element, format, args...)
}

// checker tries the rules that a model is not hurt by.
type checker struct {
	*modeller
	left  int                      // nodes and values that may still be looked at
	line  int                      // of the IED that was checked last
	full  bool                     // whether something was left out as there are too many
	ids   map[string]*controlBlock // the rptIDs of the IED at hand
	tried bool                     // whether there was any server to check
}

func (c *checker) failed(err error) {
	if refused, ok := errors.AsType[*Error](err); ok {
		c.findings.add(refused.Finding())
	}
}

func (c *checker) checkIEDs(name string) []Server {
	var served []Server
	listed := c.doc.IEDs()
	for i, dev := range c.doc.ieds.list {
		if name != "" && dev.name != name {
			continue
		}
		counts := map[*accessPoint]acsi.Counts{}
		for j, ap := range dev.aps.list {
			at := dev.serverOf(ap)
			if at == nil {
				if ap.serverAt != "" {
					c.findings.note(ruleServerAt, ap.line, dev.name, element("AccessPoint", "name", ap.name), "there is no server at %s", quote(ap.serverAt))
				}
				continue
			}
			if _, checked := counts[at]; !checked {
				model := c.checkServer(dev, at)
				if model == nil {
					continue
				}
				counts[at] = model.Counts()
			}
			server := Server{IED: dev.name, AccessPoint: ap.name, JIDs: listed[i].AccessPoints[j].JIDs, Counts: counts[at]}
			if at != ap {
				server.At = at.name
			}
			served = append(served, server)
		}
	}
	return served
}

// checkServer makes the model of a server, and checks what refers to it.
func (c *checker) checkServer(dev *ied, server *accessPoint) *acsi.Model {
	c.tried = true
	if c.left <= 0 {
		if !c.full {
			c.finding(ruleTooLarge, c.line, "", "the servers up to here have more than %d nodes: the servers after it are not checked", maxChecked)
		}
		c.full = true
		return nil
	}
	c.line = dev.line
	model, err := c.build(dev, server)
	c.left -= c.points + c.built
	if err != nil {
		c.left -= maxPoints // it may have come so far
		c.failed(err)
		return nil
	}
	c.ids = map[string]*controlBlock{}
	physical := false
	for _, ld := range server.lds {
		c.checkLD(ld)
		for _, ln := range ld.lns {
			physical = physical || ln.class == "LPHD"
			c.checkLN(ln)
		}
	}
	if !physical {
		c.finding(ruleLPHD, dev.line, element("IED", "name", dev.name), "there is no LPHD behind access point %s", quote(server.name))
	}
	return model
}

func (c *checker) checkLD(ld *lDevice) {
	for _, ln := range ld.lns {
		if ln.class == "LLN0" {
			if ln.element != "LN0" {
				c.finding(ruleLLN0, ln.line, element("LDevice", "inst", ld.inst), "its LLN0 is an LN, not an LN0")
			}
			return
		}
	}
	c.finding(ruleLLN0, ld.line, element("LDevice", "inst", ld.inst), "it has no LLN0")
}

func (c *checker) checkLN(ln *lNode) {
	el := element(ln.element, "lnType", ln.typ)
	c.checkName(ln, el)
	if t := c.doc.types.ln(ln.key()); t != nil && t.class != ln.class {
		c.finding(ruleLNClass, ln.line, el, "its lnClass is %s, and its type's is %s", quote(ln.class), quote(t.class))
	}
	c.checkBlocks(ln)
}

// checkName checks the parts of a logical node's name.
//
// IEC 61850-6, 9.3.5 and IEC 61850-7-2, 22.2.
func (c *checker) checkName(ln *lNode, el string) {
	if _, err := strconv.ParseUint(ln.inst, 10, 64); (err != nil || len(ln.inst) > 12) && ln.class != "LLN0" {
		c.finding(ruleLNInst, ln.line, el, "inst is %s", quote(ln.inst))
	}
	if p := ln.prefix; len(p) > 11 || p != "" && p[0] >= '0' && p[0] <= '9' {
		c.finding(ruleLNInst, ln.line, el, "prefix is %s", quote(p))
	}
}

// checkCommunication checks the addresses, of all IEDs of the file.
//
// IEC 61850-6, 9.4 and IEC 61850-8-2, the address by JID.
func (d *Document) checkCommunication() {
	there := map[[2]string]bool{}
	for _, dev := range d.ieds.list {
		for _, ap := range dev.aps.list {
			there[[2]string{dev.name, ap.name}] = true
		}
	}
	owner := map[string]*connectedAP{}
	for _, c := range d.conns {
		el := connElement(c)
		if !there[[2]string{c.ied, c.ap}] {
			d.finding(ruleAddressOfNone, c.line, el, "the file has no such access point")
		}
		for _, jid := range c.jids {
			bare, resource, ok := cutJID(jid.text)
			switch other := owner[bare]; {
			case !ok:
				d.finding(ruleJID, jid.line, el, "%s is no JID", quote(jid.text))
				continue
			case other != nil && (other.ied != c.ied || other.ap != c.ap):
				d.finding(ruleJIDTwice, jid.line, el, "%s is that of %s in line %d, too", quote(jid.text), quote(other.ied), other.line)
			case resource != "IEC":
				d.finding(ruleJIDResource, jid.line, el, "the resource of %s is %s", quote(jid.text), quote(resource))
			}
			owner[bare] = c
		}
	}
}

func connElement(c *connectedAP) string {
	return "<ConnectedAP iedName=" + quote(c.ied) + " apName=" + quote(c.ap) + ">"
}

// cutJID takes localpart@domain/resource apart. It looks at the form only: what of it an XMPP server accepts is decided
// there.
func cutJID(text string) (bare, resource string, ok bool) {
	bare, resource, _ = strings.Cut(text, "/")
	local, domain, at := strings.Cut(bare, "@")
	ok = at && local != "" && domain != "" && len(local) <= 1023 && len(domain) <= 1023 &&
		!strings.ContainsAny(local, " \t\"&'<>:") && !strings.ContainsAny(domain, " \t\"&'<>@")
	return bare, resource, ok
}
