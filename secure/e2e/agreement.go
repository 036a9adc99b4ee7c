package e2e

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"math/big"
	"strconv"

	"busbar.example/secure/audit"
)

// A Group is one of the groups of the key agreement, by its number in the registry of IKE.
type Group uint8

// The groups.
const (
	GroupMODP2048 Group = 14 // RFC 3526, Section 3
	GroupP256     Group = 23 // secp256r1
)

// String names the group, with its number.
func (g Group) String() string {
	switch g {
	case GroupMODP2048:
		return "MODP-2048 (14)"
	case GroupP256:
		return "secp256r1 (23)"
	}
	return "unknown (" + strconv.Itoa(int(g)) + ")"
}

// number is the group in a token.
func (g Group) number() string { return strconv.Itoa(int(g)) }

func (g Group) known() bool { return g == GroupP256 || g == GroupMODP2048 }

// modp2048 is the prime p of group 14; (p-1)/2 is prime, too. The generator is 2.
//
// RFC 3526, Section 3.
var modp2048, _ = new(big.Int).SetString(""+
	"FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"+
	"020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"+
	"4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"+
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"+
	"98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"+
	"9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"+
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"+
	"3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF", 16)

const (
	modpSize = 256 // octets of a public key and of a shared secret of group 14
	modpBits = 320 // of a private key: twice the strength of the group, and ample
)

// A keyPair is ours, of one agreement.
type keyPair struct {
	group Group
	ec    *ecdh.PrivateKey // GroupP256
	x     *big.Int         // GroupMODP2048
}

// A publicKey is the peer's. It was checked.
type publicKey struct {
	group Group
	ec    *ecdh.PublicKey
	y     *big.Int
}

// newKeyPair makes a key pair for one agreement.
//
// All private keys of group 14 have the same length, so that the exponentiations take the same
// steps. math/big does not promise constant time below that; a key serves one association, the
// client's but once, and what a server raises to it are keys that were never seen before and came
// signed.
func newKeyPair(g Group) (*keyPair, error) {
	if g == GroupMODP2048 {
		b := make([]byte, modpBits/8)
		if _, err := rand.Read(b); err != nil {
			return nil, fmt.Errorf("making a key pair: %w", err)
		}
		b[0] |= 0x80
		return &keyPair{group: g, x: new(big.Int).SetBytes(b)}, nil
	}
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key pair: %w", err)
	}
	return &keyPair{group: g, ec: key}, nil
}

// public returns our public key for a token.
func (k *keyPair) public() DiffieHellmanSet {
	set := DiffieHellmanSet{Group: k.group.number()}
	if k.group == GroupMODP2048 {
		set.PublicKey = new(big.Int).Exp(big.NewInt(2), k.x, modp2048).FillBytes(make([]byte, modpSize))
	} else {
		set.PublicKey = k.ec.PublicKey().Bytes()
	}
	return set
}

// readPublicKey reads a peer's public key of the group g. Of group 23 it refuses whatever is not the
// uncompressed form of a point on the curve, which has no small subgroups; of group 14 whatever is
// not between 2 and p-2 and in the subgroup of prime order, where the Legendre symbol is 1.
//
// SEC 1, Section 2.3.4; NIST SP 800-56A Rev. 3, 5.6.2.3.1; IEC 62351-4, 13.3.1.2.
func readPublicKey(g Group, octets []byte) (*publicKey, *fault) {
	if g != GroupMODP2048 {
		key, err := ecdh.P256().NewPublicKey(octets)
		if err != nil {
			return nil, alarm(audit.E2EKeyShare, "the public key is no point on the curve").because(err)
		}
		return &publicKey{group: g, ec: key}, nil
	}
	y := new(big.Int).SetBytes(octets)
	one := big.NewInt(1)
	last := new(big.Int).Sub(modp2048, one)
	switch {
	case len(octets) != modpSize:
		return nil, alarm(audit.E2EKeyShare, "the public key has %d octets, not %d", len(octets), modpSize)
	case y.Cmp(one) <= 0 || y.Cmp(last) >= 0:
		return nil, alarm(audit.E2EKeyShare, "the public key is 0, 1, p-1 or beyond")
	case big.Jacobi(y, modp2048) != 1:
		return nil, alarm(audit.E2EKeyShare, "the public key is not in the subgroup of prime order")
	}
	return &publicKey{group: g, y: y}, nil
}

// octets returns the key as a token has it.
func (p *publicKey) octets() []byte {
	if p.group == GroupMODP2048 {
		return p.y.FillBytes(make([]byte, modpSize))
	}
	return p.ec.Bytes()
}

// secret returns Z, of 32 octets for group 23, of 256 for group 14. p is of the same group.
//
// IEC 62351-4, 13.3.1.2; NIST SP 800-56A Rev. 3, 5.7.1.
func (k *keyPair) secret(p *publicKey) ([]byte, error) {
	if k.group == GroupMODP2048 {
		return new(big.Int).Exp(p.y, k.x, modp2048).FillBytes(make([]byte, modpSize)), nil
	}
	return k.ec.ECDH(p.ec)
}

// agree derives the keys of an agreement. chain is that of the one before, nil at the first.
func agree(private *keyPair, public *publicKey, chain []byte, s salt, alg suite) (*schedule, error) {
	z, err := private.secret(public)
	if err != nil {
		return nil, err
	}
	ikm := append(z, chain...)
	defer clear(ikm)
	defer clear(z)
	return newSchedule(ikm, s, alg)
}
