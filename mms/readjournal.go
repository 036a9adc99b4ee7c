package mms

import (
	"encoding/binary"
	"time"

	"busbar.example/internal/asn1"
	"busbar.example/value"
)

// ReadJournalRequest asks for entries of a journal, in the order of their times.
//
// ISO 9506-2, ReadJournal-Request.
type ReadJournalRequest struct {
	JournalName             ObjectName         `asn:"journalName [0]"`
	RangeStartSpecification RangeStart         `asn:"rangeStartSpecification [1] OPTIONAL"`                   // nil: from the first
	RangeStopSpecification  RangeStop          `asn:"rangeStopSpecification [2] OPTIONAL"`                    // nil: to the last
	ListOfVariables         []string           `asn:"listOfVariables [4] SEQUENCE OF VisibleString OPTIONAL"` // tags; nil: all variables
	EntryToStartAfter       *EntryToStartAfter `asn:"entryToStartAfter [5] OPTIONAL"`                         // nil: not continued
}

// RangeStart is StartingTime or StartingEntry: the first entry.
type RangeStart interface{ rangeStart() }

// RangeStop is EndingTime or NumberOfEntries: the last entry.
type RangeStop interface{ rangeStop() }

// The alternatives of RangeStart and RangeStop.
type (
	StartingTime    TimeOfDay // entries of this time and later
	StartingEntry   []byte    // the entry with this identifier and what follows
	EndingTime      TimeOfDay // entries of this time and earlier
	NumberOfEntries int32     // so many; below zero, so many before the start
)

func (StartingTime) rangeStart()   {}
func (StartingEntry) rangeStart()  {}
func (EndingTime) rangeStop()      {}
func (NumberOfEntries) rangeStop() {}

// EntryToStartAfter is the last entry that is known.
type EntryToStartAfter struct {
	TimeSpecification  TimeOfDay `asn:"timeSpecification [0]"`
	EntrySpecification []byte    `asn:"entrySpecification [1]"`
}

// ReadJournalResponse has the entries.
//
// ISO 9506-2, ReadJournal-Response.
type ReadJournalResponse struct {
	ListOfJournalEntry []JournalEntry `asn:"listOfJournalEntry [0]"`
	MoreFollows        bool           `asn:"moreFollows [1] DEFAULT FALSE"`
}

// JournalEntry is one entry and who has caused it.
//
// ISO 9506-2, JournalEntry.
type JournalEntry struct {
	EntryIdentifier        []byte               `asn:"entryIdentifier [0]"`
	OriginatingApplication ApplicationReference `asn:"originatingApplication [1] EXPLICIT"`
	EntryContent           EntryContent         `asn:"entryContent [2]"`
}

// EntryContent is what an entry tells. Detail for companion standards is not supported: an entry with it is a syntax error.
//
// ISO 9506-2, EntryContent.
type EntryContent struct {
	OccurenceTime TimeOfDay `asn:"occurenceTime [0] ALIAS occurrenceTime"`
	EntryForm     EntryForm `asn:"entryForm"`
}

// EntryForm is *EntryData or Annotation.
type EntryForm interface{ entryForm() }

// EntryData is an event, or the values of variables, or both.
type EntryData struct {
	Event           *JournalEvent     `asn:"event [0] OPTIONAL"`
	ListOfVariables []JournalVariable `asn:"listOfVariables [1] SEQUENCE OF SEQUENCE OPTIONAL"`
}

// Annotation is a remark.
type Annotation string

func (*EntryData) entryForm() {}
func (Annotation) entryForm() {}

// JournalEvent is the change of an event condition.
type JournalEvent struct {
	EventConditionName ObjectName          `asn:"eventConditionName [0]"`
	CurrentState       EventConditionState `asn:"currentState [1]"`
}

// JournalVariable is a value, and what it is the value of.
type JournalVariable struct {
	VariableTag        string      `asn:"variableTag [0] VisibleString"`
	ValueSpecification value.Value `asn:"valueSpecification [1]"`
}

// EventConditionState is the state of an event condition.
//
// ISO 9506-2, EC-State.
type EventConditionState int32

// The states.
const (
	EventConditionDisabled EventConditionState = 0
	EventConditionIdle     EventConditionState = 1
	EventConditionActive   EventConditionState = 2
)

var eventConditionStateNames = asn1.Names{"disabled", "idle", "active"}

// String gives the standard's word for s.
func (s EventConditionState) String() string { return eventConditionStateNames.Text(int64(s)) }

var (
	rangeStartDecl = asn1.Choice[RangeStart]("CHOICE",
		asn1.Alt[StartingTime]("startingTime [0]"),
		asn1.Alt[StartingEntry]("startingEntry [1]"),
	)
	rangeStopDecl = asn1.Choice[RangeStop]("CHOICE",
		asn1.Alt[EndingTime]("endingTime [0]"),
		asn1.Alt[NumberOfEntries]("numberOfEntries [1]"),
	)
	entryFormDecl = asn1.Choice[EntryForm]("CHOICE",
		asn1.Alt[*EntryData]("data [2]"),
		asn1.Alt[Annotation]("annotation [3] UTF8String"),
	)
)

// TimeOfDay is an instant in six octets: milliseconds since midnight in four and days since 1984-01-01 in two, most
// significant first, of UTC. In four octets, of the time alone, it is no instant.
//
// ISO 9506-2, TimeOfDay.
type TimeOfDay []byte

// TimeOfDayOf is t, rounded down to a millisecond. A time outside 1984–2163 is clamped to that range.
func TimeOfDayOf(t time.Time) TimeOfDay {
	ms, days, _ := value.BinTimeOf(t).BinTime()
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(nil, ms), days)
}

// Time is the instant; ok is false where t is none.
func (t TimeOfDay) Time() (at time.Time, ok bool) {
	if len(t) != 6 {
		return time.Time{}, false
	}
	return value.BinTime(binary.BigEndian.Uint32(t), binary.BigEndian.Uint16(t[4:])).Time()
}
