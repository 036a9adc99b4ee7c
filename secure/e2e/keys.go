package e2e

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

const (
	prefixSize = 4
	nonceSize  = prefixSize + 8
	chainSize  = 32
	maxKeySize = 32

	// maxPDUsPerKey bounds what one key may seal, far below what its counter could number and far
	// above what a key sees in its hours.
	maxPDUsPerKey = 1 << 32
)

// A salt chains a key agreement to all that the two ends have said before it.
type salt [sha256.Size]byte

// handshakeSalt is the salt of the first agreement: H(tbs2 ‖ H(tbs1 ‖ 0³²)), where tbs1 and tbs2 are
// the canonical octets that client and server have signed. Both hold the signer's certificate, so
// the keys are bound to both identities.
//
// IEC 62351-4, 13.3.1.3.
func handshakeSalt(tbs1, tbs2 []byte) salt {
	return chainedSalt(tbs2, chainedSalt(tbs1, salt{}))
}

// chainedSalt is H(octets ‖ previous).
func chainedSalt(octets []byte, previous salt) salt {
	h := sha256.New()
	h.Write(octets)
	h.Write(previous[:])
	var s salt
	h.Sum(s[:0])
	return s
}

// A schedule is the key material of one agreement, in the order in which HKDF yields it.
type schedule struct {
	keySize int
	octets  [2*maxKeySize + 2*prefixSize + chainSize]byte
}

// newSchedule derives keys for an algorithm whose keys have keySize octets.
//
// RFC 5869; IEC 62351-4, 13.3.1.4.
func newSchedule(ikm []byte, s salt, keySize int) (*schedule, error) {
	k := &schedule{keySize: keySize}
	okm, err := hkdf.Key(sha256.New, ikm, s[:], "", 2*keySize+2*prefixSize+chainSize)
	if err != nil {
		return nil, err
	}
	copy(k.octets[:], okm)
	clear(okm)
	return k, nil
}

func (k *schedule) clientKey() []byte    { return k.octets[:k.keySize] }
func (k *schedule) serverKey() []byte    { return k.octets[k.keySize : 2*k.keySize] }
func (k *schedule) clientPrefix() []byte { return k.octets[2*k.keySize:][:prefixSize] }
func (k *schedule) serverPrefix() []byte { return k.octets[2*k.keySize+prefixSize:][:prefixSize] }
func (k *schedule) chain() []byte        { return k.octets[2*k.keySize+2*prefixSize:][:chainSize] }
func (k *schedule) clear()               { clear(k.octets[:]) }

// trafficKeys returns the keys of the two directions, as the given side uses them.
func (k *schedule) trafficKeys(a aead, s side) (send, recv *trafficKey, err error) {
	client, err := newTrafficKey(a, k.clientKey(), k.clientPrefix())
	if err != nil {
		return nil, nil, err
	}
	server, err := newTrafficKey(a, k.serverKey(), k.serverPrefix())
	if err != nil {
		return nil, nil, err
	}
	if s == clientSide {
		return client, server, nil
	}
	return server, client, nil
}

// A trafficKey protects one direction. Its nonces are a prefix and a counter, so none can come
// twice under one key; and because the counter may not skip, nothing can be held back unnoticed.
type trafficKey struct {
	gcm     cipher.AEAD
	prefix  [prefixSize]byte
	counter uint64 // of the next PDU
}

func newTrafficKey(a aead, key, prefix []byte) (*trafficKey, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCMWithTagSize(block, a.icvSize)
	if err != nil {
		return nil, err
	}
	return &trafficKey{gcm: gcm, prefix: [prefixSize]byte(prefix)}, nil
}

// nonce returns the nonce of the next PDU.
func (k *trafficKey) nonce() (n [nonceSize]byte) {
	copy(n[:], k.prefix[:])
	binary.BigEndian.PutUint64(n[prefixSize:], k.counter)
	return n
}

func (k *trafficKey) exhausted() bool { return k.counter >= maxPDUsPerKey }
