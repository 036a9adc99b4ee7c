package mmsmap

import (
	"context"
	"errors"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// object is something to read, with its definition where that is known.
type object struct {
	ref  acsi.Ref
	node *acsi.Node
}

// reading is how one object is read.
type reading struct {
	object
	at    int       // its place in the list of variables
	parts []reading // of a structure that is split
	err   error     // why it is not read at all
}

// plan adds what is read for o to list.
func (s *splits) plan(list *mms.ListOfVariable, o object) reading {
	if o.ref.FC() == 0 {
		return reading{err: acsi.Errorf(acsi.InvalidAddress, "%v is given without a functional constraint", o.ref)}
	}
	if v, known := s.variable(o.ref); known {
		*list = append(*list, v)
		return reading{object: o, at: len(*list) - 1}
	}
	item, access := addressOf(o.ref)
	parts := s.of(item)
	if parts == nil || access != nil {
		v := variable(item, access)
		s.keep(item, o.ref, v)
		*list = append(*list, v)
		return reading{object: o, at: len(*list) - 1}
	}
	r := reading{object: o}
	for _, name := range parts {
		ref, err := o.ref.Child(name)
		if err != nil {
			return reading{err: acsi.Errorf(acsi.InvalidAddress, "%v", err)}
		}
		r.parts = append(r.parts, s.plan(list, object{ref: ref}))
	}
	return r
}

// errTooLarge marks the result of a variable whose value does not fit into a PDU.
var errTooLarge = errors.New("the value does not fit into a PDU")

// readObjects reads list in as few calls as the PDU size allows, and makes of it what the readings want.
func (c *Client) readObjects(ctx context.Context, list mms.ListOfVariable, readings []reading) ([]acsi.Result, error) {
	read, err := c.readList(ctx, list)
	if err != nil {
		return nil, err
	}
	results := read
	if !plain(readings, read) {
		results = make([]acsi.Result, len(readings))
	}
	for i, r := range readings {
		if results[i], err = c.resultOf(ctx, r, read); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// plain reports whether each reading has the one result in its own place.
func plain(readings []reading, read []acsi.Result) bool {
	for i, r := range readings {
		if r.err != nil || r.parts != nil || r.at != i {
			return false
		}
	}
	return len(readings) == len(read)
}

// resultOf is what came of a reading. What did not fit into a PDU is read now, part by part.
func (c *Client) resultOf(ctx context.Context, r reading, read []acsi.Result) (acsi.Result, error) {
	switch {
	case r.err != nil:
		return acsi.Result{Err: r.err}, nil
	case r.parts == nil && read[r.at].Err == errTooLarge:
		return c.readParts(ctx, r.object)
	case r.parts == nil:
		return read[r.at], nil
	}
	parts := make([]acsi.Result, len(r.parts))
	for i, part := range r.parts {
		var err error
		if parts[i], err = c.resultOf(ctx, part, read); err != nil {
			return acsi.Result{}, err
		}
	}
	return joined(parts, value.StructureOf), nil
}

// readParts reads an object that does not fit into a PDU part by part.
func (c *Client) readParts(ctx context.Context, o object) (acsi.Result, error) {
	if o.node == nil {
		var err error
		if o.node, err = c.GetDataDefinition(ctx, o.ref); err != nil {
			return ofObject(err)
		}
	}
	parts, join, err := partsOf(o)
	if err != nil {
		return ofObject(err)
	}
	var list mms.ListOfVariable
	readings := make([]reading, len(parts))
	for i, part := range parts {
		readings[i] = c.split.plan(&list, part)
	}
	results, err := c.readObjects(ctx, list, readings)
	if err != nil {
		return acsi.Result{}, err
	}
	return joined(results, join), nil
}

// ofObject makes an error about an object its result.
func ofObject(err error) (acsi.Result, error) {
	var e *acsi.Error
	if errors.As(err, &e) {
		return acsi.Result{Err: e}, nil
	}
	return acsi.Result{}, err
}

// joined is the value of what was read in parts, or the first error.
func joined(parts []acsi.Result, join func(...value.Value) value.Value) acsi.Result {
	values := make([]value.Value, len(parts))
	for i, part := range parts {
		if part.Err != nil {
			return part
		}
		values[i] = part.Value
	}
	return acsi.Result{Value: join(values...)}
}

// partsOf are the elements of an array or the components of a structure, and how their values are joined.
func partsOf(o object) (parts []object, join func(...value.Value) value.Value, err error) {
	add := func(node *acsi.Node, item string) {
		ref, refErr := acsi.NewRef(o.ref.LD(), item, o.ref.FC())
		if refErr != nil {
			err = acsi.Errorf(acsi.InvalidAddress, "%v", refErr)
		}
		parts = append(parts, object{ref, node})
	}
	switch {
	case o.node.Count > 0:
		element := *o.node
		element.Count = 0
		for i := range o.node.Count {
			add(&element, fmt.Sprintf("%s(%d)", o.ref.Item(), i))
		}
		return parts, value.ArrayOf, err
	case len(o.node.Children) > 0:
		for _, child := range o.node.Children {
			add(child, o.ref.Item()+"."+child.Name)
		}
		return parts, value.StructureOf, err
	}
	return nil, nil, acsi.Errorf(acsi.ObjectAccessUnsupported, "the value of %v is longer than a PDU that is agreed with the peer", o.ref)
}
