package client

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"busbar.example/acsi"
)

// Logs lists the logs of a logical node, of those of a logical device or, for the zero Ref, of all.
func (c *Client) Logs(ctx context.Context, ref acsi.Ref) ([]acsi.Ref, error) {
	nodes, err := c.logicalNodes(ctx, ref)
	if err != nil {
		return nil, err
	}
	return namedIn(ctx, nodes, c.services.GetLogs, acsi.Ref.Child)
}

// LogQuery says which entries of a log are wanted: of a span of time, or those after an entry.
type LogQuery struct {
	From, To time.Time    // both included; a zero time leaves that side open
	After    acsi.EntryID // not zero: the entries that follow this one, entered at From
}

// QueryLog gives the entries of a log, oldest first, in as many services as it takes. An error is the last that it gives.
func (c *Client) QueryLog(ctx context.Context, log acsi.Ref, q LogQuery) iter.Seq2[acsi.LogEntry, error] {
	return func(yield func(acsi.LogEntry, error) bool) {
		var entries []acsi.LogEntry
		var more bool
		var err error
		if q.After == (acsi.EntryID{}) {
			entries, more, err = c.services.QueryLogByTime(ctx, log, q.From, q.To)
		} else {
			entries, more, err = c.services.QueryLogAfter(ctx, log, q.From, q.After)
		}
		for {
			if err != nil {
				yield(acsi.LogEntry{}, err)
				return
			}
			for _, e := range entries {
				if !q.To.IsZero() && e.Time.After(q.To) {
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			if !more {
				return
			}
			if len(entries) == 0 {
				yield(acsi.LogEntry{}, errors.New("the IED says that there are more entries, and gives none"))
				return
			}
			last := entries[len(entries)-1]
			entries, more, err = c.services.QueryLogAfter(ctx, log, last.Time, last.ID)
			if err == nil && len(entries) > 0 && entries[0].ID == last.ID {
				err = errors.New("the IED answers with the entry after which it was asked: the query would not end")
			}
		}
	}
}

// LogRecord is an entry of a log with what is known of the objects in it.
type LogRecord struct {
	acsi.LogEntry
	Readings []Reading // of Values, in their order
}

// LogRecord looks up the types of what an entry holds.
func (c *Client) LogRecord(ctx context.Context, e acsi.LogEntry) LogRecord {
	r := LogRecord{LogEntry: e, Readings: make([]Reading, len(e.Values))}
	for i, v := range e.Values {
		r.Readings[i] = c.reading(ctx, v.Ref, acsi.Result{Value: v.Value})
	}
	return r
}

// MarshalJSON gives {"entry","time","values":[…]}, each value as a Reading with "reason".
func (r LogRecord) MarshalJSON() ([]byte, error) {
	type valueLine struct {
		readingLine
		Reason string `json:"reason,omitempty"`
	}
	values := make([]valueLine, len(r.Readings))
	for i := range r.Readings {
		values[i] = valueLine{r.Readings[i].line(), r.Values[i].Reason.String()}
	}
	return json.Marshal(struct {
		Entry  string      `json:"entry"`
		Time   string      `json:"time"`
		Values []valueLine `json:"values"`
	}{hex.EncodeToString(r.ID[:]), jsonTime(r.Time), values})
}

// PrintLog writes an entry for a person: its time and id, then one leaf a line.
func PrintLog(w io.Writer, r LogRecord, s Style) error {
	if _, err := fmt.Fprintf(w, "%s  %x\n", s.instant(r.Time), r.ID); err != nil {
		return err
	}
	for i := range r.Readings {
		reason := r.Values[i].Reason.String()
		for _, row := range s.rows(&r.Readings[i]) {
			line := fmt.Sprintf("  %s  %s  %s  %s", row.ref, row.text, row.note, reason)
			if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
				return err
			}
		}
	}
	return nil
}
