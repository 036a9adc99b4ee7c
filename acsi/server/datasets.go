package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// Bounds of the data sets that services make, where the engineering sets no narrower ones.
const (
	maxDataSets  = 256   // of the IED
	maxLocalSets = 32    // of an association
	maxMembers   = 1024  // of a data set
	maxSetLeaves = 16384 // values in a data set
)

// dataSet is a data set and where its members are.
type dataSet struct {
	acsi.DataSet
	points []point
	users  int // control blocks that name it
}

// dataSets are those of the IED: fixed ones, and those that services have made to stay.
type dataSets struct {
	by      map[acsi.Ref]*dataSet
	made    int                   // that are not fixed
	changed map[acsi.Ref]struct{} // that State has yet to hear of
	asked   []acsi.Ref            // that unsaved has given
}

// makeDataSets makes those of the model.
func (e *Engine) makeDataSets() error {
	e.sets = dataSets{by: map[acsi.Ref]*dataSet{}, changed: map[acsi.Ref]struct{}{}}
	for _, ld := range e.cfg.Model.LDs {
		for _, ln := range ld.LNs {
			for _, set := range ln.DataSets {
				made, err := e.newDataSet(set.Ref, set.Members)
				if err != nil {
					return fmt.Errorf("acsi/server: data set %s: %w", set.Ref, err)
				}
				if e.sets.by[set.Ref] != nil {
					return fmt.Errorf("acsi/server: two data sets are called %s", set.Ref)
				}
				made.Fixed = true
				e.sets.by[set.Ref] = made
			}
		}
	}
	return nil
}

// newDataSet finds the members.
func (e *Engine) newDataSet(ref acsi.Ref, members []acsi.Ref) (*dataSet, error) {
	set := &dataSet{DataSet: acsi.DataSet{Ref: ref, Members: slices.Clone(members)}}
	if len(members) == 0 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "it has no members")
	}
	for _, m := range members {
		if m.FC() == 0 || m.Depth() < 3 {
			return nil, acsi.Errorf(acsi.InvalidAddress, "%s is no data object or attribute under a functional constraint", m)
		}
		p, ok := e.layout.points[m]
		if !ok {
			return nil, acsi.Errorf(acsi.ObjectNonExistent, "the model has no data object or attribute %s", m)
		}
		set.points = append(set.points, p)
	}
	return set, nil
}

// dataSet finds what ref names for the peer, or nil. It is called with the lock held.
func (s *session) dataSet(ref acsi.Ref) *dataSet {
	if ref.IsLocal() {
		return s.sets[ref]
	}
	return s.e.sets.by[ref]
}

// GetDataSets takes the right to view ln, and for those of the association the right to view anything.
func (s *session) GetDataSets(_ context.Context, ln acsi.Ref) ([]string, error) {
	c := s.begin(acsi.GetDataSets)
	defer c.end()
	if ln.IsZero() {
		if err := c.anywhere(rbac.View); err != nil {
			return nil, err
		}
	} else if err := c.logicalNode(ln); err != nil {
		return nil, err
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	names := []string{}
	if ln.IsZero() {
		for ref := range s.sets {
			names = append(names, ref.Name()[1:]) // without its @
		}
	}
	for ref := range s.e.sets.by {
		if ref.Parent() == ln.WithFC(0) && !ln.IsZero() {
			names = append(names, ref.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// logicalNode says why ln is no logical node that the peer may view.
func (c *call) logicalNode(ln acsi.Ref) error {
	if err := c.decide(rbac.View, ln.LD(), ln); err != nil {
		return err
	}
	node := c.e.layout.nodes[ln.WithFC(0)]
	if node == nil {
		return nonExistent(ln)
	}
	if node.Kind != acsi.LogicalNodeNode {
		return acsi.Errorf(acsi.InvalidAddress, "%s is no logical node", ln)
	}
	return nil
}

// findSet is the data set ref, once the peer has the right to view it. It is called with the lock held.
func (c *call) findSet(ref acsi.Ref) (*dataSet, error) {
	if err := c.decideSet(rbac.View, ref); err != nil {
		return nil, err
	}
	set := c.dataSet(ref)
	if set == nil {
		return nil, acsi.Errorf(acsi.ObjectNonExistent, "there is no data set %s", ref)
	}
	return set, nil
}

// decideSet decides about a data set, which belongs to its logical device or to the association.
func (c *call) decideSet(right rbac.Right, ref acsi.Ref) error {
	if ref.IsLocal() {
		return c.anywhere(right)
	}
	if err := c.decide(right, ref.LD(), ref); err != nil {
		return err
	}
	return nil
}

// GetDataSetDirectory takes the right to view the data set and all its members.
func (s *session) GetDataSetDirectory(_ context.Context, ref acsi.Ref) (*acsi.DataSet, error) {
	c := s.begin(acsi.GetDataSetDirectory)
	defer c.end()
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	set, err := c.findSet(ref)
	if err != nil {
		return nil, err
	}
	for _, m := range set.Members {
		if err := c.decide(rbac.View, m.LD(), m); err != nil {
			return nil, err
		}
	}
	directory := set.DataSet
	directory.Members = slices.Clone(set.Members)
	return &directory, nil
}

// GetDataSetValues takes the right to view the data set, and to read each member: a member that it does not reach is an error
// in its place.
func (s *session) GetDataSetValues(_ context.Context, ref acsi.Ref) ([]acsi.Result, error) {
	c := s.begin(acsi.GetDataSetValues)
	defer c.end()
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	set, err := c.findSet(ref)
	if err != nil {
		return nil, err
	}
	results := make([]acsi.Result, len(set.Members))
	for i, m := range set.Members {
		if err := c.decide(readRight(m.FC()), m.LD(), m); err != nil {
			results[i].Err = err
		} else {
			results[i].Value = s.e.read(set.points[i])
		}
	}
	return results, nil
}

// SetDataSetValues takes the right to view the data set, and to write each member.
func (s *session) SetDataSetValues(ctx context.Context, ref acsi.Ref, values []value.Value) ([]error, error) {
	c := s.begin(acsi.SetDataSetValues)
	defer c.end()
	s.e.mu.Lock()
	set, err := c.findSet(ref)
	if err == nil && len(values) != len(set.Members) {
		err = acsi.Errorf(acsi.TypeInconsistent, "%s has %d members, not %d", ref, len(set.Members), len(values))
	}
	if err != nil {
		s.e.mu.Unlock()
		return nil, err
	}
	assignments := make([]acsi.Assignment, len(values))
	for i, m := range set.Members {
		assignments[i] = acsi.Assignment{Ref: m, Value: values[i]}
	}
	return c.setAll(ctx, assignments), nil
}

// CreateDataSet takes the right to make data sets where it is, or anywhere for one of the association, and to read each member.
// A data set that stays is durable when the service ends.
func (s *session) CreateDataSet(ctx context.Context, ref acsi.Ref, members []acsi.Ref) error {
	c := s.begin(acsi.CreateDataSet)
	defer c.end()
	s.e.mu.Lock()
	err := c.createDataSet(ref, members)
	c.track("CreateDataSet", ref, err)
	s.e.release()
	if err != nil || ref.IsLocal() {
		return err
	}
	return s.e.saveAll(ctx)
}

func (c *call) createDataSet(ref acsi.Ref, members []acsi.Ref) error {
	if err := c.decideSet(rbac.Dataset, ref); err != nil {
		return err
	}
	if err := c.roomForSet(ref, len(members)); err != nil {
		return err
	}
	leaves := 0
	for _, m := range members {
		if err := c.decide(readRight(m.FC()), m.LD(), m); err != nil {
			return err
		}
		switch m.FC() {
		case acsi.CO, acsi.SE, acsi.BR, acsi.RP, acsi.LG, acsi.GO, acsi.MS, acsi.US:
			return acsi.Errorf(acsi.InvalidAddress, "%s cannot be in a data set: its functional constraint is %s", m, m.FC())
		}
		leaves += c.e.layout.points[m].leaves()
	}
	if leaves > maxSetLeaves {
		return acsi.Errorf(acsi.TemporarilyUnavailable, "its members have %d values, more than %d", leaves, maxSetLeaves)
	}
	set, err := c.e.newDataSet(ref, members)
	if err != nil {
		return err
	}
	if ref.IsLocal() {
		if c.sets == nil {
			c.sets = map[acsi.Ref]*dataSet{}
		}
		c.sets[ref] = set
		return nil
	}
	c.e.sets.by[ref] = set
	c.e.sets.made++
	c.e.sets.change(c.e, ref)
	return nil
}

// leaves is how many values p has; none where it is the zero point.
func (p point) leaves() int {
	if p.shape == nil {
		return 0
	}
	return p.shape.leafs
}

// roomForSet says why no data set of that name and size can be made.
func (c *call) roomForSet(ref acsi.Ref, members int) error {
	a := c.e.cfg.Model.Services
	switch {
	case c.closed:
		return errClosed
	case !ref.IsLocal() && (ref.Depth() != 3 || ref.FC() != 0 || strings.HasSuffix(ref.Name(), ")") || len(ref.Item()) > acsi.MaxItemLen):
		return acsi.Errorf(acsi.InvalidAddress, "%s is no name of a data set", ref)
	case !ref.IsLocal() && (c.e.layout.nodes[ref.Parent()] == nil):
		return nonExistent(ref.Parent())
	case c.dataSet(ref) != nil:
		return acsi.Errorf(acsi.ObjectAttributeInconsistent, "there is a data set %s", ref)
	case members > within(a.MaxMembers, maxMembers):
		return acsi.Errorf(acsi.TemporarilyUnavailable, "a data set has at most %d members", within(a.MaxMembers, maxMembers))
	case ref.IsLocal() && len(c.sets) >= within(a.MaxLocalSets, maxLocalSets):
		return acsi.Errorf(acsi.TemporarilyUnavailable, "an association has at most %d data sets of its own", within(a.MaxLocalSets, maxLocalSets))
	case !ref.IsLocal() && c.e.sets.made >= within(a.MaxDataSets, maxDataSets):
		return acsi.Errorf(acsi.TemporarilyUnavailable, "services make at most %d data sets", within(a.MaxDataSets, maxDataSets))
	}
	return nil
}

// within is a limit of the engineering, where it sets one, within the bound of this implementation.
func within(limit, bound int) int {
	if limit > 0 {
		return min(limit, bound)
	}
	return bound
}

// DeleteDataSet takes the right to make data sets where it is.
func (s *session) DeleteDataSet(ctx context.Context, ref acsi.Ref) error {
	c := s.begin(acsi.DeleteDataSet)
	defer c.end()
	s.e.mu.Lock()
	err := c.deleteDataSet(ref)
	c.track("DeleteDataSet", ref, err)
	s.e.release()
	if err != nil || ref.IsLocal() {
		return err
	}
	return s.e.saveAll(ctx)
}

func (c *call) deleteDataSet(ref acsi.Ref) error {
	if err := c.decideSet(rbac.Dataset, ref); err != nil {
		return err
	}
	set := c.dataSet(ref)
	switch {
	case set == nil:
		return acsi.Errorf(acsi.ObjectNonExistent, "there is no data set %s", ref)
	case set.Fixed:
		return acsi.Errorf(acsi.ObjectAccessDenied, "%s is fixed by its engineering", ref)
	case set.users > 0:
		return acsi.Errorf(acsi.TemporarilyUnavailable, "a control block makes use of %s", ref)
	case ref.IsLocal():
		delete(c.sets, ref)
		return nil
	}
	delete(c.e.sets.by, ref)
	c.e.sets.made--
	c.e.sets.change(c.e, ref)
	return nil
}

// closeDataSets removes the data sets of the association.
func (s *session) closeDataSets() { s.sets = nil }

// change notes that State has to hear of ref.
func (d *dataSets) change(e *Engine, ref acsi.Ref) {
	d.changed[ref] = struct{}{}
	e.save(d)
}

// unsaved is a saver's. A data set is kept as its members, one a line.
func (d *dataSets) unsaved(changes []Change) []Change {
	d.asked = d.asked[:0]
	for ref := range d.changed {
		d.asked = append(d.asked, ref)
		change := Change{Op: DeleteThrough, Record: Record{Table: tableDataSets, Name: ref.Path()}}
		if set := d.by[ref]; set != nil && !set.Fixed {
			var data []byte
			for _, m := range set.Members {
				data = append(append(data, m.String()...), '\n')
			}
			change.Op, change.Data = Put, data
		}
		changes = append(changes, change)
	}
	clear(d.changed)
	return changes
}

// saved is a saver's.
func (d *dataSets) saved(kept bool) {
	if kept {
		return
	}
	for _, ref := range d.asked {
		d.changed[ref] = struct{}{}
	}
}

// loadDataSet takes in a data set of an earlier run. One that the model has no room for any more is forgotten.
func (e *Engine) loadDataSet(r Record) error {
	ref, err := acsi.ParseDataSetRef(r.Name)
	if err != nil || ref.IsLocal() {
		return fmt.Errorf("data set %q: not a name", r.Name)
	}
	var members []acsi.Ref
	for line := range strings.Lines(string(r.Data)) {
		m, err := acsi.ParseRef(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return fmt.Errorf("data set %s: %w", ref, err)
		}
		members = append(members, m)
	}
	set, err := e.newDataSet(ref, members)
	if err != nil || e.sets.by[ref] != nil || e.layout.nodes[ref.Parent()] == nil {
		e.sets.change(e, ref)
		return nil
	}
	e.sets.by[ref] = set
	e.sets.made++
	return nil
}
