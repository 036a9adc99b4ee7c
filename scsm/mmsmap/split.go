package mmsmap

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// splits are the structures whose types came in parts, with the names of the parts in the order that the definition
// gives them. The peer's own order nobody knows, so such a structure is read part by part and not written as a whole.
// The zero splits has none. It is safe for concurrent use.
type splits struct {
	mu    sync.Mutex
	parts map[mms.DomainSpecific][]string
}

func (s *splits) remember(item mms.DomainSpecific, parts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = make(map[mms.DomainSpecific][]string)
	}
	s.parts[item] = parts
}

// of gives the parts of item, or nil where it is not split.
func (s *splits) of(item mms.DomainSpecific) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts[item]
}

// object is something to read, with its definition where that is known.
type object struct {
	ref  acsi.Ref // with a functional constraint
	node *acsi.Node
}

// plan is the variables that are read at once for some objects.
type plan struct {
	list    mms.ListOfVariable
	objects []object // one for each variable
}

// reading is how one object is read.
type reading struct {
	at    int       // its place in the plan
	parts []reading // of a structure that is split
	err   error     // why it is not read at all
}

// add plans to read o.
func (p *plan) add(s *splits, o object) reading {
	item, access := addressOf(o.ref)
	parts := s.of(item)
	if parts == nil || access != nil {
		p.list, p.objects = append(p.list, variable(item, access)), append(p.objects, o)
		return reading{at: len(p.list) - 1}
	}
	var r reading
	for _, name := range parts {
		ref, err := o.ref.Child(name)
		if err != nil {
			return reading{err: acsi.Errorf(acsi.InvalidAddress, "%v", err)}
		}
		r.parts = append(r.parts, p.add(s, object{ref: ref}))
	}
	return r
}

// result is what came of it. A structure of which one part cannot be read has that part's error.
func (r reading) result(results []acsi.Result) acsi.Result {
	switch {
	case r.err != nil:
		return acsi.Result{Err: r.err}
	case r.parts == nil:
		return results[r.at]
	}
	parts := make([]acsi.Result, len(r.parts))
	for i, part := range r.parts {
		parts[i] = part.result(results)
	}
	return joined(parts, value.StructureOf)
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

// errTooLarge marks the result of a variable whose value does not fit into a PDU.
var errTooLarge = errors.New("the value does not fit into a PDU")

// readObjects reads objects in as few calls as the PDU size allows.
func (c *Client) readObjects(ctx context.Context, objects []object) ([]acsi.Result, error) {
	p := plan{list: make(mms.ListOfVariable, 0, len(objects)), objects: make([]object, 0, len(objects))}
	readings := make([]reading, len(objects))
	for i, o := range objects {
		readings[i] = p.add(&c.split, o)
	}
	read, err := c.readList(ctx, p.list)
	if err != nil {
		return nil, err
	}
	for i := range read {
		if read[i].Err == errTooLarge {
			if read[i], err = c.readParts(ctx, p.objects[i]); err != nil {
				return nil, err
			}
		}
	}
	results := make([]acsi.Result, len(objects))
	for i, r := range readings {
		results[i] = r.result(read)
	}
	return results, nil
}

// readParts reads an object that does not fit into a PDU part by part.
func (c *Client) readParts(ctx context.Context, o object) (acsi.Result, error) {
	if o.node == nil {
		var err error
		if o.node, err = c.GetDataDefinition(ctx, o.ref); err != nil {
			return acsi.Result{}, err
		}
	}
	parts, join, err := partsOf(o)
	if err != nil {
		return acsi.Result{}, err
	}
	if len(parts) == 0 {
		return acsi.Result{Err: acsi.Errorf(acsi.ObjectAccessUnsupported, "the value of %v is longer than the %d octets of a PDU that are agreed with the peer",
			o.ref, c.association.Parameters().MaxPDU)}, nil
	}
	results, err := c.readObjects(ctx, parts)
	if err != nil {
		return acsi.Result{}, err
	}
	return joined(results, join), nil
}

// partsOf are the elements of an array or the components of a structure, and how their values are joined.
func partsOf(o object) (parts []object, join func(...value.Value) value.Value, err error) {
	if o.node.Count > 0 {
		element := *o.node
		element.Count = 0
		for i := range o.node.Count {
			ref, err := acsi.NewRef(o.ref.LD(), fmt.Sprintf("%s(%d)", o.ref.Item(), i), o.ref.FC())
			if err != nil {
				return nil, nil, err
			}
			parts = append(parts, object{ref, &element})
		}
		return parts, value.ArrayOf, nil
	}
	for _, child := range o.node.Children {
		ref, err := o.ref.Child(child.Name)
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, object{ref, child})
	}
	return parts, value.StructureOf, nil
}
