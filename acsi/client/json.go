package client

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// MarshalJSON gives {"ref","fc","type","value","quality","time"}, without what there is none of, or "error" in place
// of the last three: {"layer","code","text","hint"}. Numbers are numbers, enumerated ones their names where they are
// known; bit strings are digits, octets hex, times RFC 3339 in UTC; structures are objects and arrays arrays. This is
// version 1 of the shape: it rises when a field changes its name or meaning, not when one is added.
func (r Reading) MarshalJSON() ([]byte, error) { return json.Marshal(r.line()) }

// MarshalJSON gives the fields of a Reading, "at" for when it was noticed, "initial":true where it is the first, and of a report the
// "reason" and "entry".
func (c Change) MarshalJSON() ([]byte, error) {
	entry := ""
	if c.Entry != (acsi.EntryID{}) {
		entry = hex.EncodeToString(c.Entry[:])
	}
	return json.Marshal(struct {
		readingLine
		At      string `json:"at"`
		Initial bool   `json:"initial,omitempty"`
		Reason  string `json:"reason,omitempty"`
		Entry   string `json:"entry,omitempty"`
	}{c.line(), jsonTime(c.At), c.Initial, c.Reason.String(), entry})
}

// readingLine is a Reading as programs read it.
type readingLine struct {
	Ref     string          `json:"ref"`
	FC      string          `json:"fc,omitempty"`
	Type    string          `json:"type,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Unit    string          `json:"unit,omitempty"`
	Quality *acsi.Quality   `json:"quality,omitempty"`
	Time    string          `json:"time,omitempty"`
	Clock   []string        `json:"timeQuality,omitempty"`
	Error   *Failure        `json:"error,omitempty"`
}

func (r *Reading) line() readingLine {
	j := readingLine{Ref: r.Ref.Path(), FC: r.Ref.FC().String(), Error: FailureOf(r.Ref, r.Err)}
	if r.Node != nil {
		j.Type = r.kind().String()
	}
	if r.Err != nil {
		return j
	}
	j.Value = appendJSON(nil, r.Ref, r.Node, r.Value)
	j.Quality, j.Unit = r.Quality, r.Unit(r.Ref)
	if r.Time != nil {
		j.Time = jsonTime(r.Time.Time)
		j.Clock = r.Time.Quality.Problems()
	}
	return j
}

// kind is that of the value that was read, or would be: a data object or logical node is a structure.
func (r *Reading) kind() value.Kind {
	switch n := r.Node; {
	case n == nil:
		return value.Invalid
	case n.Count > 0:
		return value.Array
	case len(n.Children) > 0:
		return value.Structure
	default:
		return n.Type.Kind
	}
}

// appendJSON appends v, which conforms to n.
func appendJSON(b []byte, ref acsi.Ref, n *acsi.Node, v value.Value) []byte {
	switch {
	case n.Count > 0:
		one := *n
		one.Count = 0
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, ref, &one, v.At(i))
		}
		return append(b, ']')
	case len(n.Children) > 0:
		b = append(b, '{')
		for i, child := range n.Children {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, child.Name), ':')
			below, err := ref.Child(child.Name)
			if err != nil {
				below = ref
			}
			b = appendJSON(b, below, child, v.At(i))
		}
		return append(b, '}')
	}
	return appendLeaf(b, ref, n, v)
}

// AppendJSON appends v, which conforms to o's Node, as JSON in the form that a Reading has its value in. ParseJSON reads it.
func AppendJSON(b []byte, o Object, v value.Value) []byte { return appendJSON(b, o.Ref, o.Node, v) }

func appendLeaf(b []byte, ref acsi.Ref, n *acsi.Node, v value.Value) []byte {
	if e, ord := enumOf(ref, n, v); e != nil {
		if known, ok := e.ByOrd(ord); ok {
			return appendString(b, known.Name)
		}
	}
	switch v.Kind() {
	case value.Boolean, value.Integer, value.Unsigned, value.BCD:
		return append(b, Style{}.leaf(ref, n, v)...)
	case value.Float32, value.Float64:
		f, _ := v.Float()
		switch {
		case math.IsNaN(f):
			return append(b, `"NaN"`...)
		case math.IsInf(f, 1):
			return append(b, `"Infinity"`...)
		case math.IsInf(f, -1):
			return append(b, `"-Infinity"`...)
		}
		return append(b, floatText(v)...)
	case value.BitString, value.BooleanArray:
		if q, ok := acsi.QualityOf(v); ok && isQuality(n) {
			text, _ := q.MarshalJSON()
			return append(b, text...)
		}
		return appendString(b, v.BitText())
	case value.OctetString:
		const digits = "0123456789abcdef"
		b = append(b, '"')
		for _, c := range []byte(v.Text()) {
			b = append(b, digits[c>>4], digits[c&15])
		}
		return append(b, '"')
	case value.UTCTime, value.BinaryTime:
		if t, ok := v.Time(); ok {
			return appendString(b, jsonTime(t))
		}
		return appendString(b, Style{}.leaf(ref, n, v))
	}
	return appendString(b, v.Text())
}

func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always has a JSON text
	return append(b, text...)
}

// jsonTime has milliseconds, and microseconds where they are not zero.
func jsonTime(t time.Time) string {
	t = round(t).UTC()
	if t.Nanosecond()%1_000_000 != 0 {
		return t.Format("2006-01-02T15:04:05.000000Z")
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}

// Failure is an error as programs read it.
type Failure struct {
	Layer string `json:"layer"` // where it arose: acsi, or reference for what the user wrote
	Code  string `json:"code"`
	Text  string `json:"text,omitempty"`
	Hint  string `json:"hint,omitempty"`

	Step     string `json:"step,omitempty"`     // of a command
	AddCause string `json:"addCause,omitempty"` // that the IED has given for refusing it
}

// FailureOf describes err, which is about ref. It is nil where err is.
func FailureOf(ref acsi.Ref, err error) *Failure {
	var refused *acsi.Error
	var several *AmbiguousError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several):
		return &Failure{Layer: "reference", Code: "ambiguous", Text: err.Error(), Hint: "add the functional constraint, for example " + several.Candidates[0].String()}
	case errors.As(err, &refused):
		f := &Failure{Layer: "acsi", Code: refused.Code.String(), Text: refused.Text, Hint: hint(ref, refused.Code)}
		if refused.Control != nil {
			f.AddCause, f.Hint = refused.Control.Cause.String(), causeHint(refused.Control.Cause)
		}
		var command *ControlError
		if errors.As(err, &command) {
			f.Step = string(command.Step)
		}
		return f
	}
	return &Failure{Layer: "reference", Code: "invalid", Text: err.Error()}
}

// causeHint says what a person may do about an AddCause.
func causeHint(c acsi.AddCause) string {
	switch c {
	case acsi.NotSupported:
		return "see its ctlModel: read LD/LN.DO.ctlModel[CF]"
	case acsi.BlockedBySwitchingHierarchy:
		return "the bay, the station or somebody else has the control: see Loc, LocKey and LocSta, or command with another --origin"
	case acsi.SelectFailed, acsi.ObjectNotSelected:
		return "select it first, and operate with the same value, origin and Test within its sboTimeout"
	case acsi.InvalidPosition:
		return "see its position: read LD/LN.DO[ST]"
	case acsi.PositionReached:
		return "it is where it should be already"
	case acsi.StepLimit:
		return "it is at the end of its range"
	case acsi.BlockedByMode:
		return "see Mod and Beh: what is in test takes commands with --test only, what is off or blocked takes none"
	case acsi.BlockedByInterlocking:
		return "see CILO: EnaOpn and EnaCls"
	case acsi.BlockedBySynchrocheck:
		return "see RSYN: the two sides are not synchronous"
	case acsi.CommandAlreadyInExecution, acsi.ObjectAlreadySelected, acsi.LockedByOtherClient, acsi.OneOfNControl, acsi.BlockedByCommand:
		return "wait until the other command has ended, and try again"
	case acsi.BlockedByHealth:
		return "see Health and PhyHealth"
	case acsi.TimeLimitOver:
		return "it took too long, or the command came too late: see the clocks of both ends, sboTimeout and operTimeout"
	case acsi.NoAccessAuthority:
		return "it takes a role with the right CONTROL, such as OPERATOR, for this logical device"
	case acsi.InconsistentParameters:
		return "operate and cancel with the same value, origin, Test and Check as it was selected with"
	}
	return ""
}

// hint says what a person may do about the code.
func hint(ref acsi.Ref, code acsi.Code) string {
	switch code {
	case acsi.ObjectAccessDenied:
		switch ref.FC() {
		case acsi.SP, acsi.CF, acsi.DC:
			return "to write it takes a role with the right CONFIG, such as ENGINEER, for this logical device; some attributes are read only"
		case acsi.CO, acsi.SV, acsi.BL:
			return "it takes a role with the right CONTROL, such as OPERATOR, for this logical device"
		case acsi.SE, acsi.SG:
			return "to write it takes a role with the right SETTINGGROUP, such as ENGINEER, for this logical device"
		}
		return "it takes a role with the right for it on this logical device; status and measurands are read only"
	case acsi.ObjectNonExistent, acsi.ObjectUndefined:
		return "list what there is with ls"
	case acsi.TypeInconsistent, acsi.ObjectValueInvalid:
		return "see the type with ls, or read the value to see its form"
	case acsi.TemporarilyUnavailable:
		return "try again"
	}
	return ""
}
