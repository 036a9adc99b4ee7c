package scl

import (
	"slices"
	"strings"
)

// checkTypes checks the templates against the classes of the standard, used or not.
func (c *checker) checkTypes() {
	for _, t := range c.doc.types.all {
		switch t.element {
		case "LNodeType":
			c.checkLNodeType(t)
		case "DOType":
			c.checkDOType(t)
		}
	}
}

// checkLNodeType looks for what every logical node has.
//
// IEC 61850-7-4, the common logical node.
func (c *checker) checkLNodeType(t *typeDef) {
	if !isClass(t.class) {
		c.builder.finding(ruleLNClass, t.line, t.String(), "its lnClass is %s", quote(t.class))
		return
	}
	if !knownLNs()[t.class] {
		c.builder.finding(ruleLNUnknown, t.line, t.String(), "its lnClass is %s", quote(t.class))
	}
	mandatory := []string{"Beh"}
	switch {
	case t.class == "LPHD":
		mandatory = []string{"PhyNam", "PhyHealth", "Proxy"}
	case strings.HasPrefix(c.doc.edition, "Edition 1"):
		mandatory = []string{"Mod", "Beh", "Health", "NamPlt"}
	}
	if lacks := t.without(mandatory); len(lacks) > 0 {
		c.builder.finding(ruleLNMandatory, t.line, t.String(), "it has no %s", strings.Join(lacks, ", "))
	}
}

func isClass(s string) bool {
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return s == "LLN0"
		}
	}
	return len(s) == 4
}

// without lists the names that no member of t has.
func (t *typeDef) without(names []string) []string {
	var lacks []string
	for _, name := range names {
		if !slices.ContainsFunc(t.members, func(m *member) bool { return m.name == name }) {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// checkDOType compares a DOType with its common data class.
//
// IEC 61850-7-3, 7.
func (c *checker) checkDOType(t *typeDef) {
	class, ok := commonDataClasses()[t.class]
	if !ok {
		c.builder.finding(ruleCDCUnknown, t.line, t.String(), "its cdc is %s", quote(t.class))
		return
	}
	if lacks := t.without(class.mandatory); len(lacks) > 0 {
		c.builder.finding(ruleCDCMandatory, t.line, t.String(), "%s has %s, and this has not", t.class, strings.Join(lacks, ", "))
	}
	for _, m := range t.members {
		fcs := class.fcs[m.name]
		if m.element != "DA" || len(fcs) == 0 {
			continue
		}
		if !slices.Contains(fcs, m.fc) {
			c.builder.finding(ruleCDCConstraint, m.line, m.String(), "fc=%s, and in %s it is %s", quote(m.fc), t.class, strings.Join(fcs, " or "))
		}
		if want := class.basic(m.name); want != "" && m.basic != want {
			c.builder.finding(ruleCDCType, m.line, m.String(), "bType=%s, and in %s it is %s", quote(m.basic), t.class, want)
		}
	}
}
