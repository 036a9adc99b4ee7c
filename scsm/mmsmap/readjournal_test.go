package mmsmap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

// logEntries are n entries from the number first on, a second each.
func logEntries(first, n int) []acsi.LogEntry {
	entries := make([]acsi.LogEntry, n)
	for i := range entries {
		entries[i] = acsi.LogEntry{ID: acsi.EntryNumber(uint64(first + i)), Time: noon.Add(time.Duration(first+i) * time.Second), Values: []acsi.LogValue{
			{Ref: acsi.MustRef("LD/GGIO1.Ind1.stVal[ST]"), Value: value.Bool(i%2 == 0), Reason: acsi.ReasonDataChange},
			{Ref: acsi.MustRef("LD/MMXU1.TotW[MX]"), Value: value.StructureOf(value.Float(1), value.Text("<&>"))},
		}}
	}
	return entries
}

// IEC 61850-8-1, QueryLogByTime and QueryLogAfter.
//
// Conformance: cLog.
func TestLogServices(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{})
	log := acsi.MustRef("LD/LLN0.EventLog")
	f.entries, f.more = logEntries(1, 3), true
	got, more, err := c.QueryLogByTime(t.Context(), log, noon.Add(time.Microsecond), noon.Add(1500*time.Microsecond))
	if diff := cmp.Diff(f.entries, got, exactly); diff != "" || !more || err != nil {
		t.Errorf("%t %v (-want +got):\n%s", more, err, diff)
	}
	if got, more, err = c.QueryLogByTime(t.Context(), log, time.Time{}, time.Time{}); len(got) != 3 || !more || err != nil {
		t.Errorf("all: got %v %t %v", got, more, err)
	}
	f.more = false
	got, more, err = c.QueryLogAfter(t.Context(), log, noon, acsi.EntryNumber(77))
	if diff := cmp.Diff(f.entries, got, exactly); diff != "" || more || err != nil {
		t.Errorf("%t %v (-want +got):\n%s", more, err, diff)
	}
	f.entries = nil
	if got, more, err = c.QueryLogAfter(t.Context(), log, noon, acsi.EntryNumber(99)); len(got) != 0 || more || err != nil {
		t.Errorf("nothing: got %v %t %v", got, more, err)
	}
	want := []string{"log LD/LLN0.EventLog from 2026-03-04T12:00:00.001 to 2026-03-04T12:00:00.001", "log LD/LLN0.EventLog from - to -",
		"log LD/LLN0.EventLog after 2026-03-04T12:00:00.000 77", "log LD/LLN0.EventLog after 2026-03-04T12:00:00.000 99"}
	if diff := cmp.Diff(want, f.heard()); diff != "" {
		t.Errorf("the services hear (-want +got):\n%s", diff)
	}
	f.err = acsi.Errorf(acsi.ObjectNonExistent, "no log")
	if _, _, err := c.QueryLogByTime(t.Context(), log, noon, noon); text(err) != "object-non-existent" {
		t.Errorf("an unknown log: got %v", err)
	}
}

// An answer has as many entries as fit into a PDU.
func TestLogInParts(t *testing.T) {
	f := newFake()
	c := connect(t, f.services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	log := acsi.MustRef("LD/LLN0.EventLog")
	all := logEntries(0, 60)
	all[20].Values[1].Value = value.Text(strings.Repeat("&", 500)) // each five octets in XML
	f.entries = all
	var got []acsi.LogEntry
	part, more, err := c.QueryLogByTime(t.Context(), log, time.Time{}, time.Time{})
	parts := 1
	for ; err == nil && more; parts++ {
		got = append(got, part...)
		f.entries = all[len(got):]
		last := got[len(got)-1]
		part, more, err = c.QueryLogAfter(t.Context(), log, last.Time, last.ID)
	}
	got = append(got, part...)
	if diff := cmp.Diff(all, got, exactly); diff != "" || err != nil || parts < 5 {
		t.Errorf("in %d parts, %v (-want +got):\n%s", parts, err, diff)
	}
}

// What else ISO 9506-2 has for the range of a journal.
func TestRangesOfAJournal(t *testing.T) {
	f := newFake()
	f.entries, f.more = logEntries(0, 10), true
	a, _ := rawly(t, f.services, everyRole())
	after := &mms.EntryToStartAfter{TimeSpecification: mms.TimeOfDayOf(noon), EntrySpecification: make([]byte, 8)}
	for _, tc := range []struct {
		name    string
		request mms.ReadJournalRequest
		want    string
	}{
		{"after an entry, until a time", mms.ReadJournalRequest{RangeStartSpecification: mms.StartingTime(mms.TimeOfDayOf(noon)),
			RangeStopSpecification: mms.EndingTime(mms.TimeOfDayOf(noon.Add(3 * time.Second))), EntryToStartAfter: after}, "4 false"},
		{"until a time that is behind all", mms.ReadJournalRequest{RangeStopSpecification: mms.EndingTime(mms.TimeOfDayOf(noon.Add(time.Hour))), EntryToStartAfter: after}, "10 true"},
		{"from an entry on", mms.ReadJournalRequest{RangeStartSpecification: mms.StartingEntry("12345678")}, "object-access-unsupported"},
		{"so many", mms.ReadJournalRequest{RangeStopSpecification: mms.NumberOfEntries(3)}, "object-access-unsupported"},
		{"from a time of no day", mms.ReadJournalRequest{RangeStartSpecification: mms.StartingTime{0, 0, 0, 1}}, "object-attribute-inconsistent"},
		{"until a time of no day", mms.ReadJournalRequest{RangeStopSpecification: mms.EndingTime{0, 0, 0, 1}}, "object-attribute-inconsistent"},
		{"after a time of no day", mms.ReadJournalRequest{EntryToStartAfter: &mms.EntryToStartAfter{TimeSpecification: mms.TimeOfDay{0, 0, 0, 1}, EntrySpecification: make([]byte, 8)}}, "object-attribute-inconsistent"},
		{"after an entry of no name", mms.ReadJournalRequest{EntryToStartAfter: &mms.EntryToStartAfter{TimeSpecification: mms.TimeOfDayOf(noon)}}, "object-attribute-inconsistent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.request.JournalName = mms.DomainSpecific{DomainID: "LD", ItemID: "LLN0$EventLog"}
			r, err := ask[*mms.ReadJournalResponse](t, a, &tc.request)
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprint(len(r.ListOfJournalEntry), r.MoreFollows)
			}
			if !strings.Contains(got, tc.want) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestLogsThatMakeNoSense(t *testing.T) {
	variables := func(v ...mms.JournalVariable) mms.JournalEntry {
		return mms.JournalEntry{EntryIdentifier: make([]byte, 8), EntryContent: mms.EntryContent{OccurenceTime: mms.TimeOfDayOf(noon), EntryForm: &mms.EntryData{ListOfVariables: v}}}
	}
	reason := mms.JournalVariable{VariableTag: "ReasonCode", ValueSpecification: acsi.ReasonIntegrity.Value()}
	long, timeless := variables(), variables()
	long.EntryIdentifier = make([]byte, 9)
	timeless.EntryContent.OccurenceTime = mms.TimeOfDay{0, 0, 0, 1}
	remark := mms.JournalEntry{EntryContent: mms.EntryContent{OccurenceTime: mms.TimeOfDayOf(noon), EntryForm: mms.Annotation("hello")}}
	for _, tc := range []struct {
		name     string
		response mms.ReadJournalResponse
		want     string // "": no error
	}{
		{"nothing, and more follows", mms.ReadJournalResponse{MoreFollows: true}, "nothing does"},
		{"an entry of nine octets", mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{long}}, "9 octets"},
		{"a time of no day", mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{timeless}}, "no day"},
		{"a reason for nothing", mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{variables(reason)}}, "reason"},
		{"a reason that is none", mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{variables(
			mms.JournalVariable{VariableTag: "LD/LLN0$ST$Beh", ValueSpecification: value.Int(1)}, mms.JournalVariable{VariableTag: "ReasonCode", ValueSpecification: value.Int(1)})}}, "reason"},
		{"no reference", mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{variables(mms.JournalVariable{VariableTag: "x y", ValueSpecification: value.Int(1)})}}, "reference"},
		{"a remark", mms.ReadJournalResponse{ListOfJournalEntry: []mms.JournalEntry{remark}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.response.ListOfJournalEntry == nil {
				tc.response.ListOfJournalEntry = []mms.JournalEntry{}
			}
			c := against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				return &tc.response, nil
			})
			got, more, err := c.QueryLogByTime(t.Context(), acsi.MustRef("LD/LLN0.Log"), noon, noon)
			if tc.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v %t %v, want %q", got, more, err, tc.want)
			}
			if errors.Is(err, assoc.ErrNoAnswer) || c.Err() != nil {
				t.Errorf("the association ended: %v", c.Err())
			}
		})
	}
}
