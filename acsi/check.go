package acsi

import (
	"unicode/utf8"

	"busbar.example/value"
)

// Check reports why v is no value of n, or nil: TypeInconsistent where its kind or size is another,
// ObjectValueInvalid where an enumeration or a string does not allow it. The error is an *Error. A quality may have 16 bits:
// QualityOf reads them.
//
// IEC 61850-8-1, 8.1: kinds and sizes.
func (n *Node) Check(v value.Value) error {
	if n.Count > 0 {
		if v.Kind() != value.Array || v.Len() != n.Count {
			return Errorf(TypeInconsistent, "%s is an array of %d elements", n.Name, n.Count)
		}
		for i := range n.Count {
			if err := n.checkOne(v.At(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return n.checkOne(v)
}

// checkOne is Check of an element, or of what is no array.
func (n *Node) checkOne(v value.Value) error {
	if len(n.Children) == 0 {
		return n.checkLeaf(v)
	}
	if v.Kind() != value.Structure || v.Len() != len(n.Children) {
		return Errorf(TypeInconsistent, "%s is a structure of %d components", n.Name, len(n.Children))
	}
	for i, c := range n.Children {
		if err := c.Check(v.At(i)); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) checkLeaf(v value.Value) error {
	if v.Kind() != n.Type.Kind || !v.IsValid() {
		return Errorf(TypeInconsistent, "%s is of type %s, not %s", n.Name, n.Type.Kind, v.Kind())
	}
	if !n.Type.fits(v) && !n.takesQuality(v) {
		return Errorf(TypeInconsistent, "the value does not fit %s, which is %s of size %d", n.Name, n.Type.Kind, n.Type.Size)
	}
	switch v.Kind() {
	case value.Integer:
		if n.Enum != nil && len(n.Enum.Values) > 0 {
			i, _ := v.Int()
			if _, ok := n.Enum.ByOrd(i); !ok {
				return Errorf(ObjectValueInvalid, "%d is no value of the enumeration %s", i, n.Enum.ID)
			}
		}
	case value.VisibleString:
		for i := range len(v.Text()) {
			if c := v.Text()[i]; c < 0x20 || c > 0x7e {
				return Errorf(ObjectValueInvalid, "%s cannot hold the octet %#02x: it is a visible string", n.Name, c)
			}
		}
	case value.MMSString:
		if r, ok := badRune(v.Text()); ok {
			return Errorf(ObjectValueInvalid, "%s cannot hold %q", n.Name, r)
		}
	}
	return nil
}

// takesQuality reports whether n is a quality and v the 16 bits that some peers write for its 13.
func (n *Node) takesQuality(v value.Value) bool {
	_, ok := QualityOf(v)
	return ok && n.Type.Size == -QualityBits
}

// badRune finds what has no place in a text that may have to travel as XML: what is not UTF-8, control characters
// but tab and line feed, and the noncharacters that XML refuses.
func badRune(s string) (r rune, found bool) {
	for i, r := range s {
		switch {
		case r < 0x20 && r != '\t' && r != '\n', r == 0xfffe, r == 0xffff:
			return r, true
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return r, true
			}
		}
	}
	return 0, false
}

// fits reports whether v, which is of t's kind, is of its size.
func (t Type) fits(v value.Value) bool {
	switch t.Kind {
	case value.Integer:
		i, _ := v.Int()
		return t.Size >= 64 || t.Size > 0 && i >= -1<<(t.Size-1) && i <= 1<<(t.Size-1)-1
	case value.Unsigned:
		u, _ := v.Uint()
		return t.Size >= 64 || t.Size >= 0 && u>>t.Size == 0
	case value.BitString:
		return sizeFits(v.BitLen(), t.Size)
	case value.OctetString, value.VisibleString:
		return sizeFits(len(v.Text()), t.Size)
	case value.MMSString:
		return sizeFits(utf8.RuneCountInString(v.Text()), t.Size)
	case value.BinaryTime:
		_, _, width := v.BinTime()
		return width == t.Size
	}
	return true
}

// sizeFits compares with a size that is exact where it is negative, and else the most.
func sizeFits(n, size int) bool {
	if size < 0 {
		return n == -size
	}
	return n <= size
}
