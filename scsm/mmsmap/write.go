package mmsmap

import (
	"context"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// SetDataValues writes all assignments in one call. Where no answer comes the outcome is unknown, and the
// error wraps assoc.ErrNoAnswer: a write is never repeated here. IEC 61850-8-1, SetDataValues.
func (c *Client) SetDataValues(ctx context.Context, assignments []acsi.Assignment) ([]error, error) {
	errs := make([]error, len(assignments))
	request := &mms.WriteRequest{}
	list, at := make(mms.ListOfVariable, 0, len(assignments)), make([]int, 0, len(assignments))
	for i, a := range assignments {
		item, access := addressOf(a.Ref)
		switch {
		case a.Ref.FC() == 0:
			errs[i] = acsi.Errorf(acsi.InvalidAddress, "%v is given without a functional constraint", a.Ref)
		case c.split.of(item) != nil:
			errs[i] = acsi.Errorf(acsi.ObjectAccessUnsupported, "the type of %v does not fit into one PDU, so the peer has not told the order of its parts: write them one by one", a.Ref)
		default:
			list, at = append(list, variable(item, access)), append(at, i)
			request.ListOfData = append(request.ListOfData, a.Value)
		}
	}
	if len(list) == 0 {
		return errs, nil
	}
	request.VariableAccessSpecification = list
	response, err := call[*mms.WriteResponse](ctx, c, request)
	if err != nil {
		return nil, answerError(err)
	}
	if len(response.Results) != len(list) {
		return nil, fmt.Errorf("the peer answers a write of %d variables with %d results: %w", len(list), len(response.Results), assoc.ErrNoAnswer)
	}
	for i, result := range response.Results {
		if code, failed := result.(mms.DataAccessError); failed {
			errs[at[i]] = accessError(code)
		}
	}
	return errs, nil
}

// write answers with one result for each variable.
func (s *server) write(ctx context.Context, r *mms.WriteRequest) (mms.ConfirmedServiceResponse, error) {
	list, ok := r.VariableAccessSpecification.(mms.ListOfVariable)
	if !ok {
		return nil, serviceError(acsi.Errorf(acsi.ObjectAccessUnsupported, "named variable lists are not served"))
	}
	if len(r.ListOfData) != len(list) {
		return nil, serviceError(acsi.Errorf(acsi.ObjectAttributeInconsistent, "%d values for %d variables", len(r.ListOfData), len(list)))
	}
	results := make([]mms.WriteResult, len(list))
	assignments := make([]acsi.Assignment, 0, len(list))
	at := make([]int, 0, len(list)) // where the result of each assignment goes
	for i, v := range list {
		ref, err := s.refs.ofVariable(v)
		if err != nil {
			results[i] = s.failure(err)
			continue
		}
		assignments, at = append(assignments, acsi.Assignment{Ref: ref, Value: r.ListOfData[i]}), append(at, i)
	}
	if len(assignments) > 0 {
		errs, err := s.services.SetDataValues(ctx, assignments)
		if err != nil {
			return nil, serviceError(err)
		}
		if len(errs) != len(assignments) {
			return nil, fmt.Errorf("%d results of %d assignments", len(errs), len(assignments))
		}
		for i, err := range errs {
			if err != nil {
				results[at[i]] = s.failure(err)
				continue
			}
			results[at[i]] = mms.WriteSuccess{}
		}
	}
	return &mms.WriteResponse{Results: results}, nil
}
