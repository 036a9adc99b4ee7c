package scl

import (
	"encoding/hex"
	"encoding/xml"
	"strconv"
	"strings"
)

// frame is where the messages of a GOOSE or sampled value control block go.
type frame struct {
	element, ldInst, name string // element is GSE or SMV
	mac                   []byte // six octets
	priority, vid, appID  uint64
	minTime, maxTime      uint64 // milliseconds
	line                  int
}

// readCommunication keeps the addresses of access points and control blocks.
func (d *Document) readCommunication(rd *reader) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "SubNetwork" {
			return rd.skip()
		}
		subnet := rd.attr(e, "name")
		return rd.children(func(e xml.StartElement) error {
			if e.Name.Local != "ConnectedAP" {
				return rd.skip()
			}
			return d.readConnectedAP(rd, e, subnet)
		})
	})
}

func (d *Document) readConnectedAP(rd *reader, e xml.StartElement, subnet string) error {
	c := &connectedAP{ied: rd.attr(e, "iedName"), ap: rd.attr(e, "apName"), subnet: subnet, line: rd.at, extent: extent{from: rd.offset}}
	d.conns = append(d.conns, c)
	err := rd.children(func(e xml.StartElement) error {
		switch e.Name.Local {
		case "Address":
			return readAddress(rd, func(kind string, v val) {
				switch {
				case kind == "JID" && v.text != "":
					c.jids = append(c.jids, v)
				case kind == "IP" && v.text != "":
					c.hosts = append(c.hosts, v.text)
				}
			})
		case "GSE", "SMV":
			return readFrame(rd, e, c)
		}
		return rd.skip()
	})
	c.extent.to = int(rd.dec.InputOffset())
	return err
}

// readAddress calls f for each part of an Address.
func readAddress(rd *reader, f func(kind string, v val)) error {
	return rd.children(func(e xml.StartElement) error {
		if e.Name.Local != "P" {
			return rd.skip()
		}
		kind, v := rd.attr(e, "type"), val{line: rd.at}
		var err error
		if v.text, err = rd.content(); err == nil {
			f(kind, v)
		}
		return err
	})
}

// readFrame keeps what of an address can be read: the control block has zeros for the rest.
//
// IEC 61850-8-1, Annex C: numbers are hexadecimal, but the priority.
func readFrame(rd *reader, e xml.StartElement, c *connectedAP) error {
	f := frame{element: e.Name.Local, ldInst: rd.attr(e, "ldInst"), name: rd.attr(e, "cbName"), priority: 4, line: rd.at}
	err := rd.children(func(e xml.StartElement) error {
		var text string
		var err error
		switch e.Name.Local {
		case "Address":
			return readAddress(rd, f.part)
		case "MinTime":
			text, err = rd.content()
			f.minTime = number(text, 10, 32, 0)
		case "MaxTime":
			text, err = rd.content()
			f.maxTime = number(text, 10, 32, 0)
		default:
			return rd.skip()
		}
		return err
	})
	c.frames = append(c.frames, f)
	return err
}

func (f *frame) part(kind string, v val) {
	switch kind {
	case "MAC-Address":
		if mac, err := hex.DecodeString(strings.ReplaceAll(v.text, "-", "")); err == nil && len(mac) == 6 {
			f.mac = mac
		}
	case "APPID":
		f.appID = number(v.text, 16, 16, 0)
	case "VLAN-ID":
		f.vid = number(v.text, 16, 12, 0)
	case "VLAN-PRIORITY":
		f.priority = number(v.text, 10, 3, f.priority)
	}
}

// number is text as a number of so many bits, or instead where it is none.
func number(text string, base, bits int, instead uint64) uint64 {
	if n, err := strconv.ParseUint(text, base, bits); err == nil {
		return n
	}
	return instead
}
