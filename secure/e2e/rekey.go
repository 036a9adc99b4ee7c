package e2e

import (
	"crypto/sha256"
	"time"

	"busbar.example/secure/audit"
)

// A rekeying renews the keys of a channel. Only the client makes a new key pair, and drops it at
// once; the server keeps that of the handshake for as long as the association lasts.
//
//	client: settled ─sends rekey→ proposed ─receives changedKey→ settled
//	server: settled ─receives rekey→ proposed ─sends changedKey→ changed ─first PDU under the new keys→ settled
//
// The PDU with changedKey is the server's last under the old keys, and after it the client's next is
// its first under the new ones. What the client has sent before it saw changedKey is under the old:
// so a server in changed still opens that.
//
// IEC 62351-4, 13.3.1.4.
type rekeying struct {
	side    side
	private *keyPair   // server
	public  *publicKey // client: the server's
	chain   [chainSize]byte
	salt    salt

	phase   rekeyPhase
	since   time.Time // of the keys in use
	asked   bool      // client: the server asks for new keys
	next    *nextKeys // in proposed, and its recv in changed
	used    map[[sha256.Size]byte]struct{}
	changes int
}

type rekeyPhase uint8

const (
	rekeySettled rekeyPhase = iota
	rekeyProposed
	rekeyChanged
)

// nextKeys are keys that are agreed and not yet in use.
type nextKeys struct {
	send, recv *trafficKey
	chain      [chainSize]byte
	salt       salt
}

func newRekeying(s side, keys *schedule, a agreement) rekeying {
	r := rekeying{side: s, salt: a.salt, since: a.began, chain: [chainSize]byte(keys.chain())}
	if s == clientSide {
		r.public = a.public
	} else {
		r.private = a.private
		r.used = map[[sha256.Size]byte]struct{}{sha256.Sum256(a.public.octets()): {}}
	}
	return r
}

func (r *rekeying) clear() {
	clear(r.chain[:])
	clear(r.salt[:])
	r.dropNext()
	r.private, r.public, r.next, r.used = nil, nil, nil, nil
}

// dropNext clears what is not in use, or has been taken into use.
func (r *rekeying) dropNext() {
	if r.next != nil {
		clear(r.next.chain[:])
	}
	r.next = nil
}

func (r *rekeying) becomeSettled(now time.Time) {
	r.dropNext()
	r.phase = rekeySettled
	r.since, r.asked = now, false
	r.changes++
}

func (r *rekeying) becomeProposed(next *nextKeys) {
	r.phase, r.next = rekeyProposed, next
}

func (r *rekeying) becomeChanged() {
	r.chain, r.salt = r.next.chain, r.next.salt
	r.phase = rekeyChanged
}

// due reports whether it is time for new keys. A server's wish is granted only once the keys have
// had their minimum.
func (r *rekeying) due(now time.Time, life time.Duration) bool {
	age := now.Sub(r.since)
	return r.phase == rekeySettled && (age >= life || r.asked && age >= minKeyLife) && r.changes < maxRekeys
}

// before adds to the token of the next PDU what the keys need. It returns the client's new key.
func (r *rekeying) before(now time.Time, t *ClearToken2, life time.Duration) (*keyPair, error) {
	t.Rekey, t.ReqRekey, t.ChangedKey = nil, nil, nil
	switch {
	case r.side == clientSide && r.due(now, life):
		key, err := newKeyPair(r.public.group)
		if err != nil {
			return nil, err
		}
		set := key.public()
		t.Rekey = &set
		return key, nil
	case r.side == serverSide && r.phase == rekeyProposed:
		t.ChangedKey = &yes
	case r.side == serverSide && r.due(now, life):
		t.ReqRekey = &yes
	}
	return nil, nil
}

// after does what the PDU that was just sealed has announced.
func (r *rekeying) after(c *Channel, key *keyPair, now time.Time) error {
	switch {
	case key != nil:
		next, err := r.agree(c.suite, key, r.public, c.token2)
		if err != nil {
			return err
		}
		r.becomeProposed(next)
	case c.token.ChangedKey != nil:
		c.send = r.next.send
		r.becomeChanged()
	}
	return nil
}

// agree derives the next keys. token2 is the canonical content of the token that carries the
// client's key.
func (r *rekeying) agree(a suite, private *keyPair, public *publicKey, token2 []byte) (*nextKeys, error) {
	s := chainedSalt(token2, r.salt)
	keys, err := agree(private, public, r.chain[:], s, a)
	if err != nil {
		return nil, err
	}
	defer keys.clear()
	n := &nextKeys{chain: [chainSize]byte(keys.chain()), salt: s}
	n.send, n.recv, err = keys.trafficKeys(r.side)
	return n, err
}

// opened takes from a token2 that was verified what concerns the keys.
func (r *rekeying) opened(c *Channel, now time.Time, x *transfer) *fault {
	t := x.token
	rekey, asks, changed := t.Rekey != nil, t.ReqRekey != nil && *t.ReqRekey, t.ChangedKey != nil && *t.ChangedKey
	if r.side == serverSide {
		if asks || changed {
			return tell(DtProtocolError, audit.E2ERekey, "the client speaks of keys as only a server may")
		}
		if rekey {
			return r.proposed(c, x)
		}
		return nil
	}
	switch {
	case rekey:
		return tell(DtProtocolError, audit.E2ERekey, "the server sends a key as only a client may")
	case changed && r.phase != rekeyProposed:
		return tell(UnexpectedChangedKeys, audit.E2ERekey, "the server changes keys unasked")
	case changed:
		c.send, c.recv = r.next.send, r.next.recv
		r.chain, r.salt = r.next.chain, r.next.salt
		r.becomeSettled(now)
	case asks:
		r.asked = true
	}
	return nil
}

// proposed takes the client's new key.
func (r *rekeying) proposed(c *Channel, x *transfer) *fault {
	set := x.token.Rekey
	if r.phase != rekeySettled {
		return tell(UnexpectedDHPublicKey, audit.E2ERekey, "a new key comes before the last change is done")
	}
	if set.Group != r.private.group.number() {
		return alarm(audit.E2ERekey, "the new key is of group %q", set.Group)
	}
	digest := sha256.Sum256(set.PublicKey)
	if _, again := r.used[digest]; again || r.changes >= maxRekeys {
		return tell(UnexpectedDHPublicKey, audit.E2ERekey, "the new key is not new, or there were too many")
	}
	public, f := readPublicKey(r.private.group, set.PublicKey)
	if f != nil {
		return f
	}
	next, err := r.agree(c.suite, r.private, public, x.token2)
	if err != nil {
		return alarm(audit.E2ERekey, "deriving the new keys").because(err)
	}
	r.used[digest] = struct{}{}
	r.becomeProposed(next)
	return nil
}

// keyFor returns the key that a PDU is under. In changed that is the new one as soon as its first
// PDU comes, which cannot be one of the old key.
func (r *rekeying) keyFor(current *trafficKey, x *transfer) *trafficKey {
	if r.side == serverSide && r.phase == rekeyChanged && r.next.recv.isFirst(x) {
		return r.next.recv
	}
	return current
}
