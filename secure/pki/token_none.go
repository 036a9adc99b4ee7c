//go:build !pkcs11

package pki

import (
	"crypto"
	"errors"
)

// open says how to get a program that can use tokens.
func (k *tokenKey) open() (crypto.Signer, error) {
	return nil, errors.New("the key is kept in a PKCS #11 token, and this program was built without support for them: build it with CGO_ENABLED=1 go build -tags pkcs11 ./cmd/busbar")
}
