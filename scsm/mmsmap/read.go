package mmsmap

import (
	"context"
	"fmt"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// GetDataValues reads all refs in as few calls as the PDU size allows; what one call reads is of one instant. What does
// not fit into a PDU is read in parts. IEC 61850-8-1, GetDataValues.
func (c *Client) GetDataValues(ctx context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	var list mms.ListOfVariable
	var readings []reading
	if len(refs) == 1 { // as most reads are: one piece of memory
		one := new(struct {
			list     [1]mms.Variable
			readings [1]reading
		})
		list, readings = one.list[:0], one.readings[:]
	} else {
		list, readings = make(mms.ListOfVariable, 0, len(refs)), make([]reading, len(refs))
	}
	for i, ref := range refs {
		readings[i] = c.split.plan(&list, object{ref: ref})
	}
	return c.readObjects(ctx, list, readings)
}

// readList reads list, in halves where it is too much for one PDU.
func (c *Client) readList(ctx context.Context, list mms.ListOfVariable) ([]acsi.Result, error) {
	if len(list) == 0 {
		return nil, nil
	}
	response, err := call[*mms.ReadResponse](ctx, c, &mms.ReadRequest{VariableAccessSpecification: list})
	switch {
	case err != nil && c.lenient.tooLarge(err) && len(list) > 1:
		return c.readHalves(ctx, list)
	case err != nil && c.lenient.tooLarge(err):
		return []acsi.Result{{Err: errTooLarge}}, nil
	case err != nil:
		return nil, answerError(err)
	case len(response.ListOfAccessResult) != len(list):
		return nil, fmt.Errorf("the peer answers a read of %d variables with %d results", len(list), len(response.ListOfAccessResult))
	}
	return resultsOf(response.ListOfAccessResult), nil
}

func resultsOf(list []mms.AccessResult) []acsi.Result {
	results := make([]acsi.Result, len(list))
	for i, result := range list {
		switch r := result.(type) {
		case *mms.Success:
			results[i].Value = r.Value
		case mms.DataAccessError:
			results[i].Err = accessError(r)
		}
	}
	return results
}

func (c *Client) readHalves(ctx context.Context, list mms.ListOfVariable) ([]acsi.Result, error) {
	first, err := c.readList(ctx, list[:len(list)/2])
	if err != nil {
		return nil, err
	}
	second, err := c.readList(ctx, list[len(list)/2:])
	return append(first, second...), err
}

// GetDataSetValues reads a data set in one call, so that its values are of one instant. Where they do not fit into a PDU, its
// members are read in parts. IEC 61850-8-1, GetDataSetValues.
func (c *Client) GetDataSetValues(ctx context.Context, ref acsi.Ref) ([]acsi.Result, error) {
	name, err := nameIn(ref)
	if err != nil {
		return nil, err
	}
	response, err := call[*mms.ReadResponse](ctx, c, &mms.ReadRequest{VariableAccessSpecification: mms.VariableListName{Name: name}})
	switch {
	case err != nil && c.lenient.tooLarge(err):
		set, err := c.GetDataSetDirectory(ctx, ref)
		if err != nil {
			return nil, err
		}
		return c.GetDataValues(ctx, set.Members)
	case err != nil:
		return nil, answerError(err)
	}
	return resultsOf(response.ListOfAccessResult), nil
}

// GetAllDataValues reads the data objects of ln, each under its functional constraints.
// IEC 61850-8-1, GetAllDataValues.
func (c *Client) GetAllDataValues(ctx context.Context, ln acsi.Ref) ([]acsi.DataValue, error) {
	if ln.Depth() != 2 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%v is no logical node", ln)
	}
	node, err := c.GetDataDefinition(ctx, ln)
	if err != nil {
		return nil, err
	}
	var refs []acsi.Ref
	for _, object := range node.Children {
		if object.Kind == acsi.ControlBlockNode && ln.FC() == 0 {
			continue // no data object
		}
		ref, err := ln.Child(object.Name)
		if err != nil {
			return nil, fmt.Errorf("the peer has a data object with an impossible name: %w", err)
		}
		for _, fc := range object.FCs() {
			refs = append(refs, ref.WithFC(fc))
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
	if list, ok := r.VariableAccessSpecification.(mms.VariableListName); ok {
		return s.readDataSet(ctx, r, list)
	}
	list, _ := r.VariableAccessSpecification.(mms.ListOfVariable)
	a := newAnswering(len(list))
	refs := make([]acsi.Ref, 0, len(list))
	for i, v := range list {
		refs, a.wanted[i] = s.want(ctx, refs, v)
	}
	var results []acsi.Result
	if len(refs) > 0 {
		var err error
		if results, err = s.services.GetDataValues(ctx, refs); err != nil {
			return nil, serviceError(err)
		}
		if len(results) != len(refs) {
			return nil, fmt.Errorf("%d values for %d references", len(results), len(refs))
		}
	}
	for i, w := range a.wanted {
		s.tell(w.result(results), &a.response.ListOfAccessResult[i], &a.successes[i])
	}
	if r.SpecificationWithResult {
		a.response.VariableAccessSpecification = list
	}
	return &a.response, nil
}

// readDataSet answers with one result for each member.
func (s *server) readDataSet(ctx context.Context, r *mms.ReadRequest, list mms.VariableListName) (mms.ConfirmedServiceResponse, error) {
	ref, err := s.dataSets.ofNameIn(list.Name)
	if err != nil {
		return nil, serviceError(err)
	}
	results, err := s.services.GetDataSetValues(ctx, ref)
	if err != nil {
		return nil, serviceError(err)
	}
	response, successes := &mms.ReadResponse{ListOfAccessResult: make([]mms.AccessResult, len(results))}, make([]mms.Success, len(results))
	for i, result := range results {
		s.tell(result, &response.ListOfAccessResult[i], &successes[i])
	}
	if r.SpecificationWithResult {
		response.VariableAccessSpecification = list
	}
	return response, nil
}

// tell puts a result into its place in an answer; success is memory for it.
func (s *server) tell(result acsi.Result, place *mms.AccessResult, success *mms.Success) {
	if result.Err != nil {
		*place = s.failure(result.Err)
		return
	}
	success.Value = result.Value
	*place = success
}

// answering is what the answer to a read is made of: one piece of memory where it is of one variable, as most are.
type answering struct {
	response  mms.ReadResponse
	wanted    []wanted
	successes []mms.Success

	oneResult  [1]mms.AccessResult
	oneWanted  [1]wanted
	oneSuccess [1]mms.Success
}

func newAnswering(variables int) *answering {
	a := new(answering)
	if variables == 1 {
		a.response.ListOfAccessResult, a.wanted, a.successes = a.oneResult[:], a.oneWanted[:], a.oneSuccess[:]
	} else {
		a.response.ListOfAccessResult = make([]mms.AccessResult, variables)
		a.wanted, a.successes = make([]wanted, variables), make([]mms.Success, variables)
	}
	return a
}

// wanted is where the results of one variable are.
type wanted struct {
	from, to int  // of the references that were asked for
	node     bool // they are the functional constraints of a logical node
	err      error
}

// want adds what must be read for v to refs. A logical node is a structure of all that is under each of its functional
// constraints. IEC 61850-8-1, 7.3.
func (s *server) want(ctx context.Context, refs []acsi.Ref, v mms.Variable) ([]acsi.Ref, wanted) {
	ref, err := s.refs.ofVariable(v)
	if err != nil {
		return refs, wanted{err: err}
	}
	if ref.FC() != 0 {
		return append(refs, ref), wanted{from: len(refs), to: len(refs) + 1}
	}
	node, err := s.services.GetDataDefinition(ctx, ref)
	if err != nil {
		return refs, wanted{err: err}
	}
	from := len(refs)
	for _, fc := range node.FCs() {
		refs = append(refs, ref.WithFC(fc))
	}
	if len(refs) == from {
		return refs, wanted{err: acsi.Errorf(acsi.ObjectNonExistent, "%v holds nothing", ref)}
	}
	return refs, wanted{from: from, to: len(refs), node: true}
}

func (w wanted) result(results []acsi.Result) acsi.Result {
	switch {
	case w.err != nil:
		return acsi.Result{Err: w.err}
	case !w.node:
		return results[w.from]
	}
	return joined(results[w.from:w.to], value.StructureOf)
}

// failure is the outcome of an object that was not read or written.
func (s *server) failure(err error) mms.DataAccessError {
	code, fault := dataAccessError(err)
	if fault != nil {
		s.fault(fault)
	}
	return code
}
