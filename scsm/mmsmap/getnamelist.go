package mmsmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// GetServerDirectory asks for the names of the domains. IEC 61850-8-1, GetServerDirectory.
func (c *Client) GetServerDirectory(ctx context.Context) ([]string, error) {
	return c.nameList(ctx, mms.ClassDomain, mms.ScopeVMD{}, "")
}

// GetLogicalDeviceDirectory takes the logical nodes out of the domain's names, or asks for them alone.
// IEC 61850-8-1, GetLogicalDeviceDirectory.
func (c *Client) GetLogicalDeviceDirectory(ctx context.Context, ld string) ([]string, error) {
	if c.levels {
		return c.level(ctx, ld, "")
	}
	names, err := c.nameList(ctx, mms.ClassNamedVariable, mms.ScopeDomain(ld), "")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.IndexByte(name, '$') >= 0 }), nil
}

// GetLogicalNodeDirectory takes the data objects of ln out of the domain's names; they are sorted by the first
// functional constraint that they are under, then by name. IEC 61850-8-1, GetLogicalNodeDirectory.
func (c *Client) GetLogicalNodeDirectory(ctx context.Context, ln acsi.Ref) ([]string, error) {
	if ln.Depth() != 2 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%v is no logical node", ln)
	}
	item := itemOf(ln)
	if c.levels && ln.FC() != 0 {
		names, err := c.level(ctx, item.DomainID, item.ItemID)
		return slices.DeleteFunc(names, func(name string) bool { return !named(name, ln.FC(), ln.FC()) }), err
	}
	names, err := c.nameList(ctx, mms.ClassNamedVariable, mms.ScopeDomain(item.DomainID), item.ItemID)
	if err != nil {
		return nil, err
	}
	objects, seen := []string{}, make(map[string]bool)
	for _, name := range names {
		object, fc := name[len(item.ItemID)+1:], ln.FC()
		if fc == 0 {
			var of string
			of, object, _ = strings.Cut(object, "$")
			fc, _ = acsi.ParseFC(of)
		}
		if object != "" && strings.IndexByte(object, '$') < 0 && named(object, fc, ln.FC()) && !seen[object] {
			seen[object] = true
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// named reports whether the directory of a logical node names what is called object under fc: a data object, or a control block where
// its functional constraint is asked for.
func named(object string, fc, asked acsi.FC) bool {
	class := controlBlockClass(object, fc)
	return class == "" || fc == asked && class != acsi.SGCB
}

// GetDataSets takes the data sets of ln out of the domain's, or with the zero Ref lists those of the association.
// IEC 61850-8-1, GetLogicalNodeDirectory of DATA-SET.
func (c *Client) GetDataSets(ctx context.Context, ln acsi.Ref) ([]string, error) {
	if ln.IsZero() {
		return c.nameList(ctx, mms.ClassNamedVariableList, mms.ScopeAA{}, "")
	}
	return c.namesIn(ctx, mms.ClassNamedVariableList, ln)
}

// GetLogs takes the logs of ln out of the domain's. IEC 61850-8-1, GetLogicalNodeDirectory of LOG.
func (c *Client) GetLogs(ctx context.Context, ln acsi.Ref) ([]string, error) {
	return c.namesIn(ctx, mms.ClassJournal, ln)
}

// namesIn are the names of a class in the logical node ln. The whole list is asked for: it can be continued after a name that is in it
// only.
func (c *Client) namesIn(ctx context.Context, class mms.ObjectClass, ln acsi.Ref) ([]string, error) {
	if ln.Depth() != 2 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%v is no logical node", ln)
	}
	all, err := c.nameList(ctx, class, mms.ScopeDomain(ln.LD()), "")
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, name := range all {
		if name, in := strings.CutPrefix(name, ln.LN()+"$"); in {
			names = append(names, name)
		}
	}
	return names, nil
}

// maxNames bounds a list of names; the largest known models have some 100,000 in a logical device.
const maxNames = 1 << 18

// nameList collects a list that may come in several parts: all of it, or only the names below the one called under. It
// is sorted by octets: so the names below one stand together behind it, and a list has an end.
func (c *Client) nameList(ctx context.Context, class mms.ObjectClass, scope mms.ObjectScope, under string) ([]string, error) {
	if c.lenient.AnyOrder {
		return c.nameListInAnyOrder(ctx, class, scope, under)
	}
	names, last := []string{}, under
	for {
		response, err := call[*mms.GetNameListResponse](ctx, c, &mms.GetNameListRequest{
			ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: class}, ObjectScope: scope, ContinueAfter: last})
		if err != nil {
			return nil, answerError(err)
		}
		for _, name := range response.ListOfIdentifier {
			switch {
			case len(name) > acsi.MaxRefLen:
				return nil, fmt.Errorf("the peer lists a name of %d octets", len(name))
			case name <= last:
				return nil, fmt.Errorf("the peer's list of names is not in order: %q follows %q", name, last)
			case len(names) >= maxNames:
				return nil, fmt.Errorf("the peer's list of names is longer than %d", maxNames)
			case under != "" && !strings.HasPrefix(name, under+"$"):
				return names, nil
			}
			names, last = append(names, name), name
		}
		if !response.MoreFollows {
			return names, nil
		}
		if len(response.ListOfIdentifier) == 0 {
			return nil, errors.New("the peer's list of names says that more follows, and nothing does")
		}
	}
}

// nameListInAnyOrder is nameList of an IED that does not sort. Then only the whole list has all that is below a name.
func (c *Client) nameListInAnyOrder(ctx context.Context, class mms.ObjectClass, scope mms.ObjectScope, under string) ([]string, error) {
	names, seen, last := []string{}, make(map[string]bool), ""
	for {
		response, err := call[*mms.GetNameListResponse](ctx, c, &mms.GetNameListRequest{
			ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: class}, ObjectScope: scope, ContinueAfter: last})
		if err != nil {
			return nil, answerError(err)
		}
		for _, name := range response.ListOfIdentifier {
			switch {
			case len(name) > acsi.MaxRefLen:
				return nil, fmt.Errorf("the peer lists a name of %d octets", len(name))
			case seen[name]:
				return nil, fmt.Errorf("the peer's list of names has %q twice", name)
			case len(seen) >= maxNames:
				return nil, fmt.Errorf("the peer's list of names is longer than %d", maxNames)
			}
			seen[name] = true
			if under == "" || strings.HasPrefix(name, under+"$") {
				names = append(names, name)
			}
			last = name
		}
		switch {
		case !response.MoreFollows:
			slices.Sort(names)
			return names, nil
		case len(response.ListOfIdentifier) == 0:
			return nil, errors.New("the peer's list of names says that more follows, and nothing does")
		}
	}
}

// getNameList answers with as many names as fit into one PDU.
func (s *server) getNameList(ctx context.Context, r *mms.GetNameListRequest) (mms.ConfirmedServiceResponse, error) {
	part := nameListPart{after: r.ContinueAfter, room: roomForNames(s.association.Parameters().MaxPDU)}
	if err := s.names(ctx, r, &part); err != nil {
		return nil, serviceError(err)
	}
	if part.after != "" {
		return nil, serviceError(acsi.Errorf(acsi.ObjectNonExistent, "no name %q to continue after", r.ContinueAfter))
	}
	return &mms.GetNameListResponse{ListOfIdentifier: part.names, MoreFollows: part.full}, nil
}

func (s *server) names(ctx context.Context, r *mms.GetNameListRequest, part *nameListPart) error {
	class := r.ExtendedObjectClass.ObjectClass
	switch scope := r.ObjectScope.(type) {
	case mms.ScopeVMD:
		if class == mms.ClassDomain {
			lds, err := s.services.GetServerDirectory(ctx)
			part.add(lds)
			return err
		}
		if mayBeListed(class) {
			return nil // all that there is is in logical devices
		}
	case mms.ScopeDomain:
		switch class {
		case mms.ClassNamedVariable:
			return s.variables(ctx, string(scope), part)
		case mms.ClassNamedVariableList:
			return s.eachNode(ctx, string(scope), part, s.services.GetDataSets)
		case mms.ClassJournal:
			return s.eachNode(ctx, string(scope), part, s.services.GetLogs)
		}
	case mms.ScopeAA:
		if class == mms.ClassNamedVariableList {
			names, err := s.services.GetDataSets(ctx, acsi.Ref{})
			part.add(names)
			return notServed(err)
		}
		if mayBeListed(class) {
			return nil
		}
	}
	return acsi.Errorf(acsi.ObjectAccessUnsupported, "names of class %v are not served", class)
}

// mayBeListed reports whether class is one of those that clients list when they browse: what there is none of is an
// empty list then, and no error.
func mayBeListed(class mms.ObjectClass) bool {
	return class == mms.ClassNamedVariable || class == mms.ClassNamedVariableList || class == mms.ClassJournal
}

// eachNode lists what each logical node of a logical device holds, as LN$Name. As with variables, those of one logical node stand
// together.
func (s *server) eachNode(ctx context.Context, ld string, part *nameListPart, list func(context.Context, acsi.Ref) ([]string, error)) error {
	lns, err := s.services.GetLogicalDeviceDirectory(ctx, ld)
	if err != nil {
		return err
	}
	from, _, _ := strings.Cut(part.after, "$")
	at, _ := slices.BinarySearch(lns, from)
	for _, ln := range lns[at:] {
		ref, err := acsi.NewRef(ld, ln, 0)
		if err != nil {
			return err
		}
		found, err := list(ctx, ref)
		if err != nil {
			return notServed(err)
		}
		names := make([]string, len(found))
		for i, name := range found {
			names[i] = ln + "$" + name
		}
		if part.add(names); part.full || part.after != "" {
			return nil
		}
	}
	return nil
}

// notServed keeps from a peer that browses that there is nothing of a kind, which is an empty list then.
func notServed(err error) error {
	if refused, ok := errors.AsType[*acsi.Error](err); ok && refused.Code == acsi.ObjectAccessUnsupported {
		return nil
	}
	return err
}

// variables lists the variables of a logical device: LN, LN$FC, LN$FC$DO and so on. As $ comes before all that a name
// is made of, those of one logical node stand together, in the order of the logical nodes: so a part of the list asks
// only for the logical nodes in it. Each part is decided upon anew.
func (s *server) variables(ctx context.Context, ld string, part *nameListPart) error {
	lns, err := s.services.GetLogicalDeviceDirectory(ctx, ld)
	if err != nil {
		return err
	}
	from, _, _ := strings.Cut(part.after, "$")
	at, _ := slices.BinarySearch(lns, from)
	for _, ln := range lns[at:] {
		ref, err := acsi.NewRef(ld, ln, 0)
		if err != nil {
			return err
		}
		node, err := s.services.GetDataDefinition(ctx, ref)
		if err != nil {
			return err
		}
		if part.add(nodeVariables(node)); part.full || part.after != "" {
			return nil
		}
	}
	return nil
}

// nodeVariables is the variables of a logical node, sorted.
func nodeVariables(ln *acsi.Node) []string {
	names := []string{ln.Name}
	for _, fc := range ln.FCs() {
		names = appendVariables(names, ln.Name+"$"+fc.String(), ln, fc)
	}
	slices.Sort(names)
	return names
}

// appendVariables adds name, which is n under fc, and what is below it; nothing where n holds nothing under fc. The
// parts of an array's elements are no variables.
func appendVariables(names []string, name string, n *acsi.Node, fc acsi.FC) []string {
	at := len(names)
	names = append(names, name)
	for _, c := range n.Children {
		if c.FC == 0 || c.FC == fc {
			names = appendVariables(names, name+"$"+c.Name, c, fc)
		}
	}
	switch {
	case n.FC == 0 && len(names) == at+1:
		return names[:at]
	case n.Count > 0:
		return names[:at+1]
	}
	return names
}

// nameListPart is the part of a list of names that goes into one PDU.
type nameListPart struct {
	after string // the name to continue after; "" once it has come
	room  int    // octets
	names []string
	full  bool // more names follow than had room
}

// roomForNames is what a PDU has for names.
func roomForNames(maxPDU int) int { return maxPDU - min(listOverhead, maxPDU/8) }

// The space that names take in a PDU, generously: around the list, and around each name in XML.
const (
	listOverhead = 1024
	nameOverhead = len("<Identifier></Identifier>")
)

// add takes the next names of the list, which is sorted; at least one goes into a PDU.
func (p *nameListPart) add(names []string) {
	if p.after != "" {
		at, found := slices.BinarySearch(names, p.after)
		if !found {
			return
		}
		names, p.after = names[at+1:], ""
	}
	for _, name := range names {
		if p.room -= len(name) + nameOverhead; p.room < 0 && len(p.names) > 0 {
			p.full = true
			return
		}
		p.names = append(p.names, name)
	}
}
