package acsi

import "busbar.example/value"

// NodeKind tells what a Node of the model stands for.
type NodeKind uint8

// The kinds of Node.
const (
	LogicalDeviceNode NodeKind = iota + 1
	LogicalNodeNode
	DataObjectNode
	SubDataObjectNode
	DataAttributeNode
	BasicDataAttributeNode // a component of a constructed attribute
	ControlBlockNode       // a control block, which stands among the data objects of its logical node; its attributes are DataAttributeNodes
)

var nodeKindNames = [...]string{"", "LD", "LN", "DO", "SDO", "DA", "BDA", "CB"}

// String is LD, LN, DO, SDO, DA or BDA, as SCL abbreviates them, or CB.
func (k NodeKind) String() string {
	if int(k) < len(nodeKindNames) {
		return nodeKindNames[k]
	}
	return ""
}

// Type is the type of a leaf as it travels: a kind of value and its size.
//
// IEC 61850-8-1, Table "Mapping of basic data types".
type Type struct {
	Kind value.Kind
	Size int // bits of a number; most octets or bits of a string (negative: exactly that many); octets of a binary time
}

// Node is one named part of the model: its type, and the parts below it. A Node says nothing about
// the value. Nodes are immutable once made, and may be shared between logical nodes of one type.
type Node struct {
	Name     string
	Kind     NodeKind
	FC       FC      // of an attribute and all below it; 0 for a logical node or data object
	CDC      string  // of a data object where it is known; it does not travel on MMS. Of a control block its class: BRCB, URCB, LCB, SGCB, GoCB, MSVCB, USVCB
	Class    string  // of a logical node, where it is known: MMXU
	Count    int     // number of elements where this is an array, else 0; the rest then describes one element
	Type     Type    // of a leaf, that is of a Node without children
	Basic    string  // of a leaf: its type's name in SCL where it is known (FLOAT32, Quality, Enum)
	Enum     *Enum   // of a leaf of an enumerated type, where it is known
	Desc     string  // what the engineer wrote about it, if anything
	Triggers TrgOps  // of a leaf: what a change of it makes control blocks do, of TrgDataChange, TrgQualityChange and TrgDataUpdate; it does not travel on MMS
	ReadOnly bool    // of an attribute: no service writes it, whatever its FC; it does not travel on MMS
	Children []*Node // in the order of the model
}

// Enum is an enumerated type: the names of numbers.
type Enum struct {
	ID     string
	Values []EnumValue // in the order of the declaration
}

// EnumValue is one number of an enumeration and its name.
type EnumValue struct {
	Ord  int
	Name string
}

// ByName is the value called name; ok is false where there is none.
func (e *Enum) ByName(name string) (v EnumValue, ok bool) {
	for _, v := range e.Values {
		if v.Name == name {
			return v, true
		}
	}
	return EnumValue{}, false
}

// ByOrd is the value of the number ord; ok is false where there is none.
func (e *Enum) ByOrd(ord int64) (v EnumValue, ok bool) {
	for _, v := range e.Values {
		if int64(v.Ord) == ord {
			return v, true
		}
	}
	return EnumValue{}, false
}

// Child is the first part of n that is called name, or nil. An attribute under several functional constraints is
// several parts: Under chooses.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Under is what n holds under fc: n itself where it is an attribute of that functional constraint, else a copy
// without what is under another, or nil where nothing is left.
func (n *Node) Under(fc FC) *Node {
	if n.Kind == DataAttributeNode || n.Kind == BasicDataAttributeNode {
		if n.FC == fc {
			return n
		}
		return nil
	}
	var children []*Node
	for _, c := range n.Children {
		if c = c.Under(fc); c != nil {
			children = append(children, c)
		}
	}
	if children == nil {
		return nil
	}
	under := *n
	under.Children = children
	return &under
}

// FCs lists the functional constraints under which n holds anything, in their order.
func (n *Node) FCs() []FC {
	var seen uint32
	n.collectFCs(&seen)
	var fcs []FC
	for fc := ST; int(fc) < len(fcNames); fc++ {
		if seen&(1<<fc) != 0 {
			fcs = append(fcs, fc)
		}
	}
	return fcs
}

func (n *Node) collectFCs(seen *uint32) {
	if n.FC != 0 {
		*seen |= 1 << n.FC
		return
	}
	for _, c := range n.Children {
		c.collectFCs(seen)
	}
}

// IsLeaf reports whether n holds a value of a basic type, or an array of such values.
func (n *Node) IsLeaf() bool { return len(n.Children) == 0 && n.Type.Kind != value.Invalid }
