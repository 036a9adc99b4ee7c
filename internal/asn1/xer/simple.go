package xer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"reflect"

	"busbar.example/internal/asn1"
	"busbar.example/internal/xmltok"
)

// simple decodes the current element into v, whose type has no parts.
func (d *decoder) simple(u *asn1.Use, v reflect.Value) error {
	t := u.Type
	switch {
	case t.Kind == asn1.Null:
		return d.empty()
	case t.Kind == asn1.BitString:
		return d.bits(t, v)
	}
	at := d.scan.Offset()
	if text, ok := d.scan.TakeText(); ok {
		d.ended(at)
		return d.word(t, v, text)
	}
	if err := d.content(t.Kind == asn1.Boolean || t.Names != nil); err != nil {
		return err
	}
	if d.tok.Kind == xmltok.Start {
		return d.void(t, v)
	}
	if err := d.word(t, v, d.tok.Data); err != nil {
		return err
	}
	return d.leaf()
}

// content makes what an element without parts holds the current token: text, or the end tag where there is none. Where it
// may hold an empty element in place of a word, that may be it, and white space before it is dropped.
func (d *decoder) content(element bool) error {
	err := d.next()
	if err == nil && element && d.tok.Kind == xmltok.Text && isSpace(d.tok.Data) {
		err = d.next()
	}
	if err == nil && !element && d.tok.Kind == xmltok.Start {
		err = d.fail("unexpected element " + d.tok.Name.Local)
	}
	return err
}

// void decodes an element whose content is one empty element, the current one: a named number, or true or false.
func (d *decoder) void(t *asn1.Type, v reflect.Value) error {
	name := d.tok.Name.Local
	n, ok := t.Names.Number(name)
	if !ok && (t.Kind != asn1.Boolean || name != "true" && name != "false") {
		return d.fail(fmt.Sprintf("%s is no name in %s", name, t.Name))
	}
	if err := d.empty(); err != nil {
		return err
	}
	if t.Kind == asn1.Boolean {
		v.SetBool(name == "true")
	} else if err := d.number(t, v, n); err != nil {
		return err
	}
	return d.end()
}

// empty reads to the end of the current element, which is empty.
func (d *decoder) empty() error {
	if err := d.noAttributes(); err != nil {
		return err
	}
	if err := d.next(); err != nil {
		return err
	}
	if d.tok.Kind != xmltok.End {
		return d.fail("an element that must be empty is not")
	}
	return nil
}

// word decodes text, of an element or of an attribute.
func (d *decoder) word(t *asn1.Type, v reflect.Value, b []byte) error {
	switch t.Kind {
	case asn1.Boolean:
		x, ok := boolean(b)
		if !ok {
			return d.fail(fmt.Sprintf("%q is no boolean", clip(string(b))))
		}
		v.SetBool(x)
	case asn1.Integer:
		return d.integer(t, v, b)
	case asn1.OctetString:
		x, ok := octets(t, b)
		if !ok {
			return d.fail("neither hex nor base64, whichever is expected here")
		}
		if msg := t.CheckSize(x); msg != "" {
			return d.fail(msg)
		}
		v.SetBytes(x)
	case asn1.String:
		if !asn1.Valid(t.Charset, b) {
			return d.fail(fmt.Sprintf("%q has characters that are not allowed, or none", clip(string(b))))
		}
		v.SetString(string(b))
	case asn1.ObjectID:
		if s := string(b); asn1.ValidOID(s) {
			v.SetString(s)
			return nil
		}
		return d.fail(fmt.Sprintf("%q is no object identifier", clip(string(b))))
	}
	return nil
}

func boolean(b []byte) (value, ok bool) {
	switch string(b) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// octets reads hex, or base64 in its one padded spelling, into a new slice.
func octets(t *asn1.Type, b []byte) ([]byte, bool) {
	if !t.Base64 {
		return unhex(make([]byte, 0, len(b)/2), b)
	}
	if bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 { // which encoding/base64 skips
		return nil, false
	}
	x, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(b))), b)
	return x, err == nil
}

func (d *decoder) integer(t *asn1.Type, v reflect.Value, b []byte) error {
	if n, ok := t.Names.Number(string(b)); ok {
		return d.number(t, v, n)
	}
	magnitude, negative, ok := decimal(b)
	if !ok {
		return d.fail(fmt.Sprintf("%q is no integer", clip(string(b))))
	}
	if n, ok := signed(magnitude, negative); ok {
		return d.number(t, v, n)
	}
	if negative || !v.CanUint() || v.OverflowUint(magnitude) || t.Closed {
		return d.fail(fmt.Sprintf("%s is out of range", b))
	}
	v.SetUint(magnitude)
	return nil
}

func (d *decoder) number(t *asn1.Type, v reflect.Value, n int64) error {
	switch {
	case t.Closed && t.Names.Of(n) == "":
		return d.fail(fmt.Sprintf("%d is not in the enumeration %s", n, t.Name))
	case v.CanInt() && !v.OverflowInt(n):
		v.SetInt(n)
	case v.CanUint() && n >= 0 && !v.OverflowUint(uint64(n)):
		v.SetUint(uint64(n))
	default:
		return d.fail(fmt.Sprintf("%d is out of range", n))
	}
	return nil
}

// bits decodes named bits: a list of empty elements, or binary digits.
func (d *decoder) bits(t *asn1.Type, v reflect.Value) error {
	if err := d.content(true); err != nil {
		return err
	}
	if d.tok.Kind == xmltok.Text {
		for i, c := range d.tok.Data {
			if c != '0' && c != '1' || c == '1' && i >= t.BitCap() {
				return d.fail("no bit string, or too long")
			}
			if c == '1' {
				t.SetBit(v, i)
			}
		}
		return d.leaf()
	}
	for d.tok.Kind == xmltok.Start {
		n, ok := t.Names.Number(d.tok.Name.Local)
		if !ok || t.Bit(v, int(n)) {
			return d.fail(d.tok.Name.Local + " is no bit, or repeated")
		}
		t.SetBit(v, int(n))
		if err := d.empty(); err != nil {
			return err
		}
		if err := d.child(); err != nil {
			return err
		}
	}
	return nil
}

// open decodes the current element, which holds one element of another namespace, into v. That element must have no
// prefixes, so that its octets mean the same elsewhere.
func (d *decoder) open(v reflect.Value) error {
	if err := d.skipSpace(); err != nil {
		return err
	}
	if d.tok.Kind != xmltok.Start || d.tok.Name.Space == d.space || d.tok.Name.Space == "" {
		return d.fail("one element of another namespace is expected")
	}
	begin, depth := d.tok.Offset, d.scan.Depth()
	for d.scan.Depth() >= depth {
		if d.tok.Kind == xmltok.Start && d.prefixed() {
			return d.fail("a namespace prefix inside an open type")
		}
		if err := d.token(); err != nil {
			return err
		}
	}
	if err := d.token(); err != nil {
		return err
	}
	end := d.tok.Offset
	if d.tok.Kind == xmltok.Text && isSpace(d.tok.Data) {
		if err := d.token(); err != nil {
			return err
		}
	}
	if d.tok.Kind != xmltok.End {
		return d.fail("more than one element")
	}
	v.SetBytes(append(asn1.Open(nil), d.input[begin:end]...))
	return nil
}

// skipSpace makes the next token that is not white space, of whatever namespace, the current one.
func (d *decoder) skipSpace() error {
	if err := d.token(); err != nil || d.tok.Kind != xmltok.Text || !isSpace(d.tok.Data) {
		return err
	}
	return d.token()
}

// prefixed reports whether the current start tag uses a prefix.
func (d *decoder) prefixed() bool {
	for i := range d.tok.Attrs {
		if d.tok.Attrs[i].Name.Space != "" {
			return true
		}
	}
	raw, n := d.scan.RawStart(), len("<")+len(d.tok.Name.Local)
	return string(raw[1:n]) != d.tok.Name.Local || raw[n] == ':'
}
