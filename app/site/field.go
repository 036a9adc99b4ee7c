package site

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// fieldError is what is wrong with a field of busbar.yaml.
type fieldError struct {
	path []any // names of fields, and places in lists from 0
	err  error
}

// at says in which field err is; path leads there.
func at(err error, path ...any) error {
	if inner, ok := errors.AsType[*fieldError](err); ok {
		return &fieldError{append(path, inner.path...), inner.err}
	}
	return &fieldError{path, err}
}

// Error names the field as people do: lists count from 1.
func (e *fieldError) Error() string {
	var b strings.Builder
	for _, step := range e.path {
		if n, ok := step.(int); ok {
			step = "number " + strconv.Itoa(n+1)
		}
		fmt.Fprintf(&b, "%v: ", step)
	}
	return b.String() + e.err.Error()
}

func (e *fieldError) Unwrap() error { return e.err }

// located adds to an error about a field the line of the YAML document where it is.
func located(err error, text []byte) error {
	field, ok := errors.AsType[*fieldError](err)
	if !ok {
		return err
	}
	var document yaml.Node
	if yaml.Unmarshal(text, &document) != nil || len(document.Content) == 0 {
		return err
	}
	node := document.Content[0]
	for _, step := range field.path {
		next := below(node, step)
		if next == nil {
			break
		}
		node = next
	}
	return fmt.Errorf("line %d: %w", node.Line, err)
}

// below is the node that a field of a mapping, or a place in a list, holds; nil where there is none.
func below(n *yaml.Node, step any) *yaml.Node {
	switch step := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
