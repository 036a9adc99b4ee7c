package server

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// Supported lists the services of this engine.
func (s *session) Supported() acsi.ServiceSet {
	return s.fileServices() | acsi.GetLogs | acsi.QueryLogByTime | acsi.QueryLogAfter |
		acsi.GetServerDirectory | acsi.GetLogicalDeviceDirectory | acsi.GetLogicalNodeDirectory | acsi.GetAllDataValues |
		acsi.GetDataValues | acsi.SetDataValues | acsi.GetDataDirectory | acsi.GetDataDefinition | acsi.GetDataSets |
		acsi.GetDataSetDirectory | acsi.GetDataSetValues | acsi.SetDataSetValues | acsi.CreateDataSet | acsi.DeleteDataSet |
		acsi.Reporting
}

// GetServerDirectory leaves out what the peer may not view. Who may view nothing at all is denied.
func (s *session) GetServerDirectory(context.Context) ([]string, error) {
	c := s.begin(acsi.GetServerDirectory)
	defer c.end()
	if err := c.anywhere(rbac.View); err != nil {
		return nil, err
	}
	var names []string
	for _, ld := range s.e.cfg.Model.LDs {
		if c.allowed(rbac.View, ld.Name).Allowed {
			names = append(names, ld.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// GetLogicalDeviceDirectory takes the right to view ld.
func (s *session) GetLogicalDeviceDirectory(_ context.Context, ld string) ([]string, error) {
	c := s.begin(acsi.GetLogicalDeviceDirectory)
	defer c.end()
	ref, err := acsi.NewRef(ld, "", 0)
	if err != nil {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%v", err)
	}
	if err := c.decide(rbac.View, ld, ref); err != nil {
		return nil, err
	}
	device := s.e.layout.lds[ld]
	if device == nil {
		return nil, nonExistent(ref)
	}
	names := make([]string, 0, len(device.LNs))
	for _, ln := range device.LNs {
		names = append(names, ln.Node.Name)
	}
	slices.Sort(names)
	return names, nil
}

// GetLogicalNodeDirectory takes the right to view ln. Under a functional constraint of control blocks it names those.
func (s *session) GetLogicalNodeDirectory(_ context.Context, ln acsi.Ref) ([]string, error) {
	node, err := s.node(acsi.GetLogicalNodeDirectory, ln)
	if err != nil {
		return nil, err
	}
	if node.Kind != acsi.LogicalNodeNode {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%s is no logical node", ln)
	}
	kind := acsi.DataObjectNode
	switch ln.FC() {
	case acsi.BR, acsi.RP, acsi.LG, acsi.GO, acsi.MS, acsi.US:
		kind = acsi.ControlBlockNode
	}
	return partNames(node, kind), nil
}

// GetDataDirectory takes the right to view ref.
func (s *session) GetDataDirectory(_ context.Context, ref acsi.Ref) ([]string, error) {
	node, err := s.node(acsi.GetDataDirectory, ref)
	if err != nil {
		return nil, err
	}
	return partNames(node, 0), nil
}

// GetDataDefinition takes the right to view ref.
func (s *session) GetDataDefinition(_ context.Context, ref acsi.Ref) (*acsi.Node, error) {
	return s.node(acsi.GetDataDefinition, ref)
}

// node is what ref names, if the peer may view it.
func (s *session) node(service acsi.ServiceSet, ref acsi.Ref) (*acsi.Node, error) {
	c := s.begin(service)
	defer c.end()
	if err := c.decide(rbac.View, ref.LD(), ref); err != nil {
		return nil, err
	}
	if ref.FC() == 0 {
		if node := s.e.layout.nodes[ref]; node != nil {
			return node, nil
		}
	} else if p, ok := s.e.layout.points[ref]; ok {
		return p.shape.node, nil
	}
	return nil, nonExistent(ref)
}

// partNames names the parts of n, those of one kind unless kind is 0; the two of a setting, active and edited, are one name.
func partNames(n *acsi.Node, kind acsi.NodeKind) []string {
	names := make([]string, 0, len(n.Children))
	for i, c := range n.Children {
		if kind != 0 && c.Kind != kind {
			continue
		}
		if i == 0 || n.Children[i-1].Name != c.Name {
			names = append(names, c.Name)
		}
	}
	return names
}

func nonExistent(ref acsi.Ref) *acsi.Error {
	return acsi.Errorf(acsi.ObjectNonExistent, "the model has no %s", ref)
}

// GetAllDataValues takes the right to read under each functional constraint: what it does not reach is an
// error in its place.
func (s *session) GetAllDataValues(_ context.Context, ln acsi.Ref) ([]acsi.DataValue, error) {
	c := s.begin(acsi.GetAllDataValues)
	defer c.end()
	if err := c.decide(rbac.Read, ln.LD(), ln); err != nil {
		return nil, err
	}
	node := s.e.layout.nodes[ln.WithFC(0)]
	if node == nil {
		return nil, nonExistent(ln)
	}
	if node.Kind != acsi.LogicalNodeNode {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%s is no logical node", ln)
	}
	fcs := []acsi.FC{ln.FC()}
	if ln.FC() == 0 {
		fcs = acsi.FCs()
	}
	var all []acsi.DataValue
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	for _, do := range node.Children {
		if do.Kind == acsi.ControlBlockNode && ln.FC() == 0 {
			continue // no data object
		}
		ref, err := ln.Child(do.Name)
		if err != nil {
			continue // the index has every name of the model
		}
		for _, fc := range fcs {
			ref := ref.WithFC(fc)
			p, ok := s.e.layout.points[ref]
			if !ok {
				continue
			}
			result := acsi.DataValue{Ref: ref}
			if err := c.decide(readRight(fc), ref.LD(), ref); err != nil {
				result.Err = err
			} else if err := c.mayReadEdited(ref); err != nil {
				result.Err = err
			} else {
				result.Value = s.e.read(p)
			}
			all = append(all, result)
		}
	}
	return all, nil
}

// GetDataValues reads all refs at one instant, but where one selects a control object and the process is asked.
func (s *session) GetDataValues(ctx context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	c := s.begin(acsi.GetDataValues)
	defer c.end()
	results := make([]acsi.Result, len(refs))
	s.e.mu.Lock()
	defer s.e.release()
	for i, ref := range refs {
		if err := c.decide(readRight(ref.FC()), ref.LD(), ref); err != nil {
			results[i].Err = err
		} else if p, ok := s.e.layout.points[ref]; !ok {
			results[i].Err = s.absent(ref)
		} else if ref.FC() == acsi.CO {
			selecting := c // that c itself stays off the heap: it is on the way of every read
			results[i].Value, results[i].Err = selecting.getControl(ctx, ref, p)
			c = selecting
		} else if err := c.mayReadEdited(ref); err != nil {
			results[i].Err = err
		} else {
			results[i].Value = s.e.read(p)
		}
	}
	return results, nil
}

// absent says why ref is no object to read or write.
func (s *session) absent(ref acsi.Ref) *acsi.Error {
	if ref.FC() != 0 || s.e.layout.nodes[ref] == nil {
		return nonExistent(ref)
	}
	return acsi.Errorf(acsi.InvalidAddress, "%s is given without a functional constraint", ref)
}

// SetDataValues writes each value as a whole or not at all, one after the other. Each is there when the process
// hears of it, and the process has heard of all when the service ends.
func (s *session) SetDataValues(ctx context.Context, assignments []acsi.Assignment) ([]error, error) {
	c := s.begin(acsi.SetDataValues)
	defer c.end()
	s.e.mu.Lock()
	return c.setAll(ctx, assignments), nil
}

// setAll writes one after the other. It is called with the lock held and returns without it.
func (c *call) setAll(ctx context.Context, assignments []acsi.Assignment) []error {
	errs := make([]error, len(assignments))
	for i, a := range assignments {
		c.tried, c.tracked = a, false
		errs[i] = c.set(a)
		c.trackWrite(a, errs[i])
		if rest := c.rest; rest != nil {
			c.rest = nil
			c.tellProcess()
			errs[i] = rest(ctx)
			c.e.mu.Lock()
		}
	}
	c.tellProcess()
	if c.keep {
		c.keep = false
		_ = c.e.saveAll(ctx) // who waits no longer is told what was done all the same
	}
	return errs
}

// set carries out one write, with the lock held. What cannot be done so, because it waits for a decision of the process or for a
// disk, it leaves in c.rest: that is called without the lock, before the next write, and its error is the answer.
//
// IEC 61850-7-2, 11.3.3; what may be written under which functional constraint: IEC 61850-7-3, Table "FC".
func (c *call) set(a acsi.Assignment) error {
	if c.closed {
		return errClosed
	}
	fc := a.Ref.FC()
	right := writeRight(fc)
	if inSettingBlock(a.Ref) {
		right = rbac.SettingGroup
	}
	if err := c.decide(right, a.Ref.LD(), a.Ref); err != nil {
		return c.withoutAuthority(err, a)
	}
	p, ok := c.e.layout.points[a.Ref]
	if !ok {
		return c.absent(a.Ref)
	}
	switch fc {
	case acsi.SP, acsi.CF, acsi.DC, acsi.CO, acsi.SV, acsi.BL, acsi.SE, acsi.BR, acsi.RP, acsi.LG:
	default:
		return acsi.Errorf(acsi.ObjectAccessDenied, "%s cannot be written: functional constraint %s is read only", a.Ref, fc)
	}
	if p.shape.readOnly {
		return acsi.Errorf(acsi.ObjectAccessDenied, "%s cannot be written: it is, or has a part that is, read only by its engineering", a.Ref)
	}
	if err := p.shape.node.Check(a.Value); err != nil {
		return err
	}
	if err := c.e.checkLimits(a, p); err != nil {
		return err
	}
	switch fc {
	case acsi.CO:
		return c.setControl(a, p)
	case acsi.SV, acsi.BL:
		return c.setSubstitution(a, p)
	case acsi.SE:
		return c.setSetting(a, p)
	case acsi.BR, acsi.RP:
		return c.setReport(a, p)
	case acsi.LG:
		return c.setLog(a, p)
	}
	if inSettingBlock(a.Ref) {
		return c.setSettingBlock(a, p)
	}
	if err := c.e.checkControlModel(a); err != nil {
		return err
	}
	c.e.put(p, a.Value)
	c.e.kept.written(a.Ref, p)
	c.keep = true
	c.written = append(c.written, a)
	return nil
}

// tellProcess is called with the lock held and returns without it. Tickets keep the hooks in the order of the
// writes, though they run outside the lock.
func (c *call) tellProcess() {
	e, written, effects := c.e, c.written, c.effects
	c.written, c.effects = nil, nil
	e.settle()
	if len(written) == 0 || len(e.hooks) == 0 {
		e.mu.Unlock()
	} else {
		e.callHooks(slices.Concat(written, effects))
	}
	for _, a := range written {
		c.record(audit.ValueWritten, fmt.Sprintf("%s = %s", a.Ref, clip(a.Value.String())))
	}
}

// callHooks is called with the lock held and returns without it.
func (e *Engine) callHooks(written []acsi.Assignment) {
	ticket := e.tickets
	e.tickets++
	for e.serving != ticket {
		e.hookTurn.Wait()
	}
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.serving++
		e.mu.Unlock()
		e.hookTurn.Broadcast()
	}()
	for _, a := range written {
		for _, hook := range e.hooks {
			hook(a.Ref, a.Value)
		}
	}
}

// clip shortens a value for an event.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
