package scl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// parseVal reads the text of a Val as a value of the leaf n, which stands in the data object do.
func parseVal(text, do string, n *acsi.Node) (value.Value, error) {
	v, err := textToValue(text, do, n)
	if err == nil {
		err = n.Check(v)
	}
	var refused *acsi.Error
	if errors.As(err, &refused) {
		err = errors.New(refused.Text)
	}
	return v, err
}

// textToValue takes text by the kind of n alone.
//
// IEC 61850-6, 9.5.4.2, the coding of values.
func textToValue(text, do string, n *acsi.Node) (value.Value, error) {
	if v, ok := enumVal(text, do, n); ok {
		return v, nil
	}
	switch n.Type.Kind {
	case value.Boolean:
		switch strings.ToLower(text) {
		case "true", "1":
			return value.Bool(true), nil
		case "false", "0":
			return value.Bool(false), nil
		}
		return value.Value{}, fmt.Errorf("%s is neither true nor false", quote(text))
	case value.Integer:
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return value.Value{}, notInteger(text, n)
		}
		return value.Int(i), nil
	case value.Unsigned:
		u, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return value.Value{}, notInteger(text, n)
		}
		return value.Uint(u), nil
	case value.Float32:
		f, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return value.Value{}, fmt.Errorf("%s is no number of %s", quote(text), n.Basic)
		}
		return value.Float(float32(f)), nil
	case value.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return value.Value{}, fmt.Errorf("%s is no number of %s", quote(text), n.Basic)
		}
		return value.Double(f), nil
	case value.BitString:
		if n.Basic == "Quality" {
			q, err := acsi.ParseQuality(text)
			return q.Value(), err
		}
		return value.ParseBits(text)
	case value.OctetString:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return value.Value{}, fmt.Errorf("%s is no base64", quote(text))
		}
		return value.Octets(b), nil
	case value.VisibleString:
		return value.Visible(text), nil
	case value.MMSString:
		return value.Text(text), nil
	}
	return timeVal(text, n.Type)
}

func notInteger(text string, n *acsi.Node) error {
	if n.Enum != nil {
		return fmt.Errorf("%s is no value of the enumeration %s", quote(text), quote(n.Enum.ID))
	}
	return fmt.Errorf("%s is no whole number", quote(text))
}

// enumVal takes text for the name of a number: by the leaf's own enumeration, else, as some tools write the names
// of standard enumerations for plain numbers too, by the standard's.
func enumVal(text, do string, n *acsi.Node) (value.Value, bool) {
	e := n.Enum
	if e == nil {
		if e = acsi.StandardEnum(do, n.Name); e == nil {
			e = acsi.CodedEnum(n)
		}
	}
	if e == nil {
		return value.Value{}, false
	}
	v, ok := e.ByName(text)
	for _, other := range e.Values {
		if !ok && strings.EqualFold(other.Name, text) {
			v, ok = other, true
		}
	}
	if !ok || text == "" && n.Enum == nil {
		return value.Value{}, false
	}
	switch {
	case n.Type.Kind == value.Integer:
		return value.Int(int64(v.Ord)), true
	case n.Type.Kind == value.Unsigned && v.Ord >= 0:
		return value.Uint(uint64(v.Ord)), true
	case n.Type.Kind == value.BitString && n.Type.Size == -2:
		return value.Bits(2, []byte{byte(v.Ord) << 6}), true
	}
	return value.Value{}, false
}

var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly}

func timeVal(text string, t acsi.Type) (value.Value, error) {
	for _, form := range timeForms {
		at, err := time.Parse(form, text)
		if err != nil {
			continue
		}
		if t.Kind == value.UTCTime {
			return acsi.Timestamp{Time: at, Quality: acsi.AccuracyUnspecified}.Value(), nil
		}
		days := at.Sub(time.Date(1984, 1, 1, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour)
		ms := at.Sub(at.Truncate(24*time.Hour)) / time.Millisecond
		if days >= 0 && days <= math.MaxUint16 {
			return value.BinTime(uint32(ms), uint16(days)), nil
		}
	}
	return value.Value{}, fmt.Errorf("%s is no time: write for example 2026-11-22T10:00:00Z", quote(text))
}
