package server

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/server/setting"
	"busbar.example/value"
)

// settings is the setting group control block of each logical device that has one, by its name.
type settings map[string]*settingGroups

// settingGroups is that of one logical device. Its values are those of the leaves under SG and SE: each is at a place in the groups.
type settingGroups struct {
	e       *Engine
	control *setting.Control
	block   map[string]int // the leaves of the control block, by their names
	ld      string
	active  []settingLeaf // under SG, by place
	edited  []int         // under SE, by place; the leaf, or -1
	place   map[int]int   // of leaves under SG and SE
	changed uint64Set     // records that State has yet to hear of: groups, and 0 for which one is active
	asked   uint64Set
}

// settingLeaf is a leaf under SG.
type settingLeaf struct {
	ref  acsi.Ref
	leaf int // or -1 where the setting is only under SE
	node *acsi.Node
}

type uint64Set map[uint64]struct{}

// makeSettings makes the setting groups of the model, with the values that it gives each of them.
func (e *Engine) makeSettings() error {
	e.settings = settings{}
	var errs []error
	for _, ld := range e.cfg.Model.LDs {
		if ld.Groups == 0 {
			continue
		}
		g, err := e.newSettingGroups(ld)
		if err != nil {
			errs = append(errs, fmt.Errorf("acsi/server: setting groups of %s: %w", ld.Name, err))
			continue
		}
		e.settings[ld.Name] = g
		g.show()
	}
	return errors.Join(errs...)
}

func (e *Engine) newSettingGroups(ld *acsi.LogicalDevice) (*settingGroups, error) {
	g := &settingGroups{e: e, ld: ld.Name, block: map[string]int{}, place: map[int]int{}, changed: uint64Set{}, asked: uint64Set{}}
	block, err := acsi.NewRef(ld.Name, "LLN0."+acsi.SGCB, acsi.SP)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"NumOfSG", "ActSG", "EditSG", "CnfEdit", "LActTm", "ResvTms"} {
		ref, err := block.Child(name)
		if err != nil {
			return nil, err
		}
		p, ok := e.layout.points[ref]
		if !ok {
			return nil, fmt.Errorf("the model has no %s", ref)
		}
		g.block[name] = p.first
	}
	g.findLeaves()
	cfg := setting.Config{Active: max(1, ld.ActiveGroup), Since: e.now(), Reserve: time.Duration(ld.ResvTms) * time.Second}
	for n := range ld.Groups {
		cfg.Groups = append(cfg.Groups, g.initialValues(ld, n+1))
	}
	g.control, err = setting.New(cfg)
	return g, err
}

// findLeaves gives each setting a place, in the order of the leaves under SE: so what is written there has its places side by side.
func (g *settingGroups) findLeaves() {
	byPath := map[string]*[2]point{} // SG, SE
	var paths []string
	for ref, p := range g.e.layout.points {
		if fc := ref.FC(); ref.LD() != g.ld || fc != acsi.SG && fc != acsi.SE || p.shape.cells > 0 {
			continue
		}
		pair := byPath[ref.Path()]
		if pair == nil {
			pair = new([2]point)
			byPath[ref.Path()] = pair
			paths = append(paths, ref.Path())
		}
		pair[ref.FC()-acsi.SG] = p
	}
	leaf := func(p point) int {
		if p.shape == nil {
			return -1
		}
		return p.first
	}
	slices.SortFunc(paths, func(a, b string) int {
		p, q := byPath[a], byPath[b]
		return cmp.Or(cmp.Compare(leaf(p[1]), leaf(q[1])), cmp.Compare(leaf(p[0]), leaf(q[0])))
	})
	for place, path := range paths {
		pair := byPath[path]
		some := pair[0]
		if some.shape == nil {
			some = pair[1]
		}
		g.active = append(g.active, settingLeaf{ref: acsi.MustRef(path).WithFC(acsi.SG), leaf: leaf(pair[0]), node: some.shape.node})
		g.edited = append(g.edited, leaf(pair[1]))
		for _, p := range pair {
			if p.shape != nil {
				g.place[p.first] = place
			}
		}
	}
}

// initialValues is what the model gives a group.
func (g *settingGroups) initialValues(ld *acsi.LogicalDevice, group int) []value.Value {
	values := make([]value.Value, len(g.active))
	for i, s := range g.active {
		values[i] = zero(s.node)
	}
	for _, ln := range ld.LNs {
		for _, initial := range inOrder(ln.Values, group) {
			if fc := initial.Ref.FC(); fc != acsi.SG && fc != acsi.SE {
				continue
			}
			p := g.e.layout.points[initial.Ref] // the initial values of the store were checked
			p.shape.split(p.first, initial.Value, func(leaf int, v value.Value) { values[g.place[leaf]] = v })
		}
	}
	return values
}

// showBlock makes the attributes of the control block what it says.
func (g *settingGroups) showBlock() {
	group, since := g.control.Active()
	now := g.e.cfg.Now()
	g.e.change(g.block["NumOfSG"], value.Uint(uint64(g.control.Groups())))
	g.e.change(g.block["ActSG"], value.Uint(uint64(group)))
	g.e.change(g.block["LActTm"], since.Value())
	g.e.change(g.block["EditSG"], value.Uint(uint64(g.control.Editing())))
	g.e.change(g.block["ResvTms"], value.Uint(uint64(g.control.Reserved(now))))
	g.e.alarm(g.control.Next(now))
}

// show is showBlock, and makes the settings what they are. It gives those under SG that are others now.
func (g *settingGroups) show() (changed []acsi.Assignment) {
	g.showBlock()
	group, _ := g.control.Active()
	for place, v := range g.control.Values(group) {
		if leaf := g.active[place].leaf; leaf >= 0 && g.e.change(leaf, v) {
			changed = append(changed, acsi.Assignment{Ref: g.active[place].ref, Value: v})
		}
	}
	for place, v := range g.control.Edited() {
		if leaf := g.edited[place]; leaf >= 0 {
			g.e.change(leaf, v)
		}
	}
	return changed
}

// change is store of what is another value than that of the leaf. It reports whether it is.
func (e *Engine) change(leaf int, v value.Value) bool {
	if e.values[leaf].Equal(v) {
		return false
	}
	e.store(leaf, v)
	return true
}

// inSettingBlock reports whether ref is, or is in, a setting group control block.
func inSettingBlock(ref acsi.Ref) bool {
	if ref.FC() != acsi.SP || ref.LN() != "LLN0" {
		return false
	}
	do := dataObject(ref)
	return do.Depth() == 3 && do.Name() == acsi.SGCB
}

// setSettingBlock carries out a write to an attribute of a setting group control block.
//
// IEC 61850-7-2, 16.3, and for what is written IEC 61850-8-1, 16.
func (c *call) setSettingBlock(a acsi.Assignment, _ point) error {
	g := c.e.settings[a.Ref.LD()]
	if g == nil {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED has no setting groups in %s", a.Ref.LD())
	}
	service, err := "", error(nil)
	number, _ := a.Value.Uint() // of eight bits, or a Boolean: it was checked
	switch a.Ref.Name() {
	case "ActSG":
		service, err = "SelectActiveSG", g.control.Activate(int(number), c.at)
		if err == nil {
			g.save(0)
		}
	case "EditSG":
		service, err = "SelectEditSG", g.control.Edit(c.session, int(number), c.at.Time)
	case "CnfEdit":
		if !a.Value.Bool() {
			return nil // nothing is confirmed
		}
		var group int
		service = "ConfirmEditSGValues"
		if group, err = g.control.Confirm(c.session, c.at.Time); err == nil {
			g.save(uint64(group))
		}
	default:
		return acsi.Errorf(acsi.ObjectAccessDenied, "%s is read only", a.Ref)
	}
	effects := g.show() // also what ran out has an effect
	if err == nil {
		c.written = append(c.written, a)
		c.effects = append(c.effects, effects...)
		if service != "SelectEditSG" {
			c.rest = c.e.saveAll
		}
	}
	c.track(service, a.Ref, err)
	return err
}

// setSetting carries out a write under SE at p.
//
// IEC 61850-7-2, 16.3.4, SetEditSGValue.
func (c *call) setSetting(a acsi.Assignment, p point) error {
	g := c.e.settings[a.Ref.LD()]
	if g == nil {
		return acsi.Errorf(acsi.ObjectAccessUnsupported, "this IED has no setting groups in %s: %s cannot be edited", a.Ref.LD(), a.Ref)
	}
	values := make([]value.Value, p.shape.leafs)
	p.shape.split(0, a.Value, func(i int, v value.Value) { values[i] = v })
	err := g.control.Set(c.session, g.place[p.first], values, c.at.Time)
	if err != nil {
		g.show() // the reservation may have run out
	} else {
		g.showBlock()
		c.e.put(p, a.Value)
		c.written = append(c.written, a)
	}
	c.track("SetEditSGValue", a.Ref, err)
	return err
}

// mayReadEdited says why the peer may not read ref, where that is of the setting group that is edited. It is called with the lock held.
func (c *call) mayReadEdited(ref acsi.Ref) error {
	if ref.FC() != acsi.SE {
		return nil
	}
	g := c.e.settings[ref.LD()]
	if g == nil {
		return nil
	}
	err := g.control.CanRead(c.session, c.at.Time)
	if err == nil {
		g.show() // the reservation may have run out
	}
	return err
}

// processSetting lets the process change a setting of the active group, or which group that is. It is false where h is neither.
func (e *Engine) processSetting(h Handle, v value.Value) (bool, error) {
	if fc := h.ref.FC(); fc != acsi.SG && fc != acsi.SP {
		return false, nil
	}
	g := e.settings[h.ref.LD()]
	switch {
	case g == nil:
		return false, nil
	case h.ref.FC() == acsi.SG:
		active, _ := g.control.Active()
		h.shape.split(h.first, v, func(leaf int, v value.Value) { g.control.Put(active, g.place[leaf], v) })
		g.save(uint64(active))
	case inSettingBlock(h.ref) && h.ref.Name() == "ActSG":
		number, _ := v.Uint()
		if err := g.control.Activate(int(number), e.now()); err != nil {
			return true, err
		}
		g.save(0)
	default:
		return false, nil
	}
	g.show()
	return true, nil
}

func (e *Engine) tickSettings(now time.Time) {
	for _, g := range e.settings {
		if next := g.control.Next(now); !next.IsZero() {
			if g.control.Tick(now) {
				g.show()
			}
			g.showBlock()
		}
	}
}

func (e *Engine) nextSetting() time.Time {
	var first time.Time
	for _, g := range e.settings {
		if next := g.control.Next(e.cfg.Now()); first.IsZero() || !next.IsZero() && next.Before(first) {
			first = next
		}
	}
	return first
}

// closeSettings drops what the association has edited and not confirmed.
func (s *session) closeSettings() {
	for _, g := range s.e.settings {
		if g.control.Gone(s) {
			g.show()
		}
	}
}

// save notes that State has to hear of a group, or with 0 of which one is active.
func (g *settingGroups) save(record uint64) {
	g.changed[record] = struct{}{}
	g.e.save(g)
}

// unsaved is a saver's. A group is kept as the path of each setting and its value.
func (g *settingGroups) unsaved(changes []Change) []Change {
	g.asked, g.changed = g.changed, uint64Set{}
	for _, n := range slices.Sorted(maps.Keys(g.asked)) {
		var data []byte
		if n == 0 {
			group, since := g.control.Active()
			data, _ = value.StructureOf(value.Uint(uint64(group)), since.Value()).AppendBinary(nil)
		} else {
			for place, v := range g.control.Values(int(n)) {
				path := g.active[place].ref.Path()
				data = append(binary.AppendUvarint(data, uint64(len(path))), path...)
				data, _ = v.AppendBinary(data)
			}
		}
		changes = append(changes, Change{Op: Put, Record: Record{Table: tableSettings, Name: g.ld, Number: n, Data: data}})
	}
	return changes
}

// saved is a saver's.
func (g *settingGroups) saved(kept bool) {
	if !kept {
		maps.Copy(g.changed, g.asked)
	}
	clear(g.asked)
}

// loadSettings takes in a group of an earlier run, or which one was active. What the model has no room for any more is
// forgotten.
func (e *Engine) loadSettings(r Record) error {
	g := e.settings[r.Name]
	if g == nil || r.Number > uint64(g.control.Groups()) {
		return nil
	}
	defer g.show()
	if r.Number == 0 {
		return g.loadActive(r.Data)
	}
	places := map[string]int{}
	for place, s := range g.active {
		places[s.ref.Path()] = place
	}
	for data := r.Data; len(data) > 0; {
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return fmt.Errorf("setting group %d of %s: no path", r.Number, r.Name)
		}
		path := string(data[n : n+int(length)])
		v, rest, err := value.DecodeBinary(data[n+int(length):])
		if err != nil {
			return fmt.Errorf("setting group %d of %s: %s: %w", r.Number, r.Name, path, err)
		}
		if place, ok := places[path]; ok && g.active[place].node.Check(v) == nil {
			g.control.Put(int(r.Number), place, v)
		}
		data = rest
	}
	return nil
}

func (g *settingGroups) loadActive(data []byte) error {
	v, _, err := value.DecodeBinary(data)
	if err != nil || v.Kind() != value.Structure || v.Len() != 2 {
		return fmt.Errorf("active setting group of %s: %v", g.ld, err)
	}
	group, _ := v.At(0).Uint()
	since, ok := acsi.TimestampOf(v.At(1))
	if ok && group <= setting.MaxGroups {
		_ = g.control.Activate(int(group), since) // one that the model has no more is not active
	}
	return nil
}
