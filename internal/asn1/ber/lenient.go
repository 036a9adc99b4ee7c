package ber

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// Lenient says what is read beside the form that Decode reads. The zero value is Decode.
type Lenient struct {
	// AnyLength takes lengths in more octets than they need, and indefinite lengths. BER leaves the choice to the sender
	// (ITU-T X.690, 8.1.3), and MMS over TCP to BER.
	AnyLength bool

	// What follows is not BER, or not MMS, and sent by devices all the same.

	AnyInteger    bool // INTEGERs with superfluous leading octets: as many as the sender's type has
	PlainUnsigned bool // unsigned of Data without the octet that keeps it from being negative
	PlainFloat    bool // floating-point of Data without the octet of the exponent's width
	AnyPadding    bool // BIT STRINGs whose padding bits are not zero; they are as if they were
	AnyText       bool // other characters than allowed in the strings of Data; each octet becomes a question mark
}

// Decode is the function Decode with what n allows. Where AnyLength is, offsets of errors are those of the same encoding with
// the lengths that we write.
func (n Lenient) Decode(b []byte, t *asn1.Type, out any, l asn1.Limits) error {
	l = l.WithDefaults()
	if n.AnyLength {
		var err error
		if b, err = Definite(b, l); err != nil {
			return err
		}
		l.MaxSize = max(l.MaxSize, len(b)) // which may be a few octets more than they were
	}
	return decode(b, t, out, l, n)
}

// Definite gives the encoding b, which may have lengths of any form, with definite lengths of the fewest octets.
func Definite(b []byte, l asn1.Limits) ([]byte, error) {
	l = l.WithDefaults()
	d := decoder{b: b, depth: 2*l.MaxDepth + 2} // an explicit tag is no level, but is constructed
	if len(b) > l.MaxSize {
		return nil, d.tooLong(l.MaxSize)
	}
	definite, err := d.definite(make([]byte, 0, len(b)), len(b))
	if err == nil && d.pos < len(b) {
		err = d.fail("octets follow the encoding")
	}
	return definite, err
}

// Split reads the first encoding in b, whose length is definite: its tag, its content, and what follows it.
func Split(b []byte) (tag asn1.Tag, content, rest []byte, err error) {
	d := decoder{b: b}
	tag, end, err := d.header(len(b))
	if err != nil {
		return 0, nil, nil, err
	}
	return tag, b[d.pos:end], b[end:], nil
}

// looseData is dataContent with what n allows.
func (n Lenient) looseData(id byte, b []byte) (v value.Value, ok bool) {
	switch id {
	case tagInteger:
		b, ok = n.integer(b)
	case tagUnsigned, tagBCD:
		if n.PlainUnsigned && len(b) > 0 && len(b) <= 8 && b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
			return dataContent(id, b)
		}
		b, ok = n.integer(b)
	case tagFloatingPoint:
		if exponent := map[int]byte{4: exponent32, 8: exponent64}[len(b)]; n.PlainFloat && exponent != 0 {
			b, ok = append([]byte{exponent}, b...), true
		}
	case tagBitString, tagBooleanArray:
		b, ok = n.padded(b)
	case tagVisibleString:
		b, ok = n.text(asn1.Printable, b)
	case tagMMSString:
		b, ok = n.text(asn1.MMSText, b)
	}
	if !ok {
		return v, false
	}
	return dataContent(id, b)
}

// integer leaves out what is superfluous in the content of an INTEGER.
func (n Lenient) integer(b []byte) ([]byte, bool) {
	for n.AnyInteger && len(b) > 1 && !minimal(b) {
		b = b[1:]
	}
	return b, n.AnyInteger
}

// padded makes the padding of a BIT STRING zero.
func (n Lenient) padded(b []byte) ([]byte, bool) {
	if !n.AnyPadding || len(b) < 2 || b[0] > 7 {
		return b, false
	}
	b = bytes.Clone(b)
	b[len(b)-1] &^= 1<<b[0] - 1
	return b, true
}

// text puts question marks for what c does not have.
func (n Lenient) text(c asn1.Charset, b []byte) ([]byte, bool) {
	if !n.AnyText {
		return b, false
	}
	whole := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if size > 1 || r != utf8.RuneError {
			if asn1.Valid(c, b[:size]) {
				whole, b = append(whole, b[:size]...), b[size:]
				continue
			}
		}
		whole, b = append(whole, '?'), b[1:]
	}
	return whole, true
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
