// Package xer interprets the plans of package asn1 as XML: the XER of IEC 61850-8-2, whose rules are in the comment of
// package asn1.
//
// It writes one form, which is canonical for end-to-end security: all elements in one namespace, declared on the
// outermost; octets as upper-case hex or padded base64 in one line; no white space between elements. It reads that form
// and, beside it, only this:
//
//   - white space between elements, hex in lower case;
//   - a component with DEFAULT as an element in its place, or absent;
//   - a named number as decimal digits or as text, where an empty element is written;
//   - named bits in any order, or as binary digits;
//   - a BOOLEAN as 1, 0, <true/> or <false/>;
//   - aliases;
//   - in Data, floating-point with a leading octet that tells the width of the exponent.
//
// Control characters in an mMSString are elements amid its text. Such mixed content has no canonical form, so a PDU that
// holds one can be encrypted, but not be sent in clear under a check of its integrity.
package xer

import (
	"fmt"
	"reflect"
	"sync"

	"busbar.example/internal/asn1"
	"busbar.example/internal/xmltok"
)

// buffers are where encodings grow that have no place to be appended to.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is the largest buffer that is kept, in octets.
const maxBuffer = 1 << 18

// Append appends v as one element in namespace ns, which needs no escape in XML. v is an alternative of the CHOICE t, or
// a value of another type t or a pointer to it. What t cannot express is an *asn1.ValueError, and dst is returned.
func Append(dst []byte, t *asn1.Type, ns string, v any) ([]byte, error) {
	u, value, err := outermost(t, v)
	if err != nil {
		return dst, err
	}
	if u.Type.Attribute != nil {
		return dst, asn1.In(invalid("an attribute would stand beside the namespace"), u.Name)
	}
	if dst == nil { // growing costs more than copying once
		b := buffers.Get().(*[]byte)
		grown, err := appendOutermost((*b)[:0], u, ns, value)
		if err == nil {
			dst = append(dst, grown...)
		}
		if cap(grown) <= maxBuffer {
			*b = grown[:0]
			buffers.Put(b)
		}
		return dst, err
	}
	return appendOutermost(dst, u, ns, value)
}

func appendOutermost(dst []byte, u *asn1.Use, ns string, value reflect.Value) ([]byte, error) {
	begin := len(dst)
	dst = append(append(append(dst, '<'), u.Name...), " xmlns='"...)
	dst = append(append(dst, ns...), "'>"...)
	dst, err := appendRest(dst, u, u.Value(value))
	if err != nil {
		return dst[:begin], asn1.In(err, u.Name)
	}
	return dst, nil
}

// AppendContent appends what Append writes between the outermost tags.
func AppendContent(dst []byte, t *asn1.Type, v any) ([]byte, error) {
	u, value, err := outermost(t, v)
	if err != nil {
		return dst, err
	}
	begin := len(dst)
	dst, err = appendContent(dst, u.Type, u.Value(value))
	if err != nil {
		return dst[:begin], asn1.In(err, u.Name)
	}
	return dst, nil
}

// outermost finds what names the outermost element (R1), and the value in that place.
func outermost(t *asn1.Type, v any) (*asn1.Use, reflect.Value, error) {
	value := reflect.ValueOf(v)
	if !value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil() {
		return nil, value, asn1.In(invalid("nothing"), t.Name)
	}
	if t.Kind == asn1.ChoiceOf {
		if u := t.Alternative(value.Type()); u != nil {
			return u, value, nil
		}
		return nil, value, asn1.In(invalid(fmt.Sprintf("%v is no alternative", value.Type())), t.Name)
	}
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	if value.Type() != t.Go {
		return nil, value, asn1.In(invalid(fmt.Sprintf("%v is not %v", value.Type(), t.Go)), t.Name)
	}
	return t.Outer, value, nil
}

// scratches are kept for their space and for the names that their scanners know.
var scratches = sync.Pool{New: func() any {
	return &scratch{scan: xmltok.NewBytesScanner(nil, xmltok.Limits{})}
}}

// Decode reads b, which is exactly one element in namespace ns, into out, a pointer to a value of type t. Everything in
// the result is a copy. What b has wrong is an *asn1.SyntaxError, and *out is then undefined.
func Decode(b []byte, t *asn1.Type, ns string, out any, l asn1.Limits) error {
	v := reflect.ValueOf(out).Elem()
	if v.Type() != t.Go {
		panic(fmt.Sprintf("xer: decoding %v into %v", t.Go, v.Type()))
	}
	v.SetZero()
	l = l.WithDefaults()
	d := decoder{scratch: scratches.Get().(*scratch), input: b, space: ns, depth: l.MaxDepth, items: l.MaxItems}
	err := d.decode(t, v, l)
	d.release()
	return err
}
