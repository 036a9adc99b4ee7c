package ber

import (
	"fmt"

	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// The identifier octets of the alternatives of Data.
//
// ISO 9506-2, Data; IEC 61850-8-1, utc-time.
const (
	tagArray           = 0xa1
	tagStructure       = 0xa2
	tagBoolean         = 0x83
	tagBitString       = 0x84
	tagInteger         = 0x85
	tagUnsigned        = 0x86
	tagFloatingPoint   = 0x87
	tagOctetString     = 0x89
	tagVisibleString   = 0x8a
	tagGeneralizedTime = 0x8b
	tagBinaryTime      = 0x8c
	tagBCD             = 0x8d
	tagBooleanArray    = 0x8e
	tagObjID           = 0x8f
	tagMMSString       = 0x90
	tagUTCTime         = 0x91
)

// The first octet of a floating-point: the width of the exponent.
const (
	exponent32 = 8
	exponent64 = 11
)

// appendData appends v with its tag.
func appendData(dst []byte, v value.Value) ([]byte, error) {
	switch v.Kind() {
	case value.Structure:
		if v.Len() == 0 {
			return dst, invalid("a structure without components")
		}
		return appendElements(append(dst, tagStructure), v, "structure")
	case value.Array:
		return appendElements(append(dst, tagArray), v, "array")
	case value.Boolean:
		return appendBoolean(append(dst, tagBoolean, 1), v.Bool()), nil
	case value.BitString:
		return appendBinary(append(dst, tagBitString), v)
	case value.Integer:
		i, _ := v.Int()
		dst, begin := open(append(dst, tagInteger))
		return closeAt(appendInteger(dst, i), begin), nil
	case value.Unsigned:
		u, _ := v.Uint()
		dst, begin := open(append(dst, tagUnsigned))
		return closeAt(appendUnsigned(dst, u), begin), nil
	case value.Float32:
		return appendOctets(append(dst, tagFloatingPoint, 5, exponent32), v.FloatBits(), 4), nil
	case value.Float64:
		return appendOctets(append(dst, tagFloatingPoint, 9, exponent64), v.FloatBits(), 8), nil
	case value.UTCTime:
		return appendOctets(append(dst, tagUTCTime, 8), v.UTC(), 8), nil
	case value.BinaryTime:
		ms, days, width := v.BinTime()
		dst = appendOctets(append(dst, tagBinaryTime, byte(width)), uint64(ms), 4)
		if width == 6 {
			dst = appendOctets(dst, uint64(days), 2)
		}
		return dst, nil
	case value.OctetString:
		return appendString(append(dst, tagOctetString), v.Text()), nil
	}
	return appendRareData(dst, v)
}

func appendRareData(dst []byte, v value.Value) ([]byte, error) {
	s := v.Text()
	switch v.Kind() {
	case value.VisibleString:
		if asn1.Valid(asn1.Printable, s) {
			return appendString(append(dst, tagVisibleString), s), nil
		}
	case value.MMSString:
		if asn1.Valid(asn1.MMSText, s) {
			return appendString(append(dst, tagMMSString), s), nil
		}
	case value.GeneralizedTime:
		if asn1.Valid(asn1.Time, s) {
			return appendString(append(dst, tagGeneralizedTime), s), nil
		}
	case value.ObjectID:
		dst, begin := open(append(dst, tagObjID))
		if dst, ok := asn1.AppendOID(dst, s); ok {
			return closeAt(dst, begin), nil
		}
	case value.BCD:
		u, _ := v.Uint()
		dst, begin := open(append(dst, tagBCD))
		return closeAt(appendUnsigned(dst, u), begin), nil
	case value.BooleanArray:
		return appendBinary(append(dst, tagBooleanArray), v)
	}
	return dst, invalid(fmt.Sprintf("%s %q is not allowed", v.Kind(), clip(s)))
}

func appendElements(dst []byte, v value.Value, name string) ([]byte, error) {
	dst, begin := open(dst)
	for i := range v.Len() {
		var err error
		if dst, err = appendData(dst, v.At(i)); err != nil {
			return dst, asn1.In(asn1.InItem(err, "Data", i), name)
		}
	}
	return closeAt(dst, begin), nil
}

func appendString(dst []byte, s string) []byte {
	dst, begin := open(dst)
	return closeAt(append(dst, s...), begin)
}

func appendBinary(dst []byte, v value.Value) ([]byte, error) {
	if v.BitLen() == 0 {
		return dst, invalid("a bit string without bits")
	}
	dst, begin := open(dst)
	dst = append(dst, byte(-v.BitLen()&7))
	return closeAt(append(dst, v.Packed()...), begin), nil
}
