package sunspec

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed models.txt
var modelsText string

// kind is what a point's registers mean.
//
// SunSpec Device Information Model Specification, 4.2, point types.
type kind uint8

const (
	unsigned kind = iota + 1 // uint16, uint32, uint64
	signed                   // int16, int32
	enumeration
	bitfield
	accumulator // acc32, acc64
	float       // float32
	text        // string
	scale       // sunssf
	pad
)

// pointType is a type of points.
type pointType struct {
	name string
	kind kind
	size int // registers; 0: with the name, as in string16
}

var pointTypes = []pointType{
	{"uint16", unsigned, 1}, {"uint32", unsigned, 2}, {"uint64", unsigned, 4},
	{"int16", signed, 1}, {"int32", signed, 2},
	{"enum16", enumeration, 1}, {"bitfield16", bitfield, 1}, {"bitfield32", bitfield, 2},
	{"acc32", accumulator, 2}, {"acc64", accumulator, 4},
	{"float32", float, 2}, {"sunssf", scale, 1}, {"pad", pad, 1}, {"string", text, 0},
}

// point is one point of a model.
type point struct {
	name     string
	kind     kind
	size     int    // registers
	offset   int    // from the start of its group, in registers
	scale    string // the point with the scale factor, or ""
	writable bool
}

// group is a model, or a part of it that repeats.
type group struct {
	name   string
	count  string // the point of the model that says how often it repeats; "": once
	points []*point
	groups []*group
}

// model is what is known of the models of one id.
type model struct {
	id     int
	length int // of the registers behind the header, where nothing repeats; else 0
	group
}

// headerRegisters are the id and the length, in front of a model's points.
const headerRegisters = 2

// fixed is the number of registers of the points that are in g itself.
func (g *group) fixed() int {
	if len(g.points) == 0 {
		return 0
	}
	last := g.points[len(g.points)-1]
	return last.offset + last.size
}

// size is the number of registers of one g, where counts has how often its groups repeat.
func (g *group) size(counts map[string]int) int {
	n := g.fixed()
	for _, sub := range g.groups {
		n += sub.repeats(counts) * sub.size(counts)
	}
	return n
}

func (g *group) repeats(counts map[string]int) int {
	if g.count == "" {
		return 1
	}
	return counts[g.count]
}

// point is the point called name in g itself, or nil.
func (g *group) point(name string) *point {
	for _, p := range g.points {
		if p.name == name {
			return p
		}
	}
	return nil
}

func (g *group) group(name string) *group {
	for _, sub := range g.groups {
		if sub.name == name {
			return sub
		}
	}
	return nil
}

// counted are the points that say how often what is in g repeats.
func (g *group) counted() []string {
	var names []string
	for _, sub := range g.groups {
		if sub.count != "" {
			names = append(names, sub.count)
		}
		names = append(names, sub.counted()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// models are those of models.txt, by id.
var models = sync.OnceValue(func() map[int]*model {
	found, err := parseModels(modelsText)
	if err != nil {
		panic("process/sunspec: models.txt: " + err.Error())
	}
	return found
})

// parseModels reads the form that models.txt explains.
func parseModels(all string) (map[int]*model, error) {
	found := map[int]*model{}
	var now *model
	var open []*group // the innermost last
	for n, line := range strings.Split(all, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var err error
		switch words := strings.Fields(line); {
		case words[0] == "model":
			if now, err = parseModel(words[1:], found); err == nil {
				found[now.id], open = now, []*group{&now.group}
			}
		case words[0] == "group" && len(open) > 0:
			g := &group{name: words[1]}
			if len(words) == 3 {
				g.count = words[2]
			}
			outer := open[len(open)-1]
			outer.groups = append(outer.groups, g)
			open = append(open, g)
		case words[0] == "end" && len(open) > 1:
			open = open[:len(open)-1]
		case len(open) > 0 && len(open[len(open)-1].groups) == 0:
			err = open[len(open)-1].parsePoints(line)
		default:
			err = fmt.Errorf("%q is out of place", line)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return found, nil
}

func parseModel(words []string, known map[int]*model) (*model, error) {
	if len(words) < 2 {
		return nil, fmt.Errorf("a model needs an id and a name")
	}
	id, err := strconv.Atoi(words[0])
	if err != nil {
		return nil, err
	}
	m := &model{id: id, group: group{name: words[1]}}
	switch {
	case len(words) == 3:
		m.length, err = strconv.Atoi(words[2])
	case len(words) == 4 && words[2] == "like":
		like, _ := strconv.Atoi(words[3])
		if known[like] == nil {
			return nil, fmt.Errorf("there is no model %s yet", words[3])
		}
		m.length, m.points, m.groups = known[like].length, known[like].points, known[like].groups
	}
	return m, err
}

// parsePoints reads TYPE[*SCALE] [rw]: POINT...
func (g *group) parsePoints(line string) error {
	head, names, ok := strings.Cut(line, ":")
	if !ok {
		return fmt.Errorf("%q lacks a colon", line)
	}
	head, writable := strings.CutSuffix(head, " rw")
	typeName, factor, _ := strings.Cut(head, "*")
	kind, size := typeOf(typeName)
	if size <= 0 {
		return fmt.Errorf("there is no type %q", typeName)
	}
	for name := range strings.FieldsSeq(names) {
		g.points = append(g.points, &point{name: name, kind: kind, size: size, offset: g.fixed(), scale: factor, writable: writable})
	}
	return nil
}

func typeOf(name string) (kind, int) {
	for _, t := range pointTypes {
		if size, ok := strings.CutPrefix(name, t.name); ok {
			if t.size > 0 && size == "" {
				return t.kind, t.size
			}
			n, _ := strconv.Atoi(size)
			return t.kind, n
		}
	}
	return 0, 0
}
