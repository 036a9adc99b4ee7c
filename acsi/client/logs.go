package client

import (
	"context"
	"errors"
	"iter"
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
