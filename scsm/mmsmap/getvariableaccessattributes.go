package mmsmap

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// GetDataDefinition asks for the type of what ref names. MMS knows names and types only: the CDC is left
// empty, and what is a sub data object is told by its parts.
// IEC 61850-8-1, GetDataDefinition.
func (c *Client) GetDataDefinition(ctx context.Context, ref acsi.Ref) (*acsi.Node, error) {
	if ref.Depth() < 2 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%v: a definition is of a logical node or of what is in it", ref)
	}
	// What is asked for is a logical node, or as much of one functional constraint of it as ref is about.
	item, object := mms.DomainSpecific{DomainID: ref.LD(), ItemID: ref.LN()}, ""
	_, below, inside := strings.Cut(ref.Item(), ".")
	if ref.FC() != 0 {
		item.ItemID += "$" + ref.FC().String()
		if inside {
			object, _, _ = strings.Cut(below, ".")
			object, _ = splitIndex(object)
			item.ItemID += "$" + object
		}
	}
	spec, err := c.variableType(ctx, item)
	if err != nil {
		return nil, err
	}
	if object != "" {
		spec = structureOf(object, spec)
	}
	if ref.FC() != 0 {
		spec = structureOf(ref.FC().String(), spec)
	}
	n, err := logicalNode(ref.LN(), spec)
	if err != nil {
		return nil, undescribed(item, err)
	}
	for inside {
		var name string
		name, below, inside = strings.Cut(below, ".")
		if n = partOf(n, name); n == nil {
			return nil, &acsi.Error{Code: acsi.ObjectNonExistent, Remote: true}
		}
	}
	return n, nil
}

func structureOf(name string, spec mms.TypeSpecification) mms.TypeSpecification {
	return &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: name, ComponentType: spec}}}
}

func undescribed(item mms.DomainSpecific, err error) error {
	return fmt.Errorf("the peer's type of %s/%s makes no sense: %w", item.DomainID, item.ItemID, err)
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

// variableType asks for the type of a variable, and checks it. Where it is too large for one PDU it is put together
// of the types of its parts.
func (c *Client) variableType(ctx context.Context, item mms.DomainSpecific) (mms.TypeSpecification, error) {
	left := maxParts
	spec, err := c.typeOfOne(ctx, item, &left)
	if !tooLarge(err) {
		return spec, answerError(err)
	}
	names, err := c.nameList(ctx, mms.ClassNamedVariable, mms.ScopeDomain(item.DomainID), item.ItemID)
	if err != nil {
		return nil, err
	}
	spec, err = c.typeOfParts(ctx, item, names, &left)
	return spec, answerError(err)
}

func (c *Client) typeOfOne(ctx context.Context, item mms.DomainSpecific, left *int) (mms.TypeSpecification, error) {
	response, err := call[*mms.GetVariableAccessAttributesResponse](ctx, c, &mms.GetVariableAccessAttributesRequest{Name: item})
	if err != nil {
		return nil, err
	}
	if err := checkType(response.TypeSpecification, 1, left); err != nil {
		return nil, undescribed(item, err)
	}
	return response.TypeSpecification, nil
}

// typeOfParts puts the type of item together of the types of those of the names that are directly below it. Their
// order is that of the names, and not that of the peer's structure: remember it.
func (c *Client) typeOfParts(ctx context.Context, item mms.DomainSpecific, names []string, left *int) (mms.TypeSpecification, error) {
	whole, parts := &mms.StructureType{}, []string{}
	names = within(names, item.ItemID)
	for _, name := range names {
		part := name[len(item.ItemID)+1:]
		if strings.IndexByte(part, '$') >= 0 {
			continue
		}
		if _, err := acsi.NewRef(part, "", 0); err != nil {
			return nil, undescribed(item, err)
		}
		below := mms.DomainSpecific{DomainID: item.DomainID, ItemID: name}
		spec, err := c.typeOfOne(ctx, below, left)
		if tooLarge(err) {
			spec, err = c.typeOfParts(ctx, below, names, left)
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		whole.Components = append(whole.Components, mms.TypeComponent{ComponentName: part, ComponentType: spec})
	}
	if len(parts) == 0 {
		return nil, acsi.Errorf(acsi.ObjectAccessUnsupported, "the type of %s is longer than the %d octets of a PDU that are agreed with the peer",
			item.ItemID, c.association.Parameters().MaxPDU)
	}
	c.split.remember(item, parts)
	return whole, nil
}

// within is those of the sorted names that are below item.
func within(names []string, item string) []string {
	from, _ := slices.BinarySearch(names, item+"$")
	to, _ := slices.BinarySearch(names, item+"%") // % is the octet that follows $
	return names[from:to]
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
