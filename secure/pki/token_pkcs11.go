//go:build pkcs11

package pki

import (
	"crypto"
	"errors"
	"fmt"
	"runtime"

	"github.com/ThalesGroup/crypto11"
)

// tokenSigner is a private key that never leaves its token.
type tokenSigner struct{ crypto.Signer }

// open logs in to the token and finds the key. The session ends when nobody holds the
// key any more.
func (k *tokenKey) open() (crypto.Signer, error) {
	pin, err := k.pin()
	if err != nil {
		return nil, err
	}
	session, err := crypto11.Configure(&crypto11.Config{Path: k.module, TokenLabel: k.token, TokenSerial: k.serial, Pin: pin})
	if err != nil {
		return nil, fmt.Errorf("opening the PKCS #11 token %q of %s: %w", printable(k.token+k.serial), k.module, err)
	}
	var label []byte
	if k.object != "" {
		label = []byte(k.object)
	}
	pair, err := session.FindKeyPair(k.id, label)
	if err == nil && pair == nil {
		err = errors.New("no private key with a public one beside it has this label and id")
	}
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("finding the key %q in the PKCS #11 token: %w", printable(k.object), err)
	}
	signer := &tokenSigner{pair}
	runtime.AddCleanup(signer, func(s *crypto11.Context) { s.Close() }, session)
	return signer, nil
}
