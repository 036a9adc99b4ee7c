package scl

import (
	"encoding/xml"
	"strconv"

	"busbar.example/acsi"
)

func (d *Document) readTemplates(rd *reader) error {
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "LNodeType":
			return d.readType(rd, e, d.types.lns, attr(e, "lnClass"))
		case "DOType":
			return d.readType(rd, e, d.types.dos, attr(e, "cdc"))
		case "DAType":
			return d.readType(rd, e, d.types.das, "")
		case "EnumType":
			return d.readEnum(rd, e)
		}
		return rd.skip()
	})
}

func (d *Document) readType(rd *reader, e xml.StartElement, into map[string]*typeDef, class string) error {
	t := &typeDef{element: e.Name.Local, id: attr(e, "id"), class: class, line: rd.line()}
	if first, twice := into[t.id]; twice {
		d.finding(t.line, t.String(), "the id is taken already in line %d: this one is left out", first.line)
	} else {
		into[t.id] = t
	}
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "DO", "SDO", "DA", "BDA":
			m, err := readMember(rd, e)
			t.members = append(t.members, m)
			return err
		}
		return rd.skip()
	})
}

func readMember(rd *reader, e xml.StartElement) (*member, error) {
	m := &member{element: e.Name.Local, name: attr(e, "name"), typ: attr(e, "type"), basic: attr(e, "bType"), fc: attr(e, "fc"),
		count: attr(e, "count"), desc: attr(e, "desc"), valKind: attr(e, "valKind"), line: rd.line()}
	return m, rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "Val" {
			return rd.skip()
		}
		v, err := readVal(rd, e)
		m.vals = append(m.vals, v)
		return err
	})
}

func (d *Document) readEnum(rd *reader, e xml.StartElement) error {
	enum := &acsi.Enum{ID: attr(e, "id")}
	element := "<EnumType id=" + quote(enum.ID) + ">"
	if _, twice := d.types.enums[enum.ID]; twice {
		d.finding(rd.line(), element, "the id is taken already: this one is left out")
	} else {
		d.types.enums[enum.ID] = enum
	}
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "EnumVal" {
			return rd.skip()
		}
		line := rd.line()
		ord, err := strconv.ParseInt(attr(e, "ord"), 10, 32)
		name, textErr := rd.text()
		if err != nil {
			d.finding(line, element, "ord=%s is no number: the value %s is left out", quote(attr(e, "ord")), quote(name))
		} else {
			enum.Values = append(enum.Values, acsi.EnumValue{Ord: int(ord), Name: name})
		}
		return textErr
	})
}
