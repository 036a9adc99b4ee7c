package scl

import "encoding/xml"

// settingControl is a SettingControl as it is written.
type settingControl struct {
	groups, active, reservation string
	inLN0                       bool
	line                        int
}

// dataSet is a DataSet as it is written.
type dataSet struct {
	name    string
	members []*fcda
	line    int
}

// fcda is a member of a data set as it is written.
type fcda struct {
	ldInst, prefix, class, inst, do, da, fc, ix string
	line                                        int
}

func (d *Document) readIED(rd *reader, e xml.StartElement) error {
	dev := &ied{name: rd.attr(e, "name"), line: rd.at, extent: extent{from: rd.offset}, able: d.ableAtLeast()}
	if other, twice := d.ieds.get(dev.name); twice {
		d.finding(ruleIEDTwice, dev.line, element("IED", "name", dev.name), "it is left out: another is in line %d", other.line)
		d.doubles = append(d.doubles, dev)
		err := rd.skip()
		dev.extent.to = int(rd.dec.InputOffset())
		return err
	}
	d.ieds.add(dev)
	err := rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "Services":
			return readServices(rd, &dev.able)
		case "AccessPoint":
			return d.readAccessPoint(rd, e, dev)
		}
		return rd.skip()
	})
	dev.extent.to = int(rd.dec.InputOffset())
	return err
}

func (d *Document) readAccessPoint(rd *reader, e xml.StartElement, dev *ied) error {
	ap := &accessPoint{name: rd.attr(e, "name"), able: dev.able, line: rd.at}
	if other, twice := dev.aps.get(ap.name); twice {
		d.findings.note(ruleIEDTwice, ap.line, dev.name, element("AccessPoint", "name", ap.name), "it is left out: another is in line %d", other.line)
		return rd.skip()
	}
	dev.aps.add(ap)
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "LN":
			ap.clients = append(ap.clients, lnKey{rd.attr(e, "lnType"), rd.attr(e, "lnClass")})
		case "ServerAt":
			ap.serverAt = rd.attr(e, "apName")
		case "Server":
			ap.server = true
			return d.readServer(rd, ap, dev.name)
		case "Services":
			return readServices(rd, &ap.able)
		}
		return rd.skip()
	})
}

func (d *Document) readServer(rd *reader, ap *accessPoint, owner string) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "LDevice" {
			return rd.skip()
		}
		ld := &lDevice{inst: rd.attr(e, "inst"), ldName: rd.attr(e, "ldName"), desc: rd.attr(e, "desc"), line: rd.at}
		ap.lds = append(ap.lds, ld)
		return rd.children(func(e xml.StartElement) error {
			if e.Name.Local != "LN0" && e.Name.Local != "LN" {
				return rd.skip()
			}
			return d.readLN(rd, e, ld, owner)
		})
	})
}

func (d *Document) readLN(rd *reader, e xml.StartElement, ld *lDevice, owner string) error {
	ln := &lNode{element: e.Name.Local, prefix: rd.attr(e, "prefix"), class: rd.attr(e, "lnClass"), inst: rd.attr(e, "inst"),
		typ: rd.attr(e, "lnType"), desc: rd.attr(e, "desc"), line: rd.at}
	ld.lns = append(ld.lns, ln)
	return rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "DOI":
			in, err := readInstance(rd, e)
			ln.dois.add(in)
			return err
		case "DataSet":
			return readDataSet(rd, e, ln)
		case "ReportControl", "LogControl", "GSEControl", "SampledValueControl":
			return readControlBlock(rd, e, ln)
		case "Inputs":
			return d.readInputs(rd, owner)
		case "Log":
			ln.logs = append(ln.logs, rd.attr(e, "name"))
		case "SettingControl":
			ld.settings = &settingControl{groups: rd.attr(e, "numOfSGs"), active: rd.attr(e, "actSG"), reservation: rd.attr(e, "resvTms"),
				inLN0: ln.element == "LN0", line: rd.at}
		}
		return rd.skip()
	})
}

func readInstance(rd *reader, e xml.StartElement) (*instance, error) {
	in := &instance{element: e.Name.Local, name: rd.attr(e, "name"), ix: rd.attr(e, "ix"), line: rd.at}
	return in, rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "SDI", "DAI":
			child, err := readInstance(rd, e)
			in.children.add(child)
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
	v := val{group: rd.attr(e, "sGroup"), line: rd.at}
	var err error
	v.text, err = rd.content()
	return v, err
}

func readDataSet(rd *reader, e xml.StartElement, ln *lNode) error {
	set := &dataSet{name: rd.attr(e, "name"), line: rd.at}
	ln.sets = append(ln.sets, set)
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local == "FCDA" {
			set.members = append(set.members, &fcda{ldInst: rd.attr(e, "ldInst"), prefix: rd.attr(e, "prefix"), class: rd.attr(e, "lnClass"),
				inst: rd.attr(e, "lnInst"), do: rd.attr(e, "doName"), da: rd.attr(e, "daName"), fc: rd.attr(e, "fc"), ix: rd.attr(e, "ix"), line: rd.at})
		}
		return rd.skip()
	})
}
