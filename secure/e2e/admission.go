package e2e

import (
	"crypto"
	"crypto/rsa"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxHalfOpen       = 4                // half-open associations per bare JID
	halfOpenLife      = 60 * time.Second // after which a half-open association is forgotten
	idLife            = 20 * time.Minute // in which a peer may not use an association id again
	maxIDsPerPeer     = 1024
	maxPeers          = 4096
	peerBurst         = 8
	peerInterval      = 500 * time.Millisecond // after which a peer may try once more
	strangersBurst    = 512
	strangersInterval = 4 * time.Millisecond // the same for all peers together that never were verified
	refusalsBurst     = 32
)

// An admission decides, before anything expensive is done, whether a peer may try a handshake, and
// keeps book of the associations that came of the tries.
//
// Each bare JID has a bucket of tries. An association that is confirmed gives its try back, so only
// failures cost. Peers of whom no handshake was verified yet draw on a common bucket too, so that a
// flood under ever new addresses spends no more than that, and keeps no known peer out.
type admission struct {
	mu        sync.Mutex
	peers     map[string]*admittedPeer // by bare JID
	strangers bucket
	refusals  bucket
	refusing  time.Duration // between signed refusals, in the long run; zero bounds them by the tries alone
	reported  time.Time     // when the last refusal of a peer without entry was reported
}

type admittedPeer struct {
	tries    bucket
	known    bool             // a handshake of it was verified
	reported bool             // a refusal was reported since it last was admitted
	slots    map[string]*slot // by full JID and the peer's half of the association id
}

// An admissionVerdict says whether a peer may go on, or why not.
type admissionVerdict uint8

const (
	admitted admissionVerdict = iota
	overBudget
	tooManyHalfOpen
	idInUse
)

// try takes one of the tries of the peer with that bare JID. With a refusal, report is false where
// one was reported before and the peer was not admitted since.
func (a *admission) try(now time.Time, bare string) (verdict admissionVerdict, report bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.strangers.fill(now, strangersBurst, strangersInterval)
	p := a.peers[bare]
	if p == nil {
		// An entry costs memory: what the strangers have no try for does not get one.
		if a.strangers.tries >= 1 {
			p = a.newPeer(now, bare)
		}
		if p == nil {
			return overBudget, a.firstReport(now)
		}
	}
	p.tries.fill(now, peerBurst, peerInterval)
	switch {
	case !p.tries.take(), !p.known && !a.strangers.take():
		return overBudget, p.firstReport()
	case p.halfOpen(now) >= maxHalfOpen:
		return tooManyHalfOpen, p.firstReport()
	}
	p.reported = false
	return admitted, false
}

// signs reports whether a refusal may be signed.
func (a *admission) signs(now time.Time) bool {
	if a.refusing == 0 {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals.fill(now, refusalsBurst, a.refusing)
	return a.refusals.take()
}

// refusingFor is the refusing of who signs with a key. What ECDSA takes is little beside the check of
// what is refused. RSA takes 1.2 ms with 2,048 bits, and grows with the cube of them: a flood of
// strangers gets about the twentieth part of a processor.
func refusingFor(key crypto.PublicKey) time.Duration {
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return 0
	}
	size := time.Duration(k.N.BitLen())
	return 24 * time.Millisecond * size * size * size / (minRSA * minRSA * minRSA)
}

// register notes a verified handshake. key is the peer's full JID and its half of the association id.
func (a *admission) register(now time.Time, bare, key string) (*slot, admissionVerdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.peers[bare]
	if p == nil {
		// The entry was swept while the handshake was verified.
		if p = a.newPeer(now, bare); p == nil {
			return nil, overBudget
		}
		p.tries.fill(now, peerBurst, peerInterval)
	}
	p.known = true
	if s := p.slots[key]; s != nil && !s.forgotten(now) {
		return nil, idInUse
	}
	if p.halfOpen(now) >= maxHalfOpen {
		return nil, tooManyHalfOpen
	}
	if len(p.slots) >= maxIDsPerPeer && !p.makeRoom(now) {
		return nil, overBudget
	}
	if p.slots == nil {
		p.slots = make(map[string]*slot)
	}
	s := &slot{admission: a, peer: p, since: now}
	p.slots[key] = s
	return s, admitted
}

// newPeer returns a new entry, or nil where the table is full of peers that there is something to
// remember about.
func (a *admission) newPeer(now time.Time, bare string) *admittedPeer {
	if len(a.peers) >= maxPeers {
		for bare, p := range a.peers {
			if p.idle(now) {
				delete(a.peers, bare)
			}
		}
		if len(a.peers) >= maxPeers {
			return nil
		}
	}
	if a.peers == nil {
		a.peers = make(map[string]*admittedPeer)
	}
	p := &admittedPeer{}
	a.peers[bare] = p
	return p
}

// firstReport lets the refusals of peers without entry be reported once a second, all together.
func (a *admission) firstReport(now time.Time) bool {
	if now.Sub(a.reported) < time.Second {
		return false
	}
	a.reported = now
	return true
}

func (p *admittedPeer) firstReport() bool {
	first := !p.reported
	p.reported = true
	return first
}

// idle reports whether p is as good as a new entry.
func (p *admittedPeer) idle(now time.Time) bool {
	p.sweep(now)
	p.tries.fill(now, peerBurst, peerInterval)
	return len(p.slots) == 0 && p.tries.tries >= peerBurst
}

func (p *admittedPeer) sweep(now time.Time) {
	for key, s := range p.slots {
		if s.forgotten(now) {
			delete(p.slots, key)
		}
	}
}

// makeRoom drops the slots that have had their time, or else the one that ended first: the replay
// cache still remembers its handshake.
func (p *admittedPeer) makeRoom(now time.Time) bool {
	p.sweep(now)
	if len(p.slots) < maxIDsPerPeer {
		return true
	}
	oldest, at := "", int64(0)
	for key, s := range p.slots {
		if s.state.Load() == slotEnded && (oldest == "" || s.endedAt.Load() < at) {
			oldest, at = key, s.endedAt.Load()
		}
	}
	if oldest == "" {
		return false
	}
	delete(p.slots, oldest)
	return true
}

func (p *admittedPeer) halfOpen(now time.Time) (n int) {
	for _, s := range p.slots {
		if s.halfOpen(now) {
			n++
		}
	}
	return n
}

// A slot is the admission's view of one association. The association changes it, without the
// admission's lock.
type slot struct {
	admission *admission
	peer      *admittedPeer
	since     time.Time
	state     atomic.Uint32
	endedAt   atomic.Int64 // Unix nanoseconds
}

// The states of a slot: half-open → confirmed → ended, or half-open → ended.
const (
	slotHalfOpen uint32 = iota
	slotConfirmed
	slotEnded
)

// confirm notes that the peer has proved to hold the keys, and gives it its try back.
func (s *slot) confirm() {
	if s == nil || !s.state.CompareAndSwap(slotHalfOpen, slotConfirmed) {
		return
	}
	s.admission.mu.Lock()
	defer s.admission.mu.Unlock()
	s.peer.tries.tries = min(peerBurst, s.peer.tries.tries+1)
}

// end notes that the association is over.
func (s *slot) end(now time.Time) {
	if s == nil || s.state.Load() == slotEnded {
		return
	}
	s.endedAt.Store(now.UnixNano())
	s.state.Store(slotEnded)
}

func (s *slot) halfOpen(now time.Time) bool {
	return s.state.Load() == slotHalfOpen && now.Sub(s.since) < halfOpenLife
}

// forgotten reports whether the association id may come again.
func (s *slot) forgotten(now time.Time) bool {
	switch s.state.Load() {
	case slotConfirmed:
		return false
	case slotEnded:
		return now.Sub(time.Unix(0, s.endedAt.Load())) >= idLife
	default:
		return now.Sub(s.since) >= idLife
	}
}

// A bucket holds tries and fills by one per interval.
type bucket struct {
	tries float64
	at    time.Time
}

func (b *bucket) fill(now time.Time, burst float64, interval time.Duration) {
	if b.at.IsZero() {
		b.tries = burst
	} else if d := now.Sub(b.at); d > 0 {
		b.tries = min(burst, b.tries+float64(d)/float64(interval))
	}
	b.at = now
}

func (b *bucket) take() bool {
	if b.tries < 1 {
		return false
	}
	b.tries--
	return true
}
