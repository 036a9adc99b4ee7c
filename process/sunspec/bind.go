package sunspec

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/acsi/server"
	"busbar.example/value"
)

// reader brings the value of a point to an attribute.
type reader struct {
	Value
	point  Point
	handle server.Handle
	mapped map[uint64]value.Value // by the number of the point; nil: there is no map

	good  time.Time    // when it last had a value
	shown acsi.Quality // what its quality was set to last
}

// writer brings commands, or what clients write, to points.
type writer struct {
	Control
	point  Point
	enable *Point
	with   []Point // of Control.With
	mapped map[uint64]value.Value
	ref    acsi.Ref      // of the control object, or of the attribute
	handle server.Handle // of its ctlVal, or of the attribute
}

// at makes an error about an entry of the mapping.
func at(line int, ref, point string, err error, hint string) error {
	return &MappingError{Line: line, Ref: ref, Point: point, Err: err, Hint: hint}
}

const (
	hintPoint = "write MODEL.POINT as the SunSpec model definitions name it, as 701.W or 705.Crv[1].Pt[2].V"
	hintRef   = "write the reference of a leaf with its functional constraint, as LD/MMXU1.TotW.mag.f[MX]"
	hintMap   = "list in map what each number of the point means"
)

// newReader judges what of a Value can be judged without the model of the IED.
func newReader(v Value) (*reader, error) {
	r := &reader{Value: v}
	fail := func(err error, hint string) (*reader, error) { return nil, at(v.Line, v.Ref, v.Point, err, hint) }
	var err error
	if r.point, err = ParsePoint(v.Point); err != nil {
		return fail(err, hintPoint)
	}
	if r.Factor, err = checkFactor(v.Factor, v.Offset); err != nil {
		return fail(err, "leave them out where the units are the same")
	}
	scaled := v.Factor != 0 || v.Offset != 0
	switch p := r.point.point; {
	case p.kind == pad:
		return fail(errors.New("it is padding"), hintPoint)
	case p.kind == text && (scaled || v.Map != nil || v.Bit != nil):
		return fail(errors.New("it is text: factor, offset, map and bit are for numbers"), "leave them out")
	case v.Bit != nil && (scaled || v.Map != nil):
		return fail(errors.New("bit goes with none of factor, offset and map"), "leave them out")
	case v.Bit != nil && (*v.Bit < 0 || *v.Bit >= 16*p.size || p.kind == float):
		return fail(fmt.Errorf("it has no bit %d", *v.Bit), fmt.Sprintf("the bits are 0 to %d, the least significant first", 16*p.size-1))
	case v.Map != nil && scaled:
		return fail(errors.New("map goes with neither factor nor offset"), "leave them out")
	}
	return r, nil
}

// bind finds the attribute.
func (r *reader) bind(e *server.Engine) error {
	fail := func(err error, hint string) error { return at(r.Line, r.Ref, r.Point, err, hint) }
	h, err := leaf(e, r.Ref)
	if err != nil {
		return fail(err, hintRef)
	}
	r.handle = h
	if !slices.Contains([]acsi.FC{acsi.ST, acsi.MX, acsi.SP, acsi.CF, acsi.DC}, h.Ref().FC()) {
		return fail(fmt.Errorf("what is under %s is not for the device to say", h.Ref().FC()), hintRef)
	}
	if r.mapped, err = namedValues(h, r.Map); err != nil {
		return fail(err, hintMap)
	}
	n := h.Node()
	switch {
	case r.point.point.kind == text && !takesText(n):
		return fail(errors.New("the point is text, and the attribute is not"), "map a point that is a number")
	case r.point.point.kind != text && r.mapped == nil && !takesNumber(n):
		return fail(fmt.Errorf("the attribute is no number, but a %s", n.Type.Kind), hintMap)
	}
	return nil
}

// leaf finds an attribute that has no parts.
func leaf(e *server.Engine, text string) (server.Handle, error) {
	ref, err := acsi.ParseRef(text)
	if err != nil {
		return server.Handle{}, err
	}
	if ref.FC() == 0 {
		return server.Handle{}, errors.New("the functional constraint is missing")
	}
	h, err := e.Handle(ref)
	if err != nil {
		return h, err
	}
	if n := h.Node(); !n.IsLeaf() || n.Count > 0 {
		return h, fmt.Errorf("it has parts: name one of them")
	}
	return h, nil
}

// namedValues are the values that a map names.
func namedValues(h server.Handle, names map[int64]string) (map[uint64]value.Value, error) {
	if names == nil {
		return nil, nil
	}
	found := map[uint64]value.Value{}
	for n, name := range names {
		v, err := client.ParseValue(client.Object{Ref: h.Ref(), Node: h.Node()}, name)
		if err != nil {
			return nil, fmt.Errorf("map: %d: %w", n, err)
		}
		found[uint64(n)] = v
	}
	return found, nil
}

// value is what the attribute is to have, and with which quality, where the point holds got. It is invalid where the attribute
// keeps what it has.
func (r *reader) value(got reading) (value.Value, acsi.Quality) {
	if r.mapped != nil {
		v, ok := r.mapped[uint64(int64(got.number))]
		if !ok {
			return value.Value{}, acsi.QualityInvalid | acsi.QualityOutOfRange
		}
		return v, acsi.QualityGood
	}
	var v value.Value
	var err error
	switch n := r.handle.Node(); {
	case r.point.point.kind == text:
		v, err = ofText(n, got.text)
	case r.Bit != nil:
		v, err = ofNumber(n, float64(got.raw>>*r.Bit&1))
	default:
		v, err = ofNumber(n, got.number*r.Factor+r.Offset)
	}
	if err != nil {
		return value.Value{}, acsi.QualityInvalid | acsi.QualityOverflow
	}
	return v, acsi.QualityGood
}

// newWriter judges what of a Control can be judged without the model of the IED.
func newWriter(c Control) (*writer, error) {
	w := &writer{Control: c}
	fail := func(point string, err error, hint string) (*writer, error) {
		return nil, at(c.Line, c.Ref, point, err, hint)
	}
	var err error
	if w.point, err = ParsePoint(c.Point); err != nil {
		return fail(c.Point, err, hintPoint)
	}
	if w.Factor, err = checkFactor(c.Factor, c.Offset); err != nil {
		return fail(c.Point, err, "leave them out where the units are the same")
	}
	if c.Map != nil && (c.Factor != 0 || c.Offset != 0) {
		return fail(c.Point, errors.New("map goes with neither factor nor offset"), "leave them out")
	}
	if c.Verify < 0 || c.Verify > time.Minute {
		return fail(c.Point, fmt.Errorf("verify: %v is not 0 to 1m", c.Verify), "write how long the point may take to read back")
	}
	if c.Min != nil && c.Max != nil && !(*c.Min <= *c.Max) {
		return fail(c.Point, fmt.Errorf("min %v is above max %v", *c.Min, *c.Max), "exchange them")
	}
	for _, first := range c.With {
		p, err := ParsePoint(first.Point)
		if err != nil {
			return fail(first.Point, err, hintPoint)
		}
		w.with = append(w.with, p)
	}
	if c.Enable != "" {
		p, err := ParsePoint(c.Enable)
		if err != nil {
			return fail(c.Enable, err, hintPoint)
		}
		w.enable = &p
	}
	for _, p := range w.points() {
		switch {
		case !p.point.writable:
			return fail(p.String(), errors.New("it is read only"), "map a point that the model definition lets be written")
		case p.point.kind == text:
			return fail(p.String(), errors.New("it is text, which is not written"), "map a number")
		}
	}
	return w, nil
}

// points are all that w writes.
func (w *writer) points() []*Point {
	points := []*Point{&w.point}
	for i := range w.with {
		points = append(points, &w.with[i])
	}
	if w.enable != nil {
		points = append(points, w.enable)
	}
	return points
}

// bindControl finds the control object.
func (w *writer) bindControl(e *server.Engine) error {
	const hint = "write the reference of a data object that can be controlled, as LD/DWMX1.WMaxSptPct"
	fail := func(err error, hint string) error { return at(w.Line, w.Ref, w.Point, err, hint) }
	ref, err := acsi.ParseRef(w.Ref)
	if err != nil {
		return fail(err, hint)
	}
	if ref.FC() != 0 || ref.Depth() != 3 {
		return fail(errors.New("it is no data object"), hint)
	}
	ctlVal, err := acsi.NewRef(ref.LD(), ref.Item()+".Oper.ctlVal", acsi.CO)
	if err == nil {
		w.handle, err = e.Handle(ctlVal)
	}
	if err != nil {
		return fail(errors.New("it cannot be controlled: the model has no Oper with a ctlVal in it"), hint)
	}
	w.ref = ref
	return w.bindMap()
}

// bindSetting finds the attribute that clients write.
func (w *writer) bindSetting(e *server.Engine) error {
	h, err := leaf(e, w.Ref)
	if err == nil && h.Ref().FC() != acsi.SP && h.Ref().FC() != acsi.CF {
		err = errors.New("clients write settings under SP and CF")
	}
	if err == nil && (h.Node().ReadOnly || !takesNumber(h.Node())) {
		err = errors.New("no client writes a number there")
	}
	if err != nil {
		return at(w.Line, w.Ref, w.Point, err, "write the reference of a setting, as LD/DGEN1.WMax.setMag.f[SP]")
	}
	w.ref, w.handle = h.Ref(), h
	return w.bindMap()
}

func (w *writer) bindMap() error {
	var err error
	if w.mapped, err = namedValues(w.handle, w.Map); err != nil {
		return at(w.Line, w.Ref, w.Point, err, hintMap)
	}
	seen := map[string]uint64{}
	for n, v := range w.mapped {
		if other, twice := seen[v.String()]; twice {
			return at(w.Line, w.Ref, w.Point, fmt.Errorf("map: %d and %d mean the same value: which one is to be written?", min(n, other), max(n, other)),
				"keep one of them")
		}
		seen[v.String()] = n
	}
	return nil
}

// errOutside says that a value is not one that may be commanded.
var errOutside = errors.New("it is not within the limits of the mapping")

// number is what the point is to hold for v. Its error is errOutside.
func (w *writer) number(v value.Value) (float64, error) {
	if w.mapped != nil {
		for n, named := range w.mapped {
			if named.Equal(v) {
				return float64(int64(n)), nil
			}
		}
		return 0, errOutside
	}
	f, ok := number(v)
	if !ok || w.Min != nil && f < *w.Min || w.Max != nil && f > *w.Max {
		return 0, errOutside
	}
	f = (f - w.Offset) / w.Factor
	if math.IsInf(f, 0) {
		return 0, errOutside
	}
	return f, nil
}
