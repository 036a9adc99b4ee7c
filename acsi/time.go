package acsi

import (
	"fmt"
	"strings"
	"time"

	"busbar.example/value"
)

// TimeQuality says how far a timestamp can be trusted: three flags and, in the lowest five bits, the number of
// significant bits of the fraction of a second.
//
// IEC 61850-7-2, 6.1.2.9.
type TimeQuality uint8

// The flags, and the accuracy that is not a number of bits.
const (
	LeapSecondsKnown     TimeQuality = 0x80
	ClockFailure         TimeQuality = 0x40
	ClockNotSynchronized TimeQuality = 0x20

	AccuracyUnspecified TimeQuality = 31

	accuracyMask TimeQuality = 0x1f
)

// Problems names the flags that speak against the time. It is nil where there is none.
func (q TimeQuality) Problems() []string {
	var names []string
	if q&ClockFailure != 0 {
		names = append(names, "clockFailure")
	}
	if q&ClockNotSynchronized != 0 {
		names = append(names, "clockNotSynchronized")
	}
	return names
}

// String says q in words, for example "leapSecondsKnown accuracy=10".
func (q TimeQuality) String() string {
	words := q.Problems()
	if q&LeapSecondsKnown != 0 {
		words = append([]string{"leapSecondsKnown"}, words...)
	}
	if n := q & accuracyMask; n == AccuracyUnspecified {
		words = append(words, "accuracy=unspecified")
	} else {
		words = append(words, fmt.Sprintf("accuracy=%d", n))
	}
	return strings.Join(words, " ")
}

// Timestamp is an instant of UTC, to 2⁻²⁴ s, and what is known of the clock that gave it.
//
// IEC 61850-7-2, 6.1.2.9.
type Timestamp struct {
	Time    time.Time
	Quality TimeQuality
}

// TimestampOf reads a UTC time; ok is false for any other value.
func TimestampOf(v value.Value) (t Timestamp, ok bool) {
	if v.Kind() != value.UTCTime {
		return Timestamp{}, false
	}
	t.Time, _ = v.Time()
	t.Quality = TimeQuality(v.UTC())
	return t, true
}

// Value is t as the UTC time that travels. It does not allocate.
func (t Timestamp) Value() value.Value { return value.UTCOf(t.Time, uint8(t.Quality)) }

// String is t in RFC 3339 with its quality.
func (t Timestamp) String() string {
	return t.Time.UTC().Format(time.RFC3339Nano) + " " + t.Quality.String()
}
