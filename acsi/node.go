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
)

var nodeKindNames = [...]string{"", "LD", "LN", "DO", "SDO", "DA", "BDA"}

// String is LD, LN, DO, SDO, DA or BDA, as SCL abbreviates them.
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
	CDC      string  // of a data object where it is known; it does not travel on MMS
	Class    string  // of a logical node, where it is known: MMXU
	Count    int     // number of elements where this is an array, else 0; the rest then describes one element
	Type     Type    // of a leaf, that is of a Node without children
	Basic    string  // of a leaf: its type's name in SCL where it is known (FLOAT32, Quality, Enum)
	Enum     *Enum   // of a leaf of an enumerated type, where it is known
	Desc     string  // what the engineer wrote about it, if anything
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

// Child is the part of n that is called name, or nil.
func (n *Node) Child(name string) *Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// IsLeaf reports whether n holds a value of a basic type, or an array of such values.
func (n *Node) IsLeaf() bool { return len(n.Children) == 0 && n.Type.Kind != value.Invalid }
