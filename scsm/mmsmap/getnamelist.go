package mmsmap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// GetServerDirectory asks for the names of the domains. IEC 61850-8-1, GetServerDirectory.
func (c *Client) GetServerDirectory(ctx context.Context) ([]string, error) {
	return c.nameList(ctx, mms.ClassDomain, mms.ScopeVMD{})
}

// GetLogicalDeviceDirectory takes the logical nodes out of the domain's names.
// IEC 61850-8-1, GetLogicalDeviceDirectory.
func (c *Client) GetLogicalDeviceDirectory(ctx context.Context, ld string) ([]string, error) {
	names, err := c.nameList(ctx, mms.ClassNamedVariable, mms.ScopeDomain(ld))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.IndexByte(name, '$') >= 0 }), nil
}

// GetLogicalNodeDirectory takes the data objects of ln out of the domain's names; they are sorted by
// functional constraint, then by name. IEC 61850-8-1, GetLogicalNodeDirectory.
func (c *Client) GetLogicalNodeDirectory(ctx context.Context, ln acsi.Ref) ([]string, error) {
	names, err := c.nameList(ctx, mms.ClassNamedVariable, mms.ScopeDomain(ln.LD()))
	if err != nil {
		return nil, err
	}
	objects, exists := []string{}, false
	for _, name := range names {
		node, rest, below := strings.Cut(name, "$")
		if node != ln.LN() {
			continue
		}
		exists = true
		fc, object, below2 := strings.Cut(rest, "$")
		if !below || !below2 || strings.IndexByte(object, '$') >= 0 || ln.FC() != 0 && fc != ln.FC().String() {
			continue
		}
		if !slices.Contains(objects, object) {
			objects = append(objects, object)
		}
	}
	if !exists {
		return nil, &acsi.Error{Code: acsi.ObjectNonExistent, Remote: true, Text: fmt.Sprintf("%v has no logical node %s", ln.LD(), ln.LN())}
	}
	return objects, nil
}

// nameList collects a list that may come in several parts.
func (c *Client) nameList(ctx context.Context, class mms.ObjectClass, scope mms.ObjectScope) ([]string, error) {
	names := []string{}
	for {
		request := &mms.GetNameListRequest{ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: class}, ObjectScope: scope}
		if len(names) > 0 {
			request.ContinueAfter = names[len(names)-1]
		}
		response, err := call[*mms.GetNameListResponse](ctx, c, request)
		if err != nil {
			return nil, err
		}
		names = append(names, response.ListOfIdentifier...)
		if !response.MoreFollows {
			return names, nil
		}
		if len(response.ListOfIdentifier) == 0 {
			return nil, fmt.Errorf("the peer's list of names says that more follows, and nothing does")
		}
		if len(names) > maxNames {
			return nil, fmt.Errorf("the peer's list of names has no end: more than %d", maxNames)
		}
	}
}

// maxNames bounds a list of names; the largest known models have some 100,000 in a logical device.
const maxNames = 1 << 20

// getNameList answers with as many names as fit into one PDU.
func (s *server) getNameList(ctx context.Context, r *mms.GetNameListRequest) (mms.ConfirmedServiceResponse, error) {
	names, err := s.names(ctx, r)
	if err != nil {
		return nil, serviceError(err)
	}
	if r.ContinueAfter != "" {
		at, found := slices.BinarySearch(names, r.ContinueAfter)
		if !found {
			return nil, serviceError(acsi.Errorf(acsi.ObjectNonExistent, "no name %q to continue after", r.ContinueAfter))
		}
		names = names[at+1:]
	}
	part := s.fitting(names)
	return &mms.GetNameListResponse{ListOfIdentifier: part, MoreFollows: len(part) < len(names)}, nil
}

func (s *server) names(ctx context.Context, r *mms.GetNameListRequest) ([]string, error) {
	switch scope := r.ObjectScope.(type) {
	case mms.ScopeVMD:
		switch r.ExtendedObjectClass.ObjectClass {
		case mms.ClassDomain:
			return s.services.GetServerDirectory(ctx)
		case mms.ClassNamedVariable:
			return []string{}, nil // every variable is in a logical device
		}
	case mms.ScopeDomain:
		if r.ExtendedObjectClass.ObjectClass == mms.ClassNamedVariable {
			return s.variables(ctx, string(scope))
		}
	case mms.ScopeAA:
		if r.ExtendedObjectClass.ObjectClass == mms.ClassNamedVariable {
			return []string{}, nil
		}
	}
	return nil, acsi.Errorf(acsi.ObjectAccessUnsupported, "names of class %v are not served", r.ExtendedObjectClass.ObjectClass)
}

// variables lists every variable of a logical device: LN, LN$FC, LN$FC$DO and so on.
func (s *server) variables(ctx context.Context, ld string) ([]string, error) {
	lns, err := s.services.GetLogicalDeviceDirectory(ctx, ld)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, ln := range lns {
		ref, err := acsi.NewRef(ld, ln, 0)
		if err != nil {
			return nil, err
		}
		node, err := s.services.GetDataDefinition(ctx, ref)
		if err != nil {
			return nil, err
		}
		names = append(names, ln)
		for _, fc := range node.FCs() {
			prefix := ln + "$" + fc.String()
			names = appendVariables(append(names, prefix), prefix, node.Under(fc))
		}
	}
	slices.Sort(names)
	return names, nil
}

// appendVariables adds what is below n. The parts of an array's elements are no variables.
func appendVariables(names []string, prefix string, n *acsi.Node) []string {
	if n.Count > 0 {
		return names
	}
	for _, c := range n.Children {
		name := prefix + "$" + c.Name
		names = appendVariables(append(names, name), name, c)
	}
	return names
}

// The space that names take in a PDU, generously: around the list, and around each name in XML.
const (
	listOverhead = 1024
	nameOverhead = len("<Identifier></Identifier>")
)

// fitting is the first of the names, as many as fit into a PDU and at least one.
func (s *server) fitting(names []string) []string {
	room := s.association.Parameters().MaxPDU - listOverhead
	for i, name := range names {
		if room -= len(name) + nameOverhead; room < 0 && i > 0 {
			return names[:i]
		}
	}
	return names
}
