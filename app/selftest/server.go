package selftest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"busbar.example/acsi"
	"busbar.example/acsi/client"
	"busbar.example/value"
)

// survey is what the IED has, as its directories and definitions say.
type survey struct {
	lds      []string
	lns      []acsi.Ref
	nodes    map[acsi.Ref]*acsi.Node // logical nodes
	leaves   []client.Object
	controls []acsi.Ref // data objects with an Oper
}

var serverCases = []test{
	{"sSrv1", "GetServerDirectory", func(r *run, ctx context.Context) (string, error) {
		lds, err := r.services.GetServerDirectory(ctx)
		if err == nil && len(lds) == 0 {
			err = errors.New("the IED has no logical device")
		}
		if err != nil {
			return "", err
		}
		r.model = &survey{lds: lds, nodes: map[acsi.Ref]*acsi.Node{}}
		return count(len(lds), "logical device"), nil
	}},
	{"sSrv2", "GetLogicalDeviceDirectory of each logical device", func(r *run, ctx context.Context) (string, error) {
		for _, ld := range r.model.lds {
			names, err := r.services.GetLogicalDeviceDirectory(ctx, ld)
			if err != nil {
				return "", fmt.Errorf("%s: %w", ld, err)
			}
			if !slices.Contains(names, "LLN0") {
				return "", fmt.Errorf("%s has no LLN0", ld)
			}
			for _, name := range names {
				ln, err := acsi.NewRef(ld, name, 0)
				if err != nil {
					return "", err
				}
				r.model.lns = append(r.model.lns, ln)
			}
		}
		return count(len(r.model.lns), "logical node"), nil
	}},
	{"sSrv3", "GetLogicalNodeDirectory of each logical node", func(r *run, ctx context.Context) (string, error) {
		n := 0
		for _, ln := range r.model.lns {
			names, err := r.services.GetLogicalNodeDirectory(ctx, ln)
			if err != nil {
				return "", fmt.Errorf("%s: %w", ln, err)
			}
			n += len(names)
		}
		return count(n, "data object"), nil
	}},
	{"sSrv4", "GetDataDefinition and GetAllDataValues of each logical node", (*run).readAll},
	{"sSrv5", "one read of many values", (*run).readMany},
	{"sSrv8", "all data under a functional constraint", (*run).readConstraint},
	{"sSrv6", "write of what can be written", (*run).writeBack},
	{"sSrvN1", "wrong names", func(r *run, ctx context.Context) (string, error) {
		ld := r.model.lds[0]
		return all(
			r.readRefused(ctx, ld+"x/LLN0.Mod.stVal[ST]"), r.readRefused(ctx, ld+"/LLN0.Nix.stVal[ST]"),
			r.readRefused(ctx, ld+"/LLN0.mod.stVal[ST]"), r.readRefused(ctx, ld+"/LLN0.Mod.stVal[MX]"))
	}},
	{"sSrvN3", "a wrong type", func(r *run, ctx context.Context) (string, error) {
		for _, o := range r.model.leaves {
			if fc := o.Ref.FC(); fc == acsi.DC && o.Node.Type.Kind == value.VisibleString || fc == acsi.SP && o.Node.Type.Kind == value.Float32 {
				return r.writeRefused(ctx, o, value.ArrayOf(value.Bool(true)), "an array to "+o.Ref.String())
			}
		}
		return "", skip("it has no description or set point to try it with")
	}},
	{"sSrvN4", "a write to what is read only", func(r *run, ctx context.Context) (string, error) {
		for _, o := range r.model.leaves {
			if o.Ref.FC() == acsi.ST && o.Ref.Name() == "stVal" {
				read, err := r.client.Read(ctx, o.Ref)
				if err != nil || read[0].Err != nil {
					continue
				}
				return r.writeRefused(ctx, o, read[0].Value, "a write to "+o.Ref.String())
			}
		}
		return "", skip("it has no status to try it with")
	}},
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// readAll reads everything, notes what there is, and compares each value with its definition.
func (r *run) readAll(ctx context.Context) (string, error) {
	values := 0
	for _, ln := range r.model.lns {
		node, err := r.services.GetDataDefinition(ctx, ln)
		if err != nil {
			return "", fmt.Errorf("%s: %w", ln, err)
		}
		r.model.nodes[ln] = node
		if err := r.note(ln, node); err != nil {
			return "", err
		}
		read, err := r.services.GetAllDataValues(ctx, ln)
		if err != nil {
			return "", fmt.Errorf("%s: %w", ln, err)
		}
		for _, v := range read {
			switch {
			case v.Err != nil && v.Ref.FC() == acsi.SE: // nothing is being edited
			case v.Err != nil && v.Ref.FC() == acsi.CO:
			case errors.Is(v.Err, &acsi.Error{Code: acsi.ObjectAccessDenied}): // not for this role
			case v.Err != nil:
				return "", fmt.Errorf("%s: %w", v.Ref, v.Err)
			default:
				if err := conforms(node, v); err != nil {
					return "", err
				}
				values++
			}
		}
	}
	return fmt.Sprintf("%s, %s of %s", count(len(r.model.leaves), "attribute"), count(values, "value"), count(len(r.model.lns), "logical node")), nil
}

// conforms reports what in v is not as the definition of its logical node says.
func conforms(ln *acsi.Node, v acsi.DataValue) error {
	for _, n := range ln.Children {
		if n.Name != v.Ref.Name() {
			continue
		}
		if under := n.Under(v.Ref.FC()); under != nil {
			if err := under.Check(v.Value); err != nil {
				return fmt.Errorf("%s is not as it is defined: %w", v.Ref, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s has a value and no definition", v.Ref)
}

// note lists the leaves and the control objects of a logical node.
func (r *run) note(ref acsi.Ref, n *acsi.Node) error {
	for _, child := range n.Children {
		below, err := ref.Child(child.Name)
		if err != nil {
			return err
		}
		if child.FC != 0 {
			below = below.WithFC(child.FC)
		}
		if child.Name == "Oper" && child.FC == acsi.CO && len(child.Children) > 0 {
			r.model.controls = append(r.model.controls, ref.WithFC(0))
		}
		switch {
		case child.Count > 0:
		case child.IsLeaf():
			r.model.leaves = append(r.model.leaves, client.Object{Ref: below, Node: child})
		default:
			if err := r.note(below, child); err != nil {
				return err
			}
		}
	}
	return nil
}

// readMany reads the first values of the model in one service.
func (r *run) readMany(ctx context.Context) (string, error) {
	const most = 60
	var refs []acsi.Ref
	for _, o := range r.model.leaves {
		switch o.Ref.FC() {
		case acsi.ST, acsi.MX, acsi.CF, acsi.DC, acsi.SP:
			refs = append(refs, o.Ref)
		}
		if len(refs) == most {
			break
		}
	}
	results, err := r.services.GetDataValues(ctx, refs)
	if err != nil {
		return "", err
	}
	for i, result := range results {
		if result.Err != nil {
			return "", fmt.Errorf("%s: %w", refs[i], result.Err)
		}
	}
	return count(len(refs), "value"), nil
}

// readConstraint reads what a logical node has under ST as one object.
func (r *run) readConstraint(ctx context.Context) (string, error) {
	for _, ln := range r.model.lns {
		under := r.model.nodes[ln].Under(acsi.ST)
		if under == nil {
			continue
		}
		ref := ln.WithFC(acsi.ST)
		results, err := r.services.GetDataValues(ctx, []acsi.Ref{ref})
		if err == nil {
			err = results[0].Err
		}
		if err == nil {
			err = under.Check(results[0].Value)
		}
		return ref.String(), err
	}
	return "", skip("no logical node has status")
}

// writeBack writes values as they are.
func (r *run) writeBack(ctx context.Context) (string, error) {
	if !r.cfg.Write {
		return "", skip("it was not to write")
	}
	written, readOnly := 0, 0
	for _, o := range r.model.leaves {
		if fc := o.Ref.FC(); fc != acsi.SP && fc != acsi.DC && fc != acsi.CF {
			continue
		}
		read, err := r.client.Read(ctx, o.Ref)
		if err != nil {
			return "", err
		}
		if read[0].Err != nil {
			return "", fmt.Errorf("%s: %w", o.Ref, read[0].Err)
		}
		errs, err := r.client.Set(ctx, client.Assignment{Object: o, Value: read[0].Value})
		switch {
		case err != nil:
			return "", err
		case errs[0] == nil:
			written++
		case errors.Is(errs[0], &acsi.Error{Code: acsi.ObjectAccessDenied}):
			readOnly++
		default:
			return "", fmt.Errorf("%s = %v, as it is: %w", o.Ref, read[0].Value, errs[0])
		}
	}
	if written == 0 {
		return "", skip("%s, and none of them may be written", count(readOnly, "set point, description or configuration"))
	}
	return fmt.Sprintf("%s; %d read only", count(written, "attribute"), readOnly), nil
}

func (r *run) readRefused(ctx context.Context, name string) func() (string, error) {
	return func() (string, error) {
		ref, err := acsi.ParseRef(name)
		if err != nil {
			return "", err
		}
		results, err := r.services.GetDataValues(ctx, []acsi.Ref{ref})
		if err != nil {
			return "", err
		}
		return refused("a read of "+name, results[0].Err)
	}
}

func (r *run) writeRefused(ctx context.Context, o client.Object, v value.Value, what string) (string, error) {
	errs, err := r.client.Set(ctx, client.Assignment{Object: o, Value: v})
	if err != nil {
		return "", err
	}
	return refused(what, errs[0])
}
