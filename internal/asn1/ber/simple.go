package ber

import (
	"fmt"
	"math/bits"
	"reflect"

	"busbar.example/internal/asn1"
)

// simple decodes content octets into v, whose type has no parts.
func (d *decoder) simple(t *asn1.Type, v reflect.Value, b []byte) error {
	switch t.Kind {
	case asn1.Null:
		if len(b) > 0 {
			return d.fail("a NULL with content")
		}
	case asn1.Boolean:
		if len(b) != 1 {
			return d.fail("a BOOLEAN that is not one octet")
		}
		v.SetBool(b[0] != 0)
	case asn1.Integer:
		return d.number(t, v, b)
	case asn1.BitString:
		return d.bits(t, v, b)
	case asn1.OctetString:
		if msg := t.CheckSize(b); msg != "" {
			return d.fail(msg)
		}
		v.SetBytes(append(make([]byte, 0, len(b)), b...))
	case asn1.String:
		if !asn1.Valid(t.Charset, b) {
			return d.fail(fmt.Sprintf("%q has characters that are not allowed, or none", clip(string(b))))
		}
		v.SetString(string(b))
	case asn1.ObjectID:
		s, ok := asn1.ParseOID(b)
		if !ok {
			return d.fail("a malformed OBJECT IDENTIFIER")
		}
		v.SetString(s)
	}
	return nil
}

// bits reads named bits, of any length as long as those that are set have a place.
func (d *decoder) bits(t *asn1.Type, v reflect.Value, b []byte) error {
	if _, ok := bitLen(b); !ok {
		if b, ok = d.lenient.padded(b); !ok {
			return d.fail("a malformed BIT STRING")
		}
	}
	for i, octet := range b[1:] {
		for ; octet != 0; octet &= octet - 1 {
			bit := 8*i + 7 - bits.TrailingZeros8(octet)
			if bit >= t.BitCap() {
				return d.fail(fmt.Sprintf("bit %d in %s, which has %d", bit, t.Name, t.BitCap()))
			}
			t.SetBit(v, bit)
		}
	}
	return nil
}

func (d *decoder) number(t *asn1.Type, v reflect.Value, b []byte) error {
	b, _ = d.lenient.integer(b)
	if v.CanInt() {
		i, ok := integer(b)
		switch {
		case !ok || v.OverflowInt(i):
			return d.fail("an INTEGER that is malformed or out of range")
		case t.Closed && t.Names.Of(i) == "":
			return d.fail(fmt.Sprintf("%d is not in the enumeration %s", i, t.Name))
		}
		v.SetInt(i)
		return nil
	}
	u, ok := unsigned(b)
	switch {
	case !ok || v.OverflowUint(u):
		return d.fail("an INTEGER that is malformed or out of range")
	case t.Closed && (u >= 1<<63 || t.Names.Of(int64(u)) == ""):
		return d.fail(fmt.Sprintf("%d is not in the enumeration %s", u, t.Name))
	}
	v.SetUint(u)
	return nil
}

// integer reads a minimal INTEGER of up to 64 bits.
//
// ITU-T X.690, 8.3.
func integer(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 8 || !minimal(b) {
		return 0, false
	}
	i := int64(int8(b[0]))
	for _, o := range b[1:] {
		i = i<<8 | int64(o)
	}
	return i, true
}

// unsigned reads a minimal INTEGER that is not negative, of up to 64 bits beside the sign.
func unsigned(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 9 || !minimal(b) || b[0]&0x80 != 0 || len(b) == 9 && b[0] != 0 {
		return 0, false
	}
	var u uint64
	for _, o := range b {
		u = u<<8 | uint64(o)
	}
	return u, true
}

func minimal(b []byte) bool {
	return len(b) == 1 || b[0] != 0 && b[0] != 0xff || (b[0]^b[1])&0x80 != 0
}

// bitLen is the number of bits of the BIT STRING whose content is b, with padding that is zero.
//
// ITU-T X.690, 8.6.
func bitLen(b []byte) (int, bool) {
	if len(b) == 0 || b[0] > 7 || len(b) == 1 && b[0] > 0 || b[len(b)-1]&(1<<b[0]-1) != 0 && len(b) > 1 {
		return 0, false
	}
	return 8*(len(b)-1) - int(b[0]), true
}
