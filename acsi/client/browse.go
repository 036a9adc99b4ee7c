package client

import (
	"context"
	"encoding/json"

	"busbar.example/acsi"
	"busbar.example/value"
)

// List gives what is directly below ref, in the order of the model: the logical devices for the zero Ref, the
// logical nodes of a device, the data objects of a node, and so on. A functional constraint leaves out what is
// not under it.
func (c *Client) List(ctx context.Context, ref acsi.Ref) ([]Object, error) {
	switch ref.Depth() {
	case 0:
		names, err := c.services.GetServerDirectory(ctx)
		return named(acsi.Ref{}, names, err)
	case 1:
		names, err := c.services.GetLogicalDeviceDirectory(ctx, ref.LD())
		if err != nil {
			err = c.explain(ctx, ref, err)
		}
		return named(ref, names, err)
	}
	nodes, err := c.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	var objects []Object
	for _, n := range nodes {
		below, err := parts(ref, n)
		if err != nil {
			return nil, err
		}
		objects = append(objects, below...)
	}
	return objects, nil
}

// named makes objects of the names of devices or logical nodes below ref.
func named(ref acsi.Ref, names []string, err error) ([]Object, error) {
	if err != nil {
		return nil, err
	}
	objects := make([]Object, 0, len(names))
	for _, name := range names {
		o := Object{}
		if o.Ref, err = ref.Child(name); err != nil {
			return nil, err
		}
		if ref.Depth() == 1 {
			o.Node = &acsi.Node{Name: name, Kind: acsi.LogicalNodeNode}
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// parts are the objects directly below n, which ref names, under ref's functional constraint where it has one.
// Those of an array of structures are its elements; an array of leaves has none.
func parts(ref acsi.Ref, n *acsi.Node) ([]Object, error) {
	if n.Count > 0 {
		return elements(ref, n)
	}
	var objects []Object
	for _, child := range n.Children {
		if ref.FC() != 0 {
			if child = child.Under(ref.FC()); child == nil {
				continue
			}
		}
		childRef, err := ref.Child(child.Name)
		if err != nil {
			return nil, err
		}
		if child.FC != 0 {
			childRef = childRef.WithFC(child.FC)
		}
		objects = append(objects, Object{Ref: childRef, Node: child})
	}
	return objects, nil
}

func elements(ref acsi.Ref, n *acsi.Node) ([]Object, error) {
	if n.IsLeaf() {
		return nil, nil
	}
	one := *n
	one.Count = 0
	var objects []Object
	for i := range n.Count {
		element, err := ref.Element(i)
		if err != nil {
			return nil, err
		}
		objects = append(objects, Object{Ref: element, Node: &one})
	}
	return objects, nil
}

// Walk calls visit with everything below ref, each object before what is below it. An error of visit ends the walk
// and is returned.
func (c *Client) Walk(ctx context.Context, ref acsi.Ref, visit func(Object) error) error {
	objects, err := c.List(ctx, ref)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := visit(o); err != nil {
			return err
		}
		if o.Ref.Depth() <= 2 {
			err = c.Walk(ctx, o.Ref, visit)
		} else {
			err = walkParts(o, visit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func walkParts(o Object, visit func(Object) error) error {
	below, err := parts(o.Ref, o.Node)
	if err != nil {
		return err
	}
	for _, child := range below {
		if err := visit(child); err != nil {
			return err
		}
		if err := walkParts(child, visit); err != nil {
			return err
		}
	}
	return nil
}

// TypeName is the type of an attribute in a word: float32, bit-string, structure, array; "" for what is no attribute.
func TypeName(n *acsi.Node) string {
	switch {
	case n == nil || n.FC == 0:
		return ""
	case n.Count > 0:
		return value.Array.String()
	case len(n.Children) > 0:
		return value.Structure.String()
	}
	return n.Type.Kind.String()
}

// MarshalJSON gives {"ref","kind","fc","cdc","type"}, without what does not apply, and "count" for an array.
func (o Object) MarshalJSON() ([]byte, error) {
	j := struct {
		Ref   string `json:"ref"`
		Kind  string `json:"kind"`
		FC    string `json:"fc,omitempty"`
		CDC   string `json:"cdc,omitempty"`
		Type  string `json:"type,omitempty"`
		Count int    `json:"count,omitempty"`
	}{Ref: o.Ref.Path(), Kind: o.Kind().String(), FC: o.Ref.FC().String(), Type: TypeName(o.Node)}
	if o.Node != nil {
		j.CDC, j.Count = o.Node.CDC, o.Node.Count
	}
	return json.Marshal(j)
}
