package mmsmap

import (
	"context"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// GetDataValues reads all refs in as few calls as the PDU size allows. IEC 61850-8-1, GetDataValues.
func (c *Client) GetDataValues(ctx context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	if len(refs) == 0 {
		return []acsi.Result{}, nil
	}
	list := make(mms.ListOfVariable, len(refs))
	for i, ref := range refs {
		if ref.FC() == 0 {
			return nil, acsi.Errorf(acsi.ObjectAttributeInconsistent, "%v: a read needs a functional constraint", ref)
		}
		list[i] = variableOf(ref)
	}
	return c.readList(ctx, list)
}

// readList reads list, in halves where it is too much for one PDU.
func (c *Client) readList(ctx context.Context, list mms.ListOfVariable) ([]acsi.Result, error) {
	response, err := c.association.Call(ctx, &mms.ReadRequest{VariableAccessSpecification: list})
	if err != nil && tooLarge(err) && len(list) > 1 {
		first, err := c.readList(ctx, list[:len(list)/2])
		if err != nil {
			return nil, err
		}
		second, err := c.readList(ctx, list[len(list)/2:])
		return append(first, second...), err
	}
	if err != nil {
		return nil, answerError(err)
	}
	results := response.(*mms.ReadResponse).ListOfAccessResult // the association has checked the kind
	if len(results) != len(list) {
		return nil, fmt.Errorf("the peer answers a read of %d variables with %d results", len(list), len(results))
	}
	out := make([]acsi.Result, len(results))
	for i, result := range results {
		switch r := result.(type) {
		case *mms.Success:
			out[i].Value = r.Value
		case mms.DataAccessError:
			out[i].Err = accessError(r)
		}
	}
	return out, nil
}

// GetAllDataValues reads the data objects of ln, each under its functional constraints.
// IEC 61850-8-1, GetAllDataValues.
func (c *Client) GetAllDataValues(ctx context.Context, ln acsi.Ref) ([]acsi.DataValue, error) {
	node, err := c.GetDataDefinition(ctx, ln)
	if err != nil {
		return nil, err
	}
	var refs []acsi.Ref
	for _, fc := range node.FCs() {
		for _, object := range node.Under(fc).Children {
			ref, err := ln.WithFC(fc).Child(object.Name)
			if err != nil {
				return nil, fmt.Errorf("the peer has a data object with an impossible name: %w", err)
			}
			refs = append(refs, ref)
		}
	}
	results, err := c.GetDataValues(ctx, refs)
	if err != nil {
		return nil, err
	}
	values := make([]acsi.DataValue, len(refs))
	for i := range refs {
		values[i] = acsi.DataValue{Ref: refs[i], Result: results[i]}
	}
	return values, nil
}

// read answers with one result for each variable.
func (s *server) read(ctx context.Context, r *mms.ReadRequest) (mms.ConfirmedServiceResponse, error) {
	list, ok := r.VariableAccessSpecification.(mms.ListOfVariable)
	if !ok {
		return nil, serviceError(acsi.Errorf(acsi.ObjectAccessUnsupported, "named variable lists are not served"))
	}
	out := make([]mms.AccessResult, len(list))
	refs := make([]acsi.Ref, 0, len(list))
	at := make([]int, 0, len(list)) // where the result of each ref goes
	for i, v := range list {
		ref, err := s.refOf(v)
		switch {
		case err != nil:
			out[i] = s.accessResult(acsi.Result{Err: err})
		case ref.Depth() == 2:
			out[i] = s.accessResult(s.readNode(ctx, ref))
		default:
			refs, at = append(refs, ref), append(at, i)
		}
	}
	if len(refs) > 0 {
		results, err := s.services.GetDataValues(ctx, refs)
		if err != nil {
			return nil, serviceError(err)
		}
		for i, result := range results {
			out[at[i]] = s.accessResult(result)
		}
	}
	response := &mms.ReadResponse{ListOfAccessResult: out}
	if r.SpecificationWithResult {
		response.VariableAccessSpecification = list
	}
	return response, nil
}

func (s *server) accessResult(r acsi.Result) mms.AccessResult {
	if r.Err == nil {
		return &mms.Success{Value: r.Value}
	}
	return s.failure(r.Err)
}

// readNode reads a logical node as the variable LN$FC: a structure of its data objects; or as LN: a
// structure of these for each functional constraint. IEC 61850-8-1, 7.3.
func (s *server) readNode(ctx context.Context, ln acsi.Ref) acsi.Result {
	values, err := s.services.GetAllDataValues(ctx, ln)
	if err != nil {
		return acsi.Result{Err: err}
	}
	var constraints []value.Value
	var objects []value.Value
	for i, v := range values {
		if v.Err != nil {
			return acsi.Result{Err: v.Err}
		}
		objects = append(objects, v.Value)
		if i+1 == len(values) || values[i+1].Ref.FC() != v.Ref.FC() {
			constraints = append(constraints, value.StructureOf(objects...))
			objects = nil
		}
	}
	switch {
	case len(constraints) == 0:
		return acsi.Result{Err: acsi.Errorf(acsi.ObjectNonExistent, "%v holds nothing", ln)}
	case ln.FC() != 0:
		return acsi.Result{Value: constraints[0]}
	}
	return acsi.Result{Value: value.StructureOf(constraints...)}
}

// failure is the outcome of an object that was not read or written.
func (s *server) failure(err error) mms.DataAccessError {
	code, fault := dataAccessError(err)
	if fault != nil {
		s.fault(fault)
	}
	return code
}
