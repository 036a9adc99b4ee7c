package xer

import (
	"fmt"
	"strconv"

	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// appendData appends the alternative that v is.
//
// ISO 9506-2, Data.
func appendData(dst []byte, v value.Value) ([]byte, error) {
	switch v.Kind() {
	case value.Structure:
		if v.Len() == 0 {
			return dst, invalid("a structure without components")
		}
		return appendElements(append(dst, "<structure>"...), v, "</structure>", "structure")
	case value.Array:
		if v.Len() == 0 {
			return append(dst, "<array/>"...), nil
		}
		return appendElements(append(dst, "<array>"...), v, "</array>", "array")
	case value.Boolean:
		if v.Bool() {
			return append(dst, "<boolean>true</boolean>"...), nil
		}
		return append(dst, "<boolean>false</boolean>"...), nil
	case value.BitString:
		dst, err := appendBinary(append(dst, "<bit-string>"...), v)
		return append(dst, "</bit-string>"...), err
	case value.Integer:
		i, _ := v.Int()
		return append(strconv.AppendInt(append(dst, "<integer>"...), i, 10), "</integer>"...), nil
	case value.Unsigned:
		u, _ := v.Uint()
		return append(strconv.AppendUint(append(dst, "<unsigned>"...), u, 10), "</unsigned>"...), nil
	case value.Float32:
		return append(appendHexNumber(append(dst, "<floating-point>"...), v.FloatBits(), 4), "</floating-point>"...), nil
	case value.Float64:
		return append(appendHexNumber(append(dst, "<floating-point>"...), v.FloatBits(), 8), "</floating-point>"...), nil
	case value.UTCTime:
		return append(appendHexNumber(append(dst, "<utc-time>"...), v.UTC(), 8), "</utc-time>"...), nil
	case value.BinaryTime:
		dst = append(dst, "<binary-time>"...)
		ms, days, width := v.BinTime()
		dst = appendHexNumber(dst, uint64(ms), 4)
		if width == 6 {
			dst = appendHexNumber(dst, uint64(days), 2)
		}
		return append(dst, "</binary-time>"...), nil
	case value.OctetString:
		if v.Text() == "" {
			return append(dst, "<octet-string/>"...), nil
		}
		return append(appendHex(append(dst, "<octet-string>"...), v.Text()), "</octet-string>"...), nil
	}
	return appendRareData(dst, v)
}

func appendRareData(dst []byte, v value.Value) ([]byte, error) {
	switch v.Kind() {
	case value.VisibleString:
		return appendString(dst, v.Text(), asn1.Printable, "visible-string")
	case value.MMSString:
		return appendMMSString(dst, v.Text())
	case value.GeneralizedTime:
		return appendString(dst, v.Text(), asn1.Time, "generalized-time")
	case value.BCD:
		u, _ := v.Uint()
		return append(strconv.AppendUint(append(dst, "<bcd>"...), u, 10), "</bcd>"...), nil
	case value.BooleanArray:
		dst, err := appendBinary(append(dst, "<booleanArray>"...), v)
		return append(dst, "</booleanArray>"...), err
	case value.ObjectID:
		if !asn1.ValidOID(v.Text()) {
			return dst, invalid(fmt.Sprintf("%q is no object identifier", clip(v.Text())))
		}
		return append(append(append(dst, "<objId>"...), v.Text()...), "</objId>"...), nil
	}
	return dst, invalid("an invalid value")
}

func appendElements(dst []byte, v value.Value, end, name string) ([]byte, error) {
	for i := range v.Len() {
		dst = append(dst, "<Data>"...)
		var err error
		if dst, err = appendData(dst, v.At(i)); err != nil {
			return dst, asn1.In(asn1.InItem(err, "Data", i), name)
		}
		dst = append(dst, "</Data>"...)
	}
	return append(dst, end...), nil
}

func appendBinary(dst []byte, v value.Value) ([]byte, error) {
	if v.BitLen() == 0 {
		return dst, invalid("a bit string without bits")
	}
	packed := v.Packed()
	for i := range v.BitLen() {
		dst = append(dst, '0'+packed[i/8]>>(7-i%8)&1)
	}
	return dst, nil
}

func appendString(dst []byte, s string, c asn1.Charset, name string) ([]byte, error) {
	if !asn1.Valid(c, s) {
		return dst, invalid(fmt.Sprintf("%s %q has characters that are not allowed", name, clip(s)))
	}
	if s == "" {
		return appendVoid(dst, name), nil
	}
	dst = append(append(append(dst, '<'), name...), '>')
	dst = appendText(dst, s)
	return append(append(append(dst, "</"...), name...), '>'), nil
}

// appendMMSString appends control characters as the elements that stand for them.
func appendMMSString(dst []byte, s string) ([]byte, error) {
	if s == "" {
		return append(dst, "<mMSString/>"...), nil
	}
	dst = append(dst, "<mMSString>"...)
	for begin, i := 0, 0; ; i++ {
		if i < len(s) && (s[i] >= 0x20 || controls.Of(int64(s[i])) == "") {
			continue
		}
		run := s[begin:i]
		if !asn1.Valid(asn1.Text, run) {
			return dst, invalid(fmt.Sprintf("mMSString %q has characters that are not allowed", clip(s)))
		}
		dst = appendText(dst, run)
		if i == len(s) {
			return append(dst, "</mMSString>"...), nil
		}
		dst = appendVoid(dst, controls.Of(int64(s[i])))
		begin = i + 1
	}
}
