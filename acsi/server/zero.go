package server

import (
	"busbar.example/acsi"
	"busbar.example/value"
)

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
