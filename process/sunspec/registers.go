package sunspec

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// reading is what a point holds.
type reading struct {
	number float64 // scaled; of a text 0
	raw    uint64  // the registers of a number, as they are
	text   string
}

// The reasons why a point has no value.
var (
	errNotImplemented = errors.New("the device does not implement it")
	errNoScale        = errors.New("its scale factor is not implemented or not within -10 to 10")
)

// bits are the registers of a number, the first the most significant.
func bits(regs []uint16) uint64 {
	var u uint64
	for _, r := range regs {
		u = u<<16 | uint64(r)
	}
	return u
}

// ones is the number of that many registers with all bits set.
func ones(size int) uint64 { return 1<<(16*size) - 1 }

// decode gives what p holds, by its registers and the register of its scale factor. Its error is errNotImplemented or
// errNoScale.
//
// SunSpec Device Information Model Specification, 4.2 and 6.4: the values that say "not implemented".
func (p *point) decode(regs []uint16, scaled bool, factor uint16) (reading, error) {
	u := bits(regs)
	r := reading{raw: u}
	top := uint64(1) << (16*len(regs) - 1)
	switch p.kind {
	case unsigned, enumeration, bitfield:
		if u == ones(len(regs)) {
			return r, errNotImplemented
		}
		r.number = float64(u)
	case signed, scale:
		if u == top {
			return r, errNotImplemented
		}
		r.number = float64(int64(u<<(64-16*len(regs))) >> (64 - 16*len(regs)))
	case accumulator:
		if u == 0 {
			return r, errNotImplemented
		}
		r.number = float64(u)
	case float:
		f := math.Float32frombits(uint32(u))
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
			return r, errNotImplemented
		}
		r.number = float64(f)
	case text:
		if r.text = textOf(regs); r.text == "" {
			return r, errNotImplemented
		}
		return r, nil
	default:
		return r, errNotImplemented
	}
	if scaled {
		exponent := int(int16(factor))
		if exponent < -10 || exponent > 10 {
			return r, errNoScale
		}
		r.number = scaleBy(r.number, exponent)
	}
	return r, nil
}

// scaleBy is f times ten to that power; where it divides, the result is the number nearest to the decimal fraction.
func scaleBy(f float64, exponent int) float64 {
	if exponent < 0 {
		return f / math.Pow10(-exponent)
	}
	return f * math.Pow10(exponent)
}

// textOf is a string up to its first zero octet, without blanks around it. What is not printable ASCII is a question mark.
func textOf(regs []uint16) string {
	var b strings.Builder
	for _, r := range regs {
		for _, c := range [2]byte{byte(r >> 8), byte(r)} {
			switch {
			case c == 0:
				return strings.TrimSpace(b.String())
			case c < ' ' || c > '~':
				b.WriteByte('?')
			default:
				b.WriteByte(c)
			}
		}
	}
	return strings.TrimSpace(b.String())
}

// A RangeError says that a value cannot be written to a point: it does not fit its registers.
type RangeError struct {
	Value    float64
	Min, Max float64 // what fits, by the scale factor of the device
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("%v does not fit the point: it takes %v to %v", e.Value, e.Min, e.Max)
}

// encode gives the registers that make p hold f, or what is nearest to it. Its error is a *RangeError or errNoScale.
func (p *point) encode(f float64, scaled bool, factor uint16) ([]uint16, error) {
	exponent := 0
	if scaled {
		if exponent = int(int16(factor)); exponent < -10 || exponent > 10 {
			return nil, errNoScale
		}
	}
	if p.kind == float {
		if math.IsNaN(f) || math.Abs(f) > math.MaxFloat32 {
			return nil, &RangeError{f, -math.MaxFloat32, math.MaxFloat32}
		}
		return split(uint64(math.Float32bits(float32(f))), p.size), nil
	}
	least, most := p.limits()
	whole := math.Round(scaleBy(f, -exponent))
	if !(whole >= least && whole <= most) {
		return nil, &RangeError{f, scaleBy(least, exponent), scaleBy(most, exponent)}
	}
	if p.kind == signed {
		return split(uint64(int64(whole)), p.size), nil
	}
	return split(uint64(whole), p.size), nil
}

// limits are the numbers that p can hold, without what stands for "not implemented".
func (p *point) limits() (least, most float64) {
	n := 16 * p.size
	if p.kind == signed {
		return -math.Ldexp(1, n-1) + 1, math.Ldexp(1, n-1) - 1
	}
	return 0, math.Ldexp(1, min(n, 53)) - 2
}

// split is u as that many registers.
func split(u uint64, size int) []uint16 {
	regs := make([]uint16, size)
	for i := range regs {
		regs[size-1-i] = uint16(u >> (16 * i))
	}
	return regs
}
