package sunspec

import (
	"errors"
	"math"

	"busbar.example/acsi"
	"busbar.example/value"
)

var errNotFit = errors.New("it does not fit the attribute")

// ofNumber is f as a value of n, which is a leaf. Its error is errNotFit.
func ofNumber(n *acsi.Node, f float64) (value.Value, error) {
	whole := math.Round(f)
	var v value.Value
	switch n.Type.Kind {
	case value.Float32:
		v = value.Float(float32(f))
		if math.IsInf(float64(float32(f)), 0) {
			return value.Value{}, errNotFit
		}
	case value.Float64:
		v = value.Double(f)
	case value.Integer:
		if math.Abs(whole) >= 1<<63 {
			return value.Value{}, errNotFit
		}
		v = value.Int(int64(whole))
	case value.Unsigned:
		if whole < 0 || whole >= 1<<64 {
			return value.Value{}, errNotFit
		}
		v = value.Uint(uint64(whole))
	case value.Boolean:
		v = value.Bool(f != 0)
	case value.BitString:
		if whole < 0 || whole > 3 || n.Type.Size != -2 {
			return value.Value{}, errNotFit
		}
		v = value.Bits(2, []byte{byte(whole) << 6})
	}
	if n.Check(v) != nil {
		return value.Value{}, errNotFit
	}
	return v, nil
}

// ofText is s as a value of n, which is a leaf for text.
func ofText(n *acsi.Node, s string) (value.Value, error) {
	v := value.Visible(s)
	if n.Type.Kind == value.MMSString {
		v = value.Text(s)
	}
	if n.Check(v) != nil {
		return value.Value{}, errNotFit
	}
	return v, nil
}

// takesNumber and takesText report which points an attribute can have the value of.
func takesNumber(n *acsi.Node) bool {
	switch n.Type.Kind {
	case value.Float32, value.Float64, value.Integer, value.Unsigned, value.Boolean:
		return true
	case value.BitString:
		return n.Type.Size == -2
	}
	return false
}

func takesText(n *acsi.Node) bool {
	return n.Type.Kind == value.VisibleString || n.Type.Kind == value.MMSString
}

// number is v, or the number in it where it is the i or f of an analogue value; ok is false where there is none.
func number(v value.Value) (f float64, ok bool) {
	switch v.Kind() {
	case value.Structure:
		if v.Len() > 0 {
			return number(v.At(v.Len() - 1)) // f behind i, where there are both
		}
	case value.Boolean:
		if v.Bool() {
			return 1, true
		}
		return 0, true
	case value.BitString:
		if v.BitLen() == 2 {
			return float64(v.Packed()[0] >> 6), true
		}
	case value.Float32, value.Float64:
		f, ok = v.Float()
	case value.Integer:
		var i int64
		i, ok = v.Int()
		f = float64(i)
	case value.Unsigned:
		var u uint64
		u, ok = v.Uint()
		f = float64(u)
	}
	return f, ok && !math.IsNaN(f) && !math.IsInf(f, 0)
}
