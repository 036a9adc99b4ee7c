package xer

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"

	"busbar.example/internal/asn1"
	"busbar.example/value"
)

func invalid(msg string) error { return &asn1.ValueError{Msg: msg} }

// appendElement appends the element of u. v is the Go value in the place, which is there.
func appendElement(dst []byte, u *asn1.Use, v reflect.Value) ([]byte, error) {
	if u.Pointer && v.IsNil() {
		return dst, invalid("nil")
	}
	v = u.Value(v)
	if a := u.Type.Attribute; a != nil {
		dst = append(dst, u.Open[:len(u.Open)-1]...)
		var err error
		if dst, err = appendAttribute(dst, a, a.Value(v.Field(a.Index))); err != nil {
			return dst, asn1.In(err, a.Name)
		}
		dst = append(dst, '>')
	} else {
		dst = append(dst, u.Open...)
	}
	return appendRest(dst, u, v)
}

// appendRest appends content and end tag to a start tag. An element without content is one tag.
func appendRest(dst []byte, u *asn1.Use, v reflect.Value) ([]byte, error) {
	begin := len(dst)
	dst, err := appendContent(dst, u.Type, v)
	switch {
	case err != nil:
		return dst, err
	case len(dst) == begin:
		return append(dst[:begin-1], "/>"...), nil
	}
	return append(dst, u.Close...), nil
}

func appendAttribute(dst []byte, u *asn1.Use, v reflect.Value) ([]byte, error) {
	dst = append(dst, u.Attr...)
	if u.Type.Kind == asn1.Boolean {
		return append(strconv.AppendBool(dst, v.Bool()), '\''), nil
	}
	n, err := integer(u.Type, v)
	if err != nil {
		return dst, err
	}
	if name := u.Type.Names.Of(n); name != "" {
		dst = append(dst, name...)
	} else {
		dst = appendNumber(dst, v)
	}
	return append(dst, '\''), nil
}

// appendContent appends what stands between the tags of an element whose type is t.
func appendContent(dst []byte, t *asn1.Type, v reflect.Value) ([]byte, error) {
	switch t.Kind {
	case asn1.Boolean:
		return strconv.AppendBool(dst, v.Bool()), nil
	case asn1.Integer:
		n, err := integer(t, v)
		if err != nil {
			return dst, err
		}
		if name := t.Names.Of(n); name != "" {
			return appendVoid(dst, name), nil
		}
		return appendNumber(dst, v), nil
	case asn1.BitString:
		return appendBits(dst, t, v), nil
	case asn1.OctetString:
		if msg := t.CheckSize(v.Bytes()); msg != "" {
			return dst, invalid(msg)
		}
		if t.Base64 {
			return base64.StdEncoding.AppendEncode(dst, v.Bytes()), nil
		}
		return appendHex(dst, v.Bytes()), nil
	case asn1.String:
		s := v.String()
		if !asn1.Valid(t.Charset, s) {
			return dst, invalid(fmt.Sprintf("%q has characters that are not allowed, or none", clip(s)))
		}
		return appendText(dst, s), nil
	case asn1.ObjectID:
		s := v.String()
		if !asn1.ValidOID(s) {
			return dst, invalid(fmt.Sprintf("%q is no object identifier", clip(s)))
		}
		return append(dst, s...), nil
	case asn1.Sequence:
		return appendSequence(dst, t, v)
	case asn1.SequenceOf:
		for i := range v.Len() {
			var err error
			if dst, err = appendElement(dst, t.Item, v.Index(i)); err != nil {
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
	var err error
	for i := range t.Fields {
		u := &t.Fields[i]
		f := v.Field(u.Index)
		if u.Attribute || u.Absent(f) {
			continue
		}
		if dst, err = appendElement(dst, u, f); err != nil {
			return dst, asn1.In(err, u.Name)
		}
	}
	return dst, nil
}

func appendChoice(dst []byte, t *asn1.Type, v reflect.Value) ([]byte, error) {
	u, v, err := t.Chosen(v)
	if err != nil {
		return dst, err
	}
	if dst, err = appendElement(dst, u, v); err != nil {
		return dst, asn1.In(err, u.Name)
	}
	return dst, nil
}

// integer is the number in v, as an index of names; -1 if it is too large for that.
func integer(t *asn1.Type, v reflect.Value) (int64, error) {
	n := int64(-1)
	if v.CanInt() {
		n = v.Int()
	} else if u := v.Uint(); u < 1<<63 {
		n = int64(u)
	}
	if t.Closed && t.Names.Of(n) == "" {
		return n, invalid(fmt.Sprintf("%v is not in the enumeration %s", v, t.Name))
	}
	return n, nil
}

func appendNumber(dst []byte, v reflect.Value) []byte {
	if v.CanInt() {
		return strconv.AppendInt(dst, v.Int(), 10)
	}
	return strconv.AppendUint(dst, v.Uint(), 10)
}

func appendVoid(dst []byte, name string) []byte {
	return append(append(append(dst, '<'), name...), "/>"...)
}

func appendBits(dst []byte, t *asn1.Type, v reflect.Value) []byte {
	begin, n := len(dst), t.BitCap()
	for i := range n {
		if !t.Bit(v, i) {
			continue
		}
		name := t.Names.Of(int64(i))
		if name == "" {
			return appendDigits(dst[:begin], t, v)
		}
		dst = appendVoid(dst, name)
	}
	return dst
}

func appendDigits(dst []byte, t *asn1.Type, v reflect.Value) []byte {
	for i := range t.BitLen(v) {
		d := byte('0')
		if t.Bit(v, i) {
			d = '1'
		}
		dst = append(dst, d)
	}
	return dst
}
