package mmsmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// ExtendedNames, in the Services of an assoc.Config, offers extendedGetNameList: where both ends do, names come level by level. Only
// IEC 61850-8-2 has that service; in BER it has no form.
var ExtendedNames = mms.Services(mms.ServiceExtendedGetNameList)

// offersLevels reports whether cfg has ExtendedNames.
func offersLevels(cfg assoc.Config) bool { return cfg.Services.Has(mms.ServiceExtendedGetNameList) }

// joinServices is what is in a or b.
func joinServices(a, b mms.ServiceSupportOptions) mms.ServiceSupportOptions {
	for i := range a {
		a[i] |= b[i]
	}
	return a
}

// level collects the names directly below item in a logical device; "" is the device itself. They are sorted by octets.
//
// IEC 61850-8-2, extendedGetNameList.
func (c *Client) level(ctx context.Context, ld, item string) ([]string, error) {
	names, last := []string{}, ""
	for {
		response, err := call[*mms.ExtendedGetNameListResponse](ctx, c, &mms.ExtendedGetNameListRequest{
			ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: mms.ClassNamedVariable}, ObjectScope: mms.ScopeDomain(ld), ItemID: item, ContinueAfter: last})
		if err != nil {
			return nil, answerError(err)
		}
		for _, name := range response.ListOfIdentifier {
			switch {
			case len(name) > acsi.MaxItemLen || strings.IndexByte(name, '$') >= 0:
				return nil, fmt.Errorf("the peer lists %.80q, which is no name of one level", name)
			case name <= last:
				return nil, fmt.Errorf("the peer's list of names is not in order: %q follows %q", name, last)
			case len(names) >= maxNames:
				return nil, fmt.Errorf("the peer's list of names is longer than %d", maxNames)
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

// extendedGetNameList answers with as many names of one level as fit into one PDU.
func (s *server) extendedGetNameList(ctx context.Context, r *mms.ExtendedGetNameListRequest) (mms.ConfirmedServiceResponse, error) {
	if !s.levels || !s.association.Parameters().Services.Has(mms.ServiceExtendedGetNameList) {
		return nil, assoc.ErrUnrecognizedService
	}
	names, err := s.levelOf(ctx, r)
	if err != nil {
		return nil, serviceError(err)
	}
	part := nameListPart{after: r.ContinueAfter, room: roomForNames(s.association.Parameters().MaxPDU)}
	if part.add(names); part.after != "" {
		return nil, serviceError(acsi.Errorf(acsi.ObjectNonExistent, "no name %q to continue after", r.ContinueAfter))
	}
	return &mms.ExtendedGetNameListResponse{ListOfIdentifier: part.names, MoreFollows: part.full}, nil
}

// levelOf is the names directly below what r names: logical nodes, their functional constraints, and under these what is in data
// objects. They are sorted.
func (s *server) levelOf(ctx context.Context, r *mms.ExtendedGetNameListRequest) ([]string, error) {
	ld, inDevice := r.ObjectScope.(mms.ScopeDomain)
	if class := r.ExtendedObjectClass.ObjectClass; !inDevice || class != mms.ClassNamedVariable {
		return nil, acsi.Errorf(acsi.ObjectAccessUnsupported, "names of class %v are not served level by level in this scope", class)
	}
	if r.ItemID == "" {
		return s.services.GetLogicalDeviceDirectory(ctx, string(ld))
	}
	ref, err := s.refs.ofName(mms.DomainSpecific{DomainID: string(ld), ItemID: r.ItemID})
	if err != nil {
		return nil, err
	}
	node, err := s.services.GetDataDefinition(ctx, ref)
	if err != nil {
		return nil, err
	}
	var names []string
	if ref.FC() == 0 {
		for _, fc := range node.FCs() {
			names = append(names, fc.String())
		}
	} else if node = node.Under(ref.FC()); node != nil && node.Count == 0 { // the parts of an array's elements are no variables
		for _, child := range node.Children {
			names = append(names, child.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
