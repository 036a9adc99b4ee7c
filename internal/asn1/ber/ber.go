// Package ber interprets the plans of package asn1 as BER (ITU-T X.690).
//
// It writes definite lengths of the fewest octets, leaves components out that have their default, and fills named bit
// strings up to the length that MMS peers expect. It reads that form and, beside it, only components that are present
// although they have their default, BOOLEANs other than 0 and 255, and named bit strings of any length. What else peers are
// known to send is read by a Lenient decoder that says so.
package ber

import (
	"fmt"
	"reflect"

	"busbar.example/internal/asn1"
)

// Append appends the encoding of v, which is an alternative of the CHOICE t, or a value of another type t or a pointer to
// it. What t cannot express is an *asn1.ValueError, and dst is returned.
func Append(dst []byte, t *asn1.Type, v any) ([]byte, error) {
	value := reflect.ValueOf(v)
	if !value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil() {
		return dst, asn1.In(invalid("nothing"), t.Name)
	}
	u := t.Outer
	if t.Kind == asn1.ChoiceOf {
		if u = t.Alternative(value.Type()); u == nil {
			return dst, asn1.In(invalid(fmt.Sprintf("%v is no alternative", value.Type())), t.Name)
		}
	} else {
		if value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		if value.Type() != t.Go {
			return dst, asn1.In(invalid(fmt.Sprintf("%v is not %v", value.Type(), t.Go)), t.Name)
		}
	}
	begin := len(dst)
	dst, err := appendUse(dst, u, value)
	if err != nil {
		return dst[:begin], asn1.In(err, u.Name)
	}
	return dst, nil
}

// Decode reads b, which is exactly one encoding, into out, a pointer to a value of type t. Everything in the result is a
// copy. What b has wrong is an *asn1.SyntaxError, and *out is then undefined.
func Decode(b []byte, t *asn1.Type, out any, l asn1.Limits) error {
	return decode(b, t, out, l.WithDefaults(), Lenient{})
}

func decode(b []byte, t *asn1.Type, out any, l asn1.Limits, n Lenient) error {
	v := reflect.ValueOf(out).Elem()
	if v.Type() != t.Go {
		panic(fmt.Sprintf("ber: decoding %v into %v", t.Go, v.Type()))
	}
	v.SetZero()
	d := decoder{b: b, depth: l.MaxDepth, items: l.MaxItems, lenient: n}
	if len(b) > l.MaxSize {
		return d.tooLong(l.MaxSize)
	}
	tag, end, err := d.header(len(b))
	if err != nil {
		return err
	}
	if t.Kind == asn1.ChoiceOf {
		err = d.alternative(t, v, tag, end)
	} else if !t.Outer.Starts(tag) {
		err = d.unexpected(tag, t.Name)
	} else {
		err = in(d.use(t.Outer, v, tag, end), t.Name)
	}
	if err == nil && d.pos < len(b) {
		err = d.fail("octets follow the encoding")
	}
	return err
}
