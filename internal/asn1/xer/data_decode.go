package xer

import (
	"fmt"

	"busbar.example/internal/asn1"
	"busbar.example/internal/xmltok"
	"busbar.example/value"
)

// data decodes the current element, which has one element inside, an alternative of Data.
//
// ISO 9506-2, Data.
func (d *decoder) data() (value.Value, error) {
	if err := d.child(); err != nil {
		return value.Value{}, err
	}
	if d.tok.Kind == xmltok.End {
		return value.Value{}, d.fail("no alternative of Data")
	}
	name := d.tok.Name.Local
	if err := d.noAttributes(); err != nil {
		return value.Value{}, asn1.In(err, name)
	}
	v, err := d.dataAlternative(name)
	if err != nil {
		return v, asn1.In(err, name)
	}
	return v, d.end()
}

// dataAlternative decodes the current element, which is called name.
func (d *decoder) dataAlternative(name string) (value.Value, error) {
	switch name {
	case "structure", "array":
		return d.elements(name)
	case "boolean":
		return d.dataBoolean()
	case "mMSString":
		return d.mmsString()
	}
	at := d.scan.Offset()
	b, taken := d.scan.TakeText()
	if taken {
		d.ended(at)
	} else {
		if err := d.content(false); err != nil {
			return value.Value{}, err
		}
		b = d.tok.Data // nothing, of an end tag
	}
	v, ok := d.dataText(name, b)
	if !ok {
		return v, d.fail(fmt.Sprintf("%q is no %s", clip(string(b)), name))
	}
	if taken {
		return v, nil
	}
	return v, d.leaf()
}

// dataText makes a value of the text of an alternative. name may be none.
func (d *decoder) dataText(name string, b []byte) (v value.Value, ok bool) {
	switch name {
	case "integer":
		n, negative, ok1 := decimal(b)
		i, ok2 := signed(n, negative)
		return value.Int(i), ok1 && ok2
	case "unsigned":
		n, negative, ok := decimal(b)
		return value.Uint(n), ok && !negative
	case "floating-point":
		return floatingPoint(b)
	case "bit-string", "booleanArray":
		ok = d.binary(b)
		if name == "bit-string" {
			return value.Bits(len(b), d.octets), ok
		}
		return value.Booleans(len(b), d.octets), ok
	case "utc-time":
		n, ok := hexNumber(b)
		return value.UTC(n), ok && len(b) == 16
	case "octet-string":
		d.octets, ok = unhex(d.octets[:0], b)
		return value.Octets(d.octets), ok
	case "visible-string":
		return value.Visible(string(b)), asn1.Valid(asn1.Printable, b)
	case "binary-time":
		n, ok := hexNumber(b)
		if len(b) == 8 {
			return value.BinTimeOfDay(uint32(n)), ok
		}
		return value.BinTime(uint32(n>>16), uint16(n)), ok && len(b) == 12
	case "generalized-time":
		return value.Generalized(string(b)), asn1.Valid(asn1.Time, b)
	case "bcd":
		n, negative, ok := decimal(b)
		return value.Decimal(n), ok && !negative
	case "objId":
		return value.OID(string(b)), asn1.ValidOID(string(b))
	}
	return value.Value{}, false
}

// floatingPoint reads 4 or 8 octets of IEEE 754, or 5 or 9 with the width of the exponent before them.
func floatingPoint(b []byte) (v value.Value, ok bool) {
	if len(b) == 10 || len(b) == 18 {
		width, ok := hexNumber(b[:2])
		if !ok || len(b) == 10 && width != 8 || len(b) == 18 && width != 11 {
			return v, false
		}
		b = b[2:]
	}
	n, ok := hexNumber(b)
	switch len(b) {
	case 8:
		return value.FloatBits(uint32(n)), ok
	case 16:
		return value.DoubleBits(n), ok
	}
	return v, false
}

// binary packs binary digits, at least one, into d.octets.
func (d *decoder) binary(b []byte) bool {
	d.octets = d.octets[:0]
	for i, c := range b {
		if i%8 == 0 {
			d.octets = append(d.octets, 0)
		}
		if c != '0' && c != '1' {
			return false
		}
		d.octets[i/8] |= (c - '0') << (7 - i%8)
	}
	return len(b) > 0
}

func (d *decoder) dataBoolean() (value.Value, error) {
	if err := d.content(true); err != nil {
		return value.Value{}, err
	}
	if d.tok.Kind == xmltok.Start {
		name := d.tok.Name.Local
		if name != "true" && name != "false" {
			return value.Value{}, d.fail(name + " is neither true nor false")
		}
		if err := d.empty(); err != nil {
			return value.Value{}, err
		}
		return value.Bool(name == "true"), d.end()
	}
	x, ok := boolean(d.tok.Data)
	if !ok {
		return value.Value{}, d.fail(fmt.Sprintf("%q is no boolean", clip(string(d.tok.Data))))
	}
	return value.Bool(x), d.leaf()
}

// elements decodes an array or a structure, the current element.
func (d *decoder) elements(name string) (v value.Value, err error) {
	if err := d.enter(); err != nil {
		return v, err
	}
	first := len(d.values)
	for {
		if more, err := d.item(dataItem); err != nil {
			return v, err
		} else if !more {
			break
		}
		if err := d.noAttributes(); err != nil {
			return v, asn1.InItem(err, dataItem, len(d.values)-first)
		}
		e, err := d.data()
		if err != nil {
			return v, asn1.InItem(err, dataItem, len(d.values)-first)
		}
		d.values = append(d.values, e)
	}
	elems := d.slab.Make(len(d.values) - first)
	copy(elems, d.values[first:])
	d.values = d.values[:first]
	d.depth++
	switch {
	case name == "array":
		return value.ArrayOf(elems...), nil
	case len(elems) == 0:
		return v, d.fail("a structure without components")
	}
	return value.StructureOf(elems...), nil
}

// dataItem is the element of each value in an array or a structure.
const dataItem = "Data"

// mmsString decodes text with elements in it that stand for control characters.
func (d *decoder) mmsString() (value.Value, error) {
	d.octets = d.octets[:0]
	for {
		if err := d.next(); err != nil {
			return value.Value{}, err
		}
		switch d.tok.Kind {
		case xmltok.Text:
			if !asn1.Valid(asn1.Text, d.tok.Data) {
				return value.Value{}, d.fail("characters that are not allowed in mMSString")
			}
			d.octets = append(d.octets, d.tok.Data...)
		case xmltok.Start:
			c, ok := controls.Number(d.tok.Name.Local)
			if !ok {
				return value.Value{}, d.fail("unexpected element " + d.tok.Name.Local)
			}
			d.octets = append(d.octets, byte(c))
			if err := d.empty(); err != nil {
				return value.Value{}, err
			}
		default:
			return value.Text(string(d.octets)), nil
		}
	}
}
