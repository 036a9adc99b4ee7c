package e2e

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	replayLife      = 20 * time.Minute
	maxReplayKeys   = 1 << 17
	maxReplaySigner = 1 << 13 // of one signer, so that none fills the cache for all
)

// A ReplayCache remembers the signed PDUs that were accepted, by signer and signed octets, for 20
// minutes: twice the time that a token may be off, so that what has left the cache is refused for
// its age. The zero value is ready. It is safe for concurrent use, and one cache may serve all
// initiators and responders of a process.
//
// IEC 62351-4, 14.3.4.
type ReplayCache struct {
	mu      sync.Mutex
	known   map[replayKey]struct{}
	queue   []replayEntry // in order of expiry
	signers map[digest]int
}

type digest = [sha256.Size]byte

// A replayKey names a signed PDU by the certificate of its signer and what was signed. The signature
// is not part of it: ECDSA lets anybody make a second valid signature out of a first.
type replayKey struct{ signer, tbs digest }

type replayEntry struct {
	key     replayKey
	expires time.Time
}

// seen reports whether key was stored and has not expired.
func (c *ReplayCache) seen(now time.Time, key replayKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	_, ok := c.known[key]
	return ok
}

// A storeResult says what became of an attempt to store.
type storeResult uint8

const (
	stored storeResult = iota
	alreadyStored
	cacheFull
)

// store remembers key. A full cache refuses: to forget a key early would let its PDU be replayed.
func (c *ReplayCache) store(now time.Time, key replayKey) storeResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	if _, ok := c.known[key]; ok {
		return alreadyStored
	}
	if len(c.known) >= maxReplayKeys || c.signers[key.signer] >= maxReplaySigner {
		return cacheFull
	}
	if c.known == nil {
		c.known, c.signers = make(map[replayKey]struct{}), make(map[digest]int)
	}
	c.known[key] = struct{}{}
	c.signers[key.signer]++
	c.queue = append(c.queue, replayEntry{key, now.Add(replayLife)})
	return stored
}

func (c *ReplayCache) expire(now time.Time) {
	n := 0
	for n < len(c.queue) && !now.Before(c.queue[n].expires) {
		key := c.queue[n].key
		delete(c.known, key)
		if c.signers[key.signer]--; c.signers[key.signer] == 0 {
			delete(c.signers, key.signer)
		}
		n++
	}
	c.queue = c.queue[n:]
}
