package pki

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// tokenScheme begins what a key file holds in place of a key that is kept in a token.
//
// RFC 7512
const tokenScheme = "pkcs11:"

// maxTokenURI bounds such a file, in octets.
const maxTokenURI = 4096

// tokenKey says where a private key is kept.
type tokenKey struct {
	module        string // path of the PKCS #11 library
	token, serial string // label and serial number of the token
	object        string // label of the key
	id            []byte // of the key
	pinFile       string
}

// isTokenURI tells a URI from a key in PEM.
func isTokenURI(data []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(data), []byte(tokenScheme)) }

// parseTokenURI reads a PKCS #11 URI. It names the module, the token, the key and a
// file with the PIN, whose name may be relative to the folder. A PIN in the URI itself
// is an error: URIs are shown and copied.
//
// RFC 7512, Section 2
func parseTokenURI(data []byte, folder string) (tokenKey, error) {
	var k tokenKey
	text := string(bytes.TrimSpace(data))
	if len(text) > maxTokenURI || strings.ContainsAny(text, "\r\n") {
		return k, errors.New("the PKCS #11 URI must be one line")
	}
	path, query, _ := strings.Cut(strings.TrimPrefix(text, tokenScheme), "?")
	seen := map[string]bool{}
	for _, part := range [...]struct{ text, separator string }{{path, ";"}, {query, "&"}} {
		for attribute := range strings.SplitSeq(part.text, part.separator) {
			if attribute == "" {
				continue
			}
			name, raw, ok := strings.Cut(attribute, "=")
			value, err := url.PathUnescape(raw)
			if !ok || err != nil || seen[name] {
				return k, fmt.Errorf("the PKCS #11 URI is malformed at %q", printable(name))
			}
			seen[name] = true
			if err := k.set(name, value, folder); err != nil {
				return k, err
			}
		}
	}
	switch {
	case k.module == "":
		return k, errors.New("the PKCS #11 URI names no module: add ?module-path=/usr/lib/…/….so")
	case k.token == "" && k.serial == "":
		return k, errors.New("the PKCS #11 URI names no token: add token=LABEL or serial=NUMBER")
	case k.object == "" && len(k.id) == 0:
		return k, errors.New("the PKCS #11 URI names no key: add object=LABEL or id=%NN…")
	case k.pinFile == "":
		return k, errors.New("the PKCS #11 URI names no PIN: add &pin-source=file:NAME, a file of mode 0600")
	}
	return k, nil
}

// set takes one attribute of a URI.
func (k *tokenKey) set(name, value, folder string) error {
	switch name {
	case "token":
		k.token = value
	case "serial":
		k.serial = value
	case "object":
		k.object = value
	case "id":
		k.id = []byte(value)
	case "type":
		if value != "private" {
			return errors.New("the PKCS #11 URI is not of a private key (type=private)")
		}
	case "module-path":
		k.module = value
	case "pin-source":
		if k.pinFile = strings.TrimPrefix(strings.TrimPrefix(value, "file://"), "file:"); !filepath.IsAbs(k.pinFile) {
			k.pinFile = filepath.Join(folder, k.pinFile)
		}
	case "pin-value":
		return errors.New("the PKCS #11 URI holds the PIN: put it into a file of mode 0600, and name that with pin-source=file:NAME")
	case "manufacturer", "model", "library-manufacturer", "library-description", "library-version", "slot-id", "slot-manufacturer", "slot-description", "module-name":
		return fmt.Errorf("the attribute %s of the PKCS #11 URI is not supported", name)
	default:
		return fmt.Errorf("the PKCS #11 URI has an attribute %q that is not known", printable(name))
	}
	return nil
}

// pin reads the PIN.
func (k *tokenKey) pin() (string, error) {
	data, err := readFile(k.pinFile, true)
	if err != nil {
		return "", fmt.Errorf("reading the PIN: %w", err)
	}
	defer clear(data)
	pin := strings.TrimRight(string(data), "\r\n")
	if pin == "" {
		return "", fmt.Errorf("reading the PIN: %s is empty", k.pinFile)
	}
	return pin, nil
}
