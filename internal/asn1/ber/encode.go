package ber

import (
	"fmt"
	"reflect"

	"busbar.example/internal/asn1"
	"busbar.example/value"
)

func invalid(msg string) error { return &asn1.ValueError{Msg: msg} }

// open appends one octet for a length. close puts the length there, of all that was appended since.
func open(dst []byte) ([]byte, int) { return append(dst, 0), len(dst) + 1 }

func closeAt(dst []byte, begin int) []byte {
	n := len(dst) - begin
	if n < 0x80 {
		dst[begin-1] = byte(n)
		return dst
	}
	size := 1
	for n>>(8*size) != 0 {
		size++
	}
	dst[begin-1] = 0x80 | byte(size)
	dst = append(dst, "        "[:size]...)
	copy(dst[begin+size:], dst[begin:begin+n])
	for i := range size {
		dst[begin+i] = byte(n >> (8 * (size - 1 - i)))
	}
	return dst
}

// appendUse appends v, the Go value in the place u, with its tag.
func appendUse(dst []byte, u *asn1.Use, v reflect.Value) ([]byte, error) {
	if u.Pointer && v.IsNil() {
		return dst, invalid("nil")
	}
	v = u.Value(v)
	if u.Tag == 0 {
		return appendContent(dst, u.Type, v) // which has tags of its own
	}
	dst, begin := open(append(dst, u.ID...))
	var err error
	if u.Explicit && u.Type.Tag != 0 {
		inner := 0
		dst, inner = open(u.Type.Tag.Append(dst))
		if dst, err = appendContent(dst, u.Type, v); err == nil {
			dst = closeAt(dst, inner)
		}
	} else {
		dst, err = appendContent(dst, u.Type, v)
	}
	if err != nil {
		return dst, err
	}
	return closeAt(dst, begin), nil
}

// appendContent appends the content octets; of a type without tag of its own, all octets.
func appendContent(dst []byte, t *asn1.Type, v reflect.Value) ([]byte, error) {
	switch t.Kind {
	case asn1.Boolean:
		return appendBoolean(dst, v.Bool()), nil
	case asn1.Integer:
		return appendNumber(dst, t, v)
	case asn1.BitString:
		return appendBits(dst, t, v), nil
	case asn1.OctetString:
		if msg := t.CheckSize(v.Bytes()); msg != "" {
			return dst, invalid(msg)
		}
		return append(dst, v.Bytes()...), nil
	case asn1.String:
		s := v.String()
		if !asn1.Valid(t.Charset, s) {
			return dst, invalid(fmt.Sprintf("%q has characters that are not allowed, or none", clip(s)))
		}
		return append(dst, s...), nil
	case asn1.ObjectID:
		dst, ok := asn1.AppendOID(dst, v.String())
		if !ok {
			return dst, invalid(fmt.Sprintf("%q is no object identifier", clip(v.String())))
		}
		return dst, nil
	case asn1.Sequence:
		return appendSequence(dst, t, v)
	case asn1.SequenceOf:
		for i := range v.Len() {
			var err error
			if dst, err = appendUse(dst, t.Item, v.Index(i)); err != nil {
				return dst, asn1.InItem(err, t.Item.Name, i)
			}
		}
		return dst, nil
	case asn1.ChoiceOf:
		return appendChoice(dst, t, v)
	case asn1.DataValue:
		if v.CanAddr() {
			return appendData(dst, *v.Addr().Interface().(*value.Value))
		}
		return appendData(dst, v.Interface().(value.Value))
	case asn1.OpenType:
		if v.Len() == 0 {
			return dst, invalid("an open type without content")
		}
		return append(dst, v.Bytes()...), nil
	}
	return dst, nil // NULL
}

func appendSequence(dst []byte, t *asn1.Type, v reflect.Value) ([]byte, error) {
	for i := range t.Fields {
		u := &t.Fields[i]
		f := v.Field(u.Index)
		if u.Absent(f) || u.HasDefault && isDefault(u, u.Value(f)) {
			continue
		}
		var err error
		if dst, err = appendUse(dst, u, f); err != nil {
			return dst, asn1.In(err, u.Name)
		}
	}
	return dst, nil
}

func isDefault(u *asn1.Use, v reflect.Value) bool {
	switch {
	case v.Kind() == reflect.Bool:
		return v.Bool() == (u.Default != 0)
	case v.CanInt():
		return v.Int() == u.Default
	}
	return u.Default >= 0 && v.Uint() == uint64(u.Default)
}

func appendChoice(dst []byte, t *asn1.Type, v reflect.Value) ([]byte, error) {
	u, v, err := t.Chosen(v)
	if err != nil {
		return dst, err
	}
	if u.XER {
		return dst, asn1.In(invalid("this has no form in BER"), u.Name)
	}
	if dst, err = appendUse(dst, u, v); err != nil {
		return dst, asn1.In(err, u.Name)
	}
	return dst, nil
}

func appendBoolean(dst []byte, b bool) []byte {
	if b {
		return append(dst, 0xff)
	}
	return append(dst, 0)
}

func appendNumber(dst []byte, t *asn1.Type, v reflect.Value) ([]byte, error) {
	if !v.CanInt() {
		u := v.Uint()
		if t.Closed && (u >= 1<<63 || t.Names.Of(int64(u)) == "") {
			return dst, invalid(fmt.Sprintf("%d is not in the enumeration %s", u, t.Name))
		}
		return appendUnsigned(dst, u), nil
	}
	i := v.Int()
	if t.Closed && t.Names.Of(i) == "" {
		return dst, invalid(fmt.Sprintf("%d is not in the enumeration %s", i, t.Name))
	}
	return appendInteger(dst, i), nil
}

// appendInteger appends the fewest octets that hold i.
//
// ITU-T X.690, 8.3.
func appendInteger(dst []byte, i int64) []byte {
	size := 1
	for n := i >> 7; n != 0 && n != -1; n >>= 8 {
		size++
	}
	return appendOctets(dst, uint64(i), size)
}

func appendUnsigned(dst []byte, u uint64) []byte {
	if u>>63 != 0 {
		return appendOctets(append(dst, 0), u, 8)
	}
	return appendInteger(dst, int64(u))
}

// appendOctets appends the low n octets of u.
func appendOctets(dst []byte, u uint64, n int) []byte {
	for shift := 8*n - 8; shift >= 0; shift -= 8 {
		dst = append(dst, byte(u>>shift))
	}
	return dst
}

// appendBits appends named bits.
//
// ITU-T X.690, 8.6.
func appendBits(dst []byte, t *asn1.Type, v reflect.Value) []byte {
	n := t.BitLen(v)
	dst = append(dst, byte(-n&7))
	for i := 0; i < n; i += 8 {
		var b byte
		for j := i; j < min(i+8, n); j++ {
			if t.Bit(v, j) {
				b |= 0x80 >> (j - i)
			}
		}
		dst = append(dst, b)
	}
	return dst
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
