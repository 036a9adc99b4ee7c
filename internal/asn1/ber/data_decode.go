package ber

import (
	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// data decodes an alternative of Data.
//
// ISO 9506-2, Data.
func (d *decoder) data(tag asn1.Tag, end int) (value.Value, error) {
	if tag&asn1.Number > 30 {
		return value.Value{}, d.unexpected(tag, "Data")
	}
	id := byte(tag>>24) | byte(tag&asn1.Number)
	if id == tagStructure {
		return d.structure(end)
	}
	if id == tagArray {
		elems, err := d.elements(end)
		return value.ArrayOf(elems...), in(err, "array")
	}
	v, ok := dataContent(id, d.b[d.pos:end])
	if !ok && d.lenient != (Lenient{}) {
		v, ok = d.lenient.looseData(id, d.b[d.pos:end])
	}
	if !ok && !isData(id) {
		return v, d.unexpected(tag, "Data")
	} else if !ok {
		return v, d.fail("malformed content of Data")
	}
	d.pos = end
	return v, nil
}

func isData(id byte) bool { return id >= tagBoolean && id <= tagUTCTime && id != tagFloatingPoint+1 }

// dataContent makes a value of the content b of an alternative that has no parts.
func dataContent(id byte, b []byte) (v value.Value, ok bool) {
	switch id {
	case tagBoolean:
		return value.Bool(len(b) == 1 && b[0] != 0), len(b) == 1
	case tagBitString, tagBooleanArray:
		n, ok := bitLen(b)
		if !ok || n == 0 {
			return v, false
		}
		if id == tagBitString {
			return value.Bits(n, b[1:]), true
		}
		return value.Booleans(n, b[1:]), true
	case tagInteger:
		i, ok := integer(b)
		return value.Int(i), ok
	case tagUnsigned:
		u, ok := unsigned(b)
		return value.Uint(u), ok
	case tagBCD:
		u, ok := unsigned(b)
		return value.Decimal(u), ok
	case tagFloatingPoint:
		switch {
		case len(b) == 5 && b[0] == exponent32:
			return value.FloatBits(uint32(bigEndian(b[1:]))), true
		case len(b) == 9 && b[0] == exponent64:
			return value.DoubleBits(bigEndian(b[1:])), true
		}
	case tagOctetString:
		return value.Octets(b), true
	case tagVisibleString:
		return value.Visible(string(b)), asn1.Valid(asn1.Printable, b)
	case tagGeneralizedTime:
		return value.Generalized(string(b)), asn1.Valid(asn1.Time, b)
	case tagMMSString:
		return value.Text(string(b)), asn1.Valid(asn1.MMSText, b)
	case tagBinaryTime:
		switch len(b) {
		case 4:
			return value.BinTimeOfDay(uint32(bigEndian(b))), true
		case 6:
			return value.BinTime(uint32(bigEndian(b[:4])), uint16(bigEndian(b[4:]))), true
		}
	case tagObjID:
		s, ok := asn1.ParseOID(b)
		return value.OID(s), ok
	case tagUTCTime:
		return value.UTC(bigEndian(b)), len(b) == 8
	}
	return v, false
}

func bigEndian(b []byte) (u uint64) {
	for _, o := range b {
		u = u<<8 | uint64(o)
	}
	return u
}

func (d *decoder) structure(end int) (value.Value, error) {
	elems, err := d.elements(end)
	if err == nil && len(elems) == 0 {
		err = d.fail("a structure without components")
	}
	return value.StructureOf(elems...), in(err, "structure")
}

// elements decodes the elements of an array or of a structure.
func (d *decoder) elements(end int) ([]value.Value, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	n, err := d.count(end)
	if err != nil {
		return nil, err
	}
	elems := d.slab.Make(n)
	for i := range elems {
		tag, next, err := d.header(end)
		if err != nil {
			return nil, err
		}
		if elems[i], err = d.data(tag, next); err != nil {
			return nil, asn1.InItem(err, "Data", i)
		}
	}
	d.depth++
	return elems, nil
}
