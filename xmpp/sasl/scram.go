package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/xdg-go/stringprep"
)

// Registered names of SCRAM with SHA-256. The second binds the exchange to the
// channel.
//
// RFC 5802; RFC 7677.
const (
	NameSCRAM     = "SCRAM-SHA-256"
	NameSCRAMPlus = "SCRAM-SHA-256-PLUS"
)

// ByPassword reports whether a mechanism of that name proves a password.
func ByPassword(name string) bool {
	switch name {
	case NameSCRAM, NameSCRAMPlus, NameSCRAMSHA1, NameSCRAMSHA1Plus, NamePlain:
		return true
	}
	return false
}

// hashing is the hash that a variant of SCRAM is built on.
type hashing struct {
	new  func() hash.Hash
	size int // octets
}

var (
	withSHA256 = hashing{sha256.New, sha256.Size}
	withSHA1   = hashing{sha1.New, sha1.Size}
)

const (
	// minIterations is what RFC 7677, Section 4 asks for at least. A client that
	// accepted fewer would let a false server guess the password cheaply.
	minIterations = 4096
	// maxIterations bounds what a false server can make a client compute: some
	// tenths of a second.
	maxIterations = 1_000_000
	// newIterations is what new verifiers are made with.
	newIterations = 100_000

	saltSize  = 16
	nonceSize = 18 // octets of randomness of each end
)

// Verifier is what a server keeps instead of a password. Who has it can play the
// server towards the account, and try passwords, but not log in.
//
// RFC 5802, Section 3.
type Verifier struct {
	Salt       []byte // 16 octets
	Iterations int    // 4,096 to 1,000,000
	StoredKey  []byte // 32 octets
	ServerKey  []byte // 32 octets
}

// NewVerifier returns the verifier of a password, under a salt of its own. It
// fails where the password is empty or has characters that no password has.
func NewVerifier(password string) (Verifier, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	return newVerifier(password, salt, newIterations)
}

func newVerifier(password string, salt []byte, iterations int) (Verifier, error) {
	return withSHA256.verifier(password, salt, iterations)
}

func (h hashing) verifier(password string, salt []byte, iterations int) (Verifier, error) {
	k, err := h.deriveKeys(password, salt, iterations)
	if err != nil {
		return Verifier{}, err
	}
	return Verifier{salt, iterations, k.stored, k.server}, nil
}

// Check says what is wrong with a verifier.
func (v Verifier) Check() error {
	switch {
	case len(v.Salt) != saltSize:
		return fmt.Errorf("the salt has %d octets, not %d", len(v.Salt), saltSize)
	case v.Iterations < minIterations || v.Iterations > maxIterations:
		return fmt.Errorf("%d iterations, which are not between %d and %d", v.Iterations, minIterations, maxIterations)
	case len(v.StoredKey) != sha256.Size || len(v.ServerKey) != sha256.Size:
		return fmt.Errorf("keys of %d and %d octets, not %d", len(v.StoredKey), len(v.ServerKey), sha256.Size)
	}
	return nil
}

// keys are what both ends compute from a password.
type keys struct{ client, stored, server []byte }

// deriveKeys computes the keys.
//
// RFC 5802, Section 3.
func (h hashing) deriveKeys(password string, salt []byte, iterations int) (keys, error) {
	prepared, err := prepare(password)
	if err != nil {
		return keys{}, errors.New("sasl: the password " + err.Error())
	}
	salted, err := pbkdf2.Key(h.new, prepared, salt, iterations, h.size)
	if err != nil {
		return keys{}, fmt.Errorf("sasl: deriving the keys: %w", err)
	}
	client := h.mac(salted, "Client Key")
	return keys{client, h.sum(client), h.mac(salted, "Server Key")}, nil
}

// prepare applies SASLprep. The errors do not quote s, which may be a password.
//
// RFC 4013; RFC 5802, Section 2.2.
func prepare(s string) (string, error) {
	prepared, err := stringprep.SASLprep.Prepare(strings.ToValidUTF8(s, "\x00")) // which is prohibited
	switch {
	case err != nil:
		return "", errors.New("has a character that is not allowed there")
	case prepared == "":
		return "", errors.New("is empty")
	}
	return prepared, nil
}

func (h hashing) mac(key []byte, message string) []byte {
	m := hmac.New(h.new, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

func (h hashing) sum(b []byte) []byte {
	s := h.new()
	s.Write(b)
	return s.Sum(nil)
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range out {
		out[i] = a[i] ^ b[i]
	}
	return out
}

// offerHash is what the server adds to its first message, so that the client
// learns whether it was offered what the server has offered.
//
// XEP-0474, Section 5.1.
func (h hashing) offerHash(o Offer) []byte {
	s := strings.Join(slices.Sorted(slices.Values(o.Mechanisms)), "\x1e")
	if len(o.Bindings) > 0 {
		s += "\x1f" + strings.Join(slices.Sorted(slices.Values(o.Bindings)), "\x1e")
	}
	return h.sum([]byte(s))
}
