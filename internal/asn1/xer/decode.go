package xer

import (
	"errors"
	"fmt"
	"io"
	"reflect"

	"busbar.example/internal/asn1"
	"busbar.example/internal/xmltok"
	"busbar.example/value"
)

// A decoder reads one element. Its methods that decode an element begin when its start tag is the current token, and end
// when its end tag is. It lives on the stack, where storing a token is cheap.
type decoder struct {
	*scratch
	tok   xmltok.Token // the current one
	input []byte
	space string // the namespace of all elements
	depth int    // levels that are left
	items int    // items that are left
	slab  value.Slab
	fresh asn1.Alternatives
}

// scratch is what a decoder uses again.
type scratch struct {
	scan   *xmltok.Scanner
	octets []byte
	values []value.Value // of arrays and structures that are open
}

// release drops what refers to the input or to results, and what has grown large.
func (s *scratch) release() {
	s.scan.ResetBytes(nil)
	if cap(s.values) > 1<<8 {
		s.values = nil
	}
	clear(s.values[:cap(s.values)])
	s.values = s.values[:0]
	if cap(s.octets) > 1<<14 {
		s.octets = nil
	}
	scratches.Put(s)
}

func (d *decoder) decode(t *asn1.Type, v reflect.Value, l asn1.Limits) error {
	if len(d.input) > l.MaxSize {
		return d.fail(fmt.Sprintf("%d octets, at most %d are allowed", len(d.input), l.MaxSize))
	}
	d.scan.SetLimits(xmltok.Limits{
		Depth: 2*l.MaxDepth + 2, Attrs: 4, Namespaces: 2*l.MaxDepth + 2, // two elements a level
		MaxText: l.MaxSize, MaxDocument: int64(l.MaxSize),
	})
	d.scan.ResetBytes(d.input)
	if err := d.child(); err != nil {
		return err
	}
	if d.tok.Kind != xmltok.Start {
		return d.fail("an element is missing")
	}
	d.space = d.tok.Name.Space // the same octets, and from here on the same pointer: cheap to compare
	if err := d.outermost(t, v); err != nil {
		return err
	}
	for {
		switch err := d.scan.NextInto(&d.tok); {
		case err == io.EOF:
			return nil
		case err != nil:
			return d.broken(err)
		case d.tok.Kind != xmltok.Text || !isSpace(d.tok.Data):
			return d.fail("something follows the element")
		}
	}
}

func (d *decoder) outermost(t *asn1.Type, v reflect.Value) error {
	if t.Kind == asn1.ChoiceOf {
		return d.alternative(t, v)
	}
	if !t.Outer.Is(d.tok.Name.Local) {
		return d.fail(fmt.Sprintf("%s where %s is expected", d.tok.Name.Local, t.Name))
	}
	return in(d.element(t.Outer, v), t.Name)
}

// in is asn1.In for an error that may be nil.
func in(err error, step string) error {
	if err == nil {
		return nil
	}
	return asn1.In(err, step)
}

func (d *decoder) fail(msg string) error {
	return &asn1.SyntaxError{Offset: d.tok.Offset, Msg: msg}
}

// broken is what the scanner said, as a syntax error.
func (d *decoder) broken(err error) error {
	var x *xmltok.SyntaxError
	if errors.As(err, &x) {
		return &asn1.SyntaxError{Offset: x.Offset, Msg: x.Kind.String() + ": " + x.Msg, Err: err}
	}
	return &asn1.SyntaxError{Offset: int64(len(d.input)), Msg: "the input ends too early", Err: io.ErrUnexpectedEOF}
}

// token makes the next token, of whatever namespace, the current one.
func (d *decoder) token() error {
	if err := d.scan.NextInto(&d.tok); err != nil {
		return d.broken(err)
	}
	return nil
}

// next makes the next token the current one.
func (d *decoder) next() error {
	if err := d.token(); err != nil {
		return err
	}
	return d.ours()
}

// ours checks the namespace of the current token, if it is a start tag.
func (d *decoder) ours() error {
	if d.tok.Kind == xmltok.Start && d.tok.Name.Space != d.space {
		return d.fail(fmt.Sprintf("element %s in namespace %q", d.tok.Name.Local, d.tok.Name.Space))
	}
	return nil
}

// child makes the next tag the current token. White space before it is dropped, other text is an error.
func (d *decoder) child() error {
	if d.scan.TakeTag(&d.tok) { // most
		return d.ours()
	}
	if err := d.next(); err != nil || d.tok.Kind != xmltok.Text {
		return err
	}
	if !isSpace(d.tok.Data) {
		return d.fail("text between elements")
	}
	return d.next() // which is no text: runs of text come whole
}

// ended makes the end tag that the scanner just took the current token. at is where it is reported to be.
func (d *decoder) ended(at int64) {
	d.tok.Kind, d.tok.Offset = xmltok.End, at
	d.tok.Attrs, d.tok.Data = nil, nil
}

// end makes the next tag, which must be an end tag, the current token.
func (d *decoder) end() error {
	if err := d.child(); err != nil {
		return err
	}
	if d.tok.Kind == xmltok.Start {
		return d.fail("unexpected element " + d.tok.Name.Local)
	}
	return nil
}

// leaf finishes an element without parts, whose text, if it has any, is the current token.
func (d *decoder) leaf() error {
	if d.tok.Kind == xmltok.End {
		return nil
	}
	if err := d.next(); err != nil {
		return err
	}
	if d.tok.Kind == xmltok.Start {
		return d.fail("unexpected element " + d.tok.Name.Local)
	}
	return nil
}

// enter counts a level of nesting. Who leaves it adds one to d.depth; after an error that does not matter.
func (d *decoder) enter() error {
	if d.depth--; d.depth < 0 {
		return d.fail("nested too deeply")
	}
	return nil
}

// item makes the start tag of the next item of a list, array or structure the current token and counts it, or the end tag
// where there are no more.
func (d *decoder) item(name string) (more bool, err error) {
	if err := d.child(); err != nil || d.tok.Kind == xmltok.End {
		return false, err
	}
	if d.tok.Name.Local != name {
		return false, d.fail(fmt.Sprintf("%s where %s is expected", d.tok.Name.Local, name))
	}
	if d.items--; d.items < 0 {
		return false, d.fail("too many items")
	}
	return true, nil
}

func (d *decoder) noAttributes() error {
	if len(d.tok.Attrs) > 0 {
		return d.fail("unexpected attribute " + d.tok.Attrs[0].Name.Local)
	}
	return nil
}

// element decodes the current element, which is that of u, into v, the Go value in the place.
func (d *decoder) element(u *asn1.Use, v reflect.Value) error {
	if u.Pointer {
		p := reflect.New(v.Type().Elem())
		v.Set(p)
		v = p.Elem()
	}
	return d.inside(u, u.Unwrap(v))
}

// inside is element where v is of type u.Type.Go.
func (d *decoder) inside(u *asn1.Use, v reflect.Value) error {
	t := u.Type
	if t.Attribute == nil {
		if err := d.noAttributes(); err != nil {
			return err
		}
	}
	switch t.Kind {
	case asn1.Sequence, asn1.SequenceOf, asn1.ChoiceOf:
		if err := d.enter(); err != nil {
			return err
		}
		err := d.parts(t, v)
		d.depth++
		return err
	case asn1.DataValue:
		x, err := d.data()
		place, _ := reflect.TypeAssert[*value.Value](v.Addr())
		*place = x
		return err
	case asn1.OpenType:
		return d.open(v)
	}
	return d.simple(u, v)
}

// parts decodes the current element into v, whose type has parts.
func (d *decoder) parts(t *asn1.Type, v reflect.Value) error {
	switch t.Kind {
	case asn1.Sequence:
		return d.sequence(t, v)
	case asn1.SequenceOf:
		return d.sequenceOf(t, v)
	}
	if err := d.child(); err != nil {
		return err
	}
	if d.tok.Kind == xmltok.End {
		return d.fail("no alternative of " + t.Name)
	}
	if err := d.alternative(t, v); err != nil {
		return err
	}
	return d.end()
}

func (d *decoder) sequence(t *asn1.Type, v reflect.Value) error {
	seen, err := d.attribute(t, v)
	if err != nil {
		return err
	}
	next := 0 // the first component that may come
	for {
		if err := d.child(); err != nil {
			return err
		}
		if d.tok.Kind == xmltok.End {
			return d.absent(t.Fields[next:])
		}
		for next < len(t.Fields) && !t.Fields[next].Is(d.tok.Name.Local) {
			if u := &t.Fields[next]; !u.Optional && !u.HasDefault {
				return d.fail(fmt.Sprintf("%s where %s is expected", d.tok.Name.Local, u.Name))
			}
			next++
		}
		if next == len(t.Fields) {
			return d.fail("unexpected element " + d.tok.Name.Local)
		}
		u := &t.Fields[next]
		if u.Attribute && seen {
			return d.fail(u.Name + " is given as attribute and as element")
		}
		f := v.Field(u.Index)
		if err := d.element(u, f); err != nil {
			return asn1.In(err, u.Name)
		}
		if u.Optional && f.Kind() == reflect.String && f.Len() == 0 {
			return asn1.In(d.fail("an optional component that is empty"), u.Name)
		}
		next++
	}
}

// absent checks that the components need not be there.
func (d *decoder) absent(uses []asn1.Use) error {
	for i := range uses {
		if u := &uses[i]; !u.Optional && !u.HasDefault {
			return d.fail(u.Name + " is missing")
		}
	}
	return nil
}

// attribute reads the attributes of the current element into the component that may be one, which else gets its default.
func (d *decoder) attribute(t *asn1.Type, v reflect.Value) (seen bool, err error) {
	u := t.Attribute
	if u == nil {
		return false, nil
	}
	f := u.Value(v.Field(u.Index))
	switch {
	case f.Kind() == reflect.Bool:
		f.SetBool(u.Default != 0)
	case f.CanInt():
		f.SetInt(u.Default)
	default:
		f.SetUint(uint64(u.Default))
	}
	for i := range d.tok.Attrs {
		a := &d.tok.Attrs[i]
		if seen || a.Name.Space != "" || !u.Is(a.Name.Local) {
			return seen, d.fail("unexpected attribute " + a.Name.Local)
		}
		if err := d.word(u.Type, f, a.Value); err != nil {
			return seen, asn1.In(err, u.Name)
		}
		seen = true
	}
	return seen, nil
}

func (d *decoder) sequenceOf(t *asn1.Type, v reflect.Value) error {
	v.Set(reflect.MakeSlice(t.Go, 0, 0))
	for n := 0; ; n++ {
		if more, err := d.item(t.Item.Name); err != nil || !more {
			return err
		}
		v.Grow(1)
		v.SetLen(n + 1)
		if err := d.element(t.Item, v.Index(n)); err != nil {
			return asn1.InItem(err, t.Item.Name, n)
		}
	}
}

// alternative decodes the current element, an alternative of t, into the interface v.
func (d *decoder) alternative(t *asn1.Type, v reflect.Value) error {
	for i := range t.Fields {
		u := &t.Fields[i]
		if !u.Is(d.tok.Name.Local) {
			continue
		}
		x := d.fresh.New(u)
		if err := d.inside(u, u.Unwrap(x.Elem())); err != nil {
			return asn1.In(err, u.Name)
		}
		t.Choose(v, u, x)
		return nil
	}
	return d.fail(fmt.Sprintf("%s is no alternative of %s", d.tok.Name.Local, t.Name))
}
