package client

import (
	"context"
	"errors"

	"busbar.example/acsi"
	"busbar.example/value"
)

// logicalNodes are those that ref names: one, those of a logical device, or, for the zero Ref, all.
func (c *Client) logicalNodes(ctx context.Context, ref acsi.Ref) ([]acsi.Ref, error) {
	if ref.Depth() > 2 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%s is neither a logical device nor a logical node", ref)
	}
	if ref.Depth() == 2 {
		return []acsi.Ref{ref.WithFC(0)}, nil
	}
	objects, err := c.List(ctx, ref)
	if err != nil {
		return nil, err
	}
	var nodes []acsi.Ref
	for _, o := range objects {
		below, err := c.logicalNodes(ctx, o.Ref)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, below...)
	}
	return nodes, nil
}

// DataSets lists the data sets of a logical node, of those of a logical device or, for the zero Ref, of all; then those of this
// association too.
func (c *Client) DataSets(ctx context.Context, ref acsi.Ref) ([]acsi.Ref, error) {
	nodes, err := c.logicalNodes(ctx, ref)
	if err != nil {
		return nil, err
	}
	if ref.IsZero() {
		nodes = append(nodes, acsi.Ref{})
	}
	return namedIn(ctx, nodes, c.services.GetDataSets, acsi.NewDataSetRef)
}

// namedIn joins each logical node with the names that ask gives of it.
func namedIn(ctx context.Context, nodes []acsi.Ref, ask func(context.Context, acsi.Ref) ([]string, error),
	join func(acsi.Ref, string) (acsi.Ref, error)) ([]acsi.Ref, error) {
	var refs []acsi.Ref
	for _, ln := range nodes {
		names, err := ask(ctx, ln)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			r, err := join(ln, name)
			if err != nil {
				return nil, err
			}
			refs = append(refs, r)
		}
	}
	return refs, nil
}

// DataSet gives what the data set ref holds.
func (c *Client) DataSet(ctx context.Context, ref acsi.Ref) (*acsi.DataSet, error) {
	return c.services.GetDataSetDirectory(ctx, ref)
}

// ReadDataSet reads the members of a data set, in their order and of one instant.
func (c *Client) ReadDataSet(ctx context.Context, ref acsi.Ref) ([]Reading, error) {
	set, err := c.services.GetDataSetDirectory(ctx, ref)
	if err != nil {
		return nil, err
	}
	results, err := c.services.GetDataSetValues(ctx, ref)
	switch {
	case err != nil:
		return nil, err
	case len(results) != len(set.Members):
		return nil, errors.New("the IED answered for another number of members than the data set has")
	}
	readings := make([]Reading, len(results))
	for i, member := range set.Members {
		readings[i] = c.reading(ctx, member, results[i])
		if err := readings[i].Err; err != nil && !ownError(err) {
			return nil, err
		}
	}
	return readings, nil
}

// reading makes a Reading of a value that has come without being asked for by itself: of a member of a data set.
func (c *Client) reading(ctx context.Context, ref acsi.Ref, result acsi.Result) Reading {
	r := Reading{Object: Object{Ref: ref}, Value: result.Value, Err: result.Err}
	if r.Err != nil {
		return r
	}
	o, err := c.one(ctx, ref)
	if err != nil {
		r.Err = err
		return r
	}
	r.Object = o
	if r.Err = c.conforms(o.Node, r.Value); r.Err == nil {
		r.Quality, r.Time = qualityAndTime(o.Node, r.Value)
	}
	return r
}

// SetDataSet writes the members of a data set, in their order, and gives nil or the error of each.
func (c *Client) SetDataSet(ctx context.Context, ref acsi.Ref, values []value.Value) ([]error, error) {
	errs, err := c.services.SetDataSetValues(ctx, ref, values)
	if err == nil && len(errs) != len(values) {
		err = errors.New("the IED answered for another number of members than was written")
	}
	return errs, err
}

// CreateDataSet makes a data set of members, each of which must fit one object. Local ones, @Name, last as long as the
// association.
func (c *Client) CreateDataSet(ctx context.Context, ref acsi.Ref, members ...acsi.Ref) error {
	resolved := make([]acsi.Ref, len(members))
	for i, m := range members {
		o, err := c.one(ctx, m)
		if err != nil {
			return err
		}
		resolved[i] = o.Ref
	}
	return c.services.CreateDataSet(ctx, ref, resolved)
}

// DeleteDataSet removes a data set that a service has made and no control block uses.
func (c *Client) DeleteDataSet(ctx context.Context, ref acsi.Ref) error {
	return c.services.DeleteDataSet(ctx, ref)
}
