package scl

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"busbar.example/acsi"
)

// Document is what was read of one file: the IEDs, their addresses and the data type templates. It is not
// changed once read, and may be used by several goroutines.
type Document struct {
	file     string
	text     []byte // all of it, in UTF-8
	edition  string
	ieds     named[*ied]
	doubles  []*ied // of a name that is taken
	conns    []*connectedAP
	types    templates
	inputs   []lnRef  // ExtRefs that name an IED
	lnodes   []lnRef  // of the Substation, Line and Process sections
	findings findings // that hold for every IED of the file
}

// IED is one device of a file.
type IED struct {
	Name         string
	AccessPoints []AccessPoint
}

// AccessPoint is where an IED is reached.
type AccessPoint struct {
	Name   string
	Server bool     // whether there is a model behind it
	JIDs   []string // its addresses by IEC 61850-8-2, as they are written in the file
}

// extent is where an element stands in the text of its file.
type extent struct{ from, to int }

// The parts of a file as they are written: resolved when a model is made of them.
type connectedAP struct {
	ied, ap string
	jids    []val
	hosts   []string // its addresses by other mappings
	subnet  string
	frames  []frame
	line    int
	extent  extent
}

type ied struct {
	name   string
	aps    named[*accessPoint]
	able   acsi.Abilities
	line   int
	extent extent
}

func (dev *ied) called() string { return dev.name }

type accessPoint struct {
	name     string
	serverAt string // the access point whose server this one shares, or ""
	server   bool
	lds      []*lDevice
	clients  []lnKey // the types of the logical nodes beside the server
	able     acsi.Abilities
	line     int
}

func (ap *accessPoint) called() string { return ap.name }

type lDevice struct {
	inst, ldName, desc string
	settings           *settingControl
	lns                []*lNode
	line               int
}

type lNode struct {
	element                        string // LN0 or LN
	prefix, class, inst, typ, desc string
	dois                           named[*instance]
	sets                           []*dataSet
	blocks                         []*controlBlock
	logs                           []string
	line                           int
}

func (ln *lNode) key() lnKey { return lnKey{ln.typ, ln.class} }

// instance is a DOI, SDI or DAI.
type instance struct {
	element  string
	name     string
	ix       string
	children named[*instance]
	vals     []val
	line     int
}

func (in *instance) called() string { return in.name }
func (in *instance) String() string { return element(in.element, "name", in.name) }

type val struct {
	text  string
	group string
	line  int
}

// Parse reads a whole file. Where r has a method Name, as an *os.File has, errors carry the name. Errors are
// *Error.
//
// IEC 61850-6, 9.
func Parse(r io.Reader) (*Document, error) { return parse(r, largest) }

func parse(r io.Reader, l limits) (*Document, error) {
	rd, wrong, err := newReader(r, l)
	if err != nil {
		return nil, err
	}
	d := &Document{file: rd.file, text: rd.text, types: newTemplates(), findings: newFindings(maxFileFindings)}
	if wrong != "" {
		d.finding(ruleEncoding, 1, "", "%s", wrong)
	}
	for {
		tok, err := rd.token()
		if err != nil {
			return nil, err
		}
		if top, ok := tok.(xml.StartElement); ok {
			return d, d.readTop(rd, top)
		}
	}
}

func (d *Document) readTop(rd *reader, top xml.StartElement) error {
	space := top.Name.Space
	draft := strings.HasPrefix(space, "http://www.iec.ch/61850/") && strings.HasSuffix(space, "/SCL")
	if top.Name.Local != "SCL" || space != "" && !draft {
		return rd.errorf(ruleNotSCL, "this is no SCL file: it starts with <%s xmlns=%s>", clip(top.Name.Local), quote(space))
	}
	if space != namespace {
		d.finding(ruleNamespace, rd.at, "<SCL>", "its namespace is %s", quote(space))
	}
	rd.space = space
	var known bool
	if d.edition, known = edition(rd.attr(top, "version"), rd.attr(top, "revision"), rd.attr(top, "release")); !known {
		d.finding(ruleVersion, rd.at, "<SCL>", "%s is not known", quote(d.edition))
	}
	asides := d.watch(rd)
	if err := d.readSCL(rd); err != nil {
		return err
	}
	asides.report(d)
	d.checkCommunication()
	return checkEnd(rd)
}

// edition says what edition of IEC 61850-6 a file is of.
//
// IEC 61850-6, 9.1: the attributes came with Edition 2, release with 2.1.
func edition(version, revision, release string) (name string, known bool) {
	switch schema := clip(version + revision + release); schema {
	case "":
		return "Edition 1", true
	case "2003", "2003A":
		return "Edition 1 (" + schema + ")", true
	case "2007A", "2007B", "2007B1":
		return "Edition 2 (" + schema + ")", true
	case "2007B3", "2007B4":
		return "Edition 2.1 (" + schema + ")", true
	case "2007C", "2007C4", "2007C5":
		return "Edition 2.2 (" + schema + ")", true
	default:
		return schema, false
	}
}

// asides are what stands in a file beside the SCL that is read: Private elements by their type, and elements of other
// namespaces by these.
type asides struct {
	private, foreign tally
}

// tally counts, and remembers the order and the first line.
type tally struct {
	names []string
	line  int // of the first
	count map[string]int
}

func (t *tally) add(name string, line int) {
	const most = 100
	if t.count == nil {
		t.count = map[string]int{}
	}
	if t.count[name] == 0 {
		if len(t.names) == most {
			return
		}
		if t.names == nil {
			t.line = line
		}
		t.names = append(t.names, name)
	}
	t.count[name]++
}

func (d *Document) watch(rd *reader) *asides {
	a := &asides{}
	rd.sawPrivate = func(e xml.StartElement) { a.private.add(rd.attr(e, "type"), rd.at) }
	rd.sawForeign = func(e xml.StartElement) { a.foreign.add(e.Name.Space, rd.at) }
	return a
}

func (a *asides) report(d *Document) {
	if a.private.names != nil {
		d.finding(rulePrivate, a.private.line, "<Private>", "found: %s", a.private.String())
	}
	if a.foreign.names != nil {
		d.finding(ruleForeign, a.foreign.line, "", "found: %s", a.foreign.String())
	}
}

// String lists the names with their numbers.
func (t *tally) String() string {
	const most = 8
	var b strings.Builder
	for i, name := range t.names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(t.names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d of %s", t.count[name], quote(name))
	}
	return b.String()
}

// checkEnd makes sure that nothing but white space and comments follows the top element.
func checkEnd(rd *reader) error {
	for {
		tok, err := rd.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return rd.broken(err)
		}
		switch tok.(type) {
		case xml.StartElement, xml.Directive:
			return rd.errorf(ruleMalformed, "something follows </SCL>")
		}
	}
}

func (d *Document) readSCL(rd *reader) error {
	process := map[string]int{} // the lines of the sections of the process, by their names
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "Communication":
			return d.readCommunication(rd)
		case "IED":
			return d.readIED(rd, e)
		case "Substation", "Line", "Process":
			return d.readPart(rd, e, process)
		case "DataTypeTemplates":
			return d.readTemplates(rd)
		}
		return rd.skip()
	})
}

// Edition is the edition of IEC 61850-6 that the file says it is of, in words.
func (d *Document) Edition() string { return d.edition }

// IEDs lists the IEDs of the file, in its order.
func (d *Document) IEDs() []IED {
	jids := map[[2]string][]string{}
	for _, c := range d.conns {
		for _, jid := range c.jids {
			at := [2]string{c.ied, c.ap}
			jids[at] = append(jids[at], jid.text)
		}
	}
	var list []IED
	for _, dev := range d.ieds.list {
		out := IED{Name: dev.name}
		for _, ap := range dev.aps.list {
			out.AccessPoints = append(out.AccessPoints, AccessPoint{Name: ap.name, Server: dev.serverOf(ap) != nil,
				JIDs: jids[[2]string{dev.name, ap.name}]})
		}
		list = append(list, out)
	}
	return list
}

// serverOf is the access point that holds the server behind ap, or nil.
func (dev *ied) serverOf(ap *accessPoint) *accessPoint {
	if ap.server {
		return ap
	}
	if other, ok := dev.aps.get(ap.serverAt); ok && ap.serverAt != "" && other.server {
		return other
	}
	return nil
}

func (d *Document) finding(by rule, line int, element, format string, args ...any) {
	d.findings.note(by, line, "", element, format, args...)
}

// templates are the data type templates of a file by their id.
type templates struct {
	lns   map[string]*typeDef // the first of each id
	also  map[lnKey]*typeDef  // further ones, of another lnClass
	dos   map[string]*typeDef
	das   map[string]*typeDef
	enums map[string]*enumDef
	all   []*typeDef // of lns, dos and das, in the order of the file
}

// lnKey names a LNodeType: one id may stand for one of each lnClass.
//
// IEC 61850-6, 9.5.
type lnKey struct{ id, class string }

// ln is the LNodeType of that id and class, or else one of that id, or nil.
func (t *templates) ln(key lnKey) *typeDef {
	first := t.lns[key.id]
	if first != nil && first.class != key.class {
		if other := t.also[key]; other != nil {
			return other
		}
	}
	return first
}

func newTemplates() templates {
	return templates{lns: map[string]*typeDef{}, also: map[lnKey]*typeDef{}, dos: map[string]*typeDef{}, das: map[string]*typeDef{}, enums: map[string]*enumDef{}}
}

// enumDef is an EnumType.
type enumDef struct {
	acsi.Enum
	size   int // bits that a number takes
	line   int
	extent extent
}

// typeDef is a LNodeType, DOType or DAType.
type typeDef struct {
	element string // its element's name
	id      string
	class   string // lnClass or cdc
	members []*member
	line    int
	extent  extent
}

func (t *typeDef) String() string { return element(t.element, "id", t.id) }

// member is a DO, SDO, DA or BDA.
type member struct {
	element string
	name    string
	typ     string
	basic   string
	fc      string
	count   string
	desc    string
	valKind string
	vals    []val
	line    int

	triggers acsi.TrgOps // of a DA: it and all in it make control blocks report
}

func (m *member) String() string { return fmt.Sprintf("<%s name=%s>", m.element, quote(m.name)) }
