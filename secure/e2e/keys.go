package e2e

import (
	"crypto/hkdf"
	"crypto/sha256"
)

const (
	prefixSize = 4
	nonceSize  = prefixSize + 8
	chainSize  = 32
	maxKeySize = 32
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

// A schedule is the key material of one agreement, in the order in which HKDF yields it: the client's
// key for encryption and its key for the ICV, the same two of the server, the client's and the
// server's nonce prefix, and the chain value. A key that the algorithm does not need has no octets.
type schedule struct {
	alg    suite
	octets [4*maxKeySize + 2*prefixSize + chainSize]byte
}

// newSchedule derives keys for an algorithm.
//
// RFC 5869; IEC 62351-4, 13.3.1.4.
func newSchedule(ikm []byte, s salt, alg suite) (*schedule, error) {
	k := &schedule{alg: alg}
	okm, err := hkdf.Key(sha256.New, ikm, s[:], "", 2*k.keySize()+2*prefixSize+chainSize)
	if err != nil {
		return nil, err
	}
	copy(k.octets[:], okm)
	clear(okm)
	return k, nil
}

// keySize is the length of the keys of one direction.
func (k *schedule) keySize() int {
	enc, icv := k.alg.keySizes()
	return enc + icv
}

// direction returns what protects the PDUs that the given side sends.
func (k *schedule) direction(s side) (enc, icv, prefix []byte) {
	encSize, _ := k.alg.keySizes()
	size := k.keySize()
	keys, prefixes := k.octets[:2*size], k.octets[2*size:][:2*prefixSize]
	if s == serverSide {
		keys, prefixes = keys[size:], prefixes[prefixSize:]
	}
	return keys[:encSize], keys[encSize:size], prefixes[:prefixSize]
}

func (k *schedule) chain() []byte { return k.octets[2*k.keySize()+2*prefixSize:][:chainSize] }
func (k *schedule) clear()        { clear(k.octets[:]) }

// trafficKeys returns the keys of the two directions, as the given side uses them.
func (k *schedule) trafficKeys(s side) (send, recv *trafficKey, err error) {
	client, err := newTrafficKey(k, clientSide)
	if err != nil {
		return nil, nil, err
	}
	server, err := newTrafficKey(k, serverSide)
	if err != nil {
		return nil, nil, err
	}
	if s == clientSide {
		return client, server, nil
	}
	return server, client, nil
}
