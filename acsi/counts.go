package acsi

// Counts is how much a model holds. An array counts as often as it has elements, and a setting that stands for the active
// and the edited value as two.
type Counts struct {
	LDs, LNs, DOs, SDOs int
	Leaves              map[FC]int     // attributes of basic type, DA and BDA; without those of control blocks
	DataSets, Members   int            // fixed data sets, and all their members
	Blocks              map[string]int // control blocks by their class; of reports each instance
}

// Counts counts what m holds.
func (m *Model) Counts() Counts {
	c := Counts{Leaves: map[FC]int{}, Blocks: map[string]int{}}
	for _, ld := range m.LDs {
		c.LDs++
		for _, ln := range ld.LNs {
			c.LNs++
			c.DataSets += len(ln.DataSets)
			for _, set := range ln.DataSets {
				c.Members += len(set.Members)
			}
			c.add(ln.Node.Children, 1)
		}
	}
	return c
}

func (c *Counts) add(nodes []*Node, times int) {
	for _, n := range nodes {
		times := times * max(1, n.Count)
		switch {
		case n.Kind == ControlBlockNode:
			c.Blocks[n.CDC]++
			continue
		case n.Kind == DataObjectNode:
			c.DOs += times
		case n.Kind == SubDataObjectNode:
			c.SDOs += times
		case n.IsLeaf():
			c.Leaves[n.FC] += times
		}
		c.add(n.Children, times)
	}
}

// AllLeaves is the number of leaves of all functional constraints.
func (c Counts) AllLeaves() int {
	n := 0
	for _, leaves := range c.Leaves {
		n += leaves
	}
	return n
}
