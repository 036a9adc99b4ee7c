package mmsmap

import (
	"context"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// GetDataDefinition asks for the type of what ref names. MMS knows names and types only: the CDC is left
// empty, and what is a sub data object is told by its parts.
// IEC 61850-8-1, GetDataDefinition.
func (c *Client) GetDataDefinition(ctx context.Context, ref acsi.Ref) (*acsi.Node, error) {
	if ref.Depth() < 2 {
		return nil, acsi.Errorf(acsi.ObjectAttributeInconsistent, "%v: a definition is of a logical node or what is in it", ref)
	}
	names := strings.Split(ref.Item(), ".")
	ask, below := itemOf(ref), names[1:]
	if ref.FC() == 0 {
		ask.ItemID = names[0]
	} else if len(names) > 1 {
		object, _ := splitIndex(names[1])
		ask.ItemID = strings.Join([]string{names[0], ref.FC().String(), object}, "$")
	}
	spec, err := c.variableType(ctx, ask)
	if err != nil {
		return nil, err
	}
	root, err := c.assemble(names[0], ref.FC(), ask.ItemID, spec)
	if err != nil {
		return nil, err
	}
	return descend(root, ref, below)
}

// assemble makes the logical node out of the type of LN, of LN$FC or of LN$FC$DO.
func (c *Client) assemble(ln string, fc acsi.FC, item string, spec mms.TypeSpecification) (*acsi.Node, error) {
	parts := strings.Split(item, "$")
	if len(parts) == 3 {
		spec = &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: parts[2], ComponentType: spec}}}
	}
	if fc != 0 {
		spec = &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: fc.String(), ComponentType: spec}}}
	}
	return logicalNode(ln, spec)
}

// descend follows names from a logical node down. An index takes an element out of an array.
func descend(n *acsi.Node, ref acsi.Ref, names []string) (*acsi.Node, error) {
	for _, part := range names {
		name, index := splitIndex(part)
		next := n.Child(name)
		if fc := ref.FC(); fc != 0 && next != nil {
			if i := slices.IndexFunc(n.Children, func(c *acsi.Node) bool { return c.Name == name && c.Under(fc) != nil }); i >= 0 {
				next = n.Children[i]
			}
		}
		if next == nil || index != "" && next.Count == 0 {
			return nil, &acsi.Error{Code: acsi.ObjectNonExistent, Remote: true}
		}
		if index != "" {
			element := *next
			element.Count = 0
			next = &element
		}
		n = next
	}
	return n, nil
}

// GetDataDirectory gives the names of the parts of what ref names. IEC 61850-8-1, GetDataDirectory.
func (c *Client) GetDataDirectory(ctx context.Context, ref acsi.Ref) ([]string, error) {
	node, err := c.GetDataDefinition(ctx, ref)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(node.Children))
	for _, child := range node.Children {
		if !slices.Contains(names, child.Name) {
			names = append(names, child.Name)
		}
	}
	return names, nil
}

// variableType asks for the type of a variable. Where it is too large for one PDU it is put together of
// the types of its parts.
func (c *Client) variableType(ctx context.Context, name mms.DomainSpecific) (mms.TypeSpecification, error) {
	response, err := c.association.Call(ctx, &mms.GetVariableAccessAttributesRequest{Name: name})
	if err == nil {
		return response.(*mms.GetVariableAccessAttributesResponse).TypeSpecification, nil // the association has checked the kind
	}
	if !tooLarge(err) || strings.Count(name.ItemID, "$") >= maxNameDepth {
		return nil, answerError(err)
	}
	names, err := c.nameList(ctx, mms.ClassNamedVariable, mms.ScopeDomain(name.DomainID))
	if err != nil {
		return nil, err
	}
	whole := &mms.StructureType{}
	for _, n := range names {
		part, below := strings.CutPrefix(n, name.ItemID+"$")
		if !below || strings.IndexByte(part, '$') >= 0 {
			continue
		}
		spec, err := c.variableType(ctx, mms.DomainSpecific{DomainID: name.DomainID, ItemID: n})
		if err != nil {
			return nil, err
		}
		whole.Components = append(whole.Components, mms.TypeComponent{ComponentName: part, ComponentType: spec})
	}
	if len(whole.Components) == 0 {
		return nil, acsi.Errorf(acsi.ObjectAccessUnsupported, "the type of %s is too large for one PDU, and the peer lists no parts of it", name.ItemID)
	}
	return whole, nil
}

// maxNameDepth bounds how far a type is taken apart; an item name of 64 octets has fewer parts.
const maxNameDepth = 32

// getVariableAccessAttributes answers with the type of a variable.
func (s *server) getVariableAccessAttributes(ctx context.Context, r *mms.GetVariableAccessAttributesRequest) (mms.ConfirmedServiceResponse, error) {
	ref, err := s.refOfName(r.Name)
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
	return &mms.GetVariableAccessAttributesResponse{TypeSpecification: spec}, nil
}
