package server

import (
	"busbar.example/acsi"
	"busbar.example/value"
)

// checkLimits says why what is written to a setting at p, or to a part of it, is beyond its minVal or maxVal, where the model
// gives both and they make sense. It is called with the lock held.
//
// IEC 61850-7-3, 7.6 and 7.7: ING, ASG.
func (e *Engine) checkLimits(a acsi.Assignment, p point) error {
	if fc := a.Ref.FC(); fc != acsi.SP && fc != acsi.SE || a.Ref.Depth() < 3 {
		return nil
	}
	do := dataObject(a.Ref).WithFC(acsi.CF)
	lo, least := e.limit(do, "minVal")
	hi, most := e.limit(do, "maxVal")
	if !least || !most || lo >= hi {
		return nil
	}
	if n, ok := magnitude(setValue(a, p)); ok && (n < lo || n > hi) {
		return acsi.Errorf(acsi.ObjectValueInvalid, "%v is beyond the limits of %s, which are %v and %v", n, do.Path(), lo, hi)
	}
	return nil
}

// limit is a limit of a setting, a number or an analogue value.
func (e *Engine) limit(do acsi.Ref, name string) (float64, bool) {
	if p, ok := e.layout.below(do, name, acsi.CF); ok && p.shape.count == 0 {
		return magnitude(e.read(p))
	}
	return 0, false
}

// setValue is what a writes to setVal or setMag, or to a part of it; else no value.
func setValue(a acsi.Assignment, p point) value.Value {
	if a.Ref.Depth() > 3 {
		for at := a.Ref; ; at = at.Parent() {
			if at.Depth() == 4 {
				if name := at.Name(); name == "setVal" || name == "setMag" {
					return a.Value
				}
				return value.Value{}
			}
		}
	}
	for i, part := range p.shape.parts {
		if name := part.node.Name; name == "setVal" || name == "setMag" {
			return a.Value.At(i)
		}
	}
	return value.Value{}
}
