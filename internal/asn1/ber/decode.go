package ber

import (
	"fmt"
	"reflect"

	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// A decoder reads one encoding. Its methods get a tag that was read together with its length, and the end of the content;
// they leave pos there.
type decoder struct {
	b     []byte
	pos   int
	start int // of the last header
	depth int // levels that are left
	items int // items that are left
	slab  value.Slab

	lenient Lenient
}

func (d *decoder) fail(msg string) error {
	return &asn1.SyntaxError{Offset: int64(d.pos), Msg: msg}
}

func (d *decoder) tooLong(most int) error {
	return d.fail(fmt.Sprintf("%d octets, at most %d are allowed", len(d.b), most))
}

func (d *decoder) unexpected(tag asn1.Tag, want string) error {
	return &asn1.SyntaxError{Offset: int64(d.start), Msg: fmt.Sprintf("tag %X where %s is expected", tag.Append(nil), want)}
}

// in is asn1.In for an error that may be nil.
func in(err error, step string) error {
	if err == nil {
		return nil
	}
	return asn1.In(err, step)
}

// header reads identifier and length octets. The content ends at or before limit.
//
// ITU-T X.690, 8.1.
func (d *decoder) header(limit int) (tag asn1.Tag, end int, err error) {
	d.start = d.pos
	if tag, err = d.tag(limit); err != nil {
		return 0, 0, err
	}
	if d.pos >= limit {
		return 0, 0, d.fail("a length is missing")
	}
	n := int(d.b[d.pos])
	d.pos++
	if n >= 0x80 {
		if n, err = d.longLength(n&0x7f, limit); err != nil {
			return 0, 0, err
		}
	}
	if n > limit-d.pos {
		return 0, 0, d.fail(fmt.Sprintf("a length of %d octets, where %d are left", n, limit-d.pos))
	}
	return tag, d.pos + n, nil
}

// tag reads identifier octets, behind which there is something.
func (d *decoder) tag(limit int) (asn1.Tag, error) {
	if d.pos+2 > limit {
		return 0, d.fail("an encoding ends too early")
	}
	lead := d.b[d.pos]
	d.pos++
	tag := asn1.Tag(lead&0xc0)<<24 | asn1.Tag(lead&0x20)<<24 | asn1.Tag(lead&0x1f)
	if lead&0x1f == 0x1f {
		return d.longTag(tag&^asn1.Number, limit)
	}
	return tag, nil
}

func (d *decoder) longTag(tag asn1.Tag, limit int) (asn1.Tag, error) {
	var n asn1.Tag
	for first := true; ; first = false {
		if d.pos >= limit {
			return 0, d.fail("a tag ends too early")
		}
		b := d.b[d.pos]
		if n > asn1.Number>>7 || first && b == 0x80 {
			return 0, d.fail("a tag that is too large, or in too many octets")
		}
		d.pos++
		n = n<<7 | asn1.Tag(b&0x7f)
		if b < 0x80 {
			break
		}
	}
	if n < 31 {
		return 0, d.fail("a tag in too many octets")
	}
	return tag | n, nil
}

func (d *decoder) longLength(size, limit int) (int, error) {
	switch {
	case size == 0:
		return 0, d.fail("an indefinite length")
	case size > 4:
		return 0, d.fail("a length in more than four octets")
	case size > limit-d.pos:
		return 0, d.fail("a length ends too early")
	}
	n := 0
	for _, b := range d.b[d.pos : d.pos+size] {
		n = n<<8 | int(b)
	}
	if n < 0x80 || d.b[d.pos] == 0 {
		return 0, d.fail("a length in too many octets")
	}
	d.pos += size
	return n, nil
}

// count finds the number of encodings up to end, and counts them as items.
func (d *decoder) count(end int) (int, error) {
	begin, n := d.pos, 0
	for d.pos < end {
		_, next, err := d.header(end)
		if err != nil {
			return 0, err
		}
		if n++; n > d.items {
			return 0, d.fail("too many items")
		}
		d.pos = next
	}
	d.pos = begin
	d.items -= n
	return n, nil
}

// enter counts a level of nesting. Who leaves it adds one to d.depth; after an error that does not matter.
func (d *decoder) enter() error {
	if d.depth--; d.depth < 0 {
		return d.fail("nested too deeply")
	}
	return nil
}

// use decodes what stands in the place u into v, the Go value there.
func (d *decoder) use(u *asn1.Use, v reflect.Value, tag asn1.Tag, end int) error {
	if u.Pointer {
		p := reflect.New(v.Type().Elem())
		v.Set(p)
		v = p.Elem()
	}
	return d.inside(u, u.Unwrap(v), tag, end)
}

// inside is use where v is of type u.Type.Go.
func (d *decoder) inside(u *asn1.Use, v reflect.Value, tag asn1.Tag, end int) error {
	t := u.Type
	if u.Explicit {
		outer := end
		var err error
		if tag, end, err = d.header(outer); err != nil {
			return err
		}
		if end != outer {
			d.pos = end
			return d.fail("octets follow the one encoding that an explicit tag holds")
		}
		if !t.Starts(tag) {
			return d.unexpected(tag, t.Name)
		}
	}
	switch t.Kind {
	case asn1.Sequence, asn1.SequenceOf, asn1.ChoiceOf:
		if err := d.enter(); err != nil {
			return err
		}
		err := d.parts(t, v, tag, end)
		d.depth++
		return err
	case asn1.DataValue:
		x, err := d.data(tag, end)
		*v.Addr().Interface().(*value.Value) = x
		return err
	case asn1.OpenType:
		v.SetBytes(append(asn1.Open(nil), d.b[d.start:end]...))
		d.pos = end
		return nil
	}
	if err := d.simple(t, v, d.b[d.pos:end]); err != nil {
		return err
	}
	d.pos = end
	return nil
}

// parts decodes what has parts.
func (d *decoder) parts(t *asn1.Type, v reflect.Value, tag asn1.Tag, end int) error {
	switch t.Kind {
	case asn1.Sequence:
		if t.Set {
			return d.set(t, v, end)
		}
		return d.sequence(t, v, end)
	case asn1.SequenceOf:
		return d.sequenceOf(t, v, end)
	}
	return d.alternative(t, v, tag, end)
}

func (d *decoder) sequence(t *asn1.Type, v reflect.Value, end int) error {
	next := 0 // the first component that may come
	for d.pos < end {
		tag, cend, err := d.header(end)
		if err != nil {
			return err
		}
		if t.Extensible && t.Component(tag) == nil {
			d.pos = cend
			continue
		}
		for next < len(t.Fields) && !t.Fields[next].Starts(tag) {
			if err := d.absent(&t.Fields[next], v); err != nil {
				return d.unexpected(tag, t.Fields[next].Name)
			}
			next++
		}
		if next == len(t.Fields) {
			return d.unexpected(tag, "nothing")
		}
		if err := d.component(&t.Fields[next], v, tag, cend); err != nil {
			return err
		}
		next++
	}
	for ; next < len(t.Fields); next++ {
		if err := d.absent(&t.Fields[next], v); err != nil {
			return err
		}
	}
	return nil
}

// component decodes the component u of v.
func (d *decoder) component(u *asn1.Use, v reflect.Value, tag asn1.Tag, end int) error {
	f := v.Field(u.Index)
	if err := d.use(u, f, tag, end); err != nil {
		return asn1.In(err, u.Name)
	}
	if u.Optional && f.Kind() == reflect.String && f.Len() == 0 {
		return asn1.In(d.fail("an optional component that is empty"), u.Name)
	}
	return nil
}

// set is sequence for components in any order.
//
// ITU-T X.690, 8.11.
func (d *decoder) set(t *asn1.Type, v reflect.Value, end int) error {
	var found uint64 // bit i: component i
	for d.pos < end {
		tag, cend, err := d.header(end)
		if err != nil {
			return err
		}
		u := t.Component(tag)
		switch {
		case u == nil && t.Extensible:
			d.pos = cend
			continue
		case u == nil:
			return d.unexpected(tag, "a component of "+t.Name)
		case found>>u.Index&1 != 0:
			return d.unexpected(tag, "no second "+u.Name)
		}
		if err := d.component(u, v, tag, cend); err != nil {
			return err
		}
		found |= 1 << u.Index
	}
	for i := range t.Fields {
		if u := &t.Fields[i]; found>>u.Index&1 == 0 {
			if err := d.absent(u, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// absent deals with a component of v that is not there.
func (d *decoder) absent(u *asn1.Use, v reflect.Value) error {
	switch {
	case u.HasDefault:
		setDefault(u, u.Value(v.Field(u.Index)))
	case !u.Optional:
		return d.fail(u.Name + " is missing")
	}
	return nil
}

func setDefault(u *asn1.Use, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Bool:
		v.SetBool(u.Default != 0)
	case v.CanInt():
		v.SetInt(u.Default)
	default:
		v.SetUint(uint64(u.Default))
	}
}

func (d *decoder) sequenceOf(t *asn1.Type, v reflect.Value, end int) error {
	n, err := d.count(end)
	if err != nil {
		return err
	}
	if n == 0 {
		v.Set(reflect.MakeSlice(t.Go, 0, 0))
		return nil
	}
	v.Grow(n)
	v.SetLen(n)
	for i := range n {
		tag, next, err := d.header(end)
		if err != nil {
			return err
		}
		if !t.Item.Starts(tag) {
			return d.unexpected(tag, t.Item.Name)
		}
		if err := d.use(t.Item, v.Index(i), tag, next); err != nil {
			return asn1.InItem(err, t.Item.Name, i)
		}
	}
	return nil
}

// alternative decodes an alternative of t into the interface v.
func (d *decoder) alternative(t *asn1.Type, v reflect.Value, tag asn1.Tag, end int) error {
	for i := range t.Fields {
		u := &t.Fields[i]
		if !u.Starts(tag) {
			continue
		}
		x := u.NewAlternative()
		if err := d.inside(u, u.Unwrap(x.Elem()), tag, end); err != nil {
			return asn1.In(err, u.Name)
		}
		t.Choose(v, u, x)
		return nil
	}
	return d.unexpected(tag, t.Name)
}
