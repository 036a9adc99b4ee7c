package mmsmap

import (
	"context"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

// SetDataValues writes all assignments in one call. Where no answer comes the outcome is unknown, and the
// error wraps assoc.ErrNoAnswer: a write is never repeated here. IEC 61850-8-1, SetDataValues.
func (c *Client) SetDataValues(ctx context.Context, assignments []acsi.Assignment) ([]error, error) {
	if len(assignments) == 0 {
		return []error{}, nil
	}
	list := make(mms.ListOfVariable, len(assignments))
	data := make([]value.Value, len(assignments))
	for i, a := range assignments {
		if a.Ref.FC() == 0 {
			return nil, acsi.Errorf(acsi.ObjectAttributeInconsistent, "%v: a write needs a functional constraint", a.Ref)
		}
		list[i], data[i] = variableOf(a.Ref), a.Value
	}
	response, err := call[*mms.WriteResponse](ctx, c, &mms.WriteRequest{VariableAccessSpecification: list, ListOfData: data})
	if err != nil {
		return nil, err
	}
	if len(response.Results) != len(list) {
		return nil, fmt.Errorf("the peer answers a write of %d variables with %d results: %w", len(list), len(response.Results), assoc.ErrNoAnswer)
	}
	out := make([]error, len(list))
	for i, result := range response.Results {
		if code, failed := result.(mms.DataAccessError); failed {
			out[i] = accessError(code)
		}
	}
	return out, nil
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
	out := make([]mms.WriteResult, len(list))
	assignments := make([]acsi.Assignment, 0, len(list))
	at := make([]int, 0, len(list)) // where the result of each assignment goes
	for i, v := range list {
		ref, err := s.refOf(v)
		if err != nil {
			out[i] = s.failure(err)
			continue
		}
		assignments, at = append(assignments, acsi.Assignment{Ref: ref, Value: r.ListOfData[i]}), append(at, i)
	}
	results, err := s.services.SetDataValues(ctx, assignments)
	if err != nil {
		return nil, serviceError(err)
	}
	for i, err := range results {
		if err != nil {
			out[at[i]] = s.failure(err)
			continue
		}
		out[at[i]] = mms.WriteSuccess{}
	}
	return &mms.WriteResponse{Results: out}, nil
}
