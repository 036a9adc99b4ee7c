package acsi

import "busbar.example/value"

// Model is what an IED holds: logical devices and the logical nodes in them. It is immutable once made.
//
// IEC 61850-7-2, 6 and IEC 61850-6, 9.3.
type Model struct {
	IED string           // the IED's name in its SCL file
	LDs []*LogicalDevice // in the order of the file; their names differ
}

// LogicalDevice is one named part of a Model.
type LogicalDevice struct {
	Name        string // as it is called on the wire: ldName, else the IED's name and inst
	Inst        string
	Desc        string
	ActiveGroup int            // the setting group that is active at start, from 1; 0 where there are no setting groups
	LNs         []*LogicalNode // in the order of the file; their names differ
}

// LogicalNode is one instance of a logical node class: its tree, which it may share below the root with others
// of its type, and the values that are its own.
type LogicalNode struct {
	Node   *Node // of kind LogicalNodeNode; Node.Name is prefix, class and instance
	Values []InitialValue
}

// InitialValue is the value that a leaf has when the IED starts.
type InitialValue struct {
	Ref   Ref // of a leaf or of an element of an array, with its functional constraint
	Value value.Value
	Group int // the setting group that it belongs to, from 1; 0 where it belongs to all
}

// LD is the logical device called name, or nil.
func (m *Model) LD(name string) *LogicalDevice {
	for _, ld := range m.LDs {
		if ld.Name == name {
			return ld
		}
	}
	return nil
}

// LN is the logical node called name, or nil.
func (d *LogicalDevice) LN(name string) *LogicalNode {
	for _, ln := range d.LNs {
		if ln.Node.Name == name {
			return ln
		}
	}
	return nil
}
