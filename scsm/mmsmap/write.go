package mmsmap

import (
	"context"
	"errors"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
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
	commands := c.controls.expect(assignments)
	defer c.controls.over(commands)
	results, err := c.write(ctx, request)
	if err != nil {
		return nil, err
	}
	for i, result := range results {
		if code, failed := result.(mms.DataAccessError); failed {
			e := accessError(code)
			e.Control = c.controls.failureOf(commands, at[i])
			errs[at[i]] = e
		}
	}
	return errs, nil
}

// SetDataSetValues writes a data set in one call. Where no answer comes the outcome is unknown, as with SetDataValues.
// IEC 61850-8-1, SetDataSetValues.
func (c *Client) SetDataSetValues(ctx context.Context, ref acsi.Ref, values []value.Value) ([]error, error) {
	name, err := nameIn(ref)
	if err != nil {
		return nil, err
	}
	results, err := c.write(ctx, &mms.WriteRequest{VariableAccessSpecification: mms.VariableListName{Name: name}, ListOfData: values})
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(results))
	for i, result := range results {
		if code, failed := result.(mms.DataAccessError); failed {
			errs[i] = accessError(code)
		}
	}
	return errs, nil
}

// write gives one result for each value of request.
func (c *Client) write(ctx context.Context, request *mms.WriteRequest) ([]mms.WriteResult, error) {
	response, err := call[*mms.WriteResponse](ctx, c, request)
	if err != nil {
		return nil, answerError(err)
	}
	if len(response.Results) != len(request.ListOfData) {
		return nil, fmt.Errorf("the peer answers a write of %d variables with %d results: %w", len(request.ListOfData), len(response.Results), assoc.ErrNoAnswer)
	}
	return response.Results, nil
}

// write answers with one result for each variable, or member of a data set.
func (s *server) write(ctx context.Context, r *mms.WriteRequest) (mms.ConfirmedServiceResponse, error) {
	if at, sealed := assoc.Sealed(ctx); sealed {
		ctx = acsi.Sealed(ctx, at)
	}
	if list, ok := r.VariableAccessSpecification.(mms.VariableListName); ok {
		return s.writeDataSet(ctx, r, list)
	}
	list, _ := r.VariableAccessSpecification.(mms.ListOfVariable)
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
			results[at[i]] = s.written(ctx, assignments[i].Ref, err)
		}
	}
	return &mms.WriteResponse{Results: results}, nil
}

func (s *server) writeDataSet(ctx context.Context, r *mms.WriteRequest, list mms.VariableListName) (mms.ConfirmedServiceResponse, error) {
	ref, err := s.dataSets.ofNameIn(list.Name)
	if err != nil {
		return nil, serviceError(err)
	}
	errs, err := s.services.SetDataSetValues(ctx, ref, r.ListOfData)
	if err != nil {
		return nil, serviceError(err)
	}
	if len(errs) != len(r.ListOfData) {
		return nil, fmt.Errorf("%d results of %d values", len(errs), len(r.ListOfData))
	}
	results := make([]mms.WriteResult, len(errs))
	for i, err := range errs {
		results[i] = s.written(ctx, acsi.Ref{}, err)
	}
	return &mms.WriteResponse{Results: results}, nil
}

// written is what came of writing ref. What there is to tell of a control service that was refused goes out before the answer.
func (s *server) written(ctx context.Context, ref acsi.Ref, err error) mms.WriteResult {
	if err == nil {
		return mms.WriteSuccess{}
	}
	if refused, ok := errors.AsType[*acsi.Error](err); ok && refused.Control != nil {
		if err := s.association.Notify(ctx, lastApplError(refused.Control, ref)); err != nil {
			s.fault(fmt.Errorf("LastApplError of %v: %w", ref, err))
		}
	}
	return s.failure(err)
}
