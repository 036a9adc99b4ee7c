package mmsmap

import (
	"context"
	"slices"
	"sync"

	"busbar.example/acsi"
	"busbar.example/value"
)

// What a Client holds of what the peer has told it unasked, until Next is called.
const (
	maxNotices      = 4096
	maxNoticeOctets = 16 << 20
)

// notices are a queue. When it is full its oldest reports are dropped; and where it holds none, its oldest notices.
type notices struct {
	mu      sync.Mutex
	queue   []queued // from head on
	head    int
	octets  int // that those in the queue take
	dropped uint64
	arrived chan struct{} // has room for one: there is something in the queue
}

type queued struct {
	acsi.Notice
	octets int
}

func newNotices() *notices { return &notices{arrived: make(chan struct{}, 1)} }

// add appends n.
func (q *notices) add(n acsi.Notice) {
	octets := noticeOctets(n)
	q.mu.Lock()
	for q.head < len(q.queue) && (len(q.queue)-q.head >= maxNotices || q.octets+octets > maxNoticeOctets) {
		q.drop()
	}
	if q.head >= maxNotices {
		q.queue, q.head = append(q.queue[:0], q.queue[q.head:]...), 0
	}
	q.queue, q.octets = append(q.queue, queued{n, octets}), q.octets+octets
	q.mu.Unlock()
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// drop makes room.
func (q *notices) drop() {
	waiting := q.queue[q.head:]
	at := max(0, slices.IndexFunc(waiting, func(n queued) bool { _, report := n.Notice.(*acsi.Report); return report }))
	first := waiting[at]
	copy(waiting[1:at+1], waiting[:at])
	waiting[0] = first
	q.shift()
	q.dropped++
}

// shift takes the first notice out of the queue.
func (q *notices) shift() acsi.Notice {
	first := q.queue[q.head]
	q.queue[q.head] = queued{}
	q.octets -= first.octets
	if q.head++; q.head == len(q.queue) {
		q.queue, q.head = q.queue[:0], 0
	}
	return first.Notice
}

// lost counts a report that nobody will hear of.
func (q *notices) lost() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped++
}

// Dropped counts the reports that the peer has sent and Next has not given: those for which there was no room, since
// nobody called Next, and those that made no sense or were not complete.
func (c *Client) Dropped() uint64 {
	c.notices.mu.Lock()
	defer c.notices.mu.Unlock()
	return c.notices.dropped
}

// Next waits for what the IED tells unasked. Up to 4,096 notices of together 16 MiB wait for it; then the oldest reports are
// dropped. What has come before the association ended is still given.
func (c *Client) Next(ctx context.Context) (acsi.Notice, error) {
	for {
		if n, ok := c.notices.take(); ok {
			return n, nil
		}
		select {
		case <-c.notices.arrived:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.Done():
			if n, ok := c.notices.take(); ok {
				return n, nil
			}
			return nil, c.ended()
		}
	}
}

func (q *notices) take() (acsi.Notice, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.queue) {
		return nil, false
	}
	return q.shift(), true
}

// noticeOctets is about what n takes of memory.
func noticeOctets(n acsi.Notice) int {
	const overhead = 256
	switch n := n.(type) {
	case *acsi.Report:
		octets := overhead
		for i := range n.Included {
			octets += len(n.Included[i].Ref) + valueOctets(n.Included[i].Value)
		}
		return octets
	case *acsi.Termination:
		return overhead + valueOctets(n.Oper)
	}
	return overhead
}

func valueOctets(v value.Value) int {
	const overhead = 64
	octets := overhead + len(v.Text()) + v.BitLen()/8
	for i := range v.Len() {
		octets += valueOctets(v.At(i))
	}
	return octets
}
