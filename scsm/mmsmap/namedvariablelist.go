package mmsmap

import (
	"context"
	"errors"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// GetDataSetDirectory asks what a data set holds. IEC 61850-8-1, GetDataSetDirectory.
func (c *Client) GetDataSetDirectory(ctx context.Context, ref acsi.Ref) (*acsi.DataSet, error) {
	name, err := nameIn(ref)
	if err != nil {
		return nil, err
	}
	response, err := call[*mms.GetNamedVariableListAttributesResponse](ctx, c, &mms.GetNamedVariableListAttributesRequest{VariableListName: name})
	if err != nil {
		return nil, answerError(err)
	}
	set := &acsi.DataSet{Ref: ref, Fixed: !response.MMSDeletable, Members: make([]acsi.Ref, len(response.ListOfVariable))}
	names := make(references)
	for i, v := range response.ListOfVariable {
		if set.Members[i], err = names.ofVariable(v); err != nil {
			return nil, fmt.Errorf("the peer's data set %v has an impossible member: %w", ref, err)
		}
	}
	return set, nil
}

// CreateDataSet makes a data set. IEC 61850-8-1, CreateDataSet.
func (c *Client) CreateDataSet(ctx context.Context, ref acsi.Ref, members []acsi.Ref) error {
	name, err := nameIn(ref)
	if err != nil {
		return err
	}
	request := &mms.DefineNamedVariableListRequest{VariableListName: name, ListOfVariable: make(mms.ListOfVariable, len(members))}
	for i, member := range members {
		if member.FC() == 0 {
			return acsi.Errorf(acsi.InvalidAddress, "%v is given without a functional constraint", member)
		}
		request.ListOfVariable[i] = variable(addressOf(member))
	}
	_, err = call[*mms.DefineNamedVariableListResponse](ctx, c, request)
	return errorsOfDefinitions.meaning(err)
}

// DeleteDataSet removes a data set. The answer counts those that there are, and those that were removed.
// IEC 61850-8-1, DeleteDataSet.
func (c *Client) DeleteDataSet(ctx context.Context, ref acsi.Ref) error {
	name, err := nameIn(ref)
	if err != nil {
		return err
	}
	response, err := call[*mms.DeleteNamedVariableListResponse](ctx, c, &mms.DeleteNamedVariableListRequest{ListOfVariableListName: []mms.ObjectName{name}})
	switch {
	case err != nil:
		return errorsOfDeletions.meaning(err)
	case response.NumberMatched == 0:
		return &acsi.Error{Code: acsi.ObjectNonExistent, Remote: true}
	case response.NumberDeleted == 0:
		return &acsi.Error{Code: acsi.ObjectAccessDenied, Remote: true, Text: "no service deletes it"}
	}
	return nil
}

// getNamedVariableListAttributes answers with the members of a data set.
func (s *server) getNamedVariableListAttributes(ctx context.Context, r *mms.GetNamedVariableListAttributesRequest) (mms.ConfirmedServiceResponse, error) {
	ref, err := s.dataSets.ofNameIn(r.VariableListName)
	if err != nil {
		return nil, serviceError(err)
	}
	set, err := s.services.GetDataSetDirectory(ctx, ref)
	if err != nil {
		return nil, serviceError(err)
	}
	response := &mms.GetNamedVariableListAttributesResponse{MMSDeletable: !set.Fixed, ListOfVariable: make(mms.ListOfVariable, len(set.Members))}
	for i, member := range set.Members {
		response.ListOfVariable[i] = variable(addressOf(member))
	}
	return response, nil
}

// defineNamedVariableList makes a data set.
func (s *server) defineNamedVariableList(ctx context.Context, r *mms.DefineNamedVariableListRequest) (mms.ConfirmedServiceResponse, error) {
	ref, err := s.dataSets.ofNameIn(r.VariableListName)
	if err != nil {
		return nil, errorsOfDefinitions.of(err)
	}
	members := make([]acsi.Ref, len(r.ListOfVariable))
	for i, v := range r.ListOfVariable {
		if members[i], err = s.refs.ofVariable(v); err == nil && members[i].FC() == 0 {
			err = acsi.Errorf(acsi.InvalidAddress, "%v has no functional constraint", members[i])
		}
		if err != nil {
			return nil, errorsOfDefinitions.of(err)
		}
	}
	if err := s.services.CreateDataSet(ctx, ref, members); err != nil {
		return nil, errorsOfDefinitions.of(err)
	}
	return &mms.DefineNamedVariableListResponse{}, nil
}

// deleteNamedVariableList removes data sets, one after the other, and counts them.
func (s *server) deleteNamedVariableList(ctx context.Context, r *mms.DeleteNamedVariableListRequest) (mms.ConfirmedServiceResponse, error) {
	if r.ScopeOfDelete != mms.DeleteSpecific {
		return nil, serviceError(acsi.Errorf(acsi.ObjectAccessUnsupported, "data sets are deleted by their names"))
	}
	response := &mms.DeleteNamedVariableListResponse{}
	for _, name := range r.ListOfVariableListName {
		ref, err := s.dataSets.ofNameIn(name)
		if err != nil {
			continue // there is none of that name
		}
		there, deleted, err := s.deleteDataSet(ctx, ref)
		if err != nil {
			return nil, errorsOfDeletions.of(err)
		}
		if there {
			response.NumberMatched++
		}
		if deleted {
			response.NumberDeleted++
		}
	}
	return response, nil
}

// deleteDataSet removes one data set. Whether one that may not be deleted is there learns only who may see it.
func (s *server) deleteDataSet(ctx context.Context, ref acsi.Ref) (there, deleted bool, err error) {
	err = s.services.DeleteDataSet(ctx, ref)
	refused, ok := errors.AsType[*acsi.Error](err)
	switch {
	case err == nil:
		return true, true, nil
	case ok && refused.Code == acsi.ObjectNonExistent:
		return false, false, nil
	case ok && refused.Code != acsi.TemporarilyUnavailable:
		if set, unseen := s.services.GetDataSetDirectory(ctx, ref); unseen == nil && set.Fixed {
			return true, false, nil
		}
	}
	return false, false, err
}
