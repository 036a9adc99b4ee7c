// Package client has the conveniences of a person or program that uses the services of an IED: it browses, resolves
// references, reads values together with their quality, time and unit, and turns values into text and JSON and back.
package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"busbar.example/acsi"
)

// Client uses the services of one IED. It keeps the definitions that it has asked for, since a model does not change
// while an association lasts. All methods may be called concurrently.
type Client struct {
	// AnyKind takes a leaf whose value is of another kind than its definition says, such as a double point that comes as
	// an integer: real devices send them. It is set before the Client is used.
	AnyKind bool

	services acsi.Services

	mu       sync.Mutex
	nodes    map[acsi.Ref]*acsi.Node // logical nodes, whole
	notices  notices
	commands uint8 // given so far; it wraps
}

// New makes a client of s.
func New(s acsi.Services) *Client {
	return &Client{services: s, nodes: map[acsi.Ref]*acsi.Node{}}
}

// logicalNode is the definition of the logical node ln.
func (c *Client) logicalNode(ctx context.Context, ln acsi.Ref) (*acsi.Node, error) {
	c.mu.Lock()
	node := c.nodes[ln]
	c.mu.Unlock()
	if node != nil {
		return node, nil
	}
	node, err := c.services.GetDataDefinition(ctx, ln)
	if err != nil {
		return nil, c.explain(ctx, ln, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[ln] = node
	return node, nil
}

// explain adds to the error of a logical node that does not exist what there is instead.
func (c *Client) explain(ctx context.Context, ln acsi.Ref, err error) error {
	var refused *acsi.Error
	if !errors.As(err, &refused) || refused.Code != acsi.ObjectNonExistent && refused.Code != acsi.ObjectUndefined {
		return err
	}
	lds, listErr := c.services.GetServerDirectory(ctx)
	if listErr != nil {
		return err
	}
	if !slices.Contains(lds, ln.LD()) {
		return &acsi.Error{Code: refused.Code, Remote: refused.Remote, Text: fmt.Sprintf("there is no logical device %s: %s", ln.LD(), offer(lds, ln.LD()))}
	}
	lns, listErr := c.services.GetLogicalDeviceDirectory(ctx, ln.LD())
	if listErr != nil {
		return err
	}
	return &acsi.Error{Code: refused.Code, Remote: refused.Remote, Text: fmt.Sprintf("%s has no logical node %s: %s", ln.LD(), ln.LN(), offer(lns, ln.LN()))}
}

// offer says what there is in place of name, what resembles it first.
func offer(names []string, name string) string {
	const most = 12
	if len(names) == 0 {
		return "it holds nothing"
	}
	names = slices.Clone(names)
	slices.SortStableFunc(names, func(a, b string) int { return likeness(b, name) - likeness(a, name) })
	more := ""
	if len(names) > most {
		names, more = names[:most], ", …"
	}
	return "choose from " + strings.Join(names, ", ") + more
}

// likeness counts the octets that a and b begin with in common, in any case of letters.
func likeness(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Object is something that a reference names.
type Object struct {
	Ref  acsi.Ref
	Node *acsi.Node // nil for a logical device
}

// Kind is what it is: LD, LN, DO, SDO, DA or BDA.
func (o Object) Kind() acsi.NodeKind {
	if o.Node == nil {
		return acsi.LogicalDeviceNode
	}
	return o.Node.Kind
}

// AmbiguousError says that a reference without a functional constraint fits several objects.
type AmbiguousError struct {
	Ref        acsi.Ref
	Candidates []acsi.Ref
}

// Error lists the candidates.
func (e *AmbiguousError) Error() string {
	names := make([]string, len(e.Candidates))
	for i, ref := range e.Candidates {
		names[i] = ref.String()
	}
	return fmt.Sprintf("%s is ambiguous: choose one of %s", e.Ref, strings.Join(names, ", "))
}

// Resolve gives what ref may mean: itself where it has a functional constraint, else one object for each
// functional constraint under which the model has it. It is a logical node, data object or attribute; something
// that does not exist is an *acsi.Error that says what does.
func (c *Client) Resolve(ctx context.Context, ref acsi.Ref) ([]Object, error) {
	if ref.Depth() < 2 {
		return nil, acsi.Errorf(acsi.InvalidAddress, "%s is a logical device: name a logical node in it, or what is below", ref)
	}
	found, err := c.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	var objects []Object
	for _, n := range found {
		for _, fc := range n.FCs() {
			if ref.FC() == 0 || ref.FC() == fc {
				objects = append(objects, Object{Ref: ref.WithFC(fc), Node: n.Under(fc)})
			}
		}
	}
	if objects == nil {
		return nil, acsi.Errorf(acsi.ObjectNonExistent, "%s has nothing under functional constraint %s: choose from %s",
			ref.Path(), ref.FC(), fcNames(found))
	}
	return objects, nil
}

func fcNames(nodes []*acsi.Node) string {
	var names []string
	for _, n := range nodes {
		for _, fc := range n.FCs() {
			names = append(names, fc.String())
		}
	}
	return strings.Join(names, ", ")
}

// one is what ref means where it means one thing.
func (c *Client) one(ctx context.Context, ref acsi.Ref) (Object, error) {
	objects, err := c.Resolve(ctx, ref)
	if err != nil {
		return Object{}, err
	}
	if len(objects) > 1 {
		return Object{}, ambiguous(ref, objects)
	}
	return objects[0], nil
}

func ambiguous(ref acsi.Ref, objects []Object) *AmbiguousError {
	e := &AmbiguousError{Ref: ref}
	for _, o := range objects {
		e.Candidates = append(e.Candidates, o.Ref)
	}
	return e
}

// find gives the nodes that ref's names lead to, one but for the active and the edited value of a setting. An
// element of an array is a node without Count.
func (c *Client) find(ctx context.Context, ref acsi.Ref) ([]*acsi.Node, error) {
	names := strings.Split(ref.Item(), ".")
	ln, err := acsi.NewRef(ref.LD(), names[0], 0)
	if err != nil {
		return nil, err
	}
	root, err := c.logicalNode(ctx, ln)
	if err != nil {
		return nil, err
	}
	at, nodes := ln, []*acsi.Node{root}
	for _, part := range names[1:] {
		below, err := step(at, nodes, part)
		if err != nil {
			return nil, err
		}
		if at, err = at.Child(part); err != nil {
			return nil, err
		}
		nodes = below
	}
	return nodes, nil
}

// step goes from nodes, which are all at at, to the part with its index.
func step(at acsi.Ref, nodes []*acsi.Node, part string) ([]*acsi.Node, error) {
	name, index, indexed := strings.Cut(strings.TrimSuffix(part, ")"), "(")
	var below []*acsi.Node
	var names []string
	for _, n := range nodes {
		if n.Count > 0 {
			return nil, acsi.Errorf(acsi.InvalidAddress, "%s is an array: choose an element, %s(0) to %s(%d)", at, at, at, n.Count-1)
		}
		for _, child := range n.Children {
			if len(names) == 0 || names[len(names)-1] != child.Name {
				names = append(names, child.Name)
			}
			if child.Name == name {
				below = append(below, child)
			}
		}
	}
	if below == nil {
		return nil, acsi.Errorf(acsi.ObjectNonExistent, "%s has no %s: %s", at, name, offer(names, name))
	}
	if !indexed {
		return below, nil
	}
	for i, n := range below {
		element := *n
		element.Count = 0
		below[i] = &element
		switch {
		case n.Count == 0:
			return nil, acsi.Errorf(acsi.InvalidAddress, "%s.%s is no array: leave the index out", at, name)
		case !isBelow(index, n.Count):
			return nil, acsi.Errorf(acsi.ObjectNonExistent, "%s.%s has the elements 0 to %d, not %s", at, name, n.Count-1, index)
		}
	}
	return below, nil
}

// isBelow reports whether the digits, which have no leading zeros, are a number below n.
func isBelow(digits string, n int) bool {
	limit := fmt.Sprint(n)
	return len(digits) < len(limit) || len(digits) == len(limit) && digits < limit
}
