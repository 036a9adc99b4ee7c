package xmltok

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// A qname is a qualified name that was checked. It is immutable.
type qname struct {
	raw      string
	prefix   string // "" for none
	local    string
	declares bool  // as the name of an attribute, a namespace
	slot     uint8 // in follows
}

// A names table keeps the qualified names that an input repeats, so that a scanner checks and allocates each but once. It is
// a set-associative cache: when a set is full its oldest entry gives way. So it stays as large as it is whatever the peer
// sends, and the worst that a peer gains by names that collide is an allocation for each.
type names [nameSets][nameWays]*qname

const (
	nameSets    = 64 // a power of two
	nameWays    = 4
	maxInterned = 64 // octets; what is longer is not kept
)

// set returns the set where raw belongs, and its qname.slot.
func (t *names) set(raw []byte) (*[nameWays]*qname, uint8) {
	var a, z uint64
	switch n := len(raw); {
	case n >= 8:
		a, z = binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[n-8:])
	case n >= 4:
		a, z = uint64(binary.LittleEndian.Uint32(raw)), uint64(binary.LittleEndian.Uint32(raw[n-4:]))
	case n > 0:
		a, z = uint64(raw[0]), uint64(raw[n/2])<<8|uint64(raw[n-1])
	}
	h := (a ^ bits.RotateLeft64(z, 29) ^ uint64(len(raw))) * 0x9E3779B97F4A7C15
	return &t[h>>58%nameSets], uint8(h>>50) % followSlots
}

// get returns the checked form of raw.
func (t *names) get(raw []byte) (*qname, problem) {
	set, slot := t.set(raw)
	for _, q := range set {
		if q == nil {
			break
		}
		if q.raw == string(raw) {
			return q, problem{}
		}
	}
	colon, p := splitName(raw)
	if p.kind != 0 {
		return nil, p
	}
	q := &qname{raw: string(raw), slot: slot}
	q.local = q.raw
	if colon > 0 {
		q.prefix, q.local = q.raw[:colon], q.raw[colon+1:]
	}
	q.declares = q.prefix == "xmlns" || q.raw == "xmlns"
	if len(raw) <= maxInterned {
		copy(set[1:], set[:nameWays-1])
		set[0] = q
	}
	return q, problem{}
}

// A follows table remembers which name came behind another when that one came last: a peer says the same kinds of things
// again and again, so that is the first guess at the next name. Names that share a slot spoil each other's guesses, no more.
type follows struct {
	last uint8 // qname.slot of the last name
	next [followSlots]*qname
}

const followSlots = 64 // a power of two

// guess returns the name that is likely to come, nil for none.
func (f *follows) guess() *qname { return f.next[f.last] }

// note has q be the last name.
func (f *follows) note(q *qname) {
	if len(q.raw) <= maxInterned {
		f.next[f.last] = q
	}
	f.last = q.slot
}

// known is what a scanner knows of what its input repeats. Whatever input that was, it says the same of any other, so those
// who rest pass it on.
type known struct {
	names   names
	follows follows
	uris    uris
	attrs   []Attr    // empty
	raw     []rawAttr // empty
}

var resting = sync.Pool{New: func() any { return new(known) }}

// A uris table does the same for namespace names, of which a connection knows few.
type uris struct {
	known [16]string
	next  int // the one to be replaced next
}

func (t *uris) get(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	for _, u := range &t.known {
		if u == string(raw) {
			return u
		}
	}
	u := string(raw)
	if len(raw) <= 2*maxInterned {
		t.known[t.next] = u
		t.next = (t.next + 1) % len(t.known)
	}
	return u
}
