package selftest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"busbar.example/acsi"
)

// ownSet is the data set that the self-test makes and deletes.
const ownSet = "SelfTest"

var dataSetCases = []test{
	{"sDs1", "directory of data sets and of their members", func(r *run, ctx context.Context) (string, error) {
		sets, err := r.client.DataSets(ctx, acsi.Ref{})
		if err != nil {
			return "", err
		}
		members := 0
		for _, ref := range sets {
			readings, err := r.client.ReadDataSet(ctx, ref)
			if err != nil {
				return "", fmt.Errorf("%s: %w", ref, err)
			}
			for _, m := range readings {
				if m.Err != nil {
					return "", fmt.Errorf("%s: %s: %w", ref, m.Ref, m.Err)
				}
			}
			members += len(readings)
		}
		return count(len(sets), "data set") + ", " + count(members, "member"), nil
	}},
	{"sDs2", "create a persistent data set", func(r *run, ctx context.Context) (string, error) {
		ref, err := acsi.NewDataSetRef(r.model.lns[0].WithFC(0), ownSet)
		if err != nil {
			return "", err
		}
		return r.makeAndDelete(ctx, ref)
	}},
	{"sDs3", "create a data set of the association", func(r *run, ctx context.Context) (string, error) {
		ref, err := acsi.NewDataSetRef(acsi.Ref{}, ownSet)
		if err != nil {
			return "", err
		}
		return r.makeAndDelete(ctx, ref)
	}},
	{"sDsN1", "unknown data set", func(r *run, ctx context.Context) (string, error) {
		ref, err := acsi.NewDataSetRef(r.model.lns[0], "NoSuchDataSet")
		if err != nil {
			return "", err
		}
		return all(
			func() (string, error) {
				_, err := r.services.GetDataSetDirectory(ctx, ref)
				return refused("its directory", err)
			},
			func() (string, error) { return refused("its deletion", r.services.DeleteDataSet(ctx, ref)) })
	}},
	{"sDsN8", "delete what is engineered", func(r *run, ctx context.Context) (string, error) {
		if !r.cfg.Write {
			return "", skip("it was not to write")
		}
		sets, err := r.client.DataSets(ctx, acsi.Ref{})
		if err != nil {
			return "", err
		}
		for _, ref := range sets {
			set, err := r.services.GetDataSetDirectory(ctx, ref)
			if err != nil {
				return "", err
			}
			if set.Fixed {
				return refused("deletion of "+ref.String(), r.services.DeleteDataSet(ctx, ref))
			}
		}
		return "", skip("it has no data set that is engineered")
	}},
}

// makeAndDelete makes a data set of up to three members, reads it, makes sure that it is not made twice, and deletes it.
func (r *run) makeAndDelete(ctx context.Context, ref acsi.Ref) (said string, err error) {
	if !r.cfg.Write {
		return "", skip("it was not to write")
	}
	if !r.services.Supported().Has(acsi.CreateDataSet) {
		return "", skip("the IED does not serve CreateDataSet")
	}
	members := r.members(3)
	if err := r.services.CreateDataSet(ctx, ref, members); err != nil {
		if errors.Is(err, &acsi.Error{Code: acsi.ObjectAccessDenied}) {
			return "", skip("the role of this client does not allow it: %v", err)
		}
		return "", fmt.Errorf("create: %w", err)
	}
	defer func() {
		if err != nil {
			_ = r.services.DeleteDataSet(context.WithoutCancel(ctx), ref) // the first error is told
		}
	}()
	set, err := r.services.GetDataSetDirectory(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("directory: %w", err)
	}
	if !slices.Equal(set.Members, members) || set.Fixed {
		return "", fmt.Errorf("it holds %v, made of %v", set.Members, members)
	}
	if _, err := r.services.GetDataSetValues(ctx, ref); err != nil {
		return "", fmt.Errorf("values: %w", err)
	}
	if _, err := refused("the same name twice", r.services.CreateDataSet(ctx, ref, members)); err != nil {
		return "", err
	}
	if err := r.services.DeleteDataSet(ctx, ref); err != nil {
		return "", fmt.Errorf("delete: %w", err)
	}
	return fmt.Sprintf("%s of %s: made, read, not made twice, deleted", ref, count(len(members), "member")), nil
}

// members are up to n attributes that can be in a data set.
func (r *run) members(n int) []acsi.Ref {
	var members []acsi.Ref
	for _, o := range r.model.leaves {
		if o.Ref.FC() == acsi.ST && len(members) < n {
			members = append(members, o.Ref)
		}
	}
	return members
}
