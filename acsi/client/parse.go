package client

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"busbar.example/acsi"
	"busbar.example/value"
)

// Assignment is a value and the object that it is for.
type Assignment struct {
	Object
	Value value.Value
}

// ParseAssignment reads REF=VALUE, where VALUE is text as ParseValue reads it. Where REF has no functional constraint,
// those that can be written are tried.
func (c *Client) ParseAssignment(ctx context.Context, text string) (Assignment, error) {
	refText, valueText, ok := strings.Cut(text, "=")
	if !ok {
		return Assignment{}, fmt.Errorf("%q is no assignment: write REF=VALUE", text)
	}
	ref, err := acsi.ParseRef(refText)
	if err != nil {
		return Assignment{}, err
	}
	objects, err := c.Resolve(ctx, ref)
	if err != nil {
		return Assignment{}, err
	}
	if len(objects) > 1 {
		objects = writable(objects)
	}
	if len(objects) > 1 {
		return Assignment{}, ambiguous(ref, objects)
	}
	o := objects[0]
	v, err := ParseValue(o, valueText)
	if err != nil {
		return Assignment{}, fmt.Errorf("%s: %w", o.Ref, err)
	}
	return Assignment{Object: o, Value: v}, nil
}

// writable keeps what is under a functional constraint that can be written, if anything is.
func writable(objects []Object) []Object {
	var kept []Object
	for _, o := range objects {
		switch o.Ref.FC() {
		case acsi.SP, acsi.SV, acsi.CF, acsi.DC, acsi.SE, acsi.BL, acsi.CO:
			kept = append(kept, o)
		}
	}
	if kept == nil {
		return objects
	}
	return kept
}

// Set writes all assignments in one service, and gives nil or the error of each. The outer error says that the service
// fails.
func (c *Client) Set(ctx context.Context, assignments ...Assignment) ([]error, error) {
	out := make([]acsi.Assignment, len(assignments))
	for i, a := range assignments {
		out[i] = acsi.Assignment{Ref: a.Ref, Value: a.Value}
	}
	errs, err := c.services.SetDataValues(ctx, out)
	if err == nil && len(errs) != len(out) {
		err = errors.New("the IED answered for another number of objects than was written")
	}
	return errs, err
}

// ParseValue reads text as a value of o: a number, true or false, the name or number of an enumeration, a string as
// it is, a time in RFC 3339, a bit string as 0 and 1, quality as bits or words, octets as hex; a structure is a
// JSON object with every component, an array a JSON array with every element.
func ParseValue(o Object, text string) (value.Value, error) {
	if o.Node.IsLeaf() && o.Node.Count == 0 {
		return parseLeaf(o.Ref, o.Node, text)
	}
	dec := json.NewDecoder(strings.NewReader(text))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil || dec.More() {
		if o.Node.Count > 0 {
			return value.Value{}, fmt.Errorf("it is an array: write a JSON array of %d elements", o.Node.Count)
		}
		return value.Value{}, fmt.Errorf("it is a structure: write one of its parts, or a JSON object such as %s", example(o.Node))
	}
	return parseJSON(o.Ref, o.Node, raw)
}

// ParseJSON reads a JSON text as a value of o: structures are objects with every component, arrays JSON arrays, all else what
// ParseValue reads, as a JSON string or as it is where JSON knows it.
func ParseJSON(o Object, text json.RawMessage) (value.Value, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return value.Value{}, errors.New("there is no value")
	}
	return parseJSON(o.Ref, o.Node, text)
}

// example is the form of a structure.
func example(n *acsi.Node) string {
	if len(n.Children) == 0 {
		return "…"
	}
	names := make([]string, len(n.Children))
	for i, c := range n.Children {
		inner := "…"
		if c.Count == 0 && len(c.Children) > 0 {
			inner = example(c)
		}
		names[i] = strconv.Quote(c.Name) + ":" + inner
	}
	return "{" + strings.Join(names, ",") + "}"
}

func parseJSON(ref acsi.Ref, n *acsi.Node, raw json.RawMessage) (value.Value, error) {
	switch {
	case n.Count > 0:
		return parseArray(ref, n, raw)
	case len(n.Children) > 0:
		return parseStructure(ref, n, raw)
	}
	raw = bytes.TrimSpace(raw)
	text := string(raw)
	switch {
	case text == "null":
		return value.Value{}, fmt.Errorf("%s: null is no value", n.Name)
	case text[0] == '{' && isQuality(n):
		var q acsi.Quality
		err := json.Unmarshal(raw, &q)
		return q.Value(), err
	case text[0] == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			return value.Value{}, err
		}
	}
	v, err := parseLeaf(ref, n, text)
	if err != nil {
		err = fmt.Errorf("%s: %w", n.Name, err)
	}
	return v, err
}

func parseArray(ref acsi.Ref, n *acsi.Node, raw json.RawMessage) (value.Value, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || len(items) != n.Count {
		return value.Value{}, fmt.Errorf("%s is an array: it takes a JSON array of %d elements", n.Name, n.Count)
	}
	one := *n
	one.Count = 0
	elems := make([]value.Value, n.Count)
	for i, item := range items {
		var err error
		if elems[i], err = parseJSON(ref, &one, item); err != nil {
			return value.Value{}, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return value.ArrayOf(elems...), nil
}

func parseStructure(ref acsi.Ref, n *acsi.Node, raw json.RawMessage) (value.Value, error) {
	var items map[string]json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return value.Value{}, fmt.Errorf("%s is a structure: it takes a JSON object such as %s", n.Name, example(n))
	}
	elems := make([]value.Value, len(n.Children))
	for i, child := range n.Children {
		item, ok := items[child.Name]
		if !ok {
			return value.Value{}, fmt.Errorf("%s lacks %s: a structure is written as a whole, such as %s", n.Name, child.Name, example(n))
		}
		delete(items, child.Name)
		below, err := ref.Child(child.Name)
		if err != nil {
			return value.Value{}, err
		}
		if elems[i], err = parseJSON(below, child, item); err != nil {
			return value.Value{}, err
		}
	}
	for name := range items {
		return value.Value{}, fmt.Errorf("%s has no %s: it is %s", n.Name, name, example(n))
	}
	return value.StructureOf(elems...), nil
}

func parseLeaf(ref acsi.Ref, n *acsi.Node, text string) (value.Value, error) {
	size := n.Type.Size
	switch n.Type.Kind {
	case value.Boolean:
		switch text {
		case "true":
			return value.Bool(true), nil
		case "false":
			return value.Bool(false), nil
		}
		return value.Value{}, fmt.Errorf("%q is neither true nor false", text)
	case value.Integer, value.Unsigned:
		return parseInteger(ref, n, text)
	case value.Float32:
		f, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return value.Value{}, fmt.Errorf("%q is no number that float32 holds", text)
		}
		return value.Float(float32(f)), nil
	case value.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return value.Value{}, fmt.Errorf("%q is no number that float64 holds", text)
		}
		return value.Double(f), nil
	case value.BitString:
		return parseBits(n, text)
	case value.OctetString:
		b, err := hex.DecodeString(text)
		if err != nil {
			return value.Value{}, fmt.Errorf("%q is no octet string: write two hex digits for each octet", text)
		}
		return value.Octets(b), sizeError(len(b), size, "octets")
	case value.VisibleString:
		for _, r := range text {
			if r < 0x20 || r > 0x7e {
				return value.Value{}, fmt.Errorf("a visible string cannot hold %q", r)
			}
		}
		return value.Visible(text), sizeError(len(text), size, "characters")
	case value.MMSString:
		if !utf8.ValidString(text) {
			return value.Value{}, errors.New("it is not UTF-8")
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r < 0x20 && r != '\t' && r != '\n' }); i >= 0 {
			return value.Value{}, fmt.Errorf("a string cannot hold the control character %q", text[i])
		}
		return value.Text(text), sizeError(utf8.RuneCountInString(text), size, "characters")
	case value.UTCTime, value.BinaryTime:
		return parseTime(n, text)
	}
	return value.Value{}, fmt.Errorf("values of type %s cannot be written from here", n.Type.Kind)
}

// sizeError compares n with a size that is exact where it is negative, and else the most; 0 is none at all.
func sizeError(n, size int, what string) error {
	switch {
	case size < 0 && n != -size:
		return fmt.Errorf("it has %d %s, and takes exactly %d", n, what, -size)
	case size > 0 && n > size:
		return fmt.Errorf("it has %d %s, and takes %d at most", n, what, size)
	}
	return nil
}

func parseInteger(ref acsi.Ref, n *acsi.Node, text string) (value.Value, error) {
	e := n.Enum
	if e == nil {
		e = acsi.StandardEnum(dataObjectName(ref), n.Name)
	}
	if e != nil {
		if named, ok := e.ByName(text); ok {
			text = strconv.Itoa(named.Ord)
		}
	}
	size := n.Type.Size
	if size <= 0 || size > 64 {
		size = 64
	}
	var v value.Value
	var err error
	if n.Type.Kind == value.Unsigned {
		var u uint64
		u, err = strconv.ParseUint(text, 10, size)
		v = value.Uint(u)
	} else {
		var i int64
		i, err = strconv.ParseInt(text, 10, size)
		v = value.Int(i)
	}
	switch {
	case err != nil && e != nil:
		return value.Value{}, fmt.Errorf("%q is neither a number that fits nor one of %s", text, enumNames(e))
	case errors.Is(err, strconv.ErrRange):
		return value.Value{}, fmt.Errorf("%s is out of range: it takes %s", text, intRange(n.Type.Kind, size))
	case err != nil:
		return value.Value{}, fmt.Errorf("%q is no whole number", text)
	}
	if i, _ := v.Int(); n.Enum != nil && len(n.Enum.Values) > 0 {
		if _, named := n.Enum.ByOrd(i); !named {
			return value.Value{}, fmt.Errorf("%d is not in the enumeration: choose one of %s", i, enumNames(n.Enum))
		}
	}
	return v, nil
}

func enumNames(e *acsi.Enum) string {
	const most = 24
	names := make([]string, 0, most)
	for i, v := range e.Values {
		if i == most {
			return strings.Join(names, ", ") + ", …"
		}
		names = append(names, fmt.Sprintf("%s (%d)", v.Name, v.Ord))
	}
	return strings.Join(names, ", ")
}

func intRange(kind value.Kind, size int) string {
	if kind == value.Unsigned {
		return fmt.Sprintf("0 to %d", ^uint64(0)>>(64-size))
	}
	return fmt.Sprintf("%d to %d", int64(-1)<<(size-1), int64(^uint64(0)>>(65-size)))
}

func parseBits(n *acsi.Node, text string) (value.Value, error) {
	if isQuality(n) {
		q, err := acsi.ParseQuality(text)
		return q.Value(), err
	}
	if e := acsi.CodedEnum(n); e != nil {
		if named, ok := e.ByName(text); ok {
			return value.Bits(2, []byte{byte(named.Ord) << 6}), nil
		}
	}
	if names, ok := controlBits(n); ok && strings.Trim(text, "01") != "" {
		return parseNames(n, names, text)
	}
	v, err := value.ParseBits(text)
	if err != nil {
		return v, err
	}
	return v, sizeError(v.BitLen(), n.Type.Size, "bits")
}

// parseNames reads the names of bits, with commas between them; none sets no bit.
func parseNames(n *acsi.Node, names func(value.Value) string, text string) (value.Value, error) {
	size := max(n.Type.Size, -n.Type.Size)
	if size == 0 || size > 16 {
		return value.Value{}, fmt.Errorf("its bits have no names here: write them as 0 and 1")
	}
	var packed [2]byte
	var known []string
	wanted := map[string]bool{}
	if text != "none" {
		for _, name := range strings.Split(text, ",") {
			wanted[name] = true
		}
	}
	for i := range size {
		var one [2]byte
		one[i/8] = 0x80 >> (i % 8)
		name := names(value.Bits(size, one[:(size+7)/8]))
		if name == "" {
			continue
		}
		known = append(known, name)
		if wanted[name] {
			packed[i/8] |= one[i/8]
			delete(wanted, name)
		}
	}
	for name := range wanted {
		return value.Value{}, fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
	}
	return value.Bits(size, packed[:(size+7)/8]), nil
}

func parseTime(n *acsi.Node, text string) (value.Value, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return value.Value{}, fmt.Errorf("%q is no time in RFC 3339: write for example 2026-11-22T10:00:00.000Z", text)
	}
	if n.Type.Kind == value.UTCTime {
		if sec := t.Unix(); sec < 0 || sec > 1<<32-1 {
			return value.Value{}, fmt.Errorf("%s is before 1970 or after 2106", text)
		}
		return acsi.Timestamp{Time: t, Quality: acsi.AccuracyUnspecified}.Value(), nil
	}
	epoch := time.Date(1984, 1, 1, 0, 0, 0, 0, time.UTC)
	days := int64(t.Sub(epoch) / (24 * time.Hour))
	if t.Before(epoch) || days > 1<<16-1 {
		return value.Value{}, fmt.Errorf("%s is before 1984 or after 2163", text)
	}
	ms := t.UTC().Sub(t.UTC().Truncate(24*time.Hour)) / time.Millisecond
	return value.BinTime(uint32(ms), uint16(days)), nil
}
