// Package audit defines the security events that the others report, and where
// they report them to. It knows nothing of files and networks.
package audit

import (
	"sync"
	"time"

	"busbar.example/secure/rbac"
)

// An Event is something that happened to security.
//
// IEC 62351-14
type Event struct {
	ID      ID
	Time    time.Time
	Peer    string       // JID or network address of the other side, where there is one
	Subject string       // who acted, or tried to: a bare JID where one is known
	Roles   []rbac.Grant // the roles that count in it
	Text    string       // what happened, in one line and without secrets
}

// Severity returns the severity of the event's ID.
func (e Event) Severity() Severity { return e.ID.Severity() }

// A Sink takes events. Record may be called by several goroutines at once and
// must not block for long. To fail loudly where an event cannot be delivered is
// the sink's duty, not the caller's.
type Sink interface {
	Record(Event)
}

// Discard is a Sink that drops every event.
var Discard Sink = discard{}

type discard struct{}

func (discard) Record(Event) {}

// memoryEvents is how many events a Memory holds.
const memoryEvents = 2048

// Memory is a Sink that keeps the latest 2,048 events. The zero Memory is
// empty and ready for use, by several goroutines too.
type Memory struct {
	mu     sync.Mutex
	events []Event
	next   int // where the next event goes once events is full
}

// Record keeps e, and drops the oldest event where there is no room.
func (m *Memory) Record(e Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.events) < memoryEvents {
		m.events = append(m.events, e)
		return
	}
	m.events[m.next] = e
	m.next = (m.next + 1) % memoryEvents
}

// Events returns a copy of what is kept, oldest first.
func (m *Memory) Events() []Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	events := make([]Event, 0, len(m.events))
	events = append(events, m.events[m.next:]...)
	return append(events, m.events[:m.next]...)
}
