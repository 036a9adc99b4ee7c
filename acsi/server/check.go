package server

import (
	"unicode/utf8"

	"busbar.example/acsi"
	"busbar.example/value"
)

// check reports why v is no value of sh, or nil. It is the only way for a value into the store.
//
// IEC 61850-8-1, 8.1: kinds and sizes.
func check(sh *shape, v value.Value) *acsi.Error {
	switch {
	case sh.elem != nil:
		if v.Kind() != value.Array || v.Len() != sh.count {
			return acsi.Errorf(acsi.TypeInconsistent, "%s is an array of %d elements", sh.node.Name, sh.count)
		}
		for i := range sh.count {
			if err := check(sh.elem, v.At(i)); err != nil {
				return err
			}
		}
		return nil
	case sh.parts != nil:
		if v.Kind() != value.Structure || v.Len() != len(sh.parts) {
			return acsi.Errorf(acsi.TypeInconsistent, "%s is a structure of %d components", sh.node.Name, len(sh.parts))
		}
		for i, part := range sh.parts {
			if err := check(part, v.At(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return checkLeaf(sh.node, v)
}

func checkLeaf(n *acsi.Node, v value.Value) *acsi.Error {
	if v.Kind() != n.Type.Kind {
		return acsi.Errorf(acsi.TypeInconsistent, "%s is of type %s, not %s", n.Name, n.Type.Kind, v.Kind())
	}
	if !fits(v, n.Type) {
		return acsi.Errorf(acsi.TypeInconsistent, "the value does not fit %s of size %d", n.Name, n.Type.Size)
	}
	if n.Enum != nil && len(n.Enum.Values) > 0 {
		i, _ := v.Int()
		if _, ok := n.Enum.ByOrd(i); !ok {
			return acsi.Errorf(acsi.ObjectValueInvalid, "%d is no value of %s", i, n.Enum.ID)
		}
	}
	return nil
}

// fits reports whether v, which is of t's kind, is of its size.
func fits(v value.Value, t acsi.Type) bool {
	switch t.Kind {
	case value.Integer:
		i, _ := v.Int()
		return t.Size >= 64 || t.Size > 0 && i >= -1<<(t.Size-1) && i <= 1<<(t.Size-1)-1
	case value.Unsigned:
		u, _ := v.Uint()
		return t.Size >= 64 || u>>t.Size == 0
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

// zero is the value of a leaf that nothing is known of.
func zero(n *acsi.Node) value.Value {
	exact := max(0, -n.Type.Size)
	switch n.Type.Kind {
	case value.Boolean:
		return value.Bool(false)
	case value.Integer:
		return value.Int(firstOrd(n.Enum))
	case value.Unsigned:
		return value.Uint(0)
	case value.Float32:
		return value.Float(0)
	case value.Float64:
		return value.Double(0)
	case value.BitString:
		return value.Bits(exact, nil)
	case value.OctetString:
		return value.Octets(make([]byte, exact))
	case value.VisibleString:
		return value.Visible("")
	case value.MMSString:
		return value.Text("")
	case value.BinaryTime:
		if n.Type.Size == 4 {
			return value.BinTimeOfDay(0)
		}
		return value.BinTime(0, 0)
	case value.UTCTime:
		return value.UTC(0)
	}
	return value.Value{}
}

// firstOrd is 0, or where the enumeration has no 0 the number that it names first.
func firstOrd(e *acsi.Enum) int64 {
	if e == nil || len(e.Values) == 0 {
		return 0
	}
	if _, ok := e.ByOrd(0); ok {
		return 0
	}
	return int64(e.Values[0].Ord)
}
