package sunspec

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// Mapping says where a device is, and which of its points are which values of an IED.
type Mapping struct {
	Connect string        // HOST:PORT, or HOST for port 502
	Unit    byte          // 0: 1
	Poll    time.Duration // from one reading of all values to the next; 0: one second. At least 100 ms
	Timeout time.Duration // of one request; 0: two seconds
	Gone    time.Duration // how long after the last answer values are invalid, and no longer just old; 0: ten seconds

	Values   []Value
	Controls []Control
	Settings []Control // their Ref is an attribute that clients write
}

// A Value is an attribute of the IED that has the value of a point: point × Factor + Offset.
type Value struct {
	Line   int    // in the file, for errors; 0: none
	Ref    string // of a leaf, with its functional constraint
	Point  string
	Factor float64 // 0: 1
	Offset float64
	Map    map[int64]string // what numbers of the point mean: the name or number of a value of the attribute
	Bit    *int             // the attribute says whether this bit of the point is set, the least significant being 0
}

// A Control is a control object of the IED whose commands are written to a point: (value - Offset) / Factor.
type Control struct {
	Line   int
	Ref    string // of a data object
	Point  string
	Factor float64 // 0: 1
	Offset float64
	Map    map[int64]string // as of a Value: the number that is written for a value
	Min    *float64         // the least value that is accepted; nil: what the point takes
	Max    *float64
	With   []Write       // are written first
	Enable string        // the point that becomes 1 afterwards; "": none
	Verify time.Duration // for which the point may take to read back as written; 0: it is not read back
}

// A Write is a constant for a point.
type Write struct {
	Point string
	Value float64
}

// A MappingError says what is wrong with an entry of a mapping, or why the device cannot do what it asks.
type MappingError struct {
	Line  int    // 0: unknown, or no entry
	Ref   string // "": none
	Point string // "": none
	Err   error
	Hint  string // what to do
}

func (e *MappingError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Ref != "" {
		b.WriteString(e.Ref)
		if e.Point != "" {
			b.WriteString(" <-> " + e.Point)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Err.Error())
	return b.String()
}

func (e *MappingError) Unwrap() error { return e.Err }

// The bounds and defaults of a mapping.
const (
	leastPoll      = 100 * time.Millisecond
	defaultPort    = "502"
	defaultPoll    = time.Second
	defaultTimeout = 2 * time.Second
	defaultGone    = 10 * time.Second
	mostEntries    = 10_000
)

// settle gives m its defaults, and judges what concerns no entry.
func (m *Mapping) settle() error {
	if m.Connect == "" {
		return &MappingError{Err: fmt.Errorf("connect is missing"), Hint: "write connect: HOST:PORT of the device"}
	}
	if _, _, err := net.SplitHostPort(m.Connect); err != nil {
		m.Connect = net.JoinHostPort(strings.Trim(m.Connect, "[]"), defaultPort)
	}
	_, port, err := net.SplitHostPort(m.Connect)
	if n, convErr := strconv.ParseUint(port, 10, 16); err != nil || convErr != nil || n == 0 {
		return &MappingError{Err: fmt.Errorf("connect: %q is no address", clip(m.Connect)), Hint: "write connect: HOST:PORT, as 192.0.2.17:502"}
	}
	if m.Unit == 0 {
		m.Unit = 1
	}
	for _, d := range []struct {
		name       string
		value      *time.Duration
		otherwise  time.Duration
		least, top time.Duration
	}{
		{"poll", &m.Poll, defaultPoll, leastPoll, time.Hour},
		{"timeout", &m.Timeout, defaultTimeout, 10 * time.Millisecond, time.Minute},
		{"gone", &m.Gone, defaultGone, time.Millisecond, 24 * time.Hour},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
		if *d.value < d.least || *d.value > d.top {
			return &MappingError{Err: fmt.Errorf("%s: %v is not %v to %v", d.name, *d.value, d.least, d.top), Hint: "write a duration, as 500ms or 10s"}
		}
	}
	switch n := len(m.Values) + len(m.Controls) + len(m.Settings); {
	case n == 0:
		return &MappingError{Err: fmt.Errorf("it maps nothing"), Hint: "list values, controls and settings, each with ref and point"}
	case n > mostEntries:
		return &MappingError{Err: fmt.Errorf("%d entries are more than %d", n, mostEntries), Hint: "make several IEDs of the device"}
	}
	return nil
}

// checkFactor judges the numbers that scale.
func checkFactor(factor, offset float64) (float64, error) {
	if factor == 0 {
		factor = 1
	}
	if math.IsNaN(factor) || math.IsInf(factor, 0) || math.IsNaN(offset) || math.IsInf(offset, 0) {
		return 0, fmt.Errorf("factor and offset must be finite")
	}
	return factor, nil
}
