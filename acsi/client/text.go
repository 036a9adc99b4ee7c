package client

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"busbar.example/acsi"
	"busbar.example/value"
)

// Style is how Print and a ChangePrinter write. The zero Style is the local zone, without colours.
type Style struct {
	Zone   *time.Location // of times; nil: time.Local
	Colour bool           // colour changes by their quality, as ANSI terminals do
}

func (s Style) clock(t time.Time) string {
	zone := s.Zone
	if zone == nil {
		zone = time.Local
	}
	return round(t).In(zone).Format("15:04:05.000")
}

func (s Style) instant(t time.Time) string {
	zone := s.Zone
	if zone == nil {
		zone = time.Local
	}
	return round(t).In(zone).Format("2006-01-02T15:04:05.000Z07:00")
}

// round takes away what a fraction in units of 2⁻²⁴ s adds to a time that was written in decimals.
func round(t time.Time) time.Time { return t.Round(time.Microsecond) }

// Print writes readings for a person, one leaf a line: reference, value with its unit, quality, time. Columns are
// aligned. Control characters that an IED sends are written as escapes.
func Print(w io.Writer, readings []Reading, s Style) error {
	var rows []row
	for i := range readings {
		rows = append(rows, s.rows(&readings[i])...)
	}
	var refWidth, textWidth, qualityWidth int
	for _, r := range rows {
		refWidth = max(refWidth, utf8.RuneCountInString(r.ref))
		if r.note != "" { // only what others stand beside is aligned
			textWidth = max(textWidth, utf8.RuneCountInString(r.text))
			qualityWidth = max(qualityWidth, utf8.RuneCountInString(r.note))
		}
	}
	for _, r := range rows {
		line := fmt.Sprintf("%-*s  %-*s  %-*s  %s", refWidth, r.ref, textWidth, r.text, qualityWidth, r.note, r.time)
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// row is one line of Print.
type row struct {
	ref, text, note, time string
}

func (s Style) rows(r *Reading) []row {
	if r.Err != nil {
		return []row{{ref: r.Ref.String(), text: "error: " + printable(r.Err.Error())}}
	}
	var rows []row
	eachLeaf(leaf{r.Object, r.Value, r.Quality, r.Time}, func(l leaf) {
		rows = append(rows, s.row(r, l))
	})
	return rows
}

// row is the line of l, which is a part of r.
func (s Style) row(r *Reading, l leaf) row {
	line := row{ref: l.Ref.String(), text: s.measured(r, l)}
	if l.quality != nil {
		line.note = l.quality.String()
	}
	if l.time != nil {
		line.time = s.clock(l.time.Time)
		if problems := l.time.Quality.Problems(); problems != nil {
			line.time += " " + strings.Join(problems, " ")
		}
	}
	return line
}

// measured is the value of l with its unit, where it has one.
func (s Style) measured(r *Reading, l leaf) string {
	text := s.leaf(l.Ref, l.Node, l.value)
	if u := r.Unit(l.Ref); u != "" && isMeasured(l.Node, l.value) {
		text += " " + u
	}
	return text
}

// isMeasured reports whether a leaf is in the unit of its data object: a number that stands for a quantity.
func isMeasured(n *acsi.Node, v value.Value) bool {
	_, isFloat := v.Float()
	return isFloat && n.FC != acsi.CF
}

// leaf is the value of a leaf for a person.
func (s Style) leaf(ref acsi.Ref, n *acsi.Node, v value.Value) string {
	if e, ord := enumOf(ref, n, v); e != nil {
		if known, ok := e.ByOrd(ord); ok && known.Name != "" {
			return printable(known.Name)
		}
	}
	switch v.Kind() {
	case value.Boolean:
		return strconv.FormatBool(v.Bool())
	case value.Integer:
		i, _ := v.Int()
		return strconv.FormatInt(i, 10)
	case value.Unsigned, value.BCD:
		u, _ := v.Uint()
		return strconv.FormatUint(u, 10)
	case value.Float32, value.Float64:
		return shortText(v)
	case value.BitString, value.BooleanArray:
		if q, ok := acsi.QualityOf(v); ok && isQuality(n) {
			return q.String()
		}
		if names, ok := controlBits(n); ok {
			return cmp.Or(names(v), "none")
		}
		return v.BitText()
	case value.OctetString:
		return octetsText(v.Text())
	case value.UTCTime, value.BinaryTime:
		if t, ok := v.Time(); ok {
			return s.instant(t)
		}
		ms, _, _ := v.BinTime()
		return (time.Duration(ms) * time.Millisecond).String()
	}
	if v.Text() == "" {
		return `""` // a value all the same
	}
	return printable(v.Text())
}

// controlBits names the bits of n where it is OptFlds or TrgOps of a control block.
func controlBits(n *acsi.Node) (names func(value.Value) string, ok bool) {
	switch n.FC {
	case acsi.RP, acsi.BR, acsi.LG:
	default:
		return nil, false
	}
	switch n.Name {
	case "OptFlds":
		return func(v value.Value) string { o, _ := acsi.OptFldsOf(v); return o.String() }, true
	case "TrgOps":
		return func(v value.Value) string { t, _ := acsi.TrgOpsOf(v); return t.String() }, true
	}
	return nil, false
}

// isQuality reports whether n is a Quality: by its basic type, or by its length where that is not known.
func isQuality(n *acsi.Node) bool {
	return n.Basic == "Quality" || n.Basic == "" && (n.Type.Size == -acsi.QualityBits || n.Type.Size == acsi.QualityBits)
}

// enumOf is the enumeration of the leaf n at ref, and the number that v is in it; nil where there is none.
func enumOf(ref acsi.Ref, n *acsi.Node, v value.Value) (*acsi.Enum, int64) {
	switch v.Kind() {
	case value.Integer, value.Unsigned:
		i, _ := v.Int()
		if coded := acsi.CodedEnum(n); coded != nil { // a device that sends it as a number
			return coded, i
		}
		e := n.Enum
		if e == nil {
			e = acsi.StandardEnum(dataObjectName(ref), n.Name)
		}
		return e, i
	case value.BitString:
		if e := acsi.CodedEnum(n); e != nil && v.BitLen() == 2 {
			return e, int64(v.Packed()[0] >> 6)
		}
	}
	return nil, 0
}

// dataObjectName is the name of the data object that ref is, or is in.
func dataObjectName(ref acsi.Ref) string {
	_, below, _ := strings.Cut(ref.Item(), ".")
	do, _, _ := strings.Cut(below, ".")
	return do
}

// shortText is v to six digits, which is what a person wants to see of a measurement.
func shortText(v value.Value) string {
	f, _ := v.Float()
	a := math.Abs(f)
	if a < 1e-4 || a >= 1e9 || math.IsNaN(f) {
		return floatText(v)
	}
	decimals := max(0, 5-int(math.Floor(math.Log10(a))))
	text := strconv.FormatFloat(f, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// floatText is the shortest text that gives v back.
func floatText(v value.Value) string {
	f, _ := v.Float()
	bits := 64
	if v.Kind() == value.Float32 {
		bits = 32
	}
	if a := math.Abs(f); a >= 1e-4 && a < 1e9 || a == 0 {
		return strconv.FormatFloat(f, 'f', -1, bits)
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

// octetsText is hex, and the text that the octets are where they are one.
func octetsText(s string) string {
	if s == "" {
		return `""`
	}
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return fmt.Sprintf("%x", s)
		}
	}
	return fmt.Sprintf("%x %q", s, s)
}

// printable writes what would move a terminal's cursor, or worse, as escapes.
func printable(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			q := strconv.Quote(s)
			return q[1 : len(q)-1]
		}
	}
	return s
}
