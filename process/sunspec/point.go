package sunspec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Point names a point of a SunSpec device: MODEL.POINT or MODEL.GROUP[I].POINT, as 704.WMaxLimPct or 705.Crv[1].Pt[2].V.
// Groups are counted from 1; one that does not repeat has no number. The zero Point names nothing.
type Point struct {
	text  string
	model *model
	path  []step // the groups that it is in, the outermost first
	point *point
	scale *scaling // nil: it is not scaled
}

// step is a way into a group.
type step struct {
	group *group
	index int // from 0
}

// scaling is where the scale factor of a point is.
type scaling struct {
	depth int // steps of the point's path that lead to it
	point *point
}

// ParsePoint finds the point that text names.
func ParsePoint(text string) (Point, error) {
	id, rest, ok := strings.Cut(text, ".")
	number, err := strconv.Atoi(id)
	if !ok || err != nil {
		return Point{}, fmt.Errorf("%q is no point: write MODEL.POINT, as 701.W, or MODEL.GROUP[I].POINT", clip(text))
	}
	m := models()[number]
	if m == nil {
		return Point{}, fmt.Errorf("there is no model %d here: those known are %s", number, knownModels())
	}
	p := Point{text: text, model: m}
	at := &m.group
	for {
		name, below, deeper := strings.Cut(rest, ".")
		if !deeper {
			break
		}
		s, err := at.step(name, m)
		if err != nil {
			return Point{}, err
		}
		p.path, at, rest = append(p.path, s), s.group, below
	}
	if p.point = at.point(rest); p.point == nil {
		return Point{}, fmt.Errorf("model %d has no point %q%s", number, clip(rest), at.members())
	}
	return p, p.findScale()
}

// step finds NAME or NAME[I] in g.
func (g *group) step(text string, m *model) (step, error) {
	name, index, numbered := strings.Cut(text, "[")
	sub := g.group(name)
	if sub == nil {
		return step{}, fmt.Errorf("model %d has no group %q%s", m.id, clip(name), g.members())
	}
	if !numbered && sub.count == "" {
		return step{group: sub}, nil
	}
	digits, closed := strings.CutSuffix(index, "]")
	n, err := strconv.Atoi(digits)
	if !numbered || !closed || err != nil || n < 1 || n > 0xFFFF || sub.count == "" && n != 1 {
		return step{}, fmt.Errorf("group %s of model %d needs a number from 1 on, as %s[1]", name, m.id, name)
	}
	return step{group: sub, index: n - 1}, nil
}

// members says what there is in g.
func (g *group) members() string {
	var names []string
	for _, p := range g.points {
		if p.kind != pad && p.kind != scale {
			names = append(names, p.name)
		}
	}
	for _, sub := range g.groups {
		if sub.count != "" {
			names = append(names, sub.name+"[1]")
		} else {
			names = append(names, sub.name)
		}
	}
	return ": it has " + strings.Join(names, ", ")
}

// findScale finds the scale factor in the point's group, or in one around it.
func (p *Point) findScale() error {
	if p.point.scale == "" {
		return nil
	}
	for depth := len(p.path); depth >= 0; depth-- {
		if sf := p.group(depth).point(p.point.scale); sf != nil {
			p.scale = &scaling{depth: depth, point: sf}
			return nil
		}
	}
	return fmt.Errorf("model %d lacks the scale factor %s of %s", p.model.id, p.point.scale, p.point.name)
}

// group is the one that depth steps lead to.
func (p *Point) group(depth int) *group {
	if depth == 0 {
		return &p.model.group
	}
	return p.path[depth-1].group
}

// String is the point's name.
func (p Point) String() string { return p.text }

// start is how many registers behind the header of the model the group begins that depth steps lead to.
func (p *Point) start(depth int, counts map[string]int) int {
	at := 0
	for i, s := range p.path[:depth] {
		outer := p.group(i)
		at += outer.fixed()
		for _, before := range outer.groups {
			if before == s.group {
				break
			}
			at += before.repeats(counts) * before.size(counts)
		}
		at += s.index * s.group.size(counts)
	}
	return at
}

// place is where the point is, in registers behind the header of the model.
func (p *Point) place(counts map[string]int) (int, error) {
	for _, s := range p.path {
		if n := s.group.repeats(counts); s.index >= n {
			return 0, fmt.Errorf("the device has %d of %s: there is no %s[%d]", n, s.group.name, s.group.name, s.index+1)
		}
	}
	return p.start(len(p.path), counts) + p.point.offset, nil
}

func knownModels() string {
	var ids []int
	for id := range models() {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var words []string
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if j > i {
			words = append(words, fmt.Sprintf("%d-%d", ids[i], ids[j]))
		} else {
			words = append(words, strconv.Itoa(ids[i]))
		}
		i = j + 1
	}
	return strings.Join(words, ", ")
}

// clip bounds what an error repeats of a file or a device.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
