package acsi

import (
	"time"

	"busbar.example/value"
)

// LogEntry is what a log holds of one event.
//
// IEC 61850-7-2, 17.3.3, LogEntry.
type LogEntry struct {
	ID     EntryID
	Time   time.Time // when it was entered, to a millisecond
	Values []LogValue
}

// LogValue is one member of the data set in a log entry.
type LogValue struct {
	Ref    Ref // with its functional constraint
	Value  value.Value
	Reason Reason
}

// File is what an IED tells of a file or folder that it holds.
//
// IEC 61850-7-2, 23.2.4, GetFileAttributeValues.
type File struct {
	Name     string // from the root, with / between its parts; a folder ends with /
	Size     uint32 // octets
	Modified time.Time
}
