package acsi

import (
	"encoding/json"
	"fmt"
	"strings"

	"busbar.example/value"
)

// QualityBits is the length of the bit string that a Quality travels as.
const QualityBits = 13

// Quality says how far a value can be trusted. It is the bit string read as a number, its leftmost bit the
// most significant of 13. The zero Quality is good, from the process, and neither test nor blocked.
//
// IEC 61850-7-3, 6.2 and IEC 61850-8-1, 8.1.3.2.
type Quality uint16

// The validity takes two bits; every other constant is a flag of its own.
const (
	QualityGood         Quality = 0
	QualityInvalid      Quality = 1 << 11
	QualityReserved     Quality = 2 << 11
	QualityQuestionable Quality = 3 << 11

	QualityOverflow        Quality = 1 << 10
	QualityOutOfRange      Quality = 1 << 9
	QualityBadReference    Quality = 1 << 8
	QualityOscillatory     Quality = 1 << 7
	QualityFailure         Quality = 1 << 6
	QualityOldData         Quality = 1 << 5
	QualityInconsistent    Quality = 1 << 4
	QualityInaccurate      Quality = 1 << 3
	QualitySubstituted     Quality = 1 << 2 // source: set by hand, not from the process
	QualityTest            Quality = 1 << 1
	QualityOperatorBlocked Quality = 1 << 0
)

const validityMask = 3 << 11

var (
	validityNames = [...]string{"good", "invalid", "reserved", "questionable"}
	// detailNames are the detail qualities from QualityOverflow down to QualityInaccurate.
	detailNames = [...]string{"overflow", "outOfRange", "badReference", "oscillatory", "failure", "oldData",
		"inconsistent", "inaccurate"}
)

// QualityOf reads a bit string of 13 bits, or of 16 of which the last three do not count; ok is false for any
// other value.
func QualityOf(v value.Value) (q Quality, ok bool) {
	if n := v.BitLen(); v.Kind() != value.BitString || n != QualityBits && n != 16 {
		return 0, false
	}
	p := v.Packed()
	return Quality(p[0])<<5 | Quality(p[1])>>3, true
}

var goodQuality = QualityGood.value()

// Value is q as the bit string that travels.
func (q Quality) Value() value.Value {
	if q == QualityGood {
		return goodQuality
	}
	return q.value()
}

func (q Quality) value() value.Value {
	return value.Bits(QualityBits, []byte{byte(q >> 5), byte(q << 3)})
}

// Validity is good, invalid, reserved or questionable.
func (q Quality) Validity() string { return validityNames[q&validityMask>>11] }

// Detail names the detail qualities that are set, in the order of their bits. It is never nil.
func (q Quality) Detail() []string {
	names := []string{}
	for i, name := range detailNames {
		if q&(QualityOverflow>>i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String says q in words, for example "good" or "questionable oldData inaccurate substituted test".
func (q Quality) String() string {
	words := append([]string{q.Validity()}, q.Detail()...)
	if q&QualitySubstituted != 0 {
		words = append(words, "substituted")
	}
	if q&QualityTest != 0 {
		words = append(words, "test")
	}
	if q&QualityOperatorBlocked != 0 {
		words = append(words, "operatorBlocked")
	}
	return strings.Join(words, " ")
}

type qualityJSON struct {
	Validity        string   `json:"validity"`
	Detail          []string `json:"detail"`
	Source          string   `json:"source,omitempty"`
	Test            bool     `json:"test,omitempty"`
	OperatorBlocked bool     `json:"operatorBlocked,omitempty"`
}

// MarshalJSON gives {"validity":"good","detail":[]}, and "source":"substituted", "test":true and
// "operatorBlocked":true where they hold.
func (q Quality) MarshalJSON() ([]byte, error) {
	j := qualityJSON{Validity: q.Validity(), Detail: q.Detail(), Test: q&QualityTest != 0, OperatorBlocked: q&QualityOperatorBlocked != 0}
	if q&QualitySubstituted != 0 {
		j.Source = "substituted"
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON gives, and the words of ParseQuality as a string.
func (q *Quality) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		p, err := ParseQuality(text)
		if err == nil {
			*q = p
		}
		return err
	}
	var j qualityJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("quality: %w", err)
	}
	words := append([]string{j.Validity}, j.Detail...)
	if j.Source != "" && j.Source != "process" {
		words = append(words, j.Source)
	}
	p, err := ParseQuality(strings.Join(words, " "))
	if err != nil {
		return err
	}
	if j.Test {
		p |= QualityTest
	}
	if j.OperatorBlocked {
		p |= QualityOperatorBlocked
	}
	*q = p
	return nil
}

// ParseQuality reads 13 digits 0 and 1, or the words that String gives, in any order.
func ParseQuality(s string) (Quality, error) {
	if v, err := value.ParseBits(s); err == nil && s != "" {
		if q, ok := QualityOf(v); ok {
			return q, nil
		}
		return 0, fmt.Errorf("quality %q: %d bits, not %d", clip(s), len(s), QualityBits)
	}
	var q Quality
	validities := 0
	for _, word := range strings.Fields(s) {
		flag, validity, ok := qualityWord(word)
		if !ok {
			return 0, fmt.Errorf("quality %q: the word %q is unknown: use good, invalid, questionable, %s, substituted, test, operatorBlocked",
				clip(s), clip(word), strings.Join(detailNames[:], ", "))
		}
		if validity {
			validities++
		}
		q |= flag
	}
	if validities != 1 {
		return 0, fmt.Errorf("quality %q: it needs one of good, invalid, questionable", clip(s))
	}
	return q, nil
}

func qualityWord(word string) (flag Quality, validity, ok bool) {
	for i, name := range validityNames {
		if word == name {
			return Quality(i) << 11, true, true
		}
	}
	for i, name := range detailNames {
		if word == name {
			return QualityOverflow >> i, false, true
		}
	}
	switch word {
	case "substituted":
		return QualitySubstituted, false, true
	case "test":
		return QualityTest, false, true
	case "operatorBlocked":
		return QualityOperatorBlocked, false, true
	}
	return 0, false, false
}
