package ber

import (
	"fmt"

	"busbar.example/internal/asn1"
)

// Lenient says what is read beside the form that Decode reads. The zero value is Decode.
type Lenient struct {
	// AnyLength takes lengths in more octets than they need, and indefinite lengths. BER leaves the choice to the sender
	// (ITU-T X.690, 8.1.3), and MMS over TCP to BER.
	AnyLength bool
}

// Decode is the function Decode with what n allows. Offsets of errors are then those of the same encoding with the lengths
// that we write.
func (n Lenient) Decode(b []byte, t *asn1.Type, out any, l asn1.Limits) error {
	if !n.AnyLength {
		return Decode(b, t, out, l)
	}
	l = l.WithDefaults()
	d := decoder{b: b, depth: 2*l.MaxDepth + 2} // an explicit tag is no level, but is constructed
	if len(b) > l.MaxSize {
		return d.tooLong(l.MaxSize)
	}
	definite, err := d.definite(make([]byte, 0, len(b)), len(b))
	if err == nil && d.pos < len(b) {
		err = d.fail("octets follow the encoding")
	}
	if err != nil {
		return err
	}
	l.MaxSize = len(definite) // which may be a few octets more
	return Decode(definite, t, out, l)
}

// definite appends the encoding at pos, which ends at or before limit, with definite lengths of the fewest octets.
func (d *decoder) definite(dst []byte, limit int) ([]byte, error) {
	begin := d.pos
	tag, err := d.tag(limit)
	if err != nil {
		return dst, err
	}
	dst, at := open(append(dst, d.b[begin:d.pos]...))
	n, indefinite, err := d.anyLength(limit)
	constructed := tag&asn1.Constructed != 0
	switch {
	case err != nil:
		return dst, err
	case indefinite && !constructed:
		return dst, d.fail("an indefinite length of what is not constructed")
	case !constructed:
		dst = append(dst, d.b[d.pos:d.pos+n]...)
		d.pos += n
	case indefinite:
		dst, err = d.definiteParts(dst, limit, true)
	default:
		dst, err = d.definiteParts(dst, d.pos+n, false)
	}
	if err != nil {
		return dst, err
	}
	return closeAt(dst, at), nil
}

// definiteParts is definite for all encodings up to end or, where they are marked, up to the end-of-contents octets.
//
// ITU-T X.690, 8.1.5.
func (d *decoder) definiteParts(dst []byte, end int, marked bool) ([]byte, error) {
	if err := d.enter(); err != nil {
		return dst, err
	}
	for marked || d.pos < end {
		if marked && d.pos+2 <= end && d.b[d.pos] == 0 && d.b[d.pos+1] == 0 {
			d.pos += 2
			break
		}
		var err error
		if dst, err = d.definite(dst, end); err != nil {
			return dst, err
		}
	}
	d.depth++
	return dst, nil
}

// anyLength reads length octets of whatever form. The content ends at or before limit.
//
// ITU-T X.690, 8.1.3.
func (d *decoder) anyLength(limit int) (n int, indefinite bool, err error) {
	if d.pos >= limit {
		return 0, false, d.fail("a length is missing")
	}
	first := int(d.b[d.pos])
	d.pos++
	switch {
	case first == 0x80:
		return 0, true, nil
	case first < 0x80:
		n = first
	case first == 0xff:
		return 0, false, d.fail("a length that is reserved")
	case first&0x7f > limit-d.pos:
		return 0, false, d.fail("a length ends too early")
	default:
		for _, b := range d.b[d.pos : d.pos+first&0x7f] {
			if n = n<<8 | int(b); n > limit {
				break // and stays too long, without overflow
			}
		}
		d.pos += first & 0x7f
	}
	if n > limit-d.pos {
		return 0, false, d.fail(fmt.Sprintf("a length of %d octets or more, where %d are left", n, limit-d.pos))
	}
	return n, false, nil
}
