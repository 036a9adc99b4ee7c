package xmpp82

import (
	"sync"
	"time"

	"busbar.example/mms"
	"busbar.example/xmpp/stanza"
)

// The inbox bounds what waits for Recv, by the number of stanzas and by their octets. A peer that keeps to the
// agreed number of outstanding calls and size of PDUs can fill it with messages alone; those wait a little before it loses
// the association.
const (
	inboxSize   = 128 // until calls are agreed on, and more than they are from then on
	inboxOctets = 4 << 20

	inboxPatience = time.Second // for messages
)

// inbound is a stanza for an association, the reply to one of its iqs, or why it has lost its peer.
type inbound struct {
	stanza stanza.Stanza
	env    envelope
	reply  *expected // nil for what the peer sends on its own
	lost   error
}

// expected says what an iq of ours asked for.
type expected struct {
	what     mms.PDU // *mms.InitiateRequest, *mms.ConfirmedRequest, *mms.ConcludeRequest, or nil for a release
	octets   int     // that it has of the window
	rejected bool    // a rejectPDU has ended it: the iq's error is to follow
	closed   bool    // its iq has been replied to
	id       string  // of its iq, once it went out
}

// answeredBy reports whether a PDU is an answer to what was asked.
func (x *expected) answeredBy(pdu mms.PDU) bool {
	switch asked := x.what.(type) {
	case *mms.ConfirmedRequest:
		switch p := pdu.(type) {
		case *mms.ConfirmedResponse:
			return p.InvokeID == asked.InvokeID
		case *mms.ConfirmedError:
			return p.InvokeID == asked.InvokeID
		}
	case *mms.ConcludeRequest:
		switch pdu.(type) {
		case *mms.ConcludeResponse, *mms.ConcludeError:
			return true
		}
	}
	return false
}

// ledger keeps what waits to be read, and which iqs are open in each direction, so that every iq of the peer has
// one answer. It has a lock of its own, which nobody holds while waiting: the session's reader uses it.
type ledger struct {
	arrived chan struct{} // signalled when the inbox has become non-empty

	mu      sync.Mutex
	ended   bool
	inbox   []inbound // from first on
	first   int
	waiting int // octets in inbox
	size    int // what inbox takes, in stanzas and octets
	octets  int
	roomy   chan struct{}            // closed when half of the inbox is free; nil where nobody waits for that
	held    int                      // octets that our requests have of the window
	current stanza.Stanza            // the iq that is being read
	asked   map[uint32]stanza.Stanza // iqs of the peer's calls, by invokeID
	awaited stanza.Stanza            // the iq of the peer's handshake, later of its conclude
	calls   map[uint32]*expected     // calls of ours, by invokeID
	open    map[string]struct{}      // ids of our iqs without a reply
}

func newLedger() ledger {
	return ledger{arrived: make(chan struct{}, 1), size: inboxSize, octets: inboxOctets, asked: make(map[uint32]stanza.Stanza), calls: make(map[uint32]*expected), open: make(map[string]struct{})}
}

// put queues in, unless there is no room or the association has ended.
func (l *ledger) put(in inbound) (queued, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size, waits := len(in.env.content), len(l.inbox)-l.first
	if l.ended || waits >= l.size || l.waiting > 0 && l.waiting+size > l.octets {
		return false, l.ended
	}
	if l.first > 0 && len(l.inbox) == cap(l.inbox) {
		n := copy(l.inbox, l.inbox[l.first:])
		clear(l.inbox[n:])
		l.inbox, l.first = l.inbox[:n], 0
	}
	l.inbox = append(l.inbox, in)
	l.waiting += size
	if waits == 0 {
		l.signal()
	}
	return true, false
}

// putLater is put that waits for room.
func (l *ledger) putLater(in inbound, patience time.Duration) (queued, ended bool) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if queued, ended = l.put(in); queued || ended {
			return queued, ended
		}
		select {
		case <-l.room():
		case <-late.C:
			return l.put(in)
		}
	}
}

// room gives what is closed when half of the inbox is free, or nobody needs it any more.
func (l *ledger) room() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.roomy == nil {
		l.roomy = make(chan struct{})
	}
	free := l.roomy
	l.freed()
	return free
}

// freed tells who waits for room, if there is. l.mu is held.
func (l *ledger) freed() {
	if l.roomy != nil && (l.ended || len(l.inbox)-l.first <= l.size/2 && l.waiting <= l.octets/2) {
		close(l.roomy)
		l.roomy = nil
	}
}

func (l *ledger) signal() {
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// take hands over what arrived first, which is being read from then on; false where nothing waits.
func (l *ledger) take() (in inbound, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == len(l.inbox) {
		return inbound{}, false
	}
	in = l.inbox[l.first]
	l.inbox[l.first] = inbound{}
	l.waiting -= len(in.env.content)
	if l.first++; l.first == len(l.inbox) {
		l.inbox, l.first = l.inbox[:0], 0
	}
	l.freed()
	if isRequest(in.stanza) {
		l.current = in.stanza
	}
	return in, true
}

// agree has the inbox take all that a peer may send which keeps to what both ends have agreed on: so many
// calls of both together, and PDUs of so many octets.
func (l *ledger) agree(calls, maxPDU int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = inboxSize + calls
	l.octets = max(inboxOctets, calls*(maxPDU/3*4+stanzaOverhead))
}

// takeCurrent hands over the iq that is being read, to answer it now; false where there is none to answer.
func (l *ledger) takeCurrent() (stanza.Stanza, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return take(&l.current)
}

func (l *ledger) takeAwaited() (stanza.Stanza, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return take(&l.awaited)
}

func take(iq *stanza.Stanza) (stanza.Stanza, bool) {
	taken := *iq
	*iq = stanza.Stanza{}
	return taken, !taken.From.IsZero()
}

// await keeps the iq that is being read until its conclude or cancel is answered.
func (l *ledger) await() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaited, _ = take(&l.current)
}

// noteAsked keeps the iq that is being read until its call is answered. It reports false where another
// with the same invokeID is open.
func (l *ledger) noteAsked(invokeID uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return true
	}
	if _, open := l.asked[invokeID]; open {
		return false
	}
	l.asked[invokeID], _ = take(&l.current)
	return true
}

func (l *ledger) takeAsked(invokeID uint32) (stanza.Stanza, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	iq, open := l.asked[invokeID]
	delete(l.asked, invokeID)
	return iq, open
}

// sent notes that an iq of ours went out. It reports false where nobody waits for its reply any more.
func (l *ledger) sent(x *expected, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended || x.rejected {
		return false
	}
	if !x.closed {
		x.id = id
		l.open[id] = struct{}{}
	}
	return true
}

// closed notes that an iq of ours has its reply.
func (l *ledger) closed(x *expected, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x.closed = true
	delete(l.open, id)
}

// abandoned gives the ids of our iqs that are without a reply at the end.
func (l *ledger) abandoned() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, len(l.open))
	for id := range l.open {
		ids = append(ids, id)
	}
	l.open = nil
	return ids
}

// call notes a call of ours.
func (l *ledger) call(invokeID uint32, x *expected) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.calls[invokeID] = x
	}
}

// hold notes what a request has of the window. It reports false after the end.
func (l *ledger) hold(x *expected, octets int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	x.octets = octets
	l.held += octets
	return true
}

// settle gives what a request that is answered, or will not be, had of the window: once, and 0 after the end.
func (l *ledger) settle(x *expected) (octets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return 0
	}
	octets, x.octets = x.octets, 0
	l.held -= octets
	return octets
}

// takeHeld gives what all requests together have of the window, at the end.
func (l *ledger) takeHeld() (octets int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	octets, l.held = l.held, 0
	return octets
}

// replied notes that the iq of a call of ours has its reply.
func (l *ledger) replied(x *expected) {
	asked, ok := x.what.(*mms.ConfirmedRequest)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls[asked.InvokeID] == x {
		delete(l.calls, asked.InvokeID)
	}
}

// reject notes that the peer has rejected a call of ours, and gives what it was: the peer is to answer its iq
// with an error, and may not. nil is no call of ours.
func (l *ledger) reject(invokeID uint32) *expected {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.calls[invokeID]
	if x == nil {
		return nil
	}
	x.rejected = true
	delete(l.calls, invokeID)
	delete(l.open, x.id)
	return x
}

// end gives all iqs of the peer that are open. Nothing is queued from then on.
func (l *ledger) end() (open []stanza.Stanza) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, iq := range l.asked {
		open = append(open, iq)
	}
	for _, iq := range []*stanza.Stanza{&l.current, &l.awaited} {
		if iq, ok := take(iq); ok {
			open = append(open, iq)
		}
	}
	l.asked, l.calls = nil, nil
	for _, in := range l.inbox[l.first:] {
		if isRequest(in.stanza) {
			open = append(open, in.stanza)
		}
	}
	l.inbox, l.first, l.waiting = nil, 0, 0
	l.freed()
	return open
}
