package mmsmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

// reasonTag is the tag of the reason for the value before it.
//
// IEC 61850-8-1, LogEntry.
const reasonTag = "ReasonCode"

// QueryLogByTime asks for the entries of a range. IEC 61850-8-1, QueryLogByTime.
func (c *Client) QueryLogByTime(ctx context.Context, log acsi.Ref, from, to time.Time) (entries []acsi.LogEntry, more bool, err error) {
	request := &mms.ReadJournalRequest{}
	if !from.IsZero() {
		request.RangeStartSpecification = mms.StartingTime(mms.TimeOfDayOf(from.Add(time.Millisecond - 1))) // what is before from is not asked for
	}
	if !to.IsZero() {
		request.RangeStopSpecification = mms.EndingTime(mms.TimeOfDayOf(to))
	}
	return c.readJournal(ctx, log, request)
}

// QueryLogAfter asks for the entries behind one. IEC 61850-8-1, QueryLogAfter.
func (c *Client) QueryLogAfter(ctx context.Context, log acsi.Ref, at time.Time, after acsi.EntryID) (entries []acsi.LogEntry, more bool, err error) {
	return c.readJournal(ctx, log, &mms.ReadJournalRequest{
		EntryToStartAfter: &mms.EntryToStartAfter{TimeSpecification: mms.TimeOfDayOf(at), EntrySpecification: after[:]}})
}

func (c *Client) readJournal(ctx context.Context, log acsi.Ref, request *mms.ReadJournalRequest) (entries []acsi.LogEntry, more bool, err error) {
	if log.IsLocal() {
		return nil, false, acsi.Errorf(acsi.InvalidAddress, "%v is no log", log)
	}
	if request.JournalName, err = nameIn(log); err != nil {
		return nil, false, err
	}
	response, err := call[*mms.ReadJournalResponse](ctx, c, request)
	if err != nil {
		return nil, false, answerError(err)
	}
	if response.MoreFollows && len(response.ListOfJournalEntry) == 0 {
		return nil, false, errors.New("the peer's log says that more follows, and nothing does")
	}
	entries = make([]acsi.LogEntry, len(response.ListOfJournalEntry))
	names := make(references)
	for i := range entries {
		if entries[i], err = logEntryOf(&response.ListOfJournalEntry[i], names); err != nil {
			return nil, false, fmt.Errorf("the peer's log %v has an entry that makes no sense: %w", log, err)
		}
	}
	return entries, response.MoreFollows, nil
}

// logEntryOf is the reverse of journalEntry.
func logEntryOf(j *mms.JournalEntry, names references) (entry acsi.LogEntry, err error) {
	if len(j.EntryIdentifier) > len(entry.ID) {
		return entry, fmt.Errorf("its identifier has %d octets", len(j.EntryIdentifier))
	}
	copy(entry.ID[:], j.EntryIdentifier)
	at, ok := j.EntryContent.OccurenceTime.Time()
	if !ok {
		return entry, errors.New("its time is of no day")
	}
	entry.Time = at
	data, ok := j.EntryContent.EntryForm.(*mms.EntryData)
	if !ok {
		return entry, nil // a remark
	}
	for _, v := range data.ListOfVariables {
		if v.VariableTag == reasonTag {
			reason, ok := acsi.ReasonOf(v.ValueSpecification)
			if last := len(entry.Values) - 1; last >= 0 && ok {
				entry.Values[last].Reason = reason
				continue
			}
			return entry, errors.New("a reason for nothing")
		}
		ref, err := acsi.ParseRef(v.VariableTag)
		if err != nil {
			return entry, err
		}
		entry.Values = append(entry.Values, acsi.LogValue{Ref: ref, Value: v.ValueSpecification})
	}
	return entry, nil
}

// readJournal answers with as many entries as fit into one PDU.
func (s *server) readJournal(ctx context.Context, r *mms.ReadJournalRequest) (mms.ConfirmedServiceResponse, error) {
	log, err := s.dataSets.ofNameIn(r.JournalName)
	if err == nil && log.IsLocal() {
		err = acsi.Errorf(acsi.ObjectNonExistent, "%v is no log", log)
	}
	if err != nil {
		return nil, serviceError(err)
	}
	entries, more, err := s.query(ctx, log, r)
	if err != nil {
		return nil, serviceError(err)
	}
	response := &mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{}, MoreFollows: more}
	room := roomForNames(s.association.Parameters().MaxPDU)
	for i := range entries {
		entry, octets := journalEntry(&entries[i])
		if room -= octets; room < 0 && i > 0 {
			response.MoreFollows = true
			break
		}
		response.ListOfJournalEntry = append(response.ListOfJournalEntry, entry)
	}
	return response, nil
}

// query asks for what r wants: entries from a time on, or behind an entry, and until a time.
func (s *server) query(ctx context.Context, log acsi.Ref, r *mms.ReadJournalRequest) (entries []acsi.LogEntry, more bool, err error) {
	var from, to time.Time
	ok := true
	switch start := r.RangeStartSpecification.(type) {
	case mms.StartingTime:
		from, ok = mms.TimeOfDay(start).Time()
	case mms.StartingEntry:
		return nil, false, acsi.Errorf(acsi.ObjectAccessUnsupported, "a log is asked from a time on, or behind an entry")
	}
	switch stop := r.RangeStopSpecification.(type) {
	case mms.EndingTime:
		var valid bool
		to, valid = mms.TimeOfDay(stop).Time()
		ok = ok && valid
	case mms.NumberOfEntries:
		return nil, false, acsi.Errorf(acsi.ObjectAccessUnsupported, "a log is asked until a time")
	}
	if !ok {
		return nil, false, acsi.Errorf(acsi.ObjectValueInvalid, "a time of no day")
	}
	if r.EntryToStartAfter == nil {
		return s.services.QueryLogByTime(ctx, log, from, to)
	}
	at, ok := r.EntryToStartAfter.TimeSpecification.Time()
	var after acsi.EntryID
	if !ok || len(r.EntryToStartAfter.EntrySpecification) != len(after) {
		return nil, false, acsi.Errorf(acsi.ObjectValueInvalid, "an entry is a time and %d octets", len(after))
	}
	copy(after[:], r.EntryToStartAfter.EntrySpecification)
	if entries, more, err = s.services.QueryLogAfter(ctx, log, at, after); err != nil || to.IsZero() {
		return entries, more, err
	}
	if late := slices.IndexFunc(entries, func(e acsi.LogEntry) bool { return e.Time.After(to) }); late >= 0 {
		return entries[:late], false, nil
	}
	return entries, more, nil
}

// journalEntry is e as it travels, and the space that it takes in a PDU, generously.
func journalEntry(e *acsi.LogEntry) (j mms.JournalEntry, octets int) {
	const entryOverhead, variableOverhead = 512, 128
	data := &mms.EntryData{ListOfVariables: make([]mms.JournalVariable, 0, 2*len(e.Values))}
	octets = entryOverhead
	for _, v := range e.Values {
		tag := v.Ref.MMS()
		data.ListOfVariables = append(data.ListOfVariables, mms.JournalVariable{VariableTag: tag, ValueSpecification: v.Value})
		octets += variableOverhead + len(tag) + octetsInXML(v.Value)
		if v.Reason != 0 {
			reason := v.Reason.Value()
			data.ListOfVariables = append(data.ListOfVariables, mms.JournalVariable{VariableTag: reasonTag, ValueSpecification: reason})
			octets += variableOverhead + octetsInXML(reason)
		}
	}
	return mms.JournalEntry{EntryIdentifier: e.ID[:], EntryContent: mms.EntryContent{OccurenceTime: mms.TimeOfDayOf(e.Time), EntryForm: data}}, octets
}

// octetsInXML is what v takes in a PDU at most: octets and characters that are escaped have several.
func octetsInXML(v value.Value) int {
	const overhead, perOctet = len("<Data><generalized-time></generalized-time></Data>") + 20, 6
	octets := overhead + perOctet*len(v.Text()) + v.BitLen()
	for i := range v.Len() {
		octets += octetsInXML(v.At(i))
	}
	return octets
}
