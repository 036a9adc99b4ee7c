package scl

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"busbar.example/acsi"
)

// maxPoints bounds how many nodes one model may have once arrays and shared types are counted out, and maxBuilt how
// many of them may differ.
const (
	maxPoints = 1_000_000
	maxBuilt  = 250_000
	maxNested = 64 // types in one another: no reference is so long that it had room for the names of as many
)

// part is a list of nodes made of one type, and what a user of the type needs to know of it.
type part struct {
	nodes    []*acsi.Node
	defaults []preset           // the values that the type gives
	points   int                // nodes, counted out
	longest  int                // octets of the longest path below, each name with a point before it
	varies   bool               // the length of an array depends on a value, which an instance may set
	taken    map[string]acsi.FC // while it is built: the names of nodes, with the functional constraint of the last
}

func newPart() *part { return &part{taken: map[string]acsi.FC{}} }

// preset is a value that a type gives, by its path below what has the type: .mag.f
type preset struct {
	path string
	of   *member
	val  val
	node *acsi.Node
}

// builder makes nodes of types, each type once where it comes out the same each time.
type builder struct {
	doc      *Document
	findings findings
	lnTypes  map[*typeDef]*part
	dos      map[string]*part
	das      map[daKey]*part
	building map[*typeDef]bool
	members  map[*typeDef]map[string]*member // of types that were asked for one
	built    int
	device   acsi.Ref // any: a place to try names at

	addresses map[[2]string][]string // of access points, by the names of IED and access point; "" is any of the IED
	frames    map[frameKey]*frame
}

type frameKey struct{ ied, element, ldInst, name string }

type daKey struct {
	typ *typeDef
	as  nature
}

// nature is what an attribute and all in it have in common.
type nature struct {
	fc       acsi.FC
	triggers acsi.TrgOps
}

func newBuilder(d *Document, most int) *builder {
	b := &builder{doc: d, findings: newFindings(most), lnTypes: map[*typeDef]*part{}, dos: map[string]*part{}, das: map[daKey]*part{},
		building: map[*typeDef]bool{}, members: map[*typeDef]map[string]*member{}, device: acsi.MustRef("LD"),
		addresses: map[[2]string][]string{}, frames: map[frameKey]*frame{}}
	for _, c := range d.conns {
		addresses := slices.Clone(c.hosts)
		for _, jid := range c.jids {
			addresses = append(addresses, jid.text)
		}
		for _, ap := range []string{c.ap, ""} {
			at := [2]string{c.ied, ap}
			b.addresses[at] = append(b.addresses[at], addresses...)
		}
		for i := range c.frames {
			f := &c.frames[i]
			key := frameKey{c.ied, f.element, f.ldInst, f.name}
			if b.frames[key] == nil {
				b.frames[key] = f
			}
		}
	}
	return b
}

// finding is of the file or of its types, whichever IED uses them.
func (b *builder) finding(by rule, line int, element, format string, args ...any) {
	b.findings.note(by, line, "", element, format, args...)
}

func (b *builder) errorf(by rule, line int, element, format string, args ...any) error {
	return &Error{File: b.doc.file, Line: line, Rule: rules[by].ID, Element: element, Msg: fmt.Sprintf(format, args...), Hint: rules[by].Hint}
}

// closes reports whether m, of type t, would make t contain itself.
func (b *builder) closes(m *member, t *typeDef) bool {
	if b.building[t] {
		b.finding(ruleTypeRecursive, m.line, m.String(), "it is left out: its type %s contains itself", quote(t.id))
	}
	return b.building[t]
}

// add puts node, which stands for m, into p, with below as what it contains.
func (b *builder) add(p *part, m *member, node *acsi.Node, below *part) error {
	if b.built++; b.built > maxBuilt {
		return b.tooLarge(m)
	}
	times, digits := 1, 0
	if node.Count > 0 {
		times, digits = node.Count, len(strconv.Itoa(node.Count-1))+2
	}
	points, longest := 1, 0
	if below != nil {
		node.Children = below.nodes
		points, longest = points+below.points, below.longest
		p.varies = p.varies || below.varies
		for _, d := range below.defaults {
			d.path = "." + node.Name + d.path
			if node.Count == 0 {
				p.defaults = append(p.defaults, d)
			}
		}
	}
	if points > maxPoints/times {
		return b.tooLarge(m)
	}
	p.nodes = append(p.nodes, node)
	p.taken[node.Name] = node.FC
	p.points += points * times
	p.longest = max(p.longest, 1+len(node.Name)+digits+longest)
	if p.points > maxPoints {
		return b.tooLarge(m)
	}
	return nil
}

func (b *builder) tooLarge(m *member) error {
	return b.errorf(ruleTooLarge, m.line, m.String(), "the model would have more than %d nodes", maxPoints)
}

func (b *builder) tooDeep(m *member) error {
	return b.errorf(ruleTooLarge, m.line, m.String(), "more than %d types are in one another", maxNested)
}

// usable reports whether m has a name that is well formed and not taken in p. Active and edited values of a setting
// share theirs.
func (b *builder) usable(t *typeDef, m *member, p *part) bool {
	if _, err := b.device.Child(m.name); err != nil { // there, neither points nor an index may be in it
		b.finding(ruleMemberName, m.line, m.String(), "it is left out: a name has letters and digits, at most %d", acsi.MaxItemLen)
		return false
	}
	if fc, twice := p.taken[m.name]; twice && !(fc == acsi.SG && m.fc == acsi.SE.String()) {
		b.finding(ruleMemberTwice, m.line, m.String(), "it is left out: %s has another of that name", t)
		return false
	}
	return true
}

// ln makes the data objects of a logical node. dois are the instance's, which may tell the length of arrays.
func (b *builder) ln(t *typeDef, dois *named[*instance]) (*part, error) {
	if p := b.lnTypes[t]; p != nil {
		return p, nil
	}
	p := newPart()
	for _, m := range t.members {
		if m.element != "DO" || !b.usable(t, m, p) {
			continue
		}
		if err := b.dataObject(p, m, acsi.DataObjectNode, 0, m.in(dois)); err != nil {
			return nil, err
		}
	}
	p.taken = nil
	if !p.varies {
		b.lnTypes[t] = p
	}
	return p, nil
}

// dataObject adds a DO or SDO to p, an array where count is not 0.
func (b *builder) dataObject(p *part, m *member, kind acsi.NodeKind, count int, in *instance) error {
	t := b.doc.types.dos[m.typ]
	if t == nil {
		b.finding(ruleTypeMissing, m.line, m.String(), "it is left out: there is no DOType %s", quote(m.typ))
		return nil
	}
	if b.closes(m, t) {
		return nil
	}
	if len(b.building) >= maxNested {
		return b.tooDeep(m)
	}
	below, err := b.doType(t, in)
	if err != nil {
		return err
	}
	if len(below.nodes) == 0 {
		b.finding(ruleTypeEmpty, m.line, m.String(), "it is left out: its type %s holds no attribute", quote(m.typ))
		return nil
	}
	return b.add(p, m, &acsi.Node{Name: m.name, Kind: kind, CDC: t.class, Count: count, Desc: m.desc}, below)
}

func (b *builder) doType(t *typeDef, in *instance) (*part, error) {
	if p := b.dos[t.id]; p != nil {
		return p, nil
	}
	b.building[t] = true
	defer delete(b.building, t)
	p := newPart()
	for _, m := range t.members {
		if (m.element != "SDO" && m.element != "DA") || !b.usable(t, m, p) {
			continue
		}
		if err := b.inDataObject(p, t, m, in); err != nil {
			return nil, err
		}
	}
	p.taken = nil
	if !p.varies {
		b.dos[t.id] = p
	}
	return p, nil
}

// inDataObject adds a sub-data object or an attribute of t to p.
func (b *builder) inDataObject(p *part, t *typeDef, m *member, in *instance) error {
	count, err := b.count(p, t, m, in)
	if err != nil || count < 0 {
		return err
	}
	if m.element == "SDO" {
		return b.dataObject(p, m, acsi.SubDataObjectNode, count, m.in(in.parts()))
	}
	fc, err := acsi.ParseFC(m.fc)
	if err != nil {
		b.finding(ruleFC, m.line, m.String(), "it is left out: fc=%s is no functional constraint", quote(m.fc))
		return nil
	}
	active := len(p.nodes) > 0 && p.nodes[len(p.nodes)-1].Name == m.name
	if fc == acsi.SE && !active { // stands for the active and for the edited values
		if err := b.attribute(p, m, acsi.DataAttributeNode, nature{acsi.SG, m.triggers}, count); err != nil {
			return err
		}
	}
	return b.attribute(p, m, acsi.DataAttributeNode, nature{fc, m.triggers}, count)
}

// attribute adds a DA or BDA to p.
func (b *builder) attribute(p *part, m *member, kind acsi.NodeKind, as nature, count int) error {
	node := &acsi.Node{Name: m.name, Kind: kind, FC: as.fc, Count: count, Desc: m.desc}
	switch m.valKind {
	case "RO", "Conf", "Spec":
		node.ReadOnly = true
	}
	if m.basic == "Struct" || m.basic == physicalAddress.id {
		t := b.doc.types.das[m.typ]
		if m.basic == physicalAddress.id {
			t = physicalAddress
		}
		if t == nil {
			b.finding(ruleTypeMissing, m.line, m.String(), "it is left out: there is no DAType %s", quote(m.typ))
			return nil
		}
		if b.closes(m, t) {
			return nil
		}
		if len(b.building) >= maxNested {
			return b.tooDeep(m)
		}
		below, err := b.daType(t, as)
		if err != nil {
			return err
		}
		if len(below.nodes) == 0 {
			b.finding(ruleTypeEmpty, m.line, m.String(), "it is left out: its type %s is empty", quote(m.typ))
			return nil
		}
		return b.add(p, m, node, below)
	}
	if !b.basic(node, m) {
		return nil
	}
	node.Triggers = as.triggers
	if err := b.add(p, m, node, nil); err != nil {
		return err
	}
	if p.points += len(m.vals); p.points > maxPoints {
		return b.tooLarge(m)
	}
	for _, v := range m.vals {
		if count > 0 {
			b.finding(ruleValueIndex, v.line, m.String(), "the value is left out: it does not say which element of the array it is for")
			continue
		}
		p.defaults = append(p.defaults, preset{path: "." + m.name, of: m, val: v, node: node})
	}
	return nil
}

// basic gives node the basic type of m.
func (b *builder) basic(node *acsi.Node, m *member) bool {
	typ, ok := acsi.BasicType(m.basic)
	if !ok {
		b.finding(ruleBasicType, m.line, m.String(), "it is left out: the basic type %s is not known", quote(m.basic))
		return false
	}
	node.Type, node.Basic = typ, m.basic
	if m.basic != "Enum" {
		return true
	}
	def := b.doc.types.enums[m.typ]
	if def == nil {
		b.finding(ruleEnumMissing, m.line, m.String(), "there is no EnumType %s: any number is taken", quote(m.typ))
		return true
	}
	node.Enum = &def.Enum
	node.Type.Size = def.size
	return true
}

func (b *builder) daType(t *typeDef, as nature) (*part, error) {
	key := daKey{t, as}
	if p := b.das[key]; p != nil {
		return p, nil
	}
	b.building[t] = true
	defer delete(b.building, t)
	p := newPart()
	for _, m := range t.members {
		if m.element != "BDA" || !b.usable(t, m, p) {
			continue
		}
		count, err := b.count(p, t, m, nil)
		if err != nil {
			return nil, err
		}
		if count < 0 {
			continue
		}
		if err := b.attribute(p, m, acsi.BasicDataAttributeNode, as, count); err != nil {
			return nil, err
		}
	}
	p.taken = nil
	b.das[key] = p
	return p, nil
}

// count is the number of elements of m, 0 where it is no array, -1 where it cannot be told and m is left out. Where
// it stands in an attribute beside m, it is the value that the instance in gives, else the type.
//
// IEC 61850-6, 9.5.4.1.
func (b *builder) count(p *part, t *typeDef, m *member, in *instance) (int, error) {
	if m.count == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(m.count, 10, 31); err == nil {
		return int(n), nil
	} else if errors.Is(err, strconv.ErrRange) {
		return 0, b.tooLarge(m)
	}
	if beside := b.member(t, m.count); beside != nil {
		p.varies = true
		vals := beside.vals
		if dai := beside.in(in.parts()); dai != nil && len(dai.vals) > 0 {
			vals = dai.vals
		}
		if len(vals) > 0 {
			if n, err := strconv.ParseUint(vals[len(vals)-1].text, 10, 31); err == nil && n > 0 {
				return int(n), nil
			}
		}
	}
	b.finding(ruleArrayLength, m.line, m.String(), "it is left out: count=%s is neither a number nor an attribute beside it that has one", quote(m.count))
	return -1, nil
}

// member is the first member of t called name, or nil.
func (b *builder) member(t *typeDef, name string) *member {
	index := b.members[t]
	if index == nil {
		index = make(map[string]*member)
		for _, m := range t.members {
			if index[m.name] == nil {
				index[m.name] = m
			}
		}
		b.members[t] = index
	}
	return index[name]
}

// parts are what in holds; nothing where in is nil.
func (in *instance) parts() *named[*instance] {
	if in == nil {
		return &named[*instance]{}
	}
	return &in.children
}

// in is the instance of m among those of a list, or nil.
func (m *member) in(list *named[*instance]) *instance {
	in, _ := list.get(m.name)
	return in
}
