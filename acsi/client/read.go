package client

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"strings"

	"busbar.example/acsi"
	"busbar.example/value"
)

// Reading is what came of reading one object.
type Reading struct {
	Object
	Value   value.Value
	Quality *acsi.Quality   // of the object, or of the data object that it is in; nil where there is none
	Time    *acsi.Timestamp // likewise
	Err     error           // an *acsi.Error or *AmbiguousError; the rest but Ref then means nothing

	units map[string]string // by the path of a data object: the unit of what it measures
}

// Unit is the unit of what is measured at ref, the object that was read or a part of it: kW, say. It is "" where
// none is known.
func (r *Reading) Unit(ref acsi.Ref) string {
	for at := ref; at.Depth() >= 3; at = at.Parent() {
		if strings.HasPrefix(at.Name(), "ang") { // of a vector, in degrees
			return ""
		}
		if u, ok := r.units[at.Path()]; ok {
			return u
		}
	}
	return ""
}

// maxAtOnce is how many objects are asked for in one service.
const maxAtOnce = 60

// Read reads each ref, in their order; one without a functional constraint must fit one object. The quality, time
// and unit of a value are read with it, in the same service. The outer error says that the services fail.
func (c *Client) Read(ctx context.Context, refs ...acsi.Ref) ([]Reading, error) {
	readings := make([]Reading, len(refs))
	var batch batch
	for i, ref := range refs {
		readings[i].Ref = ref
		o, err := c.one(ctx, ref)
		if err != nil {
			if !ownError(err) {
				return nil, err
			}
			readings[i].Err = err
			continue
		}
		readings[i].Object = o
		batch.add(&readings[i], c.beside(ctx, o))
		if len(batch.refs) >= maxAtOnce {
			if err := batch.run(ctx, c); err != nil {
				return nil, err
			}
		}
	}
	return readings, batch.run(ctx, c)
}

// ownError reports whether err is about one object, and not about the services as a whole.
func ownError(err error) bool {
	var refused *acsi.Error
	var several *AmbiguousError
	return errors.As(err, &refused) || errors.As(err, &several)
}

// surroundings are where the quality, the time and the units of a value are; what there is not is zero.
type surroundings struct {
	quality, time acsi.Ref
	units         []acsi.Ref
}

// beside finds what is to be read with o: the quality and time of the data object that o is in, where o does not
// hold them itself, and the units of it and of the data objects in it.
func (c *Client) beside(ctx context.Context, o Object) surroundings {
	var s surroundings
	for at := o.Ref; at.Depth() >= 2; at = at.Parent() {
		nodes, err := c.find(ctx, at.WithFC(0))
		if err != nil {
			break
		}
		for _, n := range nodes {
			if at.Depth() > 2 && at != o.Ref && o.Node.Name != "q" && o.Node.Name != "t" && s.quality.IsZero() && s.time.IsZero() {
				s.quality, s.time = has(at, n, "q", value.BitString), has(at, n, "t", value.UTCTime)
			}
			if (at.Depth() > 2 || at == o.Ref) && o.Ref.FC() != acsi.CF && len(s.units) == 0 {
				s.addUnits(at.WithFC(0), n)
			}
		}
	}
	return s
}

// addUnits notes the units of n, which is at at, and of the data objects in it.
func (s *surroundings) addUnits(at acsi.Ref, n *acsi.Node) {
	for _, child := range n.Children {
		ref, err := at.Child(child.Name)
		switch {
		case err != nil || n.Count > 0:
		case child.Name == "units" && child.FC == acsi.CF:
			s.units = append(s.units, ref.WithFC(acsi.CF))
		case child.Kind == acsi.DataObjectNode, child.Kind == acsi.SubDataObjectNode:
			s.addUnits(ref, child)
		}
	}
}

// has is the reference of the leaf called name directly below at under at's functional constraint, or zero.
func has(at acsi.Ref, n *acsi.Node, name string, kind value.Kind) acsi.Ref {
	for _, child := range n.Children {
		if child.Name == name && child.FC == at.FC() && child.IsLeaf() && child.Type.Kind == kind {
			ref, _ := at.Child(name)
			return ref
		}
	}
	return acsi.Ref{}
}

// batch collects what is read by one service.
type batch struct {
	refs  []acsi.Ref
	place map[acsi.Ref]int
	items []batchItem
}

type batchItem struct {
	reading *Reading
	surroundings
}

func (b *batch) add(r *Reading, s surroundings) {
	for _, ref := range append([]acsi.Ref{r.Ref, s.quality, s.time}, s.units...) {
		if _, there := b.place[ref]; ref.IsZero() || there {
			continue
		}
		if b.place == nil {
			b.place = map[acsi.Ref]int{}
		}
		b.place[ref] = len(b.refs)
		b.refs = append(b.refs, ref)
	}
	b.items = append(b.items, batchItem{r, s})
}

// run asks for what was collected and empties b.
func (b *batch) run(ctx context.Context, c *Client) error {
	if len(b.refs) == 0 {
		return nil
	}
	results, err := c.services.GetDataValues(ctx, b.refs)
	if err != nil {
		return err
	}
	if len(results) != len(b.refs) {
		return errors.New("the IED answered for another number of objects than was asked")
	}
	at := func(ref acsi.Ref) acsi.Result {
		if i, ok := b.place[ref]; ok {
			return results[i]
		}
		return acsi.Result{}
	}
	for _, item := range b.items {
		r := item.reading
		result := at(r.Ref)
		r.Value, r.Err = result.Value, result.Err
		if r.Err == nil {
			r.Err = c.conforms(r.Node, r.Value)
		}
		if r.Err != nil {
			continue
		}
		r.Quality, r.Time = qualityAndTime(r.Node, r.Value)
		if q, ok := acsi.QualityOf(at(item.quality).Value); ok && r.Quality == nil {
			r.Quality = &q
		}
		if t, ok := acsi.TimestampOf(at(item.time).Value); ok && r.Time == nil {
			r.Time = &t
		}
		for _, ref := range item.units {
			if u := unit(at(ref).Value); u != "" {
				if r.units == nil {
					r.units = map[string]string{}
				}
				r.units[ref.Parent().Path()] = u
			}
		}
	}
	*b = batch{}
	return nil
}

// conforms reports how v is not what n says: a peer may say anything.
func (c *Client) conforms(n *acsi.Node, v value.Value) error {
	switch {
	case n.Count > 0:
		if v.Kind() != value.Array {
			return acsi.Errorf(acsi.TypeInconsistent, "the IED sent %s for %s, which is an array", v.Kind(), n.Name)
		}
		one := *n
		one.Count = 0
		for i := range v.Len() {
			if err := c.conforms(&one, v.At(i)); err != nil {
				return err
			}
		}
	case len(n.Children) > 0:
		if v.Kind() != value.Structure || v.Len() != len(n.Children) {
			return acsi.Errorf(acsi.TypeInconsistent, "the IED sent %s with %d parts for %s, which is a structure of %d", v.Kind(), v.Len(), n.Name, len(n.Children))
		}
		for i, child := range n.Children {
			if err := c.conforms(child, v.At(i)); err != nil {
				return err
			}
		}
	case c.AnyKind && v.Kind() != value.Array && v.Kind() != value.Structure && v.IsValid():
	case v.Kind() != n.Type.Kind:
		return acsi.Errorf(acsi.TypeInconsistent, "the IED sent %s for %s, which is %s", v.Kind(), n.Name, n.Type.Kind)
	}
	return nil
}

// leaf is one attribute in what was read, or an element of one, with the quality and the time that hold for it.
type leaf struct {
	Object
	value   value.Value
	quality *acsi.Quality
	time    *acsi.Timestamp
}

// eachLeaf calls visit with the leaves of l, whose quality and time hold for those that have none of their own, and
// counts them. The q and t of a structure are no leaves but stand beside the others, unless they are alone.
func eachLeaf(l leaf, visit func(leaf)) int {
	n := l.Node
	switch {
	case n.Count > 0:
		count, one := 0, *n
		one.Count = 0
		for i := range l.value.Len() {
			if element, err := l.Ref.Element(i); err == nil {
				count += eachLeaf(leaf{Object{element, &one}, l.value.At(i), l.quality, l.time}, visit)
			}
		}
		return count
	case len(n.Children) == 0:
		visit(l)
		return 1
	}
	ownQ, ownT := qualityAndTime(n, l.value)
	below := leaf{quality: cmp.Or(ownQ, l.quality), time: cmp.Or(ownT, l.time)}
	count := 0
	for pass := range 2 {
		for i, child := range n.Children {
			if (child.Name == "q" && ownQ != nil || child.Name == "t" && ownT != nil) != (pass == 1) {
				continue
			}
			if ref, err := l.Ref.Child(child.Name); err == nil {
				below.Object, below.value = Object{ref, child}, l.value.At(i)
				count += eachLeaf(below, visit)
			}
		}
		if count > 0 {
			break
		}
	}
	return count
}

// qualityAndTime are those that the structure v holds directly, or that v is.
func qualityAndTime(n *acsi.Node, v value.Value) (q *acsi.Quality, t *acsi.Timestamp) {
	if n.Count > 0 || v.Kind() != value.Structure {
		return nil, nil
	}
	for i, child := range n.Children {
		switch child.Name {
		case "q":
			if got, ok := acsi.QualityOf(v.At(i)); ok {
				q = &got
			}
		case "t":
			if got, ok := acsi.TimestampOf(v.At(i)); ok {
				t = &got
			}
		}
	}
	return q, t
}

// unit puts the prefix and the symbol of a Unit together: {SIUnit, multiplier}, of which the latter may be absent.
//
// IEC 61850-7-3, 6.6.
func unit(v value.Value) string {
	if v.Kind() != value.Structure || v.Len() == 0 {
		return ""
	}
	code, ok := v.At(0).Int()
	si, known := acsi.StandardEnum("", "SIUnit").ByOrd(code)
	if !ok || !known || si.Name == "" {
		return ""
	}
	symbol := si.Name
	if symbol == "Watts" {
		symbol = "W"
	}
	if v.Len() < 2 {
		return symbol
	}
	exponent, ok := v.At(1).Int()
	if !ok {
		return symbol
	}
	if prefix, known := acsi.StandardEnum("", "multiplier").ByOrd(exponent); known {
		return prefix.Name + symbol
	}
	return "10^" + strconv.FormatInt(exponent, 10) + " " + symbol
}
