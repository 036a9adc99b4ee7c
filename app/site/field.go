package site

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
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

// What the YAML package says, with the names of Go types.
var (
	yamlPrefix   = regexp.MustCompile(`^yaml: (?:construct errors: )?`)
	unknownField = regexp.MustCompile(`field (\S+) not found in type (\S+)`)
	otherType    = regexp.MustCompile("cannot construct !!\\w+ (`[^`]*`)? ?into (\\S+)")
)

// plainYAML is an error of the YAML package in our words, with a hint on the fields that there are, of the types below root.
func plainYAML(err error, root reflect.Type) error {
	text := yamlPrefix.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "")
	hint := "see how fields look in the comments that `busbar init` writes into " + FileName
	if m := unknownField.FindStringSubmatch(text); m != nil {
		fields := map[string][]string{}
		collectFields(root, fields)
		hint = "its fields are " + strings.Join(fields[m[2]], ", ") + "; the comments that `busbar init` writes into " + FileName + " show them"
	}
	text = unknownField.ReplaceAllString(text, "there is no field $1")
	text = otherType.ReplaceAllStringFunc(text, func(said string) string {
		m := otherType.FindStringSubmatch(said)
		if m[1] == "" {
			m[1] = "what is there"
		}
		return m[1] + " is not " + kindOf(m[2])
	})
	return Hint(errors.New(text), hint)
}

// kindOf names a Go type for people.
func kindOf(name string) string {
	switch {
	case name == "time.Duration":
		return "a time such as 90s, 15m or 12h"
	case name == "bool":
		return "true or false"
	case name == "string":
		return "a text"
	case strings.HasPrefix(name, "int"), strings.HasPrefix(name, "uint"):
		return "a whole number"
	case strings.HasPrefix(name, "[]"):
		return "a list"
	}
	return "a set of fields"
}

// collectFields notes the names of the fields of a struct, and of those that it holds, by type.
func collectFields(t reflect.Type, all map[string][]string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		collectFields(t.Elem(), all)
		return
	case reflect.Struct:
	default:
		return
	}
	if _, known := all[t.String()]; known {
		return
	}
	all[t.String()] = nil
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		collectFields(f.Type, all)
		switch {
		case options == "inline":
			all[t.String()] = append(all[t.String()], all[f.Type.String()]...)
		case name != "":
			all[t.String()] = append(all[t.String()], name)
		}
	}
}
