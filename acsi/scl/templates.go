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
			return d.readType(rd, e, d.types.lns, rd.attr(e, "lnClass"))
		case "DOType":
			return d.readType(rd, e, d.types.dos, rd.attr(e, "cdc"))
		case "DAType":
			return d.readType(rd, e, d.types.das, "")
		case "EnumType":
			return d.readEnum(rd, e)
		}
		return rd.skip()
	})
}

func (d *Document) readType(rd *reader, e xml.StartElement, into map[string]*typeDef, class string) error {
	t := &typeDef{element: e.Name.Local, id: rd.attr(e, "id"), class: class, line: rd.at, extent: extent{from: rd.offset}}
	first, twice := into[t.id]
	if twice && t.element == "LNodeType" && first.class != class {
		key := lnKey{t.id, class}
		if first, twice = d.types.also[key]; !twice {
			d.types.also[key] = t
		}
	} else if !twice {
		into[t.id] = t
	}
	if twice {
		d.finding(ruleTypeTwice, t.line, t.String(), "the id is taken already in line %d: this one is left out", first.line)
	} else {
		d.types.all = append(d.types.all, t)
	}
	err := rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "DO", "SDO", "DA", "BDA":
			m, err := readMember(rd, e)
			t.members = append(t.members, m)
			return err
		}
		return rd.skip()
	})
	t.extent.to = int(rd.dec.InputOffset())
	return err
}

func readMember(rd *reader, e xml.StartElement) (*member, error) {
	m := &member{element: e.Name.Local, name: rd.attr(e, "name"), typ: rd.attr(e, "type"), basic: rd.attr(e, "bType"), fc: rd.attr(e, "fc"),
		count: rd.attr(e, "count"), desc: rd.attr(e, "desc"), valKind: rd.attr(e, "valKind"),
		triggers: acsi.TrgOps(rd.flags(e, triggers[:])) &^ acsi.TrgIntegrity, line: rd.at}
	return m, rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "Val" {
			return rd.skip()
		}
		v, err := readVal(rd, e)
		m.vals = append(m.vals, v)
		return err
	})
}

// maxEnumValues is a number of values far above what enumerations have.
const maxEnumValues = 1000

func (d *Document) readEnum(rd *reader, e xml.StartElement) error {
	enum := &enumDef{Enum: acsi.Enum{ID: rd.attr(e, "id")}, line: rd.at, extent: extent{from: rd.offset}}
	el := element("EnumType", "id", enum.ID)
	if first, twice := d.types.enums[enum.ID]; twice {
		d.finding(ruleTypeTwice, rd.at, el, "the id is taken already in line %d: this one is left out", first.line)
	} else {
		d.types.enums[enum.ID] = enum
	}
	ords, names := map[int]bool{}, map[string]bool{}
	err := rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "EnumVal" {
			return rd.skip()
		}
		if len(enum.Values) == maxEnumValues {
			d.finding(ruleTooLarge, enum.line, el, "it has more than %d values: those from line %d on are left out", maxEnumValues, rd.at)
			return rd.skip()
		}
		line, text := rd.at, rd.attr(e, "ord")
		ord, err := strconv.ParseInt(text, 10, 32)
		name, textErr := rd.content()
		switch {
		case err != nil:
			d.finding(ruleEnumOrd, line, el, "ord=%s is no number: the value %s is left out", quote(text), quote(name))
			return textErr
		case ords[int(ord)]:
			d.finding(ruleEnumTwice, line, el, "the number %d is there twice", ord)
		case name != "" && names[name]:
			d.finding(ruleEnumTwice, line, el, "the name %s is there twice", quote(name))
		}
		ords[int(ord)], names[name] = true, true
		enum.Values = append(enum.Values, acsi.EnumValue{Ord: int(ord), Name: name})
		return textErr
	})
	enum.extent.to = int(rd.dec.InputOffset())
	enum.size = enumSize(&enum.Enum)
	return err
}
