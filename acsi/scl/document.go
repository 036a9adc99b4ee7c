package scl

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"

	"busbar.example/acsi"
)

// Document is what was read of one file: the IEDs, their addresses and the data type templates. It is not
// changed once read, and may be used by several goroutines.
type Document struct {
	file     string
	ieds     []*ied
	jids     map[accessPointKey][]string
	types    templates
	findings []Finding // that hold for every IED of the file
}

type accessPointKey struct{ ied, ap string }

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

// The parts of an IED as they are written: resolved when a model is made of them.
type ied struct {
	name string
	aps  []*accessPoint
	line int
}

type accessPoint struct {
	name     string
	serverAt string // the access point whose server this one shares, or ""
	server   bool
	lds      []*lDevice
}

type lDevice struct {
	inst, ldName, desc string
	actSG              int
	lns                []*lNode
	line               int
}

type lNode struct {
	prefix, class, inst, typ, desc string
	dois                           []*instance
	line                           int
}

// instance is a DOI, SDI or DAI.
type instance struct {
	name     string
	ix       string
	children []*instance
	vals     []val
	line     int
}

type val struct {
	text  string
	group string
	line  int
}

// Parse reads a whole file. Where r has a method Name, as an *os.File has, errors carry the name. Errors are
// *Error.
//
// IEC 61850-6, 9.
func Parse(r io.Reader) (*Document, error) { return parse(newReader(r, largest)) }

func parse(rd *reader) (*Document, error) {
	for {
		tok, err := rd.token()
		if err != nil {
			return nil, err
		}
		top, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		if top.Name.Local != "SCL" || top.Name.Space != namespace && top.Name.Space != "" {
			return nil, rd.errorf("give an ICD, CID, IID or SCD file", "this is no SCL file: it starts with <%s xmlns=%s>", clip(top.Name.Local), quote(top.Name.Space))
		}
		rd.space = top.Name.Space
		d := &Document{file: rd.file, jids: map[accessPointKey][]string{}, types: newTemplates()}
		if err := d.readSCL(rd); err != nil {
			return nil, err
		}
		return d, d.checkEnd(rd)
	}
}

// checkEnd makes sure that nothing but white space and comments follows the top element.
func (d *Document) checkEnd(rd *reader) error {
	for {
		tok, err := rd.dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return rd.broken(err)
		}
		switch tok.(type) {
		case xml.StartElement, xml.Directive:
			return rd.errorf("the file may be two files joined", "something follows </SCL>")
		}
	}
}

func (d *Document) readSCL(rd *reader) error {
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "Communication":
			return d.readCommunication(rd)
		case "IED":
			return d.readIED(rd, e)
		case "DataTypeTemplates":
			return d.readTemplates(rd)
		}
		return rd.skip()
	})
}

// readCommunication keeps the addresses by IEC 61850-8-2; the others are of no use here.
func (d *Document) readCommunication(rd *reader) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "SubNetwork" {
			return rd.skip()
		}
		return rd.children(func(e xml.StartElement) error {
			if e.Name.Local != "ConnectedAP" {
				return rd.skip()
			}
			return d.readConnectedAP(rd, accessPointKey{attr(e, "iedName"), attr(e, "apName")})
		})
	})
}

func (d *Document) readConnectedAP(rd *reader, key accessPointKey) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "Address" {
			return rd.skip()
		}
		return rd.children(func(e xml.StartElement) error {
			if e.Name.Local != "P" || attr(e, "type") != "JID" {
				return rd.skip()
			}
			jid, err := rd.text()
			if err == nil && jid != "" {
				d.jids[key] = append(d.jids[key], jid)
			}
			return err
		})
	})
}

func (d *Document) readIED(rd *reader, e xml.StartElement) error {
	dev := &ied{name: attr(e, "name"), line: rd.line()}
	for _, other := range d.ieds {
		if other.name == dev.name {
			return rd.errorf("rename one of them", "two IEDs are called %s", quote(dev.name))
		}
	}
	d.ieds = append(d.ieds, dev)
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "AccessPoint" {
			return rd.skip()
		}
		ap := &accessPoint{name: attr(e, "name")}
		dev.aps = append(dev.aps, ap)
		return rd.children(func(e xml.StartElement) error {
			switch e.Name.Local {
			case "ServerAt":
				ap.serverAt = attr(e, "apName")
			case "Server":
				ap.server = true
				return readServer(rd, ap)
			}
			return rd.skip()
		})
	})
}

func readServer(rd *reader, ap *accessPoint) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "LDevice" {
			return rd.skip()
		}
		ld := &lDevice{inst: attr(e, "inst"), ldName: attr(e, "ldName"), desc: attr(e, "desc"), line: rd.line()}
		ap.lds = append(ap.lds, ld)
		return rd.children(func(e xml.StartElement) error {
			if e.Name.Local != "LN0" && e.Name.Local != "LN" {
				return rd.skip()
			}
			return readLN(rd, e, ld)
		})
	})
}

func readLN(rd *reader, e xml.StartElement, ld *lDevice) error {
	ln := &lNode{prefix: attr(e, "prefix"), class: attr(e, "lnClass"), inst: attr(e, "inst"), typ: attr(e, "lnType"),
		desc: attr(e, "desc"), line: rd.line()}
	ld.lns = append(ld.lns, ln)
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "DOI":
			in, err := readInstance(rd, e)
			ln.dois = append(ln.dois, in)
			return err
		case "SettingControl":
			ld.actSG = 1
			if n, err := strconv.Atoi(attr(e, "actSG")); err == nil && n > 0 {
				ld.actSG = n
			}
		}
		return rd.skip()
	})
}

func readInstance(rd *reader, e xml.StartElement) (*instance, error) {
	in := &instance{name: attr(e, "name"), ix: attr(e, "ix"), line: rd.line()}
	return in, rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "SDI", "DAI":
			child, err := readInstance(rd, e)
			in.children = append(in.children, child)
			return err
		case "Val":
			v, err := readVal(rd, e)
			in.vals = append(in.vals, v)
			return err
		}
		return rd.skip()
	})
}

func readVal(rd *reader, e xml.StartElement) (val, error) {
	v := val{group: attr(e, "sGroup"), line: rd.line()}
	var err error
	v.text, err = rd.text()
	return v, err
}

// IEDs lists the IEDs of the file, in its order.
func (d *Document) IEDs() []IED {
	var list []IED
	for _, dev := range d.ieds {
		out := IED{Name: dev.name}
		for _, ap := range dev.aps {
			out.AccessPoints = append(out.AccessPoints, AccessPoint{
				Name:   ap.name,
				Server: dev.serverOf(ap) != nil,
				JIDs:   append([]string(nil), d.jids[accessPointKey{dev.name, ap.name}]...),
			})
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
	for _, other := range dev.aps {
		if ap.serverAt != "" && other.name == ap.serverAt && other.server {
			return other
		}
	}
	return nil
}

func (d *Document) finding(line int, element, format string, args ...any) {
	if len(d.findings) < maxFindings {
		d.findings = append(d.findings, Finding{Line: line, Element: element, Msg: fmt.Sprintf(format, args...)})
	}
}

// templates are the data type templates of a file by their id.
type templates struct {
	lns   map[string]*typeDef
	dos   map[string]*typeDef
	das   map[string]*typeDef
	enums map[string]*acsi.Enum
}

func newTemplates() templates {
	return templates{lns: map[string]*typeDef{}, dos: map[string]*typeDef{}, das: map[string]*typeDef{}, enums: map[string]*acsi.Enum{}}
}

// typeDef is a LNodeType, DOType or DAType.
type typeDef struct {
	element string // its element's name
	id      string
	class   string // lnClass or cdc
	members []*member
	line    int
}

func (t *typeDef) String() string { return fmt.Sprintf("<%s id=%s>", t.element, quote(t.id)) }

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
}

func (m *member) String() string { return fmt.Sprintf("<%s name=%s>", m.element, quote(m.name)) }
