package mmsmap

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// GetDataDefinition asks for the type of what ref names. MMS knows names and types only: the CDC is left
// empty, and what is a sub data object is told by its parts. A type that is too large for one PDU is put together of the
// types of its parts, for the whole logical node at once, and kept.
// IEC 61850-8-1, GetDataDefinition.
func (c *Client) GetDataDefinition(ctx context.Context, ref acsi.Ref) (*acsi.Node, error) {
	if ref.Depth() < 2 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%v: a definition is of a logical node or of what is in it", ref)
	}
	n, err := c.logicalNode(ctx, ref)
	if err != nil {
		return nil, err
	}
	if ref.FC() != 0 {
		n = n.Under(ref.FC())
	}
	_, below, inside := strings.Cut(ref.Item(), ".")
	for inside && n != nil {
		var name string
		name, below, inside = strings.Cut(below, ".")
		n = partOf(n, name)
	}
	if n == nil {
		return nil, &acsi.Error{Code: acsi.ObjectNonExistent, Remote: true}
	}
	return n, nil
}

// logicalNode asks for the logical node in ref, or for as much of one functional constraint of it as ref is about.
func (c *Client) logicalNode(ctx context.Context, ref acsi.Ref) (*acsi.Node, error) {
	ln := mms.DomainSpecific{DomainID: ref.LD(), ItemID: ref.LN()}
	if n := c.split.node(ln); n != nil {
		return n, nil
	}
	item, object := ln, ""
	if ref.FC() != 0 {
		item.ItemID += "$" + ref.FC().String()
		if _, below, inside := strings.Cut(ref.Item(), "."); inside {
			object, _, _ = strings.Cut(below, ".")
			object, _ = splitIndex(object)
			item.ItemID += "$" + object
		}
	}
	left := maxParts
	spec, err := c.typeOf(ctx, item, &left)
	switch {
	case err != nil && c.lenient.tooLarge(err):
		return c.logicalNodeInParts(ctx, ln)
	case err != nil:
		return nil, answerError(err)
	}
	if object != "" {
		spec = structureOf(object, spec)
	}
	if ref.FC() != 0 {
		spec = structureOf(ref.FC().String(), spec)
	}
	n, err := c.lenient.typing().logicalNode(ln.ItemID, spec)
	if err != nil {
		return nil, undescribed(item, err)
	}
	return n, nil
}

func structureOf(name string, spec mms.TypeSpecification) mms.TypeSpecification {
	return &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: name, ComponentType: spec}}}
}

func undescribed(item mms.DomainSpecific, err error) error {
	return fmt.Errorf("the peer's type of %s/%s makes no sense: %w", item.DomainID, item.ItemID, err)
}

// typeOf asks for the type of a variable, and checks it.
func (c *Client) typeOf(ctx context.Context, item mms.DomainSpecific, left *int) (mms.TypeSpecification, error) {
	response, err := call[*mms.GetVariableAccessAttributesResponse](ctx, c, &mms.GetVariableAccessAttributesRequest{Name: item})
	if err != nil {
		return nil, err
	}
	if err := checkType(response.TypeSpecification, 1, left); err != nil {
		return nil, undescribed(item, err)
	}
	return response.TypeSpecification, nil
}

// partOf is the part of n called name, which may have an index: then it is an element of an array. The parts of an
// array are those of its elements.
func partOf(n *acsi.Node, name string) *acsi.Node {
	name, index := splitIndex(name)
	part := n.Child(name)
	switch {
	case n.Count > 0:
		return nil
	case part == nil || index == "":
		return part
	}
	at, err := strconv.Atoi(index[1 : len(index)-1])
	if err != nil || at >= part.Count {
		return nil
	}
	element := *part
	element.Count = 0
	return &element
}

// GetDataDirectory gives the names of the parts of what ref names. IEC 61850-8-1, GetDataDirectory.
func (c *Client) GetDataDirectory(ctx context.Context, ref acsi.Ref) ([]string, error) {
	node, err := c.GetDataDefinition(ctx, ref)
	if err != nil {
		return nil, err
	}
	names, seen := make([]string, 0, len(node.Children)), make(map[string]bool)
	for _, child := range node.Children {
		if !seen[child.Name] {
			seen[child.Name] = true
			names = append(names, child.Name)
		}
	}
	return names, nil
}

// getVariableAccessAttributes answers with the type of a variable.
func (s *server) getVariableAccessAttributes(ctx context.Context, r *mms.GetVariableAccessAttributesRequest) (mms.ConfirmedServiceResponse, error) {
	ref, err := s.refs.ofName(r.Name)
	if err != nil {
		return nil, serviceError(err)
	}
	node, err := s.services.GetDataDefinition(ctx, ref)
	if err != nil {
		return nil, serviceError(err)
	}
	spec, err := specOf(node, ref)
	if err != nil {
		return nil, err
	}
	if spec == nil {
		return nil, serviceError(acsi.Errorf(acsi.ObjectNonExistent, "%v holds nothing", ref))
	}
	return &mms.GetVariableAccessAttributesResponse{TypeSpecification: spec}, nil
}
