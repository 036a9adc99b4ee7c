package mmsmap

import (
	"encoding/hex"
	"fmt"

	"busbar.example/mms"
)

// describeQuery tells the two queries of a log apart, which are one service in MMS, and what they ask for.
func describeQuery(r *mms.ReadJournalRequest) Meaning {
	m := Meaning{Service: "QueryLogByTime", Objects: []string{setName(r.JournalName)}}
	switch start := r.RangeStartSpecification.(type) {
	case mms.StartingTime:
		m.Objects = append(m.Objects, "from "+dayTime(mms.TimeOfDay(start)))
	case mms.StartingEntry:
		m.Objects = append(m.Objects, "from entry "+hex.EncodeToString(start))
	}
	switch stop := r.RangeStopSpecification.(type) {
	case mms.EndingTime:
		m.Objects = append(m.Objects, "to "+dayTime(mms.TimeOfDay(stop)))
	case mms.NumberOfEntries:
		m.Objects = append(m.Objects, fmt.Sprintf("%d of them", stop))
	}
	if after := r.EntryToStartAfter; after != nil {
		m.Service = "QueryLogAfter"
		m.Objects = append(m.Objects, "after entry "+hex.EncodeToString(after.EntrySpecification)+" of "+dayTime(after.TimeSpecification))
	}
	return m
}

func describeEntries(r *mms.ReadJournalResponse) Meaning {
	m := Meaning{Service: "QueryLog", Outcome: "1 entry"}
	if n := len(r.ListOfJournalEntry); n != 1 {
		m.Outcome = fmt.Sprintf("%d entries", n)
	}
	if r.MoreFollows {
		m.Outcome += ", more follow"
	}
	return m
}

func dayTime(t mms.TimeOfDay) string {
	at, ok := t.Time()
	if !ok {
		return hex.EncodeToString(t)
	}
	return at.Format(timeFormat)
}
