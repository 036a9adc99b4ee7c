package asn1

import "reflect"

// BitCap is the number of bits that a value of a BitString type can hold.
func (t *Type) BitCap() int {
	if t.Go.Kind() == reflect.Array {
		return 64 * t.Go.Len()
	}
	return t.Go.Bits()
}

// Bit reports whether bit i of v, a value of the BitString type t, is set.
func (t *Type) Bit(v reflect.Value, i int) bool {
	if t.Go.Kind() == reflect.Array {
		v = v.Index(i / 64)
	}
	return v.Uint()>>(i%64)&1 != 0
}

// SetBit sets bit i of v, which is less than BitCap.
func (t *Type) SetBit(v reflect.Value, i int) {
	if t.Go.Kind() == reflect.Array {
		v = v.Index(i / 64)
	}
	v.SetUint(v.Uint() | 1<<(i%64))
}

// BitLen is the number of bits with which v is encoded: up to the last one set, and MinBits at least.
func (t *Type) BitLen(v reflect.Value) int {
	n := t.BitCap()
	for n > t.MinBits && !t.Bit(v, n-1) {
		n--
	}
	return n
}
