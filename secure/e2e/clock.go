package e2e

import (
	"time"

	"busbar.example/secure/audit"
)

// A clock keeps the times and sequence numbers of one direction. Time never goes back; PDUs of one
// millisecond are numbered from 0.
//
// IEC 62351-4, 13.3.2.
type clock struct {
	last time.Time // of any token
	data time.Time // of the last token2, zero before the first
	seq  uint32    // of the last token2
}

// next returns time and sequence number of the next token2 to send.
func (c *clock) next(now time.Time) (time.Time, uint32) {
	c.last = c.stamp(now)
	c.seq++
	if !c.last.Equal(c.data) {
		c.seq = 0
	}
	c.data = c.last
	return c.data, c.seq
}

// stamp returns the time of the next token to send.
func (c *clock) stamp(now time.Time) time.Time {
	if t := now.Truncate(time.Millisecond); t.After(c.last) {
		return t
	}
	return c.last
}

// accept checks time and sequence number of a token2 that was received. replay is the event of one
// that came before.
func (c *clock) accept(at time.Time, seq uint32, replay audit.ID) *fault {
	switch same := at.Equal(c.data); {
	case at.Before(c.last), same && seq <= c.seq:
		return alarm(replay, "time and sequence number do not increase")
	case same && seq != c.seq+1, !same && seq != 0:
		return tell(InvalidSequenceNumber, audit.E2ESequence, "the sequence number %d does not follow", seq)
	}
	c.last, c.data, c.seq = at, at, seq
	return nil
}
