package sunspec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// bases are where a device may have its SunSpec registers.
//
// SunSpec Device Information Model Specification, 6.2.
var bases = []uint16{40000, 50000, 0}

// marker is "SunS".
var marker = [2]uint16{0x5375, 0x6e53}

// The bounds of a chain of models.
const (
	endOfChain = 0xFFFF
	mostModels = 256
	registers  = 1 << 16
)

// A DeviceError says what is wrong with the models of a device.
type DeviceError struct{ Text string }

func (e *DeviceError) Error() string { return e.Text }

func deviceErrorf(format string, args ...any) error {
	return &DeviceError{fmt.Sprintf(format, args...)}
}

// device is what a device has.
type device struct {
	base   int
	models map[int]*found // the first of each id
}

// found is a model of a device.
type found struct {
	start  int // the register behind its header
	length int
	counts map[string]int // how often its groups repeat
	err    error          // why its points cannot be found
}

// discover finds the models of a device.
func discover(ctx context.Context, c *conn) (*device, error) {
	base, err := findBase(ctx, c)
	if err != nil {
		return nil, err
	}
	d := &device{base: base, models: map[int]*found{}}
	at := base + len(marker)
	for range mostModels {
		if at+headerRegisters > registers {
			return nil, deviceErrorf("the chain of models goes beyond the last register")
		}
		var header [headerRegisters]uint16
		if err := c.read(ctx, uint16(at), header[:]); err != nil {
			if errors.Is(err, &ExceptionError{Code: illegalAddress}) && at > base+len(marker) {
				return d, nil // the end is not marked
			}
			return nil, fmt.Errorf("register %d: %w", at, err)
		}
		id, length := int(header[0]), int(header[1])
		if id == endOfChain {
			return d, nil
		}
		f := &found{start: at + headerRegisters, length: length}
		switch at = f.start + length; {
		case id == 0:
			return nil, deviceErrorf("there is a model 0 at register %d", f.start-headerRegisters)
		case length == 0:
			return nil, deviceErrorf("model %d at register %d has the length 0", id, f.start-headerRegisters)
		case at > registers:
			return nil, deviceErrorf("model %d at register %d has %d registers, which go beyond the last one", id, f.start-headerRegisters, length)
		}
		if d.models[id] == nil {
			d.models[id] = f
		}
	}
	return nil, deviceErrorf("the chain has more than %d models", mostModels)
}

// findBase finds the marker.
func findBase(ctx context.Context, c *conn) (int, error) {
	var refused error
	for _, base := range bases {
		var regs [len(marker)]uint16
		switch err := c.read(ctx, base, regs[:]); {
		case !usable(err):
			return 0, err
		case err != nil:
			refused = err
		case regs == marker:
			return int(base), nil
		}
	}
	if refused != nil {
		return 0, fmt.Errorf("it has no SunSpec models at 40000, 50000 or 0: %w", refused)
	}
	return 0, deviceErrorf("it has no SunSpec models at 40000, 50000 or 0")
}

// measure checks the length of a model that is known, and finds how often its groups repeat.
func (f *found) measure(ctx context.Context, c *conn, m *model) error {
	if m.length > 0 {
		// The common model had no padding once.
		if f.length != m.length && !(m.id == 1 && f.length == m.length-1) {
			f.err = deviceErrorf("its model %d has %d registers where SunSpec gives it %d: its points cannot be told", m.id, f.length, m.length)
		}
		return nil
	}
	fixed := m.fixed()
	if f.length < fixed {
		f.err = deviceErrorf("its model %d has %d registers where SunSpec gives it %d at least: its points cannot be told", m.id, f.length, fixed)
		return nil
	}
	regs := make([]uint16, fixed)
	if err := c.read(ctx, uint16(f.start), regs); err != nil {
		if usable(err) {
			f.err = fmt.Errorf("model %d: %w", m.id, err)
			return nil
		}
		return err
	}
	f.counts = map[string]int{}
	for _, name := range m.counted() {
		n := regs[m.point(name).offset]
		if n == 0xFFFF {
			n = 0
		}
		f.counts[name] = int(n)
	}
	if want := m.size(f.counts); want != f.length {
		f.err = deviceErrorf("its model %d has %d registers where %s make it %d: its points cannot be told", m.id, f.length, countsText(m, f.counts), want)
	}
	return nil
}

func countsText(m *model, counts map[string]int) string {
	text := ""
	for i, name := range m.counted() {
		if i > 0 {
			text += " and "
		}
		text += fmt.Sprintf("%s %d", name, counts[name])
	}
	return text
}

// location is where a point is on a device.
type location struct {
	address uint16
	size    int
	scaled  bool
	scale   uint16 // the register of its scale factor
}

// locate finds p, whose model must have been measured.
func (d *device) locate(p *Point) (location, error) {
	f := d.models[p.model.id]
	if f == nil {
		return location{}, deviceErrorf("the device has no model %d", p.model.id)
	}
	if f.err != nil {
		return location{}, f.err
	}
	offset, err := p.place(f.counts)
	if err != nil {
		return location{}, err
	}
	if offset+p.point.size > f.length {
		return location{}, deviceErrorf("the device's model %d ends before it", p.model.id)
	}
	l := location{address: uint16(f.start + offset), size: p.point.size}
	if p.scale != nil {
		l.scaled = true
		l.scale = uint16(f.start + p.start(p.scale.depth, f.counts) + p.scale.point.offset)
	}
	return l, nil
}

// block is a row of registers that are read at once.
type block struct {
	address int
	regs    []uint16
	err     error // the device's refusal to let it be read
	apart   []int // where in regs the scale factors are whose values are in other blocks
}

// span is a row of registers of a model that somebody wants.
type span struct{ model, from, to int }

// plan makes blocks that hold all spans: as few as can be, none across two models.
func plan(spans []span) []*block {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	var blocks []*block
	model := -1
	for _, s := range spans {
		if n := len(blocks); n > 0 && s.model == model && s.to <= blocks[n-1].address+maxRead {
			b := blocks[n-1]
			b.regs = make([]uint16, max(len(b.regs), s.to-b.address))
			continue
		}
		blocks = append(blocks, &block{address: s.from, regs: make([]uint16, s.to-s.from)})
		model = s.model
	}
	return blocks
}

// registers are those of a row that some block holds.
func (b *block) registers(address uint16, n int) []uint16 {
	at := int(address) - b.address
	return b.regs[at : at+n]
}

// holding is the block that has the row.
func holding(blocks []*block, address uint16, n int) *block {
	for _, b := range blocks {
		if at := int(address) - b.address; at >= 0 && at+n <= len(b.regs) {
			return b
		}
	}
	return nil
}
